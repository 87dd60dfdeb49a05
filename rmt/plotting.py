"""Pictures of results; matplotlib is loaded when the first one is drawn (extra ``plot``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from rmt.predict import Prediction

__all__ = ["draw_prediction"]

BULK_COLOUR = "#0072B2"
OUTLIER_COLOUR = "#D55E00"


def draw_prediction(prediction: Prediction, ax: Axes | None = None) -> Axes:
    """Bulk density of the singular values with a mark at each outlier, on a logarithmic axis.

    Parameters
    ----------
    prediction : Prediction
    ax : matplotlib Axes, optional
        A new figure is made when left out.
    """
    if ax is None:
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("plotting needs matplotlib: pip install 'rmt[plot]'") from error
        _, ax = pyplot.subplots(figsize=(6.4, 3.4), layout="constrained")
    low, high = prediction.bulk.edges[0]
    s = np.linspace(low, high, 1001)
    density = prediction.bulk.pdf(s)
    ax.fill_between(s, density, color=BULK_COLOUR, alpha=0.25, linewidth=0)
    ax.plot(s, density, color=BULK_COLOUR, label="bulk")
    top = float(density.max())
    for k, spike in enumerate(prediction.outliers):
        label = "outliers" if k == 0 else "_nolegend_"
        ax.vlines(spike.singular_value, 0, 0.55 * top, color=OUTLIER_COLOUR, label=label)
        ax.plot(spike.singular_value, 0.55 * top, "v", color=OUTLIER_COLOUR)
        ax.annotate(
            f"{spike.singular_value:.3g}\n{spike.target_overlap:.2f}",
            (spike.singular_value, 0.6 * top),
            ha="center",
            va="bottom",
            fontsize="small",
        )
    largest = max([high, *(spike.singular_value for spike in prediction.outliers)])
    ax.set_xscale("log")
    ax.set_xlim(max(low, high / 40.0) * 0.9, largest * 1.4)
    ax.set_ylim(0, 1.1 * top)
    ax.set_xlabel("singular value (below each mark's number: squared overlap with the target)")
    ax.set_ylabel("density of the bulk")
    ax.legend(frameon=False, loc="upper right")
    return ax
