"""The residual of an output that vanishes, ``rho(0, y)``, as an expression in the label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array, Bools
from rmt.caching import cached
from rmt.expressions.canonical import normalised
from rmt.expressions.construction import build_piecewise, build_relation, variable
from rmt.functions import ScalarFunction
from rmt.lazy import sympy
from rmt.pieces.kinks import SmoothPiece, smooth_pieces
from rmt.problem.losses import Loss
from rmt.status import InvalidInputError

__all__ = ["Residual", "residual_at_zero"]

_JUMP = 1e-6  # of a residual, which is none to tell from its slope


@dataclass(frozen=True)
class Residual:
    """``rho(0, y)``: its pieces, and itself, in the symbol ``y``."""

    loss: Loss
    expression: Any
    pieces: tuple[SmoothPiece, ...]

    @property
    def is_polynomial(self) -> bool:
        """Piece by piece."""
        y = variable("y")
        return all(one.expression.is_polynomial(y) for one in self.pieces)

    def of(self, label: Any) -> Any:
        """The expression of ``rho(0, label)``."""
        return self.expression.subs(variable("y"), label)

    def at(self, label: Any) -> Any:
        """``rho(0, label)`` of a label that has some probability."""
        label = sympy.Integer(label) if isinstance(label, int) else label
        self.check_decided(np.array([float(label)]))
        for one in self.pieces:
            if bool(one.lower < label) and bool(label < one.upper):
                return one.expression.subs(variable("y"), label)
        return self.of(label)

    def check_decided(self, labels: Array) -> None:
        """Raise where the residual of a label jumps at ``h = 0``: of labels of some probability.

        Examples
        --------
        >>> residual_at_zero(Loss("abs(y - h)")).at(2)
        1
        >>> residual_at_zero(Loss("abs(y - h)")).at(0)
        Traceback (most recent call last):
            ...
        rmt.status.InvalidInputError: loss='abs(h - y)' has a kink at the output h = 0 for the ...
        """
        jumps = _jumps_at_zero(self.loss, labels)
        if jumps.any():
            raise InvalidInputError(
                f"loss={self.loss.text!r} has a kink at the output h = 0 for the label "
                f"{labels[jumps][0]:g}, which some share of the samples has: what the first step "
                "sees of it is not decided; move the kink, or make it round"
            )

    def check_values(self, function: ScalarFunction) -> None:
        """`check_decided` of what a function is on whole regions."""
        if len(self.pieces) == 1:
            return
        r = function.n_variables
        axis = np.linspace(-3.0, 3.0, {1: 401, 2: 41}.get(r, 15)) + 0.00123
        values = np.sort(function(*np.meshgrid(*[axis] * r)), axis=None)
        self.check_decided(values[1:][np.diff(values) == 0.0])


def _jumps_at_zero(loss: Loss, labels: Array) -> Bools:
    above, below = (loss.residual(side, labels) for side in (1e-9, -1e-9))
    found: Bools = np.abs(above - below) > _JUMP * (1.0 + np.abs(above))
    return found


@cached(64)
def residual_at_zero(loss: Loss) -> Residual:
    """``rho(0, y)`` as an expression, on its smooth pieces.

    Raises
    ------
    InvalidInputError
        For a loss with a kink at ``h = 0`` whatever the label.

    Examples
    --------
    >>> residual_at_zero(Loss("huber(1/2)")).expression
    Min(1/2, Max(-1/2, y))
    """
    h, y = variable("h"), variable("y")
    probes = np.append(np.linspace(-3.7, 3.7, 38), [-1.0, 1.0])
    if np.count_nonzero(_jumps_at_zero(loss, probes)) > probes.size / 2:
        raise InvalidInputError(
            f"loss={loss.text!r} has a kink at the output h = 0 whatever the label, where the "
            "network starts: what the first step sees of it is not decided; move the kink, as "
            "max(0, 1 - y*h) has it, or make it round"
        )
    expression = -sympy.diff(loss.expression, h).subs(h, 0)
    pieces = smooth_pieces(expression, y)
    if len(pieces) == 1:
        (one,) = pieces
        return Residual(loss, _tidy(one.expression), (_tidied(one),))
    pieces = tuple(_tidied(one) for one in pieces)
    return Residual(loss, _clipped(pieces, y) or _joined(pieces, y), pieces)


def _tidied(piece: SmoothPiece) -> SmoothPiece:
    return SmoothPiece(piece.lower, piece.upper, _tidy(piece.expression))


def _tidy(expression: Any) -> Any:
    """Polynomials multiplied out; quotients of hyperbolic functions as one."""
    if expression.is_polynomial():
        return sympy.expand(expression)
    if expression.has(sympy.sinh, sympy.cosh):
        expression = sympy.simplify(expression)
    return normalised(expression)


def _clipped(pieces: tuple[SmoothPiece, ...], y: Any) -> Any:
    """A rising line between two constants that it meets, as ``min(max(..))``; else None."""
    if len(pieces) != 3:
        return None
    low, line, high = (one.expression for one in pieces)
    slope = sympy.diff(line, y)
    rises = slope.is_number and slope.is_positive and low.is_number and high.is_number
    meets = rises and line.subs(y, pieces[0].upper) == low and line.subs(y, pieces[1].upper) == high
    return sympy.Min(sympy.Max(line, low), high) if meets else None


def _joined(pieces: tuple[SmoothPiece, ...], y: Any) -> Any:
    branches = []
    for one in pieces:
        below = sympy.true
        if one.upper.is_finite:
            below = build_relation("<", y, one.upper)
        branches.append((one.expression, below))
    return build_piecewise(branches)
