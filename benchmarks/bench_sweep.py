"""Time of phase diagrams and sweeps against `rmt.predict` called point by point.

Run ``python benchmarks/bench_sweep.py`` from the repository root. The ratio is of times in this
process, on one thread: all predictions of a few columns (one value of ``alpha_1``, every
``alpha_2``), spread over the diagram, alone and as a diagram. Predictions get the same ``rtol``.
The seconds of the whole diagram, 50 x 50 points, are those of two processes; the bar is 60 for
both batches together. Predictions are warm: texts are parsed and quadrature rules cached.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from threadpoolctl import threadpool_limits

import rmt

GRID = 50
BAR = 60.0  # seconds, both batches


def problem(readout: str, scale: float, batch: str) -> rmt.Problem:
    return rmt.Problem(
        "tanh(z + 7/10)",
        "He3(z)/sqrt(6)",
        width=2000,
        dim=2000,
        samples=4000,
        steps=[(scale, 0), (scale, 0)],
        readout=readout,
        batch=batch,
    )


def ratio(base: rmt.Problem, alpha_1: float, points: int, rtol: float) -> tuple[float, float]:
    """Seconds of one column of a diagram, and of the same points one by one."""
    alpha_2 = (np.arange(points) + 0.5) / (2 * points)
    scale = base.steps[0].scale
    rmt.predict(base.replace(steps=[(scale, alpha_1), (scale, alpha_2[-1])]), rtol=rtol)
    start = time.perf_counter()
    found = rmt.phase_diagram(base, [alpha_1], alpha_2, rtol=rtol)
    own = time.perf_counter() - start
    start = time.perf_counter()
    for j, alpha in enumerate(alpha_2):
        alone = rmt.predict(base.replace(steps=[(scale, alpha_1), (scale, alpha)]), rtol=rtol)
        assert found.undecided[0, j] or found.n_outliers[0, j] == len(alone.outliers)
    return own, time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rtol", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--columns", type=float, nargs="*", default=[0.05, 0.25, 0.4])
    options = parser.parse_args()
    print(f"{'readout':<12}{'scale':>6}{'batch':>13}{'alpha_1':>9}{'diagram':>10}{'alone':>10}")
    with threadpool_limits(limits=1):
        for readout in ("gaussian", "rademacher"):
            for scale in (1.0, 4.0):
                for batch in ("independent", "reused"):
                    for alpha_1 in options.columns:
                        base = problem(readout, scale, batch)
                        own, alone = ratio(base, alpha_1, GRID, options.rtol)
                        print(
                            f"{readout:<12}{scale:6g}{batch:>13}{alpha_1:9g}{own:8.3f} s"
                            f"{alone:8.3f} s   ratio {own / alone:.3f}",
                            flush=True,
                        )
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    print(f"\n{GRID} x {GRID}, both batches, {options.workers} processes (bar {BAR:g} s)")
    with ProcessPoolExecutor(options.workers, get_context("spawn")) as executor:
        for readout in ("gaussian", "rademacher"):
            for scale in (1.0, 4.0):
                start = time.perf_counter()
                both = [
                    rmt.phase_diagram(
                        problem(readout, scale, batch),
                        GRID,
                        GRID,
                        "resummed",
                        options.rtol,
                        executor,
                    )
                    for batch in ("independent", "reused")
                ]
                seconds = time.perf_counter() - start
                error = max(float(np.nanmax(found.target_overlap_error)) for found in both)
                print(
                    f"{readout:<12}scale {scale:g}: {seconds:6.1f} s, "
                    f"{sum(int((~found.sweep.ok).sum()) for found in both)} failed, "
                    f"{sum(int(found.undecided.sum()) for found in both)} undecided, "
                    f"largest overlap error {error:.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
