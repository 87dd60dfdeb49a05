"""What is odd about a user's weights, in plain words, the likely mistake first.

Each note ends with the page that says what to do about it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from scipy.stats import chi2

from rmt.notes import of_readout_scale, without_page
from rmt.prediction import Prediction
from rmt.problem.supported import two_steps
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from validation.comparison.compare import PredictedOutliers
from validation.weights.fit import bulk_ratio, fluctuation, kept, seen_of
from validation.weights.mistakes import likely_mistake, readout_advice
from validation.weights.readings import Reading

__all__ = ["odd_weights"]

_MISTAKES = ". See docs/howto/own_weights.md#when-it-differs"
_BULK = ". See docs/howto/own_weights.md#where-the-bulk-ends"

# What is wrong with one matrix, after its name; None if it is not this.
_Judge: TypeAlias = Callable[[Reading], str | None]

# Relative difference of the bulk's root mean square at which the weights have another scale, and
# within which a scale is recognised.
_OFF, _RECOGNISED = 0.15, 0.1
# Logarithm of the smallest scale that is told from other learning rates.
_SCALED = math.log(1.5)
# A squared overlap that says on which side a vector is: large, and many times that of the other.
_LARGE, _TIMES = 0.15, 10.0
# Squared overlap of the left vector with the readout: of a neuron by neuron match, and of none.
_MATCHED, _UNMATCHED = 0.4, 0.1
# Relative difference within which an outlier is where it was predicted, and the chance that
# overlaps with unrelated directions are as large as what is called like chance.
_NEAR, _CHANCE = 0.1, 1e-3
# Of a drift along the target: standard deviations that it must be off by, and the share of the
# predicted one, the other way, from which (and up to whose inverse) a step was taken backwards.
_SURE, _BACKWARDS = 8.0, -0.4


def odd_weights(readings: Sequence[Reading], agrees: bool) -> tuple[str, ...]:
    """The likely mistake if there is one, then what is to know of the prediction.

    One mistake makes the next test fail too, so the first that is found is named alone: a readout
    on another scale; what the weights show by themselves; where they differ, what else they could
    be; and at last a scale that nothing explains.

    Parameters
    ----------
    readings : sequence of Reading
        Of every matrix, in order.
    agrees : bool
        Whether the verdict is that they do, so that no other explanation is looked for.
    """
    shown = (
        _transposed,
        _without_decay,
        _whole_scale,
        _other_readout,
        _other_directions,
        _backwards,
    )
    found = (
        _readout(readings)
        or _judged(shown, readings)
        or likely_mistake(readings, agrees)
        or _judged((_bulk_scale,), readings)
    )
    notes = [f"{note}{_MISTAKES}" for note in found]
    prediction = readings[0].prediction
    if not readings[0].knows_bulk:
        what = "more than two steps, or giant ones, leave"
        if two_steps(prediction.problem):
            what = "the steps of such a network leave"
        notes.append(
            f"no level predicts what {what} of the bulk: outliers are counted beyond the "
            "spectrum's own edge, and the bulk is not compared. Rely on singular values and "
            f"overlaps, and on no count{_BULK}"
        )
    elif prediction.method != "deformed":
        notes.append(
            f"the bulk of the level {prediction.method} is {_bulk_of(prediction)}; what it owes "
            "to the data widens it, and the test at its edge may count what belongs to that. "
            f'method="deformed" knows that bulk: its count decides{_BULK}'
        )
    if any(reading.is_soft for reading in readings):
        notes.append(
            "the predicted bulk has no sharp edge, so the Tracy-Widom test is made at the "
            "spectrum's own edge where that lies further out (without spectra: at the predicted "
            "edge, and what is found next to it may belong to the bulk). Tell outliers next to it "
            f"by their overlaps with the target, not by their count{_BULK}"
        )
    told = of_readout_scale(prediction.problem)
    return (*notes, *(note for note in prediction.notes if note not in told))


def _judged(judges: Sequence[_Judge], readings: Sequence[Reading]) -> list[str]:
    """The first note on the first odd matrix, and which others are odd too."""
    found: dict[int, str] = {}
    for reading in readings:
        notes = (judge(reading) for judge in judges)
        note = next((each for each in notes if each is not None), None)
        if note is not None:
            found[reading.number] = f"{reading.name}: {note}"
    if not found:
        return []
    first, *others = found
    if not others:
        return [found[first]]
    noun, rest = "matrix" if len(others) == 1 else "matrices", ", ".join(map(str, others))
    return [f"{found[first]} (there is a note on {noun} {rest} too)"]


def _readout(readings: Sequence[Reading]) -> list[str]:
    """On a readout of another scale, whose prediction is one of another network."""
    for reading in readings:
        found, g = of_readout_scale(reading.prediction.problem), reading.readout
        if g is not None and found:
            advice = readout_advice(reading, g) if "multiply" in found[0] else ""
            which = f" ({reading.name})" if len(readings) > 1 else ""
            return [f"{without_page(found[0])}{advice}{which}"]
    return []


def _without_decay(reading: Reading) -> str | None:
    """A bulk that has not shrunk: weight decay hardly moves the leading outlier beside it."""
    problem = reading.prediction.problem
    left, ratio = kept(problem), _bulk_ratio(reading)
    shrinks = -math.log(left) > math.log1p(_OFF)
    if not shrinks or abs(math.log(ratio * left)) > math.log1p(_RECOGNISED):
        return None
    if not reading.n_outliers:
        return None
    return (
        f"{_bulk_text(ratio)}. That is about 1/{left:.2g}, and {left:.2g} is what weight decay "
        "should have left of them: as without weight decay"
    )


def _whole_scale(reading: Reading) -> str | None:
    """Where bulk and outliers are all larger by one number, or by one that is known."""
    problem, ratio = reading.prediction.problem, _bulk_ratio(reading)
    if abs(math.log(ratio)) <= math.log1p(_OFF):
        return None
    text = _bulk_text(ratio)
    for name, size in (("sqrt(d)", problem.dim), ("sqrt(N)", problem.width)):
        scale = math.sqrt(size)
        if abs(ratio / scale - 1) < _RECOGNISED:
            return f"{text}. That is about {name} = {scale:.3g}: divide the weights by it"
        if abs(ratio * scale - 1) < _RECOGNISED:
            return f"{text}. That is about 1/{name} = {1 / scale:.3g}: multiply them by {name}"
    outliers = PredictedOutliers.of(reading.prediction).singular_values
    if abs(math.log(ratio)) < _largest_widening(reading) or not outliers.size:
        return None
    # Another learning rate moves outliers more than the bulk; another scale moves all alike.
    place = float(reading.values[0] / outliers[0])
    scaled = seen_of(reading).scaled(1 / place).misfit(reading.prediction)
    if abs(math.log(ratio / place)) > _OFF or scaled.size > 1:
        return None
    return (
        f"{text}, and the largest singular value is {place:.3g} times the predicted one: divide "
        f"the weights by about {ratio:.3g}"
    )


def _bulk_scale(reading: Reading) -> str | None:
    """A bulk that is off, where nothing better is known."""
    ratio = _bulk_ratio(reading)
    allowed = math.log1p(_OFF) if _is_predicted(reading) else _largest_widening(reading)
    if abs(math.log(ratio)) <= allowed:
        return None
    return f"{_bulk_text(ratio)}: another scale, other learning rates or another problem"


def _bulk_of(prediction: Prediction) -> str:
    return "that of longer rows" if _knows_size(prediction) else "that before training"


def _is_predicted(reading: Reading) -> bool:
    """Whether the bulk is: at other levels, and where few neurons make much of it, it is wider."""
    return _knows_size(reading.prediction) and not reading.is_soft


def _knows_size(prediction: Prediction) -> bool:
    """Whether the predicted bulk has the mean square that training leaves, as that of rows has."""
    if prediction.method != "resummed":
        return prediction.method == "deformed"
    of_rows = not isinstance(prediction.bulk, MarchenkoPasturBulk)
    return of_rows and prediction.problem.initialisation != "antisymmetric"


def _largest_widening(reading: Reading) -> float:
    """Logarithm of a ratio of bulks that training does not make, where it is not predicted."""
    if _is_predicted(reading):
        return _SCALED
    return _SCALED + math.log1p(fluctuation(reading.prediction.problem))


def _bulk_ratio(reading: Reading) -> float:
    prediction = reading.prediction
    square = prediction.bulk.moment(2)
    if not _knows_size(prediction):
        square *= 1 + fluctuation(prediction.problem)
    return bulk_ratio(reading, len(prediction.outliers), square)


def _bulk_text(ratio: float) -> str:
    return (
        f"the bulk's root mean square is {ratio:.3g} times the predicted one; rows "
        "w_i of untrained weights have norm 1 (see Problem)"
    )


def _transposed(reading: Reading) -> str | None:
    """From the sides of the outliers: the readout is on the left, targets are on the right."""
    left = np.asarray(reading.triplets.left, dtype=np.float64)
    right = np.asarray(reading.triplets.right, dtype=np.float64)
    if left.shape[0] != right.shape[0]:
        return None
    r = reading.overlaps.shape[1]
    large = max(_LARGE, float(chi2.isf(_CHANCE / 10, r)) / left.shape[0])
    expected = max(len(reading.prediction.outliers), 1)
    for k in range(min(expected, max(reading.n_outliers, 1))):
        for name, here, there in _sides(reading, left[:, k], right[:, k]):
            if there > large and there > _TIMES * here:
                return (
                    f"singular vector {k} follows {name}: W may be transposed (N = d, so "
                    "its shape does not tell)"
                )
    return None


def _sides(
    reading: Reading, left: np.ndarray, right: np.ndarray
) -> Iterator[tuple[str, float, float]]:
    """Squared overlaps of a triplet with what it should follow, on its side and on the other."""
    g = reading.readout
    if g is not None:
        g = g / np.linalg.norm(g)
        yield (
            "the readout on the right, and not on the left",
            float(left @ g) ** 2,
            float(right @ g) ** 2,
        )
    r = reading.overlaps.shape[1]
    yield (
        "the target on the left, and not on the right",
        float(reading.given.overlaps(right[:, None], r).sum()),
        float(reading.given.overlaps(left[:, None], r).sum()),
    )


def _other_readout(reading: Reading) -> str | None:
    """A leading left vector that should follow the readout, neuron by neuron, and does not."""
    prediction, g = reading.prediction, reading.readout
    if g is None or not prediction.outliers or not reading.n_outliers:
        return None
    g = g / np.linalg.norm(g)
    here = float(reading.triplets.left[:, 0] @ g) ** 2
    # The left direction of a spike may be another function of the readout than g itself.
    f = prediction.factors
    weighted = f.readout_weights * f.readout_nodes
    along = float(f.left_functions[0] @ weighted) ** 2 / float(weighted @ f.readout_nodes)
    if prediction.outliers[0].left_overlap * along <= _MATCHED or here >= _UNMATCHED:
        return None
    return (
        f"the leading left singular vector has squared overlap {here:.2g} with the "
        "readout, which it should follow: the readout may be that of another network, or have its "
        "neurons in another order"
    )


def _backwards(reading: Reading) -> str | None:
    """Steps taken the wrong way: singular values and squared overlaps after one are the same."""
    # An output of order one that overshoots reverses steps by itself.
    if reading.given.directions is not None or not reading.prediction.problem.starts_at_zero:
        return None
    seen = seen_of(reading)
    known = seen.drift_factor(reading.prediction)
    if known is None:
        return None
    factor, noise = known[0], math.hypot(*known[1:])
    # Steps that are far too large overshoot in the second one, which may have either sign.
    if 1 - factor < _SURE * noise or not 1 / _BACKWARDS <= factor <= _BACKWARDS:
        return None
    return (
        f"along the target they follow the readout with the opposite sign, {factor:.2g} "
        "times the predicted amount: the steps were taken uphill (W - eta G for W + eta G), or the "
        "labels or the readout have the opposite sign"
    )


def _other_directions(reading: Reading) -> str | None:
    """Outliers in their places that have nothing of the first axes: trained on other directions."""
    predicted = PredictedOutliers.of(reading.prediction)
    n_outliers, r = predicted.overlaps.shape
    n_outliers = min(n_outliers, reading.values.size)
    if reading.given.directions is not None or not n_outliers:
        return None
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
        return None
    axes = "e_1" if r == 1 else f"e_1 to e_{r}"
    return (
        f"singular value {spike} is where it was predicted, but its squared overlap with "
        f"{axes} is {overlaps[spike].sum():.2g}, like that of a random direction (about "
        f"{r / dim:.2g}), instead of {expected[spike]:.2g}: the weights may have been trained on "
        f"another target direction than {axes}; `directions` says which (--directions in a shell)"
    )
