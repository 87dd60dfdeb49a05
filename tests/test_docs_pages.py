"""The pages of the documentation, and what its extensions make for them, without Sphinx."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from pages import places

import rmt
from validation import Criteria, SampleStore, run_campaign
from validation.report.data import report_data
from validation.report.evidence import gather
from validation.suites import suite

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))  # where the folder `extensions` is

from extensions import content, imports, kept, links, offline_search, report  # noqa: E402


@pytest.mark.parametrize("page", content.RUN)
def test_snippets_draw_the_figures_that_the_page_shows(page):
    if page in content.NEEDS:
        pytest.importorskip(content.NEEDS[page])
    shown = re.findall(r"_generated/(figures/\S+\.png)", (DOCS / page).read_text(encoding="utf-8"))
    made = content.figures(page)
    for name in [name for name in made if name.startswith("extra/")]:
        assert made.pop(name).startswith(b"<!doctype html>")
        assert f'src="../{name.removeprefix("extra/")}"' in (DOCS / page).read_text("utf-8")
    assert content.snippets(page)
    assert sorted(shown) == sorted(made)
    assert all(picture.startswith(b"\x89PNG") for picture in made.values())


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


# --- first pages ----------------------------------------------------------------------------------


def test_the_first_page_is_the_first_screen_of_the_readme():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    start, end = re.findall(r"^:(?:start-after|end-before): (.*)$", index, re.MULTILINE)
    assert readme.count(start) == readme.count(end) == 1
    screen = readme.partition(start)[2].partition(end)[0]
    assert "docs/figures/demo.png" in screen
    assert "rmt.predict(" in screen
    assert index.index("```{include} ../README.md") < index.index("```{toctree}")
    assert index.count("```{toctree}") == index.count(":hidden:")


def test_the_reference_begins_with_fifteen_names():
    page = (DOCS / "api.md").read_text(encoding="utf-8").partition("```{toctree}")[0]
    names = re.findall(r"^\| \[`([\w.]+)`\]\(_generated/api/([\w.]+)\.rst\)", page, re.MULTILINE)
    assert len(names) == 15
    for name, file in names:
        module, _, last = name.rpartition(".")
        assert file == name
        assert last in import_module(module).__all__


def test_words_of_a_page_for_the_search():
    text = (
        '<nav id="menu">menu</nav><article role="main"><section id="one"><h1>One'
        '<a class="headerlink" href="#one">#</a></h1><p>a &lt; b<br>\n<code>c</code>.</p>'
        '<script>x < y</script><svg><text id="no">no</text></svg><p>unclosed'
        "<ul><li>d</ul></section></article><p>foot"
    )
    expected = '<div role="main"><div id="one">Onea &lt; b c.unclosedd</div></div>'
    assert offline_search.words(text) == expected


def test_the_search_reads_pages_as_a_script(tmp_path):
    (tmp_path / "howto").mkdir()
    (tmp_path / "howto" / "a.html").write_text('<p role="main">\u03b1 "b"</p>', encoding="utf-8")
    text = offline_search.script(tmp_path, ["howto/a"])
    texts = json.loads(text.removeprefix("window.searchTexts = ").removesuffix(";\n"))
    assert texts == {"howto/a.html": '<div role="main">\u03b1 "b"</div>'}
    code = (DOCS / "_static" / offline_search.SCRIPT).read_text(encoding="utf-8")
    assert f'"_static/{offline_search.TEXTS}"' in code
    assert "window.searchTexts" in code


# --- links ----------------------------------------------------------------------------------------


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


# --- what is kept between builds ------------------------------------------------------------------


@pytest.fixture
def code(monkeypatch, tmp_path):
    """A function that writes the code of a package, and says the key of it now."""
    monkeypatch.setattr(kept, "ROOT", tmp_path)

    def write(text, name="rmt/code.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        kept._code.cache_clear()
        return kept.key("a text", code=["rmt"])

    yield write
    kept._code.cache_clear()


def test_keys_change_with_code_and_not_with_words_about_it(code):
    before = code('"""One."""\ndef f():\n    """Two."""\n    return 1')
    assert code("# Three.\ndef f():\n\n    return 1") == before
    assert code("def f():\n    return 2") != before
    assert code("def f():\n    return 1") == before
    assert code("b = 1", "rmt/other.py") != before
    assert kept.key("another text", code=["rmt"]) != kept.key("a text", code=["rmt"])


def test_a_module_of_its_own_has_a_key(code):
    code("a = 1", "rmt/one.py")
    code("a = 1", "rmt/two.py")
    before = [kept.key(code=[name]) for name in ("rmt.one", "rmt.two", "rmt")]
    code("a = 2", "rmt/two.py")
    after = [kept.key(code=[name]) for name in ("rmt.one", "rmt.two", "rmt")]
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, False]


def test_networks_depend_on_the_simulation_and_on_no_theory():
    floors = imports.floors_below("validation.simulation")
    assert {"validation.simulation", "rmt.problem", "rmt.functions", "rmt.expressions"} <= floors
    assert not floors & {"rmt", "rmt.predict", "rmt.spikes", "rmt.spectra", "validation.report"}


def test_networks_are_simulated_again_where_the_simulation_has_changed(monkeypatch, tmp_path):
    pytest.importorskip("sphinx")
    networks = tmp_path / "networks.sqlite"
    done, said = [], []

    def command(word, *_):
        """Stands for the commands that make the report, of no cases."""
        done.append((word, networks.exists()))
        networks.touch()
        (tmp_path / "report.json").write_text('{"sections": []}', encoding="utf-8")

    monkeypatch.setattr(report, "FOLDER", tmp_path)
    monkeypatch.setattr(report, "_command", command)
    for simulation, everything, expected in (
        ("a", "b", [("run", False), ("report", True)]),
        ("a", "b", []),
        ("a", "c", [("run", True), ("report", True)]),  # a new theory of the networks of before
        ("d", "e", [("run", False), ("report", True)]),
    ):
        done.clear()
        data = report.bring_up_to_date(said.append, said.append, simulation, everything)
        assert data == {"sections": []}
        assert done == expected
    assert len(said) == 12


def test_scripts_of_the_gallery_run_again_where_their_key_has_changed(monkeypatch, tmp_path):
    pytest.importorskip("sphinx")
    from extensions import executed

    keys = {tmp_path / f"{name}.key": name for name in ("same", "changed", "new")}
    monkeypatch.setattr(executed, "script_keys", lambda: keys)
    for name, written in (("same", "same"), ("changed", "before")):
        (tmp_path / f"{name}.key").write_text(written, encoding="utf-8")
        (tmp_path / f"{name}.py.md5").touch()
    executed.forget_scripts(None)
    assert {path.name for path in tmp_path.glob("*.md5")} == {"same.py.md5"}
    # Until they have run, which may fail, the keys are those of before.
    assert (tmp_path / "changed.key").read_text(encoding="utf-8") == "before"
    executed.remember_scripts(None)
    (tmp_path / "changed.py.md5").touch()
    executed.forget_scripts(None)
    assert {path.stem for path in tmp_path.glob("*.md5")} == {"same.py", "changed.py"}


def test_keys_of_the_gallery_are_those_of_every_script():
    pytest.importorskip("sphinx")
    from extensions import executed

    scripts, gallery = ROOT / "examples", ROOT / "docs" / "gallery"
    expected = {path.relative_to(scripts).with_suffix(".key") for path in scripts.rglob("*.py")}
    assert {path.relative_to(gallery) for path in executed.script_keys()} == expected


def test_notebook_runs_again_where_the_code_has_changed(monkeypatch, tmp_path):
    pytest.importorskip("sphinx")
    from extensions import executed

    cache = tmp_path / "cache"
    app = SimpleNamespace(config=SimpleNamespace(nb_execution_cache_path=str(cache)))
    env = SimpleNamespace()
    for now, kept_by_cache, read in (
        ("a", False, ["getting_started"]),
        ("a", True, []),
        ("b", False, ["getting_started"]),
    ):
        monkeypatch.setattr(executed.kept, "key", lambda *_, now=now, **__: now)
        assert executed.forget_notebook(app, env) == read
        assert (cache / "global.db").exists() is kept_by_cache
        (cache / "global.db").touch()
    # Pages of another build, which read the notebook before the change.
    assert executed.forget_notebook(app, SimpleNamespace(notebook_key="a")) == ["getting_started"]
    assert (cache / "global.db").exists()
