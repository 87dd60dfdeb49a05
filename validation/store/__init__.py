"""Samples on disk: what is kept of each, the file that keeps them, and what reads them out."""

from validation.store.store import SampleStore

__all__ = ["SampleStore"]
