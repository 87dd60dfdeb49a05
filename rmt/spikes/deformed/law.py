"""The law of the eigenvalues of the deformed bulk, from its equation in few unknowns.

In ``z = a + (b - a) sin^2(zeta / 2)``, ``zeta = theta + i eta``, the bulk is ``eta = 0``, and what
are square roots next to its ends is smooth. Solutions are analytic above, and few are needed to
know all: those on an ellipse around the bulk, a line ``eta > 0`` in ``zeta``, are continued to next
to the axis, and what is left there is corrected by Newton's method. Points after the first start
with the corrections of those before, by a spline, and with the inverse of the nearest one's
Jacobian. Where there are many sample nodes, all this is done on fewer of them, and every solution
is finished on all.
"""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import scipy
from numpy.typing import ArrayLike

from rmt.arrays import Array, Bools, ComplexArray, Indices
from rmt.blas import one_blas_thread
from rmt.budget import check_time
from rmt.display import Part
from rmt.spectra.laws.law import Atom, SpectralLaw
from rmt.spectra.laws.panels import DensityTable, build_table
from rmt.spikes.deformed.edge import Edge, carried, lower_edge, on_arc
from rmt.spikes.deformed.equation import Equation
from rmt.spikes.deformed.fewer_nodes import on_fewer_nodes
from rmt.status import ConvergenceError, Status

__all__ = ["DeformedLaw"]


TOLERANCE = 1e-5  # of the masses of panels
HEIGHT = 0.2  # of the ellipse, in eta
SHOWN = 6  # points of it that are found one after the other, and on all nodes
ON_ARC = 16  # points of it
TOGETHER = 4  # of them determine a polynomial: half of them on either side
ABOVE_AXIS = 1e-7  # of a point, relative: there all but one solution have a wrong sign
RTOL = 1e-7
ROUGH = 1e-6  # relative: of solutions on fewer nodes
SIGN = 1e-10  # relative: what rounding may leave of a positive imaginary part
REFINED = 2  # times slopes are corrected
STEPS = 16  # of Newton's method
SLOW = 0.3  # a step that leaves more of the defect needs a new Jacobian
RENEWALS = 4  # of it
VERTICAL = 0.1  # of its distance from the axis, relative to the interval: where points go down
LEVELS = 60  # from there to the axis
OCTAVES = 2.0  # of the imaginary part, from one level to the next if the axis is too far
FEWEST = 0.05  # of them, below which a point is given up
TOP = 1.05  # times the edge: where the ellipse begins
MANY = 60_000  # nodes of samples times unknowns, above which fewer of them pay


class DeformedLaw(SpectralLaw):
    """Eigenvalues of ``W^T W`` after the steps, with the zeros for ``N < d``.

    Parameters
    ----------
    equation : Equation
    edge : Edge
        The upper edge.

    Notes
    -----
    One interval from the lowest to the highest edge: what is zero in between is not singled out (a
    `rmt.spectra.pencil.law.PencilLaw` of the bulk's pencil does so, and takes much longer). The
    density comes from an expansion that is accurate to about 1e-5 in the masses of its panels;
    `mass_error` estimates the error of the distribution function. theory.md, section 4.
    """

    def __init__(self, equation: Equation, edge: Edge) -> None:
        self.equation, self._edge = equation, edge

    def __repr__(self) -> str:
        return f"DeformedLaw(<{self.equation.count} unknowns>)"

    @property
    def edge(self) -> Edge:
        """The upper edge, and the curve there."""
        return self._edge

    @property
    def knows_edges(self) -> bool:
        """Whether the lower edge has been computed."""
        return "_low" in vars(self)

    @cached_property
    def _low(self) -> float:
        return lower_edge(self.equation)

    @property
    def _lowest_end(self) -> float:
        return self._low

    @property
    def _highest_end(self) -> float:
        return self._edge.z

    @property
    def upper_edge(self) -> float:
        """The highest point of the support."""
        return self._edge.z

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """From the lowest to the highest edge of the density."""
        return ((self._low, self._edge.z),)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The ``d - N`` zeros."""
        missing = 1.0 - self.equation.aspect_ratio
        return (Atom(0.0, missing),) if missing > 0 else ()

    @cached_property
    @one_blas_thread()
    def _table(self) -> DensityTable:
        axis = _Axis(self.equation, self._edge, self._low)
        ends = np.array([self._low]), np.array([self._edge.z])
        return build_table(axis.density, *ends, TOLERANCE)

    def _density(self, interval: Indices, left: Array, right: Array) -> Array:
        angle = 2.0 * np.arctan2(np.sqrt(left), np.sqrt(right))
        width = self._edge.z - self._low
        slope = np.maximum(width / 2.0 * np.sin(angle), np.finfo(float).tiny)
        return np.asarray(np.maximum(self._table.density(interval, angle), 0.0) / slope)

    def pdf_error(self, x: ArrayLike) -> Array:
        """Estimate of the absolute error of `pdf`: of the expansion, by its last coefficients."""

        def error(x: Array, interval: Indices, left: Array, right: Array) -> Array:
            angle = 2.0 * np.arctan2(np.sqrt(left), np.sqrt(right))
            slope = (self._edge.z - self._low) / 2.0 * np.sin(angle)
            expansion = self._table.density_error(interval, angle) + RTOL * slope * self.pdf(x)
            return np.asarray(expansion / np.maximum(slope, np.finfo(float).tiny))

        return self._in_intervals(x, error)

    def _parts(self) -> list[Part]:
        """With edges and atoms only once they have been computed."""
        return super()._parts() if self.knows_edges else [repr(self)]

    def _edge_amplitude(self) -> float:
        # Next to the edge m moves by its slope in a distance t, and z by half of the bend in t^2.
        edge = self._edge
        return float(edge.tangent[self.equation.rows] * math.sqrt(2.0 / edge.bend[-1]))

    def _stieltjes(self, z: ComplexArray) -> ComplexArray:
        # By quadrature: its accuracy falls off close to the support.
        return self._table.cauchy(z) + sum(one.mass / (one.location - z) for one in self.atoms)


class _Spline:
    """A cubic spline in ``log tan(theta / 2)``, in which a power of ``theta`` is smooth."""

    def __init__(self, angle: Array, values: ComplexArray) -> None:
        u = np.log(np.tan(angle / 2.0))
        self._spline, self._ends = scipy.interpolate.make_interp_spline(u, values), (u[0], u[-1])

    def __call__(self, angle: Array) -> ComplexArray:
        u = np.clip(np.log(np.tan(angle / 2.0)), *self._ends)
        return np.asarray(self._spline(u))


class _Ellipse:
    """Functions of ``zeta``, known with their slopes at angles of an ellipse, around and inside.

    By polynomials through values and slopes at the points nearby. Across the ends of the interval,
    where ``z`` is real and outside of the bulk, functions go on as the conjugates of what they are
    on this side: times ``signs`` at the lower end.
    """

    def __init__(self, angle: Array, values: ComplexArray, slopes: ComplexArray, signs: Array):
        half = TOGETHER // 2
        low, high = slice(half - 1, None, -1), slice(-1, -half - 1, -1)
        self._angle = np.concatenate([-angle[low], angle, 2.0 * math.pi - angle[high]])
        known = signs * values[low].conj(), values, values[high].conj()
        inclined = -signs * slopes[low].conj(), slopes, -slopes[high].conj()
        self._values, self._slopes = np.concatenate(known), np.concatenate(inclined)

    def __call__(self, angle: Array, height: float | Array) -> ComplexArray:
        """Values at angles and heights."""
        zeta = angle + 1j * (height - HEIGHT)
        first = np.searchsorted(self._angle, angle) - TOGETHER // 2
        first, back = np.unique(np.clip(first, 0, self._angle.size - TOGETHER), return_inverse=True)
        near = first[:, None] + np.arange(TOGETHER)
        # Newton's divided differences with every point twice.
        nodes = np.repeat(self._angle[near], 2, axis=1)
        table = np.repeat(self._values[near], 2, axis=1)
        differences = [table[:, 0]]
        for order in range(1, 2 * TOGETHER):
            apart = (nodes[:, order:] - nodes[:, :-order])[..., None]
            with np.errstate(divide="ignore", invalid="ignore"):
                table = (table[:, 1:] - table[:, :-1]) / apart
            if order == 1:
                table[:, ::2] = self._slopes[near]
            differences.append(table[:, 0])
        total = differences[-1][back]
        for one, node in zip(differences[-2::-1], nodes.T[-2::-1], strict=True):
            total = total * (zeta - node[back])[:, None] + one[back]
        return np.asarray(total)


class _Axis:
    """Solutions next to the real axis, over the whole bulk, which start each other."""

    def __init__(self, equation: Equation, edge: Edge, low: float) -> None:
        self._equation, self._low, self._width = equation, low, edge.z - low
        # Of z, next to a hard edge; otherwise M on u times z is smooth, which zeros of W are not.
        self._powers = equation.powers_at_hard_edge / 2.0
        if low > 0.0:
            self._powers = np.where(np.arange(equation.count) == equation.rows, -1.0, 0.0)
        above = TOP * edge.z
        top, settled = equation.solve(np.array([above]), edge.start(above)[None])
        if not settled[0]:
            raise ConvergenceError(
                f"no solution was found at z = {above:.6g}", Status.NOT_CONVERGED
            )
        angle, point, found = _spread(SHOWN), on_arc(equation, top), []
        for one in self._at(angle, HEIGHT)[::-1].tolist():
            point = carried(equation, point, one)
            found.append(point)
        found = found[::-1]
        x = np.concatenate([one.x for one in found])
        slopes = np.concatenate([one.slope for one in found])
        self._ellipse = self._known(angle, x, slopes)
        self._rough = equation
        if equation.count * sum(one.weights.size for one in equation.batches) > MANY:
            shown = equation.evaluate(self._at(angle, HEIGHT), x)
            self._rough = on_fewer_nodes(equation, [top, shown])
        angle = _spread(ON_ARC)
        guess = self._unscaled(angle, HEIGHT, self._ellipse(angle, HEIGHT))
        z = self._at(angle, HEIGHT)
        x, solved, inverse, _ = _settled(self._rough, z, guess, RTOL)
        slopes = _slopes(self._rough, z, x, inverse)
        for k in np.flatnonzero(~solved).tolist():
            near = found[int(np.abs(_spread(SHOWN) - angle[k]).argmin())]
            point = carried(self._rough, near, complex(z[k]))
            x[k], slopes[k] = point.x[0], point.slope[0]
        self._ellipse = self._known(angle, x, slopes)
        self._angle, self._beyond = np.zeros(0), np.zeros((0, equation.count), dtype=complex)
        self._knots = np.zeros(0)
        self._inverses = np.zeros((0, equation.count, equation.count), dtype=complex)

    def _at(self, angle: Array, height: float | Array) -> ComplexArray:
        return np.asarray(self._low + self._width * np.sin((angle + 1j * height) / 2.0) ** 2)

    def _beside(self, angle: Array) -> ComplexArray:
        points = self._low + self._width * np.sin(angle / 2.0) ** 2
        return np.asarray(points + 1j * ABOVE_AXIS * points)

    def _scale(self, angle: Array, height: float | Array) -> ComplexArray:
        """What unknowns are divided by to be smooth."""
        return np.asarray(self._at(angle, height)[:, None] ** self._powers)

    def _unscaled(self, angle: Array, height: float | Array, y: ComplexArray) -> ComplexArray:
        return np.asarray(y * self._scale(angle, height))

    def _known(self, angle: Array, x: ComplexArray, slopes: ComplexArray) -> _Ellipse:
        """From unknowns and their derivatives by ``z``."""
        z, scale = self._at(angle, HEIGHT), self._scale(angle, HEIGHT)
        by_z = (slopes - x * self._powers / z[:, None]) / scale
        by_zeta = self._width / 2.0 * np.sin(angle + 1j * HEIGHT)
        return _Ellipse(angle, x / scale, by_z * by_zeta[:, None], (-1.0) ** (2.0 * self._powers))

    def _learn(self, angle: Array, x: ComplexArray) -> None:
        """What solutions are beside what the ellipse says of them."""
        beyond = x / self._scale(angle, 0.0) - self._ellipse(angle, 0.0)
        self._angle, first = np.unique(np.concatenate([self._angle, angle]), return_index=True)
        self._beyond = np.concatenate([self._beyond, beyond])[first]

    def _learn_inverses(self, angle: Array, inverse: ComplexArray) -> None:
        self._knots = np.concatenate([self._knots, angle])
        self._inverses = np.concatenate([self._inverses, inverse])

    def _nearest_inverses(self, angle: Array) -> ComplexArray:
        near = np.abs(angle[:, None] - self._knots).argmin(axis=1)
        result = self._inverses[near]
        if self._low == 0.0:
            scale = self._scale(angle, 0.0) / self._scale(self._knots[near], 0.0)
            result *= scale[:, :, None] / scale[:, None, :]
        return np.asarray(result)

    def _lowered(
        self, equation: Equation, angle: Array
    ) -> tuple[ComplexArray, Bools, ComplexArray]:
        """Straight down to the axis, in steps that are halved where they lead nowhere."""
        end = self._beside(angle)
        here = end.real + 1j * VERTICAL * self._width * np.sin(angle)
        zeta = 2.0 * np.arcsin(np.sqrt((here - self._low) / self._width))
        x = self._unscaled(zeta.real, zeta.imag, self._ellipse(zeta.real, zeta.imag))
        x, good, inverse, _ = _settled(equation, here, x, RTOL)
        slope = _slopes(equation, here, x, inverse)
        solved, octaves = np.zeros(angle.size, dtype=bool), np.full(angle.size, math.inf)
        left = np.flatnonzero(good)
        for _ in range(LEVELS):
            if not left.size:
                break
            lower = np.maximum(here[left].imag * 0.5 ** octaves[left], end[left].imag)
            there = end[left].real + 1j * lower
            guess = x[left] + slope[left] * (there - here[left])[:, None]
            new, good, by, _ = _settled(equation, there, guess, RTOL)
            moved, lost = left[good], left[~good]
            if moved.size:
                x[moved], here[moved], inverse[moved] = new[good], there[good], by[good]
                slope[moved] = _slopes(equation, there[good], new[good], by[good])
                solved[moved] = here[moved].imag <= end[moved].imag
                octaves[moved] = math.inf
            octaves[lost] = np.minimum(octaves[lost] / 2.0, OCTAVES)
            left = left[~solved[left] & (octaves[left] > FEWEST)]
        return x, solved, inverse

    def _finished(self, angle: Array, x: ComplexArray) -> tuple[ComplexArray, Bools]:
        """Solutions on all nodes from those on fewer."""
        equation, z = self._equation, self._beside(angle)
        x, solved, _, _ = _settled(equation, z, x, RTOL, self._nearest_inverses(angle))
        again = np.flatnonzero(~solved)
        if again.size:
            x[again], solved[again], _ = self._lowered(equation, angle[again])
        return x, solved

    def solve(self, angle: Array) -> tuple[ComplexArray, Bools]:
        """Solutions at new angles, and where they were found."""
        rough, z = self._rough, self._beside(angle)
        y, inverse = self._ellipse(angle, 0.0), None
        if self._angle.size:
            y += _Spline(self._angle, self._beyond)(angle)
            inverse = self._nearest_inverses(angle)
        rtol = RTOL if rough is self._equation else ROUGH
        x, solved, inverse, new = _settled(rough, z, self._unscaled(angle, 0.0, y), rtol, inverse)
        again = np.flatnonzero(~solved)
        if again.size:
            x[again], solved[again], inverse[again] = self._lowered(rough, angle[again])
            new[again] = True
        # Their neighbours, if they are asked for, will need the Jacobian there.
        self._learn_inverses(angle[new & solved], inverse[new & solved])
        if rough is not self._equation:
            x[solved], solved[solved] = self._finished(angle[solved], x[solved])
        self._learn(angle[solved], x[solved])
        return x, solved

    def density(self, interval: Indices, left: Array, right: Array) -> Array:
        """Of the eigenvalues, as `build_table` asks for it."""
        angle, back = np.unique(
            2.0 * np.arctan2(np.sqrt(left), np.sqrt(right)), return_inverse=True
        )
        x, solved = self.solve(angle)
        if not solved.all():
            lost = self._beside(angle[~solved]).real
            raise ConvergenceError(
                f"the density was not found at {lost.size} of {angle.size} points, the first "
                f"x = {lost[0]:.6g}",
                Status.NOT_CONVERGED,
            )
        return np.asarray(x[back, self._equation.rows].imag / math.pi)


def _spread(count: int) -> Array:
    """Angles in the middles of equal parts."""
    return np.asarray(math.pi * (np.arange(count) + 0.5) / count)


def _slopes(
    equation: Equation, z: ComplexArray, x: ComplexArray, inverse: ComplexArray
) -> ComplexArray:
    """``dx/dz`` of solutions, with inverses of Jacobians that are only near: see `_settled`."""
    state = equation.evaluate(z, x)
    slopes = equation.derivative(state, inverse)
    for _ in range(REFINED):
        missed = equation.along(state, slopes, 1.0).image - slopes
        slopes = slopes + (inverse @ missed[..., None])[..., 0]
    return slopes


def _settled(
    equation: Equation,
    z: ComplexArray,
    start: ComplexArray,
    rtol: float,
    inverse: ComplexArray | None = None,
) -> tuple[ComplexArray, Bools, ComplexArray, Bools]:
    """Solutions by Newton's method, with new Jacobians only where it is slow without.

    Parameters
    ----------
    inverse : array, shape (points, n, n), optional
        Of the Jacobians somewhere near; of those at the start by default. Overwritten.

    Returns
    -------
    x : array, shape (points, n)
    solved : array of bool, shape (points,)
    inverse : array, shape (points, n, n)
        Those of the last steps.
    new : array of bool, shape (points,)
        Where they are not the given ones.
    """
    x, left = start.copy(), np.arange(z.size)
    solved, new = np.zeros((2, z.size), dtype=bool)
    if inverse is None:
        inverse, new[:] = equation.inverse(equation.evaluate(z, x)), True
    last, renewed = np.full(z.size, math.inf), np.zeros(z.size, np.intp)
    for _ in range(STEPS):
        if not left.size:
            break
        check_time()
        state = equation.evaluate(z[left], x[left])
        defect, size = state.defect, equation.relative(state.defect, x[left])
        small = size <= rtol
        if small.any():
            solved[left[small]] = equation.positive(state, SIGN)[small]
        slow = left[~small & (size > SLOW * last[left])]
        renewed[slow] += 1
        last[left] = size
        go_on = ~small & np.isfinite(size) & (renewed[left] <= RENEWALS)
        slow = slow[renewed[slow] <= RENEWALS]
        if slow.size:
            inverse[slow], new[slow] = equation.inverse(equation.evaluate(z[slow], x[slow])), True
        left = left[go_on]
        by = inverse if left.size == z.size else inverse[left]
        x[left] += (by @ defect[go_on][..., None])[..., 0]
    return x, solved, inverse, new
