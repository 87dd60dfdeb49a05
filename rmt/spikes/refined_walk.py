"""A walk whose rules are refined one by one until what comes out of it is known to a tolerance.

The rules of a walk are for variables that have little to do with each other: what finer nodes of
the label noise change is nearly the same whether or not the own numbers have finer ones. So each
variable is refined beside one common, coarse walk, and the answer is that walk with the sum of the
changes: the cost of a product of rules becomes that of a sum. What this leaves out are changes of
changes, which are products of two of them; where these are not small, the common walk is refined.

The states are added up, kernels of the mean update and lengths, not the spikes: so singular vectors
and strengths belong together. Only the readout's rule, on which they live, is not: it is judged by
a coarser one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from rmt.arrays import Array
from rmt.budget import OutOfTime
from rmt.problem import Problem
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.state.samples import NEGLIGIBLE, Resolution
from rmt.spikes.state.walk import AfterStep, Sizes, segments, walk
from rmt.status import ConvergenceError, Status

__all__ = ["MAX_SPIKES", "RefinedWalk", "refined_walk", "spectrum"]


MAX_SPIKES = 12
TINY = 1e-300
START = {"target": 0.75, "noise": 0.7, "own": 0.75, "along": 0.75, "dropped": 0.8}
GROWTH = {"target": 1.35, "noise": 1.35, "own": 1.4, "along": 1.35, "dropped": 1.6}
READOUT_NODES, READOUT_SCALE = 14, 0.3  # Gauss rules in asinh(g / scale)
READOUT_GROWTH = 1.4
READOUT_COARSER = 0.75
DIGIT = 0.2  # finer at the start for each digit beyond 1e-4
MOST_LEVELS = 6  # of a variable beyond the common walk
MOST_ROUNDS = 5  # of common walks
LARGE = 0.05  # a change that ends a round
GAIN = 4.0  # by which a level is expected to lessen a change
FACTOR = 2.0  # what is left after a level, in units of its change, unless changes are seen to fall
LEAST_FACTOR, MOST_FACTOR = 0.5, 4.0
MIXED = 3.0  # times the product of two changes: a change of a change
OF_MIXED = 0.25  # of the tolerance
FLOOR = 4.0 * NEGLIGIBLE  # relative: what nodes that are dropped may be worth


@dataclass(frozen=True, slots=True, eq=False)
class RefinedWalk:
    """The states after all steps, and how well what they say is known.

    Attributes
    ----------
    g, w : array, shape (Q,)
        Rule of the readout.
    states : list of AfterStep
    strength_errors : array, shape (T, MAX_SPIKES)
        Absolute, of the strengths after each step; infinite where nothing is known.
    square_errors : array, shape (T, MAX_SPIKES, r)
        Of squared alignments.
    mean_square_errors : array, shape (T + 1, 2)
        Of the errors of training and test before each step and at the end.
    own_errors : array, shape (T, Q)
        Of the squared lengths of the rows' own parts.
    status : Status
    """

    g: Array
    w: Array
    states: list[AfterStep]
    strength_errors: Array
    square_errors: Array
    mean_square_errors: Array
    own_errors: Array
    status: Status


def spectrum(problem: Problem, w: Array, state: AfterStep) -> tuple[Array, Array, Array]:
    """Strengths (K,), alignments (K, r) and left functions (K, Q) of the mean update."""
    root = np.sqrt(w)
    values, vectors = np.linalg.eigh(problem.width * root[:, None] * state.kernel * root)
    order = np.argsort(values)[::-1][:MAX_SPIKES]
    theta = np.sqrt(np.maximum(values[order], TINY))
    left = vectors[:, order].T
    toward = math.sqrt(problem.width) * (left * root) @ state.toward / theta[:, None]
    return theta, np.clip(toward, -1.0, 1.0), left / root


def refined_walk(problem: Problem, rtol: float, to_the_end: bool) -> RefinedWalk:
    """Until strengths and squared alignments of outliers and the errors are known to ``rtol``.

    Strengths relative to the strongest, errors to that of the untrained network. Out of time, or
    of patience, what is known is returned with its status.

    Raises
    ------
    ConvergenceError
        When there is nothing to return, or what there is is not finite.
    """
    rules = _Rules(problem, rtol, to_the_end)
    best: RefinedWalk | None = None
    try:
        for _ in range(MOST_ROUNDS):
            for found, done in rules.round():
                if best is None or _worst(problem, found) <= _worst(problem, best) or done:
                    best = found
                if done:
                    return found
    except OutOfTime as end:
        if best is None:
            raise ConvergenceError(end.status.value, end.status) from end
        return _with_status(best, end.status)
    if best is None:
        raise ConvergenceError(Status.NOT_CONVERGED.value, Status.NOT_CONVERGED)
    return _with_status(best, Status.NOT_CONVERGED)


def _with_status(one: RefinedWalk, status: Status) -> RefinedWalk:
    parts = {part.name: getattr(one, part.name) for part in fields(one)}
    return RefinedWalk(**{**parts, "status": status})


class _Rules:
    """The rules of a problem's variables, as far as they have been refined."""

    def __init__(self, problem: Problem, rtol: float, to_the_end: bool) -> None:
        self._problem, self._rtol, self._to_the_end = problem, rtol, to_the_end
        digits = max(-math.log10(rtol) - 4.0, 0.0)
        self._start = {key: value * (1.0 + DIGIT * digits) for key, value in START.items()}
        self._level = dict.fromkeys(START, 0)
        remembered = to_the_end or len(segments(problem.schedule)) < len(problem.steps)
        if problem.noise_std == 0 or not remembered:
            del self._level["noise"]
        if len(problem.steps) == 1 and not to_the_end:
            del self._level["along"], self._level["dropped"]
        self._nodes = READOUT_NODES * (1.0 + DIGIT * digits)

    def _rule(self, factor: float = 1.0) -> tuple[Array, Array]:
        order = 2 * max(2, round(self._nodes * factor / 2.0))
        kinked = bool(self._problem.activation.kinks)
        return readout_rule(self._problem.readout, order, READOUT_SCALE, kinked)

    def _solve(self, level: dict[str, int], sizes: Sizes, factor: float = 1.0) -> list[AfterStep]:
        fine = {key: self._start[key] * GROWTH[key] ** level.get(key, 0) for key in self._start}
        g, w = self._rule(factor)
        with np.errstate(over="ignore", invalid="ignore"):
            found = list(walk(self._problem, g, w, Resolution(**fine), self._to_the_end, sizes))
        if not all(_finite(one) for one in found):
            raise ConvergenceError(Status.NOT_FINITE.value, Status.NOT_FINITE)
        return found

    def round(self) -> Iterator[tuple[RefinedWalk, bool]]:
        """One common walk and what is refined beside it; ends when the next must be finer."""
        sizes = Sizes()
        try:
            common = self._solve(self._level, sizes)
        except np.linalg.LinAlgError:
            self._level = {key: value + 1 for key, value in self._level.items()}
            return
        g, w = self._rule()
        sums = _Sums(self._problem, g, w, common)
        yield sums.outcome(self._rtol), False
        coarse = self._rule(READOUT_COARSER)
        if coarse[0].size < g.size:
            other = self._solve(self._level, sizes, READOUT_COARSER)
            off = sums.set_readout(_vector(self._problem, coarse[1], other))
            if off > self._rtol / 2.0:
                # What a rule of 4/3 of the nodes gains is seen; growing by 1.4 gains that and more.
                self._nodes *= READOUT_GROWTH if off < 100 * self._rtol else READOUT_GROWTH**2
                return
        waiting = dict.fromkeys(self._level, math.inf)
        levels = dict.fromkeys(self._level, 0)
        share = self._rtol / (1.0 + len(waiting))
        while waiting:
            key = max(waiting, key=lambda one: waiting[one])
            if waiting[key] <= share:
                break
            levels[key] += 1
            if levels[key] > MOST_LEVELS:
                return
            level = {**self._level, key: self._level[key] + levels[key]}
            try:
                waiting[key] = sums.add(key, self._solve(level, sizes))
            except np.linalg.LinAlgError:
                self._level = {one: value + 1 for one, value in self._level.items()}
                return
            if self._raise(sums.first, any(value == math.inf for value in waiting.values())):
                return
            if math.inf not in waiting.values():
                found = sums.outcome(self._rtol)
                yield found, found.status.ok

    def _raise(self, first: dict[str, float], early: bool) -> bool:
        """Refine the common walk if products of changes count."""
        if early and max(first.values()) < LARGE:
            return False
        allowed = OF_MIXED * self._rtol / MIXED
        pairs = max(1, len(first) * (len(first) - 1) // 2)
        if not early and _mixed(first) * MIXED <= OF_MIXED * self._rtol:
            return False
        least = math.sqrt(allowed / pairs)
        for key, change in first.items():
            if change > least:
                more = math.ceil(math.log(change / least) / math.log(GAIN))
                self._level[key] += min(more, 3)
        return True


def _mixed(first: dict[str, float]) -> float:
    return sum(a * b for a, b in itertools.combinations(first.values(), 2))


class _Sums:
    """A common walk, and the chains of what finer rules change."""

    def __init__(self, problem: Problem, g: Array, w: Array, common: list[AfterStep]) -> None:
        self._problem, self._g, self._w = problem, g, w
        self._last: dict[str, list[AfterStep]] = {}
        self._common = self._total = common
        self._vector = _vector(problem, w, common)
        self._off: dict[str, Array] = {}
        self._own_off: dict[str, Array] = {}
        self._factor: dict[str, float] = {}
        self.first: dict[str, float] = {}

    def set_readout(self, coarse: Array) -> float:
        """What a coarser rule of the readout would change: more than the rule's own error."""
        self._off["readout"] = np.nan_to_num(np.abs(coarse - self._vector), nan=0.0, posinf=1e300)
        self._factor["readout"] = 1.0
        return self._size(self._off["readout"])

    def add(self, key: str, finer: list[AfterStep]) -> float:
        """One level more of a variable; what is left of its error now."""
        before = self._last.get(key, self._common)
        total = [_plus(a, b, c) for a, b, c in zip(self._total, finer, before, strict=True)]
        changes = [np.abs(a.own - b.own) for a, b in zip(finer, before, strict=True)]
        self._own_off[key] = np.array(changes)
        vector = _vector(self._problem, self._w, total)
        off = np.nan_to_num(np.abs(vector - self._vector), nan=0.0, posinf=1e300)
        self._total, self._vector, self._last[key] = total, vector, finer
        size = self._size(off)
        factor = FACTOR
        if key in self._off:
            ratio = size / max(self._size(self._off[key]), TINY)
            factor = 2.0 * ratio / (1.0 - ratio) if ratio < 0.9 else MOST_FACTOR
            factor = min(max(factor, LEAST_FACTOR), MOST_FACTOR)
        else:
            self.first[key] = size
        self._off[key], self._factor[key] = off, factor
        return factor * size

    def _size(self, off: Array) -> float:
        return float((off / _unit(self._problem, self._vector, len(self._total))).max(initial=0.0))

    def outcome(self, rtol: float) -> RefinedWalk:
        """The sum of all, with the errors that the last changes tell."""
        unit = _unit(self._problem, self._vector, len(self._total))
        steps, r = len(self._total), self._problem.n_directions
        own = np.array([one.own for one in self._total])
        if not self.first:
            errors, own_errors = np.full(self._vector.shape, math.inf), own
        else:
            # Products of changes are known of those that count only.
            least = MIXED * _mixed(self.first) + FLOOR
            errors = least * _sizes(self._vector, steps, r)
            for key, off in self._off.items():
                errors = errors + self._factor[key] * off
            own_errors = least * own
            for key, off in self._own_off.items():
                own_errors = own_errors + self._factor[key] * off
        with np.errstate(invalid="ignore"):  # nothing is known yet of spikes that do not count
            worst = float((errors / unit).max(initial=0.0))
        strength_errors, mean_square_errors, square_errors = _parts(errors, steps, r)
        return RefinedWalk(
            self._g,
            self._w,
            self._total,
            strength_errors,
            np.minimum(square_errors, 1.0),
            mean_square_errors,
            own_errors,
            Status.CONVERGED if worst <= rtol else Status.NOT_CONVERGED,
        )


def _plus(total: AfterStep, finer: AfterStep, before: AfterStep) -> AfterStep:
    def pair(
        a: tuple[float, float] | None, b: tuple[float, float] | None, c: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        if a is None or b is None or c is None:
            return None
        return a[0] + b[0] - c[0], a[1] + b[1] - c[1]

    start = pair(total.before, finer.before, before.before)
    assert start is not None
    return AfterStep(
        kernel=total.kernel + finer.kernel - before.kernel,
        toward=total.toward + finer.toward - before.toward,
        own=np.maximum(total.own + finer.own - before.own, TINY),
        gradient=total.gradient + finer.gradient - before.gradient,
        before=start,
        after=pair(total.after, finer.after, before.after),
    )


def _finite(state: AfterStep) -> bool:
    numbers = [state.kernel, state.toward, state.own, state.gradient, np.array(state.before)]
    return all(np.isfinite(one).all() for one in numbers) and (
        state.after is None or bool(np.isfinite(state.after).all())
    )


def _vector(problem: Problem, w: Array, states: Sequence[AfterStep]) -> Array:
    """Strengths, mean squares, squared alignments after every step, one after the other."""
    r = problem.n_directions
    strengths = np.zeros((len(states), MAX_SPIKES))
    squares = np.zeros((len(states), MAX_SPIKES, r))
    for s, state in enumerate(states):
        theta, toward, _ = spectrum(problem, w, state)
        strengths[s, : theta.size], squares[s, : theta.size] = theta, toward**2
    errors = [*(one.before for one in states), states[-1].after or (math.nan, math.nan)]
    return np.concatenate([strengths.ravel(), np.ravel(errors), squares.ravel()])


def _parts(vector: Array, steps: int, r: int) -> tuple[Array, Array, Array]:
    """Inverse of `_vector`."""
    cuts = np.cumsum([steps * MAX_SPIKES, 2 * (steps + 1)])
    strengths, errors, squares = np.split(vector, cuts)
    return (
        strengths.reshape(steps, MAX_SPIKES),
        errors.reshape(steps + 1, 2),
        squares.reshape(steps, MAX_SPIKES, r),
    )


def _sizes(vector: Array, steps: int, r: int) -> Array:
    """What the numbers of `_vector` are compared with."""
    strengths, errors, squares = _parts(vector, steps, r)
    largest = np.broadcast_to(strengths[:, :1], strengths.shape)
    return np.concatenate(
        [
            largest.ravel(),
            np.full(errors.size, max(float(errors[0, 1]), TINY)),
            np.ones(squares.size),
        ]
    )


def _unit(problem: Problem, vector: Array, steps: int) -> Array:
    """The same, infinite for spikes that are no outliers."""
    r = problem.n_directions
    strengths, errors, _ = _parts(vector, steps, r)
    out = strengths > problem.aspect_ratio**0.25
    counted = np.concatenate(
        [out.ravel(), np.ones(errors.size, dtype=bool), np.repeat(out.ravel(), r)]
    )
    return np.where(counted, np.maximum(_sizes(vector, steps, r), TINY), np.inf)


def _worst(problem: Problem, one: RefinedWalk) -> float:
    vector = _vector(problem, one.w, one.states)
    parts = (one.strength_errors, one.mean_square_errors, one.square_errors)
    errors = np.concatenate([part.ravel() for part in parts])
    with np.errstate(invalid="ignore"):
        shares = np.nan_to_num(errors / _unit(problem, vector, len(one.states)), posinf=math.inf)
    return float(shares.max(initial=0.0))
