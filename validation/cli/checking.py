"""``python -m validation check``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rmt.cli.options import JSON, integer, max_seconds, on_terminal
from rmt.cli.program import Outcome, command, option
from rmt.status import InvalidInputError
from validation.cli.options import TRAINING, case_names, seed, trained_otherwise

if TYPE_CHECKING:
    from rmt.problem import Problem

__all__ = ["check"]


@command(
    problem=[
        option(
            "--problem",
            "FILE",
            "JSON file, or the name of a case",
            required=True,
            offered=case_names,
        ),
        *TRAINING,
        option(
            "--weights",
            "FILE",
            ".npy file of an array (N, d) or (k, N, d), or .npz file with an array weights",
            Path,
            required=True,
        ),
        option(
            "--readout",
            "FILE",
            ".npy file of the second layer (N,) or (k, N); without it the prediction is for "
            "the law of the problem's readout",
            Path,
        ),
        option(
            "--directions",
            "FILE",
            ".npy file of orthonormal target directions, in rows, (r, d) (default: first axes)",
            Path,
        ),
    ],
    method=[
        option(
            "--reference",
            "K",
            "simulate K networks with the same readout, to know the noise of one",
            integer,
            default=0,
        ),
        seed("random seed of the reference networks"),
        max_seconds(" for the predictions"),
    ],
    output=[JSON],
)
def check(options: argparse.Namespace) -> Outcome:
    r"""Hold weights that were trained elsewhere against the prediction.

    Compare first-layer weights after the last step, of one or several networks, with the prediction
    for their problem: outliers, overlaps with the target, bulk.

    examples:
      %(prog)s --problem problem.json --weights W.npy
      %(prog)s --problem ie3-reused \
          --weights W.npy --readout a.npy --reference 20 --json
      %(prog)s --problem problem.json --weights W.npy \
          --step 2,0.3 --step 2,0.3 --step 2,0.3 --batches 0,0,1

    A problem file is JSON as rmt.Problem.to_json writes it. One to begin with: the command 'show'
    with the name of a case and --json.

    When the weights differ from the prediction the exit code is 1, and the line on standard error
    says in what. It is 0 where a row is left undecided for want of reference networks.
    """
    from validation.weights.check import check

    if options.seed < 0:
        raise InvalidInputError(f"seed must not be negative, got {options.seed}")
    found = check(
        trained_otherwise(_problem(options.problem), options),
        options.weights,
        options.readout,
        directions=options.directions,
        n_reference=options.reference,
        seed=options.seed,
        progress=on_terminal(),
        max_seconds=options.max_seconds,
    )
    differing = found.differing()
    failure = f"the weights differ in: {', '.join(differing)}" if differing else None
    return Outcome(found, failure)


def _problem(given: str) -> Problem:
    from rmt.problem import Problem
    from validation.catalogue import ALL_CASES, case

    if given in ALL_CASES:
        return ALL_CASES[given].problem
    path = Path(given)
    if not path.exists():
        if path.suffix == ".json":
            raise InvalidInputError(f"problem file {given} does not exist")
        return case(given).problem  # says which names there are
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InvalidInputError(f"problem file {given} cannot be read: {reason}") from error
    return Problem.from_json(text)
