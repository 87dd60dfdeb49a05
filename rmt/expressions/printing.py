"""Canonical text of a sympy expression: what :func:`parse_expression` reads back unchanged."""

from __future__ import annotations

from typing import Any

from rmt.lazy import sympy

__all__ = ["INEXACT_BITS", "INEXACT_DIGITS", "UnsupportedExpressionError", "to_text"]

# A decimal literal with at least this many significant digits stands for an inexact number (a
# sympy Float); every shorter literal is an exact rational.
INEXACT_DIGITS = 25
INEXACT_BITS = 86

# Fractions with larger denominators are written in decimal where that is exact.
MAX_DENOMINATOR = 10**6

_SUM, _PRODUCT, _POWER, _ATOM = range(4)

# Classes of sympy that are functions of the text, there in lower case.
_FUNCTIONS = frozenset(
    "Abs Heaviside Max Min log sin cos tan asin acos atan sinh cosh tanh sech asinh atanh erf erfc "
    "sign".split()
)


class UnsupportedExpressionError(ValueError):
    """A sympy expression holds something that the text form has no word for."""


def to_text(expr: sympy.Expr) -> str:
    """Write a sympy expression in the grammar of :func:`~rmt.functions.parse_expression`.

    The text depends on the expression alone (not on hash seeds or on sympy's caches). For an
    expression that came out of the parser, parsing its text gives it back.

    Examples
    --------
    >>> from rmt.expressions.parsing import read_expression
    >>> to_text(read_expression("1/(2*(1 + exp(-z)))", ["z"]))
    '1/(2*(1 + exp(-z)))'
    """
    return _write(expr)[0]


def _write(expr: Any) -> tuple[str, int]:
    """Text of ``expr`` and how tightly it binds."""
    if isinstance(expr, sympy.Symbol):
        return expr.name, _ATOM
    if isinstance(expr, sympy.Integer):
        return str(int(expr)), _ATOM if expr >= 0 else _SUM
    if isinstance(expr, sympy.Rational):
        text, binding = _write_ratio(abs(int(expr.p)), int(expr.q))
        return (text, binding) if expr > 0 else (f"-{text}", _SUM)
    if isinstance(expr, sympy.Float):
        return _write_float(expr)
    if expr is sympy.pi:
        return "pi", _ATOM
    if expr is sympy.E:
        return "e", _ATOM
    if isinstance(expr, sympy.Add):
        return _write_sum(expr)
    if isinstance(expr, sympy.Mul):
        return _write_product(expr)
    if isinstance(expr, sympy.exp):
        return f"exp({to_text(expr.args[0])})", _ATOM
    if isinstance(expr, sympy.Pow):
        return _write_power(expr)
    if isinstance(expr, sympy.Piecewise):
        return _write_piecewise(expr), _ATOM
    name = type(expr).__name__
    if name == "Table":
        u, numbers, order = expr.args
        return f"table({to_text(u)}, {int(order)}, {numbers.table.text})", _ATOM
    if name not in _FUNCTIONS or not isinstance(expr, sympy.Basic):
        raise UnsupportedExpressionError(name)
    arguments = list(expr.args)
    if name == "Heaviside":
        arguments = arguments[:1]
    if name in ("Max", "Min"):
        arguments.sort(key=sympy.default_sort_key, reverse=True)
    return f"{name.lower()}({', '.join(to_text(a) for a in arguments)})", _ATOM


def _wrap(expr: Any, level: int) -> str:
    text, binding = _write(expr)
    return text if binding >= level else f"({text})"


def _write_ratio(p: int, q: int) -> tuple[str, int]:
    """``p/q > 0``, in decimal where that is exact and the fraction would be hard to read."""
    if q > MAX_DENOMINATOR:
        places, rest = 0, q
        for prime in (2, 5):
            power = 0
            while rest % prime == 0:
                rest, power = rest // prime, power + 1
            places = max(places, power)
        digits = str(p * 10**places // q)
        if rest == 1 and len(digits) < INEXACT_DIGITS:
            if places > len(digits) + 6:
                return f"{digits}e-{places}", _ATOM
            digits = digits.rjust(places + 1, "0")
            return f"{digits[:-places]}.{digits[-places:]}", _ATOM
    return f"{p}/{q}" if q != 1 else str(p), _PRODUCT if q != 1 else _ATOM


def _write_float(value: Any) -> tuple[str, int]:
    exact = abs(value)
    for digits in range(INEXACT_DIGITS, INEXACT_DIGITS + 6):
        text = _decimal(exact, digits)
        if sympy.Float(text, precision=INEXACT_BITS) == exact:
            break
    return (text, _ATOM) if value > 0 else (f"-{text}", _SUM)


def _decimal(value: Any, digits: int) -> str:
    """``value > 0`` in decimal with exactly ``digits`` significant digits."""
    from mpmath.libmp import to_digits_exp

    _, found, power = to_digits_exp(value._mpf_, digits)
    exponent = int(power)
    mantissa = str(found).ljust(digits, "0")[:digits]
    if -6 <= exponent < 0:
        return "0." + "0" * (-exponent - 1) + mantissa
    if 0 <= exponent < digits - 1:
        return mantissa[: exponent + 1] + "." + mantissa[exponent + 1 :]
    return f"{mantissa[0]}.{mantissa[1:]}e{exponent}"


def _write_sum(expr: Any) -> tuple[str, int]:
    # Terms in descending powers where there are any, numbers last.
    text = ""
    for term in sympy.Add(*expr.args, evaluate=False).as_ordered_terms():
        piece, _ = _write(term) if not isinstance(term, sympy.Add) else (f"({to_text(term)})", _SUM)
        if not text:
            text = piece
        elif piece.startswith("-"):
            text += f" - {piece[1:]}"
        else:
            text += f" + {piece}"
    return text, _SUM


def _write_product(expr: Any) -> tuple[str, int]:
    coefficient = sympy.Integer(1)
    above: list[str] = []
    below: list[str] = []
    for factor in sorted(expr.args, key=sympy.default_sort_key):
        if isinstance(factor, sympy.Rational):
            coefficient *= factor
        elif isinstance(factor, sympy.Float):
            coefficient *= 1 if factor > 0 else -1
            above.append(_write(abs(factor))[0])
        elif _is_inverse(factor):
            below.append(_write_inverse(factor))
        else:
            above.append(_wrap(factor, _POWER))
    sign = "-" if coefficient < 0 else ""
    ratio, binding = _write_ratio(abs(int(coefficient.p)), int(coefficient.q))
    if binding == _ATOM and coefficient.q != 1:
        above.insert(0, ratio)
    else:
        if abs(coefficient.p) != 1 or not above:
            above.insert(0, str(abs(int(coefficient.p))))
        if coefficient.q != 1:
            below.insert(0, str(int(coefficient.q)))
    text = "*".join(above)
    if len(below) == 1:
        text += f"/{below[0]}"
    elif below:
        text += f"/({'*'.join(below)})"
    return sign + text, _SUM if sign else _PRODUCT


def _write_power(expr: Any) -> tuple[str, int]:
    base, exponent = expr.base, expr.exp
    if exponent == sympy.Rational(1, 2):
        return f"sqrt({to_text(base)})", _ATOM
    if _is_inverse(expr):
        return f"1/{_write_inverse(expr)}", _PRODUCT
    return f"{_wrap(base, _ATOM)}**{_wrap(exponent, _ATOM)}", _POWER


def _is_inverse(expr: Any) -> bool:
    if not isinstance(expr, sympy.Pow) or isinstance(expr, sympy.exp):
        return False
    return isinstance(expr.exp, sympy.Rational) and bool(expr.exp < 0)


def _write_inverse(power: Any) -> str:
    base, exponent = power.base, -power.exp
    return _wrap(base if exponent == 1 else sympy.Pow(base, exponent, evaluate=False), _POWER)


def _write_piecewise(expr: Any) -> str:
    branches = (f"({to_text(value)}, {_write_condition(c)})" for value, c in expr.args)
    return f"Piecewise({', '.join(branches)})"


def _write_condition(condition: Any) -> str:
    if condition == sympy.true:
        return "True"
    if condition == sympy.false:
        return "False"
    if isinstance(condition, sympy.core.relational.Relational):
        return f"{to_text(condition.lhs)} {condition.rel_op} {to_text(condition.rhs)}"
    if isinstance(condition, (sympy.And, sympy.Or)):
        word = " and " if isinstance(condition, sympy.And) else " or "
        arguments = sorted(condition.args, key=sympy.default_sort_key)
        return word.join(f"({_write_condition(a)})" for a in arguments)
    if isinstance(condition, sympy.Not):
        return f"not ({_write_condition(condition.args[0])})"
    if isinstance(condition, sympy.ITE):
        # sympy makes these when it folds one Piecewise into another.
        test, first, second = (_write_condition(a) for a in condition.args)
        return f"(({test}) and ({first})) or ((not ({test})) and ({second}))"
    raise UnsupportedExpressionError(type(condition).__name__)
