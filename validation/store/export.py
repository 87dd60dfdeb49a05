"""Stored samples for other programs: a pandas frame, CSV, NPZ."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.frames import frame_of
from rmt.status import InvalidInputError
from validation.simulation.features import FeatureObservation
from validation.simulation.observe import Observation
from validation.store.series import Series

if TYPE_CHECKING:
    import pandas

__all__ = ["Contents", "to_csv", "to_frame", "to_npz"]

# Every series of a store with its samples, each to be read before the next.
Contents: TypeAlias = (
    "Iterator[tuple[Series, Iterator[tuple[int, Observation | FeatureObservation]]]]"
)

_DESCRIBED = ("activation", "target", "width", "dim", "batch", "noise_std")


def to_frame(contents: Contents) -> pandas.DataFrame:
    """See `SampleStore.to_frame`."""
    return frame_of(list(_rows(contents)))


def to_csv(path: Path, contents: Callable[[], Contents]) -> None:
    """See `SampleStore.to_csv`; reads contents twice, since the first line names all columns."""
    directions = 0
    for _, samples in contents():
        for _, seen in samples:
            if isinstance(seen, Observation):
                directions = max(directions, seen.target_overlaps.shape[1])
            break
    names = [
        *("problem", *_DESCRIBED, "seed", "recipe", "sample", "spike", "singular_value"),
        *(f"target_overlap_{j}" for j in range(directions)),
    ]
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
            titles.append(
                {
                    "problem": series.problem,
                    "description": series.description,
                    "seed": series.seed,
                    "recipe": series.recipe,
                    "made_with": list(series.made_with),
                }
            )
        with archive.open("series.npy", "w") as file:
            np.lib.format.write_array(file, np.array(json.dumps(titles)), allow_pickle=False)


def _arrays(seen: Sequence[Any]) -> dict[str, NDArray[Any]]:
    """Those of one series, whose observations are all of one kind."""
    if isinstance(seen[0], FeatureObservation):
        names = ("singular_values", "overlaps", "test_error", "training_error")
        return {name: np.array([getattr(one, name) for one in seen]) for name in names}
    return {
        "singular_values": np.array([one.singular_values for one in seen]),
        "target_overlaps": np.array([one.target_overlaps for one in seen]),
        "residuals": np.array([one.residual for one in seen]),
        "spectra": np.array([one.spectrum for one in seen if one.spectrum is not None]),
    }


def _rows(contents: Contents) -> Iterator[dict[str, Any]]:
    for series, samples in contents:
        common = {
            "problem": series.problem,
            **{name: series.description[name] for name in _DESCRIBED},
            "seed": series.seed,
            "recipe": series.recipe,
        }
        for index, seen in samples:
            if isinstance(seen, FeatureObservation):
                break
            for spike, value in enumerate(seen.singular_values):
                overlaps = {
                    f"target_overlap_{j}": float(overlap)
                    for j, overlap in enumerate(seen.target_overlaps[spike])
                }
                yield {
                    **common,
                    "sample": index,
                    "spike": spike,
                    "singular_value": float(value),
                    **overlaps,
                }


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
