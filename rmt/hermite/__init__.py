"""Hermite expansions, and the exponents that they decide.

In one variable: ``expansion``, shown by ``expansion_text``; ``general_term`` has all orders at
once, ``decay`` how fast they fall off. In two or three: ``tensor``, by terms and factors
(``tensor_terms``, ``rewriting``, ``directions``) or by quadrature (``tensor_quadrature``, whose
rules end at the ``kink_planes``), in ``tensor_tables``. On top of both, the exponents of targets
(``exponents``).
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
