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
``E[f^a z^c]``: exact where these have closed forms, otherwise certified to 30 digits (with several
index directions: double precision), and every number carries a bound of its error.

The files, in the order in which data flows: `activation_moments` and `label_moments` (by
`rmt.moments` where there is no closed form), `gram` and `readout_moments` (distances on the right
and the left), `successive_spikes`, `spikes_in_n` (what is returned); `number`, `powers`,
`number_fractions` (arithmetic).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rmt.caching import cached
from rmt.problem import Problem
from rmt.problem.supported import check_supported
from rmt.spikes.scaling.exponents import (
    exact_exponents,
    highest_order,
    highest_power,
    spike_count,
)
from rmt.status import InvalidInputError

if TYPE_CHECKING:
    from rmt.spikes.scaling.spikes_in_n import Scaling
    from rmt.spikes.scaling.steps_in_n import StepsScaling

__all__ = ["scaling", "two_step_scaling"]


def scaling(
    problem: Problem, n_spikes: int | None = None, alpha: Sequence[Any] | None = None
) -> Scaling | StepsScaling:
    r"""Exponents, counts and leading constants of the spikes, symbolic in the width ``N``.

    With ``eta_s = c_s N^{alpha_s}`` and all ratios ``N : d : n`` fixed at those of the problem,

    .. math::
       \theta_0 &= \delta_0\, |\eta_1 \mu_1 \beta_1 + \eta_2 v_0|, \\
       \theta_k &= \frac{\eta_2 \eta_1^k}{k!}\, N^{-k/2}\, \delta_k r_k, \qquad k = 1, \dots, L, \\
       L &= \left\lfloor \frac{\alpha_2}{1/2 - \alpha_1} \right\rfloor,

    up to a relative error of order ``N^{alpha_1 - 1/2}`` (and, next to a stronger spike, of the
    ratio of their strengths). The width of the problem enters through the ratios alone.

    After more than two steps, on fresh batches, exponents alone: of the spikes, one for each power
    of the readout, and of every direction of the target,

    .. math:: \max_s \, [\alpha_{s+1} - k (1/2 - A_s)], \qquad A_s = \max_{t \le s} \alpha_t,

    with the leading constant of the first spike.

    Parameters
    ----------
    problem : Problem
        Its floats are read as the decimals that they print: 0.3 is 3/10.
    n_spikes : int, optional
        How many to list, from ``k = 0``; default ``L + 1``, at most 6. Needed when the exponents
        are symbols.
    alpha : sequence of number, str or sympy.Expr, optional
        Exponents in place of those of the steps: numbers in [0, 1/2), or, for one or two steps,
        symbols.

    Returns
    -------
    Scaling or StepsScaling
        The second after more than two steps.

    Raises
    ------
    InvalidInputError
        For a reused batch when the activation is not smooth enough: with ``p`` continuous
        derivatives, orders ``k > 2 p`` hold products such as ``sigma'' sigma'`` that are undefined.
        When a moment that is needed does not exist. After more than two steps for symbols, and
        for an activation with ``mu_1 = 0``.
    UnsupportedProblemError
        For more than two steps that use a batch again, and for exponents of 1/2; for more than two
        steps of a loss whose residual answers differently to each label.

    Notes
    -----
    Spikes that are absent leave their powers of ``g`` free: ``delta_k`` is the distance from the
    powers of those that are present. Level `resummed` has no such expansion and needs no limit.
    With another loss, or a law of labels, every ``y`` is the effective label ``y_1 = rho(0, y)``,
    ``rho = -dl/dh`` (`rmt.problem.effective_labels`): the output vanishes with the shift. After
    more than two steps losses are those that answer alike to each label.
    Source: docs/theory.md, sections 2 and 3; docs/scaling.md; docs/losses.md, the level scaling.

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
    # Exponents in the place of the problem's own are checked for themselves.
    nearest = problem
    if alpha is not None:
        steps = [(one.scale, 0, one.weight_decay) for one in problem.steps]
        nearest = problem.replace(steps=steps)
    check_supported(nearest, "exponents", None)
    if problem.n_steps <= 2:
        return two_step_scaling(problem, n_spikes, alpha)
    exponents = _exponents(problem, alpha)
    if any(a.free_symbols for a in exponents):
        raise InvalidInputError(
            f"alpha: after {problem.n_steps} steps exponents are numbers, got {alpha!r}; symbols "
            "are for one or two steps"
        )
    count = spike_count(n_spikes, highest_power(exponents), problem.n_steps)
    return _more_steps(problem, count, exponents)


def two_step_scaling(
    problem: Problem, n_spikes: int | None = None, alpha: Sequence[Any] | None = None
) -> Scaling:
    """`scaling` of a problem of one or two steps."""
    exponents = _exponents(problem, alpha)
    count = spike_count(n_spikes, highest_order(exponents), problem.n_steps)
    return _scaling(problem, count, exponents)


def _exponents(problem: Problem, alpha: Sequence[Any] | None) -> tuple[Any, ...]:
    given = [step.exponent for step in problem.steps] if alpha is None else alpha
    return exact_exponents(given, problem.n_steps)


@cached(256)
def _scaling(problem: Problem, count: int, exponents: tuple[Any, ...]) -> Scaling:
    # Loaded here: exact arithmetic takes a while to import.
    from rmt.spikes.scaling.spikes_in_n import Scaling
    from rmt.spikes.scaling.successive_spikes import scaling_spikes

    spikes = scaling_spikes(problem, count, exponents)
    return Scaling(problem, exponents, spikes, highest_order(exponents))


@cached(256)
def _more_steps(problem: Problem, count: int, exponents: tuple[Any, ...]) -> StepsScaling:
    from rmt.spikes.scaling.more_steps import steps_scaling

    return steps_scaling(problem, count, exponents)
