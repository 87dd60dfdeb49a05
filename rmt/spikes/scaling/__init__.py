"""Level 0: exponents, counts and leading constants, symbolic in N (theory.md, section 2)."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.spikes.scaling.learned_region import LearnedRegion, learned_region
    from rmt.spikes.scaling.level import scaling
    from rmt.spikes.scaling.spikes_in_n import Scaling, ScalingSpike

__all__ = ["LearnedRegion", "Scaling", "ScalingSpike", "learned_region", "scaling"]

load_on_demand(
    __name__,
    {
        "rmt.spikes.scaling.learned_region": "LearnedRegion learned_region",
        "rmt.spikes.scaling.level": "scaling",
        "rmt.spikes.scaling.spikes_in_n": "Scaling ScalingSpike",
    },
)
