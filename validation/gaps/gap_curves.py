"""How the gap between theory and simulation depends on the width: the result of `finite_size`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from rmt.display import InNotebooks, InPapers, Part, Table, with_error
from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.gaps.power_law import PowerLaw
from validation.json_form import InJson, fields

__all__ = ["FiniteSize", "GapCurve"]

Quantity: TypeAlias = Literal["singular value", "squared overlap", "bulk distance"]


@dataclass(frozen=True, slots=True)
class GapCurve(InNotebooks):
    """The gap of one level of theory in one observable, at every width.

    Attributes
    ----------
    method : str
        Level of theory.
    quantity : {"singular value", "squared overlap", "bulk distance"}
        A gap of singular values is ``(simulated - predicted) / simulated``; of squared overlaps
        ``simulated - predicted``; of the bulk the Kolmogorov distance, which has no sign.
    spike, direction : int or None
        Rank of the outlier, from 0, and target direction, from 1, as in `ComparisonRow`.
    widths : tuple of int (k,)
    gaps, errors : tuple of float (k,)
        Means over the networks, and their standard errors.
    resolutions : tuple of float (k,)
        What a gap would be from the samples' fluctuations alone: see `BulkDistance.resolution`;
        zero for the other observables, whose gaps are unbiased.
    fit : PowerLaw or None
        None for fewer than three widths, or errors that are zero or unknown.

    Examples
    --------
    >>> from validation import fit_power_law
    >>> widths, gaps, errors = (250, 500, 1000), (0.08, 0.041, 0.019), (0.001, 0.001, 0.001)
    >>> curve = GapCurve(
    ...     "resummed",
    ...     "singular value",
    ...     0,
    ...     None,
    ...     widths,
    ...     gaps,
    ...     errors,
    ...     (0.0, 0.0, 0.0),
    ...     fit_power_law(widths, gaps, errors),
    ... )
    >>> curve.label, round(curve.fit.exponent, 2)
    ('singular value 0', 1.0)
    """

    method: str
    quantity: Quantity
    spike: int | None
    direction: int | None
    widths: tuple[int, ...]
    gaps: tuple[float, ...]
    errors: tuple[float, ...]
    resolutions: tuple[float, ...]
    fit: PowerLaw | None

    @property
    def label(self) -> str:
        """The observable in words."""
        if self.spike is None:
            return self.quantity
        with_direction = "" if self.direction is None else f" with e_{self.direction}"
        return f"{self.quantity} {self.spike}{with_direction}"

    def __str__(self) -> str:
        cells = zip(self.widths, self.gaps, self.errors, strict=True)
        gaps = ", ".join(f"{gap:.4g} ({error:.2g}) at {n}" for n, gap, error in cells)
        return f"{self.label}, {self.method}: {gaps}; {self.fit or 'no fit'}"


def _curve(data: Mapping[str, Any]) -> GapCurve:
    parts = fields(data, "spike", "direction", "fit")
    fit = parts.pop("fit")
    return GapCurve(**parts, fit=fit and PowerLaw(**fields(fit)))


@dataclass(frozen=True, slots=True)
class FiniteSize(InJson, InPapers):
    """Gaps between theory and simulation against the width; prints as a table.

    Attributes
    ----------
    problem : Problem
        At the first width; at the others ``d`` and ``n`` are in the same ratio to ``N``.
    widths, n_samples : tuple of int (k,)
        Networks at each width.
    seed : int
    methods : tuple of str
        Levels of theory.
    forms : str
        Of the deformed level.
    paired : bool
        Whether each network was predicted on its own readout.
    curves : tuple of GapCurve
        For every observable every level, in this order.

    Examples
    --------
    >>> import rmt
    >>> from validation import finite_size
    >>> problem = rmt.Problem(
    ...     "gelu(z)", "z", width=100, dim=100, samples=200, readout="rademacher", steps=[(3, 0.3)]
    ... )
    >>> found = finite_size(problem, [50, 100, 200], 6, methods=["resummed"], workers=1)
    >>> found.observables
    ('singular value 0', 'squared overlap 0 with e_1')
    >>> found.curve("resummed", "singular value 0").widths
    (50, 100, 200)
    >>> FiniteSize.from_json(found.to_json()) == found
    True
    """

    _FORMAT: ClassVar[int] = 1
    _KEEP_INFINITE: ClassVar[bool] = True
    _READ: ClassVar[Any] = {
        "problem": Problem.from_dict,
        "curves": lambda curves: tuple(map(_curve, curves)),
    }

    problem: Problem
    widths: tuple[int, ...]
    n_samples: tuple[int, ...]
    seed: int
    methods: tuple[str, ...]
    forms: str
    paired: bool
    curves: tuple[GapCurve, ...]

    @property
    def observables(self) -> tuple[str, ...]:
        """Labels of what was compared."""
        return tuple(dict.fromkeys(curve.label for curve in self.curves))

    def curve(self, method: str, observable: str) -> GapCurve:
        """The gaps of a level in an observable, given by its label.

        Raises
        ------
        InvalidInputError
            When there is no such curve; the message lists what there is.
        """
        for curve in self.curves:
            if (curve.method, curve.label) == (method, observable):
                return curve
        raise InvalidInputError(
            f"no gaps of {method!r} in {observable!r}; levels are {', '.join(self.methods)}, "
            f"observables {', '.join(self.observables)}"
        )

    def _parts(self) -> list[Part]:
        networks = ", ".join(
            f"{m} of N = {n}" for m, n in zip(self.n_samples, self.widths, strict=True)
        )
        how = "paired by readout" if self.paired else "mean over readouts"
        lines: list[Part] = [
            f"networks: {networks}; {self.problem.batch_text} batch, seed {self.seed}, {how}",
            "gap: simulated - predicted, of singular values relative; standard errors in units of "
            "the last digit",
        ]
        header = ["observable", "level", *(f"N = {n}" for n in self.widths), "decay"]
        rows = []
        for curve in self.curves:
            cells = zip(curve.gaps, curve.errors, curve.resolutions, strict=True)
            gaps = [_with_error(*cell) for cell in cells]
            decay = str(curve.fit) if curve.fit else "no fit"
            rows.append([curve.label, curve.method, *gaps, decay])
        lines.append(Table("ll" + "r" * len(self.widths) + "l", header, rows))
        if any(cell.startswith("<") for row in rows for cell in row):
            lines.append("<: within the resolution of the simulated spectra, an upper bound")
        return lines


def _with_error(gap: float, error: float, resolution: float) -> str:
    """``0.0123 (4)``: the error in units of the last digit."""
    mark = "<" if resolution and gap <= resolution else ""
    if not (math.isfinite(error) and error > 0):
        return f"{mark}{gap:.4g}"
    return mark + with_error(gap, error, decimals=12, fine=True).replace("(", " (")
