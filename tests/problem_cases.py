"""A problem that tests vary."""

from __future__ import annotations

from typing import Any

from rmt import Problem, Step

BASE: dict[str, Any] = {
    "activation": "tanh(z + 7/10)",
    "target": "He3(z)/sqrt(6)",
    "width": 2000,
    "dim": 1000,
    "samples": 4000,
    "steps": [Step(4, 0.3), Step(4, 0.4)],
}


def made(**changes: Any) -> Problem:
    return Problem(**{**BASE, **changes})
