"""Spikes to outliers and back, on any law.

`rectangular` adds spikes to a rectangular bulk, `additive` to a symmetric one, `population` to the
population of a covariance, `combined` two at once; `edge_pvalue` tells an outlier from the edge.
Of pencils: `couplings` is the solver, for spikes that are coupled to the bulk in any way.
"""
