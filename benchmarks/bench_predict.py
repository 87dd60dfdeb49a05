"""`rmt.predict` against a plain quadrature of the same equations.

The baseline is what one writes first: tensor Gauss-Hermite rules over ``(z, omega)`` and
``(Z, xi)``, another over the readout, and everything evaluated at every node. Errors are the
largest relative ones of the outliers' strengths, against a solve at ``rtol = 1e-9``. Predictions
are warm: texts are parsed and quadrature rules cached, results not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

import rmt
from benchmarks.common import Effort, Row, clock, race, row
from rmt.spikes.resummed import resummed_strengths

TITLE = "A prediction against plain Gauss-Hermite quadrature of its equations"

Array = NDArray[np.float64]

CASES = {
    "tanh": ("tanh(z + 7/10)", "sin(2*z)", 2000, [(4, 0.3), (4, 0.4)]),
    "erf": ("erf(z + 1/2)", "tanh(z)", 2000, [(2, 0.3), (3, 0.4)]),
    "gelu": ("gelu(z)", "tanh(z) + cos(2*z)/2", 2000, [(2, 0.3), (3, 0.35)]),
    "relu": ("relu(z)", "sin(2*z)", 2000, [(4, 0.3), (4, 0.4)]),
    "information exponent 3": (
        "tanh(z + 7/10)",
        "remove_hermite(3*tanh(2*z), 1)",
        2000,
        [(4, 0.3), (4, 0.4)],
    ),
    "two indices": ("tanh(z + 7/10)", "z1 + z1*z2", 3000, [(2, 0.35), (2, 0.4)]),
}


def rows(effort: Effort) -> Iterator[Row]:
    """One or two for each problem and batch."""
    for name, (activation, target, samples, steps) in effort.few(CASES.items()):
        for batch in effort.few(("independent", "reused")):
            problem = rmt.Problem(activation, target, 1000, 1000, samples, steps, batch=batch)
            exact = resummed_strengths(problem, 1e-9).strengths
            outliers = exact[exact > 1.0]
            other = clock(lambda problem=problem: plain(problem))
            other_error = np.abs(plain(problem)[: outliers.size] / outliers - 1).max()
            # A reused batch takes longest, and is also asked for a tolerance like the baseline's.
            for rtol in (1e-6, 1e-3) if batch == "reused" else (1e-6,):
                found = rmt.predict(problem, rtol=rtol)
                error = max(
                    abs(spike.strength / theta - 1)
                    for spike, theta in zip(found.spikes, outliers, strict=False)
                )
                ours = clock(lambda problem=problem, rtol=rtol: rmt.predict(problem, rtol=rtol))
                yield row(
                    f"predict, rtol = {rtol:g}, {name}, {batch}",
                    "tensor Gauss-Hermite rules",
                    race(ours, other, effort),
                    error=error,
                    other_error=other_error,
                )


def gauss_hermite(order: int) -> tuple[Array, Array]:
    x, w = np.polynomial.hermite_e.hermegauss(order)
    return x, w / w.sum()


def plain(problem: rmt.Problem, n_z: int = 20, n_inner: int = 24, n_g: int = 20) -> Array:
    """Strengths by tensor Gauss-Hermite quadrature of theory.md, section 3, single process."""
    sigma, f, r = problem.activation, problem.target, problem.n_directions
    reused = problem.batch == "reused"
    eta1, eta2 = problem.learning_rates
    phi1, phi2 = problem.sample_ratios
    Z, wZ = gauss_hermite(n_inner)
    xi, w_xi = gauss_hermite(10)
    slope = sigma.derivative(Z)
    mu1, mu2 = wZ @ slope, wZ @ (slope * Z)
    variance = wZ @ slope**2 - mu1**2
    x, wx = gauss_hermite(n_z)
    omega, wo = gauss_hermite(12)
    grids = np.meshgrid(*([x] * r), omega, indexing="ij")
    weights = wx
    for w in [*([wx] * (r - 1)), wo]:
        weights = np.multiply.outer(weights, w)
    keep = weights.ravel() > 1e-12
    weights = weights.ravel()[keep]
    *z, om = (grid.ravel()[keep] for grid in grids)
    y = f(*z)
    b = np.array([weights @ (zi * y) for zi in z])
    Ey, Ey2 = weights @ y, weights @ y**2
    B = b @ b + phi1 * Ey2
    tau = math.sqrt(phi1 * Ey2 * variance)
    zeta = b @ np.array(z) + math.sqrt(phi1 * Ey2) * om
    g, w = gauss_hermite(n_g)
    phi_t, h = np.empty((g.size, y.size)), np.zeros(y.size)
    for q, t in enumerate(eta1 * g / math.sqrt(problem.width)):
        linear = mu1 * zeta[:, None, None] + (tau * xi)[:, None] + mu2 * Ey * Z
        kick = phi1 * y[:, None, None] * slope if reused else 0.0
        value, derivative = sigma.value_and_derivative(Z + t * (kick + linear))
        h += w[q] * g[q] * (value @ wZ @ w_xi)
        phi_t[q] = derivative @ wZ @ w_xi
    psi = (y - h) * phi_t
    gamma = np.block([[np.eye(r), b[:, None]], [b[None, :], np.array([[B]])]])
    first = np.stack([psi @ (weights * v) for v in (*z, zeta)], axis=1)
    E_y_psi = psi @ (weights * y)
    m = np.linalg.solve(gamma, first.T).T
    beta1_v = first[:, -1] + phi1 * E_y_psi * reused
    v_v = (phi1 if reused else phi2) * (psi * weights) @ psi.T + m @ first.T
    if reused:
        v_v += phi1 * (np.outer(m[:, -1], E_y_psi) + np.outer(E_y_psi, m[:, -1]))
    kernel = (eta1 * mu1) ** 2 * B + eta2**2 * v_v
    kernel += eta1 * eta2 * mu1 * (beta1_v[:, None] + beta1_v)
    scaled = np.sqrt(w) * g
    values = np.linalg.eigvalsh(scaled[:, None] * kernel * scaled)
    return np.asarray(np.sqrt(np.maximum(values[::-1], 0.0)))
