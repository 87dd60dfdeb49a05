"""Observed samples on disk: kept one by one, each computed once, never silently damaged."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from rmt.status import InvalidInputError
from validation.simulation.plan import Plan
from validation.simulation.planned import PlanOf
from validation.store import export
from validation.store.file import FORMAT, in_memory, open_file, reported, transaction
from validation.store.kinds import KINDS, AnyObservation, AnyPlan, Kind, kind_of
from validation.store.recipe import made_with, recipe
from validation.store.running_moments import RunningMoments
from validation.store.series import Series, StoreSummary, describes

if TYPE_CHECKING:
    import pandas

__all__ = ["SampleStore"]

O = TypeVar("O")  # noqa: E741
S = TypeVar("S")
# Content hash of the problem, seed, recipe.
Key: TypeAlias = tuple[str, str, str]


class SampleStore:
    """Samples of any number of plans, whatever they observe, in one SQLite file or in memory.

    A sample is kept under its problem, seed, index and `recipe`, so a plan reads back the same
    numbers whatever else is stored. Every sample is a transaction of its own, on the disk before
    `put` returns. Several processes may use one file at the same time.

    Parameters
    ----------
    path : str or path, optional
        The file; it is made where there is none. Without a path the store is in memory.

    Raises
    ------
    InvalidInputError
        When the path is that of another file, of a damaged store or of one of a newer format, or
        cannot be written. No file is altered then.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import Plan, SampleStore, observe, simulate
    >>> problem = Problem("tanh(z)", "z", width=40, dim=40, samples=80, steps=[Step(2, 0.3)])
    >>> plan = Plan(problem, n_samples=3)
    >>> with SampleStore() as store:
    ...     for index in (0, 2):
    ...         new = store.put(plan, index, observe(simulate(problem, 0, index).weights[-1]))
    ...     store.missing(plan), store.samples(plan, partial=True).indices
    ([1], array([0, 2]))
    """

    __slots__ = ("_connection", "path")

    def __init__(self, path: str | PathLike[str] | None = None) -> None:
        self.path = None if path is None else Path(path)
        self._connection = in_memory() if self.path is None else open_file(self.path)

    @property
    def place(self) -> str:
        """The path as text, or "in memory"."""
        return "in memory" if self.path is None else str(self.path)

    def close(self) -> None:
        """Let go of the file; a store in memory is gone. May be called twice."""
        with reported(self.path):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def missing(self, plan: AnyPlan, device: str = "cpu") -> list[int]:
        """Indices of the plan's samples that are not stored, in order."""
        with reported(self.path):
            stored = {
                number
                for series, part in self._parts(plan, device)
                for (number,) in self._connection.execute(
                    f"SELECT number FROM {kind_of(plan).table} WHERE series = ? "
                    "AND number BETWEEN ? AND ?",
                    (series, part.start, part.stop - 1),
                )
            }
        return [index for index in plan.indices if index not in stored]

    def put(
        self,
        plan: AnyPlan,
        index: int,
        observation: AnyObservation,
        *,
        device: str = "cpu",
        versions: str | None = None,
    ) -> bool:
        """Keep a sample of the plan, and say whether it is new: one that is there stays.

        Parameters
        ----------
        plan, index
            Which sample it is.
        observation : Observation, FeatureObservation or PathObservation
            What was observed in it.
        device : str
            Where it was simulated.
        versions : str, optional
            What `made_with` said there, by default what it says here.

        Raises
        ------
        InvalidInputError
            When index or observation do not belong to the plan, or when the file cannot be
            written (a full disk); then nothing of this sample is in it, and all others are.
        """
        kind = kind_of(plan)
        kind.check_belongs(plan, index, observation)
        problem, key = plan.problem, _key(plan, index, device)
        values = kind.to_values(observation)
        versions = made_with() if versions is None else versions
        row = (int(index), *values, versions, _checksum(key, index, values, versions))
        with reported(self.path), transaction(self._connection):
            run = self._connection.execute
            run(
                "INSERT OR IGNORE INTO problems VALUES (?, ?)",
                (problem.content_hash, problem.to_json()),
            )
            run("INSERT OR IGNORE INTO series (problem, seed, recipe) VALUES (?, ?, ?)", key)
            added = run(
                f"INSERT OR IGNORE INTO {kind.table} VALUES (?{', ?' * len(row)})",
                (self._series(key), *row),
            )
            return added.rowcount == 1

    def samples(self, plan: PlanOf[O, S], device: str = "cpu", *, partial: bool = False) -> S:
        """The plan's samples, in the order of their indices.

        Parameters
        ----------
        plan : Plan, FeaturePlan or PathPlan
            Which samples.
        device : str
            Where they were simulated.
        partial : bool
            Whether to take those that are there when some are missing.

        Raises
        ------
        InvalidInputError
            When samples are missing, with ``partial`` when there is none at all, or when a sample
            is damaged.
        """
        missing = self.missing(plan, device)
        present = plan.n_samples - len(missing)
        if (missing and not partial) or not present:
            raise InvalidInputError(
                f"store {self.place}: holds {present} of the {plan.n_samples} samples of: {plan}; "
                "run the campaign to its end first"
            )
        indices, seen = zip(*self.observations(plan, device), strict=True)
        collected: S = kind_of(plan).collect(plan, seen, indices)
        return collected

    def moments(self, plan: Plan, device: str = "cpu") -> tuple[RunningMoments, RunningMoments]:
        """Moments of the plan's singular values and target overlaps, over the samples so far.

        The samples are read one at a time, so a million needs no more memory than one.
        """
        values = RunningMoments.empty((plan.n_outliers,))
        overlaps = RunningMoments.empty((plan.n_outliers, plan.problem.n_directions))
        for _, seen in self.observations(plan, device):
            values, overlaps = values.add(seen.singular_values), overlaps.add(seen.target_overlaps)
        return values, overlaps

    def observations(self, plan: PlanOf[O, S], device: str = "cpu") -> Iterator[tuple[int, O]]:
        """Index and observation of the plan's stored samples, one at a time, by index.

        Raises
        ------
        InvalidInputError
            On reaching a sample that is damaged.
        """
        for series, part in self._parts(plan, device):
            yield from self._read(kind_of(plan), series, _key(plan, part.start, device), part)

    def summary(self) -> StoreSummary:
        """What is in the store: every series with its number of samples.

        Raises
        ------
        InvalidInputError
            When a problem's description is damaged.
        """
        every = tuple(series for _, _, series in self._all_series())
        return StoreSummary(self.place, FORMAT, every)

    def to_frame(self) -> pandas.DataFrame:
        """A pandas frame with a row for every singular value of the weights of every sample.

        What was observed in features and on the way is in `to_npz` alone.

        Raises
        ------
        ImportError
            Without pandas.
        """
        return export.to_frame(self._contents())

    def to_csv(self, path: str | PathLike[str]) -> None:
        """Write the rows of `to_frame` as comma-separated values, every number in full.

        Raises
        ------
        InvalidInputError
            When the file cannot be written; one that was there before is unchanged.
        """
        export.to_csv(Path(path), self._contents)

    def to_npz(self, path: str | PathLike[str]) -> None:
        """Write all arrays for `numpy.load`, the spectra too.

        Series ``i`` gives the arrays ``i/indices`` (n,), ``i/singular_values`` (n, k),
        ``i/target_overlaps`` (n, k, r), ``i/residuals`` (n,) and ``i/spectra`` (n, min(N, d)) or
        without rows, and of networks with an output of order one ``i/initial_output_overlap``
        (n, k). A series of features gives ``i/indices``, ``i/singular_values``,
        ``i/overlaps`` (n, k, n_monomials), and ``i/test_error`` and ``i/training_error``
        (n, n_stages, n_inputs, n_regularisations). One of paths gives the arrays of `PathSamples`.
        The text ``series`` is a JSON list that says what each of them is.

        Raises
        ------
        InvalidInputError
            When the file cannot be written; one that was there before is unchanged.
        """
        export.to_npz(Path(path), self._contents())

    def _parts(self, plan: AnyPlan, device: str) -> Iterator[tuple[int, range]]:
        """The stored series that a plan's samples are in, with their indices."""
        for part in plan.parts:
            series = self._series(_key(plan, part.start, device))
            if series is not None:
                yield series, part

    def _series(self, key: Key) -> int | None:
        found = self._connection.execute(
            "SELECT id FROM series WHERE problem = ? AND seed = ? AND recipe = ?", key
        ).fetchone()
        return None if found is None else int(found[0])

    def _read(
        self, kind: Kind, series: int, key: Key, part: range | None = None
    ) -> Iterator[tuple[int, Any]]:
        first, last = (0, 2**63 - 1) if part is None else (part.start, part.stop - 1)
        with reported(self.path):
            for number, *values, versions, checksum in self._connection.execute(
                f"SELECT number, {', '.join(kind.columns)}, made_with, checksum FROM {kind.table} "
                "WHERE series = ? AND number BETWEEN ? AND ? ORDER BY number",
                (series, first, last),
            ):
                if checksum != _checksum(key, number, values, versions):
                    raise InvalidInputError(
                        f"store {self.place}: sample {number} of seed {key[1]} of problem "
                        f"{key[0][:10]} ({key[2]}) is damaged, its checksum differs; restore the "
                        "file from a copy, or run again with another path"
                    )
                yield number, kind.from_values(*values)

    def _all_series(self) -> Iterator[tuple[int, Kind, Series]]:
        with reported(self.path):
            rows = self._connection.execute(
                "SELECT id, problem, description, seed, recipe FROM series "
                "JOIN problems ON content_hash = problem ORDER BY problem, length(seed), seed, "
                "recipe"
            ).fetchall()
            for number, problem, description, seed, made in rows:
                if not (describes(description, problem) and seed.isdecimal()):
                    raise InvalidInputError(
                        f"store {self.place}: the description of problem {problem[:10]} is "
                        "damaged; restore the file from a copy"
                    )
                for kind in KINDS:
                    counts = dict(
                        self._connection.execute(
                            f"SELECT made_with, count(*) FROM {kind.table} WHERE series = ? "
                            "GROUP BY made_with ORDER BY made_with",
                            (number,),
                        )
                    )
                    total, versions = sum(counts.values()), tuple(counts)
                    about = problem, json.loads(description), int(seed), made, total, versions
                    if counts:
                        yield number, kind, Series(*about)

    def _contents(self) -> export.Contents:
        for number, kind, series in self._all_series():
            key = (series.problem, str(series.seed), series.recipe)
            yield series, self._read(kind, number, key)


def _key(plan: AnyPlan, index: int, device: str) -> Key:
    return plan.problem.content_hash, str(plan.seed), recipe(plan, index, device)


def _checksum(key: Key, index: int, values: Sequence[bytes | None], versions: str) -> bytes:
    """Of a whole row with its key, every part with its length, so that no two rows look alike."""
    digest = hashlib.sha256()
    for part in (*key, str(index), *values, versions):
        # Damage may change even the type of a value.
        data = part if isinstance(part, bytes) else str(part).encode()
        digest.update(f"{type(part).__name__} {len(data)} ".encode())
        digest.update(data)
    return digest.digest()
