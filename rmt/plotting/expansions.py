"""Pictures of Hermite expansions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rmt.display import cut
from rmt.plotting.style import BULK_COLOUR, OUTLIER_COLOUR, panels, pyplot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rmt.hermite import HermiteExpansion

__all__ = ["draw_expansion"]


def draw_expansion(expansion: HermiteExpansion, half_width: float = 3.5) -> Figure:
    """A function with its Hermite partial sums, next to the decay of its coefficients.

    Parameters
    ----------
    expansion : HermiteExpansion
    half_width : float
        The function is drawn for ``|z|`` up to this.
    """
    figure, (left, right) = panels((9.0, 3.6), 1, 2, width_ratios=(1.15, 1))
    z = np.linspace(-half_width, half_width, 801)
    f = expansion.function(z)
    orders = [k for k in (1, 3, 10, 30, 100) if k < expansion.order] + [expansion.order]
    shades = np.linspace(0.35, 1.0, len(orders))
    colours = pyplot().get_cmap("viridis_r")(shades)
    for order, colour in zip(orders, colours, strict=True):
        left.plot(z, expansion(z, order), color=colour, linewidth=1.2, label=f"order {order}")
    left.plot(z, f, color="black", linewidth=1.6, linestyle=(0, (4, 2)), label="f")
    span = float(f.max() - f.min()) or 1.0
    left.set_ylim(f.min() - 0.3 * span, f.max() + 0.3 * span)
    left.set_xlabel("z")
    left.set_title(cut(expansion.function.short, 48), fontsize="medium")
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
    return figure  # type: ignore[no-any-return]
