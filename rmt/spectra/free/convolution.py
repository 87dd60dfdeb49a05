"""Free convolution and free compression: the laws of sums, products and corners of free matrices.

Cost: a solve is some ten evaluations of the transforms of both laws, a thousand points for the
table of `cdf`. Accuracy: to rounding as far as the transforms are, next to an edge in its square
root; transforms by quadrature (laws of singular values, given densities) are resolved close to
their support by halved panels. What can be missed is a gap between two points of a grid; a density
asked for in it is not found, and the grid is refined.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rmt.arguments import checked_choice, checked_real
from rmt.arrays import Array, Bools, ComplexArray, Indices
from rmt.spectra.free.gaps import Edge, find_bands
from rmt.spectra.free.operations import Compression, Operation, Product, Sum
from rmt.spectra.laws.given import DiscreteLaw, Semicircle
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.spectra.laws.marchenko_pastur import MarchenkoPastur
from rmt.spectra.laws.panels import DensityTable, build_table
from rmt.spectra.laws.population import Population
from rmt.status import ConvergenceError, InvalidInputError, Status

__all__ = ["FreeCompression", "FreeConvolution"]


LawLike: TypeAlias = "SpectralLaw | ArrayLike"

EPS = float(np.finfo(float).eps)
POINTS = (160, 640, 2560)  # of the grids of cells, from one attempt to the next
TOLERANCE = 1e-13  # absolute, of the masses of panels
NEAR_EDGE = 1e-5  # of the smaller of band and gap: closer, the density is an expansion
FIRST_KNOTS, KNOTS = 15, 2000  # solutions of a band from which others start
# Where the equation degenerates: relative errors that are too large, and steps to points around.
POOR, AROUND = 1e-12, 1e-3
REACHES = 6  # of which the best is taken, each a quarter of the one before
BESIDE = 1e-2  # of the scale: from there on points in a gap do not start at its edges
CIRCLE, CIRCLE_POINTS = 0.01, 8  # radius relative to the distance from the support
ATOM = 1e-14  # what of a mass may be rounding


@dataclass(frozen=True, slots=True)
class _Expansion:
    """``phi = phi_e + i (a + b d) sqrt(d) + c d`` at the distance ``d`` from an edge.

    Attributes
    ----------
    reach : float
        Largest ``d``; zero for none.
    phi, a, b, c : float
    error : float
        Relative, of the density at `reach`.
    """

    reach: float
    phi: float = 0.0
    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    error: float = 0.0


class _FreeLaw(SpectralLaw):
    """What comes out of an `Operation`: bands, density with its error, atoms."""

    @property
    @abstractmethod
    def _operation(self) -> Operation | None:
        """None where the result is known as a law, `_exact`."""

    @property
    @abstractmethod
    def _exact(self) -> SpectralLaw | None: ...

    @abstractmethod
    def _atoms(self) -> list[Atom]:
        """Candidates, with masses that may be zero or negative."""

    @cached_property
    def _bands(self) -> list[tuple[Edge, Edge]]:
        return self._at_resolution(0)

    def _at_resolution(self, level: int) -> list[tuple[Edge, Edge]]:
        assert self._operation is not None
        return find_bands(self._operation, POINTS[level])

    @cached_property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """The intervals of the continuous part."""
        if self._exact is not None:
            return self._exact.edges
        return tuple((low.x, high.x) for low, high in self._bands)

    @property
    def edge_errors(self) -> tuple[tuple[float, float], ...]:
        """Absolute errors of `edges`: of the laws' transforms, and rounding."""
        if self._exact is not None:
            scale = 8.0 * EPS + self._exact._relative_error
            return tuple((abs(low) * scale, abs(high) * scale) for low, high in self.edges)
        return tuple((low.error, high.error) for low, high in self._bands)

    @cached_property
    def atoms(self) -> tuple[Atom, ...]:
        """The point masses, exactly, in order."""
        if self._exact is not None:
            return self._exact.atoms
        kept = [atom for atom in self._atoms() if atom.mass > ATOM]
        return tuple(sorted(kept, key=lambda one: one.location))

    @property
    def knows_edges(self) -> bool:
        """Whether they have been computed."""
        return "edges" in vars(self)

    @cached_property
    def _table(self) -> DensityTable:
        if self._exact is not None:
            return self._exact._table
        for level in range(len(POINTS)):
            low, high = np.array(self.edges).reshape(-1, 2).T
            try:
                return build_table(self._density, low, high, TOLERANCE)
            except ConvergenceError:
                # A gap that the grids have missed, as far as more points find it.
                if level == len(POINTS) - 1:
                    raise
                found = self._at_resolution(level + 1)
                for name in ("edges", "_expansions", "_knots"):
                    vars(self).pop(name, None)
                vars(self)["_bands"] = found
        raise AssertionError

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        if self._exact is not None:
            return self._exact._density(interval, left, right)
        density, _, found = self._solved(interval, left, right)
        if not found.all():
            low, high = np.array(self.edges).T[:, interval]
            x = np.where(left < right, low + left, high - right)[~found]
            raise ConvergenceError(
                f"the equation of {self!r} was not solved at {x.size} of {found.size} points, the "
                f"first x = {x[0]:.6g}",
                Status.NOT_CONVERGED,
                density,
            )
        return density

    def pdf_error(self, x: ArrayLike) -> Array:
        """Absolute error bound of `pdf`.

        Rounding and the errors of the two laws, through the solution's condition; what an edge may
        be off by; next to an edge, of the expansion.
        """
        if self._exact is not None:
            return self._exact.pdf_error(x)
        return self._in_intervals(x, lambda x, *place: self._solved(*place)[1])

    def _solved(self, interval: Indices, left: Array, right: Array) -> tuple[Array, Array, Bools]:
        """Density, its error, and whether it was found; nan where it was not."""
        assert self._operation is not None
        ends = np.array(self.edges)[interval]
        x = np.where(left < right, ends[:, 0] + left, ends[:, 1] - right)
        angle = 2.0 * np.arctan2(np.sqrt(np.maximum(left, 0)), np.sqrt(np.maximum(right, 0)))
        density, error, found = self._by_solution(x, interval, angle)
        if self._may_degenerate:
            with np.errstate(invalid="ignore"):
                poor = np.flatnonzero(~(found & (error <= POOR * density)))
            if poor.size:
                at = interval[poor], left[poor], right[poor]
                density[poor], error[poor], found[poor] = self._from_around(x[poor], *at)
        errors = np.array(self.edge_errors)[interval]
        for side, distance in enumerate((left, right)):
            for number, pair in enumerate(self._expansions):
                one = pair[side]
                near = (interval == number) & (distance < one.reach)
                if near.any():
                    d = distance[near]
                    density[near] = self._expanded(one, x[near], d)
                    error[near] = density[near] * (one.error * d / one.reach + 64.0 * EPS)
                    found[near] = True
        for side, distance in enumerate((left, right)):
            # A square root, or an inverse one, changes by half of the relative change of distance.
            off = errors[:, side] + EPS * np.abs(x)
            error = error + density * off / np.maximum(distance, off)
        return density, error, found

    def _by_solution(self, x: Array, interval: Indices, angle: Array) -> tuple[Array, Array, Bools]:
        """From known solutions around, of which ``w`` is nearly linear in the angle at an edge."""
        assert self._operation is not None
        start = np.empty(x.size, dtype=complex)
        for number in np.unique(interval).tolist():
            at = interval == number
            known, w = self._knots[number]
            start[at] = np.interp(angle[at], known, w)
        solved = self._operation.solve(x.astype(complex), start)
        good = solved.found & (solved.w.imag > 0)
        for number in np.unique(interval[good]).tolist():
            known, w = self._knots[number]
            if known.size < KNOTS:
                at = good & (interval == number)
                all_angles = np.append(known, angle[at])
                known, first = np.unique(all_angles, return_index=True)
                self._knots[number] = known, np.append(w, solved.w[at])[first]
        found = solved.found & (solved.phi.imag > 0)
        density = np.where(found, solved.m.imag, np.nan) / math.pi
        return density, solved.error / math.pi, found

    def _expanded(self, one: _Expansion, x: Array, distance: Array) -> Array:
        assert self._operation is not None
        root = np.sqrt(distance)
        phi = one.phi + one.c * distance + 1j * (one.a + one.b * distance) * root
        return np.asarray(self._operation._m(x, phi)[0].imag / math.pi)

    _may_degenerate = False  # whether all of a half plane may solve the equation, at some x

    def _from_around(
        self, x: Array, interval: Indices, left: Array, right: Array
    ) -> tuple[Array, Array, Bools]:
        """Densities by those at four points around, which a cubic interpolates."""
        step = AROUND * np.minimum(left, right)
        values, errors, found = [], np.zeros(x.size), np.ones(x.size, dtype=bool)
        for k in (-2.0, -1.0, 1.0, 2.0):
            angle = 2.0 * np.arctan2(np.sqrt(left + k * step), np.sqrt(right - k * step))
            value, error, ok = self._by_solution(x + k * step, interval, angle)
            values.append(value)
            errors, found = errors + error, found & ok
        near, far = (values[1] + values[2]) / 2.0, (values[0] + values[3]) / 2.0
        # What is left is of fourth order where the difference of the two is of second.
        return (4.0 * near - far) / 3.0, 2.0 * errors + AROUND**2 * np.abs(near - far), found

    @cached_property
    def _knots(self) -> list[tuple[Array, ComplexArray]]:
        """Of each band angles and ``w`` there, the edges' own included."""
        assert self._operation is not None
        middle = np.linspace(0.0, math.pi, FIRST_KNOTS + 2)[1:-1]
        result = []
        for low, high in self._bands:
            x = low.x + (high.x - low.x) * np.sin(middle / 2.0) ** 2
            solved = self._operation.solve(x.astype(complex))
            good = solved.found & (solved.w.imag > 0)
            angle, w = [middle[good]], [solved.w[good]]
            for edge, end in ((low, 0.0), (high, math.pi)):
                if not math.isnan(edge.w):
                    angle.append(np.array([end]))
                    w.append(np.array([edge.w + 0j]))
            angles = np.concatenate(angle)
            order = np.argsort(angles)
            result.append((angles[order], np.concatenate(w)[order]))
        return result

    @cached_property
    def _expansions(self) -> list[tuple[_Expansion, _Expansion]]:
        bands = self._bands
        result = []
        for k, (low, high) in enumerate(bands):
            below = low.x - bands[k - 1][1].x if k else math.inf
            above = bands[k + 1][0].x - high.x if k + 1 < len(bands) else math.inf
            width = high.x - low.x
            result.append(
                (
                    self._expansion(low, NEAR_EDGE * min(width, below), 1.0),
                    self._expansion(high, NEAR_EDGE * min(width, above), -1.0),
                )
            )
        return result

    def _expansion(self, edge: Edge, reach: float, inwards: float) -> _Expansion:
        """Of some reaches that of the least error: far out it is one of the next order."""
        if math.isnan(edge.rate) or not reach > 0:
            return _Expansion(0.0)
        tried = [self._expanded_to(edge, reach * 0.25**k, inwards) for k in range(REACHES)]
        return min(tried, key=lambda one: one.error if one.reach else math.inf)

    def _expanded_to(self, edge: Edge, reach: float, inwards: float) -> _Expansion:
        assert self._operation is not None
        distance = reach * np.array([0.25, 1.0, 2.0])
        x = edge.x + inwards * distance
        distance = np.abs(x - edge.x)
        start = edge.w + 1j * edge.rate * np.sqrt(distance)
        solved = self._operation.solve(x.astype(complex), start)
        if not (solved.found & (solved.phi.imag > 0)).all():
            return _Expansion(0.0)
        height = solved.phi.imag / np.sqrt(distance)
        b = (height[2] - height[1]) / (distance[2] - distance[1])
        a = height[1] - b * distance[1]
        c = (solved.phi.real[1] - edge.phi) / distance[1]
        one = _Expansion(reach, edge.phi, float(a), float(b), float(c))
        # At a quarter of the reach, held against the solution: it may be off by as much there, and
        # the parts of next order by sixteen times as much at the end.
        expected = solved.m.imag[:1]
        seen = math.pi * self._expanded(one, x[:1], distance[:1])
        error = float(np.abs(seen / expected - 1.0)[0]) + float(solved.error[0] / expected[0])
        error += 2.0 * (edge.error + EPS * abs(edge.x)) / float(distance[0])
        return _Expansion(reach, one.phi, one.a, one.b, one.c, 16.0 * error)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        if self._exact is not None:
            return self._exact._stieltjes(z)
        assert self._operation is not None
        solved = self._operation.solve(z, self._beside_edges(z))
        m, found = np.where(solved.found, solved.m, np.nan), solved.found
        if not found.all():  # w is infinite at zeros of m in gaps
            m[~found] = self._mean_value(z[~found])
            found = np.isfinite(m)
        if not found.all():
            raise ConvergenceError(
                f"the equation of {self!r} was not solved at z = {z[~found][0]:.6g}",
                Status.NOT_CONVERGED,
                m,
            )
        return m

    def _stieltjes_derivative(self, z: ComplexArray) -> ComplexArray:
        if self._exact is not None:
            return self._exact._stieltjes_derivative(z)
        assert self._operation is not None
        solved = self._operation.solve(z, self._beside_edges(z))
        slope = np.where(solved.found, self._operation.derivative(z, solved.w), np.nan)
        if not solved.found.all():
            lost = ~solved.found
            slope[lost] = super()._stieltjes_derivative(z[lost])
        return slope

    def _beside_edges(self, z: ComplexArray) -> ComplexArray:
        """Starts: at real points in gaps by the expansion at the nearest edge."""
        assert self._operation is not None
        start = self._operation.first_guess(z)
        edges = [
            (edge.x, edge.w, edge.rate if upper else -edge.rate)
            for band in self._bands
            for upper, edge in enumerate(band)
            if not math.isnan(edge.rate)
        ]
        if edges:
            at, w, rate = np.array(edges).T
            nearest = np.abs(z[:, None] - at).argmin(axis=1)
            distance = np.abs(z - at[nearest])
            real = (z.imag == 0) & (distance < BESIDE * self._operation.scale)
            start[real] = (w[nearest] + rate[nearest] * np.sqrt(distance))[real]
        return start

    def _mean_value(self, z: ComplexArray) -> ComplexArray:
        """Of an analytic function at the centre of small circles off the support."""
        assert self._operation is not None
        support = np.array([*np.ravel(self.edges), *(atom.location for atom in self.atoms)])
        radius = CIRCLE * np.abs(z[:, None] - support).min(axis=1)
        turns = np.exp(1j * math.pi * (np.arange(CIRCLE_POINTS) + 0.5) / (CIRCLE_POINTS / 2))
        around = z[:, None] + radius[:, None] * turns
        solved = self._operation.solve(np.where(around.imag < 0, around.conj(), around).ravel())
        m = np.where(solved.found, solved.m, np.nan).reshape(around.shape)
        return np.asarray(np.where(around.imag < 0, m.conj(), m).mean(axis=1))


class FreeConvolution(_FreeLaw):
    r"""The law of ``A + U B U*``, or of ``sqrt(A) U B U* sqrt(A)``, for ``U`` of uniform law.

    For large matrices with the spectra ``mu`` and ``nu``, in general position. With
    ``m(z) = int dF(x) / (x - z)`` there are ``w_1``, ``w_2`` above the real axis with

    .. math::
       m = m_\mu(w_1) = m_\nu(w_2), \qquad w_1 + w_2 = z - 1/m

    for the sum, and with ``T(z) = -1 - z m(z)`` for the product

    .. math::
       T = T_\mu(w_1) = T_\nu(w_2), \qquad w_1 w_2 = z\, (1 + T) / T .

    Parameters
    ----------
    first, second : SpectralLaw or array_like
        ``mu`` and ``nu``; an array holds eigenvalues of equal weight. For products both are laws of
        numbers that are not negative.
    kind : {"additive", "multiplicative"}

    Raises
    ------
    InvalidInputError
        Another kind, negative numbers in the support of a factor, eigenvalues that are not finite.
    ConvergenceError
        From `pdf` and what builds on it, should a point not be solved; ``best`` has the others.

    Notes
    -----
    Voiculescu 1986 and 1987; subordination as a fixed point: Belinschi & Bercovici 2007 (A new
    approach to subordination results in free probability); as a method on the axis: Arizmendi,
    Tarrago & Vargas 2020. Atoms: Bercovici & Voiculescu 1998: ``a + b`` (``a b``, not zero) is one
    where ``mu{a} + nu{b} > 1``, of the mass by which it is more; for products zero has the larger
    of the two masses. Edges are where ``dx/dm = 0`` on pairs of gaps of the two laws.
    docs/spectra.md, free convolutions.

    Examples
    --------
    Of two matrices with eigenvalues -1 and 1, the arcsine law; of two projections:

    >>> law = FreeConvolution([-1, 1], [-1, 1])
    >>> [(round(a, 12), round(b, 12)) for a, b in law.edges], round(float(law.pdf(0.0)), 12)
    ([(-2.0, 2.0)], 0.159154943092)
    >>> from rmt import DiscreteLaw
    >>> half, most = DiscreteLaw([0, 1], [0.5, 0.5]), DiscreteLaw([0, 1], [0.2, 0.8])
    >>> law = FreeConvolution(half, most, kind="multiplicative")
    >>> [(round(a, 9), round(b, 9)) for a, b in law.edges]
    [(0.1, 0.9)]
    >>> [(atom.location, round(atom.mass, 12)) for atom in law.atoms]
    [(0.0, 0.5), (1.0, 0.3)]
    """

    def __init__(self, first: LawLike, second: LawLike, kind: str = "additive") -> None:
        self.kind = checked_choice("kind", kind, ("additive", "multiplicative"))
        self.first, self.second = _law(first), _law(second)
        if self._multiplies:
            for name, law in (("first", self.first), ("second", self.second)):
                if law.lower_edge < 0:
                    raise InvalidInputError(
                        f"{name}: a product needs laws on the non-negative numbers; the support of "
                        f"{law!r} starts at {law.lower_edge:.6g}"
                    )

    def __repr__(self) -> str:
        return f"FreeConvolution({self.first!r}, {self.second!r}, kind={self.kind!r})"

    @property
    def _multiplies(self) -> bool:
        return self.kind == "multiplicative"

    @cached_property
    def _operation(self) -> Operation | None:
        if self._exact is not None:
            return None
        return (Product if self._multiplies else Sum)(self.first, self.second)

    @cached_property
    def _exact(self) -> SpectralLaw | None:
        for point, other in ((self.first, self.second), (self.second, self.first)):
            at = _only_point(point)
            if at is not None and not self._multiplies:
                return other.affine(1.0, at)
            if at is not None:
                return other.affine(at) if at else DiscreteLaw([0.0])
        return None

    @property
    def _may_degenerate(self) -> bool:  # type: ignore[override]
        # Two laws of two atoms each, one like the other up to its place: the map K_x is a Moebius
        # map then, and the identity at one point, the middle of the band.
        return all(
            isinstance(law, DiscreteLaw) and law.values.size == 2
            for law in (self.first, self.second)
        )

    @property
    def _relative_error(self) -> float:  # type: ignore[override]
        return self.first._relative_error + self.second._relative_error

    def mean(self) -> float:
        """The sum, or the product, of the means."""
        means = self.first.mean(), self.second.mean()
        return math.prod(means) if self._multiplies else sum(means)

    def _atoms(self) -> list[Atom]:
        pairs = list(product(self.first.atoms, self.second.atoms))
        if not self._multiplies:
            return [Atom(a.location + b.location, a.mass + b.mass - 1.0) for a, b in pairs]
        at_zero = [
            atom.mass for atom in (*self.first.atoms, *self.second.atoms) if atom.location == 0.0
        ]
        return [
            *(
                Atom(a.location * b.location, a.mass + b.mass - 1.0)
                for a, b in pairs
                if a.location * b.location != 0.0
            ),
            Atom(0.0, max(at_zero, default=0.0)),
        ]


class FreeCompression(_FreeLaw):
    r"""The law of a corner of ``U A U*``, of a share ``t`` of its rows and the same columns.

    For a large matrix with the spectrum ``mu``, in general position:

    .. math::
       t\, m(z) = m_\mu(w), \qquad w = z - \frac{1 - t}{m_\mu(w)} .

    Parameters
    ----------
    law : SpectralLaw or array_like
        ``mu``; an array holds eigenvalues of equal weight.
    ratio : float
        ``t``, ``0 < t <= 1``.

    Raises
    ------
    InvalidInputError
        A ratio outside of ``(0, 1]``, eigenvalues that are not finite.
    ConvergenceError
        From `pdf` and what builds on it, should a point not be solved; ``best`` has the others.

    Notes
    -----
    Scaled by ``1 / t`` it is the sum of ``1 / t`` free copies, ``mu^{[+] 1/t}``: Nica & Speicher
    1996; free cumulants are ``t^(n - 1)`` times those of ``mu``. Atoms: Belinschi & Bercovici 2004:
    the mass ``p`` leaves ``(p - (1 - t)) / t``. docs/spectra.md, free convolutions.

    Examples
    --------
    Half of a matrix with eigenvalues -1 and 1, and less of it:

    >>> [(round(a, 9), round(b, 9)) for a, b in FreeCompression([-1, 1], 0.5).edges]
    [(-1.0, 1.0)]
    >>> [(round(a, 9), round(b, 9)) for a, b in FreeCompression([-1, 1], 0.1).edges]
    [(-0.6, 0.6)]
    """

    def __init__(self, law: LawLike, ratio: float) -> None:
        self.ratio = checked_real("ratio", ratio)
        if not 0 < self.ratio <= 1:
            raise InvalidInputError(f"ratio: expected a number in (0, 1], got {ratio!r}")
        self.law = _law(law)

    def __repr__(self) -> str:
        return f"FreeCompression({self.law!r}, ratio={self.ratio:g})"

    @cached_property
    def _operation(self) -> Operation | None:
        return None if self._exact is not None else Compression(self.law, self.ratio)

    @property
    def _exact(self) -> SpectralLaw | None:
        return self.law if self.ratio == 1.0 or _only_point(self.law) is not None else None

    @property
    def _relative_error(self) -> float:  # type: ignore[override]
        return self.law._relative_error

    def mean(self) -> float:
        """That of the whole matrix."""
        return self.law.mean()

    def _atoms(self) -> list[Atom]:
        rest = 1.0 - self.ratio
        return [Atom(a.location, (a.mass - rest) / self.ratio) for a in self.law.atoms]


class _Tabulated(SpectralLaw):
    """A law without closed transforms as a part: by quadrature, sure and fast."""

    def __init__(self, whole: SpectralLaw) -> None:
        self.whole = whole

    def __repr__(self) -> str:
        return repr(self.whole)

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        return self.whole.edges

    @property
    def atoms(self) -> tuple[Atom, ...]:
        return self.whole.atoms

    @property
    def _relative_error(self) -> float:  # type: ignore[override]
        return self.whole._relative_error + self.whole.mass_error

    @property
    def _table(self) -> DensityTable:
        return self.whole._table

    def mean(self) -> float:
        return self.whole.mean()

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        return self.whole._density(interval, left, right)

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        poles = (atom.mass / (atom.location - z) for atom in self.atoms)
        return np.asarray(sum(poles, start=self._table.cauchy(z)))


def _law(given: LawLike) -> SpectralLaw:
    law = given if isinstance(given, SpectralLaw) else DiscreteLaw(given)
    if isinstance(law, Population):
        law = law._law
    if isinstance(law, _FreeLaw) and law._exact is not None:
        law = law._exact
    if isinstance(law, DiscreteLaw) and (law.weights < ATOM).any():  # bands too thin to resolve
        kept = law.weights >= ATOM
        law = DiscreteLaw(law.values[kept], law.weights[kept])
    closed = isinstance(law, DiscreteLaw | MarchenkoPastur | Semicircle)
    return law if closed else _Tabulated(law)


def _only_point(law: SpectralLaw) -> float | None:
    if isinstance(law, DiscreteLaw) and law.values.size == 1:
        return float(law.values[0])
    return None
