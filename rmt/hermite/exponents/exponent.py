"""What an exponent of a target is, and how sure one can be of the zeros below it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rmt.display import Formula, InNotebooks, Part

__all__ = ["Exponent", "VanishingOrder", "ZeroProof"]


class ZeroProof(StrEnum):
    """How a quantity is known to vanish.

    Examples
    --------
    >>> [str(proof) for proof in ZeroProof]
    ['symmetry', 'exact', 'numerical']
    """

    SYMMETRY = "symmetry"  # a parity argument, exact
    EXACT = "exact"  # a closed form that is zero
    NUMERICAL = "numerical"  # below a stated bound, not proved


@dataclass(frozen=True, slots=True)
class VanishingOrder:
    """One order at which nothing was found.

    Attributes
    ----------
    order : int
    proof : ZeroProof
    bound : float
        0 when proved; otherwise the quantity is at most this, relative to the size of the function.

    Examples
    --------
    >>> from rmt import generative_exponent
    >>> second = generative_exponent("z**2*exp(-z**2)").vanishing[1]
    >>> second.order, str(second.proof), second.bound < 1e-30
    (2, 'numerical', True)
    """

    order: int
    proof: ZeroProof
    bound: float = 0.0


@dataclass(frozen=True, slots=True)
class Exponent(InNotebooks):
    """A least order at which something does not vanish.

    Attributes
    ----------
    name : str
        ``"information exponent"``, ``"reuse exponent"``, ``"generative exponent"``.
    value : int or None
        The exponent; None when every order up to `searched` vanishes.
    searched : int
        The highest order that was looked at.
    vanishing : tuple of VanishingOrder
        The orders below `value` (all of them when it is None), with the proof for each.
    coefficient : sympy number, float or None
        What does not vanish at order `value`.
    is_infinite : bool
        Whether it is proved that every order vanishes.

    Examples
    --------
    >>> from rmt import information_exponent
    >>> exponent = information_exponent("z**3 - 3*z")
    >>> exponent.value, exponent.coefficient, exponent.is_proved
    (3, 6, True)
    >>> [(one.order, str(one.proof)) for one in exponent.vanishing]
    [(1, 'exact'), (2, 'symmetry')]
    """

    name: str
    value: int | None
    searched: int
    vanishing: tuple[VanishingOrder, ...] = ()
    coefficient: Any = None
    is_infinite: bool = False

    @property
    def is_proved(self) -> bool:
        """Whether every zero that the value rests on is proved."""
        known = self.value is not None or self.is_infinite
        return known and all(zero.proof is not ZeroProof.NUMERICAL for zero in self.vanishing)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready numbers and texts."""
        return {
            "value": self.value,
            "is_infinite": self.is_infinite,
            "is_proved": self.is_proved,
            "searched": self.searched,
            "coefficient": None if self.coefficient is None else str(self.coefficient),
            "vanishing": [
                {"order": zero.order, "proof": str(zero.proof), "bound": zero.bound}
                for zero in self.vanishing
            ],
        }

    def _parts(self) -> list[Part]:
        parts: list[Part] = [str(self)]
        if self.coefficient is not None:
            parts.append(Formula("", (r"\text{the coefficient there: }", self.coefficient)))
        return parts

    def __str__(self) -> str:
        if self.is_infinite:
            head = f"{self.name}: infinite"
        elif self.value is None:
            head = f"{self.name}: above {self.searched}"
        else:
            head = f"{self.name}: {self.value}"
        numerical = [zero for zero in self.vanishing if zero.proof is ZeroProof.NUMERICAL]
        if numerical:
            orders = ", ".join(str(zero.order) for zero in numerical)
            bound = max(zero.bound for zero in numerical)
            head += f" (zero to within {bound:.0e}, not proved, at order {orders})"
        return head
