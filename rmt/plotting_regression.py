"""Pictures of learning curves (extra ``plot``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rmt.plotting import _pyplot
from rmt.plotting_sweeps import MARKERS, SPIKE_COLOURS
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rmt.regression import RidgeErrors

__all__ = ["draw_ridge"]


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
        _, ax = _pyplot().subplots(figsize=(6.4, 4.2), layout="constrained")
    over_samples = bool(np.ptp(found.samples) > 0)
    ratio = found.samples / found.problem.dim
    for i, stage in enumerate(found.stages):
        x = ratio if over_samples else found.regularisation[i]
        order = np.argsort(x)
        marker = MARKERS[i] if x.size <= 20 else ""
        look: dict[str, Any] = {"color": SPIKE_COLOURS[i % 6], "marker": marker}
        ax.plot(x[order], found.test_error[i][order], label=f"{stage}, test", **look)
        ax.plot(
            x[order], found.training_error[i][order], linestyle="--", label=f"{stage}, training",
            **look,
        )  # fmt: skip
    ax.set_xscale("log" if over_samples or (found.regularisation > 0).all() else "symlog")
    if over_samples:
        low, high = ratio.min(), ratio.max()
        ticks = [d * 10.0**p for p in range(-3, 6) for d in (1, 2, 5)]
        ticks = [t for t in ticks if low / 1.01 <= t <= high * 1.01]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    ax.set_xlabel("samples per dimension, $m/d$" if over_samples else r"regularisation $\lambda$")
    ax.set_ylabel("mean square error")
    # An interpolation peak must not flatten everything else.
    finite = found.test_error[np.isfinite(found.test_error)]
    top = min(float(finite.max()), 3.0 * float(np.median(finite)))
    ax.set_ylim(0, 1.08 * top)
    ax.legend(fontsize="small", ncols=2)
    return ax
