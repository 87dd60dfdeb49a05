"""Which problems the levels of the theory have a prediction for: one table, and what it says.

Predictions, refusals and the table of docs/levels.md are made of `TABLE`: what it does not hold has
no prediction, for the reason in `REASONS`. A level that learns more is another entry there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rmt.display import Part, Shown, Table
from rmt.problem.effective import answers_alike
from rmt.problem.problem import Problem, Step
from rmt.status import InvalidInputError, UnsupportedProblemError
from rmt.vocabulary import FORMS, METHODS, Forms, Method

__all__ = [
    "LEVELS",
    "REASONS",
    "SCHEDULES",
    "SETTINGS",
    "TABLE",
    "Entry",
    "Level",
    "Setting",
    "Support",
    "Supported",
    "Verdict",
    "check_supported",
    "check_two_steps",
    "has_prediction",
    "kind_of_schedule",
    "rows_of_table",
    "settings_of",
    "supported",
    "two_steps",
]

Verdict: TypeAlias = Literal["derived and checked", "derived", "no"]
# Levels of `predict`, what `rmt.scaling` has in symbols, and what is computed of the prediction.
Level: TypeAlias = Literal[Method, "exponents", "features"]
LEVELS: tuple[tuple[Level, Forms | None], ...] = (
    ("exponents", None),
    ("scaling", None),
    ("resummed", None),
    *(("deformed", forms) for forms in FORMS),
    ("features", None),
)

# Kinds of schedules; a problem is of the first that fits (`kind_of_schedule`).
SCHEDULES = (
    "one step",
    "two steps, fresh batches",
    "two steps, one batch",
    "more steps, fresh batches",
    "more steps, each batch for one or two in a row",
    "more steps, any other schedule",
)
_ONE_OR_TWO, _MORE = SCHEDULES[:3], SCHEDULES[3:]
_FRESH = tuple(kind for kind in SCHEDULES if kind == "one step" or kind.endswith("fresh batches"))
_AGAIN = tuple(kind for kind in SCHEDULES if kind not in _FRESH)


@dataclass(frozen=True, slots=True)
class Entry:
    """Problems that a level has a prediction for.

    Attributes
    ----------
    level : str
    forms : tuple
        Those of the level ``deformed`` that it is about; ``(None,)`` of a level that has none.
    schedules : tuple of str
        Of `SCHEDULES`.
    giant : bool
        Whether it is about steps of exponent 1/2, or about smaller ones.
    verdict : str
        Whether simulated networks hold it.
    words : str
        Which problems these are.
    evidence : str
        The test that holds it.
    limits : str
        What of the prediction is not to be trusted; empty for nothing in particular.
    """

    level: Level
    forms: tuple[Forms | None, ...]
    schedules: tuple[str, ...]
    giant: bool
    verdict: Verdict
    words: str
    evidence: str
    limits: str = ""

    def holds(self, level: Level, forms: Forms | None, schedule: str, giant: bool) -> bool:
        """Whether it is about these problems."""
        same = self.level == level and self.giant == giant
        return same and forms in self.forms and schedule in self.schedules


_WALKED = "test_walk.py::test_errors_along_the_path_of_networks"
_SMALL = "one or two steps with exponents below 1/2"
_GIANT_LIMITS = "strong outliers, overlaps and errors; of the bulk the lengths of its rows"
TABLE = (
    Entry(
        *("exponents", (None,), _ONE_OR_TWO, False, "derived and checked", _SMALL),
        evidence="test_levels_against_simulation.py::test_number_of_outliers_approaches_the_limit",
    ),
    Entry(
        *("exponents", (None,), ("more steps, fresh batches",), False, "derived"),
        words="any number of them on fresh batches",
        evidence="test_scaling_more_steps.py::test_slopes_of_the_resummed_level",
        limits="exponents and counts; of leading constants that of the first spike",
    ),
    Entry(
        *("scaling", (None,), _ONE_OR_TWO, False, "derived and checked", _SMALL),
        evidence="test_levels_against_simulation.py::test_number_of_outliers_approaches_the_limit",
    ),
    Entry(
        *("resummed", (None,), _ONE_OR_TWO, False, "derived and checked", _SMALL),
        evidence="test_prediction_against_simulation.py::test_prediction_within_standard_errors",
    ),
    Entry(
        *("resummed", (None,), _MORE, False, "derived and checked"),
        words="any number of steps",
        evidence="test_walk.py::test_errors_along_the_path_of_networks",
    ),
    Entry(
        *("resummed", (None,), _FRESH, True, "derived and checked"),
        words="giant steps on fresh batches",
        evidence="test_papers.py::test_six_giant_steps_at_the_published_size",
        limits=_GIANT_LIMITS,
    ),
    Entry(
        *("resummed", (None,), _AGAIN, True, "derived and checked"),
        words="giant steps on any schedule",
        evidence="test_walk.py::test_giant_steps_of_networks_that_use_a_batch_again",
        limits=_GIANT_LIMITS,
    ),
    Entry(
        *("deformed", FORMS, _ONE_OR_TWO, False, "derived and checked", _SMALL),
        evidence="test_levels_against_simulation.py::test_outliers_and_overlaps",
    ),
    Entry(
        *("deformed", FORMS, _MORE, False, "derived and checked"),
        words="any number of steps",
        evidence="test_deformed_many_steps.py::test_bulk_and_outliers_of_networks",
    ),
    Entry(
        *("deformed", FORMS, _AGAIN, True, "derived and checked"),
        words="giant steps on any schedule",
        evidence="test_deformed_many_steps.py::test_giant_steps",
    ),
    Entry(
        *("deformed", FORMS, _FRESH, True, "derived and checked"),
        words="giant steps on fresh batches",
        evidence="test_deformed_many_steps.py::test_bulk_and_outliers_of_networks",
    ),
    Entry(
        *("features", (None,), _ONE_OR_TWO, False, "derived and checked", _SMALL),
        evidence="test_features_against_simulation.py::test_outliers_of_the_features",
    ),
)
# Why a level has no prediction for what the table does not hold: more than two steps, giant ones.
REASONS: dict[Level, tuple[str, str]] = {
    "exponents": (
        "how the steps of one batch help each other is counted for two of them",
        "at the exponent 1/2 all powers of a step are of one order",
    ),
    "scaling": (
        "its leading constants are those of one step before the last",
        "at the exponent 1/2 all powers of a step are of one order",
    ),
    "deformed": ("", ""),
    "resummed": ("", ""),
    "features": (
        "the lengths of rows are known after two steps",
        "the features' equivalent is that of small steps",
    ),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What a problem may have beyond a squared loss of a function with noise.

    Attributes
    ----------
    words : str
        What it is.
    holds : callable
        Whether a problem has it.
    without : callable
        The problem without it.
    instead : str
        How that differs, in words.
    levels : dict of str
        The levels that have a prediction with it, each with its verdict and the test that holds it.
    reason : str
        Why the others have none.
    forms : tuple of str
        Of the level ``deformed``, where it has one.
    """

    words: str
    holds: Callable[[Problem], bool]
    without: Callable[[Problem], Problem]
    instead: str
    levels: dict[Level, tuple[Verdict, str]]
    reason: str
    forms: tuple[Forms, ...] = FORMS

    def known(self, level: Level, forms: Forms | None) -> bool:
        """Whether a level has a prediction with it, by these forms."""
        return level in self.levels and (forms is None or forms in self.forms)


_TESTS = "test_losses_against_simulation.py"
SETTINGS = (
    Setting(
        "another loss, or labels with a law of their own",
        lambda p: p.loss.text != "squared" or p.labels is not None,
        lambda p: p.replace(loss="squared", target=p.target),
        "it with loss='squared' and the mean of its labels as the target",
        {
            "resummed": ("derived and checked", f"{_TESTS}::test_outliers_of_networks"),
            "deformed": ("derived and checked", f"{_TESTS}::test_deformed_outliers"),
            "exponents": ("derived", "test_scaling_losses.py::test_spikes_by_brute_force"),
            "scaling": ("derived", "test_scaling_losses.py::test_spikes_by_brute_force"),
        },
        "its effective labels are not worked out there",
    ),
    Setting(
        "an output of order one",
        lambda p: not p.starts_at_zero,
        lambda p: p.replace(output_scale=None, readout_sum=None),
        "it with output_scale=None",
        {
            "resummed": ("derived and checked", f"{_TESTS}::test_outliers_of_networks"),
            "deformed": ("derived and checked", f"{_TESTS}::test_deformed_outliers"),
        },
        "spikes that are correlated with the initial weights are not worked out there",
        forms=("simple",),
    ),
    Setting(
        "an output of another scale that starts at zero",
        lambda p: p.starts_at_zero and p.output_scale is not None,
        lambda p: p.replace(output_scale=None),
        "it with output_scale=None",
        {
            "resummed": ("derived and checked", f"{_TESTS}::test_outliers_of_networks"),
            "deformed": ("derived", f"{_TESTS}::test_deformed_outliers"),
        },
        "the output's answer is that of a vanishing one there",
    ),
    Setting(
        "an antisymmetric start",
        lambda p: p.initialisation == "antisymmetric",
        lambda p: p.replace(initialisation="independent", output_scale=None),
        "it with initialisation='independent'",
        {"resummed": ("derived and checked", f"{_TESTS}::test_outliers_of_networks")},
        "the bulk of weights whose rows are pairs is not worked out there",
    ),
    Setting(
        "weight decay",
        lambda p: any(step.weight_decay for step in p.steps),
        lambda p: p.replace(steps=[(one.scale, one.exponent) for one in p.steps]),
        "it without weight decay",
        {
            "resummed": ("derived and checked", f"{_TESTS}::test_outliers_of_networks"),
            "deformed": ("derived and checked", f"{_TESTS}::test_deformed_outliers"),
        },
        "weights that shrink between steps are not worked out there",
    ),
    Setting(
        "more than two steps of a loss that answers differently to each label",
        lambda p: p.n_steps > 2 and not answers_alike(p),
        lambda p: p.with_n_steps(2),
        "its first two steps",
        dict.fromkeys(("scaling", *METHODS[1:], "features"), ("derived and checked", _WALKED)),
        "what d rho/dh finds of the target where rho(0, y) finds nothing is not counted there",
    ),
)
"""Settings beside the first, each with what has a prediction there; a problem may have several."""
_NAMES: dict[Level, str] = {
    **{method: f"the level {method}" for method in METHODS},
    "exponents": "rmt.scaling",
    "features": "the level of the features",
}
_WORTH: tuple[Verdict, ...] = ("no", "derived", "derived and checked")
_BELOW = 0.45  # an exponent below 1/2, for the nearest problem


@dataclass(frozen=True, slots=True)
class Support(Shown):
    """What one level says of a problem.

    Attributes
    ----------
    level : str
        Of `rmt.predict`, or ``exponents``: of `rmt.scaling`, or ``features``: of
        `rmt.feature_spikes` and `rmt.ridge`.
    forms : str or None
        Of the level ``deformed``.
    verdict : {"derived and checked", "derived", "no"}
        ``checked``: against simulated networks, by a test.
    reason : str
        Why there is none.
    limits : str
        What of the prediction is not to be trusted; empty for nothing in particular.
    nearest : Problem or None
        The nearest problem that the level has a prediction for: this one where it has.
    nearest_words : str
        How it differs; empty where it does not.
    evidence : str
        The test that holds it, in the folder ``tests`` of the repository.

    Examples
    --------
    >>> import rmt
    >>> giant = rmt.Problem("erf(z)", "z", 400, 400, 800, rmt.Step(2, 0.5))
    >>> one = rmt.supported(giant).of("scaling")
    >>> one.ok, one.nearest_words
    (False, 'an exponent below 1/2')
    >>> one.reason
    'at the exponent 1/2 all powers of a step are of one order'
    """

    level: Level
    forms: Forms | None
    verdict: Verdict
    reason: str
    limits: str
    nearest: Problem | None
    nearest_words: str
    evidence: str

    @property
    def ok(self) -> bool:
        """Whether there is a prediction."""
        return self.verdict != "no"

    def _parts(self) -> list[Part]:
        forms = "" if self.forms is None else f", {self.forms} forms"
        parts: list[Part] = [f"{self.level}{forms}: {self.verdict}"]
        if self.limits:
            parts.append(f"to be trusted: {self.limits}")
        if not self.ok:
            parts.append(f"because {self.reason}; there is one for {self.nearest_words}")
        return parts


@dataclass(frozen=True, slots=True)
class Supported(Shown):
    """What each level of the theory says of a problem; printing: a table.

    Attributes
    ----------
    problem : Problem
    schedule : str
        The kind of its schedule, of those in docs/levels.md.
    levels : tuple of Support
        One for each level, and for each form of the level ``deformed``.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [(2, 0.3)] * 3, batch=(0, 0, 1))
    >>> found = rmt.supported(problem)
    >>> found.of("resummed").verdict, found.of("scaling").ok
    ('derived and checked', False)
    >>> found.of("scaling").nearest_words, found.of("scaling").nearest.batch
    ('its first two steps', 'reused')
    """

    problem: Problem
    schedule: str
    levels: tuple[Support, ...]

    def of(self, level: Level, forms: Forms | None = None) -> Support:
        """What a level says; of ``deformed`` without forms, those that say most.

        Raises
        ------
        InvalidInputError
            For a level, or forms of it, that there are not.
        """
        found = [one for one in self.levels if one.level == level and forms in (None, one.forms)]
        if not found:
            names = ", ".join(dict.fromkeys(one.level for one in self.levels))
            raise InvalidInputError(
                f"level must be one of {names}, with forms of {', '.join(FORMS)} for deformed; "
                f"got {level!r}, {forms!r}"
            )
        return next((one for one in reversed(found) if one.ok), found[-1])

    def _parts(self) -> list[Part]:
        giant = " with giant steps" if _is_giant(self.problem) else ""
        rows = []
        for one in self.levels:
            name = one.level if one.forms is None else f"{one.level}, {one.forms}"
            rest = f"{one.reason}; the nearest: {one.nearest_words}" if not one.ok else one.limits
            rows.append([name, one.verdict, rest])
        return [f"{self.schedule}{giant}", Table("lll", ["level", "prediction", ""], rows)]


def two_steps(problem: Problem) -> bool:
    """One or two steps with exponents below 1/2: what expansions in the first step are for."""
    return problem.n_steps <= 2 and not _is_giant(problem)


def kind_of_schedule(problem: Problem) -> str:
    """Which of `SCHEDULES` a problem has.

    Examples
    --------
    >>> p = Problem("erf(z)", "z", 40, 40, 80, [(1, 0.3)] * 4, batch=(0, 0, 1, 1))
    >>> kind_of_schedule(p)
    'more steps, each batch for one or two in a row'
    >>> kind_of_schedule(p.replace(batch=(0, 1, 0, 1)))
    'more steps, any other schedule'
    """
    word, n = problem.schedule, problem.n_steps
    if n == 1:
        return SCHEDULES[0]
    if n == 2:
        return SCHEDULES[1] if len(set(word)) == 2 else SCHEDULES[2]
    if len(set(word)) == n:
        return SCHEDULES[3]
    # First uses are in order, so that what rises only has all uses of a batch in a row.
    in_a_row = list(word) == sorted(word) and max(map(word.count, word)) <= 2
    return SCHEDULES[4] if in_a_row else SCHEDULES[5]


def supported(problem: Problem) -> Supported:
    """What each level of the theory says of a problem.

    Parameters
    ----------
    problem : Problem

    Returns
    -------
    Supported

    Raises
    ------
    InvalidInputError
        For what is no `Problem`.

    Notes
    -----
    The whole table is in docs/levels.md.

    Examples
    --------
    >>> import rmt
    >>> steps = [(2, 0.5)] * 2
    >>> print(rmt.supported(rmt.Problem("erf(z)", "z", 400, 400, 800, steps)).levels[2].limits)
    strong outliers, overlaps and errors; of the bulk the lengths of its rows
    """
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    levels = tuple(_support(problem, *one) for one in LEVELS)
    return Supported(problem, kind_of_schedule(problem), levels)


def has_prediction(problem: Problem, level: Level, forms: Forms | None = None) -> bool:
    """Whether the level has one for the problem, with these forms or with some."""
    asked = [one for one in LEVELS if one[0] == level and forms in (None, one[1])]
    return any(_entry(problem, *one) is not None for one in asked)


def check_supported(problem: Problem, level: Level, forms: Forms | None, what: str = "") -> None:
    """Raise `UnsupportedProblemError` unless the level has a prediction for the problem.

    Parameters
    ----------
    problem : Problem
    level, forms
        Of `LEVELS`.
    what : str
        The name of the level in the message, where it is another.
    """
    if _entry(problem, level, forms) is not None:
        return
    if not what:  # forms are named where others have a prediction
        what = _NAMES[level] + (f" with forms={forms!r}" if has_prediction(problem, level) else "")
    found = _support(problem, level, forms)
    words = dict.fromkeys(one.words for one in TABLE if one.level == level and forms in one.forms)
    steps = "a step" if problem.n_steps == 1 else f"{problem.n_steps} steps"
    given = f"{steps} ({kind_of_schedule(problem)})" if problem.n_steps > 2 else steps
    if _is_giant(problem):
        given += " of exponent 1/2" if problem.n_steps == 1 else ", one of exponent 1/2"
    others = [one for one in METHODS if has_prediction(problem, one) and one != level]
    symbols = ", rmt.scaling its exponents" if has_prediction(problem, "exponents") else ""
    instead = f"the level {others[0]} has one for this problem{symbols}, and " if others else ""
    raise UnsupportedProblemError(
        f"{what} has a prediction for {', '.join(words)}, got {given}: {found.reason}; {instead}"
        f"{what} one for {found.nearest_words}"
    )


def check_two_steps(problem: Problem, what: str) -> None:
    """`check_supported` of what is computed from one or two steps, by a name of its own."""
    level: Level = next((one for one, name in _NAMES.items() if name == what), "features")
    forms: Forms | None = FORMS[0] if level == "deformed" else None
    check_supported(problem, level, forms, what)


def _is_giant(problem: Problem) -> bool:
    return any(step.exponent == 0.5 for step in problem.steps)


def settings_of(problem: Problem) -> tuple[Setting, ...]:
    """What a problem has beyond a squared loss of a function with noise."""
    return tuple(one for one in SETTINGS if one.holds(problem))


def _missing(problem: Problem, level: Level, forms: Forms | None) -> tuple[Setting, ...]:
    return tuple(one for one in settings_of(problem) if not one.known(level, forms))


def _entry(problem: Problem, level: Level, forms: Forms | None) -> Entry | None:
    if _missing(problem, level, forms):
        return None
    schedule, giant = kind_of_schedule(problem), _is_giant(problem)
    return next((one for one in TABLE if one.holds(level, forms, schedule, giant)), None)


def _support(problem: Problem, level: Level, forms: Forms | None) -> Support:
    entry = _entry(problem, level, forms)
    if entry is not None:
        verdict, evidence = entry.verdict, entry.evidence
        for one in settings_of(problem):
            word, test = one.levels[level]
            verdict, evidence = min(verdict, word, key=_WORTH.index), test
        return Support(level, forms, verdict, "", entry.limits, problem, "", evidence)
    missing = _missing(problem, level, forms)
    for other in FORMS if missing and forms is not None else ():
        if _entry(problem, level, other) is not None:
            reason = ", and ".join(f"with {one.words}, {one.reason}" for one in missing)
            return Support(level, forms, "no", reason, "", problem, f"it with forms={other!r}", "")
    if missing:
        simpler = problem
        for one in missing:
            simpler = one.without(simpler)
        rest = _support(simpler, level, forms)
        reasons = [f"with {one.words}, {one.reason}" for one in missing]
        words = ", ".join([one.instead for one in missing] + [rest.nearest_words] * (not rest.ok))
        reason = ", and ".join(reasons + [rest.reason] * (not rest.ok))
        return Support(level, forms, "no", reason, "", rest.nearest, words, "")
    more, giant = REASONS[level]
    smaller = [Step(one.scale, min(one.exponent, _BELOW)) for one in problem.steps]
    slower = problem.replace(steps=smaller)
    # Nothing is wrong with the exponents where smaller ones do not help.
    reasons = [more] if _entry(slower, level, forms) is None else []
    reasons += [giant] if _is_giant(problem) else []
    nearest, words = _nearest(problem, slower, level, forms)
    return Support(level, forms, "no", ", and ".join(reasons), "", nearest, words, "")


def _nearest(
    problem: Problem, slower: Problem, level: Level, forms: Forms | None
) -> tuple[Problem | None, str]:
    """The problem that changes least, and how it does: by forms, then exponents, then steps."""
    for other in FORMS if forms is not None else ():
        if _entry(problem, level, other) is not None:
            return problem, f"it with forms={other!r}"
    for n in range(problem.n_steps, 0, -1):
        cut = {1: "its first step", 2: "its first two steps"}.get(n, f"its first {n} steps")
        for one, below in ((problem, False), (slower, True)):
            fewer = one.with_n_steps(n)
            if _entry(fewer, level, forms) is not None:
                rest = ("an exponent" if n == 1 else "exponents") + " below 1/2"
                if n == problem.n_steps:
                    return fewer, rest
                return fewer, f"{cut} with {rest}" if below else cut
    return None, "no problem like it"


def rows_of_table(levels: Sequence[tuple[Level, Forms | None]] = LEVELS) -> list[list[str]]:
    """The table in words: for each kind of schedule and of steps, what each level says."""
    rows = []
    for giant in (False, True):
        for schedule in SCHEDULES:
            found = [
                next((e.verdict for e in TABLE if e.holds(*level, schedule, giant)), "no")
                for level in levels
            ]
            rows.append([f"{schedule}, giant" if giant else schedule, *found])
    return rows
