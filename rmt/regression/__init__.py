"""Ridge regression on the features of a network, before and after its training steps."""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
