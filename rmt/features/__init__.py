"""What the hidden layer has learned: the features of a trained network on fresh inputs.

`stages` of a training give the weights' spikes; `mean_features` are the features on average given
an input's coordinates along these, `bulk` what is left beside the mean, `trained` both together.
`target` is what the mean sees of a polynomial of the target's directions, `polynomial` how these
are written, `sample_map` leads from the population to a sample. For users: `feature_matrix` (spikes
of the feature matrix) and `exponents` (how they grow with the width).
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
