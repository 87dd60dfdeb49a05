"""The tables of levels.md. ``python docs/levels_table.py`` writes them into the page."""

from __future__ import annotations

import re
from pathlib import Path

from rmt.problem.supported import LEVELS, SETTINGS, TABLE, rows_of_table

PAGE = Path(__file__).with_name("levels.md")
WORDS = {"derived and checked": "checked", "derived": "derived", "no": "no"}
NAMES = {"exponents": "`rmt.scaling`", "features": "features, ridge"}


def _head(first: str) -> list[str]:
    names = [
        NAMES.get(level, f"`{level}`") + (f", {forms}" if forms else "") for level, forms in LEVELS
    ]
    return [f"| {first} | {' | '.join(names)} |", "|---" * (1 + len(names)) + "|"]


def table() -> str:
    """What each level has a prediction for, and the tests behind it."""
    lines = _head("problem")
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


def settings_table() -> str:
    """What each level has a prediction for beyond the squared loss of a function with noise."""
    lines = _head("with")
    for one in SETTINGS:
        cells = [
            WORDS[one.levels[level][0]] if one.known(level, forms) else "no"
            for level, forms in LEVELS
        ]
        lines.append(f"| {one.words} | {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(page: str) -> str:
    """The page with both tables as the code gives them now."""
    for name, made in (("levels", table), ("settings", settings_table)):
        pattern = rf"(<!-- {name} -->\n)(?:(?!<!--).)*(<!-- end -->)"
        body = made()
        page, count = re.subn(
            pattern, lambda match, body=body: f"{match[1]}{body}\n{match[2]}", page, flags=re.DOTALL
        )
        assert count == 1, name
    return page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
