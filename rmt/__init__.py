"""Random-matrix theory of feature learning in two-layer networks of linear width."""

from rmt.lazy import load_on_demand

__version__ = "0.2.0"

load_on_demand(__name__)
