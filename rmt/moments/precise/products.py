"""Gaussian moments of all products of a few functions, to 30 digits.

``E[F_1(Z)^{p_1} .. F_m(Z)^{p_m} Z^n]`` for whatever powers are asked for. The nodes of the
trapezoid rule do not depend on the product: every function is evaluated once a node, and a product
is a few multiplications of whole numbers. Steps are halved until the sum does not change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np

from rmt.arrays import WholeNumbers
from rmt.caching import cached
from rmt.evaluation.guarded import guarded_function
from rmt.functions import ScalarFunction
from rmt.moments.precise.nodes import trapezoid_nodes
from rmt.moments.precise.plan import Piece, Plan, right_half
from rmt.moments.precise.sums import Budget, in_fixed_point, values_at
from rmt.moments.precise.trapezoid import integral_and_change
from rmt.moments.sampled import check_not_sampled
from rmt.pieces.ends import refined_end

__all__ = ["ProductMoments", "product_moments"]


_DIGITS = 32
_LOST_DIGITS = 40  # rounding and tail, relative to the natural size
_TARGET = 42  # what is left out next to a kink
_BITS = 160
_FIRST_LEVEL, _MOST_LEVELS = 3, 5  # steps of 2**-3 to 2**-7
_FARTHEST = 40.0
_TAME = 1e4  # the largest argument of an exponential
_CHECK = 512  # nodes per unit, in double precision: nothing narrow was passed over


class ProductMoments:
    """Moments of products of functions of a standard normal ``Z``.

    Made by `product_moments`. Values at the nodes are kept, so that a further moment is cheap.

    Attributes
    ----------
    functions : tuple of ScalarFunction
    """

    def __init__(
        self, functions: tuple[ScalarFunction, ...], plan: Plan, sizes: tuple[float, ...]
    ) -> None:
        self.functions = functions
        self._plan, self._sizes = plan, sizes
        self._added: list[WholeNumbers] = []  # points, densities, values: what each level adds
        self._halve_step()
        self._halve_step()

    def moment(self, powers: Sequence[int], n: int = 0) -> tuple[Any, Any] | None:
        """``E[prod_j F_j(Z)^{p_j} Z^n]`` and its error bound; None when it does not settle.

        The bound is the change when the step was halved last, and rounding. What is odd is 0
        exactly.
        """
        parities = (f.parity**p for f, p in zip(self.functions, powers, strict=True))
        if math.prod(parities) * (-1) ** n == -1:
            return mpmath.mpf(0), mpmath.mpf(0)
        scale = self.natural_size(powers, n)
        while True:
            with mpmath.workprec(_BITS + 60):
                value, change = self._sums(powers, n)
                small = abs(value) < scale * mpmath.mpf(10) ** -8
                size = mpmath.mpf(scale) if small else abs(value)
                if change <= size * mpmath.mpf(10) ** -_DIGITS:
                    lost = max(abs(value), mpmath.mpf(scale)) * mpmath.mpf(10) ** -_LOST_DIGITS
                    return value, 2 * change + lost
            if len(self._added) == _MOST_LEVELS:
                return None
            self._halve_step()

    def natural_size(self, powers: Sequence[int], n: int = 0) -> float:
        """``prod_j E[F_j^2]^{p_j/2} sqrt(n!)``."""
        factors = (size**power for size, power in zip(self._sizes, powers, strict=True))
        return math.sqrt(math.factorial(n)) * math.prod(factors)

    def _sums(self, powers: Sequence[int], n: int) -> tuple[Any, Any]:
        """The moment, and its difference from that with twice the step."""
        fixed, sums = self._plan.fixed, []
        for points, product, *values in self._added:
            for factor, power in zip((*values, points), (*powers, n), strict=True):
                for _ in range(power):
                    product = product * factor >> fixed
            sums.append(int(product.sum()))
        unit = 1 / mpmath.sqrt(2 * mpmath.pi)
        value, change = integral_and_change(sums, _FIRST_LEVEL)
        return mpmath.ldexp(value, -fixed) * unit, mpmath.ldexp(change, -fixed) * unit

    def _halve_step(self) -> None:
        """Values at the nodes of the next level; the first time, of the first."""
        plan, level = self._plan, _FIRST_LEVEL + len(self._added)
        digits = math.ceil(plan.fixed * math.log10(2)) + 5
        with mpmath.workprec(plan.bits):
            rows = [
                (z, density, *values)
                for piece in plan.visible_pieces
                for z, density, values in values_at(
                    trapezoid_nodes(plan, piece, level, not self._added),
                    piece.evaluate,
                    digits,
                    Budget(math.inf),
                )
            ]
        self._added.append(in_fixed_point(rows, (plan.fixed,) * (2 + len(self.functions))))


@cached(64)
def product_moments(
    functions: tuple[ScalarFunction, ...], powers: tuple[int, ...], n: int
) -> ProductMoments | None:
    """Moments of products with at most these powers of the functions, and ``Z^n``.

    Returns
    -------
    ProductMoments or None
        None where this rule is not the right one: kinks without a closed form, growth that double
        precision cannot hold, features narrower than its steps.

    Examples
    --------
    >>> moments = product_moments((ScalarFunction.parse("tanh(z)"),), (2,), 4)
    >>> value, error = moments.moment((1,), 1)
    >>> mpmath.nprint(value, 15)
    0.605705509602159
    >>> error < 1e-32
    True
    >>> moments.moment((2,), 1)
    (mpf('0.0'), mpf('0.0'))
    """
    for function in functions:
        check_not_sampled(function, _DIGITS)
    ends = {piece.upper for f in functions for piece in f.smooth_pieces[:-1]}
    scan = None if any(end.is_Float for end in ends) else _scan(functions, powers, n)
    if scan is None:
        return None
    reach, growth, squares = scan
    (z,) = functions[0].symbols
    evaluate = guarded_function(z, *(f.expression for f in functions))
    if max(evaluate.largest_exponent(mpmath.mpf(s * reach)) for s in (-1, 1)) > _TAME:
        return None
    fixed = _BITS + growth
    known = [refined_end(functions[0].expression, z, end, fixed // 3) for end in sorted(ends)]
    pieces = tuple(Piece(*edges, evaluate) for edges in pairwise([None, *known, None]))
    folded = all(f.parity for f in functions)
    plan = Plan(
        order=0,
        digits=_DIGITS,
        target=_TARGET,
        bits=fixed + 20,
        fixed=fixed,
        scale=0,
        orders=range(0),
        fold=2 if folded else 1,
        reach=(0.0 if folded else reach, reach),
        pieces=right_half(pieces) if folded else pieces,
    )
    moments = ProductMoments(functions, plan, tuple(map(math.sqrt, squares)))
    # A narrow feature that the steps pass over shows in the squares.
    for j, square in enumerate(squares):
        found, _ = moments._sums([2 * int(i == j) for i in range(len(functions))], 0)
        tolerance = 2e-2 if functions[j].kinks else 1e-9
        if not abs(float(found) - square) <= tolerance * square:
            return None
    return moments


def _scan(
    functions: tuple[ScalarFunction, ...], powers: tuple[int, ...], n: int
) -> tuple[float, int, list[float]] | None:
    """Where to cut off, bits for the growth up to there, and ``E[F_j^2]``, in double precision."""
    z = np.arange(-_FARTHEST * _CHECK, _FARTHEST * _CHECK + 1) / _CHECK
    density = np.exp(-(z**2) / 2.0) / math.sqrt(2.0 * math.pi)
    log_growth, squares = n * np.log1p(np.abs(z)), []
    for f, power in zip(functions, powers, strict=True):
        with np.errstate(all="ignore"):
            values = np.abs(f(z))
            square = float(np.sum(values**2 * density) / _CHECK)
        if not (np.isfinite(values).all() and 0.0 < square < math.inf):
            return None
        squares.append(square)
        log_growth += power * np.log(np.maximum(values / math.sqrt(square), 1.0))
    visible = log_growth - z**2 / 2.0 > -(_LOST_DIGITS + 3) * math.log(10.0)
    reach = float(np.abs(z[visible]).max()) + 0.5
    if reach > _FARTHEST - 1.0:
        return None
    inside = np.abs(z) <= reach
    sizes = sum(p * abs(math.log2(s)) for p, s in zip(powers, squares, strict=True))
    growth = math.ceil(float(log_growth[inside].max()) / math.log(2.0) + sizes) + 8
    return (reach, growth, squares) if growth < 2000 else None
