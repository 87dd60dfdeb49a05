"""``python -m validation path``."""

from __future__ import annotations

import argparse
from pathlib import Path

from rmt.cli.options import (
    JSON,
    checked_workers,
    integer,
    max_seconds,
    on_terminal,
    problem_command,
    problem_of,
)
from rmt.cli.program import option
from validation.cli.options import DEVICE, seed, store

__all__ = ["path"]


@problem_command(
    store=[store()],
    method=[
        option("--networks", "K", "how many networks to simulate", integer, default=20),
        option("--triplets", "K", "singular values to observe after each step", integer, default=4),
        option("--test-samples", "K", "fresh samples for the test error", integer, default=4000),
        seed("random seed"),
        DEVICE,
        option("--workers", "K", "processes (default: one for each core)", integer),
        max_seconds(" for the prediction"),
    ],
    output=[JSON],
    interrupted="nothing written",
)
def path(options: argparse.Namespace) -> object:
    r"""Follow one problem through its training: theory and networks after every step.

    Simulate networks of one problem of any number of steps on any schedule of batches, and compare
    training and test errors, outliers and their overlaps with the target after every step. With
    --store the networks are kept, and those that are there are not simulated again.

    examples:
      %(prog)s --activation 'tanh(z + 7/10)' --target 'tanh(z)' \
          --width 300 --step 2,0.3 --step 2,0.3 --step 2,0.3 --batches 0,0,1
      %(prog)s --activation 'erf(z + 1/2)' --target 'z1 + z1*z2' \
          --width 300 --step 1,0.5 --step 1,0.5 --readout rademacher \
          --networks 8 --json
    """
    from validation.campaign import run_campaign
    from validation.comparison.path_comparison import compare_path, predicted_path
    from validation.simulation.devices import find_device
    from validation.simulation.path_plan import PathPlan

    problem = problem_of(options)
    plan = PathPlan(
        problem, options.networks, options.seed, options.triplets, options.test_samples, "float32"
    )
    find_device(options.device)
    workers = checked_workers(options)
    predicted = predicted_path(plan, options.max_seconds)
    place: Path | None = options.store
    [samples] = run_campaign(
        [plan], place, workers=workers, device=options.device, progress=on_terminal()
    )
    return compare_path(predicted, samples)
