"""Lengths of the rows beside the mean update after two steps, by expectations of their own.

With ``t = eta_1 a``, ``a = g / sqrt(N)``, a row's own part has after the first step the square

    b_1^2 = (1 + t mu_2 Ey)^2 + t^2 tau^2

and after the second, ``k = eta_2 a``, ``r = y - h``, on nodes and weights of the resummed level,

    b_2^2 = (1 + t mu_2 Ey + k E[r E_n(Z sigma')])^2 + (1 + c)^2 t^2 tau^2
            + k^2 phi_2 E[r^2 (E_n sigma'^2 - Phi_t^2)]
            + 2 (1 + c) t k phi_1 E[y r (E_n(sigma'(Z) sigma') - mu_1 Phi_t)]   [reused batch only]

with ``sigma'`` at ``Z + S``, ``E_n`` over ``Z`` and ``xi``, and ``c = k E[r E_n sigma'']`` the
answer of the second step to the fluctuation that the first has left. The package takes them from
the walk (`rmt.spikes.state`), which is held against this.
"""

from __future__ import annotations

import math

import numpy as np

from rmt.arrays import Array
from rmt.moments.rules import NEGLIGIBLE
from rmt.problem import Problem
from rmt.spikes.constants import Constants, constants
from rmt.spikes.label_law import independent_law, joint_law
from rmt.spikes.readout_rule import readout_rule
from rmt.spikes.second_step import SecondStep, Wanted
from rmt.spikes.second_step.averages import averages_of

__all__ = ["after_two_steps"]


LABELS = {False: 56.0, True: 72.0}  # for smooth activations, and with kinks
READOUTS = {False: 14.0, True: 20.0}
ZETA = 30.0
INNER = 3.0
TARGET = {1: 10.0, 2: 5.0, 3: 2.5}
TAIL = 1e-8  # of labels and readouts: what is beyond is worth less than the errors here


def after_two_steps(problem: Problem, resolution: float) -> tuple[Array, Array]:
    """Nodes of the readout, and ``b_2^2`` there.

    Parameters
    ----------
    problem : Problem
        Two steps.
    resolution : float
        Multiplies all numbers of nodes; 1 for relative errors of about 1e-4.

    Raises
    ------
    OverflowError
        The activation overflows at the pre-activations of the second step.
    """
    c, sigma = constants(problem), problem.activation
    reused, kinked = problem.batch == "reused", bool(sigma.kinks)
    phi, (eta1, eta2) = problem.sample_ratios, problem.learning_rates
    kick = eta1 / math.sqrt(problem.width)
    scale = _scale(c, kick, phi[0], reused)
    order = 2 * max(1, round(READOUTS[kinked] * resolution / 2.0))
    g, w = readout_rule(problem.readout, order, scale, kinked, TAIL)
    t, k = kick * g, eta2 / math.sqrt(problem.width) * g
    numbers = round(ZETA * resolution), TARGET[problem.n_directions] * resolution
    if reused:
        labels = round(LABELS[kinked] * resolution)
        spread = math.hypot(c.mu1 * math.sqrt(c.B), c.tau)
        label_scale = max(1.0 / kick, spread) / (2.0 * phi[0] * c.rms_slope)
        law = joint_law(
            problem.target, problem.noise_std, c, label_scale, labels, *numbers, NEGLIGIBLE
        )[0]
    else:
        law = independent_law(problem.target, problem.noise_std, c, *numbers, NEGLIGIBLE)[0]
    wanted: Wanted = ["value", "slope", "slope_z", "square", "bend"]
    wanted = [*wanted, "product"] if reused else wanted
    rare = np.maximum(2.0 * np.log(np.maximum(w * g**2, TAIL) / TAIL), 0.0)
    reach = np.abs(t) * math.hypot(c.mu1 * math.sqrt(c.B), c.tau) * np.sqrt(rare)
    step = SecondStep(sigma, c, phi[0])
    averages = averages_of(step, t, law.y, law.zeta, wanted, INNER * resolution, reach)
    found = dict(zip(wanted, averages(slice(None), law.y, law.zeta), strict=True))

    one, y1, y2 = law.weights[:3]
    h, slope = (w * g) @ found["value"], found["slope"]
    residual = y1 - h * one
    straight = 1.0 + t * (c.mu2 * c.Ey) + k * (found["slope_z"] @ residual)
    answer = 1.0 + k * (found["bend"] @ residual)
    square = straight**2 + (answer * t * c.tau) ** 2
    spread_square = (found["square"] - slope**2) @ (y2 - 2.0 * h * y1 + h**2 * one)
    square += k**2 * (phi[0 if reused else 1] * spread_square)
    if reused:
        both = (found["product"] - c.mu1 * slope) @ (y2 - h * y1)
        square += 2.0 * answer * t * k * (phi[0] * both)
    return g, square


def _scale(c: Constants, kick: float, phi: float, reused: bool) -> float:
    """The readout with which what moves pre-activations furthest moves them by about 1."""
    large = 0.7 * c.rms_slope * phi * c.large_label * reused + 2.0 * abs(c.mu1) * math.sqrt(c.B)
    return min(max(1.0 / (kick * large), 0.002), 4.0) if kick * large > 0 else 4.0
