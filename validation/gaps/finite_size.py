"""How the gap between theory and simulation closes with the width, at every level of theory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from os import PathLike
from typing import Any, TypeAlias

import numpy as np

from rmt.arguments import checked_choice, none_or_several, probability
from rmt.grids.grid import problem_at
from rmt.predict import METHODS
from rmt.prediction import Method, Prediction
from rmt.problem import Problem
from rmt.spikes.deformed.outliers import FORMS, Forms
from rmt.status import InvalidInputError
from validation.campaign import run_campaign
from validation.comparison.bulk_distance import bulk_values
from validation.gaps import pairing
from validation.gaps.gap_curves import FiniteSize, GapCurve, Quantity
from validation.gaps.pairing import Gap, PairedLevel
from validation.gaps.power_law import fit_power_law
from validation.simulation.plan import Plan
from validation.simulation.samples import Samples
from validation.store.store import SampleStore

__all__ = ["finite_size"]

# A level, and the rank and column of an outlier's number (`numbers_of`), or None for the bulk.
_Seen: TypeAlias = tuple[Method, tuple[int, ...] | None]

_FEWEST_WIDTHS = 2


def finite_size(
    problem: Problem,
    widths: Sequence[int],
    n_samples: int | Sequence[int],
    seed: int = 0,
    *,
    methods: Sequence[Method] = ("scaling", "resummed", "deformed"),
    forms: Forms = "linked",
    paired: bool = True,
    n_own: int = 0,
    n_spectra: int = 0,
    dtype: str = "float64",
    confidence: float = 0.95,
    store: SampleStore | str | PathLike[str] | None = None,
    executor: Executor | None = None,
    workers: int | None = None,
    progress: bool | str = False,
) -> FiniteSize:
    r"""Gap between theory and simulated networks against the width ``N``.

    Sizes ``d`` and ``n`` grow with ``N``, the exponents of the steps stay: learning rates grow as
    ``c_s N^alpha_s``. For each level and each outlier the gap is the mean over networks ``i`` of

    .. math:: \text{simulated}_i - \text{predicted}(g^{(i)}),

    the prediction being that for the network's own readout ``g^(i)`` where ``paired``: that takes
    out the fluctuations of the readout, which would hide small gaps. Through the gaps goes a power
    law ``C N^-p`` (`fit_power_law`).

    Parameters
    ----------
    problem : Problem
        Its own width does not matter, its ratios ``N/d`` and ``n/d`` do. The readout is a law.
    widths : sequence of int
        At least two, increasing; three or more for an exponent.
    n_samples : int or sequence of int
        Networks at each width, at least two. The wider the network, the less it fluctuates.
    seed : int
        As in `Plan`.
    methods : sequence of {"scaling", "resummed", "deformed"}
        Levels of theory.
    forms : {"linked", "exact", "simple"}
        Of the deformed level, as in `rmt.predict`.
    paired : bool
        See above. It takes a prediction for every network and level, of 0.002 to 0.1 seconds.
    n_own : int
        The deformed level takes seconds. Paired, it is predicted for the readouts of the first
        ``n_own`` networks of each width (0, or at least 2) only: its mean gap is that of the
        resummed level over all networks, less the mean difference between the two levels over
        these. That is unbiased. With 0 the difference is that for the law of the readout instead,
        which assumes that a readout moves both levels by the same amount.
    n_spectra : int
        Networks at each width whose whole spectra are held against the predicted bulk (that for
        the readout's law): 0, or at least 2.
    dtype, store, executor, workers, progress
        As in `Plan` and `run_campaign`. A store keeps the networks for the next call.
    confidence : float
        Of the exponents' intervals.

    Returns
    -------
    FiniteSize
        For every outlier that all levels predict at the largest width: its singular value and its
        squared overlap with each target direction; and the distance of the bulk. Where a level
        sees no such outlier at a smaller width, it predicts the bulk's edge and no overlap.

    Raises
    ------
    InvalidInputError
        For arguments that are not allowed.
    ConvergenceError
        When a prediction or a network fails; a note says at which width.

    Notes
    -----
    The levels at one width are held against the same networks, so their gaps share the noise:
    which of two is smaller is known better than each of them. Errors of Kolmogorov distances are
    those of the jackknife over spectra. docs/finite_size.md has the results.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem(
    ...     "gelu(z)", "z", width=100, dim=100, samples=200, readout="rademacher",
    ...     steps=[rmt.Step(3, 0.3), rmt.Step(3, 0.4)],
    ... )
    >>> found = finite_size(
    ...     problem, [50, 100, 200], 8, methods=["scaling", "resummed"], workers=1
    ... )
    >>> found.observables
    ('singular value 0', 'squared overlap 0 with e_1', 'singular value 1', 'squared overlap 1 ...')
    >>> scaling, resummed = (found.curve(m, "singular value 0") for m in found.methods)
    >>> all(abs(a) > abs(b) for a, b in zip(scaling.gaps, resummed.gaps))
    True
    """  # fmt: skip
    levels = _levels(problem, methods, forms)
    sizes = _widths(widths)
    counts = _counts(n_samples, len(sizes))
    probability("confidence", confidence)
    for name, value in (("n_own", n_own), ("n_spectra", n_spectra)):
        none_or_several(name, value)
    problems = [problem_at(problem, {"width": n}) for n in sizes]

    # Before the predictions, so that a bad seed or type costs nothing.
    plans = [
        Plan(grown, m, seed, n_spectra=min(n_spectra, m), dtype=dtype)
        for grown, m in zip(problems, counts, strict=True)
    ]

    laws = [pairing.predictions_at(grown, levels, forms) for grown in problems]
    n_outliers = min(len(prediction.outliers) for prediction in laws[-1].values())
    plans = [replace(plan, n_outliers=max(n_outliers, 1)) for plan in plans]
    campaign = run_campaign(plans, store, executor=executor, workers=workers, progress=progress)

    gaps: list[dict[_Seen, Gap]] = []
    for samples, of_law in zip(campaign, laws, strict=True):
        predicted = pairing.paired_levels(
            samples, of_law, forms, n_outliers, paired, int(n_own), executor
        )
        gaps.append(_gaps(samples, of_law, predicted))
    observables = list(np.ndindex(n_outliers, 1 + problem.n_directions))
    curves = [
        _curve(sizes, [at_width[method, seen] for at_width in gaps], confidence, method, seen)
        for seen in [*observables, *([None] if n_spectra else [])]
        for method in levels
    ]
    return FiniteSize(
        problem=problems[0],
        widths=sizes,
        n_samples=counts,
        seed=int(seed),
        methods=levels,
        forms=forms,
        paired=paired,
        curves=tuple(curves),
    )


def _gaps(
    samples: Samples,
    of_law: Mapping[Method, Prediction],
    levels: Mapping[Method, PairedLevel],
) -> dict[_Seen, Gap]:
    """Gaps of all levels in all observables at one width."""
    found: dict[_Seen, Gap] = {}
    values = bulk_values(samples)
    for method, law in of_law.items():
        for observable, gap in pairing.outlier_gaps(samples, levels[method]).items():
            found[method, observable] = gap
        if values is not None:
            found[method, None] = pairing.bulk_gap(law, values)
    return found


def _curve(
    widths: tuple[int, ...],
    gaps: Sequence[Gap],
    confidence: float,
    method: Method,
    observable: tuple[int, ...] | None,
) -> GapCurve:
    means, errors = [each.gap for each in gaps], [each.error for each in gaps]
    usable = len(widths) > 2 and all(math.isfinite(g) for g in means)
    usable = usable and all(0 < e < math.inf for e in errors)
    fit = fit_power_law(widths, means, errors, confidence=confidence) if usable else None
    spike, direction = observable or (None, None)
    quantity: Quantity = "squared overlap" if direction else "singular value"
    return GapCurve(
        method=method,
        quantity=quantity if observable else "bulk distance",
        spike=spike,
        direction=direction or None,
        widths=widths,
        gaps=tuple(means),
        errors=tuple(errors),
        resolutions=tuple(each.resolution for each in gaps),
        fit=fit,
    )


def _levels(problem: Any, methods: Any, forms: Any) -> tuple[Method, ...]:
    if not isinstance(problem, Problem):
        raise InvalidInputError(f"problem must be a Problem, got {type(problem).__name__}")
    if not isinstance(problem.readout, str):
        raise InvalidInputError(
            "problem must have a law as readout: a given vector has the length of one width"
        )
    levels = tuple(dict.fromkeys(methods)) if not isinstance(methods, str) else (methods,)
    if not levels or any(level not in METHODS for level in levels):
        raise InvalidInputError(f"methods must be among {', '.join(METHODS)}; got {methods!r}")
    checked_choice("forms", forms, FORMS)
    return levels


def _widths(widths: Any) -> tuple[int, ...]:
    numbers = np.asarray(widths)
    if (
        numbers.ndim != 1
        or numbers.dtype.kind not in "iu"
        or numbers.size < _FEWEST_WIDTHS
        or numbers[0] < 1
        or np.any(np.diff(numbers) <= 0)
    ):
        raise InvalidInputError(
            f"widths must be at least two positive increasing integers, got {widths!r}"
        )
    return tuple(int(n) for n in numbers)


def _counts(n_samples: Any, n_widths: int) -> tuple[int, ...]:
    numbers = np.asarray(n_samples)
    if numbers.ndim == 0:
        numbers = np.repeat(numbers, n_widths)
    if numbers.shape != (n_widths,) or numbers.dtype.kind not in "iu" or np.any(numbers < 2):
        raise InvalidInputError(
            "n_samples must be an integer of at least 2, or one for each of the "
            f"{n_widths} widths, got {n_samples!r}"
        )
    return tuple(int(m) for m in numbers)
