"""The limit on BLAS threads: counted over threads, lifted by the last one out."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from rmt import Problem, predict
from rmt.blas import one_blas_thread
from validation import simulate


def blas_threads() -> set[int]:
    return {found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(limits=2, user_api="blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has one thread in any case")
        yield


def test_nested_blocks():
    with one_blas_thread():
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}


def test_overlapping_blocks_of_several_threads():
    """The first one in leaves before the second: the limit must hold until the second has left."""
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first() -> None:
        with one_blas_thread():
            first_in.set()
            assert second_in.wait(10)
        first_out.set()

    def second() -> set[int]:
        assert first_in.wait(10)
        with one_blas_thread():
            second_in.set()
            assert first_out.wait(10)
            return blas_threads()

    with ThreadPoolExecutor(2) as pool:
        found = pool.submit(second)
        pool.submit(first).result()
        assert found.result() == {1}
    assert blas_threads() == {2}


def test_a_library_that_comes_later_is_limited_by_the_next_block(monkeypatch):
    """SciPy's own BLAS is loaded with `scipy.linalg`, which may be while a block is inside."""
    first, second = SimpleNamespace(), SimpleNamespace()
    for name, library in (("first", first), ("second", second)):
        library.filepath, library.num_threads = name, 2
        library.set_num_threads = partial(setattr, library, "num_threads")
    known = [first]
    monkeypatch.setattr("rmt.blas._libraries", lambda: (tuple(known), ()))
    with one_blas_thread():
        known.append(second)
        assert (first.num_threads, second.num_threads) == (1, 2)
        for _ in range(2):
            with one_blas_thread():
                assert (first.num_threads, second.num_threads) == (1, 1)
    assert (first.num_threads, second.num_threads) == (2, 2)


def test_scipy_is_limited_although_it_is_loaded_after_the_first_block():
    code = """
from threadpoolctl import threadpool_info, threadpool_limits
from rmt.blas import one_blas_thread
import numpy
with one_blas_thread():
    pass
import scipy.linalg
threadpool_limits(2, user_api="blas")
with one_blas_thread():
    print({found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"})
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "{1}\n"


def test_an_error_lifts_the_limit():
    @one_blas_thread()
    def fail() -> None:
        assert blas_threads() == {1}
        raise KeyError

    for _ in range(2):
        with pytest.raises(KeyError):
            fail()
    assert blas_threads() == {2}


def test_theory_and_simulation_leave_the_blas_as_it_was():
    problem = Problem("tanh(z)", "z", 40, 30, 80, [(2, 0.3)])
    predict(problem)
    simulate(problem)
    assert blas_threads() == {2}
