"""What the hidden layer has learned: the features of a trained network on fresh inputs."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.features.exponents import FeatureExponent, feature_exponents
    from rmt.features.feature_matrix import FeatureSpike, FeatureSpikes, feature_spikes
    from rmt.features.polynomial import LearnedFeature

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
        "rmt.features.feature_matrix": "FeatureSpike FeatureSpikes feature_spikes",
    },
)
