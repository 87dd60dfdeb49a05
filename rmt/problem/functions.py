"""What the activation and the target of a `Problem` must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rmt.caching import cached
from rmt.functions import ScalarFunction
from rmt.moments.rules import negligible_beyond
from rmt.problem.labels import Law
from rmt.problem.losses import LabelKind, Loss
from rmt.status import InvalidInputError

__all__ = ["check_activation", "check_labels", "check_target", "has_signs"]


@cached(256)
def check_activation(sigma: ScalarFunction) -> None:
    """Raise unless it is continuous, not constant, and has moments to work with."""
    if sigma.n_variables != 1:
        raise InvalidInputError(f"activation must be a function of z alone, got {sigma.short}")
    _check_second_moment("activation", sigma)
    if sigma.jumps:
        raise InvalidInputError(
            f"activation must be continuous, got {sigma.short} with a jump at z = "
            f"{', '.join(f'{x:g}' for x in sigma.jumps)}: gradient steps do not see a jump"
        )
    if _diverges(lambda z: sigma.value_and_derivative(z)[1], sigma.kinks):
        raise InvalidInputError(
            "activation must have a slope of finite second moment under the standard normal law, "
            f"got {sigma.short}"
        )
    grid = np.linspace(-8.0, 8.0, 1601)
    if np.ptp(sigma(grid)) <= 1e-12 * np.abs(sigma(grid)).max():
        raise InvalidInputError(f"activation must not be constant, got {sigma.short}")


@cached(256)
def check_target(target: ScalarFunction) -> None:
    """Raise unless it has at most three variables and a positive second moment."""
    if target.n_variables > 3:
        raise InvalidInputError(f"target must have at most three variables, got {target.short}")
    _check_second_moment("target", target)
    axis = np.linspace(-6.0, 6.0, 49)
    if target.n_variables == 1:  # no piece between two kinks is overlooked
        ends = np.sort(np.append(axis, [kink for kink in target.kinks if abs(kink) < 6.0]))
        axis = np.append(axis, (ends[1:] + ends[:-1]) / 2.0)
    grids = np.meshgrid(*([axis] * target.n_variables))
    if not np.any(target(*grids)):
        raise InvalidInputError(
            f"target must have a second moment E[f(z)^2] > 0, got {target.short}, which is zero"
        )


_KINDS: dict[LabelKind, tuple[str, str]] = {
    "signs": ("labels y = +1 or -1", "rmt.SignOf, rmt.Bernoulli, or sign(..) without noise"),
    "non-negative": (
        "labels that are not negative",
        "rmt.Poisson, or a target f >= 0 without noise",
    ),
}


@cached(256)
def check_labels(loss: Loss, law: Law | None, target: ScalarFunction, noise_std: float) -> None:
    """Raise unless the loss is for such labels, is finite at them, and sees something in them."""
    r = (law or target).n_variables
    axis = np.linspace(-4.0, 4.0, {1: 201, 2: 21, 3: 9}[r]) + 0.0123
    z = np.stack([one.ravel() for one in np.meshgrid(*[axis] * r)])
    if law is None:
        y = np.asarray(target(*z), dtype=float)[None]
        if noise_std:
            y = y + noise_std * np.linspace(-3.0, 3.0, 5)[:, None]
        signs, kind = bool(np.all(np.abs(y) == 1.0)), "real"
        kind = "signs" if signs else "non-negative" if bool(np.all(y >= 0)) else "real"
    else:
        y, p = law.at(z)
        y, kind = np.where(p > 0, y, y[np.argmax(p, axis=0), np.arange(y.shape[1])]), law.kind
    wanted, text = loss.labels, target.text if law is None else law.text
    if wanted != "real" and kind != wanted and not (wanted == "non-negative" and np.all(y >= 0)):
        words, instead = _KINDS[wanted]
        raise InvalidInputError(
            f"loss={loss.text!r} is for {words} ({instead}), got the labels of {text}"
            + (f" with noise of standard deviation {noise_std:g}" if noise_std else "")
        )
    seen = np.sort(y, axis=None)  # np.unique would load masked arrays
    seen = seen[np.diff(seen, prepend=-np.inf) > 0]
    loss.check_finite(seen[:: max(1, seen.size // 256)])
    if not np.any(loss.residual(np.zeros(seen.size), seen)):
        raise InvalidInputError(
            f"loss={loss.text!r} sees nothing of these labels: its residual rho(0, y) is zero for "
            f"those of {text}, and the first step would not move the weights"
        )


def _check_second_moment(name: str, function: ScalarFunction) -> None:
    radius = negligible_beyond(function, function.n_variables)
    if math.isnan(radius):
        raise InvalidInputError(
            f"{name} must be finite and real on the whole real line, got {function.short}"
        )
    if math.isinf(radius) or (function.n_variables == 1 and _diverges(function, function.kinks)):
        raise InvalidInputError(
            f"{name} must have a finite second moment under the standard normal law, got "
            f"{function.short}: its square has a pole, or grows about as fast as exp(z^2/2) (or "
            "beyond double precision)"
        )


def _diverges(function: Callable[[Any], Any], kinks: Sequence[float]) -> bool:
    """Whether ``f^2`` cannot be integrated next to a kink: ``|f| ~ distance^{-p}``, p >= 1/2."""
    near, far = 1e-9, 1e-6
    for kink in kinks:
        for side in (-1.0, 1.0):
            values = np.abs(function(kink + side * np.array([near, far])))
            if values[0] > 0 and not values[0] ** 2 * near < 0.5 * values[1] ** 2 * far:
                return True
    return False


@cached(256)
def has_signs(target: ScalarFunction) -> bool:
    """Whether its values are +1 and -1."""
    r = target.n_variables
    axis = np.linspace(-4.0, 4.0, {1: 201, 2: 21, 3: 9}[r]) + 0.0123  # where signs do not vanish
    return bool(np.all(np.abs(target(*np.meshgrid(*[axis] * r))) == 1.0))
