"""What a suite is: sections of cases, each with the networks to simulate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rmt.arguments import checked_choice
from rmt.status import InvalidInputError
from validation.catalogue import Case
from validation.store.kinds import AnyPlan

__all__ = ["Entry", "Section", "SectionKind", "Suite"]

SectionKind: TypeAlias = Literal["cases", "plane", "transition", "features", "paths", "widths"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A case, and which networks of it to simulate.

    Attributes
    ----------
    case : Case
    plan : Plan, FeaturePlan or PathPlan
        Of the case's problem.
    """

    case: Case
    plan: AnyPlan


@dataclass(frozen=True, slots=True)
class Section:
    """Cases that belong together in a report.

    Attributes
    ----------
    name, title : str
        In links, and as the heading.
    text : str
        What the section shows, in a few sentences.
    kind : {"cases", "plane", "transition", "features", "paths", "widths"}
        How it is shown: each case on its own; counts over the plane of exponents; the outlier
        against the size of one step; features and ridge errors of each case; errors and outliers
        after every step of each; gaps between theory and simulation against the width.
    entries : tuple of Entry
    """

    name: str
    title: str
    text: str
    kind: SectionKind
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """A number of sections; prints as a list of cases.

    Attributes
    ----------
    name, title : str
        On the command line, and in words.
    sections : tuple of Section
    """

    name: str
    title: str
    sections: tuple[Section, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Those of all sections."""
        return tuple(entry for section in self.sections for entry in section.entries)

    @property
    def plans(self) -> tuple[AnyPlan, ...]:
        """What to simulate."""
        return tuple(entry.plan for entry in self.entries)

    def scaled(self, factor: float) -> Suite:
        """This suite with ``factor`` times as many networks of every case, at least two.

        Raises
        ------
        InvalidInputError
            For a factor that is not positive and finite.

        Examples
        --------
        >>> from validation.suites import suite
        >>> quick = suite("quick")
        >>> quick.scaled(0.5).entries[0].plan.n_samples / quick.entries[0].plan.n_samples
        0.5
        """
        if not (math.isfinite(factor) and factor > 0):
            raise InvalidInputError(f"samples must be a positive factor, got {factor!r}")

        return self._with_plans(
            lambda plan: plan.with_samples(max(2, round(factor * plan.n_samples)))
        )

    def in_precision(self, dtype: str | None) -> Suite:
        """This suite with all networks in ``"float64"`` or ``"float32"``; None: as it is.

        Raises
        ------
        InvalidInputError
            For another precision.

        Examples
        --------
        >>> from validation.suites import suite
        >>> {plan.dtype for plan in suite("quick").in_precision("float32").plans}
        {'float32'}
        """
        return self if dtype is None else self._with_plans(lambda plan: plan.with_dtype(dtype))

    def _with_plans(self, change: Callable[[AnyPlan], AnyPlan]) -> Suite:
        def changed(entry: Entry) -> Entry:
            return replace(entry, plan=change(entry.plan))

        return replace(
            self,
            sections=tuple(
                replace(section, entries=tuple(map(changed, section.entries)))
                for section in self.sections
            ),
        )

    def only(self, names: Iterable[str]) -> Suite:
        """This suite with some of its sections.

        Raises
        ------
        InvalidInputError
            For a section that it does not have.
        """
        chosen = set(names)
        known = [section.name for section in self.sections]
        for name in chosen:
            checked_choice(f"section of the suite {self.name}", name, known)
        return replace(
            self, sections=tuple(section for section in self.sections if section.name in chosen)
        )

    def listed(self, n_stored: Callable[[Entry], int] | None = None) -> str:
        """Sections and cases as text; with how many of the networks of each are stored."""
        networks = sum(plan.n_samples for plan in self.plans)
        lines = [f"{self.name}: {self.title}; {len(self.entries)} cases, {networks} networks"]
        width = max(len(entry.case.name) for entry in self.entries)
        for section in self.sections:
            lines += ["", f"{section.name}: {section.title}"]
            for entry in section.entries:
                stored = "" if n_stored is None else f"{n_stored(entry):3d} of "
                problem = entry.case.problem
                batch = problem.batch_text if len(problem.steps) > 1 else ""
                lines.append(
                    f"  {entry.case.name:<{width}}  {stored}{entry.plan.n_samples:3d} x N = "
                    f"{entry.plan.problem.width:<5d} {batch:<11}  {entry.case.title}"
                )
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.listed()
