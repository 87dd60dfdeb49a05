"""Numbers of the scaling level: exact ones, certified ones, and the bounds of their errors."""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

from rmt.functions import ScalarFunction
from rmt.hermite import hermite_expansion
from rmt.moments.precise.products import product_moments
from rmt.problem import Problem
from rmt.spikes.scaling import scaling
from rmt.spikes.scaling.activation_moments import activation_moments
from rmt.spikes.scaling.intervals import midpoint_and_radius
from rmt.spikes.scaling.number import Number
from rmt.spikes.scaling.number_fractions import cancelled
from rmt.spikes.scaling.readout_moments import left_distance_square

N = sympy.Symbol("N", positive=True)
STEPS = [(1, 0.3), (2, 0.4)]


def problem(activation, target, batch="independent", **changes):
    given = {"width": 1000, "dim": 1000, "samples": 2000, "steps": STEPS, **changes}
    return Problem(activation, target, batch=batch, **given)


def normal(function, digits=40):
    """``E[function(Z)]`` by mpmath."""
    with mpmath.workdps(digits):
        return mpmath.quad(
            lambda z: function(z) * mpmath.npdf(z), [-mpmath.inf, -4, -1, 0, 1, 4, mpmath.inf]
        )


# Arithmetic

FORMS = [
    sympy.Rational(3, 7),
    sympy.sqrt(6) / 3 - 2,
    sympy.sqrt(2 / sympy.pi) + sympy.exp(-2),
    sympy.asin(sympy.Rational(2, 3)) / sympy.pi - sympy.exp(sympy.Rational(1, 8)) / 5,
    sympy.erf(sympy.sqrt(2) / 2) ** 2 - sympy.cbrt(2),
    1 / (1 + sympy.sqrt(3)) + sympy.sqrt(2 + sympy.sqrt(2)),
]


@pytest.mark.parametrize("x", FORMS)
@pytest.mark.parametrize("y", FORMS)
def test_arithmetic_is_that_of_the_numbers(x, y):
    a, b = Number.of(x), Number.of(y)
    for found, expected in ((a + b, x + y), (a - b, x - y), (a * b, x * y), (a**3, x**3)):
        assert found.is_exact
        true = sympy.N(expected, 50)
        assert abs(sympy.N(found.expression() - true, 50)) < 1e-45
        assert float(found) == pytest.approx(float(true), rel=1e-15, abs=1e-15)
    assert (a + b - b - a).is_zero
    assert (a + b).error == 0.0


@pytest.mark.parametrize("x", FORMS[:4])
def test_intervals_hold_the_number(x):
    exact = Number.of(x)
    near = Number.certified(sympy.N(x, 20) * (1 + sympy.Float("1e-12")), 1e-11)
    for found, expected in (
        (near * near - near, x * x - x),
        (near / (near + 7), x / (x + 7)),
        (near * exact, x * x),
        ((near * near).root(), abs(x)),
    ):
        assert not found.is_exact
        gap = abs(sympy.N(found.decimal() - expected, 40))
        assert 0 < gap <= found.error < 1e-9


def test_zeros_keep_what_is_not_known():
    nothing = Number.nearly_zero(1e-20)
    product = nothing * Number.of(5)
    assert product.is_zero
    assert product.error == pytest.approx(5e-20)
    total = product + Number.of(1)
    assert not total.is_zero
    assert total.error == pytest.approx(5e-20)
    small = Number.certified(1e-25, 1e-24)
    assert small.settled(1, 20).is_zero
    assert not small.settled(1e-10, 20).is_zero
    assert not Number.certified(1e-25, 1e-26).settled(1, 20).is_zero  # 0 is ruled out


def test_roots_and_quotients():
    root = Number.of(sympy.Rational(8, 9) * sympy.pi).root()
    assert root.expression() == 2 * sympy.sqrt(2) * sympy.sqrt(sympy.pi) / 3
    assert (1 / root * root - 1).is_zero
    with pytest.raises(ZeroDivisionError):
        root / (root - root)


def test_sums_that_grow_too_long_become_decimals():
    total = Number.of(sum(sympy.sqrt(p) for p in sympy.primerange(40))) ** 4
    assert not total.is_exact
    assert total.error < 1e-55
    expected = float(sum(math.sqrt(p) for p in sympy.primerange(40))) ** 4
    assert float(total) == pytest.approx(expected)


def test_fractions_lose_common_factors():
    # (N - e)(N + 2) / ((N - e)(N + 3))
    e = Number.of(sympy.E)

    def times_common(c):
        powers = map(sympy.Integer, (2, 1, 0))
        return list(zip(powers, (Number.of(1), c - e, -c * e), strict=True))

    over, under = cancelled(times_common(Number.of(2)), times_common(Number.of(3)))
    expressions = [sum(c.expression() * N**p for p, c in part) for part in (over, under)]
    assert sympy.simplify(expressions[0] / expressions[1] - (N + 2) / (N + 3)) == 0
    assert len(over) == len(under) == 2


# Moments, by routes that share nothing


def test_product_moments_where_the_rule_fails():
    narrow = ScalarFunction.parse("tanh(z)*exp(-1000000*(z - 1/3)**2)")
    for text in ("exp(z**2/10)*tanh(z)", "relu(tanh(z) - z**3 + 1/5)"):
        assert product_moments((ScalarFunction.parse(text),), (6,), 2) is None
    assert product_moments((narrow,), (2,), 2) is None


@pytest.mark.parametrize("activation", ["erf(z)", "gelu(z)", "sin(z)", "He3(z) + z**2", "exp(z/3)"])
def test_activation_moments_in_closed_form(activation):
    moments = activation_moments(ScalarFunction.parse(activation), 2, True)
    sigma = moments.sigma
    z = sigma.symbols[0]
    derivatives = [sympy.lambdify(z, sigma.expression.diff(z, k), "mpmath") for k in range(4)]
    for k, i, n in ((1, 1, 0), (2, 1, 1), (2, 2, 0)):
        expected = normal(
            lambda x, k=k, i=i, n=n: derivatives[k + 1](x) * derivatives[1](x) ** i * x**n
        )
        with mpmath.workdps(35):
            found = sympy.Float(moments.moment(k, i, n).decimal(), 35)
            assert abs(mpmath.mpf(found._mpf_) - expected) < mpmath.mpf(10) ** -25


def test_moments_with_a_delta():
    # sigma' = min(e^z, 1): sigma''' = e^z [z < 0] - delta(z), and sigma'(0) = 1.
    moments = activation_moments(ScalarFunction.parse("elu(z)"), 2, True)
    smooth = normal(lambda z: mpmath.exp(2 * z) if z < 0 else mpmath.mpf(0))
    expected = smooth - 1 / mpmath.sqrt(2 * mpmath.pi)
    assert float(moments.moment(2, 1, 0)) == pytest.approx(float(expected), rel=1e-12)
    smooth = normal(lambda z: z * mpmath.exp(3 * z) if z < 0 else mpmath.mpf(0))
    assert float(moments.moment(2, 2, 1)) == pytest.approx(float(smooth), rel=1e-12)


# Whole problems in brute force: section 3 on a grid, in double precision


def grid(n):
    x, w = np.polynomial.hermite_e.hermegauss(n)
    return x, w / w.sum()


def brute_force(activation, target, batch, width, phi=0.5):
    """Strengths and alignments of k = 0, 1, 2 by quadrature and QR; one index, Gaussian readout."""
    z = sympy.Symbol("z", real=True)
    sigma = ScalarFunction.parse(activation).expression
    sigma = sigma.subs(ScalarFunction.parse(activation).symbols[0], z)
    x, w = grid(60)
    slopes = [sympy.lambdify(z, sigma.diff(z, m), ["scipy", "numpy"])(x) + 0 * x for m in (1, 2, 3)]
    f = ScalarFunction.parse(target)(x)
    b, mean, square = w @ (x * f), w @ f, w @ f**2
    mu1, mu2 = w @ slopes[0], w @ (slopes[0] * x)
    s = math.sqrt(phi * square)
    tau2 = phi * square * (w @ slopes[0] ** 2 - mu1**2)
    reused = batch == "reused"
    label, omega, weight = f[:, None], x[None, :], w[:, None] * w[None, :]
    zeta = b * x[:, None] + s * omega
    psi = [mu1 * label + 0 * zeta]
    for k in (1, 2):
        total = 0.0
        for Z, w_Z, slope, high in zip(x, w, slopes[0], slopes[k], strict=True):
            shift = phi * label * slope * reused + mu1 * zeta + mu2 * mean * Z
            total = total + w_Z * high * (shift if k == 1 else shift**2 + tau2)
        psi.append(label * total)
    vectors = [None, *psi]  # beta_1, v_0, v_1, v_2, and beta_*

    def stein(p):
        return np.array([(weight * x[:, None] * p).sum(), (weight * omega * p).sum()])

    size = 5
    gram = np.zeros((size, size))
    for i in range(size):
        for j in range(size):
            if i == 4 or j == 4:
                other = min(i, j)
                gram[i, j] = 1.0 if i == j else b if other == 0 else stein(vectors[other])[0]
            elif i == 0 or j == 0:
                other = max(i, j)
                if other == 0:
                    gram[i, j] = b**2 + s**2
                else:
                    p = vectors[other]
                    gram[i, j] = (weight * zeta * p).sum() + reused * phi * (
                        weight * label * p
                    ).sum()
            else:
                p, q = vectors[i], vectors[j]
                gram[i, j] = phi * (weight * p * q).sum() + stein(p) @ stein(q)
                if reused:
                    for u, v in ((p, q), (q, p)):
                        gram[i, j] += phi * stein(u)[1] / s * (weight * label * v).sum()
    eta1, eta2 = width**0.3, 2 * width**0.4
    rows = np.zeros((4, size))
    rows[0, :2] = mu1 * eta1, eta2
    rows[1, 2] = rows[2, 3] = rows[3, 4] = 1.0
    inner = rows @ gram @ rows.T
    strengths, alignments, kept = [], [], []
    for k in range(3):
        left = inner - inner[:, kept] @ np.linalg.solve(inner[np.ix_(kept, kept)], inner[kept])
        distance = math.sqrt(max(left[k, k], 0.0))
        growth = 1.0 if k == 0 else eta2 * eta1**k / math.factorial(k) * width ** (-k / 2)
        strengths.append(growth * math.sqrt((1, 3, 6)[k]) * distance)
        alignments.append(left[k, 3] / distance)
        kept.append(k)
    return np.array(strengths), np.array(alignments)


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize(
    ("activation", "target"),
    [
        ("z + z**2/2 + z**3/5", "z + z**2/3"),
        ("He5(z)/20 + He3(z)/3 + He2(z) + z/2", "He3(z)/3 + z"),
        ("erf(z/2 + 1/2)", "sin(z)"),
        ("exp(z/3)", "cos(z) + z"),
        ("tanh(z/2 + 1/2)", "erf(z)"),
    ],
)
def test_spikes_by_brute_force(activation, target, batch):
    result = scaling(problem(activation, target, batch))
    for width in (100.0, 1e6):
        strengths, alignments = brute_force(activation, target, batch, width)
        assert result.strengths(width) == pytest.approx(strengths, rel=2e-7)
        assert abs(result.alignments(width)[:, 0]) == pytest.approx(abs(alignments), abs=1e-6)


# What is exact


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize(
    ("activation", "target"),
    [
        ("He5(z) + He2(z)", "He5(z)"),
        ("z + z**2/2 + z**3/6", "He3(z)/sqrt(6) + He2(z)/3"),
        ("z**5/7 + z**4 - z**3 + z", "z**5 + z"),
        ("z + z**3", "z1 + z1*z2/3"),
        ("z + z**2", "z1*z2*z3 + z3"),
        ("erf(z)", "sin(2*z)"),
        ("gelu(z)", "sin(2*z)"),
        ("sin(z)", "He3(z)/sqrt(6)"),
        ("exp(z/2)", "sin(2*z)"),
    ],
)
def test_closed_forms_stay_exact(activation, target, batch):
    given = problem(activation, target, batch)
    result = scaling(given, 2 if activation == "gelu(z)" else 3)
    assert result.is_exact
    # Rounding to doubles is all the error there is.
    errors = result.strength_errors(1e4)
    assert np.all(errors <= 4e-16 * result.strengths(1e4))
    for k, spike in enumerate(result.spikes):
        value = sympy.N(spike.strength.subs(N, 10**4), 30)
        assert float(value) == pytest.approx(result.strengths(1e4)[k], rel=1e-15, abs=0)
        assert sympy.count_ops(spike.strength) <= 400


def test_kinked_activations_are_exact_on_independent_batches():
    for activation in ("relu(z)", "leaky_relu(z)", "abs(z) + z", "relu6(z)"):
        assert scaling(problem(activation, "He3(z)/sqrt(6)")).is_exact


def test_known_radicals():
    # r_1^2 of z + He_2/2 and y = He_3/sqrt 6: psi_1 = y zeta, b = 0, s^2 = 1/2.
    result = scaling(problem("z + He2(z)/2", "He3(z)/sqrt(6)"))
    assert result.spikes[1].right_distance == sympy.Rational(1, 2)
    # psi_1 = y (y/2 + zeta): phi E[psi_1^2] = (E[y^4]/4 + 1/2)/2 with E[y^4] = E[He_3^4]/36.
    z = sympy.Symbol("z")
    powers = sympy.Poly((z**3 - 3 * z) ** 4, z).as_dict()
    fourth = sum(c * sympy.factorial2(m - 1) for (m,), c in powers.items()) / 36
    reused = scaling(problem("z + He2(z)/2", "He3(z)/sqrt(6)", "reused"))
    # m_psi = E[y] = 0 in omega, E[z psi] = 0; <psi_1, beta_1> = E[zeta^2 y] + phi E[y psi] = 0.
    assert reused.spikes[1].right_distance ** 2 == (fourth / 4 + sympy.Rational(1, 2)) / 2


# Errors


def test_constants_have_thirty_digits():
    """theta_0 and theta_1 of tanh(z + 7/10), y = tanh(z): formulas by hand, integrals by mpmath."""
    result = scaling(problem("tanh(z + 7/10)", "tanh(z)"))
    with mpmath.workdps(40):
        shift = mpmath.mpf(7) / 10

        def slope(z):
            return mpmath.sech(z + shift) ** 2

        mu1, mu2 = normal(slope), normal(lambda z: z * slope(z))
        b = normal(lambda z: z * mpmath.tanh(z))
        square = normal(lambda z: mpmath.tanh(z) ** 2)
        fourth = normal(lambda z: z**2 * mpmath.tanh(z) ** 2)
        # spike 0: |beta_1|^2 = b^2 + Ey2/2, and the same for the second batch.
        n = mpmath.mpf(1000)
        eta1, eta2 = n ** mpmath.mpf("0.3"), 2 * n ** mpmath.mpf("0.4")
        first = (eta1**2 + eta2**2) * (b**2 + square / 2) + 2 * eta1 * eta2 * b**2
        theta0 = mu1 * mpmath.sqrt(first)
        # spike 1: psi_1 = mu_1 mu_2 y zeta, orthogonal to w_0: y is odd.
        s2 = square / 2
        mean = b**2 * fourth + s2 * square
        # E[z psi] = 0, E[d psi/d zeta] = mu_1 mu_2 E[y] = 0
        theta1 = 2 * n ** mpmath.mpf("0.2") * mpmath.sqrt(3 * mean / 2) * mu1 * mu2
        values = [abs(theta0), abs(theta1)]
        for spike, true in zip(result.spikes, values, strict=False):
            shown = sympy.N(spike.strength.subs(N, 1000), 40)
            assert abs(mpmath.mpf(shown._mpf_) / true - 1) < mpmath.mpf(10) ** -28
            law_value, law_error = spike.strength_law.value(1000)
            assert abs(law_value - true) <= law_error
            assert law_error <= 2e-16 * law_value
        found, errors = result.strengths(1000), result.strength_errors(1000)
        for k, true in enumerate(values):
            assert abs(found[k] - true) <= errors[k]
        o = mu1 * (eta1 + eta2) * b / theta0
        assert abs(result.alignments(1000)[0, 0] - o) <= result.alignment_errors(1000)[0, 0]
        gap = abs(mpmath.mpf(result.alignments(1000)[0, 0]) ** 2 - o**2)
        assert gap <= result.alignment_sq_errors(1000)[0, 0] + 1e-16


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_errors_of_double_precision_moments_are_bounds(batch):
    """tanh(z1*z2) is integrated in double precision, sin(z1) is exact; mpmath has E[y^2]."""
    result = scaling(problem("erf(z) + z**2/5", "sin(z1) + tanh(z1*z2)", batch), 1)
    with mpmath.workdps(25):
        # E[tanh(z1 z2)^2]: the product of two normals has the density K_0(|u|) / pi.
        square = 2 * mpmath.quad(
            lambda u: mpmath.tanh(u) ** 2 * mpmath.besselk(0, u) / mpmath.pi,
            [0, 0.1, 1, 4, 20, 60],
        )
        Ey2 = square + (1 - mpmath.exp(-2)) / 2
        b = mpmath.exp(mpmath.mpf(-1) / 2)
        mu1 = 2 / mpmath.sqrt(3 * mpmath.pi)
        n = mpmath.mpf(1000)
        eta1, eta2 = n ** mpmath.mpf("0.3"), 2 * n ** mpmath.mpf("0.4")
        cross = b**2 if batch == "independent" else b**2 + Ey2 / 2
        first = (eta1**2 + eta2**2) * (b**2 + Ey2 / 2) + 2 * eta1 * eta2 * cross
        true = mu1 * mpmath.sqrt(first)
        assert not result.is_exact
        value, error = result.strengths(1000)[0], result.strength_errors(1000)[0]
        assert abs(value - true) <= error < 1e-9
        # The first number of the law, before it is rounded to a double.
        held = result.spikes[0].strength_law.over.interval(Fraction(1000))
        assert midpoint_and_radius(held)[1] > 0


def test_absent_spikes_say_how_sure_they_are():
    proved = scaling(problem("erf(z)", "He3(z)/sqrt(6)"), 2)
    assert proved.strength_errors(1000)[1] == 0.0
    # Phi_1 = mu_1 mu_2 zeta, and mu_2 vanishes to 60 digits, by a choice of c, but is not 0.
    second = hermite_expansion("tanh(z + 1/2)", 2, digits=60).probabilists[2]
    c = sympy.Rational(str(second)) / 2
    close = scaling(problem(f"tanh(z + 1/2) - {c}*z**2", "tanh(z)"), 2)
    assert close.spikes[1].absent.startswith("Phi_1 = 0 to within")
    assert 0.0 < close.strength_errors(1000)[1] < 1e-20
    assert close.strengths(1000)[1] == 0.0


def test_left_distances_of_given_readouts_are_exact_enough():
    values = np.random.default_rng(2).standard_normal(500)
    given = problem("tanh(z)", "z", readout=values, width=500)
    square = left_distance_square(given, [1, 2, 3], 4)
    exact = [
        [sum(Fraction(g) ** (p + q) for g in values.tolist()) for q in range(1, 5)]
        for p in range(1, 5)
    ]
    ratio = sympy.Matrix(exact).det() / sympy.Matrix(exact)[:3, :3].det() / 500
    assert abs(sympy.N(square.decimal() / ratio - 1, 30)) < 1e-28
    assert square.error < 1e-50
