"""Losses of PyTorch, recognised by their classes: which loss of `rmt.Problem`, times what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rmt.arguments import checked_size
from rmt.problem import Loss
from rmt.status import InvalidInputError

__all__ = ["loss_of"]

# By class of torch.nn: the loss's text, and what theirs is in units of it.
_LOSSES: dict[str, Callable[[Any], tuple[str, float]]] = {
    "MSELoss": lambda loss: ("squared", 2.0),
    "L1Loss": lambda loss: ("abs(y - h)", 1.0),
    "HuberLoss": lambda loss: (f"huber({_text(loss.delta)})", 1.0),
    "SmoothL1Loss": lambda loss: (f"huber({_text(loss.beta)})", 1.0 / loss.beta),
    "SoftMarginLoss": lambda loss: ("logistic", 1.0),
    "BCEWithLogitsLoss": lambda loss: ("logistic", 1.0),
    "PoissonNLLLoss": lambda loss: ("poisson", 1.0),
}
_INSTEAD = {
    "CrossEntropyLoss": "of two classes it is torch.nn.BCEWithLogitsLoss of one output",
    "BCELoss": "of a sigmoid it is torch.nn.BCEWithLogitsLoss of the output itself",
    "PoissonNLLLoss": "with log_input=True its rate is the exponential of the output",
}


def loss_of(loss: Any, samples: int | None = None) -> tuple[Loss, float]:
    r"""The loss that a problem has for one of PyTorch, and the number that theirs is larger by.

    .. math:: \ell_{\rm torch} = k\, \frac1n \sum_j l(h(x_j), y_j) + \text{a function of the labels}

    Parameters
    ----------
    loss : module of torch.nn, str or rmt.Loss
        ``MSELoss`` (squared, ``k = 2``), ``L1Loss``, ``HuberLoss``, ``SmoothL1Loss``,
        ``SoftMarginLoss`` (logistic), ``BCEWithLogitsLoss`` (logistic, whose labels 0 and 1 are -1
        and 1 here) or ``PoissonNLLLoss``. A loss of a problem is handed through, with ``k = 1``.
    samples : int, optional
        ``n``, for one with ``reduction="sum"``.

    Returns
    -------
    tuple of rmt.Loss and float
        ``l`` and ``k``.

    Raises
    ------
    InvalidInputError
        For a loss that is not known, has weights, or is not reduced to one number; with what to
        write instead.

    Notes
    -----
    PyTorch is not imported. docs/losses.md, conversions.

    Examples
    --------
    >>> class MSELoss:  # stands for torch.nn.MSELoss
    ...     __module__, reduction = "torch.nn.modules.loss", "mean"
    >>> loss_of(MSELoss())
    (Loss('squared'), 2.0)
    >>> loss_of("huber(1/2)")
    (Loss('huber(1/2)'), 1.0)
    """
    if isinstance(loss, str | Loss):
        return Loss(loss), 1.0
    name = type(loss).__name__
    if not type(loss).__module__.startswith("torch.nn.modules") or name not in _LOSSES:
        known = ", ".join(_LOSSES)
        called = str(getattr(loss, "__name__", name))
        twin = [one for one in _LOSSES if one.lower() == called.replace("_", "").lower()]
        hint = f"; take torch.nn.{twin[0]}()" if twin else _instead(called)
        raise InvalidInputError(
            f"loss must be a text in h and y, or one of torch.nn: {known}; got {called}{hint}"
        )
    for weight in ("weight", "pos_weight"):
        if getattr(loss, weight, None) is not None:
            raise InvalidInputError(
                f"loss: {name} with {weight} weighs samples, which no problem's loss does; leave "
                "it out"
            )
    if name == "PoissonNLLLoss" and not loss.log_input:
        raise InvalidInputError(f"loss: {name} with log_input=False is not known{_instead(name)}")
    text, factor = _LOSSES[name](loss)
    if loss.reduction == "sum":
        if samples is None:
            raise InvalidInputError(
                f"samples must be given for {name}(reduction='sum'), which is n times the mean"
            )
        factor *= checked_size("samples", samples)
    elif loss.reduction != "mean":
        raise InvalidInputError(
            f"loss: {name} must have reduction='mean' or 'sum', got {loss.reduction!r}"
        )
    return Loss(text), factor


def _instead(name: str) -> str:
    return f"; {_INSTEAD[name]}" if name in _INSTEAD else ""


def _text(value: float) -> str:
    """Decimals as they are written: 0.1 is a tenth."""
    return repr(float(value))
