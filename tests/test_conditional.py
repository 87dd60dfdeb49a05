"""Every network against the prediction for its own readout: what pairing does to the noise."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import rmt
import validation.comparison.conditional
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.status import ConvergenceError, InvalidInputError, Status
from validation import Comparison, Criteria, compare, compare_conditional, run_samples, simulate
from validation.simulation.draws import sample_readout
from validation.simulation.samples import Samples

# So many data that the labels hardly fluctuate: most of the noise is the readout's.
PROBLEM = rmt.Problem(
    "tanh(z)", "z", width=100, dim=100, samples=3200, steps=[rmt.Step(12, 0.3)], readout="gaussian"
)


@pytest.fixture(scope="module")
def samples():
    return run_samples(PROBLEM, 20, seed=3, n_outliers=2, n_spectra=2)


@pytest.fixture(scope="module")
def conditional(samples):
    return compare_conditional(samples)


def test_pairing_takes_the_readouts_noise_away(samples, conditional):
    plain = compare(rmt.predict(PROBLEM), samples)
    assert (plain.conditional, conditional.conditional) == (False, True)
    assert "conditional on each readout" in str(conditional)
    first, paired = plain.row(0), conditional.row(0)
    assert paired.standard_error < 0.4 * first.standard_error
    assert paired.simulated == first.simulated
    # Both means estimate the same gap between theory and simulation.
    assert abs(paired.difference - first.difference) < 4 * first.standard_error
    criteria = Criteria(bulk_allowance=0.05)  # N = 100: the bulk is not Marchenko-Pastur's yet
    assert plain.agrees(criteria), str(plain)
    assert conditional.agrees(criteria), str(conditional)


def test_the_readout_is_the_one_that_was_simulated(conditional, samples):
    predicted = []
    for index in range(samples.n_samples):
        drawn = simulate(PROBLEM, 3, index).readout
        prediction = rmt.predict(PROBLEM.replace(readout=drawn))
        predicted.append(prediction.outliers[0].singular_value)
    row = conditional.row(0)
    assert row.predicted == pytest.approx(np.mean(predicted), rel=1e-12)
    differences = samples.singular_values[:, 0] - predicted
    assert row.standard_error == pytest.approx(np.std(differences, ddof=1) / np.sqrt(20), rel=1e-9)


def test_a_given_readout_is_every_samples_own():
    given = PROBLEM.replace(readout=sample_readout(PROBLEM, 0, 0), samples=400)
    samples = run_samples(given, 4, n_outliers=2, n_spectra=1)
    plain, conditional = compare(rmt.predict(given), samples), compare_conditional(samples)
    assert conditional.rows == plain.rows
    assert conditional.beyond_bulk == plain.beyond_bulk
    assert conditional.bulk == plain.bulk


def test_executors_change_nothing(conditional, samples):
    with ThreadPoolExecutor(2) as threads:
        assert compare_conditional(samples, executor=threads) == conditional
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as processes:
        assert compare_conditional(samples, executor=processes) == conditional


def test_json_round_trip(conditional):
    assert Comparison.from_json(conditional.to_json()) == conditional


def test_the_bulk_is_compared_too(conditional):
    assert conditional.bulk.n_spectra == 2
    assert conditional.bulk.predicted < 0.7 * conditional.bulk.marchenko_pastur


def test_two_samples_are_needed(samples):
    one = Samples(PROBLEM, 3, samples.singular_values[:1], samples.target_overlaps[:1], 0.0)
    with pytest.raises(InvalidInputError, match="at least two"):
        compare_conditional(one)


# Made-up predictions, a function of the readout's first value alone.
MADE = rmt.Problem("tanh(z)", "z", 100, 100, 200, rmt.Step(2, 0.3))


def made_prediction(problem, method, forms, **_):
    law = isinstance(problem.readout, str)
    first = 0.0 if law else float(problem.readout[0])
    count = 2 if law or first > 0 else 1
    outliers = [
        SimpleNamespace(
            singular_value=value,
            target_overlaps=(0.5,),
            initial_output_overlap=None,
            error=SimpleNamespace(
                singular_value=0.01 if law else 0.02,
                target_overlaps=(0.0,),
                initial_output_overlap=None,
            ),
        )
        for value in (10.0 + first, 5.0)[:count]
    ]
    width = 2.0 + (0.0 if law else 0.1 * first)
    bulk = SimpleNamespace(
        edges=[(0.0, width)], cdf=lambda x: MarchenkoPasturBulk(1.0).cdf(2 * x / width)
    )
    return SimpleNamespace(
        problem=problem, outliers=tuple(outliers), bulk=bulk, method=method, forms=None
    )


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(validation.comparison.conditional, "predict", made_prediction)
    g = np.array([sample_readout(MADE, 1, index)[0] for index in range(6)])
    values = np.column_stack([10.0 + g, np.full(6, 5.0)])
    return g, Samples(MADE, 1, values, np.full((6, 2, 1), 0.5), 0.0)


def test_outliers_that_some_readouts_lack_are_dropped_and_counted(made):
    g, samples = made
    assert (g > 0).any()
    assert (g < 0).any()
    comparison = compare_conditional(samples)
    assert [row.spike for row in comparison.rows] == [0, 0]
    assert comparison.n_dropped == 1
    assert "1 more predicted for some readouts only" in str(comparison)
    counted = comparison.beyond_bulk
    assert counted.n_predicted == pytest.approx(1 + np.mean(g > 0))
    assert counted.simulated == 2
    spread = np.std(2.0 - (1 + (g > 0)), ddof=1)
    assert counted.standard_error == pytest.approx(spread / np.sqrt(6))


def test_differences_are_paired(made):
    g, samples = made
    row = compare_conditional(samples).row(0)
    assert row.predicted == pytest.approx(10 + g.mean())
    assert row.predicted_error == pytest.approx(0.02)
    assert row.difference == pytest.approx(0, abs=1e-12)
    assert row.standard_error == pytest.approx(0, abs=1e-12)
    assert compare_conditional(samples).beyond_bulk.edge == pytest.approx(2 + 0.1 * g.mean())


def test_level_forms_and_margin_are_those_asked_for(made, monkeypatch):
    _, samples = made
    asked = set()

    def noted(problem, method, forms, **_):
        asked.add((method, forms))
        return made_prediction(problem, method, forms)

    monkeypatch.setattr(validation.comparison.conditional, "predict", noted)
    found = compare_conditional(samples, method="deformed", forms="simple", edge_margin=0.25)
    assert asked == {("deformed", "simple")}
    assert found.method == "deformed"
    assert found.beyond_bulk.threshold == pytest.approx(1.25 * found.beyond_bulk.edge)


def test_the_predicted_bulk_is_the_mean_over_the_kept_readouts(made):
    g, samples = made
    spectra = np.tile(MarchenkoPasturBulk(1.0).ppf((np.arange(100) + 0.5) / 100)[::-1], (2, 1))
    kept = Samples(MADE, 1, samples.singular_values, samples.target_overlaps, 0.0, spectra)
    found = compare_conditional(kept).bulk
    x = np.linspace(0.0, 2.5, 4001)
    law = MarchenkoPasturBulk(1.0)
    mean = np.mean([law.cdf(2 * x / (2 + 0.1 * first)) for first in g[:2]], axis=0)
    assert found.predicted == pytest.approx(np.abs(mean - law.cdf(x)).max(), abs=0.5 / 100 + 1e-3)


def test_a_failed_prediction_says_for_which_sample(made, monkeypatch):
    _, samples = made
    wrong = sample_readout(MADE, 1, 4)

    def fail(problem, method, forms, **_):
        if not isinstance(problem.readout, str) and problem.readout[0] == wrong[0]:
            raise ConvergenceError("no solution", Status.NOT_FINITE)
        return made_prediction(problem, method, forms)

    monkeypatch.setattr(validation.comparison.conditional, "predict", fail)
    with pytest.raises(ConvergenceError, match="no solution") as caught:
        compare_conditional(samples)
    assert caught.value.__notes__ == ["for the readout of sample 4"]


def test_a_failure_in_a_worker_process_comes_back_whole():
    error = ConvergenceError("no solution", Status.NOT_FINITE, best=1.5)
    error.add_note("for the readout of sample 4")
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.status, back.best) == ("no solution", Status.NOT_FINITE, 1.5)
    assert back.__notes__ == error.__notes__
