"""Where in the plane of the two exponents a target is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rmt.display import Formula, InNotebooks, Part
from rmt.functions import ScalarFunction
from rmt.functions.scalar_function import FunctionLike
from rmt.hermite import Exponent, information_exponent, reuse_exponent
from rmt.lazy import sympy
from rmt.problem import Batch, Bernoulli, Channel, Loss, Poisson, Problem, SignOf
from rmt.problem.labels import Law
from rmt.spikes.scaling.exponents import alpha_symbols, exact_exponents
from rmt.status import InvalidInputError

__all__ = ["LearnedRegion", "learned_region"]

_MAX_ORDER = 5  # of a spike that is looked at, for a given activation


@dataclass(frozen=True, slots=True)
class LearnedRegion(InNotebooks):
    """The exponents ``(alpha_1, alpha_2)`` at which some outlier points towards the target.

    Attributes
    ----------
    batch : {"independent", "reused"}
    exponent : int or None
        Information exponent (independent) or reuse exponent ``m`` (reused); None: none was found.
    order : int or None
        ``k`` of the spike that carries the target; None when there is none.

    Examples
    --------
    >>> from rmt import learned_region
    >>> region = learned_region("He3(z)", "reused")
    >>> region.exponent, region.order, region.condition()
    (3, 2, alpha_2 > 1 - 2*alpha_1)
    >>> region.contains(0.3, 0.45), region.contains(0.3, 0.4)
    (True, False)
    """

    batch: Batch
    exponent: int | None
    order: int | None

    def condition(self, alpha: tuple[Any, Any] | None = None) -> Any:
        """The region as a sympy relation in ``alpha_1, alpha_2`` (or in the given pair).

        Examples
        --------
        >>> learned_region(3, "reused").condition()
        alpha_2 > 1 - 2*alpha_1
        >>> learned_region(3, "independent").condition()
        False
        """
        first, second = alpha if alpha is not None else alpha_symbols()
        if self.order is None:
            return sympy.false
        if self.order == 0:
            return sympy.Gt(sympy.Max(first, second), 0)
        half = sympy.Rational(1, 2)
        return sympy.Gt(second, sympy.expand(self.order * (half - first)))

    def contains(self, alpha_1: Any, alpha_2: Any) -> bool:
        """Whether the target is learned at these exponents; decimals are read as they print.

        Examples
        --------
        >>> region = learned_region(3, "reused")
        >>> region.contains(0.3, 0.4), region.contains(0.3, 0.41), region.contains(0.1, 0.45)
        (False, True, False)
        """
        return bool(self.condition(exact_exponents((alpha_1, alpha_2), 2)))

    def _parts(self) -> list[Part]:
        if self.order is None:
            return [str(self)]
        where = Formula("", (self.condition(),))
        return [f"{self.batch} batch: learned by spike {self.order} where", where]

    def __str__(self) -> str:
        if self.order is None:
            return f"{self.batch} batch: not learned at any exponents in [0, 1/2)"
        return f"{self.batch} batch: learned by spike {self.order} where {self.condition()}"


def learned_region(
    target: FunctionLike | Law | Exponent | int,
    batch: Batch,
    activation: FunctionLike | None = None,
    *,
    loss: str | Loss = "squared",
    noise_std: float = 0.0,
) -> LearnedRegion:
    """Where in the plane of exponents a target of one index direction is learned.

    Independent batches learn it when the information exponent is 1, with spike 0. A reused batch
    learns it with spike ``k = m - 1``, ``m`` the reuse exponent, through
    ``phi_1^k E[z y^{k+1}] E[sigma^{(k+1)} sigma'^k]``: where ``alpha_2 > (m - 1)(1/2 - alpha_1)``.
    On the boundary the spike is O(1), an outlier if above the threshold. This is the region of an
    activation whose coefficients do not vanish. For a given one the spikes are looked at one by
    one, up to ``k = 5``: an odd one has none of odd order, and reuse exponent 2 takes ``k = 2``.

    With a loss or a law of labels the exponents are the effective ones, of ``y_1 = rho(0, y)``.
    What the residual answers to the output brings the target to vanishing parts of an outlier, of
    the relative size ``N^{alpha_1 - 1/2}``, which do not count.

    Parameters
    ----------
    target : str, sympy expression, ScalarFunction, the law of labels, Exponent or int
        The target, or its information exponent (independent) or reuse exponent (reused).
    batch : {"independent", "reused"}
        Whether the second step sees fresh samples or the first batch again.
    activation : str, sympy expression or ScalarFunction, optional
        With it, `target` must be a function, or a law.
    loss, noise_std
        As in `Problem`; for a given exponent they say nothing more.

    Returns
    -------
    LearnedRegion

    Raises
    ------
    InvalidInputError
        As for `information_exponent` and `reuse_exponent`; an exponent below 1. With an activation
        as for `scaling`: one with kinks and a reused batch has spikes of low order alone.

    Notes
    -----
    Source: docs/theory.md, section 2; arXiv:2605.17767.

    Examples
    --------
    >>> print(learned_region("He3(z)", "reused"))
    reused batch: learned by spike 2 where alpha_2 > 1 - 2*alpha_1
    >>> print(learned_region("He3(z)", "independent"))
    independent batch: not learned at any exponents in [0, 1/2)
    >>> print(learned_region("He2(z) + He3(z)", "reused", "erf(z)"))
    reused batch: learned by spike 2 where alpha_2 > 1 - 2*alpha_1
    >>> print(learned_region("He3(z)", "independent", loss="huber(1/2)"))
    independent batch: learned by spike 0 where Max(alpha_1, alpha_2) > 0
    """
    if batch not in ("independent", "reused"):
        raise InvalidInputError(f"batch must be independent or reused; got {batch!r}")
    value: int | None
    if isinstance(target, int) and not isinstance(target, bool):
        if target < 1:
            raise InvalidInputError(f"target: an exponent must be at least 1, got {target}")
        value = target
    elif isinstance(target, Exponent):
        value = target.value
    else:
        if not isinstance(target, Bernoulli | SignOf | Poisson | Channel):
            target = ScalarFunction.parse(target)
        if target.n_variables > 1:
            raise InvalidInputError(
                f"target must have one index direction, got {target.text}; for several see "
                "rmt.hermite.staircase"
            )
        find = information_exponent if batch == "independent" else reuse_exponent
        value = find(target, loss=loss, noise_std=noise_std).value
    if value is None or (batch == "independent" and value > 1):
        return LearnedRegion(batch, value, None)
    if activation is None:
        return LearnedRegion(batch, value, value - 1)
    if isinstance(target, int | Exponent):
        raise InvalidInputError(
            f"target must be a function, or a law of labels, when the activation is given, got "
            f"{target!r}"
        )
    steps = [(1, 0), (1, 0)]  # any: whether an overlap vanishes does not depend on sizes
    problem = Problem(
        *(activation, target, 1000, 1000, 1000, steps),
        batch=batch,
        loss=loss,
        noise_std=noise_std,
    )
    return LearnedRegion(batch, value, _order_that_carries(problem, value - 1))


def _order_that_carries(problem: Problem, least: int) -> int | None:
    from rmt.spikes.scaling.level import two_step_scaling

    for k in range(least, _MAX_ORDER + 1):
        if two_step_scaling(problem, k + 1).spikes[k].carries_target:
            return k
    return None
