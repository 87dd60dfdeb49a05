"""One HTML file of a style, a script and numbers."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from typing import Any

__all__ = ["page"]


def page(data: dict[str, Any]) -> str:
    """The page of some numbers, those of `rmt.explorer.data`.

    Examples
    --------
    >>> "</script><b>" in page({"title": "</script><b>"})
    False
    """
    # No tag ends the script before its end, whatever a text says.
    numbers = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {"title": escape(data["title"]), "data": numbers}
    parts |= {name: _read(f"page.{name}") for name in ("css", "js")}
    text = _read("page.html")
    for name in ("title", "css", "js", "data"):  # last what may contain anything
        before, mark, after = text.partition(f"[[{name}]]")
        assert mark, name
        text = before + parts[name] + after
    return text


def _read(name: str) -> str:
    return files("rmt.explorer").joinpath(name).read_text(encoding="utf-8")
