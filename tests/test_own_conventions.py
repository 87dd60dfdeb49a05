"""Conventions of other papers and of PyTorch: their steps, taken literally, are a problem's."""

import math
from pathlib import Path

import numpy as np
import pytest

import rmt
from rmt.status import InvalidInputError
from validation import check, own, simulate
from validation.own.conventions import NAMES, stretched, turned

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "own_network.md"
N, D, SAMPLES = 14, 10, 23


def slope(z):
    return 1 / np.cosh(z) ** 2


# Every convention as its authors write it: the network's output, and one step of the squared loss
# at the learning rate eps, on inputs in rows. ``Q`` are the weights, in their own shape.


def _ba(Q, u, X, y, eps):
    n, root = len(X), math.sqrt(len(u))
    h = np.tanh(X @ Q) @ u / root  # Q of shape (d, N)
    G = X.T @ (np.outer((y - h) / root, u) * slope(X @ Q)) / n
    return h, Q + eps * root * G


def _moniri(Q, u, X, y, eps):
    h = np.tanh(X @ Q.T) @ u
    return h, Q + eps * (np.outer(u, y - h) * slope(Q @ X.T)) @ X / len(X)


def _cui(Q, u, X, y, eps):
    root = math.sqrt(len(u))
    h = np.tanh(X @ Q.T) @ u / root
    return h, Q + eps * root * (np.outer(u, y - h) / root * slope(Q @ X.T)) @ X / len(X)


def _dandi(Q, u, X, y, eps):
    root = math.sqrt(len(u))
    h = np.tanh(X @ Q.T) @ u / root
    return h, Q + eps * (np.outer(u, y - h) / root * slope(Q @ X.T)) @ X / len(X)


def _outside(outer):
    def step(Q, u, X, y, eps):
        m, s = outer(len(u)), 1 / math.sqrt(X.shape[1])
        h = m * np.tanh(s * X @ Q.T) @ u
        return h, Q + eps * (m * s * np.outer(u, y - h) * slope(s * Q @ X.T)) @ X / len(X)

    return step


LITERALLY = {
    "rmt": lambda Q, u, X, y, eps: _cui(Q, u, X, y, eps),
    "2205.01445": _ba,
    "2310.07891": _moniri,
    "2402.04980": _cui,
    "2305.18270": _dandi,
    "torch": lambda Q, u, X, y, eps: _moniri(Q, u, X, y, eps),
    "ntk": _outside(lambda width: width**-0.5),
    "mean-field": _outside(lambda width: 1 / width),
}


def test_every_convention_is_tested():
    assert set(LITERALLY) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_steps_taken_literally_are_those_of_the_problem(name):
    """Two steps of different rates from the same start, on the same data."""
    theirs = own.convention(name, N, D)
    rates = [theirs.their_rate(1.1), theirs.their_rate(2.3)]
    problem = theirs.problem("tanh(z)", "sin(z)", SAMPLES, rates, noise_std=0.3, readout="uniform")
    assert problem.learning_rates == pytest.approx((1.1, 2.3), rel=1e-14)
    sample = simulate(problem, seed=5)
    Q = theirs.their_weights(sample.weights[0])
    u = theirs.their_readout(sample.readout / math.sqrt(N))
    assert Q.shape == ((D, N) if name == "2205.01445" else (N, D))
    scale = problem.output_gain / math.sqrt(N)
    for rate, batch, before, after in zip(
        rates, sample.batches, sample.weights, sample.weights[1:], strict=False
    ):
        h, new = LITERALLY[name](Q, u, batch.inputs, batch.labels, rate)
        ours = problem.activation(batch.inputs @ before.T) @ sample.readout / math.sqrt(N)
        np.testing.assert_allclose(h, scale * ours, rtol=0, atol=1e-13)
        assert np.abs(new - Q).max() > 1e-2 * np.abs(Q).max()
        np.testing.assert_allclose(theirs.weights(new), after, rtol=0, atol=1e-12)
        Q = new


@pytest.mark.parametrize("name", NAMES)
def test_lengths_and_variances_as_they_are_drawn(name):
    """What the authors draw has unit rows and ``g`` of variance 1 here."""
    rng, width, dim = np.random.default_rng(0), 4000, 300
    theirs = own.convention(name, width, dim)
    sphere = rng.standard_normal((width, dim))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    drawn = {
        "2205.01445": lambda: (
            rng.standard_normal((dim, width)) / math.sqrt(dim),
            rng.standard_normal(width) / math.sqrt(width),
        ),
        "2402.04980": lambda: (sphere, np.full(width, width**-0.5)),
        "torch": lambda: (
            rng.uniform(-1, 1, (width, dim)) / math.sqrt(dim),
            rng.uniform(-1, 1, width) / math.sqrt(width),
        ),
        "ntk": lambda: (rng.standard_normal((width, dim)), rng.standard_normal(width)),
        "mean-field": lambda: (rng.standard_normal((width, dim)), rng.standard_normal(width)),
    }
    usual = sphere, rng.standard_normal(width) / math.sqrt(width)
    Q, u = drawn.get(name, lambda: usual)()
    W, a = theirs.weights(Q), theirs.readout(u)
    assert np.mean(np.sum(W**2, axis=1)) == pytest.approx(1, rel=0.01)
    assert width * np.mean(a**2) == pytest.approx(1, rel=0.1)
    # Pre-activations of variance 1 go into the activation that the problem has.
    x, there = rng.standard_normal(dim), theirs.activation("tanh(z)")
    V = Q.T if theirs.transposed else Q
    np.testing.assert_allclose(there(W @ x), np.tanh(theirs.input_scale * (V @ x)), atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_round_trips(name):
    theirs = own.convention(f"arXiv:{name}", N, D)
    rng = np.random.default_rng(2)
    W, a = rng.standard_normal((N, D)), rng.standard_normal(N)
    np.testing.assert_allclose(theirs.weights(theirs.their_weights(W)), W, rtol=1e-15)
    np.testing.assert_allclose(theirs.readout(theirs.their_readout(a)), a, rtol=1e-15)
    assert theirs.rate(theirs.their_rate(0.7)) == pytest.approx(0.7, rel=1e-15)
    assert theirs.decay(theirs.their_decay(0.7)) == pytest.approx(0.7, rel=1e-15)
    f = rmt.ScalarFunction("gelu(z) + z**2/7")
    z = np.linspace(-3, 3, 31)
    np.testing.assert_allclose(
        theirs.activation(theirs.their_activation(f))(z), f(z), rtol=1e-13, atol=1e-15
    )


def test_weight_decay_leaves_the_same_share():
    """Of their weights: ``1 - rate w``, of those here ``1 - eta lambda``."""
    theirs = own.Convention("x", 200, 100, row_length=3.0, readout_std=0.5, output_scale=0.2)
    step = theirs.step(0.3, weight_decay=0.4, exponent=0.25)
    assert step.exponent == 0.25
    assert step.size(200) == pytest.approx(theirs.rate(0.3))
    assert step.kept(200) == pytest.approx(1 - 0.3 * 0.4, rel=1e-14)


def test_a_loss_that_is_larger_is_a_larger_rate():
    class MSELoss:
        __module__, reduction = "torch.nn.modules.loss", "mean"

    theirs = own.convention("2310.07891", N, D)
    one = theirs.problem("tanh(z)", "z", SAMPLES, 0.5, weight_decay=0.1)
    two = theirs.problem("tanh(z)", "z", SAMPLES, 0.5, weight_decay=0.1, loss=MSELoss())
    assert two.learning_rates == pytest.approx((2 * one.learning_rates[0],))
    assert two.steps[0].kept(N) == pytest.approx(one.steps[0].kept(N))
    summed = MSELoss()
    summed.reduction = "sum"
    many = theirs.problem("tanh(z)", "z", SAMPLES, 0.5, loss=summed)
    assert many.learning_rates == pytest.approx((2 * SAMPLES * one.learning_rates[0],))


def test_neurons_that_are_turned_round_are_the_same_network():
    rng = np.random.default_rng(3)
    W, a, x = rng.standard_normal((N, D)), np.full(N, 0.3), rng.standard_normal(D)
    other, b = turned(W, a)
    assert set(b) == {0.3, -0.3}
    assert b.sum() == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(np.tanh(W @ x) @ a, np.tanh(other @ x) @ b, rtol=1e-13)


def test_roots_are_exact_in_texts():
    assert stretched("tanh(z)", 1.0).text == "tanh(z)"
    assert stretched("tanh(z)", math.sqrt(2 / 3)).text == "tanh(sqrt(6)*z/3)"
    odd = 0.1234567890123
    assert stretched("sin(z)", odd)(2.0) == pytest.approx(math.sin(2 * odd), rel=1e-14)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: own.convention("pytorch", 3, 2), "convention must be one of rmt, .*, got 'pyt"),
        (lambda: own.convention("torch", 0, 2), "width must be a positive integer, got 0"),
        (lambda: own.Convention("x", 3, 2, row_length=0.0), "row_length must be a positive"),
        (lambda: own.convention("rmt", 3, 2).weights(np.ones((2, 3))), r"\(3, 2\), got \(2, 3\)"),
        (lambda: own.convention("2205.01445", 3, 2).weights(np.ones((3, 2))), r"\(2, 3\), got"),
        (lambda: own.convention("rmt", 3, 2).readout(np.ones((3, 1))), r"\(3,\), got \(3, 1\)"),
        (lambda: own.convention("rmt", 3, 2).step(-1.0), "rate must be a positive number"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(InvalidInputError, match=said):
        call()


# --- losses of PyTorch, by what they look like ----------------------------------------------------


def stand_in(name, **attributes):
    """Has the class's name, module and attributes, without PyTorch."""
    made = {"__module__": "torch.nn.modules.loss", "reduction": "mean", **attributes}
    return type(name, (), made)()


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (stand_in("CrossEntropyLoss"), "BCEWithLogitsLoss of one output"),
        (stand_in("BCELoss"), "BCEWithLogitsLoss of the output itself"),
        (stand_in("BCEWithLogitsLoss", pos_weight=2), "pos_weight weighs samples"),
        (stand_in("MSELoss", reduction="none"), "reduction='mean' or 'sum', got 'none'"),
        (stand_in("MSELoss", reduction="sum"), "samples must be given for MSELoss"),
        (stand_in("PoissonNLLLoss", log_input=False), "log_input=False is not known"),
        (3.0, "one of torch.nn: MSELoss, .*; got float"),
    ],
)
def test_losses_that_are_none_of_a_problem(loss, said):
    with pytest.raises(InvalidInputError, match=said):
        own.loss_of(loss)


# --- without a model of PyTorch -------------------------------------------------------------------


def test_what_is_no_model_is_said():
    with pytest.raises(InvalidInputError, match=r"must be a torch\.nn\.Module, got ndarray"):
        own.from_torch(np.ones((3, 2)))


def test_networks_of_other_problems_are_refused():
    network = own.OwnNetwork(
        weights=np.random.default_rng(0).standard_normal((60, 40)) / math.sqrt(40),
        coefficients=np.random.default_rng(1).standard_normal(60) / 60,
        activation=rmt.ScalarFunction("tanh(z)"),
        convention=own.convention("rmt", 60, 40),
        initial=None,
        names=("fc1.weight", "fc2.weight"),
        lengths_known=True,
        notes=(),
    )
    problem = rmt.Problem("tanh(z)", "z", 60, 40, 160, [rmt.Step(2, 0.3)])
    W, a = network.for_problem(problem)
    np.testing.assert_array_equal(W, network.weights)
    np.testing.assert_allclose(a, network.coefficients * math.sqrt(60), rtol=1e-14)
    for other, said in [
        (problem.replace(width=50), "60 neurons .* width=50, dim=40"),
        (problem.replace(activation="erf(z)"), r"computes tanh\(z\) .* the problem has erf\(z\)"),
        (problem.replace(output_scale=1.0), r"write output_scale=0\.11"),
    ]:
        with pytest.raises(InvalidInputError, match=said):
            check(other, network)
    with pytest.raises(InvalidInputError, match="readout must be left out with a model"):
        check(problem, network, a)
    with pytest.raises(InvalidInputError, match="all models or all arrays"):
        check(problem, [network, W])


def test_a_multiple_of_the_activation_is_a_multiple_of_the_readout():
    """Of ``relu(z/2)`` the problem may have half."""
    network = own.OwnNetwork(
        weights=np.ones((3, 2)),
        coefficients=np.array([0.7, -0.8, 0.9]),
        activation=rmt.ScalarFunction("relu(z)/2"),
        convention=own.convention("rmt", 3, 2),
        initial=None,
        names=("w", "a"),
        lengths_known=True,
        notes=(),
    )
    _, a = network.for_problem(rmt.Problem("relu(z)", "z", 3, 2, 9, [rmt.Step(1, 0.3)]))
    np.testing.assert_allclose(a, network.coefficients / 2 * math.sqrt(3), rtol=1e-14)


# --- the table of the page ------------------------------------------------------------------------

SYMBOLS = {
    "1": 1.0, r"1/\sqrt3": 3**-0.5, r"\sqrt d": D**0.5, r"1/\sqrt d": D**-0.5,
    r"1/\sqrt N": N**-0.5, r"1/\sqrt{3N}": (3 * N) ** -0.5, "1/N": 1 / N, r"\sqrt N": N**0.5,
    "1/d": 1 / D, r"\sqrt3": 3**0.5, r"1/(d\sqrt N)": 1 / (D * N**0.5),
}  # fmt: skip


def test_the_page_has_the_table():
    """Every number of a convention, and what a learning rate 1 and a network are here."""
    page = PAGE.read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| `")]
    cells = {row[0].strip("`"): row[2:] for row in rows if len(row) == 9}
    table = {name: [cell.strip().strip("$") for cell in row] for name, row in cells.items()}
    assert set(table) == set(NAMES)
    for name, (R, s, v, m, k, S, eta) in table.items():
        theirs = own.convention(name, N, D)
        found = (theirs.row_length, theirs.input_scale, theirs.readout_std)
        found += (theirs.output_scale, theirs.gradient_scale, theirs.scale, theirs.rate(1.0))
        rate = eta.replace(r"\,\epsilon", "").replace(r"\epsilon", "1")
        said = [SYMBOLS[cell] for cell in (R, s, v, m, k, S, rate)]
        assert found == pytest.approx(said, rel=1e-14), name


def test_functions_of_torch_name_the_module_to_take():
    def soft_margin_loss(output, label):
        raise NotImplementedError

    with pytest.raises(InvalidInputError, match=r"got soft_margin_loss; take torch.nn.SoftMargin"):
        own.loss_of(soft_margin_loss)
