"""Models of PyTorch: their layers, scales and refusals, the same steps, and verdicts."""

import copy
import doctest
import math

import numpy as np
import pytest

import rmt
from rmt.status import ConvergenceError, InvalidInputError
from validation import check, own, simulate
from validation.own import models, training

torch = pytest.importorskip("torch", reason="the extra 'gpu' is not installed")
nn = torch.nn
N, D = 24, 17


# --- the same steps as the simulation -------------------------------------------------------------

ANY = {"activation": "tanh(z + 7/10)", "target": "sin(2*z)", "noise_std": 0.2}
SIGNS = {"activation": "gelu(z)", "target": rmt.SignOf("z", flip=0.1)}
PROBLEMS = {
    "squared, one step": {**ANY, "steps": [(2, 0.3)]},
    "squared, fresh": {**ANY, "steps": [(2, 0.3), (3, 0.4)]},
    "squared, reused, decay": {
        **ANY,
        "steps": [(2, 0.3, 0.01), (3, 0.4, 0.02)],
        "batch": "reused",
    },
    "kinks, schedule": {
        **ANY,
        "activation": "relu(z)",
        "steps": [(2, 0.3)] * 3,
        "batch": (0, 0, 1),
        "samples": (31, 40),
    },
    "huber": {**ANY, "loss": "huber(1/2)", "steps": [(4, 0.3)] * 2},
    "logistic, reused": {**SIGNS, "loss": "logistic", "steps": [(8, 0.3)] * 2, "batch": "reused"},
    "logistic, order one": {
        **SIGNS,
        "loss": "logistic",
        "steps": [(3, 0.3, 0.05)] * 2,
        "output_scale": 1.0,
        "readout": "uniform",
    },
    "squared hinge": {**SIGNS, "loss": "squared_hinge", "steps": [(2, 0.3)]},
    "poisson": {
        "activation": "silu(z)",
        "target": rmt.Poisson("exp(z/2)"),
        "loss": "poisson",
        "steps": [(1, 0.2)] * 2,
        "init": "gaussian",
    },
    "a text, antisymmetric": {
        "activation": "erf(z)",
        "target": "z1 + z1*z2",
        "loss": "log(cosh(y - h))",
        "steps": [(2, 0.3)] * 2,
        "output_scale": 0.7,
        "initialisation": "antisymmetric",
    },
    "giant": {**ANY, "steps": [(1, 0.5)] * 2, "readout": "rademacher"},
}


def problem_of(samples=50, **arguments):
    return rmt.Problem(width=N, dim=D, samples=samples, **arguments)


@pytest.mark.parametrize("convention", ["rmt", "2205.01445", "torch", "ntk"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_steps_by_automatic_differentiation_are_ours(name, convention):
    problem = problem_of(**PROBLEMS[name])
    ours = simulate(problem, seed=4, index=2)
    theirs = own.train_in_torch(problem, seed=4, index=2, convention=convention)
    np.testing.assert_array_equal(ours.readout, theirs.readout)
    for one, other in zip(ours.batches, theirs.batches, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
        np.testing.assert_array_equal(one.labels, other.labels)
    assert len(theirs.weights) == problem.n_steps + 1
    for step, (one, other) in enumerate(zip(ours.weights, theirs.weights, strict=True)):
        assert step == 0 or np.abs(one - ours.weights[step - 1]).max() > 1e-2
        assert np.abs(one - other).max() < 1e-10


LOSSES = {
    "squared": nn.MSELoss(),
    "huber(0.5)": nn.HuberLoss(delta=0.5),
    "huber(0.25)": nn.SmoothL1Loss(beta=0.25, reduction="sum"),
    "abs(y - h)": nn.L1Loss(),
    "logistic": nn.SoftMarginLoss(),
    "cross-entropy": nn.BCEWithLogitsLoss(),
    "poisson": nn.PoissonNLLLoss(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_loop_as_one_writes_it_takes_the_steps_of_the_problem(name):
    """With PyTorch's losses, optimiser and modules alone, initialised as PyTorch does."""
    criterion = LOSSES[name]
    text = "logistic" if name == "cross-entropy" else name
    loss, factor = own.loss_of(criterion, 50)
    assert loss == rmt.Loss(text)
    data = {"logistic": SIGNS, "poisson": {"target": rmt.Poisson("exp(z/2)")}}.get(text, ANY)
    theirs = own.convention("torch", N, D)
    scale = theirs.problem_scale
    steps = [rmt.Step(2, 0.3, 0.01), rmt.Step(1, 0.4, 0.02)]
    problem = problem_of(
        **{**data, "activation": theirs.activation("tanh(z)")},
        **{"steps": steps, "loss": loss, "output_scale": scale, "readout": "uniform"},
    )
    sample = simulate(problem, seed=1)

    model = nn.Sequential(nn.Linear(D, N, bias=False), nn.Tanh(), nn.Linear(N, 1, bias=False))
    model.double()
    with torch.no_grad():
        model[0].weight[:] = torch.as_tensor(theirs.their_weights(sample.weights[0]))
        model[2].weight[0] = torch.as_tensor(theirs.their_readout(sample.readout / math.sqrt(N)))
    for eta, step, batch, after in zip(
        problem.learning_rates, steps, sample.batches, sample.weights[1:], strict=True
    ):
        rate, decay = theirs.their_rate(eta) / factor, theirs.their_decay(step.weight_decay)
        again = theirs.steps(rate, 50, criterion, decay * factor)[1][0]
        assert again.size(N) == pytest.approx(eta)
        assert again.weight_decay == pytest.approx(step.weight_decay)
        optimiser = torch.optim.SGD([model[0].weight], lr=rate, weight_decay=decay * factor)
        y = torch.as_tensor(batch.labels)
        y = (1 + y) / 2 if name == "cross-entropy" else y
        optimiser.zero_grad()
        criterion(model(torch.as_tensor(batch.inputs))[:, 0], y).backward()
        optimiser.step()
        W = theirs.weights(model[0].weight.detach().numpy())
        assert np.abs(W - after).max() < 1e-10


def test_training_in_single_precision_is_near():
    problem = problem_of(**PROBLEMS["squared, fresh"])
    one = own.train_in_torch(problem, dtype=np.float32).weights[-1]
    assert one.dtype == np.float32
    error = np.abs(one - simulate(problem).weights[-1]).max()
    assert 0 < error < 1e-4


def test_what_cannot_be_trained_is_said():
    problem = problem_of(**PROBLEMS["squared, one step"])
    wild = rmt.ScalarFunction.of_callable(lambda z: np.tanh(z) + 0.1 * z)
    with pytest.raises(InvalidInputError, match=r"must have a formula .* got a sampled"):
        own.train_in_torch(problem.replace(activation=wild))
    with pytest.raises(InvalidInputError, match="convention must be of N = 24, d = 17 and the"):
        own.train_in_torch(problem, convention=own.Convention("x", N, D))
    cubic = problem.replace(activation="z**3", steps=[(1e60, 0.5)] * 3, loss="(y - h)**4")
    with pytest.raises(ConvergenceError, match="weights after step 2 are not finite") as caught:
        own.train_in_torch(cubic)
    assert len(caught.value.best.weights) == 2


# --- layers and scales of models ------------------------------------------------------------------


class Functional(nn.Module):
    """Parameters of its own with any names, and all scales in the forward pass."""

    def __init__(self):
        super().__init__()
        self.anything = nn.Parameter(torch.randn(N, D))
        self.register_buffer("fixed", torch.randn(N))

    def forward(self, x):
        return torch.erf(x @ self.anything.T / math.sqrt(D)) @ self.fixed / N


class Transposed(nn.Module):
    """As Ba et al. write it, with a second layer that is a plain attribute."""

    def __init__(self, d=D):
        super().__init__()
        self.W = nn.Parameter(torch.randn(d, N) / math.sqrt(d))
        self.a = torch.randn(N) / math.sqrt(N)
        self.X = torch.randn(99, d)  # data that somebody keeps there
        self.scale = nn.Parameter(torch.tensor(N**-0.5), requires_grad=False)

    def forward(self, x):
        return self.scale * (torch.nn.functional.leaky_relu(x @ self.W, 0.2) @ self.a)


class Nested(nn.Module):
    """Layers inside of others, the output with another sign, and the slope by keyword."""

    def __init__(self):
        super().__init__()
        self.body = nn.ModuleDict({"in": nn.Linear(D, N, bias=False)})
        self.head = nn.Linear(N, 1, bias=False)
        self.unused = nn.Parameter(torch.zeros(3), requires_grad=False)

    def forward(self, x):
        z = self.body["in"](x)
        return -2 * self.head(torch.nn.functional.elu(z, alpha=0.7))


class Written(Functional):
    """An activation that no name tells."""

    def forward(self, x):
        z = x @ self.anything.T / math.sqrt(D)
        return (z * torch.tanh(z)) @ self.fixed / math.sqrt(N)


def sequential():
    return nn.Sequential(nn.Linear(D, N, bias=False), nn.SiLU(), nn.Linear(N, 1, bias=False))


STYLES = {
    # model, its layers, sigma, R, s, m, S
    "sequential": (
        sequential, ("0.weight", "2.weight"), "silu(z/sqrt(3))", 3**-0.5, 1, 1, 3**-0.5,
    ),
    "functional": (
        Functional, ("anything", "fixed"), "erf(z)", D**0.5, D**-0.5, 1 / N, N**-0.5,
    ),
    "transposed": (Transposed, ("W", "a"), "leaky_relu(z, 0.2)", 1, 1, N**-0.5, N**-0.5),
    "square": (
        lambda: Transposed(N), ("W", "a"), "leaky_relu(z, 0.2)", 1, 1, N**-0.5, N**-0.5,
    ),
    "nested": (
        Nested, ("body.in.weight", "head.weight"), "elu(z/sqrt(3), 0.7)", 3**-0.5, 1, 2,
        2 * 3**-0.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("style", STYLES)
def test_layers_and_scales_are_found(style, double):
    torch.manual_seed(1)
    make, names, activation, R, s, m, S = STYLES[style]
    model = make()
    if double:
        model = model.double()
        for key in ("a", "X"):
            if key in vars(model):
                setattr(model, key, vars(model)[key].double())
    state = copy.deepcopy(model.state_dict())
    network = own.from_torch(model)
    assert network.names == names
    assert network.lengths_known
    there = network.convention
    found = (there.row_length, there.input_scale, there.output_scale)
    assert found == pytest.approx((R, s, m), rel=1e-6)
    if style != "nested":  # whose readout has an unusual scale, which then is measured
        assert there.scale == pytest.approx(S, rel=1e-6)
    z = np.linspace(-4, 4, 41)
    expected = rmt.ScalarFunction(activation)(z)
    np.testing.assert_allclose(network.activation(z), expected, rtol=1e-6, atol=1e-12)
    assert np.mean(np.sum(network.weights**2, axis=1)) == pytest.approx(1, rel=0.2)
    # What it says the model computes is what the model computes.
    x = torch.randn(40, network.weights.shape[1], dtype=torch.float64)
    output = model(x if double else x.float()).detach().double().numpy().reshape(-1)
    ours = network.activation(x.numpy() @ network.weights.T) @ network.coefficients
    tolerance = 1e-6 if double and style != "transposed" else 1e-5
    np.testing.assert_allclose(ours, output, rtol=0, atol=tolerance * np.abs(output).max() + 1e-7)
    # Which is left as it was.
    for name, one in model.state_dict().items():
        assert torch.equal(one, state[name])


def test_an_activation_that_is_written_out_is_asked_for():
    model = Written()
    with pytest.raises(InvalidInputError, match=r"sigma any of tanh\(z\), z; say what its act"):
        own.from_torch(model)
    network = own.from_torch(model, activation="z*tanh(z)")
    assert network.convention.scale == 1.0
    assert network.convention.input_scale == D**-0.5
    # `check` tries that of the problem.
    problem = network.problem("z", 80, 1.0, readout="gaussian")
    assert check(problem, model, spectrum=False).conditional


def test_scales_of_ones_own():
    class Odd(Functional):
        def forward(self, x):
            return torch.tanh(0.3 * (x @ self.anything.T)) @ self.fixed

    model = Odd()
    with pytest.raises(InvalidInputError, match=r"s = 1 or d\*\*-0.5, .* input_scale= if that is"):
        own.from_torch(model)
    network = own.from_torch(model, input_scale=0.3, row_length=math.sqrt(D))
    assert network.convention.scale == pytest.approx(math.sqrt(N), rel=0.5)
    assert network.activation(1.0) == pytest.approx(math.tanh(0.3 * math.sqrt(D)))


def test_antisymmetric_models_are_found_though_their_output_is_zero():
    model = sequential().double()
    with torch.no_grad():
        model[0].weight[N // 2 :] = model[0].weight[: N // 2]
        model[2].weight[0, N // 2 :] = -model[2].weight[0, : N // 2]
    assert model(torch.randn(5, D, dtype=torch.float64)).abs().max() < 1e-12
    network = own.from_torch(model)
    assert network.activation == rmt.ScalarFunction("silu(z/sqrt(3))")
    assert network.problem("z", 60, 1.0).initialisation == "antisymmetric"
    with torch.no_grad():
        model[0].weight[0, 0] += 1e-3
    other = own.from_torch(model, row_length=3**-0.5)
    assert other.problem("z", 60, 1.0).initialisation == "independent"


# --- refusals -------------------------------------------------------------------------------------


def with_layer(*layers):
    return nn.Sequential(*layers)


def two_readouts():
    model = Functional()
    model.register_buffer("other", torch.randn(N))
    return model


def frozen_bias():
    model = with_layer(nn.Linear(D, N), nn.Tanh(), nn.Linear(N, 1, bias=False))
    model[0].bias.requires_grad_(False)
    return model


def diverged():
    model = sequential()
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
    return model


def without_readout():
    model = Functional()
    model.fixed.zero_()
    return model


REFUSED = {
    "biases": (
        lambda: with_layer(nn.Linear(D, N), nn.Tanh(), nn.Linear(N, 1, bias=False)),
        r"0\.bias \(24,\) is a bias; the theory has none, .*: make the layers with bias=False",
    ),
    "bias of the output": (
        lambda: with_layer(nn.Linear(D, N, bias=False), nn.Tanh(), nn.Linear(N, 1)),
        r"2\.bias \(1,\) is a bias",
    ),
    "a bias that is not trained": (frozen_bias, r"0\.bias \(24,\) is a bias"),
    "three layers": (
        lambda: with_layer(*sequential()[:2], nn.Linear(N, 9, bias=False), nn.Linear(9, 1)),
        r"it has 0\.weight \(24, 17\), 2\.weight \(9, 24\): deeper networks and several outputs",
    ),
    "two outputs": (
        lambda: with_layer(*sequential()[:2], nn.Linear(N, 2, bias=False)),
        r"2\.weight \(2, 24\): deeper networks and several outputs",
    ),
    "one layer": (lambda: nn.Linear(D, N, bias=False), "must have a second layer, a vector of 24"),
    "no layer": (lambda: nn.Tanh(), "must have a matrix, the first layer; it has no tensors"),
    "batch norm": (
        lambda: with_layer(*sequential()[:1], nn.BatchNorm1d(N), *sequential()[1:]),
        r"1 \(BatchNorm1d\) normalises over the batch",
    ),
    "layer norm": (
        lambda: with_layer(*sequential()[:1], nn.LayerNorm(N), *sequential()[1:]),
        r"1 \(LayerNorm\) normalises every input",
    ),
    "dropout": (
        lambda: with_layer(*sequential()[:2], nn.Dropout(0.5), sequential()[2]),
        r"2 \(Dropout\) drops neurons at random",
    ),
    "convolution": (lambda: nn.Conv1d(3, 4, 5), r"the model \(Conv1d\) is a convolution"),
    "lazy": (
        lambda: with_layer(nn.LazyLinear(N, bias=False), nn.Tanh(), nn.Linear(N, 1, bias=False)),
        r"0\.weight has no shape before the first call; call the model once",
    ),
    "a slope that is learned": (
        lambda: with_layer(*sequential()[:1], nn.PReLU(), sequential()[2]),
        r"1\.weight \(1,\) is a parameter beside",
    ),
    "something at the output": (
        lambda: with_layer(*sequential(), nn.Sigmoid()),
        "its output is not m sum_i u_i sigma",
    ),
    "which second layer": (two_readouts, r"any of fixed \(24,\), other \(24,\); say which"),
    "zeros": (without_readout, "anything and fixed must not be zero everywhere"),
    "not finite": (diverged, r"0\.weight and 2\.weight must be finite"),
    "an output of another shape": (
        lambda: with_layer(*sequential(), nn.Flatten(0), nn.Unflatten(0, (8, 8))),
        r"on inputs \(64, 17\) it gives \(8, 8\)",
    ),
    "what cannot be called": (
        lambda: Broken(),
        r"called on inputs \(64, 17\) of torch\.float32 it raises RuntimeError: ",
    ),
}


class Broken(Functional):
    def forward(self, x):
        return super().forward(x) @ torch.zeros(3)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_two_layer_network_is_refused(name):
    make, said = REFUSED[name]
    with pytest.raises(InvalidInputError, match=said):
        own.from_torch(make())


def test_frozen_zeros_are_no_biases():
    model = with_layer(nn.Linear(D, N), nn.Tanh(), nn.Linear(N, 1))
    for bias in (model[0].bias, model[2].bias):
        with torch.no_grad():
            bias.zero_()
        bias.requires_grad_(False)
    assert own.from_torch(model).names == ("0.weight", "2.weight")


def test_the_layer_that_is_meant_can_be_said():
    model = two_readouts()
    assert own.from_torch(model, second_layer="fixed").names == ("anything", "fixed")
    with pytest.raises(InvalidInputError, match="its output is not"):
        own.from_torch(model, second_layer="other")
    with pytest.raises(InvalidInputError, match="first_layer must be the name of a matrix among"):
        own.from_torch(model, first_layer="fixed")


def test_the_readout_must_stay():
    model = sequential()
    before = copy.deepcopy(model)
    with torch.no_grad():
        model[0].weight += 0.1
        model[2].weight[0, 3] *= 1.01
    for initial in (before, before.state_dict(), own.from_torch(before)):
        with pytest.raises(InvalidInputError, match=r"second layer, 2\.weight, has moved"):
            own.from_torch(model, initial)
    # Without the initial model this cannot be seen, and is said; a frozen one does not move.
    assert "is a trainable parameter" in " ".join(own.from_torch(model).notes)
    model[2].requires_grad_(False)
    assert not any("is a trainable parameter" in note for note in own.from_torch(model).notes)


def test_initial_weights_that_are_none():
    model = sequential()
    for initial in (model, model.state_dict()):
        with pytest.raises(InvalidInputError, match="follow the training: keep copy"):
            own.from_torch(model, initial)
    with pytest.raises(InvalidInputError, match=r"initial must hold 0\.weight, .* it holds x"):
        own.from_torch(model, {"x": torch.ones(3)})
    with pytest.raises(InvalidInputError, match=r"initial must be a model, .* got int"):
        own.from_torch(model, 3)
    other = with_layer(nn.Linear(9, N, bias=False), nn.Tanh(), nn.Linear(N, 1, bias=False))
    with pytest.raises(InvalidInputError, match=r"shapes \(24, 17\) and \(24,\), got \(24, 9\)"):
        own.from_torch(model, other)


def test_unusual_lengths_of_untrained_rows_are_measured():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(60, 80, bias=False), nn.Tanh(), nn.Linear(80, 1, bias=False))
    nn.init.xavier_normal_(model[0].weight)
    network = own.from_torch(model)
    length = network.convention.row_length
    V = model[0].weight.detach().double().numpy()
    assert length == pytest.approx(math.sqrt(np.mean(np.sum(V**2, axis=1))), rel=1e-12)
    assert abs(length / math.sqrt(6 / 7) - 1) < 0.05
    assert network.activation(0.7) == pytest.approx(math.tanh(0.7 * length))
    assert np.mean(np.sum(network.weights**2, axis=1)) == pytest.approx(1, rel=1e-12)


def test_lengths_of_trained_rows_are_not_guessed():
    """Even where they happen to be usual ones: an outlier tells that they are trained."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 80, bias=False), nn.Tanh(), nn.Linear(80, 1, bias=False))
    before = own.from_torch(model)
    with torch.no_grad():
        model[0].weight += torch.randn(80, 1) * torch.randn(60) / 8
        model[0].weight *= 3**-0.5 / model[0].weight.norm(dim=1).square().mean().sqrt()
    alone = own.from_torch(model)
    assert (before.lengths_known, alone.lengths_known) == (True, False)
    assert alone.convention.row_length == 1.0
    with pytest.raises(InvalidInputError, match="the lengths of the rows before training are not"):
        alone.problem("z", 100, 1.0)
    known = own.from_torch(model, before)
    assert known.convention.row_length == pytest.approx(3**-0.5)
    np.testing.assert_allclose(known.initial, before.weights, rtol=1e-12)
    given = own.from_torch(model, row_length=3**-0.5)
    np.testing.assert_allclose(given.weights, known.weights)
    # A problem with the activation of shorter rows says their length, too.
    problem = known.problem("z", 100, 1.0)
    W, a = alone.for_problem(problem)
    np.testing.assert_allclose(W, known.weights, rtol=1e-12)
    np.testing.assert_allclose(a, known.for_problem(problem)[1], rtol=1e-12)
    with pytest.raises(InvalidInputError, match=r"computes tanh\(sqrt\(3\)\*z/3\) of pre-activ"):
        known.for_problem(problem.replace(activation="tanh(z)"))


# --- verdicts -------------------------------------------------------------------------------------

WIDTH = 240
RATE = 9.0


@pytest.fixture(scope="module")
def trained():
    """A model as PyTorch makes it, trained for one step, and what was found of it before."""
    torch.manual_seed(5)
    model = nn.Sequential(
        *(nn.Linear(WIDTH, WIDTH, bias=False), nn.Tanh(), nn.Linear(WIDTH, 1, bias=False))
    )
    before = own.from_torch(model)
    X = torch.randn(4 * WIDTH, WIDTH)
    y = X[:, 0] + torch.sin(2 * X[:, 0])
    optimiser = torch.optim.SGD(model[0].parameters(), lr=RATE)
    nn.MSELoss()(model(X)[:, 0], y).backward()
    optimiser.step()
    return model, before


def test_a_model_trained_as_one_trains_agrees(trained):
    model, before = trained
    network = own.from_torch(model, before)
    problem = network.problem("z + sin(2*z)", 4 * WIDTH, RATE, loss=nn.MSELoss())
    assert problem.output_scale == 3**-0.5
    found = check(problem, network, n_reference=12)
    assert found.agrees()
    assert len(found.outliers) == 1
    # The model itself, without its initial weights, is held against the same prediction.
    other = check(problem, model, spectrum=False)
    assert other.row(0).observed == pytest.approx(found.row(0).observed, rel=1e-6)
    assert other.row(0).predicted == pytest.approx(found.row(0).predicted, rel=1e-6)
    assert any("trainable parameter" in note for note in other.notes)
    # And so are its tensors.
    theirs = network.convention
    W, a = theirs.weights(model[0].weight), theirs.readout(model[2].weight[0])
    tensors = check(problem, W, a, spectrum=False)
    assert tensors.row(0).observed == pytest.approx(found.row(0).observed, rel=1e-5)


def test_another_learning_rate_differs(trained):
    model, before = trained
    network = own.from_torch(model, before)
    half = network.problem("z + sin(2*z)", 4 * WIDTH, RATE, loss="squared")  # MSELoss is twice it
    found = check(half, network, n_reference=12)
    assert not found.agrees()
    assert "times that of the problem" in found.notes[0]
    assert "|y - h|^2/n" in found.notes[0]


def test_equal_readouts_of_an_odd_activation():
    """As Cui et al. have them: every second neuron is turned round."""
    torch.manual_seed(2)
    model = Functional()
    model.fixed = torch.ones(N)
    network = own.from_torch(model)
    problem = network.problem("z", 60, 1.0, readout="rademacher")
    W, a = network.for_problem(problem)
    assert np.unique(np.sign(a)).tolist() == [-1, 1]
    x = np.random.default_rng(0).standard_normal((9, D))
    scale = problem.output_gain / math.sqrt(N)
    output = model.double()(torch.as_tensor(x)).detach().numpy()
    np.testing.assert_allclose(scale * problem.activation(x @ W.T) @ a, output, rtol=1e-6)
    with pytest.raises(InvalidInputError, match="unless the activation is odd"):
        own.OwnNetwork.for_problem(
            own.from_torch(Even()), problem.replace(activation="silu(z)", output_scale=1)
        )


class Even(Functional):
    def __init__(self):
        super().__init__()
        self.fixed = torch.ones(N) / math.sqrt(N)

    def forward(self, x):
        return nn.functional.silu(x @ self.anything.T / math.sqrt(D)) @ self.fixed


# --- examples that need PyTorch -------------------------------------------------------------------


@pytest.mark.parametrize(("module", "name"), [(models, "from_torch"), (training, "train_in_torch")])
def test_examples_of_docstrings(module, name):
    """Those that are skipped where PyTorch is missing."""
    [found] = doctest.DocTestFinder(recurse=False).find(
        getattr(module, name), name, globs=dict(vars(module))
    )
    skipped = [one for one in found.examples if one.options.pop(doctest.SKIP, False)]
    assert len(skipped) > 1
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    assert doctest.DocTestRunner(optionflags=options).run(found).failed == 0
