"""Predictions held against samples: what is tested, when it agrees, and the result."""

from validation.comparison.result import Comparison

__all__ = ["Comparison"]
