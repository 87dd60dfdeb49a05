"""The error estimates of `predict` bound the distance from a much finer solve."""

import itertools

import numpy as np
import pytest

from rmt.problem import Problem, Step
from rmt.spikes.resummed import resummed_strengths
from rmt.status import Status

ACTIVATIONS = (
    "tanh(z + 7/10)",
    "relu(z)",
    "gelu(z)",
    "softplus(z)",
    "erf(z + 1/2)",
    "leaky_relu(z + 1/3, 1/5)",
    "hard_tanh(z + 1/4)",
    "silu(z)",
)
TARGETS = (
    "sin(2*z)",
    "tanh(z) + He2(z)/3",
    "sign(z) + z/4",
    "He3(z)/sqrt(6)",
    "relu(z) - 2/5",
    "z1*z2 + z1",
)
ALL = list(itertools.product(ACTIVATIONS, TARGETS, ("independent", "reused")))
# Heavy tails and two indices on a reused batch take longest.
QUICK = [case for case in ALL[::7] if case[1] in TARGETS[:3]]


def check(activation, target, batch):
    # Readout law, sizes and steps differ from case to case, and are the same in every run.
    rng = np.random.default_rng(ALL.index((activation, target, batch)))
    dim = int(rng.choice([500, 1000]))
    problem = Problem(
        activation,
        target,
        width=int(rng.choice([500, 1000, 3000])),
        dim=dim,
        samples=dim * int(rng.choice([1, 2, 4])),
        steps=[
            Step(int(rng.choice([1, 2, 4])), float(rng.choice([0.2, 0.3]))),
            Step(int(rng.choice([1, 2, 4])), float(rng.choice([0.3, 0.4]))),
        ],
        batch=batch,
        readout=str(rng.choice(["gaussian", "rademacher", "uniform"])),
        noise_std=float(rng.choice([0.0, 0.3])),
    )
    found, finer = resummed_strengths(problem, 1e-6), resummed_strengths(problem, 1e-8)
    assert found.status is Status.CONVERGED
    kept = min(found.strengths.size, finer.strengths.size)
    difference = np.abs(found.strengths[:kept] - finer.strengths[:kept])
    assert np.all(difference <= found.strength_errors[:kept])
    squared = np.abs(found.alignments[:kept] ** 2 - finer.alignments[:kept] ** 2)
    assert np.all(squared <= found.alignment_sq_errors[:kept])
    # And they mean something: what was asked for is what is claimed.
    outliers = found.strengths > problem.aspect_ratio**0.25
    assert np.all(found.strength_errors[outliers] <= 1.01e-6 * found.strengths[outliers])


@pytest.mark.parametrize("case", QUICK, ids="|".join)
def test_estimates_bound_the_errors(case):
    check(*case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in ALL if case not in QUICK], ids="|".join)
def test_estimates_bound_the_errors_everywhere(case):
    check(*case)
