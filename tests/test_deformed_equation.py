"""The deformed bulk's equation in few unknowns: against the pencil, and against differences."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.spectra import MarchenkoPastur
from rmt.spectra.dyson import density, solve
from rmt.spectra.pencil.bands import outermost_bands
from rmt.spectra.pencil.law import PencilLaw
from rmt.spectra.pencil_outliers import upper_edge as edge_of_pencil
from rmt.spikes.deformed.bulk import Separated, bulk_on, settled_bulk
from rmt.spikes.deformed.edge import lower_edge, mass_above, next_edge, upper_edge, with_mass_above
from rmt.spikes.deformed.equation import BatchTerms, Equation
from rmt.spikes.deformed.fluctuations import fluctuations
from rmt.spikes.readout_rule import readout_rule

STEPS = [Step(2, 0.35), Step(2, 0.45)]


def bulk_of(activation, target, batch, **changes):
    """A bulk on few nodes of the readout."""
    arguments = {"width": 500, "dim": 500, "samples": 1000, "steps": STEPS} | changes
    problem = Problem(activation, target, batch=batch, **arguments)
    g, w = readout_rule(problem.readout, 12, 0.3, bool(problem.activation.kinks))
    return problem, bulk_on(problem, g, w, 0.75, linked=True)


CASES = {
    "sharp": ("erf(z)", "sign(z)", "reused"),
    "soft": ("tanh(z + 7/10)", "He3(z)/sqrt(6)", "reused"),
    "two batches": ("softplus(z - 3/10)", "He3(z)", "independent"),
    "kink": ("relu(z)", "z1*z2", "independent"),
    "wide": ("gelu(z)", "z + He2(z)", "reused", {"width": 900, "dim": 300}),
    "narrow": ("silu(z)", "He2(z)", "independent", {"width": 200, "dim": 800, "samples": 400}),
}


@pytest.fixture(params=list(CASES), scope="module")
def bulk(request):
    *texts, batch = CASES[request.param][:3]
    changes = CASES[request.param][3] if len(CASES[request.param]) > 3 else {}
    return bulk_of(*texts, batch, **changes)[1]


def test_edge_is_that_of_the_pencil(bulk):
    """Two ways to it: a curve in a distance from resonance here, one in ``m`` there."""
    assert bulk.edge.z == pytest.approx(edge_of_pencil(bulk.pencil, "u"), rel=1e-11)


def test_solutions_are_those_of_the_pencil(bulk):
    equation = bulk.equation
    for factor in (1.02, 1.5, 4.0):
        z = factor * bulk.edge.z
        found, other = bulk.above(z), solve(bulk.pencil, z)
        rho, m = found.state.x[0, : equation.rows], found.state.x[0, equation.rows]
        assert m == pytest.approx(other.form("u").real, rel=1e-10)
        assert rho == pytest.approx(other.entry("r", "r").real, rel=1e-10)
        slope = other.derivative()
        assert found.slope[equation.rows] == pytest.approx(slope.form("u").real, rel=1e-8)
        assert found.relative_error < 1e-9


def test_complex_solutions_are_those_of_the_pencil(bulk):
    equation = bulk.equation
    z = bulk.edge.z * np.exp(1j * np.array([0.5, 1.0, 2.0]))
    start = np.repeat(bulk.above(2.0 * bulk.edge.z).state.x.astype(complex), 3, axis=0)
    state, settled = equation.solve(z, start)
    assert settled.all()
    assert equation.positive(state).all()
    expected = solve(bulk.pencil, z).form("u")
    assert state.x[:, equation.rows] == pytest.approx(expected, rel=1e-10)


def test_derivatives_are_those_of_differences(bulk):
    """Jacobian, derivatives along a line, and second derivatives, at a complex point."""
    equation, rng = bulk.equation, np.random.default_rng(3)
    z = np.array([1.5 * bulk.edge.z + 0.7j])
    start = bulk.above(2.0 * bulk.edge.z).state.x.astype(complex)
    state = equation.solve(z, start)[0]
    dx = rng.standard_normal(state.x.shape) * np.abs(state.x) * np.exp(1j)
    dz, h = 0.3 * z, 1e-4
    above, here, below = (
        equation.evaluate(z + k * h * dz, state.x + k * h * dx) for k in (1, 0, -1)
    )
    along = equation.along(here, dx, dz)
    first = (above.image - below.image) / (2 * h)
    second = (above.image - 2 * here.image + below.image) / h**2
    size = np.abs(first).max()
    assert along.image == pytest.approx(first, rel=1e-6, abs=1e-6 * size)
    assert equation.bend(here, along) == pytest.approx(second, rel=1e-4, abs=1e-4 * size)
    jacobian = (equation.jacobian(here) @ dx[..., None])[..., 0]
    assert jacobian + equation.by_z(here) * dz == pytest.approx(along.image, rel=1e-9)


def test_distances_turn_as_differences_do(bulk):
    equation, rng = bulk.equation, np.random.default_rng(4)
    state = bulk.above(1.5 * bulk.edge.z).state
    dx, h = rng.standard_normal(state.x.shape) * np.abs(state.x), 1e-5
    ahead, back = (equation.evaluate(state.z, state.x + k * h * dx) for k in (1, -1))
    first, second = equation.distance_derivatives(state, dx, equation.along(state, dx))
    ends = equation.distances(ahead), equation.distances(back)
    assert first == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-5, abs=1e-6)
    curved = (ends[0] - 2 * equation.distances(state) + ends[1]) / h**2
    assert second == pytest.approx(curved, rel=1e-2, abs=1e-3)
    for node in (0, 1, equation.rows, equation.rows + 3):
        gradient = equation.distance_gradient(state, node)
        assert gradient @ dx[0] == pytest.approx(first[node], rel=1e-9)


def test_signs_and_growth_tell_what_is_outside(bulk):
    """Turned to the other branch of the same curve, or put into the bulk, a point is refused."""
    equation, edge = bulk.equation, bulk.edge
    right = bulk.above(1.001 * edge.z).state
    assert equation.outside(right)
    assert equation.grows(right)
    mirrored = edge.x - (edge.start(1.001 * edge.z) - edge.x)
    other, settled = equation.solve(right.z, mirrored[None])
    if settled[0] and not np.allclose(other.x, right.x, rtol=1e-6):
        assert not (equation.outside(other) and equation.grows(other))


def test_another_start_finds_the_same_edge(bulk):
    equation = bulk.equation
    near = next_edge(equation, bulk.edge)
    assert near.z == pytest.approx(upper_edge(equation).z, rel=1e-12)


def test_mass_above_a_point_is_that_of_the_density(bulk):
    """Half a circle with six points, against the density of the pencil."""
    law = PencilLaw(bulk.pencil, "u", tolerance=1e-6)
    if bulk.equation.aspect_ratio < 1.0:
        law = law.without_atoms()
    law = law.singular_values()
    top = bulk.above(1.05 * bulk.edge.z).state
    share = min(1.0, bulk.equation.aspect_ratio)
    for s in (0.9 * bulk.upper_edge(), 0.97 * bulk.upper_edge()):
        expected = share * float(law.sf(s))
        assert mass_above(bulk.equation, s**2, top) == pytest.approx(expected, rel=0.02, abs=1e-7)
    middle = with_mass_above(bulk.equation, bulk.edge, 0.8 * bulk.upper_edge(), 2e-3)
    assert share * float(law.sf(middle)) == pytest.approx(2e-3, rel=0.06)


def test_lower_edge_is_that_of_the_pencil(bulk):
    expected = outermost_bands(bulk.pencil, "u").edges[0][0]
    assert lower_edge(bulk.equation) == pytest.approx(expected, rel=1e-10, abs=1e-14)


def test_law_is_that_of_the_pencil(bulk):
    """Its density within its error of the pencil's, which is solved point by point; its mass."""
    low, high = bulk.law.edges[0]
    angle = np.linspace(0.02, math.pi - 0.02, 80)
    x = low + (high - low) * np.sin(angle / 2) ** 2
    exact = density(bulk.pencil, "u", x, throw=False)
    good = np.isfinite(exact.value) & (exact.error < 1e-6)
    assert good.mean() > 0.9
    off = np.abs(bulk.law.pdf(x) - exact.value)
    assert np.all(off[good] <= (bulk.law.pdf_error(x) + exact.error + 1e-7)[good])
    # In the angle of the interval, where an edge is no singularity.
    slope = (high - low) / 2 * np.sin(angle)
    assert (off * slope)[good].max() < 2e-3
    assert bulk.law.mass_error < 1e-4
    singular = bulk.singular_values()
    s = np.sqrt(x)
    assert singular.cdf(s[[10, 40, 70]])[0] < singular.cdf(s[70])
    assert singular.ppf(singular.cdf(s[[10, 40]])) == pytest.approx(s[[10, 40]], rel=1e-6)
    assert np.all(singular.pdf_error(s) >= 0)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.5])
def test_without_fluctuations_it_is_marchenko_pastur(gamma):
    weights = np.array([0.25, 0.75])
    nothing = BatchTerms(np.ones(1), np.zeros((0, 2)), np.zeros((0, 1)), np.zeros((2, 1)), 0.5)
    equation = Equation(gamma, weights, [nothing])
    edge = upper_edge(equation)
    assert edge.z == pytest.approx((1.0 + math.sqrt(gamma)) ** 2, rel=1e-13)
    law = MarchenkoPastur(1.0 / gamma, gamma)  # of W^T W, whose entries have variance 1/d
    z = 1.3 * edge.z
    state, settled = equation.solve(np.array([z]), edge.start(z)[None])
    assert settled[0]
    assert state.x[0, 2] == pytest.approx(law.stieltjes(z).real, rel=1e-11)


def test_variance_alone_is_closed_form():
    """``W_0 + (sqrt(V) G) X / n`` with ``V = v``: a Gaussian plus a product of two Gaussians.

    Rows and samples are all alike: ``rho = -1/(1 + m + v s)``, ``s = -phi m / (1 - phi^2 v m ..)``
    reduces to a polynomial, solved here by its roots.
    """
    gamma, phi, v = 0.7, 0.4, 1.3
    terms = BatchTerms(np.ones(1), np.zeros((0, 1)), np.zeros((0, 1)), np.full((1, 1), v), phi)
    equation = Equation(gamma, np.ones(1), [terms])
    z = 1.5 * upper_edge(equation).z
    state = equation.solve(np.array([z]), upper_edge(equation).start(z)[None])[0]
    rho, m = state.x[0]
    # S_vv = gamma phi v rho, S_ll = phi m, c = 1 on a sample.
    determinant = gamma * phi**2 * v * rho * m - 1.0
    sample_vv, sample_ll = -phi * m / determinant, -gamma * phi * v * rho / determinant
    assert rho == pytest.approx(-1.0 / (1.0 + m + v * sample_vv), rel=1e-12)
    assert m == pytest.approx(1.0 / (-z - gamma * rho - sample_ll), rel=1e-12)


@pytest.mark.parametrize("nodes", [12, 14, 16, 18, 20, 24])
def test_the_settled_edge_hardly_depends_on_the_nodes_of_the_readout(nodes):
    """What the cut is for: its bracketing ends at the target whatever the nodes."""
    problem = Problem("silu(z)", "z1 + z1*z2", 500, 500, 1000, STEPS)
    edges = []
    for order in (nodes, 30):
        g, w = readout_rule("gaussian", order, 0.3, False)
        separated = Separated(problem, g, w, fluctuations(problem, g, w, 0.75))
        edges.append(settled_bulk(problem, separated)[0].upper_edge())
    assert edges[0] == pytest.approx(edges[1], rel=0.01)


def test_the_number_cut_off_moves_the_edge_without_jumps():
    """A law on nodes has a staircase for its tail; what is cut off must not follow the steps."""
    problem = Problem("softplus(z - 3/10)", "He3(z)", 500, 500, 1000, STEPS)
    g, w = readout_rule("gaussian", 16, 0.3, False)
    separated = Separated(problem, g, w, fluctuations(problem, g, w, 1.0))
    octaves = np.linspace(0.0, 2.0, 41)
    edges = [separated.cut(2.0**k).upper_edge() for k in octaves]
    assert np.all(np.diff(edges) < 1e-3)
    assert np.abs(np.diff(edges)).max() < 0.04 * edges[0]
