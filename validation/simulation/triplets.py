"""The largest singular values of a matrix and their vectors, by Lanczos bidiagonalisation."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import integer
from rmt.arrays import Array
from rmt.blas import one_blas_thread
from rmt.evaluation.array_program import to_numpy
from rmt.status import InvalidInputError
from validation.simulation.devices import namespace_of

__all__ = ["Triplets", "finite_matrix", "leading_triplets"]

# A floating array of NumPy or of another library of the Python array API standard.
DeviceArray: TypeAlias = Any

# Lanczos steps before the first look at the result. A run that only checks an earlier one ends
# here, so this many steps must separate a missed outlier from the bulk.
_FIRST_CHECK = 16
# Below this size the dense decomposition is the faster one.
_DENSE_SIZE = 160
_START_SEED = 20_260_517


class Triplets(NamedTuple):
    """Leading singular triplets ``W v_i = s_i u_i`` in decreasing order of ``s_i``."""

    left: DeviceArray
    """Left vectors in columns, (N, k)."""
    values: Array
    """Singular values, (k,)."""
    right: DeviceArray
    """Right vectors in columns, (d, k)."""
    residual: float
    """Largest ``|W^T u_i - s_i v_i| / s_0``."""


def leading_triplets(weights: ArrayLike, count: int, *, tolerance: float = 1e-7) -> Triplets:
    """The largest singular triplets by Lanczos bidiagonalisation.

    From a fixed random vector the Krylov spaces of ``W^T W`` and ``W W^T`` grow by a vector at a
    time, both bases kept orthonormal in full. With ``B = U^T W V``, ``W V = U B`` holds exactly,
    and ``W^T u - s v`` for a singular triplet of ``B`` lies along the next vector, so the residual
    costs nothing to check. One vector sees only one direction of a (nearly) multiple singular
    value; therefore a second run starts from the triplets found and another random vector, and
    so on until a run finds nothing new.

    Parameters
    ----------
    weights : array (N, d)
        Real and finite; float32 stays float32.
    count : int
        Number of triplets, at most ``min(N, d)``.
    tolerance : float
        Bound on ``|W^T u - s v| / s_0``; never below 64 units of rounding. Singular values are
        right to its square over the relative gap.

    Returns
    -------
    Triplets

    Raises
    ------
    InvalidInputError
        For weights that are not a finite real matrix, or a count out of range.

    Notes
    -----
    Deterministic; the BLAS runs on one thread meanwhile. Small matrices, matrices whose range the
    bases exhaust, and cases that have not converged with a third of the space in the basis go to
    the dense decomposition, so an answer always comes. Source: Golub and Van Loan,
    Matrix Computations (4th ed.), section 10.4.

    Examples
    --------
    >>> import numpy as np
    >>> w = np.random.default_rng(0).standard_normal((400, 300))
    >>> w[:, 0] += 5
    >>> found = leading_triplets(w, 3)
    >>> bool(np.allclose(found.values, np.linalg.svd(w, compute_uv=False)[:3], rtol=1e-12))
    True
    """
    matrix = finite_matrix(weights)
    k = integer("count", count, 1, min(matrix.shape))
    eps = float(namespace_of(matrix).finfo(matrix.dtype).eps)
    tolerance = max(float(tolerance), 64 * eps)
    if min(matrix.shape) < _DENSE_SIZE or 12 * k > min(matrix.shape):
        with one_blas_thread():
            return _dense_triplets(matrix, k)
    rng = np.random.default_rng(_START_SEED)
    # A product with one vector is short and bound by memory: handing it to several threads gains
    # little on an idle machine and loses much on a busy one.
    with one_blas_thread():
        found = _lanczos(matrix, k, tolerance, rng, None)
        while found is not None:
            again = _lanczos(matrix, k, tolerance, rng, found)
            if again is not None and np.all(again.values <= found.values * (1 + tolerance)):
                return found
            found = again
        return _dense_triplets(matrix, k)


def _lanczos(
    matrix: DeviceArray, k: int, tolerance: float, rng: np.random.Generator, known: Triplets | None
) -> Triplets | None:
    """One run of `leading_triplets`, its bases starting from triplets already known.

    The bases are rows of arrays on the matrix's device; the small projected matrix is NumPy's.
    None when the dense decomposition has to step in.
    """
    xp = namespace_of(matrix)

    def on_device(array: Array) -> DeviceArray:
        return xp.asarray(array, dtype=matrix.dtype, device=matrix.device)

    limit = min(matrix.shape) // 3
    negligible = 64 * float(xp.finfo(matrix.dtype).eps)
    capacity = min(limit, 128)
    left, right = (
        xp.zeros((capacity, length), dtype=matrix.dtype, device=matrix.device)
        for length in matrix.shape
    )
    projected = np.zeros((capacity, capacity))
    size, scale = 0, 0.0
    if known is not None:
        size, scale = k, float(known.values[0])
        left[:k, :] = on_device(np.ascontiguousarray(known.left.T))
        right[:k, :] = on_device(np.ascontiguousarray(known.right.T))
        projected[range(k), range(k)] = known.values

    vector, _ = _remainder(on_device(rng.standard_normal(matrix.shape[1])), right[:size, :])
    vector = vector / xp.linalg.vector_norm(vector)
    next_check = size + _FIRST_CHECK
    while size < limit:
        if size == capacity:
            capacity = min(limit, 2 * capacity)
            left, right = (_grown(xp, basis, capacity) for basis in (left, right))
            projected = np.pad(projected, (0, capacity - size))
        right[size, :] = vector
        image, coefficients = _remainder(matrix @ vector, left[:size, :])
        length = float(xp.linalg.vector_norm(image))
        scale = max(scale, length)
        if length <= negligible * scale:
            return None
        left[size, :] = image / length
        projected[:size, size], projected[size, size] = to_numpy(coefficients), length
        size += 1

        vector, _ = _remainder(matrix.T @ left[size - 1, :], right[:size, :])
        link = float(xp.linalg.vector_norm(vector))
        if link <= negligible * scale:
            return None
        vector = vector / link
        if size >= next_check:
            u, s, vt = np.linalg.svd(projected[:size, :size])
            residual = link * float(np.abs(u[size - 1, :k]).max()) / float(s[0])
            if residual <= tolerance:
                return Triplets(
                    to_numpy(on_device(u[:, :k].T) @ left[:size, :]).T,
                    s[:k],
                    to_numpy(on_device(vt[:k]) @ right[:size, :]).T,
                    max(residual, negligible, known.residual if known else 0.0),
                )
            # The decomposition of the projected matrix grows as its cube: look rarely.
            next_check = size + max(8, size // 4)
    return None


def _dense_triplets(matrix: DeviceArray, k: int) -> Triplets:
    xp = namespace_of(matrix)
    u, s, vt = (to_numpy(part) for part in xp.linalg.svd(matrix, full_matrices=False))
    residual = np.finfo(s.dtype).eps * np.sqrt(max(matrix.shape))
    return Triplets(u[:, :k], s[:k].astype(np.float64), vt[:k].T, float(residual))


def _remainder(vector: DeviceArray, basis: DeviceArray) -> tuple[DeviceArray, DeviceArray]:
    """A vector minus its projection on the orthonormal rows of a basis, and the coefficients.

    Twice, since once loses orthogonality to cancellation.
    """
    coefficients = basis @ vector
    vector = vector - coefficients @ basis
    correction = basis @ vector
    vector = vector - correction @ basis
    return vector, coefficients + correction


def _grown(xp: Any, basis: DeviceArray, capacity: int) -> DeviceArray:
    larger = xp.zeros((capacity, basis.shape[1]), dtype=basis.dtype, device=basis.device)
    larger[: basis.shape[0], :] = basis
    return larger


def finite_matrix(weights: Any) -> DeviceArray:
    """The weights as a finite real matrix, in the library and on the device that they came in."""
    xp = namespace_of(weights)
    try:
        matrix = np.asarray(weights) if xp is np else weights
    except ValueError as error:
        raise InvalidInputError(f"weights must be a matrix of numbers: {error}") from error
    if xp is np and matrix.dtype.kind in "iu":
        matrix = matrix.astype(np.float64)
    size = int(np.prod(matrix.shape))
    if matrix.ndim != 2 or matrix.dtype not in (xp.float32, xp.float64) or not size:
        raise InvalidInputError(
            "weights must be a non-empty real matrix in float64 or float32, got "
            f"shape {tuple(matrix.shape)} of {matrix.dtype}"
        )
    if not bool(xp.all(xp.isfinite(matrix))):
        raise InvalidInputError("weights must be finite, got infinite or undefined entries")
    return matrix
