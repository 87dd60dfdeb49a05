"""Samples on disk: what is kept of each, the file that keeps them, and what reads them out."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from validation.store.store import SampleStore

__all__ = ["SampleStore"]

load_on_demand(
    __name__,
    {
        "validation.store.store": "SampleStore",
    },
)
