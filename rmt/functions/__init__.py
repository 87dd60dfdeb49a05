"""Scalar functions of Gaussian variables, and what users write and read of them.

`scalar_function` holds the one class, `ScalarFunction`: its identity (a canonical text), its call,
and its structure. It does little itself: the text is read and written in `rmt.expressions`, values
and derivatives are computed in `rmt.evaluation`, kinks and parity are found in `rmt.pieces`. What
needs integrals against the normal law is on the floor above, `rmt.moments`; of that, reading a text
alone may ask for one thing, `remove_hermite`, which `ScalarFunction` passes to the reader.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
