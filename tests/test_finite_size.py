"""Power laws fitted to noisy gaps, gaps paired by readout, and the decay at every level."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from problems import IE1

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation import FiniteSize, finite_size, fit_power_law, run_samples
from validation.gaps import pairing
from validation.gaps.gap_curves import GapCurve
from validation.gaps.pairing import bulk_gap, paired_gap
from validation.simulation.draws import sample_readout

WIDTHS = np.array([125, 250, 500, 1000, 2000])
PROBLEM = Problem(
    "gelu(z)",
    IE1,
    1000,
    1000,
    2000,
    [Step(3, 0.25), Step(6, 0.4)],
    readout="rademacher",
)


# --- the fit --------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [-0.4, 0.0, 0.15, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_an_exact_power_law_is_found(exponent, sign):
    gaps = sign * 0.2 * (WIDTHS / 500) ** -exponent
    fit = fit_power_law(WIDTHS, gaps, 0.01 * np.abs(gaps))
    assert fit.exponent == pytest.approx(exponent, abs=1e-6)
    assert fit.amplitude == pytest.approx(sign * 0.2)
    assert fit.width == pytest.approx(500)
    np.testing.assert_allclose(fit(WIDTHS), gaps, rtol=1e-5)
    assert fit.chi_squared == pytest.approx(0, abs=1e-8)
    assert fit.resolved
    assert fit.bounded
    assert not fit.widened


def test_far_beyond_the_noise_it_is_the_line_through_the_logarithms():
    """Another route: weighted least squares with errors by the delta method."""
    rng = np.random.default_rng(0)
    gaps = 0.3 * WIDTHS**-0.4
    errors = np.array([1, 2, 1, 3, 2]) * 0.003 * gaps
    gaps = gaps + errors * rng.standard_normal(5)
    fit = fit_power_law(WIDTHS, gaps, errors)
    relative = errors / gaps
    line, covariance = np.polyfit(np.log(WIDTHS), np.log(gaps), 1, w=1 / relative, cov="unscaled")
    assert fit.exponent == pytest.approx(-line[0], abs=1e-3)
    half = 1.959964 * math.sqrt(covariance[0, 0])
    assert fit.low == pytest.approx(fit.exponent - half, rel=5e-3)
    assert fit.high == pytest.approx(fit.exponent + half, rel=5e-3)


@pytest.mark.parametrize(
    ("exponent", "gap", "noise"),
    [(0.15, 0.2, 0.01), (0.5, 0.1, 0.01), (1.0, 0.1, 0.02), (1.0, 0.03, 0.02), (0.5, 0.01, 0.02)],
)
@pytest.mark.parametrize("confidence", [0.68, 0.95])
def test_the_interval_covers_as_often_as_stated(exponent, gap, noise, confidence):
    """From gaps that stand clear of the noise to gaps that are lost in it."""
    rng = np.random.default_rng(1)
    truth = gap * (WIDTHS / WIDTHS[0]) ** -exponent
    errors = noise * np.array([1, 1.2, 0.8, 1, 1.1])
    draws = 300
    covered = 0
    for _ in range(draws):
        seen = truth + errors * rng.standard_normal(5)
        fit = fit_power_law(WIDTHS, seen, errors, confidence=confidence)
        covered += fit.low <= exponent <= fit.high
    # Where the misfit is beyond chance (1 in 20) the interval is wider than it need be.
    deviation = math.sqrt(confidence * (1 - confidence) / draws)
    assert confidence - 3.5 * deviation <= covered / draws <= confidence + 3.5 * deviation + 0.05


def test_noise_alone_bounds_no_exponent():
    rng = np.random.default_rng(2)
    fits = [fit_power_law(WIDTHS, rng.standard_normal(5), np.ones(5)) for _ in range(200)]
    assert np.mean([fit.resolved for fit in fits]) < 0.1
    assert np.mean([fit.bounded for fit in fits]) < 0.1
    assert "within the noise" in [str(fit) for fit in fits]


def test_what_is_no_power_law_gets_a_wider_interval():
    gaps = 0.2 * WIDTHS**-0.5 * (1 + 0.3 * np.sin(WIDTHS))
    errors = 0.01 * gaps
    fit = fit_power_law(WIDTHS, gaps, errors)
    assert fit.widened
    assert "not a power law" in str(fit)
    scaled = fit_power_law(WIDTHS, gaps, errors * math.sqrt(fit.chi_squared / fit.degrees))
    assert not scaled.widened
    assert (fit.low, fit.high) == pytest.approx((scaled.low, scaled.high), rel=1e-6)
    assert fit.amplitude_error == pytest.approx(scaled.amplitude_error)


def test_an_interval_may_be_open_at_one_end():
    """A gap at the smallest width alone: it decays, who knows how fast."""
    fit = fit_power_law(WIDTHS, [0.1, 0.0, 0.001, 0.0, 0.0], np.full(5, 0.004))
    assert fit.resolved
    assert fit.low > 1
    assert fit.high == math.inf
    assert not fit.bounded


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], [1, 1], [1, 1]), "at least three"),
        (([1, 2, 3], [1, 1], [1, 1, 1]), "got shapes (3,), (2,), (3,)"),
        (([1, 2, 2], [1, 1, 1], [1, 1, 1]), "widths must be positive and different"),
        (([0, 1, 2], [1, 1, 1], [1, 1, 1]), "widths must be positive"),
        (([1, 2, 3], [1, math.nan, 1], [1, 1, 1]), "gaps must be finite"),
        (([1, 2, 3], [1, 1, 1], [1, 0, 1]), "errors finite and positive"),
        (([1, 2, 3], [1, 1, 1], [1, math.inf, 1]), "errors finite and positive"),
    ],
)
def test_bad_arguments_of_the_fit(arguments, message):
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        fit_power_law(*arguments)
    for confidence in (0, 1, 2):
        with pytest.raises(InvalidInputError, match="confidence"):
            fit_power_law(WIDTHS, WIDTHS, WIDTHS, confidence=confidence)


# --- paired gaps ----------------------------------------------------------------------------------


def test_pairing_by_two_levels_is_unbiased_and_knows_its_error():
    """Networks that scatter with their readout, of which one level misses a part."""
    rng = np.random.default_rng(3)
    gaps, errors = [], []
    for _ in range(400):
        g = rng.standard_normal(40)
        own = 10 + g + 0.3 * g**2
        cheap = 9.5 + g
        simulated = own + 0.2 + 0.1 * rng.standard_normal(40)
        found = paired_gap(simulated, cheap, own[:12], 10.0, 9.5)
        gaps.append(found.gap)
        errors.append(found.error)
    assert np.mean(gaps) == pytest.approx(0.2, abs=4 * np.std(gaps) / 20)
    assert np.mean(errors) == pytest.approx(np.std(gaps), rel=0.15)
    # The law in the place of own readouts keeps the mean of what it misses, 0.3 E[g^2].
    law = paired_gap(simulated, cheap, own[:0], 10.0, 9.5)
    assert law.gap == pytest.approx(0.5, abs=4 * law.error)


def test_pairing_with_every_readout_or_none():
    simulated, own = np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.5, 3.0])
    every = paired_gap(simulated, own - 7, own, math.nan, math.nan)
    assert (every.gap, every.error) == pytest.approx(
        (2 / 3, np.std([0.5, 0.5, 1], ddof=1) / 3**0.5)
    )
    none = paired_gap(simulated, own[:0], own[:0], 2.0, math.nan)
    assert (none.gap, none.error) == pytest.approx((1 / 3, np.std(simulated, ddof=1) / 3**0.5))


def test_the_distance_of_the_bulk_and_its_jackknife_error():
    class Prediction:
        class bulk:
            cdf = staticmethod(lambda x: x)

    rng = np.random.default_rng(4)
    found = [bulk_gap(Prediction, 0.9 * rng.random((10, 50))) for _ in range(200)]
    gaps = np.array([each.gap for each in found])
    # Independent uniform values on [0, 0.9]: the largest difference is 0.1, at 0.9.
    assert gaps.mean() == pytest.approx(0.105, abs=0.01)
    assert np.median([each.error for each in found]) == pytest.approx(gaps.std(), rel=0.5)
    assert found[0].resolution > 0


# --- the whole ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small():
    return finite_size(
        PROBLEM,
        [40, 80, 160],
        [12, 8, 6],
        methods=["scaling", "resummed"],
        n_spectra=4,
        workers=1,
    )


def test_gaps_are_the_means_over_the_networks(small):
    widths = (40, 80, 160)
    assert (small.widths, small.n_samples) == (widths, (12, 8, 6))
    assert small.observables == (
        "singular value 0",
        "squared overlap 0 with e_1",
        "singular value 1",
        "squared overlap 1 with e_1",
        "bulk distance",
    )
    assert len(small.curves) == 5 * 2
    problem = PROBLEM.replace(width=80, dim=80, samples=160)
    samples = run_samples(problem, 8, n_outliers=2, threads=1)
    import rmt

    own = [rmt.predict(problem.replace(readout=sample_readout(problem, 0, i))) for i in range(8)]
    values = samples.singular_values[:, 0]
    predicted = [prediction.outliers[0].singular_value for prediction in own]
    curve = small.curve("resummed", "singular value 0")
    assert curve.gaps[1] == pytest.approx(np.mean(values - predicted) / values.mean(), rel=1e-9)
    overlaps = [prediction.outliers[0].target_overlap for prediction in own]
    gap = np.mean(samples.target_overlaps[:, 0, 0] - overlaps)
    assert small.curve("resummed", "squared overlap 0 with e_1").gaps[1] == pytest.approx(gap)


def test_sizes_keep_their_ratios():
    uneven = PROBLEM.replace(width=100, dim=200, samples=(500, 300))
    found = finite_size(uneven, [50, 75], 2, methods=["resummed"], paired=False, workers=1)
    assert (found.problem.dim, found.problem.samples) == (100, (250, 150))
    assert found.curves[0].fit is None  # two widths have no misfit
    assert "no fit" in str(found)
    assert not found.paired


def test_levels_can_be_held_against_networks_without_pairing(small):
    plain = finite_size(
        PROBLEM, [40, 80, 160], [12, 8, 6], methods=["resummed"], paired=False, workers=1
    )
    a = plain.curve("resummed", "singular value 0")
    b = small.curve("resummed", "singular value 0")
    # The readouts' signs matter little; gaps of the same networks.
    assert a.gaps != b.gaps
    np.testing.assert_allclose(a.gaps, b.gaps, atol=0.05)


@pytest.mark.parametrize("n_own", [0, 2, 4])
def test_the_deformed_level_pairs_through_the_resummed_one(n_own, monkeypatch):
    """Were both the same level, so were their gaps, whoever was predicted on its own readout."""
    predict = pairing.predict
    seen = []

    def stand_in(problem, method, **_):
        seen.append((method, isinstance(problem.readout, str)))
        return predict(problem, "resummed")

    monkeypatch.setattr(pairing, "predict", stand_in)
    problem = PROBLEM.replace(readout="uniform")
    found = finite_size(
        problem, [60, 90], 4, methods=["deformed", "resummed"], n_own=n_own, workers=1
    )
    for label in found.observables:
        gaps, same = (found.curve(method, label).gaps for method in found.methods)
        assert gaps == pytest.approx(same, abs=1e-12)
    assert seen.count(("deformed", False)) == 2 * n_own
    assert seen.count(("resummed", False)) == 2 * 4


def test_a_store_keeps_the_networks(tmp_path, small):
    arguments = (PROBLEM, [40, 80], [4, 3])
    options = {"methods": ["resummed"], "workers": 1, "store": tmp_path / "networks.db"}
    first = finite_size(*arguments, **options)
    assert finite_size(*arguments, **options) == first


def test_prints_and_goes_through_json(small):
    text = small.to_json()
    assert FiniteSize.from_json(text) == small
    assert json.loads(text)["widths"] == [40, 80, 160]
    lines = str(small).splitlines()
    assert lines[0].startswith("networks: 12 of N = 40, 8 of N = 80, 6 of N = 160")
    assert len([line for line in lines if "resummed" in line]) == 5
    open_ended = GapCurve(
        "deformed", "bulk distance", None, None, (1, 2, 4), (0.1, 0.0, math.nan), (1.0, 1.0, 1.0),
        (0.0, 0.0, 0.0), fit_power_law([1, 2, 4], [0.1, 0.0, 0.0], [0.01] * 3),
    )  # fmt: skip
    changed = FiniteSize(**{
        **{name: getattr(small, name) for name in FiniteSize.__slots__}, "curves": (open_ended,),
    })  # fmt: skip
    back = FiniteSize.from_json(changed.to_json()).curves[0]
    assert back.fit == open_ended.fit
    assert back.fit.high == math.inf
    assert math.isnan(back.gaps[2])
    assert "bulk distance, deformed: 0.1 (1) at 1" in str(back)
    with pytest.raises(InvalidInputError, match="observables singular value 0, squared"):
        small.curve("resummed", "singular value 7")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}'])
def test_foreign_json_is_refused(text):
    with pytest.raises(InvalidInputError):
        FiniteSize.from_json(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": "tanh"}, "problem must be a Problem, got str"),
        ({"problem": PROBLEM.replace(readout=np.arange(1000.0))}, "a law as readout"),
        ({"widths": [40]}, "at least two positive increasing integers"),
        ({"widths": [80, 40]}, "increasing"),
        ({"widths": [0, 40]}, "positive"),
        ({"widths": [40.5, 80]}, "integers"),
        ({"widths": 40}, "at least two"),
        ({"n_samples": 1}, "n_samples must be an integer of at least 2"),
        ({"n_samples": [4, 4, 4]}, "one for each of the 2 widths"),
        ({"n_samples": 2.5}, "n_samples"),
        ({"n_own": 1}, "n_own must be 0, or an integer of at least 2, got 1"),
        ({"n_spectra": -2}, "n_spectra must be 0"),
        ({"n_spectra": True}, "n_spectra must be 0"),
        ({"methods": ["guess"]}, "methods must be among"),
        ({"methods": []}, "methods must be among"),
        ({"forms": "guess"}, "forms must be one of"),
        ({"confidence": 1.5}, "confidence must lie between 0 and 1"),
        ({"seed": -1}, "seed"),
        ({"dtype": "float16"}, "dtype"),
    ],
)
def test_bad_input(change, message):
    arguments = {"problem": PROBLEM, "widths": [40, 80], "n_samples": 4, "workers": 1}
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        finite_size(**(arguments | change))


# --- the demonstration ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_gap_closes_faster_the_higher_the_level():
    """docs/finite_size.md, with fewer networks."""
    problem = PROBLEM.replace(batch="reused")
    found = finite_size(
        problem, [125, 250, 500, 1000], [800, 400, 160, 60], seed=3, n_spectra=16, workers=2
    )

    def curves(observable):
        return [found.curve(method, observable) for method in ("scaling", "resummed", "deformed")]

    # The first outlier: the scaling level misses powers of N^(alpha_1 - 1/2), the others hardly
    # anything.
    scaling, resummed, deformed = curves("singular value 0")
    assert 0.2 < scaling.fit.low < scaling.fit.high < 0.4
    assert all(
        abs(gap) > 40 * max(abs(better), abs(best))
        for gap, better, best in zip(scaling.gaps, resummed.gaps, deformed.gaps, strict=True)
    )

    # The second, next to the bulk: most of the gap is the bulk's, which two of the levels have.
    scaling, resummed, deformed = curves("singular value 1")
    assert all(
        abs(gap) > 10 * max(abs(better), abs(best))
        for gap, better, best in zip(scaling.gaps, resummed.gaps, deformed.gaps, strict=True)
    )
    assert scaling.fit.high < deformed.fit.low

    # The bulk: that before training, rows of their new lengths, and all of it.
    scaling, resummed, deformed = curves("bulk distance")
    assert all(
        best < better / 2 < gap / 4
        for gap, better, best in zip(scaling.gaps, resummed.gaps, deformed.gaps, strict=True)
    )
    assert scaling.fit.high < resummed.fit.low
    assert resummed.fit.high < deformed.fit.low
