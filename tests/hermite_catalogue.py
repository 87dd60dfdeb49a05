"""Forty functions written twice: as text for the package, and in mpmath for the tests.

``moments`` integrates the mpmath form by Gauss-Legendre panels that never see the package.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from operator import mul
from typing import Any, NamedTuple

import mpmath
from mpmath.calculus.quadrature import GaussLegendre

mp = mpmath.mp.clone()
mp.dps = 80

REACH = 26
NODES_DEGREE = 5  # 48 nodes on panels of length 1
BITS = 420  # of fixed-point numbers behind the point: 126 digits


class Case(NamedTuple):
    function: Callable[[Any], Any]
    kinks: tuple[Any, ...] = ()
    is_exact: bool = True


def q(text: str) -> Any:
    top, _, bottom = text.partition("/")
    return mp.mpf(top) / mp.mpf(bottom or 1)


def relu(z: Any) -> Any:
    return max(z, mp.mpf(0))


def elu(z: Any, alpha: Any = 1) -> Any:
    return z if z > 0 else alpha * (mp.exp(z) - 1)


def gelu(z: Any) -> Any:
    return z * mp.erfc(-z / mp.sqrt(2)) / 2


def clip(z: Any, low: Any, high: Any) -> Any:
    return min(max(z, mp.mpf(low)), mp.mpf(high))


def softplus(z: Any) -> Any:
    return max(z, mp.mpf(0)) + mp.log1p(mp.exp(-abs(z)))


SELU_SCALE, SELU_LIMIT = mp.mpf("1.0507009873554804934"), mp.mpf("1.7580993408473768599")

CASES: dict[str, Case] = {
    "relu(z)": Case(relu, (0,)),
    "relu(2*z - 1/3)": Case(lambda z: relu(2 * z - q("1/3")), (q("1/6"),)),
    "relu(z)**2": Case(lambda z: relu(z) ** 2, (0,)),
    "relu(z + 7/10)**3": Case(lambda z: relu(z + q("7/10")) ** 3, (q("-7/10"),)),
    "leaky_relu(z)": Case(lambda z: z if z > 0 else z / 100, (0,)),
    "leaky_relu(1 - z, 1/5)": Case(lambda z: 1 - z if z < 1 else (1 - z) / 5, (1,)),
    "abs(z)": Case(abs, (0,)),
    "abs(z - 3/4)": Case(lambda z: abs(z - q("3/4")), (q("3/4"),)),
    "sign(z)": Case(mp.sign, (0,)),
    "sign(2*z + 1)": Case(lambda z: mp.sign(2 * z + 1), (q("-1/2"),)),
    "heaviside(z)": Case(lambda z: mp.mpf(z > 0), (0,)),
    "heaviside(z - 3/2)": Case(lambda z: mp.mpf(z > q("3/2")), (q("3/2"),)),
    "hard_tanh(z)": Case(lambda z: clip(z, -1, 1), (-1, 1)),
    "hard_sigmoid(z + 1)": Case(lambda z: clip(z + 4, 0, 6) / 6, (-4, 2)),
    "relu6(3*z)": Case(lambda z: clip(3 * z, 0, 6), (0, 2)),
    "sin(z)": Case(mp.sin),
    "sin(2*z + 1/2)": Case(lambda z: mp.sin(2 * z + q("1/2"))),
    "cos(3*z)": Case(lambda z: mp.cos(3 * z)),
    "exp(z/2)": Case(lambda z: mp.exp(z / 2)),
    "exp(1/3 - z)": Case(lambda z: mp.exp(q("1/3") - z)),
    "cosh(z/2)*z": Case(lambda z: z * mp.cosh(z / 2)),
    "erf(z)": Case(mp.erf),
    "erf(2*z - 1/3)": Case(lambda z: mp.erf(2 * z - q("1/3"))),
    "gelu(z)": Case(gelu),
    "gelu(2*z + 1)": Case(lambda z: gelu(2 * z + 1)),
    "He3(z)/sqrt(6)": Case(lambda z: (z**3 - 3 * z) / mp.sqrt(6)),
    "z**4 - z": Case(lambda z: z**4 - z),
    "exp(-z**2)": Case(lambda z: mp.exp(-(z**2))),
    "z*exp(-(z - 1)**2/2)": Case(lambda z: z * mp.exp(-((z - 1) ** 2) / 2)),
    "elu(z)": Case(elu, (0,)),
    "elu(2*z - 1, 1/2)": Case(lambda z: elu(2 * z - 1, q("1/2")), (q("1/2"),)),
    "celu(z, 2)": Case(lambda z: z if z > 0 else 2 * (mp.exp(z / 2) - 1), (0,)),
    "selu(z)": Case(lambda z: SELU_SCALE * z if z > 0 else SELU_LIMIT * (mp.exp(z) - 1), (0,)),
    "heaviside(z - 1/2)*sin(z)": Case(lambda z: mp.sin(z) * (z > q("1/2")), (q("1/2"),)),
    "exp(-abs(z))": Case(lambda z: mp.exp(-abs(z)), (0,)),
    "tanh(z)": Case(mp.tanh, is_exact=False),
    "tanh(z + 7/10)": Case(lambda z: mp.tanh(z + q("7/10")), is_exact=False),
    "sigmoid(2*z)": Case(lambda z: 1 / (1 + mp.exp(-2 * z)), is_exact=False),
    "softplus(z)": Case(softplus, is_exact=False),
    "silu(z)": Case(lambda z: z / (1 + mp.exp(-z)), is_exact=False),
    "mish(z)": Case(lambda z: z * mp.tanh(softplus(z)), is_exact=False),
    "softsign(z)": Case(lambda z: z / (1 + abs(z)), (0,), is_exact=False),
}


@lru_cache(maxsize=1)
def _unit_rule() -> list[tuple[Any, Any]]:
    # The guard digits that mpmath's own quad adds.
    nodes: list[tuple[Any, Any]] = GaussLegendre(mp).calc_nodes(NODES_DEGREE, mp.prec + 40)
    return nodes


def _fixed(x: Any) -> int:
    """In units of ``2**-BITS``: sums of integers are many times as quick as those of mpmath."""
    return int(mp.ldexp(x, BITS))


@lru_cache(maxsize=8)
def _panels(kinks: tuple[Any, ...], order: int) -> tuple[list[Any], list[list[int]]]:
    """Nodes, and for ``k = 0 .. order`` the weights times ``He_k`` at the nodes."""
    inside = [mp.mpf(k) for k in kinks]
    edges = sorted({*map(mp.mpf, range(-REACH, REACH + 1)), *inside})
    nodes, weights = [], []
    for a, b in pairwise(edges):
        half, middle = (b - a) / 2, (b + a) / 2
        for x, w in _unit_rule():
            z = middle + half * x
            nodes.append(z)
            weights.append(_fixed(half * w * mp.npdf(z)))
    places = [_fixed(z) for z in nodes]
    table = [[0] * len(nodes), weights]
    for k in range(order):
        previous, current = table[-2:]
        rows = zip(places, current, previous, strict=True)
        table.append([(z * c >> BITS) - k * p for z, c, p in rows])
    return nodes, table[1:]


def moments(case: Case, order: int) -> list[Any]:
    """``E[f He_k]`` for ``k = 0 .. order``, then ``E[f^2]``."""
    nodes, table = _panels(case.kinks, order)
    values = [_fixed(case.function(z)) for z in nodes]
    result = [mp.mpf((sum(map(mul, row, values)), -2 * BITS)) for row in table]
    square = sum(w * f * f for w, f in zip(table[0], values, strict=True))
    return [*result, mp.mpf((square, -3 * BITS))]
