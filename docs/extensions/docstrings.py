"""What docstrings leave to the reader's eye, said to Sphinx: displayed equations, shapes."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

# Sections whose text is indented under the names that it describes.
_STAR = re.compile(r"((?<!`)\(|, )\*(?=\w)")
_LISTS = {"Parameters", "Attributes", "Returns", "Yields", "Raises", "See Also", "Methods"}


def mark(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Indented paragraphs become literal blocks, and the star of ``(*grid, K)`` a star."""
    section, inside, made = "", False, []
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and line and re.fullmatch(r"-{3,}", lines[i + 1]):
            section = line
        indented = line.startswith("    ")
        if line and not indented:
            inside = False
        starts = indented and not inside and not (made and made[-1])
        if starts and section not in _LISTS and not _announced(made):
            made += ["::", ""]
            inside = True
        made.append(line if inside else _STAR.sub(r"\1\\*", line))
    lines[:] = made


def _announced(lines: list[str]) -> bool:
    """Whether what comes is a literal block or a directive's content already."""
    text = next((line for line in reversed(lines) if line), "")
    return text.endswith("::") or text.startswith(("..", ">>>", "- ", "* "))


def plain_words(app: Sphinx, doctree: nodes.document) -> None:
    """Fields of classes are attributes; the words of "array, shape (n,)" are no links."""
    for name in doctree.findall(nodes.field_name):
        if name.astext() == "Variables":
            name[:] = [nodes.Text("Attributes")]
    for node in list(doctree.findall(pending_xref)):
        target = str(node.get("reftarget", ""))
        if node.get("reftype") == "class" and "." not in target and target.islower():
            node.replace_self(node.children)


def setup(app: Sphinx) -> dict[str, Any]:
    """Before napoleon, which listens at the usual priority."""
    app.connect("autodoc-process-docstring", mark, priority=400)
    app.connect("doctree-read", plain_words)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
