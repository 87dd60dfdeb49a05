"""The named problems on which theory and simulation have to agree."""

from __future__ import annotations

from difflib import get_close_matches

from rmt.status import InvalidInputError
from validation.catalogue.case import Case
from validation.catalogue.features import FEATURES, SMALL_FEATURES
from validation.catalogue.levels import LEVELS
from validation.catalogue.losses import LOSSES, SMALL_LOSSES
from validation.catalogue.paths import PATHS, SMALL_PATHS
from validation.catalogue.weights import (
    BATCHES,
    CASES,
    COUNTS,
    ONE_STEP,
    PLANE,
    PLANE_EXPONENTS,
    SCATTERED,
    STAIRCASES,
    TRANSITION,
    WIDTHS,
)  # fmt: skip

__all__ = [
    "ALL_CASES",
    "BATCHES",
    "CASES",
    "COUNTS",
    "FEATURES",
    "LEVELS",
    "LOSSES",
    "ONE_STEP",
    "PATHS",
    "PLANE",
    "PLANE_EXPONENTS",
    "SCATTERED",
    "SMALL_FEATURES",
    "SMALL_LOSSES",
    "SMALL_PATHS",
    "STAIRCASES",
    "TRANSITION",
    "WIDTHS",
    "Case",
    "case",
]

_OF_WEIGHTS = BATCHES | TRANSITION | ONE_STEP | STAIRCASES | SCATTERED | LEVELS | COUNTS | PLANE
_ON_THE_WAY = PATHS | SMALL_PATHS | LOSSES | SMALL_LOSSES
ALL_CASES: dict[str, Case] = _OF_WEIGHTS | FEATURES | SMALL_FEATURES | _ON_THE_WAY | WIDTHS


def case(name: str) -> Case:
    """The case of this name.

    Raises
    ------
    InvalidInputError
        For an unknown name; the message names those that are most like it.

    Examples
    --------
    >>> print(case("ie3-reused"))
    ie3-reused: information exponent 3, reused batch
    """
    if name not in ALL_CASES:
        alike = get_close_matches(name, ALL_CASES, cutoff=0.4) or list(ALL_CASES)[:3]
        raise InvalidInputError(
            f"case must be one of the {len(ALL_CASES)} names that `python -m validation list` "
            f"shows, such as {', '.join(sorted(alike))}; got {name!r}"
        )
    return ALL_CASES[name]
