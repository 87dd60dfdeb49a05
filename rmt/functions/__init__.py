"""Scalar functions of Gaussian variables: symbolic form, fast evaluation, kinks."""

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
