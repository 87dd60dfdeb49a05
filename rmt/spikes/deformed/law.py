"""The law of the eigenvalues of the deformed bulk, from its equation in few unknowns.

Solutions above the real axis are smooth, and few are needed to know all: they are carried once
along an arc over the bulk, and from there down to points next to the axis. Points after the first
start from those before, by a spline in the angle of the interval, with the inverse of the nearest
one's Jacobian for all of their steps. Where there are many sample nodes, all this is done on fewer
of them, and every solution is finished on all.
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
from rmt.spikes.deformed.equation import Equation, State
from rmt.spikes.deformed.fewer_nodes import on_fewer_nodes
from rmt.status import ConvergenceError, Status

__all__ = ["DeformedLaw"]


TOLERANCE = 1e-5  # of the masses of panels
HEIGHT = 0.1  # of the arc, relative to the interval
ON_ARC = 16
SOFT, HARD = 3, 8  # more of them towards the ends, each at half of the angle
ABOVE_AXIS = 1e-7  # of a point, relative: there all but one solution have a wrong sign
RTOL = 1e-7
SIGN = 1e-10  # relative: what rounding may leave of a positive imaginary part
CHORD_STEPS = 12
MAX_LEVELS = 20
LOWERING = 16.0  # of the imaginary part, from one level to the next
ATTEMPT = 6  # steps to the axis
TOP = 1.05  # times the edge: where the arc begins
MANY = 60_000  # nodes of samples times unknowns, above which fewer of them pay
SHOWN = 4  # points of the arc at which it is seen which
ROUGH = 1e-6  # relative: of solutions on fewer nodes


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


class _Axis:
    """Solutions next to the real axis, over the whole bulk, which start each other."""

    def __init__(self, equation: Equation, edge: Edge, low: float) -> None:
        self._equation, self._low, self._width = equation, low, edge.z - low
        self._angle = np.zeros(0)
        self._x = np.zeros((0, equation.count), dtype=complex)
        z = TOP * edge.z
        top, settled = equation.solve(np.array([z]), edge.start(z)[None])
        if not settled[0]:
            raise ConvergenceError(f"no solution was found at z = {z:.6g}", Status.NOT_CONVERGED)
        self._rough = equation
        if equation.count * sum(one.weights.size for one in equation.batches) > MANY:
            angles = math.pi * (np.arange(SHOWN)[::-1] + 0.5) / SHOWN
            states, point = [top], on_arc(equation, top)
            for one in self._arc(angles).tolist():
                point = carried(equation, point, one)
                states.append(equation.evaluate(np.array([one]), point.x))
            self._rough = on_fewer_nodes(equation, states)
        self._start(self._rough.solve(top.z, top.x)[0])

    def _points(self, angle: Array) -> Array:
        return self._low + self._width * np.sin(angle / 2.0) ** 2

    def _arc(self, angle: Array) -> ComplexArray:
        return self._points(angle) + 1j * HEIGHT * self._width * np.sin(angle)

    def _start(self, top: State) -> None:
        """The arc, and the first points below it."""
        rough, point, arc = self._rough, on_arc(self._rough, top), []
        angles = math.pi * (np.arange(ON_ARC) + 0.5) / ON_ARC
        near = [angles[0] / 2.0 ** np.arange(n, 0, -1) for n in (SOFT if self._low else HARD, SOFT)]
        angles = np.concatenate([near[0], angles, math.pi - near[1][::-1]])[::-1]
        for one in self._arc(angles).tolist():
            point = carried(rough, point, one)
            arc.append(point)
        values = np.array([one.x[0] for one in arc])
        self._on_arc = _Spline(angles[::-1], values[::-1])
        hard = angles <= (0.0 if self._low else angles[-HARD])
        x, solved = values.copy(), np.zeros(angles.size, dtype=bool)
        end, slopes = self._beside(angles), np.array([one.slope[0] for one in arc])
        guess = values + slopes * (end - self._arc(angles))[:, None]
        x[~hard], solved[~hard] = self._attempt(end[~hard], guess[~hard])
        again = np.flatnonzero(~hard & ~solved)
        x[again], solved[again] = self._lowered(angles[again])
        if hard.any():
            x[hard], solved[hard] = self._towards_zero(end[~hard][-2:], x[~hard][-2:], end[hard])
            again = np.flatnonzero(hard & ~solved)
            x[again], solved[again] = self._lowered(angles[again])
        angles, x = angles[solved][::-1], x[solved][::-1]
        inverses = rough.inverse(rough.evaluate(self._beside(angles), x))
        x, solved = self._finished(angles, x, inverses)
        self._knots, self._inverses = angles[solved], inverses[solved]
        self._learn(angles[solved], x[solved])

    def _beside(self, angle: Array) -> ComplexArray:
        points = self._points(angle)
        return points + 1j * ABOVE_AXIS * points

    def _learn(self, angle: Array, x: ComplexArray) -> None:
        both = np.concatenate([self._angle, angle])
        self._angle, first = np.unique(both, return_index=True)
        self._x = np.concatenate([self._x, x])[first]

    def _attempt(self, z: ComplexArray, guess: ComplexArray) -> tuple[ComplexArray, Bools]:
        state, good = self._rough.solve(z, guess, ATTEMPT, RTOL)
        return state.x, good & self._rough.positive(state, SIGN)

    def _towards_zero(
        self, known: ComplexArray, x: ComplexArray, z: ComplexArray
    ) -> tuple[ComplexArray, Bools]:
        """Next to a hard edge, where powers of ``z`` are smooth in its logarithm.

        From two points next to the axis, each from the two before by a cubic.
        """
        rough = self._rough
        result, solved = np.zeros((z.size, rough.count), dtype=complex), np.zeros(z.size, bool)
        first = rough.derivative(rough.evaluate(known, x)) * known[:, None]
        u, values, slopes = (list(one) for one in (np.log(known), x, first))
        for k, here in enumerate(np.log(z)):
            width = u[-1] - u[-2]
            t = (here - u[-1]) / width
            chord = values[-1] - values[-2]
            before, after = width * slopes[-2] - chord, width * slopes[-1] - chord
            guess = values[-1] + t * (chord + (t + 1.0) * (after + t * (before + after)))
            state, good = rough.solve(z[[k]], guess[None], ATTEMPT, RTOL)
            if not (good[0] and rough.positive(state, SIGN)[0]):
                break
            result[k], solved[k] = state.x[0], True
            u.append(here)
            values.append(state.x[0])
            slopes.append(rough.derivative(state)[0] * z[k])
        return result, solved

    def _lowered(
        self, angle: Array, equation: Equation | None = None
    ) -> tuple[ComplexArray, Bools]:
        """From the arc down to the axis, at once where Newton's method does not mind."""
        equation = equation or self._rough
        x, here, end = self._on_arc(angle), self._arc(angle), self._beside(angle)
        result, solved = x.copy(), np.zeros(angle.size, dtype=bool)
        left = np.arange(angle.size)
        for _ in range(MAX_LEVELS):
            if not left.size:
                break
            check_time()
            state, good = equation.solve(here[left], x[left], rtol=RTOL)
            good &= equation.positive(state, SIGN)
            left = left[good]
            if not left.size:
                break
            slope = equation.derivative(state)[good]
            x[left] = state.x[good]
            guess = x[left] + slope * (end - here)[left, None]
            state, good = equation.solve(end[left], guess, ATTEMPT, RTOL)
            good &= equation.positive(state, SIGN)
            result[left[good]], solved[left[good]] = state.x[good], True
            left, slope = left[~good], slope[~good]
            lower = end.real + 1j * np.maximum(here.imag / LOWERING, end.imag)
            x[left] += slope * (lower - here)[left, None]
            here = lower
        return result, solved

    def _chords(
        self,
        equation: Equation,
        z: ComplexArray,
        start: ComplexArray,
        inverse: ComplexArray,
        rtol: float,
    ) -> tuple[ComplexArray, Bools]:
        """Solutions by Newton's method with given inverses of the Jacobians."""
        x, left = start.copy(), np.arange(z.size)
        solved = np.zeros(z.size, dtype=bool)
        for _ in range(CHORD_STEPS):
            if not left.size:
                break
            check_time()
            state = equation.evaluate(z[left], x[left])
            small = equation.relative(state.defect, x[left]) <= rtol
            solved[left[small]] = equation.positive(state, SIGN)[small]
            x[left] += (inverse[left] @ state.defect[..., None])[..., 0]
            left = left[~small]
        return x, solved

    def _finished(
        self, angle: Array, x: ComplexArray, inverse: ComplexArray
    ) -> tuple[ComplexArray, Bools]:
        """Solutions on all nodes from those on fewer."""
        equation, z = self._equation, self._beside(angle)
        if equation is self._rough:
            return x, np.ones(z.size, dtype=bool)
        x, solved = self._chords(equation, z, x, inverse, RTOL)
        again = np.flatnonzero(~solved)
        if again.size:
            state, good = equation.solve(z[again], x[again], ATTEMPT, RTOL)
            x[again], solved[again] = state.x, good & equation.positive(state, SIGN)
        again = np.flatnonzero(~solved)
        if again.size:
            x[again], solved[again] = self._lowered(angle[again], equation)
        return x, solved

    def solve(self, angle: Array) -> tuple[ComplexArray, Bools]:
        """Solutions at new angles, and where they were found."""
        rough, z = self._rough, self._beside(angle)
        start = _Spline(self._angle, self._x)(angle)
        inverse = self._inverses[np.abs(angle[:, None] - self._knots).argmin(axis=1)]
        rtol = RTOL if rough is self._equation else ROUGH
        x, solved = self._chords(rough, z, start, inverse, rtol)
        again = np.flatnonzero(~solved)
        if again.size:
            hard = again
            x[again], solved[again] = self._attempt(z[again], start[again])
            again = np.flatnonzero(~solved)
            x[again], solved[again] = self._lowered(angle[again])
            # Their neighbours, if they are asked for, will need the Jacobian there.
            hard = hard[solved[hard]]
            self._knots = np.concatenate([self._knots, angle[hard]])
            found = rough.inverse(rough.evaluate(z[hard], x[hard]))
            self._inverses = np.concatenate([self._inverses, found])
        x, solved = self._finished(angle, x, inverse)
        self._learn(angle[solved], x[solved])
        return x, solved

    def density(self, interval: Indices, left: Array, right: Array) -> Array:
        """Of the eigenvalues, as `build_table` asks for it."""
        angle, back = np.unique(
            2.0 * np.arctan2(np.sqrt(left), np.sqrt(right)), return_inverse=True
        )
        x, solved = self.solve(angle)
        if not solved.all():
            lost = self._points(angle)[~solved]
            raise ConvergenceError(
                f"the density was not found at {lost.size} of {angle.size} points, the first "
                f"x = {lost[0]:.6g}",
                Status.NOT_CONVERGED,
            )
        return np.asarray(x[back, self._equation.rows].imag / math.pi)
