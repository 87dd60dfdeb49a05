"""What steps scatter along the target, met by later steps: outliers that no mean update makes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import rmt
from rmt.problem import Problem, Step
from rmt.spikes.deformed.bulk import settled_bulk
from rmt.spikes.deformed.exact_forms import ExactForms
from rmt.spikes.deformed.outliers import _carrying, _rules, deformed_outliers
from validation.catalogue import SCATTERED
from validation.simulation.weights import run_samples

HE2 = "He2(z)/sqrt(2)"


def quadratic(target, t, width, dim, samples, steps=2):
    """Of a quadratic activation, without a mean update: steps multiply a row by ``1 + g t A``."""
    scale = t * width**0.2
    return Problem(
        "He2(z)/2", target, width, dim, samples, [Step(scale, 0.3)] * steps,
        tuple(range(steps)), "rademacher",
    )  # fmt: skip


def longer_column(length, aspect_ratio):
    """Outlier and squared overlap of a Gaussian matrix with a column of this squared length."""
    c = 1.0 / aspect_ratio
    stretched = 1.0 + c / (length - 1.0)
    overlap = (1.0 - c / (length - 1.0) ** 2) / stretched
    return math.sqrt(length * stretched * aspect_ratio), overlap


@pytest.mark.parametrize("dims", [(500, 500), (250, 500), (700, 350)])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_many_samples_are_closed_form(steps, dims):
    """``A`` is ``E[y z^2]`` along the target and nothing else: one column is longer."""
    t = 0.6 if steps > 1 else 1.3
    problem = quadratic(HE2, t, *dims, 10**9, steps)
    length = np.mean((1.0 + np.array([-t, t]) * math.sqrt(2.0)) ** (2 * steps))
    position, overlap = longer_column(length, problem.aspect_ratio)
    found = deformed_outliers(problem)
    assert found.singular_value == pytest.approx([position], rel=2e-6)
    assert found.target_overlap[0] == pytest.approx([overlap], abs=1e-5)
    if steps > 1:  # as if each step acted on the initial weights
        apart = deformed_outliers(problem, forms="exact")
        assert apart.singular_value[:1] < position - 0.05


@pytest.mark.parametrize(
    ("width", "t", "position", "overlap"),
    [
        (1000, 1.1, (2.2067, 0.0067), (0.5366, 0.0067)),
        (500, 1.4, (1.9528, 0.0086), (0.5217, 0.0068)),
    ],
)
def test_products_of_matrices(width, t, position, overlap):
    """Rows ``w (1 + g t A_1)(1 + g t A_2)``, ``A = X^T D_y X / n``, drawn without the package.

    ``d = 1000``, ``n = 32 d``, 32 draws: the largest singular value, the squared overlap of its
    right vector with the target, and their standard errors.
    """
    problem = quadratic("cos(2*z) - exp(-2)", t, width, 1000, 32000)
    found = deformed_outliers(problem)
    (value, value_error), (square, square_error) = position, overlap
    assert found.singular_value == pytest.approx([value], abs=3.0 * value_error)
    assert found.target_overlap[0] == pytest.approx([square], abs=3.0 * square_error)
    apart = deformed_outliers(problem, forms="exact")
    assert apart.singular_value[:1] < value - 10.0 * value_error


@pytest.mark.parametrize(
    ("activation", "target", "batch", "readout"),
    [
        ("tanh(z + 7/10)", HE2, (0, 1), "rademacher"),
        ("tanh(z + 7/10)", "tanh(z) + He2(z)/2", (0, 1, 2), "gaussian"),
        ("relu(z)", "z1 + z1*z2 + 1/3", (0, 0, 1), "uniform"),
    ],
)
def test_slopes(activation, target, batch, readout):
    """Forms of random vectors, by ``z``: against differences, and none falls."""
    steps = [Step(4, 0.3)] * len(batch)
    problem = Problem(activation, target, 500, 400, 2000, steps, batch, readout)
    rule = _rules(problem, 1e-4, linked=True)[0]
    bulk, _ = settled_bulk(problem, rule.separated)
    forms = ExactForms(problem, bulk, _carrying(rule.spikes))
    plain = _rules(problem, 1e-4, linked=False)[0]
    unlinked, _ = settled_bulk(problem, plain.separated)
    assert forms.couplings > ExactForms(problem, unlinked, _carrying(plain.spikes)).couplings
    z = 1.5 * bulk.upper_edge() ** 2
    h = 1e-4 * z
    here, above, below = (forms(point) for point in (z, z + h, z - h))
    differences = (above.values - below.values) / (2.0 * h)
    size = np.abs(here.slopes).max()
    assert here.slopes == pytest.approx(differences, abs=1e-6 * size)
    assert here.values == pytest.approx(here.values.T, abs=1e-12 * np.abs(here.values).max())
    assert np.linalg.eigvalsh(here.slopes).min() > -1e-12 * size


def test_batches_before_a_segment_of_several_steps():
    """They have seen none of the directions that it makes on its way."""
    steps = [Step(2, 0.35)] * 3
    target = "sin(2*z) + He2(z)/2"
    problem = Problem("tanh(z + 7/10)", target, 600, 600, 1200, steps, (0, 1, 1), "rademacher")
    short = deformed_outliers(problem)
    more = problem.replace(steps=[*steps, Step(1e-7, 0.35)], batch=(0, 1, 1, 2))
    long = deformed_outliers(more)
    assert long.singular_value == pytest.approx(short.singular_value, rel=5e-3)
    assert long.target_overlap == pytest.approx(short.target_overlap, abs=5e-3)


@pytest.mark.slow
def test_networks():
    """The second outlier, in networks where no mean update is along the target."""
    problem = SCATTERED["scattered-ie2"].problem
    seen = run_samples(problem, 12, 3, n_outliers=3, n_spectra=0, dtype=np.float32)
    value, error = seen.mean_singular_values[1], seen.singular_value_errors[1]
    overlap, overlap_error = seen.mean_target_overlaps[1, 0], seen.target_overlap_errors[1, 0]
    linked, exact = (
        rmt.predict(problem, "deformed", forms=one).outliers[1] for one in ("linked", "exact")
    )
    assert abs(linked.singular_value - value) < 0.01 * value + 3.0 * error
    assert abs(linked.target_overlap - overlap) < 0.02 + 3.0 * overlap_error
    assert exact.singular_value < value - 6.0 * error
    assert exact.target_overlap < overlap - 6.0 * overlap_error
