"""A prediction held against simulated samples: differences, standard errors, and a verdict."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rmt.problem import Problem
from rmt.status import InvalidInputError
from validation.samples import Samples

if TYPE_CHECKING:
    from rmt.prediction import Prediction

__all__ = ["BeyondBulk", "Comparison", "ComparisonRow", "compare"]

Quantity: TypeAlias = Literal["singular value", "squared overlap"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One predicted number and its simulated mean.

    Attributes
    ----------
    spike : int
        Rank of the outlier, from 0, in decreasing order of singular values; the same rank in
        prediction and simulation.
    quantity : {"singular value", "squared overlap"}
        Of the outlier, or of its right singular vector with a target direction.
    direction : int or None
        The target direction, from 1, of an overlap.
    predicted, predicted_error : float
        The theory's number and its own error estimate.
    simulated, standard_error : float
        Mean over the samples and the standard error of that mean.
    in_margin : bool
        Whether the predicted outlier lies between the bulk's edge and `BeyondBulk.threshold`,
        where the bulk of a finite network may reach it.
    """

    spike: int
    quantity: Quantity
    direction: int | None
    predicted: float
    predicted_error: float
    simulated: float
    standard_error: float
    in_margin: bool = False

    @property
    def difference(self) -> float:
        """Simulated minus predicted."""
        return self.simulated - self.predicted

    @property
    def uncertainty(self) -> float:
        """Standard error and the prediction's error estimate, added in squares."""
        return math.hypot(self.standard_error, self.predicted_error)

    @property
    def sigmas(self) -> float:
        """The difference in units of the uncertainty."""
        if self.difference == 0:
            return 0.0
        return self.difference / self.uncertainty if self.uncertainty > 0 else math.inf

    @property
    def label(self) -> str:
        """The quantity in words."""
        if self.direction is None:
            return self.quantity
        return f"{self.quantity} with e_{self.direction}"


@dataclass(frozen=True, slots=True)
class BeyondBulk:
    """Outliers counted beyond the bulk with a finite-size margin: the same threshold for both.

    Attributes
    ----------
    edge : float
        Upper edge of the predicted bulk.
    margin : float
        The margin, relative to the edge.
    predicted : tuple of float
        Predicted singular values above ``threshold = edge (1 + margin)``.
    predicted_in_margin : int
        Predicted outliers between edge and threshold, which this count leaves out.
    simulated, standard_error : float
        Mean number of observed singular values above the threshold, and its standard error.
    observed : int
        Number of singular values observed per sample, which bounds the count.
    """

    edge: float
    margin: float
    predicted: tuple[float, ...]
    predicted_in_margin: int
    simulated: float
    standard_error: float
    observed: int

    @property
    def threshold(self) -> float:
        """``edge (1 + margin)``."""
        return self.edge * (1 + self.margin)

    def agrees(self, sigmas: float, allowance: float, predicted_values: tuple[float, ...]) -> bool:
        """Whether the counts agree to half an outlier, beyond noise and doubtful outliers.

        A predicted value (of any spike outside of the bulk) within the allowance of the threshold
        may be counted or not.
        """
        least = sum(value * (1 - allowance) > self.threshold for value in predicted_values)
        most = sum(value * (1 + allowance) > self.threshold for value in predicted_values)
        slack = 0.5 + sigmas * self.standard_error
        return least - slack <= self.simulated <= most + slack


@dataclass(frozen=True, slots=True)
class Comparison:
    """A prediction against samples; prints as a table.

    Attributes
    ----------
    problem : Problem
        What was predicted and simulated.
    n_samples, seed : int
        Which samples.
    rows : tuple of ComparisonRow
        Singular value and squared overlaps of every predicted outlier.
    beyond_bulk : BeyondBulk
        The number of outliers.
    """

    problem: Problem
    n_samples: int
    seed: int
    rows: tuple[ComparisonRow, ...]
    beyond_bulk: BeyondBulk

    def agrees(
        self, sigmas: float = 4.0, allowance: float = 0.05, overlap_allowance: float = 0.02
    ) -> bool:
        """Whether every row and the count of outliers agree.

        A row agrees when ``|difference| <= sigmas * uncertainty + allowance``. Of an outlier
        within the margin of the bulk's edge no more is asked of the singular value than to lie
        within the margin in the simulation too, up to the same noise and allowance. The counts
        beyond the margin must agree to half an outlier.

        Parameters
        ----------
        sigmas : float
            Noise: how many standard errors (with the prediction's own error) are chance.
        allowance : float
            Finite size: relative difference of singular values that the limit may have from
            the simulated width.
        overlap_allowance : float
            Finite size: absolute difference of squared overlaps.
        """
        return not self.disagreements(sigmas, allowance, overlap_allowance)

    def disagreements(
        self, sigmas: float = 4.0, allowance: float = 0.05, overlap_allowance: float = 0.02
    ) -> tuple[str, ...]:
        """One sentence for everything that does not agree; see `agrees`."""
        for name, value in (
            ("sigmas", sigmas),
            ("allowance", allowance),
            ("overlap_allowance", overlap_allowance),
        ):
            _not_negative(name, value)
        found = [
            f"spike {row.spike}, {row.label}: predicted {row.predicted:.4f}, simulated "
            f"{row.simulated:.4f} +- {row.standard_error:.4f} ({row.sigmas:+.1f} sigma)"
            for row in self.rows
            if not self._row_agrees(row, sigmas, allowance, overlap_allowance)
        ]
        counted = self.beyond_bulk
        values = tuple(r.predicted for r in self.rows if r.quantity == "singular value")
        if not counted.agrees(sigmas, allowance, values):
            found.append(
                f"outliers above {counted.threshold:.4g}: predicted {len(counted.predicted)}, "
                f"simulated {counted.simulated:.2f} +- {counted.standard_error:.2f}"
            )
        return tuple(found)

    def _row_agrees(
        self, row: ComparisonRow, sigmas: float, allowance: float, overlap_allowance: float
    ) -> bool:
        # Every condition is one that an undefined number fails.
        noise = sigmas * row.uncertainty
        if row.quantity == "squared overlap":
            return abs(row.difference) <= noise + overlap_allowance
        if row.in_margin:
            low, high = self.beyond_bulk.edge, self.beyond_bulk.threshold
            return low * (1 - allowance) - noise <= row.simulated <= high * (1 + allowance) + noise
        return abs(row.difference) <= noise + allowance * abs(row.predicted)

    def row(self, spike: int, direction: int | None = None) -> ComparisonRow:
        """The singular value of an outlier, or its overlap with a direction (from 1).

        Raises
        ------
        InvalidInputError
            When there is no such row.
        """
        for row in self.rows:
            if (row.spike, row.direction) == (spike, direction):
                return row
        known = sorted({row.spike for row in self.rows})
        raise InvalidInputError(
            f"no row for spike {spike!r}, direction {direction!r}; spikes are {known}, "
            f"directions None, 1 .. {self.problem.n_directions}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_dict` gives the comparison back exactly."""
        return {
            "format": _FORMAT,
            "problem": self.problem.to_dict(),
            "n_samples": self.n_samples,
            "seed": self.seed,
            "rows": [
                {
                    **{key: _plain(value) for key, value in asdict(row).items()},
                    "difference": _plain(row.difference),
                    "sigmas": _plain(row.sigmas),
                }
                for row in self.rows
            ],
            "beyond_bulk": {
                **{key: _plain(value) for key, value in asdict(self.beyond_bulk).items()},
                "predicted": list(self.beyond_bulk.predicted),
                "threshold": self.beyond_bulk.threshold,
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Inverse of `to_dict`.

        Raises
        ------
        InvalidInputError
            For data of another format, or with missing keys.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
            raise InvalidInputError(
                f"data must be a mapping written by Comparison.to_dict, format {_FORMAT}"
            )
        try:
            derived = {"difference", "sigmas"}
            rows = tuple(
                ComparisonRow(**{k: _number(v, k) for k, v in row.items() if k not in derived})
                for row in data["rows"]
            )
            counted = {k: v for k, v in data["beyond_bulk"].items() if k != "threshold"}
            beyond = BeyondBulk(**{**counted, "predicted": tuple(counted["predicted"])})
            problem = Problem.from_dict(data["problem"])
            return cls(problem, data["n_samples"], data["seed"], rows, beyond)
        except (KeyError, TypeError) as error:
            raise InvalidInputError(f"data is not a complete comparison: {error}") from error

    def to_json(self) -> str:
        """`to_dict` as JSON text; an infinite or undefined number is null."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """Inverse of `to_json`."""
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"a comparison must be a JSON object: {error}") from error
        return cls.from_dict(data)

    def __str__(self) -> str:
        problem, counted = self.problem, self.beyond_bulk
        lines = [
            f"N = {problem.width}, d = {problem.dim}, n = {', '.join(map(str, problem.samples))}, "
            f"{problem.batch} batch: {self.n_samples} samples, seed {self.seed}",
            f"{'spike':>5}  {'quantity':<25} {'predicted':>10} {'simulated':>10} "
            f"{'std. error':>10} {'difference':>10} {'sigma':>6}",
        ]
        lines += [
            f"{row.spike:5d}  {row.label:<25} {row.predicted:10.4f} {row.simulated:10.4f} "
            f"{row.standard_error:10.4f} {row.difference:+10.4f} {row.sigmas:+6.1f}"
            f"{'*' if row.in_margin else ''}"
            for row in self.rows
        ]
        lines.append(
            f"outliers above {counted.threshold:.4g} (bulk edge {counted.edge:.4g}, margin "
            f"{counted.margin:.0%}): predicted {len(counted.predicted)}, simulated "
            f"{counted.simulated:.2f} +- {counted.standard_error:.2f}"
        )
        if counted.predicted_in_margin:
            lines.append(f"* {counted.predicted_in_margin} more predicted within the margin")
        return "\n".join(lines)


def compare(prediction: Prediction, samples: Samples, *, edge_margin: float = 0.5) -> Comparison:
    """Hold a prediction against simulated samples of the same problem.

    Outliers are matched by rank: the ``i``-th largest predicted singular value belongs to the
    ``i``-th largest observed one. Overlaps are squared, so signs do not matter.

    Parameters
    ----------
    prediction : Prediction
        Of `rmt.predict`, at any level.
    samples : Samples
        At least two, with at least as many triplets observed as outliers are predicted.
    edge_margin : float
        Where outliers are counted, relative to the upper edge of the predicted bulk. At finite
        width the rest of the gradients widens the bulk, which the resummed level leaves out
        (theory.md, section 4): by 20 to 40 percent at ``N = 1000``, hence the default.

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidInputError
        When the problems differ, or the samples are too few or observe too few triplets.

    Notes
    -----
    The prediction is a limit, the simulation has finite size: `Comparison.agrees` states the
    allowance for that apart from the noise. Where two outliers lie within each other's
    fluctuations, matching by rank mixes their overlaps.
    """
    _not_negative("edge_margin", edge_margin)
    if prediction.problem != samples.problem:
        raise InvalidInputError(
            "prediction and samples must be of the same problem, got content hashes "
            f"{prediction.problem.content_hash[:12]} and {samples.problem.content_hash[:12]}"
        )
    if samples.n_samples < 2:
        raise InvalidInputError("samples must be at least two, to have a standard error; got one")
    outliers = sorted(prediction.outliers, key=lambda spike: -spike.singular_value)
    if len(outliers) > samples.n_observed:
        raise InvalidInputError(
            f"samples must observe at least the {len(outliers)} predicted outliers, got "
            f"{samples.n_observed} triplets: run_samples(..., n_outliers={len(outliers)})"
        )

    edge = float(max(upper for _, upper in prediction.bulk.edges))
    threshold = edge * (1 + edge_margin)
    values = tuple(float(spike.singular_value) for spike in outliers)
    means, errors = samples.mean_singular_values, samples.singular_value_errors
    overlaps, overlap_errors = samples.mean_target_overlaps, samples.target_overlap_errors
    rows: list[ComparisonRow] = []
    for i, spike in enumerate(outliers):
        in_margin = values[i] <= threshold
        rows.append(
            ComparisonRow(
                i,
                "singular value",
                None,
                values[i],
                float(spike.error.singular_value),
                float(means[i]),
                float(errors[i]),
                in_margin,
            )
        )
        rows += [
            ComparisonRow(
                i,
                "squared overlap",
                j + 1,
                float(spike.target_overlaps[j]),
                float(spike.error.target_overlaps[j]),
                float(overlaps[i, j]),
                float(overlap_errors[i, j]),
                in_margin,
            )
            for j in range(samples.problem.n_directions)
        ]

    counts = samples.count_beyond(threshold)
    beyond = BeyondBulk(
        edge=edge,
        margin=float(edge_margin),
        predicted=tuple(value for value in values if value > threshold),
        predicted_in_margin=sum(value <= threshold for value in values),
        simulated=float(counts.mean()),
        standard_error=float(counts.std(ddof=1) / math.sqrt(counts.size)),
        observed=samples.n_observed,
    )
    return Comparison(samples.problem, samples.n_samples, samples.seed, tuple(rows), beyond)


def _plain(value: Any) -> Any:
    """A value that JSON can hold: numbers that are not finite become null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(value: Any, key: str) -> Any:
    """Inverse of `_plain`, except that infinite and undefined come back as undefined."""
    return math.nan if value is None and key != "direction" else value


def _not_negative(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Real) or not float(value) >= 0:
        raise InvalidInputError(f"{name} must be a non-negative number, got {value!r}")
