"""Where an expression is not smooth, and the smooth expressions in between.

`switches` lists what may change its branch; `roots` finds where it does, exactly or numerically;
`branches` says which expression holds next to a point; `kinks` puts these together to
`smooth_pieces`, without the kinks that are none. `ends` refines the ends of pieces to any digits,
`polynomial` tells piecewise polynomials, `domain` where a function is not real, `parity` proves
symmetries.
"""
