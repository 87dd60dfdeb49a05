"""Pictures of predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rmt.plotting.style import BULK_COLOUR, OUTLIER_COLOUR, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rmt.prediction import Prediction

__all__ = ["draw_prediction"]


def draw_prediction(prediction: Prediction, ax: Axes | None = None) -> Axes:
    """Bulk density of the singular values with a mark at each outlier.

    The axis is linear as far as the bulk reaches and logarithmic beyond.

    Parameters
    ----------
    prediction : Prediction
    ax : matplotlib Axes, optional
        A new figure is made when left out.
    """
    if ax is None:
        ax = panels((6.4, 3.4))[1]
    low, high = prediction.bulk.support()
    s = np.unique(np.concatenate([np.linspace(a, b, 401) for a, b in prediction.bulk.edges]))
    density = prediction.bulk.pdf(s)
    ax.fill_between(s, density, color=BULK_COLOUR, alpha=0.25, linewidth=0)
    ax.plot(s, density, color=BULK_COLOUR, label="bulk")
    top = float(density.max())
    previous, level = 0.0, 0
    for k, spike in enumerate(reversed(prediction.outliers)):
        position = spike.singular_value
        # Neighbours closer than a label is wide take turns in height.
        level = level + 1 if position < 1.9 * previous else 0
        previous = position
        height = (0.3 + 0.2 * (level % 3)) * top
        label = "outliers (value, target overlap)" if k == 0 else "_nolegend_"
        ax.vlines(position, 0, height, color=OUTLIER_COLOUR, label=label)
        ax.plot(position, height, "v", color=OUTLIER_COLOUR)
        overlaps = ", ".join(f"{overlap:.2f}" for overlap in spike.target_overlaps)
        ax.annotate(
            f"{position:.3g}\n{overlaps}",
            (position, height + 0.04 * top),
            ha="center",
            va="bottom",
            fontsize="small",
            path_effects=_halo(),
        )
    ax.set_ylim(0, 1.5 * top)  # room for the legend above the curve and the labels
    ax.set_xlabel("singular value")
    if prediction.outliers:
        largest = prediction.outliers[0].singular_value
        linear_to = 1.5 * high
        if largest > linear_to:  # linear as far as the bulk reaches, logarithmic beyond
            ax.set_xscale("symlog", linthresh=linear_to, linscale=2.0)
            below_legend = 0.75
            ax.axvline(
                linear_to, ymax=below_legend, color="0.6", linewidth=0.7, linestyle=":", zorder=0
            )
            ax.annotate(
                "log scale",
                (linear_to, below_legend),
                xytext=(3, 0),
                xycoords=ax.get_xaxis_transform(),
                textcoords="offset points",
                va="top",
                fontsize="x-small",
                color="0.4",
            )
        ticks = [t for t in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000) if t < 1.6 * largest]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.set_xlim(0.9 * low, 1.6 * largest)
    else:
        ax.set_title("no outlier", fontsize="medium")
    ax.set_ylabel("density of the bulk")
    ax.legend(frameon=False, loc="upper right", borderaxespad=0.2, fontsize="small")
    return ax


def _halo() -> list[Any]:
    """Text stays legible over lines."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="white")]
