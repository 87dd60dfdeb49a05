from rmt.problem.effective import (
    EffectiveLabels as EffectiveLabels,
    effective_labels as effective_labels,
)
from rmt.problem.labels import (
    Bernoulli as Bernoulli,
    Channel as Channel,
    Poisson as Poisson,
    SignOf as SignOf,
)
from rmt.problem.losses import Loss as Loss
from rmt.problem.problem import (
    Batch as Batch,
    FunctionLike as FunctionLike,
    Init as Init,
    Problem as Problem,
    ReadoutLaw as ReadoutLaw,
    Step as Step,
)
