"""What a prediction is: the spikes, the bulk behind them, and how they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, overload

from numpy.typing import ArrayLike

from rmt.display import (
    Formula,
    InNotebooks,
    InPapers,
    Part,
    Table,
    draw,
    equation,
    paragraph,
    with_error,
)
from rmt.expressions.table import in_short
from rmt.frames import frame_of, plain, plain_fields, telling
from rmt.json_form import InJson
from rmt.lazy import from_above
from rmt.problem import Problem
from rmt.spectra.laws.law import SpectralLaw
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk
from rmt.spikes.mean_update import SpikeStrengths
from rmt.status import InvalidInputError, Status
from rmt.vocabulary import RTOL, Bulk, Forms, Method

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rmt.prediction.path import TrainingPath

__all__ = ["Method", "Prediction", "Spike", "SpikeError"]

# Said wherever errors are shown.
_OF_ERRORS = (
    "error estimates of the level's equations; networks of finite width may be further off. See "
    "docs/levels.md#how-far-networks-are"
)
_IN_BRACKETS = paragraph(f"in brackets: {_OF_ERRORS}")
# What a spike and its errors have under the same names.
_NUMBERS = (
    *("strength", "singular_value", "left_overlap", "right_overlap"),
    *("target_alignments", "target_overlaps", "target_overlap"),
)


@dataclass(frozen=True, slots=True)
class SpikeError:
    """Absolute error estimates of the numbers of a `Spike`, under the same names.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> error = rmt.predict(problem, rtol=1e-8).outliers[0].error
    >>> error.strength < 1e-6, error.target_overlap < 1e-3
    (True, True)
    """

    strength: float
    singular_value: float
    left_overlap: float
    right_overlap: float
    target_alignments: tuple[float, ...]
    target_overlaps: tuple[float, ...]
    initial_output_overlap: float | None = None

    @property
    def target_overlap(self) -> float:
        """Error estimate of the sum over the target directions."""
        return sum(self.target_overlaps)


@dataclass(frozen=True, slots=True)
class Spike(InNotebooks):
    """One direction that the training has added to the weights.

    All overlaps are squared inner products, between 0 and 1.

    Attributes
    ----------
    strength : float
        ``theta_k``, the singular value of the mean update.
    singular_value : float
        Of the weights; the bulk edge when the spike makes no outlier.
    left_overlap, right_overlap : float
        Of the outlier's singular vectors with the spike's own directions; 0 without an outlier.
    target_alignments : tuple of r floats
        ``o_k^2`` of the spike's right direction with each target direction.
    target_overlaps : tuple of r floats
        Of the right singular vector with each target direction: ``right_overlap * o_k^2`` on the
        Marchenko-Pastur bulk.
    is_outlier : bool
        Whether it leaves the bulk; on the Marchenko-Pastur bulk, whether the strength is above the
        threshold ``(N/d)^{1/4}``.
    error : SpikeError
        Absolute error estimate of each number: of the solution of the level's equations, not of
        their distance from a finite network. At the level ``deformed`` what its outlier equation
        is known to leave out is included.
    initial_output_overlap : float or None
        Squared overlap of the right singular vector with the direction of the untrained network's
        own output, ``W_0^T a``; None where that output vanishes.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> spike = rmt.predict(problem).outliers[0]
    >>> round(spike.singular_value, 3), round(spike.target_overlap, 3), spike.is_outlier
    (14.521, 0.663, True)
    >>> spike.error.singular_value < 1e-3
    True
    """

    strength: float
    singular_value: float
    left_overlap: float
    right_overlap: float
    target_alignments: tuple[float, ...]
    target_overlaps: tuple[float, ...]
    is_outlier: bool
    error: SpikeError
    initial_output_overlap: float | None = None

    @property
    def target_overlap(self) -> float:
        """Squared overlap of the right singular vector with the span of all target directions."""
        return sum(self.target_overlaps)

    def _parts(self) -> list[Part]:
        numbers = [
            (name.replace("_", " "), getattr(self, name), getattr(self.error, name))
            for name in _NUMBERS[:4]
        ]
        numbers += [
            (f"overlap with e_{i}", overlap, error)
            for i, (overlap, error) in enumerate(
                zip(self.target_overlaps, self.error.target_overlaps, strict=True), 1
            )
        ]
        if (
            self.initial_output_overlap is not None
            and self.error.initial_output_overlap is not None
        ):
            own, off = self.initial_output_overlap, self.error.initial_output_overlap
            numbers.append(("overlap with the initial output", own, off))
        rows = [[name, f"{value:.6g}", f"{error:.1g}"] for name, value, error in numbers]
        where = "outlier" if self.is_outlier else "in the bulk"
        table = Table("lrr", ["", "value", "error estimate"], rows)
        return [f"spike, {where}", table, paragraph(_OF_ERRORS)]

    def _shown(self) -> list[str]:
        """Singular value and overlaps, with the errors that reach the digits shown."""
        error, value = self.error, f"{self.singular_value:.5g}"
        if not error.singular_value <= 5e-5 * self.singular_value:
            value = with_error(self.singular_value, error.singular_value)
        overlaps = (self.left_overlap, self.right_overlap, *self.target_overlaps)
        errors = (error.left_overlap, error.right_overlap, *error.target_overlaps)
        pairs = zip(overlaps, errors, strict=True)
        return [value, *(with_error(*pair, decimals=4) for pair in pairs)]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists; None for what is not finite."""
        names = list(_NUMBERS)
        names += [] if self.initial_output_overlap is None else ["initial_output_overlap"]
        return {
            **plain_fields(self, names),
            "is_outlier": self.is_outlier,
            "error": plain_fields(self.error, names),
        }


@dataclass(frozen=True, slots=True)
class Prediction(InJson, InPapers):
    """What the theory says of the weights after the last step.

    Attributes
    ----------
    problem : Problem
    method : str
        Level of theory.
    spikes : tuple of Spike
        Strongest first, down to 1/20 of the threshold strength.
    bulk : SpectralLaw
        Law of the other singular values, ``min(N, d)`` of them: `MarchenkoPasturBulk`, that of
        rows of their own length, or the deformed one.
    notes : tuple of str
        What is special about the problem, in plain words.
    status : Status
    forms : {"exact", "simple", "linked"} or None
        Of the outlier equation at the level ``deformed``.
    bulk_edge_error : float
        Absolute error estimate of the upper edge of the bulk; 0 for a closed form.
    rtol : float
        The tolerance that was asked for.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> print(rmt.predict(problem))
    activation erf(z), target z
    N = 400, d = 400, n = 800; eta = 3 N^0.3; gaussian readout, noise 0
    bulk of singular values [0.0000, 2.0659], 1 outlier (resummed, bulk of rows)
    spike  strength  singular value    left   right  overlap with target
        0    14.444          14.521  0.9949  0.9944               0.6629
    >>> prediction = rmt.predict(problem)
    >>> rmt.Prediction.from_json(prediction.to_json()).spikes == prediction.spikes
    True
    >>> print(prediction.to_latex().splitlines()[-3])
    0 & 14.444 & 14.521 & 0.9949 & 0.9944 & 0.6629 \\\\
    """

    problem: Problem
    method: Method
    spikes: tuple[Spike, ...]
    bulk: SpectralLaw
    notes: tuple[str, ...]
    status: Status
    factors: SpikeStrengths = field(repr=False)  # left functions and their quadrature nodes
    forms: Forms | None = None
    bulk_edge_error: float = 0.0
    rtol: float = RTOL
    # The path once it has been asked for, alone in a list.
    _path: list[TrainingPath] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def outliers(self) -> tuple[Spike, ...]:
        """The spikes that leave the bulk."""
        return tuple(spike for spike in self.spikes if spike.is_outlier)

    @property
    def path(self) -> TrainingPath:
        """The network after none, one, .. of its steps, at this level: errors, and predictions.

        Computed when it is first asked for, within a limit of time of its own
        (`rmt.training_path` sets it), and remembered. Its tolerance is `rtol`, but not below 1e-4.
        Its last point is computed anew, and agrees with this prediction within both error
        estimates.

        Raises
        ------
        UnsupportedProblemError, ConvergenceError
            As `rmt.training_path`.

        Examples
        --------
        >>> import rmt
        >>> steps = [rmt.Step(2, 0.3)] * 3
        >>> p = rmt.Problem("erf(z)", "z", 400, 400, 800, steps, readout="rademacher")
        >>> path = rmt.predict(p).path
        >>> [round(point.outliers[0].singular_value, 2) for point in path[1:]]
        [9.74, 14.18, 17.18]
        """
        if not self._path:
            made = from_above("training_path")(
                self.problem,
                max(self.rtol, RTOL),
                method=self.method,
                forms=self.forms,
                bulk=self._bulk_asked,
            )
            self._path.append(made)
        return self._path[0]

    @property
    def _bulk_asked(self) -> Bulk | None:
        if self.method != "resummed":
            return None
        return "marchenko-pastur" if isinstance(self.bulk, MarchenkoPasturBulk) else "rows"

    @property
    def _bulk_name(self) -> str:
        if isinstance(self.bulk, MarchenkoPasturBulk):
            return "Marchenko-Pastur"
        return "deformed" if self.method == "deformed" else "rows"

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, ready for JSON."""
        known = self.bulk.knows_edges
        return {
            **plain_fields(self, ("method", "forms", "status", "problem")),
            "problem_hash": self.problem.content_hash,
            "bulk": {
                "law": self._bulk_name,
                "aspect_ratio": self.problem.aspect_ratio,
                "edges": plain(self.bulk.edges if known else [self.bulk.support()]),
                "edge_error": plain(self.bulk_edge_error),
            },
            "n_outliers": len(self.outliers),
            **plain_fields(self, ("spikes", "notes")),
        }

    def to_frame(self) -> pandas.DataFrame:
        """One row per spike, as a pandas frame (needs the extra ``frame``).

        Columns that say nothing are left out: those without an entry, and error estimates that are
        all zero.
        """
        rows = []
        for spike in self.spikes:
            row = spike.to_dict()
            del row["error"], row["target_alignments"], row["target_overlaps"]
            for i, overlap in enumerate(spike.target_overlaps, 1):
                row[f"target_overlap_{i}"] = overlap
            for name in ("strength", "singular_value", "target_overlap"):
                row[f"{name}_error"] = getattr(spike.error, name)
            rows.append(row)
        return frame_of(telling(rows))

    @overload
    def plot(self, ax: Axes | None = None) -> Axes: ...

    @overload
    def plot(
        self, *, path: Literal[True], simulated: Mapping[str, ArrayLike] | object | None = None
    ) -> Figure: ...

    def plot(
        self,
        ax: Axes | None = None,
        *,
        path: bool = False,
        simulated: Mapping[str, ArrayLike] | object | None = None,
    ) -> Axes | Figure:
        """Draw the bulk and the outliers (needs the extra ``plot``); returns the axes.

        With ``path=True`` the path that led there is drawn, on a figure of its own, which is
        returned: `TrainingPath.plot`, which also says what ``simulated`` is.
        """
        if path:
            if ax is not None:
                raise InvalidInputError("plot: a path has a figure of its own, and takes no ax")
            return self.path.plot(simulated)
        if simulated is not None:
            raise InvalidInputError("plot: simulated is for path=True")
        return draw(self, ax)  # type: ignore[no-any-return]

    def _parts(self) -> list[Part]:
        problem, r = self.problem, self.problem.n_directions
        readout = problem.readout if isinstance(problem.readout, str) else "given"
        steps = ", ".join(f"{step.scale:g} N^{step.exponent:g}" for step in problem.steps)
        samples = " + ".join(str(n) for n in dict.fromkeys(problem.samples))
        batch = ""
        if len(problem.steps) > 1:
            kind = " batch" if isinstance(problem.batch, str) else " batches"
            batch = f", {problem.batch_text}{kind}"
        bulk = (
            "[{:.4f}, {:.4f}]".format(*self.bulk.support())
            if self.bulk.knows_edges
            else f"up to {self.bulk.upper_edge:.4f}"
        )
        functions: tuple[Any, ...] = equation(r"\sigma", problem.activation)
        if problem.labels is None:
            functions = (*functions, r",\quad ", *equation("f", problem.target))
        kind = "target" if problem.labels is None else "labels"
        labels = f"{kind} {in_short(problem.label_text)}"
        parts: list[Part] = [
            Formula(f"activation {in_short(problem.activation.text)}, {labels}", functions),
            f"N = {problem.width}, d = {problem.dim}, n = {samples}; eta = {steps}{batch}; "
            f"{readout} readout, noise {problem.noise_std:g}{_beside(problem)}",
            f"bulk of singular values {bulk}, {len(self.outliers)} outlier"
            f"{'' if len(self.outliers) == 1 else 's'} ({self.method}"
            f"{', bulk of rows' if self._bulk_name == 'rows' else ''})",
        ]
        names = ["overlap with target"] if r == 1 else [f"overlap with e{i + 1}" for i in range(r)]
        header = ["spike", "strength", "singular value", "left", "right", *names]
        rows = []
        for k, spike in enumerate(self.spikes):
            cells = [f"{k}", f"{spike.strength:.5g}"]
            if spike.is_outlier:
                cells += spike._shown()
            else:
                cells += ["in the bulk"] + [""] * (2 + r)
            rows.append(cells)
        parts.append(Table("r" * len(header), header, rows))
        if _has_brackets(rows):
            parts.append(_IN_BRACKETS)
        return [*parts, *(paragraph(f"note: {note}") for note in self.notes)]

    def _for_paper(self) -> list[Part]:
        """Symbols of docs/notation.md, and errors in brackets; strengths have no unit."""
        lines = [part for part in self._parts() if not isinstance(part, Table)]
        own = any(spike.initial_output_overlap is not None for spike in self.spikes)
        header = [
            Formula("spike", ("k",)),
            Formula("strength, singular value of the mean update", (r"\theta_k",)),
            Formula(
                "singular value of the weights, whose entries begin with variance 1/d", ("s_k",)
            ),
            Formula("squared overlap, left singular vector and spike", (_overlap("u", "u_k"),)),
            Formula("squared overlap, right singular vector and spike", (_overlap("v", "v_k"),)),
            *target_overlaps(self.problem),
        ]
        if own:
            text = "squared overlap, right singular vector and the untrained network's output"
            header.append(Formula(text, (_overlap("v", r"W_0^\top a"),)))
        rows = []
        for k, spike in enumerate(self.spikes):
            error = spike.error
            cells = [f"{k}", with_error(spike.strength, error.strength)]
            if spike.is_outlier:
                cells.append(with_error(spike.singular_value, error.singular_value))
                pairs = [
                    (spike.left_overlap, error.left_overlap),
                    (spike.right_overlap, error.right_overlap),
                    *zip(spike.target_overlaps, error.target_overlaps, strict=True),
                ]
                if own:
                    both = spike.initial_output_overlap, error.initial_output_overlap
                    pairs.append(tuple(math.nan if x is None else x for x in both))  # type: ignore[arg-type]
                cells += [with_error(*pair, decimals=4) for pair in pairs]
            else:
                cells += ["in the bulk"] + [""] * (len(header) - 3)
            rows.append(cells)
        if _has_brackets(rows) and _IN_BRACKETS not in lines:
            lines.append(_IN_BRACKETS)
        return [*lines, Table("r" * len(header), header, rows)]


def _has_brackets(rows: list[list[str]]) -> bool:
    return any(cell.endswith(")") for row in rows for cell in row)


def target_overlaps(problem: Problem) -> list[Formula]:
    """Headers of the squared overlaps of the ``k``-th outlier with the target's directions."""
    r = problem.n_directions
    text = "squared overlap, right singular vector and the target's direction"
    if r == 1:
        return [Formula(text, (_overlap("v", r"\beta_*"),))]
    return [Formula(f"{text} e{i}", (_overlap("v", f"e_{i}"),)) for i in range(1, r + 1)]


def _overlap(of: str, other: str) -> str:
    return rf"\langle\hat {of}_k, {other}\rangle^2"


def _beside(problem: Problem) -> str:
    """What is not as in the first problems."""
    found = [] if problem.loss.text == "squared" else [f"loss {in_short(problem.loss.text)}"]
    if problem.output_scale is not None:
        found.append(f"output scale {problem.output_scale:g}")
    if problem.initialisation != "independent":
        found.append(f"{problem.initialisation} start")
    if any(step.weight_decay for step in problem.steps):
        left = math.prod(step.kept(problem.width) for step in problem.steps)
        found.append(f"weight decay leaves {left:.3g} of W_0")
    return "".join(f", {one}" for one in found)
