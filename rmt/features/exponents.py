"""How the spikes of the features grow with the width, and which products they learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rmt.display import InNotebooks
from rmt.features.polynomial import hermite_name
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.problem import Problem
from rmt.problem.supported import check_two_steps

__all__ = ["FeatureExponent", "feature_exponents"]

_MAX_ORDER = 12
_VANISHING = 1e-12


@dataclass(frozen=True, slots=True)
class FeatureExponent(InNotebooks):
    """A spike of the features at its order in the readout.

    Attributes
    ----------
    order : int
        ``j``: the spike's right vector is the entrywise power ``a^j`` of the readout.
    exponent : Fraction
        Its singular value grows as ``N^exponent``, the bulk as ``N^{1/2}``.
    terms : tuple of tuple of int
        Products of spike coordinates that it holds at this order of magnitude: ``(0, 0)`` for
        ``kappa_0^2``, ``(1,)`` for ``kappa_1``. They share the right vector, so the data sees one
        combination of them.

    Examples
    --------
    >>> from rmt import Problem, Step, feature_exponents
    >>> problem = Problem("tanh(z + 1)", "z", 100, 100, 200, [Step(1, 0.3)])
    >>> first = feature_exponents(problem)[1]
    >>> first.order, first.exponent, first.terms, first.is_spike
    (1, Fraction(4, 5), ((0,),), True)
    """

    order: int
    exponent: Fraction
    terms: tuple[tuple[int, ...], ...]

    @property
    def is_spike(self) -> bool:
        """Whether it outgrows the bulk."""
        return self.exponent > Fraction(1, 2)

    def __str__(self) -> str:
        names = []
        for term in self.terms:
            alpha = [term.count(k) for k in range(max(term, default=-1) + 1)]
            names.append(hermite_name(tuple(alpha), "k") or "1")
        return f"N^({self.exponent}): {', '.join(names)}"


def feature_exponents(problem: Problem) -> tuple[FeatureExponent, ...]:
    """The spikes of the features by their growth with ``N`` at fixed ratios, strongest order first.

    The pre-activation moves by ``p = N^{-1/2} sum_k theta_k u_k kappa_k``, where ``u_k`` is of
    order ``a^{k+1}`` in the readout, ``theta_0 ~ N^{max(alpha_s)}`` and
    ``theta_k ~ N^{alpha_2 - k (1/2 - alpha_1)}``. A product of coordinates in the term
    ``mu_n p^n / n!`` of the expansion of ``sigma`` has the power ``j = sum (k + 1)`` of the readout
    and the size ``N`` times those of its factors. One step: ``N^{1 + j (alpha_1 - 1/2)}``, a spike
    when ``alpha_1 > (j - 1) / (2 j)`` (arXiv:2310.07891).

    Parameters
    ----------
    problem : Problem
        Its activation, and the exponents of its steps.

    Returns
    -------
    tuple of FeatureExponent
        The orders that are spikes, up to 12; orders whose Hermite coefficients ``mu_n`` all vanish
        are left out.

    Notes
    -----
    docs/theory.md, section 6; one step: Moniri, Lee, Hassani, Dobriban, arXiv:2310.07891.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> p = Problem("tanh(z + 1)", "z", 100, 100, 200, [Step(1, 0.3), Step(1, 0.3)])
    >>> for exponent in feature_exponents(p):
    ...     print(exponent)
    N^(1): 1
    N^(4/5): k0
    N^(3/5): He2(k0)/sqrt(2), k1
    """
    check_two_steps(problem, "the features' exponents")
    alphas = [Fraction(str(step.exponent)) for step in problem.steps]
    mu = double_coefficients(problem.activation, _MAX_ORDER)
    present = abs(mu.orthonormal) > _VANISHING * mu.second_moment**0.5
    half = Fraction(1, 2)
    shift = {0: max(alphas) - half}  # log_N of theta_k / sqrt(N)
    if len(alphas) == 2:
        for k in range(1, _MAX_ORDER):
            if present[k + 1]:
                shift[k] = alphas[1] - k * (half - alphas[0]) - half
    found = []
    for order in range(_MAX_ORDER + 1):
        sizes = {
            term: 1 + sum((shift[k] for k in term), Fraction(0))
            for term in _products(order)
            if present[len(term)] and all(k in shift for k in term)
        }
        if not sizes:
            continue
        largest = max(sizes.values())
        terms = tuple(sorted(t for t, size in sizes.items() if size == largest))
        found.append(FeatureExponent(order, largest, terms))
    return tuple(exponent for exponent in found if exponent.is_spike)


def _products(order: int, largest: int | None = None) -> Iterator[tuple[int, ...]]:
    """Multisets of spike numbers ``k`` with ``sum (k + 1) = order``, in increasing order."""
    if order == 0:
        yield ()
        return
    for k in range(min(order - 1, order if largest is None else largest), -1, -1):
        for rest in _products(order - k - 1, k):
            yield (*rest, k)
