"""What pictures have in common: matplotlib itself, colours, marks and the names of axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rmt.arrays import Array

__all__ = [
    "BULK_COLOUR",
    "DIRECTION_STYLES",
    "MARKERS",
    "NAMES",
    "OUTLIER_COLOUR",
    "SPIKE_COLOURS",
    "panels",
    "plain_log_ticks",
    "pyplot",
]

BULK_COLOUR = "#0072B2"
OUTLIER_COLOUR = "#D55E00"
# Okabe & Ito: distinct for all common kinds of colour vision, without the blue of the bulk.
SPIKE_COLOURS = ("#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DIRECTION_STYLES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P")

NAMES = {
    "alpha_1": r"exponent of step 1, $\alpha_1$",
    "alpha_2": r"exponent of step 2, $\alpha_2$",
    "scale_1": r"scale of step 1, $c_1$",
    "scale_2": r"scale of step 2, $c_2$",
    "noise_std": "label noise (standard deviation)",
    "width": "width $N$",
    "dim": "input dimension $d$",
    "samples": "samples $n$",
    "samples_1": "samples of batch 1, $n_1$",
    "samples_2": "samples of batch 2, $n_2$",
    "weight_decay_1": r"weight decay of step 1, $\lambda_1$",
    "weight_decay_2": r"weight decay of step 2, $\lambda_2$",
    "output_scale": "output scale $s$",
    "readout_sum": r"sum of the readout, $\sum_i a_i$",
    "init": "initial rows",
    "aspect_ratio": "aspect ratio $N/d$",
    "samples_per_dim": "samples per dimension, $n/d$",
    "samples_per_dim_1": "samples of batch 1 per dimension, $n_1/d$",
    "samples_per_dim_2": "samples of batch 2 per dimension, $n_2/d$",
    "n_steps": "steps taken",
    "steps": "steps",
    "readout_samples_per_dim": "samples of the readout per dimension, $m/d$",
    "regularisation": r"regularisation $\lambda$",
}


def pyplot() -> Any:
    """Matplotlib's, loaded when the first picture is drawn."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib (the extra 'plot' of this package)") from error
    return pyplot


def panels(size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any) -> Any:
    """A new figure of a size in inches, and its axes; options are those of ``pyplot.subplots``."""
    return pyplot().subplots(rows, columns, figsize=size, layout="constrained", **options)


def plain_log_ticks(axis: Any, low: float, high: float, values: Array | None = None) -> None:
    """Few values as they are, else 1, 2, 5, 10, ...; in plain digits."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high < 300 * low else (1,)
    ticks = [m * 10.0**d for d in decades for m in steps]
    if values is not None and values.size <= 8:
        ticks = [float(value) for value in np.sort(values)]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    axis.set_minor_locator(NullLocator())
