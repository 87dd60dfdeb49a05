"""The table of levels.md. ``python docs/levels_table.py`` writes it into the page."""

from __future__ import annotations

import re
from pathlib import Path

from rmt.problem.supported import LEVELS, TABLE, rows_of_table

PAGE = Path(__file__).with_name("levels.md")
WORDS = {"derived and checked": "checked", "derived": "derived", "no": "no"}
NAMES = {"exponents": "`rmt.scaling`", "features": "features, ridge"}


def table() -> str:
    """What each level has a prediction for, and the tests behind it."""
    names = [
        NAMES.get(level, f"`{level}`") + (f", {forms}" if forms else "") for level, forms in LEVELS
    ]
    lines = [f"| problem | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]
    lines += [
        f"| {problem} | {' | '.join(WORDS[verdict] for verdict in verdicts)} |"
        for problem, *verdicts in rows_of_table()
    ]
    lines += ["", "Held by:", ""]
    for entry in TABLE:
        forms = "" if entry.forms == (None,) else f" ({', '.join(map(str, entry.forms))})"
        limits = f"; {entry.limits}" if entry.limits else ""
        name = NAMES.get(entry.level, f"`{entry.level}`")
        lines.append(f"* {name}{forms}, {entry.words}{limits}: `{entry.evidence}`")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with the table as the code gives it now."""
    pattern = r"(<!-- levels -->\n)(?:(?!<!--).)*(<!-- end -->)"
    page, count = re.subn(
        pattern, lambda match: f"{match[1]}{table()}\n{match[2]}", page, flags=re.DOTALL
    )
    assert count == 1
    return page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
