"""``python -m validation check``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt.cli.completion import offer
from rmt.cli.parser import Outcome, add_command, add_max_seconds, integer
from rmt.status import InvalidInputError
from validation.cli.options import case_names, on_terminal

if TYPE_CHECKING:
    from rmt.problem import Problem

__all__ = ["add_check"]


def add_check(commands: Any) -> None:
    """The command ``check``."""
    command = add_command(
        commands,
        "check",
        "hold weights that were trained elsewhere against the prediction",
        "Compare first-layer weights after the last step, of one or several networks, with the "
        "prediction for their problem: outliers, overlaps with the target, bulk.",
        examples=[
            "--problem problem.json --weights W.npy",
            "--problem ie3-reused \\\n      --weights W.npy --readout a.npy --reference 20 --json",
        ],
        notes=[
            "A problem file is JSON as rmt.Problem.to_json writes it. One to begin with: the "
            "command 'show' with the name of a case and --json.",
            "When the weights differ from the prediction the exit code is 1, and the line on "
            "standard error says in what. It is 0 where a row is left undecided for want of "
            "reference networks.",
        ],
    )
    problem = command.add_argument_group("problem")
    given = problem.add_argument(
        "--problem", required=True, metavar="FILE", help="JSON file, or the name of a case"
    )
    offer(given, case_names)
    problem.add_argument(
        "--weights",
        required=True,
        type=Path,
        metavar="FILE",
        help=".npy file of an array (N, d) or (k, N, d), or .npz file with an array weights",
    )
    problem.add_argument(
        "--readout",
        type=Path,
        metavar="FILE",
        help=".npy file of the second layer (N,) or (k, N); without it the prediction is for the "
        "law of the problem's readout",
    )
    problem.add_argument(
        "--directions",
        type=Path,
        metavar="FILE",
        help=".npy file of orthonormal target directions, in rows, (r, d) (default: first axes)",
    )
    method = command.add_argument_group("method")
    method.add_argument(
        "--reference",
        type=integer,
        default=0,
        metavar="K",
        help="simulate K networks with the same readout, to know the noise of one (default: 0)",
    )
    method.add_argument(
        "--seed",
        type=integer,
        default=0,
        metavar="S",
        help="random seed of the reference networks (default: 0)",
    )
    add_max_seconds(method, " for the predictions")
    output = command.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(run=_run, interrupted="nothing written")


def _run(options: argparse.Namespace) -> Outcome:
    from validation.weights.check import check

    if options.seed < 0:
        raise InvalidInputError(f"seed must not be negative, got {options.seed}")
    found = check(
        _problem(options.problem),
        options.weights,
        options.readout,
        directions=options.directions,
        n_reference=options.reference,
        seed=options.seed,
        progress=on_terminal(),
        max_seconds=options.max_seconds,
    )
    differing = found.differing()
    return Outcome(
        found.to_json() if options.json else str(found),
        f"the weights differ in: {', '.join(differing)}" if differing else None,
    )


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
