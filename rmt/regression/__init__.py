"""Ridge regression on the features of a network, before and after its training steps.

`errors` is the call and its result, `risk` the errors of given features as functions of the
effective ridge, `points` these at many numbers of samples and regularisations at once.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
