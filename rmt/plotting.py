"""Pictures of results; matplotlib is loaded when the first one is drawn (extra ``plot``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt.hermite import HermiteExpansion
    from rmt.prediction import Prediction

__all__ = ["draw_expansion", "draw_prediction"]

BULK_COLOUR = "#0072B2"
OUTLIER_COLOUR = "#D55E00"


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs matplotlib (the extra 'plot' of this package)") from error
    return pyplot


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
        _, ax = _pyplot().subplots(figsize=(6.4, 3.4), layout="constrained")
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


def draw_expansion(expansion: HermiteExpansion, half_width: float = 3.5) -> Figure:
    """A function with its Hermite partial sums, next to the decay of its coefficients.

    Parameters
    ----------
    expansion : HermiteExpansion
    half_width : float
        The function is drawn for ``|z|`` up to this.
    """
    figure: Figure
    figure, (left, right) = _pyplot().subplots(
        1, 2, figsize=(9.0, 3.6), layout="constrained", width_ratios=(1.15, 1)
    )
    z = np.linspace(-half_width, half_width, 801)
    f = expansion.function(z)
    orders = [k for k in (1, 3, 10, 30, 100) if k < expansion.order] + [expansion.order]
    shades = np.linspace(0.35, 1.0, len(orders))
    colours = _pyplot().get_cmap("viridis_r")(shades)
    for order, colour in zip(orders, colours, strict=True):
        left.plot(z, expansion(z, order), color=colour, linewidth=1.2, label=f"order {order}")
    left.plot(z, f, color="black", linewidth=1.6, linestyle=(0, (4, 2)), label="f")
    span = float(f.max() - f.min()) or 1.0
    left.set_ylim(f.min() - 0.3 * span, f.max() + 0.3 * span)
    left.set_xlabel("z")
    left.set_title(_shortened(expansion.function.text), fontsize="medium")
    left.legend(frameon=False, fontsize="small")

    c = np.abs(expansion.orthonormal_array)
    errors = np.array(expansion.errors)
    k = np.arange(c.size)
    decay = expansion.decay()
    seen = c > errors
    right.set_yscale("log")
    if decay.kind == "algebraic" and np.count_nonzero(seen[1:]) > 1:
        seen[0] = False  # a power of k is a straight line on a logarithmic axis
        right.set_xscale("log")
        last = int(k[seen][-1])
        tail = np.arange(1, c.size)
        envelope = c[last] * (tail / last) ** -decay.rate
        right.plot(tail, envelope, color=OUTLIER_COLOUR, label=f"$k^{{-{decay.rate:g}}}$")
    right.plot(k[seen], c[seen], "o", color=BULK_COLOUR, markersize=4, label="$|c_k|$")
    if seen.any() and errors.max() > 1e-4 * c[seen].min():
        right.axhline(errors.max(), color="0.6", linestyle=":", label="error bound")
    right.set_xlabel("order k")
    right.set_ylabel("$|E[f\\,He_k]|/\\sqrt{k!}$")
    right.set_title(f"L2 norm of the rest: {expansion.truncation_error():.2g}", fontsize="medium")
    right.legend(frameon=False, fontsize="small")
    return figure


def _shortened(text: str) -> str:
    return text if len(text) <= 48 else text[:45] + "..."
