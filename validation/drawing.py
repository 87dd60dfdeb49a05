"""The figure of a comparison, and its parts: spectra with outliers, what these have learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.status import InvalidInputError, RmtError
from validation.catalogue import Case
from validation.comparison.comparison import Comparison
from validation.simulation.samples import Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BATCHES",
    "COLOURS",
    "FAINT",
    "INK",
    "STYLE",
    "Bulk",
    "Panel",
    "batches_of",
    "colour_of",
    "comparison_figure",
    "draw_overlaps",
    "draw_spectrum",
    "end_of_linear_axis",
    "points_between",
    "require_matplotlib",
    "save_figure",
]

# Okabe and Ito's colours, told apart by readers with any of the common colour deficiencies.
COLOURS = {"independent": "#0072B2", "reused": "#D55E00"}
BATCHES = {"independent": "independent batches", "reused": "reused batch"}
_SCHEDULE = "#009E73"
INK, FAINT = "#222222", "#888888"
_INKED = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
_THIN = ("axes.linewidth", "xtick.major.width", "ytick.major.width")
STYLE: Any = {
    **{"font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "legend.fontsize": 8},
    **{"xtick.labelsize": 8, "ytick.labelsize": 8},
    **dict.fromkeys(_INKED, INK),
    **dict.fromkeys(_THIN, 0.7),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "pdf.fonttype": 42,
    "mathtext.fontset": "dejavusans",
}
# Of what is written into a figure, placed by points.
_NOTE: Any = {"textcoords": "offset points", "fontsize": 7.5}
_BAR_WIDTH = 0.19
_BINS = 60
_CURVE_POINTS = 121


class Bulk(Protocol):
    """A predicted law of the singular values, as far as the figure needs it."""

    @property
    def edges(self) -> Sequence[tuple[float, float]]:
        """The intervals of the support, in increasing order."""

    def pdf(self, x: Array, /) -> Array:
        """The density."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Everything that the figure shows of one problem.

    Attributes
    ----------
    case : Case
    bulk : Bulk
        The predicted one, of ``prediction.bulk``.
    samples : Samples
        With whole spectra.
    comparison : Comparison
    """

    case: Case
    bulk: Bulk
    samples: Samples
    comparison: Comparison


def colour_of(problem: Problem) -> str:
    """By the kind of its batches; one colour for all other schedules."""
    return COLOURS.get(str(problem.batch), _SCHEDULE)


def batches_of(problem: Problem) -> str:
    """The kind of its batches in words."""
    return BATCHES.get(str(problem.batch), f"batches {problem.batch_text}")


def require_matplotlib() -> None:
    """Raise `RmtError`, naming the extra to install, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise RmtError("figures need matplotlib (the extra 'validation' of this package)")


def end_of_linear_axis(panels: Sequence[Panel]) -> float:
    """Where a common axis of singular values turns from linear to logarithmic."""
    return max(1.5 * panel.comparison.beyond_bulk.edge for panel in panels)


def draw_spectrum(axes: Axes, panel: Panel, linear_to: float, top: float) -> None:
    """Histogram of all singular values, predicted bulk and outliers, outliers of every network.

    Parameters
    ----------
    axes : matplotlib Axes
    panel : Panel
    linear_to, top : float
        The axis is linear up to the first and logarithmic from there to the second.
    """
    edge = panel.bulk.edges[-1][1]
    histogram = panel.samples.histogram(np.linspace(0.0, 1.2 * edge, _BINS + 1))
    colour = colour_of(panel.samples.problem)
    if top > linear_to:
        axes.set_xscale("symlog", linthresh=linear_to, linscale=2.2, subs=[2, 3, 4, 5, 6, 7, 8, 9])
    axes.set_xlim(0, top)
    axes.stairs(histogram.density, histogram.edges, fill=True, color=colour, alpha=0.35, lw=0)
    initial = MarchenkoPasturBulk(panel.samples.problem.aspect_ratio)
    axes.plot(*_curve(initial), color=FAINT, lw=0.9, ls=(0, (4, 2)))
    points, density = _curve(panel.bulk)
    axes.plot(points, density, color=INK, lw=1.2)
    height = 1.3 * max(float(density.max()), float(histogram.density.max()))
    axes.set_ylim(0, height)
    _draw_outliers(axes, panel, height, colour)
    if top > linear_to:
        axes.axvline(linear_to, color=FAINT, lw=0.6, ls=":")
        axes.annotate(
            "log scale", (linear_to, 0.985), (4, 0), ("data", "axes fraction"), va="top",
            color=FAINT, **_NOTE,
        )  # fmt: skip
    ticks = [t for t in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if t < top]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.tick_params(axis="x", which="minor", length=2)
    axes.set_xlabel(rf"singular values of $W_{len(panel.samples.problem.steps)}$")
    axes.set_ylabel("density")


def _curve(bulk: Bulk) -> tuple[Array, Array]:
    low, high = bulk.edges[0][0], bulk.edges[-1][1]
    points = points_between(max(low, 1e-9), high, _CURVE_POINTS)
    return points, np.asarray(bulk.pdf(points))


def points_between(low: float, high: float, count: int) -> Array:
    """Points of an interval, closest at its ends, where densities bend most."""
    bends = (1.0 - np.cos(np.linspace(0.0, np.pi, count))) / 2.0
    return np.asarray(low + (high - low) * bends)


def _draw_outliers(axes: Axes, panel: Panel, height: float, colour: str) -> None:
    """Those of every network as ticks on the axis; the predicted ones above, as marks."""
    for row in panel.comparison.rows:
        if row.quantity != "singular value":
            continue
        seen = panel.samples.singular_values[:, row.spike]
        axes.vlines(seen, 0, 0.1 * height, color=colour, lw=0.7, alpha=0.75)
        axes.vlines(row.predicted, 0, 0.23 * height, color=INK, lw=0.9, ls=(0, (2, 1.5)))
        axes.plot(row.predicted, 0.245 * height, marker="v", ms=5.5, color=INK, mec="white")
        text = f"{row.predicted:.2f}" if row.predicted < 10 else f"{row.predicted:.1f}"
        box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"}
        axes.annotate(
            text, (row.predicted, 0.245 * height), (0, 6), ha="center", va="bottom", color=INK,
            bbox=box, **_NOTE,
        )  # fmt: skip


def draw_overlaps(axes: Axes, batches: Sequence[Panel]) -> None:
    """Groups of bars, predicted and simulated, one for each outlier and target direction.

    Parameters
    ----------
    axes : matplotlib Axes
    batches : sequence of Panel
        The same problem with one or two kinds of batches.
    """
    directions = batches[0].samples.problem.n_directions
    n_outliers = max(
        sum(row.quantity == "singular value" for row in panel.comparison.rows) for panel in batches
    )
    groups = [(i, j) for i in range(n_outliers) for j in range(1, directions + 1)]
    for b, panel in enumerate(batches):
        colour = colour_of(panel.samples.problem)
        style: Any = {"edgecolor": colour, "lw": 0.9}
        bars = {(row.spike, row.direction): row for row in panel.comparison.rows}
        shift = (b - (len(batches) - 1) / 2) * 2.25 * _BAR_WIDTH
        for x, row in ((i + shift, bars[at]) for i, at in enumerate(groups) if at in bars):
            left, right = x - _BAR_WIDTH / 2, x + _BAR_WIDTH / 2
            axes.bar(left, row.predicted, _BAR_WIDTH, facecolor="white", hatch="//////", **style)
            axes.bar(
                right, row.simulated, _BAR_WIDTH, yerr=row.standard_error, facecolor=colour,
                error_kw={"elinewidth": 1.0, "capsize": 2.5, "ecolor": INK}, **style,
            )  # fmt: skip
    shown = [row for panel in batches for row in panel.comparison.rows if row.direction]
    tops = (max(row.predicted, row.simulated + row.standard_error) for row in shown)
    highest = max(tops, default=0.0)
    axes.set_ylim(0, 1.3 * max(highest, 0.01))
    labels = [f"{i}" if directions == 1 else f"{i}, $e_{j}$" for i, j in groups]
    axes.set_xticks(range(len(groups)), labels)
    axes.set_xlim(-0.6, max(len(groups), 2) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("spike")
    axes.set_ylabel("squared overlap with target")


def comparison_figure(panels: Sequence[Panel]) -> Figure:
    """Spectra and overlaps of several targets, independent against reused batches.

    One row for every target (the cases' titles), in order of appearance: for each of its batches
    the histogram of all singular values, with the predicted bulk and outliers and the outliers of
    every simulated network; then the squared overlaps of the outliers with the target, predicted
    and simulated. The singular values' axis is linear over the bulk and logarithmic beyond.

    Parameters
    ----------
    panels : sequence of Panel
        One or two (independent, reused) of each title.

    Returns
    -------
    matplotlib Figure
        Not attached to any window or backend; save it with ``figure.savefig``.

    Raises
    ------
    InvalidInputError
        Without panels, or when samples hold no whole spectrum.
    RmtError
        Without matplotlib.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not panels:
        raise InvalidInputError("panels must hold at least one, got none")
    for panel in panels:
        if not len(panel.samples.spectra):
            raise InvalidInputError(
                f"the samples of {panel.case.name} must hold a whole spectrum: "
                "run_samples(..., n_spectra=1) or more"
            )
    titles = list(dict.fromkeys(panel.case.title for panel in panels))
    top = 1.4 * max(float(panel.samples.singular_values.max()) for panel in panels)
    linear_to = end_of_linear_axis(panels)
    with rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, hspace=0.06)
        figure = Figure(figsize=(10.2, 0.5 + 2.75 * len(titles)), layout=layout)
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(titles), 3, squeeze=False, width_ratios=(1.0, 1.0, 0.8))
        for i, title in enumerate(titles):
            batches = [panel for panel in panels if panel.case.title == title]
            for axes, panel in zip(grid[i, :2], batches, strict=False):
                draw_spectrum(axes, panel, linear_to, top)
                axes.set_title(f"{title}\n{batches_of(panel.samples.problem)}")
            for axes in grid[i, len(batches) : 2]:
                axes.set_visible(False)
            draw_overlaps(grid[i, 2], batches)
            grid[i, 2].set_title(f"{title}\noverlap of each outlier")
        _add_legend(figure, grid[0, 0], panels[0])
        for letter, axes in zip("abcdefghijklmnopqrstuvwxyz", grid.flat, strict=False):
            axes.set_title(letter, loc="left", fontweight="bold", color=INK)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the name ends in; the same figure gives the same bytes."""
    from matplotlib import rc_context

    undated = {"CreationDate": None} if path.suffix == ".pdf" else None
    with rc_context(STYLE):
        figure.savefig(path, dpi=200, metadata=undated)


def _add_legend(figure: Figure, axes: Axes, panel: Panel) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    outliers = f"outliers of {panel.samples.n_samples} simulated networks"
    handles: list[Any] = [
        Patch(facecolor=COLOURS["independent"], label="independent batches"),
        Patch(facecolor=COLOURS["reused"], label="reused batch"),
        Line2D([], [], color=INK, lw=1.2, label="predicted bulk"),
        Line2D([], [], color=FAINT, lw=0.9, ls=(0, (4, 2)), label="bulk before training"),
        Line2D([], [], color=INK, marker="v", ls=(0, (2, 1.5)), lw=0.9, label="predicted outlier"),
        Line2D([], [], color=FAINT, marker="|", ls="", ms=9, label=outliers),
        Patch(facecolor="white", edgecolor=FAINT, hatch="//////", label="predicted overlap"),
        Patch(facecolor=FAINT, label="simulated overlap (standard error)"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, columnspacing=1.6)
