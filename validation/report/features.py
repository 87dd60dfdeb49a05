"""The figures of features in a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from validation.comparison.feature_comparison import FeatureComparison
from validation.drawing import COLOURS, FAINT, INK
from validation.report.curves import LearningCurves
from validation.report.evidence import CaseEvidence
from validation.report.svg import blank_figure, svg_style, to_svg
from validation.simulation.feature_plan import FeatureSamples
from validation.simulation.samples import standard_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["features_svg"]

# Of the stages before the last, which has the colour of its batch.
_STAGE_COLOURS = {"untrained": FAINT, "step 1": "#E69F00"}
_DASHES: Sequence[Any] = ("-", (0, (4, 2)), (0, (1, 1.5)))
_MARKERS = "osD"
_SHOWN = 0.01  # overlaps below it, predicted and simulated, have no bar


def features_svg(name: str, found: CaseEvidence) -> str:
    """Learning curves of every stage, beside what the leading left singular vectors have learned.

    Parameters
    ----------
    name : str
        See `to_svg`.
    found : CaseEvidence
        With a comparison.
    """
    held = found.held
    assert held is not None, "only cases that were compared"
    with svg_style(name):
        figure = blank_figure(8.6, 3.1)
        left, right = figure.subplots(1, 2, width_ratios=(1.25, 1.0))
        _draw_curves(left, held.curves, found.samples)
        _draw_overlaps(right, held.comparison)
        told = "; ".join(
            f"{row.label}: {row.predicted:.3g} and {row.simulated:.3g}"
            for row in held.comparison.rows
            if row.quantity != "training error"
        )
        title = f"Learning curves and learned features: {found.entry.case}"
        return to_svg(figure, name, title, f"Predicted and simulated: {told}.")


def _draw_curves(axes: Axes, curves: LearningCurves, samples: FeatureSamples) -> None:
    """Lines for the theory, points with standard errors for the networks."""
    plan, dim = samples.plan, samples.plan.problem.dim
    ratios = [m / dim for m in plan.inputs]
    colours = {**dict.fromkeys(curves.stages, COLOURS[plan.problem.batch]), **_STAGE_COLOURS}
    if len(plan.problem.steps) == 1:
        colours["step 1"] = COLOURS["independent"]
    mean, error = samples.test_error.mean(axis=0), standard_error(samples.test_error)
    for i, stage in enumerate(curves.stages):
        for j, ridge in enumerate(plan.regularisations):
            kind = j % len(_DASHES)
            axes.plot(
                curves.inputs / dim, curves.test_error[i, j], color=colours[stage],
                ls=_DASHES[kind], lw=1.2, label=rf"{stage}, $\lambda$ = {ridge:g}",
            )  # fmt: skip
            axes.errorbar(
                ratios, mean[i, :, j], error[i, :, j], fmt=_MARKERS[kind], ms=4, capsize=2.0,
                color=colours[stage], mfc="none" if kind else colours[stage],
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("inputs per dimension, m/d")
    axes.set_ylabel("test error")
    axes.legend(fontsize=6.5, loc="lower left", ncols=2)


def _draw_overlaps(axes: Axes, comparison: FeatureComparison) -> None:
    colour = COLOURS[comparison.problem.batch]
    rows = [
        row
        for row in comparison.rows
        if row.is_overlap and max(row.predicted, row.simulated) > _SHOWN
    ]
    for place, row in enumerate(rows):
        axes.barh(
            place - 0.19, row.predicted, 0.36, facecolor="none", edgecolor=colour, hatch="//////"
        )
        axes.barh(
            place + 0.19, row.simulated, 0.36, facecolor=colour, edgecolor=colour,
            xerr=row.standard_error, error_kw={"ecolor": INK, "capsize": 2.0, "elinewidth": 0.9},
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.of for row in rows], fontsize=7)
    axes.set_ylim(max(len(rows), 2) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xlabel("squared overlap of left singular vectors")
