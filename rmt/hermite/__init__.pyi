from rmt.hermite.decay import CoefficientDecay as CoefficientDecay
from rmt.hermite.expansion import (
    HermiteExpansion as HermiteExpansion,
    hermite_expansion as hermite_expansion,
)
from rmt.hermite.exponents.exponent import (
    Exponent as Exponent,
    VanishingOrder as VanishingOrder,
    ZeroProof as ZeroProof,
)
from rmt.hermite.exponents.generative import generative_exponent as generative_exponent
from rmt.hermite.exponents.staircase import (
    Staircase as Staircase,
    StaircaseStep as StaircaseStep,
    staircase as staircase,
)
from rmt.hermite.exponents.target_exponents import (
    information_exponent as information_exponent,
    reuse_exponent as reuse_exponent,
)
from rmt.hermite.general_term import general_term as general_term
from rmt.hermite.tensor import (
    TensorHermiteExpansion as TensorHermiteExpansion,
    tensor_hermite_expansion as tensor_hermite_expansion,
)
