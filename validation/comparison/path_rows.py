"""The simulated means that a comparison along the path tests, adjusted to what is known exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from rmt.arrays import Array
from validation.comparison.rows import PredictedMean
from validation.comparison.verdict import Criteria
from validation.simulation.samples import standard_error

__all__ = ["FEWEST_ADJUSTED", "PathQuantity", "PathRow", "adjusted_mean", "plain_mean"]

PathQuantity: TypeAlias = Literal[
    "training error",
    "test error",
    "training loss",
    "test loss",
    "training misclassified",
    "test misclassified",
    "singular value",
    "squared overlap",
    "number of outliers",
]

# Fewer networks do not tell by how much a number follows its controls.
FEWEST_ADJUSTED = 8
_CONSTANT = 1e-20  # relative square of what a control varies by when it does not


@dataclass(frozen=True, slots=True)
class PathRow(PredictedMean):
    """One number that is predicted after a step, and its simulated mean.

    Attributes
    ----------
    step : int
        How many steps are done.
    quantity : {"training error", "test error", "singular value", "squared overlap", ..}
        An error or loss of the network's own output, of an outlier of the weights, or the number
        of these.
    spike, direction : int or None
        Rank of the outlier, from 0, and target direction, from 1.
    predicted, predicted_error : float
        The theory's number and its own error estimate.
    simulated, standard_error : float
        Mean over the networks and its standard error, both `adjusted_mean` where enough networks
        are there.
    n_samples : int
        How many networks, less the number of controls where the mean is adjusted: the spread has
        one degree of freedom less than this.
    weak : bool
        Of an outlier that is predicted near the bulk.
    margin : (float, float) or None
        Of an outlier so near that the bulk of a finite network may reach it: edge of the bulk and
        end of the margin. Its singular value is tested for lying between them.
    doubtful : int
        Of the number of outliers: how many are predicted so near to where counting begins that
        they may be counted or not.

    Examples
    --------
    >>> row = PathRow(2, "test error", None, None, 0.34, 0.0, 0.343, 0.001, n_samples=19)
    >>> row.label, str(row.verdict(Criteria(), n_tests=1))
    ('test error', 'within allowance')
    """

    step: int
    quantity: PathQuantity
    spike: int | None
    direction: int | None
    predicted: float
    predicted_error: float
    simulated: float
    standard_error: float
    n_samples: int
    weak: bool = False
    margin: tuple[float, float] | None = None
    doubtful: int = 0

    @property
    def in_margin(self) -> bool:
        """Whether the outlier is predicted within the margin of the bulk's edge."""
        return self.margin is not None

    @property
    def _stated(self) -> tuple[float, float]:
        if self.margin is not None and self.quantity == "singular value":
            return self.margin
        return self.predicted - self.predicted_error, self.predicted + self.predicted_error

    @property
    def label(self) -> str:
        """The quantity in words."""
        text: str = self.quantity
        if self.spike is not None:
            text += f" {self.spike}"
        return text if self.direction is None else f"{text} with e_{self.direction}"

    def allowance(self, criteria: Criteria) -> float:
        """Of overlaps and shares absolute; half an outlier and doubtful ones of their number."""
        if self.quantity == "number of outliers":
            return 0.5 + self.doubtful
        if self.quantity == "squared overlap":
            return criteria.path_overlap_allowance
        if self.quantity.endswith("misclassified"):
            return criteria.path_error_allowance
        if self.quantity != "singular value":
            return criteria.path_error_allowance * abs(self.predicted)
        share = criteria.path_weak_allowance if self.weak else criteria.path_allowance
        if self.margin is None:
            return share * abs(self.predicted)
        return share * self.margin[0 if self.excess < 0 else 1]

    def __str__(self) -> str:
        return f"after step {self.step}, {PredictedMean.__str__(self)}"


def plain_mean(values: Array) -> dict[str, Any]:
    """Simulated mean and standard error of a `PathRow`."""
    return {
        "simulated": float(values.mean()),
        "standard_error": float(standard_error(values)),
        "n_samples": values.size,
    }


def adjusted_mean(values: Array, controls: Array, known: Array) -> dict[str, Any]:
    r"""Simulated mean and standard error at the known means of controls, by regression on these.

    With ``x`` the controls of each network, ``m`` their exact means and ``b`` the coefficients of
    the least-squares fit of ``y`` on ``x``,

    .. math::
       \bar y + b\cdot(m - \bar x), \qquad
       s^2 \Big(\frac1n + (m - \bar x)^T S^{-1} (m - \bar x)\Big), \quad
       S = \sum_i (x_i - \bar x)(x_i - \bar x)^T,

    with ``s^2`` the mean square of the residuals on ``n - 1 - q`` degrees, ``q`` controls: what
    these explain of the noise is taken off, the limit stays what it is. A control that does not
    vary is left out; without enough networks it is the plain mean.

    Parameters
    ----------
    values : array (n,)
    controls : array (n, q)
    known : array (q,)

    Examples
    --------
    >>> x = np.linspace(0.9, 1.2, 10)
    >>> found = adjusted_mean(2 * x, np.stack([x, np.ones(10)], axis=1), np.ones(2))
    >>> round(found["simulated"], 9), found["standard_error"] < 1e-12, found["n_samples"]
    (2.0, True, 9)
    """
    spread = controls - controls.mean(axis=0)
    varies = np.square(spread).sum(axis=0) > _CONSTANT * np.square(known)
    n, q = values.size, int(varies.sum())
    if n < FEWEST_ADJUSTED or not q or not np.isfinite(controls).all():
        return plain_mean(values)
    spread = spread[:, varies]
    off = (known - controls.mean(axis=0))[varies]
    coefficients, *_ = np.linalg.lstsq(spread, values - values.mean())
    residuals = values - values.mean() - spread @ coefficients
    distance = float(np.square(np.linalg.lstsq(spread.T, off)[0]).sum())
    variance = float(residuals @ residuals) / (n - 1 - q) * (1 / n + distance)
    return {
        "simulated": float(values.mean() + coefficients @ off),
        "standard_error": float(np.sqrt(variance)),
        "n_samples": n - q,
    }
