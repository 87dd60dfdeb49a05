"""Left vectors of the scaling level: powers of the readout, made orthogonal."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

from rmt.arrays import Array
from rmt.caching import cached
from rmt.problem import Problem
from rmt.spikes.scaling.intervals import PRECISION, ends
from rmt.spikes.scaling.label_moments import double_factorial
from rmt.spikes.scaling.number import Number

__all__ = ["left_distance_square", "left_polynomial"]

_ZERO_DIGITS = 25


def left_distance_square(problem: Problem, powers: Sequence[int], power: int) -> Number:
    """``delta^2``: squared L2(law of g) distance of ``g^power`` from the span of ``g^p``.

    Exact for the named laws; for a given vector, the law of weight ``1/N`` on each of its values.

    Parameters
    ----------
    problem : Problem
    powers : sequence of int
        Linearly independent ones.
    power : int

    Examples
    --------
    >>> problem = Problem("tanh(z)", "z", 100, 100, 100, [(1, 0.2)])
    >>> left_distance_square(problem, [1], 2), left_distance_square(problem, [1, 2], 3)
    (Number(3), Number(6))
    """
    rows = [*powers, power]
    gram = [[_moment(problem, p + q) for q in rows] for p in rows]
    # Gaussian elimination: the last pivot is the ratio of the determinants.
    for i in range(len(rows) - 1):
        for j in range(i + 1, len(rows)):
            factor = gram[j][i] / gram[i][i]
            gram[j] = [x - factor * y for x, y in zip(gram[j], gram[i], strict=True)]
    return gram[-1][-1].settled(_moment(problem, 2 * power).magnitude, _ZERO_DIGITS)


def left_polynomial(problem: Problem, powers: Sequence[int], power: int) -> tuple[float, ...]:
    """``g^power`` off the span of ``g^p``, normalised, as coefficients of ``g^0 .. g^power``.

    Examples
    --------
    >>> problem = Problem("tanh(z)", "z", 100, 100, 100, [(1, 0.2)])
    >>> [round(c, 12) for c in left_polynomial(problem, [1], 3)]  # (g^3 - 3 g) / sqrt 6
    [0.0, -1.224744871392, 0.0, 0.408248290464]
    """
    with mpmath.workprec(PRECISION):
        coefficients = [mpmath.mpf(0)] * (power + 1)
        coefficients[power] = mpmath.mpf(1)
        if powers:
            gram = mpmath.matrix([[_middle(problem, p + q) for q in powers] for p in powers])
            right = mpmath.matrix([_middle(problem, p + power) for p in powers])
            for p, c in zip(powers, mpmath.lu_solve(gram, right), strict=True):
                coefficients[p] = -c
        square = mpmath.fsum(
            c * d * _middle(problem, p + q)
            for p, c in enumerate(coefficients)
            for q, d in enumerate(coefficients)
            if c and d
        )
        return tuple(float(c / mpmath.sqrt(square)) for c in coefficients)


def _middle(problem: Problem, m: int) -> Any:
    return sum(ends(_moment(problem, m).interval)) / 2


def _moment(problem: Problem, m: int) -> Number:
    """``E[g^m]``."""
    if not isinstance(problem.readout, str):
        return _mean_power(problem.readout.tobytes(), m)
    if m % 2:
        return Number.of(0)
    even = {
        "gaussian": double_factorial(m),
        "rademacher": 1,
        "uniform": Fraction(3 ** (m // 2), m + 1),
    }
    return Number.of(even[problem.readout])


@cached(256)
def _mean_power(values: bytes, m: int) -> Number:
    with mpmath.workprec(PRECISION + 20):
        vector: Array = np.frombuffer(values)
        terms = [mpmath.mpf(g) ** m for g in vector.tolist()]
        size = mpmath.fsum(terms, absolute=True) / len(terms)
        return Number.certified(mpmath.fsum(terms) / len(terms), mpmath.ldexp(size, -PRECISION))
