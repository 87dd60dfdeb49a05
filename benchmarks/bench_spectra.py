"""Time and error of spectral laws, beside peers where they are installed.

Run ``python benchmarks/bench_spectra.py`` from the repository root. Everything runs in turn in this
process, on one thread; each number is a median, and every law is made anew for each repetition, so
that the edges are part of the time. Peers: freealg (`pip install freealg`), its compound free
Poisson law with the imaginary part that it takes by default and with a small one; scikit-rmt offers
no generalised law, and its version 2.1.1 does not import with scipy 1.12 or later. Errors are
against this library's density, which the tests hold against forty digits (1e-12 in the bulk).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from rmt.problem import Problem, Step
from rmt.spectra import (
    ConjugateKernel,
    GeneralisedMarchenkoPastur,
    MarchenkoPastur,
    Population,
    additive_outliers,
)
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, solve
from rmt.spectra.dyson import density as dyson_density
from rmt.spectra.pencil_law import PencilLaw
from rmt.spectra.pencil_outliers import pencil_outliers, upper_edge
from rmt.spikes.deformed import deformed_bulk


def median_time(call: Callable[[], object], repeats: int = 11) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def many_atoms(count: int) -> Population:
    rng = np.random.default_rng(0)
    return Population.of_atoms(rng.uniform(0.2, 10, count), rng.dirichlet(np.ones(count)))


def conjugate_kernel_pencil() -> Pencil:
    law = ConjugateKernel("tanh(z)", (1.0, 0.5))
    types = [
        IndexType("n", 1.0, ["u"]),
        IndexType("d", 1.0, ["q", "l"]),
        IndexType("N", 2.0, ["r"]),
    ]
    fields = [
        GaussianField([Term("r", "q")], reference="d", variance=law.linear**2),
        GaussianField([Term("r", "u")], reference="N", variance=law.nonlinear**2),
        GaussianField([Term("l", "u", -1.0)], reference="N"),
    ]
    return Pencil(types, fields, {("r", "r"): -1.0, ("l", "q"): 1.0}, {("u", "u"): -1.0})


def deformed_rows(readout: str, batch: str) -> None:
    """The Dyson solver on the bulk of trained weights, beside as many cold points."""
    steps = [Step(4, 0.3), Step(4, 0.4)]
    problem = Problem(
        "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, steps, batch=batch, readout=readout
    )
    pencil = deformed_bulk(problem).pencil
    edge, grid = upper_edge(pencil, "u"), np.linspace(0.05, 6, 400)
    outside, near = solve(pencil, 2 * edge), solve(pencil, 1.0)
    cold = median_time(lambda: solve(pencil, 1.01), 3)
    title = f"{readout} readout, {batch} batch"
    print(f"\n{title:<44}{'time':>12}{'bar':>12}{'/ cold point':>16}")
    for name, call, bar in (
        ("point, cold", lambda: solve(pencil, 1.01), 60e-3),
        ("point, from a neighbour", lambda: solve(pencil, 1.01, initial=near), 20e-3),
        (
            "point outside, from a neighbour",
            lambda: solve(pencil, 2.01 * edge, initial=outside),
            20e-3,
        ),
        ("upper edge", lambda: upper_edge(pencil, "u"), 0.35),
        (
            "three outliers with overlaps",
            lambda: pencil_outliers(pencil, "r", "u", [18.0, 6.0, 4.0], edge=edge),
            0.35,
        ),
        ("density at 400 points", lambda: dyson_density(pencil, "u", grid), 1.0),
        ("distribution function", lambda: PencilLaw(pencil, "u").cdf(grid), 1.0),
    ):
        seconds = median_time(call, 3)
        print(f"{name:<44}{1e3 * seconds:>9.2f} ms{1e3 * bar:>9.1f} ms{seconds / cold:>16.2f}")


def row(name: str, seconds: float, bar: float) -> None:
    print(f"{name:<44}{1e3 * seconds:>9.2f} ms{1e3 * bar:>9.1f} ms")


def main() -> None:
    two, hundreds = Population.of_atoms([1.0, 8.0]), many_atoms(200)
    x = np.linspace(0.05, 19, 1000)
    u = np.random.default_rng(1).random(100_000)
    law = GeneralisedMarchenkoPastur(two, 0.5)
    law.ppf(0.5)
    with threadpool_limits(1):
        print(f"{'':<44}{'time':>12}{'bar':>12}")
        density = median_time(lambda: GeneralisedMarchenkoPastur(two, 0.5).pdf(x))
        row("density at 1000 points, 2 atoms", density, 1.5e-3)
        grid = np.linspace(0.01, 25, 1000)
        row(
            "density at 1000 points, 200 atoms",
            median_time(lambda: GeneralisedMarchenkoPastur(hundreds, 0.5).pdf(grid)),
            40e-3,
        )
        row(
            "edges, 200 atoms",
            median_time(lambda: GeneralisedMarchenkoPastur(hundreds, 0.1).edges),
            20e-3,
        )
        row("100000 quantiles, 2 atoms", median_time(lambda: law.ppf(u)), 50e-3)
        bulk = MarchenkoPastur(1.0)
        row("100 outliers", median_time(lambda: additive_outliers(np.linspace(1, 9, 100), bulk)), 1)
        kernel, grid = conjugate_kernel_pencil(), np.linspace(0.2, 1.4, 400)
        near = solve(kernel, 0.9)
        row("Dyson point, conjugate kernel", median_time(lambda: solve(kernel, 0.91)), 1e-3)
        row(
            "the same, from a neighbouring point",
            median_time(lambda: solve(kernel, 0.91, initial=near)),
            1e-3,
        )
        row(
            "its density at 400 points",
            median_time(lambda: dyson_density(kernel, "u", grid)),
            0.2,
        )
        for readout in ("gaussian", "rademacher"):
            for batch in ("reused", "independent"):
                deformed_rows(readout, batch)
        try:
            from freealg.distributions import CompoundFreePoisson
        except ImportError:
            print("\nfreealg is not installed: no peer to compare with")
            return
        peer = CompoundFreePoisson([1.0, 8.0], [0.5, 0.5], 0.5)
        print(f"\n{'density at 1000 points, 2 atoms':<34}{'time':>12}{'ratio':>8}{'error':>10}")
        print(f"{'this library':<34}{1e3 * density:>9.2f} ms{1:>8.0f}")
        for label, options in (
            ("freealg, as it comes", {}),
            ("freealg, eta=1e-10", {"eta": 1e-10}),
        ):
            seconds = median_time(lambda options=options: peer.density(x, **options))
            error = np.abs(np.asarray(peer.density(x, **options)) / 0.5 - law.pdf(x)).max()
            print(f"{label:<34}{1e3 * seconds:>9.2f} ms{seconds / density:>8.0f}{error:>10.1e}")


if __name__ == "__main__":
    main()
