"""Functions written in mpmath, beside the text that should mean the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath

mp = mpmath.mp


def selu(z: Any) -> Any:
    scale, limit = mp.mpf("1.0507009873554804934"), mp.mpf("1.7580993408473768599")
    return scale * z if z > 0 else limit * mp.expm1(z)


def hermite(k: int) -> Callable[[Any], Any]:
    def value(z: Any) -> Any:
        previous, current = mp.mpf(0), mp.mpf(1)
        for j in range(k):
            previous, current = current, z * current - j * previous
        return current

    return value


def _softplus(z: Any) -> Any:
    return mp.log(1 + mp.exp(z))


# text -> the same function written in mpmath, kinks
REFERENCES: dict[str, tuple[Callable[[Any], Any], tuple[float, ...]]] = {
    "relu(z)": (lambda z: max(z, mp.mpf(0)), (0,)),
    "leaky_relu(z)": (lambda z: z if z > 0 else z / 100, (0,)),
    "leaky_relu(z, 1/5)": (lambda z: z if z > 0 else z / 5, (0,)),
    "elu(z)": (lambda z: z if z > 0 else mp.expm1(z), (0,)),
    "elu(z, 3/2)": (lambda z: z if z > 0 else mp.expm1(z) * 3 / 2, (0,)),
    "selu(z)": (selu, (0,)),
    "celu(z, 2)": (lambda z: z if z > 0 else 2 * mp.expm1(z / 2), (0,)),
    "gelu(z)": (lambda z: z * mp.ncdf(z), ()),
    "silu(z)": (lambda z: z / (1 + mp.exp(-z)), ()),
    "swish(z)": (lambda z: z / (1 + mp.exp(-z)), ()),
    "mish(z)": (lambda z: z * mp.tanh(_softplus(z)), ()),
    "softplus(z)": (_softplus, ()),
    "softsign(z)": (lambda z: z / (1 + abs(z)), (0,)),
    "sigmoid(z)": (lambda z: 1 / (1 + mp.exp(-z)), ()),
    "tanh(z)": (mp.tanh, ()),
    "tanh(z + 7/10)": (lambda z: mp.tanh(z + mp.mpf(7) / 10), ()),
    "hard_tanh(z)": (lambda z: max(mp.mpf(-1), min(mp.mpf(1), z)), (-1, 1)),
    "hard_sigmoid(z)": (lambda z: max(mp.mpf(0), min(mp.mpf(6), z + 3)) / 6, (-3, 3)),
    "relu6(z)": (lambda z: max(mp.mpf(0), min(mp.mpf(6), z)), (0, 6)),
    "erf(z)": (mp.erf, ()),
    "erfc(z)": (mp.erfc, ()),
    "erf(z + 1/2)": (lambda z: mp.erf(z + mp.mpf(1) / 2), ()),
    "sign(z)": (mp.sign, (0,)),
    "heaviside(z)": (lambda z: mp.mpf(mp.sign(z) + 1) / 2, (0,)),
    "abs(z)": (abs, (0,)),
    "exp(-z**2/2)": (lambda z: mp.exp(-(z**2) / 2), ()),
    "sin(z)": (mp.sin, ()),
    "cos(z)": (mp.cos, ()),
    "atan(z)": (mp.atan, ()),
    "asinh(z)": (mp.asinh, ()),
    "sech(z)": (mp.sech, ()),
    "log(1 + exp(z + 7/10))": (lambda z: _softplus(z + mp.mpf(7) / 10), ()),
    "1/(1 + exp(-z))": (lambda z: 1 / (1 + mp.exp(-z)), ()),
    "exp(z)/(1 + exp(z))": (lambda z: 1 / (1 + mp.exp(-z)), ()),
    "exp(z)/(1 + exp(z))**2": (lambda z: mp.exp(z) / (1 + mp.exp(z)) ** 2, ()),
    "z*(1 + erf(z/sqrt(2)))/2": (lambda z: z * mp.ncdf(z), ()),
    "z/2 + z*erf(z/sqrt(2))/2": (lambda z: z * mp.ncdf(z), ()),
    "1 - tanh(z)**2": (lambda z: mp.sech(z) ** 2, ()),
    "z*(1 + tanh(z))/2": (lambda z: z * (1 + mp.tanh(z)) / 2, ()),
    "log(exp(z) + exp(-z))": (lambda z: mp.log(mp.exp(z) + mp.exp(-z)), ()),
    "log(cosh(z))": (lambda z: mp.log(mp.cosh(z)), ()),
    "log(2 + 3*exp(2*z))": (lambda z: mp.log(2 + 3 * mp.exp(2 * z)), ()),
    "(exp(2*z) - 1)/(exp(2*z) + 1)": (mp.tanh, ()),
    "sinh(z)/cosh(z)": (mp.tanh, ()),
    "log(1 + z**2)": (lambda z: mp.log1p(z**2), ()),
    "sqrt(1 + z**2)": (lambda z: mp.sqrt(1 + z**2), ()),
    "relu(z)**2": (lambda z: max(z, mp.mpf(0)) ** 2, (0,)),
    "abs(z)**(3/2)": (lambda z: abs(z) ** mp.mpf(1.5), (0,)),
    "2**z/(1 + 2**z)": (lambda z: 1 / (1 + mp.mpf(2) ** -z), ()),
    "abs(z**2 - 1)": (lambda z: abs(z**2 - 1), (-1, 1)),
    "Piecewise((z, z < 0), (z**2, z <= 1), (2*z, True))": (
        lambda z: z if z < 0 else (z**2 if z <= 1 else 2 * z),
        (0, 1),
    ),
    **{f"He{k}(z)": (hermite(k), ()) for k in range(13)},
}
