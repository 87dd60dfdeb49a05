"""Outliers on the deformed bulk: reference numbers, closed forms, two routes, a simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.spectra.coupled_outliers import FormsAt, coupled_outliers
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spectra.pencil_outliers import pencil_outliers
from rmt.spikes.deformed.bulk import bulk_on
from rmt.spikes.deformed.exact_forms import ExactForms
from rmt.spikes.deformed.outliers import _found, deformed_outliers
from rmt.spikes.deformed.simple_forms import SimpleForms
from rmt.spikes.resummed import resummed_strengths
from rmt.status import InvalidInputError

TWO_STEPS = [Step(4, 0.3), Step(4, 0.4)]


def problem_of(batch, **changes):
    problem = Problem(
        "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, TWO_STEPS, batch, "rademacher"
    )
    return problem.replace(**changes)


@pytest.mark.parametrize(
    ("batch", "positions"),
    [("independent", [19.8565, 2.5137]), ("reused", [18.2456, 2.3523])],
)
def test_exact_forms(batch, positions):
    """The numbers of theory.md, section 4."""
    found = deformed_outliers(problem_of(batch), 1e-6, "exact")
    assert found.singular_value == pytest.approx(positions, rel=4e-5)
    if batch == "reused":
        assert found.target_overlap[0, 0] == pytest.approx(0.2300, abs=5e-5)
    simple = deformed_outliers(problem_of(batch), 1e-6, "simple")
    assert np.all(found.singular_value_error >= abs(found.singular_value - simple.singular_value))
    assert np.all(simple.singular_value_error < 1e-4)


@pytest.mark.parametrize("batch", ["independent", "reused"])
@pytest.mark.parametrize("dims", [(500, 500, 900), (400, 700, 900), (800, 400, 900)])
def test_linear_activation_is_closed_form(batch, dims):
    """The update is of rank one and independent of ``W_0``: the forms must add up to that."""
    steps = [(2, 0.4), (3, 0.45)]
    problem = Problem("z", "sin(2*z) + z/2 + 1/3", *dims, steps, batch, "rademacher")
    spikes = resummed_strengths(problem)
    plain = rectangular_outliers(spikes.strengths, problem.aspect_ratio)
    bulk = bulk_on(problem, spikes.readout_nodes, spikes.readout_weights, 1.5)
    forms = ExactForms(problem, bulk, spikes)
    found = _found(forms, bulk, plain.singular_value, []).values
    assert found[0] == pytest.approx(plain.singular_value, rel=1e-7)
    assert found[1] == pytest.approx(plain.left_overlap, rel=1e-7)
    assert found[2] == pytest.approx(plain.right_overlap, rel=1e-7)
    target = plain.right_overlap[:, None] * spikes.alignments**2
    assert found[3] == pytest.approx(target, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_small_steps_leave_the_closed_forms(batch):
    """Exact and simple forms, and the undeformed bulk, agree for a nearly linear activation."""
    steps = [(2, 0.4), (2, 0.4)]
    problem = problem_of(batch, activation="z + He2(z)/3000 + He3(z)/3000", steps=steps)
    plain = rectangular_outliers(resummed_strengths(problem).strengths, 1.0)
    found = deformed_outliers(problem)
    assert found.bulk is not None
    assert found.singular_value == pytest.approx(plain.singular_value[:1], rel=2e-3)
    loose = deformed_outliers(problem, rtol=1e-2)  # more than the deformation
    assert loose.bulk is None
    plain = rectangular_outliers(resummed_strengths(problem, rtol=1e-2).strengths, 1.0)
    assert loose.singular_value == pytest.approx(plain.singular_value[:1], rel=1e-9)
    assert np.all(loose.singular_value_error > 0)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_simple_forms_by_two_routes(batch):
    problem = problem_of(batch)
    spikes = resummed_strengths(problem)
    bulk = bulk_on(problem, spikes.readout_nodes, spikes.readout_weights, 1.0)
    forms = SimpleForms(bulk, spikes)
    edge = bulk.upper_edge()
    guess = rectangular_outliers(spikes.strengths, 1.0).singular_value
    position, left, right, _ = _found(forms, bulk, guess, []).values
    other = pencil_outliers(bulk.pencil, "r", "u", spikes.strengths, spikes.left_functions, edge**2)
    assert position == pytest.approx(other.singular_value, rel=1e-10)
    assert left == pytest.approx(other.left_overlap.sum(axis=1), rel=1e-8)
    assert right == pytest.approx(other.right_overlap.sum(axis=1), rel=1e-8)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_errors_bound_a_finer_discretisation(batch):
    problem = problem_of(batch, noise_std=0.3)
    found = deformed_outliers(problem, forms="simple")
    spikes = found.spikes
    fine = bulk_on(problem, spikes.readout_nodes, spikes.readout_weights, 1.4)
    forms = SimpleForms(fine, spikes)
    position, left, right, target = _found(forms, fine, found.singular_value, []).values
    assert np.all(abs(position - found.singular_value) <= found.singular_value_error + 1e-12)
    assert np.all(abs(left - found.left_overlap) <= found.left_error + 1e-12)
    assert np.all(abs(right - found.right_overlap) <= found.right_error + 1e-12)
    assert np.all(abs(target - found.target_overlap) <= found.target_error + 1e-12)
    assert abs(fine.upper_edge() - found.edge) <= found.edge_error


def test_one_step():
    """One spike; its batch is the one that the bulk is made of."""
    problem = problem_of("independent", steps=[Step(4, 0.35)], samples=2000)
    exact, simple = (deformed_outliers(problem, forms=one) for one in ("exact", "simple"))
    assert exact.singular_value.shape == (1,)
    assert exact.singular_value == pytest.approx(simple.singular_value, rel=0.01)
    assert exact.target_overlap == pytest.approx(simple.target_overlap, abs=0.01)
    assert exact.singular_value[0] != simple.singular_value[0]


def test_coupled_outliers_of_a_known_matrix():
    """Against the eigenvalues of an explicit symmetric matrix with rank-two couplings."""
    rng = np.random.default_rng(5)
    bulk = np.sort(rng.uniform(-1, 1, 40))
    x, y = rng.standard_normal((2, 2, 40)) * [[[1.0], [0.4]], [[1.2], [0.5]]]
    vectors = np.concatenate([x, y])

    def forms(z):
        # H(z) = z - diag, on which z enters with the other sign: of -H the forms rise.
        resolvent = 1.0 / (bulk - z)
        return FormsAt(
            (vectors * resolvent) @ vectors.T, (vectors * resolvent**2) @ vectors.T, 1e-15
        )

    matrix = np.diag(bulk) + x.T @ y + y.T @ x
    values, eigenvectors = np.linalg.eigh(matrix)
    expected = values[values > bulk[-1] + 1e-9][::-1]
    found = coupled_outliers(forms, 2, bulk[-1] + 1e-9, np.array([50.0]))
    assert found.z == pytest.approx(expected, rel=1e-12)
    products = (vectors @ eigenvectors[:, ::-1][:, : expected.size]).T
    assert found.amplitudes**2 == pytest.approx(products**2, rel=1e-9)


def test_forms_are_checked():
    with pytest.raises(InvalidInputError, match="simple, exact"):
        deformed_outliers(problem_of("reused"), forms="crude")


def test_no_outlier():
    problem = problem_of("independent", steps=[Step(0.05, 0.1), Step(0.05, 0.1)])
    found = deformed_outliers(problem)
    assert found.singular_value.size == 0
    assert found.target_overlap.shape == (0, 1)
    assert found.edge == pytest.approx(2.0, abs=1e-3)


def test_no_mean_update():
    """An even activation: no spike, and two indices."""
    problem = problem_of(
        "independent", activation="cos(z)", target="z1 + z2", steps=[Step(1, 0.2)], samples=2000
    )
    found = deformed_outliers(problem)
    assert found.spikes.strengths.size == 0
    assert found.left_overlap.shape == found.singular_value.shape
    assert math.isfinite(found.edge)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_slopes_of_the_forms(batch):
    """Overlaps are residues: they rest on ``dMhat/dz``, here against central differences."""
    problem = problem_of(batch, width=600, dim=900)
    spikes = resummed_strengths(problem)
    bulk = bulk_on(problem, spikes.readout_nodes, spikes.readout_weights, 1.0)
    z, h = 2.0 * bulk.upper_edge() ** 2, 1e-4
    for forms in (ExactForms(problem, bulk, spikes), SimpleForms(bulk, spikes)):
        here, above, below = (forms(point) for point in (z, z + h, z - h))
        differences = (above.values - below.values) / (2.0 * h)
        assert here.slopes == pytest.approx(differences, rel=1e-5, abs=1e-7)
        assert here.values == pytest.approx(here.values.T, abs=1e-12)
        # What the count by inertia rests on.
        assert np.linalg.eigvalsh(here.slopes).min() > -1e-9
