"""Closed forms: Hermite moments of sums of ``polynomial exp(A z^2 + B z) (wave) (erf ..)``.

`gaussian_class` recognises such functions piece by piece, `kernel_integral` integrates each kernel
once, in the real functions of `real_special`, and `closed_form` climbs from there to all orders.
"""
