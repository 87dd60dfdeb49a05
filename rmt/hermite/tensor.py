"""Hermite expansions of functions of up to three Gaussian variables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.budget import MAX_SECONDS, checked_seconds, time_limit
from rmt.caching import cached
from rmt.display import Formula, Part, Shown, Table, equation
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.hermite.tensor_tables import (
    ZERO,
    Estimate,
    Index,
    factorial,
    multi_indices,
    plus,
    settled,
    times,
)
from rmt.hermite.tensor_terms import coefficient_table
from rmt.lazy import sympy
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import negligible_beyond
from rmt.status import InvalidInputError

__all__ = ["MAX_DEGREE", "TensorHermiteExpansion", "tensor_hermite_expansion"]

MAX_DEGREE = 12

_ROWS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class TensorHermiteExpansion(Shown):
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
        Absolute error estimates of the *orthonormal* coefficients ``mu_alpha / sqrt(alpha!)``,
        ``alpha! = prod_i alpha_i!``; 0 for exact ones. A Float that is zero with a positive error
        is a zero to that precision, and not proved.

    Examples
    --------
    >>> from rmt import tensor_hermite_expansion
    >>> expansion = tensor_hermite_expansion("relu(z1)*z2", 2)
    >>> expansion.probabilists[1, 1], expansion.probabilists[2, 0]
    (1/2, 0)
    >>> expansion.tensor(2).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
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
        """``c_alpha = mu_alpha / sqrt(alpha!)``; `errors` are theirs."""
        return {
            alpha: mu / sympy.sqrt(sympy.Integer(factorial(alpha)))
            for alpha, mu in self.probabilists.items()
        }

    @property
    def estimates(self) -> dict[Index, Estimate]:
        """`probabilists` with their own errors, ``sqrt(alpha!)`` times `errors`."""
        return {
            alpha: Estimate(mu, self.errors[alpha] * math.sqrt(factorial(alpha)))
            for alpha, mu in self.probabilists.items()
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
        remainder = self.second_moment
        for alpha, mu in self.estimates.items():
            weight = Estimate(sympy.Rational(-1, factorial(alpha)))
            remainder = plus(remainder, times(weight, times(mu, mu)))
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
        tables = [orthonormal_hermite(x, self.degree + 1) for x in points]
        total = np.zeros(points[0].shape)
        for alpha, mu in self.probabilists.items():
            if mu:
                term = float(mu) / math.sqrt(factorial(alpha))
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
        return np.asarray(self._symmetric(order)[0])

    def tensor_errors(self, order: int) -> Array:
        """Absolute error estimates of the entries of :meth:`tensor`, same shape."""
        return np.asarray(self._symmetric(order)[1])

    def _symmetric(self, order: int) -> Array:
        """The tensor and its errors, shape (2, r, .., r)."""
        if not 0 <= order <= self.degree:
            raise InvalidInputError(f"order: expected 0 .. {self.degree}, got {order}")
        r = self.n_variables
        grids = np.indices((r,) * order).reshape(order, r**order)
        counts = np.stack([(grids == i).sum(axis=0) for i in range(r)], axis=1)
        entries = {
            alpha: (float(mu), mu.error)
            for alpha, mu in self.estimates.items()
            if sum(alpha) == order
        }
        values = np.array([entries[tuple(row)] for row in counts.tolist()])
        return values.T.reshape((2,) + (r,) * order)

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON-ready numbers and texts, coefficients in the order of ``indices``.

        ``probabilists`` and ``orthonormal`` hold texts (exact expressions or decimals),
        ``*_float`` the doubles; ``errors`` are those of ``orthonormal``.

        Examples
        --------
        >>> document = tensor_hermite_expansion("z1*abs(z2)", 1).to_dict()
        >>> document["indices"], document["probabilists"]
        ([[0, 0], [1, 0], [0, 1]], ['0', 'sqrt(2)/sqrt(pi)', '0'])
        """
        orthonormal = self.orthonormal
        second_moment, truncation = self.second_moment, self.truncation_error()
        return {
            "function": self.function.text,
            "degree": self.degree,
            "indices": [list(alpha) for alpha in self.probabilists],
            "probabilists": [str(mu) for mu in self.probabilists.values()],
            "orthonormal": [str(c) for c in orthonormal.values()],
            "probabilists_float": [float(mu) for mu in self.probabilists.values()],
            "orthonormal_float": [float(c) for c in orthonormal.values()],
            "errors": list(self.errors.values()),
            "exact": [not error for error in self.errors.values()],
            "second_moment": str(second_moment.value),
            "second_moment_float": float(second_moment),
            "second_moment_error": second_moment.error,
            "truncation_error": float(truncation),
            "truncation_error_uncertainty": truncation.error,
        }

    def _parts(self) -> list[Part]:
        estimates = self.estimates
        rows = [(alpha, mu) for alpha, mu in estimates.items() if mu.value or mu.error]
        head = f"Hermite expansion of {self.function.short} up to degree {self.degree}"
        cells: list[list[str | Formula] | str] = []
        for alpha, mu in rows[:_ROWS_SHOWN]:
            name = "(" + ", ".join(map(str, alpha)) + ")"
            form = "-" if mu.error else Formula(str(mu.value), (mu.value,))
            cells.append([name, f"{float(mu):.8g}", f"{mu.error:.0e}", form])
        if len(rows) > _ROWS_SHOWN:
            cells.append(f"... and {len(rows) - _ROWS_SHOWN} more")
        title = Formula(head, equation("f", self.function))
        table = Table("lrrl", ["alpha", "mu", "error", "closed form"], cells)
        return [title, table, f"{len(estimates) - len(rows)} coefficients are exactly zero"]


def tensor_hermite_expansion(
    function: FunctionLike, degree: int, *, max_seconds: float | None = MAX_SECONDS
) -> TensorHermiteExpansion:
    r"""Hermite coefficients ``mu_alpha = E[f(z) prod_i He_{alpha_i}(z_i)]``, ``|alpha| <= degree``.

    ``He_k`` are the probabilists' polynomials and ``z ~ N(0, I_r)``, ``r <= 3``; orthonormal
    coefficients are ``mu_alpha / sqrt(prod_i alpha_i!)``. The function is multiplied out into terms
    polynomial x factors. A factor of one linear combination of the variables, ``g(c.z + d)``, has

    .. math::
       \mu_\alpha = \prod_i \left(\frac{c_i}{|c|}\right)^{\alpha_i}
       E\big[g(|c| Z + d)\, He_{|\alpha|}(Z)\big],

    factors of orthogonal combinations multiply, and ``mu_alpha(z_i f) = mu_{alpha + e_i}(f) +
    alpha_i mu_{alpha - e_i}(f)``. What is left (``tanh(z1*z2)``) is integrated numerically over as
    few variables as it takes, with panels that end at its kinks where those are planes.
    Coefficients that vanish because ``f`` is even or odd under sign changes are exact zeros.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        Of one to three variables.
    degree : int
        0 .. 12.
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit.

    Returns
    -------
    TensorHermiteExpansion

    Raises
    ------
    InvalidInputError
        The degree is out of range, or ``f`` is not real and square-integrable.
    ConvergenceError
        A numerical integral is not finite, or time ran out.

    References
    ----------
    docs/theory.md, section 1. The factorisation is that of ``F(t) = E[f(z + t)]``.

    Examples
    --------
    >>> expansion = tensor_hermite_expansion("relu(z1 + z2) + z1*z2", 2)
    >>> expansion.probabilists[1, 0], expansion.probabilists[1, 1]
    (1/2, 1/(2*sqrt(pi)) + 1)
    >>> expansion.is_exact
    True
    """
    f = ScalarFunction.parse(function)
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)):
        raise InvalidInputError(f"degree: expected an integer, got {degree!r}")
    if not 0 <= degree <= MAX_DEGREE:
        raise InvalidInputError(f"degree: expected 0 .. {MAX_DEGREE}, got {degree}")
    with time_limit(checked_seconds(max_seconds)):
        _check_square_integrable(f)
        table = coefficient_table(f.expression, f.symbols, int(degree))
    probabilists: dict[Index, Any] = {}
    errors: dict[Index, float] = {}
    for alpha in multi_indices(f.n_variables, int(degree)):
        number = settled(table.get(alpha, ZERO))
        probabilists[alpha] = sympy.Float(number.value) if number.error else number.value
        errors[alpha] = number.error / math.sqrt(factorial(alpha))
    return TensorHermiteExpansion(f, int(degree), probabilists, errors)


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
            f"function: {function.short} must be finite, with a finite second moment E[f(z)^2] "
            "under the standard normal law; it has none, or grows so fast that double precision "
            "cannot tell"
        )


@cached(64)
def _second_moment(function: ScalarFunction) -> Estimate:
    from rmt.moments.exact.closed_form import exact_second_moment

    if function.n_variables == 1:
        exact = exact_second_moment(function)
        if exact is not None:
            return settled(Estimate(exact))
    table = coefficient_table(function.expression**2, function.symbols, 0)
    number = settled(table.get((0,) * function.n_variables, ZERO))
    return Estimate(sympy.Float(number.value), number.error) if number.error else number
