"""Pictures of results: ``draw(result)``, whatever the result is (extra ``plot``).

One file for each kind of result, `style` for what they share. The methods `plot` of results call
`rmt.display.draw`, which loads this package: of all that stands below, nothing else may. A picture
of a new result is a function here, and a line in ``_PICTURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rmt.grids import PhaseDiagram, RidgeSweep, Sweep
from rmt.hermite import HermiteExpansion
from rmt.plotting.expansions import draw_expansion
from rmt.plotting.laws import draw_law
from rmt.plotting.paths import draw_path
from rmt.plotting.predictions import draw_prediction
from rmt.plotting.regression import draw_ridge, draw_ridge_sweep
from rmt.plotting.sweeps import draw_phase_diagram, draw_sweep
from rmt.prediction import Prediction, TrainingPath
from rmt.regression import RidgeErrors
from rmt.spectra import SpectralLaw, TracyWidom

__all__ = ["draw"]

_PICTURES: dict[type, Callable[..., Any]] = {
    HermiteExpansion: draw_expansion,
    PhaseDiagram: draw_phase_diagram,
    Prediction: draw_prediction,
    RidgeErrors: draw_ridge,
    RidgeSweep: draw_ridge_sweep,
    SpectralLaw: draw_law,
    Sweep: draw_sweep,
    TracyWidom: draw_law,
    TrainingPath: draw_path,
}


def draw(result: Any, axes: Any = None, **options: Any) -> Any:
    """Draw a result, on these axes or on a figure of its own.

    Returns
    -------
    Axes or Figure
        What the method ``plot`` of the result says.
    """
    picture = next(_PICTURES[kind] for kind in type(result).__mro__ if kind in _PICTURES)
    return picture(result, *(() if axes is None else (axes,)), **options)
