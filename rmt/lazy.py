"""What is loaded when someone asks for it, and not before: public names, and slow libraries."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["from_above", "load_on_demand", "mpmath", "sympy"]

if TYPE_CHECKING:
    import mpmath
    import sympy
else:

    class _Later(ModuleType):
        """A library that is loaded when the first of its names is looked up."""

        def __getattr__(self, name: str) -> Any:
            found = getattr(import_module(self.__name__), name)
            setattr(self, name, found)
            return found

    mpmath, sympy = _Later("mpmath"), _Later("sympy")

# Imports point downwards. What a floor asks of one above it is asked for by name, and listed here:
# a result may draw itself, and reading a text may remove a Hermite component.
_FROM_ABOVE = {"draw": "rmt.plotting", "remove_hermite": "rmt.moments.projection"}


def from_above(name: str) -> Any:
    """One of the two things that are asked for upwards, loaded when it is asked for."""
    return getattr(import_module(_FROM_ABOVE[name]), name)


def load_on_demand(package: str, places: Mapping[str, str]) -> None:
    """Let a package load the modules of its public names when a name is first looked up.

    A public name is what it says, whatever was imported before: where a function has the name of
    the module that defines it, as `rmt.predict` has, ``import rmt.predict`` leaves the function in
    its place. Submodules can be looked up as well, without being imported before.

    The package gets a class of its own rather than a function ``__getattr__``: the import system
    sets a submodule as an attribute of its package, which only a class can see; and type checkers
    take a function ``__getattr__`` for leave to look up any name.

    Parameters
    ----------
    package : str
        Its ``__name__``; it has been imported, or is about to be.
    places : mapping of str to str
        Modules, and the public names that each of them has, between spaces. The package imports the
        same names from the same modules under ``if TYPE_CHECKING``, for editors, type checkers and
        the check of import directions.

    Examples
    --------
    >>> import rmt.predict
    >>> rmt.predict.__name__, rmt.predict.__module__
    ('predict', 'rmt.predict')
    """
    home = {name: module for module, names in places.items() for name in names.split()}

    class Package(ModuleType):
        def __getattr__(self, name: str) -> Any:
            if name in home:
                found = getattr(import_module(home[name]), name)
                setattr(self, name, found)
                return found
            submodule = f"{package}.{name}"
            if not name.startswith("_"):
                try:
                    return import_module(submodule)
                except ModuleNotFoundError as error:
                    if error.name != submodule:
                        raise
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}", name=name, obj=self
            )

        def __setattr__(self, name: str, value: Any) -> None:
            if isinstance(value, ModuleType) and home.get(name) == value.__name__:
                value = getattr(value, name)
            super().__setattr__(name, value)

        def __dir__(self) -> list[str]:
            return sorted({*super().__dir__(), *home})

    sys.modules[package].__class__ = Package
