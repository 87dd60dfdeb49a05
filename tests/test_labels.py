"""The joint law of ``(y, z, zeta)`` as weights, against Monte-Carlo-free direct quadrature."""

import itertools
import math

import numpy as np
import pytest

from rmt.functions import ScalarFunction
from rmt.problem import Problem
from rmt.spikes.constants import constants
from rmt.spikes.label_law import hermite_nodes, independent_law, joint_law

TARGETS = {
    "tanh(z) + He2(z)/3": lambda z: np.tanh(z) + (z**2 - 1) / 3,
    "He3(z)/sqrt(6)": lambda z: (z**3 - 3 * z) / math.sqrt(6),
    "z1 + z1*z2": lambda a, b: a + a * b,
    "abs(z) - 1/2": lambda z: np.abs(z) - 0.5,
    "sign(z)": np.sign,
}


def rule(half_width, count):
    """Gauss-Legendre on both sides of zero, times the normal density."""
    x, w = np.polynomial.legendre.leggauss(count)
    z = half_width * (x + 1) / 2
    w = w * half_width / 2 * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return np.concatenate([-z[::-1], z]), np.concatenate([w[::-1], w])


def direct(f, r, c, noise, F, monomial, half_width=8.5):
    """``E[F(y, zeta) monomial(y, z)]`` over (z, omega, eps) with ``zeta = b.z + s omega``."""
    axes = [rule(half_width, round(5 * half_width) if r == 1 else 30)] * r + [
        np.polynomial.hermite_e.hermegauss(30)
    ]
    if noise:
        axes.append(np.polynomial.hermite_e.hermegauss(24))
    axes[r:] = [(x, w / w.sum()) for x, w in axes[r:]]
    total = np.meshgrid(*(x for x, _ in axes), indexing="ij")
    weights = axes[0][1]
    for _, w in axes[1:]:
        weights = np.multiply.outer(weights, w)
    z = total[:r]
    y = f(*z) + (noise * total[r + 1] if noise else 0)
    s = math.sqrt(c.B - c.b @ c.b)
    zeta = sum(bi * zi for bi, zi in zip(c.b, z, strict=True)) + s * total[r]
    return np.sum(weights * F(y, zeta) * monomial(y, z))


def bounded(y, zeta):
    return np.tanh(0.3 * y + 0.4 * zeta) ** 2 + np.cos(0.5 * zeta) / (1 + 0.05 * y**2)


def of_zeta(y, zeta):
    return np.tanh(0.7 * zeta + 0.2) ** 2 + 0 * y


@pytest.mark.parametrize(("text", "noise"), list(itertools.product(TARGETS, [0.0, 0.6])))
def test_joint_law(text, noise):
    f, r, c = problem_constants(text, noise)
    law, _ = joint_law(ScalarFunction.parse(text), noise, c, 2.0, 90, 40, 14.0 if r == 1 else 6.0)
    y, zeta = (a.ravel() for a in np.meshgrid(law.y, law.zeta, indexing="ij"))
    values = bounded(y, zeta)
    check(law, values, lambda m: direct(f, r, c, noise, bounded, m), r)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize(("activation", "s"), [("z + He2(z)/2", 1), ("z/2 + He3(z)/6", 2)])
def test_joint_law_with_growth(activation, s, noise):
    """Of functions that grow with the label as ``Phi_t`` and ``h`` do no digits are lost."""
    text = "He3(z)/sqrt(6)"
    f, r, c = problem_constants(text, noise, activation)
    assert c.slope_growth == s
    law, _ = joint_law(ScalarFunction.parse(text), noise, c, 2.0, 110, 24, 14.0)
    y = np.repeat(law.y, law.zeta.size)
    one, y1, y2, z1, zy = law.weights
    monomials = {
        4 * s + 2: [(one, lambda y, z: 1), (z1, lambda y, z: z[0])],
        3 * s + 1: [(y1, lambda y, z: y), (zy, lambda y, z: z[0] * y)],
        2 * s: [(y2, lambda y, z: y**2)],
    }
    for degree, some in monomials.items():
        for weights, monomial in some:
            expected = direct(
                f,
                r,
                c,
                noise,
                lambda y, zeta, d=degree: (1 + 0.2 * y) ** d + 0 * zeta,
                monomial,
                13,
            )
            found = weights @ (1 + 0.2 * y) ** degree
            assert found == pytest.approx(expected, rel=1e-11), degree


@pytest.mark.parametrize(("text", "noise"), list(itertools.product(TARGETS, [0.0, 0.6])))
def test_independent_law(text, noise):
    f, r, c = problem_constants(text, noise)
    law, _ = independent_law(ScalarFunction.parse(text), noise, c, 60, 14.0 if r == 1 else 6.0)
    check(law, of_zeta(0.0, law.zeta), lambda m: direct(f, r, c, noise, of_zeta, m), r)


def problem_constants(text, noise, activation="tanh(z + 7/10)"):
    problem = Problem(activation, text, 500, 500, 1000, [(1, 0.2), (1, 0.2)], noise_std=noise)
    return TARGETS[text], problem.n_directions, constants(problem)


def check(law, values, expectation, r):
    monomials = {"1": lambda y, z: 1, "y": lambda y, z: y, "y^2": lambda y, z: y**2}
    monomials |= {f"z{i}": lambda y, z, i=i: z[i] for i in range(r)}
    monomials |= {f"z{i} y": lambda y, z, i=i: z[i] * y for i in range(r)}
    for weights, (name, monomial) in zip(law.weights, monomials.items(), strict=True):
        assert weights @ values == pytest.approx(expectation(monomial), rel=2e-7, abs=2e-7), name


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("sharpness", [1.0, 1.5, 2.0])
def test_coarser_laws_show_the_error(noise, sharpness):
    """Their values at their own nodes; and interpolated ones, as far as they are resolved."""
    text = "tanh(z) + He2(z)/3"
    _, _, c = problem_constants(text, noise)
    target = ScalarFunction.parse(text)

    def at_nodes(law):
        y, zeta = np.repeat(law.y, law.zeta.size), np.tile(law.zeta, law.y.size)
        return np.tanh(y + sharpness * zeta) * zeta

    def expectation(law):
        return law.weights[3] @ at_nodes(law)

    law, coarser = joint_law(target, noise, c, 2.0, 40, 30, 14.0)
    exact = expectation(joint_law(target, noise, c, 2.0, 90, 400, 14.0)[0])
    changes = {name: abs(expectation(one.law) - expectation(law)) for name, one in coarser.items()}
    assert changes["target"] < 1e-9 < changes["zeta"] < 1e-1
    assert abs(expectation(law) - exact) < 2 * sum(changes.values())
    for name, one in coarser.items():
        interpolated = one.law.weights[3] @ one.values(at_nodes(law))
        assert abs(interpolated - expectation(one.law)) < 2 * changes[name] + 1e-15


@pytest.mark.parametrize("order", [1, 2, 7, 64, 300])
def test_hermite_nodes_are_orthogonal(order):
    nodes, vectors = hermite_nodes(order)
    assert np.all(np.isfinite(vectors))
    kept = min(order, 40)
    gram = vectors[:kept] @ vectors[:kept].T
    assert gram == pytest.approx(np.eye(kept), abs=1e-12)
    if order > 1:
        assert vectors[0] ** 2 @ nodes**2 == pytest.approx(1, rel=1e-12)
