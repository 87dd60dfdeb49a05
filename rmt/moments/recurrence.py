"""Hermite coefficients of exponentials, error functions and waves by recurrence.

Integration by parts with ``He_k phi = -(He_{k-1} phi)'`` turns the coefficients
``J_k = E[He_k(Z) g(Z); a < Z < b]`` of any ``g`` with ``g' = (2 A z + B) g + (others)`` into

    (1 - 2 A) J_k = B J_{k-1} + 2 A (k - 1) J_{k-2} + [He_{k-1} phi g]_b^a + (those of the others),

so that one integral, ``J_0``, gives all of them. The recurrence only adds and multiplies: the same
code runs on exact numbers and on arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Edge", "exponential_coefficients", "times_polynomial"]

Multiply = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Edge:
    """A finite end ``x`` of the interval, with ``phi(x) g(x)``: positive for the lower end, negated
    for the upper one; one value for each part of ``g``.
    """

    point: Any
    values: tuple[Any, ...]


def exponential_coefficients(
    order: int,
    base: Sequence[Any],
    edges: Sequence[Edge],
    quadratic: Any,
    linear: Any,
    frequency: Any = None,
    sources: Sequence[Sequence[Sequence[Any]]] = (),
    multiply: Multiply = operator.mul,
) -> list[list[Any]]:
    """``E[He_k(Z) g(Z); a < Z < b]`` for ``k = 0 .. order``, for each part of ``g``.

    Parameters
    ----------
    order : int
    base : sequence
        The values for ``k = 0``: one part, or two for ``h cos(w z)`` and ``h sin(w z)``.
    edges : sequence of Edge
        The finite ends of the interval.
    quadratic, linear, frequency : number or array
        ``A``, ``B`` and, with two parts, ``w``: ``g_c' = (2 A z + B) g_c - w g_s + ..`` and
        ``g_s' = (2 A z + B) g_s + w g_c + ..``.
    sources : sequence
        For each further function in ``g'`` its coefficients, in the shape of the result.
    multiply : callable
        Product of a value and a number, or of two numbers.

    Returns
    -------
    list of lists
        ``result[part][k]``.
    """
    parts = range(len(base))
    result = [[value] for value in base]
    if order == 0:
        return result
    inverse = 1 / (1 - 2 * quadratic)
    twice = 2 * quadratic
    hermite = [[1, edge.point] for edge in edges]
    for k in range(1, order + 1):
        for part in parts:
            total = multiply(result[part][k - 1], linear)
            if k > 1:
                total = total + multiply(result[part][k - 2], twice * (k - 1))
            if frequency is not None:
                other = result[1 - part][k - 1]
                total = total + multiply(other, frequency if part else -frequency)
            for edge, values in zip(edges, hermite, strict=True):
                total = total + multiply(edge.values[part], values[k - 1])
            for source in sources:
                total = total + source[part][k - 1]
            result[part].append(multiply(total, inverse))
        for edge, values in zip(edges, hermite, strict=True):
            values.append(multiply(values[k], edge.point) - k * values[k - 1])
    return result


def times_polynomial(
    coefficients: Sequence[Any],
    polynomial: Sequence[Any],
    multiply: Multiply = operator.mul,
    mean: Any = None,
    std: Any = None,
) -> list[Any]:
    """Coefficients of ``p(m + s z) g(z)`` from those of ``g``.

    By ``E[z g He_k] = E[g He_{k+1}] + k E[g He_{k-1}]`` and Horner's rule.

    Parameters
    ----------
    coefficients : sequence
        ``E[g He_k]`` for ``k = 0 .. order + degree``.
    polynomial : sequence
        Coefficients of ``p``, ascending, up to the degree.
    mean, std : number or array
        ``m`` and ``s``; 0 and 1 when left out.

    Returns
    -------
    list
        For ``k = 0 .. order``.
    """
    *lower, leading = polynomial
    total = [multiply(value, leading) for value in coefficients]
    for c in reversed(lower):
        raised = []
        for k in range(len(total) - 1):
            value = total[k + 1]
            if k:
                value = value + multiply(total[k - 1], k)
            if std is not None:
                value = multiply(value, std)
            if mean is not None:
                value = value + multiply(total[k], mean)
            raised.append(value)
        total = [v + multiply(g, c) for v, g in zip(raised, coefficients, strict=False)]
    return total
