r"""How results are shown: as text by `print`, as HTML in notebooks, as LaTeX in papers.

A result lists its parts once, lines and tables, and all forms are made of them: text and HTML hold
the same numbers, LaTeX may have headers of its own and errors in brackets. Where a part is a
`Formula`, the text has its plain form and the HTML its LaTeX between ``\(`` and ``\)``, which
notebooks and the documentation typeset. The HTML has no colours of its own, so that it follows the
theme of the page.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, TypeAlias, TypeVar

from rmt.lazy import from_above, sympy

__all__ = [
    "Block",
    "Cell",
    "Formula",
    "InNotebooks",
    "InPapers",
    "Part",
    "Shown",
    "Table",
    "as_html",
    "as_latex",
    "as_text",
    "columns_of",
    "cut",
    "draw",
    "equation",
    "latex",
    "paragraph",
    "shortened",
    "with_error",
]

T = TypeVar("T")

_WIDTH = 100  # of paragraphs
_ROWS = 24  # of arrays; more are cut in the middle
_PADDING = "padding: 0.2em 0.7em"
_DIGITS = 6  # of decimals in formulas


@dataclass(frozen=True, slots=True)
class Formula:
    """Plain text, and what is typeset in its place; a line of its own or a cell.

    Attributes
    ----------
    text : str
        As a line of its own it may be empty: then only the HTML has it.
    pieces : tuple of str or sympy expression
        Texts are LaTeX already.
    """

    text: str
    pieces: tuple[Any, ...]

    def latex(self) -> str:
        """The pieces as one formula."""
        return "".join(piece if isinstance(piece, str) else latex(piece) for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Block:
    """Several lines whose characters stand below each other."""

    text: str


Cell: TypeAlias = str | Formula


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a header.

    Attributes
    ----------
    align : str
        One letter for each column: ``l`` or ``r``.
    header : sequence of str
        Empty for a table without one.
    rows : sequence
        Sequences of one cell for each column; a text instead is a line across all columns.
    """

    align: str
    header: Sequence[Cell]
    rows: Sequence[Sequence[Cell] | str]


Part: TypeAlias = str | Formula | Block | Table


class InNotebooks:
    """Base of what is shown as HTML in notebooks; by default the lines that `str` gives."""

    __slots__ = ()

    def _parts(self) -> Iterable[Part]:
        return str(self).splitlines()

    def _repr_html_(self) -> str:
        return as_html(self._parts())


class Shown(InNotebooks):
    """Base of results that print as their parts, too."""

    __slots__ = ()

    def _parts(self) -> Iterable[Part]:
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(self._parts())


class InPapers(Shown):
    """Base of results whose tables are for papers as well."""

    __slots__ = ()

    def _for_paper(self) -> Iterable[Part]:
        return self._parts()

    def to_latex(self) -> str:
        """The table of this result in LaTeX, for the package booktabs.

        Error estimates that reach the digits shown stand in brackets behind them, in units of the
        last one. What is not the table, such as what was computed, and what symbols mean, is in
        comments above it.
        """
        return as_latex(self._for_paper())


def as_text(parts: Iterable[Part]) -> str:
    """The parts one below the other, columns two spaces apart.

    Examples
    --------
    >>> print(as_text(["two spikes", Table("rl", ["k", "size"], [["0", "12.5"], ["1", "3"]])]))
    two spikes
    k  size
    0  12.5
    1  3
    """
    lines: list[str] = []
    for part in parts:
        if isinstance(part, Table):
            lines += _text_rows(part)
        elif isinstance(part, str) or part.text:
            lines.append(part if isinstance(part, str) else part.text)
    return "\n".join(lines)


def as_html(parts: Iterable[Part]) -> str:
    r"""The parts as HTML. Texts are escaped, and only formulas are typeset.

    Examples
    --------
    >>> as_html(["a < b", Formula("x^2", ("x^2",))]).splitlines()[1]
    '<div>a &lt; b</div>'
    """
    # The classes tell MathJax 2 and 3 what is a formula: a dollar in a text begins none.
    lines = ['<div class="rmt tex2jax_ignore mathjax_ignore" style="overflow: auto hidden">']
    for part in parts:
        if isinstance(part, Table):
            lines += _html_rows(part)
        elif isinstance(part, Block):
            lines.append(f"<pre>{escape(part.text)}</pre>")
        elif isinstance(part, Formula):
            lines.append(f'<div style="padding: 0.4em 0">{_html(part)}</div>')
        else:
            lines.append(f"<div>{_html(part)}</div>")
    return "\n".join([*lines, "</div>"])


def as_latex(parts: Iterable[Part]) -> str:
    r"""The tables as LaTeX, with the rules of booktabs; everything else as comments.

    Texts are escaped, numbers with a sign or a power of ten are set as formulas. A `Formula` in a
    header stands for its text, which a comment above the table tells.

    Examples
    --------
    >>> header = [Formula("spike", ("k",)), "share in %"]
    >>> print(as_latex(["two spikes", Table("rr", header, [["0", "-12.5(1)"], ["1", "3e-05"]])]))
    % two spikes
    % k: spike
    \begin{tabular}{rr}
    \toprule
    $k$ & share in \% \\
    \midrule
    0 & $-12.5(1)$ \\
    1 & $3\times10^{-5}$ \\
    \bottomrule
    \end{tabular}
    """
    lines: list[str] = []
    for part in parts:
        if isinstance(part, Table):
            lines += _latex_rows(part)
        else:
            text = part if isinstance(part, str) else part.text
            lines += [f"% {line}".rstrip() for line in text.splitlines()]
    return "\n".join(lines)


def with_error(
    value: float,
    error: float,
    digits: int = 5,
    *,
    decimals: int | None = None,
    fine: bool = False,
) -> str:
    """A number to the digits that are sure: ``2.46(1)``, the error in units of the last digit.

    No more than so many digits are shown, of a theory whose own error is of order ``1/N``; an error
    that does not reach them is left out.

    Parameters
    ----------
    value, error : float
        An error that is not finite is a question mark.
    digits : int
        Significant ones, at most.
    decimals : int, optional
        At most so many decimals instead, of numbers that are compared with 1.
    fine : bool
        One digit more where the error would be 1, which is known to no better than a half then: as
        standard errors are written.

    Examples
    --------
    >>> with_error(2.4567, 0.0123), with_error(2.4567, 1e-7), with_error(2.4567, 0.0123, fine=True)
    ('2.46(1)', '2.4567', '2.457(12)')
    >>> with_error(0.66351234, 3e-6, decimals=4), with_error(1234.5, 56.0), with_error(3.2e-7, 1e-8)
    ('0.6635', '1234(56)', '3.2(1)e-07')
    """
    if not math.isfinite(value):
        return "--"
    size = math.floor(math.log10(abs(value))) if value else 0
    if decimals is None and not -5 < size < 7:
        scale = 10.0**size
        return f"{with_error(value / scale, error / scale, digits, fine=fine)}e{size:+03d}"
    most = max(digits - 1 - size, 0) if decimals is None else decimals
    if not math.isfinite(error):
        return f"{value:.{most}f}(?)"
    if error * 10.0**most < 0.5:
        return f"{value:.{most}f}"
    places = min(max(-math.floor(math.log10(error)), 0), most)
    if fine and round(error * 10.0**places) == 1:
        places = places + 1 if decimals is None else min(places + 1, most)
    if not fine and places and round(error * 10.0**places) == 10:
        places -= 1
    return f"{value:.{places}f}({max(round(error * 10.0**places), 1)})"


def paragraph(text: str) -> str:
    """Text in lines of a hundred characters; places on pages stay whole.

    Examples
    --------
    >>> paragraph("word " * 19 + "docs/notes.md#heavy-tails").splitlines()[1]
    'docs/notes.md#heavy-tails'
    """
    return textwrap.fill(text, _WIDTH, break_on_hyphens=False, break_long_words=False)


def latex(expression: Any) -> str:
    r"""A sympy expression in LaTeX: decimals to six digits, powers as ``N^{1/20}``.

    Examples
    --------
    >>> import sympy
    >>> latex(sympy.sqrt(2) / sympy.Symbol("alpha_1") + sympy.Float("0.123456789"))
    '0.123457 + \\frac{\\sqrt{2}}{\\alpha_{1}}'
    >>> latex(sympy.sqrt(3) * sympy.Symbol("N") ** sympy.Rational(1, 20))
    '\\sqrt{3} N^{1/20}'
    """
    from sympy.printing.latex import LatexPrinter

    class Printer(LatexPrinter):  # type: ignore[misc]
        """Root signs for square roots alone."""

        def _print_Pow(self, power: Any) -> str:
            self._settings["root_notation"] = abs(power.exp) == sympy.Rational(1, 2)
            return str(super()._print_Pow(power))

    if isinstance(expression, sympy.Basic):
        numbers = expression.atoms(sympy.Float)
        expression = expression.xreplace({x: sympy.Float(x, _DIGITS) for x in numbers})
    return str(Printer({"fold_frac_powers": True}).doprint(expression))


def columns_of(result: Any, names: Sequence[str]) -> Table:
    """A table of a result's arrays, all of one shape, and whether each entry is an outlier."""
    flags = result.is_outlier.ravel().tolist()
    numbers = zip(*(getattr(result, name).ravel().tolist() for name in names), strict=True)
    rows: list[list[str] | str] = [
        [str(i), *(f"{x:.6g}" for x in row), "" if is_outlier else "in the bulk"]
        for i, (row, is_outlier) in enumerate(zip(numbers, flags, strict=True))
    ]
    header = ["", *(name.replace("_", " ") for name in names), ""]
    return Table("r" * (len(names) + 1) + "l", header, shortened(rows))


def cut(text: str, most: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def shortened(rows: Sequence[T]) -> list[T | str]:
    """Not more than a table shows: of many the first and last, and between them how many more."""
    if len(rows) <= _ROWS:
        return list(rows)
    half = _ROWS // 2
    return [*rows[:half], f"({len(rows) - _ROWS} more)", *rows[-half:]]


def equation(name: str, function: Any) -> tuple[Any, ...]:
    """The pieces of ``name(z) = ...`` for a `ScalarFunction`; decimals stay decimals."""
    variables = ", ".join(map(latex, function.symbols))
    decimals = {
        number: sympy.Float(number, _DIGITS)
        for number in function.expression.atoms(sympy.Rational)
        if number.q > 100 and 10**40 % number.q == 0
    }
    return (rf"{name}({variables}) = ", function.expression.xreplace(decimals))


def _plain(cell: Cell) -> str:
    return cell if isinstance(cell, str) else cell.text


def _html(cell: Cell) -> str:
    if isinstance(cell, str):
        return escape(" ".join(cell.split()))
    formula = escape(cell.latex())
    process = "tex2jax_process mathjax_process"
    return rf'<span class="{process}">\(\displaystyle {formula}\)</span>'


def _text_rows(table: Table) -> list[str]:
    rows = [table.header, *table.rows] if table.header else table.rows
    plain = [row if isinstance(row, str) else [_plain(cell) for cell in row] for row in rows]
    cells = [row for row in plain if not isinstance(row, str)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.align))]
    lines = []
    for row in plain:
        if not isinstance(row, str):
            row = "  ".join(
                cell.rjust(width) if side == "r" else cell.ljust(width)
                for cell, width, side in zip(row, widths, table.align, strict=True)
            )
        lines.append(row.rstrip())
    return lines


# What is set as a number: sign, decimals, an error in brackets, a power of ten, in front a bound.
_NUMBER = re.compile(r"(<?)([+-]?)(\d+(?:\.\d+)?) ?(\(\d+\))?(?:e([+-]?\d+))?")
_ESCAPED = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": "$<$", ">": "$>$", "|": "$|$"},
}


def _in_latex(cell: Cell) -> str:
    if isinstance(cell, Formula):
        return f"${cell.latex()}$"
    number = _NUMBER.fullmatch(cell.strip())
    if number is None:
        return "".join(_ESCAPED.get(sign, sign) for sign in " ".join(cell.split()))
    bound, sign, digits, error, power = number.groups(default="")
    plain = f"{digits}{error}"
    if not (bound or sign or power):
        return plain
    scale = rf"\times10^{{{int(power)}}}" if power else ""
    return f"${bound}{sign}{plain}{scale}$"


def _latex_rows(table: Table) -> list[str]:
    symbols = [cell for cell in table.header if isinstance(cell, Formula)]
    lines = [
        f"% {cell.latex()}: {' '.join(cell.text.split())}"
        for cell in symbols
        if cell.text != cell.latex()
    ]
    lines += [rf"\begin{{tabular}}{{{table.align}}}", r"\toprule"]
    if table.header:
        lines += [rf"{' & '.join(map(_in_latex, table.header))} \\", r"\midrule"]
    for row in table.rows:
        if isinstance(row, str):
            lines.append(rf"\multicolumn{{{len(table.align)}}}{{l}}{{{_in_latex(row)}}} \\")
        else:
            lines.append(rf"{' & '.join(map(_in_latex, row))} \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _html_rows(table: Table) -> list[str]:
    sides = {"l": "left", "r": "right"}
    styles = [f"text-align: {sides[side]}; {_PADDING}" for side in table.align]
    lines = ["<table>"]
    if table.header:
        names = zip(table.header, styles, strict=True)
        cells = (f'<th scope="col" style="{style}">{_html(name)}</th>' for name, style in names)
        lines.append(f"<thead><tr>{''.join(cells)}</tr></thead>")
    lines.append("<tbody>")
    for row in table.rows:
        if isinstance(row, str):
            span = f'colspan="{len(styles)}" style="text-align: left; {_PADDING}"'
            lines.append(f"<tr><td {span}>{_html(row)}</td></tr>")
            continue
        pairs = zip(row, styles, strict=True)
        cells = (f'<td style="{style}">{_html(cell)}</td>' for cell, style in pairs)
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return [*lines, "</tbody>", "</table>"]


def draw(result: Any, axes: Any = None, **options: Any) -> Any:
    """The picture of a result (extra ``plot``).

    Pictures stand above all results: see `rmt.plotting`.
    """
    return from_above("draw")(result, axes, **options)
