"""The figure of a comparison: spectra with outliers, beside what the outliers have learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rmt.status import InvalidInputError, RmtError
from validation.catalogue import Case
from validation.compare import Comparison
from validation.samples import Samples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Bulk", "Panel", "comparison_figure", "require_matplotlib", "save_figure"]

# Okabe and Ito's colours, told apart by readers with any of the common colour deficiencies.
_COLOURS = {"independent": "#0072B2", "reused": "#D55E00"}
_INK, _FAINT = "#222222", "#888888"
_STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.edgecolor": _INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "mathtext.fontset": "dejavusans",
}
_BAR_WIDTH = 0.19
_BINS = np.linspace(0.0, 3.0, 61)


class Bulk(Protocol):
    """A predicted law of the singular values, as far as the figure needs it."""

    @property
    def edges(self) -> Sequence[tuple[float, float]]:
        """The intervals of the support, in increasing order."""

    def pdf(self, x: NDArray[np.float64], /) -> NDArray[np.float64]:
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
    linear_to = max(1.5 * panel.comparison.beyond_bulk.edge for panel in panels)
    with rc_context(_STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, hspace=0.06)
        figure = Figure(figsize=(10.2, 0.5 + 2.75 * len(titles)), layout=layout)
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(titles), 3, squeeze=False, width_ratios=(1.0, 1.0, 0.8))
        for i, title in enumerate(titles):
            batches = [panel for panel in panels if panel.case.title == title]
            for axes, panel in zip(grid[i, :2], batches, strict=False):
                _draw_spectrum(axes, panel, linear_to, top)
            for axes in grid[i, len(batches) : 2]:
                axes.set_visible(False)
            _draw_overlaps(grid[i, 2], batches)
        _add_legend(figure, grid[0, 0], panels[0])
        for letter, axes in zip("abcdefghijklmnopqrstuvwxyz", grid.flat, strict=False):
            axes.set_title(letter, loc="left", fontweight="bold", color=_INK)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format that the name ends in; the same figure gives the same bytes."""
    from matplotlib import rc_context

    undated = {"CreationDate": None} if path.suffix == ".pdf" else None
    with rc_context(_STYLE):
        figure.savefig(path, dpi=200, metadata=undated)


def require_matplotlib() -> None:
    """Raise `RmtError`, naming the extra to install, where matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise RmtError("figures need matplotlib (the extra 'validation' of this package)")


def _draw_spectrum(axes: Axes, panel: Panel, linear_to: float, top: float) -> None:
    histogram = panel.samples.histogram(_BINS)
    colour = _COLOURS[panel.samples.problem.batch]
    axes.set_xscale("symlog", linthresh=linear_to, linscale=2.2, subs=[2, 3, 4, 5, 6, 7, 8, 9])
    axes.set_xlim(0, top)
    axes.stairs(histogram.density, histogram.edges, fill=True, color=colour, alpha=0.35, lw=0)

    low, high = panel.bulk.edges[0][0], panel.bulk.edges[-1][1]
    s = np.linspace(max(low, 1e-9), high, 801)
    density = np.asarray(panel.bulk.pdf(s))
    height = 1.3 * max(float(density.max()), float(histogram.density.max()))
    axes.plot(s, density, color=_INK, lw=1.2)
    axes.set_ylim(0, height)

    # The outliers of every network, as ticks on the axis; the predicted ones above, as marks.
    predicted = [row for row in panel.comparison.rows if row.quantity == "singular value"]
    for row in predicted:
        seen = panel.samples.singular_values[:, row.spike]
        axes.vlines(seen, 0, 0.1 * height, color=colour, lw=0.7, alpha=0.75)
        axes.vlines(row.predicted, 0, 0.23 * height, color=_INK, lw=0.9, ls=(0, (2, 1.5)))
        axes.plot(row.predicted, 0.245 * height, marker="v", ms=5.5, color=_INK, mec="white")
        axes.annotate(
            f"{row.predicted:.2f}" if row.predicted < 10 else f"{row.predicted:.1f}",
            (row.predicted, 0.245 * height),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=_INK,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none"},
        )
    axes.axvline(linear_to, color=_FAINT, lw=0.6, ls=":")
    axes.annotate(
        "log scale",
        (linear_to, 0.985),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        va="top",
        fontsize=7.5,
        color=_FAINT,
    )
    ticks = [t for t in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if t < top]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.tick_params(axis="x", which="minor", length=2)
    axes.set_xlabel(rf"singular values of $W_{len(panel.samples.problem.steps)}$")
    axes.set_ylabel("density")
    batches = {"independent": "independent batches", "reused": "reused batch"}
    axes.set_title(f"{panel.case.title}\n{batches[panel.samples.problem.batch]}", color=_INK)


def _draw_overlaps(axes: Axes, batches: Sequence[Panel]) -> None:
    """Groups of bars, one for each outlier and target direction."""
    directions = batches[0].samples.problem.n_directions
    n_outliers = max(len(panel.comparison.rows) // (1 + directions) for panel in batches)
    groups = [(i, j) for i in range(n_outliers) for j in range(1, directions + 1)]
    for b, panel in enumerate(batches):
        colour = _COLOURS[panel.samples.problem.batch]
        for position, (i, j) in enumerate(groups):
            rows = [r for r in panel.comparison.rows if (r.spike, r.direction) == (i, j)]
            if not rows:
                continue
            x = position + (b - (len(batches) - 1) / 2) * 2.25 * _BAR_WIDTH
            axes.bar(
                x - _BAR_WIDTH / 2,
                rows[0].predicted,
                _BAR_WIDTH,
                facecolor="white",
                edgecolor=colour,
                hatch="//////",
                lw=0.9,
            )
            axes.bar(
                x + _BAR_WIDTH / 2,
                rows[0].simulated,
                _BAR_WIDTH,
                yerr=rows[0].standard_error,
                facecolor=colour,
                edgecolor=colour,
                lw=0.9,
                error_kw={"elinewidth": 1.0, "capsize": 2.5, "ecolor": _INK},
            )
    highest = max(
        [r.predicted for p in batches for r in p.comparison.rows if r.direction]
        + [
            r.simulated + r.standard_error
            for p in batches
            for r in p.comparison.rows
            if r.direction
        ]
        + [0.01]
    )
    axes.set_ylim(0, 1.3 * highest)
    labels = [f"{i}" if directions == 1 else f"{i}, $e_{j}$" for i, j in groups]
    axes.set_xticks(range(len(groups)), labels)
    axes.set_xlim(-0.6, max(len(groups), 1) - 0.4)
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("spike")
    axes.set_ylabel("squared overlap with target")
    axes.set_title(f"{batches[0].case.title}\noverlap of each outlier", color=_INK)


def _add_legend(figure: Figure, axes: Axes, panel: Panel) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    n = panel.samples.n_samples
    handles: list[Any] = [
        Patch(facecolor=_COLOURS["independent"], label="independent batches"),
        Patch(facecolor=_COLOURS["reused"], label="reused batch"),
        Line2D([], [], color=_INK, lw=1.2, label="predicted bulk"),
        Line2D([], [], color=_INK, marker="v", ls=(0, (2, 1.5)), lw=0.9, label="predicted outlier"),
        Line2D(
            [],
            [],
            color=_FAINT,
            marker="|",
            ls="",
            ms=9,
            label=f"outliers of {n} simulated networks",
        ),
        Patch(facecolor="white", edgecolor=_FAINT, hatch="//////", label="predicted overlap"),
        Patch(facecolor=_FAINT, label="simulated overlap (standard error)"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, columnspacing=1.6)
