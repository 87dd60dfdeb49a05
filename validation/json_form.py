"""The JSON form of results: plain values from their fields, and the fields back from these."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rmt.status import InvalidInputError

__all__ = ["fields", "from_text", "plain", "reading", "to_text"]


def plain(value: Any, *, keep_infinite: bool = False) -> Any:
    """A value that JSON can hold: tuples become lists, numbers that are not finite null.

    With ``keep_infinite`` infinite numbers become texts, which `fields` reads back.

    Examples
    --------
    >>> plain({"a": (1.0, math.inf), "b": math.nan})
    {'a': [1.0, None], 'b': None}
    >>> plain((1.0, -math.inf), keep_infinite=True)
    [1.0, '-inf']
    """
    if isinstance(value, dict):
        return {key: plain(item, keep_infinite=keep_infinite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, keep_infinite=keep_infinite) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value) if keep_infinite and math.isinf(value) else None
    return value


def fields(data: Mapping[str, Any], *may_be_none: str) -> dict[str, Any]:
    """Arguments of a part from its plain form, without what is derived from the others.

    Lists come back as tuples, and null as nan, except in the fields that may be None.

    Examples
    --------
    >>> fields({"a": [1.0, None], "b": None, "c": "-inf", "derived": {"d": 2.0}}, "b")
    {'a': (1.0, nan), 'b': None, 'c': -inf}
    """
    return {
        key: None if value is None and key in may_be_none else _number(value)
        for key, value in data.items()
        if key != "derived"
    }


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_number(item) for item in value)
    if value is None:
        return math.nan
    return float(value) if value in ("inf", "-inf") else value


@contextmanager
def reading(name: str, version: int, data: Any) -> Iterator[None]:
    """See that data is of the format that a result writes, and say so where a part is missing.

    Parameters
    ----------
    name : str
        Of the result's class.
    version : int
        Of its format: the entry ``format``.

    Raises
    ------
    InvalidInputError
        For data of another format; or for what goes wrong within the block.
    """
    if not isinstance(data, Mapping) or data.get("format") != version:
        raise InvalidInputError(
            f"data must be a mapping written by {name}.to_dict, format {version}"
        )
    try:
        yield
    except InvalidInputError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"data is not a complete {name}: {error}") from error


def to_text(data: Mapping[str, Any]) -> str:
    """Plain data as JSON text."""
    return json.dumps(data, indent=1, allow_nan=False)


def from_text(name: str, text: str) -> Any:
    """What JSON text holds.

    Raises
    ------
    InvalidInputError
        When it is not JSON; names the class whose result it should be.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInputError(f"a {name} must be a JSON object: {error}") from error
