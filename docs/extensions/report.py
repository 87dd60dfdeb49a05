"""The validation report inside the site: made by the commands that a user has, kept between builds.

The folder ``docs/_report`` holds the simulated networks and the report. Networks are simulated
again when the code of the simulation has changed, the report is made again when any code has. The
build fails where theory and simulation differ. Sphinx is imported where it is used, so that the
tests can do without.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from extensions import imports, kept
from validation import FiniteSize

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "docs" / "_report"
SUITE = "quick"
INSIDE = "validation-report"  # the folder of page and numbers in the site
Say: TypeAlias = Callable[[str], None]
_VERDICTS = ("agrees", "within allowance", "differs")


def bring_up_to_date(begin: Say, end: Say, simulation: str, everything: str) -> dict[str, Any]:
    """The report's numbers, made again if one of the `keys` has changed.

    Says what begins and what ends.

    Raises
    ------
    ExtensionError
        When a command fails, or see `objections`.
    """
    from sphinx.errors import ExtensionError

    store = ("--suite", SUITE, "--store", str(FOLDER / "networks.sqlite"))
    FOLDER.mkdir(exist_ok=True)
    mark = FOLDER / "simulated_with.txt"
    if not kept.current(mark, simulation):
        for path in FOLDER.glob("networks.sqlite*"):
            path.unlink()
        mark.write_text(simulation, encoding="utf-8")
    mark = FOLDER / "made_from.txt"
    if not kept.current(mark, everything):
        begin("networks of the validation report")
        _command("run", *store)
        end("networks of the validation report")
        begin("validation report")
        _command("report", *store, "--output", str(FOLDER))
        mark.write_text(everything, encoding="utf-8")
        end("validation report")
    data: dict[str, Any] = json.loads((FOLDER / "report.json").read_text(encoding="utf-8"))
    found = objections(data)
    if found:
        page = (FOLDER / "report.html").relative_to(ROOT)
        raise ExtensionError(f"the validation report, {page}, finds\n" + "\n".join(found))
    return data


def keys() -> tuple[str, str]:
    """What the networks depend on, and what the report does: all code.

    Networks that were stored before the mark of their simulation was written stay: an interrupted
    run goes on where it was.
    """
    simulation = imports.floors_below("validation.simulation")
    return kept.key(code=simulation), kept.key(code=("rmt", "validation"))


def _command(*words: str) -> None:
    from sphinx.errors import ExtensionError

    done = subprocess.run(
        [sys.executable, "-m", "validation", *words],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise ExtensionError(f"python -m validation {words[0]} failed:\n{done.stderr}")


def objections(data: dict[str, Any]) -> list[str]:
    """A line for every case that differs or was not compared, and for gaps that were not found."""
    found = [
        f"{case['name']}: {case['status']}"
        for case in _cases(data)
        if case["status"] not in ("agrees", "within allowance")
    ]
    return found + [
        f"{section['name']}: {section['gaps_failure'] or 'not simulated'}"
        for section in data["sections"]
        if section["kind"] == "widths" and section["gaps"] is None
    ]


def _cases(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The cases with verdicts of their own: not those of whose gaps a power law is made."""
    for section in data["sections"]:
        if section["kind"] != "widths":
            yield from section["cases"]


def summary(data: dict[str, Any]) -> str:
    """What the page docs/report.md says of the report, in Markdown."""
    cases = list(_cases(data))
    every = [case for section in data["sections"] for case in section["cases"]]
    networks = sum(case["n_stored"] for case in every)
    by_case = {verdict: data["cases_by_status"][verdict] for verdict in _VERDICTS}
    lines = [
        f"{networks} networks of {len(every)} cases were simulated. {len(cases)} of the cases have "
        "verdicts; the others are one problem at several widths, and give the gaps at the end.",
        "",
        "| | agree | within allowance | differ |",
        "|---|---|---|---|",
        f"| cases | {_three(by_case)} |",
        f"| singular values, overlaps, counts, errors | {_three(data['tests_by_verdict'])} |",
        f"| spectra of the bulk | {_three(data['bulks_by_verdict'])} |",
    ]
    for section in data["sections"]:
        lines += ["", f"## {section['title']}", ""]
        lines += _gaps(section) if section["kind"] == "widths" else _table(section)
    return "\n".join([*lines, ""])


def _three(counts: dict[str, int]) -> str:
    return " | ".join(str(counts[verdict]) for verdict in _VERDICTS)


def _table(section: dict[str, Any]) -> list[str]:
    """A row for each case, with the test that stands out most."""
    lines = [
        "| case | verdict | stands out most | predicted | simulated | networks | tests |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in section["cases"]:
        n_tests = len(case["tests"]) + (case["bulk"] is not None)
        link = f'<a href="{INSIDE}/report.html#case-{case["name"]}">{case["name"]}</a>'
        cells = [link, case["status"], *_worst(case), case["n_stored"], n_tests]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _worst(case: dict[str, Any]) -> tuple[str, str, str]:
    """Which quantity it is, what was predicted, and what was simulated with its standard error."""
    if case["worst"] == "bulk":
        bulk = case["bulk"]
        seen = f"{bulk['distance']:.2g} (resolution {bulk['resolution']:.2g})"
        return "distance of the bulk", "", seen
    test = case["tests"][case["worst"]]
    name = test["quantity"]
    if test["spike"] is not None:
        name = f"spike {test['spike']}, {name}"
    if test["direction"] and case["n_directions"] > 1:
        name += f" with $e_{test['direction']}$"
    simulated = f"{test['simulated']:.4g}"
    if test["standard_error"] is not None:
        simulated += f" ± {test['standard_error']:.2g}"
    return name, f"{test['predicted']:.4g}", simulated


def _gaps(section: dict[str, Any]) -> list[str]:
    """The gap at the largest width, and the power with which it closes."""
    gaps = FiniteSize.from_dict(section["gaps"])
    widths, networks = (", ".join(map(str, n)) for n in (gaps.widths, gaps.n_samples))
    lines = [
        f"At the widths $N$ = {widths}, with {networks} networks; of a power $N^{{-p}}$ the "
        "interval of $p$ is in brackets.",
        "",
        "| observable | level of theory | gap at the largest width | closes as |",
        "|---|---|---|---|",
    ]
    for curve in gaps.curves:
        gap = f"{curve.gaps[-1]:+.2g} ± {curve.errors[-1]:.2g}"
        cells = [re.sub(r"\be_(\d)", r"$e_\1$", curve.label), curve.method, gap]
        cells += [str(curve.fit or "not fitted").replace("N^-p, ", "")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def copy(app: Sphinx, exception: Exception | None) -> None:
    """Put page and numbers into the site."""
    if exception is None and app.builder.name == "html":
        folder = Path(app.outdir) / INSIDE
        folder.mkdir(exist_ok=True)
        for name in ("report.html", "report.json"):
            shutil.copy(FOLDER / name, folder / name)


def setup(app: Sphinx) -> dict[str, Any]:
    """The summary is written with the other generated files (see `generated`)."""
    app.connect("build-finished", copy)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
