"""Folders of results: seen to be writable before the work, replaced only by complete results."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rmt.status import InvalidInputError

__all__ = ["prepare_folder", "write_files"]


def prepare_folder(folder: Path) -> None:
    """Make the folder where it does not exist, and see that it can be written.

    Raises
    ------
    InvalidInputError
        When it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"output must be a folder that can be written, got {folder}: {reason}"
        ) from error


def write_files(folder: Path, writers: Mapping[str, Callable[[Path], object]]) -> tuple[Path, ...]:
    """Write files by name, each by calling its writer with a path; returns the paths.

    Older files of these names go only when all new ones are complete.

    Raises
    ------
    InvalidInputError
        When the folder cannot be written.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as made:
    ...     (path,) = write_files(Path(made), {"a.txt": lambda p: p.write_text("done")})
    ...     path.read_text()
    'done'
    """
    prepare_folder(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
            for name, write in writers.items():
                write(Path(unfinished) / name)
            for name in writers:
                os.replace(Path(unfinished) / name, folder / name)
    except OSError as error:
        raise InvalidInputError(f"output folder {folder} cannot be written: {error}") from error
    return tuple(folder / name for name in writers)
