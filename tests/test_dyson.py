"""The Dyson equation of a pencil: what a solution must fulfil, and what goes wrong."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pencils import (
    A_NODES,
    conjugate_kernel,
    many_terms,
    marchenko_pastur,
    marchenko_pastur_transform,
    sandwich,
    two_layers,
)
from scipy.optimize import brentq

from rmt.spectra.dyson import (
    DysonSolution,
    GaussianField,
    IndexType,
    Pencil,
    Term,
    density,
    solve,
)
from rmt.spectra.outliers.rectangular import rectangular_outliers
from rmt.status import ConvergenceError, InvalidInputError, Status

Array = NDArray[np.float64]


# The equation itself


def self_energy(pencil: Pencil, solution: DysonSolution) -> dict[str, Any]:
    """``Sigma`` of a single point, term by term as theory.md writes it."""
    sigma = {name: np.zeros_like(m) for name, m in solution.matrices.items()}
    for field in pencil.fields:
        terms: Any = field.terms
        rows, columns = pencil.sides(field)
        scale = 1.0 / pencil.type_named(field.reference).size
        variance = np.broadcast_to(field.variance, (rows.count, columns.count)) * scale
        for one in terms:
            for two in terms:
                (_, p), (_, q) = pencil.place(one.row), pencil.place(one.column)
                (_, p2), (_, q2) = pencil.place(two.row), pencil.place(two.column)
                c = rows.on_nodes(one.row_coefficient, "") * rows.on_nodes(two.row_coefficient, "")
                e = columns.on_nodes(one.column_coefficient, "")
                e = e * columns.on_nodes(two.column_coefficient, "")
                right = columns.weights * e * solution.matrices[columns.name][:, q, q2]
                left = rows.weights * c * solution.matrices[rows.name][:, p, p2]
                sigma[rows.name][:, p, p2] += columns.size * c * (variance @ right)
                sigma[columns.name][:, q, q2] += rows.size * e * (variance.T @ left)
    return sigma


@pytest.mark.parametrize("z", [0.3, 5.0, 150.0, -1.0, 2 + 0.5j, 2 - 0.5j])
def test_the_solution_solves_the_equation(z: complex) -> None:
    kernel = conjugate_kernel(1, 2, 3, 0.7, 0.2)
    for pencil in (two_layers(1.2, 1.0, 1.8), sandwich(), kernel, many_terms()):
        solution = solve(pencil, z)
        sigma = self_energy(pencil, solution)
        for index_type in pencil.types:
            name = index_type.name
            inverse = pencil.constant_blocks[name] + z * pencil.linear_blocks[name] - sigma[name]
            product = inverse @ solution.matrices[name]
            assert np.abs(product - np.eye(len(index_type.slots))).max() < 1e-11
            sign = -1 if np.imag(z) < 0 else 1
            assert np.linalg.eigvalsh(sign * solution.matrices[name].imag).min() > -1e-11


@pytest.mark.parametrize("z", [6.0, 200.0, -0.5, 3 + 1j, 3 - 1j])
def test_derivative_by_differences(z: complex) -> None:
    for pencil in (two_layers(1.2, 1.0, 1.8), sandwich(True), many_terms()):
        step = 1e-3 * np.array([-2, -1, 1, 2])
        around = solve(pencil, z + step)
        exact = solve(pencil, z).derivative()
        for name, m in around.matrices.items():
            slope = (m[0] - 8 * m[1] + 8 * m[2] - m[3]) / 12e-3
            assert np.abs(slope - exact.matrices[name]).max() < 1e-7 * np.abs(slope).max() + 1e-9


def test_the_linearised_equation_with_unknowns_eliminated() -> None:
    equation = many_terms().equation
    assert equation.inside.size > 20
    rng = np.random.default_rng(0)
    for z in (np.array([3.0 + 1j, 2.0 + 0.1j]), np.array([500.0, -3.0])):
        k = rng.standard_normal((2, equation.count)).astype(z.dtype)
        right = rng.standard_normal(k.shape).astype(z.dtype)
        matrices = equation.resolvent(z, None, k)
        inverted = np.linalg.inv(np.eye(equation.count) - equation.jacobian(matrices))
        linearised = equation.linearised(matrices)
        exact = (inverted @ right[..., None])[..., 0]
        assert np.abs(linearised.solve(right) - exact).max() < 1e-9 * np.abs(exact).max()
        one = linearised.solve(right[1:], np.array([1]))
        assert np.abs(one - exact[1:]).max() < 1e-9 * np.abs(exact).max()
        size = np.abs(right)
        assert (linearised.bound(size) >= (np.abs(inverted) @ size[..., None])[..., 0]).all()
        # The Jacobian by differences of the map itself.
        step = 1e-6 * right
        images = [equation.read(equation.resolvent(z, None, k + s * step)) for s in (1, -1)]
        slope = (images[0] - images[1]) / 2e-6
        jacobian = (equation.jacobian(matrices) @ right[..., None])[..., 0]
        assert np.abs(slope - jacobian).max() < 1e-5 * np.abs(jacobian).max()


def test_error_estimates_bound_what_a_start_changes() -> None:
    pencil = many_terms()
    x = np.array([0.5, 3.0, 20.0, 900.0])
    cold = solve(pencil, x)
    warm = solve(pencil, x, initial=solve(pencil, x * 1.003))
    for name in cold.matrices:
        difference = np.abs(cold.matrices[name] - warm.matrices[name]).max(axis=1)
        assert (difference <= cold.errors[name] + warm.errors[name]).all()
        assert (cold.errors[name] < 1e-11 * np.abs(cold.matrices[name]).max()).all()
    assert warm.iterations.max() <= cold.iterations.min()


def random_pencil(rng: np.random.Generator) -> Pencil:
    types, constant = [], {}
    for name in ("S", "T", "U"):
        slots, nodes = [f"{name}{i}" for i in range(rng.integers(1, 4))], int(rng.choice([1, 4]))
        types.append(IndexType(name, rng.uniform(0.3, 3), slots, rng.standard_normal(nodes)))
        for i, slot in enumerate(slots):
            for other in slots[i:]:
                constant[slot, other] = 2 * rng.standard_normal(nodes)
    fields = []
    for rows, columns in ((0, 1), (1, 2), (0, 2)):
        one, two = types[rows], types[columns]
        terms = [
            Term(
                str(rng.choice(one.slots)),
                str(rng.choice(two.slots)),
                rng.standard_normal(one.count),
                rng.standard_normal(two.count),
            )
            for _ in range(rng.integers(1, 4))
        ]
        profile = rng.uniform(0, 2, (one.count, two.count))
        fields.append(GaussianField(terms, "S", profile if rng.random() < 0.5 else 1.0))
    return Pencil(types, fields, constant, {("S0", "S0"): -1.0})


@pytest.mark.parametrize("seed", range(8))
def test_random_pencils_are_solved_on_the_axis(seed: int) -> None:
    pencil = random_pencil(np.random.default_rng(seed))
    x = np.linspace(-5.05, 5, 24)
    axis, above = solve(pencil, x), solve(pencil, x + 1e-8j)
    # With Im z > 0 the positive solution is the only one.
    near = np.abs(axis.form("S0") - above.form("S0"))
    assert (near < 1e-4 * np.abs(above.form("S0"))).all()
    for m in above.matrices.values():
        assert np.linalg.eigvalsh(m.imag).min() > -1e-10 * np.abs(m).max()
    grid = density(pencil, "S0", x)
    assert grid.value == pytest.approx(axis.form("S0").imag / np.pi, rel=1e-9, abs=1e-11)


# Outliers


@pytest.mark.parametrize("gamma", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("theta", [1.6, 3.0, 20.0])
def test_outliers_from_forms(gamma: float, theta: float) -> None:
    pencil = marchenko_pastur(gamma)
    expected = rectangular_outliers(theta, gamma)

    def determinant(z: float) -> float:
        found = solve(pencil, z)
        return float((1 - theta**2 * found.form("r") * found.form("u")).real)

    top = 2 * float(expected.singular_value) ** 2
    z = brentq(determinant, (1 + math.sqrt(gamma)) ** 2, top, xtol=1e-14, rtol=1e-14)
    solution = solve(pencil, z)
    slope = solution.derivative()
    assert math.sqrt(z) == pytest.approx(float(expected.singular_value), rel=1e-11)
    left, right = solution.form("r").real, solution.form("u").real
    matrix = np.array([[1 / left, theta], [theta, 1 / right]])
    change = [-slope.form("r").real / left**2, -slope.form("u").real / right**2]
    null = np.linalg.svd(matrix)[2][-1]
    residue = np.outer(null, null) / (null**2 @ change)
    assert -residue[1, 1] == pytest.approx(float(expected.right_overlap), abs=1e-10)
    assert -residue[0, 0] / z == pytest.approx(float(expected.left_overlap), abs=1e-10)


def test_forms_of_several_functions() -> None:
    pencil = sandwich()
    solution = solve(pencil, np.array([50.0, 60.0]))
    functions = np.stack([np.ones(3), A_NODES])
    matrix = solution.form("r", f=functions, g=functions)
    assert matrix.shape == (2, 2, 2)
    m = solution.entry("r")
    assert matrix[:, 0, 1] == pytest.approx((m * A_NODES).mean(axis=1))
    assert solution.form("r", f=A_NODES) == pytest.approx(matrix[:, 0, 1])
    assert solution.form("r", f=functions).shape == (2, 2)
    assert solution.form("r", g=functions).shape == (2, 2)
    assert np.ndim(solve(pencil, 50.0).form("r")) == 0


# What goes wrong


def test_a_bad_start_cannot_change_the_answer() -> None:
    pencil = two_layers(1.2, 1.0, 1.8)
    for z in (2.0, 150.0, 1 + 0.1j):
        good = solve(pencil, z)
        rng = np.random.default_rng(1)
        starts = [good.reduced.conj(), rng.standard_normal(good.reduced.shape) + 0j]
        for start in (*starts, 1e3 * good.reduced, np.full_like(good.reduced, np.nan)):
            again = solve(pencil, z, initial=replace(good, reduced=start))
            assert again.form("u") == pytest.approx(good.form("u"), rel=1e-10)


def test_the_other_root_is_refused() -> None:
    # Outside the bulk the other root of the quadratic is real too, and solves the equation.
    pencil = marchenko_pastur(2.0)
    good = solve(pencil, 10.0)
    m = 1 / (10.0 * good.form("u"))  # the product of the roots is 1/z
    other = np.array([1 / (-1 - m), m])
    assert good.reduced == pytest.approx(np.array([good.form("r"), good.form("u")]))
    again = solve(pencil, 10.0, initial=replace(good, reduced=other + 0j))
    assert again.form("u") == pytest.approx(good.form("u"), rel=1e-12)
    assert again.iterations > 5


def test_a_point_without_a_solution_spoils_no_other() -> None:
    pencil = marchenko_pastur(0.5)  # an atom at zero
    with pytest.raises(ConvergenceError, match="1 of 2 points") as caught:
        solve(pencil, [0.0, 1.0])
    best = caught.value.best
    assert best.converged.tolist() == [False, True]
    assert caught.value.status in (Status.NOT_CONVERGED, Status.NOT_FINITE)
    assert np.isnan(best.form("u")[0])
    assert np.isnan(best.derivative().form("u")).tolist() == [True, False]
    assert best.form("u")[1] == pytest.approx(marchenko_pastur_transform(0.5, 1.0))
    found = density(pencil, "u", [0.0, 1.0], throw=False)
    assert np.isnan(found.value[0])
    assert found.value[1] > 0
    assert not found.status[0].ok


def test_shapes_and_warm_starts() -> None:
    pencil = marchenko_pastur(2.0)
    z = np.array([[1.0, 2.0, 3.0], [7.0, 1j, -1 - 1j]])
    solution = solve(pencil, z)
    assert solution.matrices["d"].shape == (2, 3, 1, 1, 1)
    assert solution.status.shape == solution.residual.shape == solution.iterations.shape == (2, 3)
    assert solution.form("u")[1, 2] == pytest.approx(solve(pencil, -1 + 1j).form("u").conj())
    warm = solve(pencil, z + 1e-3, initial=solution)
    assert warm.iterations.max() < solution.iterations.min()
    assert "6 of 6" in str(solution)
    assert solve(pencil, []).form("u").shape == (0,)
    assert density(pencil, "u", []).value.shape == (0,)
    grid = density(pencil, "u", [[3.0, 1.0], [1.0, 9.0]])
    assert grid.value.shape == (2, 2)
    assert grid.value[0, 1] == grid.value[1, 0] > grid.value[1, 1] == 0
    assert (grid.error < 1e-13).all()


N, D = IndexType("N", 2.0, ["r"]), IndexType("d", 1.0, ["u", "q"], [0.0, 1.0])
W = GaussianField(Term("r", "u"), "d")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IndexType("N", 0.0, ["r"]), "size must be positive"),
        (lambda: IndexType("N", 1.0, []), "distinct names"),
        (lambda: IndexType("N", 1.0, ["r", "r"]), "distinct names"),
        (lambda: IndexType("N", 1.0, ["r"], [1, 2], [0.5, 0.6]), "add up to 1, not 1.1"),
        (lambda: IndexType("N", 1.0, ["r"], [1, 2], [1.5, -0.5]), "not be negative"),
        (lambda: IndexType("N", 1.0, ["r"], [1, 2], [1.0]), r"shape \(1,\), the nodes \(2,\)"),
        (lambda: GaussianField([], "d"), "at least one term"),
        (lambda: Pencil([N, D], [], {}, {}), "at least one Gaussian field"),
        (lambda: Pencil([N, N], [W], {}, {}), "index types must be distinct"),
        (lambda: Pencil([N, IndexType("d", 1.0, ["r"])], [W], {}, {}), "slots must be distinct"),
        (lambda: Pencil([N, D], [GaussianField(Term("r", "x"), "d")], {}, {}), "no slot 'x'"),
        (lambda: Pencil([N, D], [GaussianField(Term("r", "u"), "x")], {}, {}), "no index type 'x'"),
        (
            lambda: Pencil([N, D], [GaussianField([Term("r", "u"), Term("u", "q")], "d")], {}, {}),
            "shape N x d cannot enter between slot 'u' of type 'd'",
        ),
        (
            lambda: Pencil([N, D], [GaussianField(Term("r", "u", 1.0, [1, 2, 3]), "d")], {}, {}),
            r"column coefficient of 'u'.*\(2,\).*shape \(3,\)",
        ),
        (lambda: Pencil([N, D], [GaussianField(Term("r", "u"), "d", -1)], {}, {}), "not negative"),
        (
            lambda: Pencil([N, D], [GaussianField(Term("r", "u"), "d", np.ones((2, 2)))], {}, {}),
            r"shape \(1, 2\), got shape \(2, 2\)",
        ),
        (lambda: Pencil([N, D], [W], {("r", "u"): 1.0}, {}), r"\('r', 'u'\) joins type"),
        (lambda: Pencil([N, D], [W], {("u", "q"): 1, ("q", "u"): 1}, {}), "given twice"),
        (lambda: Pencil([N, D], [W], {("u", "q"): np.ones(3)}, {}), r"block \('u', 'q'\).*\(3,\)"),
        (lambda: Pencil([N, D], [W], {"u": 1.0}, {}), "pair of slots"),  # type: ignore[dict-item]
        (lambda: Pencil([N, D], [W], {}, {("u", "u"): 1.0}), "positive semidefinite"),
        (lambda: Pencil([N, D], [W], {("u", "u"): math.nan}, {}), "finite"),
        (lambda: solve(marchenko_pastur(1.0), math.inf), "finite"),
        (lambda: solve(marchenko_pastur(1.0), 1.0, rtol=0), "rtol"),
        (
            lambda: solve(marchenko_pastur(1.0), 1.0, initial=solve(marchenko_pastur(1.0), 5.0)),
            "same pencil",
        ),
        (lambda: density(marchenko_pastur(1.0), "x", [1.0]), "no slot 'x'"),
        (lambda: density(marchenko_pastur(1.0), "u", [math.nan]), "finite"),
        (lambda: density(marchenko_pastur(1.0), "u", [1.0 + 1.0j]), "real"),
        (lambda: density(marchenko_pastur(1.0), "u", [1.0], rtol=-1.0), "rtol"),
        (lambda: solve(marchenko_pastur(1.0), 5.0).form("u", "r"), "different index types"),
        (lambda: solve(sandwich(), 50.0).form("r", f=[1.0, 2.0]), "nodes of type 'N'"),
    ],
)
def test_bad_input(make: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make()
