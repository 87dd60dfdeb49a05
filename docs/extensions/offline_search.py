"""Search results with their context where the site is read from a folder.

Sphinx's search page fetches the pages that it has found in order to show the words around a match,
which browsers refuse under ``file://``. The texts of all pages are therefore written into one
script, which ``_static/offline_search.js`` loads there, and there alone.
"""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SCRIPT, TEXTS = "offline_search.js", "search_texts.js"
_LEFT_OUT = {"script", "style", "svg", "mjx-container"}
_VOID = set("area base br col embed hr img input link meta source track wbr".split())


class _Main(HTMLParser):
    """The words of the element of the role ``main``, and the places among them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        # Of each open element its name, and what is written where it ends.
        self.open: list[tuple[str, str]] = []
        self.since: int | None = None  # how many were open when the main one began
        self.without = 0  # how many of the open ones are left out
        self.pieces: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        values = dict(attrs)
        end = ""
        if self.since is None and values.get("role") == "main":
            self.since = len(self.open)
        elif self.since is not None:
            classes = (values.get("class") or "").split()
            if self.without or tag in _LEFT_OUT or "headerlink" in classes:
                self.without += 1
            elif values.get("id"):
                self.pieces.append(f'<div id="{escape(values["id"] or "")}">')
                end = "</div>"
        self.open.append((tag, end))

    def handle_endtag(self, tag: str) -> None:
        if tag not in {name for name, _ in self.open}:
            return
        name = ""
        while name != tag:
            name, end = self.open.pop()
            self.without = max(self.without - 1, 0)
            self.pieces.append(end)
            if self.since == len(self.open):
                self.since = None

    def handle_data(self, data: str) -> None:
        if self.since is not None and not self.without:
            self.pieces.append(escape(re.sub(r"\s+", " ", data), quote=False))


def words(page: str) -> str:
    """What the search looks at in a page: words, inside of elements that carry places.

    Examples
    --------
    >>> words('<p>menu</p><div role="main"><h1 id="a">One <b>x</b><br></h1><style>p</style></div>')
    '<div role="main"><div id="a">One x</div></div>'
    """
    return f'<div role="main">{"".join(_Main(page).pieces)}</div>'


def script(folder: Path, pages: list[str]) -> str:
    """A script that holds the words of all pages, by the names that links give them."""
    texts = {
        f"{page}.html": words((folder / f"{page}.html").read_text(encoding="utf-8"))
        for page in sorted(pages)
    }
    return f"window.searchTexts = {json.dumps(texts, ensure_ascii=False)};\n"


def on_the_search_page(app: Sphinx, page: str, *_: Any) -> None:
    """No other page needs it."""
    if page == "search":
        app.add_js_file(SCRIPT)


def write(app: Sphinx, exception: Exception | None) -> None:
    """Once the pages are there."""
    if exception is None and app.builder.name == "html":
        folder = Path(app.outdir)
        text = script(folder, list(app.env.found_docs))
        (folder / "_static" / TEXTS).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """The search page loads the script before it searches."""
    app.connect("html-page-context", on_the_search_page)
    app.connect("build-finished", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
