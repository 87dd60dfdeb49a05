"""Pencils of which the law is known otherwise, or which are as general as they get."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray

from rmt.spectra.dyson import (
    GaussianField,
    IndexType,
    Pencil,
    Term,
)

Array = NDArray[np.float64]


def marchenko_pastur(gamma: float) -> Pencil:
    """``W^T W``, ``W`` of shape ``N x d`` with entries of variance ``1/d``."""
    return Pencil(
        types=[IndexType("N", gamma, ["r"]), IndexType("d", 1.0, ["u"])],
        fields=[GaussianField(Term("r", "u"), reference="d")],
        constant={("r", "r"): -1.0},
        linear={("u", "u"): -1.0},
    )


def silverstein(population: Any, weights: Any, ratio: float) -> Pencil:
    """``T^{1/2} Z^T Z T^{1/2}``, ``Z`` of shape ``n x p`` with entries of variance ``1/n``."""
    return Pencil(
        types=[IndexType("n", 1.0, ["r"]), IndexType("p", ratio, ["u"], population, weights)],
        fields=[GaussianField(Term("r", "u", 1.0, np.sqrt), reference="n")],
        constant={("r", "r"): -1.0},
        linear={("u", "u"): -1.0},
    )


def conjugate_kernel(n: float, d: float, width: float, linear: float, rest: float) -> Pencil:
    """``F F^T / N``, ``F = linear X W^T + rest Z``: ``q = X^T u / sqrt(N)`` is a slot."""
    return Pencil(
        types=[IndexType("N", width, ["r"]), IndexType("d", d, ["q", "l"]), IndexType("n", n, "u")],
        fields=[
            GaussianField(Term("r", "q", linear), reference="d"),
            GaussianField(Term("u", "l", -1.0), reference="N"),
            GaussianField(Term("r", "u", rest), reference="N"),
        ],
        constant={("r", "r"): -1.0, ("q", "l"): 1.0},
        linear={("u", "u"): -1.0},
    )


A_NODES, B_NODES = np.array([-1.0, 0.5, 2.0]), np.array([-0.7, 0.3, 0.9, 1.5])


def sandwich(profile: bool = False) -> Pencil:
    """``F^T F``, ``F = W + A W B`` with diagonal ``A``, ``B``."""
    variance = (1.0 + np.outer(A_NODES, B_NODES)) ** 2
    terms = [Term("r", "u"), Term("r", "u", lambda a: a, lambda b: b)]
    field = GaussianField(Term("r", "u"), "d", variance) if profile else GaussianField(terms, "d")
    return Pencil(
        types=[IndexType("N", 1.2, ["r"], A_NODES), IndexType("d", 1.0, ["u"], B_NODES)],
        fields=[field],
        constant={("r", "r"): -1.0},
        linear={("u", "u"): -1.0},
    )


G_NODES, Y_NODES = np.array([-1.5, -0.5, 0.5, 1.5]), np.array([-2.0, -0.4, 0.7, 1.7])
V_PROFILE = 0.2 + 0.3 * np.cos(np.add.outer(G_NODES, Y_NODES)) ** 2


def two_layers(width: float, dim: float, samples: float) -> Pencil:
    """``W + D_g W X^T D_y X / n + (sqrt(V) o G) X / n``: fields that enter in two places."""
    return Pencil(
        types=[
            IndexType("N", width, ["r"], G_NODES),
            IndexType("d", dim, ["u", "q", "m"]),
            IndexType("n", samples, ["v", "l"], Y_NODES),
        ],
        fields=[
            GaussianField([Term("r", "u"), Term("r", "q", lambda g: g)], "d"),
            GaussianField([Term("l", "u", -1.0), Term("v", "m", lambda y: -y)], "n"),
            GaussianField(Term("r", "v"), "n", V_PROFILE),
        ],
        constant={("r", "r"): -1.0, ("l", "v"): 1.0, ("m", "q"): 1.0},
        linear={("u", "u"): -1.0},
    )


def many_terms() -> Pencil:
    """``W + sum_m D_{l_m} W X^T D_{r_m} X / n + (sqrt(V) o G) X / n``, as in the deformed bulk."""
    rng = np.random.default_rng(2)
    g, y = np.linspace(-2.0, 2.0, 12), np.linspace(-1.5, 1.5, 30)
    left, right = 0.4 * rng.standard_normal((4, g.size)), rng.standard_normal((4, y.size))
    dual = [(f"q{m}", f"m{m}") for m in range(4)]
    data = [Term("v", m, -r) for (_, m), r in zip(dual, right, strict=True)]
    weights = [Term("r", q, one) for (q, _), one in zip(dual, left, strict=True)]
    slots = [slot for pair in dual for slot in pair]
    return Pencil(
        types=[
            IndexType("N", 1.3, ["r"], g),
            IndexType("d", 1.0, ["u", *slots]),
            IndexType("n", 2.1, ["v", "l"], y),
        ],
        fields=[
            GaussianField([Term("r", "u"), *weights], "d"),
            GaussianField([Term("l", "u", -1.0), *data], "n"),
            GaussianField(Term("r", "v"), "n", 0.2 + np.cos(np.add.outer(g, y)) ** 2),
        ],
        constant={("r", "r"): -1.0, ("l", "v"): 1.0, **dict.fromkeys(dual, 1.0)},
        linear={("u", "u"): -1.0},
    )


def marchenko_pastur_transform(gamma: float, z: Any) -> Any:
    """``z m^2 + (z + 1 - gamma) m + 1 = 0`` with 40 digits, on the sheet ``Im m >= 0``."""
    result = []
    with mpmath.workdps(40):
        low, high = (1 - mpmath.sqrt(gamma)) ** 2, (1 + mpmath.sqrt(gamma)) ** 2
        for one in np.ravel(z):
            point = mpmath.mpc(complex(one))
            root = mpmath.sqrt(point - low) * mpmath.sqrt(point - high)
            result.append(complex((-(point + 1 - gamma) + root) / (2 * point)))
    return np.reshape(result, np.shape(z))
