"""Phase diagrams: counts against the limit and against single predictions, and the picture."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

import rmt
from rmt.cli import main
from rmt.grids import points
from rmt.grids.driver import Failure
from rmt.status import InvalidInputError, Status

PROBLEM = rmt.Problem(
    "tanh(z + 7/10)",
    "He3(z)/sqrt(6)",
    width=2000,
    dim=2000,
    samples=4000,
    steps=[(4, 0), (4, 0)],
    readout="rademacher",
)


@pytest.mark.parametrize("batch", ["independent", "reused"])
def test_counts_and_overlaps_are_those_of_predict(batch: str) -> None:
    found = rmt.phase_diagram(PROBLEM.replace(batch=batch), 3, 4)
    assert found.alpha_1.tolist() == pytest.approx([1 / 12, 3 / 12, 5 / 12])
    assert found.alpha_2.tolist() == pytest.approx([1 / 16, 3 / 16, 5 / 16, 7 / 16])
    assert not found.undecided.any()
    for i, j in np.ndindex(3, 4):
        steps = [(4, found.alpha_1[i]), (4, found.alpha_2[j])]
        exact = rmt.predict(PROBLEM.replace(batch=batch, steps=steps))
        assert found.n_outliers[i, j] == len(exact.outliers)
        overlap = max(spike.target_overlap for spike in exact.outliers)
        error = abs(found.target_overlap[i, j] - overlap)
        assert error <= found.target_overlap_error[i, j] + 1e-6
        assert found.target_overlap_error[i, j] < 5e-3


def test_the_limit_is_reached() -> None:
    """At ``N = 1e14`` both spikes of a Rademacher readout keep to their side of ``k = 1``."""
    n = 10**14
    huge = PROBLEM.replace(width=n, dim=n, samples=2 * n)
    alpha = [0.1, 0.2, 0.3, 0.4]
    found = rmt.phase_diagram(huge, alpha, alpha)
    distance = np.add.outer(alpha, alpha) - 0.5  # alpha_2 - (1/2 - alpha_1)
    clear = np.abs(distance) > 0.05
    assert clear.sum() >= 12
    np.testing.assert_array_equal(found.n_outliers[clear], 1 + (distance > 0)[clear])
    np.testing.assert_array_equal(found.n_outliers[clear], found.asymptotic_count[clear])
    # At the width of a laptop the line is still far from where the count changes.
    small = rmt.phase_diagram(PROBLEM, [0.1], [0.41])
    assert (small.n_outliers[0, 0], small.asymptotic_count[0, 0]) == (1, 2)


def test_third_spike_of_a_gaussian_readout() -> None:
    """Below and above the line ``k = 2``, far enough for the constants not to matter."""
    n = 10**14
    huge = rmt.Problem("tanh(z + 7/10)", "tanh(z)", n, n, 2 * n, [(4, 0), (4, 0)])
    found = rmt.phase_diagram(huge, [0.3], [0.1, 0.3, 0.48])
    assert found.asymptotic_count.tolist() == [[1, 2, 3]]
    assert found.n_outliers.tolist() == [[1, 2, 3]]


def test_asymptotic_count_on_the_lines_is_exact() -> None:
    """Decimals as they print: 0.3 / (0.5 - 0.4) is three, whatever the floats say."""
    gaussian = PROBLEM.replace(readout="gaussian", width=50, dim=50, samples=100)
    found = rmt.phase_diagram(gaussian, [0.0, 0.3, 0.4], [0.2, 0.3, 0.4], rtol=1e-2)
    assert found.asymptotic_count.tolist() == [[1, 1, 1], [2, 2, 3], [3, 4, 5]]
    assert rmt.phase_diagram(PROBLEM, [0.4], [0.4]).asymptotic_count.tolist() == [[2]]
    first, second = found.boundary(3)
    for a, b in zip(first, second, strict=True):
        assert b == pytest.approx(3 * (0.5 - a))
    with pytest.raises(InvalidInputError, match="k must be"):
        found.boundary(0)


def test_an_undecided_point_is_marked() -> None:
    """The second spike put on the threshold, to more digits than the diagram's tolerance has."""
    problem = PROBLEM.replace(readout="gaussian", batch="reused", target="sin(2*z)")

    def excess(scale: float) -> float:
        steps = [(4, 0.2), (scale, 0.3)]
        return rmt.predict(problem.replace(steps=steps), rtol=1e-8).spikes[1].strength - 1

    scale = brentq(excess, 0.5, 8, xtol=1e-8)
    for factor, mark, count in [(0.9, False, 1), (1.0, True, None), (1.1, False, 2)]:
        at = problem.replace(steps=[(4, 0), (scale * factor, 0)])
        found = rmt.phase_diagram(at, [0.2], [0.3], rtol=1e-2, bulk="marchenko-pastur")
        assert found.undecided.tolist() == [[mark]]
        assert count in (None, found.n_outliers[0, 0])
        assert ("0.3  ?" in str(found)) == mark


def test_a_bad_point_keeps_the_others() -> None:
    found = rmt.phase_diagram(PROBLEM, [0.2, 0.6], [0.3])
    alone = rmt.predict(PROBLEM.replace(steps=[(4, 0.2), (4, 0.3)]))
    assert found.n_outliers.tolist() == [[len(alone.outliers)], [-1]]
    assert found.asymptotic_count.tolist() == [[2], [-1]]
    assert np.isnan(found.target_overlap[1, 0])
    assert found.status[1, 0] is rmt.Status.INVALID_INPUT
    json.dumps(found.to_dict(), allow_nan=False)


def test_forms_of_the_result() -> None:
    problem = rmt.Problem("tanh(z + 7/10)", "z1 + z1*z2", 1000, 1000, 3000, [(2, 0), (2, 0)])
    found = rmt.phase_diagram(problem, [0.35], [0.1, 0.4])
    document = found.to_dict()
    assert document["target_overlaps"] == found.target_overlaps.tolist()
    # The directions are learned by two outliers: the larger of each, not of one outlier.
    assert found.target_overlaps[0, 1].min() > 0.3
    assert found.target_overlap[0, 1] < found.target_overlaps[0, 1].sum()
    frame = found.to_frame()
    assert frame.target_overlap_2.tolist() == found.target_overlaps[0, :, 1].tolist()
    assert frame.n_outliers.tolist() == found.n_outliers.ravel().tolist()


def printed_map(found: rmt.PhaseDiagram) -> list[str]:
    """The lines of the map alone, its axis last."""
    lines = str(found).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("number of outliers"))
    return [line for line in lines[start + 1 :] if "left out" not in line]


def linear(n1: int, n2: int) -> rmt.PhaseDiagram:
    """A diagram that is cheap to make, whose counts vary over the plane."""
    steps = [(0.1, 0), (0.1, 0)]
    problem = rmt.Problem("z", "z", 500, 500, 1000, steps, batch="independent")
    return rmt.phase_diagram(problem, n1, n2)


@pytest.mark.parametrize(("n1", "n2"), [(20, 20), (40, 3), (2, 60)])
def test_every_point_is_printed(n1: int, n2: int) -> None:
    found = linear(n1, n2)
    *rows, _ = printed_map(found)
    assert [float(row.split()[0]) for row in rows] == pytest.approx(found.alpha_2[::-1], rel=1e-3)
    cells = [list("".join(row.split()[1:])) for row in rows]
    np.testing.assert_array_equal(np.array(cells, dtype=int), found.n_outliers.T[::-1])
    assert "left out" not in str(found)
    assert max(map(len, rows)) < 81


def test_what_is_not_printed_is_counted() -> None:
    found = linear(2, 70)
    *rows, _ = printed_map(found)
    assert len(rows) == 60
    assert "10 of 70 rows left out" in str(found)
    found = linear(80, 3)
    assert {len(row.split()[1]) for row in printed_map(found)[:-1]} == {72}
    assert "8 of 80 columns left out" in str(found)


@pytest.mark.parametrize("n1", [1, 2, 4, 7, 30, 50])
def test_ends_of_the_axis_stand_apart(n1: int) -> None:
    found = linear(n1, 2)
    ends = [float(word) for word in printed_map(found)[-1].split() if word != ".."]
    assert ends == pytest.approx(sorted({found.alpha_1[0], found.alpha_1[-1]}), rel=1e-3)


def test_bad_arguments() -> None:
    with pytest.raises(InvalidInputError, match="two steps"):
        rmt.phase_diagram(PROBLEM.replace(steps=rmt.Step(1, 0.1), samples=100))
    with pytest.raises(InvalidInputError, match="number of exponents"):
        rmt.phase_diagram(PROBLEM, 0)
    with pytest.raises(InvalidInputError, match="problem must be"):
        rmt.phase_diagram("z")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="alpha_1 takes"):
        rmt.phase_diagram(PROBLEM, "ten")


def test_picture() -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    found = rmt.phase_diagram(PROBLEM.replace(readout="gaussian", batch="independent"), 24, 8)
    left, right = found.plot().axes[:2]
    counts = left.collections[0].get_array()
    np.testing.assert_array_equal(counts, found.n_outliers.T)
    np.testing.assert_array_equal(right.collections[0].get_array(), found.target_overlap.T)
    # The lines are where the limit changes, and do not stretch the picture.
    for line in [one for one in left.lines if one.get_color() == "black"]:
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert y[0] == 0.5
        assert (0.5 - x[0]) * round(0.5 / (0.5 - x[0])) == pytest.approx(0.5)
    assert left.get_xlim() == pytest.approx((0, 0.5))
    assert left.get_ylim() == pytest.approx((0, 0.5))
    pyplot.close("all")


def orders_drawn(panel: Any) -> list[str]:
    return [text.get_text() for text in panel.texts]


@pytest.mark.parametrize(
    ("activation", "batch", "readout", "last", "words"),
    [
        ("relu(z)", "reused", "gaussian", 0, "no boundaries"),
        ("elu(z)", "reused", "gaussian", 2, "k = 1 .. 2 (no more: activation with kinks)"),
        ("elu(z)", "reused", "rademacher", 1, "k = 1 (no more: readout of two values)"),
        ("relu(z)", "independent", "gaussian", 5, "k = 1 .. 5 (more not drawn)"),
        ("tanh(z)", "reused", "gaussian", 5, "k = 1 .. 5 (more not drawn)"),
    ],
)
def test_boundaries_stop_where_the_limit_does(
    activation: str, batch: str, readout: str, last: int, words: str
) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    # The limit knows nothing of the constants, and small steps are quick to predict.
    steps = [(0.5, 0), (0.5, 0)]
    problem = PROBLEM.replace(activation=activation, batch=batch, readout=readout, steps=steps)
    found = rmt.phase_diagram(problem, [0.05, 0.45], [0.05, 0.45], rtol=1e-2)
    left, right = found.plot().axes[:2]
    assert orders_drawn(left) == [f"k = {k}" for k in range(1, last + 1)]
    dashes = [
        [line for line in panel.lines if line.get_color() == "black"] for panel in (left, right)
    ]
    assert [len(lines) for lines in dashes] == [last, last]
    assert words in left.get_legend().get_texts()[0].get_text()
    if "kinks" in words or not last:  # as the scaling level has it
        at = problem.replace(steps=[(4, 0.45), (4, 0.45)])
        assert len(rmt.scaling(at, n_spikes=last + 1).spikes) == last + 1
        with pytest.raises(InvalidInputError, match="not smooth enough"):
            rmt.scaling(at, n_spikes=last + 2)
    pyplot.close("all")


def test_colours_compare_between_diagrams() -> None:
    """On given axes; a count has its colour, an overlap its shade, whatever else there is."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    few = rmt.phase_diagram(PROBLEM.replace(batch="independent"), [0.1, 0.2], [0.1, 0.2])
    many = rmt.phase_diagram(PROBLEM.replace(readout="gaussian"), [0.1, 0.4], [0.1, 0.48])
    assert (set(few.n_outliers.flat), few.target_overlap.max() < 0.05) == ({1}, True)
    figure, axes = pyplot.subplots(2, 2)
    colours = []
    for found, pair in zip((few, many), axes, strict=True):
        assert found.plot(pair) is figure
        counts, overlaps = (panel.collections[0] for panel in pair)
        assert overlaps.get_clim() == (0.0, 1.0)
        seen = np.unique(found.n_outliers)
        assert [t.get_text() for t in counts.colorbar.ax.get_yticklabels()] == list(map(str, seen))
        colours.append({int(k): counts.to_rgba(k) for k in seen})
    assert len(set(colours[1].values())) == len(colours[1]) > 1
    assert colours[0][1] == colours[1][1]
    assert len(pyplot.get_fignums()) == 1
    with pytest.raises(InvalidInputError, match="pair"):
        few.plot(axes.ravel())
    pyplot.close("all")


COMMAND = ["phase-diagram", "--activation", "tanh(z + 7/10)", "--target", "He3(z)/sqrt(6)"]
COMMAND += ["--width", "500", "--step", "4,0", "--step", "4,0", "--readout", "rademacher"]


def test_command(tmp_path, capsys):  # type: ignore[no-untyped-def]
    picture = tmp_path / "d.png"
    assert main([*COMMAND, "--grid", "3x2", "--json", "--plot", str(picture)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    expected = rmt.phase_diagram(PROBLEM.replace(width=500, dim=500, samples=1000), 3, 2)
    assert json.loads(captured.out) == expected.to_dict()
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert main([*COMMAND, "--grid", "2x2"]) == 0
    assert "phase diagram, 2 x 2 points" in capsys.readouterr().out


def test_command_of_which_a_point_fails(capsys, monkeypatch):  # type: ignore[no-untyped-def]
    def first_point_fails(
        level: points.Level, problems: list[rmt.Problem]
    ) -> list[points.Point | Failure]:
        found = points.predicted(level, problems)
        exponents = [tuple(step.exponent for step in problem.steps) for problem in problems]
        if (0.125, 0.125) in exponents:
            found[exponents.index((0.125, 0.125))] = Failure(Status.NOT_CONVERGED, "too hard")
        return found

    monkeypatch.setattr(sys.modules["rmt.grids.sweep"], "predicted", first_point_fails)
    assert main([*COMMAND, "--grid", "2x2"]) == 1
    captured = capsys.readouterr()
    assert "2 x 2 points (resummed), 1 failed" in captured.out
    assert captured.err == "rmt: 1 of 4 points failed; the first: too hard\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--grid", "50"], "N1xN2"),
        (["--grid", "0x3"], "number of exponents"),
        (["--workers", "-1"], "workers"),
        (["--rtol", "7"], "rtol"),
        (["--batch", "recycled"], "choose from 'reused', 'independent'"),
    ],
)
def test_bad_command(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([*COMMAND, *arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    assert (code, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert expected in captured.err
