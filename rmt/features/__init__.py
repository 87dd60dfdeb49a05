"""What the hidden layer has learned: the features of a trained network on fresh inputs."""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
