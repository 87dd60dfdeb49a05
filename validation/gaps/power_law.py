"""A power law fitted to signed, noisy gaps by maximum likelihood."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from rmt.arguments import probability
from rmt.arrays import Array
from rmt.display import InNotebooks
from rmt.status import InvalidInputError

__all__ = ["PowerLaw", "fit_power_law"]


# Exponents on which the likelihood is looked at. Beyond them, between widths that differ by a
# factor of two or more, all of the gap is at one end.
_EXPONENTS = np.linspace(-6.0, 10.0, 1601)
# Below this chance of a larger misfit the errors do not explain the distance from the power law.
_MISFIT_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class PowerLaw(InNotebooks):
    """``gap(N) = amplitude * (N / width)^(-exponent)``, fitted to gaps with errors.

    Attributes
    ----------
    exponent : float
        ``p``, of largest likelihood.
    low, high : float
        Ends of its confidence interval; infinite where the gaps do not bound the exponent.
    amplitude, amplitude_error : float
        The fitted gap at ``width``, and its standard error at this exponent.
    width : float
        Geometric mean of the widths.
    chi_squared : float
        Sum of squares of the residuals over the errors.
    degrees : int
        Number of gaps minus 2.
    confidence : float
        Of the interval.
    widened : bool
        Whether the gaps lie further from a power law than their errors explain (5 percent level).
        The interval is then that of errors larger by ``sqrt(chi_squared / degrees)``.
    resolved : bool
        Whether a gap of zero at every width is excluded at the same confidence (two degrees of
        freedom). Otherwise the exponent means nothing.

    Examples
    --------
    >>> from validation import fit_power_law
    >>> fit = fit_power_law([250, 500, 1000], [0.08, 0.041, 0.019], [0.001, 0.001, 0.001])
    >>> print(fit)
    N^-p, p = 1.00 [0.95, 1.06]
    >>> round(fit.exponent, 2), fit.resolved, fit.bounded, fit.degrees
    (1.0, True, True, 1)
    """

    exponent: float
    low: float
    high: float
    amplitude: float
    amplitude_error: float
    width: float
    chi_squared: float
    degrees: int
    confidence: float
    widened: bool
    resolved: bool

    def __call__(self, widths: ArrayLike) -> Array:
        """The fitted gap at other widths."""
        ratio = np.asarray(widths, dtype=np.float64) / self.width
        return np.asarray(self.amplitude * ratio**-self.exponent)

    @property
    def bounded(self) -> bool:
        """Whether both ends of the interval are finite."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def __str__(self) -> str:
        if not self.resolved:
            return "within the noise"
        note = ", not a power law within the noise" if self.widened else ""
        if not self.bounded:
            # The estimate lies anywhere beyond the end that the gaps do bound.
            if math.isfinite(self.low):
                return f"N^-p, p > {self.low:.2f}{note}"
            if math.isfinite(self.high):
                return f"N^-p, p < {self.high:.2f}{note}"
            return f"N^-p, p not bounded{note}"
        return f"N^-p, p = {self.exponent:.2f} [{self.low:.2f}, {self.high:.2f}]{note}"


def fit_power_law(
    widths: ArrayLike, gaps: ArrayLike, errors: ArrayLike, *, confidence: float = 0.95
) -> PowerLaw:
    r"""Fit ``gap = C N^(-p)`` to signed gaps with independent normal errors.

    With the best ``C`` for each ``p`` the sum of squares is

    .. math::
       \chi^2(p) = \sum_i \frac{g_i^2}{e_i^2}
       - \frac{\left(\sum_i g_i N_i^{-p} / e_i^2\right)^2}{\sum_i N_i^{-2p} / e_i^2}.

    The estimate minimises it; the confidence interval is where it is at most the quantile of
    chi-squared with one degree of freedom above the minimum (profile likelihood).

    Parameters
    ----------
    widths : array (k,)
        At least three, positive, different.
    gaps, errors : array (k,)
        Finite; the errors (standard deviations) positive.
    confidence : float
        Between 0 and 1.

    Returns
    -------
    PowerLaw

    Raises
    ------
    InvalidInputError
        For arrays of different lengths or numbers out of range.

    Notes
    -----
    A straight line through ``log |gap|`` is the same thing where every gap is far beyond its
    error. It is not where gaps are within the noise: the logarithm of a number near zero is biased
    and has heavy tails, and the sign is lost, so that noise alone looks like a slow decay. Here
    such gaps weigh what they should, and where they do not bound the exponent its interval is
    infinite.

    Examples
    --------
    >>> widths = np.array([250, 500, 1000, 2000])
    >>> fit = fit_power_law(widths, 3 * widths**-0.5, [0.01, 0.01, 0.01, 0.01])
    >>> round(fit.exponent, 3), fit.resolved, fit.bounded
    (0.5, True, True)
    >>> print(fit_power_law(widths, [0.003, -0.002, 0.001, 0.001], [0.01, 0.01, 0.01, 0.01]))
    within the noise
    """
    n, g, e = _checked(widths, gaps, errors)
    confidence = probability("confidence", confidence)
    center = float(np.exp(np.log(n).mean()))
    logs = np.log(n / center)

    def amplitude_at(p: float) -> tuple[float, float]:
        # Scaled by the largest term, so that no exponent overflows.
        powers = -p * logs
        shift = float(powers.max())
        shape = np.exp(powers - shift)
        weight = float(np.sum((shape / e) ** 2))
        scale = math.exp(-shift)
        return float(np.sum(shape * g / e**2)) / weight * scale, scale / math.sqrt(weight)

    def misfits(p: Array) -> Array:
        powers = -p[:, None] * logs
        shape = np.exp(powers - powers.max(axis=1, keepdims=True))
        level = (shape * (g / e**2)).sum(axis=1) / ((shape / e) ** 2).sum(axis=1)
        return np.asarray((((g - level[:, None] * shape) / e) ** 2).sum(axis=1))

    def misfit(p: float) -> float:
        return float(misfits(np.array([p]))[0])

    on_grid = misfits(_EXPONENTS)
    exponent = _minimum(misfit, on_grid)
    least = misfit(exponent)
    degrees = n.size - 2
    widened = bool(chi2.sf(least, degrees) < _MISFIT_LEVEL)
    factor = least / degrees if widened else 1.0
    allowed = least + float(chi2.ppf(confidence, 1)) * factor
    low, high = _ends(misfit, on_grid, exponent, allowed)
    amplitude, error = amplitude_at(exponent)
    nothing = float(np.sum((g / e) ** 2))
    return PowerLaw(
        exponent=exponent,
        low=low,
        high=high,
        amplitude=amplitude,
        amplitude_error=error * math.sqrt(factor),
        width=center,
        chi_squared=least,
        degrees=degrees,
        confidence=confidence,
        widened=widened,
        resolved=bool(nothing - least > chi2.ppf(confidence, 2) * factor),
    )


def _minimum(misfit: Callable[[float], float], on_grid: Array) -> float:
    best = int(np.argmin(on_grid))
    low, high = _EXPONENTS[max(best - 1, 0)], _EXPONENTS[min(best + 1, on_grid.size - 1)]
    found = minimize_scalar(misfit, bounds=(low, high), method="bounded", options={"xatol": 1e-9})
    return float(found.x) if found.fun < on_grid[best] else float(_EXPONENTS[best])


def _ends(
    misfit: Callable[[float], float], on_grid: Array, exponent: float, allowed: float
) -> tuple[float, float]:
    """The outermost exponents with a misfit of at most ``allowed``."""
    inside = np.flatnonzero(on_grid <= allowed)
    if not inside.size:  # narrower than the grid
        step = float(_EXPONENTS[1] - _EXPONENTS[0])
        below, above = exponent - step, exponent + step
        first = last = exponent
    else:
        first = min(float(_EXPONENTS[inside[0]]), exponent)
        last = max(float(_EXPONENTS[inside[-1]]), exponent)
        below = float(_EXPONENTS[inside[0] - 1]) if inside[0] > 0 else -math.inf
        above = float(_EXPONENTS[inside[-1] + 1]) if inside[-1] + 1 < on_grid.size else math.inf

    def crossing(outside: float, within: float) -> float:
        if not math.isfinite(outside):
            return outside
        return float(brentq(lambda p: misfit(p) - allowed, outside, within, xtol=1e-9))

    return crossing(below, first), crossing(above, last)


def _checked(widths: ArrayLike, gaps: ArrayLike, errors: ArrayLike) -> tuple[Array, Array, Array]:
    n, g, e = (np.asarray(one, dtype=np.float64) for one in (widths, gaps, errors))
    if n.ndim != 1 or n.size < 3 or g.shape != n.shape or e.shape != n.shape:
        raise InvalidInputError(
            "widths, gaps and errors must be at least three numbers each, as many of one as of "
            f"the other, got shapes {n.shape}, {g.shape}, {e.shape}"
        )
    if not (np.isfinite(n) & (n > 0)).all() or np.unique(n).size < n.size:
        raise InvalidInputError("widths must be positive and different")
    if not np.isfinite(g).all() or not (np.isfinite(e) & (e > 0)).all():
        raise InvalidInputError("gaps must be finite, and errors finite and positive")
    return n, g, e
