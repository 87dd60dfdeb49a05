"""What the hidden layer has learned: the features of a trained network on fresh inputs."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.features.exponents import FeatureExponent, feature_exponents
    from rmt.features.polynomial import LearnedFeature
    from rmt.features.spikes import FeatureSpike, FeatureSpikes, feature_spikes

__all__ = [
    "FeatureExponent",
    "FeatureSpike",
    "FeatureSpikes",
    "LearnedFeature",
    "feature_exponents",
    "feature_spikes",
]

load_on_demand(
    __name__,
    {
        "rmt.features.exponents": "FeatureExponent feature_exponents",
        "rmt.features.polynomial": "LearnedFeature",
        "rmt.features.spikes": "FeatureSpike FeatureSpikes feature_spikes",
    },
)
