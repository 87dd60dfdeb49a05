"""What is remembered between calls, in one place where it can be seen and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from functools import _lru_cache_wrapper, lru_cache
from typing import Any, TypeVar

__all__ = ["cached", "caches"]

T = TypeVar("T")

_CACHES: dict[str, _lru_cache_wrapper[Any]] = {}


def cached(maxsize: int) -> Callable[[Callable[..., T]], _lru_cache_wrapper[T]]:
    """`functools.lru_cache`, known to `caches`: for functions of a module."""

    def decorate(function: Callable[..., T]) -> _lru_cache_wrapper[T]:
        wrapped = lru_cache(maxsize=maxsize)(function)
        _CACHES[f"{function.__module__}.{function.__qualname__}"] = wrapped
        return wrapped

    return decorate


def caches(*, clear: bool = False) -> dict[str, int]:
    """How many results each function of the package remembers, those that remember some.

    Results are remembered for as long as the process lives, the oldest dropped where there are too
    many; they depend on nothing but the arguments, so that forgetting costs time and no more.

    Parameters
    ----------
    clear : bool
        Whether to forget all of them, after counting.

    Returns
    -------
    dict
        Full names of functions, and numbers of results.

    Examples
    --------
    >>> import rmt
    >>> f = rmt.ScalarFunction("tanh(z) + 12345/54321")
    >>> rmt.caches(clear=True)["rmt.functions.scalar_function._from_text"] >= 1
    True
    >>> rmt.caches()
    {}
    """
    found = {name: one.cache_info().currsize for name, one in sorted(_CACHES.items())}
    if clear:
        for one in _CACHES.values():
            one.cache_clear()
    return {name: count for name, count in found.items() if count}
