"""The problems with other losses, laws of labels and output scales, each at N = d = 1000."""

from __future__ import annotations

from typing import Any

from rmt.problem import Problem
from rmt.problem.labels import Bernoulli, Channel, Poisson, SignOf
from validation.catalogue.case import IE1, Case, by_name

__all__ = ["LOSSES", "SMALL_LOSSES"]

_TANH = "tanh(z + 7/10)"
_FLIPPED = SignOf("z", flip=0.15)
_NOISY = SignOf("z + 3/10", noise_std=0.5)
_LOGISTIC = Bernoulli("sigmoid(3*z + 1)")
_TWO = Bernoulli("sigmoid(2*z1 + 2*z1*z2)")
_COUNTS = Poisson("exp(7*z/10)")
_LOST = Channel([IE1, 0], ["3/4", "1/4"])
_HE3 = "He3(z)/sqrt(6)"

# Name, title, activation, labels, loss, batches as a word, steps; then what else is special.
_ROWS: tuple[tuple[Any, ...], ...] = (
    ("logistic-flip", "logistic, signs of which 15 percent are turned over",
     _TANH, _FLIPPED, "logistic", "AA", ((8, 0.3), (8, 0.3))),
    ("logistic-flip", "logistic, signs of which 15 percent are turned over",
     _TANH, _FLIPPED, "logistic", "AB", ((8, 0.3), (8, 0.3))),
    ("logistic-bernoulli", "logistic, Bernoulli labels",
     _TANH, _LOGISTIC, "logistic", "AAB", ((6, 0.3),) * 3),
    ("logistic-two-indices", "logistic, Bernoulli labels of two indices",
     _TANH, _TWO, "logistic", "AB", ((8, 0.3), (8, 0.3))),
    ("logistic-decay", "logistic, Bernoulli labels, weight decay",
     _TANH, _LOGISTIC, "logistic", "AA", ((8, 0.3, 0.006), (8, 0.3, 0.004))),
    ("logistic-pairs", "logistic, Bernoulli labels, antisymmetric start",
     _TANH, _LOGISTIC, "logistic", "AA", ((8, 0.3), (8, 0.3)),
     {"initialisation": "antisymmetric"}),
    ("logistic-relu", "logistic, ReLU, noise below the sign",
     "relu(z)", _NOISY, "logistic", "AB", ((6, 0.3), (6, 0.3))),
    ("hinge", "squared hinge, noise below the sign",
     _TANH, _NOISY, "squared_hinge", "AA", ((4, 0.3), (4, 0.3))),
    ("huber-he3", "Huber, He3: an effective information exponent of 1",
     _TANH, _HE3, "huber(1/2)", "AB", ((6, 0.3), (6, 0.3))),
    ("huber-noise", "Huber, information exponent 1, label noise",
     _TANH, IE1, "huber(1)", "ABA", ((3, 0.3),) * 3, {"noise_std": 0.5}),
    ("poisson", "Poisson likelihood, counts",
     _TANH, _COUNTS, "poisson", "AB", ((2, 0.3), (2, 0.3))),
    ("correlation", "correlation loss, information exponent 1, label noise",
     _TANH, IE1, "correlation", "AB", ((3, 0.3), (3, 0.3)), {"noise_std": 0.3}),
    ("correlation-relu", "correlation loss, ReLU, labels a quarter of which is lost",
     "relu(z)", _LOST, "correlation", "AA", ((2, 0.3), (2, 0.3))),
    ("text", "log(cosh(y - h)), labels a quarter of which is lost",
     _TANH, _LOST, "log(cosh(y - h))", "AA", ((3, 0.3), (3, 0.3))),
    ("squared-bernoulli", "squared loss of Bernoulli labels",
     "erf(z + 1/2)", _LOGISTIC, "squared", "AAB", ((3, 0.3),) * 3),
    ("one-squared", "output of order one, squared loss",
     "tanh(z)", "z + z**2/2", "squared", "A", ((4, 0.0),), {"output_scale": 1}),
    ("one-relu", "output of order one, squared loss, ReLU, label noise",
     "relu(z)", "z", "squared", "A", ((4, 0.0),), {"output_scale": 1, "noise_std": 0.5}),
    ("one-logistic", "output of order one, logistic, signs",
     "tanh(z)", SignOf("z"), "logistic", "AA", ((8, 0.0), (12, 0.0)), {"output_scale": 1}),
    ("one-logistic", "output of order one, logistic, signs",
     _TANH, SignOf("z"), "logistic", "AB", ((12, 0.0), (16, 0.0)), {"output_scale": 1}),
    ("one-logistic-three", "output of order one, logistic, Bernoulli labels, three steps",
     "tanh(z)", _LOGISTIC, "logistic", "ABA", ((8, 0.0),) * 3, {"output_scale": 1}),
)  # fmt: skip


def _case(
    name: str, title: str, activation: str, labels: Any, loss: str, word: str, steps: Any,
    special: dict[str, Any] | None = None,
) -> Case:  # fmt: skip
    letters, special = sorted(set(word)), special or {}
    if "output_scale" in special:
        # The prediction is for one sum of the readout, and so are the networks.
        special = {"readout_sum": 0.0, **special}
    problem = Problem(
        activation, labels, 1000, 1000, 2000, steps, loss=loss,
        batch=tuple(map(letters.index, word)), **special,
    )  # fmt: skip
    return Case(f"loss-{name}-{word.lower()}", title, problem)


LOSSES: dict[str, Case] = by_name(*(_case(*row) for row in _ROWS))

# Two of them at a smaller size, for a look that takes seconds.
SMALL_LOSSES: dict[str, Case] = by_name(
    *(
        Case(
            f"small-{case.name}",
            f"{case.title}, N = 400",
            case.problem.replace(width=400, dim=400, samples=800),
        )
        for case in (LOSSES["loss-logistic-flip-aa"], LOSSES["loss-one-squared-a"])
    )
)
