"""Problems in words, for pages and terminals."""

from __future__ import annotations

from rmt.expressions.table import in_short
from rmt.problem import Problem

__all__ = ["in_words", "network_of", "sizes"]


def sizes(problem: Problem) -> str:
    """Width, dimension and numbers of samples in one line.

    Examples
    --------
    >>> sizes(Problem("tanh(z)", "z", 40, 30, samples=80, steps=[(2, 0.3), (2, 0.3)]))
    'N = 40, d = 30, n = 80'
    """
    samples = ", ".join(map(str, dict.fromkeys(problem.samples)))
    return f"N = {problem.width}, d = {problem.dim}, n = {samples}"


def in_words(problem: Problem) -> str:
    """Sizes, steps, readout, noise, and what else is special about it in one sentence.

    Examples
    --------
    >>> from rmt.problem import Step
    >>> problem = Problem("tanh(z)", "z", 40, 40, 80, [Step(2, 0.3), Step(1, 0)], "reused")
    >>> print(in_words(problem))
    N = 40 neurons, d = 40 inputs; 2 steps of sizes 2 N^0.3 and 1 on one batch of n = 80 samples,
    used twice; Gaussian readout, no label noise, initial rows on the unit sphere.
    """
    sizes = [
        (f"{step.scale:g} N^{step.exponent:g}" if step.exponent else f"{step.scale:g}")
        + (f" (weight decay {step.weight_decay:g})" if step.weight_decay else "")
        for step in problem.steps
    ]
    if len(sizes) == 1:
        steps = f"1 step of size {sizes[0]} on n = {problem.samples[0]} samples"
    elif len(sizes) > 2 and len(set(sizes)) == 1:
        steps = f"{len(sizes)} steps of size {sizes[0]} on {_batches(problem)}"
    else:
        told = " and ".join(filter(None, (", ".join(sizes[:-1]), sizes[-1])))
        steps = f"{len(sizes)} steps of sizes {told} on {_batches(problem)}"
    law = problem.readout if isinstance(problem.readout, str) else "given"
    readout = law.capitalize() if law in ("gaussian", "rademacher") else law
    noise = f"label noise {problem.noise_std:g}" if problem.noise_std else "no label noise"
    init = "on the unit sphere" if problem.init == "sphere" else "Gaussian"
    more = [noise] if problem.labels is None else []
    if problem.readout_sum is not None:
        readout += f" readout of sum {problem.readout_sum:g}"
    else:
        readout += " readout"
    if problem.loss.text != "squared":
        more.append(f"loss {in_short(problem.loss.text)}")
    if problem.output_scale is not None:
        more.append(f"output scale {problem.output_scale:g}")
    rows = f"initial rows {init}"
    if problem.initialisation == "antisymmetric":
        rows += ", each in two neurons of opposite readout"
    return (
        f"N = {problem.width} neurons, d = {problem.dim} inputs; {steps}; "
        f"{', '.join([readout, *more, rows])}."
    )


def network_of(problem: Problem) -> tuple[str, str]:
    """Activation and target as formulas, such as ``sigma(z) = tanh(z)`` and ``f(z1, z2) = z1*z2``.

    Where labels have a law that stands in the place of the target.

    Examples
    --------
    >>> network_of(Problem("tanh(z)", "z1*z2", 40, 40, 80, [(2, 0.3)]))
    ('sigma(z) = tanh(z)', 'f(z1, z2) = z1*z2')
    >>> from rmt.problem.labels import SignOf
    >>> network_of(Problem("tanh(z)", SignOf("z", flip=0.1), 40, 40, 80, [(2, 0.3)]))
    ('sigma(z) = tanh(z)', 'y given z: SignOf(z, flip=0.1)')
    """
    r = problem.n_directions
    if problem.labels is not None:
        law = f"y given z: {in_short(problem.labels.text)}"
        return f"sigma(z) = {in_short(problem.activation.text)}", law
    variables = "z" if r == 1 else ", ".join(f"z{j + 1}" for j in range(r))
    return (
        f"sigma(z) = {in_short(problem.activation.text)}",
        f"f({variables}) = {in_short(problem.target.text)}",
    )


def _batches(problem: Problem) -> str:
    first, *rest = problem.samples
    if not isinstance(problem.batch, str):
        sizes = ", ".join(map(str, dict.fromkeys(problem.samples)))
        return f"batches {problem.batch_text} of n = {sizes} samples"
    if problem.batch == "reused":
        times = "twice" if len(problem.steps) == 2 else f"{len(problem.steps)} times"
        return f"one batch of n = {first} samples, used {times}"
    if all(n == first for n in rest):
        return f"independent batches of n = {first} samples"
    return f"independent batches of n = {' and '.join(map(str, problem.samples))} samples"
