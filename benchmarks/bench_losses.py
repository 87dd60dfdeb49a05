"""Losses against the square loss of the same labels.

Level `resummed`, width and dimension 1000, 2000 samples, activation tanh(z + 7/10), steps (2, 0.35)
and (2, 0.45). Seconds are of the processor, on one thread; the two losses are solved in turn.
Errors are relative: the largest that a prediction estimates for the singular value of an outlier.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import rmt
from benchmarks.common import Effort, Row, clock, race, row

TITLE = "Losses against the square loss"

SIGNS = rmt.SignOf("z", flip=0.1)
MIXED = "z/2 + He3(z)/sqrt(6)"
PLANE = "z1 + z1*z2"
SQUARED = "the square loss"
# Loss, target, its noise.
CASES = (
    ("logistic", SIGNS, 0.0),
    ("squared_hinge", SIGNS, 0.0),
    ("correlation", MIXED, 0.3),
    ("log(cosh(h - y))", MIXED, 0.3),
    ("huber(1)", MIXED, 0.0),
    ("huber(1)", MIXED, 0.3),
    ("poisson", rmt.Poisson("exp(z/2)"), 0.0),
    ("logistic", rmt.Bernoulli("sigmoid(z1 + z1*z2)"), 0.0),
    ("huber(1)", PLANE, 0.0),
    ("huber(1)", PLANE, 0.3),
)


def rows(effort: Effort) -> Iterator[Row]:
    """Each loss on both kinds of batches; one that gives up says why."""
    for loss, target, noise in effort.few(CASES):
        for batch in ("independent", "reused"):
            size = effort.pick(1000, 200)
            squared = rmt.Problem(
                *("tanh(z + 7/10)", target, size, size, 2 * size, [(2, 0.35), (2, 0.45)], batch),
                noise_std=noise,
            )
            yield against_squared(squared.replace(loss=loss), squared, effort)


def against_squared(problem: rmt.Problem, squared: rmt.Problem, effort: Effort) -> Row:
    """One loss, in turn with the square loss."""
    noise = f", noise {problem.noise_std:g}" if problem.noise_std else ""
    what = f"{problem.loss}, {problem.label_text}{noise}, {problem.batch}"
    try:
        errors = [largest_error(one) for one in (problem, squared)]
    except rmt.RmtError as failure:
        note = f"{type(failure).__name__}: {failure}".partition(";")[0]
        return Row(what=what, baseline=SQUARED, note=note)
    timed = race(
        clock(lambda: rmt.predict(problem), now=time.process_time),
        clock(lambda: rmt.predict(squared), now=time.process_time),
        effort,
        least=2,
    )
    return row(what, SQUARED, timed, error=errors[0], other_error=errors[1])


def largest_error(problem: rmt.Problem) -> float | None:
    outliers = rmt.predict(problem).outliers
    return max((one.error.singular_value / one.singular_value for one in outliers), default=None)
