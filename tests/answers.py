"""Forty problems with everything that the package says of them.

``answers.json`` was written by the code before its redesign; `test_answers` holds the code as it is
against it. These are no reference numbers: nothing here says that an answer is right, only that
moving the code has not moved it. A change that is meant to move an answer writes the file anew
(``python -m tests.answers``; ``--compare`` only lists what differs) and says so in its commit.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import rmt

PATH = Path(__file__).with_name("answers.json")

# Activation, target, batch, readout, and what else differs from `_problem`.
PROBLEMS: dict[str, tuple[str, str, str, str, dict[str, Any]]] = {
    "erf, sign": ("erf(z)", "sign(z)", "reused", "gaussian", {}),
    "shifted tanh, He3, reused": ("tanh(z+0.7)", "He3(z)/sqrt(6)", "reused", "gaussian", {}),
    "shifted tanh, He3": ("tanh(z+0.7)", "He3(z)/sqrt(6)", "independent", "gaussian", {}),
    "softplus, He3": ("softplus(z-0.3)", "He3(z)", "independent", "gaussian", {}),
    "relu, two directions": ("relu(z)", "z1*z2", "independent", "gaussian", {}),
    "relu, reused": ("relu(z)", "z+He2(z)", "reused", "gaussian", {"noise_std": 0.3}),
    "silu, He2": ("silu(z)", "He2(z)", "reused", "gaussian", {}),
    "gelu": ("gelu(z)", "z+He2(z)", "reused", "gaussian", {}),
    "silu, staircase": ("silu(z)", "z1+z1*z2", "independent", "gaussian", {}),
    "tanh, two signs": ("tanh(z+0.7)", "sin(2*z)", "reused", "rademacher", {}),
    "relu, uniform": ("relu(z)", "tanh(z)", "reused", "uniform", {"samples": 250}),
    "leaky relu": ("leaky_relu(z+1/3)", "abs(z)", "independent", "uniform", {"width": 200}),
    "elu, wide": ("elu(z)", "relu(z)", "independent", "rademacher", {"width": 2000}),
    "hard tanh": ("hard_tanh(2*z)", "z**3", "independent", "gaussian", {"noise_std": 1.0}),
    "poles": ("atan(2*z)", "z", "reused", "rademacher", {}),
    "few samples": ("sigmoid(z)", "z+z**2", "reused", "gaussian", {"samples": 60}),
    "sine": ("sin(z+1/2)", "cos(z)", "independent", "gaussian", {}),
    "polynomial": ("z+z**3/6", "z**2+z", "independent", "rademacher", {}),
    "soft step": ("hard_sigmoid(z)", "sign(z)", "independent", "rademacher", {}),
    "piecewise": ("Piecewise((z, z < 1), (2 - z, True))", "z", "reused", "rademacher", {}),
    "three directions": ("gelu(z)", "z1*z2*z3", "independent", "rademacher", {}),
    "given readouts": ("tanh(z)", "z", "reused", "given", {}),
    "one step": ("tanh(z)", "z", "independent", "gaussian", {"steps": [(4, 0.4)]}),
    "one step, relu": ("relu(z)", "max(z1+z2, 0)", "reused", "uniform", {"steps": [(4, 0.4)]}),
    "small steps": ("tanh(z)", "sin(z)", "reused", "gaussian", {"steps": [(1, 0.0), (1, 0.0)]}),
    "large steps": ("mish(z)", "tanh(z)", "reused", "gaussian", {"steps": [(20, 0.45)] * 2}),
}
DEFORMED = (
    "erf, sign",
    "relu, two directions",
    "relu, reused",
    "tanh, two signs",
    "relu, uniform",
    "elu, wide",
    "soft step",
    "one step, relu",
    "given readouts",
    "three directions",
)
SCALING = ("shifted tanh, He3", "relu, two directions", "silu, He2", "leaky relu", "hard tanh")
FEATURES = ("relu, reused", "silu, staircase", "one step, relu", "polynomial")
FUNCTIONS = tuple(
    "tanh(z+7/10) relu(z-1/3) exp(z/2) sign(2*z+1) log1p(exp(z)) z*abs(z) 1/(1+z**2) "
    "Piecewise((z,z<1),(2-z,True)) remove_hermite(tanh(z),1) sqrt(abs(z)) erf(3*z)*He2(z)".split()
)
TARGETS = ("He3(z)", "z1*z2", "z1+z1*z2+z1*z2*z3", "abs(z1-z2)", "max(z1+z2,0)", "sign(z1*z2)")


def problem(name: str) -> rmt.Problem:
    activation, target, batch, readout, changes = PROBLEMS[name]
    arguments = {"width": 500, "dim": 500, "samples": 1000, "steps": [(2, 0.35), (2, 0.45)]}
    given: Any = np.linspace(-2, 2, 500) if readout == "given" else readout
    return rmt.Problem(activation, target, batch=batch, readout=given, **{**arguments, **changes})


def questions() -> dict[str, Callable[[], Any]]:
    """What is asked of the package, each by name: a call, or a refusal, which is an answer too."""
    asked: dict[str, Callable[[], Any]] = {}

    def ask(name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        asked[name] = lambda: call(*arguments, **options)

    for name in PROBLEMS:
        given = problem(name)
        ask(f"resummed: {name}", rmt.predict, given, rtol=1e-6)
    for name in DEFORMED:
        for forms in ("linked", "simple") if name == "relu, reused" else ("linked",):
            ask(
                f"deformed, {forms}: {name}",
                rmt.predict,
                problem(name),
                "deformed",
                1e-6,
                forms=forms,
            )
    for name in SCALING:
        ask(f"scaling: {name}", rmt.predict, problem(name), "scaling")
        ask(f"scaling, symbols: {name}", rmt.scaling, problem(name))
    for name in FEATURES:
        ask(f"features: {name}", rmt.feature_spikes, problem(name), 700, rtol=1e-6)
        ask(f"ridge: {name}", rmt.ridge, problem(name), [300, 900], [0.1, 0.3], rtol=1e-6)
    for text in FUNCTIONS:
        ask(f"expansion: {text}", rmt.hermite_expansion, text, 6)
        ask(f"exponents: {text}", _exponents, text)
    for text in TARGETS:
        ask(f"tensor: {text}", rmt.tensor_hermite_expansion, text, 4)
        ask(f"staircase: {text}", rmt.staircase, text)
    erf = problem("erf, sign")
    ask("sweep", rmt.sweep, erf, {"samples_per_dim": [1.0, 3.0], "width": [300, 600]}, rtol=1e-6)
    over = {"readout_samples_per_dim": [0.6, 1.8], "regularisation": [0.1, 0.3]}
    ask("sweep of ridge errors", rmt.sweep_ridge, problem("polynomial"), over, rtol=1e-6)
    ask("phase diagram", rmt.phase_diagram, erf, [0.1, 0.4], [0.2, 0.45])
    ask("Marchenko-Pastur", _law, rmt.MarchenkoPastur(0.5))
    ask("generalised", _law, rmt.GeneralisedMarchenkoPastur([1, 3], 0.5))
    return asked


def _exponents(text: str) -> list[str]:
    functions = (rmt.information_exponent, rmt.reuse_exponent, rmt.generative_exponent)
    return [repr(answer_to(lambda f=f: f(text))) for f in functions]


def _law(law: Any) -> list[Any]:
    x = np.linspace(*law.support(), 9)[1:-1]
    return [law.pdf(x), law.cdf(x), str(law)]


def answer_to(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except rmt.RmtError as error:
        return f"{type(error).__name__}: {error}"


def numbers(answer: Any, path: str = "") -> Iterator[tuple[str, float | str]]:
    """Every number and text of an answer with the way to it."""
    if hasattr(answer, "to_dict"):
        yield from numbers(answer.to_dict(), path)
        yield path + ".text", str(answer)
    elif isinstance(answer, Mapping):
        for key, value in answer.items():
            yield from numbers(value, f"{path}.{key}")
    elif isinstance(answer, np.ndarray | list | tuple):
        for k, value in enumerate(answer):
            yield from numbers(value, f"{path}[{k}]")
    elif isinstance(answer, bool | int | float | np.number):
        yield path, float(answer)
    else:
        yield path, str(answer)


def differences(found: dict[str, dict[str, Any]], before: dict[str, dict[str, Any]]) -> list[str]:
    """What is not the same to ten digits."""
    lines = []
    for name in found.keys() | before.keys():
        one, other = found.get(name, {}), before.get(name, {})
        for key in one.keys() | other.keys():
            a, b = one.get(key), other.get(key)
            numeric = isinstance(a, float) and isinstance(b, float)
            if not (a == b or (numeric and np.isclose(a, b, rtol=1e-10, atol=1e-14))):
                lines.append(f"{name}{key}: {a!r}, was {b!r}")
    return sorted(lines)


def main() -> None:
    found = {name: dict(numbers(answer_to(call))) for name, call in questions().items()}
    if "--compare" in sys.argv:
        lines = differences(found, json.loads(PATH.read_text(encoding="utf-8")))
        sys.exit("\n".join(lines) if lines else 0)
    PATH.write_text(json.dumps(found, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
