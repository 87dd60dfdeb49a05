"""What a check of weights consists of: predicted numbers, outliers found, and their count."""

from __future__ import annotations

from dataclasses import dataclass

from validation.comparison.verdict import Criteria, Verdict

__all__ = ["CheckRow", "FoundOutlier", "OutlierCount"]


@dataclass(frozen=True, slots=True)
class FoundOutlier:
    """A singular value of the weights: an outlier, or the first that lies in the predicted bulk.

    Attributes
    ----------
    singular_value : float
        Mean over the matrices.
    overlaps : tuple of r floats
        Squared, of the right singular vector with each target direction; means too.
    p_value : float
        Chance that the largest singular value of the predicted bulk is as large (Tracy-Widom); of
        several matrices the largest.
    is_outlier : bool
        Whether the p-value, and that of every larger singular value, is below the significance.
    """

    singular_value: float
    overlaps: tuple[float, ...]
    p_value: float
    is_outlier: bool


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One predicted number, and the same of the given weights.

    Attributes
    ----------
    spike : int
        Rank of the outlier, from 0, in decreasing order of singular values.
    direction : int or None
        The target direction, from 1, of a squared overlap; None for a singular value.
    predicted, predicted_error : float
        Means over the matrices, where each has a prediction of its own readout.
    observed : float
        Mean over the matrices.
    deviation : float
        Standard deviation of one network around its prediction; nan when it is not known.
    reference : float
        Mean of the reference networks, moved by their predictions to these weights' own; nan
        without any.
    """

    spike: int
    direction: int | None
    predicted: float
    predicted_error: float
    observed: float
    deviation: float
    reference: float

    @property
    def label(self) -> str:
        """The quantity in words."""
        return "singular value" if self.direction is None else f"overlap with e_{self.direction}"

    @property
    def difference(self) -> float:
        """Observed minus predicted."""
        return self.observed - self.predicted

    @property
    def excess(self) -> float:
        """How far, beyond the prediction's own error estimate."""
        # An undefined difference stays undefined.
        distance = abs(self.difference) - self.predicted_error
        return 0.0 if distance <= 0 else distance

    def allowance(self, criteria: Criteria) -> float:
        """What finite size accounts for."""
        if self.direction is None:
            return criteria.allowance * abs(self.predicted)
        return criteria.overlap_allowance


@dataclass(frozen=True, slots=True)
class OutlierCount:
    """How many singular values leave the bulk.

    Attributes
    ----------
    predicted : float
        Mean over the predictions.
    least, most : float
        The same where those that the theory cannot tell from the bulk are left out, or counted.
    found : tuple of int
        Of each matrix by the Tracy-Widom test at the edge.
    clear : tuple of int
        Of these the ones that stand beyond the edge by more than the finite-size allowance of a
        singular value.
    by_spectrum : tuple of int or None
        Of each matrix by its own spectrum, without any theory (`bulk_edge`).
    edge : float
        Where the predicted bulk ends, its error estimate included (`Reading.edge`).
    edge_by_spectrum : float or None
        The same read off the spectra.
    """

    predicted: float
    least: float
    most: float
    found: tuple[int, ...]
    clear: tuple[int, ...]
    by_spectrum: tuple[int, ...] | None
    edge: float
    edge_by_spectrum: float | None

    @property
    def verdict(self) -> Verdict:
        """Whether the mean number found is a possible one, to half an outlier.

        Within the allowance, when it is once those next to the edge are left out.
        """
        found = sum(self.found) / len(self.found)
        clear = sum(self.clear) / len(self.clear)
        if self.least - 0.5 <= found <= self.most + 0.5:
            return Verdict.AGREES
        possible = found >= self.least - 0.5 and clear <= self.most + 0.5
        return Verdict.WITHIN_ALLOWANCE if possible else Verdict.DIFFERS

    def __str__(self) -> str:
        text = (
            f"outliers: predicted {self.predicted:g}, found {_counts(self.found)} beyond the "
            f"bulk's edge {self.edge:.4g} (Tracy-Widom)"
        )
        if self.by_spectrum is not None:
            text += (
                f", {_counts(self.by_spectrum)} beyond the spectrum's own edge "
                f"{self.edge_by_spectrum:.4g}"
            )
        return text


def _counts(numbers: tuple[int, ...]) -> str:
    if len(set(numbers)) == 1:
        return str(numbers[0])
    return f"{sum(numbers) / len(numbers):.2f} (from {min(numbers)} to {max(numbers)})"
