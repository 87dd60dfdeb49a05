"""Predictions as a user sees them: notes, errors, output, closed forms of one step, symmetries."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from scipy import special

from rmt import (
    ConvergenceError,
    InvalidInputError,
    MarchenkoPasturBulk,
    Prediction,
    Problem,
    Spike,
    Status,
    Step,
    predict,
    rectangular_outliers,
)

BASE: dict[str, Any] = {
    "activation": "tanh(z + 7/10)",
    "target": "tanh(2*z)",
    "width": 400,
    "dim": 500,
    "samples": 900,
    "steps": [Step(4, 0.3), Step(4, 0.4)],
}
BATCHES = ["independent", "reused"]
RTOL = 1e-5


def made(**changes: Any) -> Problem:
    return Problem(**{**BASE, **changes})


def found(**changes: Any) -> Prediction:
    return predict(made(**changes), rtol=RTOL, bulk="marchenko-pastur")


def numbers(prediction: Prediction) -> np.ndarray:
    """Every squared number, spike by spike."""
    return np.array(
        [
            [s.strength, s.singular_value, s.left_overlap, s.right_overlap, *s.target_overlaps]
            for s in prediction.spikes
        ]
    )


def assert_same(one: Prediction, other: Prediction, rtol: float = 3 * RTOL) -> None:
    first, second = numbers(one), numbers(other)
    assert first.shape == second.shape
    assert first.size > 0
    np.testing.assert_allclose(first, second, rtol=rtol, atol=rtol)


# One step in closed form


@pytest.mark.parametrize("noise", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("gamma", [0.5, 1.0, 3.0])
def test_one_step_on_a_linear_target(gamma: float, noise: float) -> None:
    """theta = eta mu_1 |beta_1| with |beta_1|^2 = 1 + phi (1 + noise^2); relu: mu_1 = 1/2."""
    dim, samples = 200, 500
    width = round(gamma * dim)
    step = Step(3.0, 0.25)
    problem = made(
        activation="relu(z)",
        target="z",
        width=width,
        dim=dim,
        samples=samples,
        steps=step,
        noise_std=noise,
    )
    (spike,) = predict(problem, bulk="marchenko-pastur").spikes
    B = 1 + dim / samples * (1 + noise**2)
    theta = 3.0 * width**0.25 * 0.5 * math.sqrt(B)
    assert spike.strength == pytest.approx(theta, rel=1e-12)
    assert abs(spike.strength - theta) <= spike.error.strength
    assert spike.target_alignments == pytest.approx((1 / B,), rel=1e-12)
    right = 1 - (gamma + theta**2) / (theta**2 * (theta**2 + 1))
    assert spike.right_overlap == pytest.approx(right, rel=1e-10)
    assert spike.target_overlap == pytest.approx(right / B, rel=1e-10)
    assert spike.singular_value == pytest.approx(
        math.sqrt((1 + theta**2) * (gamma + theta**2)) / theta, rel=1e-12
    )


def test_one_step_of_two_directions() -> None:
    """f = 3 z1 + 4 z2 + z1 z2: b = (3, 4), Ey2 = 26, whatever else it contains."""
    problem = made(target="3*z1 + 4*z2 + z1*z2", steps=Step(1, 0.4), activation="z + 1")
    (spike,) = predict(problem, bulk="marchenko-pastur").spikes
    B = 25 + 500 / 900 * 26
    assert spike.strength == pytest.approx(400**0.4 * math.sqrt(B), rel=1e-12)
    assert spike.target_alignments == pytest.approx((9 / B, 16 / B), rel=1e-12)
    assert spike.target_overlap == pytest.approx(sum(spike.target_overlaps), rel=1e-15)


def test_second_step_of_a_linear_network() -> None:
    """sigma = z, Rademacher readout, fresh batch: every average in closed form.

    h = t mu_1 zeta g averages to k zeta with k = eta_1 / sqrt N; psi = y - k zeta; mean update
    g (eta_1 beta_1 + eta_2 v) / sqrt N, v = X^T psi / n: one spike of squared strength
    eta_1^2 B + 2 eta_1 eta_2 <beta_1, v> + eta_2^2 |v|^2.
    """
    n_width, dim, n1, n2, noise = 400, 500, 900, 700, 0.5
    problem = made(
        activation="z", target="z", samples=(n1, n2), readout="rademacher", noise_std=noise
    )
    eta1, eta2 = problem.learning_rates
    phi1, phi2 = dim / n1, dim / n2
    Ey2 = 1 + noise**2
    B = 1 + phi1 * Ey2
    k = eta1 / math.sqrt(n_width)
    # v -> beta_* - k beta_1 in the mean, plus sampling noise of squared norm phi_2 E[psi^2].
    beta1_v = 1 - k * B
    psi2 = Ey2 - 2 * k + k**2 * B
    v2 = phi2 * psi2 + 1 - 2 * k + k**2 * B
    theta = math.sqrt(eta1**2 * B + 2 * eta1 * eta2 * beta1_v + eta2**2 * v2)
    alignment = (eta1 + eta2 * (1 - k)) / theta
    (spike,) = predict(problem, bulk="marchenko-pastur").spikes
    assert spike.strength == pytest.approx(theta, rel=1e-9)
    assert spike.target_alignments[0] == pytest.approx(alignment**2, rel=1e-8)


# Notes


def notes(**changes: Any) -> str:
    return "\n".join(found(**changes).notes)


@pytest.mark.parametrize("activation", ["He2(z)", "abs(z)", "cos(z)"])
def test_note_of_an_even_activation(activation: str) -> None:
    prediction = found(activation=activation, steps=Step(4, 0.4))
    assert any("mu_1 = E[sigma'(Z)] = 0" in note for note in prediction.notes)
    assert prediction.spikes == ()
    assert any("no outlier" in note for note in prediction.notes)


def test_small_activations_have_a_first_step_all_the_same() -> None:
    """Whether mu_1 vanishes is judged relative to the slope."""
    assert "mu_1" not in notes(activation="tanh(z)/10**13", steps=Step(4, 0.4))
    assert "mu_1" not in notes()


@pytest.mark.parametrize("target", ["He3(z)", "He2(z) + 2", "z1*z2"])
def test_note_of_a_target_of_higher_exponent(target: str) -> None:
    assert "E[z y] = 0 (information exponent above 1)" in notes(target=target)


@pytest.mark.parametrize("noise", [0.0, 1e4])
def test_note_of_a_constant_target(noise: float) -> None:
    assert "the target is constant" in notes(target="3", noise_std=noise, steps=Step(1, 0.1))


def test_signal_buried_in_noise_or_offset_is_not_a_constant() -> None:
    for changes in ({"target": "He3(z)", "noise_std": 1e7}, {"target": "z + 10**7"}):
        assert "constant" not in notes(**changes, steps=Step(1, 0.1))


def test_notes_on_outliers_that_fluctuations_move() -> None:
    """Second outlier at 4.2 (resummed); networks have 4.79(7), the deformed level 4.76."""
    moved = Problem(
        "z*exp(-z**2/4) + relu(z)/2",
        "z1*tanh(z2) + z1/2 + He2(z1)/5",
        width=400,
        dim=400,
        samples=400,
        steps=[(2, 0.4), (2, 0.45)],
        readout="rademacher",
        noise_std=0.2,
    )
    (note,) = predict(moved, bulk="marchenko-pastur").notes
    assert "spike 1 is further out" in note
    assert 'method="deformed"' in note
    many = predict(moved.replace(samples=40_000), bulk="marchenko-pastur")
    assert not any("further out" in note for note in many.notes)


def test_leading_terms_say_what_they_leave_out() -> None:
    two = {"steps": [Step(4, 0.3), Step(4, 0.4)], "readout": "rademacher"}
    assert any("eta_1/sqrt(N) = " in note for note in predict(made(**two), "scaling").notes)
    assert "leading terms" not in notes(**two)
    small = made(**{**two, "steps": [Step(1, 0), Step(4, 0.4)]})
    assert not any("leading terms" in note for note in predict(small, "scaling").notes)


def test_no_notes_on_a_plain_problem() -> None:
    assert notes(steps=Step(4, 0.3)) == ""


def test_note_of_an_outlier_near_the_edge() -> None:
    """At N = 1000 and alpha = 0.4 the bulk is wider by some 1000^(-0.2) = 25 percent."""
    prediction = found(width=1000, dim=1000, samples=2000)
    near = [
        k for k, s in enumerate(prediction.spikes) if s.is_outlier and s.singular_value < 2 * 1.252
    ]
    (note,) = [note for note in prediction.notes if "of the bulk's edge" in note]
    assert "within 25%" in note
    assert [int(k) for k in re.findall(r"\d+", note.split("within")[0])] == near
    assert near


def test_note_of_heavy_tails() -> None:
    assert "heavy tails" in notes(target="He3(z)", steps=Step(4, 0.3))
    assert "heavy tails" not in notes(target="He2(z) + z", steps=Step(4, 0.3))


def test_note_of_no_outlier() -> None:
    prediction = found(steps=[Step(0.01, 0), Step(0.01, 0)])
    assert prediction.outliers == ()
    threshold = f"{(400 / 500) ** 0.25:.4g}"
    assert any("no outlier" in n and f"= {threshold}" in n for n in prediction.notes)
    assert all(spike.strength < 0.95 for spike in prediction.spikes)


def test_note_of_a_spike_at_the_threshold() -> None:
    """relu, f = z, N = d, phi = 1/2: theta = eta sqrt(3/2) / 2 is 1 for eta = 2 sqrt(2/3)."""
    scale = 2 * math.sqrt(2 / 3)
    same = {"activation": "relu(z)", "target": "z", "width": 500, "samples": 1000}
    assert "spike 0 is at the threshold" in notes(**same, steps=Step(scale, 0))
    assert "threshold strength within" not in notes(**same, steps=Step(scale * (1 + 1e-6), 0))
    assert "threshold strength within" not in notes(**same, steps=Step(scale * (1 - 1e-6), 0))


def test_notes_of_a_given_readout() -> None:
    rng = np.random.default_rng(1)
    g = rng.standard_normal(400)
    g = (g - g.mean()) / g.std()
    assert notes(readout=g, steps=Step(4, 0.3)) == ""
    shifted = found(readout=g + 0.4, steps=Step(1, 0.3))
    assert any("mean 0.4 and standard deviation 1:" in note for note in shifted.notes)
    small = found(readout=g / 20, steps=Step(1, 0.3))
    (note,) = (note for note in small.notes if "standard deviation 0.05, about 1/sqrt(N)" in note)
    assert "it holds g_i = sqrt(N) a_i, whose usual scale is 1. So multiply by sqrt(N). See" in note
    seventh = found(readout=g / 7, steps=Step(1, 0.3))
    (note,) = (note for note in seventh.notes if "standard deviation 0.143" in note)
    assert "it holds g_i = sqrt(N) a_i, whose usual scale is 1. Keep it if" in note


# Errors


@pytest.mark.parametrize("bad", [None, "tanh(z)", {}, made().to_dict()])
def test_not_a_problem(bad: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"problem must be a Problem, got {type(bad).__name__}"
    ):
        predict(bad)


@pytest.mark.parametrize("bad", ["exact", "", None, 1, "Resummed"])
def test_bad_method(bad: Any) -> None:
    with pytest.raises(
        InvalidInputError, match="method must be one of scaling, resummed, d"
    ) as caught:
        predict(made(), method=bad)
    assert repr(bad) in str(caught.value)


@pytest.mark.parametrize("bad", [0.0, -1e-6, 1e-11, 0.02, 1.0, math.nan, math.inf])
def test_bad_rtol(bad: float) -> None:
    with pytest.raises(InvalidInputError, match=r"rtol must lie between 1e-10 and 1e-2, got"):
        predict(made(), rtol=bad)


@pytest.mark.parametrize("batch", BATCHES)
def test_not_converged(batch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = found(batch=batch)
    monkeypatch.setattr("rmt.spikes.refinement._allowed", lambda *_: None)  # no refinement
    problem = made(batch=batch)
    with pytest.raises(
        ConvergenceError, match=r"relative errors of the outliers' strengths: \d"
    ) as caught:
        predict(problem, rtol=1e-10)
    assert caught.value.status is Status.NOT_CONVERGED
    best = caught.value.best
    assert isinstance(best, Prediction)
    returned = predict(problem, rtol=1e-10, throw=False)
    assert returned.to_dict() == best.to_dict()
    assert returned.status is Status.NOT_CONVERGED
    assert not returned.status.ok
    assert returned.to_dict()["status"] == "NOT_CONVERGED"
    # The best answer so far is an answer, with an honest error estimate.
    for spike, true in zip(best.spikes, exact.spikes, strict=False):
        assert spike.error.strength > 0
        slack = spike.error.strength + true.error.strength
        assert abs(spike.strength - true.strength) <= slack
        assert abs(spike.strength - true.strength) < 0.1 * max(true.strength, 1.0)


# What comes out


@pytest.mark.parametrize("target", ["tanh(2*z)", "z1 + z1*z2"])
def test_dictionary_is_complete_and_json(target: str) -> None:
    prediction = found(target=target)
    data = json.loads(json.dumps(prediction.to_dict(), allow_nan=False))
    assert data == prediction.to_dict()
    assert Problem.from_dict(data["problem"]) == prediction.problem
    assert data["problem_hash"] == prediction.problem.content_hash
    assert (data["method"], data["status"]) == ("resummed", "CONVERGED")
    assert data["bulk"]["edges"] == [list(prediction.bulk.edges[0])]
    assert data["bulk"]["aspect_ratio"] == 0.8
    assert data["n_outliers"] == len(prediction.outliers) > 0
    assert data["notes"] == list(prediction.notes)
    assert len(data["spikes"]) == len(prediction.spikes)
    # Where the untrained output vanishes nothing overlaps with it.
    fields = {*Spike.__slots__, "target_overlap"} - {"initial_output_overlap"}
    for row, spike in zip(data["spikes"], prediction.spikes, strict=True):
        assert set(row) == fields
        assert set(row["error"]) == fields - {"is_outlier", "error"}
        for name in fields - {"error"}:
            value = getattr(spike, name)
            assert row[name] == (list(value) if isinstance(value, tuple) else value)
            if name != "is_outlier":
                error = getattr(spike.error, name)
                assert row["error"][name] == (list(error) if isinstance(error, tuple) else error)


def test_frame() -> None:
    pytest.importorskip("pandas")
    prediction = found(target="z1 + z1*z2")
    frame = prediction.to_frame()
    assert len(frame) == len(prediction.spikes)
    spike = prediction.spikes[1]
    row = frame.iloc[1]
    for name in ("strength", "singular_value", "left_overlap", "right_overlap", "target_overlap"):
        assert row[name] == getattr(spike, name)
    assert (row["target_overlap_1"], row["target_overlap_2"]) == spike.target_overlaps
    assert row["strength_error"] == spike.error.strength
    assert row["singular_value_error"] == spike.error.singular_value
    assert list(frame["is_outlier"]) == [s.is_outlier for s in prediction.spikes]
    empty = found(activation="He2(z)", steps=Step(1, 0.1)).to_frame()
    assert len(empty) == 0


def test_text() -> None:
    prediction = found(target="z1 + z1*z2", noise_std=0.25, samples=(900, 950))
    lines = str(prediction).splitlines()
    text = "\n".join(lines)
    for expected in (
        "tanh(z + 7/10)",
        "N = 400, d = 500, n = 900 + 950",
        "4 N^0.3, 4 N^0.4",
        "independent batch",
        "noise 0.25",
        "overlap with e2",
        f"{len(prediction.outliers)} outliers",
        f"[{prediction.bulk.edges[0][0]:.4f}, {prediction.bulk.edges[0][1]:.4f}]",
    ):
        assert expected in text
    for k, spike in enumerate(prediction.spikes):
        (row,) = [line for line in lines[3:] if line.split()[:1] == [str(k)]]
        assert f"{spike.strength:.5g}" in row
        if spike.is_outlier:
            assert f"{spike.singular_value:.5g}" in row
            assert all(f"{overlap:.4f}" in row for overlap in spike.target_overlaps)
        else:
            assert "in the bulk" in row
    assert "note: E[z y] = 0" in str(found(target="He3(z)"))
    assert "given readout" in str(found(readout=np.r_[-np.ones(200), np.ones(200)]))


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"target": "sign(z)", "activation": "relu(z)"},
        {"target": "tanh(z1) + z1*z2/4", "width": 900},
        {"target": "1 + tanh(z)", "noise_std": 0.5, "readout": "uniform"},
        {"steps": Step(0.3, 0.2)},
    ],
)
def test_structure(changes: dict[str, Any], batch: str) -> None:
    prediction = found(batch=batch, **changes)
    problem = prediction.problem
    gamma = problem.aspect_ratio
    assert isinstance(prediction.bulk, MarchenkoPasturBulk)
    assert prediction.bulk.aspect_ratio == gamma
    assert prediction.status.ok
    strengths = [spike.strength for spike in prediction.spikes]
    assert strengths == sorted(strengths, reverse=True)
    assert prediction.outliers == tuple(s for s in prediction.spikes if s.is_outlier)
    total = np.zeros(problem.n_directions)
    for spike in prediction.spikes:
        assert 0 <= spike.left_overlap <= 1
        assert 0 <= spike.right_overlap <= 1
        assert all(0 <= a <= 1 for a in spike.target_alignments)
        assert 0 <= spike.target_overlap <= spike.right_overlap * (1 + 1e-9)
        assert spike.is_outlier == (spike.strength > gamma**0.25)
        assert (spike.singular_value > prediction.bulk.upper_edge) == spike.is_outlier
        total += spike.target_alignments
    # The right directions are orthonormal: Bessel's inequality for each target direction.
    assert np.all(total <= 1 + 1e-6)


@pytest.mark.parametrize("batch", BATCHES)
def test_errors_propagate(batch: str) -> None:
    """The error of a position is its slope in the strength times the error of the strength."""
    prediction = found(batch=batch)
    gamma = prediction.problem.aspect_ratio
    for spike in prediction.outliers:
        theta, h = spike.strength, 1e-5
        step = rectangular_outliers([theta * (1 - h), theta * (1 + h)], gamma)
        for name in ("singular_value", "left_overlap", "right_overlap"):
            low, high = getattr(step, name)
            expected = (high - low) / (2 * h * theta) * spike.error.strength
            rounding = 1e-14 * spike.singular_value
            assert getattr(spike.error, name) == pytest.approx(expected, rel=1e-3, abs=rounding)
        product = (
            spike.error.right_overlap * spike.target_alignments[0]
            + spike.right_overlap * spike.error.target_alignments[0]
        )
        assert spike.error.target_overlap >= product
        assert spike.error.target_overlap <= 1.01 * product + 1e-15
        assert spike.error.strength <= RTOL * max(theta, gamma**0.25)


@pytest.mark.parametrize("batch", BATCHES)
def test_loose_answers_are_within_their_error(batch: str) -> None:
    tight = predict(made(batch=batch), rtol=1e-7, bulk="marchenko-pastur")
    loose = predict(made(batch=batch), rtol=1e-2, bulk="marchenko-pastur")
    for one, other in zip(loose.spikes, tight.spikes, strict=False):
        assert abs(one.strength - other.strength) <= one.error.strength + other.error.strength
        slack = one.error.target_overlap + other.error.target_overlap
        assert abs(one.target_overlap - other.target_overlap) <= slack


def test_no_more_spikes_than_singular_values() -> None:
    """The theory is one of large sizes, but a 1 x 500 matrix has one singular value."""
    assert len(found(width=1).spikes) == 1
    assert len(found(width=2, target="He3(z)/sqrt(6)").spikes) <= 2
    assert len(found(dim=1, samples=2).spikes) == 1


# Symmetries. With y -> -y: b, Ey and zeta change sign, and with them S; that is t -> -t, undone by
# g -> -g (h and the residual are then odd), so that the mean update P(g) becomes P(-g): the same
# singular values and squared alignments whenever the law of g is even, or g is negated with it.
# The same goes for sigma(z) -> -sigma(z), and for sigma(z) -> sigma(-z) after Z -> -Z. A constant
# added to sigma drops out of h, since E[g] = 0.

ASYMMETRIC = np.linspace(-1.0, 1.0, 400) + np.r_[np.full(300, -0.5), np.full(100, 1.5)]


@pytest.mark.parametrize("batch", BATCHES)
def test_sign_of_the_target(batch: str) -> None:
    one = found(target="tanh(z) + cos(z)", batch=batch)
    assert_same(one, found(target="-tanh(z) - cos(z)", batch=batch))
    # Not by default of any dependence: another sign inside is another problem.
    other = found(target="tanh(z) + cos(2*z)", batch=batch)
    assert abs(other.spikes[0].strength / one.spikes[0].strength - 1) > 1e-3


@pytest.mark.parametrize("batch", BATCHES)
def test_sign_of_the_target_with_a_given_readout(batch: str) -> None:
    changes = {"target": "tanh(z + 1/2)", "batch": batch}
    one = found(**changes, readout=ASYMMETRIC)
    negated = {**changes, "target": "-tanh(z + 1/2)"}
    assert_same(one, found(**negated, readout=-ASYMMETRIC))
    same_readout = found(**negated, readout=ASYMMETRIC)
    assert abs(same_readout.spikes[0].strength / one.spikes[0].strength - 1) > 1e-5


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("mirrored", ["-softplus(z)", "softplus(-z)", "-softplus(-z)"])
def test_mirrored_activations(mirrored: str, batch: str) -> None:
    same = {"target": "tanh(z) + cos(z)", "batch": batch, "readout": "uniform"}
    assert_same(found(activation="softplus(z)", **same), found(activation=mirrored, **same))


@pytest.mark.parametrize("batch", BATCHES)
def test_constant_added_to_the_activation(batch: str) -> None:
    assert_same(found(batch=batch), found(activation="tanh(z + 7/10) + 3", batch=batch))


def test_scale_moves_between_activation_and_steps() -> None:
    """One step: eta sigma -> (c eta) (sigma / c) is the same update."""
    one = found(activation="3*erf(z)", steps=Step(0.5, 0.3))
    assert_same(one, found(activation="erf(z)", steps=Step(1.5, 0.3)), rtol=1e-10)


def test_direction_names_do_not_matter() -> None:
    plain, second = found(), found(target="tanh(2*z2)")
    assert numbers(second).shape[1] == numbers(plain).shape[1] + 1
    np.testing.assert_allclose(numbers(second)[:, 4], 0.0, atol=1e-12)
    np.testing.assert_allclose(
        np.delete(numbers(second), 4, axis=1), numbers(plain), rtol=3 * RTOL, atol=3 * RTOL
    )
    one, other = found(target="z1 + z1*z2"), found(target="z2 + z1*z2")
    for a, b in zip(one.spikes, other.spikes, strict=True):
        assert a.strength == pytest.approx(b.strength, rel=3 * RTOL)
        assert a.target_overlaps == pytest.approx(b.target_overlaps[::-1], abs=3 * RTOL)


def test_rotated_target() -> None:
    """A function of (z1 + z2)/sqrt 2 alone: the total overlap is that of the single index."""
    one, other = found(target="tanh(2*z)"), found(target="tanh(sqrt(2)*(z1 + z2))")
    for a, b in zip(one.spikes, other.spikes, strict=True):
        assert a.singular_value == pytest.approx(b.singular_value, rel=3 * RTOL)
        assert a.target_overlap == pytest.approx(b.target_overlap, abs=3 * RTOL)
        assert b.target_overlaps[0] == pytest.approx(b.target_overlaps[1], abs=3 * RTOL)


def test_initialisation_does_not_matter() -> None:
    assert_same(found(), found(init="gaussian"), rtol=1e-12)


def test_batches_of_one_step_do_not_matter() -> None:
    step = Step(2, 0.4)
    assert_same(found(steps=step), found(steps=step, batch="reused"), rtol=1e-12)


@pytest.mark.parametrize("batch", BATCHES)
def test_noise_dilutes_the_first_direction(batch: str) -> None:
    previous = None
    for noise in (0.0, 0.3, 0.6):
        spike = found(noise_std=noise, batch=batch).spikes[0]
        if previous is not None:
            assert spike.target_alignments[0] < previous.target_alignments[0]
            assert spike.strength > previous.strength
        previous = spike


@pytest.mark.parametrize("batch", BATCHES)
def test_small_noise_is_continuous(batch: str) -> None:
    assert_same(found(batch=batch), found(noise_std=1e-5, batch=batch))


def test_more_data_approaches_the_population_gradient() -> None:
    """One step: alignment 1 / (1 + phi Ey2 / b^2) tends to 1 at the rate of phi."""
    gaps = [
        1 - found(samples=n, steps=Step(4, 0.4)).spikes[0].target_alignments[0]
        for n in (10**5, 10**6, 10**7)
    ]
    assert gaps[0] / gaps[1] == pytest.approx(10, rel=0.05)
    assert gaps[1] / gaps[2] == pytest.approx(10, rel=0.01)


def test_given_readout_of_gaussian_quantiles_approaches_the_gaussian_law() -> None:
    gaps = []
    for width in (100, 1000, 10_000):
        g = special.ndtri((np.arange(width) + 0.5) / width)
        same = {"width": width, "dim": width, "samples": 2 * width}
        law, given = found(**same), found(**same, readout=g)
        gaps.append(
            max(
                abs(a.strength / b.strength - 1)
                for a, b in zip(given.spikes[:2], law.spikes[:2], strict=True)
            )
        )
    assert gaps[0] > gaps[1] > gaps[2]
    # The quantiles miss a tail of weight 1/N: the gap closes about as fast.
    assert gaps[2] < gaps[0] / 20
    assert gaps[2] < 2e-3


def test_two_valued_readout_is_the_rademacher_law() -> None:
    g = np.where(np.arange(400) % 2, 1.0, -1.0)
    for batch in BATCHES:
        assert_same(found(readout="rademacher", batch=batch), found(readout=g, batch=batch), 1e-9)


@pytest.mark.parametrize("method", ["scaling", "resummed"])
def test_forms_belong_to_the_deformed_level(method: Any) -> None:
    problem = Problem("tanh(z)", "z", 100, 100, 200, Step(2, 0.3))
    with pytest.raises(InvalidInputError, match="forms belongs to method='deformed'; got"):
        predict(problem, method, forms="linked")
    assert predict(problem, method).forms is None
    linked = predict(problem, "deformed", forms="linked")
    plain = predict(problem, "deformed")
    assert plain.forms == "linked"
    assert_same(plain, linked, 1e-12)
