"""Processes that tests start: always ended with their children, whatever the test does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A process inherits that Ctrl-C is ignored (in the background of a script, under some runners).
LISTENS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"


@contextmanager
def started(script: Path, **keywords) -> Iterator[subprocess.Popen]:
    """Run a file in a process group of its own, of which nothing is left at the end."""
    process = subprocess.Popen(
        [sys.executable, str(script)], stderr=subprocess.PIPE, start_new_session=True, **keywords
    )
    with process:  # closes the pipes and waits
        try:
            yield process
        finally:
            if group_exists(process.pid):
                os.killpg(process.pid, signal.SIGKILL)


def group_exists(number: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Callable[[], bool], patience: float = 60.0) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
