"""Limiting spectral laws, and the map from spikes to outliers.

Laws of closed or scalar equations are in ``laws``, sums, products and corners of free matrices in
``free``; the Dyson equation of pencils is in ``pencil``,
for users ``dyson``. What spikes become, positions and overlaps: ``outliers`` on a given law
(``outliers.rectangular`` on Marchenko-Pastur), ``pencil_outliers`` on the bulk of a pencil, by
``coupled_outliers``, for spikes that are coupled to a bulk in any way.
"""

from rmt.lazy import load_on_demand

load_on_demand(__name__)
