"""What is said of syntax and names that no expression may hold, and what to write instead."""

from __future__ import annotations

import ast
import difflib

from rmt.expressions.catalogue import CATALOGUE, CONSTANTS, FORMS

__all__ = ["refused_operator", "refused_syntax", "unknown_name"]

_REFUSED: dict[type[ast.AST], str] = {
    ast.Attribute: "attribute access ('.') is not allowed",
    ast.Subscript: "indexing ('[ ]') is not allowed",
    ast.Lambda: "lambda is not allowed; write an expression in z",
    ast.Dict: "dictionaries are not allowed",
    ast.List: "lists are not allowed",
    ast.Set: "sets are not allowed",
    ast.Tuple: "a tuple is only allowed as a branch of Piecewise",
    ast.ListComp: "comprehensions are not allowed",
    ast.SetComp: "comprehensions are not allowed",
    ast.DictComp: "comprehensions are not allowed",
    ast.GeneratorExp: "comprehensions are not allowed",
    ast.IfExp: "'if ... else' is not allowed; write Piecewise((value, z < 0), (other, True))",
    ast.Compare: "a comparison is only allowed as a condition of Piecewise",
    ast.BoolOp: "'and' / 'or' is only allowed in a condition of Piecewise",
    ast.JoinedStr: "strings are not allowed",
    ast.NamedExpr: "assignment is not allowed",
    ast.Await: "'await' is not allowed",
    ast.Yield: "'yield' is not allowed",
    ast.YieldFrom: "'yield' is not allowed",
    ast.Starred: "'*' before an argument is not allowed",
}

_OPERATORS: dict[type[ast.operator], str] = {
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitOr: "|",
    ast.BitAnd: "&",
}

# What people write for something that is there under another name.
_SYNONYMS = {
    "ln": "log",
    "arctan": "atan",
    "arcsin": "asin",
    "arccos": "acos",
    "arcsinh": "asinh",
    "arctanh": "atanh",
    "step": "heaviside",
    "theta": "heaviside",
    "sgn": "sign",
    "maximum": "max",
    "minimum": "min",
    "fabs": "abs",
    "pow": "**",
    "hermite": "He3",
    "h": "He3",
    "where": "Piecewise",
}


def refused_syntax(node: ast.AST) -> str:
    """Why a node of the syntax tree is not allowed."""
    return _REFUSED.get(type(node), "this is not allowed in an expression")


def refused_operator(node: ast.BinOp, line: str) -> tuple[str, int]:
    """Why an operator is not allowed, and its column."""
    between_start = node.left.end_col_offset or 0
    between = line[between_start : node.right.col_offset]
    if isinstance(node.op, ast.BitXor):
        return "'^' is not a power; write **", between_start + max(between.find("^"), 0)
    symbol = _OPERATORS[type(node.op)]
    column = between_start + max(between.find(symbol), 0)
    return f"operator {symbol!r} is not allowed; allowed are + - * / **", column


def unknown_name(name: str, variables: tuple[str, ...], *, called: bool) -> str:
    """Why a name is not allowed, and what may have been meant."""
    if name.lower() in ("nan", "inf", "infinity", "oo", "zoo"):
        return f"{name!r} is not allowed: every number must be finite"
    if name in ("I", "j", "i"):
        return f"unknown name {name!r}: functions are real"
    functions = [*CATALOGUE, *FORMS]
    allowed = [*variables, *CONSTANTS, *functions]
    lowered = {a.lower(): a for a in allowed}
    cutoff = 0.5 if len(name) > 2 else 0.9
    close = [
        lowered[match]
        for match in difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=cutoff)
    ]
    if name.lower() in _SYNONYMS:
        hint = f"write {_SYNONYMS[name.lower()]}"
    elif close:
        hint = "closest allowed names: " + ", ".join(close)
    elif called:
        hint = "allowed functions include tanh, relu, erf, exp, He3, sigmoid, abs, max"
    else:
        hint = "allowed variables: " + (", ".join(variables) or "none")
    return f"unknown name {name!r}; {hint}"
