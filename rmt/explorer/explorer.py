"""`explore`: predictions on the grid of some sliders, and the page that shows them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path

from rmt.budget import checked_seconds, time_limit
from rmt.display import Part, Shown
from rmt.explorer.axes import axes_by_steps
from rmt.explorer.data import page_data
from rmt.explorer.page import page
from rmt.grids import Sweep, sweep
from rmt.grids.driver import Executors, Progress
from rmt.grids.grid import Over, grid
from rmt.problem import Problem
from rmt.status import InvalidInputError
from rmt.vocabulary import Bulk, Forms, Method

__all__ = ["EXPLORE_RTOL", "EXPLORE_SECONDS", "Explorer", "explore"]

EXPLORE_RTOL = 1e-3  # a thousandth of a slider's picture is less than a pixel
EXPLORE_SECONDS = 300.0


@dataclass(frozen=True, eq=False, repr=False)
class Explorer(Shown):
    """A page with sliders. Printing: what they are; in a notebook: the page itself.

    Attributes
    ----------
    sweeps : tuple of Sweep
        The predictions, one sweep for each number of steps, fewest first.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("erf(z)", "z", 400, 400, 800, [rmt.Step(3, 0.3)])
    >>> print(rmt.explore(problem, {"alpha_1": [0.1, 0.3], "width": [400, 800, 1600]}))
    6 frames (resummed), all converged
    after step 1: alpha_1 (2), width (3)
    """

    sweeps: tuple[Sweep, ...]

    @property
    def n_frames(self) -> int:
        """Number of positions that the sliders have, all together."""
        return sum(one.status.size for one in self.sweeps)

    @property
    def n_failed(self) -> int:
        """Number of frames without a prediction that has converged."""
        return sum(int((~one.ok).sum()) for one in self.sweeps)

    @cached_property
    def html(self) -> str:
        """The page: one HTML file that asks for nothing else, and works from a folder."""
        return page(page_data(self.sweeps))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page.

        Parameters
        ----------
        path : path
            Of the file; what is there is replaced.

        Returns
        -------
        Path
            Of the file.

        Raises
        ------
        InvalidInputError
            When the file cannot be written.
        """
        try:
            Path(path).write_text(self.html, encoding="utf-8")
        except OSError as error:
            raise InvalidInputError(f"the file {path} cannot be written: {error}") from error
        return Path(path)

    def __repr__(self) -> str:
        return f"Explorer({self.n_frames} frames)"

    def _parts(self) -> list[Part]:
        failed = f"{self.n_failed} failed" if self.n_failed else "all converged"
        lines: list[Part] = [f"{self.n_frames} frames ({self.sweeps[0].method}), {failed}"]
        for one in self.sweeps:
            sliders = zip(one.dims, one.shape, strict=True)
            shown = ", ".join(f"{' and '.join(names)} ({n})" for names, n in sliders)
            lines.append(f"after step {one.problem.n_steps}: {shown}")
        return lines

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 1150px; border: 0"
        return f'<iframe srcdoc="{escape(self.html)}" style="{style}"></iframe>'


def explore(
    problem: Problem,
    over: Over | None = None,
    method: Method = "resummed",
    rtol: float = EXPLORE_RTOL,
    executor: Executors | None = None,
    progress: Progress = False,
    forms: Forms | None = None,
    max_seconds: float | None = EXPLORE_SECONDS,
    bulk: Bulk | None = None,
) -> Explorer:
    """A page with a slider for each parameter: spectrum, outliers and overlaps as they move.

    The predictions are those of `rmt.sweep`, at every position of the sliders: nothing is
    interpolated, and nothing computed in the browser.

    Parameters
    ----------
    problem : Problem
        What the sliders do not change, and where they begin, as far as they have its values.
    over : mapping of str to one-dimensional array, optional
        The sliders and their values, as for `rmt.sweep`; ``n_steps`` are the numbers of steps
        (default: from one to that of the problem), of which each has the sliders that make sense
        for it. By default, of one or two steps: the batch, samples per dimension, width, aspect
        ratio, and the exponents of the steps; of more steps the batch and samples per dimension.
    method : {"resummed", ...}
        As for `rmt.predict`.
    rtol : float
        As for `rmt.predict`, at every point.
    executor : concurrent.futures.Executor or dask.distributed.Client, optional
        Runs the tasks, as for `rmt.sweep`.
    progress : bool or callable
        As for `rmt.sweep`: True shows a bar for each number of steps, a callable is given the
        number of frames done and of all.
    forms : {"linked", "exact", "simple"}, optional
        As for `rmt.predict`.
    max_seconds : float or None
        Processor time of everything: frames that are not reached are gaps, and the page says so.
        With an executor, as for `rmt.sweep`.
    bulk : {"rows", "marchenko-pastur"}, optional
        As for `rmt.predict`.

    Returns
    -------
    Explorer

    Raises
    ------
    InvalidInputError
        For an argument that is not allowed, a slider that no number of steps has, and when there
        is nothing that can be predicted.

    Examples
    --------
    >>> import rmt
    >>> problem = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 500, 500, 1000, [(4, 0.3), (4, 0.4)])
    >>> found = rmt.explore(problem, {"batch": ["independent", "reused"], "width": [500, 1000]})
    >>> found.n_frames, found.html.startswith("<!doctype html>")
    (6, True)
    """
    checked_seconds(max_seconds)
    axes = axes_by_steps(problem, over)
    problems = {n: problem.with_n_steps(n) for n in axes}
    sizes = {n: len(grid(problems[n], axes[n]).points()) for n in axes}
    found: list[Sweep] = []
    with time_limit(max_seconds if executor is None else None):
        for n, each in axes.items():
            done = sum(one.status.size for one in found)
            found.append(
                sweep(
                    problems[n],
                    each,
                    method,
                    rtol,
                    executor=executor,
                    progress=_shifted(progress, done, sum(sizes.values())),
                    forms=forms,
                    max_seconds=max_seconds,
                    bulk=bulk,
                )
            )
    return Explorer(tuple(found))


def _shifted(progress: Progress, before: int, total: int) -> bool | Callable[[int, int], object]:
    """A callable counts the frames of all sweeps."""
    if isinstance(progress, bool):
        return progress
    return lambda done, _: progress(before + done, total)
