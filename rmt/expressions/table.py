"""A function that is known by samples: polynomials on panels, and how far they may be off."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from rmt.arrays import Array
from rmt.lazy import mpmath

__all__ = ["Table", "in_short", "why_no_table", "without_numbers"]

MAX_PANELS = 2_000
MAX_COEFFICIENTS = 64  # of one panel


@dataclass(frozen=True, eq=False)
class Table:
    """``f(x) = sum_k c_k T_k(t)`` on panels, with ``t = -1 .. 1`` from one end to the other.

    Attributes
    ----------
    parity : int
        1 or -1: ``f(-x) = parity f(x)`` exactly, and the panels are those of ``x >= 0``; else 0.
    beyond : (bool, bool)
        Whether the first and the last polynomial hold beyond the panels as well, where a table that
        knows nothing has no value (nan). With a parity only the second matters.
    kinks : tuple of float
        Those edges at which the function is not smooth, 0 and the ends of an even or odd half line
        among them.
    edges : tuple of float
        Of the panels, increasing; one more than there are panels. An edge belongs to the panel
        below it.
    coefficients : tuple of tuple of float
        ``c_0, c_1, ..`` of each panel.
    errors : tuple of (float, float)
        For each panel what the value and the slope may be off.

    Examples
    --------
    >>> ramp = Table(0, (True, True), (0.0,), (-1.0, 0.0, 1.0), ((0.0,), (0.5, 0.5)), ((0, 0),) * 2)
    >>> ramp.values(np.array([-3.0, 0.5, 4.0])).tolist()
    [0.0, 0.5, 4.0]
    >>> ramp.values(np.array([-3.0, 0.0, 4.0]), order=1).tolist()
    [0.0, 0.0, 1.0]
    """

    parity: int
    beyond: tuple[bool, bool]
    kinks: tuple[float, ...]
    edges: tuple[float, ...]
    coefficients: tuple[tuple[float, ...], ...]
    errors: tuple[tuple[float, float], ...]

    # Identity

    @cached_property
    def text(self) -> str:
        """Its numbers, as the text of an expression has them after the argument and the order."""
        panels = (
            _tuple((low, high, *errors, *c))
            for low, high, errors, c in zip(
                self.edges, self.edges[1:], self.errors, self.coefficients, strict=False
            )
        )
        beyond = _tuple(tuple(map(int, self.beyond)))
        return ", ".join([str(self.parity), beyond, _tuple(self.kinks), *panels])

    @cached_property
    def digest(self) -> str:
        """What tells tables apart, short."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Table) and self.text == other.text)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.digest)

    # Values

    def values(self, x: Any, order: int = 0) -> Array:
        """The derivative of this order, in double precision, of the shape of ``x``."""
        x = np.asarray(x)
        edges, centre, scale, coefficients = self._prepared(order)
        y = (np.abs(x) if self.parity else x).astype(np.float64, copy=False).ravel()
        index = np.searchsorted(edges[1:-1], y, side="left")
        t = (y - centre[index]) * scale[index]
        twice = 2.0 * t
        later, last = np.zeros_like(t), np.zeros_like(t)
        for c in coefficients[:0:-1]:
            later, last = c[index] + twice * later - last, later
        value: Array = coefficients[0][index] + t * later - last
        outside = np.isnan(y)
        if not (self.beyond[0] or self.parity):
            outside |= y < edges[0]
        if not self.beyond[1]:
            outside |= y > edges[-1]
        value[outside] = np.nan
        value = value.reshape(x.shape)
        if self._parity_of(order) == -1:
            value *= np.sign(x)
        return value

    def precise(self, x: Any, order: int = 0) -> Any:
        """The same as an mpmath number, in the precision at hand: exact for the table."""
        y = abs(x) if self.parity else x
        low, high = self.edges[0], self.edges[-1]
        if (y < low and not (self.beyond[0] or self.parity)) or (y > high and not self.beyond[1]):
            return mpmath.nan
        index = sum(1 for edge in self.edges[1:-1] if y > edge)
        low, high = mpmath.mpf(self.edges[index]), mpmath.mpf(self.edges[index + 1])
        c = [mpmath.mpf(one) for one in self.coefficients[index]]
        for _ in range(order):
            c = _slope_of_series(c, 2 / (high - low))
        t = (2 * y - low - high) / (high - low)
        later, last = mpmath.mpf(0), mpmath.mpf(0)
        for one in c[:0:-1]:
            later, last = one + 2 * t * later - last, later
        value = c[0] + t * later - last
        return value * mpmath.sign(x) if self._parity_of(order) == -1 else value

    def _parity_of(self, order: int) -> int:
        return -self.parity if order % 2 else self.parity

    def _prepared(self, order: int) -> tuple[Array, Array, Array, Array]:
        known = self._known
        if order not in known:
            edges = np.array(self.edges)
            half = np.diff(edges) / 2.0
            rows = [
                chebyshev.chebder(c, order, scl=1.0 / h) if order < len(c) else np.zeros(1)
                for c, h in zip(self.coefficients, half.tolist(), strict=True)
            ]
            matrix = np.zeros((max(map(len, rows)), len(rows)))
            for panel, row in enumerate(rows):
                matrix[: len(row), panel] = row
            known[order] = edges, (edges[1:] + edges[:-1]) / 2.0, 1.0 / half, matrix
        return known[order]

    @cached_property
    def _known(self) -> dict[int, tuple[Array, Array, Array, Array]]:
        return {}

    # Errors

    def errors_at(self, x: Any, order: int = 0) -> Array:
        """How far the value (order 0) or a derivative may be off from what was sampled.

        That of higher derivatives is what Markov's inequality makes of the slope's.
        """
        y = np.abs(x) if self.parity else np.asarray(x, dtype=float)
        index = np.searchsorted(np.array(self.edges[1:-1]), y, side="left")
        errors = np.array([self._error(panel, order) for panel in range(len(self.errors))])
        found: Array = errors[index]
        return found

    def _error(self, panel: int, order: int) -> float:
        if order < 2:
            return self.errors[panel][order]
        degree = max(len(self.coefficients[panel]) - 1, 1)
        width = self.edges[panel + 1] - self.edges[panel]
        return self.errors[panel][1] * (2.0 * degree**2 / width) ** (order - 1)

    @cached_property
    def _error_tables(self) -> dict[int, Table]:
        return {}

    def error_table(self, order: int) -> Table:
        """`errors_at` as a table of constants, even where this one is even or odd."""
        if order not in self._error_tables:
            errors = tuple((self._error(panel, order),) for panel in range(len(self.errors)))
            self._error_tables[order] = Table(
                abs(self.parity), (True, True), (), self.edges, errors, ((0.0, 0.0),) * len(errors)
            )
        return self._error_tables[order]

    @property
    def relative_error(self) -> float:
        """The rms error of the value over the rms value, under the standard normal law."""
        z = np.linspace(-8.0, 8.0, 2001)
        density = np.exp(-(z**2) / 2.0)
        error, size = (float(density @ v**2) for v in (self.errors_at(z), self.values(z)))
        return math.sqrt(error / size) if size else math.inf

    @property
    def known_to(self) -> float:
        """The largest ``r`` such that there are values for ``|x| <= r``."""
        ends = [abs(self.edges[-1])] if not self.beyond[1] else []
        if not (self.beyond[0] or self.parity):
            ends.append(abs(self.edges[0]))
        return min(ends, default=math.inf)

    @property
    def digits(self) -> int:
        """About how many digits of the function are known."""
        return max(0, math.floor(-math.log10(max(self.relative_error, 1e-16))))

    # Structure

    @property
    def all_kinks(self) -> tuple[float, ...]:
        """Those of the whole line."""
        if not self.parity:
            return self.kinks
        return tuple(sorted({*self.kinks, *(-kink if kink else 0.0 for kink in self.kinks)}))

    @property
    def has_branches(self) -> bool:
        return bool(self.kinks)

    def branch(self, x: Any) -> tuple[Table, bool]:
        """The smooth table that holds around a point, and whether it is to be taken at ``-x``.

        Beyond its ends at kinks it is continued.
        """
        mirrored = bool(self.parity and x < 0)
        y = abs(x) if self.parity else x
        cuts = sum(1 for kink in self.kinks if y > kink)
        return self._branches[cuts if self.kinks else 0], mirrored

    @cached_property
    def _branches(self) -> tuple[Table, ...]:
        """From the lowest kink to the highest, and what is around them."""
        places = [0, *(self.edges.index(kink) for kink in self.kinks), len(self.edges) - 1]
        found = []
        for number, (first, last) in enumerate(pairwise(places)):
            if first == last:  # a half line that begins with a kink
                found.append(self)
                continue
            around_zero = number == 0 and self.parity
            beyond = (
                bool(self.beyond[0] or number > 0),
                bool(self.beyond[1] or number < len(self.kinks)),
            )
            found.append(
                Table(
                    self.parity if around_zero else 0,
                    (False, beyond[1]) if around_zero else beyond,
                    (),
                    self.edges[first : last + 1],
                    self.coefficients[first:last],
                    self.errors[first:last],
                )
            )
        return tuple(found)


def in_short(text: str) -> str:
    """The text of a function to be read: tables by name, long decimals cut to six digits.

    Examples
    --------
    >>> in_short("-2.188432594458360450861340*z + 3*tanh(2*z)")
    '-2.18843*z + 3*tanh(2*z)'
    """
    return re.sub(r"\d+\.\d{8,}", lambda x: f"{float(x[0]):.6g}", without_numbers(text))


def without_numbers(text: str) -> str:
    """A text in which every table is a short name: ``table_1f2e3d(z)``, slopes with a stroke.

    Examples
    --------
    >>> without_numbers("table(z, 1, 0, (1, 1), (), (-1, 1, 0, 0, 3))**2")
    "table_514a11'(z)**2"
    """
    start = text.find("table(")
    if start < 0:
        return text
    cuts: list[int] = []
    depth, end = 0, start
    for end in range(start + len("table"), len(text)):
        character = text[end]
        depth += (character == "(") - (character == ")")
        if character == "," and depth == 1 and len(cuts) < 2:
            cuts.append(end)
        if not depth:
            break
    inner, order, numbers = (
        text[start + len("table(") : cuts[0]],
        int(text[cuts[0] + 1 : cuts[1]]),
        text[cuts[1] + 2 : end],
    )
    digest = hashlib.sha256(numbers.encode()).hexdigest()[:6]
    strokes = "'" * order
    return (
        f"{text[:start]}table_{digest}{strokes}({without_numbers(inner)})"
        f"{without_numbers(text[end + 1 :])}"
    )


def _tuple(numbers: Sequence[float]) -> str:
    texts = [_number(x) for x in numbers]
    return f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})"


def _number(x: float) -> str:
    return str(int(x)) if x == int(x) and abs(x) < 1e15 else repr(float(x))


def _slope_of_series(c: list[Any], scale: Any) -> list[Any]:
    """The Chebyshev series of the derivative: ``d_{k-1} = d_{k+1} + 2 k c_k``, ``d_0`` halved."""
    n = len(c) - 1
    if n < 1:
        return [mpmath.mpf(0)]
    d = [mpmath.mpf(0)] * (n + 2)
    for k in range(n, 0, -1):
        d[k - 1] = d[k + 1] + 2 * k * c[k]
    d[0] /= 2
    return [one * scale for one in d[:n]]


def why_no_table(table: Table) -> str | None:
    """What is wrong with the numbers of a table that was written by others; else None."""
    edges = table.edges
    if not table.coefficients or len(table.coefficients) > MAX_PANELS:
        return f"a table has 1 to {MAX_PANELS} panels"
    if not all(1 <= len(c) <= MAX_COEFFICIENTS for c in table.coefficients):
        return f"a panel has 1 to {MAX_COEFFICIENTS} coefficients"
    if any(low >= high for low, high in pairwise(edges)):
        return "the edges of panels must increase"
    if table.parity not in (-1, 0, 1) or (table.parity and edges[0] != 0):
        return "the parity is 1, -1 or 0; the panels of an even or odd table begin at 0"
    if list(table.kinks) != sorted(set(table.kinks)) or not set(table.kinks) <= set(edges[:-1]):
        return "kinks are edges between panels, and increase"
    if not table.parity and table.kinks and table.kinks[0] == edges[0]:
        return "kinks are edges between panels, and increase"
    if any(error < 0 for pair in table.errors for error in pair):
        return "errors are not negative"
    return None
