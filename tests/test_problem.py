"""That a Problem is a value: frozen, hashable, serialisable."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from problem_cases import BASE, made

from rmt import InvalidInputError, Problem, ScalarFunction, Step

VECTOR: dict[str, Any] = {
    "activation": "relu(z)",
    "target": "z1 + z1*z2",
    "width": 6,
    "dim": 5,
    "samples": [10, 20],
    "steps": [(2, 0.25), (1.5, 0.1)],
    "readout": [1, -1, 0.5, 2, 0, 0.25],
    "noise_std": 0.5,
    "init": "gaussian",
}
# Results on disk are filed under these: a change of the hash orphans them.
BASE_HASH = "b176068f36a1313a66743ff6ced04747325e56c1987640d58a72021dd15f15f9"
VECTOR_HASH = "0e437777841eecff70d3021863d63f54c6ea1eb7b02a53e88f002ad9b9a03543"


# A value


def test_derived_numbers() -> None:
    problem = made(samples=(4000, 500))
    assert problem.aspect_ratio == 2.0
    assert problem.sample_ratios == (0.25, 2.0)
    assert problem.learning_rates == pytest.approx((4 * 2000**0.3, 4 * 2000**0.4), rel=1e-15)
    assert problem.n_directions == 1
    assert made(target="z2").n_directions == 2
    assert made(steps=Step(1, 0.1)).samples == (4000,)


def test_equivalent_ways_to_say_the_same() -> None:
    z = sympy.Symbol("z")
    same = [
        made(),
        made(steps=((4, 0.3), (4.0, 0.4)), samples=(4000, 4000)),
        made(steps=np.array([[4, 0.3], [4, 0.4]]), width=np.int64(2000)),
        made(activation="tanh(0.7 + z)", target="(z**3 - 3*z)*6**(-1/2)"),
        made(activation=sympy.tanh(z + sympy.Rational(7, 10))),
        made(target=ScalarFunction.parse("He3(z)/sqrt(6)"), noise_std=-0.0),
        Problem.from_dict(made().to_dict()),
    ]
    assert len({problem.content_hash for problem in same}) == 1
    assert len(set(same)) == 1


def test_hash_is_the_one_on_record() -> None:
    assert made().content_hash == BASE_HASH
    assert Problem(**VECTOR).content_hash == VECTOR_HASH


def test_hash_is_the_same_in_every_process() -> None:
    code = (
        "import json, sys; from rmt import Problem;"
        "[print(Problem(**data).content_hash) for data in json.load(sys.stdin)]"
    )
    data = json.dumps([made().to_dict(), VECTOR])
    result = subprocess.run(
        [sys.executable, "-c", code],
        input=data,
        capture_output=True,
        encoding="utf-8",
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "271828"},
    )
    assert result.stdout.split() == [BASE_HASH, VECTOR_HASH]


CHANGES: dict[str, Any] = {
    "activation": "tanh(z + 0.71)",
    "target": "He3(z)",
    "width": 2001,
    "dim": 1001,
    "samples": (4000, 4001),
    "steps": [(4, 0.3), (4, np.nextafter(0.4, 1))],
    "batch": "reused",
    "readout": "uniform",
    "noise_std": 1e-9,
    "init": "gaussian",
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_argument_counts(name: str) -> None:
    changed = made().replace(**{name: CHANGES[name]})
    assert changed != made()
    assert changed.content_hash != BASE_HASH


def test_one_entry_of_the_readout_counts() -> None:
    g = [1, -1, 0.5, 2, 0, np.nextafter(0.25, 1)]
    assert Problem(**VECTOR).replace(readout=g).content_hash != VECTOR_HASH


def test_replace_leaves_the_original_and_validates() -> None:
    problem = made()
    other = problem.replace(width=500, samples=(100, 300))
    assert (other.width, other.samples, other.target) == (500, (100, 300), problem.target)
    assert (problem.width, problem.samples) == (2000, (4000, 4000))
    assert other.replace(width=2000, samples=4000) == problem
    with pytest.raises(InvalidInputError, match="width"):
        problem.replace(width=0)
    with pytest.raises(InvalidInputError, match="readout"):
        Problem(**VECTOR).replace(width=7)
    with pytest.raises(TypeError):
        problem.replace(depth=3)


def test_usable_as_a_key() -> None:
    table = {made(): 1, made(width=3): 2, Problem(**VECTOR): 3, Step(1, 0.1): 4}
    assert table[made()] == 1
    assert table[Problem(**VECTOR)] == 3
    assert table[Step(1.0, 0.1)] == 4
    assert made() != "tanh"
    assert made() != made().to_dict()


def test_frozen() -> None:
    problem = made()
    for name in (*CHANGES, "content_hash"):
        with pytest.raises(FrozenInstanceError):
            setattr(problem, name, getattr(problem, name))
        with pytest.raises(FrozenInstanceError):
            delattr(problem, name)
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        problem.extra = 1  # type: ignore[attr-defined]
    with pytest.raises(FrozenInstanceError):
        problem.steps[0].scale = 2.0  # type: ignore[misc]


def test_readout_is_a_private_read_only_copy() -> None:
    g = np.array(VECTOR["readout"], dtype=float)
    problem = Problem(**{**VECTOR, "readout": g})
    g[0] = 99.0
    assert isinstance(problem.readout, np.ndarray)
    assert problem.readout[0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        problem.readout[0] = 2.0
    assert problem.content_hash == VECTOR_HASH


@pytest.mark.parametrize("arguments", [BASE, VECTOR], ids=["named readout", "given readout"])
def test_copies(arguments: dict[str, Any]) -> None:
    problem = Problem(**arguments)
    for again in (
        pickle.loads(pickle.dumps(problem)),
        copy.deepcopy(problem),
        copy.copy(problem),
        Problem.from_json(problem.to_json()),
    ):
        assert again == problem
        assert hash(again) == hash(problem)
        assert again.to_dict() == problem.to_dict()
        assert again.activation(0.3) == problem.activation(0.3)
    assert copy.deepcopy(problem.steps[0]) == problem.steps[0]


# JSON

TARGETS = [
    "z",
    "sign(z)",
    "He2(z) + 1/3",
    "exp(z/2)",
    "z1 + z1*z2",
    "tanh(z3)*z1",
    "relu(z2 - 0.1)",
]
ACTIVATIONS = ["tanh(z + 7/10)", "relu(z)", "elu(z, 3/2)", "gelu(z)", "z", "He2(z)", "hard_tanh(z)"]
steps = st.tuples(
    st.floats(1e-300, 1e300), st.floats(0.0, 0.5, exclude_max=True, allow_subnormal=False)
)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    n_steps = draw(st.integers(1, 2))
    batch = draw(st.sampled_from(["reused", "independent"]))
    size = st.integers(1, 10**15)
    if batch == "reused":
        samples: Any = draw(size)
    else:
        samples = draw(st.lists(size, min_size=n_steps, max_size=n_steps))
    if draw(st.booleans()):
        width = draw(st.integers(2, 8))
        entries = st.floats(-1e300, 1e300)
        readout: Any = draw(
            st.lists(entries, min_size=width, max_size=width).filter(
                lambda g: max(g) - min(g) > 1e-6 * max(map(abs, g))
            )
        )
    else:
        width = draw(size)
        readout = draw(st.sampled_from(["gaussian", "rademacher", "uniform"]))
    return Problem(
        activation=draw(st.sampled_from(ACTIVATIONS)),
        target=draw(st.sampled_from(TARGETS)),
        width=width,
        dim=draw(st.integers(3, 10**15)),
        samples=samples,
        steps=draw(st.lists(steps, min_size=n_steps, max_size=n_steps)),
        batch=batch,
        readout=readout,
        noise_std=draw(st.floats(0.0, 1e100)),
        init=draw(st.sampled_from(["sphere", "gaussian"])),
    )


@settings(max_examples=60)
@given(problems())
def test_json_round_trip(problem: Problem) -> None:
    text = problem.to_json()
    again = Problem.from_json(text)
    assert again == problem
    assert again.content_hash == problem.content_hash
    assert again.to_json() == text
    # Every number survives to the last bit, and the text is strict JSON.
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert data["width"] == problem.width
    assert [tuple(pair) for pair in data["steps"]] == [
        (step.scale, step.exponent) for step in problem.steps
    ]
    if isinstance(problem.readout, np.ndarray):
        np.testing.assert_array_equal(np.array(data["readout"]), problem.readout)
    grid = np.meshgrid(*([np.linspace(-2, 2, 5)] * problem.n_directions))
    np.testing.assert_array_equal(again.target(*grid), problem.target(*grid))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "3", '"tanh"', "null"])
def test_json_that_is_no_problem(text: str) -> None:
    with pytest.raises(InvalidInputError, match="a problem must be a"):
        Problem.from_json(text)


def test_json_with_other_keys() -> None:
    data = made().to_dict()
    with pytest.raises(InvalidInputError, match=r"unknown: \['depth'\]"):
        Problem.from_dict({**data, "depth": 3})
    del data["dim"], data["init"]
    with pytest.raises(InvalidInputError, match=r"missing: \['dim'\]"):
        Problem.from_dict(data)
    data["dim"] = 1000
    assert Problem.from_dict(data) == made()
    with pytest.raises(InvalidInputError, match=r"steps must hold"):
        Problem.from_dict({**data, "steps": None})
