"""Hermite expansions, and the exponents that they decide."""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
