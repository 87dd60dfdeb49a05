"""What an operation of a graph is: one record each.

Whatever works on graphs looks here; it knows by name no operations but those that numbers, powers
and products have rules of their own for. A new one with a stable form is a record of this file and,
to be written in a text, a line of `rmt.expressions.catalogue`, with a ``formula`` by which it is
recognised. Its ``value`` by operations that NumPy has is all that array libraries, many digits and
the bounds on overflows need; operations without one are NumPy's own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import scipy

from rmt.evaluation.bounds import Bounds, decreasing, increasing
from rmt.evaluation.terms import Term
from rmt.lazy import sympy

__all__ = ["OPERATIONS", "Formula", "Operation"]

Formula: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation: its value in every arithmetic, its slope, and what is known of it.

    Formulas take as ``m`` what has the functions: mpmath, sympy, or a graph that they add to.

    Attributes
    ----------
    name : str
        In graphs. What sympy calls by it (a class, in lower case, or a relation) is this operation.
    slope : callable or None
        ``(m, f, *arguments, *their slopes)`` with ``f`` the value; None where none is needed.
    value : callable or None
        ``(m, *arguments)`` for an operation that libraries do not have, or not fast: by those that
        they have, with full relative accuracy in both tails.
    formula : callable or None
        ``(m, u)``, in sympy: a sum or a product in which this operation is recognised.
    standard : str
        The name in NumPy and in the array API standard, where it is not `name`.
    special : bool
        Whether it is a function of `scipy.special`, which the standard lacks.
    numpy : callable or None
        For NumPy, with ``out=``; None: NumPy's function of that name.
    precise : callable or None
        ``(m, *arguments)``, in mpmath; None: as `value`, or mpmath's function of this name. What is
        complex there is not real here.
    bounds : callable
        Bounds on the value from those on the arguments, where there is no `value`.
    bounded, linear : bool
        Whether finite arguments give values that are finite; linear ones grow as the arguments do.
    limit : callable or None
        ``(m, u)``: negative where the function is not real.
    largest : int or None
        Of what is or has an exponential: the power of 2 beyond which mpmath takes an argument for
        infinite. It divides large arguments by as many digits of log 2 or pi as they have, and
        would do so for hours.
    exact : bool
        Whether many digits round nothing where the arguments are doubles.
    branches : bool
        Whether it chooses between arguments, or between their signs.
    boolean : bool
        Whether it is a truth value.
    """

    name: str
    slope: Formula | None = None
    value: Formula | None = None
    formula: Formula | None = None
    standard: str = ""
    special: bool = False
    numpy: Callable[..., Any] | None = None
    precise: Formula | None = None
    bounds: Callable[..., Bounds] = Bounds.unknown
    bounded: bool = False
    linear: bool = False
    limit: Formula | None = None
    largest: int | None = None
    exact: bool = False
    branches: bool = False
    boolean: bool = False

    def on_numpy(self, payload: Any = None) -> Callable[..., Any]:
        """The function of arrays, with ``out=``."""
        if payload is not None:
            assert self.numpy is not None
            return partial(self.numpy, payload)
        if self.special:
            special = getattr(scipy.special, self.name)
            return lambda x, out: special(x, out=out)
        return self.numpy or self.on(np)

    def on(self, xp: Any) -> Callable[..., Any]:
        """The function of arrays of a library that follows the array API standard."""
        return getattr(xp, self.standard or self.name)  # type: ignore[no-any-return]

    def in_digits(self, mp: Any, *arguments: Any) -> Any:
        """The value in mpmath arithmetic; nan where it is not real, or not a number."""
        # A truth value, and a branch that is not taken, may be what it is next to such a thing.
        numbers = arguments[:1] if self.name == "table" else arguments
        if not self.boolean and self.name != "where" and any(map(mp.isnan, numbers)):
            return mp.nan
        if self.largest is not None and mp.mag(arguments[0]) > self.largest:
            arguments = (mp.sign(arguments[0]) * mp.inf,)
        formula = self.precise or self.value
        value = formula(mp, *arguments) if formula else getattr(mp, self.name)(*arguments)
        return mp.nan if isinstance(value, mp.mpc) else value


# Kinds of operations


def _function(name: str, slope: Formula | str, **known: Any) -> Operation:
    """A function ``g``, from ``g'(u)`` as a formula ``(m, g(u), u)`` or an operation's name."""

    def chained(m: Any, f: Any, u: Any, du: Any) -> Any:
        return (getattr(m, slope)(u) if isinstance(slope, str) else slope(m, f, u)) * du

    return Operation(name, chained, **known)


def _exponential(name: str, slope: Formula | str, **known: Any) -> Operation:
    """No double is too large for mpmath, nor takes it a tenth of a second at 3000 digits."""
    return _function(name, slope, largest=1024, **known)


def _inverse(name: str, slope: Formula, **known: Any) -> Operation:
    """The inverse of a function with values between -1 and 1."""
    return _function(name, slope, limit=lambda m, u: 1 - abs(u), **known)


def _logarithm(name: str, slope: Formula, **known: Any) -> Operation:
    def precise(m: Any, u: Any) -> Any:
        # The logarithm of what was too large is not infinite.
        return m.nan if m.isinf(u) else getattr(m, name)(u)

    return _function(name, slope, precise=precise, **known)


def _python(name: str, slope: Formula, python: Callable[..., Any], **known: Any) -> Operation:
    """What Python's own operators do, for numbers of any kind."""
    known = {"precise": lambda m, *arguments: python(*arguments), "bounds": python, **known}
    return Operation(name, slope, **known)


def _choice(name: str, slope: Formula, python: Callable[..., Any], **known: Any) -> Operation:
    return _python(name, slope, python, linear=True, exact=True, branches=True, **known)


def _no_slope(m: Any, f: Any, *arguments: Any) -> Any:
    return 0 * arguments[-1]


def _truth(name: str, standard: str, python: Callable[..., Any], **known: Any) -> Operation:
    known |= {"standard": standard, "bounded": True, "exact": True, "boolean": True}
    return _python(name, _no_slope, python, **known)


# Slopes


def _bump(m: Any, f: Any, u: Any) -> Any:
    return m.exp(-(u**2)) * (2 / sympy.sqrt(sympy.pi))


def _slope_of_root(m: Any, f: Any, u: Any, du: Any) -> Any:
    slope = 0.5 / f * du
    below = {m.graph.operations[node] for node in m.graph.ancestors([u.node])}
    if not any(OPERATIONS[one].branches for one in below & OPERATIONS.keys()):
        return slope
    # A cusp, as of sqrt(|z|): at the point itself 0, as for |z|, and no infinity times zero.
    return m.select(getattr(m, ">")(u, 0), slope, 0)


def _slope_of_integer_power(m: Any, f: Any, u: Any, du: Any) -> Any:
    graph, n = m.graph, m.graph.payloads[f.node]
    if graph.operations[u.node] == "sqrt":
        # (v**(n/2))' = n/2 v**(n/2 - 1) v', which for n > 2 is no infinity times zero at 0.
        (v,) = graph.arguments[u.node]
        return u ** (n - 2) * (0.5 * n) * Term(graph, graph.derivatives[v])
    return u ** (n - 1) * n * du


def _slope_of_choice(relation: str) -> Formula:
    def slope(m: Any, f: Any, a: Any, b: Any, da: Any, db: Any) -> Any:
        if m.graph.is_const(a.node):
            a, b, da, db = b, a, db, da
        return m.select(getattr(m, relation)(a, b), da, db)

    return slope


def _slope_of_table(m: Any, f: Any, u: Any, du: Any) -> Any:
    table, order = m.graph.payloads[f.node]
    return Term(m.graph, m.graph.node("table", u.node, payload=(table, order + 1))) * du


# Values, those where an exponential that overflows leaves 0, as it should, among them


def _sigmoid_slope(m: Any, u: Any) -> Any:
    """``s (1 - s)`` is even: neither side cancels or overflows."""
    e = m.exp(-abs(u))
    return e / (1 + e) ** 2


def _sech(m: Any, u: Any) -> Any:
    e = m.exp(-abs(u))
    return 2 * e / (1 + e**2)


def _logcosh(m: Any, u: Any) -> Any:
    """``log(1 + sinh(u)**2)/2`` up to 20, where ``|u| - log 2`` begins, to 4e-18."""
    near = m.min(abs(u), 20)
    return 0.5 * m.log1p(m.sinh(near) ** 2) + (abs(u) - near)


def _precise_logcosh(m: Any, u: Any) -> Any:
    size = abs(u)
    if size < 1:
        return m.log1p(2 * m.sinh(u / 2) ** 2)
    return size + m.log1p(m.exp(-2 * size)) - m.ln2


def _softsign(m: Any, u: Any) -> Any:
    return u / (1 + abs(u))


# For NumPy


def _copy(a: Any, out: Any) -> None:
    np.copyto(out, a)


def _select(condition: Any, a: Any, b: Any, out: Any) -> None:
    # Much faster than a masked copy.
    np.copyto(out, np.where(condition, a, b))


def _table(payload: Any, u: Any, out: Any) -> None:
    table, order = payload
    out[...] = table.values(u, order)


_RECORDS = (
    # Arithmetic
    _python("add", lambda m, f, a, b, da, db: da + db, operator.add, linear=True, exact=True),
    _python(
        "sub",
        lambda m, f, a, b, da, db: da - db,
        operator.sub,
        standard="subtract",
        linear=True,
        exact=True,
    ),
    _python(
        "neg", lambda m, f, u, du: -du, operator.neg, standard="negative", linear=True, exact=True
    ),
    _python("mul", lambda m, f, a, b, da, db: da * b + a * db, operator.mul, standard="multiply"),
    # (a' - (a/b) b') / b does not overflow where a/b does not.
    _python(
        "div", lambda m, f, a, b, da, db: (da - f * db) / b, operator.truediv, standard="divide"
    ),
    Operation("square", precise=lambda m, u: u**2, bounds=Bounds.square),
    Operation("ipow", _slope_of_integer_power, precise=lambda m, u, n: u**n),
    Operation(
        "power",
        lambda m, f, a, b, da, db: b * a ** (b - 1) * da + f * m.log(a) * db,
        standard="pow",
        precise=lambda m, a, b: a**b if a >= 0 else m.nan,
        bounds=operator.pow,
        limit=lambda m, a: a,
    ),
    Operation("sqrt", _slope_of_root, bounds=Bounds.sqrt, limit=lambda m, u: u),
    # Choices and truth values
    _choice("abs", lambda m, f, u, du: m.sign(u) * du, operator.abs),
    _choice("max", _slope_of_choice(">"), max, standard="maximum", bounds=Bounds.maximum),
    _choice("min", _slope_of_choice("<="), min, standard="minimum", bounds=Bounds.minimum),
    _choice(
        "where",
        lambda m, f, condition, a, b, _, da, db: m.select(condition, da, db),
        lambda condition, a, b: a if condition else b,
        numpy=_select,
        bounds=Bounds.select,
    ),
    # A truth value becomes 0 or 1.
    Operation("copy", numpy=_copy, precise=lambda m, a: m.mpf(a), bounds=Bounds.copy),
    Operation("sign", _no_slope, bounds=increasing(np.sign), bounded=True, exact=True),
    Operation(
        "heaviside", _no_slope, value=lambda m, u: 0.5 * m.sign(u) + 0.5, bounded=True, exact=True
    ),
    _truth(">", "greater", operator.gt, bounds=Bounds.greater),
    _truth(">=", "greater_equal", operator.ge, bounds=Bounds.greater),
    _truth("<", "less", operator.lt, bounds=lambda a, b: b.greater(a)),
    _truth("<=", "less_equal", operator.le, bounds=lambda a, b: b.greater(a)),
    _truth("==", "equal", operator.eq, bounds=lambda a, b: a.between(0)),
    _truth("!=", "not_equal", operator.ne, bounds=lambda a, b: a.between(0)),
    _truth("and", "logical_and", operator.and_, bounds=Bounds.minimum),
    _truth("or", "logical_or", operator.or_, bounds=Bounds.maximum),
    _truth("not", "logical_not", operator.not_, bounds=decreasing(lambda x: 1 - x)),
    # Exponentials and logarithms
    _exponential("exp", lambda m, f, u: f, bounds=Bounds.exp),
    _exponential("expm1", "exp", bounds=Bounds.expm1),
    _logarithm("log", lambda m, f, u: 1 / u, bounds=Bounds.log, limit=lambda m, u: u),
    _logarithm("log1p", lambda m, f, u: 1 / (1 + u), bounds=Bounds.log1p, limit=lambda m, u: 1 + u),
    _exponential(
        "softplus",
        "sigmoid",
        value=lambda m, u: m.max(u, 0) + m.log1p(m.exp(-abs(u))),
        precise=lambda m, u: max(u, 0) + m.log1p(m.exp(-abs(u))),
        linear=True,
    ),
    _exponential("sigmoid", "sigmoid_slope", value=lambda m, u: 1 / (1 + m.exp(-u)), bounded=True),
    _exponential(
        "sigmoid_slope", lambda m, f, u: -f * m.tanh(u / 2), value=_sigmoid_slope, bounded=True
    ),
    # Hyperbolic functions
    _exponential("sinh", "cosh", bounds=Bounds.sinh),
    _exponential("cosh", "sinh", bounds=Bounds.cosh),
    _exponential(
        "tanh",
        "sech2",
        formula=lambda m, u: m.sinh(u) / m.cosh(u),
        bounds=increasing(np.tanh),
        bounded=True,
    ),
    _exponential("sech", lambda m, f, u: -f * m.tanh(u), value=_sech, bounded=True),
    _exponential(
        "sech2",
        lambda m, f, u: -2 * f * m.tanh(u),
        value=lambda m, u: 1 / m.cosh(u) ** 2,
        bounded=True,
    ),
    _exponential("logcosh", "tanh", value=_logcosh, precise=_precise_logcosh, linear=True),
    _logarithm("asinh", lambda m, f, u: 1 / m.sqrt(u**2 + 1), bounds=Bounds.asinh, linear=True),
    _inverse("atanh", lambda m, f, u: 1 / ((1 - u) * (1 + u)), bounds=increasing(np.arctanh)),
    # Trigonometric functions
    _function("sin", "cos", bounds=lambda u: u.between(-1), bounded=True, largest=8192),
    _function(
        "cos", lambda m, f, u: -m.sin(u), bounds=lambda u: u.between(-1), bounded=True, largest=8192
    ),
    _function("tan", lambda m, f, u: f**2 + 1, largest=8192),
    _function("atan", lambda m, f, u: 1 / (u**2 + 1), bounds=increasing(np.arctan), bounded=True),
    _inverse("asin", lambda m, f, u: 1 / m.sqrt((1 - u) * (1 + u)), bounds=increasing(np.arcsin)),
    _inverse("acos", lambda m, f, u: -1 / m.sqrt((1 - u) * (1 + u)), bounds=decreasing(np.arccos)),
    # Error functions, which mpmath cannot do beyond 2**505
    _function(
        "erf",
        _bump,
        special=True,
        bounds=increasing(lambda x: scipy.special.erf(x)),
        bounded=True,
        largest=505,
    ),
    _function(
        "erfc",
        lambda m, f, u: -_bump(m, f, u),
        special=True,
        bounds=decreasing(lambda x: scipy.special.erfc(x)),
        bounded=True,
        largest=505,
    ),
    # What was sampled: the payload is a table and the order of the derivative
    Operation(
        "table",
        _slope_of_table,
        numpy=_table,
        precise=lambda m, u, payload: payload[0].precise(u, payload[1]),
    ),
    # Algebraic functions
    _function("softsign", "softsign_slope", value=_softsign, formula=_softsign, bounded=True),
    _function(
        "softsign_slope",
        lambda m, f, u: -2 * f * m.sign(u) / (1 + abs(u)),
        value=lambda m, u: 1 / (1 + abs(u)) ** 2,
        bounded=True,
    ),
)

OPERATIONS: dict[str, Operation] = {record.name: record for record in _RECORDS}
