"""Formulas without the network: MathJax, as one file, out of the package sphinx-mathjax-offline.

The package is an extension itself, which copies all of MathJax's twenty megabytes; one of its files
holds everything that a page needs, fonts included.
"""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

FILE = "tex-svg-full.js"


def setup(app: Sphinx) -> dict[str, Any]:
    """Point Sphinx at the file, and copy it once the pages are written."""
    package = find_spec("sphinx-mathjax-offline")
    if package is None or package.origin is None:
        raise ExtensionError("the package sphinx-mathjax-offline is missing (the extra 'docs')")
    source = Path(package.origin).parent / "static" / "mathjax" / FILE

    def copy(app: Sphinx, exception: Exception | None) -> None:
        if exception is None and app.builder.format == "html":
            shutil.copy(source, Path(app.outdir) / "_static" / FILE)

    app.connect("build-finished", copy)
    app.config.mathjax_path = FILE
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
