"""Limits of time and of work: every call ends, says so, and leaves nothing half done behind."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest

import rmt
from rmt import ConvergenceError, InvalidInputError, Problem, Status, budget
from rmt.budget import (
    OutOfTime,
    TooCostly,
    check_time,
    count_work,
    time_limit,
    work_left,
    work_limit,
)
from rmt.hermite.exponents.exponent import Exponent
from rmt.prediction import Prediction
from validation import check

STEPS = [(2, 0.35), (2, 0.45)]
REUSED = Problem(
    "tanh(z + 7/10)", "sin(2*z)", 100, 100, 200, STEPS, batch="reused", readout="rademacher"
)

# Calls that can be long: a problem or function, and the type of their best answer so far.
CALLS: dict[str, Any] = {
    "predict": lambda **limit: rmt.predict(REUSED, **limit),
    "predict deformed": lambda **limit: rmt.predict(REUSED, "deformed", **limit),
    "predict scaling": lambda **limit: rmt.predict(REUSED, "scaling", **limit),
    "sweep": lambda **limit: rmt.sweep(REUSED, {"alpha_2": [0.3]}, throw=True, **limit),
    "phase_diagram": lambda **limit: rmt.phase_diagram(REUSED, [0.2], [0.3], throw=True, **limit),
    "ridge": lambda **limit: rmt.ridge(REUSED, 600, 1e-3, **limit),
    "sweep_ridge": lambda **limit: rmt.sweep_ridge(
        REUSED, {"noise_std": [0.1]}, samples=600, regularisation=1e-3, throw=True, **limit
    ),
    "feature_spikes": lambda **limit: rmt.feature_spikes(REUSED, 600, **limit),
    "hermite_expansion": lambda **limit: rmt.hermite_expansion("tanh(z)", 5, digits=40, **limit),
    "tensor_hermite_expansion": lambda **limit: rmt.tensor_hermite_expansion(
        "tanh(z1*z2)", 4, **limit
    ),
    "information_exponent": lambda **limit: rmt.information_exponent("tanh(z)**3 - z", **limit),
    "reuse_exponent": lambda **limit: rmt.reuse_exponent("tanh(z) - tanh(2*z)", **limit),
    "generative_exponent": lambda **limit: rmt.generative_exponent("tanh(z)**2*z", **limit),
    "staircase": lambda **limit: rmt.staircase("tanh(z1*z2)", 4, **limit),
}
BEST = {
    "predict": Prediction,
    "predict deformed": Prediction,
    "predict scaling": Prediction,
    "sweep": rmt.Sweep,
    "phase_diagram": rmt.Sweep,
    "ridge": rmt.RidgeErrors,
    "feature_spikes": rmt.FeatureSpikes,
    "information_exponent": Exponent,
    "reuse_exponent": Exponent,
    "generative_exponent": Exponent,
}


@pytest.mark.parametrize("bad", [0, -1, math.nan, "5", True, [1.0]], ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_a_limit_that_is_none(name: str, bad: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_seconds must be a positive number, or None"):
        CALLS[name](max_seconds=bad)


def test_check_refuses_a_limit_that_is_none() -> None:
    with pytest.raises(InvalidInputError, match="max_seconds must be a positive number"):
        check(REUSED, np.zeros((100, 100)), max_seconds=-1)


class Clock:
    """Time stands still until the clock has been looked at so many times, and then is over."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def __call__(self) -> float:
        self.left -= 1
        return 0.0 if self.left >= 0 else 1e9


def outcome(name: str) -> tuple[Any, ConvergenceError | None]:
    try:
        return CALLS[name](max_seconds=5.0), None
    except ConvergenceError as error:
        return None, error


def shown(found: Any) -> str:
    return str(found)


@pytest.mark.parametrize("looks", [1, 10, 60])
@pytest.mark.parametrize("name", CALLS)
def test_out_of_time_at_any_point(name: str, looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with a status of its own and the best so far, and can be repeated with more time."""
    whole = shown(CALLS[name](max_seconds=None))
    rmt.caches(clear=True)
    with monkeypatch.context() as patched:
        patched.setattr(budget.time, "thread_time", Clock(looks + 1))
        found, error = outcome(name)
    if error is None:  # it did not look that often
        assert looks > 1
        assert shown(found) == whole
    else:
        assert error.status is Status.OUT_OF_TIME
        assert isinstance(error.best, BEST.get(name, object))
        assert "max_seconds" in str(error)
    assert shown(CALLS[name](max_seconds=None)) == whole


@pytest.mark.parametrize("method", ["resummed", "deformed", "scaling"])
def test_not_thrown_it_is_the_status(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rmt.caches(clear=True)
    monkeypatch.setattr(budget.time, "thread_time", Clock(3))
    found = rmt.predict(REUSED, method, throw=False, max_seconds=5.0)
    assert found.status is Status.OUT_OF_TIME
    assert not found.spikes
    assert str(found)


def test_strengths_that_were_found_in_time_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time runs out in the bulk of the deformed level."""
    strengths = rmt.predict(REUSED, rtol=1e-6)

    def late(*_: Any) -> None:
        with time_limit(1e-9):
            check_time()

    monkeypatch.setattr("rmt.spikes.deformed.outliers.settled_bulk", late)
    with pytest.raises(ConvergenceError, match="The strengths are found") as caught:
        rmt.predict(REUSED, "deformed", rtol=1e-6)
    best = caught.value.best
    assert [s.strength for s in best.spikes] == [s.strength for s in strengths.spikes]
    assert all(math.isnan(s.singular_value) for s in best.spikes)


HARD = {
    # A target with heavy tails, kicks of hundreds; a sharp kink; exact arithmetic; many digits.
    "resummed": lambda: rmt.predict(
        Problem("1/(1 + z**2) + relu(z)**2", "He5(z)", 100, 50, 25, [(4, 0.25)] * 2, "reused"),
        max_seconds=0.5,
    ),
    "deformed": lambda: rmt.predict(
        Problem("softsign(z - 1/3)", "z1*z2 + z1", 500, 500, 500, STEPS, "reused", noise_std=1),
        "deformed",
        max_seconds=0.5,
    ),
    "ridge": lambda: rmt.ridge(
        Problem("mish(z)*sin(3*z)", "He3(z)", 500, 500, 500, STEPS, "reused"),
        np.linspace(100, 2000, 20),
        "optimal",
        max_seconds=0.5,
    ),
    "features": lambda: rmt.feature_spikes(
        Problem("mish(z)*sin(2*z)", "z1*z2 + z1", 500, 500, 500, STEPS, "reused"), max_seconds=0.5
    ),
    "digits": lambda: rmt.hermite_expansion("tanh(z + 1/9)", 20, digits=900, max_seconds=0.5),
    "generative": lambda: rmt.generative_exponent(
        "sin(20*z) + cos(7*z)*exp(-z**2)", 50, max_seconds=0.02
    ),
    "tensor": lambda: rmt.tensor_hermite_expansion(
        "tanh(z1*z2*z3) + max(z1, z2, z3)", 12, max_seconds=0.5
    ),
    "staircase": lambda: rmt.staircase("tanh(z1*z2*z3)*max(z1, z2, z3)", 12, max_seconds=0.5),
}


@pytest.mark.parametrize("name", HARD)
def test_it_ends_in_time(name: str) -> None:
    """On the clock that counts: within a second of a limit of half a second."""
    start = time.thread_time()
    with pytest.raises(ConvergenceError) as caught:
        HARD[name]()
    assert caught.value.status is Status.OUT_OF_TIME
    assert time.thread_time() - start < 1.5


def test_many_digits_fall_back_to_those_of_a_double() -> None:
    with pytest.raises(ConvergenceError) as caught:
        rmt.hermite_expansion("tanh(z + 1/7)", 6, digits=900, max_seconds=0.2)
    best = caught.value.best
    double = rmt.hermite_expansion("tanh(z + 1/7)", 6)
    assert best.probabilists_array == pytest.approx(double.probabilists_array, abs=1e-14)
    assert all(0 < error < 1e-13 for error in best.errors)


def test_one_point_of_a_sweep_runs_out_and_the_others_stand() -> None:
    easy, hard = "sin(2*z)", "He5(z)"
    problem = Problem("1/(1 + z**2) + relu(z)**2", easy, 100, 50, 25, [(0.1, 0)] * 2, "reused")
    found = rmt.sweep(problem, {"target": [easy, hard]}, max_seconds=2.0)
    assert [status.name for status in found.status] == ["CONVERGED", "OUT_OF_TIME"]
    assert "max_seconds" in found.message[1]
    assert np.isfinite(found.singular_value[0, 0])


def wait(*limits: float) -> None:
    if not limits:
        while True:
            check_time()
    with time_limit(limits[0]):
        wait(*limits[1:])


@pytest.mark.parametrize("limits", [(10.0, 0.01), (0.01, 10.0), (0.01,)])
def test_the_one_that_ends_first_holds(limits: tuple[float, ...]) -> None:
    with pytest.raises(OutOfTime, match=r"max_seconds = 0\.01\."):
        wait(*limits)
    check_time()  # nothing holds any longer


def test_work_is_counted_once_and_limited_where_it_nests() -> None:
    with work_limit(100.0):
        count_work(30.0)
        assert work_left() == 70.0
        with work_limit(1000.0):
            assert work_left() == 70.0
        with work_limit(50.0):
            count_work(20.0)
            assert work_left() == 30.0
            with pytest.raises(TooCostly):
                count_work(31.0)
    assert work_left() == math.inf


def test_work_does_not_depend_on_the_clock() -> None:
    """The same count whenever it is done: what is decided by it is decided alike everywhere."""
    counts = []
    for _ in range(2):
        rmt.caches(clear=True)
        with work_limit(1e12):
            rmt.predict(REUSED)
            counts.append(work_left())
    assert counts[0] == counts[1] < 1e12
