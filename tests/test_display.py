"""How results are shown in notebooks: the same numbers as in print, escaped, formulas in LaTeX."""

import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from enum import Enum
from functools import cache
from html import unescape
from importlib import import_module
from inspect import isclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

import rmt
import validation
from rmt import Problem, Step
from rmt.display import Formula, InNotebooks, Shown, Table, as_html, as_text, with_error
from rmt.hermite import general_term
from rmt.spectra import (
    ConjugateKernel,
    GeneralisedMarchenkoPastur,
    MarchenkoPastur,
    PencilLaw,
    Population,
    TracyWidom,
    estimate_spikes,
    population_spikes,
    rectangular_outliers,
)
from rmt.spectra.dyson import GaussianField, IndexType, Pencil, Term

SMALL = Problem("tanh(z)", "z", width=60, dim=40, samples=120, steps=[Step(2, 0.3)])
TWO = Problem(
    "tanh(z + 1)", "z1 + z1*z2", 300, 200, 500, [(2, 0.3), (2, 0.35)], readout="rademacher"
)
THREE = Problem("tanh(z + 1)", "z1 + z1*z2", 300, 200, 500, [(2, 0.3)] * 3)
FEATURES = validation.FeaturePlan(SMALL, 3, (60, 120), regularisations=(1e-2,), n_spikes=2)

PATHS = validation.PathPlan(TWO, 3, n_test=60)

# Classes whose own repr says all: a line, arrays for computing, or an error.
PLAIN = {
    *("Atom", "SpikeError", "SweepError", "Step", "StaircaseStep", "VanishingOrder"),
    *("Criteria", "Verdicts", "SampleStore"),
}


@cache
def samples():
    return validation.run_samples(SMALL, 4, n_outliers=2, n_spectra=2)


@cache
def pencil_law():
    types = [IndexType("N", 1.0, ["r"]), IndexType("d", 1.0, ["u"])]
    constant, linear = {("r", "r"): -1.0}, {("u", "u"): -1.0}
    return PencilLaw(
        Pencil(types, [GaussianField(Term("r", "u"), reference="d")], constant, linear), "u"
    )


def finite_size():
    return validation.finite_size(SMALL, [30, 60, 90], 4, methods=["resummed"], workers=1)


@cache
def path_comparison():
    path = validation.predicted_path(PATHS)
    return validation.compare_path(path, validation.run_paths(PATHS))


@cache
def small_study():
    """Of two points, of which one cannot be."""
    options = {"networks": 2, "level": "resummed", "n_test": 50, "workers": 1}
    return validation.study(SMALL, {"noise_std": [0, -1]}, **options)


MADE = {
    "Problem": lambda: TWO,
    "Loss": lambda: rmt.Loss("logistic"),
    "DensityLaw": lambda: rmt.DensityLaw(lambda x: 0.75 * (1 - x**2), [(-1, 1)]),
    "DiscreteLaw": lambda: rmt.DiscreteLaw([-1, 1], [0.25, 0.75]),
    "Semicircle": lambda: rmt.Semicircle(),
    "AffineLaw": lambda: rmt.Semicircle().affine(2.0, 1.0),
    "FreeConvolution": lambda: rmt.FreeConvolution([-1, 1], [-1, 1]),
    "FreeCompression": lambda: rmt.FreeCompression([-1, 1], 0.5),
    "Bernoulli": lambda: rmt.Bernoulli("sigmoid(3*z)"),
    "SignOf": lambda: rmt.SignOf("z", noise_std=0.5),
    "Poisson": lambda: rmt.Poisson("exp(z/2)"),
    "Channel": lambda: rmt.Channel(["z", 0], ["3/4", "1/4"]),
    "Prediction": lambda: rmt.predict(TWO),
    "Prediction, deformed": lambda: rmt.predict(SMALL, "deformed"),
    "TrainingPath": lambda: rmt.training_path(TWO, 1e-3),
    "PathPoint": lambda: rmt.training_path(TWO, 1e-3)[1],
    "Spike": lambda: rmt.predict(SMALL).spikes[0],
    "HermiteExpansion": lambda: rmt.hermite_expansion("gelu(z)", 5),
    "HermiteExpansion, numbers": lambda: rmt.hermite_expansion("tanh(z)", 5),
    "TensorHermiteExpansion": lambda: rmt.tensor_hermite_expansion("z1*abs(z2) + tanh(z1)", 4),
    "CoefficientDecay": lambda: rmt.hermite_expansion("relu(z)", 8).decay(),
    "Exponent": lambda: rmt.information_exponent("He3(z)"),
    "Exponent, infinite": lambda: rmt.information_exponent("1"),
    "Staircase": lambda: rmt.staircase("z1 + z1*z2", 3),
    "Scaling": lambda: rmt.scaling(TWO),
    "ScalingSpike": lambda: rmt.scaling(TWO).spikes[1],
    "StepsScaling": lambda: rmt.scaling(THREE),
    "StepsSpike": lambda: rmt.scaling(THREE).spikes[1],
    "StepsDirection": lambda: rmt.scaling(THREE).directions[0],
    "Supported": lambda: rmt.supported(THREE.replace(batch=(0, 0, 1))),
    "Support": lambda: rmt.supported(THREE.replace(batch=(0, 0, 1))).of("scaling"),
    "LearnedRegion": lambda: rmt.learned_region("He3(z)", "reused"),
    "LearnedRegion, empty": lambda: rmt.learned_region("He3(z)", "independent"),
    "FeatureExponent": lambda: rmt.feature_exponents(SMALL)[0],
    "FeatureSpikes": lambda: rmt.feature_spikes(SMALL, 100),
    "FeatureSpike": lambda: rmt.feature_spikes(SMALL, 100).spikes[0],
    "RidgeErrors": lambda: rmt.ridge(SMALL, [60, 200], 1e-2),
    "RidgeSweep": lambda: rmt.sweep_ridge(
        SMALL, {"readout_samples_per_dim": [1, 2]}, regularisation=1e-2
    ),
    "Sweep": lambda: rmt.sweep(SMALL, {"alpha_1": np.linspace(0.1, 0.6, 30)}),
    "PhaseDiagram": lambda: rmt.phase_diagram(TWO.replace(target="z"), 2, 3),
    "MarchenkoPastur": lambda: MarchenkoPastur(2.0),
    "MarchenkoPasturBulk": lambda: rmt.predict(SMALL, "scaling").bulk,
    "GeneralisedMarchenkoPastur": lambda: GeneralisedMarchenkoPastur([1.0, 8.0], 0.1),
    "ConjugateKernel": lambda: ConjugateKernel("relu(z)", (0.5, 0.25)),
    "SingularValueLaw": lambda: MarchenkoPastur(0.5).singular_values(),
    "PencilLaw": pencil_law,
    "TracyWidom": lambda: TracyWidom(1),
    "Population": lambda: Population.of_atoms([1, 8]),
    "Population, continuous": lambda: Population.uniform([(0, 2)]),
    "Outliers": lambda: rectangular_outliers(np.linspace(0.5, 3, 40), 1.0),
    "PopulationSpikes": lambda: population_spikes([5.0, 1.2], MarchenkoPastur(0.5)),
    "SpikeEstimate": lambda: estimate_spikes([3.0, 1.0], MarchenkoPastur(0.5)),
    "Samples": samples,
    "Comparison": lambda: validation.compare(rmt.predict(SMALL), samples()),
    "ComparisonRow": lambda: validation.compare(rmt.predict(SMALL), samples()).rows[0],
    "BeyondBulk": lambda: validation.compare(rmt.predict(SMALL), samples()).beyond_bulk,
    "BulkDistance": lambda: validation.compare(rmt.predict(SMALL), samples()).bulk,
    "Sample": lambda: validation.simulate(SMALL),
    "DataSet": lambda: validation.simulate(SMALL).batches[0],
    "Observation": lambda: validation.observe(np.diag([3.0, 1.0, 2.0]), 2, n_directions=3),
    "Histogram": lambda: validation.Histogram.empty([0.0, 1.0, 2.0]),
    "WeightCheck": lambda: validation.check(SMALL, validation.simulate(SMALL).weights[-1]),
    "Plan": lambda: validation.Plan(SMALL, 3),
    "FiniteSize": finite_size,
    "GapCurve": lambda: finite_size().curves[0],
    "PowerLaw": lambda: validation.fit_power_law([100, 200, 400], [0.4, 0.2, 0.1], [0.01] * 3),
    "FeaturePlan": lambda: FEATURES,
    "FeatureSamples": lambda: validation.run_features(FEATURES),
    "FeatureComparison": lambda: validation.compare_features(
        *validation.predicted_features(FEATURES), validation.run_features(FEATURES)
    ),
    "PathPlan": lambda: PATHS,
    "PathSamples": lambda: validation.run_paths(PATHS),
    "PathComparison": path_comparison,
    "Study": small_study,
    "ErrorCurve": lambda: small_study().errors["test_error"],
    "StudyFailure": lambda: small_study().failures[0],
    "Cache": lambda: rmt.Cache(Path("nowhere")),
    "PathRow": lambda: path_comparison().rows[0],
    "Convention": lambda: validation.own.convention("torch", 60, 40),
    "OwnNetwork": lambda: validation.own.OwnNetwork(
        *(np.eye(3), np.ones(3), SMALL.activation, validation.own.convention("rmt", 3, 3)),
        *(None, ("fc1.weight", "fc2.weight"), False, ("the weights are trained",)),
    ),
}


def public_classes():
    for module in ("rmt", "rmt.spectra", "rmt.hermite", "validation", "validation.own"):
        loaded = import_module(module)
        yield from (getattr(loaded, n) for n in loaded.__all__ if isclass(getattr(loaded, n)))


CLASSES = {each.__name__: each for each in public_classes()}
PRINTED = [name for name in MADE if issubclass(CLASSES[name.partition(",")[0]], Shown)]


@cache
def made(name):
    return MADE[name]()


def parsed(result):
    return ElementTree.fromstring(result._repr_html_())


def formulas(tree):
    """The LaTeX of all formulas."""
    spans = [span.text for span in tree.iter("span")]
    assert all(span.startswith(r"\(\displaystyle ") and span.endswith(r"\)") for span in spans)
    return [span.removeprefix(r"\(\displaystyle ").removesuffix(r"\)") for span in spans]


def rows(tree):
    """The texts of the cells of all bodies of tables."""
    return [["".join(td.itertext()) for td in tr] for tr in tree.iterfind("table/tbody/tr")]


def numbers(text):
    return Counter(re.findall(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w.])", text))


def test_every_public_result_is_shown():
    tested = {type(made(name)) for name in MADE}
    for each in CLASSES.values():
        if issubclass(each, Exception | Enum) or each.__name__ in PLAIN:
            continue
        if hasattr(each, "__abstractmethods__") and each.__abstractmethods__:
            continue
        if each is rmt.Explorer:
            continue  # shown as a page of its own: tests/test_explore.py
        if each is rmt.ScalarFunction:
            assert each.parse("z")._repr_latex_() == "$z$"
            continue
        assert issubclass(each, InNotebooks), f"{each.__name__} is not shown in notebooks"
        assert each in tested, f"no test shows {each.__name__}"


@pytest.mark.parametrize("name", MADE)
def test_html_is_well_formed_and_has_no_colours(name):
    result = made(name)
    tree = parsed(result)
    assert tree.tag == "div"
    assert "".join(tree.itertext()).strip()
    styles = {node.get("style") for node in tree.iter()} - {None}
    assert not any("color" in style or "background" in style for style in styles)
    for table in tree.iter("table"):
        columns = len(table.findall("thead/tr/th")) or len(table.find("tbody/tr"))
        for row in table.iterfind("tbody/tr"):
            assert len(row) == columns or int(row[0].get("colspan")) == columns


@pytest.mark.parametrize("name", PRINTED)
def test_numbers_are_those_of_the_printed_table(name):
    result = made(name)
    tree = parsed(result)
    has_formulas = bool(formulas(tree))
    for span in tree.iter("span"):
        span.text = ""
    # A cell ends where the next begins.
    shown = numbers(" ".join(tree.itertext()))
    printed = numbers(str(result))
    assert shown <= printed
    assert has_formulas or shown == printed


# Numbers, by another route than the text


def test_numbers_of_a_prediction():
    prediction = made("Prediction")
    expected = []
    for k, spike in enumerate(prediction.to_dict()["spikes"]):
        cells = [str(k), f"{spike['strength']:.5g}"]
        if spike["is_outlier"]:
            overlaps = (spike["left_overlap"], spike["right_overlap"], *spike["target_overlaps"])
            cells += [f"{spike['singular_value']:.5g}", *(f"{x:.4f}" for x in overlaps)]
        else:
            cells += ["in the bulk", "", "", "", ""]
        expected.append(cells)
    assert rows(parsed(prediction)) == expected


def test_numbers_of_a_comparison():
    comparison = made("Comparison")
    data = comparison.to_dict()["rows"]
    shown = rows(parsed(comparison))
    assert [cells[2:6] for cells in shown] == [
        [
            f"{row['predicted']:.4f}",
            f"{row['simulated']:.4f}",
            f"{row['standard_error']:.4f}",
            f"{row['derived']['difference']:+.4f}",
        ]
        for row in data
    ]


def test_long_tables_say_what_they_leave_out():
    shown = rows(parsed(made("Outliers")))
    assert [len(cells) for cells in shown].count(1) == 1
    assert ["(16 more)"] in shown
    assert ["(6 more)"] in rows(parsed(made("Sweep")))


def test_errors_are_shown_where_they_reach_the_digits():
    assert "in brackets: error estimates" not in str(made("Prediction"))
    deformed = made("Prediction, deformed")
    [spike] = deformed.outliers
    assert f" {with_error(spike.singular_value, spike.error.singular_value)} " in str(deformed)
    assert "in brackets: error estimates of the level's equations" in str(deformed)
    names = ("singular_value", "left_overlap", "right_overlap")
    exact = replace(spike.error, **dict.fromkeys(names, 0.0), target_overlaps=(0.0,))
    sharp = replace(deformed, spikes=(replace(spike, error=exact),))
    assert "error estimates" not in str(sharp)
    assert f" {spike.singular_value:.5g} " in str(sharp)
    blurred = replace(spike, error=replace(exact, target_overlaps=(2e-3,)))
    last = with_error(spike.target_overlap, 2e-3)
    assert last.endswith("(2)")
    assert f">{last}<" in replace(deformed, spikes=(blurred,))._repr_html_()


def test_a_law_is_not_solved_for_in_order_to_be_shown():
    law = pencil_law()
    assert not rows(parsed(law))
    assert law.edges
    [[interval, what]] = [row for row in rows(parsed(law)) if row[1] == "density"]
    assert interval.endswith("4]")
    assert what == "density"


# Formulas


def parse_math(latex):
    """Fails for what matplotlib's parser of TeX does not know."""
    latex = re.sub(r"\\(begin|end)\{aligned\}", "", latex).replace("&", "")
    latex = latex.replace(r"\lfloor", r"\left\lfloor").replace(r"\text{", r"\mathrm{")
    for line in latex.split("\\\\\n"):
        MathTextParser("path").parse(f"${' '.join(line.split())}$")


@pytest.mark.parametrize("name", MADE)
def test_formulas_parse(name):
    for latex in formulas(parsed(made(name))):
        parse_math(latex)


def test_broken_latex_is_seen_by_the_parser():
    with pytest.raises(ValueError, match="Expected"):
        parse_math(r"\frac{1}{2")


def test_formulas_are_those_of_sympy():
    import sympy

    expansion = made("HermiteExpansion")
    assert formulas(parsed(expansion))[1:] == [sympy.latex(mu) for mu in expansion.probabilists]
    [condition] = formulas(parsed(made("LearnedRegion")))
    assert condition == sympy.latex(made("LearnedRegion").condition())
    scaling = made("Scaling")
    powers = [sympy.latex(spike.exponent) for spike in scaling.spikes if spike.exponent != 0]
    assert {f"N^{{{power}}}" for power in powers} <= set(formulas(parsed(scaling)))
    assert formulas(parsed(scaling))[-1] == scaling.latex()
    assert general_term("sin(2*z)")._repr_latex_().startswith("$")


def test_decimals_of_a_problem_stay_decimals():
    activation = formulas(parsed(SMALL.replace(activation="tanh(z) + 0.123456789*z")))[0]
    assert "0.123457" in activation
    assert "frac" not in activation
    assert r"\frac{7}{10}" in formulas(parsed(SMALL.replace(activation="tanh(z + 7/10)")))[0]


# Hostile text

HOSTILE = "<script>alert('1')</script> & \" $x$ \\(y\\) <img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    "part",
    [
        HOSTILE,
        Table("l", [HOSTILE], [["a"]]),
        Table("l", [], [[HOSTILE]]),
        Table("l", [], [["a"], HOSTILE]),
    ],
    ids=["line", "header", "cell", "row"],
)
def test_text_is_escaped_and_not_typeset(part):
    html = as_html([part])
    tree = ElementTree.fromstring(html)
    assert HOSTILE in "".join(tree.itertext())
    assert not {"script", "img", "span"} & {node.tag for node in tree.iter()}
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(tree.get("class").split())
    assert HOSTILE in as_text([part])


def test_formulas_are_escaped_too():
    [latex] = formulas(ElementTree.fromstring(as_html([Formula("", ("a < b & </span>",))])))
    assert latex == "a < b & </span>"


def test_a_comparison_from_a_hostile_file_is_escaped():
    data = made("Comparison").to_dict() | {"method": HOSTILE}
    hostile = validation.Comparison.from_dict(data)
    tree = parsed(hostile)
    assert not {"script", "img"} & {node.tag for node in tree.iter()}
    assert HOSTILE in "".join(tree.itertext())
    assert HOSTILE in unescape(hostile._repr_html_())


def test_showing_needs_neither_pandas_nor_ipython():
    code = (
        "import sys, rmt\n"
        "p = rmt.Problem('tanh(z)', 'z', 60, 40, 120, [rmt.Step(2, 0.3)])\n"
        "assert '<table>' in rmt.predict(p)._repr_html_() and '<table>' in p._repr_html_()\n"
        "assert not {'pandas', 'IPython', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
