from rmt.expressions.error import ExpressionError as ExpressionError
from rmt.functions.reading import parse_expression as parse_expression
from rmt.functions.scalar_function import (
    FunctionLike as FunctionLike,
    ScalarFunction as ScalarFunction,
)
from rmt.moments.projection import remove_hermite as remove_hermite
