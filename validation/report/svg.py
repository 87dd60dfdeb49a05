"""Matplotlib figures as SVG to be put inline into an HTML page, where they follow its colours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

from validation.drawing import COLOURS, FAINT, INK, STYLE, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["blank_figure", "svg_style", "to_svg"]

# What the page defines in its place, in light and in dark.
_VARIABLES = {
    INK: "--ink",
    FAINT: "--faint",
    "#ffffff": "--paper",
    COLOURS["independent"]: "--independent",
    COLOURS["reused"]: "--reused",
}


@contextmanager
def svg_style(name: str) -> Iterator[None]:
    """Draw and write figures for a page within this block; the name makes their ids its own."""
    require_matplotlib()
    from matplotlib import rc_context

    fonts = ["DejaVu Sans", "Verdana", "Arial", "sans-serif"]
    changes: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": "sans-serif",
        "font.sans-serif": fonts,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "path.simplify_threshold": 0.2,
    }
    with rc_context({**STYLE, **changes}):
        yield


def blank_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches, to be filled within `svg_style`."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04)
    return Figure(figsize=(width, height), layout=layout)


def to_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element; the same figure gives the same text.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn within ``svg_style(name)``.
    name : str
        Begins all ids, so that several figures may stand in one page.
    title, description : str
        What readers who do not see it are told.

    Examples
    --------
    >>> with svg_style("demo"):
    ...     figure = blank_figure(2.0, 1.0)
    ...     text = to_svg(figure, "demo", "Nothing", "An empty figure.")
    >>> text[:25], "http" in text
    ('<svg class="figure" role=', False)
    """
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    FigureCanvasSVG(figure)
    buffer = StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    drawn = buffer.getvalue()
    size = re.search(r'viewBox="([^"]+)"', drawn)
    assert size is not None, "matplotlib writes a viewBox"
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = _with_ids_of(body, name)
    for colour, variable in _VARIABLES.items():
        body = re.sub(rf"{colour}\b", f"var({variable})", body, flags=re.IGNORECASE)
    # A colour in a style follows variables, one in an attribute does not.
    body = re.sub(r'\b(fill|stroke)="(var\([^"]+\))"', r'style="\1: \2"', body)
    body = _smaller(body)
    return (
        f'<svg class="figure" role="img" viewBox="{size[1]}" '
        f'aria-labelledby="{name}-title {name}-description">'
        f'<title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-description">{escape(description)}</desc>\n{body}</svg>'
    )


def _with_ids_of(body: str, name: str) -> str:
    """Ids that begin with the name, and only those that something refers to."""
    used = set(re.findall(r'href="#([^"]+)"', body)) | set(re.findall(r"url\(#([^)]+)\)", body))

    def kept(found: re.Match[str]) -> str:
        return f' id="{name}-{found[1]}"' if found[1] in used else ""

    body = re.sub(r'\sid="([^"]+)"', kept, body)
    return body.replace('href="#', f'href="#{name}-').replace("url(#", f"url(#{name}-")


def _smaller(body: str) -> str:
    """Without what the page says for all figures; coordinates in hundredths of a point."""
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r" ?font-family: [^;\"]*;?", "", body)
    body = re.sub(r' transform="rotate\(-0 [^"]*"', "", body)
    body = re.sub(r'\b(?:d|x|y|transform)="[^"]*"', _rounded, body)
    return re.sub(r"\n\s*", "\n", body).strip()


def _rounded(attribute: re.Match[str]) -> str:
    def short(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")

    text = re.sub(r"-?\d+\.\d{3,}", short, attribute[0])
    return re.sub(r"\s*\n?\b([MLCQ]) ", r"\1", text) if text.startswith("d=") else text
