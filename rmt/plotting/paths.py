"""Pictures of training paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.plotting.style import (
    BULK_COLOUR,
    DIRECTION_STYLES,
    MARKERS,
    OUTLIER_COLOUR,
    SPIKE_COLOURS,
    panels,
    plain_log_ticks,
)
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt.prediction import TrainingPath

__all__ = ["draw_path"]


VISIBLE = 0.01  # an overlap that stays below is not drawn
LOGARITHMIC = 6.0  # how far above the bulk's edge outliers are to make the axis logarithmic
_BARS: Any = {"linestyle": "", "capsize": 2.0, "elinewidth": 0.9, "markersize": 4.5, "zorder": 4}
_MANY_STEPS = 12  # from here on without marks


def draw_path(
    path: TrainingPath, simulated: Mapping[str, ArrayLike] | object | None = None
) -> Figure:
    """Outliers above the bulk, what they have learned, and both errors, against the step.

    Lines are the theory; simulated means, with their standard errors, are marks on top. What
    ``simulated`` holds is said by `rmt.TrainingPath.plot`.

    Raises
    ------
    InvalidInputError
        For simulated points of another name or shape.
    """
    seen = _checked(path, simulated)
    figure, (left, middle, right) = panels((10.2, 3.3), 1, 3)
    steps = np.arange(float(len(path)))
    _draw_outliers(left, path, steps, seen)
    _draw_overlaps(middle, path, steps, seen)
    _draw_errors(right, path, steps, seen)
    every = max(1, -(-len(steps) // 9))
    for ax in (left, middle, right):
        ax.set_xlim(-0.25, steps[-1] + 0.25)
        ax.set_xticks(steps[::every])
        ax.set_xlabel("steps taken")
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    return figure  # type: ignore[no-any-return]


def _draw_outliers(ax: Axes, path: TrainingPath, steps: Array, seen: dict[str, Array]) -> None:
    edge, values = path.bulk_edge, path.singular_value
    measured = seen.get("singular_values", np.zeros((0, *values.shape)))
    above = np.isfinite(values)
    # A line comes out of the bulk where its outlier does.
    for k in range(values.shape[1]):
        first = int(np.flatnonzero(above[:, k])[0])
        line = np.where(above[:, k], values[:, k], np.nan)
        if first > 0:
            line[first - 1] = edge[first - 1]
        ax.plot(steps, line, color=SPIKE_COLOURS[k % 6], label=f"outlier {k}", zorder=3)
        _mark(ax, steps, np.where(above[:, k], values[:, k], np.nan), k, "singular_values", seen)
        if k < measured.shape[2]:
            # Below the predicted edge what is the k-th largest is the bulk's own.
            shown = np.where(above[:, k], measured[:, :, k], np.nan)
            _bars(ax, steps, shown, SPIKE_COLOURS[k % 6], MARKERS[k % 6])
    top = float(np.nanmax(values, initial=edge.max()))
    if top > LOGARITHMIC * edge.max():
        ax.set_yscale("log")
        low, high = 0.6 * float(edge.min()), 1.4 * top
        plain_log_ticks(ax.yaxis, low, high)
    else:
        low, high = 0.0, 1.08 * top
    ax.set_ylim(low, high)
    ax.fill_between(steps, low, edge, color=BULK_COLOUR, alpha=0.2, linewidth=0, label="bulk")
    ax.plot(steps, edge, color=BULK_COLOUR, linewidth=0.9)
    ax.set_ylabel("singular values of the weights")
    ax.legend(frameon=False, fontsize="small", loc="best")


def _draw_overlaps(ax: Axes, path: TrainingPath, steps: Array, seen: dict[str, Array]) -> None:
    overlaps, r = path.target_overlaps, path.problem.n_directions
    measured = seen.get("target_overlaps", np.zeros((0, *overlaps.shape)))
    names = []
    for k in range(overlaps.shape[1]):
        for i in range(r):
            line = overlaps[:, k, i]
            if not np.nanmax(line, initial=0.0) >= VISIBLE:
                continue
            there = np.isfinite(line)
            first = int(np.flatnonzero(there)[0])
            drawn = line.copy()
            if first > 0:
                drawn[first - 1] = 0.0
            colour, style = SPIKE_COLOURS[k % 6], DIRECTION_STYLES[i % 3]
            ax.plot(steps, drawn, color=colour, linestyle=style, zorder=3)
            names.append(i)
            _mark(ax, steps, line, k, "target_overlaps", seen)
            if k < measured.shape[2]:
                shown = np.where(there, measured[:, :, k, i], np.nan)
                _bars(ax, steps, shown, colour, MARKERS[k % 6], hollow=i > 0)
    for i in sorted(set(names)) if r > 1 else ():
        ax.plot([], [], color="0.3", linestyle=DIRECTION_STYLES[i % 3], label=f"with $e_{i + 1}$")
    ax.set_ylim(-0.02, 1.0)
    ax.set_ylabel("squared overlap with the target")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, fontsize="small", loc="best")


def _draw_errors(ax: Axes, path: TrainingPath, steps: Array, seen: dict[str, Array]) -> None:
    kind = "error" if path.problem.loss.text == "squared" else "loss"
    lines = [
        (f"test_{kind}", "test", "black", "-", "o"),
        (f"training_{kind}", "training", OUTLIER_COLOUR, (0, (5, 2)), "s"),
    ]
    if np.isfinite(path.test_misclassified).any():
        lines += [
            ("test_misclassified", "test, misclassified", "0.55", "-", "o"),
            ("training_misclassified", "training, misclassified", "0.55", (0, (5, 2)), "s"),
        ]
    for name, label, colour, style, marker in lines:
        values = getattr(path, name)
        ax.plot(steps, values, color=colour, linestyle=style, label=label, zorder=3)
        if name in seen:
            _bars(ax, steps, seen[name], colour, marker)
        elif steps.size <= _MANY_STEPS:
            ax.plot(steps, values, linestyle="", marker=marker, markersize=3.5, color=colour)
    if seen:
        ax.errorbar([], [], [], color="0.3", marker="o", label="simulated", **_BARS)
    drawn = [getattr(path, name) for name, *_ in lines]
    drawn += [np.nanmean(seen[name], axis=0) for name, *_ in lines if name in seen]
    ax.set_ylim(min(0.0, 1.08 * float(np.nanmin(drawn))), 1.08 * max(float(np.nanmax(drawn)), 0.0))
    ax.set_ylabel("mean square error" if kind == "error" else "loss")
    ax.legend(frameon=False, fontsize="small", loc="best")


def _mark(ax: Axes, steps: Array, values: Array, k: int, name: str, seen: dict[str, Array]) -> None:
    """Points of the theory have marks of their own unless simulated ones take their place."""
    if name not in seen and steps.size <= _MANY_STEPS:
        look: Any = {"linestyle": "", "marker": MARKERS[k % 6], "markersize": 3.5, "zorder": 3}
        ax.plot(steps, values, color=SPIKE_COLOURS[k % 6], **look)


def _bars(
    ax: Axes, steps: Array, networks: Array, colour: str, marker: str, hollow: bool = False
) -> None:
    """Means over the first axis with their standard errors, where there is anything."""
    count = np.isfinite(networks).sum(axis=0)
    there = count > 0
    if not there.any():
        return
    one = networks[:, there]
    mean = np.nanmean(one, axis=0)
    spread = np.sqrt(np.nanmean((one - mean) ** 2, axis=0) / np.maximum(count[there] - 1, 1))
    face: dict[str, Any] = {"markerfacecolor": "white"} if hollow else {}
    ax.errorbar(steps[there], mean, spread, color=colour, marker=marker, **face, **_BARS)


def _checked(
    path: TrainingPath, simulated: Mapping[str, ArrayLike] | object | None
) -> dict[str, Array]:
    """The arrays of simulated points, each of its shape, with a row for the untrained network."""
    n, r = path.problem.n_steps, path.problem.n_directions
    shapes: dict[str, tuple[int | str, ...]] = {
        "singular_values": ("networks", n, "K"),
        "target_overlaps": ("networks", n, "K", r),
        "training_error": ("networks", n + 1),
        "test_error": ("networks", n + 1),
        "training_loss": ("networks", n + 1),
        "test_loss": ("networks", n + 1),
        "training_misclassified": ("networks", n + 1),
        "test_misclassified": ("networks", n + 1),
    }
    if simulated is None:
        return {}
    if not isinstance(simulated, Mapping):
        found = {one: getattr(simulated, one, None) for one in shapes}
        simulated = {one: values for one, values in found.items() if values is not None}
    if not simulated or set(simulated) - set(shapes):
        raise InvalidInputError(
            f"simulated must have some of {', '.join(shapes)} and nothing else, by name or as "
            f"attributes; got {', '.join(map(str, simulated)) or 'none of them'}"
        )
    arrays: dict[str, Array] = {}
    for name, given in simulated.items():
        array, shape = np.asarray(given, dtype=float), shapes[name]
        fits = array.ndim == len(shape) and array.shape[0] > 0
        if not fits or any(
            isinstance(wanted, int) and wanted != found
            for wanted, found in zip(shape, array.shape, strict=True)
        ):
            raise InvalidInputError(
                f"simulated: {name} must have the shape ({', '.join(map(str, shape))}), got "
                f"{array.shape}"
            )
        if not name.endswith("_error"):
            before = [(0, 0), (1, 0), *[(0, 0)] * (array.ndim - 2)]
            array = np.pad(array, before, constant_values=np.nan)
        arrays[name] = array
    return arrays
