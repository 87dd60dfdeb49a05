"""Settings shared by all tests. Markers are declared in pyproject.toml."""

import os

from hypothesis import settings

# Before anything imports numpy, here and in the workers that inherit this environment: tests run in
# parallel processes, and more BLAS threads than cores would only slow them down.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

os.environ.setdefault("MPLBACKEND", "Agg")

# Timings on shared machines are no failure. In CI the same examples run every time, so that a
# failure belongs to the change under test; at a desk new examples are tried on each run.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure(config):
    """Warnings are errors in CI, but for the exceptions in pyproject.toml: later filters win."""
    if os.environ.get("CI"):
        config.getini("filterwarnings").insert(0, "error")
