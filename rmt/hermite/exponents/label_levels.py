"""Generic values of the label, and their preimages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.evaluation.program import Program
from rmt.hermite.exponents.conditional_moment import DIGITS, SMALLEST_BOUND, Moment, newton
from rmt.hermite.exponents.monotone_branches import Branch
from rmt.lazy import mpmath
from rmt.moments.hermite_values import hermite_value

__all__ = ["Level", "levels_of"]

# Preimages that weigh less than this beside the others of the same value are left out.
NEGLIGIBLE = 1e-60

# Values y are taken where f reaches them at |z| <= FARTHEST, so that preimages beyond
# SEARCH_RADIUS weigh nothing beside the one that is nearest to 0.
FARTHEST = 25.0
TYPICAL = 3.0
FRACTIONS_OF_BRANCH = (0.2137, 0.4137, 0.7719)
FRACTIONS_OF_INTERVAL = (0.3713, 0.7129)
MAX_LEVELS = 48


@dataclass(frozen=True, slots=True)
class _Preimage:
    """A solution z of f(z) = y in double precision."""

    program: Program
    z: float
    slope: float
    residual: float  # f(z) - y

    @property
    def is_regular(self) -> bool:
        """Whether it has a slope, and bisection did not stop short of it (beside a pole)."""
        reach = abs(self.slope * self.z)
        return math.isfinite(self.slope) and self.slope != 0 and abs(self.residual) <= 1e-3 * reach


class Level:
    """A value of the function, attained at regular points only."""

    def __init__(self, y: float, preimages: list[_Preimage], max_order: int) -> None:
        self.y = y
        z = np.array([preimage.z for preimage in preimages])
        log_weights = -(z**2) / 2 - np.log([abs(preimage.slope) for preimage in preimages])
        log_weights -= log_weights.max()
        # A Hermite polynomial of that order can make up for some of a weight.
        sizes = log_weights + max_order * np.log1p(np.abs(z))
        kept = np.flatnonzero(sizes >= math.log(NEGLIGIBLE))
        self.points = z[kept]
        self.weights = np.exp(log_weights[kept])
        self.programs = [preimages[i].program for i in kept]

    @property
    def weight(self) -> float:
        """How much the value matters."""
        return float(np.exp(-np.min(self.points**2) / 2) / math.sqrt(2 * math.pi))

    def rough(self, order: int) -> float:
        """The size of the normalised conditional moment, in double precision."""
        mean = np.average(hermite_value(order, self.points), weights=self.weights)
        return float(abs(mean)) / math.sqrt(math.factorial(order))

    @cached_property
    def refined(self) -> list[tuple[Any, Any]]:
        """The preimages and their weights in high precision; empty where that fails."""
        result = []
        with mpmath.workdps(DIGITS):
            for program, start in zip(self.programs, self.points.tolist(), strict=True):
                solution = newton(program, start, self.y)
                if solution is None:
                    return []
                z, slope = solution
                result.append((z, mpmath.exp(-(z**2) / 2) / abs(slope)))
        return result

    def moment(self, order: int) -> Moment | None:
        """The conditional moment in high precision; None where that fails."""
        if not self.refined:
            return None
        with mpmath.workdps(DIGITS):
            terms = [weight * hermite_value(order, z) for z, weight in self.refined]
            total, size = mpmath.fsum(terms), mpmath.fsum(map(abs, terms))
            norm = mpmath.fsum(w for _, w in self.refined) * mpmath.sqrt(mpmath.factorial(order))
            relative = float(abs(total) / size) if size else 0.0
            return Moment(float(total / norm), relative, SMALLEST_BOUND)


def levels_of(branches: list[Branch], flat_values: list[float], max_order: int) -> list[Level]:
    """Values of the function that are attained at regular points only, with their preimages."""
    values = _candidate_values(branches, flat_values)
    preimages: list[list[_Preimage]] = [[] for _ in values]
    for program in dict.fromkeys(branch.program for branch in branches):
        jobs = [
            (i, branch, y)
            for branch in branches
            if branch.program is program
            for i, y in enumerate(values)
            if min(branch.at_lower, branch.at_upper) < y < max(branch.at_lower, branch.at_upper)
        ]
        if not jobs:
            continue
        roots = _bisect(
            program,
            np.array([branch.lower for _, branch, _ in jobs]),
            np.array([branch.upper for _, branch, _ in jobs]),
            np.array([branch.at_upper > branch.at_lower for _, branch, _ in jobs]),
            np.array([y for _, _, y in jobs]),
        )
        at_roots, slopes = program(roots)
        for (i, _, y), z, value, slope in zip(jobs, roots, at_roots, slopes, strict=True):
            preimages[i].append(_Preimage(program, float(z), float(slope), float(value - y)))
    return [
        Level(y, found, max_order)
        for y, found in zip(values, preimages, strict=True)
        if found
        and all(preimage.is_regular for preimage in found)
        and min(abs(preimage.z) for preimage in found) <= FARTHEST
    ]


def _candidate_values(branches: list[Branch], flat_values: list[float]) -> list[float]:
    """Generic values in every interval between consecutive values at extrema and kinks."""
    samples = sorted(sample for branch in branches for sample in _samples(branch))
    size = float(np.median([abs(y) for _, y in samples])) if samples else 0.0

    def apart(a: float, b: float) -> bool:
        return abs(a - b) > 1e-9 * size + 1e-9 * max(abs(a), abs(b))

    at_ends = {value for b in branches for value in (b.at_lower, b.at_upper)}
    edges: list[float] = []
    for value in sorted(v for v in {*at_ends, *flat_values} if math.isfinite(v)):
        if not edges or apart(edges[-1], value):
            edges.append(value)
    few = len(edges) <= 4
    ranked: list[tuple[float, float]] = []
    for low, high in pairwise(edges):
        kept: list[tuple[float, float]] = []
        for distance, y in samples:
            others = [low, high, *(other for _, other in kept)]
            if low < y < high and all(apart(y, other) for other in others):
                kept.append((distance, y))
            if len(kept) == (3 if few else 1):
                break
        nearest = kept[0][0] if kept else math.inf
        fractions = FRACTIONS_OF_INTERVAL if few else FRACTIONS_OF_INTERVAL[:1]
        ranked += [*kept, *((nearest, low * (1 - t) + high * t) for t in fractions)]
    return [y for _, y in sorted(ranked)[:MAX_LEVELS]]


def _samples(branch: Branch) -> list[tuple[float, float]]:
    """Some points of a branch, where the density is not small if it gets there: (|z|, f(z))."""
    low, high = max(branch.lower, -TYPICAL), min(branch.upper, TYPICAL)
    if low >= high:
        # A branch in the tail matters where it is nearest to 0.
        low, high = (
            (branch.lower, min(branch.upper, branch.lower + 1))
            if branch.lower > 0
            else (max(branch.lower, branch.upper - 1), branch.upper)
        )
    points = low + np.array(FRACTIONS_OF_BRANCH) * (high - low)
    values = branch.program(points)[0]
    return [
        (abs(z), y)
        for z, y in zip(points.tolist(), values.tolist(), strict=True)
        if math.isfinite(y)
    ]


def _bisect(program: Program, low: Any, high: Any, rising: Any, y: Any) -> Array:
    """Solutions of f(z) = y on monotone branches, to neighbouring doubles."""
    for _ in range(64):
        middle = (low + high) / 2
        is_left = (program(middle)[0] < y) == rising
        low, high = np.where(is_left, middle, low), np.where(is_left, high, middle)
    return np.asarray((low + high) / 2)
