"""The text of an expression: its characters, its syntax tree, and errors that point into it."""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Any, NoReturn

from rmt.expressions.error import ExpressionError

__all__ = [
    "MAX_DEPTH",
    "MAX_LENGTH",
    "NUMBER",
    "SourceText",
    "most_characters",
    "shortened",
    "syntax_tree",
]

MAX_LENGTH = 10_000  # characters of text
MAX_TABLE_LENGTH = 1_000_000  # with sampled functions, which are mostly numbers
MAX_DEPTH = 60  # nested brackets, calls and signs

NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_TOKEN = re.compile(rf"[A-Za-z_]\w*|{NUMBER.pattern}")


@dataclass(frozen=True, slots=True)
class SourceText:
    """One text that is read; positions are columns of the text as it was given.

    Attributes
    ----------
    text : str
        As it was given.
    line : str
        On one line, without the margins.
    offset : int
        The column of `text` at which `line` begins.
    """

    text: str
    line: str
    offset: int

    @classmethod
    def of(cls, text: str) -> SourceText:
        line = re.sub(r"\s", " ", text)
        return cls(text, line.strip(), len(line) - len(line.lstrip()))

    def fail(self, reason: str, where: ast.AST | int) -> NoReturn:
        """Raise for a node of the syntax tree, or for a column of `line`."""
        column = where if isinstance(where, int) else getattr(where, "col_offset", 0)
        raise ExpressionError(reason, self.text, column + self.offset)


def most_characters(text: str) -> int:
    """How long a text may be."""
    return MAX_TABLE_LENGTH if "table(" in text else MAX_LENGTH


def syntax_tree(source: SourceText) -> ast.expr:
    """What the text is by Python's own grammar."""
    _check_characters(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source.line, mode="eval")
    except SyntaxError as error:
        column = error.offset - 1 if error.offset else len(source.line)
        reason = str(error.msg).split(". Perhaps")[0]
        source.fail(f"does not parse: {reason}", min(column, len(source.line)))
    except (RecursionError, MemoryError, ValueError, OverflowError):
        source.fail("the expression is nested too deeply", 0)
    return tree.body


def _check_characters(source: SourceText) -> None:
    line = source.line
    if not line:
        source.fail("the expression is empty; write for example 'tanh(z)'", 0)
    limit = most_characters(line)
    if len(line) > limit:
        source.fail(f"the text has {len(line)} characters; at most {limit} are allowed", limit)
    for column, character in enumerate(line):
        if not (character.isascii() and character.isprintable()) or character in "#\\$?`":
            source.fail(
                f"character {character!r} is not allowed; expressions are plain ASCII", column
            )
    for token in _TOKEN.finditer(line):
        following = _TOKEN.match(line, token.end())
        if following is None or token[0][0] not in "0123456789." or following[0][0] == ".":
            continue
        if following[0][0] == "_" or (token[0] == "0" and following[0][0] in "xXoObB"):
            source.fail("write numbers in plain decimal digits", token.start())
        product = f"{token[0]}*{following[0]}"
        source.fail(f"write {shortened(product)} for a product", following.start())
    depth = 0
    for column, character in enumerate(line):
        depth += (character in "([{") - (character in ")]}")
        if depth > MAX_DEPTH:
            source.fail(f"nested too deeply; at most {MAX_DEPTH} brackets", column)


def shortened(number: Any) -> str:
    """The text of a number for a message."""
    text = str(number)
    return text if len(text) <= 20 else text[:17] + "..."
