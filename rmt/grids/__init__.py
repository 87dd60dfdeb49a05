"""Results on grids of parameters: arrays in, arrays out.

`grid` reads the axes, `driver` computes what is asked at every point, by whatever means, and keeps
failures to their points. A sweep asks for predictions (`points`), learning curves for ridge errors;
a phase diagram is a view of a sweep over the two exponents of the steps.
"""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.grids.phase_diagram import PhaseDiagram, phase_diagram
    from rmt.grids.ridge_curves import RidgeSweep, sweep_ridge
    from rmt.grids.sweep import Sweep, SweepError, sweep

__all__ = [
    "PhaseDiagram",
    "RidgeSweep",
    "Sweep",
    "SweepError",
    "phase_diagram",
    "sweep",
    "sweep_ridge",
]

load_on_demand(
    __name__,
    {
        "rmt.grids.phase_diagram": "PhaseDiagram phase_diagram",
        "rmt.grids.ridge_curves": "RidgeSweep sweep_ridge",
        "rmt.grids.sweep": "Sweep SweepError sweep",
    },
)
