"""The report: one HTML page that needs nothing else, and the same numbers as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rmt.status import RmtError
from validation.comparison.verdict import DEFAULT_CRITERIA, Criteria, Verdict
from validation.folders import write_files
from validation.report.data import IN_GAPS, NOT_COMPARED, NOT_SIMULATED, report_data
from validation.report.evidence import Evidence
from validation.report.parts import case_groups, gap_curves, section_figures

__all__ = ["Report", "make_report", "require_jinja2"]

_MARKS = {
    Verdict.AGREES.value: "\u2713",
    Verdict.WITHIN_ALLOWANCE.value: "\u2248",
    Verdict.DIFFERS.value: "\u2717",
    NOT_SIMULATED: "\u25cb",
    NOT_COMPARED: "\u2013",
    IN_GAPS: "\u2193",
}


@dataclass(frozen=True, slots=True)
class Report:
    """A report on a suite; prints as its headline.

    Attributes
    ----------
    headline : str
        The outcome in a sentence.
    html : str
        The page.
    data : dict
        All its numbers, plain (see `report_data`).
    """

    headline: str
    html: str
    data: dict[str, Any]

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write ``report.html`` and ``report.json``; older ones go only when both are complete.

        Raises
        ------
        InvalidInputError
            When the folder cannot be written.
        """
        text = json.dumps(self.data, indent=1, allow_nan=False) + "\n"
        return write_files(
            folder,
            {
                "report.html": lambda path: path.write_text(self.html, encoding="utf-8"),
                "report.json": lambda path: path.write_text(text, encoding="utf-8"),
            },
        )

    def __str__(self) -> str:
        return self.headline


def make_report(evidence: Evidence, criteria: Criteria = DEFAULT_CRITERIA) -> Report:
    """Write what is known of a suite as a page.

    The same evidence gives the same bytes: nothing in it depends on when or where it is made.

    Parameters
    ----------
    evidence : Evidence
        Of `gather`.
    criteria : Criteria
        Of the verdicts.

    Returns
    -------
    Report

    Raises
    ------
    RmtError
        Without jinja2 or matplotlib; names the extra.

    Examples
    --------
    >>> from validation.report.evidence import gather
    >>> from validation.store.store import SampleStore
    >>> from validation.suites import suite
    >>> with SampleStore() as store:
    ...     print(make_report(gather(suite("quick"), store, workers=1)))
    Nothing has been compared yet; 33 cases are not simulated.
    """
    require_jinja2()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    data = report_data(evidence, criteria)
    sections = evidence.suite.sections
    environment = Environment(
        loader=PackageLoader("validation.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"shown": _shown, "typeset": _typeset, "markup": _safe}
    headline = _headline(data)
    html = environment.get_template("report.html").render(
        data=data,
        headline=headline,
        css=_safe(_template_text(environment, "report.css")),
        marks=_MARKS,
        n_networks=sum(case["n_stored"] for one in data["sections"] for case in one["cases"]),
        figures={one.name: section_figures(one, evidence) for one in sections},
        groups={
            one.name: case_groups(one, shown, evidence)
            for one, shown in zip(sections, data["sections"], strict=True)
            if one.kind in ("cases", "features", "paths")
        },
        gap_curves={name: gap_curves(found) for name, found in evidence.gaps.items()},
    )
    return Report(headline, html, data)


def require_jinja2() -> None:
    """Raise `RmtError`, naming the extra to install, where jinja2 is missing."""
    if find_spec("jinja2") is None:
        raise RmtError("a report needs jinja2 (the extra 'validation' of this package)")


def _headline(data: dict[str, Any]) -> str:
    counts = data["cases_by_status"]
    agreeing, within, differing = (counts[verdict.value] for verdict in Verdict)
    total = agreeing + within + differing
    if not total:
        said = "Nothing has been compared yet"
    elif differing:
        said = f"Theory and simulation differ in {differing} of {total} cases"
    elif within:
        said = (
            f"Theory and simulation agree in {agreeing} of {total} cases, and within the allowance "
            f"for finite size in the other {within}"
        )
    else:
        said = f"Theory and simulation agree in all {total} cases"
    without = [
        f"{counts[status]} {'case is' if counts[status] == 1 else 'cases are'} {status}"
        for status in (NOT_COMPARED, NOT_SIMULATED)
        if counts[status]
    ]
    return "; ".join([said, *without]) + "."


def _shown(value: float, digits: str) -> str:
    """A number as the page prints it, with a true minus sign."""
    if digits == "p":
        text = "1" if value >= 1 else "< 1e-12" if value < 1e-12 else f"{value:.2g}"
    elif value == 0:
        text = "0"
    elif digits:
        text = f"{value:{digits}}"
    else:
        text = f"{value:.4f}" if abs(value) < 1 else f"{value:#.4g}"
    return text.replace("-", "\u2212")


def _typeset(text: str) -> Any:
    """Powers, indices and Greek letters of our own sentences as a page shows them."""
    typeset = str(escape(text))
    typeset = re.sub(r"\^\(([^()]*)\)", r"<sup>\1</sup>", typeset)
    typeset = re.sub(r"\^([-+]?\w+(?:\.\d+)?)", r"<sup>\1</sup>", typeset)
    typeset = re.sub(r"\balpha(\d)", "<i>\u03b1</i><sub>\\1</sub>", typeset)
    typeset = re.sub(r"\b([cz])(\d)\b", r"<i>\1</i><sub>\2</sub>", typeset)
    return _safe(typeset.replace(" = ", "&nbsp;=&nbsp;"))


def _template_text(environment: Any, name: str) -> str:
    text: str = environment.loader.get_source(environment, name)[0]
    return text


def _safe(text: str) -> Any:
    """Our own markup, not to be escaped."""
    from markupsafe import Markup

    return Markup(text)
