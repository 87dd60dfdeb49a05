"""What the numbers depend on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

import rmt
from validation.simulation.threads import available_cores

PACKAGES = ("numpy", "scipy", "sympy", "mpmath", "freealg", "rmtool", "jrmt", "jax")


def facts() -> dict[str, Any]:
    """Machine, versions, BLAS, date; the load shows whether anybody else was at work."""
    import scipy.linalg  # noqa: F401  (has a BLAS of its own)

    return {
        "processor": _processor(),
        "cores": available_cores(),
        "memory": _memory(),
        "system": f"{platform.system()} on {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "blas": sorted(
            {
                f"{info['internal_api']} {info.get('version') or ''}, kernel "
                f"{info.get('architecture', 'unknown')}"
                for info in threadpool_info()
                if info["user_api"] == "blas"
            }
        ),
        "threads": "1, where a row does not say otherwise",
        "rmt": rmt.__version__,
        "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "load_before": load(),
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _commit() -> str:
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10"],
            cwd=Path(__file__).parent,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def load() -> float | None:
    """Processes that want to run, over the last minute."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
