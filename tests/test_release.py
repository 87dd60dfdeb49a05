"""What a release says of itself, in one voice."""

from __future__ import annotations

import datetime
import inspect
import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import rmt

pytestmark = pytest.mark.once

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import release_check  # noqa: E402
import wheel_check  # noqa: E402

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_version_stands_in_one_place():
    """The build reads it from where `rmt.__version__` is."""
    assert PROJECT["project"]["dynamic"] == ["version"]
    source = ROOT / PROJECT["tool"]["hatch"]["version"]["path"]
    assert re.findall(r'^__version__ = "(.*)"$', source.read_text(encoding="utf-8"), re.M) == [
        rmt.__version__
    ]


def test_version_changelog_and_citation_agree():
    version, released = release_check.versions(ROOT)
    assert version == rmt.__version__ == str(CITATION["version"])
    assert released == ("date-released" in CITATION)
    sections = re.findall(r"^## \[(\S+)\] - (\S+)$", CHANGELOG, re.MULTILINE)
    assert all(datetime.date.fromisoformat(date) for _, date in sections[1:])
    assert len(sections) == len(set(sections)) == CHANGELOG.count("\n## [")


@pytest.mark.parametrize(
    ("name", "pattern", "text", "message"),
    [
        ("CITATION.cff", r"^version: .*", "version: 9.9", "and CITATION.cff has 9.9"),
        ("CHANGELOG.md", r"^## \[\d.*?\]", "## [9.9]", "and CHANGELOG.md begins with 9.9"),
        ("CHANGELOG.md", r"^(## \[.*\]) - .*", r"\1 - soon", "expected a date or 'unreleased'"),
        ("CHANGELOG.md", r"^(## \[.*\]) - .*", r"\1 - 1999-01-01", "CHANGELOG.md says 1999-01-01"),
    ],
)
def test_versions_that_disagree_are_found(name, pattern, text, message, tmp_path):
    for each in ("rmt/__init__.py", "CHANGELOG.md", "CITATION.cff"):
        content = (ROOT / each).read_text(encoding="utf-8")
        if each == name:
            content, count = re.subn(pattern, text, content, count=1, flags=re.MULTILINE)
            assert count == 1
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text(content, encoding="utf-8")
    with pytest.raises(release_check.CheckError, match=re.escape(message)):
        release_check.versions(tmp_path)


def test_interpreters_are_the_oldest_and_the_newest(monkeypatch):
    known = {"a": (3, 11), "b": (3, 12), "c": (3, 14), "d": (3, 10), "e": None}
    monkeypatch.setattr(release_check, "version_of", known.get)
    monkeypatch.setattr(release_check, "candidates", lambda: list("edbca"))
    assert release_check.chosen([]) == {(3, 11): "a", (3, 14): "c"}
    assert release_check.chosen(["b"]) == {(3, 12): "b"}
    with pytest.raises(release_check.CheckError, match="d is no usable Python"):
        release_check.chosen(["b", "d"])
    monkeypatch.setattr(release_check, "candidates", lambda: list("bc"))
    with pytest.raises(release_check.CheckError, match=r"Python 3\.11 was not found"):
        release_check.chosen([])


def test_this_interpreter_can_make_environments(tmp_path):
    assert release_check.version_of(sys.executable) == sys.version_info[:2]
    assert release_check.version_of(str(tmp_path / "python")) is None


@pytest.mark.slow
def test_types_are_seen_from_outside(tmp_path):
    """Here of the checkout; `make release-check` asks the same of what is installed."""
    environment = wheel_check.outside_of_the_checkout() | {"MYPYPATH": str(ROOT)}
    release_check.check_types(sys.executable, environment, tmp_path)


def test_mistakes_that_types_do_not_find_are_told(monkeypatch, tmp_path):
    monkeypatch.setattr(release_check, "mypy", lambda *_: [])
    with pytest.raises(
        release_check.CheckError, match=r"misses \[\(\d+, 'arg-type'\), .*finds \[\]"
    ):
        release_check.check_types(sys.executable, {}, tmp_path)
    monkeypatch.setattr(release_check, "mypy", lambda *_: [(3, "arg-type")])
    with pytest.raises(release_check.CheckError, match="errors in what is right"):
        release_check.check_types(sys.executable, {}, tmp_path)


# --- names of before ------------------------------------------------------------------------------

# Public names of 0.1.0, each with the parameters of what users call (`inspect.signature`).
BEFORE = json.loads((Path(__file__).parent / "reference" / "public_names_0_1.json").read_text())


@pytest.mark.parametrize("module", BEFORE)
def test_names_of_0_1_are_there(module):
    loaded = import_module(module)
    for name, parameters in BEFORE[module].items():
        assert name in loaded.__all__
        if parameters is None:
            assert getattr(loaded, name) is not None
            continue
        now = inspect.signature(getattr(loaded, name)).parameters
        by_place = [k for k, one in now.items() if one.kind is not one.KEYWORD_ONLY]
        assert set(parameters) <= set(now), name
        kept = [one for one in parameters if one in by_place]
        assert by_place[: len(kept)] == kept, name


@pytest.mark.parametrize(
    ("module", "name"),
    [("marchenko_pastur", "MarchenkoPasturBulk"), ("pencil_law", "PencilLaw")],
)
def test_modules_that_have_moved_say_where_to(module, name):
    moved = import_module(f"rmt.spectra.{module}")
    with pytest.warns(DeprecationWarning, match=f"import {name} from rmt.spectra") as seen:
        assert getattr(moved, name) is getattr(rmt.spectra, name)
    assert seen[0].filename == __file__
    for other in ("nothing", "_Law"):
        with pytest.raises(AttributeError, match=other):
            getattr(moved, other)


def test_citation_is_complete():
    """Required by version 1.2.0 of the format: these, and for each reference the rest."""
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["license"] == PROJECT["project"]["license"]
    assert [one["name"] for one in CITATION["authors"]] == [
        one["name"] for one in PROJECT["project"]["authors"]
    ]
    for entry in (CITATION, *CITATION["references"]):
        assert entry["title"]
        assert entry["authors"]
    assert CITATION["message"]
    assert all(entry["type"] for entry in CITATION["references"])


def versions(text):
    """``{"name": "1.2"}`` of lines ``name==1.2``, names as pip compares them."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pairs = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line).groups() for line in lines]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pairs}


def lowest(*extras):
    """What `make test-lowest` installs."""
    command = [sys.executable, ROOT / "tools" / "lowest_versions.py", *extras]
    return versions(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_lowest_versions_are_those_of_the_project():
    found = lowest("dev")
    assert set(versions("\n".join(PROJECT["project"]["dependencies"]).replace(">=", "=="))) <= set(
        found
    )
    assert {"numpy", "scipy", "pandas", "dask", "matplotlib", "pytest"} <= set(found)
    assert f"numpy>={found['numpy']}" in PROJECT["project"]["dependencies"]


def test_tested_versions_are_there_and_allowed():
    """Each is pinned to a version that its bound allows; `versions` refuses addresses and paths."""
    pinned = versions((ROOT / "constraints.txt").read_text())
    for name, bound in lowest("dev", "docs", "release").items():
        assert numbers(pinned[name]) >= numbers(bound), name
    assert "torch" not in pinned


def numbers(version):
    return [int(part) for part in re.findall(r"\d+", version)]


@pytest.mark.parametrize("extra", ["dev", "docs"])
def test_extras_of_this_package_exist(extra):
    extras = PROJECT["project"]["optional-dependencies"]
    named = [re.fullmatch(r"rmt\[(.*)\]", one) for one in extras[extra]]
    [own] = [match[1].split(",") for match in named if match]
    assert set(own) <= set(extras)


def test_the_wheel_is_checked_and_the_tests_run_last():
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "make wheel-check" in commands
    assert commands[-2:] == ["make test", "make test-portable"]
