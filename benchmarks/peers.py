"""Other packages, if they are there: in this environment, but scikit-rmt, which has its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Clock

SERVER = Path(__file__).with_name("scikit_rmt_server.py")


class PeerMissing(Exception):
    """A package is not there, or does not run; says why."""


def imported(module: str) -> Any:
    """A module of another package."""
    try:
        return import_module(module)
    except Exception as error:
        name = module.partition(".")[0]
        raise PeerMissing(f"skipped: {name}: {type(error).__name__}: {error}") from error


def jrmt() -> tuple[Any, Any]:
    """jax with double precision and one thread, and jrmt."""
    one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {one}".strip()
    jax = imported("jax")
    jax.config.update("jax_enable_x64", True)
    return jax, imported("jrmt")


def scikit_rmt_python(given: str | None) -> str | None:
    """The Python of scikit-rmt's environment: as given, or where ``make bench`` makes it."""
    beside = Path(sys.prefix) / "scikit-rmt" / "bin" / "python"
    return given or (str(beside) if beside.exists() else None)


class ScikitRmt(AbstractContextManager["ScikitRmt"]):
    """A process with scikit-rmt, which times itself."""

    def __init__(self, python: str | None) -> None:
        if python is None:
            raise PeerMissing(
                "skipped: no environment with scikit-rmt (it asks for numpy<=1.26.4 and "
                "scipy<=1.12.0, and Python below 3.13)"
            )
        threads = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
        outside = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [python, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env={**outside, **threads},
        )
        try:
            self.versions = self._answer()
        except PeerMissing:
            self._process.kill()
            raise

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def values(self, law: str, options: dict[str, Any], method: str, argument: Any) -> np.ndarray:
        """What a method of a law returns."""
        request = {"law": law, "options": options, "method": method, "count": 1, "values": True}
        return np.array(
            self._ask({**request, "input": _plain(argument), "key": "values"})["values"]
        )

    def clock(self, law: str, options: dict[str, Any], method: str, argument: Any) -> Clock:
        """A clock of a method, warmed up, with readings of some milliseconds."""
        request = {"law": law, "options": options, "method": method, "values": False}
        request |= {"key": f"{law} {method}", "count": 1}
        self._ask({**request, "input": _plain(argument)})
        once = self._ask(request)["seconds"]
        request["count"] = max(1, math.ceil(3e-3 / max(once, 1e-7)))
        return lambda: float(self._ask(request)["seconds"])

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            _, message = self._process.communicate()
            last = (message.strip().splitlines() or ["no message"])[-1]
            raise PeerMissing(f"skipped: scikit-rmt: {last}")
        return dict(json.loads(line))


def _plain(argument: Any) -> Any:
    return argument.tolist() if isinstance(argument, np.ndarray) else argument
