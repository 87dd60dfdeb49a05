"""Level 0, scaling: exponents, counts and leading constants, symbolic in N (theory.md, section 2).

Expanded in the shift ``t = eta_1 g / sqrt(N)`` that the first step gives to a pre-activation, the
second step leaves

    W_2 - W_0 ~ a w_0^T + sum_{k>=1} (eta_2 eta_1^k / k!) a^{o(k+1)} v_k^T,
    w_0 = eta_1 mu_1 beta_1 + eta_2 v_0,        v_k = (1/n) sum_j x_j psi_k(y_j, zeta_j),
    psi_k = y Phi_k,    Phi_k = E_{Z,xi}[ sigma^{(k+1)}(Z) ( phi_1 y sigma'(Z) [reused only]
                                          + mu_1 zeta + mu_2 Ey Z + tau xi )^k ].

The terms are of sizes ``N^{max(alpha_1, alpha_2)}`` and ``N^{alpha_2 - k (1/2 - alpha_1)}``, each
far below the one before, so that the singular values are

    theta_0 = delta_0 |w_0|,    theta_k = eta_2 eta_1^k / k! N^{-k/2} delta_k r_k

with ``delta_k`` and ``r_k`` the distances of ``g^{k+1}`` and ``v_k`` from what the earlier spikes
span on the left and on the right. ``Phi_k`` is a polynomial in ``(y, zeta)`` with coefficients that
are Gaussian moments of the activation; every number here is a polynomial in those and in
``E[f^a z^c]``. Both are exact wherever `rmt.hermite` has a closed form, and otherwise certified to
30 digits (with several index directions: double precision).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmt.functions import ScalarFunction
from rmt.functions.scalar_function import FunctionLike
from rmt.hermite import (
    Exponent,
    hermite_expansion,
    information_exponent,
    reuse_exponent,
    tensor_hermite_expansion,
)
from rmt.problem import Batch, Problem
from rmt.status import InvalidInputError

__all__ = ["LearnedRegion", "Scaling", "ScalingSpike", "learned_region", "scaling"]

DIGITS = 30
MAX_SPIKES = 12
_DEFAULT_SPIKES = 6
_SHOWN = 12  # digits of a decimal in a table

Index: TypeAlias = tuple[int, ...]
Polynomial: TypeAlias = Mapping[tuple[int, int], Any]
"""Coefficients of ``y^a zeta^j`` by ``(a, j)``."""


# Results


@dataclass(frozen=True, slots=True)
class ScalingSpike:
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
        Limit of ``strength / N**exponent``; None for symbolic exponents that leave it open.
    left_distance : sympy.Expr
        ``delta_k``, L2(law of g) distance of ``g^{k+1}`` from the powers that earlier spikes have.
    right_distance : sympy.Expr
        ``r_k``, distance of ``v_k`` (of ``w_0`` from 0, for k = 0) from the right vectors of
        earlier spikes.
    overlap : tuple of sympy.Expr, length r
        ``<v_k, beta_*> = E[z y Phi_k]`` (``<w_0, beta_*>`` for k = 0).
    alignment : tuple of sympy.Expr, length r
        ``o_k``, inner product of the unit right direction with ``beta_*``; the sign of the whole
        tuple is arbitrary.
    at_threshold : bool
        Its size is O(1): an outlier only above the threshold, ``theta > (N/d)^{1/4}``.
    absent : str
        Why there is no such spike; empty when there is one.
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
    absent: str

    @property
    def is_present(self) -> bool:
        """Whether its coefficient does not vanish."""
        return not self.absent

    @property
    def carries_target(self) -> bool:
        """Whether ``<v_k, beta_*>`` does not vanish, for a spike that is present."""
        return self.is_present and any(bool(o) for o in self.overlap)

    def to_dict(self) -> dict[str, Any]:
        """Texts of the expressions, and plain flags."""
        return {
            "order": self.order,
            "exponent": str(self.exponent),
            "strength": str(self.strength),
            "leading": None if self.leading is None else str(self.leading),
            "left_distance": str(self.left_distance),
            "right_distance": str(self.right_distance),
            "overlap": [str(o) for o in self.overlap],
            "alignment": [str(o) for o in self.alignment],
            "at_threshold": self.at_threshold,
            "carries_target": self.carries_target,
            "absent": self.absent,
        }


@dataclass(frozen=True, slots=True)
class Scaling:
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
    is_exact : bool
        Whether every number is a closed form.
    """

    problem: Problem
    alpha: tuple[Any, ...]
    spikes: tuple[ScalingSpike, ...]
    highest_order: int | None
    is_exact: bool

    @property
    def n_outliers(self) -> int | None:
        """Listed spikes that are present and grow with ``N``; None for symbolic exponents."""
        if self.highest_order is None:
            return None
        return sum(s.is_present and bool(s.exponent > 0) for s in self.spikes)

    @property
    def threshold(self) -> Any:
        """``(N/d)^{1/4}``, for spikes of size O(1)."""
        import sympy

        return sympy.Rational(self.problem.width, self.problem.dim) ** sympy.Rational(1, 4)

    def strengths(self, width: float) -> NDArray[np.float64]:
        """``theta_k`` of the listed spikes at a width, shape (K,), in the order of ``k``.

        Raises
        ------
        InvalidInputError
            When the exponents are symbols.
        """
        return self._numbers([s.strength for s in self.spikes], width)

    def alignments(self, width: float) -> NDArray[np.float64]:
        """``o_k`` of the listed spikes at a width, shape (K, r)."""
        flat = self._numbers([o for s in self.spikes for o in s.alignment], width)
        return flat.reshape(len(self.spikes), -1)

    def _numbers(self, expressions: Sequence[Any], width: float) -> NDArray[np.float64]:
        import sympy

        if self.highest_order is None:
            raise InvalidInputError("width: the exponents are symbols, so there are no numbers")
        if not (math.isfinite(width) and width > 0):
            raise InvalidInputError(f"width must be positive and finite, got {width!r}")
        n = sympy.Rational(str(width))
        values = [e.subs(width_symbol(), n).evalf(_SHOWN + 5) for e in expressions]
        return np.array([float(value) for value in values])

    def latex(self) -> str:
        """Strengths as an ``aligned`` block, one line a spike that is present."""
        import sympy

        lines = [
            rf"\theta_{{{s.order}}} &\simeq {sympy.latex(_rounded(s.strength, 6))}"
            for s in self.spikes
            if s.is_present
        ]
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers and texts."""
        return {
            "problem": self.problem.to_dict(),
            "alpha": [str(a) for a in self.alpha],
            "highest_order": self.highest_order,
            "n_outliers": self.n_outliers,
            "threshold": str(self.threshold),
            "is_exact": self.is_exact,
            "spikes": [s.to_dict() for s in self.spikes],
        }

    def __str__(self) -> str:
        rows = [("k", "size", "leading constant", "<v_k, beta_*>", "")]
        for s in self.spikes:
            size = f"N^({s.exponent})" if s.exponent != 0 else "1"
            overlap = ", ".join(_decimal(o) for o in s.overlap)
            leading = "absent" if s.absent else "" if s.leading is None else _decimal(s.leading)
            rows.append((str(s.order), size, leading, overlap, self._note(s)))
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        table = [
            "  ".join([*(x.ljust(w) for x, w in zip(row, widths, strict=False)), row[4]]).rstrip()
            for row in rows
        ]
        if len(self.problem.steps) == 1:
            head = "one step"
        else:
            head = f"two steps, {self.problem.batch} batch"
        if self.highest_order is not None:
            head += f": at most {self.highest_order + 1} outliers"
        return "\n".join([head, *table])

    def _note(self, spike: ScalingSpike) -> str:
        if spike.absent:
            return spike.absent
        notes = ["carries the target"] if spike.carries_target else []
        if spike.at_threshold:
            notes.append(f"outlier if above (N/d)^(1/4) = {float(self.threshold):.4g}")
        elif self.highest_order is not None and spike.exponent < 0:
            notes.append("inside the bulk")
        return "; ".join(notes)


@dataclass(frozen=True, slots=True)
class LearnedRegion:
    """The exponents ``(alpha_1, alpha_2)`` at which some outlier points towards the target.

    Attributes
    ----------
    batch : {"independent", "reused"}
    exponent : int or None
        Information exponent (independent) or reuse exponent ``m`` (reused); None: none was found.
    order : int or None
        ``k`` of the spike that carries the target; None when there is none.
    """

    batch: Batch
    exponent: int | None
    order: int | None

    def condition(self, alpha: tuple[Any, Any] | None = None) -> Any:
        """The region as a sympy relation in ``alpha_1, alpha_2`` (or in the given pair).

        Examples
        --------
        >>> learned_region(3, "reused").condition()
        alpha_2 > 1 - 2*alpha_1
        >>> learned_region(3, "independent").condition()
        False
        """
        import sympy

        first, second = alpha if alpha is not None else _alpha_symbols()
        if self.order is None:
            return sympy.false
        if self.order == 0:
            return sympy.Gt(sympy.Max(first, second), 0)
        half = sympy.Rational(1, 2)
        return sympy.Gt(second, sympy.expand(self.order * (half - first)))

    def contains(self, alpha_1: Any, alpha_2: Any) -> bool:
        """Whether the target is learned at these exponents; decimals are read as they print.

        Examples
        --------
        >>> region = learned_region(3, "reused")
        >>> region.contains(0.3, 0.4), region.contains(0.3, 0.41), region.contains(0.1, 0.45)
        (False, True, False)
        """
        return bool(self.condition(_exponents((alpha_1, alpha_2), 2)))

    def __str__(self) -> str:
        if self.order is None:
            return f"{self.batch} batch: not learned at any exponents in [0, 1/2)"
        return f"{self.batch} batch: learned by spike {self.order} where {self.condition()}"


def learned_region(target: FunctionLike | Exponent | int, batch: Batch) -> LearnedRegion:
    """Where in the plane of exponents a target of one index direction is learned.

    Independent batches learn it when the information exponent is 1, with spike 0. A reused batch
    learns it with spike ``k = m - 1``, ``m`` the reuse exponent, through
    ``phi_1^k E[z y^{k+1}] E[sigma^{(k+1)} sigma'^k]``: where ``alpha_2 > (m - 1)(1/2 - alpha_1)``.
    On the boundary the spike is O(1), an outlier if above the threshold. Assumes that the
    coefficient of the activation does not vanish: `scaling` says so for a given one.

    Parameters
    ----------
    target : str, sympy expression, ScalarFunction, Exponent or int
        The target, or its information exponent (independent) or reuse exponent (reused).
    batch : {"independent", "reused"}

    Raises
    ------
    InvalidInputError
        As for `information_exponent` and `reuse_exponent`; an exponent below 1.

    Notes
    -----
    Source: theory.md, section 2; arXiv:2605.17767.

    Examples
    --------
    >>> print(learned_region("He3(z)", "reused"))
    reused batch: learned by spike 2 where alpha_2 > 1 - 2*alpha_1
    >>> print(learned_region("He3(z)", "independent"))
    independent batch: not learned at any exponents in [0, 1/2)
    """
    if batch not in ("independent", "reused"):
        raise InvalidInputError(f"batch must be independent or reused; got {batch!r}")
    value: int | None
    if isinstance(target, int) and not isinstance(target, bool):
        if target < 1:
            raise InvalidInputError(f"target: an exponent must be at least 1, got {target}")
        value = target
    elif isinstance(target, Exponent):
        value = target.value
    else:
        target = ScalarFunction.parse(target)
        if target.n_variables > 1:
            raise InvalidInputError(
                f"target must have one index direction, got {target.text}; for several see "
                "rmt.hermite.staircase"
            )
        find = information_exponent if batch == "independent" else reuse_exponent
        value = find(target).value
    if value is None or (batch == "independent" and value > 1):
        return LearnedRegion(batch, value, None)
    return LearnedRegion(batch, value, value - 1)


# The level


def scaling(
    problem: Problem, n_spikes: int | None = None, alpha: Sequence[Any] | None = None
) -> Scaling:
    """Exponents, counts and leading constants of the spikes, symbolic in the width ``N``.

    With ``eta_s = c_s N^{alpha_s}`` and all ratios ``N : d : n`` fixed at those of the problem,

        theta_0 = delta_0 |eta_1 mu_1 beta_1 + eta_2 v_0|,
        theta_k = eta_2 eta_1^k / k! N^{-k/2} delta_k r_k,      k = 1 .. L,
        L = floor(alpha_2 / (1/2 - alpha_1)),

    up to a relative error of order ``N^{alpha_1 - 1/2}`` (and, next to a stronger spike, of the
    ratio of their strengths). The width of the problem enters through the ratios alone.

    Parameters
    ----------
    problem : Problem
        Its floats are read as the decimals that they print: 0.3 is 3/10.
    n_spikes : int, optional
        How many to list, from ``k = 0``; default ``L + 1``, at most 6. Needed when the exponents
        are symbols.
    alpha : sequence of number, str or sympy.Expr, optional
        Exponents in place of those of the steps: numbers in [0, 1/2), or symbols.

    Returns
    -------
    Scaling

    Raises
    ------
    InvalidInputError
        For a reused batch when ``sigma^{(k)}`` jumps, ``k >= 1`` a listed order: products such as
        ``sigma'' sigma'`` are then undefined. When a moment that is needed does not exist.

    Notes
    -----
    Spikes that are absent leave their powers of ``g`` free: ``delta_k`` is the distance from the
    powers of those that are present. Level `resummed` has no such expansion and needs no limit.
    Source: theory.md, sections 2 and 3.

    Examples
    --------
    >>> problem = Problem(
    ...     "z + He2(z)/2", "z", 1000, 1000, 2000, [(1, 0.3), (2, 0.4)], batch="independent"
    ... )
    >>> result = scaling(problem)
    >>> print(result)
    two steps, independent batch: at most 3 outliers
    k  size     leading constant  <v_k, beta_*>
    0  N^(2/5)  2.44948974278     N**(3/10) + 2*N**(2/5)  carries the target
    1  N^(1/5)  4.58257569496     0
    2  1        absent            0                       Phi_2 = 0 exactly
    >>> result.spikes[1].strength
    sqrt(21)*N**(1/5)
    >>> result.spikes[1].left_distance, result.spikes[1].right_distance
    (sqrt(3), sqrt(7)/2)
    """
    import sympy

    steps = len(problem.steps)
    exponents = _exponents(
        [step.exponent for step in problem.steps] if alpha is None else alpha, steps
    )
    symbolic = any(a.free_symbols for a in exponents)
    highest = None if symbolic else _highest_order(exponents)
    count = _count(n_spikes, highest, steps)
    if steps == 2 and problem.batch == "reused":
        _check_smooth(problem.activation, count - 1)
    first = _FirstStep.of(problem, count - 1)
    polynomials = [_psi(first, k) for k in range(count)] if steps == 2 else []
    right = _RightVectors.of(first, polynomials)
    n = width_symbol()
    scales = [_rational(step.scale) for step in problem.steps]
    eta = [c * n**a for c, a in zip(scales, exponents, strict=True)]
    spikes = []
    powers: list[int] = []  # powers of g on the left of the spikes found so far
    collinear = False  # whether some v_k was not zero but in the span of earlier ones
    for k in range(count):
        delta_sq = _left_distance_sq(problem, powers, k + 1)
        vanishes = not polynomials[k] if steps == 2 else not first.mu1
        absent = _why_absent(problem, k) if vanishes else ""
        if k == 0:
            exponent = exponents[0] if steps == 1 else sympy.Max(*exponents)
            size, growth = sympy.Integer(1), None
            distance_sq, overlap = right.first_square(eta), right.first_overlap(eta)
            dots = overlap
        else:
            exponent = sympy.expand(exponents[1] - k * (sympy.Rational(1, 2) - exponents[0]))
            size = scales[0] ** k * scales[1] / sympy.factorial(k)
            growth = n**exponent
            distance_sq, dots = right.distance_sq(k, eta), right.dots(k, eta)
            overlap = right.overlaps[k]
        if not absent and not distance_sq:
            collinear = True
            absent = f"v_{k} lies in the span of the earlier right vectors"
        if not absent and not delta_sq:
            absent = f"g^{k + 1} lies in the span of the earlier powers of g"
        distance, delta = _root(distance_sq), _root(delta_sq)
        if absent:
            strength = leading = sympy.Integer(0)
            alignment = (sympy.Integer(0),) * len(overlap)
        else:
            _check_decided(problem, k, collinear)
            strength = size * (1 if growth is None else growth) * delta * distance
            alignment = tuple(dot / distance for dot in dots)
            leading = None
            if not symbolic:
                limit = right.limit_sq(k, exponents, scales)
                leading = _tidy(size * delta * _root(limit))
            powers.append(k + 1)
            right.remove(k)
        spikes.append(
            ScalingSpike(
                order=k,
                exponent=exponent,
                strength=strength,
                leading=leading,
                left_distance=delta,
                right_distance=distance,
                overlap=overlap,
                alignment=alignment,
                at_threshold=not symbolic and bool(exponent == 0) and not absent,
                absent=absent,
            )
        )
    is_exact = not any(
        e.has(sympy.Float) for s in spikes for e in (s.strength, *s.overlap, *s.alignment)
    )
    return Scaling(problem, exponents, tuple(spikes), highest, is_exact)


def width_symbol() -> Any:
    """The positive sympy symbol ``N`` of the results."""
    import sympy

    return sympy.Symbol("N", positive=True)


def _alpha_symbols() -> tuple[Any, Any]:
    import sympy

    first, second = sympy.symbols("alpha_1 alpha_2", nonnegative=True)
    return first, second


def _highest_order(exponents: tuple[Any, ...]) -> int:
    import sympy

    if len(exponents) == 1:
        return 0
    return int(sympy.floor(exponents[1] / (sympy.Rational(1, 2) - exponents[0])))


def _count(n_spikes: Any, highest: int | None, steps: int) -> int:
    if n_spikes is None:
        if highest is None and steps > 1:
            raise InvalidInputError(
                "n_spikes: how many spikes there are is not decided when the exponents are "
                "symbols; give a number"
            )
        return min((highest or 0) + 1, _DEFAULT_SPIKES)
    most = 1 if steps == 1 else MAX_SPIKES
    if isinstance(n_spikes, bool) or not isinstance(n_spikes, int) or not 1 <= n_spikes <= most:
        raise InvalidInputError(
            f"n_spikes must be a whole number from 1 to {most} after {steps} step(s), "
            f"got {n_spikes!r}"
        )
    return n_spikes


def _exponents(values: Sequence[Any], steps: int) -> tuple[Any, ...]:
    import sympy

    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != steps:
        raise InvalidInputError(f"alpha must hold {steps} exponent(s), got {values!r}")
    made = []
    for value in values:
        if isinstance(value, str) and value.isidentifier():
            exponent = sympy.Symbol(value, nonnegative=True)
        elif isinstance(value, sympy.Expr) and not value.is_Float:
            exponent = value
        else:
            try:
                exponent = sympy.Rational(str(value))
            except (TypeError, ValueError, ZeroDivisionError):
                exponent = sympy.nan
        in_range = exponent.is_real and (
            exponent.free_symbols or (exponent >= 0 and exponent < sympy.Rational(1, 2))
        )
        if not in_range:
            raise InvalidInputError(
                f"alpha: expected numbers in [0, 1/2) or real symbols, got {value!r}"
            )
        made.append(exponent)
    return tuple(made)


def _check_smooth(sigma: ScalarFunction, highest: int) -> None:
    """``sigma^{(k+1)}`` must be a function, without deltas, for products with ``sigma'``."""
    derivative = sigma
    for k in range(1, highest + 1):
        derivative = derivative.derivative_function
        if derivative.jumps:
            raise InvalidInputError(
                f"activation: {sigma.text} is not smooth enough for the scaling level with a "
                f"reused batch and k = {k}: its derivative of order {k} jumps, so that products "
                f"such as sigma^({k + 1}) sigma' are undefined; use the level resummed "
                f"(rmt.spikes.resummed), or n_spikes={k}"
            )


def _check_decided(problem: Problem, k: int, collinear: bool) -> None:
    """Powers of ``g`` and right vectors that are both dependent leave terms of equal size."""
    if collinear and not _left_distance_sq(problem, range(1, k + 1), k + 1):
        raise InvalidInputError(
            f"readout: with so few values of g, and right vectors that are linearly dependent, "
            f"several orders meet in spike {k}; use the level resummed, or n_spikes={k}"
        )


def _why_absent(problem: Problem, k: int) -> str:
    """How it is known that ``Phi_k = 0``."""
    parity = problem.activation.parity
    if parity == -1 and k % 2:
        return f"Phi_{k} = 0 by parity: sigma is odd"
    if parity == 1:
        return f"Phi_{k} = 0 by parity: sigma is even"
    expansion = hermite_expansion(problem.activation, 2 * k + 2, digits=DIGITS)
    return f"Phi_{k} = 0 " + ("exactly" if expansion.is_exact else f"to {DIGITS} digits")


# Numbers: exact, or Floats of 30 digits


def _rational(value: float) -> Any:
    """The decimal that a float prints as."""
    import sympy

    return sympy.Rational(repr(value))


def _tidy(value: Any) -> Any:
    """A Float when there is one inside; otherwise the exact number, simplified a little."""
    import sympy

    if value.is_Rational or value.free_symbols:
        return value
    # Closed forms too long to read, and too slow to work with, become numbers.
    if value.has(sympy.Float) or sympy.count_ops(value) > 60:
        return value.evalf(DIGITS)
    return sympy.factor_terms(sympy.expand(value))


def _settled(value: Any, scale: Any, digits: int) -> Any:
    """`value`, or the integer 0 when it is below ``10**-digits`` of its natural scale."""
    import sympy

    value = _tidy(value)
    if value.is_Rational:
        return value
    size = abs(value.evalf(DIGITS + 10))
    if size <= abs(scale).evalf(DIGITS) * sympy.Float(10) ** -digits:
        return sympy.Integer(0)
    return value


def _zero() -> Any:
    import sympy

    return sympy.Integer(0)


def _root(value: Any) -> Any:
    import sympy

    return sympy.sqrt(value)


def _rounded(value: Any, digits: int) -> Any:
    import sympy

    return value.xreplace({x: sympy.Float(x, digits) for x in value.atoms(sympy.Float)})


def _decimal(value: Any) -> str:
    if value.free_symbols:
        return str(_rounded(value, 6))
    if value.is_Integer:
        return str(value)
    return str(value.evalf(_SHOWN)).rstrip("0").rstrip(".")


def _double_factorial(m: int) -> int:
    """``E[xi^m]`` for even m: ``(m - 1)!!``."""
    return math.prod(range(m - 1, 0, -2))


def _monomial_in_hermite(c: int) -> Iterator[tuple[int, int]]:
    """``z^c = sum c! / (2^m m! (c - 2m)!) He_{c - 2m}``, as (order, coefficient)."""
    for m in range(c // 2 + 1):
        below = 2**m * math.factorial(m) * math.factorial(c - 2 * m)
        yield c - 2 * m, math.factorial(c) // below


def _coefficient(function: ScalarFunction, order: int, up_to: int) -> Any:
    """``E[F(Z) He_order(Z)]``."""
    import sympy

    mu = hermite_expansion(function, max(order, up_to), digits=DIGITS).probabilists[order]
    return mu if mu else sympy.Integer(0)


# Left: powers of g


def _readout_moment(problem: Problem, m: int) -> Any:
    """``E[g^m]``."""
    import sympy

    if not isinstance(problem.readout, str):
        import mpmath

        with mpmath.workdps(2 * DIGITS):
            values = [mpmath.mpf(g) ** m for g in problem.readout.tolist()]
            mean = mpmath.fsum(values) / len(values)
            return sympy.Float(mean, 2 * DIGITS)
    if m % 2:
        return sympy.Integer(0)
    if problem.readout == "rademacher":
        return sympy.Integer(1)
    if problem.readout == "uniform":
        return sympy.Rational(3 ** (m // 2), m + 1)
    return sympy.Integer(_double_factorial(m))


def _left_distance_sq(problem: Problem, powers: Sequence[int], power: int) -> Any:
    """``delta_k^2``: squared L2 distance of ``g^power`` from the span of ``g^p``, p in powers."""
    import sympy

    rows = [*powers, power]
    gram = sympy.Matrix([[_readout_moment(problem, p + q) for q in rows] for p in rows])
    below = gram[:-1, :-1].det() if powers else sympy.Integer(1)
    value = gram.det() / below
    if value.is_Rational:
        return value
    return _settled(value, gram[-1, -1], DIGITS - 5).evalf(DIGITS)


# Moments of labels, and the polynomials psi_k


@dataclass(frozen=True, slots=True)
class _FirstStep:
    """What the first step leaves behind: theory.md, sections 1 and 2, with exact numbers.

    ``zeta = b . z + s omega`` with ``s^2 = B - |b|^2 = phi_1 Ey2`` and ``omega`` a standard normal
    independent of ``z``.
    """

    problem: Problem
    highest: int
    phi: tuple[Any, ...]
    noise_variance: Any
    mu1: Any
    mu2: Any
    b: tuple[Any, ...]
    Ey: Any
    s2: Any
    tau2: Any
    memo: dict[tuple[int, int, Index], Any] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, highest: int) -> _FirstStep:
        """The constants for moments up to those that order `highest` needs."""
        import sympy

        phi = tuple(sympy.Rational(problem.dim, n) for n in problem.samples)
        f, sigma = problem.target, problem.activation
        r = problem.n_directions
        zero = (0,) * r
        units = [tuple(int(i == j) for j in range(r)) for i in range(r)]
        noise = _rational(problem.noise_std) ** 2
        b = tuple(_target_moment(f, 1, e, 2) for e in units)
        Ey2 = _target_moment(f, 2, zero, 0) + noise
        mu1, mu2 = (_coefficient(sigma, k, 2 * highest + 2) for k in (1, 2))
        slope = hermite_expansion(sigma.derivative_function, 0, digits=DIGITS)
        square = slope.second_moment
        variance = _settled(square - mu1**2, square, DIGITS - 8)
        return cls(
            problem=problem,
            highest=highest,
            phi=phi,
            noise_variance=noise,
            mu1=mu1,
            mu2=mu2,
            b=b,
            Ey=_target_moment(f, 1, zero, 2),
            s2=_tidy(phi[0] * Ey2),
            tau2=_tidy(phi[0] * Ey2 * variance),
        )

    @property
    def B(self) -> Any:
        """``|beta_1|^2 = |b|^2 + phi_1 Ey2``."""
        return _tidy(sum(x**2 for x in self.b) + self.s2)

    @property
    def reused(self) -> bool:
        return len(self.problem.steps) == 2 and self.problem.batch == "reused"

    @property
    def zero_digits(self) -> int:
        """A cancellation to this many digits is a zero."""
        return 18 if self.problem.n_directions == 1 else 9

    def moment(self, a: int, j: int, extra: Index) -> Any:
        """``E[y^a zeta^j z^extra]``."""
        key = (a, j, extra)
        if key not in self.memo:
            self.memo[key] = _tidy(self._moment(a, j, extra))
        return self.memo[key]

    def _moment(self, a: int, j: int, extra: Index) -> Any:
        import sympy

        total = sympy.Integer(0)
        degree = max(2 * self.highest, self.highest + 1, 2) if any(self.b) else 2
        for n in range(0, j + 1, 2):  # omega^n
            weight = math.comb(j, n) * _double_factorial(n) * self.s2 ** (n // 2)
            for multi, coefficient in self._power_of_b(j - n):
                index = tuple(p + q for p, q in zip(multi, extra, strict=True))
                for m in range(0, a + 1, 2):  # eps^m
                    noise = self.noise_variance ** (m // 2)
                    if noise:
                        noise *= math.comb(a, m) * _double_factorial(m)
                        f_moment = _target_moment(self.problem.target, a - m, index, degree)
                        total += weight * coefficient * noise * f_moment
        return total

    def _power_of_b(self, j: int) -> Iterator[tuple[Index, Any]]:
        """``(b . z)^j`` as (exponents of z, coefficient)."""
        ranges = [range(j + 1) if x else range(1) for x in self.b]
        for multi in itertools.product(*ranges):
            if sum(multi) == j:
                ways = math.factorial(j) // math.prod(map(math.factorial, multi))
                powers = [x**m for x, m in zip(self.b, multi, strict=True) if m]
                yield multi, ways * math.prod(powers)

    def expectation(self, psi: Polynomial, y: int = 0, zeta: int = 0, z: int | None = None) -> Any:
        """``E[psi(y, zeta) y^. zeta^. z_i]``."""
        import sympy

        extra = tuple(int(i == z) for i in range(len(self.b)))
        terms = (c * self.moment(a + y, j + zeta, extra) for (a, j), c in psi.items())
        return _tidy(sum(terms, sympy.Integer(0)))


@lru_cache(maxsize=1024)
def _target_moment(f: ScalarFunction, a: int, index: Index, degree: int) -> Any:
    """``E[f(z)^a z^index]``."""
    import sympy

    if a == 0:
        odd = any(c % 2 for c in index)
        return sympy.Integer(0 if odd else math.prod(map(_double_factorial, index)))
    power = ScalarFunction.parse(f.expression**a)
    total = sympy.Integer(0)
    for term in itertools.product(*map(_monomial_in_hermite, index)):
        orders = tuple(order for order, _ in term)
        weight = math.prod(coefficient for _, coefficient in term)
        r = power.n_variables  # a power may depend on fewer variables than f
        if any(orders[r:]):
            continue
        try:
            if r == 1:
                mu = _coefficient(power, orders[0], degree)
            else:
                mu = _tensor(power, max(degree, sum(orders)))[orders[:r]]
        except InvalidInputError as error:
            raise InvalidInputError(
                f"target: the scaling level needs moments of its power {a}, of degree {sum(index)} "
                f"in the index, which are not to be had ({error}); use the level resummed, or "
                "fewer spikes (n_spikes)"
            ) from error
        total += weight * mu
    return total


@lru_cache(maxsize=256)
def _tensor(power: ScalarFunction, degree: int) -> dict[Index, Any]:
    """``E[F He_alpha]`` up to a degree; what is lost in its error estimate is 0."""
    import sympy

    expansion = tensor_hermite_expansion(power, degree)
    return {
        alpha: sympy.Integer(0)
        if not mu.value or (mu.error and abs(float(mu.value)) < 10.0 * mu.error)
        else mu.value
        for alpha, mu in expansion.estimates.items()
    }


def _psi(first: _FirstStep, k: int) -> Polynomial:
    """``psi_k = y Phi_k``: multinomial expansion of the bracket of ``Phi_k``."""
    import sympy

    drift = first.mu2 * first.Ey
    # A factor that vanishes allows the power 0 alone.
    labels, slopes, drifts, noises = (
        range(k + 1) if factor else range(1)
        for factor in (first.reused, first.mu1, drift, first.tau2)
    )
    psi: dict[tuple[int, int], Any] = {}
    sizes: dict[tuple[int, int], Any] = {}
    for i, j, n, m in itertools.product(labels, slopes, drifts, noises):
        if i + j + n + m == k and m % 2 == 0:
            ways = math.factorial(k) // math.prod(map(math.factorial, (i, j, n, m)))
            weight = ways * _double_factorial(m) * first.phi[0] ** i * first.mu1**j
            weight *= drift**n * first.tau2 ** (m // 2)
            value = weight * _activation_moment(first.problem.activation, k, i, n, first.highest)
            psi[i + 1, j] = psi.get((i + 1, j), sympy.Integer(0)) + value
            sizes[i + 1, j] = sizes.get((i + 1, j), sympy.Integer(0)) + abs(value)
    settled = {c: _settled(psi[c], sizes[c], first.zero_digits) for c in psi}
    return {c: value for c, value in settled.items() if value}


@lru_cache(maxsize=1024)
def _activation_moment(sigma: ScalarFunction, k: int, i: int, power: int, highest: int) -> Any:
    """``E[sigma^{(k+1)} sigma'^i Z^power]``; for ``i = 0`` in the sense of distributions."""
    import sympy

    total = sympy.Integer(0)
    if i == 0:
        for order, weight in _monomial_in_hermite(power):
            total += weight * _coefficient(sigma, k + 1 + order, 2 * highest + 2)
        return total
    derivative = slope = sigma.derivative_function
    for _ in range(k):
        derivative = derivative.derivative_function
    product = ScalarFunction.parse(derivative.expression * slope.expression**i)
    for order, weight in _monomial_in_hermite(power):
        total += weight * _coefficient(product, order, power)
    return total


# Right: the Gram matrix of section 3


@dataclass(frozen=True, slots=True)
class _RightVectors:
    """Gram matrix of ``beta_1, v_0, .., v_K`` and the target directions, in this order.

    ``w_0 = eta_1 mu_1 beta_1 + eta_2 v_0`` depends on ``N``, the others do not; so the ``v_k`` of
    the spikes found so far are projected off the Gram matrix (`remove`), and ``w_0`` last:

        r_k^2 = <v_k, v_k> - <w_0, v_k>^2 / <w_0, w_0>.
    """

    first: _FirstStep
    gram: list[list[Any]]
    sizes: tuple[Any, ...]
    overlaps: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, first: _FirstStep, polynomials: Sequence[Polynomial]) -> _RightVectors:
        """The Gram matrix of theory.md, section 3, with ``omega`` in place of ``zeta``."""
        import sympy

        r, B = len(first.b), first.B
        K = len(polynomials)
        phi = first.phi[0] if first.reused else first.phi[-1]
        z = [[first.expectation(p, z=i) for i in range(r)] for p in polynomials]
        zeta = [first.expectation(p, zeta=1) for p in polynomials]
        y = [first.expectation(p, y=1) for p in polynomials]
        # m_psi[zeta] = E[omega psi] / s.
        m = [_tidy((zeta[k] - _dot(first.b, z[k])) / first.s2) for k in range(K)]
        size = 1 + K + r
        gram = [[sympy.Integer(0)] * size for _ in range(size)]
        gram[0][0] = B
        for i in range(r):
            gram[0][1 + K + i] = gram[1 + K + i][0] = first.b[i]
            gram[1 + K + i][1 + K + i] = sympy.Integer(1)
        for k in range(K):
            beta1_v = zeta[k] + first.phi[0] * y[k] if first.reused else zeta[k]
            gram[0][1 + k] = gram[1 + k][0] = _tidy(beta1_v)
            for i in range(r):
                gram[1 + k][1 + K + i] = gram[1 + K + i][1 + k] = z[k][i]
            for other in range(k + 1):
                value = phi * _mean_of_product(first, polynomials[k], polynomials[other])
                value += _dot(z[k], z[other]) + first.s2 * m[k] * m[other]
                if first.reused:
                    value += first.phi[0] * (m[k] * y[other] + m[other] * y[k])
                gram[1 + k][1 + other] = gram[1 + other][1 + k] = _tidy(value)
        sizes = tuple(gram[i][i] for i in range(size))
        for i, j in itertools.product(range(size), range(size)):
            scale = _root(sizes[i] * sizes[j])
            gram[i][j] = _settled(gram[i][j], scale, first.zero_digits)
        overlaps = tuple(tuple(gram[1 + k][1 + K :]) for k in range(K))
        return cls(first, gram, sizes, overlaps)

    @property
    def _targets(self) -> range:
        return range(len(self.gram) - len(self.first.b), len(self.gram))

    def remove(self, k: int) -> None:
        """Project everything off ``v_k``; ``w_0`` is kept apart."""
        if k == 0:
            return
        gram, row = self.gram, list(self.gram[1 + k])
        if not row[1 + k]:
            return
        for i in range(len(gram)):
            for j in range(len(gram)):
                if row[i] and row[j]:
                    value = gram[i][j] - row[i] * row[j] / row[1 + k]
                    scale = _root(self.sizes[i] * self.sizes[j])
                    gram[i][j] = _settled(value, scale, self.first.zero_digits)

    def _first(self, eta: Sequence[Any]) -> dict[int, Any]:
        """``w_0`` as coefficients of ``beta_1`` and ``v_0``."""
        mu1 = self.first.mu1
        if len(eta) == 1:
            return {0: eta[0] * mu1}
        if self.first.reused:  # v_0 = mu_1 beta_1
            return {0: (eta[0] + eta[1]) * mu1}
        return {0: eta[0] * mu1, 1: eta[1]}

    def _inner(self, left: Mapping[int, Any], right: Mapping[int, Any]) -> Any:
        import sympy

        terms = (x * y * self.gram[i][j] for i, x in left.items() for j, y in right.items())
        return sum(terms, sympy.Integer(0))

    def first_square(self, eta: Sequence[Any]) -> Any:
        """``|w_0|^2``, before anything is removed."""
        first = self._first(eta)
        return self._inner(first, first)

    def first_overlap(self, eta: Sequence[Any]) -> tuple[Any, ...]:
        """``<w_0, beta_*>``, before anything is removed."""
        return tuple(self._inner(self._first(eta), {i: 1}) for i in self._targets)

    def _residual(self, k: int, other: int) -> dict[tuple[int, int], Any]:
        """``<w, w> <v_k, x> - <w, v_k> <w, x>`` for ``w = sum_i x_i gram_i``, ``i in (0, 1)``.

        A quadratic form in ``x``, by the powers ``(i, j)`` of its terms; ``x`` is what has the
        index `other`.
        """
        gram, sizes = self.gram, self.sizes
        used = (0,) if self.first.reused else (0, 1)
        form: dict[tuple[int, int], Any] = {}
        for i, j in itertools.product(used, used):
            value = gram[i][j] * gram[k][other]
            value -= (gram[i][k] * gram[j][other] + gram[j][k] * gram[i][other]) / 2
            scale = _root(sizes[i] * sizes[j] * sizes[k] * sizes[other])
            form[i, j] = _settled(value, scale, self.first.zero_digits)
        return form

    def component(self, k: int, other: int, eta: Sequence[Any]) -> Any:
        """``<v_k, x>`` with ``w_0`` and what was removed projected off; ``x`` has index `other`."""
        apart = not any(self.gram[i][k] for i in (0, 1))
        if apart or not any(self.gram[i][other] for i in (0, 1)) or not self.first.mu1:
            return self.gram[k][other]
        # Only the direction of w_0 counts, so a common factor of its two terms is left out.
        first = {0: 1} if self.first.reused else {0: self.first.mu1 * eta[0] / eta[1], 1: 1}
        form = self._residual(k, other)
        total = sum(value * first[i] * first[j] for (i, j), value in form.items())
        return total / self._inner(first, first) if total else _zero()

    def distance_sq(self, k: int, eta: Sequence[Any]) -> Any:
        """``r_k^2``, ``k >= 1``."""
        return self.component(1 + k, 1 + k, eta)

    def dots(self, k: int, eta: Sequence[Any]) -> tuple[Any, ...]:
        """Inner products with ``beta_*`` of the part of ``v_k`` that earlier spikes leave."""
        return tuple(self.component(1 + k, i, eta) for i in self._targets)

    def limit_sq(self, k: int, exponents: Sequence[Any], scales: Sequence[Any]) -> Any:
        """``|w_0|^2 / N^{2 max alpha}`` (k = 0) or ``r_k^2``, as ``N -> infinity``."""
        largest = max(exponents)
        c = [s if a == largest else _zero() for s, a in zip(scales, exponents, strict=True)]
        if k == 0:
            return self.first_square(c)
        if not self.first.mu1:
            return self.gram[1 + k][1 + k]
        form = self._residual(1 + k, 1 + k)
        first = self._first(c)
        total = sum(value * first[i] * first[j] for (i, j), value in form.items())
        return total / self._inner(first, first)


def _dot(x: Sequence[Any], y: Sequence[Any]) -> Any:
    return sum(p * q for p, q in zip(x, y, strict=True))


def _mean_of_product(first: _FirstStep, psi: Polynomial, chi: Polynomial) -> Any:
    product: dict[tuple[int, int], Any] = {}
    for (a, j), c in psi.items():
        for (b, i), d in chi.items():
            product[a + b, j + i] = product.get((a + b, j + i), 0) + c * d
    return first.expectation(product)
