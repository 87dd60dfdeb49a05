"""Options that several commands have, how their values are read, and what is made of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from rmt.budget import MAX_SECONDS
from rmt.cli.program import Argument, Either, choice, command, flag, option
from rmt.expressions.catalogue import ALIASES, CATALOGUE, MAX_HERMITE_DEGREE
from rmt.problem.law_texts import read_law
from rmt.status import InvalidInputError
from rmt.vocabulary import BULKS, FORMS, METHODS, Batch, Initialisation, Method, ReadoutLaw

if TYPE_CHECKING:
    from rmt.problem import Problem, Step

__all__ = [
    "FIRST_PROBLEM",
    "FIRST_STEPS",
    "FUNCTIONS",
    "JSON",
    "LOSSES",
    "PROBLEM_NOTES",
    "STEP",
    "checked_workers",
    "integer",
    "latex_or_json",
    "level",
    "max_seconds",
    "number",
    "on_terminal",
    "plot",
    "problem_command",
    "problem_of",
    "read_schedule",
    "read_step",
    "reader",
    "rtol",
    "solver_of",
]

T = TypeVar("T")


def reader(read: Callable[[str], T], expected: str) -> Callable[[str], T]:
    """Let a function read a value from the command line.

    Where it raises `ValueError` the message is what was expected, and what was given; one of its
    own where it raises `InvalidInputError`.
    """

    def read_or_say(text: str) -> T:
        try:
            return read(text)
        except InvalidInputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            raise argparse.ArgumentTypeError(f"{expected} got {text!r}") from None

    return read_or_say


integer = reader(int, "must be an integer,")
number = reader(float, "must be a number,")


def read_step(text: str) -> Step:
    """``SCALE,EXPONENT`` as a step, or ``SCALE,EXPONENT,DECAY``."""
    scale, exponent, *decay = map(float, text.split(","))
    if len(decay) > 1:
        raise ValueError
    from rmt.problem import Step

    return Step(scale, exponent, *decay)


STEP = reader(
    read_step, "a step is SCALE,EXPONENT such as 4,0.3, or SCALE,EXPONENT,DECAY such as 4,0.3,0.01;"
)

# Those of `rmt.problem.losses.NAMED_LOSSES`, which takes long to load.
LOSSES = ("squared", "correlation", "logistic", "squared_hinge", "poisson")


def _read_samples(text: str) -> int | list[int]:
    counts = [int(part) for part in text.split(",")]
    return counts[0] if len(counts) == 1 else counts


def read_schedule(text: str) -> tuple[int, ...]:
    """``0,0,1`` as a schedule of batches."""
    return tuple(int(part) for part in text.split(","))


_PROBLEM: list[Argument | Either] = [
    option("--activation", "TEXT", "sigma(z), such as 'relu(z)'", required=True),
    Either(
        [
            option("--target", "TEXT", "f(z), or f(z1, z2[, z3]), of which labels are values"),
            option(
                "--labels",
                "LAW",
                "law of labels, in the place of a target: 'bernoulli: P' and 'sign_of: F' for "
                "labels +1 and -1, 'poisson: RATE', 'channel: Y @ P; Y @ P'; see below",
                reader(read_law, "must be LAW: FUNCTION,"),
            ),
        ],
        required=True,
    ),
    option("--width", "N", "number of neurons", integer, required=True),
    option("--dim", "d", "input dimension (default: the width)", integer),
    option(
        "--samples",
        "n[,n2..]",
        "size of the batch, or of each (default: twice the input dimension)",
        reader(_read_samples, "samples are one integer or several, such as 2000 or 2000,4000;"),
    ),
    option(
        "--step",
        "C,ALPHA[,DECAY]",
        "a gradient step with learning rate C * N**ALPHA, and weight decay; give it once for each "
        "step",
        STEP,
        required=True,
        action="append",
        dest="steps",
    ),
    choice("--batch", "KIND", "batches after the first", get_args(Batch), "independent"),
    option(
        "--batches",
        "B,B,..",
        "which batch each step uses, such as 0,0,1; in the place of --batch",
        reader(read_schedule, "batches are numbers from 0, one for each step, such as 0,0,1;"),
    ),
    choice("--readout", "LAW", "second layer", get_args(ReadoutLaw), "gaussian"),
    option("--noise", "STD", "standard deviation of the label noise", number, default=0.0),
    option(
        "--loss",
        "LOSS",
        f"{', '.join(LOSSES)}, huber(1/2) and the like, or a text in h and y",
        default=LOSSES[0],
        offered=lambda: LOSSES,
    ),
    option(
        "--output-scale",
        "S",
        "of the output S sum_i a_i sigma(<w_i, x>), a_i of order N**-1/2 (default: N**-1/2, at "
        "which the untrained output vanishes)",
        number,
    ),
    option(
        "--readout-sum",
        "A",
        "sum of the readouts a_i, on which predictions with --output-scale are conditional",
        number,
    ),
    flag("--antisymmetric", "neurons in pairs of opposite readout: the untrained output is zero"),
]

PROBLEM_NOTES = [
    "Functions TEXT are written in z, or z1, z2 and z3 for a target with several directions, as in "
    "'relu(z) - 1/2' or 'He3(z1) + z1*z2'; rmt --help lists the names that may stand in them.",
    "Laws of labels are of such functions: 'bernoulli: sigmoid(3*z + 1)' is the probability of +1; "
    "'sign_of: z; noise_std=0.5; flip=0.1' adds noise below the sign and turns a tenth of the "
    "labels over; 'channel: z @ 3/4; 0 @ 1/4' has labels with their probabilities. A loss of one's "
    "own is such as 'log(cosh(y - h))', with the output h.",
]


def _optional(one: Argument | Either, defaults: Mapping[str, Any]) -> Argument | Either:
    """An argument that need not be given, with another default."""
    if isinstance(one, Either):
        return Either([_plain_optional(each, defaults) for each in one.arguments])
    return _plain_optional(one, defaults)


def _plain_optional(one: Argument, defaults: Mapping[str, Any]) -> Argument:
    settings = {**one.settings, "required": False}
    if one.name in defaults:
        said = defaults[one.name]
        settings["help"] = f"{settings['help'].partition(' (default')[0]} (default: {said})"
        if "action" not in settings:
            settings["default"] = said
    return replace(one, settings=settings)


# The first problem of the README, for a command that needs none.
FIRST_STEPS = "4,0.3", "4,0.4"
FIRST_PROBLEM = [
    _optional(
        one,
        {
            "--activation": "tanh(z + 7/10)",
            "--target": "remove_hermite(3*tanh(2*z), 1)",
            "--width": 1000,
            "--step": " and ".join(FIRST_STEPS),
            "--batch": "reused",
        },
    )
    for one in _PROBLEM
]

# As `command`, for what is computed of a `Problem`; see `problem_of`.
problem_command = partial(command, problem=_PROBLEM, notes=PROBLEM_NOTES)


def _functions() -> str:
    hermite = {f"He{k}" for k in range(MAX_HERMITE_DEGREE + 1)}
    names = ", ".join(sorted(set(CATALOGUE) - ALIASES.keys() - hermite))
    return (
        "Functions TEXT are written in z, or z1, z2 and z3 for a target with several directions: "
        f"numbers, pi, + - * / **, He0 to He{MAX_HERMITE_DEGREE} (Hermite polynomials), "
        f"remove_hermite(f, k), Piecewise((f, z < 0), (g, True)), {names}."
    )


FUNCTIONS = _functions()

JSON = flag("--json", "print JSON instead of a table")


def latex_or_json(latex: str) -> Either:
    """``--latex``, of which this is the help, or ``--json``."""
    return Either([flag("--latex", latex), JSON])


def plot(what: str) -> Argument:
    """``--plot``."""
    return option("--plot", "FILE", f"also draw {what} to this file")


def rtol(default: float) -> Argument:
    """``--rtol``."""
    return option("--rtol", "TOL", "relative tolerance", number, default=default)


def max_seconds(each: str = "", default: float = MAX_SECONDS) -> Argument:
    """``--max-seconds``; ``each`` says what the limit of time is for."""
    text = f"limit of processor time{each}, inf for none"
    return option("--max-seconds", "S", text, number, default=default)


def level(
    default_rtol: float,
    each: str = "",
    default_seconds: float = MAX_SECONDS,
    method: Method = "resummed",
) -> list[Argument]:
    """The options that say how a `Problem` is solved."""
    return [
        choice("--method", "LEVEL", "level of theory", METHODS, method),
        choice(
            "--forms",
            "FORMS",
            "outlier equation, with --method deformed only (default there: linked)",
            FORMS,
        ),
        choice(
            "--bulk",
            "BULK",
            "what spikes come out of, with --method resummed only (default there: rows for more "
            "than two steps)",
            BULKS,
        ),
        rtol(default_rtol),
        max_seconds(each, default_seconds),
    ]


def problem_of(options: argparse.Namespace) -> Problem:
    """The `Problem` that the options describe."""
    from rmt.problem import Problem

    initialisation: Initialisation = "antisymmetric" if options.antisymmetric else "independent"
    dim = options.width if options.dim is None else options.dim
    return Problem(
        activation=options.activation,
        target=options.target if options.labels is None else options.labels,
        width=options.width,
        dim=dim,
        samples=2 * dim if options.samples is None else options.samples,
        steps=options.steps,
        batch=options.batch if options.batches is None else options.batches,
        readout=options.readout,
        noise_std=options.noise,
        loss=options.loss,
        output_scale=options.output_scale,
        readout_sum=options.readout_sum,
        initialisation=initialisation,
    )


def solver_of(options: argparse.Namespace) -> dict[str, Any]:
    """Level, tolerance and limit of time, as far as the command has them."""
    names = ("method", "forms", "bulk", "rtol", "max_seconds")
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def checked_workers(options: argparse.Namespace) -> Any:
    """The number of processes, or None where that is the default.

    Raises
    ------
    InvalidInputError
        For a number out of range.
    """
    workers = options.workers
    if workers is not None and not 1 <= workers <= 1024:
        raise InvalidInputError(f"workers must lie between 1 and 1024, got {workers}")
    return workers


def on_terminal() -> bool:
    """Whether someone watches what is written on standard error."""
    return sys.stderr.isatty()
