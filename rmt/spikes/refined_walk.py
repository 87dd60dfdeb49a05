"""A walk whose rules are refined one by one until what comes out of it is known to a tolerance.

The rules of a walk are for variables that have little to do with each other: what finer nodes of
the label noise change is nearly the same whether or not the own numbers have finer ones. So each
variable is refined beside one common, coarse walk, and the answer is that walk with the sum of the
changes: the cost of a product of rules becomes that of a sum. What this leaves out are changes of
changes, which are products of two of them; where these are not small, the common walk is refined.

The states are added up, kernels of the mean update and lengths, not the spikes: so singular vectors
and strengths belong together. They live on the readout's rule, which is a variable like the others:
changes are found on a coarse one and brought to a finer one as polynomials, whose means of squares
both rules know exactly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spikes.readout_rule import interpolation, readout_rule
from rmt.spikes.residual_kinks import switches
from rmt.spikes.state.samples import NEGLIGIBLE, Resolution, known_directions
from rmt.spikes.state.walk import LINEAR, AfterStep, Sizes, segments, shrunk, walk
from rmt.status import ConvergenceError, Status

__all__ = ["MAX_SPIKES", "RefinedWalk", "refined_walk", "spectrum"]


MAX_SPIKES = 12
TINY = 1e-300
START = {"target": 0.65, "noise": 0.6, "own": 0.7, "along": 0.6, "dropped": 0.7, "output": 0.7}
GROWTH = {"target": 1.4, "noise": 1.4, "own": 1.4, "along": 1.7, "dropped": 3.0, "output": 1.4}
GROWTH["readout"] = 1.35
READOUT_NODES, READOUT_SCALE = 10, 0.3  # Gauss rules in asinh(g / scale)
DIGIT = 0.2  # finer at the start for each digit beyond 1e-4
ALONE = ("dropped",)  # not refined with the others: too costly for what it changes
MOST_LEVELS = 6  # of a variable beyond the common walk
MOST_ROUNDS = 5  # of common walks
LARGE = 0.05  # a change that ends a round
GAIN = 4.0  # by which a level is expected to lessen a change
FACTOR = 2.0  # what is left after a level, in units of its change, unless changes are seen to fall
LEAST_FACTOR, MOST_FACTOR = 2.0, 4.0
ACCIDENT = (
    0.25  # of the largest relative error, which no number falls below: changes vanish by chance
)
MIXED = 1.0  # times the product of two changes: a change of a change
UNSEEN = 10.0  # the same, as long as no walk has refined all variables at once
OF_MIXED = 0.3  # of the tolerance
TRUSTED = 0.2  # of the tolerance: no estimate is believed to be below
OF_LOSS = 0.1  # of the first mean square: no loss is taken to be of less than this size
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
        Of squared alignments; with an output of order one that with its direction comes last.
    error_errors : array, shape (T + 1, 4, 2)
        Of what `AfterStep.before` has, before each step and at the end.
    own_errors : array, shape (T, Q)
        Of the squared lengths of the rows' own parts.
    status : Status
    """

    g: Array
    w: Array
    states: list[AfterStep]
    strength_errors: Array
    square_errors: Array
    error_errors: Array
    own_errors: Array
    status: Status


def spectrum(problem: Problem, g: Array, w: Array, state: AfterStep) -> tuple[Array, Array, Array]:
    """Strengths (K,), alignments (K, r) and left functions (K, Q) of the mean update.

    With an output of order one, of what acts as a spiked population of the neurons (docs/losses.md,
    output of order one):

        K(g, g') = N <P(g), P(g')> + c sqrt(N) (P_omega(g) g' + g P_omega(g')),

    ``c`` what weight decay has left; the last alignment then is that with ``W_0^T a``.
    """
    root, size = np.sqrt(w), math.sqrt(problem.width)
    kernel, toward = problem.width * state.kernel, size * state.toward
    if not problem.starts_at_zero:
        cross = state.shrunk * np.multiply.outer(toward[:, -1], g)
        kernel = kernel + cross + cross.T
        toward = np.column_stack([toward[:, :-1], toward[:, -1] + state.shrunk * g])
    values, vectors = np.linalg.eigh(root[:, None] * kernel * root)
    order = np.argsort(values)[::-1][:MAX_SPIKES]
    theta = np.sqrt(np.maximum(values[order], TINY))
    left = vectors[:, order].T
    along = (left * root) @ toward / theta[:, None]
    if problem.starts_at_zero:
        along = np.clip(along, -1.0, 1.0)
    return theta, along, left / root


def refined_walk(problem: Problem, rtol: float, to_the_end: bool) -> RefinedWalk:
    """Until strengths and squared alignments of outliers and the errors are known to ``rtol``.

    Strengths relative to the strongest, errors to that of the untrained network. With
    ``to_the_end`` only the errors after the last step count, which have to have more rules than all
    that comes before. Out of time, or of patience, what is known is returned with its status.

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
    except ConvergenceError as end:
        if best is None:
            raise ConvergenceError(str(end), end.status) from end
        return replace(best, status=end.status)
    if best is None:
        raise ConvergenceError(Status.NOT_CONVERGED.value, Status.NOT_CONVERGED)
    return replace(best, status=Status.NOT_CONVERGED)


class _Rules:
    """The rules of a problem's variables, as far as they have been refined."""

    def __init__(self, problem: Problem, rtol: float, to_the_end: bool) -> None:
        self._problem, self._rtol, self._to_the_end = problem, rtol, to_the_end
        digits = max(-math.log10(rtol) - 4.0, 0.0)
        self._start = {key: value * (1.0 + DIGIT * digits) for key, value in START.items()}
        if switches(problem.loss) is not None:  # a cell may hold one kink of the residual, not two
            self._start["target"] *= 2.0
        self._level = dict.fromkeys(START, 0)
        remembered = to_the_end or len(segments(problem.schedule)) < len(problem.steps)
        if problem.noise_std == 0 or (not remembered and problem.loss.text in LINEAR):
            del self._level["noise"]
        if problem.starts_at_zero:
            del self._level["output"]
        if len(problem.steps) == 1 and not to_the_end:
            del self._level["along"], self._level["dropped"]
        self._digits = 1.0 + DIGIT * digits
        if self._rule(0)[0].size < self._rule(1)[0].size:
            self._level["readout"] = 0

    def _rule(self, level: int) -> tuple[Array, Array]:
        nodes = READOUT_NODES * self._digits * GROWTH["readout"] ** level
        kinked = bool(self._problem.activation.kinks)
        return readout_rule(
            self._problem.readout, 2 * max(2, round(nodes / 2.0)), READOUT_SCALE, kinked
        )

    def _solve(self, level: dict[str, int], sizes: Sizes) -> _Solved:
        fine = {key: self._start[key] * GROWTH[key] ** level.get(key, 0) for key in self._start}
        g, w = self._rule(level.get("readout", 0))
        with np.errstate(over="ignore", invalid="ignore"):
            found = list(walk(self._problem, g, w, Resolution(**fine), self._to_the_end, sizes))
        if not all(_finite(one) for one in found):
            raise ConvergenceError(Status.NOT_FINITE.value, Status.NOT_FINITE)
        return _Solved(g, w, found)

    def round(self) -> Iterator[tuple[RefinedWalk, bool]]:
        """One common walk and what is refined beside it; ends when the next must be finer."""
        try:
            yield from self._one_round()
        except np.linalg.LinAlgError:  # own parts without a law: rules that are too coarse
            self._level = {key: value + 1 for key, value in self._level.items()}

    def _one_round(self) -> Iterator[tuple[RefinedWalk, bool]]:
        sizes = Sizes()
        sums = _Sums(self._problem, self._solve(self._level, sizes), set(self._level))
        yield sums.outcome(self._rtol), False
        try:
            yield from self._refined(sums, sizes)
        except ConvergenceError as end:
            if end.status is not Status.NOT_CONVERGED:
                raise
            # A finer rule needs more nodes than there may be: what is known may be enough.
            found = sums.outcome(self._rtol, last=True)
            if not found.status.ok:
                raise
            yield found, True

    def _refined(self, sums: _Sums, sizes: Sizes) -> Iterator[tuple[RefinedWalk, bool]]:
        left = dict.fromkeys(self._level, math.inf)
        beyond = dict.fromkeys(self._level, 0)
        while max(left.values()) > self._rtol / (2.0 + len(left)):
            key = max(left, key=lambda one: left[one])
            beyond[key] += 1
            if beyond[key] > MOST_LEVELS:
                if self._level[key] > MOST_LEVELS or left[key] < FLOOR:  # more would not help
                    raise ConvergenceError(Status.NOT_CONVERGED.value, Status.NOT_CONVERGED)
                self._level[key] += MOST_LEVELS // 2  # the next common walk starts from there
                return
            level = {**self._level, key: self._level[key] + beyond[key]}
            left[key] = sums.add(key, self._solve(level, sizes))
            if key == "along" and beyond[key] < 2:
                # The nodes of a small direction are few whole numbers: one level may leave them.
                left[key] = max(left[key], self._rtol)
            early = math.inf in left.values()
            if self._raise(sums.first, early):
                return
            if not early:
                yield sums.outcome(self._rtol), False
        every = {key: value + (key not in ALONE) for key, value in self._level.items()}
        sums.add_joint(self._solve(every, sizes))
        found = sums.outcome(self._rtol)
        yield found, found.status.ok
        self._level = every

    def _raise(self, first: dict[str, float], early: bool) -> bool:
        """Refine the common walk if products of changes count."""
        if early and max(first.values()) < LARGE:
            return False
        if not early and _mixed(first) * MIXED <= OF_MIXED * self._rtol:
            return False
        least = math.sqrt(OF_MIXED * self._rtol / MIXED) / 2.0
        for key, change in first.items():
            if change > least:
                more = math.ceil(math.log(change / least) / math.log(GAIN))
                self._level[key] += min(more, 2)
        return True


def _mixed(first: dict[str, float]) -> float:
    return sum(a * b for a, b in itertools.combinations(first.values(), 2))


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """States on a rule of the readout."""

    g: Array
    w: Array
    states: list[AfterStep]


class _Sums:
    """A common walk, and the chains of what finer rules change."""

    def __init__(self, problem: Problem, common: _Solved, variables: set[str]) -> None:
        self._problem, self._coarse, self._variables = problem, common, variables
        self._last: dict[str, _Solved] = {}
        self._on = common  # the readout's finest rule so far
        self._changes = [_minus(one, one) for one in common.states]
        self._next = common  # the second of these rules
        self._rest = [_minus(one, one) for one in common.states]
        self._total, self._vector = self._summed()
        self._off: dict[str, Array] = {}
        self._own_off: dict[str, Array] = {}
        self._factor: dict[str, float] = {}
        self.first: dict[str, float] = {}
        self._joint = [_minus(one, one) for one in common.states]

    def _brought(self, g: Array, changes: Sequence[AfterStep], to: Array) -> list[AfterStep]:
        """From one rule of the readout to another, as polynomials."""
        if g.size == to.size:
            return list(changes)
        lift = self._lift(g, to)
        return [_lifted(lift, one) for one in changes]

    def _lift(self, g: Array, to: Array) -> Array:
        if g.size == to.size:
            return np.eye(g.size)
        old, new = np.arcsinh(g / READOUT_SCALE), np.arcsinh(to / READOUT_SCALE)
        return interpolation(old, new, bool(self._problem.activation.kinks))

    def _summed(self) -> tuple[list[AfterStep], Array]:
        g = self._on.g
        total = self._on.states
        for on, changes in ((self._coarse.g, self._changes), (self._next.g, self._rest)):
            total = [_plus(a, b) for a, b in zip(total, self._brought(on, changes, g), strict=True)]
        total = [replace(one, own=np.maximum(one.own, TINY)) for one in total]
        return total, _vector(self._problem, self._on.g, self._on.w, total)

    def add(self, key: str, finer: _Solved) -> float:
        """One level more of a variable; what is left of its error now."""
        before = self._last.get(key, self._coarse)
        self._last[key] = finer
        if key not in (*ALONE, "readout") and key not in self._off:
            pairs = zip(self._joint, finer.states, before.states, strict=True)
            self._joint = [_plus(one, _minus(b, c)) for one, b, c in pairs]
        if key == "readout":
            self._on = finer
            if key not in self._off:
                self._next = finer
                self._rest = [_minus(one, one) for one in finer.states]
        else:
            pairs = zip(self._changes, finer.states, before.states, strict=True)
            self._changes = [_plus(one, _minus(b, c)) for one, b, c in pairs]
        off = self._moved()
        if key != "readout":
            own = [np.abs(a.own - b.own) for a, b in zip(finer.states, before.states, strict=True)]
            self._own_off[key] = np.array(own)
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

    def add_joint(self, finer: _Solved) -> None:
        """All variables by a level at once: what that changes beside their own changes."""
        joint = self._brought(self._coarse.g, self._joint, self._next.g)
        rest = [_minus(a, b) for a, b in zip(finer.states, self._next.states, strict=True)]
        self._rest = [_minus(a, b) for a, b in zip(rest, joint, strict=True)]
        self._off["joint"], self._factor["joint"] = self._moved(), FACTOR

    def _moved(self) -> Array:
        old = self._vector
        self._total, self._vector = self._summed()
        return np.nan_to_num(np.abs(self._vector - old), nan=0.0, posinf=1e300)

    def _size(self, off: Array) -> float:
        return float((off / _unit(self._problem, self._vector, len(self._total))).max(initial=0.0))

    def outcome(self, rtol: float, last: bool = False) -> RefinedWalk:
        """The sum of all, with the errors that the last changes tell.

        Until products of changes have been looked at nothing has converged, but in the ``last``
        outcome, where they are taken to be ten times as large as they are likely to be.
        """
        unit = _unit(self._problem, self._vector, len(self._total))
        steps, r = len(self._total), known_directions(self._problem)
        if set(self.first) < self._variables:
            errors = np.full(self._vector.shape, math.inf)
        else:
            errors = np.zeros(self._vector.shape)
            for key, off in self._off.items():
                errors = errors + self._factor[key] * off
            if "joint" not in self._off:
                errors = errors + UNSEEN * _mixed(self.first) * _sizes(self._vector, steps, r)
            errors = errors + FLOOR * _sizes(self._vector, steps, r)
        with np.errstate(invalid="ignore"):  # of what does not count nothing may be known
            worst = float(np.where(unit < np.inf, errors / unit, 0.0).max(initial=0.0))
        least = max(ACCIDENT * worst, TRUSTED * rtol)
        errors = np.maximum(errors, least * _sizes(self._vector, steps, r))
        lift = self._lift(self._coarse.g, self._on.g)
        own_errors = FLOOR * np.array([one.own for one in self._total])
        for key, off in self._own_off.items():
            own_errors = own_errors + self._factor[key] * np.abs(off @ lift.T)
        if set(self.first) < self._variables:
            own_errors = np.array([one.own for one in self._total])
        strength_errors, error_errors, square_errors = _parts(errors, steps, r)
        return RefinedWalk(
            self._on.g,
            self._on.w,
            self._total,
            strength_errors,
            np.minimum(square_errors, 1.0),
            error_errors,
            own_errors,
            Status.CONVERGED
            if worst <= rtol and (last or "joint" in self._off)
            else Status.NOT_CONVERGED,
        )


def _minus(one: AfterStep, other: AfterStep) -> AfterStep:
    return _plus(one, other, -1.0)


def _plus(one: AfterStep, other: AfterStep, times: float = 1.0) -> AfterStep:
    """All numbers of one, and those of the other so many times."""
    return AfterStep(
        kernel=one.kernel + times * other.kernel,
        toward=one.toward + times * other.toward,
        own=one.own + times * other.own,
        gradient=one.gradient + times * other.gradient,
        before=one.before + times * other.before,
        after=None if one.after is None or other.after is None else one.after + times * other.after,
        shrunk=one.shrunk,
    )


def _lifted(matrix: Array, one: AfterStep) -> AfterStep:
    """On other nodes of the readout."""
    return replace(
        one,
        kernel=matrix @ one.kernel @ matrix.T,
        toward=matrix @ one.toward,
        own=matrix @ one.own,
        gradient=matrix @ one.gradient,
    )


def _finite(state: AfterStep) -> bool:
    numbers = [state.kernel, state.toward, state.own, state.gradient, state.before[:2]]
    numbers += [] if state.after is None else [state.after[:2]]
    return all(np.isfinite(one).all() for one in numbers)


def _vector(problem: Problem, g: Array, w: Array, states: Sequence[AfterStep]) -> Array:
    """Strengths, errors, squared alignments after every step, one after the other."""
    r = known_directions(problem)
    strengths = np.zeros((len(states), MAX_SPIKES))
    squares = np.zeros((len(states), MAX_SPIKES, r))
    for s, state in enumerate(states):
        theta, toward, _ = spectrum(problem, g, w, state)
        strengths[s, : theta.size], squares[s, : theta.size] = theta, toward**2
    at_the_end = states[-1].after
    last = np.full((4, 2), math.nan) if at_the_end is None else at_the_end
    errors = np.array([*(one.before for one in states), last])
    return np.concatenate([strengths.ravel(), errors.ravel(), squares.ravel()])


def _parts(vector: Array, steps: int, r: int) -> tuple[Array, Array, Array]:
    """Inverse of `_vector`."""
    cuts = np.cumsum([steps * MAX_SPIKES, 8 * (steps + 1)])
    strengths, errors, squares = np.split(vector, cuts)
    return (
        strengths.reshape(steps, MAX_SPIKES),
        errors.reshape(steps + 1, 4, 2),
        squares.reshape(steps, MAX_SPIKES, r),
    )


def _sizes(vector: Array, steps: int, r: int) -> Array:
    """What the numbers of `_vector` are compared with."""
    strengths, errors, squares = _parts(vector, steps, r)
    largest = np.broadcast_to(strengths[:, :1], strengths.shape)
    of_errors = np.ones(errors.shape)
    of_errors[:, 0] = max(float(errors[0, 0, 1]), TINY)
    # A loss may be zero on average.
    of_errors[:, 1] = np.nanmax(np.abs(errors[:, 1]), initial=OF_LOSS * float(of_errors[0, 0, 0]))
    # An alignment may exceed 1 where a spike is correlated with what it is added to.
    return np.concatenate([largest.ravel(), of_errors.ravel(), np.maximum(squares, 1.0).ravel()])


def _unit(problem: Problem, vector: Array, steps: int) -> Array:
    """The same, infinite for spikes that are no outliers."""
    r = known_directions(problem)
    strengths, errors, _ = _parts(vector, steps, r)
    left = np.array([[shrunk(problem, s + 1)] for s in range(steps)])
    out = strengths > left * problem.aspect_ratio**0.25
    means = np.isfinite(errors)
    means[:, 2:] = False
    if np.isfinite(errors[-1, 0]).all():  # which is then what the walk is for
        out[:], means[:-1] = False, False
    counted = np.concatenate([out.ravel(), means.ravel(), np.repeat(out.ravel(), r)])
    return np.where(counted, np.maximum(_sizes(vector, steps, r), TINY), np.inf)


def _worst(problem: Problem, one: RefinedWalk) -> float:
    vector = _vector(problem, one.g, one.w, one.states)
    parts = (one.strength_errors, one.error_errors, one.square_errors)
    errors = np.concatenate([part.ravel() for part in parts])
    unit = _unit(problem, vector, len(one.states))
    with np.errstate(invalid="ignore"):
        return float(np.where(unit < np.inf, errors / unit, 0.0).max(initial=0.0))
