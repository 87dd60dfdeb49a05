"""Spikes of the feature matrix: what the hidden layer has learned after the last step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from rmt.arrays import Array
from rmt.blas import one_blas_thread
from rmt.budget import MAX_SECONDS, OutOfTime, checked_seconds, time_limit
from rmt.display import Formula, InNotebooks, Part, Shown, Table
from rmt.features.polynomial import LearnedFeature, hermite_name, learned_feature
from rmt.features.sample_map import SampleMap
from rmt.features.stages import last_stage
from rmt.features.trained import TrainedFeatures, trained_features
from rmt.frames import frame_of, plain_fields
from rmt.hermite.tensor_tables import multi_indices
from rmt.problem import Problem
from rmt.status import ConvergenceError, InvalidInputError, Status
from rmt.vocabulary import RTOL

if TYPE_CHECKING:
    import pandas

__all__ = ["FeatureSpike", "FeatureSpikes", "feature_spikes"]


_KEEP = 0.05  # spikes of the mean part weaker than this, relative to the bulk's edge, are left out
_MONOMIAL_DEGREE = 3
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpike(InNotebooks):
    """One function of the input that the hidden layer carries above its bulk.

    Attributes
    ----------
    strength : float
        ``sqrt(m N)`` times the singular value of the mean part of the features.
    singular_value : float
        Of the ``m x N`` feature matrix; the bulk's edge when the spike makes no outlier.
    left_overlap : float
        Squared norm of the projection of the outlier's left singular vector on ``learned``; 0
        without an outlier.
    learned : LearnedFeature
        The function of the spike coordinates that the left vector samples.
    target_overlaps : mapping of multi-index to float
        Squared overlaps of the left singular vector with the Hermite monomials
        ``prod_i He_{beta_i}(z_i) / sqrt(beta_i!)`` of the target's directions, up to degree 3.
    is_outlier : bool
    error : float
        Relative error estimate of strength and singular value, absolute one of the overlaps: of
        the solution of the equations, not of their distance from a finite network.

    Examples
    --------
    >>> from rmt import Problem, Step, feature_spikes
    >>> problem = Problem("tanh(z)", "tanh(z)", 1000, 1000, 2000, [Step(4, 0.3)])
    >>> spike = feature_spikes(problem).outliers[0]
    >>> str(spike.learned), round(spike.singular_value, 2)
    ('1.00 k0', 341.29)
    >>> round(spike.target_overlaps[(1,)], 4)
    0.6418
    """

    strength: float
    singular_value: float
    left_overlap: float
    learned: LearnedFeature
    target_overlaps: Mapping[tuple[int, ...], float]
    is_outlier: bool
    error: float

    def _parts(self) -> list[Part]:
        rows: list[list[str | Formula]] = [
            ["strength", f"{self.strength:.6g}"],
            ["singular value", f"{self.singular_value:.6g}"],
            ["left overlap", f"{self.left_overlap:.6g}"],
            ["learned", self.learned.formula()],
        ]
        rows += [[f"overlap with {name}", f"{overlap:.6g}"] for name, overlap in self._seen()]
        rows.append(["error estimate", f"{self.error:.1g}"])
        where = "outlier" if self.is_outlier else "in the bulk"
        return [f"spike of the features, {where}", Table("ll", [], rows)]

    def _seen(self) -> list[tuple[str, float]]:
        """Names of the target's monomials with their overlaps, largest first, without tiny ones."""
        ordered = sorted(self.target_overlaps.items(), key=lambda item: -item[1])
        return [
            (hermite_name(beta, "z", 1), overlap) for beta, overlap in ordered if overlap > 5e-4
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {
            **plain_fields(self, ("strength", "singular_value", "left_overlap", "learned")),
            "target_overlaps": [[list(b), o] for b, o in self.target_overlaps.items()],
            **plain_fields(self, ("is_outlier", "error")),
        }


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSpikes(Shown):
    """The features of a trained network on fresh inputs; prints as a table.

    Attributes
    ----------
    problem : Problem
    samples : int
        ``m``, the number of fresh inputs.
    spikes : tuple of FeatureSpike
        Strongest first. The first often is the mean ``mu_0`` of the features.
    bulk_edge : float
        Upper edge of the bulk of singular values of ``F``.
    status : Status

    Examples
    --------
    >>> from rmt import Problem, Step, feature_spikes
    >>> problem = Problem("tanh(z)", "tanh(z)", 1000, 1000, 2000, [Step(4, 0.3)])
    >>> found = feature_spikes(problem, samples=3000)
    >>> round(found.bulk_edge, 2), [round(spike.singular_value, 2) for spike in found.outliers]
    (73.08, [417.76])
    """

    problem: Problem
    samples: int
    spikes: tuple[FeatureSpike, ...]
    bulk_edge: float
    status: Status

    @property
    def outliers(self) -> tuple[FeatureSpike, ...]:
        """The spikes that leave the bulk."""
        return tuple(spike for spike in self.spikes if spike.is_outlier)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists."""
        return {
            **plain_fields(self, ("problem", "samples", "bulk_edge")),
            "n_outliers": len(self.outliers),
            **plain_fields(self, ("spikes", "status")),
        }

    def to_frame(self) -> pandas.DataFrame:
        """One row per spike, as a pandas frame (needs the extra ``frame``)."""
        rows = []
        for spike in self.spikes:
            row = spike.to_dict()
            row["learned"] = str(spike.learned)
            del row["target_overlaps"]
            for beta, overlap in spike.target_overlaps.items():
                row[f"overlap with {hermite_name(beta, 'z', 1)}"] = overlap
            rows.append(row)
        return frame_of(rows)

    def _parts(self) -> list[Part]:
        p = self.problem
        head = (
            f"features of {self.samples} inputs, N = {p.width}, d = {p.dim}, after "
            f"{len(p.steps)} step(s), {p.batch} batch: bulk up to {self.bulk_edge:.2f}, "
            f"{len(self.outliers)} outlier(s)"
        )
        header = ["", "strength", "singular value", "left overlap", "learned"]
        rows: list[list[str | Formula] | str] = []
        for i, spike in enumerate(self.spikes):
            value = f"{spike.singular_value:.2f}" if spike.is_outlier else "in the bulk"
            overlap, learned = f"{spike.left_overlap:.4f}", spike.learned.formula()
            rows.append([str(i), f"{spike.strength:.2f}", value, overlap, learned])
            shown = [f"{name}: {overlap:.3f}" for name, overlap in spike._seen()[:3]]
            if shown:
                rows.append(f"{'':>43}squared overlap with {', '.join(shown)}")
        return [head, Table("rrrrl", header, rows)]


@one_blas_thread()
def feature_spikes(
    problem: Problem,
    samples: int | None = None,
    *,
    rtol: float = RTOL,
    throw: bool = True,
    max_seconds: float | None = MAX_SECONDS,
) -> FeatureSpikes:
    r"""What the features ``F = sigma(X W_s^T)`` of fresh inputs carry above their bulk.

    An eigenvalue ``l`` of the population covariance of the features outside of its bulk ``C`` is a
    root of ``det(1 + T(-l)) = 0`` (`rmt.features.trained`), and leads to the singular value

    .. math::
       s^2 = m\, l \left(1 - \frac{\mathrm{df}_1(-l)}{m}\right), \qquad
       \mathrm{df}_1(t) = \operatorname{tr} C (C + t)^{-1},

    of ``F`` while ``s`` increases with ``l``. With ``n`` the unit null vector of ``1 + T``, the
    left singular vector samples the function ``sum_alpha n_alpha H_alpha(kappa)`` with the squared
    overlap ``-(1/t) (dz/dt) / (n^T T'(t) n)`` at ``t = -l``, ``z = s^2 / m``.

    Parameters
    ----------
    problem : Problem
        The network and its one or two steps.
    samples : int, optional
        ``m``, the number of fresh inputs; by default that of the last batch.
    rtol : float
        Relative tolerance of the spikes of the weights (see `rmt.predict`).
    throw : bool
        Raise when those have not converged; otherwise ``status`` says so.
    max_seconds : float or None
        Limit of time as for `rmt.predict`, for the whole call.

    Returns
    -------
    FeatureSpikes

    Raises
    ------
    InvalidInputError
        When ``samples`` is not a positive integer, or the activation is constant.
    ConvergenceError
        When the spikes of the weights have not converged, or time ran out; ``best`` holds the
        result, without spikes where there are none yet.

    Notes
    -----
    docs/theory.md, section 6; all orders of the mean part at the given width, and the bulk as
    training leaves it (`rmt.features.bulk`). For the sizes' growth with ``N`` see
    `feature_exponents`.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> p = Problem("tanh(z + 7/10)", "tanh(z)", 1000, 1000, 2000, [Step(4, 0.4)])
    >>> found = feature_spikes(p, samples=3000)
    >>> [str(spike.learned) for spike in found.outliers][:2]
    ['0.99', '0.99 k0 - 0.13 He3(k0)/sqrt(6)']
    """
    m = problem.samples[-1] if samples is None else samples
    if isinstance(m, bool) or not isinstance(m, Integral) or m < 1:
        raise InvalidInputError(f"samples must be a positive integer, got {samples!r}")
    try:
        with time_limit(checked_seconds(max_seconds)):
            result = _feature_spikes(problem, int(m), rtol)
    except OutOfTime as end:
        result = FeatureSpikes(problem, int(m), (), math.nan, end.status)
    if throw and not result.status.ok:
        raise ConvergenceError(f"feature_spikes: {result.status.value}", result.status, result)
    return result


def _feature_spikes(problem: Problem, m: int, rtol: float) -> FeatureSpikes:
    stage = last_stage(problem, rtol)
    features = trained_features(problem, stage.spikes, stage.lengths)
    if features.bulk.trace == 0.0:
        raise InvalidInputError(f"activation: {problem.activation.short} is constant")
    sample = SampleMap(features.bulk, problem.width, m)
    moved = replace(stage.spikes, strengths=stage.spikes.strengths + stage.spikes.strength_errors)
    spikes = _spikes(features, sample)
    nearby = trained_features(problem, moved, stage.lengths + stage.length_errors)
    shifted = _spikes(nearby, SampleMap(nearby.bulk, problem.width, m))
    cut = problem.width * features.mean.truncation / features.bulk.trace + _ROUNDING
    return FeatureSpikes(
        problem,
        m,
        tuple(
            replace(spike, error=2.0 * _change(spike, other) + cut)
            for spike, other in zip(spikes, shifted, strict=False)
        ),
        sample.edge,
        stage.spikes.status,
    )


def _spikes(features: TrainedFeatures, sample: SampleMap) -> list[FeatureSpike]:
    """The spikes of the mean part, and what each becomes on the bulk; without error estimates."""
    q = features.mean.weights.size
    _, values, right = np.linalg.svd(features.functions[:q], full_matrices=False)
    strengths = math.sqrt(sample.samples * features.width) * values
    o = features.alignments
    found = []
    for k in range(int(np.count_nonzero(strengths > _KEEP * sample.edge))):
        outlier = _outlier(features, sample, k)
        # Without an outlier: the mean part's own function.
        value, overlap, x = outlier or (sample.edge, 0.0, right[k])

        found.append(
            FeatureSpike(
                strength=float(strengths[k]),
                singular_value=value,
                left_overlap=overlap,
                learned=learned_feature(partial(_coefficient, features, x), features.mean.n_spikes),
                target_overlaps={
                    beta: overlap * float(x @ features.project({beta: 1.0}, o)) ** 2
                    for beta in multi_indices(o.shape[1], _MONOMIAL_DEGREE)
                    if sum(beta)
                },
                is_outlier=outlier is not None,
                error=0.0,
            )
        )
    return found


def _coefficient(features: TrainedFeatures, x: Array, alpha: tuple[int, ...]) -> float:
    """Of ``H_alpha(kappa)`` in a function given in the orthonormal basis."""
    return float(x @ features.project({alpha: 1.0}, np.eye(features.mean.n_spikes)))


def _outlier(
    features: TrainedFeatures, sample: SampleMap, k: int
) -> tuple[float, float, Array] | None:
    """Singular value, left overlap and unit function of the ``k``-th outlier."""
    if k >= features.target.size:
        return None

    def coupled(ell: float) -> Array:
        resolvent = features.bulk.resolvent(-ell)
        assert resolvent is not None
        return -features.couplings(resolvent)[0]

    def excess(ell: float) -> float:
        return float(np.log(max(np.linalg.eigvalsh(coupled(ell))[-1 - k], 1e-300)))

    low = sample.population_edge * (1.0 + 1e-9)
    if excess(low) <= 0.0:
        return None
    high = 2.0 * low
    while excess(high) > 0.0:
        high *= 2.0
        if not math.isfinite(high):
            raise ConvergenceError("an outlier of the features has no bound", Status.NOT_FINITE)
    ell = float(scipy.optimize.brentq(excess, low, high, xtol=1e-13 * low, rtol=1e-13))
    z, z_slope = sample.eigenvalue(ell)
    if z_slope <= 0.0:
        return None
    resolvent = features.bulk.resolvent(-ell)
    assert resolvent is not None
    _, slope, _ = features.couplings(resolvent)
    x = np.linalg.eigh(coupled(ell))[1][:, -1 - k]
    return math.sqrt(sample.samples * z), -z_slope / (ell * float(x @ slope @ x)), x


def _change(spike: FeatureSpike, other: FeatureSpike) -> float:
    """The larger of the relative change of the sizes and the change of the overlaps."""
    overlaps = [abs(o - other.target_overlaps[b]) for b, o in spike.target_overlaps.items()]
    return max(
        abs(other.strength / spike.strength - 1.0),
        abs(other.singular_value / spike.singular_value - 1.0),
        abs(other.left_overlap - spike.left_overlap),
        *overlaps,
    )
