"""Which networks to simulate, and what to observe in each."""

from __future__ import annotations

from dataclasses import dataclass

from rmt.problem import Problem
from validation.simulation.observe import Observation
from validation.simulation.planned import PlanOf
from validation.simulation.samples import Samples
from validation.words import sizes

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan(PlanOf[Observation, Samples]):
    """A number of networks of one problem, and what to keep of each.

    Attributes
    ----------
    problem : Problem
        What to simulate.
    n_samples : int
        How many networks; their sample indices are ``0 .. n_samples - 1``.
    seed : int
        Not negative.
    n_outliers : int
        Leading singular triplets to observe in each; cut to ``min(N, d)``.
    n_spectra : int
        Of how many samples, from the first on, to keep all singular values; cut to ``n_samples``.
    dtype : {"float64", "float32"}
        Precision of the simulation.

    Raises
    ------
    InvalidInputError
        For counts out of range, or another precision.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> print(Plan(problem, n_samples=12, n_outliers=3))
    12 networks with N = 40, d = 40, n = 80: 3 triplets of each, float64, seed 0
    """

    problem: Problem
    n_samples: int
    seed: int = 0
    n_outliers: int = 4
    n_spectra: int = 0
    dtype: str = "float64"

    def __post_init__(self) -> None:
        self._check(n_samples=1, seed=0, n_outliers=1, n_spectra=0)
        self._set("n_outliers", min(self.n_outliers, self.problem.width, self.problem.dim))
        self._set("n_spectra", min(self.n_spectra, self.n_samples))

    @property
    def parts(self) -> tuple[range, ...]:
        """The indices, those with spectra and those without."""
        every = range(self.n_spectra), range(self.n_spectra, self.n_samples)
        return tuple(part for part in every if part)

    def keeps_spectrum(self, index: int) -> bool:
        """Whether all singular values of this sample are kept."""
        return index < self.n_spectra

    @property
    def observes_initial_output(self) -> bool:
        """Whether overlaps with ``W_0^T a`` are kept: where outputs are of order one at once."""
        return not self.problem.starts_at_zero

    def __str__(self) -> str:
        problem = self.problem
        spectra = f", {self.n_spectra} whole spectra" if self.n_spectra else ""
        return (
            f"{self.n_samples} networks with {sizes(problem)}: {self.n_outliers} triplets of each"
            f"{spectra}, {self.dtype}, seed {self.seed}"
        )
