"""Level 2, deformed: the finite-width bulk of the trained weights.

At finite width the fluctuating part of the gradients deforms the Marchenko-Pastur bulk of ``W_0``
by ``O(N^{2 alpha - 1})``. Its Gaussian equivalent (see `fluctuations` beside) makes the bulk

    W_bulk = D_base W_0 + (1/n) sum_m D_{l_m} W_0 X^T D_{r_m} X + (1/n) (sqrt(V) o G) X,

summed over the batches, with ``L(a; p) = sum_m l_m(a) r_m(p)`` at a sample ``p``; a Gaussian linear
pencil (theory.md, section 4) in the slots

    r                    (index a)            rows
    u, q_m, lambda_m     (dimension d)        u: right vectors; q_m = n^{-1/2} X^T D_{r_m} v
    v, lambda            (index p)            v = n^{-1/2} X u, for every batch
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.problem import Problem
from rmt.spectra.dyson import (
    GaussianField,
    IndexType,
    Pencil,
    PencilDensity,
    Term,
    density,
)
from rmt.spectra.laws.law import SpectralLaw
from rmt.spikes.deformed.above import AboveEdge
from rmt.spikes.deformed.edge import Edge, next_edge, upper_edge, with_mass_above
from rmt.spikes.deformed.equation import BatchTerms, Equation
from rmt.spikes.deformed.fluctuations import Fluctuations, fluctuations
from rmt.spikes.deformed.law import DeformedLaw
from rmt.spikes.deformed.rare import cut_factors, exceeded_by
from rmt.spikes.readout_rule import law_of_readout, readout_rule

__all__ = ["DeformedBulk", "Separated", "bulk_on", "deformed_bulk", "settled_bulk"]


RESOLUTION = 1.0  # of the walk
_READOUT_NODES = 24
_TRUNCATION = 1e-3  # of L, against the unit coefficient of W_0, or its own size if that is more
_SHARP, _SOFT = 1e-3, 3e-3  # relative: an edge that moves by less, or more, with the rarest nodes
_MOST_CUT = 6.0  # octaves
_FAR_INSIDE = 0.9  # of the Marchenko-Pastur edge: more than half a singular value is beyond
_MAX_CUTS = 30


@dataclass(frozen=True, eq=False)
class DeformedBulk:
    """The limiting bulk of ``W`` after the steps.

    Attributes
    ----------
    readout_nodes, readout_weights : array, shape (Q,)
        Nodes of the law of ``g``.
    fluctuations : Fluctuations
        Before the rarest neurons and samples are cut off.
    equation : Equation
        The Dyson equation, with ``L = sum_m l_m r_m`` and ``V`` of every batch cut.
    deformation : float
        What the fluctuations add to the squared norms of rows, relative, at most: the size of the
        bulk's distance from Marchenko-Pastur.
    """

    readout_nodes: Array
    readout_weights: Array
    fluctuations: Fluctuations
    equation: Equation
    deformation: float

    @cached_property
    def pencil(self) -> Pencil:
        """The same as a pencil: slot ``"u"`` holds ``(W^T W - z)^{-1}``, slot ``"r"`` holds
        ``z (W W^T - z)^{-1}``; its Dyson equation is solved independently of `equation`."""
        return _pencil(self.readout_nodes, self.equation)

    @cached_property
    def edge(self) -> Edge:
        """The upper edge, in ``z``."""
        return upper_edge(self.equation)

    @cached_property
    def above(self) -> AboveEdge:
        """Solutions above the edge."""
        return AboveEdge(self.equation, self.edge)

    @cached_property
    def law(self) -> DeformedLaw:
        """The law of the eigenvalues of ``W^T W``; nothing is computed yet but the upper edge."""
        return DeformedLaw(self.equation, self.edge)

    def upper_edge(self) -> float:
        """Upper edge of the singular values of ``W``."""
        return math.sqrt(self.edge.z)

    def singular_values(self) -> SpectralLaw:
        """The law of the ``min(N, d)`` singular values of ``W``; nothing is computed yet."""
        if self.equation.aspect_ratio < 1.0:  # the d - N zeros of W^T W that W W^T has not
            return self.law.without_atoms().singular_values()
        return self.law.singular_values()

    def density(self, x: ArrayLike, throw: bool = True) -> PencilDensity:
        """Density of the eigenvalues of ``W^T W`` to rounding, from the pencil, without an atom.

        The density of `law` is known to about 1e-5 of the mass, everywhere and much faster.
        """
        return density(self.pencil, "u", x, throw=throw)

    def __str__(self) -> str:
        ranks = ", ".join(str(len(batch.right)) for batch in self.equation.batches)
        return f"DeformedBulk: {self.readout_nodes.size} readout nodes, ranks of L: {ranks}"


def deformed_bulk(problem: Problem, resolution: float = 1.0, linked: bool = False) -> DeformedBulk:
    """Bulk of the singular values after the steps, at finite width.

    Fluctuations of the rarest neurons and samples are cut off: see `rmt.spikes.deformed.rare`.

    Parameters
    ----------
    problem : Problem
    resolution : float
        Multiplies the number of quadrature nodes of every variable.
    linked : bool
        Whether steps act on the fluctuations of those before.

    Notes
    -----
    theory.md, section 4.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem(
    ...     "tanh(z + 7/10)", "sin(2*z)", 1000, 1000, 2000, Step(4, 0.3), readout="rademacher"
    ... )
    >>> bulk = deformed_bulk(problem)
    >>> bulk.density([1.0]).value.round(4).tolist(), round(bulk.upper_edge(), 3)
    ([0.2731], 2.029)
    """
    order = 2 * max(1, round(resolution * _READOUT_NODES / 2))
    kinked = bool(problem.activation.kinks)
    g, w = readout_rule(problem.readout, order, 1.0, kinked)
    if resolution == 1.0:
        found = fluctuations(problem, g, w, RESOLUTION, linked)
        return settled_bulk(problem, Separated(problem, g, w, found))[0]
    return bulk_on(problem, g, w, resolution, linked=linked)


def bulk_on(
    problem: Problem,
    g: Array,
    w: Array,
    resolution: float,
    exceeding: float = 1.0,
    linked: bool = False,
) -> DeformedBulk:
    """The bulk on given nodes of the readout; ``exceeding`` is that of `Separated.cut`."""
    found = fluctuations(problem, g, w, RESOLUTION * resolution, linked)
    return Separated(problem, g, w, found, truncation=_TRUNCATION * resolution**-4).cut(exceeding)


def settled_bulk(problem: Problem, separated: Separated) -> tuple[DeformedBulk, float]:
    """The bulk with a tail in which less than half a singular value is expected cut off.

    Returns
    -------
    bulk : DeformedBulk
    exceeding : float
        That of `Separated.cut`. It is 1 where the edge hardly depends on it, and otherwise such
        that the edge is where half a singular value of the law cut at 1 is expected beyond; in
        between where the edge depends on it a little.
    """
    whole = separated.cut(1.0)
    edge = whole.upper_edge()
    bulk = separated.cut(2.0, whole.edge)
    moved = 1.0 - bulk.upper_edge() / edge
    if moved <= _SHARP:
        return whole, 1.0
    lowest = _FAR_INSIDE * (1.0 + math.sqrt(problem.aspect_ratio))
    half = with_mass_above(whole.equation, whole.edge, lowest, 0.5 / problem.dim)
    target = edge - min(1.0, (moved - _SHARP) / (_SOFT - _SHARP)) * (edge - half)
    # The edge falls about evenly with the octaves of the number.
    octaves, low, over = 1.0, 0.0, edge - target
    high, under = math.inf, 0.0
    for _ in range(_MAX_CUTS):
        gap = bulk.upper_edge() - target
        if abs(gap) <= _SHARP * target or (octaves == _MOST_CUT and gap > 0):
            break
        if gap > 0:
            step = (octaves - low) * gap / (over - gap) if over > gap else math.inf
            low, over = octaves, gap
            octaves = min(octaves + min(max(step, 0.25), 2.0), _MOST_CUT)
        else:
            high, under = octaves, gap
        if high < math.inf:
            octaves = low + min(max(over / (over - under), 0.1), 0.9) * (high - low)
        bulk = separated.cut(2.0**octaves, bulk.edge)
    return bulk, 2.0**octaves


class Separated:
    """Fluctuations as ``L = sum_m l_m(a) r_m(y, zeta)`` and ``V``, of which bulks are cut.

    Parameters
    ----------
    problem : Problem
    g, w : array, shape (Q,)
        Nodes and weights of the readout.
    found : Fluctuations
        The problem's `fluctuations` there.
    truncation : float
        Of ``L``, cut so that one neuron and one sample are beyond, against 1, the coefficient of
        ``W_0``, or against its largest term where that is larger.
    left : sequence of array, shape (M, Q), optional
        ``l_m`` of every batch, onto which ``L`` is projected: then the bulk has the unknowns of
        that from which they come.
    """

    def __init__(
        self,
        problem: Problem,
        g: Array,
        w: Array,
        found: Fluctuations,
        truncation: float = _TRUNCATION,
        left: Sequence[Array] | None = None,
    ) -> None:
        self._problem, self._g, self._w, self.fluctuations = problem, g, w, found
        # Rare neurons are looked for in the law of the readout itself: its nodes are few.
        values, self._law = law_of_readout(problem.readout)
        self._values = np.clip(values, g.min(), g.max())
        self._terms: list[tuple[Array, Array]] = []
        for number, batch in enumerate(found.batches):
            rows, columns = (np.sqrt(one) for one in self._factors(number, 1.0))
            values = rows[:, None] * batch.linear * columns
            if left is None:
                l_m, r_m = _decomposed(values, w, batch.weights, truncation)
                l_m = l_m / rows
            else:
                l_m = left[number]
                root = np.sqrt(w)
                basis = (l_m * rows * root).T
                r_m = np.asarray(np.linalg.lstsq(basis, values * root[:, None], rcond=None)[0])
            self._terms.append((l_m, r_m / columns))

    @property
    def left(self) -> list[Array]:
        """``l_m`` of every batch, before the cut."""
        return [one for one, _ in self._terms]

    def _factors(self, number: int, exceeding: float) -> tuple[Array, Array]:
        """Of ``L^2 + V`` on rows and on samples, shapes (Q,) and (P,), that cut off the rare.

        First ``E_g[L^2 + V]`` of a sample is cut off, then that of a neuron over the samples.
        """
        batch, problem = self.fluctuations.batches[number], self._problem
        size = batch.linear**2 + batch.variance
        of_samples = self._w @ size
        most = exceeded_by(exceeding / problem.samples[number], of_samples, batch.weights)
        columns = cut_factors(of_samples, most)
        of_rows = size @ (batch.weights * columns)
        finely = (
            scipy.interpolate.PchipInterpolator(self._g, of_rows)(self._values)
            if of_rows.size > 1
            else of_rows
        )
        most = exceeded_by(exceeding / problem.width, finely, self._law[: finely.size])
        return cut_factors(of_rows, most), columns

    def cut(self, exceeding: float = 1.0, near: Edge | None = None) -> DeformedBulk:
        """The bulk without the rarest neurons and samples.

        Parameters
        ----------
        exceeding : float
            How many neurons, and how many samples, are expected beyond the size they are cut to.
        near : Edge, optional
            Of a bulk in the same unknowns, which is near.
        """
        terms, deformation = [], 0.0
        for number, (batch, (left, right)) in enumerate(
            zip(self.fluctuations.batches, self._terms, strict=True)
        ):
            rows, columns = self._factors(number, exceeding)
            variance = rows[:, None] * batch.variance * columns
            linear = rows * (batch.linear**2 @ (batch.weights * columns))
            size = 2.0 * np.sqrt(linear)
            size += batch.sample_ratio * (linear + variance @ batch.weights)
            deformation += float(np.max(size))
            left, right = left * np.sqrt(rows), right * np.sqrt(columns)
            terms.append(BatchTerms(batch.weights, left, right, variance, batch.sample_ratio))
        base = self.fluctuations.base
        deformation += 2.0 * float(np.max(np.abs(base - 1.0)))
        equation = Equation(self._problem.aspect_ratio, self._w, terms, base)
        bulk = DeformedBulk(self._g, self._w, self.fluctuations, equation, deformation)
        if near is not None:
            vars(bulk)["edge"] = next_edge(equation, near)
        return bulk

    def interpolated(self, g: Array, w: Array, matrix: Array) -> Separated:
        """On other nodes of the readout: ``matrix`` takes functions of the nodes there."""
        found = self.fluctuations.interpolated(matrix)
        left = [one @ matrix.T for one in self.left]
        return Separated(self._problem, g, w, found, left=left)


def _decomposed(values: Array, w: Array, weights: Array, truncation: float) -> tuple[Array, Array]:
    """``values[q, p] = sum_m left[m, q] right[m, p]``, truncated in the weighted norm."""
    rows, columns = np.sqrt(w), np.sqrt(weights)
    u, s, vt = np.linalg.svd(rows[:, None] * values * columns, full_matrices=False)
    rank = int(np.sum(s > truncation * max(1.0, float(s[0]))))
    root = np.sqrt(s[:rank, None])
    return u[:, :rank].T * root / rows, vt[:rank] * root / columns


def _pencil(g: Array, equation: Equation) -> Pencil:
    types = [IndexType("N", equation.aspect_ratio, ["r"], g, equation.weights)]
    slots, fields = ["u"], []
    constant: dict[tuple[str, str], float] = {("r", "r"): -1.0}
    weights_terms = [Term("r", "u", equation.base)]
    for number, batch in enumerate(equation.batches, start=1):
        name, v, multiplier = f"n{number}", f"v{number}", f"lambda{number}"
        nodes = np.arange(batch.weights.size)
        types.append(
            IndexType(name, 1.0 / batch.sample_ratio, [v, multiplier], nodes, batch.weights)
        )
        constant[v, multiplier] = 1.0
        data_terms = [Term(multiplier, "u", -1.0)]
        for m, (l_m, r_m) in enumerate(zip(batch.left, batch.right, strict=True), start=1):
            q, dual = f"q{number}_{m}", f"lambda{number}_{m}"
            slots += [q, dual]
            constant[q, dual] = 1.0
            weights_terms.append(Term("r", q, l_m))
            data_terms.append(Term(v, dual, -r_m))
        fields.append(GaussianField(data_terms, reference=name))
        if np.any(batch.variance > 0):
            fields.append(GaussianField(Term("r", v), reference=name, variance=batch.variance))
    types.append(IndexType("d", 1.0, slots))
    fields.append(GaussianField(weights_terms, reference="d"))
    return Pencil(types, fields, constant, {("u", "u"): -1.0})
