from rmt.grids.phase_diagram import (
    PhaseDiagram as PhaseDiagram,
    phase_diagram as phase_diagram,
)
from rmt.grids.ridge_curves import (
    RidgeSweep as RidgeSweep,
    sweep_ridge as sweep_ridge,
)
from rmt.grids.sweep import (
    Sweep as Sweep,
    SweepError as SweepError,
    sweep as sweep,
)
