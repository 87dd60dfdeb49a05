"""The outcomes of a computation, and the exceptions that report them."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["ConvergenceError", "InvalidInputError", "RmtError", "Status", "UnsupportedProblemError"]


class Status(Enum):
    """Every outcome that a computation of this package can have.

    The value is one sentence: what happened and, where something went wrong, what to do.

    Examples
    --------
    >>> [status.name for status in Status]
    ['CONVERGED', 'NOT_CONVERGED', 'NOT_FINITE', 'OUT_OF_TIME', 'INVALID_INPUT']
    >>> Status.CONVERGED.ok, Status.NOT_FINITE.ok
    (True, False)
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
    OUT_OF_TIME = (
        "Out of time: the limit max_seconds was reached before the requested tolerance; allow more "
        "seconds, or ask for less: a looser tolerance, fewer digits, smaller learning rates."
    )
    INVALID_INPUT = (
        "Invalid input: this point of a grid is no problem that the method can take, and its "
        "message says why; the other points are not affected."
    )

    @property
    def ok(self) -> bool:
        """Whether the answer may be used as it is."""
        return self is Status.CONVERGED


IN_BEST = (
    " The prediction so far is the attribute `best` of this error, and is what throw=False returns."
)
"""The end of a message in Python; not in a shell."""


class RmtError(Exception):
    """Base class of every error that this package raises on purpose.

    Others derive from it: `InvalidInputError`, `ConvergenceError`, and the error of a missing
    extra.

    Examples
    --------
    >>> try:
    ...     raise InvalidInputError("ratio must be positive, got -1")
    ... except RmtError as error:
    ...     print(error)
    ratio must be positive, got -1
    """


class InvalidInputError(RmtError, ValueError):
    """An argument is not allowed; the message names it, what was given and what is allowed.

    It is raised before any work is done, and is a `ValueError` too.

    Examples
    --------
    >>> from rmt import rectangular_outliers
    >>> rectangular_outliers([2.0], aspect_ratio=-1.0)
    Traceback (most recent call last):
        ...
    rmt.status.InvalidInputError: aspect_ratio must be a positive number, got -1.0
    """


class UnsupportedProblemError(InvalidInputError):
    """The theory has no prediction of this kind for the problem; the message names the nearest.

    Examples
    --------
    >>> import rmt
    >>> three = rmt.Problem("tanh(z)", "z", 100, 100, 200, [(1, 0.3)] * 3)
    >>> rmt.predict(three, "scaling")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    rmt.status.UnsupportedProblemError: the level scaling has a prediction for one or two steps ...
    """


class ConvergenceError(RmtError, ArithmeticError):
    """A computation failed; nothing already computed is lost.

    Attributes
    ----------
    status : Status
        Which outcome it was.
    best : object
        The best answer so far, of the type the function returns, with its error estimates.

    Examples
    --------
    >>> error = ConvergenceError("not within 1e-6", Status.NOT_CONVERGED, best=[1.0])
    >>> error.status.ok, error.best
    (False, [1.0])
    """

    def __init__(self, message: str, status: Status, best: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.best = best

    def __reduce__(self) -> tuple[Any, ...]:
        # An exception that passes between processes is rebuilt from these arguments, and its
        # attributes and notes are put back.
        return type(self), (str(self), self.status), self.__dict__
