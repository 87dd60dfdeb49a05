"""The scaling level against hand calculations, brute-force quadrature and the resummed level.

Its numbers and their errors are in test_scaling_numbers.py.
"""

import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import sympy

from rmt.hermite import reuse_exponent
from rmt.problem import Problem
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.scaling import learned_region, scaling
from rmt.status import InvalidInputError

N = sympy.Symbol("N", positive=True)
STEPS = [(1, 0.3), (2, 0.45)]


def simple(**changes):
    """``sigma = z + He_2 / 2``, ``y = z``: everything can be done by hand."""
    given = {"activation": "z + He2(z)/2", "target": "z", "steps": [(1, 0.3), (2, 0.4)]}
    return Problem(**{"width": 1000, "dim": 1000, "samples": 2000, **given, **changes})


def rough(**changes):
    return simple(
        **{
            "activation": "tanh(z + 7/10)",
            "target": "tanh(2*z) + z**2/(1 + z**2)",
            "steps": STEPS,
            **changes,
        }
    )


def at_width(problem, width):
    factor = width // problem.width
    return problem.replace(
        width=width,
        dim=factor * problem.dim,
        samples=tuple(factor * n for n in problem.samples),
    )


# By hand


def test_by_hand_with_independent_batches():
    result = scaling(simple())
    first, second, third = result.spikes
    assert result.is_exact
    # |beta_1|^2 = 1 + phi, <beta_1, v_0> = 1.
    expected = sympy.Rational(3, 2) * N ** sympy.Rational(3, 5)
    expected += 4 * N ** sympy.Rational(7, 10) + 6 * N ** sympy.Rational(4, 5)
    assert sympy.expand(first.strength**2 - expected) == 0
    assert first.leading == sympy.sqrt(6)
    # psi_1 = z zeta: r_1^2 = phi E[z^2 zeta^2] = (3 + 1/2)/2, and delta_1^2 = 3.
    assert second.strength == sympy.sqrt(21) * N ** sympy.Rational(1, 5)
    assert second.overlap == (0,)
    assert third.absent == "Phi_2 = 0 exactly"
    assert result.n_outliers == 2


def test_by_hand_with_a_reused_batch():
    # psi_1 = y (phi y + zeta): r_1^2 = phi E[z^2 (3 z/2 + s omega)^2] = (27/4 + 1/2)/2.
    result = scaling(simple(batch="reused"))
    assert result.is_exact
    assert result.spikes[1].right_distance == sympy.sqrt(sympy.Rational(29, 8))
    # v_0 = mu_1 beta_1: one direction, both steps.
    eta = N ** sympy.Rational(3, 10) + 2 * N ** sympy.Rational(2, 5)
    ratio = result.spikes[0].strength ** 2 / (sympy.Rational(3, 2) * eta**2)
    assert sympy.simplify(ratio) == 1


def test_label_noise_by_hand():
    # Ey2 = 5/4, s^2 = 5/8; r_1^2 = phi (E[z^2 zeta^2] + E[eps^2] E[zeta^2]).
    result = scaling(simple(noise_std=0.5))
    moment = (3 + sympy.Rational(5, 8)) + sympy.Rational(1, 4) * (1 + sympy.Rational(5, 8))
    assert result.spikes[1].right_distance ** 2 == moment / 2


def test_error_function_is_exact():
    result = scaling(simple(activation="erf(z)", target="He3(z)", batch="reused", steps=STEPS))
    assert result.is_exact
    assert result.spikes[2].is_present


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_one_step(batch):
    problem = rough(steps=[(3, 0.25)], batch=batch)
    result = scaling(problem)
    found = resummed_strengths(problem, 1e-6)
    assert result.strengths(1000) == pytest.approx(found.strengths, rel=1e-10)
    assert abs(result.alignments(1000)) == pytest.approx(abs(found.alignments), rel=1e-10)
    assert result.n_outliers == 1


# Exponents and counts


@pytest.mark.parametrize(
    ("alpha", "highest", "boundary"),
    [((0.3, 0.4), 2, True), ((0.3, 0.39), 1, False), ((0.1, 0.3), 0, False), ((0.4, 0.4), 4, True)],
)
def test_counts(alpha, highest, boundary):
    result = scaling(rough(steps=[(1, alpha[0]), (1, alpha[1])]))
    assert result.highest_order == highest
    assert len(result.spikes) == highest + 1
    assert result.spikes[-1].at_threshold == boundary
    assert result.floor_count == highest
    last = float(result.spikes[-1].leading)
    assert result.n_outliers == highest + (not boundary or last > 1)
    first, second = map(sympy.Rational, map(str, alpha))
    assert result.spikes[0].exponent == max(first, second)
    for k in range(1, highest + 1):
        assert result.spikes[k].exponent == second - k * (sympy.Rational(1, 2) - first)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_spike_of_size_one_is_an_outlier_above_the_threshold(batch):
    # theta_2 = eta_2 eta_1^2 / 2 ..: ten times the second step is ten times the spike.
    problem = rough(steps=[(1, 0.3), (1, 0.4)], batch=batch, width=4000)
    base = float(scaling(problem).spikes[2].leading)
    threshold = 4.0**0.25
    assert float(scaling(problem).threshold) == pytest.approx(threshold)
    for factor in (0.99, 1.01):
        scale = factor * threshold / base
        spike = scaling(problem.replace(steps=[(1, 0.3), (scale, 0.4)])).spikes[2]
        assert spike.at_threshold
        assert spike.is_outlier == (factor > 1)
        assert float(spike.leading) == pytest.approx(factor * threshold, rel=1e-12)
    # Steps that do not grow: spike 0 itself has size O(1).
    small = scaling(problem.replace(steps=[(1e-3, 0.0), (1e-3, 0.0)]))
    assert (small.highest_order, small.n_outliers) == (0, 0)
    assert small.spikes[0].at_threshold


@pytest.mark.parametrize("alpha", [("0.2", "0.45"), ("0.3", "0.39"), ("0.41", "0.4")])
def test_symbolic_count_is_the_count(alpha):
    symbols = sympy.symbols("alpha_1 alpha_2", nonnegative=True)
    general = scaling(rough(), 6, alpha=symbols)
    values = dict(zip(symbols, map(sympy.Rational, alpha), strict=True))
    numbers = scaling(rough(), alpha=alpha)
    assert numbers.spikes[-1].exponent != 0
    assert general.n_outliers.subs(values) == numbers.n_outliers == numbers.highest_order + 1


def test_leading_constant_is_the_limit():
    for steps in (STEPS, [(2, 0.4), (1, 0.2)], [(2, 0.3), (1, 0.3)]):
        result = scaling(rough(steps=steps), 3)
        width = 1e200
        for spike, strength in zip(result.spikes, result.strengths(width), strict=True):
            size = width ** float(spike.exponent)
            assert strength / size == pytest.approx(float(spike.leading), rel=1e-9)


def test_symbolic_exponents():
    symbols = sympy.symbols("a b", nonnegative=True)
    general = scaling(rough(), 3, alpha=symbols)
    assert general.highest_order is None
    numbers = scaling(rough())
    values = dict(zip(symbols, numbers.alpha, strict=True))
    for one, other in zip(general.spikes, numbers.spikes, strict=True):
        assert one.exponent.subs(values) == other.exponent
        ratio = (one.strength.subs(values) / other.strength).subs(N, 10**6)
        assert float(ratio) == pytest.approx(1.0, rel=1e-14)
    assert general.floor_count.subs(values) == numbers.highest_order
    assert scaling(rough(), 2, alpha=("a", "b")).alpha == symbols
    with pytest.raises(InvalidInputError, match="symbols"):
        general.strengths(1000)


# Which spikes are absent


def test_what_a_decimal_leaves_of_a_removed_coefficient_carries_no_target():
    """tanh(2z) without He_1: its coefficient is removed as a decimal, to 24 digits."""
    removed = simple(target="remove_hermite(3*tanh(2*z), 1)", batch="reused", steps=STEPS)
    assert not scaling(removed).spikes[0].carries_target
    kept = removed.replace(target="remove_hermite(3*tanh(2*z), 1) + z/10**9")
    first = scaling(kept).spikes[0]
    assert first.carries_target
    assert float(first.alignment[0]) != 0


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_odd_activation_has_no_odd_orders(batch):
    result = scaling(simple(activation="erf(z)", target="He3(z)", batch=batch, steps=STEPS))
    assert [s.is_present for s in result.spikes] == [True, False, True]
    assert "sigma is odd" in result.spikes[1].absent
    # He_3 has reuse exponent 3: its direction is in the spike k = 2 of the reused batch alone.
    assert [s.carries_target for s in result.spikes] == [False, False, batch == "reused"]


def test_even_activation_learns_nothing():
    for batch in ("independent", "reused"):
        result = scaling(rough(activation="He2(z) + z**4", target="tanh(z)", batch=batch))
        assert not any(s.is_present for s in result.spikes)


def test_rademacher_readout_has_two_powers():
    # g^2 = 1 is orthogonal to g, g^3 = g is not new.
    result = scaling(rough(readout="rademacher"))
    assert [s.left_distance for s in result.spikes] == [1, 1, 0]
    assert "powers of g" in result.spikes[2].absent


def test_left_distances():
    gaussian = scaling(rough(), 4).spikes
    assert [s.left_distance**2 for s in gaussian[:3]] == [1, 3, 6]
    uniform = scaling(rough(readout="uniform")).spikes
    assert uniform[1].left_distance ** 2 == sympy.Rational(9, 5)
    values = np.random.default_rng(0).exponential(size=1000)
    given = scaling(rough(readout=values)).spikes
    powers = values[:, None] ** np.arange(1, 4) / math.sqrt(values.size)
    expected = abs(np.diag(np.linalg.qr(powers)[1]))
    assert [float(s.left_distance) for s in given] == pytest.approx(expected, rel=1e-10)


# Alignment with the target, by brute force


def gauss(n):
    x, w = np.polynomial.hermite_e.hermegauss(n)
    return x, w / w.sum()


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("k", [1, 2])
def test_overlap_by_brute_force(batch, k):
    problem = rough(activation="erf(z/2 + 1/2)", target="sin(z) + cos(z)", batch=batch)
    x, w = gauss(36)
    Z, z_weight = x[:, None], w[:, None]
    xi, both = x[None, :], z_weight * w[None, :]
    phi = 0.5
    z = sympy.Symbol("z")
    sigma = sympy.erf(z / 2 + sympy.Rational(1, 2))
    slope, high = (sympy.lambdify(z, sigma.diff(z, m), "numpy") for m in (1, k + 1))
    slope, high = slope(Z), high(Z)
    mu1, mu2 = (z_weight * slope).sum(), (z_weight * slope * Z).sum()
    f = np.sin(x) + np.cos(x)
    b, Ey, Ey2 = w @ (x * f), w @ f, w @ f**2
    s = math.sqrt(phi * Ey2)
    tau = math.sqrt(phi * Ey2 * ((z_weight * slope**2).sum() - mu1**2))
    total = 0.0
    for i, (point, label) in enumerate(zip(x, f, strict=True)):
        for j, omega in enumerate(x):
            shift = mu1 * (b * point + s * omega) + mu2 * Ey * Z + tau * xi
            shift = shift + phi * label * slope * (batch == "reused")
            total += w[i] * w[j] * point * label * (both * high * shift**k).sum()
    assert float(scaling(problem).spikes[k].overlap[0]) == pytest.approx(total, rel=1e-8)


# Against the resummed level, as N grows


@pytest.mark.parametrize(
    "problem",
    [
        pytest.param(rough(), id="tanh"),
        pytest.param(rough(noise_std=0.3, samples=(2000, 3000), dim=500), id="noise"),
        pytest.param(rough(readout="uniform"), id="uniform"),
        pytest.param(rough(readout="rademacher"), id="rademacher"),
        pytest.param(rough(activation="relu(z + 1/2)", target="tanh(z)"), id="relu"),
        pytest.param(rough(target="z1 + tanh(z1)*tanh(z2)"), id="two indices"),
        pytest.param(rough(batch="reused"), id="reused"),
        pytest.param(
            rough(batch="reused", target="sin(z1) + cos(z2)*tanh(z1)"), id="reused, two indices"
        ),
    ],
)
def test_resummed_level_approaches(problem):
    result = scaling(problem)
    present = [s.is_present for s in result.spikes]
    widths = (10**8, 10**10)
    gaps = []
    for width in widths:
        found = resummed_strengths(at_width(problem, width), rtol=1e-5)
        count = min(sum(present), found.strengths.size)
        expected = result.strengths(width)[present][:count]
        gaps.append(expected / found.strengths[:count] - 1)
    assert count >= 2
    assert np.all(abs(gaps[1]) < 0.01)
    # The next order in t = N^(alpha_1 - 1/2), two decades apart; the weakest spike comes in late.
    rates = np.log(gaps[1][:2] / gaps[0][:2]) / math.log(100)
    assert rates == pytest.approx(np.full(2, -0.2), abs=0.05)
    expected = result.alignments(widths[1])[present][:count]
    assert abs(found.alignments[:count]) == pytest.approx(abs(expected), abs=5e-3)


def test_resummed_level_approaches_kinked_slopes():
    """k = 2 of ELU holds a delta function; a wrong constant would stop the gap from closing."""
    problem = rough(batch="reused", activation="elu(z)", target="sin(z)")
    result = scaling(problem, 3)
    gaps = []
    for width in (10**8, 10**10):
        found = resummed_strengths(at_width(problem, width), rtol=1e-5)
        gaps.append(result.strengths(width) / found.strengths[:3] - 1)
    assert np.all(abs(gaps[1]) < 0.03)
    rates = np.log(gaps[1] / gaps[0]) / math.log(100)
    assert rates == pytest.approx(np.full(3, -0.2), abs=0.01)


# Refusals


def test_reused_batch_needs_a_smooth_activation():
    problem = rough(activation="relu(z)", batch="reused")
    with pytest.raises(InvalidInputError, match=r"k = 1.*resummed"):
        scaling(problem)
    assert scaling(problem, 1).spikes[0].is_present


@pytest.mark.parametrize(
    ("activation", "orders"),
    [
        ("selu(z)", 0),  # the slope jumps
        ("elu(z, 2)", 0),
        ("leaky_relu(z)", 0),
        ("hard_tanh(z)", 0),
        ("elu(z)", 2),  # a delta in the third derivative, times slopes that are continuous
        ("celu(z, 2)", 2),
        ("softsign(z)", 2),
        ("relu(z)**2", 2),
        ("relu(z)**3 + z", 4),
    ],
)
def test_order_at_which_kinks_refuse(activation, orders):
    problem = rough(activation=activation, batch="reused", target="He2(z) + z")
    assert len(scaling(problem, orders + 1).spikes) == orders + 1
    with pytest.raises(InvalidInputError, match=f"k = {orders + 1}:"):
        scaling(problem, orders + 2)
    assert len(scaling(problem.replace(batch="independent"), 3).spikes) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_spikes": 0}, "n_spikes"),
        ({"n_spikes": True}, "n_spikes"),
        ({"alpha": (0.3, 0.5)}, "alpha"),
        ({"alpha": (0.3,)}, "alpha"),
        ({"alpha": (0.3, "1/0")}, "alpha"),
        ({"alpha": ("a", "b")}, "n_spikes"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        scaling(simple(), **arguments)


def test_moments_that_do_not_exist():
    with pytest.raises(InvalidInputError, match="target: the scaling level needs moments"):
        scaling(rough(target="exp(z**2/10)", batch="reused"))


# The region where a target is learned


def test_learned_region():
    assert learned_region("tanh(z)", "independent").contains(0.1, 0)
    assert not learned_region("He2(z)", "independent").contains(0.49, 0.49)
    region = learned_region(reuse_exponent("He3(z)"), "reused")
    assert (region.exponent, region.order) == (3, 2)
    assert region == learned_region("He3(z)", "reused")
    for first, second in ((0.3, 0.4), (0.3, 0.41), (0.26, 0.49), (0.2, 0.49)):
        expected = 5 * round(100 * second) > 10 * round(50 - 100 * first)
        assert region.contains(first, second) == expected
    assert not learned_region("z**2", "reused").contains(0.49, 0.49)
    first, second = sympy.symbols("alpha_1 alpha_2", nonnegative=True)
    found = learned_region("He3(z) + z**2", "reused").condition()
    assert found == sympy.Gt(second, sympy.Rational(1, 2) - first)
    for target in (0, "z1*z2"):
        with pytest.raises(InvalidInputError, match="target"):
            learned_region(target, "reused")


def test_learned_region_of_an_activation():
    # He_2 + He_3 has reuse exponent 2; an odd activation has no spike k = 1.
    assert learned_region("He2(z) + He3(z)", "reused").order == 1
    assert learned_region("He2(z) + He3(z)", "reused", "tanh(z + 1)").order == 1
    assert learned_region("He2(z) + He3(z)", "reused", "erf(z)").order == 2
    # Without a linear part spike 0 is absent; tau^2 E[sigma'''] E[z y] is left in k = 2.
    assert learned_region("tanh(z)", "independent", "He3(z)").order == 2
    assert learned_region("He3(z)", "independent", "tanh(z + 1)").order is None
    assert learned_region("z", "reused", "He2(z)").order is None
    with pytest.raises(InvalidInputError, match="k = 1"):
        learned_region("He2(z) + He3(z)", "reused", "relu(z)")
    with pytest.raises(InvalidInputError, match="function"):
        learned_region(2, "reused", "tanh(z)")


# Output


def test_output():
    result = scaling(rough(batch="reused", steps=[(1, 0.3), (2, 0.4)]))
    data = json.loads(json.dumps(result.to_dict()))
    assert Problem.from_dict(data["problem"]) == result.problem
    assert data["highest_order"] == 2
    assert [spike["order"] for spike in data["spikes"]] == [0, 1, 2]
    assert sympy.sympify(data["spikes"][1]["exponent"]) == result.spikes[1].exponent
    assert "not above (N/d)^(1/4) = 1" in str(result)
    assert result.latex().count(r"\theta_") == 3
    assert data["strengths"] == result.strengths(result.problem.width).tolist()
    assert max(data["strength_errors"]) < 1e-12
    pickled = pickle.loads(pickle.dumps(result))
    assert pickled.strengths(1e5).tolist() == result.strengths(1e5).tolist()
    assert json.dumps(scaling(rough(), 2, alpha=("a", "b")).to_dict())


def test_the_table_of_the_page():
    page = (Path(__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
    given = {"activation": "z + He2(z)/2 + He3(z)/3", "target": "He3(z)/sqrt(6)", "batch": "reused"}
    assert str(scaling(simple(**given, steps=[(1, 0.3), (2, 0.45)]))) in page


def test_results_are_kept():
    assert scaling(rough(), 2) is scaling(rough(), 2)


# Left functions

UNIT = np.polynomial.legendre.leggauss(12)
LAWS = {
    "gaussian": gauss(30),
    "uniform": (math.sqrt(3) * UNIT[0], UNIT[1] / 2),
    "rademacher": (np.array([-1.0, 1.0]), np.array([0.5, 0.5])),
}


@pytest.mark.parametrize("readout", LAWS)
def test_left_functions_are_orthonormal(readout):
    result = scaling(rough(readout=readout), 4)
    nodes, weights = LAWS[readout]
    u = result.left_functions(nodes)
    present = np.array([s.is_present for s in result.spikes])
    assert (u * weights) @ u.T == pytest.approx(np.diag(present.astype(float)), abs=1e-12)
    # The leading coefficient is 1 / delta_k.
    for k, spike in enumerate(result.spikes):
        if spike.is_present:
            far = result.left_functions([1e9])[k, 0] / 1e9 ** (k + 1)
            assert far == pytest.approx(1 / float(spike.left_distance), rel=1e-6)


def test_left_functions_are_those_of_the_resummed_level():
    problem = at_width(rough(steps=[(1, 0.2), (2, 0.45)]), 10**10)
    found = resummed_strengths(problem, rtol=1e-6)
    g, w = found.readout_nodes, found.readout_weights
    u = scaling(problem).left_functions(g)
    for k in range(2):
        assert abs((u[k] * w) @ found.left_functions[k]) == pytest.approx(1, abs=1e-3)


def test_left_functions_of_a_given_readout():
    values = np.random.default_rng(1).standard_normal(1000)
    result = scaling(rough(readout=values), 3)
    u = result.left_functions(values)
    assert u @ u.T / values.size == pytest.approx(np.eye(3), abs=1e-12)
    few = np.repeat([-1.0, 2.0], 500)
    absent = scaling(rough(readout=few), 3)
    assert [s.is_present for s in absent.spikes] == [True, True, False]
    assert not absent.left_functions(few)[2].any()
    with pytest.raises(InvalidInputError, match="one-dimensional"):
        result.left_functions(values[None, :])


def test_latex_of_leading_constants() -> None:
    """Constants and powers apart, without signs of higher roots; symbols leave them open."""
    problem = Problem(
        "z + He2(z)/2 + He3(z)/3",
        "He3(z)/sqrt(6)",
        1000,
        1000,
        2000,
        [(1, 0.3), (2, 0.45)],
        "reused",
    )
    found = scaling(problem)
    full, leading = found.latex(), found.latex(leading=True)
    assert "N^{3/10}" in full  # the weaker term of spike 0
    assert r"\sqrt[" not in full + leading
    assert leading.splitlines() == [
        r"\begin{aligned}",
        r"\theta_{0} &\simeq \sqrt{2}\, N^{9/20} \\",
        r"\theta_{1} &\simeq \frac{\sqrt{5034}}{2}\, N^{1/4} \\",
        r"\theta_{2} &\simeq 2 \sqrt{138345}\, N^{1/20}",
        r"\end{aligned}",
    ]
    for spike, constant in zip(found.spikes, (2**0.5, 5034**0.5 / 2, 2 * 138345**0.5), strict=True):
        assert float(spike.leading) == pytest.approx(constant)
    symbols = scaling(problem, n_spikes=1, alpha=("alpha_1", "alpha_2"))
    with pytest.raises(InvalidInputError, match="leading constants open"):
        symbols.latex(leading=True)
