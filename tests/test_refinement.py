"""The refinement driver on sequences whose errors are known."""

import math

import numpy as np
import pytest

from rmt.budget import TooCostly, count_work, work_limit
from rmt.spikes.refinement import COARSENING, refine_family
from rmt.status import Status


def run(
    error, rtol=1e-8, start=8.0, max_work=1e4, least=0.0, lost=0.0, costly=math.inf, order=None
):
    calls = []

    def at(resolution):
        return np.array([1.0 + error(resolution)])

    def solve(resolution, members):
        calls.append(dict(resolution))
        count_work(math.prod(resolution.values()))
        if math.prod(resolution.values()) > costly:
            raise TooCostly
        coarser = {name: at({**resolution, name: COARSENING * n}) for name, n in resolution.items()}
        return [(at(resolution), coarser)]

    with work_limit(max_work):
        (found,) = refine_family(
            solve,
            1,
            as_vector=lambda solution: solution,
            least_error=lambda solution: np.full(1, least),
            rounding=lambda solution: np.full(1, lost),
            scale=lambda solution, member: np.ones(1),
            start={"a": start, "b": start},
            work=lambda resolution: math.prod(resolution.values()),
            rtol=rtol,
            orders=order or {},
        )
    return found, calls


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.3, 1.5), (2.0, 0.25)])
def test_geometric_convergence_reaches_the_tolerance(rates):
    def error(resolution):
        return sum(math.exp(-rate * n) for rate, n in zip(rates, resolution.values(), strict=True))

    found, calls = run(error)
    assert found.status is Status.CONVERGED
    assert abs(found.solution[0] - 1) <= found.errors[0] <= 1e-8
    # The slow variable was refined, the fast one was not taken along for long.
    slow, fast = ("a", "b") if rates[0] < rates[1] else ("b", "a")
    if rates[0] != rates[1]:
        assert found.resolution[slow] > 2 * found.resolution[fast]
    assert len(calls) < 6


@pytest.mark.parametrize("order", [2, 4, 8])
def test_algebraic_convergence_is_not_underestimated(order):
    for known in ({}, {"a": order}):
        found, _ = run(lambda r: r["a"] ** -order, rtol=1e-6, max_work=1e9, order=known)
        assert abs(found.solution[0] - 1) <= found.errors[0]
    assert order == 2 or found.status is Status.CONVERGED


def test_too_much_work_returns_the_best_with_its_status():
    found, _ = run(lambda r: 1 / math.log(r["a"]), max_work=1e3)
    assert found.status is Status.NOT_CONVERGED
    assert found.errors[0] > 1e-8


def test_a_solve_that_finds_itself_too_costly_ends_with_the_best_so_far():
    found, calls = run(lambda r: 1 / math.log(r["a"]), max_work=1e6, costly=1e3)
    assert found.status is Status.NOT_CONVERGED
    assert math.prod(found.resolution.values()) <= 1e3 < math.prod(calls[-1].values())
    assert found.errors[0] > 1e-8


def test_what_is_lost_in_rounding_is_not_refined():
    """Noise that is known to be noise ends the refinement at once, and stays in the error."""
    rng = np.random.default_rng(0)
    found, calls = run(lambda r: 1e-5 * rng.uniform(-1, 1), lost=1e-5)
    assert found.status is Status.NOT_CONVERGED
    assert len(calls) == 1
    assert abs(found.solution[0] - 1) < 2e-5
    assert 1e-8 < found.errors[0] < 1e-3


def test_stalled_convergence_stops():
    rng = np.random.default_rng(0)
    found, calls = run(lambda r: 1e-5 * rng.standard_normal(), max_work=math.inf)
    assert found.status is Status.NOT_CONVERGED
    assert len(calls) < 60
    assert 1e-7 < found.errors[0] < 1e-3


def test_an_estimate_that_was_small_by_accident_does_not_survive_finer_solves():
    """The first solve changes little under coarsening, but far away is where the rest goes."""

    def one(n):
        return 5.0 + 1e-3 * n if n <= 8 else math.sin(7 * n)

    found, calls = run(lambda resolution: sum(one(n) for n in resolution.values()))
    assert found.status is Status.NOT_CONVERGED
    finest = max(call["a"] for call in calls if call["a"] == call["b"])
    assert finest > 8
    assert abs(found.solution[0] - (1 + 2 * one(finest))) <= found.errors[0]


def test_not_finite():
    found, _ = run(lambda r: math.nan)
    assert found.status is Status.NOT_FINITE


def test_known_error_is_respected():
    found, _ = run(lambda r: math.exp(-3 * r["a"]), least=1e-6, max_work=1e5)
    assert found.status is Status.NOT_CONVERGED
    assert found.errors[0] >= 1e-6
