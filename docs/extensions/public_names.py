"""One page for each public name, and links to it from wherever the name is written.

An object is documented where a user imports it from, not in the module that defines it; the first
of `MODULES` that exports it has its page. Signatures and docstrings write other forms of the name
(``rmt.prediction.Prediction``, ``Prediction``, ``Prediction.plot``): they are resolved here.
"""

from __future__ import annotations

import inspect
from enum import Enum
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode

from rmt.display import InNotebooks, Shown

MODULES = {
    "rmt": "Problems, predictions, sweeps, features, expansions",
    "rmt.spectra": "Spectral laws, spikes and outliers",
    "rmt.spectra.dyson": "The Dyson equation of Gaussian linear pencils",
    "rmt.spectra.pencil_outliers": "Spikes on a pencil's bulk",
    "rmt.spectra.coupled_outliers": "Outliers of any couplings to a pencil's bulk",
    "rmt.hermite": "Hermite expansions and exponents",
    "validation": "Simulation, comparison, campaigns",
    "validation.executors": "Where campaigns run",
    "validation.own": "Your own network: PyTorch, and other conventions",
}
# Base classes whose members are not worth repeating on each page.
NOT_INHERITED = "Exception, Enum, object, ABC, Protocol"


def homes() -> dict[tuple[str, str], str]:
    """``(module, name)`` of every public name, and the module on whose page it is documented."""
    first: dict[int, str] = {}
    found = {}
    for module in MODULES:
        loaded = import_module(module)
        for name in sorted(loaded.__all__, key=str.lower):
            found[module, name] = first.setdefault(id(getattr(loaded, name)), module)
    return found


def pages() -> dict[str, str]:
    """Text of the pages of the reference, by their path under ``_generated/api``."""
    made = {}
    places = homes()
    for module, title in MODULES.items():
        names = [name for (m, name) in places if m == module]
        rows = [_row(places[module, name], module, name) for name in names]
        own = [f"{name} <{module}.{name}>" for name in names if places[module, name] == module]
        made[f"{module}.rst"] = "\n".join(
            [
                _heading(module),
                f"{title}.\n",
                *(".. list-table::\n   :widths: 30 70\n", *rows, ""),
                *(".. toctree::\n   :hidden:\n", *(f"   {entry}" for entry in own), ""),
            ]
        )
        for name in names:
            if places[module, name] == module:
                made[f"{module}.{name}.rst"] = _page(module, name)
    return made


def _heading(title: str) -> str:
    return f"{title}\n{'=' * len(title)}\n"


def _row(home: str, module: str, name: str) -> str:
    thing = getattr(import_module(module), name)
    text = inspect.getdoc(thing) or ""
    summary = " ".join(text.split("\n\n")[0].split())
    return f"   * - :py:obj:`~{home}.{name}`\n     - {summary}"


def _page(module: str, name: str) -> str:
    thing: Any = getattr(import_module(module), name)
    lines = [_heading(name), f".. py:currentmodule:: {module}\n"]
    if inspect.isclass(thing):
        lines += [f".. autoclass:: {name}", "   :members:"]
        lines += [f"   :inherited-members: {NOT_INHERITED}"]
        if set(thing.__bases__) - {object, Shown, InNotebooks}:
            lines += ["   :show-inheritance:"]
        if issubclass(thing, Enum):
            lines += ["   :undoc-members:"]
    elif inspect.isroutine(thing):
        lines += [f".. autofunction:: {name}"]
    else:
        lines += [f".. autodata:: {name}"]
    return "\n".join([*lines, ""])


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Find the page of a name that is written in another form."""
    if node.get("refdomain") != "py":
        return None
    parts = str(node["reftarget"]).split(".")
    documented = env.domains.python_domain.objects
    # The class alone, or the class and its member, in any of the modules.
    for length in (1, 2):
        tail = ".".join(parts[-length:])
        for module in MODULES:
            entry = documented.get(f"{module}.{tail}")
            if entry is not None:
                return make_refnode(
                    app.builder, node["refdoc"], entry.docname, entry.node_id, content, tail
                )
    return None


def other_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Anchors under the other modules' names as well, to which the pages of sources link back."""
    for signature in doctree.findall(desc_signature):
        module, name = signature.get("module"), signature.get("fullname")
        for other in MODULES:
            if module in MODULES and other != module and _share(other, module):
                signature["ids"].append(f"{other}.{name}")


def documented_bases(app: Sphinx, name: str, thing: Any, options: Any, bases: list[Any]) -> None:
    """Bases that say how a result is shown have no page."""
    bases[:] = [base for base in bases if base not in (Shown, InNotebooks)]


def _share(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def setup(app: Sphinx) -> dict[str, Any]:
    """Resolve what Sphinx could not."""
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", other_anchors)
    app.connect("autodoc-process-bases", documented_bases)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
