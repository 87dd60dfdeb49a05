"""Hermite coefficients against `sympy.integrate` and against the rules that one writes first.

`sympy.integrate` gets one coefficient, ``E[f He_2]``, in a process of its own with a limit of time,
as it may never return; it is given the smooth pieces one by one, which spares it Piecewise. Texts
are parsed; coefficients are not cached. In double precision the baselines are the 400-node
Gauss-Hermite rule, scaled so that it does not overflow, its nodes computed beforehand, and
`scipy.integrate.quad` for each coefficient on [-12, 12]. Errors are the largest ones over the
orthonormal coefficients, against thirty certified digits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

import numpy as np
import sympy
from scipy.integrate import quad

import rmt
from benchmarks.common import Effort, Race, Row, clock, race, row
from rmt.functions import ScalarFunction
from rmt.moments.exact.closed_form import exact_coefficients
from rmt.moments.hermite_quadrature import double_coefficients

TITLE = "Hermite coefficients"

EXACT = ("relu(z)", "gelu(z)", "elu(z)", "erf(2*z - 1/3)", "sin(2*z)")
DOUBLE = ("tanh(z)", "relu(z)", "abs(z)", "hard_tanh(z)", "elu(z)", "sign(z)", "gelu(z)")
ORDER = 20


def rows(effort: Effort) -> Iterator[Row]:
    """Exact coefficients, then those in double precision."""
    for text in effort.few(reversed(EXACT)):
        yield exact_row(ScalarFunction.parse(text), 15.0, effort)
    nodes, weights = gauss_hermite(400)
    for text in effort.few(DOUBLE):
        f = ScalarFunction.parse(text)
        reference = rmt.hermite_expansion(f, ORDER, digits=30).orthonormal_array

        def rule(f: Callable[[Any], Any] = f) -> np.ndarray:
            return orthonormal(nodes, ORDER) @ (weights * f(nodes))

        def adaptive(f: Callable[[Any], Any] = f) -> np.ndarray:
            return by_quad(f, ORDER)

        def error(found: np.ndarray, reference: np.ndarray = reference) -> float:
            return float(np.abs(found - reference).max())

        ours = clock(lambda f=f: double_coefficients(f, ORDER))
        own = error(double_coefficients(f, ORDER).orthonormal)
        for name, call in (("400-node Gauss-Hermite", rule), ("scipy.integrate.quad", adaptive)):
            yield row(
                f"{ORDER + 1} coefficients in double precision, {text}",
                name,
                race(ours, clock(call), effort),
                error=own,
                other_error=error(call()),
            )


def exact_row(f: ScalarFunction, limit: float, effort: Effort) -> Row:
    """One coefficient in closed form against sympy, once."""
    ours = clock(lambda: exact_coefficients(f, 2))
    found = with_limit(f.text, limit)
    seconds = limit if found is None else found[0]
    timed = [ours() for _ in range(effort.repetitions)]
    note = f"sympy stopped after {limit:g} s" if found is None else "sympy timed once"
    error = None
    if found is not None:
        error = abs(float(found[1]) - float(sympy.N(exact_coefficients(f, 2)[2], 15)))
        note += "" if error < 1e-12 else ", and wrong"
    return row(
        f"E[f He_2] in closed form, {f.text}",
        "sympy.integrate",
        Race(timed, [seconds] * len(timed)),
        other_error=error,
        note=note,
    )


def integrate(text: str, queue: Any) -> None:
    """``E[f He_2]`` by sympy, and the seconds it took."""
    f = ScalarFunction.parse(text)
    (z,) = f.symbols
    weight = (z**2 - 1) * sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    pieces = f.smooth_pieces
    start = time.perf_counter()
    total = sum(sympy.integrate(p.expression * weight, (z, p.lower, p.upper)) for p in pieces)
    queue.put((time.perf_counter() - start, str(sympy.N(total, 15))))


def with_limit(text: str, seconds: float) -> tuple[float, str] | None:
    """Seconds and value; None if there is no value in time, or none at all."""
    context = get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=integrate, args=(text, queue))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return None
    return queue.get() if not queue.empty() else None


def gauss_hermite(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss rule of the normal law (Golub-Welsch)."""
    jacobi = np.diag(np.sqrt(np.arange(1.0, count)), 1)
    nodes, vectors = np.linalg.eigh(jacobi + jacobi.T)
    return nodes, vectors[0] ** 2


def orthonormal(z: Any, order: int) -> np.ndarray:
    """``He_k(z)/sqrt(k!)`` for ``k = 0, .., order``."""
    psi = [np.ones_like(z), z]
    for k in range(1, order):
        psi.append((z * psi[k] - math.sqrt(k) * psi[k - 1]) / math.sqrt(k + 1))
    return np.array(psi)


def by_quad(f: Callable[[Any], Any], order: int) -> np.ndarray:
    """One adaptive integral for each coefficient."""

    def integrand(z: float, k: int) -> float:
        density = math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return float(f(np.array(z))) * float(orthonormal(np.array(z), order)[k]) * density

    return np.array([quad(integrand, -12, 12, args=(k,), limit=200)[0] for k in range(order + 1)])
