"""Results as JSON texts: exact, versioned, and nothing else can be made of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import rmt
from rmt.json_form import InJson
from rmt.status import InvalidInputError, Status

TWO = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 500, 400, 900, [(4, 0.3), (4, 0.4)])
MORE = TWO.replace(steps=[(2, 0.3)] * 3, batch=(0, 0, 1), target="z1 + z1*z2", noise_std=0.1)
KINDS = {
    "closed": (TWO, {}),
    "rows": (TWO, {"bulk": "rows"}),
    "wide": (TWO.replace(width=300), {"bulk": "rows"}),
    "scaling": (TWO, {"method": "scaling"}),
    "walk": (MORE, {"rtol": 1e-3}),
    "labels": (TWO.replace(target=rmt.SignOf("z", noise_std=0.5), loss="logistic"), {}),
    "given readout": (TWO.replace(width=4, readout=[1.0, -1.0, 1.0, -1.0]), {}),
    "one spike, no outlier": (TWO.replace(steps=[(0.001, 0.0)]), {}),
}
X = np.linspace(0.0, 3.0, 31)


def same(one: Any, other: Any) -> bool:
    """Whether two trees of results are the same to the last bit."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and (
            all(map(same, one.ravel(), other.ravel()))
            if one.dtype == object
            else np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, rmt.Problem | Status) or not hasattr(one, "__dataclass_fields__"):
        return bool(one == other) or (one != one and other != other)
    names = [field.name for field in fields(one) if field.init]
    return all(same(getattr(one, name), getattr(other, name)) for name in names)


def of(prediction: rmt.Prediction, *but: str) -> list[Any]:
    names = [field.name for field in fields(prediction) if field.init and field.name not in but]
    return [getattr(prediction, name) for name in names]


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_comes_back_to_the_last_bit(kind: str) -> None:
    problem, options = KINDS[kind]
    made = rmt.predict(problem, **options)  # type: ignore[arg-type]
    text = made.to_json()
    back = rmt.Prediction.from_json(text)
    assert same(tuple(of(made, "bulk")), tuple(of(back, "bulk")))
    assert type(back.bulk) is type(made.bulk)
    assert back.bulk.edges == made.bulk.edges
    np.testing.assert_array_equal(back.bulk.pdf(X), made.bulk.pdf(X))
    np.testing.assert_array_equal(back.bulk.cdf(X), made.bulk.cdf(X))
    assert back.to_json() == text
    assert str(back) == str(made)
    assert back.to_dict() == made.to_dict()
    json.loads(text, parse_constant=pytest.fail)  # neither nan nor inf as such


@pytest.mark.parametrize("width", [300, 500])  # with zeros that are not counted, and without
def test_the_deformed_bulk_is_kept_as_its_equation(width: int) -> None:
    made = rmt.predict(TWO.replace(width=width), "deformed", rtol=1e-3)
    text = made.to_json()  # before the density has been asked for
    back = rmt.Prediction.from_json(text)
    assert not back.bulk.knows_edges  # nothing was solved to read it
    assert back.bulk.upper_edge == made.bulk.upper_edge
    assert same(tuple(of(made, "bulk")), tuple(of(back, "bulk")))
    np.testing.assert_array_equal(back.bulk.pdf(X), made.bulk.pdf(X))
    np.testing.assert_array_equal(back.bulk.cdf(X), made.bulk.cdf(X))
    assert back.bulk.edge_scale(100) == made.bulk.edge_scale(100)
    assert made.to_json() == text  # after it has been


def test_what_has_not_converged_keeps_its_status_and_its_missing_numbers() -> None:
    made = rmt.predict(TWO, "deformed", max_seconds=1e-3, throw=False)
    assert made.status is Status.OUT_OF_TIME
    back = rmt.Prediction.from_json(made.to_json())
    assert back.status is Status.OUT_OF_TIME
    assert same(tuple(of(made, "bulk")), tuple(of(back, "bulk")))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 5e-324, 0.1, 1e308])
def test_every_float_comes_back(value: float) -> None:
    spike = rmt.predict(TWO).spikes[0]
    made = rmt.predict(TWO)
    changed = type(made)(**{
        **dict(zip([f.name for f in fields(made) if f.init], of(made), strict=True)),
        "spikes": (type(spike)(**{
            **{f.name: getattr(spike, f.name) for f in fields(spike)},
            "strength": value,
            "target_overlaps": (value,),
        }),),
    })  # fmt: skip
    back = rmt.Prediction.from_json(changed.to_json()).spikes[0]
    for found in (back.strength, back.target_overlaps[0]):
        assert np.array([found]).tobytes() == np.array([value]).tobytes() or value != value
        assert np.isnan(found) == np.isnan(value)


def test_a_sweep_comes_back_with_its_failures() -> None:
    over = {"target": ["z", "z1 + z1*z2"], ("alpha_2", "noise_std"): ([0.4, 0.6], [0.0, 0.5])}
    made = rmt.sweep(TWO, over, rtol=1e-3)
    assert not made.ok.all()
    back = rmt.Sweep.from_json(made.to_json())
    assert same(made, back)
    assert back.to_dict() == made.to_dict()
    assert str(back) == str(made)
    np.testing.assert_array_equal(back.actual("noise_std"), made.actual("noise_std"))


def test_ridge_errors_come_back_with_what_they_are_computed_from() -> None:
    made = rmt.ridge(TWO, [[300], [900]], "optimal")
    back = rmt.RidgeErrors.from_json(made.to_json())
    assert same(made, back)
    np.testing.assert_array_equal(back.spike_contributions(), made.spike_contributions())


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return json.loads(rmt.predict(TWO).to_json())  # type: ignore[no-any-return]


@pytest.mark.parametrize("what", ["format", "theory"])
def test_another_version_is_refused_with_what_to_do(data: dict[str, Any], what: str) -> None:
    for other in (0, data[what] + 1, None):
        with pytest.raises(InvalidInputError, match=rf"of {what} .*predict again") as caught:
            rmt.Prediction.from_json(json.dumps(data | {what: other}))
    assert "rmt.Problem.from_dict" in str(caught.value)
    rest = {key: value for key, value in data["problem"].items() if key != "type"}
    assert rmt.Problem.from_dict(rest) == TWO  # as it says


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("spikes"), "not a complete Prediction"),
        (lambda d: d["spikes"][0].pop("error"), "not a complete"),
        (lambda d: d.update(status={"type": "Status", "name": "FINE"}), "not a complete"),
        (lambda d: d["factors"]["strengths"].update(shape=[99]), "not a complete"),
        (lambda d: d["factors"]["strengths"].update(dtype="U9"), "an array of 'U9'"),
        (lambda d: d.update(bulk={"type": "Popen", "args": "ls"}), "'Popen', which is no part"),
        (lambda d: d.update(bulk={"type": "InJson"}), "'InJson', which is no part"),
        (lambda d: d["problem"].update(width=-1), "width"),
        (lambda d: d.update(type="Sweep"), "holds a Sweep, not a Prediction"),
    ],
)
def test_what_is_no_prediction(
    data: dict[str, Any], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    spoilt = json.loads(json.dumps(data))
    change(spoilt)
    with pytest.raises(InvalidInputError, match=said):
        rmt.Prediction.from_json(json.dumps(spoilt))


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "{}", '"Prediction"', None])
@pytest.mark.parametrize("kind", [rmt.Prediction, rmt.Sweep, rmt.RidgeErrors])
def test_what_is_no_text_of_a_result(kind: type[InJson], text: Any) -> None:
    with pytest.raises(InvalidInputError, match=kind.__name__):
        kind.from_json(text)
