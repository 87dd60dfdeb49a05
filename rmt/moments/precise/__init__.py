"""Moments in any number of digits, each shown by two rules that share neither nodes nor cut-off.

`plan` says how to integrate a function (precision, cut-off by `reach`, pieces), `nodes` has the
double exponential changes of variable, `sums` adds up in fixed point. Rule A is the `trapezoid`
rule on those nodes; rule B are Gauss-Legendre `panels`. `coefficients` has the Hermite
coefficients, `products` the moments of products of several functions.
"""
