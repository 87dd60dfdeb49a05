r"""
Giant steps
===========

Steps of size :math:`\eta = 2 \sqrt N` move the rows of the weights as far as they are long. The
setting is that of `arXiv:2305.18270 <https://arxiv.org/abs/2305.18270>`_ and of its public
experiment with several steps: ReLU, a target of two directions, six steps on fresh batches of
:math:`n = d = 4N` samples. The first outlier takes up :math:`z_1`; what there is of :math:`z_2` is
learned slowly, as a second outlier. At this exponent nothing is expanded and nothing is small: the
strong outliers, their overlaps and the errors are those of the limit. The bulk that is drawn has
rows of the lengths that training gives them; in networks it reaches further, to about 8, for its
rows and the samples are not independent. The published networks have :math:`N = 1024`; those drawn
here are our own and smaller.
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
