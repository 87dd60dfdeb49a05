"""Limiting spectral laws, and the map from spikes to outliers."""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
