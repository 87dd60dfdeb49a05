"""A network after none, one, .. of its steps: what it has learned, and its errors on the way."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import ArrayLike

from rmt.arrays import Array
from rmt.display import Cell, Formula, InPapers, Part, Shown, Table, draw, with_error
from rmt.frames import frame_of, plain_fields, telling
from rmt.lazy import from_above
from rmt.prediction.prediction import Prediction, Spike, target_overlaps
from rmt.problem import Problem
from rmt.spikes.mean_update import SpikeStrengths
from rmt.status import InvalidInputError, Status
from rmt.vocabulary import RTOL, Bulk, Forms, Method

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

__all__ = ["PathPoint", "TrainingPath"]


_FORMAT = 1  # of the JSON form
_ERRORS = ("training_error", "test_error")
_LATER = ("training_loss", "test_loss", "training_misclassified", "test_misclassified")
_ARRAYS = ("readout_nodes", "row_alignments", "gradient_alignments", "own_lengths")


@dataclass(frozen=True, slots=True, eq=False)
class PathPoint(Shown):
    """The network after some of its steps.

    Attributes
    ----------
    step : int
        How many steps are done; 0 is the untrained network.
    prediction : Prediction or None
        Of the problem that ends here, at the level of the path; None for the untrained network,
        whose weights have no outlier.
    spikes : SpikeStrengths or None
        Of the mean update so far, as the walk has it; None for the untrained network.
    training_error : float
        ``E (y - h)^2`` on the batch of the step that comes next, on that of the last step at the
        end: label noise included, and the network's own output of order ``N^{-1/2}`` at the start
        left out.
    test_error : float
        The same on fresh samples.
    readout_nodes : array, shape (Q,)
    row_alignments : array, shape (Q, r)
        Cosines of a neuron's weights with the target's directions, at the nodes.
    gradient_alignments : array, shape (Q, r)
        Cosines of its gradient in the last step with them; zero at the start.
    own_lengths : array, shape (Q,)
        Length of the part of a row that is its own: 1 at the start.
    training_error_error, test_error_error : float
        Estimates of the absolute errors.
    training_loss, test_loss : float
        ``E l(h, y)`` on the same samples; for the square loss half the mean squared error.
    training_misclassified, test_misclassified : float
        ``P(sign h != y)`` on them, for labels that are +1 and -1; otherwise nan, as for the
        untrained network where its output vanishes.
    training_loss_error, test_loss_error : float
    training_misclassified_error, test_misclassified_error : float
        Estimates of the absolute errors of these four.

    Notes
    -----
    A row of the weights is ``P(g) + chi`` with the mean update ``P`` of its readout and a part of
    its own: the cosine with ``e_c`` is ``<P, e_c> / sqrt(|P|^2 + |chi|^2)``. docs/theory.md, any
    number of steps.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [(2, 0.5)], readout="rademacher")
    >>> point = rmt.training_path(problem)[1]
    >>> point.step, point.row_alignment([-1.0, 1.0]).round(3).tolist()
    (1, [[-0.665], [0.665]])
    >>> [round(spike.singular_value, 2) for spike in point.outliers]
    [31.96]
    """

    step: int
    prediction: Prediction | None
    spikes: SpikeStrengths | None
    training_error: float
    test_error: float
    readout_nodes: Array
    row_alignments: Array
    gradient_alignments: Array
    own_lengths: Array
    training_error_error: float
    test_error_error: float
    training_loss: float
    test_loss: float
    training_loss_error: float
    test_loss_error: float
    training_misclassified: float
    test_misclassified: float
    training_misclassified_error: float
    test_misclassified_error: float

    @property
    def outliers(self) -> tuple[Spike, ...]:
        """Those of the weights at this point, strongest first."""
        return () if self.prediction is None else self.prediction.outliers

    def _parts(self) -> list[Part]:
        """Errors, and the outliers with what they have learned."""
        head = f"after step {self.step}: training error {self.training_error:.5g}, "
        head += f"test error {self.test_error:.5g}"
        rows = [
            [f"{k}", f"{spike.singular_value:.5g}", *(f"{o:.4f}" for o in spike.target_overlaps)]
            for k, spike in enumerate(self.outliers)
        ]
        if not rows:
            return [head, "no outlier"]
        names = [f"overlap with e{i + 1}" for i in range(self.row_alignments.shape[1])]
        header = ["outlier", "singular value", *names]
        return [head, Table("r" * len(header), header, rows)]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, ready for JSON; None for what is not finite."""
        found = self.prediction
        return {
            "step": self.step,
            **plain_fields(self, [*with_errors(self), *_ARRAYS]),
            "spikes": None if self.spikes is None else _plain_spikes(self.spikes),
            "prediction": None if found is None else found.to_dict(),
        }

    def row_alignment(self, g: ArrayLike) -> Array:
        """Cosines of the weights of neurons of given readouts with the target, shape (.., r)."""
        return self._between(self.row_alignments, g)

    def gradient_alignment(self, g: ArrayLike) -> Array:
        """Cosines of their gradient in the last step with the target, shape (.., r)."""
        return self._between(self.gradient_alignments, g)

    def _between(self, values: Array, g: ArrayLike) -> Array:
        nodes = self.readout_nodes
        inside = np.clip(np.asarray(g, dtype=float), nodes[0], nodes[-1])
        return np.asarray(scipy.interpolate.PchipInterpolator(nodes, values)(inside))


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPath(InPapers):
    """A network after none, one, .. of its steps: a sequence of `PathPoint`.

    Arrays have a row for each point, ``n_steps + 1`` of them, and ``K`` columns, the largest number
    of outliers at any; nan where there is no such outlier. Overlaps are squared.

    Attributes
    ----------
    problem : Problem
    points : tuple of PathPoint
        One more than there are steps.
    method : str
        Level of the predictions at the points; errors and alignments of rows are the walk's at any.
    forms : {"exact", "simple", "linked"} or None
        Of the level ``deformed``.
    bulk : {"rows", "marchenko-pastur"} or None
        Of the level ``resummed``.
    rtol : float

    Examples
    --------
    >>> import rmt
    >>> steps = [(2, 0.3), (2, 0.3)]
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, steps, readout="rademacher")
    >>> path = rmt.training_path(problem)
    >>> len(path), [point.step for point in path]
    (3, [0, 1, 2])
    >>> print(path)
    activation erf(z), target z; independent batches (resummed)
    step  training error  test error  singular values  overlaps with target
       0          1.0000      1.0000
       1          0.6111      0.6111          9.7357                0.6593
       2          0.3271      0.4215          14.184                0.8415
    >>> path.target_overlaps.shape
    (3, 1, 1)
    >>> rmt.TrainingPath.from_json(path.to_json()).test_error.round(4).tolist()
    [1.0, 0.6111, 0.4214]
    """

    problem: Problem
    points: tuple[PathPoint, ...]
    method: Method = "resummed"
    forms: Forms | None = None
    bulk: Bulk | None = None
    rtol: float = RTOL

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, step: int) -> PathPoint:
        return self.points[step]

    @property
    def status(self) -> Status:
        """Of the first point that is not solved; else converged."""
        found = [one.prediction.status for one in self.points if one.prediction is not None]
        found += [one.spikes.status for one in self.points if one.spikes is not None]
        return next((status for status in found if not status.ok), Status.CONVERGED)

    @property
    def training_error(self) -> Array:
        """Of the points, shape (n_steps + 1,)."""
        return np.array([point.training_error for point in self.points])

    @property
    def test_error(self) -> Array:
        """Of the points, shape (n_steps + 1,)."""
        return np.array([point.test_error for point in self.points])

    @property
    def training_loss(self) -> Array:
        """Of the points, shape (n_steps + 1,)."""
        return np.array([point.training_loss for point in self.points])

    @property
    def test_loss(self) -> Array:
        """Of the points, shape (n_steps + 1,)."""
        return np.array([point.test_loss for point in self.points])

    @property
    def training_misclassified(self) -> Array:
        """Of the points, shape (n_steps + 1,); nan for labels that are no signs."""
        return np.array([point.training_misclassified for point in self.points])

    @property
    def test_misclassified(self) -> Array:
        """Of the points, shape (n_steps + 1,); nan for labels that are no signs."""
        return np.array([point.test_misclassified for point in self.points])

    @property
    def bulk_edge(self) -> Array:
        """Upper edge of the bulk of singular values, shape (n_steps + 1,)."""
        initial = 1.0 + math.sqrt(self.problem.aspect_ratio)
        predictions = [point.prediction for point in self.points]
        return np.array([initial if p is None else p.bulk.upper_edge for p in predictions])

    @property
    def n_outliers(self) -> Array:
        """Of the points, shape (n_steps + 1,)."""
        return np.array([len(point.outliers) for point in self.points])

    @property
    def singular_value(self) -> Array:
        """Of the outliers, shape (n_steps + 1, K)."""
        return self._of_outliers("singular_value")

    @property
    def target_overlaps(self) -> Array:
        """Of the outliers with each target direction, shape (n_steps + 1, K, r)."""
        return self._of_outliers("target_overlaps", self.problem.n_directions)

    def _of_outliers(self, name: str, *shape: int) -> Array:
        made = np.full((len(self), int(self.n_outliers.max()), *shape), np.nan)
        for row, point in zip(made, self.points, strict=True):
            for k, spike in enumerate(point.outliers):
                row[k] = getattr(spike, name)
        return made

    def rows(self) -> list[dict[str, Any]]:
        """One row for each step: errors, edge, and the numbers of outliers, named by their rank.

        Columns ``singular_value_k``, ``target_overlap_k`` and, of several directions,
        ``target_overlap_k_i``, each with its error estimate but for the last; nan without one.
        """
        k_most, r = int(self.n_outliers.max()), self.problem.n_directions
        rows = []
        for point, edge in zip(self.points, self.bulk_edge.tolist(), strict=True):
            row: dict[str, Any] = {"step": point.step}
            row |= {name: getattr(point, name) for name in with_errors(self.points[-1])}
            row |= {"n_outliers": len(point.outliers), "bulk_edge": edge}
            for k in range(k_most):
                spike = point.outliers[k] if k < len(point.outliers) else None
                for name in ("singular_value", "target_overlap"):
                    row[f"{name}_{k}"] = math.nan if spike is None else getattr(spike, name)
                    error = math.nan if spike is None else getattr(spike.error, name)
                    row[f"{name}_{k}_error"] = error
                for i in range(r if r > 1 else 0):
                    overlap = math.nan if spike is None else spike.target_overlaps[i]
                    row[f"target_overlap_{k}_{i + 1}"] = overlap
            rows.append(row)
        return rows

    def to_frame(self) -> pandas.DataFrame:
        """`rows` as a pandas frame (needs the extra ``frame``).

        Columns that say nothing are left out: those without an entry, and error estimates that are
        all zero.
        """
        return frame_of(telling(self.rows()))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_dict` gives the path back."""
        return {
            "format": _FORMAT,
            **plain_fields(self, ("problem", "method", "forms", "bulk", "rtol")),
            "points": [point.to_dict() for point in self.points],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingPath:
        """Inverse of `to_dict`.

        What the walk has found is read. The predictions at the points are made of it again, and
        solved for again at the levels ``scaling`` and ``deformed``, whose bulk is no list of
        numbers.

        Raises
        ------
        InvalidInputError
            For data of another format, or with missing keys.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
            raise InvalidInputError(
                f"data must be a mapping written by TrainingPath.to_dict, format {_FORMAT}"
            )
        try:
            problem = Problem.from_dict(data["problem"])
            level = {name: data[name] for name in ("method", "forms", "bulk", "rtol")}
            numbers = [_point_of(problem, one) for one in data["points"]]
        except InvalidInputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(f"data is not a complete TrainingPath: {error}") from error
        spikes = [one["spikes"] for one in numbers[1:]]
        return cls.of(problem, numbers, from_above("along_path")(problem, spikes, **level), **level)

    @classmethod
    def of(
        cls,
        problem: Problem,
        numbers: Sequence[Mapping[str, Any]],
        predictions: Sequence[Prediction],
        **level: Any,
    ) -> TrainingPath:
        """A path of what the walk has found at its points, and the predictions after each step."""
        together = zip(numbers, (None, *predictions), strict=True)
        points = tuple(PathPoint(prediction=found, **one) for one, found in together)
        return cls(problem, points, **level)

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> TrainingPath:
        """Inverse of `to_json`.

        Raises
        ------
        InvalidInputError
            For what is no JSON text, or not of a path.
        """
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"a TrainingPath must be a JSON object: {error}") from error
        return cls.from_dict(data)

    def plot(self, simulated: Mapping[str, ArrayLike] | object | None = None) -> Figure:
        """Draw the path against the step (needs the extra ``plot``).

        Three panels: singular values of the outliers above the bulk, their squared overlaps with
        each target direction, training and test error. A direction's curve is left out where the
        overlap stays below 0.01 at every step, which networks have by chance.

        Parameters
        ----------
        simulated : mapping of str to array, or validation.PathSamples, optional
            Points to be drawn on top, by name or attribute, each an array whose first axis are
            networks: ``singular_values`` (n, n_steps, K) and ``target_overlaps``
            (n, n_steps, K, r) after each step, ``training_error`` and ``test_error``
            (n, n_steps + 1); any of them, nan where nothing was measured. Drawn are means over
            the networks with their standard errors.

        Returns
        -------
        Figure

        Raises
        ------
        InvalidInputError
            For simulated points of another name or shape.
        """
        return draw(self, simulated=simulated)  # type: ignore[no-any-return]

    def _parts(self) -> list[Part]:
        """A row for every point: errors, and the outliers with what they have learned."""
        p, last = self.problem, self.points[-1]
        shown = _shown(last)
        rows = [
            [
                f"{point.step}",
                *(f"{getattr(point, name):.4f}" for name in shown),
                ", ".join(f"{spike.singular_value:.5g}" for spike in point.outliers),
                ", ".join(f"{spike.target_overlap:.4f}" for spike in point.outliers),
            ]
            for point in self.points
        ]
        kind = f"{p.batch} batch" if p.batch == "reused" else f"{p.batch_text} batches"
        what = f"target {p.target.short}" if p.labels is None else f"labels {p.label_text}"
        loss = "" if p.loss.text == "squared" else f", loss {p.loss.text}"
        head = f"activation {p.activation.short}, {what}{loss}; {kind} ({self.method})"
        names = [name.replace("_", " ") for name in shown]
        header = ["step", *names, "singular values", "overlaps with target"]
        return [head, Table("r" * len(header), header, rows)]

    def _for_paper(self) -> list[Part]:
        """A row for every outlier of every point, with errors in brackets."""
        lines = [part for part in self._parts() if not isinstance(part, Table)]
        shown = _shown(self.points[-1])
        header: list[Cell] = [
            *("step", *(name.replace("_", " ") for name in shown)),
            Formula("outlier", ("k",)),
            Formula(
                "singular value of the weights, whose entries begin with variance 1/d", ("s_k",)
            ),
            *target_overlaps(self.problem),
        ]
        rows = []
        for point in self.points:
            first = [f"{point.step}"]
            for name in shown:
                first.append(with_error(getattr(point, name), getattr(point, f"{name}_error"), 4))
            missing = [""] * (len(header) - len(first))
            found = [[str(k), *_in_paper(spike)] for k, spike in enumerate(point.outliers)]
            for k, cells in enumerate(found or [missing]):
                rows.append([*(first if k == 0 else [""] * len(first)), *cells])
        return [*lines, Table("r" * len(header), header, rows)]


def _in_paper(spike: Spike) -> list[str]:
    """Singular value and overlaps with the target."""
    error = spike.error
    pairs = zip(spike.target_overlaps, error.target_overlaps, strict=True)
    value = with_error(spike.singular_value, error.singular_value)
    return [value, *(with_error(*pair, decimals=4) for pair in pairs)]


def _shown(point: PathPoint) -> list[str]:
    """The errors of a table."""
    shown = [name for name in with_errors(point) if name in (*_ERRORS, *_LATER)]
    # What the steps descend says more than a mean square.
    return shown[len(_ERRORS) :] if len(shown) > len(_ERRORS) else shown


def with_errors(point: PathPoint) -> list[str]:
    """The errors along the path that say something of their own, each with its estimate."""
    names = list(_ERRORS)
    for name in _LATER:
        value = getattr(point, name)
        half = getattr(point, name.replace("loss", "error")) / 2.0
        if not math.isnan(value) and not (name.endswith("loss") and value == half):
            names.append(name)
    return [one for name in names for one in (name, f"{name}_error")]


def _number(value: Any, missing: float) -> float:
    return missing if value is None else float(value)


def _plain_spikes(spikes: SpikeStrengths) -> dict[str, Any]:
    names = [one.name for one in fields(spikes) if getattr(spikes, one.name) is not None]
    made = plain_fields(spikes, (name for name in names if name != "coarser"))
    return made if spikes.coarser is None else made | {"coarser": _plain_spikes(spikes.coarser)}


def _point_of(problem: Problem, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the walk has found at a point, from its plain form."""
    numbers: dict[str, Any] = {"step": int(data["step"])}
    for name in _ERRORS:
        numbers[name] = _number(data[name], math.nan)
        numbers[f"{name}_error"] = _number(data[f"{name}_error"], math.inf)
    for name in _LATER:  # which paths of the square loss have not written
        half = numbers[name.replace("loss", "error")] / 2.0 if name.endswith("loss") else math.nan
        off = numbers.get(f"{name.replace('loss', 'error')}_error", math.nan) / 2.0
        numbers[name] = _number(data.get(name), half)
        numbers[f"{name}_error"] = _number(data.get(f"{name}_error"), off)
    for name in _ARRAYS:
        shape = (-1, problem.n_directions) if "alignments" in name else (-1,)
        numbers[name] = _array(data[name], *shape)
    given = data["spikes"]
    return numbers | {"spikes": None if given is None else _spikes_of(problem, given)}


def _spikes_of(problem: Problem, given: Mapping[str, Any]) -> SpikeStrengths:
    shapes = {
        "alignments": (-1, problem.n_directions),
        "alignment_sq_errors": (-1, problem.n_directions),
        "left_functions": (-1, len(given["readout_nodes"])),
    }
    arrays = {
        name: _array(values, *shapes.get(name, (-1,)))
        for name, values in given.items()
        if name not in ("status", "coarser")
    }
    coarser = _spikes_of(problem, given["coarser"]) if "coarser" in given else None
    return SpikeStrengths(**arrays, status=Status[given["status"]], coarser=coarser)


def _array(values: Any, *shape: int) -> Array:
    return np.array(values, dtype=float).reshape(shape)
