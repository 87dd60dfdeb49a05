"""The error of a text that is not an allowed expression."""

from __future__ import annotations

import re
from typing import Any

from rmt.status import InvalidInputError

__all__ = ["ExpressionError"]


class ExpressionError(InvalidInputError):
    """Text that is not an allowed expression.

    Attributes
    ----------
    text : str
        What was given.
    position : int
        0-based column of the first character that is wrong.
    reason : str
        One line: what is wrong and what is allowed.

    Examples
    --------
    >>> import rmt
    >>> try:
    ...     rmt.ScalarFunction.parse("tanh(z) + import")
    ... except rmt.ExpressionError as error:
    ...     print(error.position, error.reason)
    10 does not parse: invalid syntax
    """

    def __init__(self, reason: str, text: str = "", position: int = 0) -> None:
        self.reason = reason
        self.text = text
        self.position = position
        super().__init__(f"{reason} (position {position})\n{_caret(text, position)}")

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.reason, self.text, self.position))


def _caret(text: str, position: int, width: int = 76) -> str:
    """The part of the text around the position, and a caret below it."""
    start = max(0, position - width // 2)
    part = re.sub(r"[^\x20-\x7e\u00a0-\uffff]", " ", text[start : start + width])
    head = "..." if start else ""
    tail = "..." if start + width < len(text) else ""
    return f"    {head}{part}{tail}\n    {' ' * (len(head) + position - start)}^"
