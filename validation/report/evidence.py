"""The stored networks of a suite held against predictions: all that a report has to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rmt.blas import one_blas_thread
from validation.executors import worker_processes
from validation.gaps.gap_curves import FiniteSize
from validation.report.tasks import CompareCase, FindGaps, Held, stored_widths
from validation.simulation.bar import bar_of
from validation.simulation.threads import available_cores
from validation.store.store import SampleStore
from validation.suites import Entry, Suite

__all__ = ["CaseEvidence", "Evidence", "gather"]


@dataclass(frozen=True, slots=True, eq=False)
class CaseEvidence:
    """What is known of one case.

    Attributes
    ----------
    entry : Entry
        The case and the networks that its suite asks for.
    samples : Samples, FeatureSamples or None
        Those that are stored; None with fewer than two.
    held : Held or None
        Where there are samples and the prediction succeeded.
    failure : str or None
        Why there is no comparison of the samples.
    """

    entry: Entry
    samples: Any = None
    held: Held | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known of a suite.

    Attributes
    ----------
    suite : Suite
    cases : dict of CaseEvidence
        By name, in the suite's order; sections of kind ``widths`` are in `gaps` instead.
    gaps : dict of FiniteSize, str or None
        By the name of the section: the gaps, why there are none, or None where fewer than two
        widths have been simulated.
    stored : dict of int
        By the name of the case: how many of its networks are stored.
    made_with : tuple of str
        Versions of what simulated the networks in the store.
    """

    suite: Suite
    cases: dict[str, CaseEvidence]
    gaps: dict[str, FiniteSize | str | None]
    stored: dict[str, int]
    made_with: tuple[str, ...]

    @property
    def n_tests(self) -> int:
        """Of all comparisons together: they share the significance."""
        return sum(one.held.comparison.n_tests for one in self.cases.values() if one.held)


def gather(
    suite: Suite,
    store: SampleStore,
    *,
    device: str = "cpu",
    workers: int | None = None,
    progress: bool | str = False,
) -> Evidence:
    """Predict every case of a suite that has been simulated, and compare.

    Predictions are those of the deformed level with linked forms. Nothing is simulated.

    Parameters
    ----------
    suite : Suite
    store : SampleStore
        Holds the networks, or some of them.
    device : str
        Where they were simulated, as in `run_campaign`.
    workers : int, optional
        Processes, by default one for each core; one is this process itself.
    progress : bool or str
        Whether to show a progress bar on standard error; a string is its label.

    Returns
    -------
    Evidence
        A prediction that fails is part of it, not an error.

    Raises
    ------
    InvalidInputError
        For a store with damaged samples.

    Examples
    --------
    >>> from validation.suites import suite
    >>> with SampleStore() as store:
    ...     found = gather(suite("quick"), store, workers=1)
    >>> found.cases["ie3-reused"].samples is None, found.n_tests
    (True, 0)
    """
    stored = {
        entry.case.name: entry.plan.n_samples - len(store.missing(entry.plan, device))
        for entry in suite.entries
    }
    studies = {
        section.name: stored_widths(section, store, device)
        for section in suite.sections
        if section.kind == "widths"
    }
    entries = {
        entry.case.name: entry
        for section in suite.sections
        if section.kind != "widths"
        for entry in section.entries
    }
    samples = {
        name: store.samples(entry.plan, device, partial=True)
        for name, entry in entries.items()
        if stored[name] >= 2
    }
    tasks: dict[str, Callable[[], Any]] = {
        **{
            f"gaps {name}": FindGaps(tuple(widths))
            for name, widths in studies.items()
            if len(widths) >= 2
        },
        **{f"case {name}": CompareCase(entries[name].plan, one) for name, one in samples.items()},
    }
    results = _run_all(tasks, workers, progress)

    cases = {}
    for name, entry in entries.items():
        found = results.get(f"case {name}")
        held, failure = (None, found) if isinstance(found, str) else (found, None)
        cases[name] = CaseEvidence(entry, samples.get(name), held, failure)
    gaps = {name: results.get(f"gaps {name}") for name in studies}
    return Evidence(suite, cases, gaps, stored, store.summary().made_with)


def _run_all(
    tasks: dict[str, Callable[[], Any]], workers: int | None, progress: bool | str
) -> dict[str, Any]:
    """Every task's result, under the same name."""
    count = min(workers or available_cores(), max(len(tasks), 1))
    with _bar(len(tasks), progress) as advance:
        if count == 1:
            results = {}
            with one_blas_thread():
                for name, task in tasks.items():
                    results[name] = task()
                    advance()
            return results
        with worker_processes(count) as pool:
            futures = {pool.submit(task): name for name, task in tasks.items()}
            results = {}
            for future in as_completed(futures):
                results[futures[future]] = future.result()
                advance()
            return results


@contextmanager
def _bar(total: int, progress: bool | str) -> Iterator[Callable[[], object]]:
    if progress is False or not total:
        yield lambda: None
        return
    label = progress if isinstance(progress, str) else None
    with bar_of(total=total, desc=label, unit="case", dynamic_ncols=True) as bar:
        yield bar.update
