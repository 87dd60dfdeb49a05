"""Which networks to simulate for their features, what to fit to these, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from itertools import product
from numbers import Integral, Real

import numpy as np

from rmt.arrays import Array
from rmt.display import Part, Shown, Table
from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.simulation.planned import PlanOf
from validation.simulation.samples import standard_error

__all__ = ["FeatureObservation", "FeaturePlan", "FeatureSamples"]

_MONOMIAL_DEGREE = 3


@dataclass(frozen=True, slots=True, eq=False)
class FeatureObservation:
    """What was seen in the features of one network.

    Attributes
    ----------
    singular_values : array (k,)
        Largest singular values of the features after the last step, at the largest ``m``.
    overlaps : array (k, n_monomials)
        Squared overlaps of the left singular vectors with the normalised samples of the monomials.
    test_error, training_error : array (n_stages, n_inputs, n_regularisations)
        Mean squares; the test error's share of label noise is the noise variance itself.
    """

    singular_values: Array
    overlaps: Array
    test_error: Array
    training_error: Array


@dataclass(frozen=True, slots=True)
class FeaturePlan(PlanOf[FeatureObservation, "FeatureSamples"]):
    """Which networks to simulate, and which regressions to fit on their features.

    Attributes
    ----------
    problem : Problem
    n_samples : int
        How many networks; their sample indices are ``0 .. n_samples - 1``.
    inputs : tuple of int
        Numbers ``m`` of fresh samples that a readout is fitted to; the smaller sets are the first
        rows of the largest.
    regularisations : tuple of float
        ``lambda``, positive.
    seed : int
    n_spikes : int
        Leading singular triplets of the features to observe, at the largest ``m``.
    n_test : int
        Inputs that the test error is measured on.
    dtype : {"float32", "float64"}
        Precision of the simulation and the features; regressions are solved in double precision.

    Raises
    ------
    InvalidInputError
        For numbers out of range, or another precision.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=30, samples=80, steps=[Step(2, 0.3)])
    >>> plan = FeaturePlan(problem, 3, inputs=(60, 120), regularisations=(1e-2,), n_spikes=2)
    >>> print(plan)
    3 networks with N = 40, d = 30, n = 80: features of m = 60, 120 inputs, lambda = 0.01, 2
    triplets, float32, seed 0
    >>> plan.monomials
    ((1,), (2,), (3,))
    """

    problem: Problem
    n_samples: int
    inputs: tuple[int, ...]
    regularisations: tuple[float, ...]
    seed: int = 0
    n_spikes: int = 5
    n_test: int = 10_000
    dtype: str = "float32"

    def __post_init__(self) -> None:
        self._check(n_samples=1, seed=0, n_spikes=1, n_test=2)
        inputs, regularisations = tuple(self.inputs), tuple(self.regularisations)
        if not inputs or not all(isinstance(m, Integral) and m > 0 for m in inputs):
            raise InvalidInputError(f"inputs must be positive integers, got {self.inputs!r}")
        positive = all(isinstance(x, Real) and 0 < x < math.inf for x in regularisations)
        if not regularisations or not positive:
            raise InvalidInputError(
                f"regularisations must be positive numbers, got {self.regularisations!r}"
            )
        self._set("inputs", tuple(map(int, inputs)))
        self._set("regularisations", tuple(map(float, regularisations)))
        # The features have no more at the largest number of inputs.
        self._set("n_spikes", min(self.n_spikes, self.problem.width, max(inputs)))

    @property
    def n_stages(self) -> int:
        """The untrained network, and one stage after each step."""
        return 1 + len(self.problem.steps)

    @property
    def monomials(self) -> tuple[tuple[int, ...], ...]:
        """The Hermite monomials of the target's directions that overlaps are taken with."""
        every = product(range(_MONOMIAL_DEGREE + 1), repeat=self.problem.n_directions)
        kept = [beta for beta in every if 0 < sum(beta) <= _MONOMIAL_DEGREE]
        return tuple(sorted(kept, key=lambda beta: (sum(beta), tuple(-b for b in beta))))

    def __str__(self) -> str:
        problem = self.problem
        return (
            f"{self.n_samples} networks with N = {problem.width}, d = {problem.dim}, "
            f"n = {', '.join(map(str, problem.samples))}: features of m = "
            f"{', '.join(map(str, self.inputs))} inputs, lambda = "
            f"{', '.join(f'{x:g}' for x in self.regularisations)}, {self.n_spikes} triplets, "
            f"{self.dtype}, seed {self.seed}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSamples(Shown):
    """Observations of several networks, the network first in every array.

    Attributes
    ----------
    plan : FeaturePlan
    singular_values : array (n, k)
    overlaps : array (n, k, n_monomials)
    test_error, training_error : array (n, n_stages, n_inputs, n_regularisations)

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import FeaturePlan, run_features
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> plan = FeaturePlan(problem, 3, inputs=(60, 120), regularisations=(1e-2,), n_spikes=2)
    >>> samples = run_features(plan)
    >>> samples.n_samples, samples.singular_values.shape, samples.test_error.shape
    (3, (3, 2), (3, 2, 2, 1))
    """

    plan: FeaturePlan
    singular_values: Array
    overlaps: Array
    test_error: Array
    training_error: Array

    @property
    def n_samples(self) -> int:
        """How many networks were observed."""
        return len(self.singular_values)

    @classmethod
    def collect(cls, plan: FeaturePlan, seen: Iterable[FeatureObservation]) -> FeatureSamples:
        """Put the observations of a plan's networks together, in the order given."""
        every = list(seen)
        names = (field.name for field in fields(FeatureObservation))
        return cls(plan, *(np.array([getattr(one, name) for one in every]) for name in names))

    def _parts(self) -> list[Part]:
        p, n = self.plan.problem, len(self.singular_values)
        test, error = self.test_error.mean(axis=0), standard_error(self.test_error)
        head = (
            f"features of {n} networks, N = {p.width}, d = {p.dim}, seed {self.plan.seed}: leading "
            f"singular values {', '.join(f'{s:.2f}' for s in self.singular_values.mean(axis=0))}"
        )
        rows = []
        for stage, i, j in np.ndindex(test.shape):
            at = [f"{stage}", f"{self.plan.inputs[i]}", f"{self.plan.regularisations[j]:.3g}"]
            rows.append([*at, f"{test[stage, i, j]:.5f} ({error[stage, i, j]:.5f})"])
        header = ["stage", "m", "lambda", "test error (standard error)"]
        return [head, Table("rrrl", header, rows)]
