"""Scalar functions of Gaussian variables: symbolic form, fast evaluation, kinks."""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.functions.expression import ExpressionError, parse_expression
    from rmt.functions.projection import remove_hermite
    from rmt.functions.scalar_function import FunctionLike, ScalarFunction

__all__ = [
    "ExpressionError",
    "FunctionLike",
    "ScalarFunction",
    "parse_expression",
    "remove_hermite",
]

load_on_demand(
    __name__,
    {
        "expression": "ExpressionError parse_expression",
        "projection": "remove_hermite",
        "scalar_function": "FunctionLike ScalarFunction",
    },
)
