"""The problems on which the whole path of training has to stand at N = 1000."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rmt.problem import Problem
from validation.catalogue.case import IE1, IE2, IE3, Case, by_name

__all__ = ["PATHS", "SMALL_PATHS"]

_TANH, _ERF = "tanh(z + 7/10)", "erf(z + 1/2)"
_STAIRCASE = "z1 + z1*z2"

# Batches as a word: letter ``s`` is the batch of step ``s``. Name, title, activation, target, word,
# steps, readout; then d, n and label noise where they are not 1000, 2000 and none.
_ROWS: tuple[tuple[Any, ...], ...] = (
    ("tanh-ie1", "shifted tanh, information exponent 1",
     _TANH, IE1, "AAA", ((2, 0.3),) * 3, "rademacher"),
    ("tanh-staircase", "shifted tanh, staircase of two indices",
     _TANH, _STAIRCASE, "AAA", ((2, 0.3),) * 3, "rademacher", 1000, 3000),
    ("gelu-ie1", "GELU, information exponent 1, twice as many inputs as neurons, label noise",
     "gelu(z)", IE1, "AAA", ((2, 0.3),) * 3, "uniform", 2000, 3000, 0.5),
    ("relu-giant", "ReLU, information exponent 1, giant steps",
     "relu(z)", IE1, "AAA", ((1, 0.5),) * 3, "rademacher"),
    ("tanh-ie1", "shifted tanh, information exponent 1",
     _TANH, IE1, "AAB", ((2, 0.3),) * 3, "gaussian"),
    ("tanh-ie2", "shifted tanh, information exponent 2",
     _TANH, IE2, "AAB", ((4, 0.3), (4, 0.3), (2, 0.3)), "uniform"),
    ("gelu-staircase", "GELU, staircase of two indices",
     "gelu(z)", _STAIRCASE, "AAB", ((2, 0.3),) * 3, "rademacher", 1000, 3000),
    ("tanh-giant", "shifted tanh, information exponent 1, giant steps",
     _TANH, IE1, "AAB", ((1, 0.5),) * 3, "rademacher"),
    ("erf-ie1", "shifted erf, information exponent 1, label noise",
     _ERF, IE1, "ABB", ((2, 0.3),) * 3, "gaussian", 1000, 2000, 0.3),
    ("tanh-mixed", "shifted tanh, information exponent 1, steps of growing exponent",
     _TANH, IE1, "ABB", ((4, 0.2), (2, 0.3), (1, 0.5)), "rademacher"),
    ("tanh-staircase", "shifted tanh, staircase of two indices",
     _TANH, _STAIRCASE, "ABC", ((2, 0.3),) * 3, "uniform", 1000, 3000),
    ("relu-two-indices", "ReLU, two indices, giant steps",
     "relu(z)", "(4*z1 + z1**2 + z2)/2", "ABC", ((1, 0.5),) * 3, "rademacher", 1000, 4000),
    ("erf-giant", "shifted erf, information exponent 1, giant steps",
     _ERF, IE1, "ABC", ((1, 0.5),) * 3, "gaussian"),
    ("tanh-ie1-wide", "shifted tanh, information exponent 1, twice as many neurons as inputs",
     _TANH, IE1, "ABA", ((2, 0.3),) * 3, "rademacher", 500, 1500),
    ("gelu-ie1", "GELU, information exponent 1",
     "gelu(z)", IE1, "ABA", ((3, 0.3),) * 3, "gaussian"),
    ("tanh-ie3", "shifted tanh, information exponent 3",
     _TANH, IE3, "AAAA", ((3, 0.3),) * 4, "uniform"),
    ("relu-ie1", "ReLU, information exponent 1, label noise",
     "relu(z)", IE1, "AAAB", ((2, 0.3),) * 4, "uniform", 1000, 2000, 0.3),
    ("erf-ie1", "shifted erf, information exponent 1, label noise",
     _ERF, IE1, "ABAB", ((2, 0.3),) * 4, "uniform", 1000, 2000, 0.3),
    ("tanh-staircase", "shifted tanh, staircase of two indices, label noise",
     _TANH, _STAIRCASE, "ABCD", ((2, 0.3),) * 4, "rademacher", 1000, 3000, 0.2),
    ("tanh-ie1", "shifted tanh, information exponent 1, eight steps",
     _TANH, IE1, "AAAAAAAA", ((1, 0.3),) * 8, "rademacher"),
    ("erf-ie1", "shifted erf, information exponent 1, eight steps",
     _ERF, IE1, "ABCDEFGH", ((1, 0.3),) * 8, "rademacher"),
    ("tanh-ie1", "shifted tanh, information exponent 1, eight steps",
     _TANH, IE1, "ABABABAB", ((1, 0.3),) * 8, "rademacher"),
)  # fmt: skip


def _path(
    name: str, title: str, activation: str, target: str, word: str, steps: Any, readout: str,
    dim: int = 1000, samples: int = 2000, noise_std: float = 0.0,
) -> Case:  # fmt: skip
    letters = sorted(set(word))
    problem = Problem(
        activation, target, 1000, dim, samples, steps,
        batch=tuple(map(letters.index, word)), readout=readout, noise_std=noise_std,
    )  # fmt: skip
    return Case(f"path-{name}-{word.lower()}", title, problem)


_SLOW = (
    "the walk does not reach its tolerance within minutes for so many steps on one batch, so that "
    "nothing is held against the networks in a reasonable time."
)
# Where theory and simulation differ at N = 1000, and why.
_KNOWN = {
    "path-tanh-ie1-aaaaaaaa": _SLOW,
    "path-tanh-ie3-aaaa": _SLOW,
}


PATHS: dict[str, Case] = {
    case.name: replace(case, known=_KNOWN.get(case.name, ""))
    for case in (_path(*row) for row in _ROWS)
}

# Two of them at a smaller size, for a look that takes seconds.
SMALL_PATHS: dict[str, Case] = by_name(
    *(
        Case(
            f"small-{case.name}",
            f"{case.title}, N = 400",
            case.problem.replace(width=400, dim=400, samples=800, readout="rademacher"),
        )
        for case in (PATHS["path-tanh-ie1-aab"], PATHS["path-tanh-ie1-aaa"])
    )
)
