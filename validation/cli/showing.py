"""``python -m validation list`` and ``python -m validation show``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import Any

from validation.catalogue import Case, case
from validation.cli.options import add_store, existing_store
from validation.feature_plan import FeaturePlan
from validation.store import SampleStore
from validation.suites import SUITES, Entry, suite
from validation.words import in_words, network_of

__all__ = ["add_list", "add_show"]


def add_list(commands: Any) -> None:
    """The command ``list``."""
    command = commands.add_parser(
        "list",
        help="the suites and their cases",
        description="List suites with their sections and cases: how many networks of each, and "
        "with --store how many of them are stored.",
        epilog="example: python -m validation list --suite full --store networks.sqlite",
    )
    command.add_argument(
        "--suite", metavar="NAME", help=f"only this one: {' or '.join(SUITES)} (default: all)"
    )
    add_store(command)
    command.set_defaults(run=_list, interrupted="nothing changed")


def add_show(commands: Any) -> None:
    """The command ``show``."""
    command = commands.add_parser(
        "show",
        help="one case: its problem, its prediction, what is stored of it",
        description="Show the problem of a case and its prediction; with --store also how many "
        "networks are stored, and the comparison with them.",
        epilog="example: python -m validation show ie3-reused --store networks.sqlite",
    )
    command.add_argument("name", metavar="NAME", help="a case, as python -m validation list shows")
    add_store(command)
    command.add_argument(
        "--no-prediction", action="store_true", help="leave out what takes seconds to compute"
    )
    form = command.add_mutually_exclusive_group()
    form.add_argument(
        "--json", action="store_true", help="print the problem as JSON, as rmt.Problem reads it"
    )
    command.set_defaults(run=_show, interrupted="nothing changed")


def _list(options: argparse.Namespace) -> str:
    chosen = SUITES.values() if options.suite is None else (suite(options.suite),)
    if options.store is None:
        return "\n\n".join(map(str, chosen))
    with existing_store(options.store) as store:
        return "\n\n".join(
            one.listed(lambda entry: _n_stored(entry, store, options.device)) for one in chosen
        )


def _show(options: argparse.Namespace) -> str:
    found = case(options.name)
    if options.json:
        return found.problem.to_json()
    lines = [str(found), *network_of(found.problem), in_words(found.problem)]
    entries = {
        one.name: entry for one in SUITES.values() for entry in one.entries if entry.case == found
    }
    with nullcontext() if options.store is None else existing_store(options.store) as store:
        for name, entry in entries.items():
            stored = "" if store is None else f", {_n_stored(entry, store, options.device)} stored"
            lines.append(f"suite {name}: {entry.plan}{stored}")
        if not options.no_prediction:
            lines += ["", *_theory(found, list(entries.values()), store, options.device)]
    return "\n".join(lines)


def _theory(found: Case, entries: list[Entry], store: SampleStore | None, device: str) -> list[str]:
    """The prediction, and the comparison with the largest number of stored networks."""
    from validation.compare import compare
    from validation.evidence_tasks import EDGE_MARGIN, predicted
    from validation.feature_comparison import compare_features, predicted_features

    best = max(entries, key=lambda entry: 0 if store is None else _n_stored(entry, store, device))
    plan = best.plan
    if isinstance(plan, FeaturePlan):
        spikes, errors = predicted_features(plan)
        lines = [str(spikes), "", str(errors)]
    else:
        prediction = predicted(found.problem)
        lines = [str(prediction)]
    if store is None:
        return lines
    if _n_stored(best, store, device) < 2:
        return [*lines, "", "not simulated"]
    if isinstance(plan, FeaturePlan):
        seen = store.samples(plan, device, partial=True)
        return [*lines, "", str(compare_features(spikes, errors, seen))]
    samples = store.samples(plan, device, partial=True)
    if samples.n_observed < len(prediction.outliers):
        return [*lines, "", "the stored networks keep fewer singular values than it has outliers"]
    return [*lines, "", str(compare(prediction, samples, edge_margin=EDGE_MARGIN))]


def _n_stored(entry: Entry, store: SampleStore, device: str) -> int:
    return entry.plan.n_samples - len(store.missing(entry.plan, device))
