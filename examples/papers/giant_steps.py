r"""
Giant steps
===========

`arXiv:2305.18270 <https://arxiv.org/abs/2305.18270>`_, Dandi, Krzakala, Loureiro, Pesce and
Stephan.

**Statement.** One giant step on :math:`n=O(d)` samples finds a single direction of the target;
after a few of them, each on a fresh batch of that size, the weights have learned more, those
directions that are linear once the ones before are known.

**Conventions.** Their :math:`p` is :math:`N`, the network is ours with rows of length 1 and
:math:`a_i=\pm p^{-1/2}` in the experiment below; their step is :math:`W+\eta G` without our
:math:`\sqrt N`, so that :math:`\eta=2p` is :math:`2\sqrt N`, ``Step(2, 0.5)``. The setting is that
of their public notebook with several steps: ReLU, :math:`y=(4z_1+z_1^2+z_2)/2`, six steps on fresh
batches of :math:`n=d=4N` samples. It has :math:`N=1024`; networks here are our own and smaller, and
predictions are for them.

The first step finds the direction of :math:`E[xy]`, which is :math:`z_1` and a little of
:math:`z_2`; the second outlier, there after the second step, takes up :math:`z_2` slowly. Such
steps move a row by as much as it is long, and nothing is expanded: the strong outliers, their
overlaps and the errors are those of the limit.

**Where we differ.** They follow the rows of the weights and their gradients, we the singular vectors
of the whole; `training_path` has the cosines of rows and gradients, too
(``path[1].gradient_alignment([-1, 1])``). Their text takes mean and linear part off the labels
before the second layer is fitted; nothing is fitted here. The bulk that is drawn has rows of the
lengths that training gives them; in networks it reaches further, to about 8, for its rows and the
samples are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

import rmt
from validation import PathPlan, PathSamples, run_paths


@dataclass(frozen=True)
class Giant:
    """The path of the theory, and networks on their way."""

    path: rmt.TrainingPath
    samples: PathSamples


def experiment(width: int = 256) -> rmt.Problem:
    """The published problem, ``width=1024``, or a smaller one of the same ratios."""
    return rmt.Problem(
        activation="relu(z)",
        target="(4*z1 + z1**2 + z2)/2",
        width=width,
        dim=4 * width,
        samples=4 * width,
        steps=[rmt.Step(2, 0.5)] * 6,
        batch="independent",
        readout="rademacher",
    )


def main(count: int = 4, width: int = 256) -> Giant:
    """Predict the six steps, and train networks of our own."""
    problem = experiment(width)
    samples = run_paths(PathPlan(problem, count, n_outliers=2, n_test=1000))
    return Giant(rmt.training_path(problem, rtol=1e-3), samples)


def draw(result: Giant) -> Figure:
    """Outliers, overlaps and errors against the step, networks on top."""
    return result.path.plot(result.samples)


if __name__ == "__main__":
    found = main()
    print(found.path)
    draw(found)
    plt.show()
