"""Integrals of functions against the normal law, by a ladder: exact, double, precise.

``E[f He_k]``, ``E[f g]``, ``E[f(m + s Z)]``. `exact` knows closed forms; `hermite_quadrature` has
double precision, `precise` any number of digits, each with an error that two rules agree on;
`ladder` climbs them. `smoothing` takes ``E[f(m + s Z)]`` on grids, `quadrant` the normal law of two
variables. `rules` has the nodes in double precision, `hermite_values` and `recurrence` the
polynomials; `integrability` says whether there is an integral at all, `singular_ends` how a
function ends at its kinks and poles, `symmetry` what is even or odd but for a line, `spacing` how
closely it must be sampled. `projection` removes one component.
"""
