"""Results on grids of parameters: arrays in, arrays out.

`grid` reads the axes, `points` solves points in groups that share work, `sweep` is the driver and
`sweep_result` what comes out. A phase diagram is a sweep over the two exponents of the steps,
learning curves are sweeps of ridge errors.
"""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.grids.phase_diagram import PhaseDiagram, phase_diagram
    from rmt.grids.ridge_curves import RidgeSweep, sweep_ridge
    from rmt.grids.sweep import sweep
    from rmt.grids.sweep_result import Sweep, SweepError

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
        "rmt.grids.sweep": "sweep",
        "rmt.grids.sweep_result": "Sweep SweepError",
    },
)
