"""What pages take from the code: the outcomes of `rmt.Status`, figures that snippets draw.

Without Sphinx, so that the tests can run the same snippets.
"""

from __future__ import annotations

import re
import tempfile
from contextlib import chdir, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import rmt

FOLDER = Path(__file__).parent.parent
# Pages whose Python snippets are run in order, each page in one namespace; figure k of page P is
# shown by it as _generated/figures/P-k.png, and an HTML file F that they write is P-F of the site.
RUN = (
    "levels.md",
    "notes.md",
    "failures.md",
    "howto/paper_figure.md",
    "howto/own_activation.md",
    "howto/own_weights.md",
    "howto/explore.md",
    "howto/own_network.md",
    "howto/large_sweeps.md",
    "howto/keep_results.md",
    "howto/many_steps.md",
    "howto/cluster_and_gpu.md",
    "howto/own_model.md",
)
# Libraries without which the snippets of a page are not run: those of extras that are left to
# whoever installs them. Such a page shows no figures.
NEEDS = {"howto/own_network.md": "torch"}


def snippets(page: str) -> list[str]:
    """The Python code of a page."""
    text = (FOLDER / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


def outcomes() -> str:
    """A section for each member of `rmt.Status`."""
    sections = []
    for status in rmt.Status:
        title, _, rest = status.value.partition(": ")
        sections.append(
            f"### `{status.name}`\n\n**{title}.** {rest[:1].upper()}{rest[1:]}\n\n"
            f"`Status.{status.name}.ok` is `{status.ok}`.\n"
        )
    return "\n".join(sections)


def figures(page: str) -> dict[str, bytes]:
    """Run a page's snippets; the figures that they leave open and HTML files, by name.

    None where a library is missing that the page `NEEDS`.
    """
    if page in NEEDS and find_spec(NEEDS[page]) is None:
        return {}
    import matplotlib

    if matplotlib.get_backend().lower() != "agg":  # a switch closes the figures of others
        matplotlib.use("agg")
    from matplotlib import pyplot

    pyplot.close("all")
    seen: dict[str, Any] = {"__name__": "__page__"}
    with tempfile.TemporaryDirectory() as folder, chdir(folder), redirect_stdout(StringIO()):
        for code in snippets(page):
            exec(compile(code, page, "exec"), seen)
        made = {}
        for k, number in enumerate(pyplot.get_fignums()):
            pyplot.figure(number).savefig("figure.png", dpi=130)
            name = f"figures/{Path(page).stem}-{k}.png"
            made[name] = Path("figure.png").read_bytes()
        for path in Path().glob("*.html"):
            made[f"extra/{Path(page).stem}-{path.name}"] = path.read_bytes()
    pyplot.close("all")
    return made
