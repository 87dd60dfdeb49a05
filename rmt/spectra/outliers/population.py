"""Spikes of the population covariance: where sample eigenvalues go, and back (Baik-Silverstein)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array, Bools
from rmt.display import InNotebooks, Part, columns_of
from rmt.spectra.laws.marchenko_pastur import MarchenkoPastur
from rmt.spectra.laws.silverstein import GeneralisedMarchenkoPastur
from rmt.status import InvalidInputError

__all__ = ["PopulationSpikes", "population_spike_of", "population_spikes"]


@dataclass(frozen=True, slots=True)
class PopulationSpikes(InNotebooks):
    """Sample eigenvalues of population spikes, one per spike.

    Attributes
    ----------
    spike : array
        Population eigenvalues ``l``.
    eigenvalue : array
        The limit of the sample eigenvalue; nan when it is not separated from the bulk.
    overlap : array
        Squared overlap of sample and population eigenvector; 0 when not separated.
    std : array
        ``sqrt(n)`` times the standard deviation of the eigenvalue, for real Gaussian data.
    is_outlier : array of bool

    Examples
    --------
    >>> from rmt import MarchenkoPastur
    >>> from rmt.spectra import population_spikes
    >>> found = population_spikes([4.0, 1.5], MarchenkoPastur(0.5))
    >>> found.is_outlier.tolist(), found.std.round(4).tolist()
    ([True, False], [5.4975, nan])
    """

    spike: Array
    eigenvalue: Array
    overlap: Array
    std: Array
    is_outlier: Bools

    def _parts(self) -> list[Part]:
        return [columns_of(self, ["spike", "eigenvalue", "overlap", "std"])]


def population_spikes(
    spike: ArrayLike, law: GeneralisedMarchenkoPastur | MarchenkoPastur
) -> PopulationSpikes:
    """Sample eigenvalues for a few population eigenvalues beside the bulk ``H``.

    With ``psi(l) = l (1 + c int t / (l - t) dH(t))``, a spike ``l`` outside the support of ``H``
    makes the sample eigenvalue ``psi(l)`` where ``psi'(l) > 0``; the squared overlap of the
    eigenvectors is ``l psi'(l) / psi(l)`` and ``n^{1/2}`` times the standard deviation of the
    eigenvalue ``l sqrt(2 psi'(l))`` (real Gaussian data).

    Parameters
    ----------
    spike : array_like
        ``l > 0``, not an atom of the population.
    law : GeneralisedMarchenkoPastur or MarchenkoPastur
        Of the sample eigenvalues of the bulk.

    Returns
    -------
    PopulationSpikes
        One sample eigenvalue for each spike, in arrays of the shape of the spikes.

    Raises
    ------
    InvalidInputError
        Spikes that are not finite and positive, or are eigenvalues of the bulk population itself.

    Notes
    -----
    Baik & Silverstein 2006, Bai & Yao 2008, Benaych-Georges & Nadakuditi 2011; docs/spectra.md,
    spikes and outliers.

    Examples
    --------
    >>> found = population_spikes([4.0, 1.5], MarchenkoPastur(0.5))
    >>> found.eigenvalue.round(12).tolist(), found.overlap.round(12).tolist()
    ([4.666666666667, nan], [0.809523809524, 0.0])
    """
    values = np.asarray(spike)
    if values.dtype.kind not in "fiu" or not np.all(np.isfinite(values) & (values > 0)):
        raise InvalidInputError(f"spike must be finite and positive, got {spike!r}")
    ell = values.astype(float)
    t, w, c = _atoms(law)
    apart = ell[..., None] - t
    if np.any(apart == 0):
        raise InvalidInputError("spike: a value is an eigenvalue of the bulk population itself")
    psi = ell * (1.0 + c * (w * t / apart).sum(axis=-1))
    slope = 1.0 - c * (w * (t / apart) ** 2).sum(axis=-1)
    above = slope > 0
    overlap = np.where(above, ell * slope / np.where(above, psi, 1.0), 0.0)
    return PopulationSpikes(
        ell,
        np.where(above, psi, np.nan),
        overlap,
        np.where(above, ell * np.sqrt(2.0 * np.maximum(slope, 0.0)), np.nan),
        above,
    )


def population_spike_of(
    eigenvalue: ArrayLike, law: GeneralisedMarchenkoPastur | MarchenkoPastur
) -> Array:
    """The population spike behind an observed sample eigenvalue: ``l = -1 / v(x)``.

    The inverse of `population_spikes`; ``v`` is the companion Stieltjes transform of the law.

    Parameters
    ----------
    eigenvalue : array_like
        ``x``, outside the support of the law.
    law : GeneralisedMarchenkoPastur or MarchenkoPastur
        Of the sample eigenvalues of the bulk.

    Returns
    -------
    array
        ``l``, of the shape of the eigenvalues.

    Raises
    ------
    InvalidInputError
        An eigenvalue inside of the support, or one that is not finite.

    Notes
    -----
    Baik & Silverstein 2006; Silverstein & Choi 1995 for ``v`` outside the support. docs/spectra.md,
    spikes and outliers.

    Examples
    --------
    >>> round(float(population_spike_of(14 / 3, MarchenkoPastur(0.5))), 12)
    4.0
    """
    return np.asarray(-1.0 / law.companion_stieltjes(eigenvalue).real)


def _atoms(law: GeneralisedMarchenkoPastur | MarchenkoPastur) -> tuple[Array, Array, float]:
    if isinstance(law, MarchenkoPastur):
        return np.array([law.variance]), np.array([1.0]), law.ratio
    return law.population.values, law.population.weights, law.ratio
