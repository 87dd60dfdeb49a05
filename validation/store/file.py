"""The SQLite file behind a `SampleStore`: what it looks like, and how it is opened safely."""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rmt.status import InvalidInputError

__all__ = ["FORMAT", "in_memory", "open_file", "reported", "transaction"]

# "rmtS" in the header of every store, so that no other file is taken for one.
_APPLICATION_ID = int.from_bytes(b"rmtS", "big")
# Of the tables below. A change that older versions cannot read raises it. Format 1 had no table of
# features, format 2 none of paths, and format 3 none of networks with an output of order one and of
# losses; a file of theirs is given them when it is opened.
FORMAT = 4

# Seeds are text, since they may exceed 64 bits. Samples lie in one tree ordered by their key: there
# is no index that could disagree with its table after damage.
_FEATURES = """CREATE TABLE features (
    series INTEGER NOT NULL REFERENCES series (id),
    number INTEGER NOT NULL,
    singular_values BLOB NOT NULL,
    overlaps BLOB NOT NULL,
    test_error BLOB NOT NULL,
    training_error BLOB NOT NULL,
    made_with TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (series, number)
) WITHOUT ROWID"""
_PATHS = """CREATE TABLE paths (
    series INTEGER NOT NULL REFERENCES series (id),
    number INTEGER NOT NULL,
    singular_values BLOB NOT NULL,
    target_overlaps BLOB NOT NULL,
    batch_errors BLOB NOT NULL,
    test_error BLOB NOT NULL,
    label_squares BLOB NOT NULL,
    residual BLOB NOT NULL,
    made_with TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (series, number)
) WITHOUT ROWID"""
_PATHS_WITH_LOSSES = """CREATE TABLE paths_with_losses (
    series INTEGER NOT NULL REFERENCES series (id),
    number INTEGER NOT NULL,
    singular_values BLOB NOT NULL,
    target_overlaps BLOB NOT NULL,
    batch_errors BLOB NOT NULL,
    test_error BLOB NOT NULL,
    label_squares BLOB NOT NULL,
    residual BLOB NOT NULL,
    batch_loss BLOB NOT NULL,
    test_loss BLOB NOT NULL,
    batch_misclassified BLOB NOT NULL,
    test_misclassified BLOB NOT NULL,
    made_with TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (series, number)
) WITHOUT ROWID"""
_SAMPLES_WITH_OUTPUT = """CREATE TABLE samples_with_output (
    series INTEGER NOT NULL REFERENCES series (id),
    number INTEGER NOT NULL,
    singular_values BLOB NOT NULL,
    target_overlaps BLOB NOT NULL,
    residual BLOB NOT NULL,
    spectrum BLOB,
    initial_output_overlap BLOB NOT NULL,
    made_with TEXT NOT NULL,
    checksum BLOB NOT NULL,
    PRIMARY KEY (series, number)
) WITHOUT ROWID"""
# What was added, with the format in which it came.
_ADDED = ((2, _FEATURES), (3, _PATHS), (4, _PATHS_WITH_LOSSES), (4, _SAMPLES_WITH_OUTPUT))
_TABLES = (
    """CREATE TABLE problems (
        content_hash TEXT PRIMARY KEY NOT NULL,
        description TEXT NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        problem TEXT NOT NULL REFERENCES problems (content_hash),
        seed TEXT NOT NULL,
        recipe TEXT NOT NULL,
        UNIQUE (problem, seed, recipe)
    )""",
    *(table for _, table in _ADDED),
    """CREATE TABLE samples (
        series INTEGER NOT NULL REFERENCES series (id),
        number INTEGER NOT NULL,
        singular_values BLOB NOT NULL,
        target_overlaps BLOB NOT NULL,
        residual BLOB NOT NULL,
        spectrum BLOB,
        made_with TEXT NOT NULL,
        checksum BLOB NOT NULL,
        PRIMARY KEY (series, number)
    ) WITHOUT ROWID""",
)

# How long to wait for another campaign that writes to the same file.
_PATIENCE = 60.0

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = "the file is damaged; restore it from a copy, or give another path"
_NO_ROOM = (
    "nothing can be added; make room on the disk and go on, the samples that are already in it are "
    "kept"
)
_NO_ACCESS = "file and folder must both be writable"
# By the kinds of error.
_REMEDIES = {
    **dict.fromkeys((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), _DAMAGED),
    **dict.fromkeys((sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR), _NO_ROOM),
    **dict.fromkeys(
        (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM), _NO_ACCESS
    ),
    **dict.fromkeys(_BUSY, f"another program has kept it locked for {_PATIENCE:g} s"),
}


def in_memory() -> sqlite3.Connection:
    """An empty store that is gone when it is closed."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _create(connection)
    return connection


def open_file(path: Path) -> sqlite3.Connection:
    """Open a store, or make an empty one where there is no file.

    Nothing is written to a file before it is known to be a store of this format.

    Raises
    ------
    InvalidInputError
        When there is another file or a folder, a damaged store or one of a newer format, or when
        the place cannot be written.
    """
    _check_place(path)
    with reported(path):
        # Asked for first: a log only ever appears beside a file with contents.
        has_log = path.with_name(path.name + "-wal").exists()
        if path.exists() and path.stat().st_size > 0:
            _check_header(path)
        elif has_log:
            raise InvalidInputError(
                f"store {path}: the file has lost its contents, there is only its log "
                f"{path.name}-wal; restore it from a copy, or give another path"
            )
        connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        # Damaged text is for a checksum to find.
        connection.text_factory = lambda text: text.decode(errors="replace")
        try:
            _check_or_create(connection, path)
            _write_ahead(connection)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def reported(path: Path | None) -> Iterator[None]:
    """Say in one line what SQLite could not do, and what to do about it."""
    try:
        yield
    except UnicodeDecodeError as error:  # of a message of SQLite's that quotes what it cannot read
        raise InvalidInputError(f"store {path}: {_DAMAGED}") from error
    except (sqlite3.DatabaseError, OSError) as error:
        where = "in memory" if path is None else str(path)
        # The lower byte is the kind of error, the upper ones its details.
        kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if kind in _REMEDIES:
            said = f"{' '.join(str(error).split())}: {_REMEDIES[kind]}"
        elif isinstance(error, OSError):
            said = f"{error.strerror or error}; {_NO_ACCESS}"
        else:
            raise
        raise InvalidInputError(f"store {where}: {said}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of a block, or none of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk ends some transactions by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _check_place(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise InvalidInputError(
                f"store {path}: there is no folder {path.parent}; it must exist"
            ) from None
        return
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"store {path}: {error}; give the path of a file") from error
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise InvalidInputError(f"store {path}: is {kind}; give the path of a file")


def _check_header(path: Path) -> None:
    """See that the file is a store before SQLite may touch it.

    An immutable connection writes nothing, beside the file neither. (Plain reading and closing
    would drop the locks that another connection of this process has on the file.)
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        found = _pragma(connection, "application_id")
        version = _pragma(connection, "user_version")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_NOTADB:
            raise
        raise InvalidInputError(_foreign(path)) from error
    finally:
        connection.close()
    _check_identity(path, found, version)


def _check_identity(path: Path, application_id: int, version: int) -> None:
    if application_id != _APPLICATION_ID:
        raise InvalidInputError(_foreign(path))
    if version > FORMAT:
        raise InvalidInputError(
            f"store {path}: was written by a newer version, in format {version}; this version "
            f"knows formats up to {FORMAT}: update it, or give another path"
        )


def _foreign(path: Path) -> str:
    return f"store {path}: is no store of samples but another file; give another path"


def _check_or_create(connection: sqlite3.Connection, path: Path) -> None:
    # The first question also takes back what a process killed at its creation has left.
    if _pragma(connection, "page_count") == 0:
        # Still without a write-ahead log, so that the file is never there without its identity.
        with transaction(connection):
            # Another process may have been faster.
            if not _pragma(connection, "application_id"):
                _create(connection)
    _check_identity(
        path, _pragma(connection, "application_id"), _pragma(connection, "user_version")
    )
    problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem == "ok" and not _has_tables(connection):
        problem = "its tables are not those of a store"
    if problem != "ok":
        raise InvalidInputError(
            f"store {path}: the file is damaged ({' '.join(problem.split())}); restore it from a "
            "copy, or give another path"
        )
    if _pragma(connection, "user_version") < FORMAT:
        _bring_up_to_date(connection)


def _has_tables(connection: sqlite3.Connection) -> bool:
    """Whether they are those of the file's format, seen at one moment."""
    connection.execute("BEGIN")
    try:
        version = _pragma(connection, "user_version")
        later = [table for came, table in _ADDED if came > version]
        expected = [table for table in _TABLES if table not in later]
        made = connection.execute("SELECT sql FROM sqlite_schema WHERE sql NOT NULL")
        return sorted(sql for (sql,) in made) == sorted(expected)
    finally:
        connection.execute("COMMIT")


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        # Another process may have been faster.
        version = _pragma(connection, "user_version")
        if version < FORMAT:
            for came, table in _ADDED:
                if came > version:
                    connection.execute(table)
            connection.execute(f"PRAGMA user_version = {FORMAT}")


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    for table in _TABLES:
        connection.execute(table)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Log changes before they are made, and let no finished transaction be lost with the power."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            # For this statement SQLite does not wait by itself.
            if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("PRAGMA synchronous = FULL")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
