"""What a user might write, for mypy --strict; run by ``release_check.py`` outside of the checkout.

Lines that end in a comment ``wrong: CODE`` are mistakes that the types of rmt must find.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import rmt
import validation
from rmt.spectra import SpikeEstimate, estimate_spikes

problem = rmt.Problem("relu(z)", "z", width=100, dim=80, samples=200, steps=[rmt.Step(2, 0.3)])
prediction: rmt.Prediction = rmt.predict(problem, "resummed", rtol=1e-3)


def positions(found: rmt.Prediction) -> list[float]:
    return [spike.singular_value for spike in found.outliers]


def densest(law: rmt.SpectralLaw) -> npt.NDArray[np.float64]:
    return law.pdf(np.linspace(0.1, 1.0, 5))


curve: rmt.Sweep = rmt.sweep(problem, {"alpha_1": np.linspace(0.1, 0.4, 4)})
count: int = int(curve.n_outliers.max())
estimate: SpikeEstimate = estimate_spikes([3.0], rmt.MarchenkoPastur(1.25))
samples: validation.Samples = validation.run_samples(problem, 4)
text: str = validation.compare(prediction, samples).to_json()
page: rmt.Explorer = rmt.explore(problem, {"width": [100, 200]})

rmt.predict("relu(z)")  # wrong: arg-type
rmt.predict(problem, "resumed")  # wrong: arg-type
rmt.Problem("relu(z)", "z", widht=100, dim=80, samples=200, steps=[])  # wrong: call-arg
outliers = prediction.outlier  # wrong: attr-defined
number: int = prediction.spikes[0].strength  # wrong: assignment
rmt.prediction_of(problem)  # wrong: attr-defined
