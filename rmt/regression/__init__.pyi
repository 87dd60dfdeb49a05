from rmt.regression.errors import (
    RidgeErrors as RidgeErrors,
    ridge as ridge,
)
