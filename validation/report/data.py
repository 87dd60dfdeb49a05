"""The numbers of a report, plain and ready for JSON: the page shows these and no others."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from rmt.problem import Problem
from validation.comparison.feature_comparison import FeatureComparison
from validation.comparison.feature_rows import FeatureRow
from validation.comparison.result import Comparison
from validation.comparison.rows import BeyondBulk, ComparisonRow
from validation.comparison.verdict import Criteria, Verdict, worst
from validation.gaps.result import FiniteSize
from validation.json_form import plain
from validation.report.evidence import CaseEvidence, Evidence
from validation.report.feature_evidence import FeatureEvidence
from validation.suites import Section
from validation.words import in_words, network_of

__all__ = ["NOT_COMPARED", "NOT_SIMULATED", "report_data"]

_FORMAT = 1
NOT_SIMULATED = "not simulated"
NOT_COMPARED = "not compared"
_STATUSES = (*(verdict.value for verdict in Verdict), NOT_COMPARED, NOT_SIMULATED)


def report_data(evidence: Evidence, criteria: Criteria) -> dict[str, Any]:
    """Everything that the report says, as plain numbers, strings and lists.

    A case has the worst verdict of its tests and its bulk; one without stored networks is "not
    simulated", one whose prediction failed "not compared". Numbers that are not finite are None.

    Parameters
    ----------
    evidence : Evidence
        Of `gather`.
    criteria : Criteria
        By which verdicts are reached; the significance is shared by all tests of the report.

    Examples
    --------
    >>> from validation.report.evidence import gather
    >>> from validation.store.store import SampleStore
    >>> from validation.suites import suite
    >>> with SampleStore() as store:
    ...     data = report_data(gather(suite("quick"), store, workers=1), Criteria())
    >>> data["n_tests"], data["cases_by_status"]["not simulated"]
    (0, 29)
    """
    sections = [_section(section, evidence, criteria) for section in evidence.suite.sections]
    cases = [case for section in sections for case in section["cases"]]
    tests = [test for case in cases for test in case["tests"]]
    by_case = Counter(case["status"] for case in cases)
    by_test = Counter(test["verdict"] for test in tests)
    by_bulk = Counter(case["bulk"]["verdict"] for case in cases if case["bulk"])
    data = {
        "format": _FORMAT,
        "suite": evidence.suite.name,
        "title": evidence.suite.title,
        "criteria": criteria.to_dict(),
        "n_tests": evidence.n_tests,
        "cases_by_status": {status: by_case[status] for status in _STATUSES},
        "tests_by_verdict": {verdict.value: by_test[verdict.value] for verdict in Verdict},
        "bulks_by_verdict": {verdict.value: by_bulk[verdict.value] for verdict in Verdict},
        "versions": _versions(),
        "made_with": list(evidence.made_with),
        "sections": sections,
    }
    numbers: dict[str, Any] = plain(data)
    return numbers


def _section(section: Section, evidence: Evidence, criteria: Criteria) -> dict[str, Any]:
    if section.kind == "widths":
        found = evidence.gaps[section.name]
        cases = [
            _without_verdict(CaseEvidence(entry), evidence.stored[entry.case.name])
            for entry in section.entries
        ]
        for case in cases:
            case["status"] = "in the gaps below" if case["n_stored"] >= 2 else NOT_SIMULATED
    else:
        found = None
        names = [entry.case.name for entry in section.entries]
        if section.kind == "features":
            cases = [_feature_case(evidence.features[name], evidence, criteria) for name in names]
        else:
            cases = [_case(evidence.cases[name], evidence, criteria) for name in names]
    return {
        "name": section.name,
        "title": section.title,
        "text": section.text,
        "kind": section.kind,
        "cases": cases,
        "gaps": found.to_dict() if isinstance(found, FiniteSize) else None,
        "gaps_failure": found if isinstance(found, str) else None,
    }


def _case(found: CaseEvidence, evidence: Evidence, criteria: Criteria) -> dict[str, Any]:
    case = _without_verdict(found, evidence.stored[found.entry.case.name])
    if found.comparison is None:
        case["status"] = NOT_SIMULATED if found.samples is None else NOT_COMPARED
        return case
    n_tests = evidence.n_tests
    verdicts = found.comparison.verdicts(criteria, n_tests)
    judged = (*verdicts.rows, verdicts.beyond_bulk)
    tests = _judged(_tests(found.comparison), judged, n_tests)
    return {
        **case,
        "status": verdicts.overall.value,
        "tests": tests,
        "worst": _worst(tests, judged, verdicts.bulk),
        "bulk": _bulk(found.comparison, verdicts.bulk),
        "edge": {"predicted": found.comparison.beyond_bulk.edge, "margin": _margin(found)},
        "prediction": found.prediction,
    }


def _feature_case(found: FeatureEvidence, evidence: Evidence, criteria: Criteria) -> dict[str, Any]:
    case = _without_verdict(found, evidence.stored[found.entry.case.name])
    if found.comparison is None:
        case["status"] = NOT_SIMULATED if found.samples is None else NOT_COMPARED
        return case
    judged = found.comparison.verdicts(criteria, evidence.n_tests)
    tests = _judged(_feature_tests(found.comparison), judged, evidence.n_tests)
    return {
        **case,
        "status": worst(judged).value,
        "tests": tests,
        "worst": _worst(tests, judged, None),
        "learned": list(found.comparison.learned),
        "prediction": found.prediction,
    }


def _judged(
    tests: list[dict[str, Any]], verdicts: tuple[Verdict, ...], n_tests: int
) -> list[dict[str, Any]]:
    """Tests with their verdicts and adjusted p-values; an undefined one stays undefined."""
    return [
        {
            **test,
            "adjusted_p_value": float(np.minimum(1.0, n_tests * test["p_value"])),
            "verdict": verdict.value,
        }
        for test, verdict in zip(tests, verdicts, strict=True)
    ]


def _worst(
    tests: list[dict[str, Any]], judged: tuple[Verdict, ...], bulk: Verdict | None
) -> int | str:
    """Which test stands out most; "bulk" where that has the worst verdict alone."""
    order = list(Verdict)
    found = max(
        range(len(tests)), key=lambda i: (order.index(judged[i]), -tests[i]["adjusted_p_value"], -i)
    )
    if bulk is not None and order.index(bulk) > order.index(judged[found]):
        return "bulk"
    return found


def _without_verdict(found: CaseEvidence | FeatureEvidence, n_stored: int) -> dict[str, Any]:
    case, plan = found.entry.case, found.entry.plan
    activation, target = network_of(case.problem)
    return {
        "name": case.name,
        "title": case.title,
        "n_directions": case.problem.n_directions,
        "batch": case.problem.batch if len(case.problem.steps) > 1 else None,
        "status": None,
        "failure": found.failure,
        "n_stored": n_stored,
        "n_planned": plan.n_samples,
        "seed": plan.seed,
        "limiting_count": _limiting_count(case.problem),
        "problem": case.problem.to_dict(),
        "problem_hash": case.problem.content_hash,
        "in_words": in_words(case.problem),
        "activation": activation,
        "target": target,
        "tests": [],
        "worst": None,
        "bulk": None,
        "edge": None,
        "learned": None,
        "prediction": None,
    }


def _tests(comparison: Comparison) -> list[dict[str, Any]]:
    """One for every row, and one for the number of outliers; without their verdicts."""
    found = [
        {
            **_test(row.quantity, row, row.predicted, row.predicted_error, row.difference),
            "spike": row.spike,
            "direction": row.direction,
            "in_margin": row.in_margin,
        }
        for row in comparison.rows
    ]
    counted = comparison.beyond_bulk
    number = _test("number of outliers", counted, counted.n_predicted, 0.0, counted.excess)
    return [*found, number]


def _feature_tests(comparison: FeatureComparison) -> list[dict[str, Any]]:
    """One for every row, in the form of the other tests; without their verdicts."""
    return [
        _test(row.label, row, row.predicted, row.predicted_error, row.difference)
        for row in comparison.rows
    ]


def _test(
    quantity: str,
    tested: ComparisonRow | BeyondBulk | FeatureRow,
    predicted: float,
    predicted_error: float,
    difference: float,
) -> dict[str, Any]:
    return {
        "spike": None,
        "quantity": quantity,
        "direction": None,
        "predicted": predicted,
        "predicted_error": predicted_error,
        "simulated": tested.simulated,
        "standard_error": tested.standard_error,
        "difference": difference,
        "in_margin": False,
        "p_value": tested.p_value,
    }


def _bulk(comparison: Comparison, verdict: Verdict | None) -> dict[str, Any] | None:
    if comparison.bulk is None or verdict is None:
        return None
    return {
        "distance": comparison.bulk.predicted,
        "resolution": comparison.bulk.resolution,
        "marchenko_pastur": comparison.bulk.marchenko_pastur,
        "n_spectra": comparison.bulk.n_spectra,
        "verdict": verdict.value,
    }


def _margin(found: CaseEvidence) -> float:
    assert found.comparison is not None, "called with a comparison"
    return found.comparison.beyond_bulk.margin


def _limiting_count(problem: Problem) -> int:
    """``1 + floor(alpha_2 / (1/2 - alpha_1))``, of decimals as they print; one after one step."""
    first, *second = (Fraction(repr(step.exponent)) for step in problem.steps)
    return 1 + sum(int(exponent / (Fraction(1, 2) - first)) for exponent in second)


def _versions() -> dict[str, str]:
    try:
        ours = version("rmt")
    except PackageNotFoundError:  # run from a folder of sources
        ours = "unknown"
    return {"rmt": ours, "numpy": np.__version__}
