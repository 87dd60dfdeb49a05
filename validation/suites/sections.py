"""The sections of every suite: what each shows, and how its networks are observed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from validation.catalogue import Case
from validation.simulation.feature_plan import FeaturePlan
from validation.simulation.path_plan import PathPlan
from validation.simulation.plan import Plan
from validation.store.kinds import AnyPlan
from validation.suites.model import Entry, Section, SectionKind

__all__ = ["each", "section"]

# Triplets observed in each network: more than any of the cases has outliers.
_TRIPLETS = 6
# Outliers that all levels of theory predict in the networks of `WIDTHS`; the gaps need no more.
_WIDTH_TRIPLETS = 2
# Inputs that readouts are fitted to, relative to the dimension; regularisations, of the size 1/N.
_INPUTS = (1, 3, 8)
_REGULARISATIONS = (1e-3, 1e-4)
# Triplets observed after every step, and fresh samples for the test error.
_PATH_TRIPLETS, _PATH_TEST = 4, 4000

_TEXTS: dict[str, tuple[str, SectionKind, str]] = {
    "plane": (
        "Number of outliers over the plane of exponents",
        "plane",
        "Two steps of sizes c1 N^alpha1 and c2 N^alpha2. As N grows without bound the weights have "
        "1 + floor(alpha2 / (1/2 - alpha1)) outliers (arXiv:2605.17767): spike k is there above "
        "the line alpha2 = k (1/2 - alpha1). Near the lines the approach to this limit is slow, "
        "since the strength of a spike grows or decays as a small power of N; theory and "
        "simulation are compared at the width that was simulated.",
    ),
    "counts": (
        "Approach to the limiting number of outliers",
        "cases",
        "Points on both sides of the line alpha2 = 1/2 - alpha1 at N = 1000.",
    ),
    "batches": (
        "Independent against reused batches",
        "cases",
        "Two steps on fresh samples, or twice on the same. With independent batches the weights "
        "learn directions of information exponent 1 alone; the second look at the same samples "
        "brings in powers of the labels, and with them directions of higher information exponent "
        "(arXiv:2605.17767).",
    ),
    "transition": (
        "One step: where the outlier leaves the bulk",
        "transition",
        "One step whose size does not grow with N leaves a spike of finite strength in the "
        "weights (arXiv:2205.01445). It makes an outlier where its strength exceeds (N/d)^(1/4), "
        "and has no overlap with anything below.",
    ),
    "one-step": (
        "One step: larger steps, other targets",
        "cases",
        "One large step leaves one outlier (arXiv:2305.18270, arXiv:2310.07891, "
        "arXiv:2402.04980). Its direction learns the linear part of the target: nothing at "
        "information exponent 2, and the first index alone of a staircase.",
    ),
    "staircases": (
        "Staircases of several indices",
        "cases",
        "The second step learns the directions that are linear once those of the first step are "
        "known: z2 from z1 z2 beside z1. A third index, behind z2 z3, needs the reused batch.",
    ),
    "scattered": (
        "An outlier that no mean update makes",
        "cases",
        "With an even target no step moves the rows along it in the mean. But rows are multiplied "
        "by what the steps estimate of it, a spectral estimate that fresh batches multiply up.",
    ),
    "levels": (
        "Twenty-four problems of all kinds",
        "cases",
        "Activations, targets, aspect ratios, readout laws and label noise at step sizes that "
        "deform the bulk visibly.",
    ),
    "features": (
        "Learned features, and the error of the network that is trained on them",
        "features",
        "After every step fresh inputs go through the hidden layer, and the readout is fitted to "
        "them by ridge regression. Test errors against the number of inputs, and what the leading "
        "left singular vectors of the features have learned: squared overlaps with Hermite "
        "polynomials of the target's directions. Outliers within 10 percent of each other mix, so "
        "their overlaps are summed.",
    ),
    "paths": (
        "Any number of steps, on any schedule of batches",
        "paths",
        "The network after every step: training and test error of its own output, outliers, and "
        "what these have learned. Letter s of a word such as AAB is the batch of step s. Training "
        "errors, on the batch of the step that comes next, tell a batch that is used again from a "
        "fresh one by tens of standard errors.",
    ),
    "losses": (
        "Any loss, any labels, any output scale",
        "paths",
        "Networks that descend other losses than the squared one, on labels that have a law of "
        "their own, with outputs that vanish or are of order one before training: errors, losses "
        "and the share of misclassified samples after every step, outliers, and what these have "
        "learned. The first step sees residuals at the untrained output; from the second on the "
        "output answers through the loss.",
    ),
    "widths": (
        "Gap between theory and simulation against the width",
        "widths",
        "The three levels of theory against the same networks, each predicted for its own "
        "readout, with a power law fitted to the gap of each.",
    ),
}


def section(name: str, cases: Iterable[tuple[Case, int]], n_spectra: int | None = None) -> Section:
    """A section of known name.

    Parameters
    ----------
    name : str
        Which of the sections it is, with its title and text.
    cases : iterable of pairs of Case and int
        With the numbers of networks.
    n_spectra : int, optional
        Of how many networks of each to keep the whole spectrum, by default of all; without
        meaning for features and paths.

    Examples
    --------
    >>> from validation.catalogue import LEVELS
    >>> made = section("levels", each(LEVELS, 5))
    >>> made.title, len(made.entries), made.entries[0].plan.n_samples
    ('Twenty-four problems of all kinds', 24, 5)
    """
    title, kind, text = _TEXTS[name]

    def plan(case: Case, n_samples: int) -> AnyPlan:
        if kind == "features":
            inputs = tuple(ratio * case.problem.dim for ratio in _INPUTS)
            return FeaturePlan(case.problem, n_samples, inputs, _REGULARISATIONS)
        if kind == "paths":  # of losses as well
            return PathPlan(
                case.problem, n_samples, n_outliers=_PATH_TRIPLETS, n_test=_PATH_TEST,
                dtype="float32",
            )  # fmt: skip
        return Plan(
            case.problem,
            n_samples,
            n_outliers=_WIDTH_TRIPLETS if kind == "widths" else _TRIPLETS,
            n_spectra=n_samples if n_spectra is None else n_spectra,
        )

    entries = tuple(Entry(case, plan(case, n_samples)) for case, n_samples in cases)
    return Section(name, title, text, kind, entries)


def each(cases: Mapping[str, Case], n_samples: int, *names: str) -> list[tuple[Case, int]]:
    """The same number of networks for every case, or for those of these names."""
    return [(cases[name], n_samples) for name in names or cases]
