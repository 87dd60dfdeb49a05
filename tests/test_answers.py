"""Forty problems are answered as before the redesign (see `answers`).

Slow: `python -m tests.answers --compare` asks the same of every digit, on the processor that the
answers come from.
"""

import json
import math
import re

import pytest

from tests.answers import PATH, answer_to, numbers, questions

pytestmark = pytest.mark.slow

BEFORE = json.loads(PATH.read_text(encoding="utf-8"))
QUESTIONS = questions()


def test_every_question_has_its_answer():
    assert set(BEFORE) == set(QUESTIONS)


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_is_what_it_was(name):
    now = dict(numbers(answer_to(QUESTIONS[name])))
    before = BEFORE[name]
    assert now.keys() == before.keys()
    for key, value in now.items():
        assert same(key, value, before[key]), f"{key}: {value!r}, was {before[key]!r}"


def same(key, now, before):
    """But for rounding, which an error estimate, a small difference, shows as a whole."""
    if isinstance(now, str) or isinstance(before, str):
        return without_numbers(now) == without_numbers(before)
    if "error" in key:
        return now <= 10 * before + 1e-12 and before <= 10 * now + 1e-12
    return now == before or math.isclose(now, before, rel_tol=1e-5, abs_tol=1e-9)


def without_numbers(text):
    return re.sub(r"\s+", " ", re.sub(r"-?\d[\d.e+-]*", "#", str(text)))
