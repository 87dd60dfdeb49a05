"""The scripts of the gallery: loaded, run, drawn."""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib.pyplot as plt

FOLDER = Path(__file__).parent.parent / "examples"


@cache
def example(name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        f"example_{name.replace('/', '_')}", FOLDER / f"{name}.py"
    )
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # where dataclasses look up their annotations
    specification.loader.exec_module(module)
    return module


def checked(name: str, *size: Any) -> Any:
    """The result of a script, in another size perhaps, once its figure has been drawn."""
    module = example(name)
    result = module.main(*size)
    with plt.rc_context({"backend": "agg"}):
        figure = module.draw(result)
        figure.canvas.draw()
        for ax in figure.axes:
            assert ax.has_data()
        assert all(ax.get_xlabel() or ax.get_ylabel() for ax in figure.axes[:1])
        plt.close(figure)
    return result
