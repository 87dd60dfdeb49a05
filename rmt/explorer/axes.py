"""The values of the sliders, for each number of steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rmt.arguments import checked_size
from rmt.grids.grid import Over, parameters
from rmt.problem import Problem
from rmt.status import InvalidInputError

__all__ = ["axes_by_steps"]


def axes_by_steps(problem: Problem, over: Over | None) -> dict[int, dict[Any, Any]]:
    """The axes of each number of steps, as `rmt.sweep` takes them.

    Parameters
    ----------
    problem : Problem
    over : mapping or None
        As for `rmt.explore`. What a smaller number of steps does not have, such as the exponent of
        the second, is left out there; so is the batch of a single step, and a number of steps that
        was not asked for and has nothing that varies.

    Examples
    --------
    >>> p = Problem("tanh(z + 1)", "z", 300, 200, 500, [(1, 0.25), (1, 0.3)])
    >>> axes_by_steps(p, {"alpha_2": [0.2, 0.4], "width": [200, 300]})
    {1: {'width': [200, 300]}, 2: {'alpha_2': [0.2, 0.4], 'width': [200, 300]}}
    """
    given = dict(_usual(problem) if over is None else over)
    asked = "n_steps" in given
    counts = _counts(given.pop("n_steps", range(1, problem.n_steps + 1)))
    if not given:
        raise InvalidInputError("over must name a parameter beside n_steps, such as 'width'")
    known = set(parameters(problem)).union(*(parameters(problem.with_n_steps(n)) for n in counts))
    for name in _names(given):
        if name == "steps" or name not in known:  # else it would be left out without a word
            names = ", ".join(sorted(known - {"steps"}))
            raise InvalidInputError(f"over: unknown parameter {name!r}; the parameters are {names}")
    found = {}
    for n in counts:
        allowed = set(parameters(problem.with_n_steps(n))) - ({"batch"} if n == 1 else set())
        axes = {key: values for key, values in given.items() if allowed.issuperset(_names([key]))}
        if axes:
            found[n] = axes
        elif asked:
            raise InvalidInputError(
                f"over: nothing varies after step {n}; leave it out of n_steps, or name another "
                "parameter, such as 'width'"
            )
    if not found:
        raise InvalidInputError("over: nothing varies; name another parameter, such as 'width'")
    return found


def _names(keys: Iterable[str | tuple[str, ...]]) -> list[str]:
    return [name for key in keys for name in (key if isinstance(key, tuple) else (key,))]


def _counts(given: Any) -> list[int]:
    """Numbers of steps, fewest first."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidInputError(f"over: n_steps takes a list of numbers, got {given!r}")
    counts = [int(n) if isinstance(n, float) and n.is_integer() else n for n in given]
    found = sorted({checked_size("over: n_steps", n) for n in counts})
    if not found:
        raise InvalidInputError(f"over: n_steps takes a list of numbers, got {given!r}")
    return found


def _usual(problem: Problem) -> Mapping[str, Any]:
    """What there is to see of most problems, and does not take long.

    Points that differ in the last step or in ``N/d`` share nearly all of their work
    (`rmt.spikes.resummed`); of more than two steps every point is a walk of its own, of seconds.
    """
    own = problem.samples[0] / problem.dim
    axes: dict[str, Any] = {}
    if problem.n_steps > 1 and isinstance(problem.batch, str):
        axes["batch"] = ["independent", "reused"]
    if problem.n_steps > 2:
        return axes | {"samples_per_dim": [own / 2, own, 2 * own]}
    axes["samples_per_dim"] = [own * factor for factor in (1 / 4, 1 / 2, 1, 2, 4)]
    if isinstance(problem.readout, str):
        # Neurons in pairs are even in number.
        axes["width"] = [2 * round(problem.width * f / 2) for f in (1 / 4, 1 / 2, 1, 2, 4)]
    axes["aspect_ratio"] = [problem.aspect_ratio * factor for factor in (1 / 2, 1, 2)]
    *first, last = [step.exponent for step in problem.steps]
    for s, exponent in enumerate(first, 1):
        axes[f"alpha_{s}"] = sorted({0.0, 0.1, 0.2, 0.3, 0.4, exponent})
    fine = {round(0.05 * k, 2) for k in range(10)}
    axes[f"alpha_{problem.n_steps}"] = sorted(fine | {last})
    return axes
