"""The rows of a study and its tables: predicted numbers beside simulated means, with verdicts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from rmt.arrays import Array
from rmt.display import Cell, Formula, Part, Table, shortened, with_error
from rmt.grids.sweep import cell, symbol
from rmt.prediction.prediction import target_overlaps
from validation.comparison.compare import DEFORMED_MARGIN, RESUMMED_MARGIN
from validation.comparison.path_rows import PathQuantity, PathRow, plain_mean
from validation.comparison.rows import ComparisonRow
from validation.comparison.verdict import DEFAULT_CRITERIA, Verdict
from validation.studies.result import Study
from validation.words import paragraph, shortened as in_short, sizes

__all__ = ["Mean", "means_at", "paper_parts", "rows_of", "shown_parts"]

Mean: TypeAlias = ComparisonRow | PathRow
_NO_NETWORKS: dict[str, Any] = {"simulated": math.nan, "standard_error": math.nan, "n_samples": 0}
_TOLD = 3  # differing means that are listed


def means_at(study: Study, index: tuple[int, ...]) -> list[Mean]:
    """Every number at a point of which there is a prediction or a simulated mean.

    Nan stands for the one that is missing: what is predicted of a rank without an outlier, what
    networks show where there are none.
    """
    return [*_of_outliers(study, index), *_of_errors(study, index)]


def ranks(study: Study) -> int:
    """How many of the largest singular values are told of: all that are outliers at any point."""
    return max(int(study.theory.n_outliers.max(initial=0)), 1)


def _of_outliers(study: Study, index: tuple[int, ...]) -> Iterator[ComparisonRow]:
    theory, problem = study.theory, study.problems[index]
    if problem is None:
        return
    edge = float(theory.bulk_edges[index][1])
    end = edge * (1 + (DEFORMED_MARGIN if theory.method == "deformed" else RESUMMED_MARGIN))
    for k in range(ranks(study)):
        out = k < theory.strength.shape[-1] and bool(theory.is_outlier[index][k])
        margin = (edge, end) if out and theory.singular_value[index][k] <= end else None
        observed = slice(k, k + 1)  # nothing, where no more are observed
        positions = study.singular_values[index][:, observed].ravel()
        predicted = [(math.nan, math.nan)] * (1 + problem.n_directions)
        if out:
            pairs = zip(
                theory.target_overlaps[index][k],
                theory.error.target_overlaps[index][k],
                strict=True,
            )
            position = theory.singular_value[index][k], theory.error.singular_value[index][k]
            predicted = [position, *pairs]
        for j, (value, error) in enumerate(predicted[: 1 + problem.n_directions]):
            seen = study.target_overlaps[index][:, observed, j - 1].ravel() if j else positions
            numbers = _mean(seen)
            if out or numbers["n_samples"]:
                quantity: Any = "squared overlap" if j else "singular value"
                yield ComparisonRow(
                    k, quantity, j or None, float(value), float(error), **numbers, margin=margin
                )


def _of_errors(study: Study, index: tuple[int, ...]) -> Iterator[PathRow]:
    for step in range(int(study.n_steps[index]) + 1):
        for name, curve in study.errors.items():
            numbers = _mean(curve.simulated[index][:, step])
            predicted, error = curve.predicted[index][step], curve.estimate[index][step]
            if numbers["n_samples"] or math.isfinite(predicted):
                quantity: PathQuantity = name.replace("_", " ")  # type: ignore[assignment]
                yield PathRow(step, quantity, None, None, float(predicted), float(error), **numbers)


def _mean(seen: Array) -> dict[str, Any]:
    """Of the networks that there are."""
    seen = seen[np.isfinite(seen)]
    return plain_mean(seen) if seen.size else _NO_NETWORKS


def _is_tested(mean: Mean) -> bool:
    """Whether a verdict can be reached: the first errors are those of an output of its own."""
    known = math.isfinite(mean.predicted) and mean.n_samples > 1
    return known and not (isinstance(mean, PathRow) and mean.step == 0)


def _points(study: Study) -> Iterator[tuple[tuple[int, ...], dict[str, Any], list[Mean]]]:
    for index, values in zip(np.ndindex(study.shape), study.grid.points(), strict=True):
        yield index, values, means_at(study, index)


def _verdicts(study: Study) -> dict[int, Verdict]:
    """By the number of a mean, in the order of `_points`; of those that are tested."""
    means = [mean for *_, found in _points(study) for mean in found]
    tested = {number: mean for number, mean in enumerate(means) if _is_tested(mean)}
    return {n: mean.verdict(DEFAULT_CRITERIA, len(tested)) for n, mean in tested.items()}


def rows_of(study: Study) -> list[dict[str, Any]]:
    """What `Study.rows` says."""
    verdicts, number, rows = _verdicts(study), 0, []
    sizes_of = ["N", "d", *(f"n_{b + 1}" for b in range(_most_batches(study)))]
    for index, values, means in _points(study):
        p: Any = study.problems[index]
        known = () if p is None else (p.width, p.dim, *p.samples)
        first = {**values, **dict.fromkeys(sizes_of), **dict(zip(sizes_of, known, strict=False))}
        status = study.theory.status[index].name
        for mean in means:
            rows.append(first | _row(study, index, mean, verdicts.get(number), status))
            number += 1
        rows += [first | one for one in _beside(study, index, status)]
    return rows


def _most_batches(study: Study) -> int:
    return max((len(p.samples) for p in study.problems.flat if p is not None), default=0)


def _row(
    study: Study, index: tuple[int, ...], mean: Mean, verdict: Verdict | None, status: str
) -> dict[str, Any]:
    is_overlap = mean.quantity == "squared overlap"
    last = int(study.n_steps[index])
    return {
        "quantity": mean.quantity,
        "step": mean.step if isinstance(mean, PathRow) else last,
        "spike": mean.spike,
        "direction": mean.direction,
        "predicted": mean.predicted,
        "predicted_error": mean.predicted_error,
        "simulated": mean.simulated,
        "standard_error": mean.standard_error,
        "standard_deviation": mean.standard_error * math.sqrt(mean.n_samples),
        "networks": mean.n_samples,
        "chance": float(study.chance[index]) if is_overlap else math.nan,
        "sigmas": mean.sigmas,
        "verdict": "" if verdict is None else str(verdict),
        "status": status,
    }


def _beside(study: Study, index: tuple[int, ...], status: str) -> Iterator[dict[str, Any]]:
    """The edge of the bulk, and overlaps with all outliers together."""
    theory = study.theory
    empty = dict.fromkeys(("predicted_error", "sigmas"), math.nan) | {"verdict": ""}
    common = {"step": int(study.n_steps[index]), "status": status, "spike": None, **empty}
    order = (
        *("quantity", "step", "spike", "direction", "predicted", "predicted_error", "simulated"),
        *("standard_error", "standard_deviation", "networks", "chance", "sigmas", "verdict"),
        "status",
    )

    def row(**values: Any) -> dict[str, Any]:
        made = common | values
        return {name: made[name] for name in order}

    def networks(mean: dict[str, Any]) -> dict[str, Any]:
        found = {name: mean[name] for name in ("simulated", "standard_error")}
        spread = mean["standard_error"] * math.sqrt(mean["n_samples"])
        return found | {"standard_deviation": spread, "networks": mean["n_samples"]}

    yield row(
        quantity="bulk edge",
        direction=None,
        predicted=float(theory.bulk_edges[index][1]),
        chance=math.nan,
        **networks(_NO_NETWORKS),
    )
    for j in range(0 if study.problems[index] is None else study.problems[index].n_directions):
        yield row(
            quantity="squared overlap together",
            direction=j + 1,
            predicted=float(study.predicted_together[index][j]),
            chance=study.n_together * float(study.chance[index]),
            **networks(_mean(study.simulated_together[index][:, j])),
        )


def shown_parts(study: Study) -> list[Part]:
    """The table of a terminal, shortened; what failed, and what differs."""
    verdicts = _verdicts(study)
    return [*_about(study), *_tables(study, verdicts, False), *_judged(study, verdicts)]


def paper_parts(study: Study) -> list[Part]:
    """All points, with the symbols of docs/notation.md."""
    verdicts = _verdicts(study)
    return [*_about(study), *_judged(study, verdicts), *_tables(study, verdicts, True)]


def _about(study: Study) -> list[Part]:
    p, theory = study.problem, study.theory
    forms = f" ({study.forms} forms)" if study.forms else ""
    shape = " x ".join(map(str, study.shape))
    networks = "no networks"
    if study.n_networks:
        count = int(study.has_networks.sum())
        networks = f"{study.n_networks} networks at each of {count}, seed {study.seed}"
    labels = f"{'target' if p.labels is None else 'labels'} {in_short(p.label_text)}"
    return [
        f"activation {in_short(p.activation.text)}, {labels}; {sizes(p)}, but for the axes",
        f"{shape} points, level {theory.method}{forms}; {networks}",
    ]


def _judged(study: Study, verdicts: dict[int, Verdict]) -> list[Part]:
    lines: list[Part] = []
    if verdicts:
        counts = Counter(verdicts.values())
        told = ", ".join(f"{counts[one]} {_WORDS[one]}" for one in Verdict if counts[one])
        lines.append(f"{len(verdicts)} means are tested: {told}")
        means = [(v, mean) for _, v, found in _points(study) for mean in found]
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
    number = 0
    for index, values, means in _points(study):
        first: list[Cell] = [cell(value) for value in values.values()]
        marks = [verdicts.get(number + i) for i in range(len(means))]
        number += len(means)
        judged = list(zip(means, marks, strict=True))
        of_rank: dict[int, list[tuple[Mean, Verdict | None]]] = {}
        for mean, mark in judged:
            if isinstance(mean, ComparisonRow) and not math.isnan(mean.predicted):
                of_rank.setdefault(mean.spike, []).append((mean, mark))
        for k, found in of_rank.items():
            outliers.append([*first, str(k), *_cells(found, 1 + _r(study))])
        if not of_rank:
            said = "no outlier" if study.theory.n_outliers[index] == 0 else "--"
            outliers.append([*first, said, *[""] * (3 * (1 + _r(study)))])
        last = [
            one
            for one in judged
            if isinstance(one[0], PathRow) and one[0].step == study.n_steps[index]
        ]
        if last:
            errors.append([*first, *_cells(last, len(study.errors))])
    names: list[Cell] = [symbol(name) if paper else name for name in study.theory.axes]
    align = "".join("l" if a.dtype == object else "r" for a in study.theory.axes.values())
    heads: list[Cell] = [
        "s",
        *(["overlap"] if _r(study) == 1 else [f"overlap e{i + 1}" for i in range(_r(study))]),
    ]
    if paper:
        heads = [_POSITION, *target_overlaps(_widest(study))]
    rank: Cell = Formula("outlier, by its singular value, from 0", ("k",)) if paper else "outlier"
    yield _table([*names, rank], align + "r", heads, outliers, paper)
    if errors:
        heads = [name.replace("_", " ") for name in study.errors]
        yield _table(names, align, heads, errors, paper)


_POSITION = Formula(
    "singular value of the weights, whose entries begin with variance 1/d", ("s_k",)
)


def _widest(study: Study) -> Any:
    """A problem with as many directions as any."""
    return max((p for p in study.problems.flat if p is not None), key=lambda p: p.n_directions)


def _r(study: Study) -> int:
    return int(study.theory.target_overlaps.shape[-1])


def _table(
    first: Sequence[Cell], align: str, heads: Sequence[Cell], rows: list[list[Cell]], paper: bool
) -> Table:
    """Two columns, theory and networks, for each number; marks of verdicts for a terminal."""
    marks = [] if paper else [""]
    header = [*first, *(one for head in heads for one in (head, "networks", *marks))]
    kept = rows
    if paper:  # without the marks
        lead = len(first)
        kept = [
            [one for i, one in enumerate(row) if i < lead or (i - lead) % 3 < 2] for row in rows
        ]
    sides = align + ("rr" if paper else "rrl") * len(heads)
    return Table(sides, header, kept if paper else shortened(kept))


def _cells(found: Sequence[tuple[Mean, Verdict | None]], count: int) -> list[Cell]:
    """Theory, networks and mark of each number, as many as columns are there."""
    cells: list[Cell] = []
    for mean, verdict in found:
        most = 4 if mean.quantity == "squared overlap" else None
        seen = ""
        if mean.n_samples:
            seen = with_error(mean.simulated, mean.standard_error, decimals=most, fine=True)
        mark = "" if verdict is None else verdict.mark.strip()
        cells += [with_error(mean.predicted, mean.predicted_error, decimals=most), seen, mark]
    return [*cells, *[""] * (3 * count - len(cells))]
