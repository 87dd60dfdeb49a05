"""Notes say what is the matter with which number, what to do, and where there is more."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import places

import rmt
from rmt.notes import of_deformed, of_rows, without_page
from rmt.spikes.deformed.outliers import DeformedOutliers, deformed_outliers
from rmt.spikes.on_rows import on_plain_rows, outliers_on_rows
from rmt.spikes.resummed import resummed_strengths
from validation import check, simulate
from validation.cli.main import PROGRAM

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
PLAIN = rmt.Problem("tanh(z)", "z + sin(2*z)", 300, 300, 600, [rmt.Step(3, 0.3)])
TWICE = PLAIN.replace(activation="tanh(z + 7/10)", steps=[rmt.Step(4, 0.3), rmt.Step(4, 0.4)])
# A note: what it says, what it advises, and its section.
NOTE = re.compile(r".+\. [A-Zms].+\. See (docs/[\w/]+\.md)#([\w-]+)")


def notes_on(problem: rmt.Problem, method: Any = "resummed") -> tuple[str, ...]:
    return rmt.predict(problem, method, rtol=1e-3, throw=False).notes


def note_on(place: str, notes: tuple[str, ...] | list[str]) -> str:
    [note] = [note for note in notes if note.endswith(f"docs/notes.md#{place}")]
    found = NOTE.fullmatch(note)
    assert found is not None, note
    assert found[2] in places(ROOT / found[1])
    return note


# --- pages ----------------------------------------------------------------------------------------


def cited() -> set[tuple[str, str]]:
    """Every place on a page that a text of the code names."""
    found = set()
    for package in ("rmt", "validation"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found |= set(re.findall(r"(docs/[\w/]+\.md)#([\w-]+)", node.value))
                # The last argument of rmt.notes._note.
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_note":
                    place = node.args[2]
                    assert isinstance(place, ast.Constant)
                    found.add(("docs/notes.md", place.value))
    return found


def test_every_place_that_is_named_exists():
    named = cited()
    assert {page for page, _ in named} >= {
        "docs/notes.md",
        "docs/levels.md",
        "docs/howto/own_weights.md",
    }
    for page, place in named:
        assert place in places(ROOT / page), f"{page}#{place}"


def test_every_section_on_notes_belongs_to_a_note():
    page = (ROOT / "docs" / "notes.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (.*)$", page, re.MULTILINE)
    named = {place for page, place in cited() if page == "docs/notes.md"}
    assert {title.lower().replace(" ", "-") for title in sections} == named


def test_commands_that_notes_name_exist():
    named = set(re.findall(r"rmt-validation (\w+)", (ROOT / "rmt" / "notes.py").read_text("utf-8")))
    assert named == {"path"}
    assert named <= {command.name for command in PROGRAM.commands}


def test_a_note_without_its_page():
    note = note_on("the-readout", notes_on(PLAIN.replace(readout=np.linspace(-1, 1, 300) / 10)))
    assert without_page(note).endswith("So multiply by sqrt(N)")


# --- what to do -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "problem", "method", "says", "advises"),
    [
        (
            "no-outlier",
            PLAIN.replace(steps=[rmt.Step(0.3, 0)]),
            "resummed",
            "the strongest spike, of strength 0.",
            "rmt.sweep over scale_1",
        ),
        (
            "no-outlier",
            PLAIN.replace(activation="cos(z)"),
            "resummed",
            "is far weaker",
            "rmt.",
        ),
        (
            "next-to-the-edge",
            TWICE.replace(target="sin(2*z)", readout="rademacher"),
            "resummed",
            "of 2 outliers 1 is sure",
            'method="deformed" decides',
        ),
        ("leading-terms", TWICE, "scaling", "eta_1/sqrt(N) = ", 'method="resummed"'),
        ("heavy-tails", PLAIN.replace(target="He3(z) + z"), "resummed", "scatter", "20 networks"),
        ("no-first-spike", PLAIN.replace(activation="cos(z)"), "resummed", "mu_1", "A shift"),
        ("a-constant-target", PLAIN.replace(target="3"), "resummed", "no signal", "that varies"),
        (
            "not-seen-by-the-first-step",
            TWICE.replace(target="He3(z)/sqrt(6)", batch="reused"),
            "resummed",
            "not aligned",
            "rmt.learned_region",
        ),
        (
            "not-seen-by-the-first-step",
            TWICE.replace(target="He3(z)/sqrt(6)"),
            "resummed",
            "not aligned",
            'batch="reused" can',
        ),
        (
            "the-readout",
            PLAIN.replace(readout=np.linspace(-1, 1, 300) / 10),
            "resummed",
            "about 1/sqrt(N)",
            "multiply by sqrt(N)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_a_note_says_what_to_do(place, problem, method, says, advises):
    note = note_on(place, notes_on(problem, method))
    assert says in note
    assert advises in note


def test_what_decides_where_no_level_knows_the_bulk():
    """Neurons in pairs have no deformed bulk: networks decide."""
    pairs = TWICE.replace(
        target="sin(2*z)", initialisation="antisymmetric", output_scale=1.0, batch="reused"
    )
    assert not rmt.supported(pairs).of("deformed").ok
    note = note_on("next-to-the-edge", notes_on(pairs))
    assert "simulation (rmt-validation path) decides" in note
    assert "deformed" not in note


# --- counts at the level deformed -----------------------------------------------------------------


@pytest.fixture(scope="module")
def found() -> DeformedOutliers:
    """Two outliers, at about 9 and 2.2, on a bulk with a sharp edge."""
    problem = TWICE.replace(target="sin(2*z)", readout="rademacher")
    return deformed_outliers(problem, 1e-3)


def deformed_notes(found: DeformedOutliers, forms: Any = "linked", **changes: Any) -> list[str]:
    return of_deformed(TWICE, replace(found, **changes), forms)


def test_an_outlier_clear_of_a_sharp_edge_needs_no_note(found):
    assert found.singular_value.size == 2
    clear = {"singular_value": found.edge + np.array([5.0, 1.0]), "edge_error": 0.0}
    assert deformed_notes(found, **clear) == []


def test_an_outlier_at_a_sharp_edge_asks_for_other_forms(found):
    at = {"singular_value": found.edge + np.array([5.0, 1e-4]), "edge_error": 1e-3}
    note = note_on("undecided-within-the-error-estimate", deformed_notes(found, **at))
    assert "spike 1 is at the bulk's edge" in note
    assert "of 2 outliers 1 is sure" in note
    assert 'Where forms="exact" has the same outliers' in note
    assert 'Where forms="linked"' in deformed_notes(found, "exact", **at)[0]


@pytest.mark.parametrize(
    ("beyond", "said"),
    [
        ([5.0, 1.0], "their number, 2, can be trusted"),
        ([5.0, 0.1], "spike 1 is within that, and of 2 outliers 1 is sure. Where forms="),
        ([0.2, 0.1], "spikes 0 and 1 are within that, and of 2 outliers none are sure"),
    ],
)
def test_a_soft_edge_says_which_outliers_may_be_inside(found, beyond, said):
    values = found.edge + np.array(beyond)
    small = np.full(2, 1e-3)
    notes = deformed_notes(found, singular_value=values, singular_value_error=small, edge_error=0.3)
    assert said in note_on("a-soft-edge", notes)
    assert len(notes) == 1


def test_outliers_of_the_fluctuations_are_left_out_of_counts(found):
    one = replace(found.spikes, strengths=found.spikes.strengths[:1])
    clear = {"singular_value": found.edge + np.array([5.0, 1.0]), "edge_error": 0.0}
    note = note_on("outliers-of-strength-0", deformed_notes(found, spikes=one, **clear))
    assert note.startswith("1 outlier comes from the fluctuations")
    assert "spike.strength > 0" in note


def test_an_outlier_along_the_target_beside_the_mean_update(found):
    clear = {"singular_value": found.edge + np.array([5.0, 1.0]), "edge_error": 0.0}
    right = np.array([[0.9], [0.1]])
    along = np.array([[0.3], [0.6]])
    changes = clear | {"right_overlap": right[:, 0], "target_overlap": along}
    note = note_on("outliers-of-strength-0", deformed_notes(found, **changes))
    assert note.startswith("spike 1 is along the target by more than")
    assert deformed_notes(found, **(changes | {"target_overlap": right})) == []


@pytest.mark.parametrize(
    ("activation", "scale", "said"),
    [("relu(z)", 4.0, True), ("relu(z)", 1.0, False), ("tanh(z)", 4.0, False)],
)
def test_an_outlier_that_this_level_does_not_know(activation, scale, said):
    """As the level ``deformed`` has it; an odd activation has no ``mu_2``."""
    problem = rmt.Problem(
        activation,
        "He2(z)/sqrt(2)",
        width=500,
        dim=500,
        samples=4000,
        steps=[rmt.Step(scale, 0.3)] * 2,
        batch="independent",
        readout="rademacher",
    )
    notes = list(rmt.predict(problem).notes)
    assert any("an outlier along the target that no spike makes" in note for note in notes) == said
    found = deformed_outliers(problem)
    assert (found.target_overlap.sum(axis=1) > found.right_overlap + 0.1).any() == said
    if said:
        assert 'method="deformed" decides' in note_on("outliers-of-strength-0", notes)


def test_counts_on_the_bulk_of_rows():
    problem = TWICE.replace(target="sin(2*z)", readout="rademacher")
    rows = outliers_on_rows(problem, on_plain_rows(problem, resummed_strengths(problem, 1e-3)))
    assert rows.singular_value.size == 2
    at = replace(rows, singular_value=rows.edge + np.array([5.0, 1e-5]), edge_error=1e-3)
    note = note_on("undecided-within-the-error-estimate", of_rows(problem, at))
    assert "A smaller rtol decides for this level" in note
    note_on("next-to-the-edge", of_rows(problem, at))


# --- weights --------------------------------------------------------------------------------------


def test_notes_on_weights_name_their_page():
    problem = PLAIN.replace(width=120, dim=120, samples=240)
    sample = simulate(problem, 3, 0)
    scaled = check(problem, 11 * sample.weights[-1], method="resummed", spectrum=False)
    first, *rest = scaled.notes
    assert "divide the weights by it. See docs/howto/own_weights.md#when-it-differs" in first
    [level] = [note for note in rest if note.startswith("the bulk of the level resummed")]
    assert 'method="deformed"' in level
    assert level.endswith("docs/howto/own_weights.md#where-the-bulk-ends")
