"""The JSON form of results: plain values from their fields, and the fields back from these."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Self

from rmt.status import InvalidInputError

__all__ = ["InJson", "fields", "plain", "with_derived"]


class InJson:
    """Base of results, dataclasses, that have a JSON form: their fields by name, plain."""

    __slots__ = ()

    _FORMAT: ClassVar[int]
    # In which order the fields are written; by default in their own.
    _WRITTEN: ClassVar[tuple[str, ...]] = ()
    # Whether infinite numbers are texts rather than null.
    _KEEP_INFINITE: ClassVar[bool] = False
    # Properties of a field's parts to be written beside it.
    _DERIVED: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    # What makes a field of its plain form, where that is not the value or a list for a tuple.
    _READ: ClassVar[Mapping[str, Callable[[Any], Any]]]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_dict` gives the result back exactly."""
        names = self._WRITTEN or _field_names(self)
        values = {name: _part(getattr(self, name), self._DERIVED.get(name)) for name in names}
        return {"format": self._FORMAT, **plain(values, keep_infinite=self._KEEP_INFINITE)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`.

        Raises
        ------
        InvalidInputError
            For data of another format, or with missing keys.
        """
        with _reading(cls.__name__, cls._FORMAT, data):
            read = {name: cls._READ.get(name, _as_tuple) for name in _field_names(cls)}
            return cls(**{name: make(data[name]) for name, make in read.items()})

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`.

        Raises
        ------
        InvalidInputError
            For what is no JSON text, or not of such a result.
        """
        try:
            return cls.from_dict(json.loads(text))
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"a {cls.__name__} must be a JSON object: {error}") from error


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


def with_derived(part: Any, *names: str) -> dict[str, Any]:
    """The fields of a part, and beside them some of its properties, which `fields` leaves out."""
    return {**dataclasses.asdict(part), "derived": {name: getattr(part, name) for name in names}}


@contextmanager
def _reading(name: str, version: int, data: Any) -> Iterator[None]:
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


def _field_names(result: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(result)]


def _part(value: Any, derived: Sequence[str] | None) -> Any:
    """A field as mappings and lists."""
    if isinstance(value, tuple):
        return [_part(one, derived) for one in value]
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if not dataclasses.is_dataclass(value):
        return value
    return with_derived(value, *derived) if derived else dataclasses.asdict(value)  # type: ignore[arg-type]


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
