"""Is an eigenvalue above the bulk an outlier, or the edge's own fluctuation?"""

from __future__ import annotations

from typing import Literal

from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.spectra.laws.law import SpectralLaw
from rmt.spectra.laws.tracy_widom import TracyWidom
from rmt.spectra.outliers.rectangular import real_numbers

__all__ = ["edge_pvalue"]


def edge_pvalue(
    eigenvalue: ArrayLike, law: SpectralLaw, size: int, beta: Literal[1, 2] = 1
) -> Array:
    """Probability that the largest eigenvalue without any outlier is at least this large.

    ``P(T > (x - b) / scale)`` with the upper edge ``b``, the law's `edge_scale` and ``T`` of the
    Tracy-Widom law: exact for large matrices, good from a size of about 50.

    Parameters
    ----------
    eigenvalue : array_like
        ``x``; for a singular value give its square and the law of eigenvalues.
    law : SpectralLaw
        With a square-root edge, as all laws here have.
    size : int
        Dimension of the matrix whose eigenvalues the law describes.
    beta : {1, 2}
        1 for real, 2 for complex matrices.

    Returns
    -------
    array
        Of the shape of the eigenvalues, between 0 and 1.

    Raises
    ------
    InvalidInputError
        A ``beta`` that is neither 1 nor 2, a size that is no positive whole number, an eigenvalue
        that is not real.

    Notes
    -----
    Tracy & Widom 1994, 1996; that the law holds at every square-root edge of a sample covariance
    matrix: El Karoui 2007 (arXiv:math/0503109). docs/spectra.md, spikes and outliers.

    Examples
    --------
    >>> from rmt.spectra import MarchenkoPastur
    >>> law = MarchenkoPastur(0.5)
    >>> edge_pvalue([law.upper_edge, 1.05 * law.upper_edge], law, size=400).round(3).tolist()
    [0.168, 0.0]
    """
    x = real_numbers("eigenvalue", eigenvalue)
    return TracyWidom(beta).sf((x - law.edges[-1][1]) / law.edge_scale(size))
