"""The figures of a report, each a text to be put into its page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from validation.comparison.feature_comparison import FeatureComparison
from validation.drawing import (
    COLOURS,
    FAINT,
    INK,
    Panel,
    colour_of,
    draw_overlaps,
    draw_spectrum,
)
from validation.gaps.gap_curves import FiniteSize
from validation.report.curves import LearningCurves
from validation.report.evidence import CaseEvidence
from validation.report.svg import blank_figure, svg_style, to_svg
from validation.simulation.feature_plan import FeatureSamples
from validation.simulation.samples import standard_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "features_svg",
    "gaps_svg",
    "overlaps_svg",
    "plane_svg",
    "spectrum_svg",
    "transition_svg",
]

# Okabe and Ito again, by the predicted number of outliers: none, one, two, more.
_COUNT_COLOURS = ("#999999", "#56B4E9", "#E69F00", "#009E73")
_LEVELS = {
    "scaling": ("#CC79A7", "s"),
    "resummed": ("#E69F00", "^"),
    "deformed": ("#009E73", "o"),
}
# Of the stages before the last, which has the colour of its batch.
_STAGE_COLOURS = {"untrained": FAINT, "step 1": "#E69F00"}
_DASHES: Sequence[Any] = ("-", (0, (4, 2)), (0, (1, 1.5)))
_MARKERS = "osD"
_SHOWN = 0.01  # overlaps below it, predicted and simulated, have no bar


def spectrum_svg(name: str, panel: Panel, linear_to: float, top: float) -> str:
    """Histogram of all singular values with the predicted bulk and outliers.

    Parameters
    ----------
    name : str
        See `to_svg`.
    panel, linear_to, top
        As in `draw_spectrum`.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    with svg_style(name):
        figure = blank_figure(4.2, 2.9)
        draw_spectrum(figure.subplots(), panel, linear_to, top)
        rows = [row for row in panel.comparison.rows if row.quantity == "singular value"]
        outliers = "; ".join(f"{row.predicted:.3g} and {row.simulated:.3g}" for row in rows)
        told = (
            f"Histogram of the singular values of {panel.samples.n_samples} networks, with the "
            f"predicted bulk up to {panel.bulk.edges[-1][1]:.3g}. "
        )
        told += f"Outliers, predicted and simulated: {outliers}." if rows else "No outlier."
        return to_svg(figure, name, f"Singular values: {panel.case}", told)


def overlaps_svg(name: str, panels: Sequence[Panel]) -> str:
    """Squared overlaps of the outliers with the target, predicted and simulated.

    Parameters
    ----------
    name : str
        See `to_svg`.
    panels : sequence of Panel
        The same problem with one or two kinds of batches.
    """
    with svg_style(name):
        figure = blank_figure(4.2, 2.9)
        draw_overlaps(figure.subplots(), panels)
        told = "; ".join(
            f"{panel.samples.problem.batch}, spike {row.spike}, direction {row.direction}: "
            f"{row.predicted:.3f} and {row.simulated:.3f}"
            for panel in panels
            for row in panel.comparison.rows
            if row.direction
        )
        title = f"Squared overlaps: {panels[0].case.title}"
        return to_svg(figure, name, title, f"Predicted and simulated: {told or 'no outlier'}.")


def plane_svg(name: str, panels: Sequence[Panel]) -> str:
    """Simulated number of outliers over the exponents, on the regions of the limit.

    Parameters
    ----------
    name : str
        See `to_svg`.
    panels : sequence of Panel
        Of two steps.
    """
    with svg_style(name):
        figure = blank_figure(5.2, 4.6)
        axes = figure.subplots()
        alpha_1 = np.linspace(0.0, 0.5, 201)
        for k in (1, 2, 3, 4, 5):
            line = np.minimum(k * (0.5 - alpha_1), 0.5)
            axes.fill_between(alpha_1, line, 0.5, color=FAINT, alpha=0.09, lw=0)
            axes.plot(alpha_1, k * (0.5 - alpha_1), color=FAINT, lw=0.8)
        for at, count in (((0.08, 0.08), 1), ((0.08, 0.48), 2), ((0.285, 0.48), 3)):
            axes.annotate(f"limit {count}", at, fontsize=8, color=INK, va="center", ha="center")
        for panel in panels:
            counted = panel.comparison.beyond_bulk
            first, second = (step.exponent for step in panel.samples.problem.steps)
            colour = _COUNT_COLOURS[min(round(counted.n_predicted), 3)]
            axes.plot(first, second, "o", ms=23, color=colour, mec=INK, mew=0.6)
            style: Any = {"ha": "center", "va": "center", "fontsize": 8.5, "color": "black"}
            axes.annotate(f"{counted.simulated:.1f}", (first, second), **style)
        axes.set_xlim(0, 0.5)
        axes.set_ylim(0, 0.5)
        axes.set_aspect("equal")
        axes.set_xlabel(r"$\alpha_1$, exponent of the first step")
        axes.set_ylabel(r"$\alpha_2$, exponent of the second step")
        _count_legend(axes)
        return to_svg(
            figure,
            name,
            "Number of outliers over the plane of exponents",
            "In each disc the mean number of outliers of the simulated networks; its colour is the "
            "predicted number. The same numbers are in the table below.",
        )


def transition_svg(name: str, panels: Sequence[Panel]) -> str:
    """Largest singular value and its overlap against the size of one step.

    Parameters
    ----------
    name : str
        See `to_svg`.
    panels : sequence of Panel
        Of one step whose size does not depend on the width.
    """
    with svg_style(name):
        figure = blank_figure(7.6, 2.9)
        left, right = figure.subplots(1, 2)
        steps = [panel.samples.problem.steps[0].scale for panel in panels]
        theory, seen = np.empty((len(panels), 2)), np.empty((len(panels), 4))
        for i, panel in enumerate(panels):
            rows, samples = panel.comparison.rows[:2], panel.samples
            none = panel.comparison.beyond_bulk.edge, 0.0
            theory[i] = [row.predicted for row in rows] or none
            seen[i] = (
                samples.mean_singular_values[0],
                samples.mean_target_overlaps[0].sum(),
                samples.singular_value_errors[0],
                np.hypot.reduce(samples.target_overlap_errors[0]),
            )
        colour = COLOURS["independent"]
        for i, axes in enumerate((left, right)):
            axes.plot(steps, theory[:, i], "o-", color=INK, mfc="none", ms=7, lw=0.9)
            axes.errorbar(
                steps, seen[:, i], seen[:, i + 2], fmt="o", ms=3.5, color=colour, capsize=2.5
            )
            axes.set_xlabel("size of the step")
        left.set_ylabel("largest singular value")
        right.set_ylabel("squared overlap with target")
        right.set_ylim(bottom=0)
        numbers = "; ".join(
            f"step {c:g}: {t[0]:.3g} and {s[0]:.3g}, overlap {t[1]:.3f} and {s[1]:.3f}"
            for c, t, s in zip(steps, theory, seen, strict=True)
        )
        told = f"Predicted and simulated largest singular value: {numbers}."
        return to_svg(figure, name, "The outlier of one step against its size", told)


def gaps_svg(name: str, found: FiniteSize, observable: str) -> str:
    """Absolute gaps of all levels in one observable against the width, with their fits.

    Parameters
    ----------
    name : str
        See `to_svg`.
    found : FiniteSize
    observable : str
        One of ``found.observables``.
    """
    with svg_style(name):
        figure = blank_figure(4.2, 3.2)
        axes = figure.subplots()
        widths = np.array(found.widths, dtype=np.float64)
        fine = np.geomspace(widths[0] / 1.1, widths[-1] * 1.1, 40)
        highest, lowest = 0.0, np.inf
        for method in found.methods:
            curve = found.curve(method, observable)
            colour, marker = _LEVELS[method]
            gaps, errors = np.abs(curve.gaps), np.array(curve.errors)
            # A bar that reaches zero has no lower end on this axis.
            bars = [np.minimum(errors, 0.9 * gaps), errors]
            label = f"{method}: {curve.fit}" if curve.fit else method
            axes.errorbar(
                widths, gaps, bars, fmt=marker, ms=5, color=colour, capsize=2.5, elinewidth=0.9,
                label=label,
            )  # fmt: skip
            if curve.fit is not None and curve.fit.resolved:
                axes.plot(fine, np.abs(curve.fit(fine)), color=colour, lw=1.0)
            highest = max(highest, float((gaps + errors).max()))
            lowest = min(lowest, float(np.maximum(gaps - errors, 0.3 * gaps).min()))
            if any(curve.resolutions):
                axes.plot(widths, curve.resolutions, color=FAINT, lw=0.8, ls=":")
        axes.set_xscale("log")
        axes.set_yscale("log")
        if 0 < lowest < highest < np.inf:
            axes.set_ylim(max(lowest, 1e-4 * highest), 6 * highest)
        axes.set_xticks(widths, [f"{n:g}" for n in widths])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("width N")
        relative = "relative gap" if observable.startswith("singular") else "gap"
        axes.set_ylabel(f"{relative}, {observable}")
        axes.legend(fontsize=7, loc="upper right")
        told = "; ".join(str(found.curve(method, observable)) for method in found.methods)
        return to_svg(figure, name, f"Gap against width: {observable}", told)


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


def _count_legend(axes: Axes) -> None:
    from matplotlib.lines import Line2D

    style: Any = {"marker": "o", "ls": "", "ms": 8, "mec": INK, "mew": 0.6}
    numbers = zip(_COUNT_COLOURS, ("none", "1", "2", "3 or more"), strict=True)
    handles = [Line2D([], [], color=colour, label=label, **style) for colour, label in numbers]
    axes.legend(
        handles=handles, title="predicted outliers at this width", title_fontsize=8,
        loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=4,
    )  # fmt: skip


def _draw_curves(axes: Axes, curves: LearningCurves, samples: FeatureSamples) -> None:
    """Lines for the theory, points with standard errors for the networks."""
    plan, dim = samples.plan, samples.plan.problem.dim
    ratios = [m / dim for m in plan.inputs]
    colours = {**dict.fromkeys(curves.stages, colour_of(plan.problem)), **_STAGE_COLOURS}
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
    colour = colour_of(comparison.problem)
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
