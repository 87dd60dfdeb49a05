"""What docstrings leave to the reader's eye, said to Sphinx: shapes, links to pages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

_STAR = re.compile(r"((?<!`)\(|, )\*(?=\w)")
_PAGE = re.compile(r"(?<![`\w/])docs/(\w+)\.md\b")
_PAGES = {path.stem for path in Path(__file__).parent.parent.glob("*.md")}


def mark(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """The star of ``(*grid, K)`` is a star, and ``docs/theory.md`` a link to the page."""
    lines[:] = [
        line
        if line.lstrip().startswith((">>>", "..."))
        else _PAGE.sub(_link, _STAR.sub(r"\1\\*", line))
        for line in lines
    ]


def _link(found: re.Match[str]) -> str:
    page = found[1]
    return f":doc:`docs/{page}.md </{page}>`" if page in _PAGES else found[0]


def plain_words(app: Sphinx, doctree: nodes.document) -> None:
    """Fields of classes are attributes; the words of "array, shape (n,)" are no links."""
    for name in doctree.findall(nodes.field_name):
        if name.astext() == "Variables":
            name[:] = [nodes.Text("Attributes")]
    for node in list(doctree.findall(pending_xref)):
        target = str(node.get("reftarget", ""))
        if node.get("reftype") == "class" and "." not in target and target.islower():
            node.replace_self(node.children)


def alias_names(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, arguments: Any, returned: Any
) -> tuple[Any, Any]:
    """Names of type aliases inside of unions, which Sphinx shows as the call that holds them."""
    marked = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")
    return tuple(marked.sub(r"\1", text) if text else text for text in (arguments, returned))


def setup(app: Sphinx) -> dict[str, Any]:
    """Before napoleon, which listens at the usual priority."""
    app.connect("autodoc-process-docstring", mark, priority=400)
    app.connect("autodoc-process-signature", alias_names)
    app.connect("doctree-read", plain_words)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
