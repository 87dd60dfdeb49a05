"""The numbers of a page: those of some sweeps, plain and short.

Points are numbered with the last axis fastest. What a point has one of is a list with an entry for
each; its outliers follow those of the point before, in lists with an entry for each outlier.
Numbers have five digits, more than can be seen.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from rmt.arrays import Array
from rmt.display import cut
from rmt.expressions.table import in_short
from rmt.grids import Sweep
from rmt.grids.grid import actual_value
from rmt.problem import Problem
from rmt.spectra.laws.marchenko_pastur import MarchenkoPasturBulk

__all__ = ["page_data"]

_DENSITY_POINTS = 161
_OF_OUTLIERS = ("singular_value", "strength", "left_overlap", "right_overlap")
_DEFAULTS: dict[str, Any] = {
    "batch": "independent",
    "readout": "gaussian",
    "noise_std": 0.0,
    "init": "sphere",
}


def page_data(sweeps: Sequence[Sweep]) -> dict[str, Any]:
    """What the page's script reads.

    Parameters
    ----------
    sweeps : sequence of Sweep
        One for each number of steps.

    Returns
    -------
    dict
        Plain: ``title``, ``method``, ``rtol``, and ``grids``, one for each sweep.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> data = page_data([rmt.sweep(problem, {"alpha_1": [0.1, 0.3]})])
    >>> data["grids"][0]["count"], data["grids"][0]["axes"][0]["values"]
    ([1, 1], ['0.1', '0.3'])
    """
    problem = sweeps[-1].problem
    kind = "target" if problem.labels is None else "labels"
    texts = problem.activation.text, problem.label_text
    activation, labels = (cut(in_short(one), 80) for one in texts)
    return {
        "title": f"activation {activation}, {kind} {labels}",
        "method": sweeps[0].method,
        "rtol": sweeps[0].rtol,
        "grids": [_grid(one) for one in sweeps],
    }


class _Numbered:
    """Things that come more than once, and the number of each."""

    def __init__(self) -> None:
        self.number: dict[Hashable, int] = {}

    def __call__(self, thing: Hashable) -> int:
        return self.number.setdefault(thing, len(self.number))


def _grid(sweep: Sweep) -> dict[str, Any]:
    problems: list[Problem | None] = list(sweep.problems.flat)
    messages, laws = _Numbered(), _Numbered()
    # 0: nothing to say.
    said = [messages(f"{message}") for message in ["", *sweep.message.flat]][1:]
    kept = sweep.is_outlier & np.isfinite(sweep.singular_value)
    found = {
        "steps": sweep.problem.n_steps,
        "axes": _axes(sweep),
        "count": np.where(sweep.n_outliers < 0, -1, kept.sum(axis=-1)).ravel().tolist(),
        "undecided": [int(flag) for flag in sweep.undecided.flat],
        "edges": _rounded(sweep.bulk_edges.reshape(-1, 2)),
        "message": said,
        "messages": list(messages.number),
        "law": [
            laws(_law_key(p, edges))
            for p, edges in zip(problems, sweep.bulk_edges.reshape(-1, 2), strict=True)
        ],
        "untrained": [
            int(_is_untrained(p, edges))
            for p, edges in zip(problems, sweep.bulk_edges.reshape(-1, 2), strict=True)
        ],
        "outliers": {name: _rounded(getattr(sweep, name)[kept]) for name in _OF_OUTLIERS},
        "overlaps": _rounded(sweep.target_overlaps[kept]),
        "code": _code(problems),
    }
    found["laws"] = [_density(key) for key in laws.number]
    return found


def _axes(sweep: Sweep) -> list[dict[str, Any]]:
    axes = []
    for names in sweep.dims:
        columns = [sweep.axes[name] for name in names]
        values = [", ".join(map(_value, row)) for row in zip(*columns, strict=True)]
        [numbers] = columns if len(columns) == 1 and columns[0].dtype != object else [None]
        axes.append(
            {
                "names": list(names),
                "label": ", ".join(map(_label, names)),
                "values": values,
                # Where the curves have their points; of texts, and with None, at 0, 1, 2, ..
                "at": None if numbers is None else _rounded(numbers),
                "log": numbers is not None and _spread(numbers),
                "start": _start(sweep.problem, names, columns),
            }
        )
    return axes


def _start(problem: Problem, names: Sequence[str], columns: Sequence[Any]) -> int:
    """The value that is the problem's own, or closest to it; the last batch, which is reused."""
    own = actual_value(problem, names[0])
    values = list(columns[0])
    if columns[0].dtype == object:
        own = None if isinstance(own, float) and np.isnan(own) else own
        return values.index(own) if own in values else 0
    return int(np.argmin(np.abs(np.asarray(values, float) - own)))


def _spread(numbers: Array) -> bool:
    """Whether a logarithmic axis shows more of them."""
    ordered = np.unique(numbers)
    if ordered.size < 3 or ordered[0] <= 0:
        return False
    steps, factors = np.diff(ordered), np.diff(np.log(ordered))
    return bool(np.ptp(factors) / factors.max() < np.ptp(steps) / steps.max())


def _value(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else f"{value:.6g}"


_LABELS = {
    "alpha": "exponent of step {}",
    "scale": "scale of step {}",
    "weight_decay": "weight decay of step {}",
    "samples": "samples of batch {}",
    "samples_per_dim": "samples of batch {} per dimension",
}
_WHOLE = {
    "samples_per_dim": "samples per dimension n/d",
    "aspect_ratio": "aspect ratio N/d",
    "width": "width N",
    "dim": "input dimension d",
    "samples": "samples n",
    "output_scale": "output scale",
    "readout_sum": "sum of the readout",
    "init": "initial rows",
    "noise_std": "label noise",
}


def _label(name: str) -> str:
    kind, _, number = name.rpartition("_")
    if name in _WHOLE:
        return _WHOLE[name]
    return _LABELS[kind].format(number) if kind in _LABELS else name


def _law_key(problem: Problem | None, edges: Array) -> Hashable:
    """What the density of the bulk before training depends on; None where no bulk is known."""
    if problem is None or not np.isfinite(edges).all() or problem.initialisation != "independent":
        return None
    return problem.aspect_ratio


def _is_untrained(problem: Problem | None, edges: Array) -> bool:
    """Whether that is the predicted bulk; of any other a sweep keeps the edges."""
    if problem is None or not np.isfinite(edges).all():
        return False
    [known] = MarchenkoPasturBulk(problem.aspect_ratio).edges
    return bool(np.allclose(known, edges, rtol=1e-9, atol=1e-12))


def _density(aspect_ratio: Any) -> dict[str, Any] | None:
    if aspect_ratio is None:
        return None
    bulk = MarchenkoPasturBulk(aspect_ratio)
    [(low, high)] = bulk.edges
    # Closer together at the edges, where the density has a vertical slope.
    t = np.linspace(0, np.pi, _DENSITY_POINTS)
    s = low + (high - low) * (1 - np.cos(t)) / 2
    return {"x": _rounded(s), "y": _rounded(bulk.pdf(s))}


def _code(problems: Sequence[Problem | None]) -> list[dict[str, Any]]:
    """The arguments of `rmt.Problem` at each point: texts, and the number of that of each point."""
    rows = [{} if p is None else _arguments(p) for p in problems]
    names = dict.fromkeys(name for row in rows for name in row)
    columns = []
    for name in names:
        texts = _Numbered()
        numbers = [texts(row.get(name, "")) for row in rows]
        columns.append({"texts": list(texts.number), "at": numbers if texts(0) > 1 else None})
    return columns


def _arguments(problem: Problem) -> dict[str, str]:
    if isinstance(problem.readout, str):
        given = problem.to_dict()
    else:
        given = problem.replace(readout="gaussian").to_dict() | {"readout": "g"}
    given["steps"] = [tuple(step.to_list()) for step in problem.steps]
    samples = given["samples"]
    given["samples"] = samples[0] if len(set(samples)) == 1 else tuple(samples)
    if not isinstance(given["batch"], str):
        given["batch"] = tuple(given["batch"])
    found = {}
    for name, value in given.items():
        if name not in _DEFAULTS or value != _DEFAULTS[name]:
            text = "g" if name == "readout" and value == "g" else repr(value)
            found[name] = f"{name}={text}"
    return found


def _rounded(values: Array) -> Any:
    """Five digits as they print in JSON; None for what is missing."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim > 1:
        return [_rounded(row) for row in array]
    plain = [float(f"{x:.5g}") if math.isfinite(x) else None for x in array.tolist()]
    return [int(x) if x is not None and x.is_integer() else x for x in plain]
