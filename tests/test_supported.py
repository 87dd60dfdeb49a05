"""The table of what has a prediction: each cell predicts, or says what is nearest."""

import importlib.util
import re
from pathlib import Path

import pytest

import rmt
from rmt import InvalidInputError, Problem, UnsupportedProblemError
from rmt.problem.supported import (
    LEVELS,
    REASONS,
    SCHEDULES,
    TABLE,
    kind_of_schedule,
    rows_of_table,
)

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
# A few words of batches of each kind.
WORDS = {
    "one step": [(0,)],
    "two steps, fresh batches": [(0, 1)],
    "two steps, one batch": [(0, 0)],
    "more steps, fresh batches": [(0, 1, 2)],
    "more steps, each batch for one or two in a row": [(0, 0, 1), (0, 1, 1, 2)],
    "more steps, any other schedule": [(0, 0, 0), (0, 1, 0), (0, 0, 1, 0)],
}


def problem_with(word, giant=False):
    return Problem(
        "erf(z)", "z", 60, 60, 120, [(1, 0.5 if giant else 0.3)] * len(word), word, "rademacher"
    )


def test_every_problem_is_of_one_kind():
    assert tuple(WORDS) == SCHEDULES
    for kind, words in WORDS.items():
        for word in words:
            assert kind_of_schedule(problem_with(word)) == kind


def predicted(problem, level, forms):
    if level == "features":
        return rmt.feature_spikes(problem, 100, rtol=1e-2).status
    if level == "exponents":
        assert rmt.scaling(problem).spikes
        return rmt.Status.CONVERGED
    return rmt.predict(problem, level, 1e-2, forms=forms).status


@pytest.mark.parametrize("giant", [False, True], ids=["small", "giant"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("level", "forms"), LEVELS)
def test_each_cell(level, forms, schedule, giant):
    problem = problem_with(WORDS[schedule][0], giant)
    found = rmt.supported(problem)
    one = found.of(level, forms)
    row = dict(zip(LEVELS, row_of(schedule, giant), strict=True))
    assert one.verdict == row[level, forms]
    if one.ok:
        assert one.nearest == problem
        assert predicted(problem, level, forms).ok
        return
    with pytest.raises(UnsupportedProblemError) as caught:
        predicted(problem, level, forms)
    message = str(caught.value)
    assert one.reason
    assert one.reason in message
    assert one.nearest_words in message
    assert "the level resummed has one for this problem" in message
    assert one.nearest != problem
    assert rmt.supported(one.nearest).of(level, forms).ok
    assert predicted(one.nearest, level, forms).ok


def row_of(schedule, giant):
    return next(
        verdicts for name, *verdicts in rows_of_table() if name == schedule + ", giant" * giant
    )


def test_other_schedules_of_a_kind():
    """The first of each kind is walked above, with every level."""
    for words in WORDS.values():
        for word in words[1:]:
            assert predicted(problem_with(word), "resummed", None).ok


def test_each_entry_is_held_by_a_test():
    for entry in TABLE:
        assert set(entry.schedules) <= set(SCHEDULES)
        assert all((entry.level, forms) in LEVELS for forms in entry.forms)
        file, _, name = entry.evidence.partition("::")
        assert re.search(rf"^def {name}\(", (TESTS / file).read_text("utf-8"), re.MULTILINE)
    assert set(REASONS) == {level for level, _ in LEVELS}


def test_no_two_entries_are_about_the_same():
    cells = [
        (entry.level, forms, schedule, entry.giant)
        for entry in TABLE
        for forms in entry.forms
        for schedule in entry.schedules
    ]
    assert len(cells) == len(set(cells))


def test_the_page_has_the_table():
    """`python docs/levels_table.py` writes it."""
    path = DOCS / "levels_table.py"
    specification = importlib.util.spec_from_file_location("levels_table", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    page = module.PAGE.read_text(encoding="utf-8")
    assert module.with_table(page) == page
    for _, *verdicts in rows_of_table():
        assert set(verdicts) <= set(module.WORDS)


def test_what_is_asked_for():
    problem = problem_with((0, 0))
    found = rmt.supported(problem)
    assert found.of("deformed").forms == "linked"
    assert "two steps, one batch" in str(found)
    for level, forms in (("exact", None), ("resummed", "linked")):
        with pytest.raises(InvalidInputError, match="level must be one of exponents, scaling"):
            found.of(level, forms)
    with pytest.raises(InvalidInputError, match="must be a Problem"):
        rmt.supported("erf(z)")
    limits = rmt.supported(problem_with((0, 1), giant=True)).of("resummed").limits
    assert "strong outliers" in limits
