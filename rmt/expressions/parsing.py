"""Text to sympy through a whitelist over the syntax tree; the text itself is never evaluated."""

from __future__ import annotations

import keyword
from collections.abc import Sequence

from rmt.expressions.catalogue import CATALOGUE, CONSTANTS, FORMS
from rmt.expressions.error import ExpressionError
from rmt.expressions.reader import Reader, RemoveHermite
from rmt.lazy import sympy
from rmt.status import InvalidInputError

__all__ = ["read_expression"]


def read_expression(
    text: str, variables: Sequence[str], remove_hermite: RemoveHermite | None = None
) -> sympy.Expr:
    """What `rmt.functions.parse_expression` says, to which this leaves nothing but a default.

    Parameters
    ----------
    text, variables
        As there.
    remove_hermite : callable, optional
        ``f - E[f(Z) He_k(Z)]/k! He_k`` of an expression in ``z`` and a degree. It takes integrals,
        which this floor knows nothing of; without it a text that asks for it is refused.
    """
    if not isinstance(text, str):
        raise ExpressionError(
            f"an expression is text such as 'tanh(z)'; got {type(text).__name__}", repr(text)[:200]
        )
    for name in variables:
        if not (isinstance(name, str) and name.isidentifier() and name.isascii()) or (
            keyword.iskeyword(name) or name in CATALOGUE or name in CONSTANTS or name in FORMS
        ):
            raise InvalidInputError(
                f"variables: {name!r} is not allowed; a variable is an identifier that is not the "
                "name of a function or constant"
            )
    return Reader(text, tuple(variables), remove_hermite).read()
