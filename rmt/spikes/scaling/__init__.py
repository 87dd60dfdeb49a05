"""Level 0: exponents, counts and leading constants, symbolic in N (theory.md, section 2)."""

from rmt.spikes.scaling.learned_region import LearnedRegion, learned_region
from rmt.spikes.scaling.level import scaling
from rmt.spikes.scaling.result import Scaling, ScalingSpike

__all__ = ["LearnedRegion", "Scaling", "ScalingSpike", "learned_region", "scaling"]
