"""Stored samples for other programs: a pandas frame, CSV, NPZ."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.frames import frame_of
from rmt.status import InvalidInputError
from validation.simulation.observe import Observation
from validation.store.kinds import AnyObservation
from validation.store.series import Series

if TYPE_CHECKING:
    import pandas

__all__ = ["Contents", "to_csv", "to_frame", "to_npz"]

# Every series of a store with its samples, each to be read before the next.
Contents: TypeAlias = Iterator[tuple[Series, Iterator[tuple[int, AnyObservation]]]]

_DESCRIBED = ("activation", "target", "width", "dim", "batch", "noise_std")
_COLUMNS = ("problem", *_DESCRIBED, "seed", "recipe", "sample", "spike", "singular_value")
# Of the arrays of several samples, where these are not called like that of one.
_PLURALS = {"residual": "residuals", "spectrum": "spectra"}


def to_frame(contents: Contents) -> pandas.DataFrame:
    """See `SampleStore.to_frame`."""
    return frame_of(list(_rows(contents)))


def to_csv(path: Path, contents: Callable[[], Contents]) -> None:
    """See `SampleStore.to_csv`; reads contents twice, since the first line names all columns."""
    firsts = ((series, islice(samples, 1)) for series, samples in contents())
    names = dict.fromkeys(chain(_COLUMNS, *_rows(firsts)))
    with _replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="")
        writer.writeheader()
        writer.writerows(_rows(contents()))


def to_npz(path: Path, contents: Contents) -> None:
    """See `SampleStore.to_npz`; holds one series at a time."""
    titles: list[dict[str, Any]] = []
    with _replacing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for number, (series, samples) in enumerate(contents):
            indices, seen = zip(*samples, strict=True)
            arrays = {"indices": np.array(indices, dtype=np.int64), **_arrays(seen)}
            for name, array in arrays.items():
                with archive.open(f"{number}/{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            title = asdict(series)
            del title["n_samples"]
            titles.append(title)
        with archive.open("series.npy", "w") as file:
            np.lib.format.write_array(file, np.array(json.dumps(titles)), allow_pickle=False)


def _arrays(seen: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Those of one series, whose observations are all of one kind."""
    names = [field.name for field in fields(seen[0])]
    kept = {name: [getattr(one, name) for one in seen] for name in names}
    there = {name: [one for one in values if one is not None] for name, values in kept.items()}
    # Some kinds of observations lack some fields; an array of spectra is there in any case.
    return {
        _PLURALS.get(name, name): np.array(values)
        for name, values in there.items()
        if values or name in _PLURALS
    }


def _rows(contents: Contents) -> Iterator[dict[str, Any]]:
    for series, samples in contents:
        described = {name: series.description[name] for name in _DESCRIBED}
        described["target"] = series.target
        for index, seen in samples:
            if not isinstance(seen, Observation):
                break
            for spike, overlaps in enumerate(seen.target_overlaps.tolist()):
                yield {
                    "problem": series.problem,
                    **described,
                    "seed": series.seed,
                    "recipe": series.recipe,
                    "sample": index,
                    "spike": spike,
                    "singular_value": float(seen.singular_values[spike]),
                    **{f"target_overlap_{j}": overlap for j, overlap in enumerate(overlaps)},
                    **_of_output(seen, spike),
                }


def _of_output(seen: Observation, spike: int) -> dict[str, float]:
    """A column that only networks with an output of order one have."""
    along = seen.initial_output_overlap
    return {} if along is None else {"initial_output_overlap": float(along[spike])}


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to; it takes its place when all has been written."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror or error}") from error
