"""Which networks to simulate for their features, and what to fit to these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from rmt.arguments import integer, precision
from rmt.display import InNotebooks
from rmt.problem import Problem
from rmt.status import InvalidInputError

__all__ = ["FeaturePlan"]

_MONOMIAL_DEGREE = 3


@dataclass(frozen=True, slots=True)
class FeaturePlan(InNotebooks):
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
        for name, least in (("n_samples", 1), ("seed", 0), ("n_spikes", 1), ("n_test", 2)):
            object.__setattr__(self, name, integer(name, getattr(self, name), least))
        inputs, regularisations = tuple(self.inputs), tuple(self.regularisations)
        if not inputs or not all(isinstance(m, Integral) and m > 0 for m in inputs):
            raise InvalidInputError(f"inputs must be positive integers, got {self.inputs!r}")
        positive = all(isinstance(x, Real) and 0 < x < math.inf for x in regularisations)
        if not regularisations or not positive:
            raise InvalidInputError(
                f"regularisations must be positive numbers, got {self.regularisations!r}"
            )
        object.__setattr__(self, "dtype", precision(self.dtype))
        object.__setattr__(self, "inputs", tuple(map(int, inputs)))
        object.__setattr__(self, "regularisations", tuple(map(float, regularisations)))
        # The features have no more at the largest number of inputs.
        object.__setattr__(self, "n_spikes", min(self.n_spikes, self.problem.width, max(inputs)))

    @property
    def indices(self) -> range:
        """The sample indices."""
        return range(self.n_samples)

    @property
    def parts(self) -> tuple[range, ...]:
        """The indices, in one range: all are observed alike."""
        return (self.indices,)

    @property
    def n_stages(self) -> int:
        """The untrained network, and one stage after each step."""
        return 1 + len(self.problem.steps)

    @property
    def monomials(self) -> tuple[tuple[int, ...], ...]:
        """The Hermite monomials of the target's directions that overlaps are taken with."""
        r = self.problem.n_directions
        every = np.stack(
            np.meshgrid(*[np.arange(_MONOMIAL_DEGREE + 1)] * r, indexing="ij"), axis=-1
        ).reshape(-1, r)
        kept = [tuple(int(b) for b in beta) for beta in every if 0 < sum(beta) <= _MONOMIAL_DEGREE]
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
