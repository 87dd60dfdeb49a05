"""A small suite through the whole chain: networks, evidence, page, JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from documents import assert_same_document

import rmt
from rmt.problem import Problem, Step
from rmt.status import InvalidInputError, RmtError
from validation.campaign import run_campaign
from validation.catalogue import Case
from validation.comparison.path_comparison import PathComparison
from validation.comparison.verdict import DEFAULT_CRITERIA, Verdict, worst
from validation.report.curves import DensityCurve
from validation.report.data import report_data
from validation.report.evidence import gather
from validation.report.page import Report, make_report
from validation.report.svg import blank_figure, svg_style, to_svg
from validation.simulation.path_plan import PathPlan
from validation.simulation.plan import Plan
from validation.store.store import SampleStore
from validation.suites import Entry, Section, Suite

pytestmark = pytest.mark.once

N = 80
VOID = {"meta", "link", "br", "img", "hr", "input", "col"}


def entry(name: str, title: str, steps, n_samples: int = 4, n_outliers: int = 4, **changes):
    arguments = {"readout": "rademacher", "target": "tanh(z)", "width": N, "dim": N, **changes}
    problem = Problem(
        activation="tanh(z + 7/10)", samples=2 * arguments["dim"], steps=steps, **arguments
    )
    plan = Plan(problem, n_samples, n_outliers=n_outliers, n_spectra=n_samples)
    return Entry(Case(name, title, problem), plan)


def path_entry(name: str, batch):
    problem = Problem("erf(z + 1/2)", "tanh(z)", 300, 300, 900, [(3, 0.3)] * 3, batch, "rademacher")
    plan = PathPlan(problem, 8, n_outliers=2, n_test=900, dtype="float32")
    return Entry(Case(name, "three steps", problem, known="the z1 < z2 of it"), plan)


TWO = [Step(4, 0.3), Step(4, 0.4)]
STAIRCASE = {"target": "z1 + z1*z2"}


def small_suite() -> Suite:
    """Every kind of section; `missing` is never simulated."""
    return Suite(
        "small",
        "for tests <only>",
        (
            Section(
                "plane",
                "Plane",
                "Counts over alpha1 & alpha2.",
                "plane",
                (
                    entry("plane-1", "low", [Step(4, 0.1), Step(2, 0.1)]),
                    entry("plane-2", "high", [Step(4, 0.3), Step(2, 0.43)]),
                ),
            ),
            Section(
                "pairs",
                "Pairs",
                "Independent < reused.",
                "cases",
                (
                    entry("pair-independent", "pair of z1 < z2", TWO),
                    entry("pair-reused", "pair of z1 < z2", TWO, batch="reused", **STAIRCASE),
                    entry("missing", "not there", TWO, target="z"),
                ),
            ),
            Section(
                "transition",
                "Transition",
                "One step.",
                "transition",
                tuple(entry(f"step-{c}", f"step {c}", Step(c, 0.0)) for c in (1, 12)),
            ),
            Section(
                "paths",
                "Paths",
                "Letter s of a word.",
                "paths",
                (path_entry("path-aab", (0, 0, 1)), path_entry("path-abc", "independent")),
            ),
            Section(
                "widths",
                "Widths",
                "Gaps.",
                "widths",
                tuple(
                    entry(
                        f"widths-{n}", f"N = {n}", TWO, 3, 2,
                        target="sin(2*z)", width=n, dim=n, batch="reused",
                    )
                    for n in (40, 60, 80)
                ),
            ),
        ),
    )  # fmt: skip


def simulated(suite: Suite, store: SampleStore) -> None:
    plans = [one.plan for one in suite.entries if one.case.name != "missing"]
    run_campaign(plans, store, workers=1)


@pytest.fixture(scope="module")
def evidence():
    suite = small_suite()
    with SampleStore() as store:
        simulated(suite, store)
        before = store.summary()
        found = gather(suite, store, workers=1)
        assert store.summary() == before  # nothing is simulated for a report
    return found


@pytest.fixture(scope="module")
def report(evidence) -> Report:
    return make_report(evidence)


class Page(HTMLParser):
    """Checks nesting; collects ids, references and exact numbers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.numbers: list[float] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("href", "src", "data", "action", "poster"):
                self.references.append(value)
            if name == "value" and tag == "data":
                self.numbers.append(float(value))
        assert tag != "script"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(report) -> Page:
    return Page(report.html)


def cases_of(report: Report):
    return [case for section in report.data["sections"] for case in section["cases"]]


def test_page_needs_nothing_else(report, page):
    assert set(page.references) - {"report.json"} == {
        reference for reference in page.references if reference.startswith("#")
    }
    assert "http" not in report.html
    assert "@import" not in report.html
    assert all(use.startswith("url(#") for use in re.findall(r"url\([^)]", report.html))


def test_ids_are_unique_and_links_lead_somewhere(report, page):
    assert [name for name, count in Counter(page.ids).items() if count > 1] == []
    used = [reference[1:] for reference in page.references if reference.startswith("#")]
    used += re.findall(r"url\(#([^)]+)\)", report.html)
    used += [
        name for names in re.findall(r'aria-labelledby="([^"]+)"', report.html)
        for name in names.split()
    ]  # fmt: skip
    assert set(used) <= set(page.ids)


def test_every_case_is_there(evidence, report, page):
    names = [one.case.name for one in evidence.suite.entries]
    assert [case["name"] for case in cases_of(report)] == names
    assert {f"case-{name}" for name in names} <= set(page.ids)
    for case in cases_of(report):
        if case["tests"]:
            assert case["tests"][0]["predicted"] in page.numbers or len(case["tests"]) == 1


def test_text_is_escaped(report):
    assert "for tests <only>" not in report.html
    assert "Independent &lt; reused." in report.html
    assert "<i>\u03b1</i><sub>1</sub> &amp;" in report.html


def test_numbers_of_page_and_json_are_the_same(report, page):
    held = set()

    def collect(value):
        if isinstance(value, dict):
            for one in value.values():
                collect(one)
        elif isinstance(value, list):
            for one in value:
                collect(one)
        elif isinstance(value, float | int):
            held.add(float(value))

    data = json.loads(json.dumps(report.data, allow_nan=False))
    assert data == report.data
    collect(data)
    assert set(page.numbers) <= held
    keys = ("predicted", "simulated", "standard_error", "difference")
    for case in cases_of(report):
        if case["name"].startswith("pair"):
            shown = {test[key] for test in case["tests"] for key in keys}
            assert shown <= set(page.numbers)


def test_numbers_are_those_of_the_comparisons(evidence, report):
    by_name = {case["name"]: case for case in cases_of(report)}
    compared = {name: one.held.comparison for name, one in evidence.cases.items() if one.held}
    assert len(compared) == 8
    assert report.data["n_tests"] == sum(one.n_tests for one in compared.values())
    for name, comparison in compared.items():
        case = by_name[name]
        found = comparison.verdicts(DEFAULT_CRITERIA, report.data["n_tests"])
        if isinstance(comparison, PathComparison):
            rows, overall, tests = found, worst(found), case["tests"]
        else:  # the number of outliers is the last test
            rows, overall, tests = found.rows, found.overall, case["tests"][:-1]
        assert case["status"] == overall.value
        assert [test["verdict"] for test in tests] == [v.value for v in rows]
        for test, row in zip(tests, comparison.rows, strict=True):
            assert (test["predicted"], test["simulated"]) == (row.predicted, row.simulated)
            assert test["adjusted_p_value"] == min(1.0, report.data["n_tests"] * row.p_value)
    counts = report.data["cases_by_status"]
    assert sum(counts.values()) - counts["not simulated"] == len(compared)


def test_a_missing_case_never_agrees(report):
    (missing,) = [case for case in cases_of(report) if case["name"] == "missing"]
    assert missing["status"] == "not simulated"
    assert missing["tests"] == []
    assert report.data["cases_by_status"]["not simulated"] == 1
    assert "1 case is not simulated" in str(report)
    row = report.html[report.html.index('href="#case-missing"') :]
    assert "not simulated" in row[: row.index("</tr>")]


def test_limit_is_that_of_the_phase_diagram(report):
    plane = report.data["sections"][0]["cases"]
    for case in plane:
        problem = Problem.from_dict(case["problem"]).replace(readout="uniform")
        alphas = [[step.exponent] for step in problem.steps]
        expected = rmt.phase_diagram(problem, *alphas).asymptotic_count[0, 0]
        assert case["limiting_count"] == expected


def test_gaps_are_of_the_stored_networks(report):
    widths = report.data["sections"][-1]
    assert widths["gaps"]["widths"] == [40, 60, 80]
    assert widths["gaps"]["n_samples"] == [3, 3, 3]
    assert {case["status"] for case in widths["cases"]} == {"in the gaps below"}


@pytest.fixture(scope="module")
def pairs(evidence):
    """The same evidence on one section."""
    return replace(evidence, suite=evidence.suite.only(["pairs"]))


def test_same_evidence_gives_the_same_bytes(pairs):
    report, again = make_report(pairs), make_report(pairs)
    assert again.html == report.html
    assert again.data == report.data


def test_processes_give_the_same_report(evidence, report):
    suite = evidence.suite.only(["transition"])
    with SampleStore() as store:
        simulated(suite, store)
        other = make_report(gather(suite, store, workers=2))
    ours = {section["name"]: section for section in report.data["sections"]}
    for section in other.data["sections"]:
        for case, before in zip(section["cases"], ours[section["name"]]["cases"], strict=True):
            assert_same_document(case["prediction"], before["prediction"])
        assert_same_document(section["gaps"], ours[section["name"]]["gaps"])


def test_half_of_the_networks_are_enough(evidence):
    """What is stored is compared, and the page says how much of it there is."""
    part = evidence.suite.only(["pairs"])
    with SampleStore() as store:
        run_campaign([part.scaled(0.5).plans[0]], store, workers=1)
        found = make_report(gather(part, store, workers=1))
    first, second, _ = cases_of(found)
    assert (first["n_stored"], first["n_planned"]) == (2, 4)
    assert first["status"] in {verdict.value for verdict in Verdict}
    assert second["status"] == "not simulated"
    assert "2 networks of 4 that the suite asks for" in found.html


def test_a_difference_leads_the_page(pairs):
    name = "pair-reused"
    before = pairs.cases[name]
    first, *others = before.held.comparison.rows
    row = replace(first, simulated=99.0, standard_error=1e-9)
    comparison = replace(before.held.comparison, rows=(row, *others))
    held = replace(before.held, comparison=comparison)
    cases = {**pairs.cases, name: replace(before, held=held)}
    changed = make_report(replace(pairs, cases=cases))
    (case,) = [one for one in cases_of(changed) if one["name"] == name]
    assert case["status"] == "differs"
    assert case["worst"] == 0
    assert case["tests"][0]["adjusted_p_value"] < 1e-6
    assert str(changed).startswith("Theory and simulation differ in 1 of 2 cases")


def test_a_failed_prediction_is_shown(pairs):
    name = "pair-reused"
    failed = replace(pairs.cases[name], held=None, failure="did not <converge>")
    changed = make_report(replace(pairs, cases={**pairs.cases, name: failed}))
    assert "did not &lt;converge&gt;" in changed.html
    assert changed.data["cases_by_status"]["not compared"] == 1
    assert "1 case is not compared" in str(changed)
    Page(changed.html)


def test_a_prediction_with_more_outliers_than_observed_is_a_failure_of_its_case():
    one = entry("few", "few triplets", TWO, 3, 1, target="z")
    suite = Suite("small", "", (Section("few", "Few", "", "cases", (one,)),))
    with SampleStore() as store:
        run_campaign(suite.plans, store, workers=1)
        found = gather(suite, store, workers=1).cases["few"]
    assert found.held is None
    assert "at least the 2 predicted outliers" in found.failure


def test_nothing_stored(evidence):
    with SampleStore() as store:
        found = make_report(gather(evidence.suite, store, workers=1))
    assert found.data["n_tests"] == 0
    assert str(found).startswith("Nothing has been compared yet; ")
    assert {case["status"] for case in cases_of(found)} == {"not simulated"}
    Page(found.html)


def test_files(report, tmp_path):
    page, numbers = report.save(tmp_path / "new")
    assert page.read_text(encoding="utf-8") == report.html
    assert json.loads(numbers.read_text(encoding="utf-8")) == report.data
    (tmp_path / "file").write_text("precious", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="output must be a folder"):
        report.save(tmp_path / "file")


def test_missing_libraries_are_named(evidence, monkeypatch):
    monkeypatch.setattr("validation.report.page.find_spec", lambda name: None)
    with pytest.raises(RmtError, match=r"jinja2 .*'validation'"):
        make_report(evidence)


def test_density_curve_follows_the_law():
    law = rmt.predict(small_suite().entries[0].case.problem).bulk
    curve = DensityCurve.of(law)
    points = [0.3, 1.0, 1.7]
    assert curve.pdf(points) == pytest.approx(law.pdf(points), rel=2e-3)


def test_svg_takes_the_colours_of_the_page():
    with svg_style("one"):
        figure = blank_figure(2.0, 2.0)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="#0072B2")
        axes.set_title("a < b")
        text = to_svg(figure, "one", "a < b & c", "none")
    assert "var(--independent)" in text
    assert "#0072b2" not in text.lower()
    assert '<title id="one-title">a &lt; b &amp; c</title>' in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(set(ids)) == len(ids)
    assert all(name.startswith("one-") for name in ids)
    assert {"one-title", "one-description"} <= set(ids)
    assert "font-family" not in text


def test_plain_data_without_figures(evidence):
    assert report_data(evidence, DEFAULT_CRITERIA)["suite"] == "small"
