"""What is special about a problem and its prediction, in plain words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools
from rmt.moments.sampled import sampling_error
from rmt.problem import Problem
from rmt.problem.supported import has_prediction
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.constants import constants
from rmt.spikes.deformed.outliers import DeformedOutliers
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.on_rows import RowsOutliers

__all__ = ["of_deformed", "of_problem", "of_readout_scale", "of_rows", "of_scaling", "of_strengths"]

_SHIFT = 0.01  # relative shift of an outlier worth a note
_MOST_WIDENING = 0.15  # relative: as far above the edge as the bulk's dependence on data is felt
_ROUGH = 1e-7  # of samples: what error estimates of predictions reach
_SMALL = 0.2  # of the first step, for which the leading terms are good to a few percent
_HEAVY = 50.0  # the size of the rarest labels that count, in standard deviations
_RECOGNISED = 0.2  # relative distance at which the readout's scale is taken for 1/sqrt(N)


def of_strengths(problem: Problem, factors: SpikeStrengths) -> list[str]:
    """On the spikes next to the Marchenko-Pastur bulk."""
    notes = []
    threshold = problem.aspect_ratio**0.25
    if not np.any(factors.strengths > threshold):
        notes.append(
            "no outlier: every spike is weaker than the threshold strength "
            f"(N/d)^(1/4) = {threshold:.4g}, so all singular values stay in the bulk"
        )
    undecided = np.abs(factors.strengths - threshold) <= factors.strength_errors
    if np.any(undecided):
        notes.append(
            f"spike {int(np.flatnonzero(undecided)[0])} is at the threshold strength within its "
            "error estimate: whether it leaves the bulk is undecided; ask for a smaller rtol"
        )
    better = "; see the level 'deformed'" if has_prediction(problem, "deformed") else ""
    # The bulk of a finite network is wider than its limit by a relative amount of this order.
    widening = problem.width ** (2.0 * max(step.exponent for step in problem.steps) - 1.0)
    edge = 1.0 + math.sqrt(problem.aspect_ratio)
    values = rectangular_outliers(factors.strengths, problem.aspect_ratio).singular_value
    near = (factors.strengths > threshold) & (values < edge * (1.0 + widening))
    if np.any(near):
        notes.append(
            f"{_spikes_named(near)} within {widening:.0%} of the bulk's edge: at this width the "
            "bulk is wider than its limit by an amount of that order, N^(2 alpha - 1), and may "
            f"reach it{better}"
        )
    shift = _shift_by_fluctuations(problem, factors.strengths)
    moved = (factors.strengths > threshold) & (shift > _SHIFT) & ~near
    if np.any(moved):
        notes.append(
            f"{_spikes_named(moved)} moved outwards by the fluctuations of the gradients, by some "
            f"{shift[moved].max():.0%} or more, and overlaps less with its directions than is said "
            f"here{better}"
        )
    return notes


def of_rows(problem: Problem, found: RowsOutliers) -> list[str]:
    """On the outliers next to the bulk of rows."""
    notes = _near_edge(found)
    if found.inside_error > found.edge_error:
        k = found.singular_value.size
        notes.append(
            f"spike {k} is in the bulk, and outside of it within its error estimate: whether it "
            "leaves the bulk is undecided; ask for a smaller rtol"
        )
    better = "; see the level 'deformed'" if has_prediction(problem, "deformed") else ""
    widening = problem.width ** (2.0 * max(step.exponent for step in problem.steps) - 1.0)
    near = found.singular_value < found.edge * (1.0 + min(widening, _MOST_WIDENING))
    if np.any(near):
        notes.append(
            f"{_spikes_named(near)} next to the bulk's edge: rows have their lengths here, and "
            "what the bulk owes to the data besides, which moves weak outliers by some percent, is "
            f"left out{better}"
        )
    return notes


def of_scaling(problem: Problem) -> list[str]:
    """On the powers of the first step that the leading terms leave out."""
    size = problem.learning_rates[0] / math.sqrt(problem.width)
    if len(problem.steps) < 2 or size < _SMALL:
        return []
    better = "; for numbers take the level 'resummed'" * has_prediction(problem, "resummed")
    return [
        "leading terms of large N: they leave out further powers of the first step's size, "
        f"eta_1/sqrt(N) = {size:.2g}, which is not small at this width{better}"
    ]


def _shift_by_fluctuations(problem: Problem, strengths: Array) -> NDArray[Any]:
    """About how far, relatively, fluctuations of a gradient push an outlier out; from below.

    As a matrix of independent entries whose rows have the mean square length ``w^2``, they add
    ``w^2 (1 + N/d) / 2 theta^2``. The network's output counts as zero in ``w``.
    """
    c = constants(problem)
    square = 0.0
    for eta, phi in zip(problem.learning_rates, problem.sample_ratios, strict=True):
        square += eta**2 / problem.width * c.tau**2 * phi / problem.sample_ratios[0]
    return square * (1.0 + problem.aspect_ratio) / (2.0 * np.maximum(strengths, 1e-3) ** 2)


def _near_edge(found: DeformedOutliers | RowsOutliers) -> list[str]:
    notes = []
    if not found.singular_value.size:
        notes.append(f"no outlier: no singular value is above the bulk's edge {found.edge:.4g}")
    near = found.singular_value - found.singular_value_error < found.edge + found.edge_error
    if np.any(near):
        notes.append(
            f"{_spikes_named(near)} at the bulk's edge within the error estimate: whether it "
            "leaves the bulk is undecided"
        )
    return notes


def of_deformed(found: DeformedOutliers) -> list[str]:
    """On the outliers next to the deformed bulk."""
    notes = _near_edge(found)
    if found.edge_error > 0.01 * found.edge:
        notes.append(
            "the bulk has no sharp edge: the few neurons and samples with the largest readouts and "
            f"labels reach beyond the others, to {found.edge:.3g} +- {found.edge_error:.2g}"
        )
    extra = found.singular_value.size - found.spikes.strengths.size
    if extra > 0:
        notes.append(
            f"{extra} outlier{'s come' if extra > 1 else ' comes'} from the fluctuations of the "
            "gradients around their mean, and has strength 0"
        )
    return notes


def of_problem(problem: Problem) -> list[str]:
    """On the activation, the target and the readout."""
    c = constants(problem)
    notes = []
    if c.large_label > _HEAVY * math.sqrt(c.Ey2):
        notes.append(
            "the target has heavy tails (rare labels of up to "
            f"{c.large_label / math.sqrt(c.Ey2):.0f} times the typical size count): networks of "
            "finite width scatter and come close to this prediction slowly"
        )
    if abs(c.mu1) <= 1e-12 * c.rms_slope:
        notes.append(
            "mu_1 = E[sigma'(Z)] = 0: the first step leaves no spike of its own, and W_1 stays in "
            "the bulk"
        )
    if not np.any(c.b) and c.target_variance <= 1e-12 * (c.target_variance + c.Ey**2):
        notes.append("the target is constant: there is no signal to learn")
    elif not np.any(c.b):
        seen = problem.labels is None and problem.loss.text == "squared"
        what = "E[z y] = 0 (" if seen else "E[z y_1] = 0, y_1 = rho(0, y) (effective "
        notes.append(
            f"{what}information exponent above 1): the first step is not aligned with the target"
        )
    notes += _of_sampled(problem)
    if not isinstance(problem.readout, str):
        mean, std = float(problem.readout.mean()), float(problem.readout.std())
        if abs(mean) > 5.0 * std / math.sqrt(problem.width):
            notes.append(
                f"the readout has mean {mean:.3g} and standard deviation {std:.3g}: the theory "
                "takes mean zero, and the output of the untrained network to be negligible"
            )
        notes += of_readout_scale(problem)
    return notes


def _of_sampled(problem: Problem) -> list[str]:
    """On functions whose samples were too rough for error estimates to be all there is."""
    off = {
        name: sampling_error(function.derivative_function if name == "activation" else function)
        for name, function in (("activation", problem.activation), ("target", problem.target))
        if function.tables
    }
    return [
        f"the {name} was sampled from values that are known to {error:.1g} only, which the error "
        "estimates do not hold; write it as a text, or compute it in double precision"
        for name, error in off.items()
        if error > _ROUGH
    ]


def of_readout_scale(problem: Problem) -> list[str]:
    """On given ``g_i`` that are not of the usual scale: a slip of ``sqrt(N)``, or another."""
    if isinstance(problem.readout, str):
        return []
    std, usual = float(problem.readout.std()), 1.0 / math.sqrt(problem.width)
    if 0.5 < std < 2.0:
        return []
    text = f"the readout has standard deviation {std:.3g}"
    convention = "it holds g_i = sqrt(N) a_i, whose usual scale is 1"
    if abs(std / usual - 1.0) < _RECOGNISED:
        return [f"{text}, about 1/sqrt(N) = {usual:.3g}: {convention}; multiply by sqrt(N)"]
    return [f"{text}: {convention}"]


def _spikes_named(chosen: Bools) -> str:
    numbers = [str(k) for k in np.flatnonzero(chosen)]
    if len(numbers) == 1:
        return f"spike {numbers[0]} is"
    return f"spikes {', '.join(numbers[:-1])} and {numbers[-1]} are"
