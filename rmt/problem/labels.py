r"""The law of the label ``y`` given the index ``z``: atoms with probabilities, functions of ``z``.

A target ``f`` with Gaussian noise is one such law, and what a `Problem` has unless another is
given. What the theory needs of any of them are its values and probabilities at given ``z``, where
these are not smooth, and ``E[y | z]``; what a simulation needs is a draw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import scipy

from rmt.arguments import checked_real, is_sequence
from rmt.arrays import Array
from rmt.display import InNotebooks
from rmt.functions import FunctionLike, ScalarFunction
from rmt.lazy import sympy
from rmt.moments.rules import negligible_beyond
from rmt.problem.arguments import checked_function
from rmt.problem.losses import LabelKind
from rmt.status import InvalidInputError

__all__ = ["Bernoulli", "Channel", "LabelLaw", "Law", "Poisson", "SignOf", "label_law_from"]

_TAIL = 1e-12  # of a Poisson law
_MOST_ATOMS = 4000
_ROUNDING = 1e-9  # by which probabilities may leave [0, 1], or their sum 1
_GRID = {1: 1601, 2: 61, 3: 25}


class LabelLaw(Protocol):
    """The law of ``y`` given ``z``: `Bernoulli`, `SignOf`, `Poisson`, `Channel`."""

    @property
    def text(self) -> str:
        """As one writes it."""

    @property
    def n_variables(self) -> int:
        """``r``, how many index directions there are."""

    @property
    def mean(self) -> ScalarFunction:
        """``E[y | z]``."""

    @property
    def kind(self) -> LabelKind:
        """What labels there are."""

    def at(self, z: Array) -> tuple[Array, Array]:
        """Labels and their probabilities at points of shape (r, P); both of shape (A, P)."""

    def kinks_along(self, index: int) -> tuple[float, ...]:
        """Where something is not smooth in one of the variables."""

    def draw(self, z: Array, rng: np.random.Generator) -> Array:
        """Labels at points of shape (r, n)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain texts and numbers; `label_law_from` gives the law back."""


def _probability(name: str, value: FunctionLike) -> ScalarFunction:
    function = checked_function(name, value)
    if function.n_variables > 3:
        raise InvalidInputError(f"{name} must have at most three variables, got {function.text}")
    return function


def _grid(r: int) -> Array:
    axis = np.linspace(-6.0, 6.0, _GRID[r])
    return np.stack([one.ravel() for one in np.meshgrid(*[axis] * r)])


def _check_probabilities(name: str, function: ScalarFunction, r: int) -> None:
    z = _grid(r)
    p = _values(function, z)
    wrong = ~((p >= -_ROUNDING) & (p <= 1.0 + _ROUNDING))
    if wrong.any():
        at = int(np.flatnonzero(wrong)[np.argmin((z[:, wrong] ** 2).sum(axis=0))])
        where = ", ".join(
            f"{v} = {x:g}" for v, x in zip(function.variables, z[:, at], strict=False)
        )
        raise InvalidInputError(
            f"{name} must be a probability, between 0 and 1, got {function.text}, which is "
            f"{p[at]:g} at {where}; sigmoid(..) of it is one"
        )


def _values(function: ScalarFunction, z: Array) -> Array:
    """At points of more variables than it may have."""
    return np.asarray(function(*z[: function.n_variables]), dtype=float)


def _signs(p: Array) -> tuple[Array, Array]:
    p = np.clip(p, 0.0, 1.0)
    return np.stack([np.ones_like(p), -np.ones_like(p)]), np.stack([p, 1.0 - p])


@dataclass(frozen=True)
class Bernoulli(InNotebooks):
    """Labels ``y = +1`` with probability ``p(z)``, else ``y = -1``.

    Parameters
    ----------
    probability : str, sympy expression or ScalarFunction
        ``p`` of one to three index directions, between 0 and 1.

    Raises
    ------
    InvalidInputError
        Where ``p`` is no probability; names a point.

    Notes
    -----
    docs/losses.md, label channels.

    Examples
    --------
    >>> law = Bernoulli("sigmoid(3*z + 1)")
    >>> y, p = law.at(np.zeros((1, 1)))
    >>> y.ravel(), p.ravel().round(3)
    (array([ 1., -1.]), array([0.731, 0.269]))
    """

    probability: ScalarFunction
    kind: ClassVar[LabelKind] = "signs"

    def __init__(self, probability: FunctionLike) -> None:
        made = _probability("Bernoulli", probability)
        _check_probabilities("Bernoulli", made, made.n_variables)
        object.__setattr__(self, "probability", made)

    @property
    def text(self) -> str:
        """As one writes it."""
        return f"Bernoulli({self.probability.text})"

    @property
    def n_variables(self) -> int:
        """``r``, how many index directions there are."""
        return self.probability.n_variables

    @cached_property
    def mean(self) -> ScalarFunction:
        """``E[y | z] = 2 p - 1``."""
        return ScalarFunction(2 * self.probability.expression - 1)

    def at(self, z: Array) -> tuple[Array, Array]:
        """Labels and their probabilities at points of shape (r, P); both of shape (2, P)."""
        return _signs(_values(self.probability, z))

    def kinks_along(self, index: int) -> tuple[float, ...]:
        """Where the probability is not smooth in one of the variables."""
        return self.probability.kinks_along(index)

    def draw(self, z: Array, rng: np.random.Generator) -> Array:
        """Labels at points of shape (r, n)."""
        return np.where(rng.random(z.shape[1]) < _values(self.probability, z), 1.0, -1.0)

    def to_dict(self) -> dict[str, Any]:
        """Plain texts and numbers; `label_law_from` gives the law back."""
        return {"law": "bernoulli", "probability": self.probability.text}


@dataclass(frozen=True)
class SignOf(InNotebooks):
    """Labels ``y = sign(f(z) + noise)``, each turned over with some probability.

    With noise of standard deviation ``s``, ``P(y = 1 | z) = flip + (1 - 2 flip) Phi(f(z) / s)``,
    ``Phi`` the normal distribution function; where there is no noise and ``f`` is 0, a coin.

    Parameters
    ----------
    function : str, sympy expression or ScalarFunction
        ``f`` of one to three index directions.
    noise_std : float
        ``s``.
    flip : float
        Between 0 and 1.

    Raises
    ------
    InvalidInputError
        For values out of these ranges.

    Notes
    -----
    docs/losses.md, label channels.

    Examples
    --------
    >>> SignOf("z", noise_std=0.5, flip=0.1).at(np.array([[0.5]]))[1].ravel().round(4)
    array([0.7731, 0.2269])
    """

    function: ScalarFunction
    noise_std: float
    flip: float
    kind: ClassVar[LabelKind] = "signs"

    def __init__(self, function: FunctionLike, noise_std: float = 0.0, flip: float = 0.0) -> None:
        made = _probability("SignOf", function)
        std, turned = checked_real("noise_std", noise_std), checked_real("flip", flip)
        if not 0 <= std <= 1e100:
            raise InvalidInputError(f"noise_std must lie between 0 and 1e100, got {noise_std!r}")
        if not 0 <= turned <= 1:
            raise InvalidInputError(f"flip must be a probability, between 0 and 1, got {flip!r}")
        if not np.isfinite(_values(made, _grid(made.n_variables))).all():
            made.check_real()
        for name, value in (("function", made), ("noise_std", std), ("flip", turned)):
            object.__setattr__(self, name, value)

    @property
    def text(self) -> str:
        """As one writes it."""
        noise = f", noise_std={self.noise_std:g}" if self.noise_std else ""
        flip = f", flip={self.flip:g}" if self.flip else ""
        return f"SignOf({self.function.text}{noise}{flip})"

    @property
    def n_variables(self) -> int:
        """``r``, how many index directions there are."""
        return self.function.n_variables

    @cached_property
    def mean(self) -> ScalarFunction:
        """``E[y | z]``."""
        f = self.function.expression
        if self.noise_std:
            scale = sympy.sqrt(2) * sympy.Rational(str(self.noise_std))
            return ScalarFunction((1 - 2 * sympy.Rational(str(self.flip))) * sympy.erf(f / scale))
        return ScalarFunction((1 - 2 * sympy.Rational(str(self.flip))) * sympy.sign(f))

    def at(self, z: Array) -> tuple[Array, Array]:
        """Labels and their probabilities at points of shape (r, P); both of shape (2, P)."""
        f = _values(self.function, z)
        s = self.noise_std
        p = scipy.special.ndtr(f / s) if s else (1.0 + np.sign(f)) / 2.0
        return _signs(self.flip + (1.0 - 2.0 * self.flip) * p)

    def kinks_along(self, index: int) -> tuple[float, ...]:
        """Where the probability is not smooth in one of the variables."""
        return (self.function if self.noise_std else self.mean).kinks_along(index)

    def draw(self, z: Array, rng: np.random.Generator) -> Array:
        """Labels at points of shape (r, n)."""
        f = _values(self.function, z)
        if self.noise_std:
            f = f + self.noise_std * rng.standard_normal(f.size)
        y = np.sign(f)
        coins = 2.0 * rng.integers(0, 2, y.size) - 1.0
        y = np.where(y == 0, coins, y)
        return np.where(rng.random(y.size) < self.flip, -y, y)

    def to_dict(self) -> dict[str, Any]:
        """Plain texts and numbers; `label_law_from` gives the law back."""
        return {
            "law": "sign_of",
            "function": self.function.text,
            "noise_std": self.noise_std,
            "flip": self.flip,
        }


@dataclass(frozen=True)
class Poisson(InNotebooks):
    """Labels ``y = 0, 1, 2, ..`` by the Poisson law of mean ``rate(z)``.

    Parameters
    ----------
    rate : str, sympy expression or ScalarFunction
        Of one to three index directions; not negative, of finite second moment.

    Raises
    ------
    InvalidInputError
        For rates that are negative or too large; names a point.

    Notes
    -----
    docs/losses.md, label channels.

    Examples
    --------
    >>> y, p = Poisson("exp(z/2)").at(np.zeros((1, 1)))
    >>> y[:3, 0], p[:3, 0].round(4)
    (array([0., 1., 2.]), array([0.3679, 0.3679, 0.1839]))
    """

    rate: ScalarFunction
    kind: ClassVar[LabelKind] = "non-negative"

    def __init__(self, rate: FunctionLike) -> None:
        made = _probability("Poisson", rate)
        z = _grid(made.n_variables)
        found = _values(made, z)
        wrong = ~((found >= 0) & (found < _MOST_ATOMS / 4.0))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[np.argmin((z[:, wrong] ** 2).sum(axis=0))])
            where = ", ".join(f"{v} = {x:g}" for v, x in zip(made.variables, z[:, at], strict=True))
            raise InvalidInputError(
                f"Poisson: the rate must lie between 0 and {_MOST_ATOMS // 4} for |z| below 6, "
                f"got {made.text}, which is {found[at]:g} at {where}"
            )
        object.__setattr__(self, "rate", made)

    @property
    def text(self) -> str:
        """As one writes it."""
        return f"Poisson({self.rate.text})"

    @property
    def n_variables(self) -> int:
        """``r``, how many index directions there are."""
        return self.rate.n_variables

    @property
    def mean(self) -> ScalarFunction:
        """``E[y | z]``, the rate."""
        return self.rate

    def at(self, z: Array) -> tuple[Array, Array]:
        """Labels and their probabilities at points of shape (r, P); both of shape (A, P).

        As many labels as are likely anywhere among the points that are themselves not negligible.
        """
        rate = np.maximum(_values(self.rate, z), 0.0)
        near = (z**2).sum(axis=0) < 64.0
        largest = min(float(rate[near].max(initial=0.0)), _MOST_ATOMS / 2.0)
        count = int(scipy.special.pdtrik(1.0 - _TAIL, largest)) + 2 if largest > 0 else 1
        y = np.arange(count, dtype=float)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = scipy.special.xlogy(y, rate) - rate - scipy.special.gammaln(y + 1.0)
        p = np.exp(logs)
        total = p.sum(axis=0)
        p = np.where(total > 0, p / np.where(total > 0, total, 1.0), 0.0)
        p[-1] = np.where(total > 0, p[-1], 1.0)
        return np.broadcast_to(y, p.shape).copy(), p

    def kinks_along(self, index: int) -> tuple[float, ...]:
        """Where the rate is not smooth in one of the variables."""
        return self.rate.kinks_along(index)

    def draw(self, z: Array, rng: np.random.Generator) -> Array:
        """Labels at points of shape (r, n)."""
        return rng.poisson(np.maximum(_values(self.rate, z), 0.0)).astype(float)

    def to_dict(self) -> dict[str, Any]:
        """Plain texts and numbers; `label_law_from` gives the law back."""
        return {"law": "poisson", "rate": self.rate.text}


@dataclass(frozen=True)
class Channel(InNotebooks):
    """Labels of one's own: ``y = nodes[a](z)`` with probability ``weights[a](z)``.

    A continuous law of ``y`` given ``z`` is given by the nodes and weights of a quadrature rule.

    Parameters
    ----------
    nodes, weights : sequence of str, number, sympy expression or ScalarFunction
        As many weights as nodes, of one to three index directions; weights lie between 0 and 1,
        and add up to 1.

    Raises
    ------
    InvalidInputError
        Where they do not; names a point.

    Notes
    -----
    docs/losses.md, label channels.

    Examples
    --------
    >>> law = Channel(["z", 0], ["3/4", "1/4"])  # a quarter of the labels is lost
    >>> law.mean.text
    '3*z/4'
    """

    nodes: tuple[ScalarFunction, ...]
    weights: tuple[ScalarFunction, ...]

    def __init__(
        self,
        nodes: Sequence[FunctionLike | float],
        weights: Sequence[FunctionLike | float],
    ) -> None:
        if not (is_sequence(nodes) and is_sequence(weights)) or not 1 <= len(nodes) == len(weights):
            raise InvalidInputError(
                "Channel: nodes and weights must be two sequences of the same length, got "
                f"{nodes!r} and {weights!r}"
            )
        y = tuple(_function("nodes", one) for one in nodes)
        p = tuple(_function("weights", one) for one in weights)
        r = max(one.n_variables for one in (*y, *p))
        z = _grid(r)
        for one in p:
            _check_probabilities("Channel: weights", one, r)
        total = np.sum([_values(one, z) for one in p], axis=0)
        if np.abs(total - 1.0).max() > _ROUNDING * 100:
            at = int(np.argmax(np.abs(total - 1.0)))
            raise InvalidInputError(
                f"Channel: weights must add up to 1 for every z, got {total[at]:g} at "
                f"{', '.join(f'{x:g}' for x in z[:, at])}"
            )
        for one in y:
            if math.isnan(negligible_beyond(one, one.n_variables)):
                raise InvalidInputError(
                    f"Channel: nodes must be finite and real for every z, got {one.text}"
                )
        for name, value in (("nodes", y), ("weights", p)):
            object.__setattr__(self, name, value)

    @property
    def text(self) -> str:
        """As one writes it."""
        y, p = (", ".join(one.text for one in those) for those in (self.nodes, self.weights))
        return f"Channel([{y}], [{p}])"

    @property
    def n_variables(self) -> int:
        """``r``, how many index directions there are."""
        return max(one.n_variables for one in (*self.nodes, *self.weights))

    @cached_property
    def mean(self) -> ScalarFunction:
        """``E[y | z]``."""
        pairs = zip(self.nodes, self.weights, strict=True)
        return ScalarFunction(sum(y.expression * p.expression for y, p in pairs))

    @cached_property
    def kind(self) -> LabelKind:
        """What labels there are."""
        y, p = self.at(_grid(self.n_variables))
        likely = y[p > 0]
        if np.all(np.abs(likely) == 1.0):
            return "signs"
        return "non-negative" if np.all(likely >= 0) else "real"

    def at(self, z: Array) -> tuple[Array, Array]:
        """Labels and their probabilities at points of shape (r, P); both of shape (A, P)."""
        y = np.stack([np.broadcast_to(_values(one, z), z.shape[1:]) for one in self.nodes])
        p = np.stack([np.broadcast_to(_values(one, z), z.shape[1:]) for one in self.weights])
        p = np.clip(p, 0.0, 1.0)
        return y, p / p.sum(axis=0)

    def kinks_along(self, index: int) -> tuple[float, ...]:
        """Where something is not smooth in one of the variables."""
        functions = [one for one in (*self.nodes, *self.weights) if index < one.n_variables]
        return tuple(sorted({k for one in functions for k in one.kinks_along(index)}))

    def draw(self, z: Array, rng: np.random.Generator) -> Array:
        """Labels at points of shape (r, n)."""
        y, p = self.at(z)
        which = (rng.random(z.shape[1]) > np.cumsum(p, axis=0)[:-1]).sum(axis=0)
        return np.asarray(np.take_along_axis(y, which[None], axis=0)[0])

    def to_dict(self) -> dict[str, Any]:
        """Plain texts and numbers; `label_law_from` gives the law back."""
        y, p = ([one.text for one in those] for those in (self.nodes, self.weights))
        return {"law": "channel", "nodes": y, "weights": p}


def _function(name: str, value: Any) -> ScalarFunction:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return _probability(f"Channel: {name}", repr(float(value)) if number else value)


Law: TypeAlias = Bernoulli | SignOf | Poisson | Channel
_MADE = {"bernoulli": Bernoulli, "sign_of": SignOf, "poisson": Poisson, "channel": Channel}


def label_law_from(data: Mapping[str, Any]) -> Law:
    """Inverse of ``to_dict``.

    Raises
    ------
    InvalidInputError
        For data that no law has written.
    """
    rest = dict(data)
    made = _MADE.get(rest.pop("law", None))
    if made is None:
        raise InvalidInputError(
            f"the law of labels must be one of {', '.join(_MADE)}, got {dict(data)!r}"
        )
    try:
        law: Law = made(**rest)
    except TypeError as error:
        raise InvalidInputError(f"the law of labels has other fields: {error}") from error
    return law
