"""The functions that a text expression may call, each with its exact symbolic definition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rmt.lazy import sympy

__all__ = ["ALIASES", "CATALOGUE", "CONSTANTS", "FORMS", "NamedFunction", "hermite_polynomial"]

MAX_HERMITE_DEGREE = 12

# Klambauer et al., arXiv:1706.02515: the fixed point (0, 1) of mean and variance determines the
# slope on the right and the limit on the left.
SELU_SCALE = "1.0507009873554804934"
SELU_LIMIT = "1.7580993408473768599"


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function of the catalogue: how many arguments it takes and what it stands for.

    ``build(sympy, *args)`` returns the symbolic form; ``parameters`` names the arguments after the
    first, which must be numbers.
    """

    name: str
    formula: str
    build: Callable[..., sympy.Expr]
    min_args: int = 1
    max_args: int | None = 1
    parameters: tuple[str, ...] = ()

    @property
    def arity(self) -> str:
        """The number of arguments in words, for error messages."""
        if self.max_args is None:
            return f"at least {self.min_args} arguments"
        if self.min_args == self.max_args:
            return f"{self.min_args} argument" + ("s" if self.min_args != 1 else "")
        return f"{self.min_args} to {self.max_args} arguments"


def hermite_polynomial(sp: Any, degree: int, argument: sympy.Expr) -> sympy.Expr:
    """Probabilists' Hermite polynomial ``He_degree``, in powers of the argument.

    ``He_0 = 1``, ``He_1 = z``, ``He_{k+1} = z He_k - k He_{k-1}``; ``E[He_j He_k] = k!`` for
    ``j = k``, else 0, under the standard normal law.
    """
    previous, current = [0], [1]
    for k in range(degree):
        shifted = [0, *current]
        padded = previous + [0] * (len(shifted) - len(previous))
        previous, current = current, [a - k * b for a, b in zip(shifted, padded, strict=True)]
    return sp.Add(*(c * argument**k for k, c in enumerate(current) if c))


def _hermite(degree: int, sp: Any, z: sympy.Expr) -> sympy.Expr:
    return hermite_polynomial(sp, degree, z)


def _elu(sp: Any, z: sympy.Expr, alpha: Any = 1) -> sympy.Expr:
    # exp(min(z, 0)) - 1 never overflows, and is 0 on the positive side.
    return sp.Max(z, 0) + alpha * (sp.exp(sp.Min(z, 0)) - 1)


def _celu(sp: Any, z: sympy.Expr, alpha: Any = 1) -> sympy.Expr:
    return sp.Max(z, 0) + alpha * (sp.exp(sp.Min(z, 0) / alpha) - 1)


def _selu(sp: Any, z: sympy.Expr) -> sympy.Expr:
    scale, limit = sp.Rational(SELU_SCALE), sp.Rational(SELU_LIMIT)
    return scale * sp.Max(z, 0) + limit * (sp.exp(sp.Min(z, 0)) - 1)


def _leaky_relu(sp: Any, z: sympy.Expr, slope: Any = None) -> sympy.Expr:
    slope = sp.Rational(1, 100) if slope is None else slope
    return sp.Max(z, 0) + slope * sp.Min(z, 0)


def _sympy(attribute: str, sp: Any, *args: Any) -> sympy.Expr:
    return getattr(sp, attribute)(*args)


_NAMED: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("relu", "max(z, 0)", lambda sp, z: sp.Max(z, 0)),
    ("relu6", "min(max(z, 0), 6)", lambda sp, z: sp.Min(sp.Max(z, 0), 6)),
    ("selu", "SELU with the constants of arXiv:1706.02515", _selu),
    ("gelu", "z (1 + erf(z / sqrt 2)) / 2", lambda sp, z: z * (1 + sp.erf(z / sp.sqrt(2))) / 2),
    ("silu", "z / (1 + exp(-z))", lambda sp, z: z / (1 + sp.exp(-z))),
    ("mish", "z tanh(log(1 + exp z))", lambda sp, z: z * sp.tanh(sp.log(1 + sp.exp(z)))),
    ("softplus", "log(1 + exp z)", lambda sp, z: sp.log(1 + sp.exp(z))),
    ("softsign", "z / (1 + |z|)", lambda sp, z: z / (1 + sp.Abs(z))),
    ("sigmoid", "1 / (1 + exp(-z))", lambda sp, z: 1 / (1 + sp.exp(-z))),
    ("hard_tanh", "min(max(z, -1), 1)", lambda sp, z: sp.Max(-1, sp.Min(1, z))),
    ("hard_sigmoid", "min(max(z + 3, 0), 6) / 6", lambda sp, z: sp.Max(0, sp.Min(6, z + 3)) / 6),
    ("sech", "1 / cosh z", lambda sp, z: sp.sech(z)),
    ("heaviside", "1 for z > 0, 1/2 at 0, else 0", lambda sp, z: sp.Heaviside(z)),
    ("abs", "|z|", lambda sp, z: sp.Abs(z)),
)

# Other names of functions.
ALIASES = {
    "Abs": "abs",
    "Heaviside": "heaviside",
    "Max": "max",
    "Min": "min",
    "logistic": "sigmoid",
    "swish": "silu",
}

# Functions that sympy knows under the same name.
_ELEMENTARY = (
    "exp log sqrt sin cos tan asin acos atan sinh cosh tanh asinh atanh erf erfc sign"
).split()


def _catalogue() -> dict[str, NamedFunction]:
    entries = [NamedFunction(name, formula, build) for name, formula, build in _NAMED]
    entries += [NamedFunction(name, f"{name} z", partial(_sympy, name)) for name in _ELEMENTARY]
    entries += [
        NamedFunction(f"He{k}", f"probabilists' Hermite polynomial {k}", partial(_hermite, k))
        for k in range(MAX_HERMITE_DEGREE + 1)
    ]
    entries += [
        NamedFunction("elu", "z, or alpha (exp z - 1) below 0", _elu, 1, 2, ("alpha",)),
        NamedFunction("celu", "z, or alpha (exp(z / alpha) - 1) below 0", _celu, 1, 2, ("alpha",)),
        NamedFunction("leaky_relu", "z, or slope z below 0", _leaky_relu, 1, 2, ("slope",)),
    ]
    for name, attribute in (("max", "Max"), ("min", "Min")):
        build = partial(_sympy, attribute)
        entries.append(NamedFunction(name, f"{name} of its arguments", build, 2, None))
    named = {entry.name: entry for entry in entries}
    return named | {alias: replace(named[name], name=alias) for alias, name in ALIASES.items()}


CATALOGUE: dict[str, NamedFunction] = _catalogue()

CONSTANTS: dict[str, str] = {"pi": "pi", "e": "E", "E": "E"}

# Names with a syntax of their own.
FORMS = ("Piecewise", "remove_hermite", "table")
