"""What a test module may have left behind: processes, threads, files."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.util import get_temp_dir
from pathlib import Path
from uuid import uuid4

import psutil

ROOT = Path(__file__).parent.parent
# In the environment of every process that is started from this one, and of those it starts.
MARK = "RMT_TESTS"
# Kept by multiprocessing until the process ends that has started them.
_KEPT_PROCESSES = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
# Threads that libraries start once and keep: bars of tqdm, dask with its event loop.
_KEPT_THREADS = ("TMonitor", "Dask-", "IO loop", "Profile", "asyncio_", "AsyncProcess")
# Folders that libraries make once in a process: PyTorch's compiler, with the first optimiser.
_KEPT_FOLDERS = ("torchinductor_",)
# Beside hidden ones: folders that other commands fill.
_OTHER_FOLDERS = {"__pycache__", "_build", "_generated", "_report", "gallery", "build", "dist"}


@contextmanager
def marked() -> Iterator[str]:
    """Mark what is started in the block; gives the mark."""
    own = f"{os.getpid()}-{uuid4().hex}"
    before = os.environ.get(MARK)
    os.environ[MARK] = own
    try:
        yield own
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before


def processes(mark: str) -> list[str]:
    """All that carry a mark and are still there, whoever is their parent now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid == os.getpid() or process.environ().get(MARK) != mark:
                continue
            line = " ".join(process.cmdline())
            kept = process.ppid() == os.getpid() and any(name in line for name in _KEPT_PROCESSES)
            if not kept:
                found.append(f"process {process.pid}: {line}")
    return found


def threads(before: set[threading.Thread]) -> list[str]:
    """Those that were not there before, but for what libraries keep."""
    return [
        f"thread {thread.name} ({type(thread).__name__})"
        for thread in threading.enumerate()
        if thread not in before
        and not f"{type(thread).__name__} {thread.name}".startswith(_KEPT_THREADS)
        and not thread.name.startswith(_KEPT_THREADS)
    ]


def files_of_the_checkout() -> set[str]:
    """All but hidden ones and those in folders that commands other than the tests fill."""
    found = set()
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if name[0] != "." and name not in _OTHER_FOLDERS]
        found.update(os.path.join(folder, name) for name in names if name[0] != ".")
    return found


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Where temporary files go, of this process and of those it starts."""
    get_temp_dir()  # that of multiprocessing is kept until the process ends
    before, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="rmt-", ignore_cleanup_errors=True) as name:
        tempfile.tempdir = os.environ["TMPDIR"] = name
        try:
            yield Path(name)
        finally:
            tempfile.tempdir = before
            if variable is None:
                del os.environ["TMPDIR"]
            else:
                os.environ["TMPDIR"] = variable


class Leftovers:
    """Asked after each module; what has been told once is not told again."""

    def __init__(self, mark: str, folder: Path) -> None:
        self.mark, self.folder = mark, folder
        self.known = self._files()

    def since(self, threads_before: set[threading.Thread], patience: float = 5.0) -> list[str]:
        """In words, what is still there after a while."""
        deadline = time.monotonic() + patience
        while True:
            passing = processes(self.mark) + threads(threads_before)
            if not passing or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        now = self._files()
        new, self.known = sorted(now - self.known), now
        return passing + [f"file {name}" for name in new]

    def _files(self) -> set[str]:
        temporary = (one for one in self.folder.iterdir() if not one.name.startswith(_KEPT_FOLDERS))
        return files_of_the_checkout() | {str(path) for path in temporary}
