"""Exponents of the steps as exact numbers or symbols, and how many spikes they allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rmt.lazy import sympy
from rmt.status import InvalidInputError

__all__ = [
    "MAX_SPIKES",
    "alpha_symbols",
    "exact_exponents",
    "highest_order",
    "highest_power",
    "spike_count",
]

MAX_SPIKES = 12
_DEFAULT_SPIKES = 6


def alpha_symbols() -> tuple[Any, Any]:
    """The symbols ``alpha_1``, ``alpha_2``."""
    first, second = sympy.symbols("alpha_1 alpha_2", nonnegative=True)
    return first, second


def exact_exponents(values: Sequence[Any], steps: int) -> tuple[Any, ...]:
    """Numbers in [0, 1/2) as rationals, decimals as they print; names as symbols.

    Raises
    ------
    InvalidInputError
        A wrong number of them, or something that is neither.

    Examples
    --------
    >>> exact_exponents([0.3, "alpha_2"], 2)
    (3/10, alpha_2)
    """
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != steps:
        raise InvalidInputError(f"alpha must hold {steps} exponent(s), got {values!r}")
    made = []
    for value in values:
        if isinstance(value, str) and value.isidentifier():
            exponent = sympy.Symbol(value, nonnegative=True)
        elif isinstance(value, sympy.Expr) and not value.is_Float:
            exponent = value
        else:
            try:
                exponent = sympy.Rational(str(value))
            except (TypeError, ValueError, ZeroDivisionError):
                exponent = sympy.nan
        in_range = exponent.is_real and (
            exponent.free_symbols or (exponent.is_Rational and 0 <= exponent < sympy.Rational(1, 2))
        )
        if not in_range:
            raise InvalidInputError(
                f"alpha: expected rational numbers in [0, 1/2) or real symbols, got {value!r}"
            )
        made.append(exponent)
    return tuple(made)


def highest_order(exponents: Sequence[Any]) -> int | None:
    """``L = floor(alpha_2 / (1/2 - alpha_1))``, 0 for one step; None when there are symbols.

    Examples
    --------
    >>> (
    ...     highest_order(exact_exponents([0.3, 0.4], 2)),
    ...     highest_order(exact_exponents([0.3, 0.39], 2)),
    ... )
    (2, 1)
    """
    if any(a.free_symbols for a in exponents):
        return None
    if len(exponents) == 1:
        return 0
    return int(sympy.floor(exponents[1] / (sympy.Rational(1, 2) - exponents[0])))


def highest_power(exponents: Sequence[Any]) -> int:
    """The largest ``k`` with ``alpha_{s+1} - k (1/2 - A_s) >= 0`` for some step.

    Examples
    --------
    >>> highest_power(exact_exponents([0.4, 0.1, 0.3, 0.2], 4))
    3
    """
    half = sympy.Rational(1, 2)
    orders = (
        sympy.floor(exponents[s] / (half - max(exponents[:s]))) for s in range(1, len(exponents))
    )
    return int(max(orders))


def spike_count(n_spikes: Any, highest: int | None, steps: int) -> int:
    """How many spikes to list: what was asked for, or ``L + 1``, at most 6."""
    if n_spikes is None:
        if highest is None and steps > 1:
            raise InvalidInputError(
                "n_spikes: how many spikes there are is not decided when the exponents are "
                "symbols; give a number"
            )
        return min((highest or 0) + 1, _DEFAULT_SPIKES)
    most = 1 if steps == 1 else MAX_SPIKES
    if isinstance(n_spikes, bool) or not isinstance(n_spikes, int) or not 1 <= n_spikes <= most:
        raise InvalidInputError(
            f"n_spikes must be a whole number from 1 to {most} after {steps} step(s), "
            f"got {n_spikes!r}"
        )
    return n_spikes
