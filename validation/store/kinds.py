"""The two kinds of samples that a store holds: what was observed in weights, and in features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.features import FeatureObservation, FeatureSamples
from validation.simulation.observe import Observation
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.store import stored_features, stored_sample

__all__ = ["KINDS", "AnyObservation", "AnyPlan", "AnySamples", "Kind", "kind_of"]

AnyPlan: TypeAlias = Plan | FeaturePlan
AnyObservation: TypeAlias = Observation | FeatureObservation
AnySamples: TypeAlias = Samples | FeatureSamples


@dataclass(frozen=True, slots=True)
class Kind:
    """How the observations of one kind of plan are stored.

    Attributes
    ----------
    table : str
        Their table in the file.
    columns : tuple of str
        Its columns beside keys, versions and checksum.
    check_belongs : callable
        Raises for an observation that is not what the plan says of its sample.
    to_values, from_values : callable
        An observation as the contents of the columns, and back.
    collect : callable
        Samples of a plan, its observations, and their indices, which are read after these.
    """

    table: str
    columns: tuple[str, ...]
    check_belongs: Callable[[Any, int, Any], None]
    to_values: Callable[[Any], Sequence[bytes | None]]
    from_values: Callable[..., Any]
    collect: Callable[[Any, Iterable[Any], Sequence[int]], Any]

    @property
    def marks(self) -> str:
        """Of all columns in an SQL statement."""
        return ", ".join("?" * (len(self.columns) + 4))

    @property
    def selected(self) -> str:
        """The columns of an SQL query: number, contents, versions and checksum."""
        return ", ".join(("number", *self.columns, "made_with", "checksum"))


_WEIGHTS = Kind(
    "samples",
    stored_sample.COLUMNS,
    stored_sample.check_belongs,
    stored_sample.to_values,
    stored_sample.from_values,
    lambda plan, seen, indices: Samples.collect(plan.problem, plan.seed, seen, indices),
)
_FEATURES = Kind(
    "features",
    stored_features.COLUMNS,
    stored_features.check_belongs,
    stored_features.to_values,
    stored_features.from_values,
    lambda plan, seen, indices: FeatureSamples.collect(plan, seen),
)
KINDS = (_WEIGHTS, _FEATURES)


def kind_of(plan: AnyPlan) -> Kind:
    """The kind that a plan's samples are of.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> kind_of(Plan(problem, 3)).table
    'samples'
    """
    return _FEATURES if isinstance(plan, FeaturePlan) else _WEIGHTS
