"""What the scaling level returns: spikes as expressions in the width ``N``."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.display import Formula, InNotebooks, Part, Shown, Table, latex
from rmt.frames import plain_fields
from rmt.lazy import sympy
from rmt.problem import Problem
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.spikes.scaling.powers import RootRatio

__all__ = ["Scaling", "ScalingSpike"]


_SHOWN = 12  # digits of a decimal in a table
_EPSILON = 2.3e-16


@dataclass(frozen=True, slots=True)
class ScalingSpike(InNotebooks):
    """One spike of the weights, as an expression in the width ``N``.

    Attributes
    ----------
    order : int
        ``k``, the power of the first step that makes it.
    exponent : sympy.Expr
        Its size is ``N**exponent``.
    strength : sympy.Expr
        ``theta_k``, in the positive symbol ``N``; 0 when absent.
    leading : sympy.Expr or None
        Limit of ``strength / N**exponent``; None for symbolic exponents, which leave it open.
    left_distance : sympy.Expr
        ``delta_k``, L2(law of g) distance of ``g^{k+1}`` from the powers that earlier spikes have.
    right_distance : sympy.Expr
        ``r_k``, distance of ``v_k`` (of ``w_0`` from 0, for k = 0) from the right vectors of
        earlier spikes.
    overlap : tuple of sympy.Expr, length r
        ``<v_k, beta_*> = E[z y Phi_k]`` (``<w_0, beta_*>`` for k = 0).
    alignment : tuple of sympy.Expr, length r
        ``o_k``, inner product of the unit right direction with ``beta_*``; its sign goes with that
        of `left_polynomial`.
    at_threshold : bool
        Its size is O(1): an outlier only above the threshold, ``theta > (N/d)^{1/4}``.
    is_outlier : bool or None
        Whether it leaves the bulk as ``N`` grows; None when the exponents are symbols.
    absent : str
        Why there is no such spike; empty when there is one.
    left_polynomial : tuple of float
        The unit left function as coefficients of ``g^0 .. g^{k+1}``; empty when absent.
    strength_law, alignment_laws : RootRatio, tuple of RootRatio
        What the expressions are made of: their values come with error bounds.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("z + He2(z)/2", "z", 1000, 1000, 2000, [(1, 0.3), (2, 0.4)])
    >>> spike = rmt.scaling(problem).spikes[1]
    >>> spike.exponent, spike.strength, spike.alignment, spike.is_outlier
    (1/5, sqrt(21)*N**(1/5), (0,), True)
    """

    order: int
    exponent: Any
    strength: Any
    leading: Any
    left_distance: Any
    right_distance: Any
    overlap: tuple[Any, ...]
    alignment: tuple[Any, ...]
    at_threshold: bool
    is_outlier: bool | None
    absent: str
    left_polynomial: tuple[float, ...] = field(repr=False)
    strength_law: RootRatio = field(repr=False)
    alignment_laws: tuple[RootRatio, ...] = field(repr=False)

    @property
    def is_present(self) -> bool:
        """Whether its coefficient does not vanish."""
        return not self.absent

    @property
    def is_exact(self) -> bool:
        """Whether all of its numbers are closed forms."""
        shown = (self.strength, self.right_distance, self.left_distance)
        return not any(e.has(sympy.Float) for e in (*shown, *self.overlap, *self.alignment))

    @property
    def carries_target(self) -> bool:
        """Whether ``<v_k, beta_*>`` does not vanish, for a spike that is present."""
        return self.is_present and any(o != 0 for o in self.overlap)

    def _parts(self) -> list[Part]:
        names = {
            "size": ("N^{", self.exponent, "}"),
            "strength": (rf"\theta_{{{self.order}}} \simeq ", self.strength),
            "distance of the left function": (rf"\delta_{{{self.order}}} = ", self.left_distance),
            "distance of the right vector": (rf"r_{{{self.order}}} = ", self.right_distance),
        }
        vector = r"w_0" if self.order == 0 else rf"v_{{{self.order}}}"
        for i, (overlap, alignment) in enumerate(zip(self.overlap, self.alignment, strict=True)):
            direction = rf"\beta_{{*{i + 1}}}" if len(self.overlap) > 1 else r"\beta_*"
            where = f" with direction {i + 1}" if len(self.overlap) > 1 else ""
            pieces = (rf"\langle {vector}, {direction}\rangle = ", overlap)
            names[f"overlap of the right vector{where}"] = pieces
            pieces = (rf"o_{{{self.order}}} = ", alignment)
            names[f"alignment of the unit direction{where}"] = pieces
        rows: list[list[str | Formula]] = [
            [name, Formula(str(pieces[1]), pieces)] for name, pieces in names.items()
        ]
        head = f"spike {self.order}" + (f", absent: {self.absent}" if self.absent else "")
        return [head, Table("ll", [], rows)]

    def to_dict(self) -> dict[str, Any]:
        """Texts of the expressions, and plain flags."""
        names = "order exponent strength leading left_distance right_distance overlap alignment"
        flags = "at_threshold is_outlier is_exact carries_target absent"
        return plain_fields(self, (*names.split(), *flags.split()))


@dataclass(frozen=True, slots=True)
class Scaling(Shown):
    """The spikes of a problem as ``N -> infinity`` at fixed ``N/d`` and ``d/n``. Printing: a table.

    Attributes
    ----------
    problem : Problem
    alpha : tuple of sympy.Expr
        Exponents of the steps: exact rationals, or symbols.
    spikes : tuple of ScalingSpike
        In the order of ``k``, absent ones included.
    highest_order : int or None
        ``L = floor(alpha_2 / (1/2 - alpha_1))``: orders up to ``L`` do not vanish as ``N`` grows,
        so there are at most ``L + 1`` outliers. None when the exponents are symbols.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("z + He2(z)/2", "z", 1000, 1000, 2000, [(1, 0.3), (2, 0.4)])
    >>> result = rmt.scaling(problem)
    >>> result.highest_order, result.n_outliers, result.is_exact
    (2, 2, True)
    >>> result.strengths(1000).round(3).tolist()
    [45.884, 18.244, 0.0]
    """

    problem: Problem
    alpha: tuple[Any, ...]
    spikes: tuple[ScalingSpike, ...]
    highest_order: int | None

    # Counts

    @property
    def floor_count(self) -> Any:
        """``floor(alpha_2 / (1/2 - alpha_1))`` of arXiv:2605.17767 as a sympy expression.

        What it is for symbols, too; 0 after one step.
        """
        if len(self.alpha) == 1:
            return sympy.Integer(0)
        first, second = self.alpha
        return sympy.floor(second / (sympy.Rational(1, 2) - first))

    @property
    def n_outliers(self) -> Any:
        """How many of the listed spikes leave the bulk as ``N`` grows.

        Those that are present and grow, and those of size O(1) above the threshold. For symbolic
        exponents a sympy expression, in which the boundaries count as not passed.
        """
        if self.highest_order is not None:
            return sum(bool(s.is_outlier) for s in self.spikes)
        zero, one = sympy.Integer(0), sympy.Integer(1)
        return sympy.Add(
            *(
                sympy.Piecewise((one, s.exponent > 0), (zero, sympy.true))
                for s in self.spikes
                if s.is_present
            )
        )

    @property
    def is_exact(self) -> bool:
        """Whether every number is a closed form."""
        return all(s.is_exact for s in self.spikes)

    @property
    def threshold(self) -> Any:
        """``(N/d)^{1/4}``, for spikes of size O(1)."""
        return sympy.Rational(self.problem.width, self.problem.dim) ** sympy.Rational(1, 4)

    # Numbers at a width

    def strengths(self, width: float) -> Array:
        """``theta_k`` of the listed spikes at a width, shape (K,), in the order of ``k``.

        0 for a spike that is absent.

        Raises
        ------
        InvalidInputError
            When the exponents are symbols.
        """
        return self._strengths(width)[0]

    def strength_errors(self, width: float) -> Array:
        """Absolute error bounds of `strengths`, shape (K,).

        Of the numbers, and not of the limit: what is left out as ``N`` grows is of the relative
        order ``N^{alpha_1 - 1/2}``. Absent spikes have the error 0 when that is proved.
        """
        return self._strengths(width)[1]

    def alignments(self, width: float) -> Array:
        """``o_k`` of the listed spikes at a width, shape (K, r); 0 for a spike that is absent."""
        return self._alignments(width)[0]

    def alignment_errors(self, width: float) -> Array:
        """Absolute error bounds of `alignments`, shape (K, r), as for `strength_errors`."""
        return self._alignments(width)[1]

    def alignment_sq_errors(self, width: float) -> Array:
        """Absolute error bounds of the squares of `alignments`, shape (K, r)."""
        values, errors = self._alignments(width)
        return errors * (2.0 * np.abs(values) + errors)

    def left_functions(self, g: ArrayLike) -> Array:
        """The unit left function of every spike at readouts ``g``, shape (K, Q).

        ``g^{k+1}`` less its projection on the powers of earlier spikes, divided by its norm in
        L2(law of g): the left singular vector has the entries ``u_k(g_i) / sqrt(N)``. 0 for a
        spike that is absent.

        Parameters
        ----------
        g : array_like, shape (Q,)

        Examples
        --------
        >>> from rmt.spikes.scaling import scaling
        >>> problem = Problem(
        ...     "z + He2(z)/2", "z", 1000, 1000, 2000, [(1, 0.3), (2, 0.4)], batch="independent"
        ... )
        >>> scaling(problem).left_functions([0.0, 1.0, 2.0]).round(4)
        array([[0.    , 1.    , 2.    ],
               [0.    , 0.5774, 2.3094],
               [0.    , 0.    , 0.    ]])
        """
        points = np.asarray(g, dtype=float)
        if points.ndim != 1:
            raise InvalidInputError(f"g must be one-dimensional, got shape {points.shape}")
        rows = [
            np.polynomial.polynomial.polyval(points, s.left_polynomial)
            if s.is_present
            else np.zeros(points.size)
            for s in self.spikes
        ]
        return np.array(rows)

    def _strengths(self, width: float) -> tuple[Array, Array]:
        exact = self._width(width)
        values, errors = np.zeros((2, len(self.spikes)))
        for k, spike in enumerate(self.spikes):
            value, error = spike.strength_law.value(exact)
            values[k] = value if spike.is_present else 0.0
            errors[k] = error if spike.is_present else value + error
        return values, errors + _EPSILON * values

    def _alignments(self, width: float) -> tuple[Array, Array]:
        exact = self._width(width)
        values, errors = np.zeros((2, len(self.spikes), self.problem.n_directions))
        for k, spike in enumerate(self.spikes):
            for i, law in enumerate(spike.alignment_laws):
                value, error = law.value(exact)
                # A zero that is not proved is 0, and its bound an error.
                values[k, i] = 0.0 if law.is_zero else value
                errors[k, i] = abs(value) + error if law.is_zero else error
        return values, errors + _EPSILON * np.abs(values)

    def _width(self, width: float) -> Fraction:
        if self.highest_order is None:
            raise InvalidInputError("width: the exponents are symbols, so there are no numbers")
        if not (math.isfinite(width) and width > 0):
            raise InvalidInputError(f"width must be positive and finite, got {width!r}")
        return Fraction(width)

    # Output

    def latex(self, leading: bool = False) -> str:
        r"""Strengths as an ``aligned`` block, one line a spike that is present.

        Parameters
        ----------
        leading : bool
            The leading constants with their powers, ``c_k N^{exponent}``, and not the strengths.

        Raises
        ------
        InvalidInputError
            For leading constants when the exponents are symbols, which leave them open.

        Examples
        --------
        >>> import rmt
        >>> problem = rmt.Problem("z", "z", 1000, 1000, 2000, [(1, 0.3), (2, 0.45)])
        >>> print(rmt.scaling(problem, n_spikes=1).latex(leading=True))
        \begin{aligned}
        \theta_{0} &\simeq \sqrt{6}\, N^{9/20}
        \end{aligned}
        """
        present = [s for s in self.spikes if s.is_present]
        if leading and any(s.leading is None for s in present):
            raise InvalidInputError(
                "leading: symbolic exponents leave the leading constants open; the strengths are "
                "known"
            )
        lines = [
            rf"\theta_{{{s.order}}} &\simeq {_leading_latex(s) if leading else latex(s.strength)}"
            for s in present
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers and texts; numbers are those at the width of the problem."""
        counted = self.highest_order is not None
        data = {
            **plain_fields(self, ("problem", "alpha", "floor_count", "highest_order")),
            "n_outliers": self.n_outliers if counted else None,
            **plain_fields(self, ("threshold", "is_exact", "spikes")),
        }
        if counted:
            numbers = ("strengths", "strength_errors", "alignments", "alignment_errors")
            data |= {name: getattr(self, name)(self.problem.width).tolist() for name in numbers}
        return data

    def _parts(self) -> list[Part]:
        header = ["k", "size", "leading constant", "<v_k, beta_*>", ""]
        rows: list[list[str | Formula]] = []
        for s in self.spikes:
            size = f"N^({s.exponent})" if s.exponent != 0 else "1"
            overlap = Formula(
                ", ".join(_decimal(o) for o in s.overlap),
                (r",\ ".join(latex(o) if o.free_symbols else _decimal(o) for o in s.overlap),),
            )
            leading = "absent" if s.absent else "" if s.leading is None else _decimal(s.leading)
            power = Formula(size, ("N^{", s.exponent, "}") if s.exponent != 0 else ("1",))
            rows.append([str(s.order), power, leading, overlap, self._note(s)])
        if len(self.problem.steps) == 1:
            head = "one step"
        else:
            head = f"two steps, {self.problem.batch} batch"
        if self.highest_order is not None:
            head += f": at most {self.highest_order + 1} outliers"
        strengths = [Formula("", (self.latex(),))] if any(s.is_present for s in self.spikes) else []
        return [head, Table("lllll", header, rows), *strengths]

    def _note(self, spike: ScalingSpike) -> str:
        if spike.absent:
            return spike.absent
        notes = ["carries the target"] if spike.carries_target else []
        if spike.at_threshold:
            side = "outlier, above" if spike.is_outlier else "no outlier, not above"
            notes.append(f"{side} (N/d)^(1/4) = {float(self.threshold):.4g}")
        elif self.highest_order is not None and spike.exponent < 0:
            notes.append("inside the bulk")
        return "; ".join(notes)


def _leading_latex(spike: ScalingSpike) -> str:
    """The leading constant times the power of ``N``."""
    constant = latex(spike.leading)
    if spike.exponent == 0:
        return constant
    if spike.leading.is_Add:
        constant = rf"\left({constant}\right)"
    return rf"{constant}\, N^{{{spike.exponent}}}"


def _rounded(value: Any, digits: int) -> Any:
    return value.xreplace({x: sympy.Float(x, digits) for x in value.atoms(sympy.Float)})


def _decimal(value: Any) -> str:
    if value.free_symbols:
        return str(_rounded(value, 6))
    if value.is_Integer:
        return str(value)
    return str(value.evalf(_SHOWN)).rstrip("0").rstrip(".")
