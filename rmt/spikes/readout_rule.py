"""Quadrature rules for the law of the readout coefficients ``g_i``.

What is integrated over ``g`` varies fast near ``g = 0`` (a step moves a neuron by an amount
proportional to ``g``, and large labels saturate it at once) and slowly in the tails. So the rules
are Gauss rules of the law of ``v = asinh(g / scale)``: exact for polynomials in ``v`` instead of in
``g``.
"""

from __future__ import annotations

import math

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.caching import cached
from rmt.moments.rules import gauss_legendre

__all__ = ["gauss_rule_of_discrete_law", "interpolation", "law_of_readout", "readout_rule"]


_TAIL = 1e-16  # E[g^2; |g| > 8.5] ~ 1e-15
_FINE_NODES = 240  # of a half-line, before compression


def readout_rule(
    readout: str | Array, order: int, scale: float, split_at_zero: bool, tail: float = _TAIL
) -> tuple[Array, Array]:
    """Nodes ``g_q`` and weights ``w_q`` with ``E[F(g)] ~ sum_q w_q F(g_q)``.

    Parameters
    ----------
    readout : {"gaussian", "rademacher", "uniform"} or array of shape (N,)
        The law of ``g``; a vector stands for the law with weight ``1/N`` on each of its values.
    order : int
        Number of nodes. A law with fewer different values is returned as it is.
    scale : float
        The ``|g|`` around which the integrand turns from fast to slow variation.
    split_at_zero : bool
        Use ``order // 2`` nodes on each side of ``g = 0``: for integrands with a kink there.
    tail : float
        The Gaussian density, relative to its largest value, below which it is cut off.

    Examples
    --------
    >>> g, w = readout_rule("gaussian", 24, 1.0, False)
    >>> bool(abs(w @ g**6 - 15) < 1e-9)
    True
    >>> g, w = readout_rule("gaussian", 24, 1.0, True)  # E|g|^3 = 2 sqrt(2/pi)
    >>> bool(abs(w @ abs(g) ** 3 - 2 * math.sqrt(2 / math.pi)) < 1e-9)
    True
    """
    if isinstance(readout, str):
        return _named_rule(readout, order, scale, split_at_zero, tail)
    return _compressed(*law_of_readout(readout), order, scale, split_at_zero)


def law_of_readout(
    readout: str | Array, scale: float = 1.0, tail: float = _TAIL
) -> tuple[Array, Array]:
    """The law of ``g`` itself, on many nodes or on the values of a vector, in ascending order."""
    if not isinstance(readout, str):
        values, counts = np.unique(readout, return_counts=True)
        return values, counts / readout.size
    if readout == "rademacher":
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    x, w = gauss_legendre(_FINE_NODES)
    end = math.sqrt(3.0) if readout == "uniform" else math.sqrt(-2.0 * math.log(tail))
    v = math.asinh(end / scale) * (x + 1.0) / 2.0
    g = scale * np.sinh(v)
    density = w * np.cosh(v)
    if readout == "gaussian":
        density = density * np.exp(-(g**2) / 2.0)
    weights = np.concatenate([density[::-1], density])
    return np.concatenate([-g[::-1], g]), weights / weights.sum()


@cached(128)
def _named_rule(
    law: str, order: int, scale: float, split_at_zero: bool, tail: float
) -> tuple[Array, Array]:
    return _compressed(*law_of_readout(law, scale, tail), order, scale, split_at_zero)


def _compressed(
    values: Array, weights: Array, order: int, scale: float, split_at_zero: bool
) -> tuple[Array, Array]:
    if values.size <= order:
        return values, weights
    v = np.arcsinh(values / scale)
    if not split_at_zero:
        v, w = gauss_rule_of_discrete_law(v, weights, order)
        return scale * np.sinh(v), w
    nodes, node_weights = [], []
    for side in (values < 0, values >= 0):
        mass = weights[side].sum()
        if mass > 0:
            v_side, w = gauss_rule_of_discrete_law(v[side], weights[side] / mass, order // 2)
            nodes.append(scale * np.sinh(v_side))
            node_weights.append(mass * w)
    return np.concatenate(nodes), np.concatenate(node_weights)


def gauss_rule_of_discrete_law(values: Array, weights: Array, order: int) -> tuple[Array, Array]:
    """Gauss rule of ``sum_i weights_i delta_{values_i}`` by the Lanczos process.

    Full reorthogonalisation keeps the recurrence coefficients accurate; the eigenvalues and first
    eigenvector components of the Jacobi matrix are nodes and weights (Golub & Welsch).
    """
    order = max(1, min(order, values.size))
    basis = np.zeros((order, values.size))
    basis[0] = np.sqrt(weights)
    diagonal, off_diagonal = np.zeros(order), np.zeros(order - 1)
    for k in range(order):
        vector = values * basis[k]
        diagonal[k] = basis[k] @ vector
        if k + 1 == order:
            break
        for _ in range(2):
            vector -= basis[: k + 1].T @ (basis[: k + 1] @ vector)
        off_diagonal[k] = np.linalg.norm(vector)
        basis[k + 1] = vector / off_diagonal[k]
    jacobi = np.diag(diagonal) + np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1)
    nodes, vectors = np.linalg.eigh(jacobi)
    return nodes, vectors[0] ** 2


def interpolation(v: Array, new: Array, split_at_zero: bool) -> Array:
    """The matrix from values of a polynomial at nodes ``v`` to those at ``new`` ones.

    With ``split_at_zero`` there is one polynomial on each side of zero.
    """
    matrix = np.zeros((new.size, v.size))
    sides = [(v < 0, new < 0), (v >= 0, new >= 0)] if split_at_zero else [(v == v, new == new)]
    for old_side, new_side in sides:
        if new_side.any():
            cardinals = np.eye(int(old_side.sum()))
            series = scipy.interpolate.BarycentricInterpolator(v[old_side], cardinals)
            matrix[np.ix_(new_side, old_side)] = series(new[new_side])
    return matrix
