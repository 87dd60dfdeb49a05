"""Suites: which cases to simulate, and how many networks of each."""

from __future__ import annotations

from rmt.arguments import checked_choice
from validation.catalogue import (
    BATCHES,
    COUNTS,
    FEATURES,
    LEVELS,
    LOSSES,
    ONE_STEP,
    PATHS,
    PLANE,
    SCATTERED,
    SMALL_FEATURES,
    SMALL_LOSSES,
    SMALL_PATHS,
    STAIRCASES,
    TRANSITION,
    WIDTHS,
)
from validation.suites.model import Entry, Section, SectionKind, Suite
from validation.suites.sections import each, section

__all__ = ["SUITES", "Entry", "Section", "SectionKind", "Suite", "suite"]


_QUICK_PLANE = [f"plane-{a:g}-{b:g}" for a in (0.03, 0.23, 0.43) for b in (0.03, 0.23, 0.43)]
_QUICK_TRANSITION = [f"onestep-constant-{scale}" for scale in (1, 3, 6, 12)]

QUICK = Suite(
    "quick",
    "some of everything, in under three minutes on two cores",
    (
        section("plane", each(PLANE, 8, *_QUICK_PLANE)),
        section("batches", each(BATCHES, 12)),
        section("transition", each(TRANSITION, 8, *_QUICK_TRANSITION)),
        section("one-step", each(ONE_STEP, 8, "onestep-quarter")),
        section("staircases", each(STAIRCASES, 8, "staircase-2-independent", "staircase-2-reused")),
        section("levels", each(LEVELS, 8, "relu-ie1-independent", "shifted-erf-ie1-reused")),
        section("features", each(SMALL_FEATURES, 8)),
        section("paths", each(SMALL_PATHS, 12)),
        section("losses", each(SMALL_LOSSES, 12)),
        section("widths", zip(WIDTHS.values(), (48, 24, 12), strict=False), n_spectra=4),
    ),
)

FULL = Suite(
    "full",
    "everything; it may be run in pieces, and begins with what quick has simulated",
    (
        section("plane", each(PLANE, 16)),
        section("counts", each(COUNTS, 12)),
        section("batches", each(BATCHES, 48)),
        section("transition", each(TRANSITION, 24)),
        section("one-step", each(ONE_STEP, 24)),
        section("staircases", each(STAIRCASES, 24)),
        section("scattered", each(SCATTERED, 24)),
        section("levels", each(LEVELS, 24)),
        section("features", each(SMALL_FEATURES | FEATURES, 12)),
        section("paths", each(SMALL_PATHS | PATHS, 20)),
        section("losses", each(SMALL_LOSSES | LOSSES, 20)),
        section("widths", zip(WIDTHS.values(), (96, 64, 48, 32), strict=True), n_spectra=4),
    ),
)

SUITES: dict[str, Suite] = {"quick": QUICK, "full": FULL}


def suite(name: str) -> Suite:
    """The suite of this name: ``quick``, or ``full``, which goes on from where ``quick`` ends.

    Raises
    ------
    InvalidInputError
        For another name.

    Examples
    --------
    >>> [section.name for section in suite("quick").sections]
    ['plane', 'batches', 'transition', 'one-step', 'staircases', 'levels', 'features', 'paths',
    'losses', 'widths']
    """
    return SUITES[checked_choice("suite", name, SUITES)]
