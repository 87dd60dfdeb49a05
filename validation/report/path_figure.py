"""The figure of a path of training: errors, outliers and overlaps against the step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from validation.comparison.path_comparison import PathComparison
from validation.drawing import FAINT, INK, colour_of
from validation.report.curves import ErrorCurves
from validation.report.evidence import CaseEvidence
from validation.report.svg import blank_figure, svg_style, to_svg
from validation.simulation.path_plan import PathSamples
from validation.simulation.samples import standard_error

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["path_svg"]

# By target direction: a line of the theory and the mark of the networks.
_DASHES: Any = ("-", (0, (4, 2)), (0, (1, 1.5)))
_MARKERS = "osD"
_SHOWN = 0.01  # overlaps that stay below it are not drawn


def path_svg(name: str, found: CaseEvidence) -> str:
    """Errors, outliers and their overlaps after every step: theory as lines, networks as marks.

    Parameters
    ----------
    name : str
        See `to_svg`.
    found : CaseEvidence
        With a comparison.
    """
    held = found.held
    assert held is not None, "only cases that were compared"
    comparison: PathComparison = held.comparison
    with svg_style(name):
        figure = blank_figure(8.6, 2.8)
        errors, outliers, overlaps = figure.subplots(1, 3)
        _draw_errors(errors, held.curves, found.samples)
        _draw_outliers(outliers, comparison)
        _draw_overlaps(overlaps, comparison)
        for axes in (errors, outliers, overlaps):
            _mark_steps(axes, comparison.problem)
        told = "; ".join(
            f"step {row.step}, {row.label}: {row.predicted:.3g} and {row.simulated:.3g}"
            for row in comparison.rows
            if row.quantity != "number of outliers"
        )
        title = f"Errors and outliers after every step: {found.entry.case}"
        return to_svg(figure, name, title, f"Predicted and simulated: {told}.")


def _mark_steps(axes: Axes, problem: Problem) -> None:
    """Steps with the letter of the batch that each has used."""
    letters = ["", *(chr(ord("A") + batch) for batch in problem.schedule)]
    labels = [f"{step}\n{letter}" for step, letter in enumerate(letters)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.35, len(problem.steps) + 0.35)
    axes.set_xlabel("steps done, batch of the last")


def _draw_errors(axes: Axes, curves: ErrorCurves, samples: PathSamples) -> None:
    colour, steps = colour_of(samples.problem), np.arange(len(curves.test_error))
    kinds = (
        ("training", curves.training_error, samples.training_error, "-", "o", colour),
        ("test", curves.test_error, samples.test_error, (0, (4, 2)), "s", "none"),
    )
    for label, theory, seen, dashes, marker, face in kinds:
        axes.plot(steps, theory, color=INK, lw=1.1, ls=dashes)
        axes.errorbar(
            steps, seen.mean(axis=0), standard_error(seen), fmt=marker, ms=4, color=colour,
            mfc=face, capsize=2.0, label=f"{label} error",
        )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.set_ylabel("mean square error")
    axes.legend(fontsize=7, loc="lower left")


def _draw_outliers(axes: Axes, comparison: PathComparison) -> None:
    colour = colour_of(comparison.problem)
    edge = 1.0 + np.sqrt(comparison.problem.aspect_ratio)
    axes.axhline(edge, color=FAINT, lw=0.9, ls=":")
    axes.annotate("bulk", (0, edge), (-2, -9), textcoords="offset points", fontsize=7, color=FAINT)
    for numbers in _series(comparison, "singular value").values():
        _draw_series(axes, numbers, 0, colour)
    axes.set_yscale("log")
    highest = max([2 * edge, *(row.simulated for row in comparison.rows if row.spike is not None)])
    axes.set_ylim(0.7 * edge, 1.25 * highest)
    ticks = [t for t in (1, 2, 3, 5, 10, 20, 50, 100, 200, 500) if 0.7 * edge < t < 1.25 * highest]
    axes.set_yticks(ticks, [f"{t}" for t in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylabel("singular values of $W_s$")


def _draw_overlaps(axes: Axes, comparison: PathComparison) -> None:
    from matplotlib.lines import Line2D

    colour, directions = colour_of(comparison.problem), set()
    for (_, direction), numbers in _series(comparison, "squared overlap").items():
        if max(float(numbers[:, 1].max()), float(numbers[:, 2].max())) < _SHOWN:
            continue
        directions.add(direction or 1)
        _draw_series(axes, numbers, (direction or 1) - 1, colour)
    axes.set_ylim(0, 1)
    axes.set_ylabel("squared overlap with target")
    if comparison.problem.n_directions > 1:
        handles = [
            Line2D([], [], color=INK, lw=1.1, ls=_DASHES[j - 1], marker=_MARKERS[j - 1], ms=4,
                   mfc=colour, mec=colour, label=f"$e_{j}$")
            for j in sorted(directions)
        ]  # fmt: skip
        axes.legend(handles=handles, fontsize=7, loc="upper left", ncols=len(handles))


def _series(comparison: PathComparison, quantity: str) -> dict[tuple[int, int | None], Array]:
    """Step, predicted, simulated and standard error of each spike and direction."""
    found: dict[tuple[int, int | None], list[tuple[float, ...]]] = {}
    for row in comparison.rows:
        if row.quantity == quantity and row.spike is not None:
            numbers = (float(row.step), row.predicted, row.simulated, row.standard_error)
            found.setdefault((row.spike, row.direction), []).append(numbers)
    return {key: np.array(numbers) for key, numbers in found.items()}


def _draw_series(axes: Axes, numbers: Array, kind: int, colour: str) -> None:
    steps, predicted, simulated, error = numbers.T
    axes.plot(steps, predicted, color=INK, lw=1.1, ls=_DASHES[kind])
    axes.errorbar(
        steps, simulated, error, fmt=_MARKERS[kind], ms=4, color=colour, capsize=2.0
    )  # fmt: skip
