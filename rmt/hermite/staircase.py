"""The order in which the directions of a multi-index target are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.hermite.tensor import (
    MAX_DEGREE,
    Estimate,
    Index,
    OrthogonalFrame,
    TensorHermiteExpansion,
    settled,
    tensor_hermite_expansion,
    transformed,
)
from rmt.status import InvalidInputError

__all__ = ["Staircase", "StaircaseStep", "staircase"]

Array = NDArray[np.float64]

_ROUNDING = 1e-12  # of the size of the function
_NOISE_FACTOR = 10.0  # coefficients below this many times their error count as zero
_CLEAR_MARGIN = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class StaircaseStep:
    """Directions that are learned together.

    Attributes
    ----------
    degree : int
        The leap: how many unlearned directions the terms that give them away hold.
    directions : array, shape (r, m)
        Orthonormal columns; coordinate axes where the subspace has them.
    """

    degree: int
    directions: Array


@dataclass(frozen=True, slots=True, eq=False)
class Staircase:
    """Leap, and order of learning, of a target ``f(z_1, .., z_r)``. Made by :func:`staircase`.

    Attributes
    ----------
    function : ScalarFunction
    leap : int or None
        The largest degree of a step; None when nothing is learned.
    steps : tuple of StaircaseStep
        In the order of learning.
    unlearned : array, shape (r, q)
        Orthonormal basis of the directions that no coefficient up to degree `searched` depends on.
    tolerance : float
        Contractions below this, relative to the norm of the part of `f` up to degree `searched`,
        counted as zero. It follows from the errors of the coefficients.
    margin : float
        The smallest contraction that counted as non-zero over the largest that would have counted
        as zero; below 100 the decision is not clear. Infinite when there is no step.
    is_proved : bool
        Whether everything that counted as zero is an exact zero.
    searched : int
        Highest degree of the coefficients that were looked at.
    """

    function: ScalarFunction
    leap: int | None
    steps: tuple[StaircaseStep, ...]
    unlearned: Array
    tolerance: float
    margin: float
    is_proved: bool
    searched: int

    def __str__(self) -> str:
        leap = "nothing is learned" if self.leap is None else f"leap {self.leap}"
        lines = [f"Staircase of {self.function.text}: {leap}"]
        if self.steps:
            lines.append("step  degree  directions")
        for i, step in enumerate(self.steps):
            lines.append(f"{i + 1:>4}  {step.degree:>6}  {_columns_text(step.directions)}")
        if self.unlearned.size:
            lines.append(f"not learned: {_columns_text(self.unlearned)}")
        zeros = "proved" if self.is_proved else f"to {self.tolerance:.0e}, not proved"
        lines.append(f"searched up to degree {self.searched}; zeros {zeros}")
        if self.margin < _CLEAR_MARGIN:
            lines.append(f"not clear: a contraction is only {self.margin:.2g} times the tolerance")
        return "\n".join(lines)


def _columns_text(columns: Array) -> str:
    return ", ".join("(" + ", ".join(f"{x:.4g}" for x in v + 0.0) + ")" for v in columns.T)


def staircase(function: FunctionLike, degree: int = 6) -> Staircase:
    """Leap, and the order in which gradient descent on fresh samples learns the directions of `f`.

    Let ``V`` be the learned subspace, at first ``{0}``, and ``T_k = E[f(z) He_k(z)]`` the
    coefficient tensors. At each stage the degree ``l`` is the least ``l >= 1`` for which

        T_k [ P_V^{(k - l)}, P_perp^{(l)} ]  !=  0   for some k <= degree;

    the directions learned are the span of all these contractions in the orthogonal complement,
    and they join ``V``. It ends when ``V`` is everything or when all contractions vanish. The leap
    is the largest ``l``; for one variable it is the information exponent. No choice of axes enters.

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction
        Of one to three variables.
    degree : int
        1 .. 12. A direction that only shows in coefficients of higher degree is left unlearned.

    Returns
    -------
    Staircase

    Raises
    ------
    InvalidInputError
        The degree is out of range, or ``f`` is not real and square-integrable.

    References
    ----------
    Leap complexity: Abbe, Boix-Adsera, Misiakiewicz, arXiv:2302.11055. Subspaces in place of axes:
    Bietti, Bruna, Pillaud-Vivien, arXiv:2310.19793; Dandi et al., arXiv:2402.03220.

    Examples
    --------
    >>> print(staircase("z1 + z1*z2*z3"))
    Staircase of z1*z2*z3 + z1: leap 2
    step  degree  directions
       1       1  (1, 0, 0)
       2       2  (0, 1, 0), (0, 0, 1)
    searched up to degree 6; zeros proved
    """
    f = ScalarFunction.parse(function)
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)):
        raise InvalidInputError(f"degree: expected an integer, got {degree!r}")
    if not 1 <= degree <= MAX_DEGREE:
        raise InvalidInputError(f"degree: expected 1 .. {MAX_DEGREE}, got {degree}")
    expansion = tensor_hermite_expansion(f, int(degree))
    r = f.n_variables
    scaled = [expansion.tensor(k) / math.sqrt(math.factorial(k)) for k in range(degree + 1)]
    size = math.hypot(*(float(np.linalg.norm(t)) for t in scaled))
    noise = math.hypot(
        *(
            float(np.linalg.norm(expansion.tensor_errors(k))) / math.sqrt(math.factorial(k))
            for k in range(degree + 1)
        )
    )
    # A subspace that is off by an angle makes every later contraction off by about degree * angle.
    base, angle, margin = max(_ROUNDING * size, _NOISE_FACTOR * noise), 0.0, math.inf
    proof: _Proof | None = _Proof(expansion)
    basis, n_learned = np.eye(r), 0
    steps: list[StaircaseStep] = []
    while n_learned < r:
        threshold = base + degree * angle * size
        found = _next_step(scaled, basis, n_learned, threshold)
        if found is None:
            proof = proof.nothing_left() if proof else None
            break
        order, left, strengths = found
        count = int(np.sum(strengths > threshold))
        proof = proof.learned(order, count) if proof else None
        margin = min(margin, float(strengths[count - 1] / threshold))
        complement = basis[:, n_learned:]
        if count < r - n_learned:
            angle += threshold / float(strengths[count - 1])
        exact = proof.newest if proof else None
        directions = _canonical(complement @ left[:, :count] if exact is None else exact)
        steps.append(StaircaseStep(order, directions))
        learned = np.column_stack([basis[:, :n_learned], directions])
        n_learned += count
        basis = np.column_stack([learned, _complement(learned)])
    return Staircase(
        function=f,
        leap=max((step.degree for step in steps), default=None),
        steps=tuple(steps),
        unlearned=_canonical(basis[:, n_learned:]),
        tolerance=(base + degree * angle * size) / size if size else 0.0,
        margin=margin,
        is_proved=proof is not None,
        searched=int(degree),
    )


def _next_step(
    tensors: Sequence[Array], basis: Array, n_learned: int, threshold: float
) -> tuple[int, Array, Array] | None:
    """Least degree whose contractions do not vanish, and the left SVD of their unfolding."""
    rotated = []
    for tensor in tensors:
        for _ in range(tensor.ndim):  # each pass rotates the first axis and moves it to the end
            tensor = np.tensordot(tensor, basis, axes=([0], [0]))
        rotated.append(tensor)
    for order in range(1, len(tensors)):
        unfolding = np.concatenate(
            [
                _unfolded(rotated[k], k - order, n_learned) * math.sqrt(math.comb(k, order))
                for k in range(order, len(tensors))
            ],
            axis=1,
        )
        left, strengths, _ = np.linalg.svd(unfolding, full_matrices=False)
        if strengths[0] > threshold:
            return order, left, strengths
    return None


def _unfolded(tensor: Array, n_inside: int, n_learned: int) -> Array:
    """Contractions with `n_inside` learned vectors: last complement index against the others."""
    inside, outside = slice(None, n_learned), slice(n_learned, None)
    block = tensor[(inside,) * n_inside + (outside,) * (tensor.ndim - n_inside)]
    return np.moveaxis(block, -1, 0).reshape(block.shape[-1], -1)


def _canonical(vectors: Array) -> Array:
    """A basis of the span that depends on the span alone: reduced echelon form, orthonormalised."""
    rows = np.array(vectors.T, dtype=float)
    lead = 0
    for column in range(vectors.shape[0]):
        if lead == len(rows):
            break
        pivot = lead + int(np.argmax(np.abs(rows[lead:, column])))
        if abs(rows[pivot, column]) < 1e-7:
            continue
        rows[[lead, pivot]] = rows[[pivot, lead]]
        rows[lead] /= rows[lead, column]
        others = np.arange(len(rows)) != lead
        rows[others] -= np.outer(rows[others, column], rows[lead])
        lead += 1
    rows[np.abs(rows) < 1e-12] = 0.0
    result = np.zeros_like(rows)
    for i, row in enumerate(rows):
        residual = row - result[:i].T @ (result[:i] @ row)
        residual = residual - result[:i].T @ (result[:i] @ residual)
        residual[np.abs(residual) < 1e-14] = 0.0
        result[i] = residual / np.linalg.norm(residual)
    return np.asarray(result.T)


def _complement(columns: Array) -> Array:
    r, n = columns.shape
    left, _, _ = np.linalg.svd(columns)
    return _canonical(left[:, n:]) if n < r else np.zeros((r, 0))


class _Proof:
    """The same steps in exact numbers, as long as every zero is an exact one.

    ``F(t) = E[f(z + t)]`` is rewritten in coordinates of the learned subspace and of its complement
    (orthogonal vectors with exact components); what must vanish are coefficients of monomials.
    Where no zero has to be shown nothing is computed. The proof is given up where the coordinates
    are not algebraic numbers: zeros are then out of reach.
    """

    def __init__(
        self,
        expansion: TensorHermiteExpansion,
        learned: Sequence[Sequence[Any]] = (),
        newest: Array | None = None,
    ) -> None:
        self._expansion = expansion
        self._learned = list(learned)
        self.newest = newest

    @cached_property
    def _basis(self) -> list[tuple[Any, ...]]:
        """Orthogonal vectors: first of the learned subspace, then of its complement."""
        frame = OrthogonalFrame()
        axes = np.eye(self._expansion.n_variables, dtype=int).tolist()
        for vector in [*self._learned, *axes]:
            frame.add([_number(x) for x in vector])
        return frame.vectors

    @cached_property
    def _table(self) -> dict[Index, Estimate]:
        """Coefficients of `F` in the new coordinates; those that are missing are exactly zero."""
        mu, errors = self._expansion.probabilists, self._expansion.errors
        present = ((a, Estimate(mu[a], errors[a])) for a in mu if mu[a] != 0 or errors[a])
        rows = [[vector[i] for vector in self._basis] for i in range(len(self._basis))]
        return transformed(present, rows, self._expansion.degree)

    def _vanishes_below(self, order: int) -> bool:
        """Whether no monomial holds 1 .. order - 1 coordinates of the complement."""
        if not self._is_algebraic():
            return False
        numbers = [x for alpha, x in self._table.items() if 0 < self._outside(alpha) < order]
        return all(_is_exact_zero(x) for x in sorted(numbers, key=lambda x: x.error, reverse=True))

    def _outside(self, alpha: Index) -> int:
        return sum(alpha[len(self._learned) :])

    def nothing_left(self) -> _Proof | None:
        """This proof, if no monomial at all holds coordinates of the complement."""
        return self if self._vanishes_below(self._expansion.degree + 1) else None

    def learned(self, order: int, count: int) -> _Proof | None:
        """The proof after a step, if what counted as zero is; None where that is not shown."""
        v, r = len(self._learned), self._expansion.n_variables
        if order > 1 and not self._vanishes_below(order):
            return None
        if count == r - v:
            return _Proof(self._expansion, np.eye(r, dtype=int).tolist())
        if not self._is_algebraic():
            return None
        columns = self._gradients(order)
        new = self._span(columns, count)
        if new is None:
            return None
        grown = _Proof(
            self._expansion,
            [*self._learned, *new],
            np.array([[float(x) for x in vector] for vector in new]).T,
        )
        if len(columns) > count:
            if not grown._is_algebraic():
                return None
            for normal in grown._basis[v + count :]:
                if not all(_is_exact_zero(_dot(normal, column)) for column in columns):
                    return None
        return grown

    def _is_algebraic(self) -> bool:
        return all(_number(x).is_algebraic is True for vector in self._learned for x in vector)

    def _gradients(self, order: int) -> list[list[Estimate]]:
        """The contractions of one degree as vectors of R^r, one for each remaining monomial."""
        v, r = len(self._learned), self._expansion.n_variables
        columns: dict[Index, list[Estimate]] = {}
        for alpha, number in self._table.items():
            if self._outside(alpha) != order:
                continue
            for j in range(v, r):
                if alpha[j]:
                    rest = (*alpha[:j], alpha[j] - 1, *alpha[j + 1 :])
                    column = columns.setdefault(rest, [Estimate(_number(0))] * r)
                    # dF/dq_j = p_j . grad F, and the p_j are orthogonal.
                    c = self._basis[j]
                    square = sum(x * x for x in c)
                    for i in range(r):
                        part = _scaled(number, c[i] / square)
                        column[i] = _sum(column[i], part)
        return list(columns.values())

    def _span(self, columns: list[list[Estimate]], count: int) -> list[list[Any]] | None:
        """Exact vectors among these directions that span them, as far as doubles can tell."""
        numbers = np.array([[float(x) for x in column] for column in columns]).T
        size = np.linalg.norm(numbers, axis=0)
        chosen: list[list[Any]] = []
        residual = numbers.copy()
        for _ in range(count):
            best = int(np.argmax(np.linalg.norm(residual, axis=0)))
            vector = _exact_direction(columns[best])
            if vector is None or not size[best]:
                return None
            chosen.append(vector)
            q, _ = np.linalg.qr(np.array([[float(x) for x in c] for c in chosen]).T)
            residual = numbers - q @ (q.T @ numbers)
        return chosen


def _number(value: Any) -> Any:
    import sympy

    return sympy.sympify(value)


def _exact_direction(column: Sequence[Estimate]) -> list[Any] | None:
    """The direction of a vector, if it is exact: a coordinate axis always is."""
    import sympy

    present = [i for i, x in enumerate(column) if not _is_exact_zero(x)]
    if len(present) == 1:
        return [sympy.Integer(i == present[0]) for i in range(len(column))]
    if any(x.error for x in column):
        return None
    largest = max((x.value for x in column), key=lambda value: abs(float(value)))
    return [sympy.radsimp(sympy.expand(x.value / largest)) for x in column]


def _scaled(number: Estimate, factor: Any) -> Estimate:
    if factor == 0:
        return Estimate(_number(0))
    if not number.error:
        return Estimate(number.value * factor)
    return Estimate(float(number) * float(factor), number.error * abs(float(factor)))


def _sum(a: Estimate, b: Estimate) -> Estimate:
    if not a.error and not b.error:
        return Estimate(a.value + b.value)
    return Estimate(float(a) + float(b), a.error + b.error)


def _dot(normal: Sequence[Any], column: Sequence[Estimate]) -> Estimate:
    total = Estimate(_number(0))
    for x, y in zip(normal, column, strict=True):
        total = _sum(total, _scaled(y, x))
    return total


def _is_exact_zero(number: Estimate) -> bool:
    final = settled(number)
    return not final.error and bool(final.value == 0)
