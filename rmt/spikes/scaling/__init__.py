"""Level 0: exponents, counts and leading constants, symbolic in N (theory.md, section 2).

Numbers: `number` (a closed form of `monomials`, or `intervals`), `powers` of ``N`` and their
`number_fractions`. Moments: `activation_moments`, `label_moments` (where a reused batch is told
from a fresh one), `readout_moments` with the left vectors; `gram` has the right vectors. Then
`successive_spikes`, one off the other, `exponents` of the steps, the result `spikes_in_n` and the
call, `level`. `strengths` is the same at one width, `learned_region` the plane of exponents.
`more_steps` has the exponents after more than two steps, and the result `steps_in_n`.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
