"""Where the `PencilLaw` was in version 0.1: import from `rmt.spectra` instead."""

from typing import Any

from rmt.lazy import moved


def __getattr__(name: str) -> Any:
    return moved(__name__, name, "rmt.spectra")
