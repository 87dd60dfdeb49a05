"""Spikes to outliers and back, on any law.

`rectangular` adds spikes to a rectangular bulk, `additive` to a symmetric one, `population` to the
population of a covariance, `combined` two at once; `edge_pvalue` tells an outlier from the edge.
On the bulk of a pencil: `rmt.spectra.pencil_outliers`, by the one solver for spikes that are
coupled to a bulk in any way, `rmt.spectra.coupled_outliers`.
"""
