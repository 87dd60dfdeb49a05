"""Functions of one to three real variables: symbolic form, fast evaluation, kinks, parity."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rmt.caching import cached
from rmt.display import latex
from rmt.evaluation.derivative import derivative
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.expressions.canonical import canonical_form, normalised
from rmt.expressions.construction import VARIABLE_NAMES, variable
from rmt.expressions.table import Table, without_numbers
from rmt.functions.known import text_of
from rmt.functions.reading import parse_expression
from rmt.functions.sampling import sample
from rmt.lazy import sympy
from rmt.pieces.domain import point_without_value
from rmt.pieces.kinks import (
    SmoothPiece,
    axis_kinks,
    derivative_expression,
    jumps_among,
    smooth_pieces,
)
from rmt.pieces.parity import apparent_parity, proved_parity
from rmt.pieces.polynomial import PolynomialPiece, polynomial_pieces
from rmt.pieces.switches import tables_in
from rmt.status import InvalidInputError

__all__ = ["FunctionLike", "ScalarFunction"]

FunctionLike: TypeAlias = "str | sympy.Expr | ScalarFunction | Callable[..., Any]"


class ScalarFunction:
    """A real function ``f(z)``, or ``f(z1, .., zr)`` with ``r <= 3``, known symbolically.

    Made by :meth:`parse`; immutable. Two functions are equal when their canonical texts are, and
    the hash depends on that text alone (it is the same in every process).

    Parameters
    ----------
    function : str, sympy.Expr, ScalarFunction or callable
        As for `parse`, which says what is allowed.

    Attributes
    ----------
    text : str
        Canonical text; parsing it gives the same function.
    variables : tuple of str
        ``("z",)``, or ``("z1", .., "zr")`` up to the largest index in use.
    expression : sympy.Expr
        In the real symbols :attr:`symbols`.

    Raises
    ------
    InvalidInputError
        As for `parse`; `ExpressionError` for text.

    Notes
    -----
    Evaluation is vectorised and does not overflow where the value is a number: ``log(1 + exp(z))``,
    ``1/(1 + exp(-z))``, ``z*(1 + erf(z/sqrt(2)))/2`` and the like are evaluated in a stable form,
    and any point that still comes out infinite or nan is computed again with unbounded exponents.
    Where the function is not real (``sqrt(z)`` for ``z < 0``) the value is nan, without a warning.

    The derivative is the almost-everywhere one: a jump contributes nothing (no delta function). At
    the kink itself ``relu'(0) = 0``, ``min(z, 0)'(0) = 1`` and ``abs'(0) = 0``, and so is the slope
    of ``sqrt(abs(z))``.

    Examples
    --------
    >>> f = ScalarFunction.parse("tanh(z + 0.7)")
    >>> f
    ScalarFunction('tanh(z + 7/10)')
    >>> bool(f(0.3) == np.tanh(1.0))
    True
    >>> ScalarFunction.parse("max(z, 0)") == ScalarFunction.parse("relu(z)")
    True
    """

    text: str
    variables: tuple[str, ...]
    expression: sympy.Expr

    def __init__(self, function: FunctionLike) -> None:
        other = ScalarFunction.parse(function)
        self.__dict__.update(
            text=other.text, variables=other.variables, expression=other.expression
        )

    @classmethod
    def parse(cls, function: FunctionLike) -> ScalarFunction:
        """The function of a text, a sympy expression, a Python function, or a ScalarFunction.

        A function that NumPy, SciPy, PyTorch or JAX has under a name that is known is its formula
        (``np.tanh``, ``torch.nn.GELU()``, ``jax.nn.silu``, without importing these libraries);
        any other Python function of one number is sampled, see `of_callable`. A ScalarFunction is
        returned as it is.

        The variables are inferred: ``z`` alone, or ``z1 .. zr`` up to the largest index used; a
        constant is a function of ``z``.

        Parameters
        ----------
        function : str, sympy.Expr, ScalarFunction or callable
            For text see :func:`~rmt.functions.parse_expression`. The symbols of a sympy expression
            go by their names, whatever their assumptions.

        Raises
        ------
        ExpressionError
            Text that is not allowed, with the position.
        InvalidInputError
            A sympy expression with other variables or functions; both ``z`` and ``z1`` at once; a
            function of PyTorch or the like that is not known; one that cannot be sampled.

        Examples
        --------
        >>> ScalarFunction.parse("He3(z)/sqrt(6)").text
        'sqrt(6)*(z**3 - 3*z)/6'
        >>> ScalarFunction.parse("z1*z3").variables
        ('z1', 'z2', 'z3')
        >>> ScalarFunction.parse(np.arctan)
        ScalarFunction('atan(z)')
        """
        if isinstance(function, ScalarFunction):
            return function
        if isinstance(function, str):
            return _from_text(function)
        if callable(function) and not isinstance(function, sympy.Basic):
            text = text_of(function)
            return cls.of_callable(function) if text is None else _from_text(text)
        return _from_sympy(function)

    @classmethod
    def of_callable(
        cls,
        function: Callable[..., Any],
        kinks: Iterable[float] | None = None,
        n_variables: int = 1,
    ) -> ScalarFunction:
        r"""A Python function of one number, sampled once: ``f(z) = sum_k c_k T_k(t)`` on panels.

        The panels are halved until polynomials of degree below 20 are the function to about
        ``2e-15`` of its size there (or to its noise, where it has more: ``1e-7`` in float32); kinks
        and jumps are found by bisection. They reach to ``|z| = 42``, beyond which the normal law
        has nothing, and further in octaves while the function is simple there, up to 131072. Where
        its last polynomial still holds at ``1e6`` and ``1e9`` it is taken to hold everywhere;
        otherwise the function has no value beyond (nan).

        The result is a function as any other, whose text holds its numbers (2 to 20 kB), so that
        problems with it are stored, sent and compared; reading it back runs no code. What it may be
        off is in `tables`, and enters the errors of Hermite coefficients; more digits than it has
        are refused.

        Parameters
        ----------
        function : callable
            Of one number, or of an array, number by number: without anything random or stored.
        kinks : iterable of float, optional
            Where it is not smooth; then nowhere else. Found when left out: those of the value, and
            of the first and second derivative.
        n_variables : int
            1. A target of several directions is an expression in which sampled functions may
            stand: ``f.expression.subs(z, z1)*z2``.

        Raises
        ------
        InvalidInputError
            Several variables; no real, finite numbers for ``|z| <= 42``; noise; a singularity that
            is no kink and no jump (a root, a logarithm, a pole), or so fine a structure that 400
            panels do not resolve it; a function that is not smooth where no kink is declared.

        Notes
        -----
        At a jump the value is that of the left. Slopes lose two digits, higher derivatives more.
        How it is done, what limits it and what it costs: docs/architecture.md.

        Examples
        --------
        >>> def hinge(z):
        ...     return 0.1 * z if z < 0.5 else z - 0.45
        >>> f = ScalarFunction.of_callable(hinge)
        >>> f.kinks, f([0.0, 2.0]).round(13).tolist(), f.derivative([0.0, 2.0]).round(9).tolist()
        ((0.5,), [0.0, 1.55], [0.1, 1.0])
        >>> bool(f.tables[0].errors_at(0.2) < 1e-14)
        True
        >>> f == ScalarFunction.parse(f.text)
        True
        """
        if n_variables != 1:
            raise InvalidInputError(
                f"n_variables must be 1, got {n_variables!r}: functions of several variables are "
                "not sampled; write a text or a sympy expression, in which a sampled function of "
                "one direction may stand, f.expression.subs('z', 'z1')"
            )
        if not callable(function):
            raise InvalidInputError(
                f"function: expected a Python function, got {type(function).__name__}"
            )
        from rmt.expressions.table_function import Table as TableFunction, TableNumbers

        table = sample(function, kinks)
        (z,) = (variable("z"),)
        return _from_sympy(TableFunction(z, TableNumbers(table), sympy.Integer(0)))

    @classmethod
    def _make(cls, expression: Any, text: str, variables: tuple[str, ...]) -> ScalarFunction:
        self = cls.__new__(cls)
        self.__dict__.update(text=text, variables=variables, expression=expression)
        return self

    # Identity

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"ScalarFunction is immutable; cannot set {name!r}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"ScalarFunction is immutable; cannot delete {name!r}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScalarFunction):
            return NotImplemented
        return self.text == other.text

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        digest = hashlib.sha256(self.text.encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 4

    def __reduce__(self) -> tuple[Any, ...]:
        return (_from_text, (self.text,))

    def __repr__(self) -> str:
        return f"ScalarFunction({self.short!r})"

    def __str__(self) -> str:
        return self.short

    @property
    def short(self) -> str:
        """The text; of a sampled function without its numbers, ``table_1f2e3d(z)``."""
        return without_numbers(self.text)

    @cached_property
    def tables(self) -> tuple[Table, ...]:
        """What was sampled of the functions in it, each once; empty for a formula.

        Examples
        --------
        >>> ScalarFunction.parse("tanh(z)").tables
        ()
        """
        return tuple(dict.fromkeys(table for _, table in tables_in(self.expression)))

    def _repr_latex_(self) -> str:
        return f"${latex(self.expression)}$"

    # Evaluation

    @property
    def n_variables(self) -> int:
        """The number ``r`` of variables."""
        return len(self.variables)

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The sympy symbols of :attr:`variables`; they are declared real."""
        return tuple(variable(name) for name in self.variables)

    def __call__(self, *arrays: ArrayLike) -> NDArray[Any]:
        """``f`` at the given points.

        Parameters
        ----------
        *arrays : array_like
            One real array per variable; they broadcast.

        Returns
        -------
        ndarray
            Of the broadcast shape; float32 when every input is float32, otherwise float64.

        Examples
        --------
        >>> ScalarFunction.parse("z1 + z1*z2")([1.0, 2.0], [[0.0], [1.0]])
        array([[1., 2.],
               [2., 4.]])
        """
        if len(arrays) != self.n_variables:
            raise InvalidInputError(
                f"{self!r} takes {self.n_variables} array(s), one for each of "
                f"{', '.join(self.variables)}; got {len(arrays)}"
            )
        return self._value(*map(_real_array, arrays))[0]

    def derivative(self, z: ArrayLike) -> NDArray[Any]:
        """``f'(z)`` almost everywhere, for a function of one variable.

        Shapes, dtypes and the values at kinks are described in the class.

        Examples
        --------
        >>> ScalarFunction.parse("relu(z)").derivative([-1.0, 0.0, 2.0])
        array([0., 0., 1.])
        """
        self._check_univariate("derivative")
        return self._slope(_real_array(z))[0]

    def value_and_derivative(self, z: Any, *, xp: Any = None) -> tuple[Any, Any]:
        """``f(z)`` and ``f'(z)`` in one pass that shares what they have in common.

        Parameters
        ----------
        z : array_like
            Real.
        xp : namespace, optional
            For ``z`` of another library than NumPy: its namespace in the sense of the Python array
            API standard (of `array_api_compat`, for PyTorch and CuPy). Values then are arrays of
            that library, of the dtype and on the device of ``z``.

        Examples
        --------
        >>> value, slope = ScalarFunction.parse("z**3 - 3*z").value_and_derivative([0.0, 2.0])
        >>> value.tolist(), slope.tolist()
        ([0.0, 2.0], [-3.0, 9.0])
        """
        self._check_univariate("value_and_derivative")
        program = self._value_and_slope
        value, slope = program(_real_array(z)) if xp in (None, np) else program.on(xp, z)
        return value, slope

    def evaluate(self, z: Any, digits: int = 30) -> Any:
        """``f(z)`` at one point as an mpmath number, computed with this many digits (``r = 1``).

        nan where the function is not real. Sampled functions are what their tables are, exactly,
        which is not to say that they have these digits.

        Examples
        --------
        >>> import mpmath
        >>> with mpmath.workdps(30):
        ...     print(ScalarFunction.parse("tanh(z)").evaluate(mpmath.mpf(1), 30))
        0.761594155955764888119458282605
        """
        self._check_univariate("evaluate")
        return self._value.evaluate([z], digits)[0]

    def check_real(self) -> None:
        """Raise when the function is not real everywhere on the real line (or on ``R^r``).

        Probes a grid that reaches ``|z| = 40``, beyond which the Gaussian weight is nothing.

        Raises
        ------
        InvalidInputError
            Names a point where the value is not real.

        Examples
        --------
        >>> ScalarFunction.parse("sqrt(z)").check_real()
        Traceback (most recent call last):
            ...
        rmt.status.InvalidInputError: sqrt(z) is not real on the whole real line: ...
        """
        point = point_without_value(self, self.n_variables)
        if point is not None:
            where = ", ".join(f"{n} = {x:.4g}" for n, x in zip(self.variables, point, strict=True))
            domain = "line" if self.n_variables == 1 else "space"
            raise InvalidInputError(
                f"{self.short} is not real on the whole real {domain}: it has no value at {where}"
            )

    @cached_property
    def _nodes(self) -> tuple[Graph, int, int]:
        """A graph, the value, and the slope."""
        graph = Graph()
        value = lower(graph, self.expression, self.symbols)
        return graph, value, derivative(graph, value)

    @cached_property
    def _value(self) -> Program:
        return Program(self._nodes[0], self._nodes[1:2])

    @cached_property
    def _slope(self) -> Program:
        return Program(self._nodes[0], self._nodes[2:])

    @cached_property
    def _value_and_slope(self) -> Program:
        return Program(self._nodes[0], self._nodes[1:])

    def _check_univariate(self, name: str) -> None:
        if self.n_variables != 1:
            raise InvalidInputError(
                f"{name} needs a function of one variable; {self.short} has {self.n_variables}"
            )

    # Structure

    @cached_property
    def smooth_pieces(self) -> tuple[SmoothPiece, ...]:
        """Intervals with the smooth expression that holds on each (one variable).

        Kinks of a function that has infinitely many are listed for ``|z| <= 40``; the outermost
        pieces stand for all that lies beyond.
        """
        self._check_univariate("smooth_pieces")
        return smooth_pieces(self.expression, self.symbols[0])

    @cached_property
    def derivative_function(self) -> ScalarFunction:
        """The almost-everywhere derivative as a function of its own (``r = 1``).

        Examples
        --------
        >>> ScalarFunction.parse("tanh(z)").derivative_function
        ScalarFunction('1 - tanh(z)**2')
        """
        expression = derivative_expression(self.smooth_pieces, *self.symbols)
        return ScalarFunction.parse(expression)

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        """Sorted points where the function is not smooth: it or some derivative jumps (``r = 1``).

        Complete for ``|z| <= 40``. Removable ones (``max(z, z - 1)``) are left out.

        Examples
        --------
        >>> ScalarFunction.parse("abs(z**2 - 1)").kinks
        (-1.0, 1.0)
        """
        self._check_univariate("kinks")
        return tuple(float(piece.upper) for piece in self.smooth_pieces[:-1])

    @cached_property
    def jumps(self) -> tuple[float, ...]:
        """The kinks at which the function itself is discontinuous (``r = 1``).

        Examples
        --------
        >>> ScalarFunction.parse("sign(z) + relu(z - 1)").jumps
        (0.0,)
        """
        self._check_univariate("jumps")
        return jumps_among(self.smooth_pieces, self.symbols[0])

    @cached_property
    def _axis_kinks(self) -> tuple[tuple[tuple[float, ...], ...], bool]:
        if self.n_variables == 1:
            return (self.kinks,), False
        return axis_kinks(self.expression, self.symbols)

    def kinks_along(self, index: int) -> tuple[float, ...]:
        """Values ``c`` such that the function may have a kink on the hyperplane ``z_index = c``.

        Parameters
        ----------
        index : int
            0-based index of the variable.

        Examples
        --------
        >>> f = ScalarFunction.parse("relu(z1 - 1)*z2 + abs(z1*z2)")
        >>> f.kinks_along(0), f.kinks_along(1), f.has_oblique_kinks
        ((0.0, 1.0), (0.0,), False)
        """
        if not 0 <= index < self.n_variables:
            raise InvalidInputError(
                f"index: got {index}; {self.short} has variables 0 .. {self.n_variables - 1}"
            )
        return self._axis_kinks[0][index]

    @property
    def has_oblique_kinks(self) -> bool:
        """Whether there may be kinks on surfaces other than ``z_i = const`` (``r > 1``)."""
        return self._axis_kinks[1]

    @property
    def is_smooth(self) -> bool:
        """Whether there is no kink at all."""
        along, oblique = self._axis_kinks
        return not oblique and not any(along)

    @cached_property
    def parity(self) -> int:
        """+1 if even, -1 if odd, 0 if neither can be shown (``r = 1``).

        Proved symbolically; numbers only rule candidates out.

        Examples
        --------
        >>> [ScalarFunction.parse(t).parity for t in ("abs(z)", "sigmoid(z) - 1/2", "relu(z)")]
        [1, -1, 0]
        """
        self._check_univariate("parity")
        candidate = apparent_parity(self)
        return candidate and proved_parity(
            self.expression, self.smooth_pieces, self.symbols[0], candidate
        )

    @cached_property
    def polynomial_pieces(self) -> tuple[PolynomialPiece, ...] | None:
        """``((lower, upper, coefficients), ...)`` of a piecewise polynomial, else None (``r = 1``).

        The intervals cover the real line in order; coefficients are ascending.

        Examples
        --------
        >>> ScalarFunction.parse("hard_tanh(z)").polynomial_pieces
        ((-inf, -1.0, (-1.0,)), (-1.0, 1.0, (0.0, 1.0)), (1.0, inf, (1.0,)))
        """
        self._check_univariate("polynomial_pieces")
        return polynomial_pieces(self.smooth_pieces, *self.symbols)


def _real_array(values: ArrayLike) -> NDArray[Any]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise InvalidInputError(f"z: expected real numbers, got an array of {array.dtype}")
    return array


@cached(1024)
def _from_text(text: str) -> ScalarFunction:
    return ScalarFunction._make(*canonical_form(parse_expression(text, VARIABLE_NAMES)))


def _from_sympy(function: Any) -> ScalarFunction:
    if not isinstance(function, sympy.Expr):
        raise InvalidInputError(
            "function: expected text, a sympy expression, a Python function or a ScalarFunction; "
            f"got {type(function).__name__}"
        )
    unknown = sorted(s.name for s in function.free_symbols if s.name not in VARIABLE_NAMES)
    if unknown:
        raise InvalidInputError(
            f"function: unknown variables {', '.join(unknown)} in {function}; allowed are z, or "
            "z1, z2, z3"
        )
    return ScalarFunction._make(*canonical_form(normalised(function)))
