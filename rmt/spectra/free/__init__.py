"""Free convolutions: the spectra of sums, products and corners of matrices in general position.

`transforms`: what a law gives to the equations, above the axis and on its gaps; `operations`: the
equations of subordination, one class for each operation; `gaps`: where the density is zero, from
the gaps of the laws; `convolution`: the laws that come out, for users.
"""
