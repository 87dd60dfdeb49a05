"""docs/losses.md: its tables, its formulas in closed form, and its conversions."""

import importlib.util
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse, stats

import rmt
from rmt.spikes.residual_kinks import switches
from rmt.status import InvalidInputError
from validation import simulate

DOCS = Path(__file__).parent.parent / "docs"


@pytest.fixture(scope="module")
def tables():
    """The module that writes the tables."""
    specification = importlib.util.spec_from_file_location("losses_table", DOCS / "losses_table.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


# --- the tables -----------------------------------------------------------------------------------


def test_the_page_has_the_tables(tables):
    """`python docs/losses_table.py` writes them."""
    page = tables.PAGE.read_text(encoding="utf-8")
    assert tables.with_tables(page) == page


# Columns of the table as functions: the loss, its residual, the effective label, the slope there.
COLUMNS = {
    "squared": (
        lambda h, y: (y - h) ** 2 / 2,
        lambda h, y: y - h,
        lambda y: y,
        lambda y: -np.ones_like(y),
    ),
    "correlation": (lambda h, y: -y * h, lambda h, y: y + 0 * h, lambda y: y, lambda y: 0 * y),
    "logistic": (
        lambda h, y: np.log(1 + np.exp(-y * h)),
        lambda h, y: y / (1 + np.exp(y * h)),
        lambda y: y / 2,
        lambda y: -np.ones_like(y) / 4,
    ),
    "huber(1/2)": (
        lambda h, y: np.where(
            np.abs(y - h) < 0.5, (y - h) ** 2 / 2, np.abs(y - h) / 2 - 0.125
        ),  # the integral of min(u, 1/2)
        lambda h, y: np.clip(y - h, -0.5, 0.5),
        lambda y: np.clip(y, -0.5, 0.5),
        lambda y: np.where(np.abs(y) < 0.5, -1.0, 0.0),
    ),
    "squared_hinge": (
        lambda h, y: np.maximum(0, 1 - y * h) ** 2 / 2,
        lambda h, y: y * np.maximum(0, 1 - y * h),
        lambda y: y,
        lambda y: -np.ones_like(y),
    ),
    "max(0, 1 - y*h)": (
        lambda h, y: np.maximum(0, 1 - y * h),
        lambda h, y: np.where(y * h < 1, y, 0.0),
        lambda y: y,
        lambda y: 0 * y,
    ),
    "poisson": (
        lambda h, y: np.exp(h) - y * h,
        lambda h, y: y - np.exp(h),
        lambda y: y - 1,
        lambda y: -np.ones_like(y),
    ),
    "log(cosh(y - h))": (
        lambda h, y: np.log(np.cosh(y - h)),
        lambda h, y: np.tanh(y - h),
        np.tanh,
        lambda y: -1 / np.cosh(y) ** 2,
    ),
    "(y - h)**4/4": (
        lambda h, y: (y - h) ** 4 / 4,
        lambda h, y: (y - h) ** 3,
        lambda y: y**3,
        lambda y: -3 * y**2,
    ),
}
LABELS = {
    "any": np.array([-2.3, -0.4, 0.21, 1.0, 1.7]),
    "$\\pm1$": np.array([-1.0, 1.0]),
    "$\\ge0$": np.arange(4.0),
}


def test_columns_of_the_table_of_losses(tables):
    assert [row[0] for row in tables.LOSSES] == list(COLUMNS)
    h = np.linspace(-1.93, 1.87, 20)[:, None]
    for name, *_, labels in tables.LOSSES:
        loss, (value, residual, effective, slope) = rmt.Loss(name), COLUMNS[name]
        y = LABELS[labels]
        np.testing.assert_allclose(loss.value(h, y), value(h, y), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(loss.residual(h, y), residual(h, y), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(loss.residual(0.0, y), effective(y), rtol=1e-14)
        np.testing.assert_allclose(loss.residual_slope(0.0, y), slope(y), rtol=1e-14)
        if switches(loss) is None:  # the residual is what the value falls by
            falls = (value(h - 1e-5, y) - value(h + 1e-5, y)) / 2e-5
            np.testing.assert_allclose(residual(h, y), falls, rtol=1e-7, atol=1e-7)
        kind = {"real": "any", "signs": "$\\pm1$", "non-negative": "$\\ge0$"}[loss.labels]
        assert labels in (kind, "$\\pm1$" if name == "max(0, 1 - y*h)" else kind)


def test_exponents_of_functions_are_those_of_the_package(tables):
    """Of the squared loss, found in another way: by symbolic coefficients."""
    for _, target, _ in tables.TARGETS:
        if isinstance(target, str):
            order, power, _ = tables.exponents(target, "squared")
            assert rmt.information_exponent(target).value == order
            assert rmt.reuse_exponent(target).value == power


def test_exponents_in_closed_form(tables):
    """The numbers that the text of the page gives, and moments by hand."""
    at_zero = 1 / math.sqrt(2 * math.pi)
    _, _, linear = tables.exponents(rmt.SignOf("He3(z)"), "squared")
    assert linear == pytest.approx(2 * at_zero * (2 * math.exp(-1.5) - 1), abs=1e-12)
    _, _, linear = tables.exponents(rmt.SignOf("z", flip=0.1), "logistic")
    assert linear == pytest.approx(0.8 * at_zero, abs=1e-12)
    _, _, linear = tables.exponents("He3(z)/sqrt(6)", "(y - h)**4/4")
    assert linear == pytest.approx(324 / 6**1.5, rel=1e-12)  # E[z He3^3] = 324
    _, _, linear = tables.exponents(rmt.Poisson("exp(z/2)"), "poisson")
    assert linear == pytest.approx(math.exp(0.125) / 2, rel=1e-12)


def test_binary_labels_have_one_pair_of_exponents(tables):
    for _, target, losses in tables.TARGETS:
        if getattr(target, "kind", None) == "signs":
            found = {tables.exponents(target, loss)[:2] for loss in losses}
            assert len(found) == 1
            order, power = found.pop()
            assert power == (1 if order == 1 else None)


def test_snippet_of_the_page():
    page = (DOCS / "losses.md").read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "losses.md", "exec"), {})


# --- closed forms of one step ---------------------------------------------------------------------

SIZES = {"width": 900, "dim": 1000, "samples": 1800}


def expected_map(theta_square, gamma):
    """Singular value, and squared right overlap."""
    value = math.sqrt((1 + theta_square) * (gamma + theta_square) / theta_square)
    return value, 1 - (gamma + theta_square) / (theta_square * (1 + theta_square))


@pytest.mark.parametrize("scale", [0.4, 1.0])
@pytest.mark.parametrize("total", [0.0, 1.3])
def test_one_step_at_an_output_of_order_one(scale, total):
    """ReLU and the squared loss of ``y = z + He2(z)/2``: all moments by hand."""
    eta = 4.0
    problem = rmt.Problem(
        *("relu(z)", "z + He2(z)/2"),
        **SIZES,
        steps=rmt.Step(eta, 0),
        output_scale=scale,
        readout_sum=total,
    )
    gamma, phi = 0.9, 1000 / 1800
    mu0, mu1 = 1 / math.sqrt(2 * math.pi), 0.5
    c1 = -scale * mu1
    square = 1.5 + scale**2 * (mu0**2 * total**2 + 0.5 - mu0**2)  # E y = 0
    theta_square = eta**2 * mu1**2 * (1 + c1**2 + phi * square) + 2 * eta * mu1 * c1
    value, right = expected_map(theta_square, gamma)
    [spike] = rmt.predict(problem, bulk="marchenko-pastur").outliers
    assert spike.singular_value == pytest.approx(value, rel=1e-4)
    along = eta**2 * mu1**2 / theta_square
    assert spike.target_overlap == pytest.approx(right * along, rel=2e-4)
    initial = (1 + eta * mu1 * c1) ** 2 / theta_square
    found = spike.initial_output_overlap
    assert found == pytest.approx(right * initial, rel=2e-4, abs=1e-9)  # 0 where it is unlearned


def test_overlaps_of_spikes_that_are_correlated_with_the_bulk():
    """The page's derivation on matrices: ``W_0 + P`` with ``P`` partly along ``W_0^T a``."""
    rng = np.random.default_rng(3)
    n, d, count = 600, 800, 16
    g = stats.norm.ppf((np.arange(n) + 0.5) / n)
    a, other = g / np.linalg.norm(g), np.tanh(g) / math.sqrt(n)
    seen = []
    for _ in range(count):
        w0 = rng.standard_normal((n, d)) / math.sqrt(d)
        # Rows a (2 beta_* - 0.6 q) + other (1.1 e + 0.5 q).
        q = w0.T @ a
        update = -0.6 * np.outer(a, q) + 0.5 * np.outer(other, q)
        update[:, 0] += 2.0 * a
        update[:, 1] += 1.1 * other
        _, s, vt = sparse.linalg.svds(w0 + update, 1, v0=np.ones(n))
        seen.append([s[0], vt[0, 0] ** 2, (vt[0] @ q) ** 2])
    # In the basis (a, other) of left functions.
    gram = np.array([[1.0, a @ other], [a @ other, other @ other]])
    along_q, along_target = np.array([-0.6, 0.5]), np.array([2.0, 0.0])
    kernel = np.outer(along_q, along_q) + np.diag([4.0, 1.1**2])
    kernel += np.outer(along_q, [1, 0]) + np.outer([1, 0], along_q)
    root = np.linalg.cholesky(gram)
    squares, vectors = np.linalg.eigh(root.T @ kernel @ root)
    u = root @ vectors[:, -1]  # inner products of the unit eigenvector with a and other
    value, right = expected_map(squares[-1], n / d)
    target = right * (u @ along_target) ** 2 / squares[-1]
    initial = right * (u @ along_q + u[0]) ** 2 / squares[-1]
    mean = np.mean(seen, axis=0)
    error = np.std(seen, axis=0, ddof=1) / math.sqrt(count)
    assert (error < [0.015, 0.01, 0.01]).all()
    assert (np.abs(mean - [value, target, initial]) < 3.5 * error).all()
    without = right * (u @ along_q) ** 2 / squares[-1]
    assert abs(without - mean[2]) > 10 * error[2]  # what the product of a and u is worth


def test_one_step_with_weight_decay():
    eta, decay = 5.0, 0.06
    problem = rmt.Problem(
        "tanh(z)", rmt.SignOf("z"), **SIZES, steps=rmt.Step(eta, 0, decay), loss="logistic"
    )
    gamma, phi, left = 0.9, 1000 / 1800, 1 - eta * decay
    mu1 = float(rmt.hermite_expansion("tanh(z)", 1).probabilists[1])
    b_square = 1 / (2 * math.pi)  # E[z sign z / 2]^2
    theta_square = eta**2 * mu1**2 * (b_square + phi / 4) / left**2
    value, right = expected_map(theta_square, gamma)
    [spike] = rmt.predict(problem, bulk="marchenko-pastur").outliers
    assert spike.singular_value == pytest.approx(left * value, rel=1e-4)
    along = b_square / (b_square + phi / 4)
    assert spike.target_overlap == pytest.approx(right * along, rel=2e-4)


@pytest.mark.parametrize("batch", ["reused", "independent"])
def test_proportional_effective_labels_are_other_rates(batch):
    """After one step; the second sees the residuals' own answers."""
    signs = rmt.SignOf("z", flip=0.1)
    steps = [rmt.Step(3, 0.3), rmt.Step(3, 0.3)]
    one = {
        loss: rmt.training_path(
            rmt.Problem(
                "tanh(z + 7/10)",
                signs,
                **SIZES,
                steps=[rmt.Step(factor * step.scale, step.exponent) for step in steps],
                batch=batch,
                readout="rademacher",
                loss=loss,
            ),
            rtol=1e-2,
        )
        for loss, factor in (("squared", 1), ("logistic", 2))
    }
    first = {loss: path.singular_value[1, 0] for loss, path in one.items()}
    last = {loss: path.singular_value[2, 0] for loss, path in one.items()}
    assert first["logistic"] == pytest.approx(first["squared"], rel=1e-4)
    assert last["logistic"] > 1.01 * last["squared"]


# --- conversions ----------------------------------------------------------------------------------

R, V, C = 1.7, 2.3, 0.6


def descended(weights, data, readout, loss, scale, rates, decays, summed=False):
    """Weights after plain gradient descent on the mean loss, derivatives by a complex step."""
    found = [weights]
    for (x, y), rate, decay in zip(data, rates, decays, strict=True):
        w = found[-1]
        gradient = np.zeros_like(w)
        for i in range(len(w)):
            for j in range(w.shape[1]):
                shifted = w.astype(complex)
                shifted[i, j] += 1e-30j
                h = scale * readout @ np.tanh(shifted @ x.T + 0.7)
                losses = loss(h, y)
                total = losses.sum() if summed else losses.mean()
                gradient[i, j] = total.imag / 1e-30
        found.append((1 - rate * decay) * w - rate * gradient)
    return found


def logistic(h, y):
    return np.log(1 + np.exp(-y * h))


def cross_entropy(h, y):
    return np.log(1 + np.exp(h)) - y * h


def squared(h, y):
    return (y - h) ** 2 / 2


def problem_of(activation, target, etas, decays, scale=1.0, loss="squared"):
    steps = [rmt.Step(eta, 0, decay) for eta, decay in zip(etas, decays, strict=True)]
    return rmt.Problem(
        *(activation, target, 7, 5, 11, steps, "reused"), loss=loss, output_scale=scale
    )


def test_conversions():
    """Networks of other normalisations, trained literally: two steps from the same start."""
    etas, decays, scale = (1.5, 2.0), (0.1, 0.2), 0.8
    plain, moved = "tanh(z + 7/10)", "tanh({}*z + 7/10)"
    signs = rmt.SignOf("z", flip=0.1)

    def held(problem, loss, **theirs):
        sample = simulate(problem, seed=3)
        size = theirs.pop("rows", 1.0)
        stretch = theirs.pop("inputs", 1.0)
        read = theirs.pop("read", 1.0)
        label = theirs.pop("label", lambda y: y)
        data = [(stretch * one.inputs, label(one.labels)) for one in sample.batches]
        a = read * sample.readout / math.sqrt(7)
        found = descended(size * sample.weights[0], data, a, loss, **theirs)
        assert np.abs(found[-1] - found[0]).max() > 0.1
        for mine, other in zip(sample.weights, found, strict=True):
            np.testing.assert_allclose(size * mine, other, rtol=0, atol=1e-12)
        return sample, data

    rates = [eta / scale for eta in etas]  # of steps of the gradient of the mean loss
    lam = [scale * decay for decay in decays]
    usual = {"scale": scale, "rates": rates, "decays": lam}
    held(problem_of(plain, "sin(z)", etas, decays, scale), squared, **usual)
    held(problem_of(plain, signs, etas, decays, scale, "logistic"), logistic, **usual)
    # Rows of length R, inputs of variance v, readouts of variance v.
    held(
        problem_of(
            moved.format("17/10"),
            "sin(z)",
            [eta / R**2 for eta in etas],
            [R**2 * decay for decay in decays],
            scale,
        ),
        squared,
        rows=R,
        **usual,
    )
    root = f"sqrt({V})"
    _, data = held(
        problem_of(moved.format(root), f"sin({root}*z)", etas, decays, scale),
        squared,
        inputs=math.sqrt(V),
        **usual,
    )
    x, y = data[0]  # their labels are sin of their inputs along the target's direction
    np.testing.assert_allclose(y, np.sin(x[:, 0]), rtol=0, atol=1e-12)
    held(
        problem_of(
            plain,
            "sin(z)",
            [math.sqrt(V) * eta for eta in etas],
            [decay / math.sqrt(V) for decay in decays],
            math.sqrt(V) * scale,
        ),
        squared,
        read=math.sqrt(V),
        **usual,
    )
    # A loss that is summed, one times a constant, and one of labels 0 and 1.
    summed = usual | {"rates": [rate / 11 for rate in rates], "decays": [11 * one for one in lam]}
    held(problem_of(plain, "sin(z)", etas, decays, scale), squared, summed=True, **summed)
    small = usual | {"rates": [rate / C for rate in rates], "decays": [C * one for one in lam]}
    held(problem_of(plain, "sin(z)", etas, decays, scale), lambda h, y: C * squared(h, y), **small)
    held(
        problem_of(plain, signs, etas, decays, scale, "logistic"),
        cross_entropy,
        label=lambda y: (1 + y) / 2,
        **usual,
    )


def test_labels_zero_and_one_are_refused():
    """What a user of cross-entropy would give, and must convert."""
    with pytest.raises(InvalidInputError, match="loss"):
        rmt.Problem(
            *("tanh(z)", rmt.Channel([0, 1], ["sigmoid(-z)", "sigmoid(z)"]), 7, 5, 11),
            rmt.Step(1, 0),
            loss="logistic",
        )
