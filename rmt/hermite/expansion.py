"""Hermite expansions of functions of one variable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import whole_number
from rmt.arrays import Array
from rmt.budget import MAX_SECONDS, OutOfTime, checked_seconds, time_limit
from rmt.caching import cached
from rmt.display import Part, Shown, as_text, draw
from rmt.functions import FunctionLike, ScalarFunction
from rmt.hermite.decay import CoefficientDecay, coefficient_decay
from rmt.hermite.expansion_text import expansion_latex, expansion_parts
from rmt.lazy import mpmath, sympy
from rmt.moments.ladder import hermite_moments, second_moment
from rmt.moments.number_conversions import is_exact, mpmath_number, over_root_factorial
from rmt.status import ConvergenceError, InvalidInputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MAX_DIGITS", "MAX_ORDER", "HermiteExpansion", "hermite_expansion"]

MAX_ORDER = 500
MAX_DIGITS = 1000
_NO_TIME = 0.3  # seconds


@dataclass(frozen=True, slots=True)
class HermiteExpansion(Shown):
    r"""Hermite coefficients of ``f(Z)``, ``Z`` standard normal, up to an order.

    With probabilists' Hermite polynomials (``He_2 = z^2 - 1``, ``E[He_j He_k] = k!`` for
    ``j = k``, else 0),

    .. math::
       f = \sum_k \frac{\mu_k}{k!}\, He_k, \qquad
       \mu_k = E[f(Z)\, He_k(Z)], \qquad
       E[f^2] = \sum_k \frac{\mu_k^2}{k!}.

    Made by `hermite_expansion`. Printing it gives a table.

    Attributes
    ----------
    function : ScalarFunction
    order : int
    probabilists : tuple of sympy numbers, length order + 1
        ``mu_k``: an exact expression where there is a closed form, otherwise a Float.
    errors : tuple of float, length order + 1
        Absolute error bounds of the *orthonormal* coefficients; 0 for exact ones. A Float that is
        zero with a positive error is a zero to that precision, and not proved.
    second_moment : sympy number
        ``E[f(Z)^2]``.
    second_moment_error : float
        Absolute error bound; 0 when exact.
    digits : int or None
        The digits asked for; None: double precision where there is no closed form.

    Examples
    --------
    >>> expansion = hermite_expansion("relu(z)", 4)
    >>> expansion.probabilists
    (sqrt(2)/(2*sqrt(pi)), 1/2, sqrt(2)/(2*sqrt(pi)), 0, -sqrt(2)/(2*sqrt(pi)))
    >>> expansion.orthonormal[2]
    1/(2*sqrt(pi))
    >>> expansion.second_moment
    1/2
    >>> hermite_expansion("tanh(z)", 3, digits=40).probabilists[1]
    0.605705509602158825583540227555880...
    """

    function: ScalarFunction
    order: int
    probabilists: tuple[Any, ...]
    errors: tuple[float, ...]
    second_moment: Any
    second_moment_error: float
    digits: int | None

    # Coefficients

    @property
    def orthonormal(self) -> tuple[Any, ...]:
        """``c_k = mu_k / sqrt(k!)``, coefficients of the orthonormal ``He_k / sqrt(k!)``."""
        return tuple(over_root_factorial(mu, k) for k, mu in self._numbered())

    @property
    def probabilists_array(self) -> Array:
        """`probabilists` in double precision."""
        return np.array([float(mpmath_number(mu)) for mu in self.probabilists])

    @property
    def orthonormal_array(self) -> Array:
        """`orthonormal` in double precision."""
        return np.array(
            [
                float(mpmath_number(mu) / mpmath.sqrt(mpmath.factorial(k)))
                for k, mu in self._numbered()
            ]
        )

    @property
    def is_exact(self) -> bool:
        """Whether every coefficient is a closed form."""
        return all(map(is_exact, self.probabilists))

    def general_term(self, k: Any = None) -> Any:
        """``mu_k`` as an expression in ``k``; see `rmt.hermite.general_term`.

        Examples
        --------
        >>> hermite_expansion("sin(2*z)", 1).general_term()
        2**k*exp(-2)*sin(pi*k/2)
        """
        from rmt.hermite.general_term import general_term

        return general_term(self.function, k)

    def _numbered(self) -> Any:
        return enumerate(self.probabilists)

    # Reconstruction

    def __call__(self, z: ArrayLike, order: int | None = None) -> Array:
        """The partial sum up to `order` (default: all) at the given points.

        Parameters
        ----------
        z : array_like
        order : int, optional

        Returns
        -------
        array
            Of the shape of ``z``.

        Examples
        --------
        >>> hermite_expansion("He3(z) - z", 3)([0.0, 1.0, 2.0]).tolist()
        [0.0, -3.0, 0.0]
        """
        order = self._order(order)
        points = np.asarray(z, dtype=float)
        coefficients = self.orthonormal_array
        total = np.full(points.shape, coefficients[0])
        previous, current = np.zeros(points.shape), np.ones(points.shape)
        for k in range(1, order + 1):
            step = points * current - math.sqrt(k - 1) * previous
            previous, current = current, step / math.sqrt(k)
            total += coefficients[k] * current
        return total

    def partial_sum(self, order: int | None = None) -> sympy.Expr:
        """The partial sum as a sympy polynomial in the function's variable.

        Examples
        --------
        >>> hermite_expansion("relu(z)", 2).partial_sum()
        z/2 + sqrt(2)*(z**2 - 1)/(4*sqrt(pi)) + sqrt(2)/(2*sqrt(pi))
        """
        from rmt.expressions.catalogue import hermite_polynomial

        (z,) = self.function.symbols
        order = self._order(order)
        return sympy.Add(
            *(
                mu / sympy.factorial(k) * hermite_polynomial(sympy, k, z)
                for k, mu in self._numbered()
                if k <= order
            )
        )

    def truncation_error(self, order: int | None = None) -> float:
        """``E[(f - f_K)^2]^{1/2}`` for the partial sum up to order ``K``, by Parseval.

        The difference ``E[f^2] - sum_{k <= K} c_k^2`` is taken at whatever precision shows it. What
        is known of the coefficients limits that: their errors are added, so that the number is an
        upper bound, and a good one unless the remainder is lost in them.

        Examples
        --------
        >>> round(hermite_expansion("relu(z)", 10).truncation_error(), 6)
        0.035707
        """
        order = self._order(order)
        with mpmath.workdps(30):
            slack = 2 * mpmath.fsum(
                abs(mpmath.mpf(error) * mpmath_number(mu)) / mpmath.sqrt(mpmath.factorial(k))
                for error, (k, mu) in zip(self.errors, self._numbered(), strict=True)
                if k <= order
            ) + mpmath.mpf(self.second_moment_error)
        precision = 30
        while True:
            with mpmath.workdps(precision):
                total = mpmath_number(self.second_moment, precision)
                size = total
                for k, mu in self._numbered():
                    if k <= order and mu:
                        total -= mpmath_number(mu, precision) ** 2 / mpmath.factorial(k)
                rounding = size * mpmath.mpf(10) ** (5 - precision)
                if rounding <= 1e-9 * abs(total) or rounding < slack or precision > MAX_DIGITS:
                    return float(mpmath.sqrt(max(total, 0) + slack + rounding))
            if total == 0:
                return 0.0
            precision *= 2

    def decay(self) -> CoefficientDecay:
        """How fast the orthonormal coefficients fall; see `rmt.hermite.CoefficientDecay`.

        Examples
        --------
        >>> print(hermite_expansion("relu(z)", 8).decay())
        algebraic: |c_k| ~ k^(-5/4)
        """
        return coefficient_decay(self.function, self.orthonormal_array, np.array(self.errors))

    # Other functions made from this one

    def times(self, other: FunctionLike | HermiteExpansion) -> HermiteExpansion:
        """Expansion of the product ``f g``, to the same order and digits.

        Examples
        --------
        >>> hermite_expansion("z", 3).times("He2(z)").probabilists
        (0, 2, 0, 6)
        """
        factor = other.function if isinstance(other, HermiteExpansion) else ScalarFunction(other)
        return self._again(self.function.expression * factor.expression)

    def power(self, exponent: int) -> HermiteExpansion:
        """Expansion of ``f^m``, to the same order and digits.

        Examples
        --------
        >>> hermite_expansion("He3(z)", 1).power(3).probabilists
        (0, 324)
        >>> hermite_expansion("He3(z)", 2).power(2).probabilists
        (6, 0, 36)
        """
        if isinstance(exponent, bool) or not isinstance(exponent, int) or exponent < 1:
            raise InvalidInputError(f"exponent: expected a whole number >= 1, got {exponent!r}")
        return self._again(self.function.expression**exponent)

    def derivative(self) -> HermiteExpansion:
        """Expansion of the derivative in the sense of distributions, to order ``K - 1``.

        ``E[f' He_k] = mu_{k+1}`` (Stein), so a jump of ``f`` counts as a delta function there.

        Raises
        ------
        InvalidInputError
            When ``f`` jumps: its derivative is no square-integrable function. When the order is 0.

        Examples
        --------
        >>> hermite_expansion("relu(z)", 3).derivative().probabilists
        (1/2, sqrt(2)/(2*sqrt(pi)), 0)
        """
        if self.function.jumps:
            raise InvalidInputError(
                f"derivative: {self.function.short} jumps at "
                f"z = {', '.join(f'{jump:.6g}' for jump in self.function.jumps)}, "
                "so its derivative is not square-integrable; use probabilists[k + 1]"
            )
        if self.order == 0:
            raise InvalidInputError("derivative: the expansion must reach order 1 at least")
        slope = self.function.derivative_function
        square = self._again(slope, 0)
        error = square.second_moment_error
        if any(piece.upper.is_Float for piece in slope.smooth_pieces):
            # Kinks without a closed form are doubles in the text of the derivative.
            error += 1e-14 * float(square.second_moment)
        scale = np.sqrt(np.arange(1.0, self.order + 1.0))
        return HermiteExpansion(
            slope,
            self.order - 1,
            self.probabilists[1:],
            tuple((scale * np.array(self.errors[1:])).tolist()),
            square.second_moment,
            error,
            self.digits,
        )

    def rescaled(self, variance: Any = 1, mean: Any = 0) -> HermiteExpansion:
        """Expansion of ``f(sqrt(q) z + m)``: of ``f`` under a normal law of variance q and mean m.

        Parameters
        ----------
        variance, mean : int, str such as ``"1/3"``, sympy number or float
            ``q > 0`` and ``m``. Floats are read as the decimal that they print.

        Examples
        --------
        >>> hermite_expansion("abs(z)", 2).rescaled(variance=4).probabilists
        (2*sqrt(2)/sqrt(pi), 0, 2*sqrt(2)/sqrt(pi))
        """
        q, m = _exact_number(variance, "variance"), _exact_number(mean, "mean")
        if not q.is_positive:
            raise InvalidInputError(f"variance: must be positive, got {variance!r}")
        (z,) = self.function.symbols
        return self._again(self.function.expression.subs(z, sympy.sqrt(q) * z + m))

    def _again(self, function: FunctionLike, order: int | None = None) -> HermiteExpansion:
        order = self.order if order is None else order
        return hermite_expansion(function, order, digits=self.digits)

    def _order(self, order: int | None) -> int:
        if order is None:
            return self.order
        if not 0 <= order <= self.order:
            raise InvalidInputError(
                f"order: this expansion has orders 0 to {self.order}, got {order}"
            )
        return order

    # Output

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready numbers and texts.

        ``probabilists`` and ``orthonormal`` hold texts (exact expressions or decimals),
        ``*_float`` the doubles.
        """
        return {
            "function": self.function.text,
            "order": self.order,
            "digits": self.digits,
            "probabilists": [str(mu) for mu in self.probabilists],
            "orthonormal": [str(c) for c in self.orthonormal],
            "probabilists_float": [_json_float(mu) for mu in self.probabilists_array.tolist()],
            "orthonormal_float": self.orthonormal_array.tolist(),
            "errors": list(self.errors),
            "exact": [is_exact(mu) for mu in self.probabilists],
            "second_moment": str(self.second_moment),
            "second_moment_float": float(mpmath_number(self.second_moment)),
            "second_moment_error": self.second_moment_error,
            "truncation_error": self.truncation_error(),
        }

    def latex(self) -> str:
        """The partial sum in LaTeX, coefficients in front of ``He_k``.

        Examples
        --------
        >>> print(hermite_expansion("z**3", 3).latex())
        z^{3} = 3 \\mathrm{He}_{1}(z) + \\mathrm{He}_{3}(z)
        """
        return expansion_latex(self)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def table(self, orthonormal: bool = False) -> str:
        """The coefficients as text: number, closed form, error bound of the number.

        Parameters
        ----------
        orthonormal : bool
            ``c_k`` in place of ``mu_k``.

        Examples
        --------
        >>> print(hermite_expansion("sign(z)", 3).table(orthonormal=True))
        f(z) = sign(z)
        k  E[f He_k] / sqrt(k!)  closed form
        0                     0  0
        1        0.797884560803  sqrt(2)/sqrt(pi)
        2                     0  0
        3       -0.325735007935  -sqrt(3)/(3*sqrt(pi))
        E[f^2] = 1, L2 norm of the rest 0.507
        """
        return as_text(expansion_parts(self, orthonormal))

    def _parts(self) -> list[Part]:
        return expansion_parts(self)

    def plot(self) -> Figure:
        """The function, its partial sums, and the decay of its coefficients.

        Needs matplotlib: ``pip install 'rmt[plot]'``.
        """
        return draw(self)  # type: ignore[no-any-return]


def hermite_expansion(
    function: FunctionLike,
    order: int = 10,
    *,
    digits: int | None = None,
    max_seconds: float | None = MAX_SECONDS,
) -> HermiteExpansion:
    """Hermite coefficients of a function of one variable, exact wherever a closed form exists.

    ``mu_k = E[f(Z) He_k(Z)]`` for ``k = 0 .. order``, see `HermiteExpansion`. Exact: piecewise sums
    of polynomial x exponential of a quadratic x sine or cosine x error function, so polynomials,
    ReLU and its relatives, ELU, SELU, GELU, erf, sin, exp, thresholds. All other functions are
    integrated: in double precision, or to `digits` digits that two independent quadrature rules
    agree on.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        Real, of one variable, with ``E[f(Z)^2]`` finite.
    order : int
        0 to 500.
    digits : int, optional
        1 to 1000: every coefficient without a closed form has this many correct significant
        digits. When left out such coefficients are doubles, with absolute errors near 1e-15.
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit.

    Returns
    -------
    HermiteExpansion
        Of length ``order + 1``, with an error bound for each coefficient.

    Raises
    ------
    InvalidInputError
        Several variables; an order or digits out of range; a function that is not real, has a pole,
        or grows too fast to be square-integrable.
    ConvergenceError
        The quadrature reached its limit of work, and ``best`` holds what it had; or time ran out,
        and ``best`` is the expansion in double precision, if that is quick, or None.

    Notes
    -----
    Normalisation and series: docs/theory.md, section 1; how each kind of function is integrated:
    docs/hermite.md.

    Examples
    --------
    >>> print(hermite_expansion("gelu(z)", 3))
    f(z) = z*(erf(sqrt(2)*z/2) + 1)/2
    k       E[f He_k]  closed form
    0  0.282094791774  1/(2*sqrt(pi))
    1             0.5  1/2
    2  0.423142187661  3/(4*sqrt(pi))
    3               0  0
    E[f^2] = 0.425221482570, L2 norm of the rest 0.0782
    """
    parsed = ScalarFunction.parse(function)
    order = whole_number("order", order, 0, MAX_ORDER)
    if digits is not None:
        digits = whole_number("digits", digits, 1, MAX_DIGITS)
    if parsed.n_variables != 1:
        raise InvalidInputError(
            f"function: {parsed.short} has {parsed.n_variables} variables; hermite_expansion takes "
            "one, tensor_hermite_expansion up to three"
        )
    try:
        with time_limit(checked_seconds(max_seconds)):
            return _expansion(parsed, order, digits)
    except OutOfTime as end:
        end.best = None if digits is None else _in_doubles(parsed, order)
        raise


def _in_doubles(function: ScalarFunction, order: int) -> HermiteExpansion | None:
    """What can be had of many digits in no time: those of a double."""
    try:
        with time_limit(_NO_TIME):
            return _expansion(function, order, None)
    except ConvergenceError:
        return None


@cached(256)
def _expansion(function: ScalarFunction, order: int, digits: int | None) -> HermiteExpansion:
    found = hermite_moments(function, order, digits)
    square, error = found.square or second_moment(function, digits)
    return HermiteExpansion(function, order, found.values, found.errors, square, error, digits)


def _exact_number(value: Any, name: str) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise InvalidInputError(f"{name}: must be finite, got {value!r}")
        return sympy.Rational(repr(value))
    number = ScalarFunction.parse(value).expression
    if number.free_symbols or not number.is_real:
        raise InvalidInputError(f"{name}: expected a real number, got {value!r}")
    return number


def _json_float(value: float) -> float | None:
    return value if math.isfinite(value) else None
