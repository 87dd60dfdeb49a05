"""Hermite coefficients of a function of several variables by quadrature along its kinks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rmt.arrays import Array
from rmt.budget import check_time
from rmt.functions.scalar_function import ScalarFunction
from rmt.hermite.kink_planes import KinkPlanes, kink_planes
from rmt.hermite.tensor_tables import Index
from rmt.moments.hermite_values import orthonormal_hermite
from rmt.moments.rules import negligible_beyond
from rmt.status import ConvergenceError, Status

__all__ = ["quadrature_coefficients"]


_MAX_NODES = 6_000_000
_REFINEMENT = 1.5


def quadrature_coefficients(
    function: ScalarFunction, indices: Sequence[Index]
) -> tuple[Array, Array]:
    """Orthonormal coefficients ``E[f(z) prod_i He_{alpha_i}(z_i)] / sqrt(alpha!)``, and errors.

    The error is the change at the last refinement, and not less than rounding; where kinks are
    curved, and so cut through panels, four times that.

    Parameters
    ----------
    function : ScalarFunction
        Of two or three variables.
    indices : sequence of multi-indices

    Returns
    -------
    values, errors : array, shape (len(indices),)

    Raises
    ------
    ConvergenceError
        A coefficient is not finite, or the integrals are out of reach of double precision.
    """
    if not indices:
        return np.zeros(0), np.zeros(0)
    m = function.n_variables
    half_width = _half_width(function, max(map(sum, indices)))
    if not math.isfinite(half_width):
        raise ConvergenceError(
            f"the Hermite coefficients of {function.short} are integrals that diverge, or that "
            "double precision cannot reach",
            Status.NOT_FINITE,
        )
    planes = kink_planes(function)
    caution = 4.0 if planes.is_incomplete else 1.0
    resolution = {2: 3.0}.get(m, 1.75)
    previous: Array | None = None
    while True:
        values, scale, n_nodes = _weighted_sums(function, indices, planes, resolution, half_width)
        if not np.all(np.isfinite(values)):
            raise ConvergenceError(
                f"a Hermite coefficient of {function.short} is not finite", Status.NOT_FINITE
            )
        if previous is not None:
            errors = caution * np.abs(values - previous) + 1e-14 * scale
            if np.all(errors <= 2e-14 * scale) or n_nodes * _REFINEMENT**m > _MAX_NODES:
                return values, errors
        previous = values
        resolution *= _REFINEMENT


def _half_width(function: ScalarFunction, degree: int) -> float:
    """Where ``|f(z)| |z|^degree`` times the Gaussian density is negligible."""

    def root(*z: Array) -> Array:
        square = np.asarray(sum(x**2 for x in z))
        return np.asarray(np.sqrt(np.abs(function(*z))) * (1.0 + square) ** (degree / 4.0))

    return negligible_beyond(root, function.n_variables)


def _weighted_sums(
    function: ScalarFunction,
    indices: Sequence[Index],
    planes: KinkPlanes,
    resolution: float,
    half_width: float,
) -> tuple[Array, float, int]:
    """The coefficients by one rule, ``sqrt(E f^2)``, and the number of nodes."""
    total, square, n_nodes = np.zeros(len(indices)), 0.0, 0
    highest = max(map(max, indices))
    # By chunks: all coefficients at all nodes would not fit in memory.
    for rule in planes.rules(resolution, half_width):
        check_time()
        z, weights = rule.nodes, rule.weights
        values = np.asarray(function(*z), dtype=float) + np.zeros(weights.size)
        tables = [orthonormal_hermite(x, highest + 1) for x in z]
        rows = np.stack(
            [
                np.multiply.reduce([t[a] for t, a in zip(tables, alpha, strict=True)], axis=0)
                for alpha in indices
            ]
        )
        total += rows @ (weights * values)
        square += float(weights @ values**2)
        n_nodes += weights.size
    return total, math.sqrt(square), n_nodes
