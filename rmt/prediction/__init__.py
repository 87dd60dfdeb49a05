"""What comes out: the spikes of the weights after the last step, and the path that led there.

`prediction` has `Prediction` and its `Spike`; `path` has the same after every step, `TrainingPath`.
They are made by `rmt.predict`.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
