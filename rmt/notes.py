"""What is special about a problem and its prediction, in plain words.

A note says what is the matter with which number, then what to do: which call decides. It ends with
the place in docs/notes.md that says more.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.arrays import Array, Bools
from rmt.moments.hermite_quadrature import double_coefficients
from rmt.moments.sampled import sampling_error
from rmt.problem import Problem
from rmt.problem.supported import has_prediction
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.constants import constants
from rmt.spikes.deformed.outliers import DeformedOutliers
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.on_rows import RowsOutliers
from rmt.spikes.readout_rule import readout_rule
from rmt.vocabulary import Forms

__all__ = [
    "of_deformed",
    "of_problem",
    "of_readout_scale",
    "of_rows",
    "of_scaling",
    "of_scattered",
    "of_strengths",
    "without_page",
]

_SEE = ". See docs/notes.md#"  # where each note has a section

_SHIFT = 0.01  # relative shift of an outlier worth a note
_MOST_WIDENING = 0.15  # relative: as far above the edge as the bulk's dependence on data is felt
_ROUGH = 1e-7  # of samples: what error estimates of predictions reach
_SMALL = 0.2  # of the first step, for which the leading terms are good to a few percent
_HEAVY = 50.0  # the size of the rarest labels that count, in standard deviations
_NODES = 24  # of the readout
_LEANING = 0.01  # squared overlap with the target beyond that with all spikes
_SOFT = 0.01  # relative error of an edge from which on it is a soft one
_RECOGNISED = 0.2  # relative distance at which the readout's scale is taken for 1/sqrt(N)


def of_strengths(problem: Problem, factors: SpikeStrengths) -> list[str]:
    """On the spikes next to the Marchenko-Pastur bulk."""
    notes = []
    theta, threshold = factors.strengths, problem.aspect_ratio**0.25
    leaves = theta > threshold
    if not np.any(leaves):
        notes.append(_without_outliers(theta, f"the threshold (N/d)^(1/4) = {threshold:.4g}"))
    undecided = np.abs(theta - threshold) <= factors.strength_errors
    if np.any(undecided):
        notes.append(
            _note(
                f"spike {int(np.flatnonzero(undecided)[0])} is at the threshold strength within "
                "its error estimate, so the number of outliers is undecided",
                f"A smaller rtol decides for this level, and {_nearer(problem)} at this width",
                "undecided-within-the-error-estimate",
            )
        )
    # The bulk of a finite network is wider than its limit by a relative amount of this order.
    widening = problem.width ** (2.0 * max(step.exponent for step in problem.steps) - 1.0)
    edge = 1.0 + math.sqrt(problem.aspect_ratio)
    values = rectangular_outliers(theta, problem.aspect_ratio).singular_value
    near = leaves & (values < edge * (1.0 + widening))
    if np.any(near):
        notes.append(
            _note(
                f"{_spikes_named(near)} within {widening:.0%} of the bulk's edge {edge:.4g}, and "
                f"training widens the bulk by about as much, N^(2 alpha - 1): {_they(near)} may be "
                f"inside, and {_sure(leaves, near)}",
                f"{_nearer(problem)} decides",
                "next-to-the-edge",
            )
        )
    shift = _shift_by_fluctuations(problem, theta)
    moved = leaves & (shift > _SHIFT) & ~near
    if np.any(moved):
        notes.append(
            _note(
                f"{_spikes_named(moved)} further out than is said here, by some "
                f"{shift[moved].max():.0%} or more, and {_they(moved)} overlap"
                f"{'s' if moved.sum() == 1 else ''} less with the directions: this level leaves "
                "out the fluctuations of the gradients",
                f"Trust that {'it is one' if moved.sum() == 1 else 'they are outliers'}; take the "
                f"numbers from {_nearer(problem)}",
                "moved-by-fluctuations",
            )
        )
    return notes


def of_rows(problem: Problem, found: RowsOutliers) -> list[str]:
    """On the outliers next to the bulk of rows."""
    notes = _near_edge(problem, found, None)
    if found.inside_error > found.edge_error:
        notes.append(
            _note(
                f"spike {found.singular_value.size} is in the bulk, and outside of it within its "
                "error estimate, so the number of outliers is undecided: it may be one more",
                f"A smaller rtol decides for this level, and {_nearer(problem)} at this width",
                "undecided-within-the-error-estimate",
            )
        )
    widening = problem.width ** (2.0 * max(step.exponent for step in problem.steps) - 1.0)
    near = found.singular_value < found.edge * (1.0 + min(widening, _MOST_WIDENING))
    if np.any(near):
        notes.append(
            _note(
                f"{_spikes_named(near)} next to the bulk's edge {found.edge:.4g}, where what the "
                "bulk owes to the data moves outliers by some percent: this level knows the "
                f"lengths of the rows alone, and {_sure(np.ones_like(near), near)}",
                f"{_nearer(problem)} decides",
                "next-to-the-edge",
            )
        )
    return notes


def of_scattered(problem: Problem) -> list[str]:
    """On an outlier along the target that no spike makes, at levels without fluctuations.

    With many samples each step multiplies rows by ``1 + eta a mu_2 E[y z^2]`` along the target, and
    by ``1 + eta a mu_2 E[y]`` elsewhere; one longer column makes an outlier where its squared
    length is above ``1 + sqrt(d / N)``, in units of the others'.
    """
    c = constants(problem)
    plain = problem.labels is None and problem.loss.text == "squared"
    if not plain or problem.n_directions > 1 or np.any(c.b):
        return []
    second = math.sqrt(2.0) * double_coefficients(problem.target, 2).orthonormal[2]
    g, w = readout_rule(problem.readout, _NODES, 1.0, False)
    along, beside = np.ones_like(g), np.ones_like(g)
    for eta in problem.learning_rates:
        t = eta * c.mu2 * g / math.sqrt(problem.width)
        along, beside = along * (1.0 + t * (c.Ey + second)) ** 2, beside * (1.0 + t * c.Ey) ** 2
    longer = float(w @ along) / float(w @ beside)
    asked = 1.0 + 1.0 / math.sqrt(problem.aspect_ratio)
    if longer <= asked:
        return []
    return [
        _note(
            "there may be an outlier along the target that no spike makes, and that this level "
            "does not know: fluctuations of the gradients lengthen the rows there, with many "
            f"samples to about {longer:.2g} of the square, and {asked:.2g} makes one",
            f"{_nearer(problem)} decides",
            "outliers-of-strength-0",
        )
    ]


def without_lengths(problem: Problem) -> str:
    """On rows so long, or functions so rough, that their lengths are not found in time."""
    return _note(
        "outliers come out of the initial weights: the lengths that training gives the rows were "
        "not found",
        f'Smaller steps have them; bulk="rows" takes longer and says why not, and '
        f"{_nearer(problem)} tells how far outliers next to the bulk are moved",
        "without-lengths-of-rows",
    )


def of_scaling(problem: Problem) -> list[str]:
    """On the powers of the first step that the leading terms leave out."""
    size = problem.learning_rates[0] / math.sqrt(problem.width)
    if len(problem.steps) < 2 or size < _SMALL:
        return []
    numbers = (
        'Take exponents from here, and numbers from method="resummed"'
        if has_prediction(problem, "resummed")
        else "Take exponents from here, and no numbers"
    )
    return [
        _note(
            "strengths are leading terms of large N: they leave out further powers of the first "
            f"step's size, eta_1/sqrt(N) = {size:.2g}, which is not small at this width",
            numbers,
            "leading-terms",
        )
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


def _near_edge(
    problem: Problem, found: DeformedOutliers | RowsOutliers, forms: Forms | None
) -> list[str]:
    """On a count that is undecided; ``forms`` are those of the level ``deformed``."""
    if not found.singular_value.size:
        theta = found.spikes.strengths
        return [_without_outliers(theta, f"what the bulk's edge {found.edge:.4g} asks for")]
    near = found.singular_value - found.singular_value_error < found.edge + found.edge_error
    if not np.any(near) or _is_soft(found):
        return []
    return [
        _note(
            f"{_spikes_named(near)} at the bulk's edge {found.edge:.4g} within the error estimate: "
            f"{_they(near)} may be inside, and {_sure(np.ones_like(near), near)}",
            f"A smaller rtol decides for this level, and {_nearer(problem)} at this width"
            if forms is None
            else _other_forms(problem, forms),
            "undecided-within-the-error-estimate",
        )
    ]


def of_deformed(problem: Problem, found: DeformedOutliers, forms: Forms) -> list[str]:
    """On the outliers next to the deformed bulk."""
    notes = _near_edge(problem, found, forms)
    if _is_soft(found):
        end = found.edge + found.edge_error
        near = found.singular_value - found.singular_value_error < end
        what = (
            "the bulk has no sharp edge: the few neurons and samples with the largest readouts and "
            f"labels reach beyond the others, to {found.edge:.3g} +- {found.edge_error:.2g}"
        )
        if np.any(near):
            all_of_them = np.ones_like(near)
            what += f"; {_spikes_named(near)} within that, and {_sure(all_of_them, near)}"
            advice = f"{_other_forms(problem, forms)}, told from the bulk by their overlaps"
        elif near.size:
            advice = f"All outliers lie clear of it: their number, {near.size}, can be trusted"
        else:
            advice = "A single network may show one or two values beyond: that is no spike"
        notes.append(_note(what, advice, "a-soft-edge"))
    extra = found.singular_value.size - found.spikes.strengths.size
    if extra > 0:
        one = extra == 1
        notes.append(
            _note(
                f"{extra} outlier{' comes' if one else 's come'} from the fluctuations of the "
                f"gradients around their mean, and {'has' if one else 'have'} strength 0",
                "Networks have the like: a count of learned directions leaves them out, "
                "spike.strength > 0",
                "outliers-of-strength-0",
            )
        )
    shared = slice(found.spikes.strengths.size)
    beyond = found.target_overlap.sum(axis=1) - found.right_overlap
    scattered = beyond[shared] > _LEANING
    if np.any(scattered):
        named = _spikes_named(scattered)
        notes.append(
            _note(
                f"{named} along the target by more than along all that the mean update knows: "
                "fluctuations of the gradients make that outlier, and the strength beside it is "
                "that of a spike which may be elsewhere or inside",
                "Tell outliers by their overlaps, not by their number",
                "outliers-of-strength-0",
            )
        )
    return notes


def _is_soft(found: DeformedOutliers | RowsOutliers) -> bool:
    return isinstance(found, DeformedOutliers) and found.edge_error > _SOFT * found.edge


def _without_outliers(strengths: Array, limit: str) -> str:
    strongest = (
        f"the strongest spike, of strength {strengths.max():.3g}, is" if strengths.size else ""
    )
    return _note(
        f"no outlier: {strongest or 'every spike is far'} weaker than {limit}, and all singular "
        "values stay in the bulk",
        "Larger steps make spikes stronger, if nothing else is said here: rmt.sweep over scale_1 "
        "or alpha_1 shows from where on one is seen",
        "no-outlier",
    )


def _nearer(problem: Problem) -> str:
    """What tells of the bulk at the problem's width: a level, or else networks."""
    if has_prediction(problem, "deformed"):
        return 'method="deformed"'
    return "simulation (rmt-validation path)"


def _other_forms(problem: Problem, forms: Forms) -> str:
    """Advice at the level nearest to networks."""
    others: tuple[Forms, ...] = ("linked", "exact")
    for other in others:
        if other != forms and has_prediction(problem, "deformed", other):
            return (
                f'Where forms="{other}" has the same outliers, trust them; where not, networks '
                "decide (rmt-validation path)"
            )
    return "Networks decide (rmt-validation path)"


def of_problem(problem: Problem) -> list[str]:
    """On the activation, the target and the readout."""
    c = constants(problem)
    notes = []
    if c.large_label > _HEAVY * math.sqrt(c.Ey2):
        notes.append(
            _note(
                "the target has heavy tails (rare labels of up to "
                f"{c.large_label / math.sqrt(c.Ey2):.0f} times the typical size count): networks "
                "of finite width scatter and come close to this prediction slowly, at every level",
                "Hold it against the mean of 20 networks or more, not against one "
                "(rmt-validation path)",
                "heavy-tails",
            )
        )
    if abs(c.mu1) <= 1e-12 * c.rms_slope:
        notes.append(
            _note(
                "mu_1 = E[sigma'(Z)] = 0: the first step leaves no spike of its own, and W_1 stays "
                "in the bulk",
                "A shift of the argument gives it one: cos(z + 1/2) in the place of cos(z)",
                "no-first-spike",
            )
        )
    if not np.any(c.b) and c.target_variance <= 1e-12 * (c.target_variance + c.Ey**2):
        notes.append(
            _note(
                "the target is constant: there is no signal to learn, and overlaps are 0",
                "Give a target that varies",
                "a-constant-target",
            )
        )
    elif not np.any(c.b):
        notes.append(_of_exponent(problem))
    notes += _of_sampled(problem)
    if not isinstance(problem.readout, str):
        mean, std = float(problem.readout.mean()), float(problem.readout.std())
        if abs(mean) > 5.0 * std / math.sqrt(problem.width):
            notes.append(
                _note(
                    f"the readout has mean {mean:.3g} and standard deviation {std:.3g}: the theory "
                    "takes mean zero, and the output of the untrained network to be negligible",
                    "Subtract the mean, in training as well",
                    "the-readout",
                )
            )
        notes += of_readout_scale(problem)
    return notes


def _of_exponent(problem: Problem) -> str:
    """On a target that the first step does not see."""
    seen = problem.labels is None and problem.loss.text == "squared"
    what = "E[z y] = 0 (" if seen else "E[z y_1] = 0, y_1 = rho(0, y) (effective "
    advice = (
        "A step that uses its batch again can: the overlaps say how far, and rmt.learned_region "
        "from which exponents on"
        if len(set(problem.schedule)) < problem.n_steps
        else 'Fresh samples do not change that; batch="reused" can, where rmt.reuse_exponent is '
        "finite"
    )
    return _note(
        f"{what}information exponent above 1): the first step is not aligned with the target",
        advice,
        "not-seen-by-the-first-step",
    )


def _of_sampled(problem: Problem) -> list[str]:
    """On functions whose samples were too rough for error estimates to be all there is."""
    off = {
        name: sampling_error(function.derivative_function if name == "activation" else function)
        for name, function in (("activation", problem.activation), ("target", problem.target))
        if function.tables
    }
    return [
        _note(
            f"the {name} was sampled from values that are known to {error:.1g} only, which the "
            "error estimates do not hold",
            "Write it as a text, or compute it in double precision",
            "a-sampled-function",
        )
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
        what = f"{text}, about 1/sqrt(N) = {usual:.3g}: {convention}"
        return [_note(what, "So multiply by sqrt(N)", "the-readout")]
    return [_note(f"{text}: {convention}", "Keep it if the network has it so", "the-readout")]


def without_page(note: str) -> str:
    """The note without the page that it names at its end."""
    return note.partition(". See ")[0]


def _note(what: str, advice: str, place: str) -> str:
    """What is the matter with which number, what to do, and where there is more."""
    return f"{what}. {advice}{_SEE}{place}"


def _spikes_named(chosen: Bools) -> str:
    numbers = [str(k) for k in np.flatnonzero(chosen)]
    if len(numbers) == 1:
        return f"spike {numbers[0]} is"
    return f"spikes {', '.join(numbers[:-1])} and {numbers[-1]} are"


def _they(chosen: Bools) -> str:
    return "it" if chosen.sum() == 1 else "they"


def _sure(outliers: Bools, near: Bools) -> str:
    """Of the outliers, how many are clear of the edge."""
    total, clear = int(outliers.sum()), int((outliers & ~near).sum())
    if total == 1:
        return "the one outlier may be none"
    return f"of {total} outliers {clear or 'none'} {'is' if clear == 1 else 'are'} sure"
