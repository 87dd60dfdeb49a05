"""The gap between theory and simulation against the width."""

from validation.gaps.result import FiniteSize, GapCurve

__all__ = ["FiniteSize", "GapCurve"]
