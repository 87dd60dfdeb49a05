"""Limiting spectral laws as distributions: density, distribution function, edges, atoms, Stieltjes.

`law` is what they have in common and `derived` the law of singular values made from it; `panels`
integrates between square-root edges. Marchenko-Pastur in closed form, its generalisations by
Silverstein's equation on any `population`, the conjugate kernel through that, and Tracy-Widom.
"""
