"""How an expansion is shown: the parts of its table, and a formula in LaTeX."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from rmt.display import Formula, Part, Table, equation, latex
from rmt.lazy import sympy
from rmt.moments.number_conversions import is_exact

if TYPE_CHECKING:
    from rmt.hermite.expansion import HermiteExpansion

__all__ = ["expansion_latex", "expansion_parts"]


def expansion_parts(expansion: HermiteExpansion, orthonormal: bool = False) -> list[Part]:
    """The function, the order, number and closed form or error of each coefficient, the rest."""
    values = expansion.orthonormal if orthonormal else expansion.probabilists
    heading = "E[f He_k] / sqrt(k!)" if orthonormal else "E[f He_k]"
    header = ["k", heading, "error" if not any(map(is_exact, values)) else "closed form"]
    rows: list[list[str | Formula]] = []
    for k, value in enumerate(values):
        if is_exact(value):
            form = Formula(_short(value), (value,))
            rows.append([str(k), _decimal(value, expansion.digits), form])
        else:
            error = expansion.errors[k] * (1.0 if orthonormal else math.sqrt(math.factorial(k)))
            rows.append([str(k), _decimal(value, expansion.digits), f"+- {error:.0e}"])
    function = expansion.function
    text = f"f({', '.join(function.variables)}) = {function.short}"
    return [
        Formula(text, equation("f", function)),
        Table("rrl", header, rows),
        f"E[f^2] = {_decimal(expansion.second_moment, expansion.digits)}, "
        f"L2 norm of the rest {expansion.truncation_error():.3g}",
    ]


def expansion_latex(expansion: HermiteExpansion) -> str:
    """The partial sum, coefficients in front of ``He_k``."""
    terms = []
    for k, mu in enumerate(expansion.probabilists):
        if not mu:
            continue
        coefficient = mu / sympy.factorial(k)
        sign = " - " if coefficient.could_extract_minus_sign() else " + "
        text = latex(-coefficient if sign == " - " else coefficient)
        if coefficient.is_Add:
            text = rf"\left({text}\right)"
        if k:
            text = ("" if text == "1" else text + " ") + rf"\mathrm{{He}}_{{{k}}}(z)"
        terms.append(sign + text)
    total = "".join(terms).removeprefix(" + ").removeprefix(" ") or "0"
    remainder = "" if _ends_here(expansion) else r" + \cdots"
    return f"{latex(expansion.function.expression)} = {total}{remainder}"


def _ends_here(expansion: HermiteExpansion) -> bool:
    (z,) = expansion.function.symbols
    expression = expansion.function.expression
    if not expression.is_polynomial(z):
        return False
    return bool(sympy.degree(expression, z) <= expansion.order)


def _decimal(value: Any, digits: int | None) -> str:
    digits = 12 if digits is None else digits
    if not value:
        return "0"
    text = str(value.evalf(digits, maxn=20_000))
    return text.rstrip("0").rstrip(".") if value.is_Rational else text


def _short(mu: Any) -> str:
    text = str(mu)
    return text if len(text) <= 60 else text[:57] + "..."
