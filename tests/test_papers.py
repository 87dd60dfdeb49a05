"""The gallery's section of papers: each script runs, draws itself, and shows what its text says."""

import json
from pathlib import Path

import numpy as np
import pytest
from gallery import FOLDER, checked, example

import rmt

pytestmark = pytest.mark.once


def agree(networks, theory, more):
    """Means over the first axis are at the theory within noise and an allowance for the size."""
    error = networks.std(axis=0, ddof=1) / np.sqrt(len(networks))
    assert (np.abs(networks.mean(axis=0) - theory) <= 3 * error + more).all()


def test_each_script_has_a_test_and_says_what_it_has_to():
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    scripts = {path.stem for path in (FOLDER / "papers").glob("*.py")}
    assert scripts <= tests
    for name in scripts:
        text = example(f"papers/{name}").__doc__.strip()
        title, underline, *_ = text.splitlines()
        assert underline == "=" * len(title)
        assert "https://arxiv.org/abs/" in text
        for part in ("**Statement.**", "**Conventions", "**Where we differ"):
            assert part in text, (name, part)


@pytest.mark.slow
def test_two_steps():
    result = checked("papers/two_steps", 3, 4)
    assert result.scaling.highest_order == 2
    assert result.scaling.n_outliers == 3
    counts = [len(one.outliers) for one in result.two_steps.values()]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (2, 3)
    for width, (one, two) in result.outliers.items():
        strongest = result.one_step[width].outliers[0].singular_value
        agree(one.singular_values[:, 0], strongest, 0.06 * strongest)
        for k, spike in enumerate(result.two_steps[width].outliers[:2]):
            agree(two.singular_values[:, k], spike.singular_value, 0.05 * spike.singular_value)
    fresh, reused = (result.predicted(batch) for batch in ("independent", "reused"))
    assert fresh.max() < 0.005
    assert reused[0] < 0.02
    assert reused[-1] > 0.2
    assert result.chance == pytest.approx(2 * 3.42 / 300, rel=1e-3)
    largest = {batch: seen[0.45] for batch, seen in result.overlaps.items()}
    agree(largest["reused"], reused[-1], result.chance)
    agree(largest["independent"], 0.0, 2 * result.chance)


def test_nonlinear_features():
    module = example("papers/nonlinear_features")
    result = checked("papers/nonlinear_features", 3, module.SHOWN)
    sizes = {e.order: e.exponent for e in rmt.feature_exponents(module.problem_with(0.3))}
    assert set(sizes) == {1, 2}  # between 1/4 and 1/3
    assert [len(found.outliers) for found in result.spikes] == [1, 1, 2, 2, 2]
    for found, (alpha, seen) in zip(result.spikes, result.samples.items(), strict=True):
        for k, spike in enumerate(found.outliers):
            agree(seen.singular_values[:, k], spike.singular_value, 0.06 * spike.singular_value)
        for kind in ("test", "training"):
            before, after = getattr(seen, f"{kind}_error")[:, :, 0, 0].T
            theory = getattr(result.errors, f"{kind}_error")
            expected = np.interp(alpha, result.exponents, theory[1] / theory[0])
            agree(after / before, expected, 0.03)
    assert result.errors.test_error[1, 0] > 1 > result.errors.test_error[1, -1]


def test_one_step():
    result = checked("papers/one_step", 3)
    module = example("papers/one_step")
    for ratio, sweep in result.sweeps.items():
        overlap = np.where(sweep.is_outlier, sweep.target_overlap, 0.0)[:, 0]
        for eta, seen in result.samples[ratio].items():
            expected = np.interp(eta, result.sizes, overlap)
            # At the threshold networks of this width are ahead of the limit.
            agree(seen.target_overlaps[:, 0, 0], expected, 0.08 if eta in (2.0, 3.5) else 0.02)
    best = module.best_linear()
    untrained, trained = result.errors.test_error
    crossing = np.interp(-best, -trained, result.sizes[::2])
    assert 0.7 < crossing / np.sqrt(400) < 1.3
    assert (trained[result.sizes[::2] < 10] > best).all()
    assert (trained < untrained).all()
    for eta, seen in result.features.items():
        expected = np.interp(eta, result.sizes[::2], trained)
        agree(seen.test_error[:, 1, 0, 0], expected, 0.03 * expected)


def test_reused_batch():
    result = checked("papers/reused_batch", 3, 3)
    module = example("papers/reused_batch")
    found = {name: rmt.information_exponent(text).value for name, text in module.TARGETS.items()}
    assert found == {"odd part": 3, "even": 4}
    reuse = {name: rmt.reuse_exponent(text).value for name, text in module.TARGETS.items()}
    assert reuse["odd part"] == 2
    assert reuse["even"] is None  # infinite
    reused, fresh = ("odd part", "reused"), ("odd part", "independent")
    for curves in (result.over_ratio, result.over_step):
        for key in curves.keys() - {reused}:
            assert (curves[key].predicted == 0).all()
            for networks in curves[key].networks.values():
                agree(networks, 0.0, 2 * result.chance)
    most = result.over_ratio[reused]
    assert most.predicted[-1] > 0.2
    assert (np.diff(most.predicted) > 0).all()
    agree(most.networks[8], most.predicted[-1], 0.03)
    assert most.networks[8].mean() > 0.1 > result.over_ratio[fresh].networks[8].mean()
    found = rmt.predict(module.problem_with(reused, scale=8.0), "deformed", rtol=1e-2)
    predicted = sum(spike.target_overlap for spike in found.outliers[:2])
    agree(result.over_step[reused].networks[8], predicted, 0.03)


def test_staircase():
    result = checked("papers/staircase")
    assert [step.degree for step in result.order.steps] == [1, 1, 1]
    one, two = ([s.target_overlaps for s in p.outliers] for p in result.predictions)
    assert one[0][0] > 0.4
    assert one[0][1:] == (0, 0)
    assert two[1][1] > 0.3
    assert max(spike[2] for spike in two) < 0.02  # the third direction waits
    for prediction, samples in zip(result.predictions, result.samples, strict=True):
        predicted = np.array([spike.target_overlaps for spike in prediction.outliers])
        np.testing.assert_allclose(samples.mean_target_overlaps, predicted, atol=0.06)


def test_giant_steps():
    """Gradients of our networks, in both of the published experiments."""
    result = checked("papers/giant_steps", 10)
    module = example("papers/giant_steps")
    for target, path in result.paths.items():
        for point in path[1:]:
            seen = result.cosines[target][:, point.step - 1].mean(axis=2)
            agree(seen, point.gradient_alignment(module.SIGNS), 0.01)
    # Turned away from the direction of the first step, where the staircase goes on.
    (stuck, turned) = (path[3].gradient_alignment(1.0) for path in result.paths.values())
    assert stuck[1] / stuck[0] > 0.1
    assert turned[1] / turned[0] < 0


def test_six_giant_steps_at_the_published_size():
    stored = Path(__file__).parent / "reference" / "giant_steps.json"
    case = json.loads(stored.read_text(encoding="utf-8"))["cases"][0]
    problem = example("papers/giant_steps").experiment(
        "no direction to go on to", case["width"], len(case["steps"])
    )
    assert (problem.dim, list(problem.samples)) == (case["dim"], case["samples"])
    path = rmt.training_path(problem, rtol=1e-3)
    for point, network in zip(path[1:], case["simulation"], strict=True):
        cosines = np.ravel(point.gradient_alignment([-1.0, 1.0]))
        assert network["gradient_cosines"] == pytest.approx(cosines, abs=0.04)
        before = path[point.step - 1].test_error
        assert network["mean_square_error"] == pytest.approx(before, rel=0.06)
        count = len(point.outliers)
        values = [spike.singular_value for spike in point.outliers]
        assert network["singular_values"][:count] == pytest.approx(values, rel=0.015)
        overlaps = np.ravel([spike.target_overlaps for spike in point.outliers])
        assert network["squared_overlaps"][: 2 * count] == pytest.approx(overlaps, abs=0.02)
    # What the text says of the later steps.
    assert cosines == pytest.approx([0.08, -0.04, 0.13, -0.01], abs=0.005)
    assert [round(path[s].outliers[1].target_overlaps[1], 2) for s in (2, 6)] == [0.01, 0.12]
