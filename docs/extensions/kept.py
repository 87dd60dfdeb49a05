"""When something that a build has computed is computed again: when what it depends on has changed.

A `key` changes with texts (a script, the snippets of a page), with the code that they run, and with
the libraries that do the arithmetic. Code counts without its docstrings and comments, so that who
only writes does not simulate. Without Sphinx, as what the tests try.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LIBRARIES = ("numpy", "scipy", "sympy", "mpmath", "matplotlib", "jinja2")


def key(*texts: str, code: Iterable[str]) -> str:
    """A digest of the texts, of modules or packages (``rmt.hermite``), and of the libraries."""
    libraries = [f"{name} {version(name)}" for name in LIBRARIES]
    parts = [sys.version, *libraries, *texts, *(_code(ROOT, name) for name in sorted(code))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def packages(text: str) -> list[str]:
    """Those that a text may import: `validation` imports `rmt`."""
    return ["rmt", "validation"] if re.search(r"\bvalidation\b", text) else ["rmt"]


def current(path: Path, now: str) -> bool:
    """Whether a file holds this key."""
    return path.is_file() and path.read_text(encoding="utf-8") == now


@cache
def _code(root: Path, name: str) -> str:
    path = root.joinpath(*name.split("."))
    files = sorted(path.rglob("*")) if path.is_dir() else [path.with_suffix(".py")]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            content = file.read_bytes()
            if file.suffix == ".py":
                content = _without_docstrings(content)
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode() + content)
    return digest.hexdigest()


def _without_docstrings(source: bytes) -> bytes:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree).encode()
