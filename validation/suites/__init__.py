"""Suites: which cases to simulate, and how many networks of each."""

from __future__ import annotations

from rmt.arguments import checked_choice
from validation.catalogue import (
    BATCHES,
    COUNTS,
    FEATURES,
    LEVELS,
    ONE_STEP,
    PLANE,
    SMALL_FEATURES,
    STAIRCASES,
    TRANSITION,
    WIDTHS,
    Case,
)
from validation.suites.model import Entry, Section, SectionKind, Suite
from validation.suites.sections import each, section

__all__ = ["SUITES", "Entry", "Section", "SectionKind", "Suite", "suite"]


def _some(cases: dict[str, Case], *names: str) -> list[Case]:
    return [cases[name] for name in names]


_QUICK_EXPONENTS = (0.03, 0.23, 0.43)

QUICK = Suite(
    "quick",
    "some of everything, in under three minutes on two cores",
    (
        section(
            "plane",
            each(
                [PLANE[f"plane-{a:g}-{b:g}"] for a in _QUICK_EXPONENTS for b in _QUICK_EXPONENTS],
                8,
            ),
        ),
        section("batches", each(BATCHES.values(), 12)),
        section(
            "transition",
            each(_some(TRANSITION, *(f"onestep-constant-{c}" for c in (1, 3, 6, 12))), 8),
        ),
        section("one-step", each(_some(ONE_STEP, "onestep-quarter"), 8)),
        section(
            "staircases",
            each(_some(STAIRCASES, "staircase-2-independent", "staircase-2-reused"), 8),
        ),
        section(
            "levels",
            each(_some(LEVELS, "relu-ie1-independent", "shifted-erf-ie1-reused"), 8),
        ),
        section("features", each(SMALL_FEATURES.values(), 8)),
        section(
            "widths",
            list(
                zip(
                    _some(WIDTHS, *(f"widths-{n}" for n in (200, 400, 800))),
                    (48, 24, 12),
                    strict=True,
                )
            ),
            n_spectra=4,
        ),
    ),
)

FULL = Suite(
    "full",
    "everything; it may be run in pieces, and begins with what quick has simulated",
    (
        section("plane", each(PLANE.values(), 16)),
        section("counts", each(COUNTS.values(), 12)),
        section("batches", each(BATCHES.values(), 48)),
        section("transition", each(TRANSITION.values(), 24)),
        section("one-step", each(ONE_STEP.values(), 24)),
        section("staircases", each(STAIRCASES.values(), 24)),
        section("levels", each(LEVELS.values(), 24)),
        section("features", each([*SMALL_FEATURES.values(), *FEATURES.values()], 12)),
        section("widths", list(zip(WIDTHS.values(), (96, 64, 48, 32), strict=True)), n_spectra=4),
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
    ['plane', 'batches', 'transition', 'one-step', 'staircases', 'levels', 'features', 'widths']
    """
    return SUITES[checked_choice("suite", name, SUITES)]
