"""The picture of a prediction: its artists hold the numbers of the prediction."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes

matplotlib.use("Agg")

from matplotlib import pyplot

from rmt import Prediction, Problem, Step, hermite_expansion, predict
from rmt.plotting.predictions import draw_prediction


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    pyplot.close("all")


def prediction(scale: float, gamma: float = 1.0) -> Prediction:
    width = round(1000 * gamma)
    steps = [Step(scale, 0.3), Step(scale, 0.4)]
    return predict(Problem("tanh(z + 7/10)", "He3(z)/sqrt(6)", width, 1000, 2000, steps))


def marks(ax: Axes) -> list[float]:
    return [float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "v"]


@pytest.mark.parametrize(
    ("scale", "gamma", "n_outliers"), [(0.01, 1.0, 0), (4, 1.0, 3), (4, 4.0, 3), (0.01, 0.25, 0)]
)
def test_artists(scale: float, gamma: float, n_outliers: int) -> None:
    found = prediction(scale, gamma)
    assert len(found.outliers) == n_outliers
    ax = draw_prediction(found)
    assert isinstance(ax, Axes)
    # The bulk: a curve over its support that holds the density.
    (curve,) = [line for line in ax.lines if line.get_label() == "bulk"]
    x, y = (np.asarray(data, dtype=float) for data in curve.get_data())
    low, high = found.bulk.edges[0]
    assert (x[0], x[-1]) == (low, high)
    np.testing.assert_array_equal(y, found.bulk.pdf(x))
    # A mark and a number at each outlier, and no other.
    assert sorted(marks(ax), reverse=True) == [s.singular_value for s in found.outliers]
    texts = [text.get_text() for text in reversed(ax.texts) if text.get_text() != "log scale"]
    assert texts == [f"{s.singular_value:.3g}\n{s.target_overlap:.2f}" for s in found.outliers]
    # All of it in view.
    left, right = ax.get_xlim()
    assert left < max(low, high / 40)
    assert right > max([high, *(spike.singular_value for spike in found.outliers)])
    assert ax.get_ylim()[1] > y.max()
    legend = ax.get_legend()
    assert legend is not None
    labels = [text.get_text() for text in legend.get_texts()]
    assert labels == (["bulk", "outliers (value, target overlap)"] if n_outliers else ["bulk"])
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    ax.figure.canvas.draw()  # renders without a warning


def test_draws_on_given_axes() -> None:
    figure, (first, second) = pyplot.subplots(1, 2)
    found = prediction(4)
    assert found.plot(second) is second
    assert len(first.lines) == 0
    assert len(marks(second)) == 3
    assert pyplot.get_fignums() == [figure.number]
    assert found.plot() is not second  # a new figure


@pytest.mark.parametrize("scale", [0.01, 4])
def test_at_the_size_of_a_column(scale: float) -> None:
    """Nothing is clipped or covered, and the legend leaves the bulk in sight."""
    figure, ax = pyplot.subplots(figsize=(3.3, 2.4), layout="constrained")
    prediction(scale).plot(ax)
    figure.canvas.draw()
    legend = ax.get_legend()
    assert legend is not None
    assert not legend.get_frame_on()
    for artist in (ax.xaxis.label, ax.yaxis.label, legend):
        box = artist.get_window_extent()
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1
    (curve,) = [line for line in ax.lines if line.get_label() == "bulk"]
    boxes = [text.get_window_extent() for text in ax.texts]
    for box in boxes:
        assert not box.overlaps(legend.get_window_extent())
        assert sum(box.overlaps(other) for other in boxes) == 1  # itself
    assert legend.get_window_extent().y0 > curve.get_window_extent().y1
    inside = ax.get_window_extent()
    assert all(inside.x0 <= box.x0 < box.x1 <= inside.x1 for box in boxes)
    (mark,) = [t for t in ax.texts if t.get_text() == "log scale"] or [None]
    assert (mark is None) == (scale < 1)


def test_matplotlib_is_loaded_for_drawing_only() -> None:
    code = "import sys, rmt, rmt.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize("text", ["relu(z)", "tanh(z)", "z", "sign(z)", "exp(-z**2)"])
def test_expansion(text: str) -> None:
    """The artists hold the function, the partial sums and the coefficients."""
    expansion = hermite_expansion(text, 12)
    left, right = expansion.plot().axes
    curves = {str(line.get_label()): line for line in left.lines}
    z = np.asarray(curves["f"].get_xdata())
    np.testing.assert_allclose(curves["f"].get_ydata(), expansion.function(z))
    np.testing.assert_allclose(curves["order 12"].get_ydata(), expansion(z))
    (points,) = (line for line in right.lines if line.get_marker() == "o")
    k = np.asarray(points.get_xdata(), dtype=int)
    size = np.abs(expansion.orthonormal_array)
    np.testing.assert_allclose(points.get_ydata(), size[k])
    missing = np.delete(size, k)
    assert (missing[1 if expansion.decay().kind == "algebraic" else 0 :] == 0).all()
