"""What a release says of itself, in one voice."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import rmt

ROOT = Path(__file__).parent.parent
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


def test_citation_has_the_version_and_the_date_of_the_changelog():
    sections = re.findall(r"^## \[(\S+)\](?: - (\S+))?$", CHANGELOG, re.MULTILINE)
    assert sections[0] == ("Unreleased", "")
    version, date = sections[1]
    assert version == CITATION["version"] == rmt.__version__
    assert datetime.date.fromisoformat(date) == CITATION["date-released"]


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
