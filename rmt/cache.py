"""Predictions kept between processes, in a folder, by what they depend on.

Off unless asked for. What is kept is looked up by a hash of the problem's content, the level, what
else was asked for, and the code of the theory: a change of any of them is another entry.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rmt.display import Part, Shown, Table, cut, shortened
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "VARIABLE",
    "Cache",
    "active",
    "cache",
    "entry",
    "opened",
    "remembered",
    "remembered_all",
]

T = TypeVar("T")
P = TypeVar("P")

VARIABLE = "RMT_CACHE"
_FILE = "rmt-predictions-1.sqlite"  # with the format of its table
_TABLE = """CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    code TEXT NOT NULL,
    made REAL NOT NULL,
    result BLOB NOT NULL
) WITHOUT ROWID"""
_PATIENCE = 60.0  # seconds that another process may write
_AT_ONCE = 500  # keys of a query: SQLite limits them

_chosen: ContextVar[Path | None] = ContextVar("_chosen")


class Cache(Shown):
    """Results kept in a folder; made by `rmt.cache`. Printing: a table of them.

    Attributes
    ----------
    folder : pathlib.Path

    Notes
    -----
    One SQLite file. Each look-up and each write opens it, is one transaction, and closes it again,
    with the rollback journal: nothing is held between two of them, so that processes that are
    killed, forked, or share the folder over a network leave it whole.

    A file that is damaged is moved aside and begun again, with a warning; a file that cannot be
    read or written (no room, no permission, locked for a minute) is passed over, with a warning: a
    prediction does not fail for its cache.

    Examples
    --------
    >>> import tempfile
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> with tempfile.TemporaryDirectory() as folder, rmt.cache(folder) as kept:
    ...     first, again = rmt.predict(problem), rmt.predict(problem)
    ...     [row["kind"] for row in kept.rows()]
    ['prediction']
    >>> first.spikes == again.spikes
    True
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Cache({str(self.folder)!r})"

    @property
    def _path(self) -> Path:
        return self.folder / _FILE

    def rows(self) -> list[dict[str, Any]]:
        """One row for each result, the newest first.

        Columns: ``kind``, what it is ``about``, ``current`` (whether it is of the code of this
        version; others are not used), ``bytes``, and ``made``, seconds since 1970.
        """
        query = "SELECT kind, about, code, length(result), made FROM results ORDER BY made DESC"
        nothing: list[tuple[Any, ...]] = []
        found = self._tried(lambda connection: connection.execute(query).fetchall(), nothing)
        return [
            {
                "kind": kind,
                "about": about,
                "current": code == _code(),
                "bytes": size,
                "made": made,
            }
            for kind, about, code, size, made in found
        ]

    def to_dict(self) -> dict[str, Any]:
        """The folder and `rows`, ready for JSON."""
        return {"folder": str(self.folder), "results": self.rows()}

    def clear(self) -> int:
        """Remove all results; returns how many there were."""

        def cleared(connection: sqlite3.Connection) -> int:
            count = connection.execute("DELETE FROM results").rowcount
            connection.execute("VACUUM")
            return int(count)

        return self._tried(cleared, 0)

    def get(self, keys: Sequence[str]) -> dict[str, Any]:
        """The results that are there, by their keys."""
        import zlib

        nothing: list[tuple[str, bytes]] = []

        def looked_up(connection: sqlite3.Connection) -> list[tuple[str, bytes]]:
            rows = nothing.copy()
            for start in range(0, len(keys), _AT_ONCE):
                some = keys[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                query = f"SELECT key, result FROM results WHERE key IN ({marks})"
                rows += connection.execute(query, some).fetchall()
            return rows

        from rmt.json_form import read

        found: dict[str, Any] = {}
        for key, result in self._tried(looked_up, nothing):
            try:
                found[key] = read(json.loads(zlib.decompress(result)))
            except (zlib.error, TypeError, ValueError) as error:
                _warn(f"{self._path}: one result is damaged, and is computed again ({error})")
        return found

    def put(self, results: Sequence[tuple[tuple[str, str, str], Any]]) -> None:
        """Keep results, each with what `entry` has made of it."""
        import zlib

        from rmt.json_form import written

        made = time.time()
        rows = [
            (key, kind, about, _code(), made, zlib.compress(written(result).encode(), 1))
            for (key, kind, about), result in results
        ]
        insert = "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)"

        def kept(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(insert, rows)
            connection.execute("COMMIT")

        if rows:
            self._tried(kept, None, writes=True)

    def _tried(
        self, action: Callable[[sqlite3.Connection], T], otherwise: T, *, writes: bool = False
    ) -> T:
        """What an action gives, on a new file if this one is damaged, or else what is given."""
        import sqlite3

        for _ in range(2):
            before = _identity(self._path)
            if before is None and not writes:  # reading makes no file
                return otherwise
            try:
                connection = sqlite3.connect(self._path, timeout=_PATIENCE, isolation_level=None)
                try:
                    connection.execute(_TABLE)
                    return action(connection)
                finally:
                    connection.close()  # an unfinished transaction is taken back
            except sqlite3.DatabaseError as error:
                kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if kind not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    _warn(f"{self._path} is passed over: {error}")
                    return otherwise
                self._moved_aside(before, error)
        return otherwise

    def _moved_aside(self, before: object, error: Exception) -> None:
        """Give a damaged file another name, unless another process has been faster."""
        aside = self._path.with_name(f"{_FILE}.damaged-{time.time_ns()}")
        if before is None or _identity(self._path) != before:
            return
        try:
            os.replace(self._path, aside)
            journal = self._path.with_name(f"{_FILE}-journal")
            if journal.exists():  # of the damaged file: it must not be played back into the next
                os.replace(journal, aside.with_name(f"{aside.name}-journal"))
        except OSError as failed:
            _warn(f"{self._path} is damaged ({error}), and cannot be moved: {failed}")
        else:
            _warn(
                f"{self._path} is damaged ({error}): it is now {aside.name}, and its results are "
                "computed again"
            )

    def _parts(self) -> list[Part]:
        rows = self.rows()
        size = sum(row["bytes"] for row in rows) / 1e6
        head = f"{self.folder}: {len(rows)} result{'' if len(rows) == 1 else 's'}, {size:.2f} MB"
        if not rows:
            return [head]
        cells = [
            [
                row["kind"],
                cut(row["about"], 90),
                f"{row['bytes'] / 1e3:.1f}",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(row["made"])),
                "" if row["current"] else "of another version",
            ]
            for row in rows
        ]
        return [head, Table("llrll", ["kind", "about", "kB", "made", ""], shortened(cells))]


@contextmanager
def cache(folder: str | os.PathLike[str] | None) -> Iterator[Cache | None]:
    """Keep predictions in a folder, and use those that are there, within a ``with`` block.

    `rmt.predict`, `rmt.training_path` and the points of `rmt.sweep` and `rmt.phase_diagram`, also
    in the processes of an executor. Only what has converged is kept. Without a block the
    environment variable ``RMT_CACHE`` names the folder; without either nothing is kept.

    A result is used again for the same problem (`Problem.content_hash`), level, forms, bulk and
    tolerance, and the same code of this package; it is the same to the last bit, as `to_json` and
    `from_json` of a prediction are. ``rmt cache list`` shows what is there, ``rmt cache clear``
    removes it.

    Parameters
    ----------
    folder : path or None
        Made where there is none. None: nothing is kept within the block, whatever ``RMT_CACHE``
        says.

    Returns
    -------
    Cache or None
        To look at what is there; as the block's variable.

    Raises
    ------
    InvalidInputError
        When the folder is none, and cannot be made.

    Examples
    --------
    >>> import tempfile
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> with tempfile.TemporaryDirectory() as folder, rmt.cache(folder) as kept:
    ...     found = rmt.sweep(problem, {"alpha_1": [0.2, 0.3]})
    ...     wider = rmt.sweep(problem, {"alpha_1": [0.2, 0.3, 0.4]})  # one point is computed
    ...     len(kept.rows())
    3
    """
    token = _chosen.set(None if folder is None else _checked(folder))
    try:
        yield active()
    finally:
        _chosen.reset(token)


def active() -> Cache | None:
    """The cache of the block that this runs in, or of the environment."""
    try:
        folder = _chosen.get()
    except LookupError:
        named = os.environ.get(VARIABLE)
        if not named:
            return None
        folder = _checked(named)
    return None if folder is None else Cache(folder)


def remembered(kind: str, problem: Any, compute: Callable[[], T], **asked: Any) -> T:
    """What is computed of a problem, or what the cache has of it.

    Parameters
    ----------
    kind : str
        What is computed.
    problem : Problem
    compute : callable
        Its result has a `status`; what has not converged is not kept.
    asked
        All that the result depends on beside the problem: numbers, words and None.
    """
    return remembered_all(kind, [problem], lambda _: [compute()], **asked)[0]


def remembered_all(
    kind: str,
    problems: Sequence[P],
    compute: Callable[[Sequence[P]], Sequence[T]],
    **asked: Any,
) -> list[T]:
    """The same of several problems: those that the cache has not are computed together."""
    kept = active()
    if kept is None:
        return list(compute(problems))
    entries = [entry(kind, problem, **asked) for problem in problems]
    found = kept.get(list(dict.fromkeys(key for key, _, _ in entries)))
    missing = [i for i, (key, _, _) in enumerate(entries) if key not in found]
    made = compute([problems[i] for i in missing]) if missing else []
    results: dict[int, Any] = dict(zip(missing, made, strict=True))
    kept.put([(entries[i], one) for i, one in results.items() if one.status.ok])
    return [results[i] if i in results else found[entries[i][0]] for i in range(len(problems))]


def opened(folder: str | None) -> Cache:
    """The cache of a folder that is there, or of the environment.

    Raises
    ------
    InvalidInputError
        When neither is named, or the folder is not there.
    """
    named = folder or os.environ.get(VARIABLE)
    if not named:
        raise InvalidInputError(f"no cache is named: set {VARIABLE}, or give --folder FOLDER")
    if not Path(named).is_dir():
        raise InvalidInputError(f"cache {named}: there is no such folder")
    return Cache(Path(named))


def entry(kind: str, problem: Any, **asked: Any) -> tuple[str, str, str]:
    """Key, kind and description of a result, by all that it depends on.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> entry("prediction", problem, method="resummed", rtol=1e-4)[1:]
    ('prediction', 'resummed, 0.0001: erf(z), z, N = 400, d = 400, n = 800, eta = 3 N^0.3')
    """
    parts = [kind, problem.content_hash, sorted(asked.items()), _code()]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    steps = ", ".join(f"{step.scale:g} N^{step.exponent:g}" for step in problem.steps)
    samples = " + ".join(str(n) for n in dict.fromkeys(problem.samples))
    level = ", ".join(str(one) for one in asked.values() if one)
    about = (
        f"{level}: {problem.activation.text}, {problem.label_text}, N = {problem.width}, "
        f"d = {problem.dim}, n = {samples}, eta = {steps}"
    )
    return key, kind, about


@lru_cache(maxsize=1)
def _code() -> str:
    """A digest of the code of this package, and of the version of its theory."""
    from rmt.json_form import FORMAT, THEORY

    root = Path(__file__).parent
    digest = hashlib.sha256(f"{FORMAT} {THEORY}".encode())
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(("cli/", "plotting/")):
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _checked(folder: str | os.PathLike[str]) -> Path:
    try:
        path = Path(folder).absolute()
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, TypeError, ValueError) as error:
        raise InvalidInputError(f"cache {folder!r}: {error}; give the path of a folder") from error
    return path


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _warn(text: str) -> None:
    warnings.warn(f"cache {text}", RuntimeWarning, stacklevel=2)
