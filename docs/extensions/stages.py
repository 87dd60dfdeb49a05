"""What a build is doing, a line for each stage with its seconds, also where Sphinx is quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

_began: dict[str, float] = {}


def say(text: str) -> None:
    """A line on standard error."""
    print(f"docs: {text}", file=sys.stderr, flush=True)


def begin(what: str, note: str = "") -> None:
    """A long stage begins; it is said at once."""
    _began[what] = time.perf_counter()
    say(f"{what}{note and f' ({note})'} ...")


def end(what: str) -> None:
    """It ends; a second call says nothing."""
    if what in _began:
        say(f"{what}: {time.perf_counter() - _began.pop(what):.1f} s")


@contextmanager
def stage(what: str) -> Iterator[None]:
    """A short one, which is said when it is over."""
    start = time.perf_counter()
    yield
    say(f"{what}: {time.perf_counter() - start:.1f} s")


def reading(app: Sphinx, env: BuildEnvironment, names: list[str]) -> None:
    """The sources that have changed are about to be read."""
    begin("reading", f"{len(names)} of {len(env.found_docs)} pages")


def setup(app: Sphinx) -> dict[str, Any]:
    """The stages of Sphinx itself; the other extensions say theirs."""
    app.connect("env-before-read-docs", reading, priority=900)
    app.connect("env-updated", lambda app, env: end("reading"), priority=1)
    app.connect("write-started", lambda app, builder: begin("writing"))
    app.connect("build-finished", lambda app, exception: end("writing"), priority=1)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
