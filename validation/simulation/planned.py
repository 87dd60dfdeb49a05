"""What all plans have in common, whatever they observe."""

from __future__ import annotations

from dataclasses import replace
from typing import Generic, Self, TypeVar

from rmt.arguments import integer, precision
from rmt.display import InNotebooks
from rmt.problem import Problem
from validation.simulation.draws import check_drawable

__all__ = ["PlanOf"]

O_co = TypeVar("O_co", covariant=True)
S_co = TypeVar("S_co", covariant=True)


class PlanOf(InNotebooks, Generic[O_co, S_co]):
    """Base of plans, by the type of what they observe in one network, and in all together."""

    __slots__ = ()

    problem: Problem
    n_samples: int
    seed: int
    dtype: str

    @property
    def indices(self) -> range:
        """The sample indices."""
        return range(self.n_samples)

    @property
    def parts(self) -> tuple[range, ...]:
        """The indices, those of samples that are observed alike together."""
        return (self.indices,)

    def with_samples(self, n_samples: int) -> Self:
        """The same plan for another number of networks."""
        changed: Self = replace(self, n_samples=n_samples)  # type: ignore[type-var]
        return changed

    def with_dtype(self, dtype: str) -> Self:
        """The same plan in another precision."""
        changed: Self = replace(self, dtype=dtype)  # type: ignore[type-var]
        return changed

    def _check(self, **least: int) -> None:
        """The named numbers as integers that are not smaller than this, and the precision."""
        for name, smallest in least.items():
            self._set(name, integer(name, getattr(self, name), smallest))
        self._set("dtype", precision(self.dtype))
        check_drawable(self.problem)

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
