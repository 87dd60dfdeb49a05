"""Markdown pages as tests read them."""

from __future__ import annotations

import re
from pathlib import Path


def places(page: Path) -> set[str]:
    """The anchors of a Markdown page's headings, as the site and code hosts make them."""
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
