"""The picture of a study: curves of the theory, means of networks with errors, and each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from rmt.arguments import checked_choice
from rmt.arrays import Array, Bools
from rmt.grids.sweep import cell
from rmt.plotting.style import (
    DIRECTION_STYLES,
    MARKERS,
    panels,
    plain_log_ticks,
)
from rmt.plotting.sweeps import coordinates, set_axis
from rmt.vocabulary import TEXTS
from validation.studies.result import Overlaps, Study, mean_over, standard_error_over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_study"]

# Okabe and Ito's; the first two are those of fresh samples and of a reused batch elsewhere.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_BATCHES = {"independent": "fresh samples", "reused": "reused batch"}
_FLOOR: Any = {"color": "0.45", "linestyle": (0, (1, 1.5)), "linewidth": 1.1, "zorder": 1}
_BARS: Any = {"linestyle": "", "capsize": 2.0, "elinewidth": 0.9, "markersize": 4.5, "zorder": 4}
_DOTS: Any = {"linestyle": "", "marker": ".", "markersize": 4.0, "alpha": 0.5, "zorder": 2}
_LOGARITHMIC = 6.0  # how far above the bulk's edge outliers make the axis logarithmic
_HANDLE, _LETTER = 0.57, 0.066  # inches of a legend in small print
_SHARE = 0.6  # of the distance between two ticks, over which curves stand side by side


def draw_study(study: Study, overlaps: Overlaps) -> Figure:
    """What `Study.plot` says."""
    checked_choice("overlaps", overlaps, get_args(Overlaps))
    r = study.theory.target_overlaps.shape[-1]
    count = 1 + r + bool(study.errors)
    figure, axes = panels((3.5 * count + 0.2, 3.9), 1, count, squeeze=False)
    positions, *rest = axes[0]
    curves = _curves(study)
    _draw_positions(positions, study, curves)
    for i, ax in enumerate(rest[:r]):
        _draw_overlaps(ax, study, curves, i, overlaps)
    if study.errors:
        _draw_errors(rest[-1], study, curves)
    x, ticks = coordinates(study.theory, 0)
    for ax in axes[0]:
        set_axis(ax, "x", study.theory, 0, x, ticks)
        if ticks is not None:
            ax.set_xlim(-0.6, x.size - 0.4)
        elif np.isfinite(x).sum() > 1:  # the same everywhere, whatever failed
            ax.set_xlim(*_margins(x[np.isfinite(x)], ax.get_xscale()))
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    _legend(figure, study, curves, overlaps)
    return figure  # type: ignore[no-any-return]


def _margins(x: Array, scale: str) -> tuple[float, float]:
    """The ends of an axis that has all of ``x``, and a little more."""
    ends: Array = np.array([x.min(), x.max()])
    ends = np.log(ends) if scale == "log" else ends
    ends = ends + 0.05 * np.diff(ends) * [-1.0, 1.0]
    low, high = np.exp(ends) if scale == "log" else ends
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class _Curve:
    """One combination of what is compared.

    Attributes
    ----------
    at : tuple
        Index of the grid's arrays, without its first dimension.
    x : array (n,)
        Where it is drawn; moved aside where categories have several.
    joined : bool
        Whether there is a line from one point to the next.
    """

    at: tuple[Any, ...]
    x: Array
    joined: bool
    colour: str
    label: str
    ranks: int = field(default=0)

    def of(self, values: Any) -> Any:
        """Its part of an array of the grid's shape."""
        return np.asarray(values)[self.at]


def _curves(study: Study) -> list[_Curve]:
    theory = study.theory
    x, ticks = coordinates(theory, 0)
    others = study.shape[1:]
    number = int(np.prod(others, dtype=int))
    most = max(int(theory.n_outliers.max(initial=0)), 1)
    made = []
    for c, index in enumerate(np.ndindex(others)):
        aside = 0.0 if ticks is None else _SHARE * ((c + 0.5) / number - 0.5)
        counts = theory.n_outliers[(slice(None), *index)]
        # Where the theory has failed, networks are drawn as far as it has outliers anywhere.
        ranks = most if (counts < 0).any() else int(counts.max(initial=0))
        made.append(
            _Curve(
                (slice(None), *index),
                x + aside,
                ticks is None,
                _COLOURS[c % len(_COLOURS)],
                _label(study, index),
                ranks,
            )
        )
    return made


def _label(study: Study, index: tuple[int, ...]) -> str:
    """The values that tell a curve apart."""
    parts = []
    for names, i in zip(study.theory.dims[1:], index, strict=True):
        for name in names:
            value = study.theory.axes[name][i]
            if name == "batch":
                parts.append(_BATCHES.get(str(value), f"batches {value}"))
            elif name in TEXTS:
                parts.append(str(cell(value)))
            else:
                parts.append(f"{name.replace('_', ' ')} = {cell(value)}")
    return ", ".join(parts)


def _draw_positions(ax: Axes, study: Study, curves: list[_Curve]) -> None:
    theory = study.theory
    edges = theory.bulk_edges[..., 1]
    largest = [np.nanmax(edges, initial=1.0)]
    for curve in curves:
        edge = curve.of(edges)
        line: Any = {"color": curve.colour, "linewidth": 1.1}
        if curve.joined and curve.x.size > 1:
            x, top_of_bulk = _sorted(curve.x, edge)
            ax.plot(x, top_of_bulk, linestyle=(0, (1, 1.2)), zorder=1, **line)
            ax.fill_between(x, 0.0, top_of_bulk, color=curve.colour, alpha=0.07, linewidth=0)
        else:
            ax.plot(
                curve.x, edge, linestyle="", marker="_", markersize=9, alpha=0.5, zorder=1, **line
            )
        for k in range(curve.ranks):
            out = curve.of(theory.is_outlier)[:, k]
            value = np.where(out, curve.of(theory.singular_value)[:, k], np.nan)
            largest.append(np.nanmax(value, initial=0.0))
            _draw_theory(ax, curve, value, edge, k)
            _draw_networks(
                ax, curve, _rank(curve.of(study.singular_values), k), _unseen(curve, study, out), k
            )
            largest.append(np.nanmax(_rank(curve.of(study.singular_values), k), initial=0.0))
    low, top = 0.0, 1.06 * max(largest)
    if top > _LOGARITHMIC * float(np.nanmax(edges, initial=1.0)):
        ax.set_yscale("log")
        low, top = 0.7 * float(np.nanmin(edges)), 1.2 * max(largest)
        plain_log_ticks(ax.yaxis, low, top)
    ax.set_ylim(low, top)
    ax.set_ylabel("singular value of the weights")


def _unseen(curve: _Curve, study: Study, out: Bools) -> Bools:
    """Where the theory has a prediction, and no such outlier."""
    return np.asarray(~out & (curve.of(study.theory.n_outliers) >= 0))


def _rank(values: Array, k: int) -> Array:
    """A number of the k-th largest singular value in every network; nan if it is not observed."""
    return values[:, :, k] if k < values.shape[2] else np.full(values.shape[:2], np.nan)


def _draw_overlaps(ax: Axes, study: Study, curves: list[_Curve], i: int, kind: Overlaps) -> None:
    theory, highest, together = study.theory, 0.0, kind == "together"
    floor = study.chance * (study.n_together if together else 1)
    for curve in curves:
        for k in range(1 if together else curve.ranks):
            if together:
                value = curve.of(study.predicted_together)[:, i]
                seen = curve.of(study.simulated_together)[:, :, i]
                hollow = np.zeros(value.shape, dtype=bool)
            else:
                out = curve.of(theory.is_outlier)[:, k]
                value = np.where(out, curve.of(theory.target_overlaps)[:, k, i], np.nan)
                seen = _rank(curve.of(study.target_overlaps)[..., i], k)
                hollow = _unseen(curve, study, out)
            _draw_theory(ax, curve, value, np.zeros_like(value), k)
            _draw_networks(ax, curve, seen, hollow, k)
            highest = max(highest, np.nanmax(value, initial=0.0), np.nanmax(seen, initial=0.0))
    _draw_floor(ax, curves, floor)
    ax.set_ylim(-0.02 * max(highest, 0.05), 1.08 * max(highest, 0.05))
    directions = theory.target_overlaps.shape[-1]
    what = "the target" if directions == 1 else f"$e_{i + 1}$"
    ax.set_ylabel(
        f"squared overlap with {what}" + ("\n(all outliers together)" if together else "")
    )


def _draw_floor(ax: Axes, curves: list[_Curve], floor: Array) -> None:
    """What an overlap is by chance: one line where it is the same everywhere."""
    known = floor[np.isfinite(floor)]
    if known.size and np.ptp(known) == 0:
        ax.axhline(float(known[0]), **_FLOOR)
        return
    for curve in curves:
        ax.plot(*_sorted(curve.x, curve.of(floor)), **_FLOOR)


def _draw_errors(ax: Axes, study: Study, curves: list[_Curve]) -> None:
    """After the last step: test filled, training hollow and dashed."""
    last = study.n_steps
    kind = "error" if study.problem.loss.text == "squared" else "loss"
    kind = kind if f"test_{kind}" in study.errors else "error"
    values = []
    for curve in curves:
        for name, style, marker in (("test", 0, "o"), ("training", 1, "s")):
            found = study.errors[f"{name}_{kind}"]
            predicted = np.take_along_axis(found.predicted, last[..., None], axis=-1)[..., 0]
            seen = np.take_along_axis(found.simulated, last[..., None, None], axis=-1)[..., 0]
            line, networks = curve.of(predicted), curve.of(seen)
            _draw_theory(ax, curve, line, np.full_like(line, np.nan), style)
            hollow = np.full(line.shape, name == "training")
            _draw_networks(ax, curve, networks, hollow, style, marker)
            values += [line, networks.ravel()]
    drawn = np.concatenate(values)
    high = np.nanmax(drawn, initial=0.0)
    ax.set_ylim(min(0.0, 1.08 * float(np.nanmin(drawn, initial=0.0))), 1.08 * max(high, 1e-3))
    ax.set_ylabel("mean square error" if kind == "error" else "loss")
    for style, marker, name in ((0, "o", "test"), (1, "s", "training")):
        face: Any = {"markerfacecolor": "white"} if name == "training" else {}
        look: Any = {"linestyle": DIRECTION_STYLES[style], "marker": marker, "markersize": 4.5}
        ax.plot([], [], color="0.3", label=name, **look, **face)
    ax.legend(frameon=False, fontsize="small", loc="best")


def _draw_theory(ax: Axes, curve: _Curve, value: Array, base: Array, k: int) -> None:
    """A line, which comes out of its base where its outlier does; or a stroke for each point."""
    if not np.isfinite(value).any():
        return
    if curve.joined and curve.x.size > 1:
        x, line, below = _sorted(curve.x, value, base)
        there = np.isfinite(line)
        beside = np.zeros_like(there)
        beside[1:] |= there[:-1]
        beside[:-1] |= there[1:]
        line = np.where(beside & ~there, below, line)
        style = DIRECTION_STYLES[k % 3]
        ax.plot(x, line, color=curve.colour, linestyle=style, linewidth=1.4, zorder=3)
        return
    look: Any = {"linestyle": "", "marker": "_", "markersize": 15, "markeredgewidth": 1.8}
    ax.plot(curve.x, value, color=curve.colour, zorder=3, **look)


def _draw_networks(
    ax: Axes, curve: _Curve, seen: Array, hollow: Bools, k: int, marker: str | None = None
) -> None:
    """Every network a dot, their means with standard errors; hollow where no outlier is."""
    if not np.isfinite(seen).any():
        return
    at = np.repeat(curve.x, seen.shape[1])
    ax.plot(at, seen.ravel(), color=curve.colour, **_DOTS)
    mean, error = mean_over(seen, -1), standard_error_over(seen, -1)
    for is_hollow in (False, True):
        where = np.isfinite(mean) & (hollow == is_hollow)
        if where.any():
            face: dict[str, Any] = {"markerfacecolor": "white"} if is_hollow else {}
            ax.errorbar(
                curve.x[where],
                mean[where],
                error[where],
                color=curve.colour,
                marker=marker or MARKERS[k % 6],
                **face,
                **_BARS,
            )


def _sorted(x: Array, *values: Array) -> tuple[Array, ...]:
    order = np.argsort(x)
    return (x[order], *(one[order] for one in values))


def _has_hollow(study: Study, curves: list[_Curve]) -> bool:
    """Whether networks are drawn where the theory has fewer outliers."""
    seen = np.isfinite(study.mean_singular_values)
    return any(
        bool(np.any(_unseen(c, study, c.of(study.theory.is_outlier)[:, k]) & c.of(seen)[:, k]))
        for c in curves
        for k in range(min(c.ranks, seen.shape[-1]))
    )


def _legend(figure: Figure, study: Study, curves: list[_Curve], overlaps: Overlaps) -> None:
    """Below the panels: curves, outliers by their rank, and what marks and lines are."""
    from matplotlib.lines import Line2D

    handles: list[Any] = []
    if len(curves) > 1:
        handles += [Line2D([], [], color=c.colour, linewidth=2.2, label=c.label) for c in curves]
    first, ranks = curves[0], max(curve.ranks for curve in curves)
    for k in range(ranks if ranks > 1 else 0):
        look: Any = {"linestyle": DIRECTION_STYLES[k % 3] if first.joined else ""}
        look |= {"marker": MARKERS[k % 6], "markersize": 4.5}
        handles.append(Line2D([], [], color="0.3", label=f"outlier {k}", **look))
    if first.joined:
        line: Any = {"linewidth": 1.4}
        edge: Any = {"linestyle": (0, (1, 1.2)), "linewidth": 1.1}
    else:
        line = {"linestyle": "", "marker": "_", "markersize": 12, "markeredgewidth": 1.8}
        edge = {"linestyle": "", "marker": "_", "markersize": 9, "alpha": 0.5}
    handles.append(Line2D([], [], color="0.3", label="theory", **line))
    if study.n_networks:
        look = {"linestyle": "", "marker": "o", "markersize": 4.5}
        label = f"mean of {study.n_networks} networks, standard error"
        handles.append(Line2D([], [], color="0.3", label=label, **look))
        handles.append(Line2D([], [], color="0.3", label="one network", **_DOTS))
        if _has_hollow(study, curves):
            look |= {"markerfacecolor": "white"}
            handles.append(Line2D([], [], color="0.3", label="no such outlier predicted", **look))
    handles.append(Line2D([], [], color="0.3", label="edge of the bulk", **edge))
    k = study.n_together
    label = f"chance, {k}/d" if overlaps == "together" and k > 1 else "chance, 1/d"
    handles.append(Line2D([], [], label=label, **_FLOOR))
    columns = _columns([str(one.get_label()) for one in handles], float(figure.get_figwidth()))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize="small"
    )


def _columns(labels: list[str], width: float) -> int:
    """How many columns of a legend in small print fit into so many inches."""
    for columns in range(len(labels), 1, -1):
        lengths = np.array_split([len(label) for label in labels], columns)  # as legends are split
        if sum(_HANDLE + _LETTER * int(part.max()) for part in lengths) < width:
            return columns
    return 1
