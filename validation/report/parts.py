"""What the page of a report is put together from: figures, groups of cases, curves of gaps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rmt.problem import Problem
from validation.drawing import BATCHES, Panel, end_of_linear_axis
from validation.gaps.result import FiniteSize
from validation.report.evidence import CaseEvidence, Evidence
from validation.report.feature_evidence import FeatureEvidence
from validation.report.features import features_svg
from validation.report.figures import (
    gaps_svg,
    overlaps_svg,
    plane_svg,
    spectrum_svg,
    transition_svg,
)
from validation.suites import Section

__all__ = ["case_groups", "gap_curves", "section_figures"]


def section_figures(section: Section, evidence: Evidence) -> list[dict[str, Any]]:
    """Figures of a section as a whole, each with its ``svg``, ``caption`` and ``shape``."""
    if section.kind in ("cases", "features"):
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
    compared = [
        evidence.cases[entry.case.name]
        for entry in section.entries
        if evidence.cases[entry.case.name].comparison is not None
    ]
    if not compared:
        return []
    if section.kind == "plane":
        return [_figure(plane_svg(f"figure-{section.name}", compared), shape="plane")]
    return [_figure(transition_svg(f"figure-{section.name}", compared), shape="wide")]


def case_groups(
    section: Section, shown: dict[str, Any], evidence: Evidence
) -> list[dict[str, Any]]:
    """The cases of a section, those that differ in nothing but their batches together.

    Parameters
    ----------
    section : Section
        Of kind ``cases`` or ``features``.
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
        independent = entry.case.problem.replace(batch="independent")
        return entry.case.title, independent.content_hash

    groups = []
    for (title, _), members in groupby(pairs, key=problem):
        entries, cases = zip(*members, strict=True)
        names = [entry.case.name for entry in entries]
        if section.kind == "features":
            figures = _feature_figures([evidence.features[name] for name in names])
        else:
            panels = [_panel(evidence.cases[name]) for name in names]
            figures = _case_figures([panel for panel in panels if panel is not None])
        groups.append({"title": title, "cases": cases, "figures": figures})
    return groups


def _feature_figures(members: Sequence[FeatureEvidence]) -> list[dict[str, Any]]:
    return [
        _figure(
            features_svg(f"features-{found.entry.case.name}", found),
            _caption(found.entry.case.problem),
            shape="wide",
        )
        for found in members
        if found.comparison is not None
    ]


def _caption(problem: Problem) -> str:
    return BATCHES[problem.batch] if len(problem.steps) > 1 else "one step"


def _panel(found: CaseEvidence) -> Panel | None:
    if found.samples is None or found.comparison is None or found.bulk is None:
        return None
    if not len(found.samples.spectra):
        return None
    return Panel(found.entry.case, found.bulk, found.samples, found.comparison)


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
