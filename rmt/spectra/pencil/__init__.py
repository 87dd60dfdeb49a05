"""Gaussian linear pencils: blocks of random matrices with profiles, and their Dyson equation.

`pencil` says what it is made of, `self_energy` what its fields do; `newton` solves the equation at
one point and `continuation` at any, along a path; `solution` is what users see. From solutions:
`density` and `law`, which finds the `bands` by their `edges`.
"""
