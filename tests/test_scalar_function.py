"""Values, derivatives, kinks and structure of scalar functions, against independent references."""

from __future__ import annotations

import math
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from rmt.functions import ExpressionError, ScalarFunction, remove_hermite
from rmt.status import InvalidInputError

mp = mpmath.mp
parse = ScalarFunction.parse

SELU = (mpmath.mpf("1.0507009873554804934"), mpmath.mpf("1.7580993408473768599"))


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
    "selu(z)": (lambda z: SELU[0] * z if z > 0 else SELU[1] * mp.expm1(z), (0,)),
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


def condition(reference: Callable[[Any], Any], z: float) -> tuple[Any, Any, float, float]:
    """Value and slope (differences in many digits), and the change of each under a rounding of z."""
    with mp.workdps(70 if abs(z) < 12 else 350):
        x = mp.mpf(z)
        h = mp.mpf(10) ** -20
        values = [reference(x + i * h) for i in (-2, -1, 0, 1, 2)]
        slope = (8 * (values[3] - values[1]) - (values[4] - values[0])) / (12 * h)
        curvature = (values[3] - 2 * values[2] + values[1]) / h**2
        return values[2], slope, float(abs(x * slope)), float(abs(x * curvature))


@pytest.mark.parametrize("text", REFERENCES)
def test_value_and_derivative_against_mpmath(text: str) -> None:
    """1e-13 relative, plus what a relative rounding error of 1e-15 in z alone changes."""
    reference, kinks = REFERENCES[text]
    grid = np.concatenate([np.linspace(-8.03, 8.11, 41), [-1000, -37.5, -20.2, 20.2, 37.5, 1000]])
    grid = grid[[all(abs(z - kink) > 1e-3 for kink in kinks) for z in grid]]
    f = parse(text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, slope = f.value_and_derivative(grid)
        assert np.array_equal(value, f(grid))
        assert np.array_equal(slope, f.derivative(grid))
    for i, z in enumerate(grid):
        exact, exact_slope, spread, spread_slope = condition(reference, float(z))
        tiny = 1e-300
        assert abs(value[i] - exact) <= 1e-13 * abs(exact) + 2e-15 * spread + tiny, z
        bound = 1e-13 * abs(exact_slope) + 2e-15 * (spread_slope + abs(exact_slope)) + tiny
        # A slope that passes through zero is a difference of numbers of the size of f'(z + O(1)).
        bound += 4e-16 if abs(exact_slope) > 1e-3 else 0
        assert abs(slope[i] - exact_slope) <= bound, z
