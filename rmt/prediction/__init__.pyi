from rmt.prediction.path import (
    PathPoint as PathPoint,
    TrainingPath as TrainingPath,
)
from rmt.prediction.prediction import (
    Method as Method,
    Prediction as Prediction,
    Spike as Spike,
    SpikeError as SpikeError,
)
