"""Every link inside of the site leads somewhere: to a file that exists, and to a place on its
page."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class _Page(HTMLParser):
    """The places on a page, and where its links and pictures point."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value is None:
                continue
            if name == "id" or (tag == "a" and name == "name"):
                self.places.add(value)
            elif name in ("href", "src"):
                self.links.append(value)


def broken(folder: Path) -> list[str]:
    """A sentence for each link of the pages under a folder that leads nowhere.

    Links to other sites are left alone; a link to a folder leads to its ``index.html``.
    """
    folder = folder.resolve()
    pages = {
        path: _Page(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))
    }
    found = []
    for path, page in pages.items():
        for link in sorted(set(page.links)):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            place = unquote(parts.fragment)
            if not target.exists():
                found.append(f"{path.relative_to(folder)}: no file for {link}")
            elif place and target in pages and place not in pages[target].places:
                found.append(f"{path.relative_to(folder)}: no such place as {link}")
    return found


def check(app: Sphinx, exception: Exception | None) -> None:
    """Fail the build where a link is dead."""
    from sphinx.errors import ExtensionError

    from extensions.stages import stage

    if exception is not None or app.builder.name != "html":
        return
    with stage("links"):
        found = broken(Path(app.outdir))
    if found:
        raise ExtensionError("dead links:\n" + "\n".join(found))


def setup(app: Sphinx) -> dict[str, Any]:
    """After everything that is copied at the end of the build."""
    app.connect("build-finished", check, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
