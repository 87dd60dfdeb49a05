"""The upper edge of the deformed bulk, and how much of the bulk is near it.

The solutions of the equation are a curve ``x, z`` that comes from infinity; the edge is the first
point where ``z`` turns. The curve is followed in the distance ``t > 0`` of one node from its
resonance: ``-1/m`` for ``M_d`` on ``u``, ``-1/rho_q`` for a row, ``c^2 - S_vv S_ll`` for a sample,
whichever changes fastest, relatively. Next to a resonance ``z ~ a t + b/t``, so ``t^2 dz/dt`` is
straight in ``t^2``, and Newton's method for its zero needs few steps for the softest edges too.
However the point was reached, what makes it the edge is seen on the spot: just above it all
eigenvalues have the signs that they have at infinity, and the solution grows into positive ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmt.arrays import Array, ComplexArray
from rmt.budget import check_time
from rmt.moments.rules import gauss_legendre
from rmt.spikes.deformed.equation import Equation, State
from rmt.status import ConvergenceError, Status

__all__ = [
    "Edge",
    "OnArc",
    "carried",
    "lower_edge",
    "mass_above",
    "next_edge",
    "on_arc",
    "upper_edge",
    "with_mass_above",
]


MAX_STEPS = 80
FAR = 8.0  # times the edge without fluctuations
ON_CURVE = 0.05  # residual above which only the residual is reduced
CLOSE = 1e-12  # residual of the edge
FLAT = 1e-14  # relative: what is left to the edge
JUST_ABOVE = 0.02  # in t, relative
TAIL_POINTS = 6  # three digits
TAIL_RTOL = 1e-4
MAX_HALVINGS = 12
MAX_TRIES = 16
TAIL_STEPS = 8
TAIL_ACCURACY = 0.03  # of the share, relative
START = 1.0  # of the logarithm of the distance from the edge, below that of the lowest point
ABOVE = 1.05  # times the edge: where the half circle for the tail ends


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """The edge, and the curve there.

    Attributes
    ----------
    z : float
    x : array, shape (n,)
    tangent, bend : array, shape (n + 1,)
        First and second derivatives of ``(x, z)`` by the distance of a node, away from the bulk.
    """

    z: float
    x: Array
    tangent: Array
    bend: Array

    def start(self, z: float) -> Array:
        """Unknowns at a point beyond, by the parabola that touches the edge."""
        step = math.sqrt(max(0.0, 2.0 * (z - self.z) / self.bend[-1]))
        return self.x + step * self.tangent[:-1] + 0.5 * step**2 * self.bend[:-1]


def upper_edge(equation: Equation) -> Edge:
    """The upper edge, from infinity.

    Raises
    ------
    ConvergenceError
        None was found.
    """
    return _outermost(equation, FAR * (1.0 + math.sqrt(equation.aspect_ratio)) ** 2, 16.0)


def lower_edge(equation: Equation) -> float:
    """The lower edge, in ``z``, from next to zero: above the atom there for ``N < d``."""
    if equation.aspect_ratio == 1.0:
        return 0.0
    start = (1.0 - math.sqrt(equation.aspect_ratio)) ** 2 / 3.0
    return _outermost(equation, start, 0.25).z


def _outermost(equation: Equation, z: float, further: float) -> Edge:
    for _ in range(MAX_TRIES):
        state = _outside(equation, z, further > 1.0)
        if state is not None:
            ahead = np.append(equation.derivative(state)[0], 1.0)
            return _followed(equation, state.x[0], z, ahead, further > 1.0)
        z *= further
    raise ConvergenceError(
        "no point outside the deformed bulk was found: the gradients' fluctuations are many times "
        "the initial weights",
        Status.NOT_CONVERGED,
    )


def next_edge(equation: Equation, near: Edge) -> Edge:
    """The upper edge of a bulk that is like another in the same unknowns."""
    try:
        return _followed(equation, near.x, near.z, near.tangent, True)
    except ConvergenceError:
        return upper_edge(equation)


def _outside(equation: Equation, z: float, above: bool) -> State | None:
    """The solution at a point far from the bulk, from that without fluctuations."""
    gamma, rows = equation.aspect_ratio, equation.rows
    half = (z + 1.0 - gamma) / 2.0  # z m^2 + 2 half m + 1 = 0
    root = math.sqrt(max(half**2 - z, 0.0))
    m = (root - half if above else -root - half) / z
    x = np.zeros((1, equation.count))
    x[0, :rows], x[0, rows] = -1.0 / (1.0 + m), m
    at = np.array([z])
    for _ in range(2):
        x = equation.evaluate(at, x).image
    state, settled = equation.solve(at, x)
    good = settled[0] and equation.outside(state, above) and equation.grows(state)
    return state if good else None


class _Point:
    """A point next to the curve, with signs of the distances there that make them positive.

    Below the bulk ``m`` may pass zero: its sign is 0, and it is no parameter.
    """

    def __init__(self, equation: Equation, x: Array, z: float, signs: Array) -> None:
        check_time()
        self.equation, self.x, self.z, self.signs = equation, x, z, signs
        self.state = equation.evaluate(np.array([z]), x[None])
        self.residual = float(equation.relative(self.state.defect, self.state.x)[0])
        self.distances = signs * equation.distances(self.state)

    def fastest(self, ahead: Array) -> int:
        """The node whose distance changes most along ``(x, z)``, relatively."""
        along = self.equation.along(self.state, ahead[None, :-1], ahead[-1])
        change = self.equation.distance_derivatives(self.state, ahead[None, :-1], along)[0]
        size = np.where(self.signs == 0, math.inf, self.distances)
        return int(np.argmax(np.abs(change) / size))

    def derivatives(self, node: int) -> tuple[Array, Array, Array]:
        """Newton's correction, and the curve's derivatives by the distance of a node."""
        equation, state, count = self.equation, self.state, self.x.size
        bordered = np.zeros((count + 1, count + 1))
        bordered[:count, :count] = np.eye(count) - equation.jacobian(state)[0]
        bordered[:count, count] = -equation.by_z(state)[0]
        sign = self.signs[node]
        bordered[count, :count] = sign * equation.distance_gradient(state, node)
        try:
            inverse = np.linalg.inv(bordered)
        except np.linalg.LinAlgError:
            inverse = np.full_like(bordered, np.nan)
        right = np.zeros((count + 1, 2))
        right[:count, 0], right[count, 1] = state.defect[0], 1.0
        correction, tangent = (inverse @ right).T
        along = equation.along(state, tangent[None, :-1], tangent[-1])
        second = equation.distance_derivatives(state, tangent[None, :-1], along)[1]
        bent = inverse @ np.append(equation.bend(state, along)[0], -sign * second[node])
        return correction, tangent, bent


def _followed(equation: Equation, x: Array, z: float, ahead: Array, above: bool) -> Edge:
    """From a point of the curve, or one close to it, to where ``z`` turns.

    ``z`` is least there above the bulk, and largest below.
    """
    side = 1.0 if above else -1.0
    signs = np.sign(equation.distances(equation.evaluate(np.array([z]), x[None])))
    signs[0] *= above
    point = _Point(equation, x, z, signs)
    for _ in range(MAX_STEPS):
        node = point.fastest(ahead)
        correction, tangent, bent = point.derivatives(node)
        t, slope, bend = float(point.distances[node]), float(tangent[-1]), float(bent[-1])
        if not math.isfinite(bend):
            break
        left = slope**2 / (2.0 * bend) if side * bend > 0 else math.inf
        if point.residual <= CLOSE and abs(left) <= FLAT * abs(point.z):
            z, x = point.z + float(correction[-1]) - left, point.x + correction[:-1]
            # Beyond the edge m and z grow together.
            edge = Edge(z, x, tangent * np.sign(tangent[equation.rows] * bend), bent)
            if _is_outermost(equation, edge, t, above):
                return edge
            break
        step = 0.0
        if point.residual <= ON_CURVE:
            # Newton's for t^2 dz/dt in t^2: exact for z = a t + b/t.
            a = slope + t * bend / 2.0
            square = t * bend / 2.0 / a if side * a > 0 else math.inf
            step = t * (min(max(math.sqrt(max(square, 0.0)), 0.5), 2.0) - 1.0)
        point, share = _next(point, correction, tangent, bent, step)
        ahead = tangent + share * step * bent
    raise ConvergenceError(f"the edge near z = {point.z:.6g} was not settled", Status.NOT_CONVERGED)


def _next(
    point: _Point, correction: Array, tangent: Array, bent: Array, step: float
) -> tuple[_Point, float]:
    """By a share of a step that keeps all distances positive and the residual small."""
    share = 1.0
    for _ in range(MAX_HALVINGS):
        length = share * step
        moved = correction * share + length * (tangent + 0.5 * length * bent)
        new = _Point(point.equation, point.x + moved[:-1], point.z + float(moved[-1]), point.signs)
        kept = (new.distances >= 0.3 * point.distances).all()
        if kept and new.residual < max(0.3, 0.7 * point.residual):
            return new, share
        share /= 2.0
    raise ConvergenceError(f"the curve was lost near z = {point.z:.6g}", Status.NOT_CONVERGED)


def _is_outermost(equation: Equation, edge: Edge, t: float, above: bool) -> bool:
    """Whether no mass is just beyond, and the solution there is the right one."""
    z = edge.z + 0.5 * edge.bend[-1] * (JUST_ABOVE * t) ** 2
    state, settled = equation.solve(np.array([z]), edge.start(z)[None])
    return bool(settled[0] and equation.outside(state, above) and equation.grows(state))


def mass_above(equation: Equation, z: float, top: State) -> float:
    """The share of the eigenvalues between ``z`` and a point above the edge, to three digits.

    By the half circle over the two, ``N = -(R/pi) int_0^pi Re(m exp(i theta)) dtheta``.
    """
    upper = float(top.z[0])
    centre, radius = (z + upper) / 2.0, (upper - z) / 2.0
    angles, weights = gauss_legendre(TAIL_POINTS)
    last = on_arc(equation, top)
    total = 0.0
    for angle, weight in zip(math.pi * (1.0 + angles) / 2.0, weights, strict=True):
        turn = complex(math.cos(angle), math.sin(angle))
        last = carried(equation, last, centre + radius * turn)
        total -= weight / 2.0 * (complex(last.x[0, equation.rows]) * turn).real
    return radius * total


@dataclass(frozen=True, slots=True, eq=False)
class OnArc:
    """A solution and its slope at a point of the upper half plane."""

    z: complex
    x: ComplexArray
    slope: ComplexArray


def on_arc(equation: Equation, state: State) -> OnArc:
    """A solution outside the bulk as the first of an arc."""
    return OnArc(complex(state.z[0]), state.x.astype(complex), equation.derivative(state))


def carried(equation: Equation, near: OnArc, z: complex, halvings: int = 0) -> OnArc:
    """The solution at a point from that at one nearby: Newton's method with one Jacobian."""
    at, x = np.array([z]), near.x + near.slope * (z - near.z)
    state = equation.evaluate(at, x)
    inverse = equation.inverse(state)
    for _ in range(TAIL_STEPS):
        change = (inverse @ state.defect[..., None])[..., 0]
        size = equation.relative(change, x)[0]
        x = x + change
        if not size > TAIL_RTOL:
            break
        state = equation.evaluate(at, x)
    if size <= TAIL_RTOL and equation.positive(state, TAIL_RTOL**0.5)[0]:
        return OnArc(z, x, equation.derivative(state, inverse))
    if halvings == MAX_HALVINGS:
        raise ConvergenceError(f"no solution was found at z = {z:.6g}", Status.NOT_CONVERGED)
    middle = carried(equation, near, (near.z + z) / 2.0, halvings + 1)
    return carried(equation, middle, z, halvings + 1)


def with_mass_above(equation: Equation, edge: Edge, lowest: float, mass: float) -> float:
    """The point ``s = sqrt(z)`` above which there is a given share of the eigenvalues.

    Between ``lowest`` and the edge, from which the share grows like a power of the distance:
    ``lowest`` if less is above that.
    """
    highest, z = math.sqrt(edge.z), ABOVE * edge.z
    if lowest >= highest:
        return highest
    top, settled = equation.solve(np.array([z]), edge.start(z)[None])
    if not (settled[0] and equation.outside(top)):
        raise ConvergenceError(f"no solution was found at z = {z:.6g}", Status.NOT_CONVERGED)

    def excess(distance: float) -> float:
        return math.log(max(mass_above(equation, (highest - distance) ** 2, top), 1e-300) / mass)

    last = math.log(highest - lowest)
    at, value = last - START, excess((highest - lowest) * math.exp(-START))
    low, under, high, over = -math.inf, 0.0, math.inf, 0.0  # of the logarithm of the distance
    for _ in range(MAX_STEPS):
        if abs(value) <= TAIL_ACCURACY:
            return highest - math.exp(at)
        if value < 0 and at == last:
            return lowest
        if value < 0:
            low, under = at, value
        else:
            high, over = at, value
        if math.inf in (-low, high):
            at = min(at - value / 1.5, last)
        else:  # nearly a straight line
            at = low + (high - low) * under / (under - over)
        value = excess(math.exp(at))
    raise ConvergenceError("the tail of the deformed bulk was not found", Status.NOT_CONVERGED)
