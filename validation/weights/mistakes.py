"""What went wrong with weights that differ, by predictions of what else they could be.

Tried are the usual slips: untrained weights, weights after the first of two steps, learning rates
off by a factor; where the problem has them, another loss than the problem's, weight decay or the
output scale left out. A slip is named when its prediction fits and that of the problem clearly does
not, in units of what a network of this size scatters by (`validation.weights.fit`). Alternatives
are predicted at the level ``resummed``, ten at the most, and four more of losses and scales.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from rmt.arrays import Array
from rmt.predict import predict
from rmt.prediction import Prediction
from rmt.problem import Problem, Step
from rmt.status import RmtError
from validation.weights.fit import Seen, seen_of, untrained_edge
from validation.weights.readings import Reading

__all__ = ["likely_mistake", "readout_advice"]


_RTOL = 1e-3  # of the alternatives
# Misfits (see `Misfit`) of a prediction that fits and of one that does not, and the largest ratio
# of the first to the second at which it fits clearly better.
_FITS, _DIFFERS, _BETTER = 1.25, 1.5, 0.6
# Of a fit that nothing explains: what another problem must at least be off by.
_FAR = 1.75
# Relative distance within which a fitted factor is taken for a usual one, and a row norm for 1.
_NEAR, _UNIT = 0.1, 1e-4
# Predictions that the search for one factor of two learning rates may take, and the largest factor:
# beyond it a prediction of a reused batch takes minutes.
_MOST_FITS, _LARGEST = 6, 4.0
# How closely, in tolerances: weaker outliers depend on the factor far more than the first.
_PLACED = 0.1
_SLIGHTLY = 1.1  # a factor of the learning rates that tells how sensitive outliers are to them
_SIGMAS = 5.0  # at which the drift of weights that look untrained is a drift
_REACH = 1.15  # of the edge of untrained weights, up to where a singular value may be theirs


def likely_mistake(readings: Sequence[Reading], agrees: bool) -> list[str]:
    """The likely mistake behind weights that differ from their prediction, in a sentence.

    Of several matrices the one that is furthest from its prediction is looked at. Empty when no
    matrix is clearly off.

    Parameters
    ----------
    readings : sequence of Reading
        Of every matrix, in order.
    agrees : bool
        Whether the verdict is that they agree. Then nothing is predicted, unless one of several
        matrices is clearly off: their scatter is no measure of noise any more.
    """
    seen = [seen_of(reading) for reading in readings]
    misfits = [one.misfit(reading.prediction) for one, reading in zip(seen, readings, strict=True)]
    worst = max(range(len(seen)), key=lambda number: misfits[number].size)
    if agrees and misfits[worst].size < _DIFFERS:
        return []
    reading = readings[worst]
    base = _predicted(reading.prediction.problem)
    if base is None:
        return []
    one = _with_sensitivity(seen[worst], base)
    # The level asked for may be the one that is far off.
    misfit = min(one.misfit(reading.prediction), one.misfit(base), key=lambda each: each.size)
    found = _untrained(one, base, reading.matrix)
    if found is None and misfit.size >= _DIFFERS:
        found = _trained(one, base, min(_FITS, _BETTER * misfit.size))
    if found is None and misfit.size >= _FAR:
        found = _other_problem(one, base)
    return [] if found is None else [f"{reading.name}: {misfit.text}, {found}"]


def readout_advice(reading: Reading, g: Array) -> str:
    """Whether weights were trained with the given ``g_i``, too small by ``sqrt(N)``, or not."""
    problem, seen = reading.prediction.problem, seen_of(reading)
    root = math.sqrt(problem.width)
    as_given = _misfit(seen, problem)
    multiplied = _misfit(seen.with_readout_times(root), problem.replace(readout=root * g))
    if multiplied <= _FITS and as_given >= _DIFFERS:
        return "; the weights are as predicted for the readout so multiplied"
    if as_given <= _FITS and multiplied >= _DIFFERS:
        return (
            "; the weights were trained with it as it is, which hardly moves them: train again "
            "with the readout so multiplied"
        )
    return ""


def _misfit(seen: Seen, problem: Problem) -> float:
    prediction = _predicted(problem)
    return math.inf if prediction is None else seen.misfit(prediction).size


def _predicted(problem: Problem) -> Prediction | None:
    try:
        return predict(problem, "resummed", rtol=_RTOL)
    except RmtError:
        return None


def _with_sensitivity(seen: Seen, base: Prediction) -> Seen:
    """Where two steps multiply a small change of the first, they multiply chance as well."""
    problem = base.problem
    other = _predicted(_scaled(problem, _SLIGHTLY)) if len(problem.steps) > 1 else None
    if other is None or not other.outliers or not base.outliers:
        return seen
    ratio = other.outliers[0].singular_value / base.outliers[0].singular_value
    sensitivity = math.log(ratio) / math.log(_SLIGHTLY)
    return replace(seen, scatter=seen.scatter * max(1.0, sensitivity))


def _untrained(seen: Seen, base: Prediction, matrix: np.ndarray) -> str | None:
    """Where no singular value leaves the bulk of untrained weights, but should have."""
    problem, bulk = base.problem, _REACH * untrained_edge(base.problem)
    first = max((spike.singular_value for spike in base.outliers), default=0.0)
    if seen.values[0] > bulk or first <= seen.floor * (1 + seen.tolerance):
        return None
    norms = np.linalg.norm(matrix.astype(np.float64), axis=1)
    if problem.init == "sphere" and np.abs(norms - 1).max() < _UNIT:
        return (
            "and every row has norm 1, as before training: these are the initial weights; give "
            "those after the last step"
        )
    found = _small_drift(seen, base)
    if found is not None:
        return found
    hidden = (_strength(bulk, problem.aspect_ratio) or 0.0) / base.spikes[0].strength
    return (
        "and none is clear of the bulk of untrained weights: these are the initial weights, or "
        f"learning rates (or the readout in training) were smaller than {hidden:.2g} times those "
        f"of the problem (a forgotten sqrt(N) is {1 / math.sqrt(problem.width):.2g}); give the "
        "weights after the last step"
    )


def _trained(seen: Seen, base: Prediction, bar: float) -> str | None:
    """The slips in training that fit: those without a number first, then a learning rate.

    ``bar`` is the largest misfit of one that does.
    """
    texts = [text for _, text in sorted(_fixed_slips(seen, base.problem, bar))]
    factor = _fitted_factor(seen, base, bar)
    # A number can be fitted to much: beside another slip it counts if it is a usual one.
    if factor is not None and (not texts or _usual(base.problem, factor, 2 * seen.scatter)):
        texts.append(_learning_rate(base.problem, factor, 2 * seen.scatter))
    return "; or ".join(texts) if texts else _small_drift(seen, base)


def _small_drift(seen: Seen, base: Prediction) -> str | None:
    """Of weights whose outliers are hidden in the bulk: learning rates by what follows the readout.

    It is far easier to see than a singular value.
    """
    known = seen.drift_factor(base)
    if known is None or seen.values[0] > seen.floor:
        return None
    factor, initial, gradient = known
    if factor <= _SIGMAS * initial:
        return None
    # Of two steps the drift is not proportional to the learning rates.
    curved = 0.0 if len(base.problem.steps) == 1 else 3 * _NEAR
    tolerance = 3 * math.hypot(initial / factor, gradient) + curved
    return _learning_rate(base.problem, factor, tolerance)


def _fixed_slips(seen: Seen, problem: Problem, bar: float) -> Iterator[tuple[float, str]]:
    """The slips of training that leave nothing to fit: misfits and texts."""
    for other, text in chain(_of_settings(problem), _of_steps(problem)):
        misfit = math.inf if other == problem else _misfit(seen, other)
        if misfit <= bar:
            yield misfit, text


def _of_steps(problem: Problem) -> Iterator[tuple[Problem, str]]:
    """Of several steps."""
    n_steps = len(problem.steps)
    if n_steps < 2:
        return
    # Of many steps the first one, and one too few, are the usual ends too early.
    for count in sorted({1, n_steps - 1}):
        text = f"as after {'step 1 alone' if count == 1 else f'{count} steps'}: give the weights "
        yield _cut(problem, count), f"{text}after step {n_steps}"
    without = problem.replace(steps=[replace(step, exponent=0.0) for step in problem.steps])
    yield without, "as after learning rates without the factors N**alpha: they are c N**alpha"


def _of_settings(problem: Problem) -> Iterator[tuple[Problem, str]]:
    """What the problem has beside the square loss, left out in training; another loss."""
    if any(step.weight_decay for step in problem.steps):
        without = problem.replace(steps=[replace(step, weight_decay=0.0) for step in problem.steps])
        yield without, "as without weight decay"
    if not problem.starts_at_zero:
        vanishing = problem.replace(output_scale=None, readout_sum=None)
        yield vanishing, "as with the output scale N**-1/2, at which the untrained output vanishes"
    own = problem.loss.text
    losses = ["squared", "logistic", "squared_hinge"] if problem.has_signs else ["squared"]
    for loss in losses:
        if loss != own:
            other = problem.replace(loss=loss)
            yield (
                other,
                f"as after the loss {loss} in place of {own}: train with that of the problem",
            )


def _cut(problem: Problem, count: int) -> Problem:
    """The problem that ends after so many steps."""
    schedule = problem.schedule[:count]
    sizes = problem.samples[: max(schedule) + 1]
    return problem.replace(
        steps=problem.steps[:count],
        samples=sizes if len(sizes) > 1 else sizes[0],
        batch=problem.batch if isinstance(problem.batch, str) else schedule,
    )


def _fitted_factor(seen: Seen, base: Prediction, bar: float) -> float | None:
    """The factor of all learning rates that puts the largest singular value where it is.

    None where there is none, or where what else is seen does not fit.
    """
    problem, aim = base.problem, float(seen.values[0])
    strength = _strength(aim, problem.aspect_ratio)
    if strength is None or not base.spikes:
        return None
    # Of one step the strength is proportional to the learning rate; of two it nearly is.
    known = [(0.0, math.log(max(base.spikes[0].singular_value, seen.floor)))]
    guess = math.log(strength / base.spikes[0].strength)
    limit = math.log(_LARGEST if len(problem.steps) > 1 else 4.0 * problem.width)
    for _ in range(_MOST_FITS):
        guess = min(guess, limit)
        prediction = _predicted(_scaled(problem, math.exp(guess)))
        if prediction is None or not prediction.outliers:
            return None
        misfit = seen.misfit(prediction)
        place = math.log(prediction.outliers[0].singular_value)
        if abs(place - math.log(aim)) < _PLACED * seen.tolerance:
            return math.exp(guess) if misfit.size <= bar else None
        x, y = known[-1]
        known.append((guess, place))
        slope = (place - y) / (guess - x) if guess != x else 1.0
        if guess >= limit and place < math.log(aim):
            return None
        guess += (math.log(aim) - place) / min(max(slope, 0.3), 3.0)
    return None


def _strength(singular_value: float, aspect_ratio: float) -> float | None:
    """Of the spike behind an outlier of the Marchenko-Pastur bulk."""
    # s^2 theta^2 = (1 + theta^2)(gamma + theta^2), the larger root.
    half = (singular_value**2 - 1 - aspect_ratio) / 2
    square = half**2 - aspect_ratio
    return math.sqrt(half + math.sqrt(square)) if half > 0 and square >= 0 else None


def _scaled(problem: Problem, factor: float) -> Problem:
    """Of gradients that were larger by a factor: what weight decay leaves stays as it is."""
    return problem.replace(
        steps=[
            Step(step.scale * factor, step.exponent, step.weight_decay / factor)
            for step in problem.steps
        ]
    )


def _usual(problem: Problem, factor: float, tolerance: float) -> tuple[float, str, str] | None:
    """The usual factor that is nearest, if it is within the tolerance: size, name and cause."""
    root, alphas = math.sqrt(problem.width), {step.exponent for step in problem.steps}
    twice, half = "twice the loss of the problem", "half the loss of the problem"
    if problem.loss.text == "squared":
        twice = "a loss |y - h|^2/n instead of |y - h|^2/(2n)"
        half = "a loss |y - h|^2/(4n) instead of |y - h|^2/(2n)"
    small = "with a readout a_i too small by sqrt(N) in training"
    if problem.output_scale is None:
        small = f"with the gradient in place of G = -sqrt(N) gradient, or {small}"
    usual = [
        (2.0, "2", f"as with {twice}"),
        (0.5, "1/2", f"as with {half}"),
        (root, "sqrt(N)", "as with g_i in place of a_i, or with a factor sqrt(N) twice"),
        (1 / root, "1/sqrt(N)", f"as {small}"),
        (problem.samples[0], "n", "as with a sum over samples in place of their mean"),
    ]
    if len(alphas) == 1 and (alpha := alphas.pop()) > 0:
        size, cause = problem.width**-alpha, "as with a learning rate without the factor N**alpha"
        usual.append((size, f"N**-{alpha:g}", cause))
    if problem.output_scale is not None and abs(math.log(problem.output_scale)) > _NEAR:
        cause = "as with the gradient in place of G = -(1/s) gradient, s the output scale"
        usual.append((problem.output_scale, "s", cause))
    nearest = min(usual, key=lambda each: abs(math.log(factor / each[0])))
    return nearest if abs(math.log(factor / nearest[0])) <= tolerance else None


def _learning_rate(problem: Problem, factor: float, tolerance: float) -> str:
    """A sentence on learning rates off by a factor, which names its usual cause."""
    one = len(problem.steps) == 1
    text = "a learning rate" if one else "learning rates"
    text = f"as after {text} {factor:.2g} times {'that' if one else 'those'} of the problem"
    usual = _usual(problem, factor, tolerance)
    if usual is None:
        return f"{text}: another learning rate, or another problem (activation, target, samples)"
    size, name, cause = usual
    number = name if len(name) <= 3 else f"{name} = {size:.2g}"
    return (
        f"{text}, {number} within the scatter of one network: {cause} (another "
        "activation or target can look the same)"
    )


def _other_problem(seen: Seen, base: Prediction) -> str:
    """Where nothing that was tried fits."""
    problem = base.problem
    if len(problem.steps) == 1:
        excluded, largest = "other learning rates do not explain", math.inf
    else:
        excluded = (
            f"neither learning rates up to {_LARGEST:g} times those of the problem nor the "
            "weights after an earlier step explain"
        )
        largest = _LARGEST * max((spike.singular_value for spike in base.outliers), default=2.0)
    text = f"which {excluded}: they may be of another problem (activation, target, samples, batch)"
    if problem.loss.text != "squared" or problem.labels is not None:
        text = text.replace("(activation, target,", "(activation, target, loss, labels,")
    if seen.values[0] > largest:
        root = math.sqrt(problem.width)
        text += f", or of far larger learning rates (a factor sqrt(N) too many is {root:.3g})"
    followed = seen.drift is not None or seen.overlaps[0].sum() > 3 * _NEAR
    if problem.width == problem.dim and not followed:
        text += ", or transposed: N = d, and without the readout nothing tells"
    return text
