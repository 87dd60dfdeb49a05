"""Gaussian moments of all products of a few functions, to 30 digits.

``E[F_1(Z)^{p_1} .. F_m(Z)^{p_m} Z^n]`` for whatever powers are asked for. The trapezoid rule
converges faster than any power of its step for functions that are smooth on the line, and between
kinks after a double exponential change of variable. Its nodes do not depend on the product: every
function is evaluated once a node, and a product is a few multiplications of whole numbers. Steps
are halved until the sum does not change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import numpy as np
from mpmath.libmp import to_fixed

from rmt.arrays import WholeNumbers
from rmt.caching import cached
from rmt.evaluation.graph import Graph
from rmt.evaluation.guarded import guarded_function
from rmt.evaluation.lowering import lower
from rmt.evaluation.precise import precise_values
from rmt.functions import ScalarFunction
from rmt.spikes.scaling.number import Number

__all__ = ["ProductMoments", "product_moments"]


_DIGITS = 32
_ZERO_DIGITS = 28  # of the natural size
_LOST_DIGITS = 40  # rounding and tail, relative to the natural size
_BITS = 160
_FIRST_LEVEL, _LAST_LEVEL = 3, 7  # steps of 2**-level
_FARTHEST = 40.0
_CLOSEST = 110.0  # exp(-110) of its length is as close to a kink as matters
_TAME = 1e4  # the largest argument of an exponential
_CHECK = 512  # nodes per unit, in double precision: nothing narrow was passed over


class ProductMoments:
    """Moments of products of functions of a standard normal ``Z``.

    Made by `product_moments`. Values at the nodes are kept, so that a further moment is cheap.

    Attributes
    ----------
    functions : tuple of ScalarFunction
    parities : tuple of int
        Products that are odd by these have the exact moment 0.
    """

    def __init__(
        self,
        functions: tuple[ScalarFunction, ...],
        reach: float,
        fixed: int,
        sizes: tuple[float, ...],
    ) -> None:
        self.functions = functions
        self.parities = tuple(f.parity for f in functions)
        self._reach, self._fixed, self._sizes = reach, fixed, sizes
        self._graph = _Values.of(functions)
        self._constants: list[Any] = []
        self._level = _FIRST_LEVEL
        self._nodes: list[tuple[int, int]] = []
        self._table: WholeNumbers = np.empty((2 + len(functions), 0), dtype=object)
        ends = sorted({end for f in functions for end in _exact_kinks(f) or ()})
        edges = [None, *ends, None]
        self._pieces = list(pairwise(edges))
        self._refine()
        self._refine()

    def moment(self, powers: Sequence[int], n: int = 0) -> Number | None:
        """``E[prod_j F_j(Z)^{p_j} Z^n]``; None when it does not settle.

        The error bound is the change when the step was halved last, and rounding; a number below
        ``10**-28`` of its natural size, ``prod_j E[F_j^2]^{p_j/2} sqrt(n!)``, counts as zero.
        """
        parity = math.prod(p**k for p, k in zip(self.parities, powers, strict=True)) * (-1) ** n
        if parity == -1:
            return Number.of(0)
        scale = math.sqrt(math.factorial(n))
        scale *= math.prod(s**k for s, k in zip(self._sizes, powers, strict=True))
        while True:
            with mpmath.workprec(_BITS + 60):
                value, change = self._sums(powers, n)
                small = abs(value) < scale * mpmath.mpf(10) ** -8
                size = mpmath.mpf(scale) if small else abs(value)
                if change <= size * mpmath.mpf(10) ** -_DIGITS:
                    lost = max(abs(value), mpmath.mpf(scale)) * mpmath.mpf(10) ** -_LOST_DIGITS
                    number = Number.certified(value, 2 * change + lost)
                    return number.settled(mpmath.mpf(scale), _ZERO_DIGITS)
            if self._level == _LAST_LEVEL:
                return None
            self._refine()

    def _sums(self, powers: Sequence[int], n: int) -> tuple[Any, Any]:
        """The moment, and its difference from that with twice the step."""
        product = self._density
        for values, power in zip(self._values, powers, strict=True):
            for _ in range(power):
                product = product * values >> self._fixed
        for _ in range(n):
            product = product * self._points >> self._fixed
        fine, coarse = int(product.sum()), int(product[self._even].sum())
        unit = 1 / mpmath.sqrt(2 * mpmath.pi)
        shift = -self._fixed - self._level
        return mpmath.ldexp(fine, shift) * unit, mpmath.ldexp(abs(fine - 2 * coarse), shift) * unit

    def _refine(self) -> None:
        """Nodes of the next level; the first time, of the first."""
        first = not self._nodes
        level = self._level if first else self._level + 1
        old = {(piece, 2 * i) for piece, i in self._nodes}
        every = [
            (piece, i)
            for piece, (lower, upper) in enumerate(self._pieces)
            for i in _indices(lower, upper, self._reach, level)
        ]
        new = [node for node in every if node not in old]
        fresh = np.array([self._evaluate(*node, level) for node in new], dtype=object).T
        self._nodes = [(piece, 2 * i) for piece, i in self._nodes] + new
        self._table = np.concatenate([self._table, fresh], axis=1)
        self._level = level
        self._points, self._density, *self._values = self._table
        self._even = np.array([i % 2 == 0 for _, i in self._nodes])

    def _evaluate(self, piece: int, i: int, level: int) -> list[int]:
        """Node, density times weight (but for a constant) and values, in fixed point."""
        digits = math.ceil(self._fixed * math.log10(2)) + 5
        if not self._constants:
            constants = Graph()
            nodes = [constants.const(c) for c in self._graph.constants]
            self._constants = precise_values(constants, nodes, [], digits)
        with mpmath.workdps(digits):
            z, weight = _node(*self._pieces[piece], mpmath.ldexp(mpmath.mpf(i), -level))
            point = [z, *self._constants]
            values = precise_values(self._graph.graph, self._graph.outputs, point, digits)
            numbers = [z, weight * mpmath.exp(-z * z / 2), *values]
            return [int(to_fixed(x._mpf_, self._fixed)) for x in numbers]


def _indices(lower: Any, upper: Any, reach: float, level: int) -> range:
    """The nodes of a piece, in steps of ``2**-level`` of the variable of the rule."""
    if lower is None and upper is None:
        low, high = -reach, reach
    elif lower is None or upper is None:
        # exp(-exp(-t)) is next to nothing at the low end, exp(t) beyond the reach at the high one.
        low, high = -math.log(_CLOSEST), math.log(2.0 * reach) + 0.5
    else:
        low = -math.asinh(_CLOSEST / math.pi)
        high = -low
    return range(math.ceil(low * 2**level), math.floor(high * 2**level) + 1)


def _node(lower: Any, upper: Any, t: Any) -> tuple[Any, Any]:
    """A point of a piece and ``dz/dt``; ends are sympy numbers, or None where there is none."""
    if lower is None and upper is None:
        return t, mpmath.mpf(1)
    low, high = (None if end is None else _decimal(end, mpmath.mp.prec) for end in (lower, upper))
    inverse = mpmath.exp(-t)
    if low is None or high is None:
        distance = mpmath.exp(t - inverse)
        z = high - distance if low is None else low + distance
        return z, distance * (1 + inverse)
    half, s = (high - low) / 2, mpmath.pi / 2 * mpmath.sinh(t)
    slope = mpmath.pi / 2 * mpmath.cosh(t) / mpmath.cosh(s) ** 2
    return low + half * (1 + mpmath.tanh(s)), half * slope


@cached(256)
def _decimal(end: Any, bits: int) -> Any:
    return mpmath.mpf(end.evalf(math.ceil(bits / 3.3) + 5)._to_mpmath(bits))


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
    >>> from rmt.functions import ScalarFunction
    >>> moments = product_moments((ScalarFunction.parse("tanh(z)"),), (2,), 4)
    >>> moments.moment((1,), 1)
    Number(0.605705509602158... +- ...)
    >>> moments.moment((2,), 1)
    Number(0)
    """
    if any(_exact_kinks(f) is None for f in functions):
        return None
    scan = _scan(functions, powers, n)
    if scan is None:
        return None
    reach, growth, squares = scan
    for f in functions:
        guarded = guarded_function(f.expression, f.symbols[0])
        if max(guarded.largest_exponent(mpmath.mpf(s * reach)) for s in (-1, 1)) > _TAME:
            return None
    sizes = tuple(math.sqrt(x) for x in squares)
    moments = ProductMoments(functions, reach, _BITS + growth, sizes)
    # A narrow feature that the steps pass over shows in the squares.
    for j, square in enumerate(squares):
        once = tuple(int(i == j) for i in range(len(functions)))
        found = moments._sums([2 * p for p in once], 0)[0]
        tolerance = 2e-2 if functions[j].kinks else 1e-9
        if not abs(float(found) - square) <= tolerance * square:
            return None
    return moments


def _exact_kinks(function: ScalarFunction) -> tuple[Any, ...] | None:
    """The kinks as sympy numbers; None when some have no closed form."""
    ends = tuple(piece.upper for piece in function.smooth_pieces[:-1])
    return None if any(end.is_Float for end in ends) else ends


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


@dataclass(frozen=True, slots=True)
class _Values:
    """Functions as one graph; constants that are not rational are variables after the first."""

    graph: Graph
    outputs: tuple[int, ...]
    constants: tuple[Any, ...]

    @classmethod
    def of(cls, functions: tuple[ScalarFunction, ...]) -> _Values:
        source = Graph()
        roots = [lower(source, f.expression, f.symbols) for f in functions]
        graph, constants, renamed = Graph(), [], {}
        for node in source.ancestors(roots):
            payload = source.payloads[node]
            if source.is_const(node) and not payload.is_Rational:
                constants.append(payload)
                renamed[node] = graph.node("var", payload=len(constants))
                continue
            arguments = [renamed[a] for a in source.arguments[node]]
            renamed[node] = graph.node(source.operations[node], *arguments, payload=payload)
        return cls(graph, tuple(renamed[root] for root in roots), tuple(constants))
