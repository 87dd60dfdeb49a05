"""A user's own weights: agreement, disagreement, rotations, files, and every bad input."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from problems import IE1

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation import simulate
from validation.comparison.verdict import Criteria, Verdict
from validation.weights.check import check
from validation.weights.weight_check import CheckRow, WeightCheck

N = 240
PROBLEM = Problem(
    "gelu(z)",
    IE1,
    N,
    N,
    2 * N,
    [Step(3, 0.3), Step(3, 0.4)],
    readout="rademacher",
)
# What tests of the input use: of unequal sides, and fast.
SMALL = Problem("tanh(z)", "z1 + z1*z2", 60, 40, 160, [Step(2, 0.3)])


@cache
def network(problem=PROBLEM, seed=7, index=0):
    """Weights and second layer of a network that was trained elsewhere."""
    sample = simulate(problem, seed, index)
    return sample.weights[-1], sample.readout / math.sqrt(problem.width)


@cache
def checked():
    weights, readout = network()
    return check(PROBLEM, weights, readout, n_reference=20)


def test_weights_of_the_problem_agree():
    found = checked()
    assert found.agrees()
    assert found.verdict() is not Verdict.DIFFERS
    assert len(found.outliers) == 2
    assert found.count.found == (2,)
    assert found.count.by_spectrum is not None
    assert found.conditional
    assert found.noise == "reference"
    assert {row.label for row in found.rows} == {"singular value", "overlap with e_1"}
    assert all(abs(found.reference_sigmas(row)) < 4.5 for row in found.rows)
    assert not any("scale" in note or "transposed" in note for note in found.notes)


def test_what_is_read_off_the_weights():
    found = checked()
    _, values, right = np.linalg.svd(network()[0])
    for i, outlier in enumerate(found.found):
        assert outlier.singular_value == pytest.approx(values[i], rel=1e-6)
        assert outlier.overlaps == (pytest.approx(right[i, 0] ** 2, abs=1e-5),)
    assert found.row(0).observed == pytest.approx(values[0])
    assert [outlier.is_outlier for outlier in found.found] == [True, True, False]
    assert found.found[-1].p_value > 0.01 > found.found[1].p_value
    assert found.bulk is not None
    assert found.bulk.n_values == N - found.count.by_spectrum[0]
    assert found.bulk.predicted < found.bulk.resolution < found.bulk.marchenko_pastur


@pytest.mark.parametrize(
    "other",
    [
        PROBLEM.replace(steps=[Step(3, 0.3), Step(5, 0.4)]),
        PROBLEM.replace(batch="reused", steps=[Step(6, 0.35), Step(3, 0.4)]),
        PROBLEM.replace(samples=N),
    ],
    ids=["learning rate", "batch and first step", "samples"],
)
def test_weights_of_another_problem_differ(other):
    weights, readout = network(other)
    found = check(PROBLEM, weights, readout, n_reference=20)
    assert found.verdict() is Verdict.DIFFERS
    assert not found.agrees()


def test_the_other_kind_of_batch_differs():
    """At larger steps, where a reused batch lowers the first outlier by a third."""
    independent = PROBLEM.replace(activation="tanh(z + 7/10)", steps=[Step(4, 0.4), Step(4, 0.42)])
    weights, readout = network(independent.replace(batch="reused"))
    found = check(independent, weights, readout, n_reference=20, method="resummed")
    assert found.verdict_of(found.row(0)) is Verdict.DIFFERS
    weights, readout = network(independent)
    found = check(independent, weights, readout, n_reference=20, method="resummed")
    assert found.verdict_of(found.row(0)) is not Verdict.DIFFERS


def test_without_references_nothing_beyond_the_allowance_is_decided():
    weights, readout = network()
    found = check(PROBLEM, weights, readout, spectrum=False)
    assert found.noise == "unknown"
    assert found.bulk is None
    assert found.count.by_spectrum is None
    for row in found.rows:
        assert math.isnan(found.noise_of(row))
        beyond = row.excess > row.allowance(found_criteria())
        assert (found.verdict_of(row) is None) == beyond
    assert "Noise: unknown" in str(found)
    far = check(PROBLEM, *network(PROBLEM.replace(samples=N // 2)), spectrum=False)
    assert far.verdict_of(far.row(0)) is None
    assert not far.agrees()
    assert "beyond allowance, noise unknown" in str(far)


def found_criteria():
    from validation.comparison.verdict import DEFAULT_CRITERIA

    return DEFAULT_CRITERIA


def test_several_networks_tell_their_own_noise():
    stack = [network(index=i) for i in range(6)]
    weights = np.array([one[0] for one in stack])
    readouts = np.array([one[1] for one in stack])
    found = check(PROBLEM, weights, readouts, method="resummed", spectrum=False)
    listed = check(PROBLEM, list(weights), readouts, method="resummed", spectrum=False)
    assert found == listed
    assert (found.n_weights, found.noise, found.n_noise) == (6, "weights", 6)
    singular = [np.linalg.svd(w, compute_uv=False)[0] for w in weights]
    assert found.row(0).observed == pytest.approx(np.mean(singular))
    # The predictions for Rademacher readouts hardly differ.
    assert found.row(0).deviation == pytest.approx(np.std(singular, ddof=1), rel=0.1)
    assert found.count.found == tuple(
        check(PROBLEM, w, a, method="resummed", spectrum=False).count.found[0]
        for w, a in zip(weights, readouts, strict=True)
    )


def test_without_a_readout_the_law_is_predicted():
    weights, readout = network()
    found = check(PROBLEM, weights, method="resummed", spectrum=False)
    assert not found.conditional
    assert "mean over readouts" in str(found)
    given = PROBLEM.replace(readout=readout * math.sqrt(N))
    same = check(given, weights, method="resummed", spectrum=False)
    theirs = check(PROBLEM, weights, readout, method="resummed", spectrum=False)
    assert same.conditional
    assert same.rows == theirs.rows


def test_rotated_weights_and_directions_give_the_same():
    weights, readout = network(SMALL)
    rng = np.random.default_rng(3)
    rotation, _ = np.linalg.qr(rng.standard_normal((SMALL.dim, SMALL.dim)))
    plain = check(SMALL, weights, readout, method="resummed")
    rotated = check(SMALL, weights @ rotation, readout, directions=rotation[:2], method="resummed")
    swapped = check(
        SMALL, weights @ rotation, readout, directions=-rotation[[1, 0]], method="resummed"
    )
    assert len(plain.rows) == len(rotated.rows) > 0
    for row, other in zip(plain.rows, rotated.rows, strict=True):
        assert other.observed == pytest.approx(row.observed, abs=1e-10)
    assert swapped.row(0, 1).observed == pytest.approx(plain.row(0, 2).observed, abs=1e-10)
    assert rotated.count == pytest.approx(plain.count) or rotated.count.found == plain.count.found


def test_single_precision():
    weights, readout = network()
    found = check(PROBLEM, weights.astype(np.float32), readout.astype(np.float32), spectrum=False)
    assert found.row(0).observed == pytest.approx(checked().row(0).observed, rel=1e-5)
    assert found.row(0).predicted == pytest.approx(checked().row(0).predicted, rel=1e-5)


def test_prints_and_goes_through_json():
    found = checked()
    text = found.to_json()
    assert WeightCheck.from_json(text) == found
    data = json.loads(text)
    assert data["rows"][0]["observed"] == pytest.approx(found.rows[0].observed)
    lines = str(found).splitlines()
    assert lines[0] == f"N = {N}, d = {N}, n = {2 * N}, independent batch: 1 matrix"
    assert any(line.startswith("outliers: predicted 2, found 2") for line in lines)
    assert "20 simulated reference networks" in " ".join(lines)
    unknown = check(PROBLEM, *network(), spectrum=False, method="resummed")
    assert "NaN" not in unknown.to_json()
    assert WeightCheck.from_json(unknown.to_json()).to_json() == unknown.to_json()
    with pytest.raises(InvalidInputError, match="no row for spike 9"):
        found.row(9)


def test_the_table_shows_what_a_verdict_is_reached_by():
    row = CheckRow(0, None, 10.0, 0.75, 10.8, 0.01, math.nan)
    unsure = replace(row, spike=1, predicted_error=math.inf)
    found = replace(checked(), rows=(row, unsure))
    lines = found.table(Criteria(allowance=0.0)).splitlines()[2:5]
    header, first, second = (re.split(" {2,}", line.strip()) for line in lines)
    shown = dict(zip(header, first, strict=True))
    # The verdict holds 0.8 - 0.75 against 3.17 standard deviations.
    assert shown["own error"] == "0.7500"
    assert (shown["difference"], shown["noise"]) == ("+0.8000", "0.0317")
    assert shown["verdict"] == "differs"
    assert second[header.index("own error")] == "-"
    assert "Own error" in " ".join(found.table().split())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_foreign_json_is_refused(text):
    with pytest.raises(InvalidInputError):
        WeightCheck.from_json(text)


# --- files ----------------------------------------------------------------------------------------


def test_files(tmp_path):
    weights, readout = network(SMALL)

    def rows(*args):
        return check(SMALL, *args, method="resummed", spectrum=False).rows

    expected = rows(weights, readout)
    np.save(tmp_path / "w.npy", weights)
    np.save(tmp_path / "a.npy", readout)
    np.savez(tmp_path / "both.npz", weights=weights, readout=readout, other=np.ones(3))
    np.savez(tmp_path / "single.npz", anything=weights)
    assert rows(tmp_path / "w.npy", tmp_path / "a.npy") == expected
    assert rows(str(tmp_path / "both.npz")) == expected
    assert rows(tmp_path / "single.npz", readout) == expected
    axes = np.eye(40)[[1, 0]]
    np.save(tmp_path / "u.npy", axes)
    method = {"method": "resummed", "spectrum": False}
    found = check(SMALL, weights, readout, directions=tmp_path / "u.npy", **method)
    assert found == check(SMALL, weights, readout, directions=axes, **method)
    with pytest.raises(InvalidInputError, match="given twice"):
        rows(tmp_path / "both.npz", readout)


def bad_files(folder):
    objects = np.array([{"a": 1}, None], dtype=object)
    np.save(folder / "objects.npy", objects, allow_pickle=True)
    np.savez(folder / "objects.npz", weights=objects, other=np.ones(2))
    np.savez(folder / "names.npz", first=np.ones(2), second=np.ones(2))
    np.savez(folder / "empty.npz")
    (folder / "text.npy").write_text("not an array", encoding="utf-8")
    (folder / "nothing.npy").write_bytes(b"")
    np.save(folder / "whole.npy", np.ones((60, 40)))
    whole = (folder / "whole.npy").read_bytes()
    (folder / "half.npy").write_bytes(whole[: len(whole) // 2])
    (folder / "half.npz").write_bytes(b"PK\x03\x04" + whole[:100])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.npy", "there is no file"),
        ("", "cannot be read"),
        ("objects.npy", "of plain numbers"),
        ("objects.npz", "of plain numbers"),
        ("names.npz", "an array called weights, or a single array; it holds first, second"),
        ("empty.npz", "it holds none"),
        ("text.npy", "of plain numbers"),
        ("nothing.npy", "of plain numbers"),
        ("half.npy", "of plain numbers"),
        ("half.npz", "of plain numbers"),
    ],
)
def test_bad_files(tmp_path, name, message):
    bad_files(tmp_path)
    with pytest.raises(InvalidInputError, match=message) as error:
        check(SMALL, tmp_path / name)
    assert "\n" not in str(error.value)


# --- bad input ------------------------------------------------------------------------------------


def spoilt(value):
    weights = np.ones((60, 40))
    weights[3, 4] = value
    return weights


READOUT = np.ones(60) / math.sqrt(60)
READOUT[::2] *= -1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"problem": "tanh"}, "problem must be a Problem, got str"),
        ({"weights": np.ones((40, 60))}, "(60, 40), got (40, 60): transpose them"),
        ({"weights": np.ones((60, 41))}, "(width, dim) = (60, 40), got (60, 41)"),
        ({"weights": np.ones(60)}, "got (60,)"),
        ({"weights": np.ones((1, 2, 60, 40))}, "got (1, 2, 60, 40)"),
        ({"weights": np.ones((2, 40, 60))}, "matrix 0 of the weights must"),
        ({"weights": [np.ones((60, 40)), np.ones((3, 3))]}, "matrix 1 of the weights must"),
        ({"weights": [[1.0, 2.0], [1.0]]}, "weights must be an array of numbers"),
        ({"weights": []}, "weights must not be empty"),
        ({"weights": np.ones((0, 60, 40))}, "weights must not be empty"),
        ({"weights": np.zeros((60, 40))}, "zero everywhere"),
        ({"weights": np.ones((2, 60, 40))}, "matrices 0 and 1 are the same"),
        ({"weights": spoilt(np.nan)}, "finite, got 1 infinite or undefined entries of 2400"),
        ({"weights": spoilt(np.inf)}, "finite, got 1 infinite"),
        ({"weights": np.ones((60, 40)) * 1j}, "real numbers, got complex numbers"),
        ({"weights": np.ones((60, 40), dtype=object)}, "real numbers, got objects"),
        ({"weights": np.ones((60, 40), dtype=bool)}, "real numbers, got truth values"),
        ({"weights": np.full((60, 40), "x")}, "real numbers"),
        ({"weights": None}, "real numbers, got objects"),
        ({"readout": np.ones(40)}, "readout must have the shape (60,) for 1 matrix"),
        ({"readout": np.ones((2, 60))}, "for 1 matrix of weights, got (2, 60)"),
        (
            {"weights": np.arange(7200.0).reshape(3, 60, 40), "readout": np.ones((2, 60))},
            "(3, 60) or (60,) for 3 matrices of weights, got (2, 60)",
        ),
        ({"readout": READOUT * math.sqrt(60)}, "looks like g_i: divide it by sqrt(N)"),
        ({"readout": np.zeros(60)}, "readout must not be zero"),
        ({"readout": np.full(60, np.nan)}, "readout must be finite"),
        ({"readout": READOUT * 1j}, "readout must be an array of real numbers, got complex"),
        ({"directions": np.eye(40)[:1]}, "directions must have the shape (r, dim) = (2, 40)"),
        ({"directions": np.eye(40)[:, :2]}, "got (40, 2)"),
        ({"directions": 2 * np.eye(40)[:2]}, "orthonormal rows: their inner products differ"),
        ({"directions": np.eye(40)[[0, 0]]}, "orthonormal rows"),
        ({"directions": np.full((2, 40), np.nan)}, "directions must be finite"),
        ({"n_reference": 1}, "n_reference must be 0, or an integer of at least 2, got 1"),
        ({"n_reference": -3}, "n_reference"),
        ({"n_reference": 2.5}, "n_reference"),
        ({"n_reference": True}, "n_reference"),
        ({"method": "guess"}, "method must be one of"),
        ({"forms": "guess"}, "forms must be one of"),
        ({"forms": "linked", "method": "resummed"}, "forms belongs to method='deformed'"),
    ],
)
def test_bad_input(arguments, message):
    rng = np.random.default_rng(0)
    given = {"problem": SMALL, "weights": rng.standard_normal((60, 40)) / math.sqrt(40)}
    with pytest.raises(InvalidInputError, match=re.escape(message)) as error:
        check(**(given | arguments))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda w, a: (w * math.sqrt(N), a), "about sqrt(d) = 15.5: divide the weights by it"),
        (lambda w, a: (w / math.sqrt(N), a), "multiply them by sqrt(d)"),
        (lambda w, a: (w * 2, a), "divide the weights by about 1.9"),
        (lambda w, a: (w.T, a), "W may be transposed"),
        (lambda w, a: (w.T, None), "W may be transposed"),
        (lambda w, a: (w, np.roll(a, 1)), "neurons in another order"),
        (lambda w, a: (w, a / 3), "the readout has standard deviation 0.333"),
    ],
    ids=[
        "times sqrt d",
        "over sqrt d",
        "doubled",
        "transposed",
        "no readout",
        "order",
        "small a",
    ],
)
def test_odd_weights_get_a_note(change, note):
    weights, readout = change(*network())
    found = check(PROBLEM, weights, readout, method="resummed", spectrum=False)
    assert note in " ".join(found.notes)
    assert note.split()[0] in " ".join(str(found).split())


def test_a_bulk_of_another_scale_gets_a_note():
    """Where the level predicts it, and nothing else is known."""
    weights, readout = network()
    notes = check(PROBLEM, 1.3 * weights, readout).notes
    assert "another scale, other learning rates or another problem" in notes[0]


def test_other_target_directions_get_a_note():
    weights, readout = network()
    turned = np.roll(weights, 1, axis=1)  # trained on e_2
    method = {"method": "resummed", "spectrum": False}
    notes = " ".join(check(PROBLEM, turned, readout, **method).notes)
    assert "trained on another target direction than e_1; `directions` says which" in notes
    axis = np.eye(N)[1:2]
    told = check(PROBLEM, turned, readout, directions=axis, **method)
    plain = check(PROBLEM, weights, readout, **method)
    for row, other in zip(told.rows, plain.rows, strict=True):
        assert row.observed == pytest.approx(other.observed, abs=1e-10)
    # Neither where directions are given, nor where the first axes are the right ones.
    wrong = check(PROBLEM, weights, readout, directions=axis, **method)
    for found in (told, plain, wrong):
        assert "another target direction" not in " ".join(found.notes)


def test_the_last_line_is_the_verdict():
    found = checked()
    assert found.differing() == ()
    assert str(found).splitlines()[-1] == f"verdict: {found.verdict()}"
    off = replace(found.row(0), predicted=found.row(0).observed + 5)
    count = replace(found.count, found=(7,), clear=(7,))
    wrong = replace(found, rows=(off, *found.rows[1:]), count=count)
    assert wrong.differing() == ("singular value of spike 0", "number of outliers")
    last = str(wrong).splitlines()[-1]
    assert last == "verdict: differs in: singular value of spike 0, number of outliers"
    unknown = replace(found, rows=(off, *found.rows[1:]), noise="unknown", n_noise=0)
    assert unknown.differing() == ()
    last = str(unknown).splitlines()[-1]
    assert last == "verdict: undecided, noise unknown: singular value of spike 0"


def test_the_table_of_a_wrong_scale_stays_short():
    weights, readout = network()
    found = check(PROBLEM, 20 * weights, readout, method="resummed")
    assert "more" in str(found)
    assert len(str(found).partition("\nnote: ")[0].splitlines()) < 25
