"""The kinds of observations that there are: in weights, in features, and along the training.

A kind is one record. For another one write its plan (a `PlanOf`) with what is seen in a network and
in several, then its record here, its table in `validation.store.file`, and how it is held against
the theory in `validation.report.tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.status import InvalidInputError
from validation.simulation.feature_plan import FeatureObservation, FeaturePlan, FeatureSamples
from validation.simulation.features import observe_features
from validation.simulation.observe import Observation
from validation.simulation.path_plan import (
    PathObservation,
    PathPlan,
    PathSamples,
    n_batches,
)
from validation.simulation.paths import observe_path
from validation.simulation.plan import Plan
from validation.simulation.planned import PlanOf
from validation.simulation.samples import Samples
from validation.simulation.simulate import Sample, numbers_kept, simulate_planned
from validation.simulation.weights import observe_weights

__all__ = [
    "KINDS",
    "AnyObservation",
    "AnyPlan",
    "Kind",
    "kind_of",
    "memory_of",
    "observe_sample",
    "work_of",
]

AnyPlan: TypeAlias = PlanOf[Any, Any]
AnyObservation: TypeAlias = Observation | FeatureObservation | PathObservation

# Raised with every change of what is observed in features that changes numbers beyond rounding:
# samples of another version are not used.
_FEATURES_VERSION = 1
# The same of what is observed on the way.
_PATH_VERSION = 1
# The same of losses and misclassified samples.
_LOSS_VERSION = 1


@dataclass(frozen=True, slots=True)
class Kind:
    """How the networks of one kind of plan are observed and stored.

    Attributes
    ----------
    plan, observation : type
        The plan, and what is observed in one network. The fields of the latter are the columns of
        the table, in order, but for those that are None in all of this kind.
    table : str
        In the file.
    observe : callable
        What a plan observes in a `Sample`.
    collect : callable
        Samples of a plan, of its observations and their indices.
    shapes : callable
        Of the arrays that a plan observes in the sample of an index; None for one that is not kept.
    details : callable
        What the numbers of a sample depend on beside what all kinds do; see `recipe`.
    work : callable
        Multiplications in a sample of a plan, about, beside those of its steps; see `work_of`.
    memory : callable
        Numbers that are held beside the sample to observe it, about.
    to_bytes : callable
        An array, or a number, as it is stored: little-endian 64-bit floats.
    from_values : callable
        The observation that gave the contents of the columns.
    holds : callable
        Whether the samples of a plan of this type are of this kind.
    without : tuple of str
        Fields of the observation that are None in all of this kind.
    """

    plan: type
    observation: type
    table: str
    observe: Callable[[Any, Sample], Any]
    collect: Callable[[Any, Sequence[Any], Sequence[int]], Any]
    shapes: Callable[[Any, int], tuple[tuple[int, ...] | None, ...]]
    details: Callable[[Any, int], str]
    work: Callable[[Any, int], float]
    memory: Callable[[Any], float]
    to_bytes: Callable[[Any], bytes]
    from_values: Callable[..., Any]
    holds: Callable[[Any], bool] = lambda plan: True
    without: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the table, beside keys, versions and checksum."""
        names = (field.name for field in fields(self.observation))
        return tuple(name for name in names if name not in self.without)

    def to_values(self, observation: Any) -> tuple[bytes | None, ...]:
        """An observation as the contents of the columns."""
        values = (getattr(observation, name) for name in self.columns)
        return tuple(None if value is None else self.to_bytes(value) for value in values)

    def check_belongs(self, plan: Any, index: int, observation: Any) -> None:
        """See that an observation is what the plan says of its sample ``index``.

        Raises
        ------
        InvalidInputError
            When it is not.
        """
        if index not in plan.indices:
            raise InvalidInputError(
                f"index must be one of the {plan.n_samples} of the plan, got {index}"
            )
        expected = self.shapes(plan, index)
        values = (getattr(observation, name, None) for name in self.columns)
        found = tuple(None if value is None else np.shape(value) for value in values)
        if found != expected:
            raise InvalidInputError(
                f"observation must have arrays of shapes {expected} for {', '.join(self.columns)}, "
                f"as the plan says of sample {index}; got {found}"
            )


def _floats(values: Any) -> bytes:
    return np.asarray(values, dtype="<f8").tobytes()


def _weights_of(
    values: bytes,
    overlaps: bytes,
    residual: bytes,
    spectrum: bytes | None,
    initial_output: bytes | None = None,
) -> Observation:
    # Copies: the caller may write to them, and they have the byte order of this machine.
    columns = (values, overlaps, residual, spectrum or b"", initial_output or b"")
    s, o, (error,), whole, along = (np.frombuffer(one, "<f8").astype(np.float64) for one in columns)
    return Observation(
        s,
        o.reshape(s.size, -1),
        float(error),
        None if spectrum is None else whole,
        None if initial_output is None else along,
    )


def _weights_shapes(plan: Plan, index: int) -> tuple[tuple[int, ...] | None, ...]:
    k = plan.n_outliers
    whole = (min(plan.problem.width, plan.problem.dim),) if plan.keeps_spectrum(index) else None
    found = (k,), (k, plan.problem.n_directions), (), whole
    return (*found, (k,)) if plan.observes_initial_output else found


def _weights_details(plan: Plan, index: int) -> str:
    return (
        f"{plan.n_outliers} triplets"
        + (", spectrum" if plan.keeps_spectrum(index) else "")
        + (", initial output" if plan.observes_initial_output else "")
    )


def _weights_work(plan: Plan, index: int) -> float:
    """Three times as many as a product takes, for a spectrum."""
    n, d = plan.problem.width, plan.problem.dim
    return 6.0 * n * d * min(n, d) if plan.keeps_spectrum(index) else 0.0


def _npy(values: Array) -> bytes:
    buffer = BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values, dtype="<f8", order="C"), version=(1, 0))
    return buffer.getvalue()


def _features_of(*columns: bytes) -> FeatureObservation:
    arrays = (np.lib.format.read_array(BytesIO(one), allow_pickle=False) for one in columns)
    # In the byte order of this machine.
    return FeatureObservation(*(np.asarray(array, np.float64) for array in arrays))


def _features_shapes(plan: FeaturePlan, index: int) -> tuple[tuple[int, ...], ...]:
    errors = (plan.n_stages, len(plan.inputs), len(plan.regularisations))
    return (plan.n_spikes,), (plan.n_spikes, len(plan.monomials)), errors, errors


def _features_details(plan: FeaturePlan, index: int) -> str:
    return (
        f"{plan.n_spikes} triplets, features v{_FEATURES_VERSION} "
        f"m={','.join(map(str, plan.inputs))} "
        f"lambda={','.join(map(repr, plan.regularisations))} test={plan.n_test}"
    )


def _features_work(plan: FeaturePlan, index: int) -> float:
    """At every stage, of the products that give the features and of their Gram matrices."""
    width, dim = plan.problem.width, plan.problem.dim
    passed = dim * (max(plan.inputs) + plan.n_test)
    return float(plan.n_stages * width * (passed + width * sum(plan.inputs)))


def _features_memory(plan: FeaturePlan) -> float:
    """Of inputs and their features, and three Gram matrices."""
    width, dim = plan.problem.width, plan.problem.dim
    return float((max(plan.inputs) + plan.n_test) * (width + dim) + 3 * width**2)


def _path_of(*columns: bytes) -> PathObservation:
    arrays = [np.lib.format.read_array(BytesIO(one), allow_pickle=False) for one in columns]
    s, o, errors, test, squares, residual, *losses = (np.asarray(one, np.float64) for one in arrays)
    return PathObservation(s, o, errors, test, squares, float(residual), *losses)


def _path_shapes(plan: PathPlan, index: int) -> tuple[tuple[int, ...], ...]:
    steps, k, batches = len(plan.problem.steps), plan.n_outliers, n_batches(plan.problem)
    overlaps, both = (steps, k, plan.problem.n_directions), ((steps + 1, batches), (steps + 1,))
    found = (steps, k), overlaps, *both, (batches + 1,), ()
    return (*found, *both, *both) if plan.observes_loss else found


def _path_details(plan: PathPlan, index: int) -> str:
    losses = f", losses v{_LOSS_VERSION}" if plan.observes_loss else ""
    return f"{plan.n_outliers} triplets, path v{_PATH_VERSION} test={plan.n_test}{losses}"


def _path_passed(plan: PathPlan) -> int:
    """Inputs that pass through the network at every stage."""
    return sum(plan.problem.samples[: n_batches(plan.problem)]) + plan.n_test


def _path_work(plan: PathPlan, index: int) -> float:
    stages = len(plan.problem.steps) + 1
    return float(stages * plan.problem.width * plan.problem.dim * _path_passed(plan))


_WEIGHTS = Kind(
    plan=Plan,
    observation=Observation,
    table="samples",
    observe=observe_weights,
    collect=lambda plan, seen, indices: Samples.collect(plan.problem, plan.seed, seen, indices),
    shapes=_weights_shapes,
    details=_weights_details,
    work=_weights_work,
    memory=lambda plan: float(plan.problem.width * plan.problem.dim),
    to_bytes=_floats,
    from_values=_weights_of,
    holds=lambda plan: not plan.observes_initial_output,
    without=("initial_output_overlap",),
)
_FEATURES = Kind(
    plan=FeaturePlan,
    observation=FeatureObservation,
    table="features",
    observe=observe_features,
    collect=lambda plan, seen, indices: FeatureSamples.collect(plan, seen),
    shapes=_features_shapes,
    details=_features_details,
    work=_features_work,
    memory=_features_memory,
    to_bytes=_npy,
    from_values=_features_of,
)
_PATHS = Kind(
    plan=PathPlan,
    observation=PathObservation,
    table="paths",
    observe=observe_path,
    collect=PathSamples.collect,
    shapes=_path_shapes,
    details=_path_details,
    work=_path_work,
    memory=lambda plan: float(plan.n_test * plan.problem.dim),
    to_bytes=_npy,
    from_values=_path_of,
    holds=lambda plan: not plan.observes_loss,
    without=("batch_loss", "test_loss", "batch_misclassified", "test_misclassified"),
)
# What is observed in problems that the first stores did not know has tables of its own, so that
# their rows, and the checksums of these, stay what they are.
KINDS = (
    _WEIGHTS,
    _FEATURES,
    _PATHS,
    replace(
        _WEIGHTS,
        table="samples_with_output",
        holds=lambda plan: plan.observes_initial_output,
        without=(),
    ),
    replace(_PATHS, table="paths_with_losses", holds=lambda plan: plan.observes_loss, without=()),
)


def kind_of(plan: AnyPlan) -> Kind:
    """The kind that a plan's samples are of.

    Raises
    ------
    InvalidInputError
        For what is no plan.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> kind_of(Plan(problem, 3)).table
    'samples'
    """
    for kind in KINDS:
        if isinstance(plan, kind.plan) and kind.holds(plan):
            return kind
    raise InvalidInputError(f"plans must hold Plan objects, got {type(plan).__name__}")


def work_of(plan: AnyPlan, index: int) -> tuple[float, float]:
    """About how many multiplications a sample takes: in its steps, and to observe it.

    In float64; those of float32 count half, as long as they take.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> work_of(Plan(problem, n_samples=5, n_spectra=1), 0)
    (256000.0, 384000.0)
    """
    problem, share = plan.problem, np.dtype(plan.dtype).itemsize / 8
    steps = 2.0 * problem.width * problem.dim * sum(problem.samples)
    return share * steps, share * kind_of(plan).work(plan, index)


def memory_of(plan: AnyPlan) -> float:
    """About how many bytes a process holds to simulate and observe a sample of a plan.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", 2000, 2000, samples=4000, steps=[Step(2, 0.3)])
    >>> memory_of(Plan(problem, n_samples=5)) / 1e6
    192.0
    """
    numbers = 1.25 * numbers_kept(plan.problem) + kind_of(plan).memory(plan)
    return numbers * np.dtype(plan.dtype).itemsize


def observe_sample(
    plan: AnyPlan, index: int, *, threads: int | None = None, device: str = "cpu"
) -> AnyObservation:
    """Simulate one network of a plan and observe it.

    Parameters
    ----------
    plan : Plan, FeaturePlan or PathPlan
        What to simulate and to observe.
    index : int
        Which sample.
    threads, device
        As in `simulate`.

    Raises
    ------
    ConvergenceError
        When the weights overflow; a note says which sample it was.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> observe_sample(Plan(problem, n_samples=5, n_outliers=2), 3).singular_values.shape
    (2,)
    """
    sample = simulate_planned(plan, index, threads, device)
    seen: AnyObservation = kind_of(plan).observe(plan, sample)
    return seen
