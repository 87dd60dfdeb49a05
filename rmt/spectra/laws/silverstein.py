"""The generalised Marchenko-Pastur law of a sample covariance matrix."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import positive_number
from rmt.arrays import Array, ComplexArray, Indices
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.spectra.laws.population import Population, PopulationLike
from rmt.spectra.laws.silverstein_equation import (
    Edges,
    find_edges,
    solve_above,
    solve_inside,
    solve_off_axis,
)
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["GeneralisedMarchenkoPastur"]


FIRST_NODES, LAST_NODES = 32, 512
CONTINUOUS_TOLERANCE = 1e-11


class GeneralisedMarchenkoPastur(SpectralLaw):
    r"""Eigenvalues of ``S = X^T X / n``, the rows of ``X`` (``n x p``) of covariance ``Sigma``.

    With ``c = p / n`` and the population law ``H`` of the eigenvalues of ``Sigma``, the companion
    transform ``v(z)`` (Stieltjes transform of the ``n x n`` matrix ``X X^T / n``) solves

    .. math::
       z = -\frac{1}{v} + c \int \frac{t}{1 + t v}\, dH(t), \qquad
       m = \frac{1}{c} \left(v + \frac{1 - c}{z}\right).

    Parameters
    ----------
    population : Population, SpectralLaw or array_like
        ``H``; an array holds eigenvalues, of equal weight unless weights are given.
    ratio : float
        ``c = p / n > 0``.
    weights : array_like, optional
        Of the eigenvalues of an array, of sum 1.

    Raises
    ------
    InvalidInputError
        Values that are negative or nan, weights that do not add up to 1, a ratio that is not
        positive.
    ConvergenceError
        From `pdf` and what builds on it, should a point not be solved.

    Notes
    -----
    Silverstein & Bai 1995, Silverstein & Choi 1995; docs/theory.md, section 5. There is an atom at
    zero of mass ``max(H({0}), 1 - 1/c)``. The equation is solved on the real axis itself, in the
    square root coordinate of the nearer edge; a continuous population is replaced by a Gauss rule
    that is refined until the law no longer changes.

    Examples
    --------
    >>> law = GeneralisedMarchenkoPastur([1.0, 8.0], ratio=0.5)
    >>> [(round(a, 7), round(b, 7)) for a, b in law.edges]
    [(0.1282376, 1.7648919), (2.3341475, 18.272723)]
    >>> round(law.mean(), 12), round(float(law.cdf(2.0)), 12)
    (4.5, 0.5)
    >>> GeneralisedMarchenkoPastur([1, 3], ratio=0.5, weights=[0.9, 0.1])
    GeneralisedMarchenkoPastur(0.9 at 1, 0.1 at 3; ratio=0.5)
    """

    def __init__(
        self, population: PopulationLike, ratio: float, weights: ArrayLike | None = None
    ) -> None:
        self.ratio = positive_number("ratio", ratio)
        self.population = Population.make(population, weights)
        if self.population.refine is not None:
            self.population = _resolved(self.population, self.ratio)
            self._relative_error = CONTINUOUS_TOLERANCE
        positive = self.population.values > 0
        self._t = self.population.values[positive]
        self._w = self.population.weights[positive]

    def __repr__(self) -> str:
        values, weights = self.population.values, self.population.weights
        if values.size > 4:
            return f"GeneralisedMarchenkoPastur(<{values.size} atoms>, ratio={self.ratio:g})"
        atoms = ", ".join(f"{w:.4g} at {t:.4g}" for t, w in zip(values, weights, strict=True))
        return f"GeneralisedMarchenkoPastur({atoms}; ratio={self.ratio:g})"

    @cached_property
    def _edges(self) -> Edges:
        return find_edges(self._t, self._w, self.ratio)

    @cached_property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals of the continuous part."""
        if not self._t.size:
            return ()
        x = self._edges.x.astype(float).tolist()
        return tuple(zip(x[::2], x[1::2], strict=True))

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The atom at zero, if there is one."""
        mass = max(1.0 - float(self._w.sum()), 1.0 - 1.0 / self.ratio)
        if not self._t.size:
            mass = 1.0
        return (Atom(0.0, mass),) if mass > 4e-16 else ()

    def _distances(self, interval: Indices, x: Array) -> tuple[Array, Array]:
        ends = self._edges.x
        wide = x.astype(np.longdouble)
        left, right = wide - ends[2 * interval], ends[2 * interval + 1] - wide
        return left.astype(float), right.astype(float)

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        s, found = solve_inside(self._edges, self._t, self._w, self.ratio, interval, left, right)
        density = -s.imag / (math.pi * self.ratio * np.abs(s) ** 2)
        if not found.all():
            raise ConvergenceError(
                f"the Silverstein equation was not solved at {int(np.sum(~found))} of "
                f"{found.size} points",
                Status.NOT_CONVERGED,
                np.where(found, density, np.nan),
            )
        return np.asarray(density)

    def companion_stieltjes(self, z: ArrayLike) -> ComplexArray:
        """``v(z)``: the Stieltjes transform of the law of ``X X^T / n``, off its support.

        Parameters
        ----------
        z : array_like
            Complex, or real outside the support.
        """
        points = np.asarray(z, dtype=complex)
        if np.any(points == 0):
            raise InvalidInputError("z: the companion transform has a pole, or an edge, at 0")
        return self._off_support(points, self._companion)

    def _companion(self, z: ComplexArray) -> ComplexArray:
        if self.edges and np.all((z.imag == 0) & (z.real > self.upper_edge)):
            return np.asarray(1.0 / (solve_above(self._t, self._w, self.ratio, z.real) + 0j))
        s, found = solve_off_axis(self._t, self._w, self.ratio, z)
        if not found.all():
            raise ConvergenceError(
                f"the Silverstein equation was not solved at z = {z[~found][0]:.6g}",
                Status.NOT_CONVERGED,
            )
        return np.asarray(1.0 / s)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        if np.any(z == 0):
            raise InvalidInputError("z: the transform at 0 is not offered; use expect")
        # m = -(1/z) int dH(t) / (1 + t v): (v + (1 - c)/z) / c would cancel for small c.
        v = self._companion(z)
        inverse = 1.0 / (1.0 + self._t * v[:, None])
        total = (self._w * inverse).sum(axis=1) + (1.0 - self._w.sum())
        return np.asarray(-total / z)

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        v = self._companion(z)
        s = 1.0 / v
        inverse = 1.0 / (s[:, None] + self._t)
        # ds/dz = -1 / H(s), and m = -(s/z) int dH / (s + t) - H({0}) / z
        ds = -1.0 / (1.0 - self.ratio * (self._w * (self._t * inverse) ** 2).sum(axis=1))
        total = s * (self._w * inverse).sum(axis=1) + (1.0 - self._w.sum())
        slope = (self._w * self._t * inverse**2).sum(axis=1) * ds
        return np.asarray(total / z**2 - slope / z)

    def _edge_transforms(self) -> tuple[float, float]:
        """``m`` and its companion at the upper edge."""
        edge, s = float(self._edges.x[-1]), float(self._edges.s[-1])
        total = float(s * (self._w / self._edges.shifted[-1]).sum() + (1.0 - self._w.sum()))
        return -total / edge, 1.0 / s


def _resolved(population: Population, ratio: float) -> Population:
    """A continuous population with enough nodes that edges and density have settled."""
    assert population.refine is not None
    nodes = FIRST_NODES
    share = np.array([0.03, 0.2, 0.5, 0.8, 0.97])
    edges, points, density = np.empty((0, 2)), np.empty(0), np.empty(0)
    while nodes <= LAST_NODES:
        refined = population.refine(nodes)
        law = GeneralisedMarchenkoPastur(Population(refined.values, refined.weights), ratio)
        before, edges = edges, np.array(law.edges)
        if edges.shape == before.shape:
            new = law.pdf(points)
            change = np.abs(edges - before).max() / edges.max()
            change = max(change, float(np.abs(new - density).max() / max(new.max(), 1e-300)))
            if change <= CONTINUOUS_TOLERANCE:
                return refined
        points = (edges[:, :1] + np.diff(edges) * share).ravel()
        density = law.pdf(points)
        nodes *= 2
    raise ConvergenceError(
        f"the population density is not resolved by {LAST_NODES} nodes on each interval; give it "
        "on intervals on which it is smooth",
        Status.NOT_CONVERGED,
        refined,
    )
