"""The main job in one command: predict, simulate, and hold one against the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmt.display import paragraph
from rmt.status import InvalidInputError
from validation.catalogue import CASES, Case
from validation.comparison.compare import DEFORMED_MARGIN, compare
from validation.comparison.rows import ComparisonRow
from validation.comparison.verdict import DEFAULT_CRITERIA, Verdict, Verdicts, worst
from validation.drawing import Panel, comparison_figure, save_figure
from validation.folders import write_files
from validation.simulation.bar import bar_of
from validation.simulation.weights import run_samples

if TYPE_CHECKING:
    from rmt.prediction import Prediction

__all__ = ["Demo", "run_demo"]

_N_SPECTRA = 4
# Of the columns that name a case, at the left of the tables.
_LEFT = 40


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

    @property
    def n_tests(self) -> int:
        """Number of tests in all cases, which share the significance."""
        return sum(panel.comparison.n_tests for panel in self.panels)

    @property
    def verdicts(self) -> tuple[Verdicts, ...]:
        """On each case, by the default `validation.Criteria`."""
        return tuple(p.comparison.verdicts(DEFAULT_CRITERIA, self.n_tests) for p in self.panels)

    @property
    def overall(self) -> Verdict:
        """The worst verdict of all."""
        return worst(verdicts.overall for verdicts in self.verdicts)

    def __str__(self) -> str:
        return "\n".join([*_table(self), "", *_conclusion(self)])

    def disagreements(self, panel: Panel) -> tuple[str, ...]:
        """One sentence for everything that differs in a case."""
        return panel.comparison.disagreements(DEFAULT_CRITERIA, self.n_tests)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        found = zip(self.panels, self.predictions, self.verdicts, strict=True)
        return {
            "criteria": DEFAULT_CRITERIA.to_dict(),
            "n_tests": self.n_tests,
            "verdict": self.overall.value,
            "cases": [
                {
                    "name": panel.case.name,
                    "title": panel.case.title,
                    "batch": panel.case.problem.batch,
                    "prediction": prediction.to_dict(),
                    "comparison": panel.comparison.to_dict(),
                    "verdicts": verdicts.to_dict(),
                    "disagreements": list(self.disagreements(panel)),
                }
                for panel, prediction, verdicts in found
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
        return write_files(
            folder,
            {
                "demo.json": lambda path: path.write_text(text, encoding="utf-8"),
                "demo.png": lambda path: save_figure(figure, path),
                "demo.pdf": lambda path: save_figure(figure, path),
            },
        )


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
    if progress:  # whatever it needs is missed before the predictions, not after
        bar_of(total=0, disable=True).close()
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
        comparison = compare(prediction, samples, edge_margin=DEFORMED_MARGIN)
        panels.append(Panel(found, prediction.bulk, samples, comparison))
    return Demo(tuple(panels), predictions)


def _table(demo: Demo) -> list[str]:
    """A line for every outlier, or for every outlier and direction of a multi-index target."""
    numbers = f"{'predicted':>9} {'simulated':>9} {'s.e.':>7} {'diff.':>8}"
    left = f"{'problem':<22} {'batch':<11} {'spike':>5}"
    rule = f"{'-' * _LEFT}  {'-' * 37}  {'-' * 37}"
    lines = [
        f"{'':<{_LEFT}}  {'singular value':^37}  {'squared overlap with target':^37}".rstrip(),
        f"{left}  {numbers}   {numbers}",
        rule,
    ]
    for panel, verdicts in zip(demo.panels, demo.verdicts, strict=True):
        batch = panel.case.problem.batch
        if not panel.comparison.rows:
            lines.append(f"{panel.case.title:<22} {batch:<11} no outlier predicted")
        for row, verdict in zip(panel.comparison.rows, verdicts.rows, strict=True):
            if row.direction is None:
                value = _cells(row, verdict)
                continue
            star = "*" if row.in_margin else " "
            lines.append(
                f"{panel.case.title:<22} {batch:<11} {row.spike:4d}{star}  "
                f"{value}  {_cells(row, verdict)}".rstrip()
            )
    return [*lines, rule, "", *_bulk_table(demo), rule]


def _cells(row: ComparisonRow, verdict: Verdict) -> str:
    values = f"{row.predicted:9.4f} {row.simulated:9.4f} {row.standard_error:7.4f}"
    return f"{values} {row.difference:+8.4f}{verdict.mark}"


def _bulk_table(demo: Demo) -> list[str]:
    """Of every case: the number of outliers, and the distance of the predicted bulk."""
    lines = [
        f"{'':<{_LEFT}}  {'outliers beyond the bulk':^38}  {'Kolmogorov distance of the bulk':>34}",
        f"{'problem':<22} {'batch':<11} {'':5}  {'above':>9} {'predicted':>9} {'simulated':>9} "
        f"{'s.e.':>6}   {'predicted':>9} {'resolution':>10} {'Marchenko-P.':>14}",
    ]
    for panel, verdicts in zip(demo.panels, demo.verdicts, strict=True):
        counted, bulk = panel.comparison.beyond_bulk, panel.comparison.bulk
        line = (
            f"{panel.case.title:<22} {panel.case.problem.batch:<11} {'':5}  "
            f"{counted.threshold:9.4f} {counted.n_predicted:9g} {counted.simulated:9.2f} "
            f"{counted.standard_error:6.2f}{verdicts.beyond_bulk.mark}"
        )
        if bulk is not None and verdicts.bulk is not None:
            line += (
                f"  {bulk.predicted:9.4f}{verdicts.bulk.mark}{bulk.resolution:10.4f} "
                f"{bulk.marchenko_pastur:14.4f}"
            )
        lines.append(line.rstrip())
    return lines


def _conclusion(demo: Demo) -> list[str]:
    """What the table's columns and marks mean, and whether theory and simulation agree."""
    panels = demo.panels
    n_samples = panels[0].samples.n_samples
    margin = panels[0].comparison.beyond_bulk.margin
    sentences = [
        f"{n_samples} networks for each problem. Difference: simulated minus predicted; s.e.: "
        "standard error of the simulated mean. A random direction has the squared overlap 1/d = "
        f"{1 / panels[0].case.problem.dim:g}.",
    ]
    if any(row.in_margin for panel in panels for row in panel.comparison.rows):
        sentences.append(
            f"* Predicted within {margin:.0%} of the edge of the predicted bulk, where the largest "
            "values of the bulk fluctuate: of its singular value the verdict asks only that the "
            "simulation finds it in this margin too."
        )
    sentences.append(DEFAULT_CRITERIA.describe(n_samples, demo.n_tests))
    found = [
        f"  {panel.case.name}: {sentence}"
        for panel in panels
        for sentence in demo.disagreements(panel)
    ]
    sentences.append(
        {
            Verdict.AGREES: "Theory and simulation agree within the noise.",
            Verdict.WITHIN_ALLOWANCE: "Theory and simulation agree; numbers with the mark ~ lie "
            "beyond the noise, within the allowance for finite size.",
            Verdict.DIFFERS: "Theory and simulation differ in the numbers with the mark ! by more "
            "than noise and allowance:",
        }[demo.overall]
    )
    return [*map(paragraph, sentences), *found]
