"""The numbers of a report, plain and ready for JSON: the page shows these and no others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from rmt.problem import Problem
from rmt.problem.supported import two_steps
from validation.comparison.comparison import Comparison
from validation.comparison.feature_comparison import FeatureComparison
from validation.comparison.path_rows import PathRow
from validation.comparison.rows import ComparisonRow, TestedMean
from validation.comparison.verdict import Criteria, Verdict, worst
from validation.gaps.gap_curves import FiniteSize
from validation.json_form import plain
from validation.report.evidence import CaseEvidence, Evidence
from validation.report.tasks import AnyComparison
from validation.suites import Entry, Section
from validation.words import in_words, network_of

__all__ = ["IN_GAPS", "NOT_COMPARED", "NOT_SIMULATED", "report_data"]

_FORMAT = 1
NOT_SIMULATED = "not simulated"
NOT_COMPARED = "not compared"
IN_GAPS = "in the gaps below"
# What a test of an outlier says beside the others: its quantity without the direction.
_OF_OUTLIERS = ("spike", "quantity", "direction", "in_margin")
_VERDICTS = tuple(verdict.value for verdict in Verdict)
_STATUSES = (*_VERDICTS, NOT_COMPARED, NOT_SIMULATED)


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
    (0, 33)
    """
    sections = [_section(section, evidence, criteria) for section in evidence.suite.sections]
    cases = [case for section in sections for case in section["cases"]]
    tests = [test for case in cases for test in case["tests"]]
    data = {
        "format": _FORMAT,
        "suite": evidence.suite.name,
        "title": evidence.suite.title,
        "criteria": criteria.to_dict(),
        "n_tests": evidence.n_tests,
        "cases_by_status": _tally((case["status"] for case in cases), _STATUSES),
        "tests_by_verdict": _tally(test["verdict"] for test in tests),
        "bulks_by_verdict": _tally(case["bulk"]["verdict"] for case in cases if case["bulk"]),
        "versions": _versions(),
        "made_with": list(evidence.made_with),
        "sections": sections,
    }
    numbers: dict[str, Any] = plain(data)
    return numbers


def _tally(found: Iterable[str], names: Sequence[str] = _VERDICTS) -> dict[str, int]:
    counts = Counter(found)
    return {name: counts[name] for name in names}


def _section(section: Section, evidence: Evidence, criteria: Criteria) -> dict[str, Any]:
    found = evidence.gaps.get(section.name)
    return {
        "name": section.name,
        "title": section.title,
        "text": section.text,
        "kind": section.kind,
        "cases": [_case(section, entry, evidence, criteria) for entry in section.entries],
        "gaps": found.to_dict() if isinstance(found, FiniteSize) else None,
        "gaps_failure": found if isinstance(found, str) else None,
    }


def _case(section: Section, entry: Entry, evidence: Evidence, criteria: Criteria) -> dict[str, Any]:
    found = evidence.cases.get(entry.case.name, CaseEvidence(entry))
    case = _without_verdict(found, evidence.stored[entry.case.name])
    if section.kind == "widths":
        return {**case, "status": IN_GAPS if case["n_stored"] >= 2 else NOT_SIMULATED}
    if found.held is None:
        return {**case, "status": NOT_SIMULATED if found.samples is None else NOT_COMPARED}
    comparison, n_tests = found.held.comparison, evidence.n_tests
    bulk: Verdict | None = None
    if isinstance(comparison, Comparison):
        verdicts = comparison.verdicts(criteria, n_tests)
        judged, bulk = (*verdicts.rows, verdicts.beyond_bulk), verdicts.bulk
        beyond = comparison.beyond_bulk
        own: dict[str, Any] = {
            "bulk": _bulk(comparison, bulk),
            "edge": {"predicted": beyond.edge, "margin": beyond.margin},
        }
    else:
        judged = comparison.verdicts(criteria, n_tests)
        own = {}
        if isinstance(comparison, FeatureComparison):
            own = {"learned": list(comparison.learned)}
    tests = _tests(comparison, judged, n_tests)
    return {
        **case,
        "status": worst(judged if bulk is None else (*judged, bulk)).value,
        "tests": tests,
        "worst": _worst(tests, judged, bulk),
        **own,
        "prediction": found.held.prediction,
    }


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


def _without_verdict(found: CaseEvidence, n_stored: int) -> dict[str, Any]:
    case, plan = found.entry.case, found.entry.plan
    activation, target = network_of(case.problem)
    return {
        "name": case.name,
        "title": case.title,
        "known": case.known or None,
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


def _tests(
    comparison: AnyComparison, judged: Sequence[Verdict], n_tests: int
) -> list[dict[str, Any]]:
    """One for every row, and one for the number of outliers."""
    found = []
    for row, verdict in zip(comparison.rows, judged, strict=False):
        numbers = row.predicted, row.predicted_error, row.difference
        label = f"step {row.step}: {row.label}" if isinstance(row, PathRow) else row.label
        test = _test(label, row, numbers, verdict, n_tests)
        if isinstance(row, PathRow):
            test |= {"step": row.step, "in_margin": row.in_margin}
        if isinstance(row, ComparisonRow):
            test |= {name: getattr(row, name) for name in _OF_OUTLIERS}
        found.append(test)
    if isinstance(comparison, Comparison):
        counted = comparison.beyond_bulk
        numbers = counted.n_predicted, 0.0, counted.excess
        found.append(_test("number of outliers", counted, numbers, judged[-1], n_tests))
    return found


def _test(
    quantity: str,
    tested: TestedMean,
    numbers: tuple[float, float, float],
    verdict: Verdict,
    n_tests: int,
) -> dict[str, Any]:
    """``numbers`` are the prediction, its own error and the difference from it."""
    predicted, error, difference = numbers
    return {
        "spike": None,
        "quantity": quantity,
        "direction": None,
        "predicted": predicted,
        "predicted_error": error,
        "simulated": tested.simulated,
        "standard_error": tested.standard_error,
        "difference": difference,
        "in_margin": False,
        "p_value": tested.p_value,
        # An undefined one stays undefined.
        "adjusted_p_value": float(np.minimum(1.0, n_tests * tested.p_value)),
        "verdict": verdict.value,
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


def _limiting_count(problem: Problem) -> int | None:
    """``1 + floor(alpha_2 / (1/2 - alpha_1))``, of decimals as they print; one after one step.

    None for other numbers of steps, and for giant ones.
    """
    if not two_steps(problem):
        return None
    first, *second = (Fraction(repr(step.exponent)) for step in problem.steps)
    return 1 + sum(int(exponent / (Fraction(1, 2) - first)) for exponent in second)


def _versions() -> dict[str, str]:
    try:
        ours = version("rmt")
    except PackageNotFoundError:  # run from a folder of sources
        ours = "unknown"
    return {"rmt": ours, "numpy": np.__version__}
