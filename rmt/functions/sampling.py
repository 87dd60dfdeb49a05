"""A Python function of one number, sampled once: polynomials on panels that follow it.

What limits the accuracy. The panels are halved until the Chebyshev coefficients of each have fallen
to the rounding of the values, ``2e-15`` of the function's size there, or to its noise where it has
more (float32: ``1e-7``). The slope loses the square of a panel's degree over its width: two digits.
Out of reach are functions that are singular in another way than by a kink or a jump (roots,
logarithms), narrower than a thousandth of a panel, or that oscillate so fast that 42 units of them
need more than `MAX_PANELS` panels. A kink is found by bisection, to where both sides no longer tell
the difference, and refined by the polynomials on both sides: to the rounding where the slope jumps,
to that of the slope where the curvature does. A jump of a third or higher derivative passes as
smooth, in more and smaller panels, unless it is declared.

What it costs: 33 values for each panel tried, some 10^3 to 10^4 in all, once. Then a value is a
look-up and up to 20 products, five times what a `tanh` takes, ten times in float32.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from rmt.arrays import Array
from rmt.expressions.table import Table
from rmt.status import InvalidInputError

__all__ = ["sample"]

NODES = 24
DEGREE = 20  # coefficients from here on must be nothing
# The outermost see what lies between an edge and the first node.
_EDGE = 1.0 - 1e-12
CHECKS = np.array([-_EDGE, -0.9931, -0.8713, -0.4127, 0.0571, 0.5219, 0.8411, 0.9962, _EDGE])
ROUNDING = 2e-15
LARGEST_NOISE = 1e-4
REACH = 42.0  # the normal density, squared, underflows before
EDGES = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 28.0, REACH)
OCTAVES = 12  # beyond, as far as the function is simple enough there
OCTAVE_DEPTH = 6
PARTS = 3  # an octave that is not followed as a whole is tried in 2**PARTS
MAX_OUTER_PANELS = 100  # on a side, beyond `REACH`
FAR = (2.0**20, 2.0**30)  # where a polynomial must still hold to hold everywhere
DEPTH = 10
MAX_PANELS = 400
MAX_KINKS = 64
CLOSEST = 1e-7  # two kinks closer than this are taken for something else
SMALL_DENOMINATOR = 64
CHANCE = 1e-2  # of an arbitrary number to be a short decimal, or such a fraction

_ODD = 2 * np.arange(NODES) + 1
_T = np.cos(_ODD * (math.pi / (2 * NODES)))
# As cosines of reduced angles: polynomials at rounded nodes would lose the square of their degree.
_TO_COEFFICIENTS = np.cos(
    (np.arange(NODES)[:, None] * _ODD) % (4 * NODES) * (math.pi / (2 * NODES))
) * (2.0 / NODES)
_TO_COEFFICIENTS[0] /= 2.0
_SLOPES = np.arange(NODES) ** 2.0  # of the polynomials, at the ends
_AT_CHECKS = chebyshev.chebvander(CHECKS, NODES - 1)

Values = Callable[[Array], Array]


def sample(function: Callable[..., Any], kinks: Iterable[float] | None = None) -> Table:
    """The table of a function; its kinks are found, or those that are declared.

    Raises
    ------
    InvalidInputError
        See `ScalarFunction.of_callable`.
    """
    name = getattr(function, "__name__", type(function).__name__)
    values = _vectorised(function, name)
    sampling = _Sampling.of(values, name, kinks)
    return sampling.table()


# The function on arrays


def _vectorised(function: Callable[..., Any], name: str) -> Values:
    """The function of an array, one number at a time where it takes no arrays; nan for errors."""

    def on_array(x: Array) -> Array:
        with np.errstate(all="ignore"):
            found = np.asarray(function(x))
        if found.shape != x.shape or found.dtype.kind not in "fiub":
            raise TypeError
        return found.astype(np.float64)

    def one(x: float) -> float:
        try:
            with np.errstate(all="ignore"):
                found = function(x)
        except (ArithmeticError, ValueError):  # math.exp(1000), math.sqrt(-1)
            return math.nan
        if isinstance(found, complex) or np.ndim(found) != 0:
            raise InvalidInputError(
                f"{name} must give one real number for one real number, got "
                f"{type(found).__name__} at z = {x:g}"
            )
        return float(found)

    def by_ones(x: Array) -> Array:
        return np.array([one(t) for t in x.ravel().tolist()]).reshape(x.shape)

    needed = _required(function)
    if needed > 1:
        raise InvalidInputError(
            f"{name} takes {needed} numbers: functions of several variables are not sampled; write "
            "a text or a sympy expression in z1, z2, z3, in which functions of one may stand"
        )
    probe = np.array([0.3141, -1.2345, 2.0718, -0.0123, 5.4321])
    try:
        single = by_ones(probe)
    except InvalidInputError:
        raise
    except Exception as error:
        raise InvalidInputError(
            f"{name} cannot be called with one number: {type(error).__name__}: {error}"
        ) from error
    try:
        together = on_array(probe)
    except Exception:
        return by_ones
    same = np.abs(together - single) <= 1e-5 * (1.0 + np.abs(single))
    if not (same | (np.isnan(single) & np.isnan(together))).all():
        raise InvalidInputError(
            f"{name} gives other values for an array than for its numbers one by one: it must be a "
            "function of each number alone, without anything random"
        )
    return on_array


def _required(function: Callable[..., Any]) -> int:
    """How many arguments a function must be given by position, as far as it says."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(1 for p in parameters if p.kind in kinds and p.default is p.empty)


# Panels


@dataclass(slots=True)
class _Panel:
    """A polynomial on an interval, the size of the function there, and its slope that is lost.

    What is lost is that of the coefficients that are left out, in units of half the interval.
    """

    low: float
    high: float
    coefficients: Array
    size: float
    lost: float

    def at(self, x: float, order: int = 0) -> float:
        half = (self.high - self.low) / 2.0
        c = chebyshev.chebder(self.coefficients, order, scl=1.0 / half)
        return float(chebyshev.chebval((x - self.low) / half - 1.0, c))


class _UnresolvedError(Exception):
    """An interval so narrow that a smooth function would have been resolved."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high


class _Sampling:
    def __init__(
        self,
        values: Values,
        name: str,
        kinks: tuple[float, ...] | None,
        parity: int,
        typical: float,
        relative: float,
    ) -> None:
        self.values, self.name, self.declared, self.parity = values, name, kinks, parity
        self.typical, self.relative = typical, relative
        self.count = 0

    @classmethod
    def of(cls, values: Values, name: str, kinks: Iterable[float] | None) -> _Sampling:
        declared = None if kinks is None else _declared(kinks)
        near = np.linspace(-3.0, 3.0, 401) + 1e-3 / math.e
        at_near = values(near)
        grid = np.linspace(0.0, REACH, 211)[1:] + 1e-3 / math.e
        right, left = values(grid), values(-grid)
        for x, y in ((near, at_near), (grid, right), (-grid, left)):
            if not np.isfinite(y).all():
                where = x[~np.isfinite(y)]
                raise InvalidInputError(
                    f"{name} must be a finite real number for |z| <= {REACH:g}, got none at z = "
                    f"{where[np.argmin(np.abs(where))]:.4g}"
                )
        typical = float(np.sqrt(np.mean(at_near**2)))
        if not typical:
            typical = float(max(np.abs(right).max(), np.abs(left).max()))
        noise = _noise(values) / typical if typical else 0.0
        if noise > LARGEST_NOISE:
            raise InvalidInputError(
                f"{name} is too noisy or too rough to be sampled: next to each other its values "
                f"differ by {noise:.1g} of their size from any smooth function"
            )
        relative = max(ROUNDING, 6.0 * noise)
        parity = 0
        size = np.maximum(np.maximum(np.abs(right), np.abs(left)), typical)
        for candidate in (1, -1):
            if (np.abs(left - candidate * right) <= 4.0 * relative * size).all():
                parity = candidate
        if declared is not None and parity:
            declared = tuple(sorted({abs(kink) for kink in declared}))
        return cls(values, name, declared, parity if typical else 0, typical, relative)

    def fit(self, low: float, high: float) -> tuple[_Panel, bool]:
        """The polynomial on an interval, and whether it is the function there."""
        self.count += 1
        middle, half = (low + high) / 2.0, (high - low) / 2.0
        y = self.values(middle + half * np.concatenate([_T, CHECKS]))
        if not np.isfinite(y).all():
            return _Panel(low, high, np.zeros(1), math.inf, math.inf), False
        c = _TO_COEFFICIENTS @ y[:NODES]
        size = max(float(np.abs(y).max()), self.typical)
        allowed = self.relative * size
        miss = float(np.abs(_AT_CHECKS @ c - y[NODES:]).max())
        fine = bool(np.abs(c[DEGREE:]).max() <= allowed) and miss <= 8.0 * allowed
        if fine:
            kept = np.flatnonzero(np.abs(c[:DEGREE]) > allowed / 8.0)
            count = int(kept[-1]) + 1 if kept.size else 1
            c, rest = c[:count], c[count:]
            return _Panel(low, high, c, size, float(_SLOPES[count:] @ np.abs(rest))), True
        return _Panel(low, high, c, size, math.inf), False

    def cover(self, low: float, high: float, depth: int = DEPTH) -> list[_Panel]:
        panel, fine = self.fit(low, high)
        if fine:
            return [panel]
        if self.count > 40 * MAX_PANELS:
            raise self._too_much()
        middle = (low + high) / 2.0
        if not depth or not low < middle < high:
            raise _UnresolvedError(low, high)
        return [*self.cover(low, middle, depth - 1), *self.cover(middle, high, depth - 1)]

    def _too_much(self) -> InvalidInputError:
        return InvalidInputError(
            f"{self.name} needs more than {MAX_PANELS} panels for |z| <= {REACH:g}: it oscillates "
            "too fast, or has too many kinks; write it as a text or a sympy expression"
        )

    def locate(self, low: float, high: float) -> float:
        """The place of a kink or jump in an interval that is not resolved."""
        for _ in range(80):
            middle = (low + high) / 2.0
            least = 4.0 * max(np.spacing(abs(low)), np.spacing(abs(high)), 1e-300)
            if high - low <= least:
                break
            left, right = self.fit(low, middle)[1], self.fit(middle, high)[1]
            if left and right:
                break
            low, high = (low, middle) if not left else (middle, high)
        return self.refined((low + high) / 2.0, low, high)

    def refined(self, place: float, low: float, high: float) -> float:
        """Where the first derivative that jumps says that the kink is.

        Between `low` and `high` the values no longer tell; the polynomials on both sides do.
        """
        width = max(1e-4, 1e3 * (high - low))
        left, fine_left = self.fit(low - width, low)
        right, fine_right = self.fit(high, high + width)
        if not (fine_left and fine_right):
            return _simplest(low, high)
        noise = 4.0 * self.relative * max(left.size, right.size)
        previous = left.at(place) - right.at(place)
        slopes = abs(left.at(place, 1)) + abs(right.at(place, 1))
        if abs(previous) > 64.0 * noise + 100.0 * slopes * (high - low):
            return _simplest(low, high)  # a jump
        known = [4.0 * noise * (32.0 / width) ** order for order in range(5)]

        def jump(x: float, order: int) -> float:
            return left.at(x, order) - right.at(x, order)

        # The first derivative that jumps, from above: the lower ones have a multiple root there.
        for order in (4, 3, 2, 1):
            x = place
            for _ in range(6):
                step = jump(x, order)
                x -= jump(x, order - 1) / step if step else math.inf
                if abs(x - place) > 1e-2 * width:
                    break
            else:
                if all(abs(jump(x, lower)) <= known[lower] for lower in range(order)):
                    off = known[order - 1] / abs(jump(x, order)) + 2.0 * float(np.spacing(abs(x)))
                    return _simplest(x - off, x + off)
        return _simplest(low, high)

    def near(self, edges: Sequence[float]) -> list[_Panel]:
        """Panels between fixed edges, cut at the kinks that are met on the way."""
        panels: list[_Panel] = []
        pending = list(pairwise(edges))[::-1]
        found: list[float] = []
        while pending:
            low, high = pending.pop()
            try:
                panels += self.cover(low, high)
            except _UnresolvedError as error:
                if self.declared is not None:
                    raise InvalidInputError(
                        f"{self.name} is not smooth next to z = {error.low:.6g}, and no kink is "
                        "declared there; leave `kinks` out to have them found"
                    ) from None
                place = self.locate(error.low, error.high)
                known = (*found, low, high)
                again = any(abs(place - kink) <= CLOSEST * (1 + abs(kink)) for kink in known)
                if again or not low < place < high or len(found) >= MAX_KINKS:
                    raise InvalidInputError(
                        f"{self.name} cannot be resolved next to z = {place:.6g}: it varies on a "
                        "scale below 1/1000, or is singular in another way than by a kink or a "
                        "jump (a root, a logarithm, a pole); write it as a text or a sympy "
                        "expression"
                    ) from None
                found.append(place)
                pending += [(place, high), (low, place)]
            if len(panels) > MAX_PANELS:
                raise self._too_much()
        return panels

    def octaves(self, side: int) -> tuple[list[_Panel], bool]:
        """Panels further and further out, and whether the last polynomial holds everywhere."""
        panels: list[_Panel] = []
        ends = [REACH, *(64.0 * 2.0**octave for octave in range(OCTAVES))]
        for start, end in pairwise(ends):
            more = self.outside(side, start, end, OCTAVE_DEPTH)
            if more is None:  # not the whole octave then
                parts = np.linspace(start, end, 2**PARTS + 1).tolist()
                for low, high in pairwise(parts):
                    more = self.outside(side, low, high, OCTAVE_DEPTH - PARTS)
                    if more is None or len(panels) + len(more) > MAX_OUTER_PANELS:
                        return panels[::side], False
                    panels += more
            else:
                panels += more
            if len(panels) > MAX_OUTER_PANELS:
                return panels[::side], False
        panels = panels[::side]
        last = panels[-1 if side == 1 else 0]
        far = side * np.array(FAR)
        y = self.values(far)
        with np.errstate(all="ignore"):
            there = np.array([last.at(x) for x in far.tolist()])
            holds = np.abs(there - y) <= 1e-6 * (np.abs(y) + self.typical)
        return panels, bool(last.coefficients.size <= 4 and holds.all())

    def outside(self, side: int, low: float, high: float, depth: int) -> list[_Panel] | None:
        """Panels on one side, from the nearest on; None where they do not follow the function."""
        try:
            return self.cover(min(side * low, side * high), max(side * low, side * high), depth)[
                ::side
            ]
        except _UnresolvedError:
            return None

    def is_smooth_at(self, edge: float, width: float) -> bool:
        return any(self.fit(edge - h, edge + h)[1] for h in (width / 2.0, width / 8.0))

    def table(self) -> Table:
        edges = sorted({*EDGES, *(() if self.parity else (-edge for edge in EDGES))})
        if self.declared is not None:
            edges = sorted({*edges, *self.declared})
        panels = self.near([edge for edge in edges if abs(edge) <= REACH])
        kinks = [
            right.low
            for left, right in pairwise(panels)
            if self._is_kink(right.low, min(left.high - left.low, right.high - right.low))
        ]
        if self.parity and self._is_kink(0.0, panels[0].high):
            kinks.insert(0, 0.0)
        left_beyond = False
        if not self.parity:
            more, left_beyond = self.octaves(-1)
            panels = [*more, *panels]
        more, right_beyond = self.octaves(1)
        panels += more
        jumps = self._made_continuous(panels)
        kinks = sorted({*kinks, *jumps})
        errors = tuple(self._errors(panel) for panel in panels)
        return Table(
            self.parity,
            (left_beyond, right_beyond),
            tuple(kinks),
            (*(panel.low for panel in panels), panels[-1].high),
            tuple(tuple(panel.coefficients.tolist()) for panel in panels),
            errors,
        )

    def _is_kink(self, edge: float, width: float) -> bool:
        if self.declared is not None and edge in self.declared:
            return True
        if self.is_smooth_at(edge, width):
            return False
        if self.declared is not None:
            raise InvalidInputError(
                f"{self.name} is not smooth at z = {edge:.6g}, and no kink is declared there; "
                "leave `kinks` out to have them found"
            )
        return True

    def _made_continuous(self, panels: list[_Panel]) -> list[float]:
        """Shift the ends of panels by their rounding, so that they meet; what is left are jumps."""
        jumps = []
        for left, right in pairwise(panels):
            here, there = left.at(left.high), right.at(right.low)
            if abs(here - there) <= 64.0 * self.relative * max(left.size, right.size):
                _move(right, here - there)
            elif abs(right.low) < REACH:
                jumps.append(right.low)
        if self.parity == -1:
            first = panels[0]
            if abs(first.at(0.0)) <= 64.0 * self.relative * first.size:
                _move(first, -first.at(0.0))
            else:
                jumps.append(0.0)
        return jumps

    def _errors(self, panel: _Panel) -> tuple[float, float]:
        """Of value and slope. The values that were sampled have errors of their own as well."""
        half = (panel.high - panel.low) / 2.0
        t = np.concatenate([CHECKS, (_T[1:] + _T[:-1]) / 2.0])
        y = self.values((panel.low + panel.high) / 2.0 + half * t)
        miss = float(np.abs(chebyshev.chebval(t, panel.coefficients) - y).max())
        value = 2.0 * miss + max(self.relative / 4.0, 5e-16) * panel.size
        slope = 2.0 * (value * max(panel.coefficients.size - 1, 1) ** 2 + panel.lost) / half
        return float(f"{value:.2e}"), float(f"{slope:.2e}")


def _move(panel: _Panel, by: float) -> None:
    """Add a straight line that is `by` at the lower end and nothing at the upper one."""
    c = panel.coefficients
    panel.coefficients = np.concatenate([c, np.zeros(max(0, 2 - c.size))])
    panel.coefficients[:2] += by / 2.0, -by / 2.0
    if not panel.coefficients[1]:
        panel.coefficients = panel.coefficients[:1]


def _declared(kinks: Iterable[float]) -> tuple[float, ...]:
    found = tuple(sorted({float(kink) + 0.0 for kink in kinks}))
    if not all(math.isfinite(kink) and abs(kink) < REACH for kink in found):
        raise InvalidInputError(f"kinks must be numbers with |z| < {REACH:g}, got {list(kinks)!r}")
    return found


def _noise(values: Values) -> float:
    """How far neighbouring values are from a smooth function: the median over places."""
    places = np.array([-4.31, -2.17, -1.23, -0.61, 0.37, 0.83, 1.71, 2.93, 5.11])
    t = np.linspace(-1.0, 1.0, 16)
    y = values(places[:, None] + 5e-4 * t)
    basis = np.linalg.qr(chebyshev.chebvander(t, 5))[0]
    rest = y - (y @ basis) @ basis.T
    return float(np.median(np.abs(rest).max(axis=1)))


def _simplest(low: float, high: float) -> float:
    """A short decimal or a simple fraction between two numbers; else the one in the middle."""
    middle, width = (low + high) / 2.0, high - low
    for decimals in range(13):
        rounded = round(middle, decimals)
        if low <= rounded <= high and width * 10.0**decimals < CHANCE:
            return rounded + 0.0
    fraction = float(Fraction(middle).limit_denominator(SMALL_DENOMINATOR))
    by_chance = width * SMALL_DENOMINATOR**2 >= CHANCE
    return fraction if low <= fraction <= high and not by_chance else middle
