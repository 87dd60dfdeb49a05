"""Hermite expansions of functions of up to three Gaussian variables.

The coefficients are the Taylor coefficients of ``F(t) = E[f(z + t)] = sum_alpha mu_alpha t^alpha /
alpha!``. In terms of `F` everything is short: independent factors multiply, a rotation of `z`
rotates `t`, and ``z_i f`` becomes ``(t_i + d/dt_i) F``. A function is therefore split into terms
polynomial x factors, the factors into groups that depend on orthogonal directions, and only groups
that depend on several directions at once are integrated over more than one variable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.functions.construction import build_piecewise, build_relation, variable
from rmt.functions.gaussian import GaussianRule, gaussian_rule, negligible_beyond
from rmt.functions.kinks import axis_kinks, switch_arguments
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = [
    "MAX_DEGREE",
    "Estimate",
    "Index",
    "TensorHermiteExpansion",
    "multi_indices",
    "tensor_hermite_expansion",
]

MAX_DEGREE = 12
Index: TypeAlias = tuple[int, ...]
Array: TypeAlias = NDArray[np.float64]

_EPSILON = 2.3e-16
_MAX_NODES = 6_000_000
_CHUNK = 1 << 14
_ROWS_SHOWN = 20


class Estimate(NamedTuple):
    """A number and its absolute error: ``value`` is a sympy number, exact when ``error`` is 0."""

    value: Any
    error: float = 0.0

    def __float__(self) -> float:
        return float(self.value)


@dataclass(frozen=True, slots=True)
class TensorHermiteExpansion:
    """``f(z) = sum_alpha mu_alpha prod_i He_{alpha_i}(z_i) / alpha_i!``, ``z ~ N(0, I_r)``.

    Made by :func:`tensor_hermite_expansion`.

    Attributes
    ----------
    function : ScalarFunction
    degree : int
        Every multi-index with ``|alpha| <= degree`` is there.
    probabilists : mapping from tuple of int to sympy number
        ``mu_alpha = E[f(z) prod_i He_{alpha_i}(z_i)]``: exact where `errors` is 0, else a Float.
    errors : mapping from tuple of int to float
        Absolute error estimates of `probabilists`. An exact zero has error 0.
    """

    function: ScalarFunction
    degree: int
    probabilists: Mapping[Index, Any]
    errors: Mapping[Index, float]

    @property
    def n_variables(self) -> int:
        """The number ``r`` of variables."""
        return self.function.n_variables

    @property
    def orthonormal(self) -> dict[Index, Any]:
        """``mu_alpha / sqrt(prod_i alpha_i!)``; their errors are `errors` divided by the same."""
        import sympy

        return {
            alpha: value / sympy.sqrt(sympy.Integer(_factorial(alpha)))
            for alpha, value in self.probabilists.items()
        }

    @property
    def is_exact(self) -> bool:
        """Whether every coefficient is exact."""
        return not any(self.errors.values())

    @property
    def second_moment(self) -> Estimate:
        """``E[f(z)^2]``, exact where the square has a closed form.

        Examples
        --------
        >>> tensor_hermite_expansion("relu(z1 + z2)", 2).second_moment
        Estimate(value=1, error=0.0)
        """
        return _second_moment(self.function)

    def truncation_error(self) -> Estimate:
        """L2 norm of what the expansion leaves out.

        By Parseval ``sqrt(E[f^2] - sum_alpha mu_alpha^2 / alpha!)``. The error allows for those of
        the second moment and of every coefficient; it is as large as the value where the
        difference cannot be told from 0.

        Examples
        --------
        >>> tensor_hermite_expansion("z1 + z1*z2", 2).truncation_error()
        Estimate(value=0, error=0.0)
        >>> tensor_hermite_expansion("z1 + z1*z2", 1).truncation_error()
        Estimate(value=1, error=0.0)
        """
        import sympy

        remainder = Estimate(*self.second_moment)
        for alpha, mu in self.probabilists.items():
            part = _times(Estimate(mu, self.errors[alpha]), Estimate(mu, self.errors[alpha]))
            remainder = _plus(
                remainder, _times(Estimate(sympy.Rational(-1, _factorial(alpha))), part)
            )
        remainder = settled(remainder)
        if not remainder.error:
            return Estimate(sympy.sqrt(remainder.value))
        square, error = max(float(remainder), 0.0), remainder.error
        root = math.sqrt(square)
        above, below = math.sqrt(square + error) - root, root - math.sqrt(max(square - error, 0.0))
        return Estimate(sympy.Float(root), max(above, below))

    def evaluate(self, *z: ArrayLike) -> Array:
        """The truncated expansion at the given points: one array per variable; they broadcast.

        Examples
        --------
        >>> tensor_hermite_expansion("z1**2*z2", 3).evaluate([1.0, 2.0], 3.0).tolist()
        [3.0, 12.0]
        """
        if len(z) != self.n_variables:
            raise InvalidInputError(
                f"z: expected {self.n_variables} array(s), one for each of "
                f"{', '.join(self.function.variables)}; got {len(z)}"
            )
        points = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in z))
        tables = [_hermite_table(x, self.degree) for x in points]
        total = np.zeros(points[0].shape)
        for alpha, mu in self.probabilists.items():
            if mu != 0:
                term = float(mu) / math.sqrt(_factorial(alpha))
                total = total + term * np.prod(
                    [table[a] for table, a in zip(tables, alpha, strict=True)], axis=0
                )
        return total

    __call__ = evaluate

    def tensor(self, order: int) -> Array:
        """The symmetric coefficient tensor ``T_k = E[f(z) He_k(z)]``, shape ``(r,) * k``.

        ``T_k[i_1, .., i_k] = mu_alpha``, ``alpha_i`` the number of times that ``i`` occurs. The
        part of degree k of `f` has squared norm ``|T_k|^2 / k!``.

        Examples
        --------
        >>> tensor_hermite_expansion("z1*z2", 2).tensor(2)
        array([[0., 1.],
               [1., 0.]])
        """
        return self._symmetric(self.probabilists, order)

    def tensor_errors(self, order: int) -> Array:
        """Absolute error estimates of the entries of :meth:`tensor`, same shape."""
        return self._symmetric(self.errors, order)

    def _symmetric(self, entries: Mapping[Index, Any], order: int) -> Array:
        if not 0 <= order <= self.degree:
            raise InvalidInputError(f"order: expected 0 .. {self.degree}, got {order}")
        r = self.n_variables
        grids = np.indices((r,) * order).reshape(order, r**order)
        counts = np.stack([(grids == i).sum(axis=0) for i in range(r)], axis=1)
        number = {alpha: float(entries[alpha]) for alpha in entries if sum(alpha) == order}
        values = np.array([number[tuple(row)] for row in counts.tolist()])
        return values.reshape((r,) * order)

    def __str__(self) -> str:
        rows = [
            (alpha, mu, self.errors[alpha])
            for alpha, mu in self.probabilists.items()
            if mu != 0 or self.errors[alpha]
        ]
        head = f"Hermite expansion of {self.function.text} up to degree {self.degree}"
        lines = [head, f"{'alpha':<12} {'mu':>14} {'error':>8}  closed form"]
        for alpha, mu, error in rows[:_ROWS_SHOWN]:
            name = "(" + ", ".join(map(str, alpha)) + ")"
            form = "-" if error else str(mu)
            lines.append(f"{name:<12} {float(mu):>14.8g} {error:>8.0e}  {form}")
        if len(rows) > _ROWS_SHOWN:
            lines.append(f"... and {len(rows) - _ROWS_SHOWN} more")
        lines.append(f"{len(self.probabilists) - len(rows)} coefficients are exactly zero")
        return "\n".join(lines)


def tensor_hermite_expansion(function: FunctionLike, degree: int) -> TensorHermiteExpansion:
    """Hermite coefficients ``mu_alpha = E[f(z) prod_i He_{alpha_i}(z_i)]``, ``|alpha| <= degree``.

    ``He_k`` are the probabilists' polynomials and ``z ~ N(0, I_r)``, ``r <= 3``; orthonormal
    coefficients are ``mu_alpha / sqrt(prod_i alpha_i!)``. The function is multiplied out into terms
    polynomial x factors. A factor of one linear combination of the variables, ``g(c.z + d)``, has

        mu_alpha = prod_i (c_i / |c|)^{alpha_i} E[g(|c| Z + d) He_{|alpha|}(Z)],

    factors of orthogonal combinations multiply, and ``mu_alpha(z_i f) = mu_{alpha + e_i}(f) +
    alpha_i mu_{alpha - e_i}(f)``. What is left (``tanh(z1*z2)``) is integrated numerically over as
    few variables as it takes, along its kinks where those are parallel to at most ``r`` planes.
    Coefficients that vanish because ``f`` is even or odd under sign changes are exact zeros.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        Of one to three variables.
    degree : int
        0 .. 12.

    Returns
    -------
    TensorHermiteExpansion

    Raises
    ------
    InvalidInputError
        The degree is out of range, or ``f`` is not real and square-integrable.
    ConvergenceError
        A numerical integral is not finite.

    References
    ----------
    docs/theory.md, section 1. The factorisation is ``F(t) = E[f(z + t)]``; see the module.

    Examples
    --------
    >>> expansion = tensor_hermite_expansion("relu(z1 + z2) + z1*z2", 2)
    >>> expansion.probabilists[1, 0], expansion.probabilists[1, 1]
    (1/2, 1/(2*sqrt(pi)) + 1)
    >>> expansion.is_exact
    True
    """
    import sympy

    f = ScalarFunction.parse(function)
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)):
        raise InvalidInputError(f"degree: expected an integer, got {degree!r}")
    if not 0 <= degree <= MAX_DEGREE:
        raise InvalidInputError(f"degree: expected 0 .. {MAX_DEGREE}, got {degree}")
    _check_square_integrable(f)
    table = _coefficients(f.expression, f.symbols, int(degree))
    probabilists: dict[Index, Any] = {}
    errors: dict[Index, float] = {}
    for alpha in multi_indices(f.n_variables, int(degree)):
        number = settled(table.get(alpha, _ZERO))
        probabilists[alpha] = sympy.Float(number.value) if number.error else number.value
        errors[alpha] = number.error
    return TensorHermiteExpansion(f, int(degree), probabilists, errors)


def multi_indices(n_variables: int, degree: int) -> Iterator[Index]:
    """All multi-indices with ``|alpha| <= degree``, by degree, leading variables first.

    Examples
    --------
    >>> list(multi_indices(2, 2))
    [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    """
    for order in range(degree + 1):
        yield from _of_order(n_variables, order)


def _of_order(n_variables: int, order: int) -> Iterator[Index]:
    if n_variables == 1:
        yield (order,)
        return
    for first in range(order, -1, -1):
        for rest in _of_order(n_variables - 1, order - first):
            yield (first, *rest)


def _factorial(alpha: Index) -> int:
    return math.prod(math.factorial(a) for a in alpha)


def _check_square_integrable(function: ScalarFunction) -> None:
    function.check_real()
    r = function.n_variables

    # The scan looks along axes and diagonals; a factor that vanishes there may hide the growth.
    turn = np.eye(r)
    for i in range(r - 1):
        turn[:, [i, i + 1]] @= np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])

    def turned(*z: Array) -> Array:
        return function(*np.tensordot(turn, np.stack(z), axes=1))

    if not all(math.isfinite(negligible_beyond(g, r)) for g in (function, turned)):
        raise InvalidInputError(
            f"function: {function.text} must be finite, with a finite second moment E[f(z)^2] "
            "under the standard normal law; it has none, or grows so fast that double precision "
            "cannot tell"
        )


@lru_cache(maxsize=64)
def _second_moment(function: ScalarFunction) -> Estimate:
    import sympy

    from rmt.functions.closed_form import exact_second_moment

    if function.n_variables == 1:
        exact = exact_second_moment(function)
        if exact is not None:
            return settled(Estimate(exact))
    table = _coefficients(function.expression**2, function.symbols, 0)
    number = settled(table.get((0,) * function.n_variables, _ZERO))
    return Estimate(sympy.Float(number.value), number.error) if number.error else number


# Arithmetic of estimates, and of tables of them: sparse, what is missing is exactly zero


_Table: TypeAlias = dict[Index, Estimate]
_ZERO = Estimate(0)


def _plus(a: Estimate, b: Estimate) -> Estimate:
    if not a.error and not b.error:
        return Estimate(a.value + b.value)
    x, y = float(a), float(b)
    return Estimate(x + y, a.error + b.error + _EPSILON * (abs(x) + abs(y)))


def _times(a: Estimate, b: Estimate) -> Estimate:
    if not a.error and not b.error:
        return Estimate(a.value * b.value)
    x, y = float(a), float(b)
    error = abs(x) * b.error + abs(y) * a.error + a.error * b.error
    return Estimate(x * y, error + 2.0 * _EPSILON * abs(x * y))


def settled(number: Estimate) -> Estimate:
    """An exact number in expanded form, with a zero shown to be one.

    A number that is zero to 40 digits without being shown to be zero keeps an error of that size.
    """
    import sympy

    if number.error:
        return number
    value = sympy.expand(sympy.sympify(number.value))
    if value.is_Rational:
        return Estimate(value)
    size = float(sum(abs(term.evalf(15)) for term in sympy.Add.make_args(value)))
    if abs(value.evalf(20)) > 1e-40 * size:
        return Estimate(value)
    if sympy.radsimp(value) == 0 or sympy.simplify(value) == 0 or value.equals(0) is True:
        return Estimate(sympy.Integer(0))
    return Estimate(sympy.Float(0), 1e-40 * size)


def _is_zero(value: Any) -> bool:
    """Whether a number is zero, to 12 digits where it is known in decimals only."""
    import sympy

    if sympy.sympify(value).has(sympy.Float):
        return bool(abs(value) < 1e-12)
    return bool(settled(Estimate(value)).value == 0)


def _added(tables: Iterable[_Table]) -> _Table:
    total: _Table = {}
    for table in tables:
        for alpha, number in table.items():
            total[alpha] = _plus(total[alpha], number) if alpha in total else number
    return total


def _scaled(table: _Table, factor: Estimate) -> _Table:
    return {alpha: _times(number, factor) for alpha, number in table.items()}


def _product(a: _Table, b: _Table, degree: int) -> _Table:
    """``F G``: ``mu_alpha = sum_{beta + gamma = alpha} binom(alpha, beta) mu_beta nu_gamma``."""
    total: _Table = {}
    for beta, mu in a.items():
        for gamma, nu in b.items():
            if sum(beta) + sum(gamma) > degree:
                continue
            alpha = tuple(i + j for i, j in zip(beta, gamma, strict=True))
            ways = _factorial(alpha) // (_factorial(beta) * _factorial(gamma))
            part = _times(Estimate(ways), _times(mu, nu))
            total[alpha] = _plus(total[alpha], part) if alpha in total else part
    return total


def _raised(table: _Table, i: int) -> _Table:
    """Coefficients of ``z_i f`` from those of ``f``; right up to one degree less."""
    total: _Table = {}
    for beta, mu in table.items():
        up, down = ((*beta[:i], beta[i] + step, *beta[i + 1 :]) for step in (1, -1))
        for alpha, ways in ((up, beta[i] + 1), (down, 1)):
            if alpha[i] >= 0:
                part = _times(Estimate(ways), mu)
                total[alpha] = _plus(total[alpha], part) if alpha in total else part
    return total


def _times_polynomial(table: _Table, polynomial: _Table, i: int = 0) -> _Table:
    """Coefficients of ``p f``, by Horner's rule in ``z_i``, then in the later variables."""
    if len(polynomial) == 1 and not any(next(iter(polynomial))):
        return _scaled(table, next(iter(polynomial.values())))
    highest = max(exponents[i] for exponents in polynomial)
    total: _Table = {}
    for power in range(highest, -1, -1):
        slice_ = {
            (*exponents[:i], 0, *exponents[i + 1 :]): number
            for exponents, number in polynomial.items()
            if exponents[i] == power
        }
        total = _raised(total, i)
        if slice_:
            total = _added([total, _times_polynomial(table, slice_, i + 1)])
    return total


# Terms, factors and groups of factors


def _coefficients(expr: Any, symbols: Sequence[Any], degree: int) -> _Table:
    """All coefficients up to a degree; those that are exactly zero may be missing."""
    tables = []
    for factors, polynomial in _terms(_split_switches(expr, symbols), symbols):
        highest = degree + max(sum(exponents) for exponents in polynomial)
        table: _Table = {(0,) * len(symbols): Estimate(1)}
        for group in _groups(factors, symbols):
            table = _product(table, _group_table(group, highest), highest)
        table = _times_polynomial(table, polynomial)
        tables.append({alpha: mu for alpha, mu in table.items() if sum(alpha) <= degree})
    total = _added(tables)
    # Here, once more, for parities that only the sum of the terms has.
    signs = _sign_changes(expr, symbols) if any(mu.error for mu in total.values()) else []
    return {alpha: mu for alpha, mu in total.items() if not _vanishes(alpha, signs)}


def _terms(expr: Any, symbols: Sequence[Any]) -> list[tuple[dict[Any, int], _Table]]:
    """The function as a sum of products of non-polynomial factors, each times a polynomial.

    Returns pairs: the factors with their powers, and the polynomial as exponents -> coefficient.
    """
    import sympy

    names: dict[Any, Any] = {}

    def skeleton(e: Any) -> Any:
        if not e.free_symbols or e.is_Symbol:
            return e
        if e.is_Add or e.is_Mul:
            return e.func(*map(skeleton, e.args))
        if e.is_Pow and e.exp.is_Integer and e.exp.is_positive:
            return skeleton(e.base) ** e.exp
        return names.setdefault(e, sympy.Dummy(real=True))

    expanded = sympy.expand(skeleton(expr))
    factor_of = {name: factor for factor, name in names.items()}
    found: dict[frozenset[tuple[Any, int]], _Table] = {}
    for term in sympy.Add.make_args(expanded):
        constant, rest = term.as_independent(*symbols, *factor_of, as_Add=False)
        if constant == 0:
            continue
        powers = {base: int(power) for base, power in rest.as_powers_dict().items() if base != 1}
        exponents = tuple(powers.get(symbol, 0) for symbol in symbols)
        factors = frozenset(
            (factor_of[base], power) for base, power in powers.items() if base in factor_of
        )
        inexact = constant.has(sympy.Float)
        number = Estimate(float(constant), abs(float(constant)) * _EPSILON) if inexact else None
        polynomial = found.setdefault(factors, {})
        polynomial[exponents] = _plus(
            polynomial.get(exponents, _ZERO), number or Estimate(constant)
        )
    return [(dict(factors), polynomial) for factors, polynomial in found.items()]


def _split_switches(expr: Any, symbols: Sequence[Any]) -> Any:
    """``abs``, ``sign``, ``max`` of products of independent factors as products of such.

    ``max(a, b) = (a + b + |a - b|) / 2``; ``|u v| = |u| |v|``. Done where every factor depends on
    one linear combination and the whole does not.
    """
    import sympy

    def split(e: Any) -> Any:
        if len(_directions(e, symbols)) < 2 or len(e.args) > 2:
            return e
        is_pair = isinstance(e, (sympy.Max, sympy.Min))
        inner = e.args[0] - e.args[1] if is_pair else e.args[0]
        if inner.is_polynomial(*symbols):
            inner = sympy.factor(inner)
        factors = [f.as_base_exp() for f in sympy.Mul.make_args(inner)]
        if any(len(_directions(base, symbols)) > 1 for base, _ in factors):
            return e
        switch = sympy.sign if isinstance(e, (sympy.sign, sympy.Heaviside)) else sympy.Abs
        value = sympy.Mul(*(switch(base) ** power for base, power in factors))
        if isinstance(e, sympy.Heaviside):
            return (1 + value) / 2
        if is_pair:
            sign = 1 if isinstance(e, sympy.Max) else -1
            return (e.args[0] + e.args[1] + sign * value) / 2
        return value

    classes = (sympy.Abs, sympy.sign, sympy.Max, sympy.Min, sympy.Heaviside)
    return _rebuilt(expr, {}, lambda e: split(e) if isinstance(e, classes) else e)


def _directions(expr: Any, symbols: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Vectors such that the expression is a function of ``c.z`` for these ``c`` alone."""
    import sympy

    if not expr.free_symbols:
        return []
    if isinstance(expr, sympy.core.relational.Relational):
        return _directions(expr.lhs - expr.rhs, symbols)
    if not isinstance(expr, sympy.Expr):
        parts = list(expr.args)
    elif expr.is_polynomial(*symbols):
        return _polynomial_directions(expr, symbols)
    elif expr.is_Add or expr.is_Mul:
        polynomials = [a for a in expr.args if a.is_polynomial(*symbols)]
        parts = [a for a in expr.args if a not in polynomials]
        parts.append(expr.func(*polynomials))
    else:
        parts = list(expr.args)
    found: list[tuple[Any, ...]] = []
    for part in parts:
        for direction in _directions(part, symbols):
            if not any(_same(direction, other) for other in found):
                found.append(direction)
    return found


def _polynomial_directions(expr: Any, symbols: Sequence[Any]) -> list[tuple[Any, ...]]:
    import sympy

    gradient = [sympy.expand(sympy.diff(expr, symbol)) for symbol in symbols]
    point = dict(zip(symbols, sympy.sympify(["3/7", "5/11", "-2/13"]), strict=False))
    vector = [component.xreplace(point) for component in gradient]
    pivots = [i for i, component in enumerate(vector) if not _is_zero(component)]
    if pivots:
        i = pivots[0]
        crossed = (
            sympy.expand(vector[i] * gradient[j] - vector[j] * gradient[i])
            for j in range(len(symbols))
        )
        if all(component == 0 for component in crossed):
            return [_primitive(vector)]
    free = expr.free_symbols
    return [
        tuple(sympy.Integer(i == j) for j in range(len(symbols)))
        for i, symbol in enumerate(symbols)
        if symbol in free
    ]


def _primitive(vector: Sequence[Any]) -> tuple[Any, ...]:
    """The same direction, its first non-zero component 1, what vanishes an exact zero."""
    import sympy

    cleaned = [sympy.Integer(0) if _is_zero(c) else c for c in vector]
    leading = next(c for c in cleaned if c != 0)
    return tuple(sympy.radsimp(sympy.expand(c / leading)) for c in cleaned)


def _same(a: Sequence[Any], b: Sequence[Any]) -> bool:
    return all(x == y or _is_zero(x - y) for x, y in zip(a, b, strict=True))


def _dot(a: Sequence[Any], b: Sequence[Any]) -> Any:
    import sympy

    return sympy.expand(sum(x * y for x, y in zip(a, b, strict=True)))


class _Group(NamedTuple):
    """A product of factors that depends on ``w_j = c_j.z / |c_j|`` for orthogonal ``c_j``."""

    expression: Any  # in the symbols z (one direction) or z1, z2, .. (several)
    directions: list[list[Any]]  # c_j / |c_j|


class OrthogonalFrame:
    """Orthogonal vectors, and which of them are tied together by a factor."""

    def __init__(self) -> None:
        self.vectors: list[tuple[Any, ...]] = []
        self.ties: list[set[int]] = []

    def add(self, direction: Sequence[Any], only_orthogonal: bool = False) -> set[int]:
        """The vectors that a direction is a combination of; what is missing becomes a new one."""
        touched = set()
        residual = list(direction)
        for j, c in enumerate(self.vectors):
            dot = _dot(direction, c)
            if not _is_zero(dot):
                touched.add(j)
                residual = [x - dot / _dot(c, c) * y for x, y in zip(residual, c, strict=True)]
        if only_orthogonal and touched:
            return set()
        if not all(_is_zero(x) for x in residual):
            touched.add(len(self.vectors))
            self.vectors.append(_primitive(residual))
            self.ties.append({len(self.vectors) - 1})
        return touched

    def tie(self, indices: set[int]) -> None:
        joined = [tie for tie in self.ties if tie & indices]
        self.ties = [tie for tie in self.ties if not tie & indices]
        self.ties.append(set().union(*joined))

    def in_terms_of(self, units: Mapping[int, Any], symbols: Sequence[Any]) -> dict[Any, Any]:
        """Each variable as ``sum_j w_j c_j / |c_j|`` over the directions that are given."""
        import sympy

        return {
            symbol: sum(w * self.unit(j)[i] for j, w in units.items()) + sympy.Integer(0)
            for i, symbol in enumerate(symbols)
        }

    def unit(self, j: int) -> list[Any]:
        """``c_j / |c_j|``."""
        import sympy

        c = self.vectors[j]
        norm = sympy.sqrt(_dot(c, c))
        return [sympy.radsimp(x / norm) for x in c]


def _groups(factors: Mapping[Any, int], symbols: Sequence[Any]) -> list[_Group]:
    """The factors, gathered into groups that depend on orthogonal directions."""
    import sympy

    frame = OrthogonalFrame()
    located: list[tuple[Any, set[int]]] = []
    exponents = []
    for factor, power in sorted(factors.items(), key=lambda item: sympy.default_sort_key(item[0])):
        if isinstance(factor, sympy.exp) and _is_quadratic(factor.args[0], symbols):
            exponents.append(power * factor.args[0])
            continue
        indices = set().union(*(frame.add(c) for c in _directions(factor, symbols)))
        frame.tie(indices)
        located.append((factor**power, indices))
    units = {j: sympy.Dummy(real=True) for j in range(len(symbols))}
    # An exponential of a quadratic factorises over any frame in which it has no cross terms.
    if exponents:
        axes = [
            tuple(sympy.Integer(i == j) for j in range(len(symbols))) for i in range(len(symbols))
        ]
        for direction in [*_principal_axes(sum(exponents), symbols), *axes]:
            frame.add(direction, only_orthogonal=True)
        for direction in axes:
            frame.add(direction)
        substitution = frame.in_terms_of(units, symbols)
        total = sympy.expand(sum(exponents).xreplace(substitution))
        for term in sympy.Add.make_args(total):
            indices = {j for j, w in units.items() if w in term.free_symbols}
            if len(indices) > 1 and _is_zero(term.as_independent(*units.values())[0]):
                continue
            if indices:
                frame.tie(indices)
            located.append((sympy.exp(term), indices or {0}))
    groups = []
    for tie in frame.ties:
        members = sorted(tie)
        names = ["z"] if len(members) == 1 else [f"z{i + 1}" for i in range(len(members))]
        own = {j: variable(name) for j, name in zip(members, names, strict=True)}
        in_z = frame.in_terms_of(own, symbols)
        in_units = {units[j]: own[j] for j in members}
        parts = [
            _substituted(factor, {**in_z, **in_units}, tuple(own.values()))
            for factor, indices in located
            if indices <= tie
        ]
        if parts:
            groups.append(_Group(sympy.Mul(*parts), [frame.unit(j) for j in members]))
    return groups


def _principal_axes(quadratic: Any, symbols: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Directions in which the quadratic part has no cross terms, where they are simple numbers."""
    import sympy

    matrix = sympy.hessian(sympy.expand(quadratic), symbols) / 2
    part = sympy.expand(
        sum(matrix[i, j] * x * y for i, x in enumerate(symbols) for j, y in enumerate(symbols))
    )
    ridge = _directions(part, symbols)
    if len(ridge) < 2 or matrix.is_diagonal() or not all(x.is_Rational for x in matrix):
        return ridge if len(ridge) == 1 else []
    found = matrix.eigenvects()
    if not all(value.is_Rational for value, _, _ in found):
        return []
    return [tuple(vector) for _, _, vectors in found for vector in vectors]


def _is_quadratic(expr: Any, symbols: Sequence[Any]) -> bool:
    import sympy

    if not expr.is_polynomial(*symbols):
        return False
    return bool(sympy.Poly(expr, *symbols).total_degree() <= 2)


def _substituted(expr: Any, replacements: Mapping[Any, Any], symbols: Sequence[Any]) -> Any:
    """Substitution, with every polynomial in the result multiplied out."""
    import sympy

    return _rebuilt(
        expr, replacements, lambda e: sympy.expand(e) if e.is_polynomial(*symbols) else e
    )


def _rebuilt(expr: Any, replacements: Mapping[Any, Any], change: Callable[[Any], Any]) -> Any:
    """Substitution, then a change of every subexpression, innermost first.

    Conditions are rebuilt by hand: sympy rearranges them, some without end.
    """
    import sympy

    def rebuild(e: Any) -> Any:
        if e in replacements:
            return replacements[e]
        if not e.args or not e.free_symbols:
            return e
        args = [rebuild(a) for a in e.args]
        if isinstance(e, sympy.core.relational.Relational):
            return build_relation(type(e).__name__, change(args[0] - args[1]), sympy.Integer(0))
        if isinstance(e, sympy.Piecewise):
            return build_piecewise((value, condition) for value, condition in args)
        return change(e.func(*args)) if isinstance(e, sympy.Expr) else e.func(*args)

    return rebuild(expr)


def _group_table(group: _Group, degree: int) -> _Table:
    """Coefficients of one group, first in its own variables, then in all."""
    function = ScalarFunction.parse(group.expression)
    several = len(group.directions) > 1
    own = _by_quadrature(function, degree) if several else _univariate(function, degree)
    return transformed(own, group.directions, degree)


def transformed(
    coefficients: Iterable[tuple[Index, Estimate]], directions: Sequence[Sequence[Any]], degree: int
) -> _Table:
    """``F(t)`` with ``t_j = directions[j] . s``: its coefficients in ``s`` from those in ``t``."""
    import sympy

    powers = [
        [
            {
                alpha: Estimate(sympy.Mul(*(x**a for x, a in zip(u, alpha, strict=True))))
                for alpha in _of_order(len(u), order)
                if all(x != 0 or a == 0 for x, a in zip(u, alpha, strict=True))
            }
            for order in range(degree + 1)
        ]
        for u in directions
    ]
    tables = []
    for beta, nu in coefficients:
        table = powers[0][beta[0]]
        for part, order in zip(powers[1:], beta[1:], strict=False):
            table = _product(table, part[order], degree)
        tables.append(_scaled(table, nu))
    return _added(tables)


# The values of one group


@lru_cache(maxsize=256)
def _univariate(function: ScalarFunction, degree: int) -> tuple[tuple[Index, Estimate], ...]:
    """Non-zero coefficients of a function of one variable: exact, else in double precision."""
    from rmt.functions.closed_form import exact_coefficients

    exact = exact_coefficients(function, degree)
    if exact is not None:
        return tuple(((k,), Estimate(mu)) for k, mu in enumerate(exact) if mu != 0)
    from rmt.functions.hermite_quadrature import double_coefficients

    numeric = double_coefficients(function, degree)
    found = []
    for k, (c, error) in enumerate(zip(numeric.orthonormal, numeric.errors, strict=True)):
        if function.parity * (-1) ** k != -1:
            scale = math.sqrt(math.factorial(k))
            found.append(((k,), Estimate(float(c) * scale, _positive(float(error) * scale))))
    return tuple(found)


def _positive(error: float) -> float:
    """An error of 0 is kept for exact numbers."""
    return max(error, 1e-300)


@lru_cache(maxsize=64)
def _by_quadrature(function: ScalarFunction, degree: int) -> tuple[tuple[Index, Estimate], ...]:
    """Coefficients of a function of several variables that are not zero by parity.

    Composite rules along the kinks where they are aligned with at most ``m`` directions ``A w``:
    for ``y = A w`` with unit rows the integral is ``E[f(A^-1 y) ratio(y)]`` over standard normal y.
    """
    m = function.n_variables
    signs = _sign_changes(function.expression, function.symbols)
    indices = [alpha for alpha in multi_indices(m, degree) if not _vanishes(alpha, signs)]
    if not indices:
        return ()
    frame, kinks, oblique = _kink_frame(function)
    inverse, covariance = np.asarray(np.linalg.inv(frame), dtype=np.float64), frame @ frame.T
    half_width = _radius(function, degree) * math.sqrt(np.linalg.eigvalsh(covariance)[-1])
    if not math.isfinite(half_width):
        raise ConvergenceError(
            f"the Hermite coefficients of {function.text} are integrals that diverge, or that "
            "double precision cannot reach",
            Status.NOT_FINITE,
        )
    caution = 4.0 if oblique else 1.0  # convergence is erratic at kinks that cut through panels
    resolution = {1: 8.0, 2: 3.0}.get(m, 1.75)
    values: Array | None = None
    errors: Array | None = None
    while True:
        rules = [gaussian_rule(resolution, half_width, k) for k in kinks]
        if math.prod(rule.weights.size for rule in rules) > _MAX_NODES and errors is not None:
            break
        new, scale = _weighted_sums(function, indices, inverse, rules)
        if not np.all(np.isfinite(new)):
            raise ConvergenceError(
                f"a Hermite coefficient of {function.text} is not finite", Status.NOT_FINITE
            )
        if values is not None:
            errors = caution * np.abs(new - values) + 1e-14 * scale
            if np.all(errors <= 2e-14 * scale):
                values = new
                break
        values = new
        resolution *= 1.5
    assert values is not None
    assert errors is not None
    found = []
    for alpha, value, error in zip(indices, values, errors, strict=True):
        root = math.sqrt(_factorial(alpha))
        found.append((alpha, Estimate(float(value) * root, _positive(float(error) * root))))
    return tuple(found)


def _radius(function: ScalarFunction, degree: int) -> float:
    """Where ``|f(w)| |w|^degree`` times the Gaussian density is negligible."""

    def root(*w: Array) -> Array:
        square = np.asarray(sum(x**2 for x in w))
        return np.asarray(np.sqrt(np.abs(function(*w))) * (1.0 + square) ** (degree / 4.0))

    return negligible_beyond(root, function.n_variables)


def _weighted_sums(
    function: ScalarFunction,
    indices: Sequence[Index],
    inverse: Array,
    rules: Sequence[GaussianRule],
) -> tuple[Array, float]:
    """Orthonormal coefficients by a product rule in ``y``, and ``sqrt(E f^2)``."""
    determinant = abs(float(np.linalg.det(inverse)))
    is_oblique = not np.array_equal(inverse, np.eye(len(inverse)))
    shape = tuple(rule.weights.size for rule in rules)
    reach = max(float(np.abs(rule.nodes).max()) for rule in rules)
    total, square = np.zeros(len(indices)), 0.0
    # By chunks: all coefficients at all nodes would not fit in memory.
    for start in range(0, math.prod(shape), _CHUNK):
        chunk = np.unravel_index(np.arange(start, min(start + _CHUNK, math.prod(shape))), shape)
        y = np.stack([rule.nodes[0][i] for rule, i in zip(rules, chunk, strict=True)])
        y_square = np.sum(y**2, axis=0)
        weight = np.prod([rule.weights[i] for rule, i in zip(rules, chunk, strict=True)], axis=0)
        keep = y_square <= reach**2 * (1.0 + 1e-12)
        if not keep.any():
            continue
        y, y_square, weight = y[:, keep], y_square[keep], weight[keep]
        w = y
        if is_oblique:
            w = inverse @ y
            weight = weight * determinant * np.exp((y_square - np.sum(w**2, axis=0)) / 2.0)
        values = np.asarray(function(*w), dtype=float) + np.zeros(weight.size)
        tables = [_hermite_table(x, max(map(max, indices))) for x in w]
        rows = np.stack(
            [
                np.multiply.reduce([t[a] for t, a in zip(tables, i, strict=True)], axis=0)
                for i in indices
            ]
        )
        total += rows @ (weight * values)
        square += float(weight @ values**2)
    return total, math.sqrt(square)


def _hermite_table(x: Array, degree: int) -> list[Array]:
    """Orthonormal ``He_k(x) / sqrt(k!)``, ``k = 0 .. degree``."""
    table = [np.ones_like(x), x]
    for k in range(1, degree):
        table.append((x * table[k] - math.sqrt(k) * table[k - 1]) / math.sqrt(k + 1))
    return table[: degree + 1]


def _kink_frame(function: ScalarFunction) -> tuple[Array, list[list[float]], bool]:
    """Unit rows ``A`` and, for each row, the kinks on ``A_i w = const``; whether any are left."""
    import sympy

    symbols, m = function.symbols, function.n_variables
    if not function.has_oblique_kinks:
        return np.eye(m), [list(function.kinks_along(i)) for i in range(m)], False
    rows: list[tuple[Any, ...]] = []
    for argument in switch_arguments(function.expression):
        if argument.is_polynomial(*symbols):
            for factor, _ in sympy.factor_list(argument)[1]:
                directions = _directions(factor, symbols)
                if len(directions) == 1 and sympy.Matrix([*rows, directions[0]]).rank() > len(rows):
                    rows.append(directions[0])
    complement = OrthogonalFrame()
    for row in rows:
        complement.add(row)
    known = len(complement.vectors)
    for i in range(m):
        complement.add(tuple(sympy.Integer(i == j) for j in range(m)))
    rows += complement.vectors[known:]
    matrix = sympy.Matrix(rows)
    solved = matrix.inv() * sympy.Matrix(symbols)
    replacements = {s: sympy.expand(x) for s, x in zip(symbols, solved, strict=True)}
    along, oblique = axis_kinks(_substituted(function.expression, replacements, symbols), symbols)
    lengths = [float(sympy.sqrt(_dot(row, row))) for row in rows]
    frame = np.array([[float(x) for x in row] for row in rows]) / np.array(lengths)[:, None]
    return frame, [[k / n for k in kinks] for kinks, n in zip(along, lengths, strict=True)], oblique


# Symmetry


def _sign_changes(expr: Any, symbols: Sequence[Any]) -> list[tuple[Index, int]]:
    """Sign changes ``z_i -> s_i z_i`` under which the function is shown to be even or odd.

    Pairs: which variables change sign (1 or 0 each), and +1 for even, -1 for odd.
    """
    import sympy

    found = []
    for flips in product((0, 1), repeat=len(symbols)):
        if not any(flips):
            continue
        opposite = {s: -s for s, flip in zip(symbols, flips, strict=True) if flip}
        changed = _rebuilt(expr, opposite, lambda e: e)
        for parity in (1, -1):
            if changed == parity * expr or sympy.expand(changed - parity * expr) == 0:
                found.append((flips, parity))
                break
    return found


def _vanishes(alpha: Index, signs: Iterable[tuple[Index, int]]) -> bool:
    return any(
        (-1) ** sum(a for a, flip in zip(alpha, flips, strict=True) if flip) != parity
        for flips, parity in signs
    )
