"""How well a prediction fits a weight matrix, coarsely: to tell mistakes from finite size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from rmt.arrays import Array
from rmt.moments.rules import gaussian_rule, tensor_rule
from rmt.prediction import Prediction
from rmt.problem import Problem
from rmt.spikes.constants import activation_moments, constants, output_moments
from validation.comparison.compare import PredictedOutliers
from validation.simulation.bulk import FEWEST_VALUES, bulk_edge
from validation.weights.readings import Reading

__all__ = [
    "Misfit",
    "Seen",
    "bulk_ratio",
    "fluctuation",
    "kept",
    "predicted_drift",
    "seen_of",
    "untrained_edge",
]


# What counts as an outlier here, relative to the bulk's edge: training widens the bulk, which the
# quicker levels of theory leave out.
_CLEAR = 1.4
# Standard deviations of one network that fit a prediction, and the least relative tolerance.
_FITTING, _LEAST = 3.0, 0.1
# A quarter of the variance of ``g^2``.
_READOUT_SCATTER = {"gaussian": 0.5, "rademacher": 0.0, "uniform": 0.2}
# Quadrature for the fourth moment of the labels, which is needed to a few percent.
_NODES_PER_UNIT = {1: 16.0, 2: 5.0}
_NOISE_NODES = 8  # of the label noise, and of an untrained output


@dataclass(frozen=True, slots=True)
class Misfit:
    """The worst of what was compared.

    Attributes
    ----------
    size : float
        In units of what one network of finite size may be off by, three of its standard deviations.
    text : str
        What differs, in words; empty where there was nothing to compare.
    """

    size: float
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What of a weight matrix stands clear of the bulk.

    Attributes
    ----------
    values : array (m,)
        Leading singular values.
    overlaps : array (m, r)
        Squared, with the target directions.
    floor : float
        Below it a singular value is not compared.
    drift : array (r,) or None
        ``g^T W u_j / sqrt(N)`` for each target direction ``u_j``: what of the readout the weights
        have taken up along the target, with its sign. None without a readout.
    initial_noise, gradient_noise : float
        Standard deviations of its entries: in untrained weights, and what the steps add to it.
    signs : bool
        Whether the signs of the directions are known.
    scatter : float
        About the relative standard deviation of one network's largest singular value.
    """

    values: Array
    overlaps: Array
    floor: float
    drift: Array | None
    initial_noise: float
    gradient_noise: float
    signs: bool
    scatter: float

    @property
    def tolerance(self) -> float:
        """Relative, of a singular value."""
        return max(_LEAST, _FITTING * self.scatter)

    def scaled(self, factor: float) -> Seen:
        """Of the weights times a number."""
        one = self.with_readout_times(factor)
        return replace(one, values=factor * self.values, floor=factor * self.floor)

    def with_readout_times(self, factor: float) -> Seen:
        """Of the same weights, with a multiple of the readout."""
        drift = None if self.drift is None else factor * self.drift
        return replace(self, drift=drift, initial_noise=factor * self.initial_noise)

    def misfit(self, prediction: Prediction) -> Misfit:
        """How far a prediction is from what is seen."""
        predicted = PredictedOutliers.of(prediction)
        values = np.maximum(predicted.singular_values, self.floor)
        n = max(values.size, int(np.count_nonzero(self.values > self.floor)))
        values = np.pad(values, (0, n - values.size), constant_values=self.floor)
        found = [Misfit(0.0, "")]
        for k in range(min(n, self.values.size)):
            distance = abs(math.log(max(float(self.values[k]), self.floor) / values[k]))
            # Where none is predicted, a widened bulk may reach beyond the floor.
            allowed = self.tolerance * (1 if values[k] > self.floor else 1.5)
            found.append(Misfit(distance / allowed, self._value(k, predicted)))
            if min(self.values[k], values[k]) > self.floor and self._apart(k, values):
                found += self._overlaps(k, predicted)
        return max([*found, *self._drifts(prediction)], key=lambda each: each.size)

    def _value(self, k: int, predicted: PredictedOutliers) -> str:
        known = k < predicted.singular_values.size
        place = f"{predicted.singular_values[k]:.3g}" if known else "in the bulk"
        return f"singular value {k} is {self.values[k]:.3g} instead of {place}"

    def _apart(self, k: int, values: Array) -> bool:
        """Neighbours within each other's fluctuations share their overlaps."""
        near = np.abs(np.log(np.delete(values, k) / values[k])) < 2 * self.tolerance
        return not near.any()

    def _overlaps(self, k: int, predicted: PredictedOutliers) -> list[Misfit]:
        allowed = max(_LEAST, self.tolerance / 1.5)
        return [
            Misfit(
                float(abs(seen - expected)) / allowed,
                f"the squared overlap of singular vector {k} with target direction {j} is "
                f"{seen:.2g} instead of {expected:.2g}",
            )
            for j, (seen, expected) in enumerate(
                zip(self.overlaps[k], predicted.overlaps[k], strict=True), start=1
            )
        ]

    def _drifts(self, prediction: Prediction) -> list[Misfit]:
        if self.drift is None:
            return []
        seen, expected = self.drift, predicted_drift(prediction)
        if not self.signs:
            seen, expected = np.abs(seen), np.abs(expected)
        scale = float(np.linalg.norm(expected))
        noise = math.hypot(self.initial_noise, self.gradient_noise)
        allowed = self.tolerance * scale + 2 * _FITTING * noise
        size = float(np.linalg.norm(seen - expected)) / allowed
        ratio = float(seen @ expected) / scale**2 if scale > 0 else math.nan
        return [Misfit(size, f"the update along the target is {ratio:.2g} times the predicted one")]

    def drift_factor(self, prediction: Prediction) -> tuple[float, float, float] | None:
        """The drift as a multiple of the predicted one, and the two noises of this number.

        None where nothing is known: without a readout, or without a drift predicted.
        """
        if self.drift is None:
            return None
        expected = predicted_drift(prediction)
        scale = float(np.linalg.norm(expected))
        if not scale > 0:
            return None
        factor = float(self.drift @ expected) / scale**2
        return factor, self.initial_noise / scale, self.gradient_noise / scale


def seen_of(reading: Reading) -> Seen:
    """Read off one matrix what `Seen` holds."""
    problem, given = reading.prediction.problem, reading.given
    untrained = problem.width / min(problem.width, problem.dim)
    ratio = bulk_ratio(reading, reading.n_outliers, untrained)
    edge = untrained_edge(problem) * max(kept(problem), ratio)
    # Large steps leave a bulk that no law predicts; many leading values were read off then.
    known = reading.values if reading.spectrum is None else reading.spectrum
    if known.size >= FEWEST_VALUES:
        edge = max(edge, bulk_edge(known).position)
    scatter, along = _noise_of_labels(problem)
    drift, initial = None, math.inf
    g = reading.readout
    if g is not None:
        drift = given.along(reading.matrix.T @ g.astype(reading.matrix.dtype), problem.n_directions)
        drift = drift / math.sqrt(problem.width)
        initial = math.sqrt(float(np.mean(g**2)) / problem.dim) * max(1.0, ratio)
    return Seen(
        values=reading.values,
        overlaps=reading.overlaps,
        floor=_CLEAR * edge,
        drift=drift,
        initial_noise=initial,
        gradient_noise=_gradient_noise(problem, along),
        signs=given.directions is None,
        scatter=scatter,
    )


def untrained_edge(problem: Problem) -> float:
    """Where the bulk of untrained weights ends: every row twice in an antisymmetric network."""
    pairs = 2.0 if problem.initialisation == "antisymmetric" else 1.0
    return math.sqrt(pairs) + math.sqrt(problem.aspect_ratio)


def kept(problem: Problem) -> float:
    """What weight decay leaves of the untrained weights."""
    return math.prod(step.kept(problem.width) for step in problem.steps)


def bulk_ratio(reading: Reading, left_out: int, mean_square: float) -> float:
    """Root mean square of the bulk of singular values over a predicted one.

    From the sum of squares, which needs no decomposition.

    Parameters
    ----------
    reading : Reading
        The matrix and what was read off it.
    left_out : int
        Outliers, which do not belong to the bulk.
    mean_square : float
        Of the predicted singular values.
    """
    matrix = reading.matrix
    size = min(matrix.shape)
    outliers = reading.values[: min(left_out, size - 1)]
    total = float(np.square(matrix, dtype=np.float64).sum() - np.sum(outliers**2))
    return math.sqrt(max(total, 0.0) / (size - outliers.size) / mean_square)


def predicted_drift(prediction: Prediction) -> Array:
    """``sum_k theta_k o_k E[g u_k(g)]``, shape (r,): `Seen.drift` of the mean update."""
    f = prediction.factors
    taken_up = f.left_functions @ (f.readout_weights * f.readout_nodes)
    drift: Array = (f.strengths * taken_up) @ f.alignments
    return drift


def _noise_of_labels(problem: Problem) -> tuple[float, float]:
    """What a network scatters by on account of its labels: ``scatter`` and ``along``.

    With the effective labels ``y``, residuals of the first step: ``scatter``: about the relative
    standard deviation of its largest singular value, from the rows, ``1/min(N, d)``, and from the
    means of the squared labels, a quarter of ``E[y^4] / (n E[y^2]^2)``, and of the squared readout
    where only its law is known. ``along``: ``(E[z_j^2 y^2] / n)^(1/2)``, the largest over ``j``.
    """
    z, weights, square, fourth = _label_moments(problem)
    n, size = min(problem.samples), min(problem.width, problem.dim)
    ratio = float(weights @ fourth) / float(weights @ square) ** 2
    law = problem.readout
    readout = _READOUT_SCATTER[law] / problem.width if isinstance(law, str) else 0.0
    along = float((z**2 @ (weights * square)).max())
    return math.sqrt(1 / size + ratio / (4 * n) + readout), math.sqrt(along / n)


def _label_moments(problem: Problem) -> tuple[Array, Array, Array, Array]:
    """Nodes of the indices (r, P), their weights, and ``E[y^2 | z]``, ``E[y^4 | z]`` at them.

    Of effective labels, coarsely: the untrained output of order one is averaged over as well.
    """
    c, r = constants(problem), problem.n_directions
    rule = tensor_rule([gaussian_rule(_NODES_PER_UNIT.get(r, 2.0), c.target_half_width)] * r)
    if problem.labels is not None:
        y, p = problem.labels.at(rule.nodes)
    else:
        f = np.asarray(problem.target(*rule.nodes), dtype=np.float64)
        noise, share = np.polynomial.hermite_e.hermegauss(_NOISE_NODES)
        noise, share = (noise, share) if problem.noise_std else (np.zeros(1), np.ones(1))
        y = f + problem.noise_std * noise[:, None]
        p = np.broadcast_to((share / share.sum())[:, None], y.shape)
    h, q = np.zeros(1), np.ones(1)
    if not problem.starts_at_zero:
        mu0, mu1, rest = output_moments(problem.activation)
        h, q = np.polynomial.hermite_e.hermegauss(_NOISE_NODES)
        h = float(problem.output_scale or 0.0) * (
            mu0 * problem.sum_of_readout + math.hypot(mu1, rest) * h
        )
    square, fourth = np.zeros(rule.weights.size), np.zeros(rule.weights.size)
    for output, share_of_it in zip(h.tolist(), q / q.sum(), strict=True):
        y1 = problem.loss.residual(np.full_like(y, output), y)
        square += share_of_it * np.sum(p * y1**2, axis=0)
        fourth += share_of_it * np.sum(p * y1**4, axis=0)
    return rule.nodes, rule.weights, square, fourth


def _gradient_noise(problem: Problem, along: float) -> float:
    """Of the drift: ``eta mu_1`` times what the mean of ``z y`` over a batch scatters by."""
    slope = constants(problem).rms_slope
    return slope * along * math.hypot(*problem.learning_rates)


def fluctuation(problem: Problem) -> float:
    """``sum_s eta_s^2 phi_s E[y^2] Var[sigma'] / N``: about what gradients add to the bulk.

    Of its mean square, relative to what the steps leave of untrained weights; the output of the
    network in the later steps counts as zero.
    """
    _, weights, square, _ = _label_moments(problem)
    variance = activation_moments(problem.activation).slope_variance * float(weights @ square)
    rates = zip(problem.learning_rates, problem.sample_ratios, strict=True)
    added = sum(eta**2 * phi * variance for eta, phi in rates) / problem.width
    return added / kept(problem) ** 2
