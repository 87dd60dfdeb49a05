"""The tables of a study, for a terminal and for a paper."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rmt.display import Cell, Formula, Part, Table, paragraph, shortened, with_error
from rmt.expressions.table import in_short
from rmt.grids.sweep import cell, symbol
from rmt.prediction.prediction import target_overlaps
from validation.comparison.path_rows import PathRow
from validation.comparison.verdict import Verdict
from validation.studies.result import Study
from validation.studies.rows import Mean, points_of, verdicts_of
from validation.words import sizes

__all__ = ["paper_parts", "shown_parts"]

_TOLD = 3  # differing means that are listed


def shown_parts(study: Study) -> list[Part]:
    """The table of a terminal, shortened; what failed, and what differs."""
    verdicts = verdicts_of(study)
    return [*_about(study), *_tables(study, verdicts, False), *_judged(study, verdicts)]


def paper_parts(study: Study) -> list[Part]:
    """All points, with the symbols of docs/notation.md."""
    verdicts = verdicts_of(study)
    return [*_about(study), *_judged(study, verdicts), *_tables(study, verdicts, True)]


def _about(study: Study) -> list[Part]:
    p, theory = study.problem, study.theory
    forms = f" ({study.forms} forms)" if study.forms else ""
    shape = " x ".join(map(str, study.shape))
    points = "point" if study.theory.status.size == 1 else "points"
    networks = "no networks"
    if study.n_networks:
        count = int(study.has_networks.sum())
        networks = f"{study.n_networks} networks at each of {count}, seed {study.seed}"
    labels = f"{'target' if p.labels is None else 'labels'} {in_short(p.label_text)}"
    return [
        f"activation {in_short(p.activation.text)}, {labels}; {sizes(p)}, but for the axes",
        f"{shape} {points}, level {theory.method}{forms}; {networks}",
    ]


def _judged(study: Study, verdicts: dict[int, Verdict]) -> list[Part]:
    lines: list[Part] = []
    if verdicts:
        counts = Counter(verdicts.values())
        told = ", ".join(f"{counts[one]} {_WORDS[one]}" for one in Verdict if counts[one])
        lines.append(f"{len(verdicts)} means are tested: {told}")
        means = [(v, mean) for _, v, found in points_of(study) for mean in found]
        differ = [means[n] for n, verdict in verdicts.items() if verdict is Verdict.DIFFERS]
        lines += [f"! at {_where(values)}, {mean}" for values, mean in differ[:_TOLD]]
        if len(differ) > _TOLD:
            lines.append(f"! and {len(differ) - _TOLD} more")
    return [*lines, *(paragraph(str(failure)) for failure in study.failures)]


_WORDS = {
    Verdict.AGREES: "agree",
    Verdict.WITHIN_ALLOWANCE: "are within the allowance for finite size (~)",
    Verdict.DIFFERS: "differ (!)",
}


def _where(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {cell(value)}" for name, value in values.items())


def _tables(study: Study, verdicts: dict[int, Verdict], paper: bool) -> Iterator[Table]:
    """Outliers of every point, a row for each; and errors after the last step."""
    outliers: list[list[Cell]] = []
    errors: list[list[Cell]] = []
    shown = _shown_errors(study)
    number = 0
    for index, values, means in points_of(study):
        first: list[Cell] = [cell(value) for value in values.values()]
        judged = [(mean, verdicts.get(number + i)) for i, mean in enumerate(means)]
        number += len(means)
        of_rank: dict[int, list[tuple[Mean, Verdict | None]]] = {}
        last: list[tuple[Mean, Verdict | None]] = []
        for mean, verdict in judged:
            if isinstance(mean, PathRow):
                if mean.step == study.n_steps[index] and mean.quantity in shown:
                    last.append((mean, verdict))
            elif not math.isnan(mean.predicted):
                of_rank.setdefault(mean.spike, []).append((mean, verdict))
        for k, found in of_rank.items():
            outliers.append([*first, str(k), *_cells(study, found, 1 + _r(study), paper)])
        if not of_rank:
            said = "none" if study.theory.n_outliers[index] == 0 else "--"
            outliers.append([*first, said, *_cells(study, [], 1 + _r(study), paper)])
        if last:
            errors.append([*first, *_cells(study, last, len(shown), paper)])
    names: list[Cell] = [symbol(name) if paper else name for name in study.theory.axes]
    align = "".join("l" if a.dtype == object else "r" for a in study.theory.axes.values())
    rank: Cell = Formula("outlier, by its singular value, from 0", ("k",)) if paper else "outlier"
    heads = _heads(study, paper)
    yield _table(study, [*names, rank], align + "r", heads, outliers, paper)
    if errors:
        yield _table(study, names, align, shown, errors, paper)


def _shown_errors(study: Study) -> list[Cell]:
    """What the steps descend says more than a mean square."""
    names = [name.replace("_", " ") for name in study.errors]
    return [*(names[2:] or names)]


def _heads(study: Study, paper: bool) -> list[Cell]:
    """Of singular value and overlaps."""
    r = _r(study)
    if not paper:
        return ["s", *(["overlap"] if r == 1 else [f"overlap e{i + 1}" for i in range(r)])]
    known = [p for p in study.problems.flat if p is not None]
    text = "singular value of the weights, whose entries begin with variance 1/d"
    widest: Any = max(known, key=lambda p: int(p.n_directions))
    return [Formula(text, ("s_k",)), *target_overlaps(widest)]


def _r(study: Study) -> int:
    return int(study.theory.target_overlaps.shape[-1])


def _columns(study: Study, paper: bool) -> int:
    """For each number: theory, networks where there are any, and on a terminal the verdict."""
    return 1 + (bool(study.n_networks) * (1 if paper else 2))


def _table(
    study: Study,
    first: Sequence[Cell],
    align: str,
    heads: Sequence[Cell],
    rows: list[list[Cell]],
    paper: bool,
) -> Table:
    count = _columns(study, paper)
    header = [*first, *(one for head in heads for one in (head, "networks", "")[:count])]
    return Table(align + "rrl"[:count] * len(heads), header, rows if paper else shortened(rows))


def _cells(
    study: Study, found: Sequence[tuple[Mean, Verdict | None]], count: int, paper: bool
) -> list[Cell]:
    """Of so many numbers."""
    columns = _columns(study, paper)
    cells: list[Cell] = []
    for mean, verdict in found:
        most = 4 if mean.quantity == "squared overlap" else None
        seen = ""
        if mean.n_samples:
            seen = with_error(mean.simulated, mean.standard_error, decimals=most, fine=True)
        mark = "" if verdict is None else verdict.mark.strip()
        predicted = with_error(mean.predicted, mean.predicted_error, decimals=most)
        cells += [predicted, seen, mark][:columns]
    return [*cells, *[""] * (columns * count - len(cells))]
