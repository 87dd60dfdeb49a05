"""Outliers on a bulk whose rows have the lengths that training gives them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

import rmt
from rmt import InvalidInputError, Problem, rectangular_outliers
from rmt.budget import OutOfTime
from rmt.grids.points import Level, Point, predicted
from rmt.predict import on_bulk
from rmt.spectra import GeneralisedMarchenkoPastur, Population
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term
from rmt.spectra.outliers.unequal_rows import unequal_row_outliers
from rmt.spectra.pencil_outliers import pencil_outliers
from rmt.spikes.mean_update import SpikeStrengths
from rmt.spikes.on_rows import outliers_on_rows
from rmt.spikes.path import walked
from rmt.spikes.readout_rule import law_of_readout, readout_rule
from rmt.spikes.resummed import resummed_strengths
from rmt.spikes.row_lengths import with_row_lengths
from rmt.spikes.state.walk import walk
from rmt.status import ConvergenceError, Status
from tests.two_step_lengths import after_two_steps

REFERENCE = Path(__file__).parent / "reference"
ONE_INDEX = "tanh(z) + (cos(2*z) - exp(-2))/2"
# Weak second outliers after three steps on fresh batches; a walk of a quarter of a second.
THREE = Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 600, 500, 1500, [(2, 0.35)] * 3, readout="rademacher"
)
SINE = Problem(
    "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, [(4, 0.3), (4, 0.4)], readout="rademacher"
)


def law(square: np.ndarray, w: np.ndarray, gamma: float) -> GeneralisedMarchenkoPastur:
    return GeneralisedMarchenkoPastur(Population.of_atoms(square, w), gamma)


def orthonormal(count: int, w: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.standard_normal((w.size, count)))[0].T / np.sqrt(w)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_equal_rows_are_marchenko_pastur(gamma: float) -> None:
    w = np.full(6, 1 / 6)
    theta = np.array([30.0, 3.0, 1.01 * gamma**0.25, 0.9 * gamma**0.25])
    functions = orthonormal(4, w, np.random.default_rng(0))
    found = unequal_row_outliers(theta, functions, np.ones(6), w, law(np.ones(6), w, gamma))
    expected = rectangular_outliers(theta[:3], gamma)
    assert found.singular_value == pytest.approx(expected.singular_value, rel=1e-13)
    assert found.left_overlap == pytest.approx(expected.left_overlap, abs=1e-12)
    assert found.components**2 == pytest.approx(
        np.eye(3, 4) * expected.right_overlap[:, None], abs=1e-12
    )


@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.5])
def test_the_same_by_the_pencil(gamma: float) -> None:
    """By zeros of the determinant on the Dyson solution of the pencil: another code altogether."""
    w, square = np.array([0.3, 0.2, 0.4, 0.1]), np.array([0.5, 0.9, 1.3, 1.7])
    theta = np.array([5.0, 2.2, 0.6])
    functions = orthonormal(3, w, np.random.default_rng(1))
    types = [IndexType("N", gamma, ["r"], square, w), IndexType("d", 1.0, ["u"])]
    rows = Term("r", "u", row_coefficient=np.sqrt(square))
    pencil = Pencil(
        types,
        [GaussianField([rows], reference="d")],
        {("r", "r"): -1.0},
        {("u", "u"): -1.0},
    )
    expected = pencil_outliers(pencil, "r", "u", theta, functions)
    bulk = law(square, w, gamma)
    found = unequal_row_outliers(theta, functions, square, w, bulk)
    assert found.singular_value.size == expected.singular_value.size >= 2
    assert math.sqrt(bulk.upper_edge) == pytest.approx(expected.edge, rel=1e-12)
    assert found.singular_value == pytest.approx(expected.singular_value, rel=1e-10)
    assert found.components**2 == pytest.approx(expected.right_overlap, abs=1e-8)
    assert found.left_overlap == pytest.approx(expected.left_overlap.sum(axis=1), abs=1e-8)


def test_matrices() -> None:
    """``diag(b) W_0`` and spikes on functions of ``b``: position, overlaps and the edge."""
    rng = np.random.default_rng(2)
    n, d, repeats = 900, 600, 12
    g = rng.permutation(np.repeat([-1.0, 1.0, 2.0], n // 3))
    w, square = np.full(3, 1 / 3), np.array([0.6, 1.0, 2.0])
    b = np.sqrt(np.select([g < 0, g < 1.5], square[:2], square[2]))
    functions = orthonormal(2, w, rng)
    theta = np.array([4.0, 2.0])
    bulk = law(square, w, n / d)
    found = unequal_row_outliers(theta, functions, square, w, bulk)
    u = functions[:, np.searchsorted([-1.0, 1.0, 2.0], g)] / math.sqrt(n)
    v = np.eye(2, d)
    seen = []
    for _ in range(repeats):
        matrix = b[:, None] * rng.standard_normal((n, d)) / math.sqrt(d)
        left, s, right = np.linalg.svd(matrix + (u.T * theta) @ v, full_matrices=False)
        seen.append(
            [*s[:3], *((left.T[:2] @ u.T) ** 2).sum(axis=1), *(right[:2] @ v.T).ravel() ** 2]
        )
    mean, error = np.mean(seen, axis=0), np.std(seen, axis=0) / math.sqrt(repeats)
    expected = [
        *found.singular_value,
        math.sqrt(bulk.upper_edge),
        *found.left_overlap,
        *(found.components**2).ravel(),
    ]
    # 1/d, and the edge's Tracy-Widom shift of some n^(-2/3).
    allowed = 4 * error + np.array([2 / d, 2 / d, 0.03] + [4 / d] * 6)
    assert np.all(np.abs(mean - expected) <= allowed)
    # And not on Marchenko-Pastur: the second outlier is told apart.
    plain = rectangular_outliers(theta, n / d)
    assert abs(mean[1] - plain.singular_value[1]) > 4 * allowed[1]


@pytest.mark.parametrize("number", [0, 1])
def test_references(number: int) -> None:
    """An independent computation of three steps on one batch."""
    case = json.loads((REFERENCE / "one_batch.json").read_text(encoding="utf-8"))["cases"][number]
    keys = ("activation", "target", "width", "dim", "samples", "steps", "readout", "noise_std")
    problem = Problem(**{key: case[key] for key in keys}, batch=case["batches"])
    path = walked(problem, 1e-3)
    for point, stated in zip(path[1:], case["after_step"], strict=False):
        assert point.spikes is not None
        found = outliers_on_rows(problem, point.spikes)
        count = len(stated["singular_value_on_rows"])
        assert found.singular_value.size == count
        for value, error, reference in (
            (found.singular_value, found.singular_value_error, stated["singular_value_on_rows"]),
            (
                found.target_overlap[:, 0],
                found.target_error[:, 0],
                stated["squared_overlap_on_rows"],
            ),
        ):
            assert value == pytest.approx(np.array(reference), rel=1e-4, abs=1e-5)
            assert np.all(np.abs(value - reference) <= error + 2e-6)


@pytest.mark.parametrize(
    "problem",
    [
        THREE,
        THREE.replace(readout="gaussian", steps=[(2, 0.3)] * 3, target="z1 + z1*z2/2"),
        THREE.replace(readout="uniform", activation="relu(z)", steps=[(1, 0.5)] * 2, samples=1500),
    ],
    ids=["rademacher", "gaussian", "giant"],
)
def test_errors_bound_the_distance_to_a_finer_solution(problem: Problem) -> None:
    loose = on_bulk(problem, resummed_strengths(problem, 1e-2))
    fine = on_bulk(problem, resummed_strengths(problem, 3e-4))
    assert len(loose.outliers) == len(fine.outliers) >= 2
    for one, other in zip(loose.outliers, fine.outliers, strict=True):
        for name in ("singular_value", "left_overlap", "right_overlap", "target_overlap"):
            apart = abs(getattr(one, name) - getattr(other, name))
            assert apart <= getattr(one.error, name), name
            assert getattr(one.error, name) < 0.05
    assert abs(loose.bulk.upper_edge - fine.bulk.upper_edge) <= loose.bulk_edge_error


def test_errors_of_lengths_reach_the_outliers() -> None:
    """Lengths alone are off: what follows from them moves by less than the estimate."""
    (spikes,) = with_row_lengths([SINE], [resummed_strengths(SINE)])
    assert spikes.row_lengths is not None
    off = replace(spikes, row_lengths=1.01 * spikes.row_lengths)
    exact = outliers_on_rows(SINE, spikes)
    found = outliers_on_rows(SINE, replace(off, coarser=replace(spikes, coarser=None)))
    assert abs(found.edge - exact.edge) > 0.005
    assert abs(found.edge - exact.edge) <= found.edge_error
    moved = np.abs(found.singular_value - exact.singular_value)
    assert moved[1] > 1e-3
    assert np.all(moved <= found.singular_value_error)
    assert np.all(np.abs(found.left_overlap - exact.left_overlap) <= found.left_error)
    assert np.all(np.abs(found.right_overlap - exact.right_overlap) <= found.right_error)
    assert np.all(np.abs(found.target_overlap - exact.target_overlap) <= found.target_error)


# Means of simulated networks of these sizes with their standard errors, of the second outlier.
SECOND = [
    # 25 networks, N = 1000, three steps: fresh batches.
    ("3*(tanh(2*z) - b0*z)", "uniform", [(4, 0.3)] * 3, "independent", 2000, 3.135, 0.018),
    # 60 networks: the first batch again after another.
    ("3*(tanh(2*z) - b0*z) + He2(z)/sqrt(2)", "rademacher", [(4, 0.3), (4, 0.3), (2, 0.3)],
     (0, 1, 0), 2000, 3.55, 0.03),
    # 30 networks whose rows have become shorter.
    ("z1 + z1*z2", "rademacher", [(2, 0.3)] * 3, (0, 0, 1), 3000, 3.121, 0.021),
]  # fmt: skip


@pytest.mark.parametrize(("target", "readout", "steps", "batch", "samples", "seen", "std"), SECOND)
def test_nearer_to_networks_than_marchenko_pastur(
    target: str, readout: str, steps: list[tuple[int, float]], batch: object, samples: int,
    seen: float, std: float,
) -> None:  # fmt: skip
    z, w = np.polynomial.hermite_e.hermegauss(200)
    b0 = float(w @ (z * np.tanh(2 * z)) / w.sum())
    problem = Problem(
        "tanh(z + 7/10)", target.replace("b0", f"{b0:.14f}"), 1000, 1000, samples, steps,
        batch, readout,
    )  # fmt: skip
    factors = resummed_strengths(problem, 1e-2)
    rows, plain = (
        on_bulk(problem, factors, bulk).spikes[1].singular_value
        for bulk in ("rows", "marchenko-pastur")
    )
    assert abs(rows - seen) < 0.8 * abs(plain - seen)
    assert abs(rows - seen) < 0.05 * seen + std


def test_lengths_after_one_and_two_steps() -> None:
    """In closed form after one; after two on fresh batches by the law of the pre-activation."""
    one = SINE.replace(steps=[(4, 0.3)], samples=2000, readout="uniform")
    (found,) = with_row_lengths([one], [resummed_strengths(one)])
    assert found.row_lengths is not None
    z, w = np.polynomial.hermite_e.hermegauss(120)
    w = w / w.sum()
    slope, y = 1 / np.cosh(z + 0.7) ** 2, np.sin(2 * z)
    t = 4 * 1000**0.3 / math.sqrt(1000) * found.readout_nodes
    variance = w @ slope**2 - (w @ slope) ** 2
    mean = 1 + t * (w @ (slope * z)) * (w @ y)
    expected = np.sqrt(mean**2 + t**2 * 0.5 * (w @ y**2) * variance)
    assert found.row_lengths == pytest.approx(expected, rel=1e-9)
    # Two steps of which the second does next to nothing.
    two = SINE.replace(steps=[(4, 0.3), (1e-6, 0.0)], readout="uniform")
    (lengths,) = with_row_lengths([two], [resummed_strengths(two)])
    assert lengths.row_lengths is not None
    t = 4 * 1000**0.3 / math.sqrt(1000) * lengths.readout_nodes
    expected = np.sqrt(1 + t**2 * 0.5 * (w @ y**2) * variance)
    assert lengths.row_lengths == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("activation", "target", "readout", "batch", "noise"),
    [
        ("tanh(z + 7/10)", "He3(z)/sqrt(6)", "uniform", "reused", 0.0),
        ("tanh(z + 7/10)", "sin(2*z)", "gaussian", "independent", 0.0),
        ("erf(z + 1/2)", "z1 + z1*z2", "rademacher", "reused", 0.4),
        ("relu(z)", "abs(z)", "gaussian", "reused", 0.0),
        ("relu(z)", "abs(z)", "uniform", "independent", 0.3),
    ],
)
def test_lengths_after_two_steps_by_the_walk(
    activation: str, target: str, readout: str, batch: str, noise: float
) -> None:
    """Expectations of the level resummed against the state of the walk: two derivations."""
    steps = [(3, 0.3), (3, 0.35)]
    problem = Problem(activation, target, 500, 400, 900, steps, batch, readout, noise)
    g, w = readout_rule(readout, 24, 0.3, bool(problem.activation.kinks))
    *_, last = walk(problem, g, w, 1.0, to_the_end=False)
    nodes, square = after_two_steps(problem, 1.0)
    coarse_nodes, coarse = after_two_steps(problem, 0.75)
    near = np.abs(g) <= min(3.0, nodes.max(), coarse_nodes.max())
    assert np.ptp(last.own[near]) > 0.05 or readout == "rademacher"
    by_walk, fine, other = (
        np.interp(g[near], x, y) if readout == "rademacher" else make_interp_spline(x, y)(g[near])
        for x, y in ((g, last.own), (nodes, square), (coarse_nodes, coarse))
    )
    apart = np.abs(fine - by_walk)
    # A kink on a batch that is used again costs the walk a digit.
    assert apart.max() < (3e-3 if activation == "relu(z)" else 6e-4) * last.own[near].max()
    assert apart.max() < 2 * np.abs(fine - other).max() + 2e-3 * np.abs(last.own[near] - 1).max()


def test_lengths_after_a_step_with_weight_decay_by_the_walk() -> None:
    problem = SINE.replace(
        steps=[rmt.Step(4, 0.3, weight_decay=0.01)],
        samples=2000,
        target="z + He2(z)/2",
        readout="uniform",
    )
    (found,) = with_row_lengths([problem], [resummed_strengths(problem)])
    g, w = found.readout_nodes, found.readout_weights
    *_, last = walk(problem, g, w, 1.5, to_the_end=False)
    assert found.row_lengths is not None
    assert found.row_lengths**2 == pytest.approx(last.own, rel=1e-5)
    assert found.row_lengths**2 != pytest.approx(np.ones(g.size), rel=0.1)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_lengths_of_a_family_are_those_of_its_members(batch: str) -> None:
    """Two or three walks tell the lengths after every second step of whatever size."""
    first = rmt.Step(3, 0.3, weight_decay=0.01)
    seconds = [(1, 0.1), (2, 0.3), rmt.Step(3, 0.4, weight_decay=0.02), (4, 0.4), (0.5, 0.45)]
    counts = [900, 500, 1500, 3000, 700]
    family = [
        SINE.replace(
            steps=[first, second],
            batch=batch,
            samples=900 if batch == "reused" else (900, n),
            target="sin(2*z) + He2(z)/2",
            readout="gaussian",
        )
        for second, n in zip(seconds, counts, strict=True)
    ]
    spikes = [resummed_strengths(one, 1e-3) for one in family]
    together = with_row_lengths(family, spikes, 1e-3)
    for one, known, found in zip(family, spikes, together, strict=True):
        (alone,) = with_row_lengths([one], [known], 1e-3)
        assert found.row_lengths is not None
        assert found.row_lengths == pytest.approx(alone.row_lengths, rel=1e-9)
        assert found.coarser is not None
        assert alone.coarser is not None
        assert found.coarser.row_lengths == pytest.approx(alone.coarser.row_lengths, rel=1e-9)
    apart = np.ptp([one.row_lengths[[0, -1]] for one in together], axis=0)
    assert np.all(apart > 0.1)


def test_lengths_are_finer_where_strengths_are() -> None:
    problem = SINE.replace(target="z + z**2/2", activation="gelu(z)", readout="gaussian")
    spikes = resummed_strengths(problem)
    off, near = [], np.abs(spikes.readout_nodes) < 3.0
    for rtol in (1e-3, 1e-6):
        (found,) = with_row_lengths([problem], [spikes], rtol)
        assert found.coarser is not None
        off.append(np.abs(found.row_lengths - found.coarser.row_lengths)[near].max())
    assert off[1] < off[0] / 3.0


def test_default_of_each_problem() -> None:
    two, three = rmt.predict(SINE), rmt.predict(THREE)
    one = rmt.predict(SINE.with_n_steps(1))
    assert all(found.to_dict()["bulk"]["law"] == "rows" for found in (one, two, three))
    assert all("bulk of rows" in str(found) for found in (one, two, three))
    plain = rmt.predict(THREE, bulk="marchenko-pastur")
    assert plain.to_dict()["bulk"]["law"] == "Marchenko-Pastur"
    assert "bulk of rows" not in str(plain)
    expected = rectangular_outliers(plain.factors.strengths, THREE.aspect_ratio)
    assert [one.singular_value for one in plain.spikes] == pytest.approx(
        expected.singular_value[: len(plain.spikes)]
    )
    assert plain.bulk.upper_edge == pytest.approx(1 + math.sqrt(THREE.aspect_ratio))
    # The law that is offered is the one that the outliers are outside of, without zeros for N > d.
    assert three.bulk.upper_edge == pytest.approx(three.bulk.edges[-1][1])
    assert three.bulk.cdf(three.bulk.upper_edge) == pytest.approx(1.0, abs=1e-9)
    assert not three.bulk.atoms
    lengths = three.factors.row_lengths
    assert lengths is not None
    # E s^2 of a matrix of N rows, over its d singular values.
    square = three.factors.readout_weights @ lengths**2
    second = three.bulk.expect(lambda s: s**2)
    assert second == pytest.approx(square * THREE.aspect_ratio, rel=1e-6)


def test_rows_of_an_unbounded_readout_are_cut() -> None:
    """The longest of N rows: their lengths have no bound in the limit."""
    problem = Problem("tanh(z + 7/10)", "z", 400, 400, 500, [(3, 0.5)], readout="gaussian")
    edges = []
    for width in (400, 4000):
        one = problem.replace(width=width, dim=width, samples=width)
        found = rmt.predict(one, bulk="rows")
        assert found.factors.row_lengths is not None
        longest = math.sqrt(found.bulk.upper_edge)
        assert np.isfinite(longest)
        edges.append((found.bulk.upper_edge, found.bulk_edge_error))
        # Neither the nodes' own tail nor twice the typical row.
        assert found.bulk.upper_edge < 2.2 * found.factors.row_lengths.max()
    assert edges[1][0] > edges[0][0] + 0.05
    assert all(0.005 < error < 0.25 * edge for edge, error in edges)


def test_given_readouts_are_taken_as_they_are() -> None:
    g = np.sign(np.arange(600) - 299.5)
    named, given = (rmt.predict(THREE.replace(readout=one)) for one in ("rademacher", g))
    for one, other in zip(named.spikes, given.spikes, strict=True):
        assert one.singular_value == pytest.approx(other.singular_value, rel=1e-9)
    assert named.bulk.edges == pytest.approx(np.array(given.bulk.edges), rel=1e-9)


def test_sweep_is_predict() -> None:
    strengths = [1.5, 2.0]
    for problem, bulk in ((THREE, None), (SINE, "rows"), (THREE, "marchenko-pastur")):
        found = rmt.sweep(problem, {"scale_2": strengths}, bulk=bulk, rtol=1e-3)
        for k, scale in enumerate(strengths):
            steps = list(problem.steps)
            steps[1] = rmt.Step(scale, steps[1].exponent)
            one = rmt.predict(problem.replace(steps=steps), bulk=bulk, rtol=1e-3)
            count = len(one.outliers)
            assert found.n_outliers[k] == count
            values = [spike.singular_value for spike in one.outliers]
            assert found.singular_value[k, :count] == pytest.approx(values, rel=2e-3)
            assert found.bulk_edges[k, 1] == pytest.approx(one.bulk.upper_edge, rel=1e-3)


def test_whether_a_spike_leaves_the_bulk_may_be_undecided() -> None:
    """A spike whose strength is at the threshold of these rows within its error."""
    g, w = readout_rule("rademacher", 2, 1.0, False)
    problem = THREE.replace(width=500)

    def spikes(strength: float, error: float) -> SpikeStrengths:
        return SpikeStrengths(
            strengths=np.array([strength]),
            alignments=np.zeros((1, 2)),
            readout_nodes=g,
            readout_weights=w,
            left_functions=np.ones((1, 2)),
            strength_errors=np.array([error]),
            alignment_sq_errors=np.zeros((1, 2)),
            status=Status.CONVERGED,
            row_lengths=np.full(2, 1.2),
        )

    def point(strength: float, error: float) -> Point:
        known = spikes(strength, error)
        return Point.of(on_bulk(problem, replace(known, coarser=known), "rows"))

    # Rows of length 1.2 have the threshold 1.2.
    assert point(1.25, 0.01).n_outliers == 1
    assert not point(1.25, 0.01).undecided
    assert point(1.15, 0.01).n_outliers == 0
    assert not point(1.15, 0.01).undecided
    assert point(1.21, 0.05).undecided
    assert point(1.19, 0.05).undecided
    found = on_bulk(problem, replace(spikes(1.19, 0.05), coarser=spikes(1.19, 0.05)), "rows")
    assert any("undecided" in note for note in found.notes)


def test_bad_arguments() -> None:
    with pytest.raises(InvalidInputError, match="bulk must be one of rows, marchenko-pastur"):
        rmt.predict(SINE, bulk="columns")  # type: ignore[arg-type]
    for method in ("deformed", "scaling"):
        with pytest.raises(InvalidInputError, match="bulk belongs to method='resummed'"):
            rmt.predict(SINE, method, bulk="rows")
    with pytest.raises(InvalidInputError, match="bulk belongs to"):
        rmt.sweep(SINE, {"scale_2": [1.0]}, "deformed", bulk="rows")


def test_rows_that_are_too_long_leave_the_initial_bulk() -> None:
    """By default with a note, as in a family; asked for by name an error with the strengths."""
    steep = Problem(
        "tanh(6*z)", "z1*z2 + z1", 400, 300, 900, [(20, 0.45), (20, 0.45)], readout="rademacher"
    )
    found = rmt.predict(steep, rtol=1e-3)
    plain = rmt.predict(steep, rtol=1e-3, bulk="marchenko-pastur")
    assert found.spikes == plain.spikes
    assert "lengths that training gives the rows were not found" in found.notes[0]
    assert not any("were not found" in note for note in plain.notes)
    family = rmt.sweep(steep, {"scale_2": [10.0, 20.0]}, rtol=1e-3)
    assert family.ok.all()
    assert family.bulk_edges[:, 1] == pytest.approx(plain.bulk.upper_edge)
    with pytest.raises(ConvergenceError, match="take smaller steps") as caught:
        rmt.predict(steep, rtol=1e-3, bulk="rows")
    assert caught.value.best.spikes[0].strength == pytest.approx(plain.spikes[0].strength)


def test_lengths_that_take_too_much_work_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rmt.spikes.row_lengths.MOST_WORK", 1e4)
    found = rmt.predict(SINE)
    assert found.to_dict()["bulk"]["law"] == "Marchenko-Pastur"
    assert "were not found" in found.notes[0]
    assert rmt.predict(SINE, bulk="rows").to_dict()["bulk"]["law"] == "rows"


def test_the_bulk_is_no_matter_of_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lengths that are not found in time leave no other bulk, alone or in a family."""

    def slow(*_: object, **__: object) -> None:
        raise OutOfTime("too late", Status.OUT_OF_TIME)

    monkeypatch.setattr("rmt.spikes.row_lengths.walk", slow)
    with pytest.raises(ConvergenceError) as caught:
        rmt.predict(SINE)
    assert caught.value.status is Status.OUT_OF_TIME
    assert caught.value.best.spikes[0].strength > 10
    family = rmt.sweep(SINE, {"scale_2": [1.0, 2.0]}, throw=False)
    assert list(family.status) == [Status.OUT_OF_TIME] * 2


def test_out_of_time_is_no_answer() -> None:
    """The strengths are found in time, the lengths are not."""
    slow = SINE.replace(batch="reused", readout="gaussian", width=900)
    level = Level("resummed", 1e-4, None, 1e-3, "rows")
    (found,) = predicted(level, [slow])
    assert not found.status.ok
    with pytest.raises(ConvergenceError):
        rmt.predict(slow, bulk="rows", max_seconds=1e-3)


def test_population_of_a_smooth_readout() -> None:
    """Lengths between the nodes: a law that is quadratic in the readout is exact."""
    problem = SINE.replace(steps=[(4, 0.45)], samples=2000, readout="uniform")
    found = rmt.predict(problem, bulk="rows")
    values, weights = law_of_readout("uniform")
    spikes = found.factors
    assert spikes.row_lengths is not None
    slope = (spikes.row_lengths[-1] ** 2 - 1) / spikes.readout_nodes[-1] ** 2
    expected = law(1 + slope * values**2, weights, 1.0)
    assert found.bulk.upper_edge**2 == pytest.approx(expected.upper_edge, rel=1e-4)
