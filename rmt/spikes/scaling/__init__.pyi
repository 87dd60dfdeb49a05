from rmt.spikes.scaling.learned_region import (
    LearnedRegion as LearnedRegion,
    learned_region as learned_region,
)
from rmt.spikes.scaling.level import scaling as scaling
from rmt.spikes.scaling.spikes_in_n import (
    Scaling as Scaling,
    ScalingSpike as ScalingSpike,
)
from rmt.spikes.scaling.steps_in_n import (
    StepsDirection as StepsDirection,
    StepsScaling as StepsScaling,
    StepsSpike as StepsSpike,
)
