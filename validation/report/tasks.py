"""The pieces of work behind evidence: predict and compare one case, or the gaps of one section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from rmt.predict import predict
from rmt.prediction import Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import Forms
from rmt.status import RmtError
from validation.comparison.compare import DEFORMED_MARGIN, compare
from validation.comparison.result import Comparison
from validation.gaps.finite_size import finite_size
from validation.gaps.result import FiniteSize
from validation.report.density_curve import DensityCurve
from validation.simulation.observe import Observation
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.store.store import SampleStore
from validation.suites import Section

__all__ = ["CompareCase", "FindGaps", "Held", "Width", "predicted", "stored_widths"]

_FORMS: Forms = "linked"

Held: TypeAlias = tuple[Comparison, dict[str, Any], DensityCurve]


def predicted(problem: Problem) -> Prediction:
    """The prediction that evidence is held against: the deformed level with linked forms."""
    return predict(problem, "deformed", forms=_FORMS, max_seconds=None)


# A width's plan and the observations of its first networks.
Width: TypeAlias = tuple[Plan, tuple[Observation, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class CompareCase:
    """Predict and compare one case, wherever this is called."""

    samples: Samples

    def __call__(self) -> Held | str:
        try:
            prediction = predicted(self.samples.problem)
            comparison = compare(prediction, self.samples, edge_margin=DEFORMED_MARGIN)
        except RmtError as error:
            return " ".join(str(error).split())
        return comparison, prediction.to_dict(), DensityCurve.of(prediction.bulk)


@dataclass(frozen=True, slots=True, eq=False)
class FindGaps:
    """Gaps against the width, of networks that are handed over."""

    widths: tuple[Width, ...]

    def __call__(self) -> FiniteSize | str:
        first = self.widths[0][0]
        with SampleStore() as store:
            for plan, observations in self.widths:
                for index, seen in enumerate(observations):
                    store.put(plan, index, seen)
            try:
                return finite_size(
                    first.problem,
                    [plan.problem.width for plan, _ in self.widths],
                    [len(seen) for _, seen in self.widths],
                    first.seed,
                    n_spectra=first.n_spectra if first.n_spectra > 1 else 0,
                    dtype=first.dtype,
                    store=store,
                    workers=1,
                )
            except RmtError as error:
                return " ".join(str(error).split())


def stored_widths(section: Section, store: SampleStore, device: str) -> list[Width]:
    """The networks up to the first one missing, of every width that has two of them."""
    found: list[Width] = []
    for entry in section.entries:
        assert isinstance(entry.plan, Plan), "only features have plans of another kind"
        leading: list[Observation] = []
        for index, seen in store.observations(entry.plan, device):
            if index != len(leading):
                break
            leading.append(seen)
        if len(leading) >= 2:
            found.append((entry.plan, tuple(leading)))
    return found
