"""Polynomials of Gaussian coordinates in orthonormal Hermite polynomials, as users read them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rmt.display import Formula, InNotebooks, Part
from rmt.hermite.tensor_tables import multi_indices

__all__ = ["LearnedFeature", "hermite_latex", "hermite_name", "learned_feature"]

_SHOWN = 0.1  # coefficients below this are left out of the text,
_TERMS = 4  # and so are those beyond the largest
_DEGREE = 4


@dataclass(frozen=True, slots=True, eq=False)
class LearnedFeature(InNotebooks):
    """A function of the spike coordinates ``kappa_k = <v_k, x>``, of unit norm.

    Its sign is such that the largest coefficient is positive; that of each ``kappa_k`` is as
    arbitrary as the sign of a singular vector.

    Attributes
    ----------
    coefficients : mapping of multi-index to float
        In the orthonormal polynomials ``prod_k He_{alpha_k}(kappa_k) / sqrt(alpha_k!)``, largest
        first, up to degree 4; an index has one entry for each spike of the weights.
    rest : float
        The share of the squared norm that these do not hold.
    """

    coefficients: Mapping[tuple[int, ...], float]
    rest: float

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists."""
        return {
            "text": str(self),
            "coefficients": [[list(alpha), c] for alpha, c in self.coefficients.items()],
            "rest": self.rest,
        }

    def formula(self) -> Formula:
        """The largest terms, as `str` gives them, for the display of results."""
        return Formula(str(self), (self._sum(hermite_latex, r"\kappa"),))

    def _parts(self) -> list[Part]:
        return [self.formula()]

    def __str__(self) -> str:
        return self._sum(hermite_name, "k")

    def _sum(self, named: Callable[[tuple[int, ...], str], str], letter: str) -> str:
        text = ""
        for alpha, coefficient in list(self.coefficients.items())[:_TERMS]:
            if abs(coefficient) < _SHOWN:
                break
            sign = (" + " if text else "") if coefficient > 0 else (" - " if text else "-")
            name = named(alpha, letter)
            text += sign + (f"{abs(coefficient):.2f}" + (f" {name}" if name else ""))
        return text or "0"


def learned_feature(
    coefficient: Callable[[tuple[int, ...]], float], n_coordinates: int
) -> LearnedFeature:
    """The expansion of a function of unit norm, given its coefficient at any multi-index."""
    found = {alpha: coefficient(alpha) for alpha in multi_indices(n_coordinates, _DEGREE)}
    ordered = sorted(found.items(), key=lambda item: -abs(item[1]))
    kept = [(alpha, c) for alpha, c in ordered if abs(c) > 1e-6]
    sign = math.copysign(1.0, kept[0][1]) if kept else 1.0
    rest = max(1.0 - sum(c**2 for _, c in kept), 0.0)
    return LearnedFeature({alpha: sign * c for alpha, c in kept}, rest)


def hermite_name(alpha: tuple[int, ...], letter: str, first: int = 0) -> str:
    """The orthonormal polynomial of a multi-index in words; nothing for the constant.

    Examples
    --------
    >>> hermite_name((2, 1), "k"), hermite_name((0, 3), "z", first=1)
    ('He2(k0) k1/sqrt(2)', 'He3(z2)/sqrt(6)')
    """
    factors = [
        f"{letter}{i}" if power == 1 else f"He{power}({letter}{i})"
        for i, power in enumerate(alpha, first)
        if power
    ]
    square = math.prod(map(math.factorial, alpha))
    return " ".join(factors) + (f"/sqrt({square})" if square > 1 else "")


def hermite_latex(alpha: tuple[int, ...], letter: str, first: int = 0) -> str:
    r"""The orthonormal polynomial of a multi-index in LaTeX; nothing for the constant.

    Examples
    --------
    >>> print(hermite_latex((2, 1), r"\kappa"))
    \mathrm{He}_{2}(\kappa_{0})\, \kappa_{1} / \sqrt{2}
    """
    factors = [
        rf"{letter}_{{{i}}}" if power == 1 else rf"\mathrm{{He}}_{{{power}}}({letter}_{{{i}}})"
        for i, power in enumerate(alpha, first)
        if power
    ]
    square = math.prod(map(math.factorial, alpha))
    return r"\, ".join(factors) + (rf" / \sqrt{{{square}}}" if square > 1 else "")
