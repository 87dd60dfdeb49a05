"""Edges and outliers of bulks that a pencil describes: closed forms, and a simulated model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rmt.spectra import (
    GeneralisedMarchenkoPastur,
    Population,
    additive_outliers,
    rectangular_outliers,
)
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term, solve
from rmt.spectra.pencil.edges import RealBranch, edge_of_gap, far_points
from rmt.spectra.pencil_outliers import pencil_outliers, upper_edge
from rmt.status import ConvergenceError, InvalidInputError


def marchenko_pastur(gamma: float) -> Pencil:
    types = [IndexType("N", gamma, ["r"]), IndexType("d", 1.0, ["u"])]
    fields = [GaussianField([Term("r", "u")], reference="d")]
    return Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})


ROWS = np.array([0.5, 1.0, 3.0])


def rows_of_three_sizes(gamma: float) -> Pencil:
    """``D W_0``: rows of three lengths, a third of them each."""
    types = [
        IndexType("N", gamma, ["r"], nodes=ROWS, weights=np.full(3, 1 / 3)),
        IndexType("d", 1.0, ["u"]),
    ]
    fields = [GaussianField([Term("r", "u", ROWS)], reference="d")]
    return Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})


@pytest.mark.parametrize("gamma", [0.25, 1.0, 4.0])
def test_edge_of_marchenko_pastur(gamma: float) -> None:
    edge = (1 + math.sqrt(gamma)) ** 2
    assert upper_edge(marchenko_pastur(gamma), "u") == pytest.approx(edge, rel=1e-14)


def test_edge_of_rows_of_three_sizes() -> None:
    """``W W^T`` has the non-zero eigenvalues of a sample covariance matrix of population rows^2."""
    gamma = 0.6
    law = GeneralisedMarchenkoPastur(ROWS**2, gamma)
    assert upper_edge(rows_of_three_sizes(gamma), "u") == pytest.approx(law.upper_edge, rel=1e-14)


@pytest.mark.parametrize("weight", [1e-2, 1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("length", [1.2, 2.0, 10.0])
def test_edge_of_a_thin_band(weight: float, length: float) -> None:
    """A few long rows have a band beyond the rest, of a width like the root of their weight."""
    rows, weights = np.array([0.5, 1.0, length]), np.array([0.5, 0.5 - weight, weight])
    types = [IndexType("N", 0.6, ["r"], rows, weights), IndexType("d", 1.0, ["u"])]
    fields = [GaussianField([Term("r", "u", rows)], reference="d")]
    pencil = Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0})
    law = GeneralisedMarchenkoPastur(Population.of_atoms(rows**2, weights), 0.6)
    assert upper_edge(pencil, "u") == pytest.approx(law.upper_edge, rel=4e-15)


def test_a_slot_without_an_edge() -> None:
    with pytest.raises(ConvergenceError, match="'r' is no resolvent"):
        upper_edge(marchenko_pastur(1.0), "r")


def test_eigenvalues_are_counted_by_signs() -> None:
    """Above and below both bands, and between them, of long rows and of short ones."""
    gamma, rows = 0.4, np.array([0.5, 4.0])
    types = [IndexType("N", gamma, ["r"], rows, [0.7, 0.3]), IndexType("d", 1.0, ["u"])]
    fields = [GaussianField([Term("r", "u", rows)], reference="d")]
    branch = RealBranch(Pencil(types, fields, {("r", "r"): -1.0}, {("u", "u"): -1.0}), "u")
    law = GeneralisedMarchenkoPastur(Population.of_atoms(rows**2, [0.7, 0.3]), gamma)
    (low, between), (above, high) = law.edges
    below, top = far_points(branch)
    assert below.z < 0 < high < top.z
    z = [low / 2, (between + above) / 2]
    starts = solve(branch.pencil, z).reduced.real
    points = [branch.at(one, np.ascontiguousarray(k)) for one, k in zip(z, starts, strict=True)]
    assert points[0] is not None
    assert points[1] is not None
    # 1 - gamma zeros, and then as many as there are rows.
    assert branch.mass_between(below, points[0]) == pytest.approx(1 - gamma, abs=1e-14)
    assert branch.mass_between(points[0], points[1]) == pytest.approx(0.7 * gamma, abs=1e-14)
    assert branch.mass_between(points[1], top) == pytest.approx(0.3 * gamma, abs=1e-14)
    ends = [edge_of_gap(branch, points[1], direction)[0] for direction in (-1.0, 1.0)]
    assert ends == pytest.approx([between, above], rel=1e-13)
    assert edge_of_gap(branch, points[0], 1.0)[0] == pytest.approx(low, rel=1e-13)


@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.5])
def test_several_spikes_on_marchenko_pastur(gamma: float) -> None:
    theta = np.array([4.0, 2.0, 0.3])
    found = pencil_outliers(marchenko_pastur(gamma), "r", "u", theta)
    expected = rectangular_outliers(theta[:2], gamma)
    assert found.singular_value == pytest.approx(expected.singular_value, rel=1e-9)
    assert np.abs(found.singular_value - expected.singular_value).max() <= found.error.max() + 1e-12
    assert found.left_overlap == pytest.approx(
        np.eye(2, 3) * expected.left_overlap[:, None], abs=1e-8
    )
    assert found.right_overlap == pytest.approx(
        np.eye(2, 3) * expected.right_overlap[:, None], abs=1e-8
    )
    assert found.edge == pytest.approx(1 + math.sqrt(gamma), rel=1e-14)


@pytest.mark.parametrize("pencil", [marchenko_pastur(0.5), rows_of_three_sizes(0.5)])
def test_equal_strengths(pencil: Pencil) -> None:
    """Each outlier has a direction of its own, and what one has a single spike has."""
    found, single = (pencil_outliers(pencil, "r", "u", one) for one in ([6.0, 6.0, 6.0], [6.0]))
    assert found.singular_value == pytest.approx(np.full(3, single.singular_value[0]), rel=1e-13)
    for overlaps, one in (
        (found.left_overlap, single.left_overlap),
        (found.right_overlap, single.right_overlap),
    ):
        assert np.sort(overlaps, axis=1) == pytest.approx(one * np.array([[0, 0, 1]] * 3), abs=1e-9)
        assert overlaps.sum(axis=0) == pytest.approx(np.full(3, one[0, 0]), rel=1e-9)


def test_next_to_the_threshold() -> None:
    theta = (1.0 + 1e-4) * 0.25**0.25
    found = pencil_outliers(marchenko_pastur(0.25), "r", "u", [theta])
    expected = rectangular_outliers([theta], 0.25)
    assert found.singular_value == pytest.approx(expected.singular_value, rel=1e-14)
    assert found.left_overlap[0] == pytest.approx(expected.left_overlap, abs=1e-9)


def test_generic_directions_agree_with_the_direct_route() -> None:
    """Left directions that are equal on all rows, against D-transforms of the Silverstein law."""
    gamma, theta = 0.6, np.array([6.0, 3.5])
    found = pencil_outliers(rows_of_three_sizes(gamma), "r", "u", theta)
    # For W^T (d x N): columns of variance rows^2, ratio N / d; left and right change places.
    law = GeneralisedMarchenkoPastur(ROWS**2, gamma)
    expected = additive_outliers(theta, law)
    assert found.singular_value == pytest.approx(expected.singular_value, rel=1e-8)
    assert np.diag(found.right_overlap) == pytest.approx(expected.left_overlap, abs=1e-7)
    assert np.diag(found.left_overlap) == pytest.approx(expected.right_overlap, abs=1e-7)


def test_directions_that_know_the_rows_in_simulation() -> None:
    """Left vectors supported by profile: one on the long rows, one on the others."""
    gamma, d, draws = 0.75, 600, 16
    n = int(gamma * d)
    profile = np.array([[0, 0, math.sqrt(3)], [math.sqrt(1.5), math.sqrt(1.5), 0]])
    theta = np.array([5.0, 6.5])  # the short rows need more to rise above the long ones' bulk
    found = pencil_outliers(rows_of_three_sizes(gamma), "r", "u", theta, profile)
    assert found.singular_value.size == 2
    rng = np.random.default_rng(1)
    node = np.repeat(np.arange(3), n // 3)
    u = profile[:, node] / math.sqrt(n)
    values, left_overlaps, right_overlaps = [], [], []
    for _ in range(draws):
        w = ROWS[node][:, None] * rng.standard_normal((n, d)) / math.sqrt(d)
        v = np.eye(2, d)
        left, s, right = np.linalg.svd(w + (u.T * theta) @ v, full_matrices=False)
        values.append(s[:3])
        left_overlaps.append((left[:, :2].T @ u.T) ** 2)
        right_overlaps.append((right[:2] @ v.T) ** 2)
    mean, error = np.mean(values, axis=0), np.std(values, axis=0) / math.sqrt(draws)
    assert (np.abs(mean[:2] - found.singular_value) < 4 * error[:2] + 0.005).all()
    assert mean[2] == pytest.approx(found.edge, rel=0.03)
    assert np.mean(left_overlaps, axis=0) == pytest.approx(found.left_overlap, abs=0.03)
    assert np.mean(right_overlaps, axis=0) == pytest.approx(found.right_overlap, abs=0.03)


def test_nothing_above_the_edge() -> None:
    found = pencil_outliers(marchenko_pastur(1.0), "r", "u", [0.9])
    assert found.singular_value.size == 0
    assert found.left_overlap.shape == (0, 1)


@pytest.mark.parametrize(
    ("strength", "functions", "message"),
    [
        ([-1.0], None, "positive"),
        ([1.0, 2.0], [[1, 1, 1]], "expected shape"),
        ([1.0], [[1, 1, 2]], "orthonormal"),
    ],
)
def test_bad_input(strength: list[float], functions: list[list[float]], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        pencil_outliers(rows_of_three_sizes(1.0), "r", "u", strength, functions)
