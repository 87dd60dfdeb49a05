"""The generative exponent: the least Hermite order that a label, transformed at will, shows."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rmt.functions.graph import Graph
from rmt.functions.kinks import SmoothPiece, switch_arguments
from rmt.functions.lowering import lower
from rmt.functions.program import Program
from rmt.functions.roots import SEARCH_RADIUS, distinct, exact_roots, numerical_roots
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.hermite.exponent import Exponent, VanishingOrder, ZeroProof
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["generative_exponent"]

NAME = "generative exponent"
HIGHEST_ORDER = 50

# Decimal digits of the arithmetic, of a preimage, and of what may be called zero.
DIGITS = 70
ROOT_DIGITS = 55
ZERO = 1e-30
SMALLEST_BOUND = 1e-50
# How well an end is known that could not be solved for again.
FLOAT_END_ERROR = 1e-14
# Preimages that weigh less than this beside the others of the same value are left out.
NEGLIGIBLE = 1e-60

# Values y are taken where f reaches them at |z| <= FARTHEST, so that preimages beyond
# SEARCH_RADIUS weigh nothing beside the one that is nearest to 0.
FARTHEST = 25.0
TYPICAL = 3.0
FRACTIONS_OF_BRANCH = (0.2137, 0.4137, 0.7719)
FRACTIONS_OF_INTERVAL = (0.3713, 0.7129)
MAX_LEVELS = 48


def generative_exponent(function: FunctionLike, max_order: int = 12) -> Exponent:
    r"""Least order at which the label of a single-index model says something about its direction.

    For :math:`y = f(z)` with :math:`z` standard normal, the least :math:`k \ge 1` such that

    .. math:: \zeta_k(y) = E[\mathrm{He}_k(z) \mid y]

    is not almost surely zero. It is the least information exponent that any transformation of the
    label can reach. Independent additive noise in the label, of whatever size, does not change it
    when the noise is Gaussian: convolution with a Gaussian is injective on
    :math:`\zeta_k(y) p(y)`.

    Where :math:`f` is not constant, with the sum over the preimages :math:`z_i` of :math:`y`,

    .. math:: \zeta_k(y) p(y) = \sum_i \mathrm{He}_k(z_i) \varphi(z_i) / |f'(z_i)|,

    and where it is flat, :math:`y = c` has an atom, whose moment is a sum over the flat pieces
    :math:`(a, b)` of :math:`\mathrm{He}_{k-1}(a)\varphi(a) - \mathrm{He}_{k-1}(b)\varphi(b)`.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        Of one variable.
    max_order : int
        The highest order to look at, 1 to 50.

    Returns
    -------
    Exponent
        ``coefficient`` is the float :math:`\zeta_k(y) / \sqrt{k!}` at the value (or atom) where it
        counts most: :math:`|\zeta_k|` times the probability of the atom, or the normal density at
        the preimage nearest to 0, is largest among the values looked at.

    Raises
    ------
    InvalidInputError
        A function of several variables, not real on the whole line, or with more than 2000 extrema
        or kinks in ``|z| <= 40``; `max_order` out of range.
    ConvergenceError
        No value of the function could be separated from its extrema, or it overflows even in
        multiple precision.

    Notes
    -----
    :math:`\zeta_k(y) p(y)` is continuous between the values of :math:`f` at its extrema and kinks:
    one :math:`y` where it is not zero proves that the exponent is at most :math:`k`. The sums are
    computed with 70 digits. That an order vanishes is proved for odd orders of an even function
    (``SYMMETRY``), and for a piecewise constant function with kinks in closed form (``EXACT``);
    otherwise the sum is zero to the stated bound, at most 1e-30, relative to the sum of the
    absolute values of its terms, at values in every interval between consecutive extremal values,
    48 at most (``NUMERICAL``). So ``sin(20*z)`` is found to vanish at every order: its moments are
    of the order ``exp(-200)``. Features of the function beyond ``|z| = 25`` are not seen.

    A function with a single preimage on a set of values of positive probability has exponent 1,
    and a polynomial that is not constant has at most 2.

    References
    ----------
    Damian, Pillaud-Vivien, Lee, Bruna, "Computational-statistical gaps in Gaussian single-index
    models", arXiv:2403.05529.

    Examples
    --------
    >>> print(generative_exponent("He3(z)"))
    generative exponent: 1
    >>> print(generative_exponent("z**2*exp(-z**2)"))
    generative exponent: 4 (zero to within 1e-50, not proved, at order 2)
    >>> print(generative_exponent("z**2*exp(-z**2)").vanishing[0].proof)
    symmetry
    """
    f, max_order = _checked(function, max_order)
    flat, curved = _flat_and_curved(f)
    ends = _high_precision_ends(f)
    atoms = _atoms(flat, ends, f.symbols[0])
    if not curved and len(atoms) == 1:
        zeros = tuple(VanishingOrder(k, ZeroProof.EXACT) for k in range(1, max_order + 1))
        return Exponent(NAME, None, max_order, zeros, is_infinite=True)
    levels = _levels(
        _branches(curved, ends, f.symbols[0]), [atom.value for atom in atoms], max_order
    )
    if curved and not any(level.refined for level in levels):
        raise ConvergenceError(
            f"no value of {f.text} could be separated from its extremal values in double "
            f"precision; rescale or shift the function",
            Status.NOT_CONVERGED,
            Exponent(NAME, None, 0),
        )
    sources: list[_Source] = [*atoms, *levels]
    vanishing: list[VanishingOrder] = []
    for order in range(1, max_order + 1):
        if order % 2 and f.parity == 1:
            vanishing.append(VanishingOrder(order, ZeroProof.SYMMETRY))
            continue
        outcome = _examine(order, sources)
        if not isinstance(outcome, VanishingOrder):
            return Exponent(NAME, order, order, tuple(vanishing), outcome)
        vanishing.append(outcome)
    return Exponent(NAME, None, max_order, tuple(vanishing))


def _checked(function: FunctionLike, max_order: int) -> tuple[ScalarFunction, int]:
    try:
        max_order = operator.index(max_order)
    except TypeError:
        raise InvalidInputError(
            f"max_order: expected an integer, got {type(max_order).__name__}"
        ) from None
    if not 1 <= max_order <= HIGHEST_ORDER:
        raise InvalidInputError(
            f"max_order: got {max_order}; allowed are the integers 1 to {HIGHEST_ORDER}"
        )
    f = ScalarFunction.parse(function)
    if f.n_variables != 1:
        raise InvalidInputError(
            f"generative_exponent needs a function of one variable; {f.text} has {f.n_variables}"
        )
    f.check_real()
    return f, max_order


# Does an order vanish?


@dataclass(frozen=True, slots=True)
class _Moment:
    """A conditional moment of one value: normalised, and relative to the size of its terms."""

    zeta: float
    relative: float
    error: float  # of `relative`; 0 when the moment is shown to be 0

    @property
    def is_zero(self) -> bool:
        return self.relative <= max(ZERO, self.error)


class _Source(Protocol):
    """A value of the function that has a conditional law: a generic value, or an atom."""

    @property
    def weight(self) -> float:
        """How much the value matters."""

    def rough(self, order: int) -> float:
        """The size of the normalised conditional moment, in double precision."""

    def moment(self, order: int) -> _Moment | None:
        """The moment in high precision; None where that fails."""


def _examine(order: int, sources: Sequence[_Source]) -> VanishingOrder | float:
    """The normalised moment where it counts most, or how it is known to vanish everywhere."""
    bound = 0.0
    for source in sorted(sources, key=lambda s: s.rough(order) * s.weight, reverse=True):
        moment = source.moment(order)
        if moment is None:
            continue
        if not moment.is_zero:
            return moment.zeta
        bound = max(bound, moment.relative, moment.error)
    proof = ZeroProof.NUMERICAL if bound else ZeroProof.EXACT
    return VanishingOrder(order, proof, bound)


def _hermite(order: int, x: Any) -> Any:
    """He_n of a float, an array, an mpmath or a sympy number."""
    previous, current = 0 * x, 0 * x + 1
    for n in range(order):
        previous, current = current, x * current - n * previous
    return current


# Flat pieces: atoms


class _Atom:
    """A value that the function takes on whole intervals."""

    def __init__(self, value: Any, exact_value: Any) -> None:
        self.high_precision_value = value
        self.exact_value = exact_value
        self.is_exact = True
        self.intervals: list[tuple[_End, _End]] = []

    @property
    def value(self) -> float:
        return _clipped(self.high_precision_value)

    @cached_property
    def probability(self) -> Any:
        import mpmath

        with mpmath.workdps(DIGITS):
            return mpmath.fsum(_probability(a.value, b.value) for a, b in self.intervals)

    @property
    def weight(self) -> float:
        return float(self.probability)

    def rough(self, order: int) -> float:
        # A few ends: high precision costs nothing.
        return abs(self.moment(order).zeta)

    def moment(self, order: int) -> _Moment:
        import mpmath

        with mpmath.workdps(DIGITS):
            terms, error = [], mpmath.mpf(0)
            for sign, end in self._signed_ends():
                density = mpmath.npdf(end.value)
                terms.append(sign * _hermite(order - 1, end.value) * density)
                error += abs(_hermite(order, end.value)) * density * end.error
            total, size = mpmath.fsum(terms), mpmath.fsum(map(abs, terms))
            relative, relative_error = (
                (float(abs(total) / size), float(error / size)) if size else (0.0, 0.0)
            )
            zeta = float(total / self.probability / mpmath.sqrt(mpmath.factorial(order)))
        if relative <= SMALLEST_BOUND and self._is_exactly_zero(order):
            return _Moment(0.0, 0.0, 0.0)
        return _Moment(zeta, relative, max(relative_error, SMALLEST_BOUND))

    def _signed_ends(self) -> list[tuple[int, _End]]:
        ends = [(s, end) for pair in self.intervals for s, end in zip((1, -1), pair, strict=True)]
        return [(sign, end) for sign, end in ends if not end.exact.is_infinite]

    def _is_exactly_zero(self, order: int) -> bool:
        import sympy

        ends = self._signed_ends()
        if not self.is_exact or any(end.exact.is_Float for _, end in ends):
            return False
        total = sympy.Add(
            *(
                sign * _hermite(order - 1, e.exact) * sympy.exp(-(e.exact**2) / 2)
                for sign, e in ends
            )
        )
        return bool(sympy.expand(total) == 0)


@dataclass(frozen=True, slots=True)
class _End:
    exact: Any  # sympy number
    value: Any  # mpmath number
    error: float


def _probability(a: Any, b: Any) -> Any:
    import mpmath

    # In the tail where ncdf is small, nothing cancels.
    return mpmath.ncdf(b) - mpmath.ncdf(a) if a + b <= 0 else mpmath.ncdf(-a) - mpmath.ncdf(-b)


def _atoms(flat: list[SmoothPiece], ends: dict[Any, _End], symbol: Any) -> list[_Atom]:
    """The flat pieces, those of equal value together."""
    import mpmath
    import sympy

    atoms: list[_Atom] = []
    for piece in flat:
        inside = max(float(piece.lower), -SEARCH_RADIUS) + min(float(piece.upper), SEARCH_RADIUS)
        (value, _) = _program(piece.expression, symbol).evaluate([inside / 2], DIGITS)
        with mpmath.workdps(DIGITS):
            same = [
                atom
                for atom in atoms
                if abs(atom.high_precision_value - value) <= SMALLEST_BOUND * (1 + abs(value))
            ]
        if not same:
            atoms.append(_Atom(value, piece.expression))
            same = atoms[-1:]
        same[0].is_exact &= sympy.expand(piece.expression - same[0].exact_value) == 0
        same[0].intervals.append((ends[piece.lower], ends[piece.upper]))
    return atoms


def _high_precision_ends(f: ScalarFunction) -> dict[Any, _End]:
    programs = [_program(argument, f.symbols[0]) for argument in switch_arguments(f.expression)]
    ends = {end for piece in f.smooth_pieces for end in (piece.lower, piece.upper)}
    return {end: _high_precision_end(end, programs) for end in ends}


def _high_precision_end(end: Any, programs: Iterable[Program]) -> _End:
    """The end of a piece in high precision; one known in decimals only is solved for again."""
    import mpmath

    with mpmath.workdps(DIGITS):
        if end.is_infinite:
            return _End(end, mpmath.inf if end > 0 else -mpmath.inf, 0.0)
        if not end.is_Float:
            return _End(end, end.evalf(DIGITS)._to_mpmath(mpmath.mp.prec), 0.0)
        near = FLOAT_END_ERROR * (1 + abs(float(end)))
        for program in programs:
            solution = _newton(program, float(end), 0.0)
            if solution is not None and abs(solution[0] - float(end)) <= near:
                return _End(end, solution[0], 0.0)
        return _End(end, mpmath.mpf(float(end)), near)


# Pieces that are not flat: monotone branches


@dataclass(frozen=True, slots=True)
class _Branch:
    """An interval on which the function is strictly monotone, and its values at the ends."""

    program: Program
    lower: float
    upper: float
    at_lower: float
    at_upper: float


def _flat_and_curved(f: ScalarFunction) -> tuple[list[SmoothPiece], list[SmoothPiece]]:
    flat: list[SmoothPiece] = []
    curved: list[SmoothPiece] = []
    for piece in f.smooth_pieces:
        (flat if _is_constant(piece.expression, f.symbols[0]) else curved).append(piece)
    return flat, curved


def _is_constant(expression: Any, symbol: Any) -> bool:
    """Whether the derivative is shown to vanish identically."""
    import sympy

    slope = sympy.diff(expression, symbol)
    if slope == 0 or sympy.expand(slope) == 0:
        return True
    # Simplification is slow: only where numbers leave it no other chance.
    values = [_program(expression, symbol).evaluate([z], DIGITS) for z in (-0.6180, 1.4142)]
    return all(abs(v[1]) <= SMALLEST_BOUND * (1 + abs(v[0])) for v in values) and bool(
        sympy.simplify(slope) == 0
    )


def _branches(pieces: list[SmoothPiece], ends: dict[Any, _End], symbol: Any) -> list[_Branch]:
    """The pieces within SEARCH_RADIUS, cut at their critical points."""
    known: dict[Any, tuple[Program, list[float]]] = {}
    branches: list[_Branch] = []
    for piece in pieces:
        low, high = max(float(piece.lower), -SEARCH_RADIUS), min(float(piece.upper), SEARCH_RADIUS)
        if low >= high:
            continue
        if piece.expression not in known:
            known[piece.expression] = (
                _program(piece.expression, symbol),
                _critical_points(piece.expression, symbol),
            )
        program, critical = known[piece.expression]
        inside = [c for c in critical if low < c < high]
        values = [
            _value_beside(program, ends[piece.lower].value, +1),
            *(program(np.array(inside))[0] if inside else ()),
            _value_beside(program, ends[piece.upper].value, -1),
        ]
        if np.isnan(values).any():
            raise ConvergenceError(
                f"the limits of {piece.expression} at the ends of ({low:.6g}, {high:.6g}) "
                "could not be computed",
                Status.NOT_FINITE,
                Exponent(NAME, None, 0),
            )
        cuts = [low, *inside, high]
        branches += [
            _Branch(program, a, b, float(u), float(v))
            for (a, b), (u, v) in zip(pairwise(cuts), pairwise(values), strict=True)
        ]
    return branches


def _critical_points(expression: Any, symbol: Any) -> list[float]:
    """Zeros of the derivative in |z| <= SEARCH_RADIUS."""
    import sympy

    found: list[float] = []
    for factor in sympy.Mul.make_args(sympy.factor_terms(sympy.diff(expression, symbol))):
        while factor.is_Pow and not isinstance(factor, sympy.exp) and factor.exp.is_positive:
            factor = factor.base
        if symbol not in factor.free_symbols or factor.is_positive or isinstance(factor, sympy.exp):
            continue
        exact = exact_roots(factor, symbol)
        try:
            found += (
                numerical_roots(factor, symbol)
                if exact is None
                else [float(root) for root in exact]
            )
        except InvalidInputError:
            raise InvalidInputError(
                f"{expression} oscillates too fast: it has more than 2000 extrema in "
                f"|z| <= {SEARCH_RADIUS:g}"
            ) from None
    return distinct(found)


def _value_beside(program: Program, end: Any, side: int) -> float:
    """The limit of a function at the end of a piece, from inside; at SEARCH_RADIUS beyond it."""
    import mpmath

    with mpmath.workdps(DIGITS):
        end = min(max(end, -mpmath.mpf(SEARCH_RADIUS)), mpmath.mpf(SEARCH_RADIUS))
        for distance in ("1e-40", "1e-12"):
            point = end + side * mpmath.mpf(distance)
            value = program.evaluate([point], DIGITS)[0]
            if not mpmath.isnan(value):
                return _clipped(value)
    return math.nan


def _clipped(value: Any) -> float:
    """A number in double precision; what overflows becomes the largest double."""
    largest = float(np.finfo(float).max)
    return float(value) if abs(value) <= largest else math.copysign(largest, value)


def _program(expression: Any, symbol: Any) -> Program:
    """An expression and its derivative."""
    graph = Graph()
    value = lower(graph, expression, (symbol,))
    return Program(graph, [value, graph.derivative(value)])


# Generic values and their preimages


@dataclass(frozen=True, slots=True)
class _Preimage:
    """A solution z of f(z) = y in double precision."""

    program: Program
    z: float
    slope: float
    residual: float  # f(z) - y

    @property
    def is_regular(self) -> bool:
        """Whether it has a slope, and bisection did not stop short of it (beside a pole)."""
        reach = abs(self.slope * self.z)
        return math.isfinite(self.slope) and self.slope != 0 and abs(self.residual) <= 1e-3 * reach


class _Level:
    """A value of the function, attained at regular points only."""

    def __init__(self, y: float, preimages: list[_Preimage], max_order: int) -> None:
        self.y = y
        z = np.array([preimage.z for preimage in preimages])
        log_weights = -(z**2) / 2 - np.log([abs(preimage.slope) for preimage in preimages])
        log_weights -= log_weights.max()
        # A Hermite polynomial of that order can make up for some of a weight.
        sizes = log_weights + max_order * np.log1p(np.abs(z))
        kept = np.flatnonzero(sizes >= math.log(NEGLIGIBLE))
        self.points = z[kept]
        self.weights = np.exp(log_weights[kept])
        self.programs = [preimages[i].program for i in kept]

    @property
    def weight(self) -> float:
        return float(np.exp(-np.min(self.points**2) / 2) / math.sqrt(2 * math.pi))

    def rough(self, order: int) -> float:
        mean = np.average(_hermite(order, self.points), weights=self.weights)
        return float(abs(mean)) / math.sqrt(math.factorial(order))

    @cached_property
    def refined(self) -> list[tuple[Any, Any]]:
        """The preimages and their weights in high precision; empty where that fails."""
        import mpmath

        result = []
        with mpmath.workdps(DIGITS):
            for program, start in zip(self.programs, self.points.tolist(), strict=True):
                solution = _newton(program, start, self.y)
                if solution is None:
                    return []
                z, slope = solution
                result.append((z, mpmath.exp(-(z**2) / 2) / abs(slope)))
        return result

    def moment(self, order: int) -> _Moment | None:
        import mpmath

        if not self.refined:
            return None
        with mpmath.workdps(DIGITS):
            terms = [weight * _hermite(order, z) for z, weight in self.refined]
            total, size = mpmath.fsum(terms), mpmath.fsum(map(abs, terms))
            norm = mpmath.fsum(w for _, w in self.refined) * mpmath.sqrt(mpmath.factorial(order))
            relative = float(abs(total) / size) if size else 0.0
            return _Moment(float(total / norm), relative, SMALLEST_BOUND)


def _levels(branches: list[_Branch], flat_values: list[float], max_order: int) -> list[_Level]:
    values = _candidate_values(branches, flat_values)
    preimages: list[list[_Preimage]] = [[] for _ in values]
    for program in dict.fromkeys(branch.program for branch in branches):
        jobs = [
            (i, branch, y)
            for branch in branches
            if branch.program is program
            for i, y in enumerate(values)
            if min(branch.at_lower, branch.at_upper) < y < max(branch.at_lower, branch.at_upper)
        ]
        if not jobs:
            continue
        roots = _bisect(
            program,
            np.array([branch.lower for _, branch, _ in jobs]),
            np.array([branch.upper for _, branch, _ in jobs]),
            np.array([branch.at_upper > branch.at_lower for _, branch, _ in jobs]),
            np.array([y for _, _, y in jobs]),
        )
        at_roots, slopes = program(roots)
        for (i, _, y), z, value, slope in zip(jobs, roots, at_roots, slopes, strict=True):
            preimages[i].append(_Preimage(program, float(z), float(slope), float(value - y)))
    return [
        _Level(y, found, max_order)
        for y, found in zip(values, preimages, strict=True)
        if found
        and all(preimage.is_regular for preimage in found)
        and min(abs(preimage.z) for preimage in found) <= FARTHEST
    ]


def _candidate_values(branches: list[_Branch], flat_values: list[float]) -> list[float]:
    """Generic values in every interval between consecutive values at extrema and kinks."""
    samples = sorted(sample for branch in branches for sample in _samples(branch))
    size = float(np.median([abs(y) for _, y in samples])) if samples else 0.0

    def apart(a: float, b: float) -> bool:
        return abs(a - b) > 1e-9 * size + 1e-9 * max(abs(a), abs(b))

    at_ends = {value for b in branches for value in (b.at_lower, b.at_upper)}
    edges: list[float] = []
    for value in sorted(v for v in {*at_ends, *flat_values} if math.isfinite(v)):
        if not edges or apart(edges[-1], value):
            edges.append(value)
    few = len(edges) <= 4
    ranked: list[tuple[float, float]] = []
    for low, high in pairwise(edges):
        kept: list[tuple[float, float]] = []
        for distance, y in samples:
            others = [low, high, *(other for _, other in kept)]
            if low < y < high and all(apart(y, other) for other in others):
                kept.append((distance, y))
            if len(kept) == (3 if few else 1):
                break
        nearest = kept[0][0] if kept else math.inf
        fractions = FRACTIONS_OF_INTERVAL if few else FRACTIONS_OF_INTERVAL[:1]
        ranked += [*kept, *((nearest, low * (1 - t) + high * t) for t in fractions)]
    return [y for _, y in sorted(ranked)[:MAX_LEVELS]]


def _samples(branch: _Branch) -> list[tuple[float, float]]:
    """Some points of a branch, where the density is not small if it gets there: (|z|, f(z))."""
    low, high = max(branch.lower, -TYPICAL), min(branch.upper, TYPICAL)
    if low >= high:
        # A branch in the tail matters where it is nearest to 0.
        low, high = (
            (branch.lower, min(branch.upper, branch.lower + 1))
            if branch.lower > 0
            else (max(branch.lower, branch.upper - 1), branch.upper)
        )
    points = low + np.array(FRACTIONS_OF_BRANCH) * (high - low)
    values = branch.program(points)[0]
    return [
        (abs(z), y)
        for z, y in zip(points.tolist(), values.tolist(), strict=True)
        if math.isfinite(y)
    ]


def _bisect(program: Program, low: Any, high: Any, rising: Any, y: Any) -> NDArray[np.float64]:
    """Solutions of f(z) = y on monotone branches, to neighbouring doubles."""
    for _ in range(64):
        middle = (low + high) / 2
        is_left = (program(middle)[0] < y) == rising
        low, high = np.where(is_left, middle, low), np.where(is_left, high, middle)
    return np.asarray((low + high) / 2)


def _newton(program: Program, start: float, y: float) -> tuple[Any, Any] | None:
    """The solution of f(z) = y next to a point, and the slope there; None if it escapes."""
    import mpmath

    z = mpmath.mpf(start)
    for _ in range(8):
        value, slope = program.evaluate([z], DIGITS)
        if not mpmath.isfinite(value) or not mpmath.isfinite(slope) or slope == 0:
            return None
        step = (value - y) / slope
        z -= step
        if abs(z - start) > 1e-6 * (1 + abs(start)):
            return None
        if abs(step) <= mpmath.mpf(10) ** -ROOT_DIGITS * (1 + abs(z)):
            return z, slope
    return None
