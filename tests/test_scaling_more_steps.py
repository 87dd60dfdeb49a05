"""Exponents after more than two steps: by hand, and against slopes of the resummed level."""

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import sympy

import rmt
from rmt import InvalidInputError, Problem, UnsupportedProblemError
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.scaling.exponents import exact_exponents, highest_order, highest_power

TANH = "tanh(z + 7/10)"
STAIRS = "z1 + z1*z2 + z1*z2*z3"


def made(alpha, activation=TANH, target="z1 + z1*z2", n=1000, scales=None, **changes):
    steps = list(zip(scales or [1] * len(alpha), alpha, strict=True))
    return Problem(activation, target, n, n, 2 * n, steps, **changes)


def rational(*texts):
    return [None if x is None else sympy.Rational(x) for x in texts]


def sizes(problem):
    return [one.exponent for one in rmt.scaling(problem).directions]


# Sizes by hand


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [
        ((0.3, 0.3, 0.3), ("3/10", "1/10", "-3/10")),
        ((0.4, 0.4, 0.4, 0.4), ("2/5", "3/10", "1/10")),
        # e_2 at step 3, after the larger second; e_3 at step 4, on both.
        ((0.1, 0.4, 0.3, 0.35), ("2/5", "1/4", "-1/20")),
        # e_2 is largest at step 2, whatever comes later; e_3 enters at step 3.
        ((0.4, 0.4, 0.1, 0.1), ("2/5", "3/10", "-1/5")),
    ],
)
def test_sizes_of_directions(alpha, expected):
    found = rmt.scaling(made(alpha, target=STAIRS)).directions
    assert [one.exponent for one in found] == rational(*expected)
    assert [one.order for one in found] == [0, 1, 3]
    assert [one.step for one in found] == [1, 2, 3]
    assert [one.is_found for one in found] == [not one.reason for one in found]


def test_third_direction_needs_an_exponent_above_three_eighths():
    for alpha, found in ((0.375, False), (0.376, True)):
        third = rmt.scaling(made([alpha] * 3, target=STAIRS)).directions[2]
        assert third.is_found is found
        assert ("these must exceed 3/8" in third.reason) is not found


def test_sizes_of_powers():
    alpha = (0.4, 0.1, 0.35, 0.3)
    result = rmt.scaling(made(alpha), n_spikes=4)
    # 0.35 - k / 10 from step 3, after the first.
    assert [s.exponent for s in result.spikes] == rational("2/5", "1/4", "3/20", "1/20")
    assert result.highest_order == 3
    assert result.n_outliers == 4


def test_two_steps_are_counted_alike():
    for alpha in ((0.3, 0.4), (0.1, 0.45), (0.45, 0.2)):
        exact = exact_exponents(alpha, 2)
        assert highest_power(exact) == highest_order(exact)


def test_a_step_of_nothing_adds_nothing():
    """A first step of exponent 0 leaves the sizes of the two that follow."""
    two = rmt.scaling(made((0.3, 0.4)), 4)
    three = rmt.scaling(made((0, 0.3, 0.4)), 4)
    assert [s.exponent for s in three.spikes] == [s.exponent for s in two.spikes]
    assert [s.is_present for s in three.spikes] == [s.is_present for s in two.spikes]


def test_chain_of_three_steps():
    """``sigma''' = 0``: two steps leave no ``g^3``, a third does, through the ``g^2`` before it."""
    given = {"activation": "z + He2(z)/2", "target": "z"}
    assert not rmt.scaling(made((0.4, 0.4), **given), 3).spikes[2].is_present
    spikes = rmt.scaling(made((0.4, 0.3, 0.4), **given), 4).spikes
    assert spikes[2].exponent == sympy.Rational(1, 10)  # 0.4 + 0.3 + 0.4 - 1
    assert spikes[3].exponent is None


# The resummed level at growing width

# A correction c N^(alpha - 1/2) moves a slope by less than 0.02 between these.
WIDTHS = (10**7, 10**9)


@pytest.mark.parametrize(
    ("alpha", "scales", "target", "readout", "count"),
    [
        ((0.3, 0.3, 0.3), (1, 1, 1), "tanh(z) + z**2/(1 + z**2)", "rademacher", 1),
        ((0.35, 0.35, 0.35), (1, 1, 1), "z1 + z1*z2", "rademacher", 2),
        ((0.4, 0.2, 0.3, 0.1), (1, 1, 1, 1), "z1 + z1*z2", "gaussian", 2),
        ((0.2, 0.4, 0.3, 0.1), (2, 1, 1, 1), "z1 + z1*z2", "rademacher", 2),
    ],
)
def test_slopes_of_the_resummed_level(alpha, scales, target, readout, count):
    """Slopes of log theta in log N go to the exponents, and the one direction is in each spike."""
    slopes, last = [], None
    result = rmt.scaling(made(alpha, target=target, scales=scales))
    assert len(result.directions) == count
    for n in (10**3, *WIDTHS):
        problem = made(alpha, target=target, n=n, scales=scales, readout=readout)
        found = resummed_strengths(problem, 1e-3)
        theta = found.strengths[:count]
        if last is not None:
            slopes.append(np.log(theta / last[1]) / math.log(n / last[0]))
        last = (n, theta)
    expected = np.array([float(one.exponent) for one in result.directions])
    orders = [one.order for one in result.directions]
    assert [float(result.spikes[k].exponent) for k in orders] == expected.tolist()
    far, near = (np.abs(slope - expected) for slope in slopes)
    assert (near < far).all()
    assert near.max() < 0.02, (near, far)
    for k, one in enumerate(result.directions):
        held = np.abs(found.alignments[k]) @ np.abs(np.array(one.direction))
        assert held > 0.4


def test_the_first_spike_is_that_of_the_resummed_level():
    """Its strength and alignment; the difference falls as fast as the shift."""
    alpha, scales = (0.1, 0.3, 0.2), (1, 2, 3)
    first = rmt.scaling(made(alpha, scales=scales)).spikes[0]
    gaps = []
    for n in (10**5, 10**8, 10**11):
        problem = made(alpha, n=n, scales=scales, readout="rademacher")
        found = resummed_strengths(problem, 1e-5)
        value, error = first.strength_at(n)
        assert error < 1e-12 * value
        gaps.append(abs(value / found.strengths[0] - 1))
        width = sympy.Symbol("N", positive=True)
        assert float(first.strength.subs(width, n)) == pytest.approx(value, rel=1e-10)
    slopes = np.log(np.array(gaps[1:]) / np.array(gaps[:-1])) / math.log(1e3)
    assert gaps[-1] < 0.01
    assert (slopes < -0.15).all()  # N^(0.3 - 1/2), and terms that fall faster
    overlap = abs(float(first.alignment[0].subs(width, n)))
    assert overlap == pytest.approx(abs(found.alignments[0, 0]), abs=5e-3)


def test_first_spike_by_hand():
    """``mu_1^2 ((sum eta)^2 b^2 + sum eta^2 phi Ey2)``, of three equal steps."""
    first = rmt.scaling(made((0.3,) * 3, "z + He2(z)/2", "z")).spikes[0]
    n = sympy.Symbol("N", positive=True)
    assert first.strength**2 == (9 + sympy.Rational(3, 2)) * n ** sympy.Rational(3, 5)
    assert first.leading**2 == sympy.Rational(21, 2)
    assert first.alignment[0] ** 2 == sympy.Rational(6, 7)


# The two-step level, whose overlaps are worked out in another way


@pytest.mark.parametrize(
    ("activation", "target", "order"),
    [
        (TANH, "z1 + z1*z2", 1),
        ("tanh(z)", "z1 + He2(z1)*z2", 2),
        # No mu_3: the variance of the pre-activations brings mu_5, of first order if E[y] != 0.
        ("z + He2(z)/2 + He5(z)/120", "z1 + He2(z1)*z2 + 1", 3),
        ("z + He2(z)/2 + He5(z)/120", "z1 + He2(z1)*z2", 4),
        ("z + He5(z)/120", "z1 + He2(z1)*z2 + 1", 4),
        ("z + He2(z)/2", "z1 + He2(z1)*z2 + 1", None),
    ],
)
def test_orders_are_those_of_two_steps(activation, target, order):
    two = rmt.scaling(made((0.3, 0.4), activation, target), 6)
    held = [s.order for s in two.spikes if s.overlap[1] != 0]
    assert next(iter(held), None) == order
    third = rmt.scaling(made((0.1, 0.3, 0.4), activation, target)).directions[1]
    assert third.order == order
    if order is not None:
        assert third.exponent == two.spikes[order].exponent


# What is not found


@pytest.mark.parametrize(
    ("activation", "target", "which", "why"),
    [
        (TANH, "He2(z)", 0, "leap 2 over what is known"),
        (TANH, "z1 + He2(z2)", 1, "leap 2 over what is known"),
        # Behind a leap that is not made.
        (TANH, "z1 + z2*z3", 2, "leap 2 over what is known"),
        ("tanh(z)", "z1 + z1*z2", 1, "sigma is odd"),
        # z/2 and an even function: no mu_3, and e_3 needs a product of two directions.
        ("gelu(z)", STAIRS, 2, "coefficients of the activation vanish"),
    ],
)
def test_why_a_direction_is_not_found(activation, target, which, why):
    one = rmt.scaling(made((0.45,) * 4, activation, target)).directions[which]
    assert one.exponent is None
    assert not one.is_found
    assert why in one.reason


def test_a_direction_that_later_steps_would_find():
    target = "z1 + z1*z2 + z2*z3"
    third = rmt.scaling(made((0.45,) * 3, target=target)).directions[2]
    assert third.step == 3
    steps = "z1 + z1*z2 + He2(z2)*z3"
    assert rmt.scaling(made((0.45,) * 3, target=steps)).directions[2].step == 3


def test_parity_is_that_of_the_resummed_level():
    for activation, found in (("tanh(z)", False), (TANH, True)):
        problem = made((0.45,) * 3, activation, n=10**8, readout="rademacher")
        along = np.abs(resummed_strengths(problem, 1e-3).alignments[:2, 1]).max()
        assert bool(along > 0.1) is found
        assert rmt.scaling(problem).directions[1].is_found is found


def test_directions_of_one_step_are_told_apart_by_their_power():
    """Both have leap 1 over the first; one comes with a power of the shift, one with its square."""
    target = "z1 + z1*(z2 + z3) + He2(z1)*(z2 - z3)"
    found = rmt.scaling(made((0.4,) * 3, target=target)).directions
    assert [one.order for one in found] == [0, 1, 2]
    assert [one.exponent for one in found] == rational("2/5", "3/10", "1/5")
    half = 0.5**0.5
    assert np.abs(found[1].direction) == pytest.approx([0, half, half])
    assert found[1].direction[1] * found[1].direction[2] > 0


def test_two_values_of_the_readout_leave_two_powers():
    spikes = rmt.scaling(made((0.4,) * 3, readout="rademacher")).spikes
    assert [s.is_present for s in spikes[:4]] == [True, True, False, False]
    assert "span of the earlier powers of g" in spikes[2].absent


def test_what_a_pair_of_steps_has_in_a_span_is_undecided():
    """``Phi_2`` of GELU is a multiple of ``Phi_1``: both are multiples of ``zeta``."""
    activation, target = "gelu(z)", "tanh(z) + z**2"
    pair = rmt.scaling(made((0.3, 0.4), activation, target), 4).spikes
    assert "span of the earlier right vectors" in pair[2].absent
    spikes = rmt.scaling(made((0.4,) * 3, activation, target), 4).spikes
    assert [bool(s.undecided) for s in spikes] == [False, False, True, False]
    assert spikes[2].is_outlier is None
    assert spikes[2].exponent == sympy.Rational(1, 5)


# Input and output


def test_refusals():
    with pytest.raises(UnsupportedProblemError, match=r"rmt\.scaling has .*its first two steps"):
        rmt.scaling(made((0.3,) * 3, batch=(0, 0, 1)))
    with pytest.raises(UnsupportedProblemError, match="exponent 1/2"):
        rmt.scaling(made((0.5,) * 3))
    with pytest.raises(UnsupportedProblemError, match=r"rmt\.scaling its exponents"):
        rmt.predict(made((0.3,) * 3), "scaling")
    three = made((0.3,) * 3)
    with pytest.raises(InvalidInputError, match="symbols are for one or two steps"):
        rmt.scaling(three, 2, alpha=("a", "b", "c"))
    with pytest.raises(InvalidInputError, match="alpha must hold 3"):
        rmt.scaling(three, alpha=(0.3, 0.3))
    with pytest.raises(InvalidInputError, match="n_spikes must be"):
        rmt.scaling(three, 0)
    with pytest.raises(InvalidInputError, match=r"E\[sigma'\(Z\)\] = 0"):
        rmt.scaling(made((0.3,) * 3, "He2(z) + He3(z)"))
    second = rmt.scaling(three).spikes[1]
    with pytest.raises(InvalidInputError, match="spike 0 alone"):
        second.strength_at(1000)
    with pytest.raises(InvalidInputError, match="width must be positive"):
        rmt.scaling(three).spikes[0].strength_at(-1)


def test_the_table_of_the_page():
    page = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
    steps = [(2, 0.4), (2, 0.4), (2, 0.3)]
    problem = Problem(TANH, STAIRS, 1000, 1000, 3000, steps)
    assert str(rmt.scaling(problem)) in page


def test_exponents_in_place_of_those_of_the_steps():
    given = rmt.scaling(made((0.1,) * 3), alpha=(0.3, "1/5", sympy.Rational(2, 5)))
    assert given.alpha == tuple(rational("3/10", "1/5", "2/5"))
    assert [s.exponent for s in given.spikes] == rational("2/5", "1/5", "0")
    assert given.spikes[2].at_threshold
    assert given.spikes[2].is_outlier is None
    assert given.n_outliers == 2


def test_output():
    result = rmt.scaling(made((0.3,) * 3, target=STAIRS))
    data = json.loads(json.dumps(result.to_dict()))
    assert data["n_outliers"] == data["n_found"] == 2
    assert [one["exponent"] for one in data["directions"]] == ["3/10", "1/10", "-3/10"]
    assert data["spikes"][1]["strength"] is None
    assert "3 steps, fresh batches: at most 2 outliers" in str(result)
    assert "these must exceed 3/8" in str(result)
    assert result.latex().count(r"\theta_") == 2
    assert pickle.loads(pickle.dumps(result)).to_dict() == result.to_dict()
    assert rmt.scaling(result.problem) is result
