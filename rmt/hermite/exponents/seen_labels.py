"""Of what an exponent is taken: a function of ``z``, or the labels that a loss sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rmt.functions import FunctionLike, ScalarFunction
from rmt.lazy import from_above

__all__ = ["SeenLabels", "function_or_labels", "is_law", "sees_all"]


class SeenLabels(Protocol):
    """The law of ``y_1 = rho(0, y)`` given ``z``: `rmt.problem.effective.EffectiveLabels`."""

    text: str
    function: ScalarFunction | None

    @property
    def n_variables(self) -> int:
        """``r``."""

    @property
    def n_values(self) -> int | None:
        """How many values there are, where they are finitely many numbers."""

    @property
    def probabilities(self) -> tuple[ScalarFunction, ...] | None:
        """Of the values, given ``z``, where they are finitely many numbers."""

    @property
    def rate(self) -> ScalarFunction | None:
        """Of counts that are seen each as another value."""

    @property
    def is_even(self) -> bool:
        """Whether the law at ``-z`` is shown to be that at ``z``."""

    @property
    def is_symbolic(self) -> bool:
        """Whether `moment` has a symbolic form."""

    @property
    def mean(self) -> ScalarFunction:
        """``E[y_1 | z]``."""

    def moment(self, m: int) -> ScalarFunction:
        """``E[y_1^m | z]``."""

    def coefficients(self, m: int, degree: int) -> Mapping[tuple[int, ...], Any]:
        """``E[y_1^m He_alpha(z)]``, as pairs of a value and an error."""


def is_law(target: Any) -> bool:
    """Whether it is the law of labels rather than a function."""
    return hasattr(target, "to_dict") and hasattr(target, "kinks_along")


def sees_all(loss: Any) -> bool:
    """Whether it is the squared loss, which sees the label as it is."""
    return bool(getattr(loss, "text", loss) == "squared")


def function_or_labels(
    target: FunctionLike | Any, loss: Any, noise_std: float
) -> ScalarFunction | SeenLabels:
    """The function itself where a loss sees its values as they are, up to noise of mean zero."""
    if sees_all(loss) and not is_law(target):
        return ScalarFunction.parse(target)
    labels: SeenLabels = from_above("effective_labels")(target, loss, noise_std)
    return labels
