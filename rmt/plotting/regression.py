"""Pictures of learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rmt.arrays import Array
from rmt.plotting.style import MARKERS, NAMES, SPIKE_COLOURS, panels
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt.grids import RidgeSweep
    from rmt.regression import RidgeErrors

__all__ = ["draw_ridge", "draw_ridge_sweep"]


def draw_ridge(found: RidgeErrors, ax: Axes | None = None) -> Axes:
    """Test (solid) and training error (dashed) of each stage against what varies.

    Parameters
    ----------
    found : RidgeErrors
        Over one dimension, in which either the samples or the regularisation varies.
    ax : matplotlib Axes, optional
        A new figure is made when left out.

    Raises
    ------
    InvalidInputError
        When it is not over one dimension.
    """
    if found.samples.ndim != 1 or found.samples.size < 2:
        raise InvalidInputError(
            "plot draws learning curves over one dimension of at least two points, got shape "
            f"{found.samples.shape}"
        )
    if ax is None:
        ax = panels((6.4, 4.2))[1]
    over_samples = bool(np.ptp(found.samples) > 0)
    ratio = found.samples / found.problem.dim
    for i, stage in enumerate(found.stages):
        x = ratio if over_samples else found.regularisation[i]
        _draw_stage(ax, i, stage, x, found.test_error[i], found.training_error[i])
    name = "readout_samples_per_dim" if over_samples else "regularisation"
    _finish(ax, name, ratio if over_samples else found.regularisation, found.test_error)
    return ax


def draw_ridge_sweep(found: RidgeSweep) -> Figure:
    """Test (solid) and training error (dashed) of each stage over the first dimension.

    With a second dimension there is a panel for each of its values, six of them at most.

    Raises
    ------
    InvalidInputError
        For more than two dimensions, or a first one whose values have no order.
    """
    names = list(found.axes)
    if len(names) > 2 or found.axes[names[0]].dtype == object:
        raise InvalidInputError(
            "plot draws learning curves over one or two dimensions, the first of numbers; got "
            f"{', '.join(names)}"
        )
    x = found.axes[names[0]].astype(float)
    second = found.axes[names[1]] if len(names) == 2 else np.empty(0)
    shown = np.unique(np.linspace(0, max(second.size - 1, 0), min(second.size, 6)).round())
    chosen: list[tuple[Any, ...]] = [(..., int(k)) for k in shown] if second.size else [(...,)]
    columns = min(len(chosen), 3)
    rows = -(-len(chosen) // columns)
    size = (2.2 + 3.6 * columns, 0.6 + 3.4 * rows)
    figure, grid = panels(size, rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax, part in zip(grid.flat, chosen, strict=False):
        test, training = found.test_error[part], found.training_error[part]
        for i, stage in enumerate(found.stages):
            _draw_stage(ax, i, stage, x, test[i], training[i])
        _finish(ax, names[0], x, found.test_error)
        if second.size:
            value = second[part[-1]]
            label = str(value) if second.dtype == object else f"{value:g}"
            ax.set_title(f"{NAMES.get(names[1], names[1])}: {label}", fontsize="medium")
    for ax in grid.flat[len(chosen) :]:
        ax.set_visible(False)
    for ax in grid.flat[1:]:
        if ax.get_legend() is not None:
            ax.get_legend().remove()
    return figure  # type: ignore[no-any-return]


def _draw_stage(ax: Axes, i: int, stage: str, x: Array, test: Array, training: Array) -> None:
    order = np.argsort(x)
    marker = MARKERS[i] if x.size <= 20 else ""
    look: dict[str, Any] = {"color": SPIKE_COLOURS[i % 6], "marker": marker, "markersize": 4}
    ax.plot(x[order], test[order], label=f"{stage}, test", **look)
    ax.plot(x[order], training[order], linestyle="--", label=f"{stage}, training", **look)


def _finish(ax: Axes, name: str, x: Array, test: Array) -> None:
    """Scales, labels and limits of an axes whose lines are drawn."""
    low, high = float(x.min()), float(x.max())
    if low > 0 and high / low > 5:
        ax.set_xscale("log")
        if high / low < 1e4:
            ticks = [d * 10.0**p for p in range(-9, 7) for d in (1, 2, 5)]
            ticks = [t for t in ticks if low / 1.01 <= t <= high * 1.01]
            ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
            ax.minorticks_off()
    elif low == 0 and high > 0 and name == "regularisation":
        ax.set_xscale("symlog", linthresh=float(x[x > 0].min()))
    ax.set_xlabel(NAMES.get(name, name))
    ax.set_ylabel("mean square error")
    # An interpolation peak must not flatten everything else.
    finite = test[np.isfinite(test)]
    if finite.size:
        ax.set_ylim(0, 1.08 * min(float(finite.max()), 3.0 * float(np.median(finite))))
    ax.legend(fontsize="small", ncols=2)
