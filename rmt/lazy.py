"""What is loaded when someone asks for it, and not before: public names, and slow libraries."""

from __future__ import annotations

import os
import re
import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["from_above", "load_on_demand", "moved", "mpmath", "sympy"]

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
# a result may draw itself, a prediction may be asked for the path that led to it, reading a text
# may remove a Hermite component, and exponents are those of the labels that a loss sees.
_FROM_ABOVE = {
    "along_path": "rmt.predict",
    "draw": "rmt.plotting",
    "effective_labels": "rmt.problem.effective",
    "remove_hermite": "rmt.moments.projection",
    "training_path": "rmt.predict",
}


def from_above(name: str) -> Any:
    """One of the few things that are asked for upwards, loaded when it is asked for."""
    return getattr(import_module(_FROM_ABOVE[name]), name)


def moved(module: str, name: str, home: str) -> Any:
    """A name of a module that is no longer where it was, for the module's ``__getattr__``.

    Warns with `DeprecationWarning` at whoever imports it, and says where the name is now.

    Parameters
    ----------
    module : str
        Where it was.
    name : str
        Which one; those that begin with an underscore have never been there.
    home : str
        The package that has it.
    """
    found = None if name.startswith("_") else getattr(import_module(home), name, None)
    if found is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    text = f"{module} is deprecated since 0.2; import {name} from {home}"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return found


def load_on_demand(package: str) -> None:
    """Let a package load the modules of its public names when a name is first looked up.

    Which names, and where each is, stands in the package's ``__init__.pyi`` and nowhere else: as
    imports, ``from module import name as name``, which editors and type checkers read as well.

    A public name is what it says, whatever was imported before: where a function has the name of
    the module that defines it, as `rmt.predict` has, ``import rmt.predict`` leaves the function in
    its place. Submodules can be looked up as well, without being imported before.

    The package gets a class of its own rather than a function ``__getattr__``: the import system
    sets a submodule as an attribute of its package, which only a class can see.

    Parameters
    ----------
    package : str
        Its ``__name__``; it has been imported, or is about to be.

    Examples
    --------
    >>> import rmt.predict
    >>> rmt.predict.__name__, rmt.predict.__module__
    ('predict', 'rmt.predict')
    """
    home = _public_names(sys.modules[package])

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
    sys.modules[package].__dict__["__all__"] = sorted(home)


def _public_names(package: Any) -> dict[str, str]:
    """Names with the modules that have them."""
    stub = package.__spec__.loader.get_data(os.path.join(package.__path__[0], "__init__.pyi"))
    return {
        name: module
        for module, names in re.findall(
            r"^from (\S+) import ([^(\n]+|\([^)]*)", stub.decode(), re.M
        )
        for name in re.findall(r"\w+(?= as )", names)
    }
