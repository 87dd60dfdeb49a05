"""The diagrams of docs/architecture.md: who imports whom, read from the code.

A box is a package or a group of files; an arrow from A to B says that A imports B. Arrows that
follow from others are left out: where A imports B and B imports C, none leads from A to C. Without
Sphinx, so that the tests can draw the same.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatch
from functools import cache
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
Edges = dict[tuple[str, str], int]

_GAP = 0.3
_BOX, _SHADED, _EDGE, _ARROW = "#e8eef7", "#fdeecb", "#4a6a9b", "#6b7a90"


@cache
def _graph() -> Any:
    from grimp import build_graph

    return build_graph("rmt", "validation", cache_dir=None)


def figures() -> dict[str, bytes]:
    """Both diagrams as SVG, by name."""
    labels, edges, comparing = experiments()
    return {
        "figures/imports-rmt.svg": draw(*theory()),
        "figures/imports-validation.svg": draw(labels, edges, comparing),
    }


def theory() -> tuple[dict[str, str], Edges]:
    """The modules and packages directly under `rmt`, and how many imports lead between them."""
    layers = _contract("layers")
    names = [layer.strip("()") for layer in layers["layers"]]
    home = {
        module: name
        for name in names
        for module in _graph().modules
        if module == f"rmt.{name}" or module.startswith(f"rmt.{name}.")
    }
    return {name: name for name in names}, _counts(home)


def _contract(name: str) -> dict[str, Any]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    [found] = [contract for contract in contracts if contract["id"] == name]
    return dict(found)


def floors_below(package: str) -> set[str]:
    """A package and the floors (`rmt.hermite`) that anything in it imports, directly or not.

    Whole floors, since some load their modules by name, which no graph shows.
    """
    found: set[str] = set()
    new = {package}
    while new:
        found |= new
        upstream = (_graph().find_upstream_modules(floor, as_package=True) for floor in new)
        new = {".".join(name.split(".")[:2]) for name in set().union(*upstream)} - found
    return found


def experiments() -> tuple[dict[str, str], Edges, set[str]]:
    """The groups of files of `validation`, as the table of docs/architecture.md lists them.

    With the groups that may import predictions, by the contract in pyproject.toml.

    Raises
    ------
    ValueError
        When a file is in no row of the table, or in two.
    """
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("| files | idea |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`([\w*]+)/?`", line.split("|")[1]) for line in table.splitlines()[2:]]
    home = {}
    for module in sorted(_graph().modules):
        package, _, rest = module.partition(".")
        name = rest.split(".")[0]
        if package != "validation" or name in ("", "__main__"):
            continue
        found = [row for row in rows if any(fnmatch(name, pattern) for pattern in row)]
        # A name that is written out is stronger than a pattern.
        found = [row for row in found if name in row] or found
        if len(found) != 1:
            raise ValueError(f"{module} is in {len(found)} rows of the table of architecture.md")
        home[module] = found[0][0]
    labels = {row[0]: "\n".join(_wrapped(row)) for row in rows if row[0] in home.values()}
    allowed = _contract("predictions-enter-once")["allowed_importers"]
    return labels, _counts(home), {home[module] for module in allowed if module in home}


def _wrapped(names: list[str], width: int = 26) -> Iterable[str]:
    line = ""
    for name in names:
        if line and len(line) + len(name) + 2 > width:
            yield line + ","
            line = name
        else:
            line = f"{line}, {name}" if line else name
    yield line


def _counts(home: Mapping[str, str]) -> Edges:
    counts: Edges = {}
    for module, name in home.items():
        for other in _graph().find_modules_directly_imported_by(module):
            place = home.get(other)
            if place is not None and place != name:
                counts[name, place] = counts.get((name, place), 0) + 1
    return counts


def reduced(edges: Edges) -> Edges:
    """Only the edges that do not follow from others.

    Raises
    ------
    ValueError
        When the edges form a cycle; names who is in it.
    """
    below: dict[str, set[str]] = {}
    for name in _in_order(edges):
        direct = {b for a, b in edges if a == name}
        below[name] = direct.union(*(below[other] for other in direct))
    return {
        (a, b): n
        for (a, b), n in edges.items()
        if not any(b in below[other] for x, other in edges if x == a and other != b)
    }


def _in_order(edges: Edges) -> list[str]:
    """Lowest first."""
    left = sorted({name for edge in edges for name in edge})
    done: list[str] = []
    while left:
        ready = [n for n in left if all(b in done for a, b in edges if a == n)]
        if not ready:
            raise ValueError(f"imports in a circle among {', '.join(left)}")
        done += ready
        left = [name for name in left if name not in ready]
    return done


def draw(labels: Mapping[str, str], edges: Edges, shaded: Collection[str] = frozenset()) -> bytes:
    """The diagram as SVG: every box above all that it imports."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, PathPatch
    from matplotlib.path import Path as Curve

    arrows = reduced(edges)
    rows, chains = _layers(labels, arrows)
    widths = {name: 0.16 + 0.098 * _longest(text) for name, text in labels.items()}
    heights = [max(_height(labels.get(name, "")) for name in row) for row in rows]
    base = [sum(heights[:k]) + 0.5 * k for k in range(len(rows))]
    x = _places(rows, chains, widths)
    left = min(x[n] - widths.get(n, 0) / 2 for n in x) - 0.1
    right = max(x[n] + widths.get(n, 0) / 2 for n in x) + 0.1
    top = base[-1] + heights[-1] + 0.1
    level = {name: k for k, row in enumerate(rows) for name in row}
    with rc_context({"svg.hashsalt": "imports", "svg.fonttype": "path"}):
        figure = Figure((right - left, top + 0.1))
        ax = figure.add_axes((0, 0, 1, 1), xlim=(left, right), ylim=(-0.1, top))
        ax.axis("off")
        for chain in chains:
            points = []
            for name in chain:
                middle = base[level[name]] + heights[level[name]] / 2
                half = heights[level[name]] / 2
                if name in labels:
                    half = _height(labels[name]) / 2
                points += [(x[name], middle + half), (x[name], middle - half)]
            points = points[1:-1]
            vertices, codes = [points[0]], [Curve.MOVETO]
            for (x0, y0), (x1, y1) in pairwise(points):
                vertices += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
                codes += [Curve.CURVE4] * 3
            ax.add_patch(PathPatch(Curve(vertices, codes), fill=False, ec=_ARROW, lw=1.1))
            tip = points[-1]
            ax.fill(
                [tip[0] - 0.055, tip[0] + 0.055, tip[0]], [tip[1] + 0.12] * 2 + [tip[1]], _ARROW
            )
        for name, text in labels.items():
            if name not in x:
                continue
            middle = base[level[name]] + heights[level[name]] / 2
            size = (widths[name], _height(text))
            corner = (x[name] - size[0] / 2, middle - size[1] / 2)
            style = "round,pad=0,rounding_size=0.07"
            ax.add_patch(
                FancyBboxPatch(
                    corner,
                    *size,
                    boxstyle=style,
                    fc=_SHADED if name in shaded else _BOX,
                    ec=_EDGE,
                    lw=1,
                    zorder=3,
                )
            )
            ax.text(
                x[name], middle, text, ha="center", va="center", family="monospace",
                fontsize=10.5, linespacing=1.25, zorder=4,
            )  # fmt: skip
        file = BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None}, facecolor="white")
    return file.getvalue()


def _longest(text: str) -> int:
    return max(len(line) for line in text.split("\n"))


def _height(text: str) -> float:
    return 0.16 + 0.18 * (text.count("\n") + 1)


def _layers(labels: Mapping[str, str], arrows: Edges) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of boxes, lowest first, and each arrow as the chain of what it passes through.

    An arrow over several rows passes through a place of its own in each row between.
    """
    level: dict[str, int] = {}
    for name in _in_order(arrows):
        level[name] = max((level[b] + 1 for a, b in arrows if a == name), default=0)
    # What is imported from high above only stands right below who imports it.
    for name in reversed(_in_order(arrows)):
        above = [level[a] for a, b in arrows if b == name]
        if above and not any(a == name for a, _ in arrows):
            level[name] = min(above) - 1
    rows: list[list[str]] = [[] for _ in range(max(level.values()) + 1)]
    for name in labels:
        if name in level:
            rows[level[name]].append(name)
    chains = []
    for a, b in sorted(arrows):
        between = [f"{a} > {b} {k}" for k in range(level[a] - 1, level[b], -1)]
        for k, name in zip(range(level[a] - 1, level[b], -1), between, strict=True):
            rows[k].append(name)
        chains.append([a, *between, b])
    return rows, chains


def _places(
    rows: list[list[str]], chains: list[list[str]], widths: Mapping[str, float]
) -> dict[str, float]:
    """Where in its row everything stands: next to what it is connected with, in few crossings."""
    near: dict[str, list[str]] = {name: [] for row in rows for name in row}
    for chain in chains:
        for a, b in pairwise(chain):
            near[a].append(b)
            near[b].append(a)
    x = {name: float(k - len(row) / 2) for row in rows for k, name in enumerate(row)}
    best: tuple[float, dict[str, float]] = (float("inf"), x)
    for sweep in range(60):
        for row in rows if sweep % 2 else reversed(rows):
            wanted = {n: sum(x[m] for m in near[n]) / max(len(near[n]), 1) for n in row}
            if sweep < 40:
                row.sort(key=lambda name: (wanted[name], x[name]))
            x |= _apart(row, wanted, widths)
        cost = _crossings(rows, chains, x) + 0.01 * sum(
            abs(x[a] - x[b]) for a, others in near.items() for b in others
        )
        if cost < best[0]:
            best = (cost, dict(x))
    return best[1]


def _apart(
    row: list[str], wanted: Mapping[str, float], widths: Mapping[str, float]
) -> dict[str, float]:
    """Places as near as can be to those wanted, in order, so that nothing overlaps."""
    # Least squares under an order: pool those that would overlap, and centre each pool.
    offset, pools = 0.0, []
    previous = None
    for name in row:
        if previous is not None:
            offset += (widths.get(previous, 0.1) + widths.get(name, 0.1)) / 2 + _GAP
        previous = name
        pools.append([wanted[name] - offset, 1, [(name, offset)]])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count, members = pools.pop()
            total = pools[-1][1] + count
            pools[-1][0] = (pools[-1][0] * pools[-1][1] + mean * count) / total
            pools[-1][1] = total
            pools[-1][2] += members
    return {name: pool[0] + shift for pool in pools for name, shift in pool[2]}


def _crossings(rows: list[list[str]], chains: list[list[str]], x: Mapping[str, float]) -> int:
    level = {name: k for k, row in enumerate(rows) for name in row}
    between: dict[int, list[tuple[float, float]]] = {}
    for chain in chains:
        for a, b in pairwise(chain):
            between.setdefault(level[b], []).append((x[a], x[b]))
    return sum(
        (a - c) * (b - d) < 0
        for pairs in between.values()
        for i, (a, b) in enumerate(pairs)
        for c, d in pairs[:i]
    )
