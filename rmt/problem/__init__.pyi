from rmt.problem.problem import (
    Batch as Batch,
    Init as Init,
    Problem as Problem,
    ReadoutLaw as ReadoutLaw,
    Step as Step,
)
