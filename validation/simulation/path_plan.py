"""Which networks to follow through their training, and what is seen of them after every step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rmt.arrays import Array, Integers
from rmt.display import Part, Shown, Table
from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.simulation.planned import PlanOf
from validation.simulation.samples import stacked, standard_error
from validation.words import sizes

__all__ = ["PathObservation", "PathPlan", "PathSamples", "n_batches"]

# What was not observed from the start, of problems that there were not from the start.
_LATER = ("batch_loss", "test_loss", "batch_misclassified", "test_misclassified")


def n_batches(problem: Problem) -> int:
    """How many batches the schedule has.

    Examples
    --------
    >>> n_batches(Problem("tanh(z)", "z", 40, 40, 80, [(2, 0.3)] * 3, batch=(0, 0, 1)))
    2
    """
    return max(problem.schedule) + 1


@dataclass(frozen=True, slots=True, eq=False)
class PathObservation:
    """What was seen of one network before its first step and after each of its ``T``.

    Attributes
    ----------
    singular_values : array (T, k)
        The ``k`` largest of ``W_1, .., W_T``, in decreasing order.
    target_overlaps : array (T, k, r)
        Squared overlap of the right singular vector of each with each target direction.
    batch_errors : array (T + 1, B)
        ``mean_j (y_j - h(x_j))^2`` of the network's own output over the samples of each batch of
        the schedule, all of them: in use, used up, or not used yet.
    test_error : array (T + 1,)
        The same over ``n_test`` fresh samples; the share of label noise is its variance itself.
    label_squares : array (B + 1,)
        ``mean_j y_j^2`` over each batch, and over the fresh samples: their limit is known exactly,
        so they tell by how much chance has moved the errors.
    residual : float
        Largest relative residual of any triplet (see `Observation`).
    batch_loss, test_loss : array (T + 1, B), (T + 1,), or None
        Mean of the loss ``l(h, y)`` over each batch, and over the fresh samples; None for the
        squared loss of labels without a law of their own, where they are half the errors.
    batch_misclassified, test_misclassified : array (T + 1, B), (T + 1,), or None
        Share of labels with ``sign(h) != y``; nan where labels are not +1 and -1, and where the
        untrained output is exactly zero.
    """

    singular_values: Array
    target_overlaps: Array
    batch_errors: Array
    test_error: Array
    label_squares: Array
    residual: float
    batch_loss: Array | None = None
    test_loss: Array | None = None
    batch_misclassified: Array | None = None
    test_misclassified: Array | None = None


@dataclass(frozen=True, slots=True)
class PathPlan(PlanOf[PathObservation, "PathSamples"]):
    """A number of networks of one problem, each observed after every step.

    The networks are those of a `Plan` of the same problem, seed and precision: what is observed on
    the way takes no random numbers from them.

    Attributes
    ----------
    problem : Problem
        Of any number of steps, on any schedule of batches.
    n_samples : int
        How many networks; their sample indices are ``0 .. n_samples - 1``.
    seed : int
        Not negative.
    n_outliers : int
        Leading singular triplets to observe after each step; cut to ``min(N, d)``.
    n_test : int
        Fresh samples that the test error is measured on, the same after every step.
    dtype : {"float64", "float32"}
        Precision of the simulation.

    Raises
    ------
    InvalidInputError
        For counts out of range, or another precision.

    Examples
    --------
    >>> problem = Problem("tanh(z)", "z", 40, 40, 80, [(2, 0.3)] * 3, batch=(0, 0, 1))
    >>> print(PathPlan(problem, n_samples=12, n_outliers=3))
    12 networks with N = 40, d = 40, n = 80: errors and 3 triplets after each of 3 steps (AAB
    batches), 4000 test samples, float64, seed 0
    """

    problem: Problem
    n_samples: int
    seed: int = 0
    n_outliers: int = 4
    n_test: int = 4000
    dtype: str = "float64"

    def __post_init__(self) -> None:
        self._check(n_samples=1, seed=0, n_outliers=1, n_test=2)
        self._set("n_outliers", min(self.n_outliers, self.problem.width, self.problem.dim))

    @property
    def observes_loss(self) -> bool:
        """Whether the loss itself is kept: where it is not squared, or labels have a law."""
        return self.problem.loss.text != "squared" or self.problem.labels is not None

    def __str__(self) -> str:
        problem = self.problem
        steps = "1 step" if len(problem.steps) == 1 else f"each of {len(problem.steps)} steps"
        kind = "batch" if isinstance(problem.batch, str) else "batches"
        seen = "errors, losses" if self.observes_loss else "errors"
        return (
            f"{self.n_samples} networks with {sizes(problem)}: {seen} and {self.n_outliers} "
            f"triplets after {steps} ({problem.batch_text} {kind}), {self.n_test} test samples, "
            f"{self.dtype}, seed {self.seed}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class PathSamples(Shown):
    """Observations of several networks along their training, the network first in every array.

    Attributes
    ----------
    problem : Problem
    seed : int
    singular_values : array (n, T, k)
    target_overlaps : array (n, T, k, r)
    batch_errors : array (n, T + 1, B)
    test_error : array (n, T + 1)
    label_squares : array (n, B + 1)
        Of each batch, and of the test samples at the end.
    residual : float
        Largest relative residual of any triplet.
    indices : array of int (n,)
        Which samples of the seed they are, by default the first ``n``.
    batch_loss, batch_misclassified : array (n, T + 1, B), or None
    test_loss, test_misclassified : array (n, T + 1), or None
        See `PathObservation`.

    Examples
    --------
    >>> from validation import PathPlan, run_paths
    >>> problem = Problem("tanh(z)", "z", 40, 40, 80, [(2, 0.3)] * 3, batch=(0, 0, 1))
    >>> samples = run_paths(PathPlan(problem, 3, n_outliers=2, n_test=100))
    >>> samples.singular_values.shape, samples.batch_errors.shape, samples.training_error.shape
    ((3, 3, 2), (3, 4, 2), (3, 4))
    """

    problem: Problem
    seed: int
    singular_values: Array
    target_overlaps: Array
    batch_errors: Array
    test_error: Array
    label_squares: Array
    residual: float
    indices: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    batch_loss: Array | None = None
    test_loss: Array | None = None
    batch_misclassified: Array | None = None
    test_misclassified: Array | None = None

    def __post_init__(self) -> None:
        if not len(self.indices):
            object.__setattr__(self, "indices", np.arange(self.n_samples))

    @classmethod
    def collect(
        cls, plan: PathPlan, observations: Sequence[PathObservation], indices: Sequence[int] = ()
    ) -> PathSamples:
        """Put the observations of a plan's networks together, in the order given.

        Raises
        ------
        InvalidInputError
            Without any.
        """
        if not observations:
            raise InvalidInputError("observations must hold at least one, got none")
        seen = list(observations)
        return cls(
            plan.problem,
            plan.seed,
            np.array([one.singular_values for one in seen]),
            np.array([one.target_overlaps for one in seen]),
            np.array([one.batch_errors for one in seen]),
            np.array([one.test_error for one in seen]),
            np.array([one.label_squares for one in seen]),
            max(one.residual for one in seen),
            np.array(list(indices), dtype=np.int64),
            *(stacked([getattr(one, name) for one in seen]) for name in _LATER),
        )

    @property
    def n_samples(self) -> int:
        """How many networks were observed."""
        return len(self.singular_values)

    @property
    def n_observed(self) -> int:
        """Triplets observed after each step."""
        return int(self.singular_values.shape[2])

    @property
    def training_batches(self) -> tuple[int, ...]:
        """The batch that the training error is of at each of the ``T + 1`` points.

        That of the step that comes next; at the end that of the last step.
        """
        schedule = self.problem.schedule
        return (*schedule, schedule[-1])

    @property
    def training_error(self) -> Array:
        """Of `training_batches`, shape (n, T + 1)."""
        return self._in_training(self.batch_errors)

    @property
    def training_loss(self) -> Array | None:
        """The loss on `training_batches`, shape (n, T + 1)."""
        return None if self.batch_loss is None else self._in_training(self.batch_loss)

    @property
    def training_misclassified(self) -> Array | None:
        """The share of misclassified samples of `training_batches`, shape (n, T + 1)."""
        wrong = self.batch_misclassified
        return None if wrong is None else self._in_training(wrong)

    def _in_training(self, values: Array) -> Array:
        return values[:, range(self.test_error.shape[1]), self.training_batches]

    def _parts(self) -> list[Part]:
        head = (
            f"{self.n_samples} samples, seed {self.seed}, {self.problem.batch_text}; standard "
            "errors in brackets"
        )

        def told(values: Array) -> list[str]:
            means, errors = values.mean(axis=0), standard_error(values)
            return [f"{mean:.4f} ({error:.4f})" for mean, error in zip(means, errors, strict=True)]

        outliers = ["", *(", ".join(told(s)[:2]) for s in np.moveaxis(self.singular_values, 1, 0))]
        columns: dict[str, list[str]] = {"step": [f"{s}" for s in range(len(outliers))]}
        for name in ("error", "loss", "misclassified"):
            for kind in ("training", "test"):
                values = getattr(self, f"{kind}_{name}")
                if values is not None and not np.isnan(values).all():
                    columns[f"{kind} {name}"] = told(values)
        columns["leading singular values"] = outliers
        rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
        return [head, Table("r" + "l" * (len(columns) - 1), list(columns), rows)]
