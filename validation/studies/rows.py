"""The rows of a study: predicted numbers beside simulated means, with verdicts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from rmt.arrays import Array
from validation.comparison.compare import DEFORMED_MARGIN, RESUMMED_MARGIN
from validation.comparison.path_rows import PathQuantity, PathRow, plain_mean
from validation.comparison.rows import ComparisonRow
from validation.comparison.verdict import DEFAULT_CRITERIA, Verdict
from validation.studies.result import Study

__all__ = ["Mean", "means_at", "points_of", "rows_of", "verdicts_of"]

Mean: TypeAlias = ComparisonRow | PathRow
_NO_NETWORKS: dict[str, Any] = {"simulated": math.nan, "standard_error": math.nan, "n_samples": 0}


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


def points_of(study: Study) -> Iterator[tuple[tuple[int, ...], dict[str, Any], list[Mean]]]:
    for index, values in zip(np.ndindex(study.shape), study.grid.points(), strict=True):
        yield index, values, means_at(study, index)


def verdicts_of(study: Study) -> dict[int, Verdict]:
    """By the number of a mean, in the order of `points_of`; of those that are tested."""
    means = [mean for *_, found in points_of(study) for mean in found]
    tested = {number: mean for number, mean in enumerate(means) if _is_tested(mean)}
    return {n: mean.verdict(DEFAULT_CRITERIA, len(tested)) for n, mean in tested.items()}


def rows_of(study: Study) -> list[dict[str, Any]]:
    """What `Study.rows` says."""
    verdicts, number, rows = verdicts_of(study), 0, []
    sizes_of = ["N", "d", *(f"n_{b + 1}" for b in range(_most_batches(study)))]
    for index, values, means in points_of(study):
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
