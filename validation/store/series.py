"""What a store holds: series of samples that were made alike, and the table of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from rmt.display import Part, Shown, Table
from rmt.problem.labels import label_law_from

__all__ = ["Series", "StoreSummary", "describes"]


@dataclass(frozen=True, slots=True)
class Series:
    """All samples of one problem and one seed that were simulated and observed in the same way.

    Attributes
    ----------
    problem : str
        Content hash of the problem.
    description : dict
        The problem as `Problem.to_dict` gives it.
    seed : int
        Seed of the samples.
    recipe : str
        Everything else that their numbers depend on (see `recipe`).
    n_samples : int
        How many are stored.
    made_with : tuple of str
        Versions of the libraries that made them; more than one where a campaign went on after
        an update.
    """

    problem: str
    description: dict[str, Any]
    seed: int
    recipe: str
    n_samples: int
    made_with: tuple[str, ...]

    @property
    def target(self) -> str:
        """The target, or the law of the labels, as one writes it."""
        given = self.description["target"]
        return given if isinstance(given, str) else label_law_from(given).text

    def cells(self) -> list[str]:
        """A row of the table of a store."""
        size = f"N = {self.description['width']}, d = {self.description['dim']}"
        functions = f"{self.description['activation']}, {self.target}"
        samples = f"{self.n_samples}"
        return [self.problem[:10], f"{self.seed}", samples, self.recipe, size, functions]

    def __str__(self) -> str:
        return "  ".join(self.cells())


@dataclass(frozen=True, slots=True)
class StoreSummary(Shown):
    """What is in a store; prints as a table.

    Attributes
    ----------
    place : str
        Path of the file, or "in memory".
    format : int
        Format version of the file.
    series : tuple of Series
        Ordered by problem, seed and recipe.
    """

    place: str
    format: int
    series: tuple[Series, ...]

    @property
    def n_problems(self) -> int:
        """How many different problems there are samples of."""
        return len({series.problem for series in self.series})

    @property
    def n_samples(self) -> int:
        """How many samples there are in all."""
        return sum(series.n_samples for series in self.series)

    @property
    def made_with(self) -> tuple[str, ...]:
        """Versions of the libraries that made the samples."""
        return tuple(sorted({made for series in self.series for made in series.made_with}))

    def _parts(self) -> list[Part]:
        lines: list[Part] = [
            f"store {self.place}, format {self.format}: {self.n_samples} samples of "
            f"{self.n_problems} problems"
        ]
        if self.series:
            header = ["problem", "seed", "samples", "recipe", "size", "activation, target"]
            lines.append(Table("lrrlll", header, [series.cells() for series in self.series]))
        return [*lines, *(f"made with {made}" for made in self.made_with)]


def describes(description: str, content_hash: str) -> bool:
    """Whether the JSON text of a problem is that of the problem with this content hash."""
    try:
        canonical = json.dumps(json.loads(description), sort_keys=True, separators=(",", ":"))
    except ValueError:
        return False
    return hashlib.sha256(canonical.encode()).hexdigest() == content_hash
