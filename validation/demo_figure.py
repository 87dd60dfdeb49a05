"""The figure of a comparison: spectra with outliers, beside what the outliers have learned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt.status import InvalidInputError
from validation import drawing
from validation.drawing import BATCHES, COLOURS, FAINT, INK, STYLE, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["comparison_figure", "save_figure"]


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
    drawing.require_matplotlib()
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
    linear_to = drawing.end_of_linear_axis(panels)
    with rc_context(STYLE):
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, hspace=0.06)
        figure = Figure(figsize=(10.2, 0.5 + 2.75 * len(titles)), layout=layout)
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(titles), 3, squeeze=False, width_ratios=(1.0, 1.0, 0.8))
        for i, title in enumerate(titles):
            batches = [panel for panel in panels if panel.case.title == title]
            for axes, panel in zip(grid[i, :2], batches, strict=False):
                drawing.draw_spectrum(axes, panel, linear_to, top)
                axes.set_title(f"{title}\n{BATCHES[panel.samples.problem.batch]}")
            for axes in grid[i, len(batches) : 2]:
                axes.set_visible(False)
            drawing.draw_overlaps(grid[i, 2], batches)
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
