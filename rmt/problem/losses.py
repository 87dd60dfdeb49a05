r"""The loss that the steps descend, known through its residual ``rho(h, y) = -dl/dh``.

A gradient step sees of a loss nothing but the residuals of its samples. As the untrained output
vanishes (or is known), the first step sees the *effective label* ``y_1 = rho(0, y)`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.caching import cached
from rmt.display import InNotebooks
from rmt.evaluation.derivative import derivative
from rmt.evaluation.graph import Graph
from rmt.evaluation.lowering import lower
from rmt.evaluation.program import Program
from rmt.expressions.canonical import normalised
from rmt.expressions.construction import variable
from rmt.expressions.printing import to_text
from rmt.functions import ExpressionError, parse_expression
from rmt.lazy import sympy
from rmt.pieces.kinks import smooth_pieces
from rmt.pieces.switches import singular_arguments, switch_arguments
from rmt.status import InvalidInputError

__all__ = ["NAMED_LOSSES", "LabelKind", "Loss"]

LabelKind: TypeAlias = Literal["real", "signs", "non-negative"]

NAMED_LOSSES: dict[str, tuple[str, LabelKind]] = {
    "squared": ("(y - h)**2/2", "real"),
    "correlation": ("-y*h", "real"),
    "logistic": ("log(1 + exp(-y*h))", "signs"),
    "squared_hinge": ("max(0, 1 - y*h)**2/2", "signs"),
    "poisson": ("exp(h) - y*h", "non-negative"),
}
"""Text of each loss that has a name, and the labels that it is for; ``huber(delta)`` beside."""
_HUBER = "huber("
_VARIABLES = ("h", "y")
_PROBES = 33  # values of h, and of y, at which residuals are looked at


@dataclass(frozen=True, eq=False)
class Loss(InNotebooks):
    r"""A loss ``l(h, y)`` of the network's output and the label.

    The steps see its residual ``rho(h, y) = -dl/dh``, the almost-everywhere derivative, which is
    found symbolically; the loss need not be convex.

    Parameters
    ----------
    loss : str or Loss
        A name, ``squared``, ``correlation``, ``logistic``, ``huber(delta)``, ``squared_hinge`` or
        ``poisson``; or a text in ``h`` and ``y``, of the functions that activations may have.

    Attributes
    ----------
    text : str
        The name, or the text in its canonical form: `Loss` of it is the same loss.
    labels : {"real", "signs", "non-negative"}
        What labels it is for.

    Raises
    ------
    InvalidInputError
        For a loss of ``y`` alone, or one whose residual is not finite at some ``(h, y)``;
        `ExpressionError` for a text that is none.

    Notes
    -----
    docs/losses.md, effective labels.

    Examples
    --------
    >>> Loss("logistic").residual(0.0, [1.0, -1.0])
    array([ 0.5, -0.5])
    >>> Loss("(y - h)**4/4").residual(0.0, 2.0).item()
    8.0
    >>> Loss("log(cosh(h - y))") == Loss("log(cosh(h-y))")
    True
    """

    text: str
    labels: LabelKind
    expression: Any

    def __init__(self, loss: str | Loss) -> None:
        if isinstance(loss, Loss):
            found = loss.text, loss.labels, loss.expression
        else:
            if not isinstance(loss, str):
                raise InvalidInputError(
                    f"loss must be a name, a text in h and y, or an rmt.Loss, got {loss!r}"
                )
            found = _read(loss)
        for name, value in zip(("text", "labels", "expression"), found, strict=True):
            object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Loss) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __reduce__(self) -> tuple[Any, ...]:
        return Loss, (self.text,)

    def __repr__(self) -> str:
        return f"Loss({self.text!r})"

    def __str__(self) -> str:
        return self.text

    def value(self, h: ArrayLike, y: ArrayLike, *, xp: Any = None) -> Any:
        """``l(h, y)``, of the broadcast shape.

        With ``xp``, the namespace of another array library, arrays of that library.
        """
        program = _program(self.text, 0)
        return (program(h, y) if xp in (None, np) else program.on(xp, h, y))[0]

    def residual(self, h: ArrayLike, y: ArrayLike, *, xp: Any = None) -> Any:
        """``rho(h, y) = -dl/dh``, of the broadcast shape.

        With ``xp``, the namespace of another array library, arrays of that library.
        """
        program = _program(self.text, 1)
        return (program(h, y) if xp in (None, np) else program.on(xp, h, y))[0]

    def residual_slope(self, h: ArrayLike, y: ArrayLike) -> Array:
        """``d rho / dh`` almost everywhere, of the broadcast shape."""
        return _program(self.text, 2)(h, y)[0]

    @cached_property
    def label_kinks(self) -> tuple[float, ...]:
        """Labels at which the effective label ``rho(0, y)`` may not be smooth.

        Examples
        --------
        >>> Loss("huber(1/2)").label_kinks
        (-0.5, 0.5)
        """
        h, y = map(variable, _VARIABLES)
        arguments = [*switch_arguments(self.expression), *singular_arguments(self.expression)]
        arguments = [one.subs(h, 0) for one in arguments]
        proxy = sum(
            (sympy.Abs(one) for one in arguments if one.free_symbols), start=sympy.Integer(0)
        )
        return tuple(float(piece.upper) for piece in smooth_pieces(proxy, y)[:-1])

    @property
    def affine(self) -> tuple[float, float] | None:
        """``(p, q)`` where the residual is ``p y + q h``, else None."""
        return _affine(self.text)

    def check_finite(self, labels: Array) -> None:
        """Raise unless the residual is a number for such labels, whatever the output.

        Raises
        ------
        InvalidInputError
            Names a point at which it is none.
        """
        h = np.linspace(-8.0, 8.0, _PROBES)[:, None]
        with np.errstate(all="ignore"):
            found = self.residual(h, labels)
        wrong = np.argwhere(~np.isfinite(found))
        if wrong.size:
            i, j = wrong[np.argmin(np.abs(h[wrong[:, 0], 0]))]
            raise InvalidInputError(
                f"loss must have a finite residual -dl/dh, got {self.text} with none at "
                f"h = {h[i, 0]:g}, y = {labels[j]:g}"
            )


def _read(loss: str) -> tuple[str, LabelKind, Any]:
    """Canonical text, labels and expression."""
    text, name = loss.strip(), loss.strip()
    labels: LabelKind = "real"
    if name in NAMED_LOSSES:
        text, labels = NAMED_LOSSES[name]
    elif name.startswith(_HUBER) and name.endswith(")"):
        delta = _huber_width(name[len(_HUBER) : -1])
        name = f"{_HUBER}{to_text(delta)})"
        size = f"min(abs(y - h), {to_text(delta)})"
        text = f"{size}*abs(y - h) - {size}**2/2"
    elif name.isidentifier() and name not in _VARIABLES:
        names = ", ".join([*NAMED_LOSSES, "huber(delta)"])
        raise InvalidInputError(
            f"loss must be one of {names}, or a text in h and y such as "
            f"'log(1 + exp(-y*h))'; got {loss!r}"
        )
    else:
        name = ""
    try:
        expression = normalised(parse_expression(text, _VARIABLES))
    except ExpressionError as error:
        raise ExpressionError(f"loss: {error.reason}", error.text, error.position) from error
    if variable("h") not in expression.free_symbols:
        raise InvalidInputError(
            f"loss must depend on the network's output h, got {loss!r}: nothing would be learned; "
            "a text in h and y is such as 'log(1 + exp(-y*h))'"
        )
    return name or to_text(expression), labels, expression


def _huber_width(text: str) -> Any:
    try:
        delta = parse_expression(text, ())
    except ExpressionError as error:
        raise ExpressionError(f"loss: {error.reason}", error.text, error.position) from error
    if not (delta.is_number and delta.is_positive and delta.is_finite):
        raise InvalidInputError(f"loss: huber(delta) needs a positive number delta, got {text!r}")
    return delta


@cached(64)
def _program(text: str, order: int) -> Program:
    """Of the loss itself, its residual, or the residual's slope."""
    graph = Graph()
    node = lower(graph, Loss(text).expression, tuple(map(variable, _VARIABLES)))
    for _ in range(order):
        node = derivative(graph, node)
    return Program(graph, [graph.neg(node) if order else node])


@cached(64)
def _affine(text: str) -> tuple[float, float] | None:
    h, y = map(variable, _VARIABLES)
    residual = sympy.expand(-sympy.diff(Loss(text).expression, h))
    p, q = sympy.diff(residual, y), sympy.diff(residual, h)
    if p.is_number and q.is_number and sympy.expand(residual - p * y - q * h) == 0:
        return float(p), float(q)
    return None
