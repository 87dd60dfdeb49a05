"""What the page of a report is put together from: figures, groups of cases, curves of gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rmt.problem import Problem
from validation.drawing import Panel, batches_of, end_of_linear_axis
from validation.gaps.gap_curves import FiniteSize
from validation.report.evidence import CaseEvidence, Evidence
from validation.report.figures import (
    features_svg,
    gaps_svg,
    overlaps_svg,
    plane_svg,
    spectrum_svg,
    transition_svg,
)
from validation.report.path_figure import path_svg
from validation.suites import Section

__all__ = ["case_groups", "gap_curves", "section_figures"]


def section_figures(section: Section, evidence: Evidence) -> list[dict[str, Any]]:
    """Figures of a section as a whole, each with its ``svg``, ``caption`` and ``shape``."""
    if section.kind in ("cases", "features", "paths"):
        return []
    if section.kind == "widths":
        found = evidence.gaps[section.name]
        if not isinstance(found, FiniteSize):
            return []
        shown = [label for label in found.observables if "overlap" not in label]
        return [
            _figure(gaps_svg(f"{section.name}-{i}", found, label), label)
            for i, label in enumerate(shown)
        ]
    panels = _panels([evidence.cases[entry.case.name] for entry in section.entries])
    if not panels:
        return []
    if section.kind == "plane":
        return [_figure(plane_svg(f"figure-{section.name}", panels), shape="plane")]
    return [_figure(transition_svg(f"figure-{section.name}", panels), shape="wide")]


def case_groups(
    section: Section, shown: dict[str, Any], evidence: Evidence
) -> list[dict[str, Any]]:
    """The cases of a section, those that differ in nothing but their batches together.

    Parameters
    ----------
    section : Section
        Of kind ``cases``, ``features`` or ``paths``.
    shown : dict
        The same section in `report_data`.
    evidence : Evidence

    Returns
    -------
    list of dict
        ``title``, ``cases`` (their data) and ``figures`` of each group.
    """
    pairs = zip(section.entries, shown["cases"], strict=True)

    def problem(pair: Any) -> tuple[str, str]:
        entry, _ = pair
        if section.kind == "paths":  # schedules of more than two kinds
            return entry.case.title, entry.case.name
        independent = entry.case.problem.replace(batch="independent")
        return entry.case.title, independent.content_hash

    groups = []
    for (title, _), members in groupby(pairs, key=problem):
        entries, cases = zip(*members, strict=True)
        found = [evidence.cases[entry.case.name] for entry in entries]
        if section.kind == "features":
            figures = [_feature_figure(one) for one in found if one.held]
        elif section.kind == "paths":
            figures = [_path_figure(one) for one in found if one.held]
        else:
            figures = _case_figures([p for p in _panels(found) if len(p.samples.spectra)])
        groups.append({"title": title, "cases": cases, "figures": figures})
    return groups


def _feature_figure(found: CaseEvidence) -> dict[str, Any]:
    case = found.entry.case
    svg = features_svg(f"features-{case.name}", found)
    return _figure(svg, _caption(case.problem), shape="wide")


def _path_figure(found: CaseEvidence) -> dict[str, Any]:
    case = found.entry.case
    svg = path_svg(f"figure-{case.name}", found)
    return _figure(svg, _caption(case.problem), shape="wide")


def _caption(problem: Problem) -> str:
    return batches_of(problem) if len(problem.steps) > 1 else "one step"


def _panels(cases: Sequence[CaseEvidence]) -> list[Panel]:
    """Of the cases that were compared."""
    return [
        Panel(one.entry.case, one.held.curves, one.samples, one.held.comparison)
        for one in cases
        if one.held
    ]


def _case_figures(panels: Sequence[Panel]) -> list[dict[str, Any]]:
    if not panels:
        return []
    linear_to = end_of_linear_axis(panels)
    edge = max(panel.comparison.beyond_bulk.edge for panel in panels)
    largest = max(float(panel.samples.singular_values.max()) for panel in panels)
    top = max(1.4 * largest if largest > linear_to else 1.15 * largest, 1.2 * edge)
    figures = [
        _figure(
            spectrum_svg(f"spectrum-{panel.case.name}", panel, linear_to, top),
            _caption(panel.case.problem),
        )
        for panel in panels
    ]
    if any(row.direction for panel in panels for row in panel.comparison.rows):
        name = f"overlaps-{panels[0].case.name}"
        figures.append(_figure(overlaps_svg(name, panels), "overlap of each outlier"))
    return figures


def _figure(svg: str, caption: str = "", shape: str = "plain") -> dict[str, Any]:
    return {"svg": svg, "caption": caption, "shape": shape}


def gap_curves(found: FiniteSize | str | None) -> list[dict[str, Any]]:
    """The rows of a table of gaps: ``points`` are gap, error and resolution at each width."""
    if not isinstance(found, FiniteSize):
        return []
    return [
        {
            "label": curve.label,
            "method": curve.method,
            "points": list(zip(curve.gaps, curve.errors, curve.resolutions, strict=True)),
            "fit": str(curve.fit) if curve.fit else "no fit",
        }
        for curve in found.curves
    ]
