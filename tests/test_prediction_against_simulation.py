"""Theory against simulated networks, within standard errors and a stated finite-size allowance.

The resummed level leaves out the deformation of the bulk, of relative order ``N^(2 alpha - 1)``:
small for leading outliers far from the bulk. Most problems here have the readout law with the least
sampling noise (Rademacher), and outliers clear of the bulk.
"""

import math

import numpy as np
import pytest

import rmt
from validation.comparison.compare import compare
from validation.comparison.verdict import Criteria
from validation.simulation.simulate import simulate
from validation.simulation.weights import run_samples

CASES = {
    "independent": {
        "activation": "tanh(z + 7/10)",
        "target": "sin(2*z)",
        "steps": [(4, 0.25), (4, 0.3)],
        "batch": "independent",
    },
    "reused": {
        "activation": "tanh(z + 7/10)",
        "target": "sin(2*z)",
        "steps": [(4, 0.25), (4, 0.3)],
        "batch": "reused",
    },
    "relu, noise": {
        "activation": "relu(z)",
        "target": "tanh(z)",
        "steps": [(2, 0.25), (2, 0.3)],
        "batch": "reused",
        "noise_std": 0.5,
    },
    "one step": {"activation": "erf(z)", "target": "z + He2(z)/2", "steps": [(4, 0.3)]},
    "unequal batches, two indices": {
        "activation": "tanh(z + 7/10)",
        "target": "z1 + z1*z2",
        "steps": [(2, 0.3), (3, 0.35)],
        "samples": (1200, 1800),
        "batch": "independent",
    },
}


@pytest.mark.parametrize("name", CASES)
def test_prediction_within_standard_errors(name):
    arguments = {"samples": 1200, **CASES[name]}
    problem = rmt.Problem(width=600, dim=600, readout="rademacher", **arguments)
    prediction = rmt.predict(problem)
    samples = run_samples(problem, 8, seed=7, n_outliers=len(prediction.outliers))
    comparison = compare(prediction, samples)
    criteria = Criteria(allowance=0.03, overlap_allowance=0.015)
    assert comparison.agrees(criteria), comparison.table(criteria)


def test_reused_and_independent_are_told_apart():
    """The check above can fail: the prediction for the other batch does not pass it."""
    problem = rmt.Problem(
        "tanh(z + 7/10)", "sin(2*z)", 600, 600, 1200, [(4, 0.25), (4, 0.3)], "independent",
        "rademacher",
    )  # fmt: skip
    other = rmt.predict(problem.replace(batch="reused"))
    samples = run_samples(problem, 6, seed=7, n_outliers=2)
    simulated = samples.singular_values[:, 0].mean()
    assert abs(simulated / other.outliers[0].singular_value - 1) > 0.05


def test_information_exponent_three_is_learned_from_the_reused_batch_alone():
    """The phenomenon of arXiv:2605.17767 at N = 600: a third direction that carries the target."""
    overlaps = {}
    for batch in ("independent", "reused"):
        problem = rmt.Problem(
            activation="tanh(z + 7/10)",
            target="remove_hermite(3*tanh(2*z), 1)",
            width=600,
            dim=600,
            samples=1200,
            steps=[(3, 0.3), (8, 0.49)],
            batch=batch,
            readout="uniform",
        )
        prediction = rmt.predict(problem)
        theory = max(spike.target_overlap for spike in prediction.outliers)
        simulated = []
        for index in range(6):
            weights = simulate(problem, 3, index).weights[-1]
            right = np.linalg.svd(weights, full_matrices=False)[2][:4]
            simulated.append((right[:, 0] ** 2).max())
        overlaps[batch] = theory, float(np.mean(simulated))
    assert overlaps["independent"][0] < 1e-12
    assert overlaps["independent"][1] < 20 / 600
    assert overlaps["reused"][0] > 0.1
    assert overlaps["reused"][1] > 0.1
    assert math.isclose(*overlaps["reused"], rel_tol=0.35)
