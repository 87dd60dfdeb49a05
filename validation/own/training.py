"""A problem's steps, taken by PyTorch: automatic differentiation and its own optimiser."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from rmt.arguments import precision
from rmt.problem import Problem
from rmt.status import ConvergenceError, InvalidInputError, RmtError, Status
from validation.own.conventions import Convention, convention as named_convention
from validation.simulation.devices import CPU
from validation.simulation.draws import (
    DataSet,
    entropy_of,
    initial_weights,
    sample_readout,
    step_batch,
)
from validation.simulation.simulate import Sample

__all__ = ["train_in_torch"]


def train_in_torch(
    problem: Problem,
    seed: int = 0,
    index: int = 0,
    *,
    convention: str | Convention = "rmt",
    device: str = "cpu",
    dtype: DTypeLike = np.float64,
) -> Sample:
    r"""The network of `validation.simulate`, trained by PyTorch: the same draws, the same steps.

    The loss of a plain module is differentiated automatically, and ``torch.optim.SGD`` takes the
    steps, so that no formula of a gradient is in common with `validation.simulate`. The module may
    have the parameters and learning rates of another convention; they are brought back at the end.

    Parameters
    ----------
    problem : Problem
        Of an activation with a formula, not a sampled one.
    seed, index : int
        Which network, as for `validation.simulate`.
    convention : str or Convention
        What the module is like, and what is descended: of the name as in
        `validation.own.convention`. The module's activation then is that of the problem, stretched.
    device : str
        As PyTorch names it.
    dtype : float64 or float32
        Of module and data.

    Returns
    -------
    Sample
        In arrays of NumPy. In float64 its weights are those of `validation.simulate` to rounding.

    Raises
    ------
    InvalidInputError
        For a sampled activation, a convention of other sizes or another output scale, a negative
        seed or index.
    ConvergenceError
        When weights overflow; ``best`` holds the sample up to the last weights before that.
    RmtError
        Without PyTorch.

    Notes
    -----
    All samples of a batch are in memory at once: ``n (N + d)`` numbers, several times.
    docs/howto/own_network.md; docs/theory.md, section 1.

    Examples
    --------
    >>> from rmt import Problem, Step
    >>> from validation import simulate
    >>> problem = Problem("tanh(z)", "z", 30, 20, 50, Step(2, 0.3), loss="log(cosh(y - h))")
    >>> ours = simulate(problem)
    >>> theirs = train_in_torch(problem, convention="torch")  # doctest: +SKIP
    >>> bool(np.abs(ours.weights[1] - theirs.weights[1]).max() < 1e-12)  # doctest: +SKIP
    True
    """
    for library in ("torch", "array_api_compat"):
        if find_spec(library) is None:
            raise RmtError(f"train_in_torch needs {library} (the extra 'gpu' of this package)")
    torch, xp = import_module("torch"), import_module("array_api_compat.torch")
    if problem.activation.tables:
        raise InvalidInputError(
            "activation must have a formula that is differentiated automatically, got a sampled "
            f"function, {problem.activation.short}"
        )
    theirs = _convention_of(problem, convention)
    kind = np.dtype(precision(dtype))
    entropy = entropy_of(problem, seed, index)
    g = sample_readout(problem, seed, index).astype(kind)
    W = initial_weights(problem, entropy, kind, map)

    def tensor(array: Any) -> Any:
        return torch.as_tensor(np.ascontiguousarray(array, kind), device=device)

    first = torch.nn.Parameter(tensor(theirs.their_weights(W)))
    second = tensor(theirs.their_readout(g / np.sqrt(problem.width)))
    activation = theirs.their_activation(problem.activation)

    def model(inputs: Any) -> Any:
        pre = theirs.input_scale * (inputs @ (first if theirs.transposed else first.T))
        value, _ = activation.value_and_derivative(pre, xp=xp)
        return theirs.output_scale * (value @ second)

    optimiser = torch.optim.SGD([first], lr=1.0)
    weights, batches, drawn = [W], [], {}
    for number, eta, step in zip(
        problem.schedule, problem.learning_rates, problem.steps, strict=True
    ):
        if number not in drawn:
            drawn[number] = step_batch(problem, number, entropy, kind, CPU, map)
        batch: DataSet = drawn[number]
        batches.append(batch)
        [group] = optimiser.param_groups
        group["lr"] = theirs.their_rate(eta)
        group["weight_decay"] = theirs.their_decay(step.weight_decay)
        optimiser.zero_grad()
        output = model(tensor(batch.inputs))
        loss = problem.loss.value(output, tensor(batch.labels), xp=xp).mean()
        (theirs.gradient_scale * loss).backward()
        optimiser.step()
        found = theirs.weights(first.detach().cpu().numpy().copy())
        sample = Sample(problem, int(seed), int(index), tuple(weights), g, tuple(batches))
        if not np.isfinite(np.square(found)).all():
            raise ConvergenceError(
                f"the weights after step {len(batches)} are not finite, or too large to square: "
                f"learning rate {eta:g}",
                Status.NOT_FINITE,
                sample,
            )
        weights.append(np.ascontiguousarray(found))
    return Sample(problem, int(seed), int(index), tuple(weights), g, tuple(batches))


def _convention_of(problem: Problem, given: str | Convention) -> Convention:
    """The convention, of the problem's sizes and output scale."""
    width, dim = problem.width, problem.dim
    scale = problem.output_gain * width**-0.5
    if isinstance(given, Convention):
        if (given.width, given.dim) != (width, dim) or abs(given.scale / scale - 1) > 1e-9:
            raise InvalidInputError(
                f"convention must be of N = {width}, d = {dim} and the output scale {scale:g}, got "
                f"N = {given.width}, d = {given.dim} and {given.scale:g}"
            )
        return given
    named = named_convention(given, width, dim)
    # One of another output scale is made to have the problem's, by its own factor of the output.
    return replace(named, output_scale=named.output_scale * scale / named.scale)
