"""The tables of the page, in Markdown: made from the file of results and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent / "docs"
RESULTS, PAGE = DOCS / "benchmarks.json", DOCS / "benchmarks.md"
BEGIN, END = "<!-- results -->", "<!-- end -->"

SPACE, HYPHEN = "\u00a0", "\u2011"  # at which no line is broken

HEADER = ("what", "compared with", "ours", "baseline", "ratio", "error", "its error", "stated")
QUICK = "**Small problems** (`--quick`): everything runs, but nothing is judged by these numbers.\n"


def write(results: dict[str, Any], folder: Path = DOCS) -> None:
    """Write the file, and put its tables into the page beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS.name).write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    page = folder / PAGE.name
    text = page.read_text(encoding="utf-8") if page.exists() else f"{BEGIN}\n{END}\n"
    page.write_text(inserted(text, results), encoding="utf-8")


def stored() -> dict[str, Any]:
    """The results of the last run."""
    return dict(json.loads(RESULTS.read_text(encoding="utf-8")))


def inserted(page: str, results: dict[str, Any]) -> str:
    """The page with these results between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown(results)}{END}{after}"


def merged(old: dict[str, Any], new: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A whole run with a part of it from another one, which says when and where that was."""
    facts = ("processor", "date", "commit", "load_before", "load_after")
    apart = {name: new["machine"][name] for name in facts}
    found = {each["name"]: each for each in old["benchmarks"]}
    found |= {each["name"]: {**each, "apart": apart} for each in new["benchmarks"]}
    return {**old, "benchmarks": [found[name] for name in names if name in found]}


def markdown(results: dict[str, Any]) -> str:
    """All tables."""
    quick = results["machine"]["quick"]
    parts = [machine(results["machine"]), QUICK if quick else verdicts(results["benchmarks"])]
    for found in results["benchmarks"]:
        parts.append(f"### {found['title']}\n")
        parts += [f"{found['about']}\n"] * bool(found["about"])
        if apart := found.get("apart"):
            parts.append(
                "*Measured apart: {date}, commit {commit}, {processor}, load average "
                "{load_before} before, {load_after} after.*\n".format(**apart)
            )
        parts.append(rows_of(found["rows"]))
    return "\n".join(parts)


def machine(facts: dict[str, Any]) -> str:
    """What the numbers depend on, as a table."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    shown = {
        "processor": f"{facts['processor']}, {facts['cores']} cores for this process",
        "memory": facts["memory"],
        "system": f"{facts['system']}, Python {facts['python']}",
        "packages": packages,
        "BLAS": "; ".join(facts["blas"]),
        "threads": facts["threads"],
        "rmt": f"{facts['rmt']}, commit {facts['commit']}",
        "measured": f"{facts['date']}, in {facts['minutes']:.0f} minutes",
        "repetitions": f"{facts['repetitions']} at most, five times as many of short ones",
        "load average": f"{facts['load_before']} before, {facts['load_after']} after",
    }
    lines = ["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in shown.items())]
    return "\n".join(lines) + "\n"


def verdicts(benchmarks: list[dict[str, Any]]) -> str:
    """How many statements hold, and which do not."""
    judged = [row for found in benchmarks for row in found["rows"] if row["holds"] is not None]
    failed = [row for row in judged if not row["holds"]]
    text = f"Of {len(judged)} statements {len(judged) - len(failed)} hold"
    if not failed:
        return f"{text}.\n"
    lines = [
        f'* {row["claim"]["where"]}: "{row["claim"]["text"]}" ({row["what"]}): {_measured(row)}'
        for row in failed
    ]
    return f"{text}; these do not:\n\n" + "\n".join(lines) + "\n"


def rows_of(rows: list[dict[str, Any]]) -> str:
    """A table without the columns that nothing stands in."""
    lines = [HEADER, *(cells(row) for row in rows)]
    used = [k for k in range(len(HEADER)) if k < 5 or any(line[k] for line in lines[1:])]
    lines.insert(1, ("---",) * len(HEADER))
    return "".join("| " + " | ".join(line[k] for k in used) + " |\n" for line in lines)


def cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A row of a table."""
    what = row["what"] + (f" ({row['note']})" if row["note"] else "")
    found = (_plain(what), _plain(row["baseline"]), seconds(row["ours"]), seconds(row["other"]))
    found += (ratio(row["ratio"]), error(row["error"]), error(row["other_error"]), stated(row))
    return tuple(cell.replace("|", "\\|") for cell in found)


def seconds(value: float | None) -> str:
    """A time with two digits and its unit."""
    if value is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{_two_digits(value / size)}{SPACE}{unit}"
    return f"{_two_digits(value / 1e-6)}{SPACE}µs"


def ratio(value: list[float] | None) -> str:
    """Median and quartiles."""
    if value is None:
        return ""
    middle, low, high = (_two_digits(v) for v in value)
    return f"**{middle}** [{low}, {high}]" if low != high else f"**{middle}**"


def error(value: float | None) -> str:
    """One digit after the point."""
    return "" if value is None else f"{value:.1e}".replace("-", HYPHEN)


def stated(row: dict[str, Any]) -> str:
    """The claim and whether it holds."""
    claim = row["claim"]
    if claim is None:
        return ""
    verdict = {True: "holds", False: "**does not hold**", None: "not judged"}[row["holds"]]
    return f"{claim['text']} ({claim['where']}): {verdict}"


def _plain(text: str) -> str:
    """Without emphasis: the stars are products."""
    return text.replace("*", "\\*")


def _measured(row: dict[str, Any]) -> str:
    of = row["claim"]["of"]
    if of == "ratio":
        return f"ratio {ratio(row['ratio'])}"
    return seconds(row["ours"]) if of == "seconds" else f"error {error(row['error'])}"


def _two_digits(value: float) -> str:
    if value >= 9.95:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.995 else f"{value:.2g}"
