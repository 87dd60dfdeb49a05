"""The pages of the documentation, and what its extensions make for them, without Sphinx."""

import importlib.util
import re
from pathlib import Path

import pytest

import rmt
from validation import Criteria, SampleStore, run_campaign
from validation.report.data import report_data
from validation.report.evidence import gather
from validation.suites import suite

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def extension(name):
    path = DOCS / "extensions" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(f"docs_{name}", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


content, imports, links, report = map(extension, ("content", "imports", "links", "report"))


@pytest.mark.parametrize("page", content.RUN)
def test_snippets_draw_the_figures_that_the_page_shows(page):
    shown = re.findall(r"_generated/(figures/\S+\.png)", (DOCS / page).read_text(encoding="utf-8"))
    drawn = content.figures(page)
    assert content.snippets(page)
    assert sorted(shown) == sorted(drawn)
    assert all(picture.startswith(b"\x89PNG") for picture in drawn.values())


def test_howto_pages_are_all_run_and_listed():
    howto = {f"howto/{path.name}" for path in (DOCS / "howto").glob("*.md")}
    assert howto <= set(content.RUN)
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        if not name.startswith(("_", "gallery/", "index")):
            assert f"\n{name}\n" in index, f"{name} is in no table of contents"


def test_each_outcome_has_an_entry():
    entries = re.findall(r"^### `(\w+)`$", content.outcomes(), re.MULTILINE)
    assert entries == [status.name for status in rmt.Status]


# --- links ----------------------------------------------------------------------------------------


def places(page):
    """The anchors of a Markdown page's headings, as the site and code hosts make them."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    "page",
    [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("howto/*.md"))],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_to_files_lead_somewhere(page):
    prose = re.sub(
        r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|\$[^$]*\$",
        "",
        page.read_text(encoding="utf-8"),
        flags=re.DOTALL,
    )
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        made = re.match(r"(\.\./)*(_generated|gallery)/", target)  # by the build, which checks them
        if made or re.match(r"\w+:", target):
            continue
        name, _, place = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not place or place in places(file), target


def test_dead_links_of_the_site_are_found(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text(
        '<h1 id="top">A</h1><img src="../a.png">', encoding="utf-8"
    )
    (tmp_path / "page.html").write_text(
        '<a href="folder/#top"></a> <a href="folder/index.html#none"></a> <a href="gone.html"></a>'
        '<a href="#here" id="here"></a> <a href="https://example.org/x"></a> <a href="#away"></a>',
        encoding="utf-8",
    )
    assert links.broken(tmp_path) == [
        "folder/index.html: no file for ../a.png",
        "page.html: no such place as #away",
        "page.html: no such place as folder/index.html#none",
        "page.html: no file for gone.html",
    ]


# --- diagrams of imports --------------------------------------------------------------------------


def test_arrows_that_follow_from_others_are_left_out():
    edges = {("c", "b"): 2, ("b", "a"): 1, ("c", "a"): 5, ("d", "a"): 1}
    assert set(imports.reduced(edges)) == {("c", "b"), ("b", "a"), ("d", "a")}
    with pytest.raises(ValueError, match="circle"):
        imports.reduced({("a", "b"): 1, ("b", "a"): 1})


def test_diagrams_show_every_package_and_group():
    names, edges = imports.theory()
    folder = {path.stem for path in (ROOT / "rmt").iterdir() if not path.name.startswith("__i")}
    assert set(names) == folder - {"py", "__pycache__"}
    assert edges["spikes", "functions"] > 10
    assert ("functions", "spikes") not in edges
    groups, edges, comparing = imports.experiments()
    assert {"simulation", "store", "cli"} <= set(groups)
    assert "executors" in groups["campaign"]
    assert "comparison" in comparing
    assert not comparing & {"simulation", "store", "campaign", "drawing"}
    for picture in imports.figures().values():
        assert picture.startswith(b"<?xml")


def test_every_file_of_validation_is_in_the_table(monkeypatch, tmp_path):
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "architecture.md").write_text(
        page.replace("`executors`, ", ""), encoding="utf-8"
    )
    monkeypatch.setattr(imports, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"validation\.executors is in 0 rows"):
        imports.experiments()


# --- the validation report ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def numbers():
    """Those of a report on ten cases, one of which is simulated."""
    quick = suite("quick").scaled(0.25)
    with SampleStore() as store:
        run_campaign(quick.only(["one-step"]).plans, store, workers=1)
        evidence = gather(quick.only(["one-step", "plane"]), store, workers=1)
        return report_data(evidence, Criteria())


def test_summary_of_the_report_shows_each_case_with_its_verdict(numbers):
    [simulated] = [one for one in numbers["sections"] if one["name"] == "one-step"]
    text = report.summary({**numbers, "sections": [simulated]})
    [case] = simulated["cases"]
    [row] = [line for line in text.splitlines() if "onestep-quarter" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert (
        cells[0]
        == '<a href="validation-report/report.html#case-onestep-quarter">onestep-quarter</a>'
    )
    assert cells[-2:] == ["2", str(len(case["tests"]) + 1)]
    assert cells[1] == case["status"]
    worst = case["worst"]
    said = (
        f"{case['bulk']['distance']:.2g}" if worst == "bulk" else case["tests"][worst]["simulated"]
    )
    assert cells[4].startswith(said if worst == "bulk" else f"{said:.4g}")


def test_report_is_objected_to_where_theory_and_simulation_differ(numbers):
    found = report.objections(numbers)
    assert len(found) == 9
    assert set(found) == {f"{line.split(':')[0]}: not simulated" for line in found}
    [simulated] = [one for one in numbers["sections"] if one["name"] == "one-step"]
    assert report.objections({"sections": [simulated]}) == []
    case = {**simulated["cases"][0], "status": "differs"}
    differs = {"sections": [{**simulated, "cases": [case]}]}
    assert report.objections(differs) == ["onestep-quarter: differs"]


def test_report_is_made_again_when_the_code_has_changed(monkeypatch, tmp_path):
    for package in ("rmt", "validation"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "code.py").write_text("a = 1", encoding="utf-8")
    monkeypatch.setattr(report, "ROOT", tmp_path)
    before = report._fingerprint()
    assert report._fingerprint() == before
    (tmp_path / "validation" / "code.py").write_text("a = 2", encoding="utf-8")
    assert report._fingerprint() != before
