from rmt.features.exponents import (
    FeatureExponent as FeatureExponent,
    feature_exponents as feature_exponents,
)
from rmt.features.feature_matrix import (
    FeatureSpike as FeatureSpike,
    FeatureSpikes as FeatureSpikes,
    feature_spikes as feature_spikes,
)
from rmt.features.polynomial import LearnedFeature as LearnedFeature
