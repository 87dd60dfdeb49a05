"""The order in which the directions of a multi-index target are learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.budget import MAX_SECONDS
from rmt.display import Part, Shown, Table
from rmt.functions.scalar_function import FunctionLike, ScalarFunction
from rmt.hermite.exponents.seen_labels import function_or_labels
from rmt.hermite.exponents.staircase_proof import StaircaseProof
from rmt.hermite.tensor import MAX_DEGREE, tensor_hermite_expansion
from rmt.status import InvalidInputError

__all__ = ["Staircase", "StaircaseStep", "staircase"]


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

    Examples
    --------
    >>> from rmt import staircase
    >>> first, second = staircase("z1 + z1*z2*z3").steps
    >>> second.degree, second.directions.tolist()
    (2, [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    """

    degree: int
    directions: Array


@dataclass(frozen=True, slots=True, eq=False)
class Staircase(Shown):
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

    Examples
    --------
    >>> from rmt import staircase
    >>> found = staircase("z1 + z1*z2 + z3", 4)
    >>> found.leap, len(found.steps), found.unlearned.shape
    (1, 3, (3, 0))
    """

    function: ScalarFunction
    leap: int | None
    steps: tuple[StaircaseStep, ...]
    unlearned: Array
    tolerance: float
    margin: float
    is_proved: bool
    searched: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers and texts; every direction is a list of its ``r`` components.

        An infinite margin (nothing is learned) is None.

        Examples
        --------
        >>> staircase("z1*z2", 2).to_dict()["steps"]
        [{'degree': 2, 'directions': [[1.0, 0.0], [0.0, 1.0]]}]
        """
        return {
            "function": self.function.text,
            "leap": self.leap,
            "steps": [
                {"degree": step.degree, "directions": step.directions.T.tolist()}
                for step in self.steps
            ],
            "unlearned": self.unlearned.T.tolist(),
            "tolerance": self.tolerance,
            "margin": self.margin if math.isfinite(self.margin) else None,
            "is_proved": self.is_proved,
            "searched": self.searched,
        }

    def _parts(self) -> list[Part]:
        leap = "nothing is learned" if self.leap is None else f"leap {self.leap}"
        lines: list[Part] = [f"Staircase of {self.function.short}: {leap}"]
        rows = [
            [str(i + 1), str(step.degree), _columns_text(step.directions)]
            for i, step in enumerate(self.steps)
        ]
        if rows:
            lines.append(Table("rrl", ["step", "degree", "directions"], rows))
        if self.unlearned.size:
            lines.append(f"not learned: {_columns_text(self.unlearned)}")
        zeros = "proved" if self.is_proved else f"to {self.tolerance:.0e}, not proved"
        lines.append(f"searched up to degree {self.searched}; zeros {zeros}")
        if self.margin < _CLEAR_MARGIN:
            lines.append(f"not clear: a contraction is only {self.margin:.2g} times the tolerance")
        return lines


def _columns_text(columns: Array) -> str:
    return ", ".join("(" + ", ".join(f"{x:.4g}" for x in v + 0.0) + ")" for v in columns.T)


def staircase(
    function: FunctionLike | Any,
    degree: int = 6,
    *,
    loss: Any = "squared",
    noise_std: float = 0.0,
    max_seconds: float | None = MAX_SECONDS,
) -> Staircase:
    r"""Leap, and the order in which gradient descent on fresh samples learns the directions of `f`.

    Let ``V`` be the learned subspace, at first ``{0}``, and ``T_k = E[f(z) He_k(z)]`` the
    coefficient tensors. At each stage the degree ``l`` is the least ``l >= 1`` for which

    .. math::
       T_k\big[P_V^{(k - l)},\, P_\perp^{(l)}\big] \ne 0 \quad
       \text{for some } k \le \text{degree};

    the directions learned are the span of all these contractions in the orthogonal complement,
    and they join ``V``. It ends when ``V`` is everything or when all contractions vanish. The leap
    is the largest ``l``; for one variable it is the information exponent. No choice of axes enters.

    With a loss or a law of labels it is that of ``E[y_1 | z]``, ``y_1 = rho(0, y)``, which is what
    the first step sees (docs/losses.md, effective labels; `information_exponent`).

    Parameters
    ----------
    function : str, sympy.Expr or ScalarFunction, or the law of labels
        Of one to three variables.
    degree : int
        1 .. 12. A direction that only shows in coefficients of higher degree is left unlearned.
    loss, noise_std
        As for `information_exponent`.
    max_seconds : float or None
        Limit of time, in seconds of this thread's processor time; None for no limit.

    Returns
    -------
    Staircase

    Raises
    ------
    InvalidInputError
        The degree is out of range, or ``f`` is not real and square-integrable, or ``E[y_1 | z]``
        has no symbolic form: noise with a residual that is no piecewise polynomial of the label.
    ConvergenceError
        A numerical integral is not finite, or time ran out.

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
    >>> import rmt
    >>> staircase(rmt.Bernoulli("(1 + sin(z1 + z2)/2)/2"), loss="logistic").leap
    1
    """
    seen = function_or_labels(function, loss, noise_std)
    f = seen if isinstance(seen, ScalarFunction) else seen.mean
    if isinstance(degree, bool) or not isinstance(degree, (int, np.integer)):
        raise InvalidInputError(f"degree: expected an integer, got {degree!r}")
    if not 1 <= degree <= MAX_DEGREE:
        raise InvalidInputError(f"degree: expected 1 .. {MAX_DEGREE}, got {degree}")
    expansion = tensor_hermite_expansion(f, int(degree), max_seconds=max_seconds)
    r = f.n_variables
    scaled = [expansion.tensor(k) / math.sqrt(math.factorial(k)) for k in range(degree + 1)]
    size = math.hypot(*(float(np.linalg.norm(t)) for t in scaled))
    noise = math.hypot(*expansion.errors.values())
    # A subspace that is off by an angle makes every later contraction off by about degree * angle.
    base, angle, margin = max(_ROUNDING * size, _NOISE_FACTOR * noise), 0.0, math.inf
    proof: StaircaseProof | None = StaircaseProof(expansion)
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
