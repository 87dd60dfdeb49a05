"""What is odd about a user's weights, in plain words: wrong scale, transposed, another readout."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.stats import chi2

from validation.comparison.compare import PredictedOutliers
from validation.weights.given import GivenWeights
from validation.weights.readings import Reading

__all__ = ["odd_weights"]

# Relative difference of the bulk's root mean square at which the weights have another scale, and
# within which a scale is recognised.
_OFF, _RECOGNISED = 0.15, 0.1
# A squared overlap that says on which side a vector is: large, and many times that of the other.
_LARGE, _TIMES = 0.15, 10.0
# Squared overlap of the left vector with the readout: of a neuron by neuron match, and of none.
_MATCHED, _UNMATCHED = 0.4, 0.1
# Relative difference within which an outlier is where it was predicted, and the chance that
# overlaps with unrelated directions are as large as what is called like chance.
_NEAR, _CHANCE = 0.1, 1e-3


def odd_weights(given: GivenWeights, readings: Sequence[Reading]) -> tuple[str, ...]:
    """Sentences on the weights, then those on the prediction for the first readout.

    Parameters
    ----------
    given : GivenWeights
    readings : sequence of Reading
        Of every matrix, in order.
    """
    notes: list[str] = []
    for number, reading in enumerate(readings):
        which = f"matrix {number}" if len(readings) > 1 else "the weights"
        scaled = _scale(which, given, number, reading)
        # On another scale everything else is off too.
        notes += (
            scaled
            or _orientation(which, given, number, reading)
            or _other_directions(which, given, reading)
        )
    prediction = readings[0].prediction
    if prediction.method != "deformed":
        notes.append(
            f"the bulk of the level {prediction.method} is that before training; training widens "
            "it, and the test at its edge may count what belongs to the wider bulk: see the level "
            "deformed"
        )
    if any(reading.is_soft for reading in readings):
        notes.append(
            "the predicted bulk has no sharp edge, so the Tracy-Widom test is made at the "
            "spectrum's own edge where that lies further out (without spectra: at the predicted "
            "edge, and what is found next to it may belong to the bulk)"
        )
    return (*notes, *prediction.notes)


def _scale(which: str, given: GivenWeights, number: int, reading: Reading) -> list[str]:
    """From the sum of squares of the bulk, which needs no decomposition."""
    matrix, prediction = given.matrices[number], reading.prediction
    size = min(matrix.shape)
    left_out = reading.values[: min(len(prediction.outliers), size - 1)]
    total = float(np.square(matrix, dtype=np.float64).sum() - np.sum(left_out**2))
    observed = math.sqrt(max(total, 0.0) / (size - left_out.size))
    ratio = observed / math.sqrt(prediction.bulk.moment(2))
    if abs(math.log(ratio)) <= math.log1p(_OFF):
        return []
    text = (
        f"{which}: the bulk's root mean square is {ratio:.3g} times the predicted one; rows "
        "w_i of untrained weights have norm 1 (see Problem)"
    )
    dim, width = matrix.shape[1], matrix.shape[0]
    for name, scale in (("sqrt(d)", math.sqrt(dim)), ("sqrt(N)", math.sqrt(width))):
        if abs(ratio / scale - 1) < _RECOGNISED:
            return [f"{text}. That is about {name} = {scale:.3g}: divide the weights by it"]
        if abs(ratio * scale - 1) < _RECOGNISED:
            return [f"{text}. That is about 1/{name} = {1 / scale:.3g}: multiply them by {name}"]
    return [f"{text}: another scale, other learning rates or another problem"]


def _orientation(which: str, given: GivenWeights, number: int, reading: Reading) -> list[str]:
    """From the sides of the leading triplet: the readout is on the left, targets on the right."""
    left = np.asarray(reading.triplets.left[:, 0], dtype=np.float64)
    right = np.asarray(reading.triplets.right[:, 0], dtype=np.float64)
    advice = f"{which}: the leading %s: W may be transposed (N = d, so its shape does not tell)"
    square = left.size == right.size
    if given.readouts is not None:
        g = given.readouts[number] / np.linalg.norm(given.readouts[number])
        here = float(left @ g) ** 2
        there = float(right @ g) ** 2 if square else 0.0
        if there > _LARGE and there > _TIMES * here:
            return [advice % "right singular vector follows the readout, and the left one does not"]
        outliers = reading.prediction.outliers
        if outliers and outliers[0].left_overlap > _MATCHED and here < _UNMATCHED:
            return [
                f"{which}: the leading left singular vector has squared overlap {here:.2g} with "
                "the readout, which it should follow: the readout may be that of another network, "
                "or have its neurons in another order"
            ]
    elif square:
        r = reading.overlaps.shape[1]
        here = float(reading.overlaps[0].sum())
        there = float(given.overlaps(left[:, None], r).sum())
        if there > _LARGE and there > _TIMES * here:
            return [advice % "left singular vector follows the target, and the right one does not"]
    return []


def _other_directions(which: str, given: GivenWeights, reading: Reading) -> list[str]:
    """Outliers in their places that have nothing of the first axes: trained on other directions."""
    predicted = PredictedOutliers.of(reading.prediction)
    n_outliers, r = predicted.overlaps.shape
    n_outliers = min(n_outliers, reading.values.size)
    if given.directions is not None or not n_outliers:
        return []
    expected = predicted.overlaps[:n_outliers].sum(axis=1)
    spike = int(expected.argmax())
    place = float(predicted.singular_values[spike])
    # Outliers close to each other share their overlaps, so these are judged together.
    overlaps = reading.overlaps[:n_outliers]
    dim = reading.triplets.right.shape[0]
    like_chance = float(chi2.isf(_CHANCE, n_outliers * r)) / dim
    if (
        expected[spike] < max(_LARGE, 2 * like_chance)
        or overlaps.sum() > like_chance
        or abs(reading.values[spike] / place - 1) > _NEAR
    ):
        return []
    axes = "e_1" if r == 1 else f"e_1 to e_{r}"
    return [
        f"{which}: singular value {spike} is where it was predicted, but its squared overlap with "
        f"{axes} is {overlaps[spike].sum():.2g}, like that of a random direction (about "
        f"{r / dim:.2g}), instead of {expected[spike]:.2g}: the weights may have been trained on "
        f"another target direction than {axes}; `directions` says which (--directions in a shell)"
    ]
