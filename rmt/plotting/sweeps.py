"""Pictures of sweeps and phase diagrams."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rmt.arrays import Array, Bools, Integers
from rmt.display import cut
from rmt.expressions.table import in_short
from rmt.plotting.style import (
    BULK_COLOUR,
    DIRECTION_STYLES,
    MARKERS,
    NAMES,
    SPIKE_COLOURS,
    panels,
    plain_log_ticks,
    pyplot,
)
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from rmt.grids import Sweep
    from rmt.grids.phase_diagram import PhaseDiagram

__all__ = ["coordinates", "draw_phase_diagram", "draw_sweep", "set_axis"]

FAILED_COLOUR = "0.75"
_MOST_SHADES = 8  # counts from the last one on share its colour
_MOST_LINES = 5  # boundary lines of a phase diagram; beyond, they crowd into the corner


def draw_sweep(sweep: Sweep) -> Figure:
    """Curves over one dimension, heat maps over two.

    Raises
    ------
    InvalidInputError
        For a sweep over more than two dimensions.
    """
    if len(sweep.shape) == 1:
        return _draw_curves(sweep)
    if len(sweep.shape) == 2:
        return _draw_maps(sweep)
    raise InvalidInputError(
        f"plot draws sweeps over one or two dimensions, got {len(sweep.shape)}; fix a value of the "
        "others in the problem"
    )


def _draw_curves(sweep: Sweep) -> Figure:
    figure, (above, below) = panels((6.4, 6.0), 2, 1, sharex=True)
    x, ticks = coordinates(sweep, 0)
    low, high = sweep.bulk_edges.T
    order = np.argsort(x)
    above.fill_between(
        x[order], low[order], high[order], color=BULK_COLOUR, alpha=0.25, linewidth=0, label="bulk"
    )
    overlaps, is_outlier = sweep.target_overlaps, sweep.is_outlier
    styles = DIRECTION_STYLES if ticks is None else ("", "", "")  # texts have no order
    for k in range(_most(sweep)):
        look = {
            "color": SPIKE_COLOURS[k % 6],
            "marker": MARKERS[k % 6] if x.size <= 40 else "",
            "markersize": 4,
        }
        out = is_outlier[order, k]
        position = np.where(out, sweep.singular_value[order, k], np.nan)
        above.plot(x[order], position, linestyle=styles[0], label=f"outlier {k}", **look)
        for i in range(overlaps.shape[-1]):
            value = np.where(out, overlaps[order, k, i], np.nan)
            if ticks is not None and overlaps.shape[-1] > 1:
                look |= {"marker": f"${i + 1}$", "markersize": 6}
            below.plot(x[order], value, linestyle=styles[i % 3], **look)
    if overlaps.shape[-1] > 1 and _most(sweep):
        for i in range(overlaps.shape[-1]):
            marker, label = "" if ticks is None else f"${i + 1}$", f"with $e_{i + 1}$"
            below.plot([], [], color="0.3", linestyle=styles[i % 3], marker=marker, label=label)
    failed = ~sweep.ok
    for panel in (above, below):
        for i, where in enumerate(x[failed]):
            label = "failed" if i == 0 and panel is above else "_nolegend_"
            panel.axvline(where, color="0.5", linestyle=":", label=label)
    largest = np.nanmax(np.where(is_outlier, sweep.singular_value, np.nan), initial=0.0)
    if largest > 4.0 * np.nanmax(high, initial=1.0):
        above.set_yscale("log")
        lowest = max(0.5 * float(np.nanmin(high)), float(np.nanmin(low)))
        top = 1.3 * float(largest)
        above.set_ylim(lowest, top)
        plain_log_ticks(above.yaxis, lowest, top)
    above.set_ylabel("singular value of the weights")
    below.set_ylabel("squared overlap with the target")
    most = np.nanmax(np.where(is_outlier[..., None], overlaps, 0.0), initial=0.0)
    below.set_ylim(-0.02, max(0.1, 1.1 * most))
    set_axis(below, "x", sweep, 0, x, ticks)
    for panel in (above, below):
        if panel.get_legend_handles_labels()[1]:
            place: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1.0, 0.5)}
            panel.legend(frameon=False, fontsize="small", **place)
    if not _most(sweep):
        above.set_title("no outlier", fontsize="medium")
    return figure  # type: ignore[no-any-return]


def _draw_maps(sweep: Sweep) -> Figure:
    figure, (left, middle, right) = panels((13.0, 3.9), 1, 3, sharex=True, sharey=True)
    overlap = np.where(sweep.is_outlier, sweep.target_overlap, 0.0)
    position = np.where(sweep.is_outlier, sweep.singular_value, -np.inf).max(axis=-1, initial=-1.0)
    position[position < 0] = np.nan
    best = np.where(sweep.n_outliers < 0, np.nan, overlap.max(axis=-1, initial=0.0))
    x, x_ticks = coordinates(sweep, 0)
    y, y_ticks = coordinates(sweep, 1)
    plane = _Plane(x, y, (_edges(x), _edges(y)))
    _draw_counts(left, plane, sweep.n_outliers, sweep.undecided, "number of outliers")
    _draw_positions(middle, plane, position, "largest outlier (singular value)")
    _draw_overlaps(right, plane, best, "largest squared overlap with the target")
    for panel in (left, middle, right):
        set_axis(panel, "x", sweep, 0, x, x_ticks)
    set_axis(left, "y", sweep, 1, y, y_ticks)
    return figure  # type: ignore[no-any-return]


def draw_phase_diagram(diagram: PhaseDiagram, axes: Sequence[Axes] | None = None) -> Figure:
    """Number of outliers with the boundaries of the limit, and the largest target overlap.

    Parameters
    ----------
    diagram : PhaseDiagram
    axes : pair of matplotlib Axes, optional
        A new figure is made when left out.
    """
    if axes is None:
        axes = panels((10.4, 4.8), 1, 2, sharex=True, sharey=True)[1]
    if len(axes) != 2:
        raise InvalidInputError(f"axes must be a pair, got {len(axes)}")
    left, right = axes
    x, y = diagram.alpha_1, diagram.alpha_2
    plane = _Plane(x, y, (_even_edges(x), _even_edges(y)))
    _draw_counts(left, plane, diagram.n_outliers, diagram.undecided)
    _draw_overlaps(right, plane, diagram.target_overlap)
    ends = left.get_xlim(), left.get_ylim()
    last = _MOST_LINES if diagram.last_order is None else min(diagram.last_order, _MOST_LINES)
    for k in range(1, last + 1):
        a, b = diagram.boundary(k)
        for panel in (left, right):
            panel.plot(a, b, color="white", linewidth=2.6)
            panel.plot(a, b, color="black", linewidth=1.1, linestyle=(0, (4, 2)))
        # At the height where the line is well inside the picture.
        height = 0.46 - 0.055 * k
        place = 0.5 - height / k
        if ends[0][0] < place < ends[0][1] and ends[1][0] < height < ends[1][1]:
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
            look: dict[str, Any] = {"ha": "center", "va": "center", "bbox": box}
            left.text(place, height, f"k = {k}", fontsize="x-small", **look)
    for panel in (left, right):
        panel.set_xlim(ends[0])
        panel.set_ylim(ends[1])
        panel.set_xlabel(NAMES["alpha_1"])
    left.set_ylabel(NAMES["alpha_2"])
    width = _count(diagram.problem.width)
    left.set_title(f"outliers, N = {width}, {diagram.problem.batch} batch", fontsize="medium")
    right.set_title("largest squared target overlap", fontsize="medium")
    _legend_below(left, _boundary_label(diagram, last), bool(last))
    figure: Any = left.get_figure()
    return figure  # type: ignore[no-any-return]


def _boundary_label(diagram: PhaseDiagram, last: int) -> str:
    """Which boundaries are drawn, and why there are no more."""
    if not last:
        return "no boundaries as $N \\to \\infty$:\nkinks and a reused batch"
    if diagram.last_order != last:
        why = "(more not drawn)"
    elif diagram.largest_count == last + 1:
        why = "(no more: readout of two values)"
    else:
        why = "(no more: activation with kinks)"
    orders = "k = 1" if last == 1 else f"k = 1 .. {last}"
    return r"$\alpha_2 = k\,(1/2 - \alpha_1)$, as $N \to \infty$" + f"\n{orders} {why}"


def _legend_below(ax: Axes, label: str, is_drawn: bool) -> None:
    """What the lines are, and the dots if there are any, clear of the label of the axis."""
    from matplotlib.lines import Line2D
    from matplotlib.transforms import ScaledTranslation

    handles, labels = ax.get_legend_handles_labels()
    style: Any = (0, (4, 2)) if is_drawn else ""
    handles.insert(0, Line2D([], [], color="black", linewidth=1.1, linestyle=style))
    figure: Any = ax.get_figure()
    ax.legend(
        handles,
        [label, *labels],
        frameon=False,
        fontsize="small",
        loc="upper left",
        borderaxespad=0.0,
        borderpad=0.0,
        bbox_to_anchor=(0.0, 0.0),
        bbox_transform=ax.transAxes + ScaledTranslation(0.0, -0.6, figure.dpi_scale_trans),
    )


@dataclass(frozen=True, slots=True)
class _Plane:
    """The points of a map, in any order, and the edges of the cells around them, sorted."""

    x: Array
    y: Array
    edges: tuple[Array, Array]

    def draw(self, ax: Axes, values: Any, label: str, colours: Colormap, norm: Any) -> Colorbar:
        """A colour for each point; what is masked has failed."""
        figure: Any = ax.get_figure()
        image = ax.pcolormesh(
            *self.edges,
            values.T[np.ix_(np.argsort(self.y), np.argsort(self.x))],
            cmap=colours.with_extremes(bad=FAILED_COLOUR),
            norm=norm,
            rasterized=True,
        )
        return figure.colorbar(image, ax=ax, label=label)  # type: ignore[no-any-return]


def _draw_counts(
    ax: Axes, plane: _Plane, counts: Integers, undecided: Bools, label: str = ""
) -> None:
    """A colour for each count, light to dark; dots where the count is undecided."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    found = np.unique(counts[counts >= 0])
    found = found if found.size else np.array([0])
    # One and the same colour for a count in every picture; the bar holds those that there are.
    shades = pyplot().get_cmap("magma_r")(np.linspace(0.0, 0.9, _MOST_SHADES))
    colours = ListedColormap(shades[np.minimum(found, _MOST_SHADES - 1)])
    ends = np.concatenate([[found[0] - 0.5], (found[1:] + found[:-1]) / 2, [found[-1] + 0.5]])
    norm = BoundaryNorm(ends, found.size)
    bar = plane.draw(ax, np.ma.masked_less(counts, 0), label, colours, norm)
    bar.set_ticks((ends[1:] + ends[:-1]) / 2, labels=[str(count) for count in found])
    bar.ax.minorticks_off()
    marked = np.argwhere(undecided & (counts >= 0))
    if marked.size:
        ax.plot(
            plane.x[marked[:, 0]],
            plane.y[marked[:, 1]],
            linestyle="",
            marker="o",
            markersize=3,
            markerfacecolor="white",
            markeredgecolor="black",
            markeredgewidth=0.6,
            label="undecided",
        )
        ax.legend(loc="lower left", fontsize="x-small")


def _draw_positions(ax: Axes, plane: _Plane, values: Array, label: str) -> None:
    """Logarithmic where they span much."""
    from matplotlib.colors import LogNorm

    shown = np.ma.masked_invalid(values)
    wide = shown.count() and shown.min() > 0 and shown.max() > 6 * shown.min()
    shades = pyplot().get_cmap("cividis")
    bar = plane.draw(ax, shown, label, shades, LogNorm() if wide else None)
    if wide:
        plain_log_ticks(bar.ax.yaxis, float(shown.min()), float(shown.max()))


def _draw_overlaps(ax: Axes, plane: _Plane, values: Array, label: str = "") -> None:
    """From 0 to 1 in every picture, so that pictures compare; the root lets small ones be seen."""
    from matplotlib.colors import PowerNorm

    shown, shades = np.ma.masked_invalid(values), pyplot().get_cmap("viridis")
    bar = plane.draw(ax, shown, label, shades, PowerNorm(0.5, 0.0, 1.0))
    bar.set_ticks([0, 0.02, 0.1, 0.2, 0.4, 0.6, 0.8, 1])


def _edges(centres: Array) -> Array:
    """Ends of the cells around sorted centres."""
    if _is_logarithmic(centres):
        return np.asarray(np.exp(_even_edges(np.log(centres))))
    return _even_edges(centres)


def _even_edges(centres: Array) -> Array:
    c = np.sort(centres)
    if c.size == 1:
        width = 0.5 if c[0] == 0 else 0.1 * abs(c[0])
        return np.array([c[0] - width, c[0] + width])
    middle = (c[1:] + c[:-1]) / 2.0
    return np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])


def _is_logarithmic(x: Array) -> bool:
    """Whether values are spaced more evenly on a logarithmic axis, and span decades or are even."""
    c = np.sort(x)
    if c.size < 3 or not 0 < 8 * c[0] <= c[-1]:
        return False
    steps, ratios = np.diff(c), np.diff(np.log(c))
    if 20 * c[0] >= c[-1]:  # 1, 2, 4, 8
        return bool(np.ptp(ratios) < 0.05 * ratios.mean())
    return bool(ratios.std() / ratios.mean() < steps.std() / steps.mean())


def coordinates(sweep: Sweep, dim: int) -> tuple[Array, list[str] | None]:
    """Positions along a dimension, and names of the positions where they are no numbers."""
    names = sweep.dims[dim]
    if len(names) == 1 and sweep.axes[names[0]].dtype != object:
        return np.asarray(sweep.axes[names[0]], dtype=np.float64), None
    columns = [[_tick(value) for value in sweep.axes[name]] for name in names]
    labels = ["\n".join(cells) for cells in zip(*columns, strict=True)]
    return np.arange(len(labels), dtype=np.float64), labels


def set_axis(
    ax: Axes, which: str, sweep: Sweep, dim: int, x: Array, ticks: list[str] | None
) -> None:
    """Label and ticks of an axis (``x`` or ``y``) that a dimension of a sweep is drawn along."""
    names = sweep.dims[dim]
    label = "\n".join(NAMES.get(name, name) for name in names)
    getattr(ax, f"set_{which}label")(label)
    if ticks is not None:
        step = math.ceil(len(ticks) / 8)
        slanted = {"rotation": 20, "ha": "right"} if max(map(len, ticks)) > 9 else {}
        getattr(ax, f"set_{which}ticks")(
            x[::step], ticks[::step], fontsize="small", **(slanted if which == "x" else {})
        )
    elif names == ("n_steps",) and x.size <= 12:  # which are whole numbers
        getattr(ax, f"set_{which}ticks")(x)
    elif _is_logarithmic(x):
        getattr(ax, f"set_{which}scale")("log")
        plain_log_ticks(getattr(ax, f"{which}axis"), float(x.min()), float(x.max()), x)


def _most(sweep: Sweep) -> int:
    return max(int(sweep.n_outliers.max()), 0)


def _tick(value: Any) -> str:
    if value is None:
        return "none"
    return cut(in_short(value) if isinstance(value, str) else f"{value:.4g}", 18)


def _count(width: int) -> str:
    return str(width) if width < 10**7 else f"{float(width):.3g}"
