"""Scalar functions of Gaussian variables, and what users write and read of them.

`scalar_function` holds the one class, `ScalarFunction`: its identity (a canonical text), its call,
and its structure. It does little itself: the text is read and written in `rmt.expressions`, values
and derivatives are computed in `rmt.evaluation`, kinks and parity are found in `rmt.pieces`. What
needs integrals against the normal law is on the floor above, `rmt.moments`; of that, reading a text
alone may ask for one thing, `remove_hermite`, which `ScalarFunction` passes to the reader.
"""

from typing import TYPE_CHECKING

from rmt.lazy import load_on_demand

if TYPE_CHECKING:
    from rmt.expressions.error import ExpressionError
    from rmt.functions.reading import parse_expression
    from rmt.functions.scalar_function import FunctionLike, ScalarFunction
    from rmt.moments.projection import remove_hermite

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
        "rmt.expressions.error": "ExpressionError",
        "rmt.functions.reading": "parse_expression",
        "rmt.functions.scalar_function": "FunctionLike ScalarFunction",
        "rmt.moments.projection": "remove_hermite",
    },
)
