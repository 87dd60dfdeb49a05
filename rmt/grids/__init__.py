"""Results on grids of parameters: arrays in, arrays out.

`grid` reads the axes, `driver` computes what is asked at every point, by whatever means, and keeps
failures to their points. A sweep asks for predictions (`points`), learning curves for ridge errors;
a phase diagram is a view of a sweep over the two exponents of the steps.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
