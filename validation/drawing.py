"""The parts of figures: a spectrum with its outliers, and what the outliers have learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rmt.arrays import Array
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.status import RmtError
from validation.catalogue import Case
from validation.comparison.comparison import Comparison
from validation.simulation.samples import Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BATCHES",
    "COLOURS",
    "FAINT",
    "INK",
    "STYLE",
    "Bulk",
    "Panel",
    "draw_overlaps",
    "draw_spectrum",
    "end_of_linear_axis",
    "require_matplotlib",
]

# Okabe and Ito's colours, told apart by readers with any of the common colour deficiencies.
COLOURS = {"independent": "#0072B2", "reused": "#D55E00"}
BATCHES = {"independent": "independent batches", "reused": "reused batch"}
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
    colour = COLOURS[panel.samples.problem.batch]
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
    # Closest at the ends, where densities bend most.
    bends = (1.0 - np.cos(np.linspace(0.0, np.pi, _CURVE_POINTS))) / 2.0
    points = max(low, 1e-9) + (high - max(low, 1e-9)) * bends
    return points, np.asarray(bulk.pdf(points))


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
    n_outliers = max(len(panel.comparison.rows) // (1 + directions) for panel in batches)
    groups = [(i, j) for i in range(n_outliers) for j in range(1, directions + 1)]
    for b, panel in enumerate(batches):
        colour = COLOURS[panel.samples.problem.batch]
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
