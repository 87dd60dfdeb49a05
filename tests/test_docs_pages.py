"""The pages that the documentation draws figures for: their snippets run and draw them."""

import importlib.util
import re
from pathlib import Path

import pytest

import rmt

DOCS = Path(__file__).parent.parent / "docs"

_specification = importlib.util.spec_from_file_location(
    "docs_content", DOCS / "extensions" / "content.py"
)
content = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(content)


@pytest.mark.parametrize("page", content.RUN)
def test_snippets_draw_the_figures_that_the_page_shows(page):
    shown = re.findall(r"_generated/(figures/\S+\.png)", (DOCS / page).read_text())
    drawn = content.figures(page)
    assert content.snippets(page)
    assert sorted(shown) == sorted(drawn)
    assert all(picture.startswith(b"\x89PNG") for picture in drawn.values())


def test_howto_pages_are_all_run_and_listed():
    howto = {f"howto/{path.name}" for path in (DOCS / "howto").glob("*.md")}
    assert howto <= set(content.RUN)
    index = (DOCS / "index.md").read_text()
    for page in DOCS.rglob("*.md"):
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        if not name.startswith(("_", "gallery/", "index")):
            assert f"\n{name}\n" in index, f"{name} is in no table of contents"


def test_each_outcome_has_an_entry():
    entries = re.findall(r"^### `(\w+)`$", content.outcomes(), re.MULTILINE)
    assert entries == [status.name for status in rmt.Status]
