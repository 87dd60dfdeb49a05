"""The level deformed on any schedule: identities, schedules that are others, networks."""

import numpy as np
import pytest

import rmt
from rmt.problem import Problem, Step
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.spikes.deformed.bulk import bulk_on, deformed_bulk
from rmt.spikes.deformed.fluctuations import fluctuations
from rmt.spikes.deformed.outliers import deformed_outliers
from rmt.spikes.readout_rule import readout_rule
from validation import simulate
from validation.simulation.bulk import kolmogorov_distance

TARGET = "tanh(z) + (cos(2*z) - exp(-2))/2"
SIGNS = np.array([-1.0, 1.0]), np.array([0.5, 0.5])
SCHEDULES = [(0, 0, 0), (0, 1, 2), (0, 0, 1), (0, 1, 1), (0, 1, 0)]


def problem_of(batch, **changes):
    steps = [Step(2, 0.35)] * len(batch)
    problem = Problem("tanh(z + 7/10)", TARGET, 600, 600, 1200, steps, batch, "rademacher")
    return problem.replace(**changes)


@pytest.mark.parametrize("batch", [*SCHEDULES, (0, 1, 0, 1), (0, 0, 1, 1)])
@pytest.mark.parametrize("target", [TARGET, "z1 + z1*z2"])
def test_lengths_of_rows_are_those_of_the_walk(batch, target):
    """``b^2`` from base, ``L`` and ``V`` of all batches, and as the walk's own recursion has it."""
    problem = problem_of(batch, target=target)
    found = fluctuations(problem, *SIGNS, 0.75, linked=True)
    straight, scattered = found.base.copy(), np.zeros(2)
    for one in found.batches:
        straight += one.linear @ one.weights
        scattered += one.sample_ratio * ((one.linear**2 + one.variance) @ one.weights)
    # Two directions have others beside them that are too small for nodes.
    rel = 1e-6 if target == TARGET else 1e-4
    assert straight**2 + scattered == pytest.approx(found.state.own, rel=rel)
    assert np.abs(found.state.own - 1.0).max() > 1e-3


@pytest.mark.parametrize(
    ("batch", "shorter"),
    [
        ((0, 0, 1), (0, 0)),
        ((0, 1, 0), (0, 1)),
        ((0, 1, 2), (0, 1)),
        ((0, 0, 0), (0, 0)),
        ((0, 1, 1), (0, 1)),
    ],
)
@pytest.mark.parametrize("forms", ["linked", "simple"])
def test_a_last_step_of_nothing(batch, shorter, forms):
    """Another segment, another last batch, and the same weights."""
    steps = [Step(2, 0.35), Step(2, 0.35), Step(1e-7, 0.35)]
    long = deformed_outliers(problem_of(batch, steps=steps), forms=forms)
    short = deformed_outliers(problem_of(shorter), forms=forms)
    # The bulk is the same; batches whose correlation with the spikes is left out are not.
    assert long.edge == pytest.approx(short.edge, rel=1e-4)
    allowed = 1e-4 if forms == "simple" or batch[-1] == shorter[-1] else 5e-3
    assert long.singular_value == pytest.approx(short.singular_value, rel=allowed)
    assert long.target_overlap == pytest.approx(short.target_overlap, abs=allowed)


@pytest.mark.parametrize("batch", SCHEDULES)
@pytest.mark.parametrize(
    "dims", [pytest.param((400, 700, 900), marks=pytest.mark.slow), (800, 400, 900)]
)
def test_linear_activation_is_closed_form(batch, dims):
    """The update is of rank one and independent of ``W_0``: the forms must add up to that."""
    problem = Problem("z", "sin(2*z) + z/2 + 1/3", *dims, [(2, 0.4)] * 3, batch, "rademacher")
    found = deformed_outliers(problem, rtol=1e-6)
    plain = rectangular_outliers(found.spikes.strengths, problem.aspect_ratio)
    assert found.singular_value == pytest.approx(plain.singular_value[:1], rel=1e-6)
    assert found.right_overlap == pytest.approx(plain.right_overlap[:1], abs=1e-6)
    target = plain.right_overlap[:1, None] * found.spikes.alignments[:1] ** 2
    assert found.target_overlap == pytest.approx(target, abs=1e-6)


@pytest.mark.parametrize(
    ("batch", "step"),
    [
        ((0, 0, 0), Step(3, 0.3)),
        ((0, 1, 0), Step(3, 0.3)),
        ((0, 0, 1), Step(3, 0.3)),
        ((0, 1), Step(1, 0.5)),
        ((0, 1, 2), Step(1, 0.5)),
    ],
    ids=["AAA", "ABA", "AAB", "AB giant", "ABC giant"],
)
def test_bulk_and_outliers_of_networks(batch, step):
    """A step that the bulk is deformed by: distance of the law, and the second outlier."""
    problem = problem_of(batch, target="3*tanh(2*z) - 2*z", steps=[step] * len(batch))
    prediction = rmt.predict(problem, "deformed")
    count, values, second = len(prediction.outliers), [], []
    for index in range(4):
        singular = np.linalg.svd(simulate(problem, 3, index).weights[-1], compute_uv=False)
        values.append(singular[count:])
        second.append(singular[1])
    values = np.sort(np.concatenate(values))
    distance = kolmogorov_distance(prediction.bulk.cdf, values)
    plain = kolmogorov_distance(MarchenkoPasturBulk(1.0).cdf, values)
    assert distance < 0.006
    assert plain > 3.0 * distance
    spike = prediction.outliers[1]
    noise = np.std(second, ddof=1) / 2.0
    assert abs(np.mean(second) - spike.singular_value) < 0.02 * spike.singular_value + 3.0 * noise


def test_giant_steps():
    """``alpha = 1/2``, one batch, a kink: against 16 networks of docs/theory.md."""
    problem = Problem("relu(z)", TARGET, 800, 800, 1600, [Step(1, 0.5)] * 3, "reused", "rademacher")
    first, second = rmt.predict(problem, "deformed", rtol=1e-3).outliers
    assert first.singular_value == pytest.approx(19.10, abs=2 * 0.12)
    assert abs(second.singular_value - 3.226) < 2 * 0.018 + second.error.singular_value
    assert second.error.singular_value < 0.1


def test_coarser_rules_are_within_the_errors():
    problem = problem_of((0, 1, 0))
    found = deformed_outliers(problem, forms="simple")
    fine = bulk_on(problem, *SIGNS, 1.4, linked=False)
    assert abs(fine.upper_edge() - found.edge) <= found.edge_error
    g, w = readout_rule("rademacher", 8, 1.0, False)
    assert np.array_equal(g, SIGNS[0])
    assert np.array_equal(w, SIGNS[1])
    assert deformed_bulk(problem).upper_edge() == pytest.approx(found.edge, abs=found.edge_error)
