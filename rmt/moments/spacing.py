"""How closely an activation must be sampled, found by trying."""

from __future__ import annotations

import math

import numpy as np

from rmt.caching import cached
from rmt.functions.scalar_function import ScalarFunction

__all__ = ["CORE", "Spacings", "spacings"]


CORE = 9.0  # |u| of untrained pre-activations that count
_SHELLS = 12  # beyond it, each twice as far as the one before
_COARSEST, _FINEST = 0.5, 0.002
_TOLERANCE = 1e-5
# Interpolation in the middle of eight equidistant points.
_MIDDLE = np.array([-5.0, 49.0, -245.0, 1225.0, 1225.0, -245.0, 49.0, -5.0]) / 2048.0

Spacings = tuple[float, ...]


@cached(128)
def spacings(sigma: ScalarFunction) -> Spacings:
    """Spacings at which eight points interpolate the slope between kinks to about 1e-5.

    Returns
    -------
    tuple of float
        For ``|u| < 9``, and for the shells ``9 * 2^k < |u| < 9 * 2^(k + 1)``, never decreasing.
        The error is relative to the root mean square slope plus the slopes nearby.

    Examples
    --------
    >>> found = spacings(ScalarFunction.parse("tanh(z)"))
    >>> 0.1 < found[0] < 0.2, found[1] > 0.5
    (True, True)
    >>> spacings(ScalarFunction.parse("relu(z)"))[0]
    0.5
    """
    typical = math.sqrt(float(np.mean(sigma.derivative(np.linspace(-3.0, 3.0, 601)) ** 2)))
    h = _COARSEST
    while h > _FINEST and not _resolves(sigma, -CORE, CORE, h, typical):
        h *= 0.8
    found = [h]
    for k in range(_SHELLS):
        inner, outer = CORE * 2.0**k, CORE * 2.0 ** (k + 1)
        trial = min(inner / 8.0, 4.0 * h)
        while trial > h and not (
            _resolves(sigma, inner, outer, trial, typical)
            and _resolves(sigma, -outer, -inner, trial, typical)
        ):
            trial *= 0.7
        h = max(trial, h)
        found.append(h)
    return tuple(found)


def _resolves(sigma: ScalarFunction, low: float, high: float, h: float, typical: float) -> bool:
    u = np.arange(low, high + 8.0 * h, h / 2.0)
    slope = sigma.derivative(u)
    count = u.size - 14
    nearby = np.stack([slope[k : k + count] for k in range(0, 16, 2)])
    with np.errstate(all="ignore"):
        error = np.abs(_MIDDLE @ nearby - slope[7 : 7 + count])
        size = typical + np.abs(nearby).max(axis=0)
    smooth = np.isfinite(error)
    for kink in sigma.kinks:
        smooth &= (u[:count] > kink) | (u[14:] < kink)
    return bool((error[smooth] <= _TOLERANCE * size[smooth]).all()) and bool(smooth.any())
