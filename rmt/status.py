"""The outcomes of a computation, and the exceptions that report them."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["ConvergenceError", "InvalidInputError", "RmtError", "Status"]


class Status(Enum):
    """Every outcome that a computation of this package can have.

    The value is one sentence: what happened and, where something went wrong, what to do.
    """

    CONVERGED = "Converged: the error estimate is below the requested tolerance."
    NOT_CONVERGED = (
        "Not converged: the error estimate is still above the requested tolerance at the finest "
        "resolution allowed; ask for a looser tolerance, or smooth a function with oblique kinks."
    )
    NOT_FINITE = (
        "Not finite: an intermediate value overflowed or is undefined; reduce the step sizes or "
        "check that activation and target are finite on the real line."
    )
    INVALID_INPUT = (
        "Invalid input: this point of a grid is no problem that the method can take, and its "
        "message says why; the other points are not affected."
    )

    @property
    def ok(self) -> bool:
        """Whether the answer may be used as it is."""
        return self is Status.CONVERGED


class RmtError(Exception):
    """Base class of every error that this package raises on purpose."""


class InvalidInputError(RmtError, ValueError):
    """An argument is not allowed; the message names it, what was given and what is allowed."""


class ConvergenceError(RmtError, ArithmeticError):
    """A computation failed; nothing already computed is lost.

    Attributes
    ----------
    status : Status
        Which outcome it was.
    best : object
        The best answer so far, of the type the function returns, with its error estimates.
    """

    def __init__(self, message: str, status: Status, best: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.best = best

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception that passes between processes is rebuilt from these arguments, and its
        # attributes and notes are put back.
        return type(self), (str(self), self.status), self.__dict__
