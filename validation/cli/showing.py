"""``python -m validation list`` and ``python -m validation show``."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rmt.cli.program import choice, command, flag, option
from validation.cli.options import DEVICE, DTYPE, SUITE_NAMES, case_names, existing_store, store

if TYPE_CHECKING:
    from validation.store.store import SampleStore
    from validation.suites import Entry

__all__ = ["list_", "show"]


@command(
    problems=[choice("--suite", "NAME", "only this suite", SUITE_NAMES)],
    store=[store()],
    method=[DEVICE, DTYPE],
    interrupted="nothing changed",
)
def list_(options: argparse.Namespace) -> str:
    """List the suites with their sections and cases.

    How many networks of each case, and with --store how many of them are stored.

    examples:
      %(prog)s
      %(prog)s --suite full --store networks.sqlite
    """
    from validation.suites import SUITES, suite

    named = SUITES.values() if options.suite is None else (suite(options.suite),)
    chosen = [one.in_precision(options.dtype) for one in named]
    if options.store is None:
        return "\n\n".join(map(str, chosen))
    with existing_store(options.store) as store:
        return "\n\n".join(
            one.listed(lambda entry: _n_stored(entry, store, options.device)) for one in chosen
        )


@command(
    problems=[option("name", "NAME", "a case, as the command 'list' shows", offered=case_names)],
    store=[store()],
    method=[DEVICE, DTYPE],
    output=[
        flag("--no-prediction", "leave out what takes seconds to compute"),
        flag("--json", "print the problem as JSON, as rmt.Problem reads it"),
    ],
    interrupted="nothing changed",
)
def show(options: argparse.Namespace) -> str:
    """Show one case: its problem, its prediction, what is stored.

    With --store also how many networks are stored, and the comparison with them.

    examples:
      %(prog)s ie3-reused --store networks.sqlite
      %(prog)s ie3-reused --json > problem.json
    """
    from validation.catalogue import case
    from validation.suites import SUITES
    from validation.words import in_words, network_of

    found = case(options.name)
    if options.json:
        return found.problem.to_json()
    lines = [str(found), *network_of(found.problem), in_words(found.problem)]
    suites = (one.in_precision(options.dtype) for one in SUITES.values())
    entries = {one.name: entry for one in suites for entry in one.entries if entry.case == found}
    with nullcontext() if options.store is None else existing_store(options.store) as store:
        for name, entry in entries.items():
            stored = "" if store is None else f", {_n_stored(entry, store, options.device)} stored"
            lines.append(f"suite {name}: {entry.plan}{stored}")
        if not options.no_prediction:
            lines += ["", *_theory(list(entries.values()), store, options.device)]
    return "\n".join(lines)


def _theory(entries: list[Entry], store: SampleStore | None, device: str) -> list[str]:
    """The prediction, and the comparison with the largest number of stored networks."""
    from validation.report.tasks import THEORIES
    from validation.simulation.samples import Samples

    best = max(entries, key=lambda entry: 0 if store is None else _n_stored(entry, store, device))
    theory = THEORIES[type(best.plan)]
    results = theory.predict(best.plan)
    lines = ["\n\n".join(map(str, results))]
    if store is None:
        return lines
    if _n_stored(best, store, device) < 2:
        return [*lines, "", "not simulated"]
    samples = store.samples(best.plan, device, partial=True)
    if isinstance(samples, Samples) and samples.n_observed < len(results[0].outliers):
        return [*lines, "", "the stored networks keep fewer singular values than it has outliers"]
    return [*lines, "", str(theory.compare(*results, samples))]


def _n_stored(entry: Entry, store: SampleStore, device: str) -> int:
    return entry.plan.n_samples - len(store.missing(entry.plan, device))
