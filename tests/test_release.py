"""What a release says of itself, in one voice."""

from __future__ import annotations

import datetime
import re
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
