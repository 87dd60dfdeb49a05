"""``python -m validation study``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rmt.cli.grids import AXES, OVER, read_axis, read_numbers
from rmt.cli.options import (
    checked_workers,
    integer,
    latex_or_json,
    level,
    on_terminal,
    plot,
    problem_command,
    problem_of,
    solver_of,
)
from rmt.cli.program import Outcome, choice, flag, option, save_figure
from rmt.status import InvalidInputError
from rmt.vocabulary import RTOL
from validation.cli.options import DEVICE, seed, store

__all__ = ["study"]


@problem_command(
    grid=[
        option(
            "--over",
            "NAME=VALUES",
            f"the parameter that the figure is drawn against: {OVER}",
            read_axis,
            required=True,
        ),
        option(
            "--compare",
            "NAME=VALUES",
            "what tells curves apart, such as batch=independent,reused. Repeat for more",
            read_axis,
            action="append",
        ),
        option(
            "--simulate-at",
            "VALUES",
            "the values of --over that have networks, which is extended by them (default: all)",
            read_numbers,
        ),
    ],
    method=level(RTOL, " for each point", method="deformed"),
    networks=[
        option("--networks", "K", "at each point; 0 for the theory alone", integer, default=8),
        option("--triplets", "K", "singular values to look at in each", integer, default=4),
        flag("--no-errors", "leave out training and test errors, which take most of the time"),
        option("--test-samples", "K", "fresh samples for the test error", integer, default=4000),
        seed("random seed"),
        DEVICE,
        option(
            "--workers",
            "K",
            "processes (default: for predictions this one, for networks as many as suit them)",
            integer,
        ),
    ],
    store=[store()],
    output=[
        latex_or_json("print LaTeX tables of all points (booktabs)"),
        plot("positions, overlaps and errors"),
        choice(
            "--overlaps", "WHICH", "overlaps in the picture", ("each", "together"), default="each"
        ),
        option("--csv", "FILE", "also write one row for each number of each point"),
        option("--save", "FILE", "also write the study, for validation.Study.load", Path),
    ],
    interrupted="nothing written",
    details=[AXES],
)
def study(options: argparse.Namespace) -> Outcome:
    r"""Predict and simulate along one parameter: a paper's figure.

    At every value of --over and every combination of --compare the outliers of the weights, what
    they have learned and the errors of training are predicted, and seen in simulated networks. With
    --store networks are kept as soon as they are there, and predictions in a folder beside: the
    same command goes on where it was killed. Points that fail are left out, the others are printed
    and written all the same, and the exit code is 1.

    example:
      %(prog)s --activation 'tanh(z + 7/10)' --target 'tanh(z)' \
          --width 200 --step 2,0.2 --step 2,0.3 --readout rademacher \
          --over samples_per_dim=1,2,4 --compare batch=independent,reused \
          --networks 4 --no-errors --store study.sqlite --plot study.png
    """
    from validation.studies.study import study

    over, compare = options.over, options.compare or []
    names = [over[0], *(name for name, _ in compare)]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInputError(f"--compare: the parameter {name} is given twice")
    asked: dict[str, Any] = solver_of(options)
    found = study(
        problem_of(options),
        {over[0]: over[1]},
        dict(compare),
        options.networks,
        asked.pop("method"),
        **asked,
        simulate_at=options.simulate_at,
        errors=not options.no_errors,
        triplets=options.triplets,
        n_test=options.test_samples,
        seed=options.seed,
        store=options.store,
        workers=checked_workers(options),
        device=options.device,
        progress=on_terminal(),
    )
    if options.csv is not None:
        found.to_csv(options.csv)
    if options.save is not None:
        found.save(options.save)
    save_figure(found, options, overlaps=options.overlaps)
    options.plot = None  # it is written
    missing = found.failures
    said = f"{len(missing)} missing; the first: {missing[0]}" if missing else None
    return Outcome(found, said)
