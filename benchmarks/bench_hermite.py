"""Time of exact Hermite coefficients against `sympy.integrate`, and accuracy against Gauss-Hermite.

Run ``python benchmarks/bench_hermite.py`` from the repository root. Everything runs in turn in this
process, warm: texts are parsed, coefficients are not cached. `sympy.integrate` is given one
coefficient, ``E[f He_2]``, and a time limit, as it may never return; it gets the smooth pieces one
by one, which spares it Piecewise. The baseline of the second table is what one writes first: the
400-node Gauss-Hermite rule, scaled so that it does not overflow.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

import numpy as np
import sympy
from threadpoolctl import threadpool_limits

import rmt
from rmt.functions import ScalarFunction
from rmt.functions.closed_form import exact_coefficients
from rmt.functions.hermite_quadrature import double_coefficients

EXACT = ("relu(z)", "gelu(z)", "elu(z)", "selu(z)", "hard_tanh(z)", "erf(2*z - 1/3)", "sin(2*z)")
ACCURACY = ("relu(z)", "abs(z)", "hard_tanh(z)", "elu(z)", "sign(z)", "tanh(z)", "gelu(z)")


def median_time(call: Callable[[], object], repeats: int = 15) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


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
    context = get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=integrate, args=(text, queue))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        return None
    return queue.get() if not queue.empty() else None


def gauss_hermite(f: ScalarFunction, order: int, nodes: int = 400) -> np.ndarray:
    """Orthonormal coefficients by the Gauss rule of the normal law (Golub-Welsch)."""
    jacobi = np.diag(np.sqrt(np.arange(1.0, nodes)), 1)
    z, vectors = np.linalg.eigh(jacobi + jacobi.T)
    weights = vectors[0] ** 2
    psi = [np.ones(nodes), z]
    for k in range(1, order):
        psi.append((z * psi[k] - math.sqrt(k) * psi[k - 1]) / math.sqrt(k + 1))
    return np.array([weights @ (f(z) * p) for p in psi[: order + 1]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for sympy.integrate")
    limit = parser.parse_args().limit
    with threadpool_limits(1):
        print(f"{'function':<16}{'20 exact':>10}{'1 exact':>10}{'sympy, 1':>10}{'ratio':>10}")
        for text in EXACT:
            f = ScalarFunction.parse(text)
            many = median_time(lambda f=f: exact_coefficients(f, 20))
            one = median_time(lambda f=f: exact_coefficients(f, 2))
            found = with_limit(text, limit)
            sympy_time = f"> {limit:.0f} s" if found is None else f"{found[0]:.2f} s"
            ratio = (
                f"{'> ' if found is None else ''}{(limit if found is None else found[0]) / one:.0f}"
            )
            print(f"{text:<16}{1e3 * many:>7.1f} ms{1e3 * one:>7.1f} ms{sympy_time:>10}{ratio:>10}")
            if found is not None:
                exact = exact_coefficients(f, 2)[2]
                if abs(float(sympy.N(exact, 15)) - float(found[1])) > 1e-12:
                    print(f"  sympy is wrong: {found[1]}, correct {sympy.N(exact, 15)}")
        print()
        tanh = ScalarFunction.parse("tanh(z)")
        seconds = median_time(lambda: double_coefficients(tanh, 49))
        print(f"50 coefficients of tanh in double precision: {1e3 * seconds:.2f} ms")
        print()
        print("largest error of the orthonormal coefficients, k <= 20")
        print(f"{'function':<16}{'this library':>14}{'400-node Gauss':>16}")
        for text in ACCURACY:
            f = ScalarFunction.parse(text)
            reference = rmt.hermite_expansion(f, 20, digits=30).orthonormal_array
            ours = np.abs(double_coefficients(f, 20).orthonormal - reference).max()
            rule = np.abs(gauss_hermite(f, 20) - reference).max()
            print(f"{text:<16}{ours:>14.1e}{rule:>16.1e}")


if __name__ == "__main__":
    main()
