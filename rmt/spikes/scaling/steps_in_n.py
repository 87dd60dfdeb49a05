"""What the scaling level returns after more than two steps: exponents, and one leading constant."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rmt.display import Formula, InNotebooks, Part, Shown, Table, latex
from rmt.frames import plain_fields
from rmt.problem import Problem
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.spikes.scaling.powers import RootRatio

__all__ = ["StepsDirection", "StepsScaling", "StepsSpike"]


@dataclass(frozen=True, slots=True)
class StepsSpike(InNotebooks):
    """One spike of the weights after more than two steps: a power ``g^{k+1}`` of the readout.

    Attributes
    ----------
    order : int
        ``k``.
    exponent : sympy.Rational or None
        Its size is ``N**exponent``; None where no product of steps makes the power.
    absent : str
        Why there is no such spike; empty when there is one.
    undecided : str
        Why it is not known whether there is one of this size, which then is a bound; else empty.
    strength_law : RootRatio or None
        Its strength; of the first spike alone.
    alignment_laws : tuple of RootRatio
        Inner products of its right direction with the target's; of the first spike alone.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("z + He2(z)/2", "z", 1000, 1000, 2000, [(1, 0.3)] * 3)
    >>> first, second = rmt.scaling(problem).spikes
    >>> first.strength, first.alignment
    (sqrt(42)*N**(3/10)/2, (sqrt(42)/7,))
    >>> second.exponent, second.is_outlier, second.strength is None
    (1/10, True, True)
    """

    order: int
    exponent: Any
    absent: str
    undecided: str
    strength_law: RootRatio | None = field(repr=False)
    alignment_laws: tuple[RootRatio, ...] = field(repr=False)

    @property
    def is_present(self) -> bool:
        """Whether there is such a spike, as far as is known."""
        return not (self.absent or self.undecided)

    @property
    def at_threshold(self) -> bool:
        """Whether its size is O(1): whether it is an outlier depends on its constant."""
        return self.is_present and bool(self.exponent == 0)

    @property
    def is_outlier(self) -> bool | None:
        """Whether it leaves the bulk as ``N`` grows; None at the threshold, and if undecided."""
        if self.at_threshold or (self.undecided and self.exponent >= 0):
            return None
        return self.is_present and bool(self.exponent > 0)

    @property
    def strength(self) -> Any:
        """As an expression in ``N``; None where it is not derived."""
        return None if self.strength_law is None else self.strength_law.expression()

    @property
    def leading(self) -> Any:
        """Limit of ``strength / N**exponent``; None where it is not derived."""
        return None if self.strength_law is None else self.strength_law.leading()[1]

    @property
    def alignment(self) -> tuple[Any, ...] | None:
        """Inner products of the unit right direction with the target's; None as for `strength`."""
        if self.strength_law is None:
            return None
        return tuple(law.expression() for law in self.alignment_laws)

    def strength_at(self, width: float) -> tuple[float, float]:
        """The strength at a width, and a bound of its numerical error.

        Raises
        ------
        InvalidInputError
            Where it is not derived, or for a width that is not positive.
        """
        if self.strength_law is None:
            raise InvalidInputError(
                f"order: after more than two steps the strength of spike 0 alone is derived, got "
                f"spike {self.order}; use the level resummed"
            )
        if not (math.isfinite(width) and width > 0):
            raise InvalidInputError(f"width must be positive and finite, got {width!r}")
        return self.strength_law.value(Fraction(width))

    def to_dict(self) -> dict[str, Any]:
        """Texts of the expressions, and plain flags."""
        names = "order exponent strength leading alignment at_threshold is_outlier absent undecided"
        return plain_fields(self, names.split())

    def _parts(self) -> list[Part]:
        size = Formula("", (rf"\theta_{{{self.order}}} \sim ", _power_latex(self.exponent)))
        return [
            f"spike {self.order}: {self.absent or self.undecided or _power(self.exponent)}",
            size,
        ]


@dataclass(frozen=True, slots=True)
class StepsDirection(InNotebooks):
    """A direction of the target, and when and how strongly the weights come to hold it.

    Attributes
    ----------
    direction : tuple of float, length r
        A unit vector.
    leap : int or None
        The largest leap of the staircase up to it; None where no coefficient depends on it.
    order : int or None
        The power of the shift that it comes with: it is held by the spike of that order.
    step : int or None
        The first step that finds it.
    exponent : sympy.Rational or None
        The weights' component along it has the size ``N**exponent``; None where it is 0.
    reason : str
        Why it is not found; empty where it grows with ``N``.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [(2, 0.3)] * 3)
    >>> for one in rmt.scaling(problem).directions:
    ...     print(one.direction, one.step, one.order, one.exponent)
    (1.0, 0.0) 1 0 3/10
    (0.0, 1.0) 2 1 1/10
    """

    direction: tuple[float, ...]
    leap: int | None
    order: int | None
    step: int | None
    exponent: Any
    reason: str

    @property
    def is_found(self) -> bool:
        """Whether the component grows with ``N``."""
        return self.exponent is not None and bool(self.exponent > 0)

    def to_dict(self) -> dict[str, Any]:
        """Texts of the expressions, and plain flags."""
        names = "direction leap order step exponent is_found reason"
        return plain_fields(self, names.split())

    def _parts(self) -> list[Part]:
        where = ", ".join(f"{x:.4g}" for x in self.direction)
        return [f"direction ({where}): {self.reason or _power(self.exponent)}"]


@dataclass(frozen=True, slots=True)
class StepsScaling(Shown):
    """Spikes and directions after more than two steps as ``N`` grows. Printing: two tables.

    Attributes
    ----------
    problem : Problem
    alpha : tuple of sympy.Rational
        Exponents of the steps.
    spikes : tuple of StepsSpike
        In the order of ``k``, absent ones included.
    directions : tuple of StepsDirection
        An orthonormal basis, in the order of the target's staircase.
    highest_order : int
        The largest ``k`` with ``max_s [alpha_{s+1} - k (1/2 - A_s)] >= 0``, ``A_s`` the largest
        exponent of the steps before: there are at most ``highest_order + 1`` outliers.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [(2, 0.3)] * 3)
    >>> print(rmt.scaling(problem))
    3 steps, fresh batches: at most 2 outliers
    k  size      leading constant
    0  N^(3/10)  3.47004501378
    1  N^(1/10)
    direction  step  k  size
    (1, 0)     1     0  N^(3/10)
    (0, 1)     2     1  N^(1/10)
    """

    problem: Problem
    alpha: tuple[Any, ...]
    spikes: tuple[StepsSpike, ...]
    directions: tuple[StepsDirection, ...]
    highest_order: int

    @property
    def n_outliers(self) -> int:
        """How many of the listed spikes are known to grow with ``N``; none of size O(1) counts."""
        return sum(bool(s.is_outlier) for s in self.spikes)

    @property
    def n_found(self) -> int:
        """How many directions of the target grow with ``N``."""
        return sum(one.is_found for one in self.directions)

    def latex(self) -> str:
        r"""Sizes as an ``aligned`` block, one line a spike that is present."""
        lines = [
            rf"\theta_{{{s.order}}} &\sim {_power_latex(s.exponent)}"
            for s in self.spikes
            if s.is_present
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers and texts."""
        names = "problem alpha highest_order n_outliers n_found spikes directions"
        return plain_fields(self, names.split())

    def _parts(self) -> list[Part]:
        head = f"{len(self.alpha)} steps, fresh batches: at most {self.highest_order + 1} outliers"
        spikes: list[list[str | Formula]] = []
        for s in self.spikes:
            constant = "absent" if s.absent else ""
            if s.is_present and s.leading is not None:
                constant = str(s.leading.evalf(12)).rstrip("0").rstrip(".")
            note = (
                s.absent
                or s.undecided
                or ("size O(1): its constant is not derived" if s.at_threshold else "")
            )
            spikes.append([str(s.order), _formula(s.exponent), constant, note])
        directions: list[list[str | Formula]] = []
        for one in self.directions:
            where = "(" + ", ".join(f"{x:.4g}" for x in one.direction) + ")"
            step, order = ("" if x is None else str(x) for x in (one.step, one.order))
            directions.append([where, step, order, _formula(one.exponent), one.reason])
        return [
            head,
            Table("llll", ["k", "size", "leading constant", ""], spikes),
            Table("lllll", ["direction", "step", "k", "size", ""], directions),
        ]


def _power(exponent: Any) -> str:
    if exponent is None:
        return "0"
    return f"N^({exponent})" if exponent != 0 else "1"


def _power_latex(exponent: Any) -> str:
    if exponent is None:
        return "0"
    return rf"N^{{{latex(exponent)}}}" if exponent != 0 else "1"


def _formula(exponent: Any) -> Formula:
    return Formula(_power(exponent), (_power_latex(exponent),))
