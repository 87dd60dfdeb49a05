"""The progress bar of a campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from validation.simulation.bar import bar_of
from validation.store.kinds import AnyPlan, work_of

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(
    plans: Sequence[AnyPlan], missing: Sequence[Sequence[int]], progress: bool | str
) -> Iterator[Callable[[AnyPlan, int], None]]:
    """A bar on standard error over the work of all plans, with the time that is left.

    Networks differ in size, so its unit is the work and not the network. Gives a function to be
    called with plan and index of every sample that is done.

    Parameters
    ----------
    plans : sequence of Plan
        All that is wanted.
    missing : sequence of sequence of int
        The indices that are to be computed of each; the others count as done.
    progress : bool or str
        Whether to show it; a string is its label.
    """
    if progress is False:
        yield lambda plan, index: None
        return
    total = sum(sum(work_of(plan, index)) for plan in plans for index in plan.indices)
    to_do = sum(
        sum(work_of(plan, index))
        for plan, indices in zip(plans, missing, strict=True)
        for index in indices
    )
    n_total, n_left = sum(plan.n_samples for plan in plans), sum(map(len, missing))
    with bar_of(
        total=total,
        initial=total - to_do,
        desc=f"{progress}: " if isinstance(progress, str) else None,
        bar_format="{desc}{percentage:3.0f}%|{bar}| [{elapsed}<{remaining}{postfix}]",
        dynamic_ncols=True,
        smoothing=0.0,
    ) as bar:

        def show(refresh: bool) -> None:
            bar.set_postfix_str(f"{n_total - n_left}/{n_total} networks", refresh)

        def advance(plan: AnyPlan, index: int) -> None:
            nonlocal n_left
            n_left -= 1
            show(refresh=False)
            bar.update(sum(work_of(plan, index)))

        show(refresh=True)
        yield advance
