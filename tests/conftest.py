"""Settings shared by all tests. Markers are declared in pyproject.toml."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import leftovers
import pytest
from hypothesis import settings

# Before anything imports numpy, here and in the workers that inherit this environment: tests run in
# parallel processes, and more BLAS threads than cores would only slow them down.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["COLUMNS"] = "80"  # to which help is set, however wide the terminal

# Timings on shared machines are no failure. In CI the same examples run every time, so that a
# failure belongs to the change under test; at a desk new examples are tried on each run.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests have an hour, not the minutes of pyproject.toml."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(3600))


@pytest.fixture(scope="session")
def what_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[leftovers.Leftovers]:
    tmp_path_factory.getbasetemp()  # where it would be without this
    with leftovers.marked() as mark, leftovers.temporary_folder() as folder:
        yield leftovers.Leftovers(mark, folder)


@pytest.fixture(scope="module", autouse=True)
def nothing_is_left_behind(what_is_left: leftovers.Leftovers) -> Iterator[None]:
    """After each module, when its own fixtures are gone."""
    before = set(threading.enumerate())
    yield
    found = what_is_left.since(before)
    assert not found, "tests of this module leave behind:\n" + "\n".join(found)


@pytest.fixture(autouse=True)
def figures_are_closed() -> Iterator[None]:
    """Pyplot keeps every figure until it is closed, and warns of many."""
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


def pytest_configure(config):
    """Warnings are errors in CI, but for the exceptions in pyproject.toml: later filters win."""
    if os.environ.get("CI"):
        config.getini("filterwarnings").insert(0, "error")
