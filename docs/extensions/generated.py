"""Pages and pictures that are made from the code, so that they cannot be out of date.

Written to ``docs/_generated`` before Sphinx looks for its sources: the reference, the outcomes of
`rmt.Status`, the figures of the pages whose snippets are run, the diagrams of imports, and what the
validation report finds. The report takes longest; it is made beside the figures and the gallery.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from extensions import content, imports, kept, report
from extensions.public_names import pages
from extensions.stages import begin, end, say, stage

ROOT = content.FOLDER / "_generated"
REPORT = "report.inc.md"

_report: Future[dict[str, Any]]


def write(app: Sphinx, config: Config) -> None:
    """Bring ``_generated`` up to date, and begin with the report."""
    global _report
    pool = ThreadPoolExecutor(1)
    # The keys are made here, since Python 3.11 parses in one thread at a time only.
    _report = pool.submit(report.bring_up_to_date, begin, end, *report.keys())
    pool.shutdown(wait=False)
    with stage("reference, outcomes and diagrams"):
        names = put({"status.inc.md": content.outcomes().encode()})
        names |= put({f"api/{name}": text.encode() for name, text in pages().items()})
        names |= put(imports.figures())
    for page in content.RUN:
        names |= drawn(page)
    for path in ROOT.rglob("*.*"):
        if path.is_file() and path.relative_to(ROOT).as_posix() not in names | {REPORT}:
            path.unlink()


def finish(app: Sphinx) -> None:
    """Wait for the report."""
    if not _report.done():
        say("waiting for the validation report")
    put({REPORT: report.summary(_report.result()).encode()})


def drawn(page: str) -> set[str]:
    """The figures of a page; kept while its snippets and the code are the same."""
    mark = f"figures/{Path(page).stem}.key"
    code = "".join(content.snippets(page))
    now = kept.key(Path(content.__file__).read_text("utf-8"), code, code=kept.packages(code))
    if kept.current(ROOT / mark, now):
        made = [*ROOT.glob(mark[:-4] + "-*.png"), *ROOT.glob(f"extra/{Path(page).stem}-*.html")]
        return {mark, *(path.relative_to(ROOT).as_posix() for path in made)}
    with stage(f"figures of {page}"):
        return put({**content.figures(page), mark: now.encode()})


def put(files: dict[str, bytes]) -> set[str]:
    """Write files, by name; those that have not changed keep their times. The names."""
    for name, text in files.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
    return set(files)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write before the sources are listed, and wait after the gallery."""
    app.connect("config-inited", write)
    app.connect("builder-inited", finish, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
