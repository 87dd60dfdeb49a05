"""The main job in one command: predict, simulate, and hold one against the other."""

from __future__ import annotations

import json
import os
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt.status import InvalidInputError
from validation.catalogue import CASES, Case
from validation.compare import ComparisonRow, compare
from validation.figures import Panel, comparison_figure, save_figure
from validation.samples import run_samples

if TYPE_CHECKING:
    from rmt.prediction import Prediction

__all__ = ["Demo", "prepare_folder", "run_demo"]

_N_SPECTRA = 4
_TEXT_WIDTH = 100
_EDGE_MARGIN = 0.1
# The verdict's terms.
_SIGMAS, _ALLOWANCE, _OVERLAP_ALLOWANCE = 4.0, 0.03, 0.02


@dataclass(frozen=True, slots=True)
class Demo:
    """The comparisons of the demo; prints as one table.

    Attributes
    ----------
    panels : tuple of Panel
        Samples and comparison of each case.
    predictions : tuple of Prediction
        In the same order.
    """

    panels: tuple[Panel, ...]
    predictions: tuple[Prediction, ...]

    def __str__(self) -> str:
        return "\n".join([*_table(self.panels), "", *_verdict(self.panels)])

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            "verdict": {
                "sigmas": _SIGMAS,
                "allowance": _ALLOWANCE,
                "overlap_allowance": _OVERLAP_ALLOWANCE,
            },
            "cases": [
                {
                    "name": panel.case.name,
                    "title": panel.case.title,
                    "batch": panel.case.problem.batch,
                    "prediction": prediction.to_dict(),
                    "comparison": panel.comparison.to_dict(),
                    "agrees": not _disagreements(panel),
                    "disagreements": list(_disagreements(panel)),
                }
                for panel, prediction in zip(self.panels, self.predictions, strict=True)
            ],
        }

    def save(self, folder: Path) -> tuple[Path, ...]:
        """Write ``demo.json``, ``demo.png`` and ``demo.pdf``; an older result goes only when the
        new one is complete.

        Raises
        ------
        InvalidInputError
            When the folder cannot be written.
        """
        figure = comparison_figure(self.panels)
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"
        writers: dict[str, Callable[[Path], Any]] = {
            "demo.json": lambda path: path.write_text(text, encoding="utf-8"),
            "demo.png": lambda path: save_figure(figure, path),
            "demo.pdf": lambda path: save_figure(figure, path),
        }
        prepare_folder(folder)
        try:
            with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
                for name, write in writers.items():
                    write(Path(unfinished) / name)
                for name in writers:
                    os.replace(Path(unfinished) / name, folder / name)
        except OSError as error:
            raise InvalidInputError(f"output folder {folder} cannot be written: {error}") from error
        return tuple(folder / name for name in writers)


def run_demo(
    n_samples: int = 40,
    seed: int = 0,
    *,
    cases: Sequence[Case] | None = None,
    progress: bool = False,
) -> Demo:
    """Predict and simulate every case.

    Parameters
    ----------
    n_samples : int
        Networks of each case, at least two.
    seed : int
        Not negative.
    cases : sequence of Case, optional
        By default the whole catalogue.
    progress : bool
        Whether to show progress bars on standard error.

    Returns
    -------
    Demo

    Raises
    ------
    InvalidInputError
        For fewer than two samples or a negative seed.
    """
    from rmt.predict import predict

    if n_samples < 2:
        raise InvalidInputError(f"samples must be at least 2, got {n_samples}")
    if seed < 0:
        raise InvalidInputError(f"seed must not be negative, got {seed}")
    chosen = tuple(CASES.values()) if cases is None else tuple(cases)
    width = max(len(found.name) for found in chosen)
    predictions = tuple(
        predict(found.problem, method="deformed", forms="linked") for found in chosen
    )
    panels = []
    for found, prediction in zip(chosen, predictions, strict=True):
        samples = run_samples(
            found.problem,
            n_samples,
            seed,
            n_outliers=max(len(prediction.outliers), 1) + 1,
            n_spectra=min(_N_SPECTRA, n_samples),
            progress=f"{found.name:<{width}}" if progress else False,
        )
        comparison = compare(prediction, samples, edge_margin=_EDGE_MARGIN)
        panels.append(Panel(found, prediction.bulk, samples, comparison))
    return Demo(tuple(panels), predictions)


def prepare_folder(folder: Path) -> None:
    """Make the folder where it does not exist, and see that it can be written.

    Raises
    ------
    InvalidInputError
        When it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"output must be a folder that can be written, got {folder}: {reason}"
        ) from error


def _table(panels: Sequence[Panel]) -> list[str]:
    """A line for every outlier, or for every outlier and direction of a multi-index target."""
    numbers = f"{'predicted':>9} {'simulated':>9} {'s.e.':>7} {'diff.':>8}"
    left = f"{'problem':<22} {'batch':<11} {'spike':>5}"
    rule = "-" * len(left) + "  " + "-" * len(numbers) + "  " + "-" * len(numbers)
    lines = [
        f"{'':<{len(left)}}  {'singular value':^{len(numbers)}}  "
        f"{'squared overlap with target':^{len(numbers)}}",
        f"{left}  {numbers}  {numbers}",
        rule,
    ]
    for panel in panels:
        rows = panel.comparison.rows
        batch = panel.case.problem.batch
        if not rows:
            lines.append(f"{panel.case.title:<22} {batch:<11} no outlier predicted")
        for row in rows:
            if row.direction is None:
                value = row
                continue
            mark = "*" if row.in_margin else " "
            lines.append(
                f"{panel.case.title:<22} {batch:<11} {row.spike:4d}{mark}  "
                f"{_cells(value)}  {_cells(row)}"
            )
    return [*lines, rule]


def _cells(row: ComparisonRow) -> str:
    values = f"{row.predicted:9.4f} {row.simulated:9.4f} {row.standard_error:7.4f}"
    return f"{values} {row.difference:+8.4f}"


def _verdict(panels: Sequence[Panel]) -> list[str]:
    """What the table's columns and marks mean, and whether theory and simulation agree."""
    margin = panels[0].comparison.beyond_bulk.margin
    sentences = [
        f"{panels[0].samples.n_samples} networks for each problem. Difference: simulated minus "
        "predicted; s.e.: standard error of the simulated mean. A random direction has the squared "
        f"overlap 1/d = {1 / panels[0].case.problem.dim:g}.",
    ]
    if any(row.in_margin for panel in panels for row in panel.comparison.rows):
        sentences.append(
            f"* Predicted within {margin:.0%} of the edge of the predicted bulk, where the largest "
            "values of the bulk fluctuate: of its singular value the verdict asks only that the "
            "simulation finds it in this margin too."
        )
    found = [sentence for panel in panels for sentence in _named_disagreements(panel)]
    terms = (
        f"{_SIGMAS:g} standard errors plus a finite-size allowance ({_ALLOWANCE:.0%} of a singular "
        f"value, {_OVERLAP_ALLOWANCE:g} of an overlap)"
    )
    if found:
        sentences.append(f"Theory and simulation differ by more than {terms}:")
    else:
        sentences.append(f"Theory and simulation agree within {terms}.")
    return [*(textwrap.fill(sentence, _TEXT_WIDTH) for sentence in sentences), *found]


def _named_disagreements(panel: Panel) -> list[str]:
    return [f"  {panel.case.name}: {sentence}" for sentence in _disagreements(panel)]


def _disagreements(panel: Panel) -> tuple[str, ...]:
    return panel.comparison.disagreements(_SIGMAS, _ALLOWANCE, _OVERLAP_ALLOWANCE)
