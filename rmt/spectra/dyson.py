"""The Dyson equation of a Gaussian linear pencil: resolvents, densities and forms of any bulk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from rmt.spectra.pencil.continuation import solve_flat
from rmt.spectra.pencil.density import PencilDensity, density
from rmt.spectra.pencil.pencil import GaussianField, IndexType, Pencil, Term
from rmt.spectra.pencil.solution import (
    BlockDiagonal,
    DysonSolution,
    package,
    raise_unless_solved,
)
from rmt.status import InvalidInputError

__all__ = [
    "BlockDiagonal",
    "DysonSolution",
    "GaussianField",
    "IndexType",
    "Pencil",
    "PencilDensity",
    "Term",
    "density",
    "solve",
]


def solve(
    pencil: Pencil,
    z: ArrayLike,
    *,
    rtol: float = 1e-12,
    initial: DysonSolution | None = None,
    throw: bool = True,
) -> DysonSolution:
    r"""The limiting block resolvent of a pencil.

    It solves

    .. math:: M_T(s) = \left(A_T(s; z) - \Sigma_T[M](s)\right)^{-1},

    where a field ``X`` between the types ``T`` and ``T'``, with entries of variance ``v / n_ref``,
    contributes to the entry ``(p, p')`` of ``Sigma_T[M](s)``

    .. math::
       v\, \frac{n_{T'}}{n_\mathrm{ref}}\, c_p(s)\, c_{p'}(s)
       \sum_{s'} \omega(s')\, e_q(s')\, M_{T'}(s')_{q q'}\, e_{q'}(s')

    over all pairs of its terms, and the transposed expression on ``T'``. The solution is the one
    with ``Im M >= 0`` for ``Im z > 0``.

    Parameters
    ----------
    pencil : Pencil
    z : array_like
        Complex or real. Real points are limits from above: the density in the bulk, the real
        branch outside it. Points below the axis are the conjugates of those above.
    rtol : float
        Bound on the relative residual: a point within it, on the right branch, has
        ``Status.CONVERGED``. It does not bound the error: the iteration goes on to rounding, and
        how far the answer may be from the exact one is in `DysonSolution.errors`.
    initial : DysonSolution, optional
        A solution of the same pencil at near points, of a shape that broadcasts with ``z``. It
        saves time, and cannot change the answer.
    throw : bool
        Whether a point that is not solved raises; otherwise see `DysonSolution.status`.

    Returns
    -------
    DysonSolution
        With the leading shape of ``z``.

    Raises
    ------
    ConvergenceError
        A point was not solved, for example ``z`` at an atom; ``best`` is the DysonSolution.
    InvalidInputError
        Not finite ``z``, a tolerance that is not positive, an ``initial`` of another pencil.

    Notes
    -----
    Helton, Rashidi Far & Speicher 2007 show that with ``A - i epsilon`` in the place of ``A`` there
    is exactly one solution with ``Im M > 0``. For large ``epsilon`` the equation is a contraction;
    from there Newton's method, on the few sums over nodes of which ``Sigma`` is made, follows the
    solution to ``epsilon = 0``. An answer is accepted when it is the start of a path of positive
    solutions: ``Im M >= 0``, or ``M`` real with ``dM/depsilon`` positive. (For a pencil that is a
    direct sum of unconnected pencils this is checked for the sum, not for each part.)
    Source: docs/theory.md, section 4.

    Examples
    --------
    >>> pencil = Pencil(
    ...     types=[IndexType("N", 2.0, ["r"]), IndexType("d", 1.0, ["u"])],
    ...     fields=[GaussianField(Term("r", "u"), reference="d")],
    ...     constant={("r", "r"): -1.0},
    ...     linear={("u", "u"): -1.0},
    ... )
    >>> outside = solve(pencil, 10.0)
    >>> float(outside.form("u").real)
    -0.12984379
    >>> float(outside.derivative().form("u").real)
    0.01764520
    """
    system = pencil.equation
    points = np.asarray(z, dtype=complex)
    if not np.isfinite(points).all():
        raise InvalidInputError("z must be finite")
    if not rtol > 0:
        raise InvalidInputError(f"rtol must be positive, got {rtol!r}")
    flat = points.ravel()
    start = None
    if initial is not None:
        if initial.pencil is not pencil:
            raise InvalidInputError("initial must be a solution of the same pencil")
        start = np.broadcast_to(initial.reduced, (*points.shape, system.count))
        start = start.reshape(-1, system.count)
    found = solve_flat(system, np.where(flat.imag < 0, flat.conj(), flat), rtol, start)
    solution = package(system, points, found)
    if throw:
        raise_unless_solved(solution.status, points, solution)
    return solution
