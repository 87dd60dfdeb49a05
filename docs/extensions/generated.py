"""Pages and pictures that are made from the code, so that they cannot be out of date.

Written to ``docs/_generated`` before Sphinx looks for its sources: the reference, the outcomes of
`rmt.Status`, the figures of the pages whose snippets are run, the diagrams of imports, and what the
validation report finds.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from extensions import imports, report
from extensions.content import FOLDER, RUN, figures, outcomes
from extensions.public_names import pages


def write(app: Sphinx, config: Config) -> None:
    """Bring ``_generated`` up to date; files that have not changed keep their times."""
    files: dict[str, bytes] = {"status.inc.md": outcomes().encode()}
    files |= {f"api/{name}": text.encode() for name, text in pages().items()}
    files |= imports.figures()
    files["report.inc.md"] = report.summary(report.bring_up_to_date()).encode()
    for page in RUN:
        files |= figures(page)
    root = FOLDER / "_generated"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
    for path in root.rglob("*.*"):
        if path.is_file() and path.relative_to(root).as_posix() not in files:
            path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Write before the sources are listed."""
    app.connect("config-inited", write)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
