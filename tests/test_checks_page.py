"""Every test that a page of the documentation leans on exists."""

import ast
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

TESTS = Path(__file__).parent
PAGES = sorted((TESTS.parent / "docs").glob("*.md"))
REFERENCE = re.compile(r"`(?:tests/)?(test_\w+\.py)(?:::(test_\w+))?`")


def named_tests(page):
    return set(REFERENCE.findall(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tests_named_on_the_page_exist(page):
    for file, name in sorted(named_tests(page)):
        path = TESTS / file
        assert path.is_file(), f"{page.name} names {file}"
        functions = {
            node.name
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert not name or name in functions, f"{page.name} names {file}::{name}"


def test_the_table_of_checks_names_tests():
    [page] = [page for page in PAGES if page.name == "checks.md"]
    assert len(named_tests(page)) > 60


def test_every_row_of_checks_has_a_kind():
    text = (TESTS.parent / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [row for row in rows if not row.endswith("| where |")]
    assert len(rows) > 45
    for row in rows:
        kind = row.split("|")[2]
        assert re.search("theorem|derived|simulation|numerical", kind), row
