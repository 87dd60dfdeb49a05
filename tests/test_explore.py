"""The page with sliders: its numbers are predictions, and its script draws them."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from html import escape, unescape
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import rmt
from rmt.cli import main
from rmt.explorer.axes import axes_by_steps
from rmt.explorer.data import page_data

pytestmark = pytest.mark.once

SCRIPT = Path(rmt.__file__).parent / "explorer" / "page.js"
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

PROBLEM = rmt.Problem(
    "tanh(z + 7/10)", "z1 + z1*z2", 400, 400, 800, [(4, 0.3), (4, 0.4)], batch="reused"
)
OVER = {
    "batch": ["independent", "reused"],
    "samples_per_dim": [1, 2],
    "aspect_ratio": [0.5, 1, 2],
    "alpha_2": [0.0, 0.4],
}


@pytest.fixture(scope="module")
def explorer():
    return rmt.explore(PROBLEM, OVER)


def numbers_of(html):
    """What the script of a page reads."""
    [text] = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(text)


# --- numbers --------------------------------------------------------------------------------------


def outliers_at(grid, point):
    """By another way than the script goes: the outliers before the point are counted."""
    first = sum(max(n, 0) for n in grid["count"][:point])
    return range(first, first + grid["count"][point])


@pytest.mark.parametrize(("steps", "at"), [(2, (1, 0, 2, 1)), (2, (0, 1, 0, 1)), (1, (1, 1))])
def test_numbers_are_those_of_predict(explorer, steps, at):
    grid = numbers_of(explorer.html)["grids"][steps - 1]
    shape = [len(axis["values"]) for axis in grid["axes"]]
    point = int(np.ravel_multi_index(at, shape))
    chosen = {axis["names"][0]: axis["values"][i] for axis, i in zip(grid["axes"], at, strict=True)}
    dim = round(400 / float(chosen["aspect_ratio"]))
    problem = PROBLEM.with_n_steps(steps).replace(
        dim=dim, samples=round(float(chosen["samples_per_dim"]) * dim)
    )
    if steps == 2:
        second = rmt.Step(4, float(chosen["alpha_2"]))
        problem = problem.replace(batch=chosen["batch"], steps=[problem.steps[0], second])
    prediction = rmt.predict(problem, rtol=1e-5)
    numbers = outliers_at(grid, point)
    assert len(numbers) == len(prediction.outliers) > 0
    for k, spike in zip(numbers, prediction.outliers, strict=True):
        for name, values in grid["outliers"].items():
            assert values[k] == pytest.approx(getattr(spike, name), rel=2e-3, abs=2e-3)
        assert grid["overlaps"][k] == pytest.approx(spike.target_overlaps, abs=2e-3)
    known = prediction.bulk_edge_error + 1e-4
    assert grid["edges"][point] == pytest.approx(prediction.bulk.edges[0], abs=known)
    # Of rows of their own lengths the page has the edges, beside the bulk before training.
    assert not grid["untrained"][point]
    law = grid["laws"][grid["law"][point]]
    initial = rmt.MarchenkoPasturBulk(problem.aspect_ratio)
    inside = law["x"][40:-40]
    assert law["y"][40:-40] == pytest.approx(initial.pdf(np.array(inside)), rel=1e-3)
    mass = np.trapezoid(law["y"], law["x"])
    assert mass == pytest.approx(1, abs=2e-3)


def test_sliders_begin_at_the_problem(explorer):
    grid = numbers_of(explorer.html)["grids"][1]
    assert [axis["values"][axis["start"]] for axis in grid["axes"]] == ["reused", "2", "1", "0.4"]
    assert [axis["log"] for axis in grid["axes"]] == [False, False, True, False]


def test_a_bulk_of_which_only_the_edges_are_known_has_no_density():
    decaying = PROBLEM.replace(target="z1", steps=[rmt.Step(4, 0.3, 0.02)])
    [grid] = page_data([rmt.sweep(decaying, {"noise_std": [0.0, 0.5]}, rtol=1e-3)])["grids"]
    assert grid["untrained"] == [0, 0]
    assert len(grid["laws"]) == 1  # that before training
    assert grid["edges"][0][1] < 2
    assert len(grid["axes"][0]["values"]) == len(grid["count"]) == 2


def test_usual_sliders():
    axes = axes_by_steps(PROBLEM, None)
    assert list(axes[2]) == [
        *("batch", "samples_per_dim", "width", "aspect_ratio", "alpha_1", "alpha_2")
    ]
    assert list(axes[1]) == ["samples_per_dim", "width", "aspect_ratio", "alpha_1"]
    own = {"samples_per_dim": 2, "width": 400, "aspect_ratio": 1, "alpha_1": 0.3, "alpha_2": 0.4}
    for name, value in own.items():
        assert value in axes[2][name]
    given = rmt.Problem(
        "relu(z)", "z", 100, 100, 200, [(1, 0.12)] * 3, readout=np.tile([1, -1], 50)
    )
    assert axes_by_steps(given.with_n_steps(1), None)[1].keys() >= {"aspect_ratio", "alpha_1"}
    assert "width" not in axes_by_steps(given.with_n_steps(1), None)[1]
    assert set(axes_by_steps(given, None)[3]) == {"batch", "samples_per_dim"}


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"alpha": [1, 2]}, "over: unknown parameter 'alpha'; the parameters are .*alpha_1"),
        ({"n_steps": [1, 2]}, "over must name a parameter beside n_steps"),
        ({"n_steps": 2, "width": [1]}, "n_steps takes a list of numbers, got 2"),
        ({"n_steps": [1.5], "width": [1]}, "n_steps"),
        ({"n_steps": [1, 2], "alpha_2": [0.1]}, "nothing varies after step 1"),
        ({"steps": ["1,0.1"]}, "unknown parameter 'steps'"),
        ({"alpha_2": "0.1"}, "alpha_2 takes a one-dimensional array"),
    ],
)
def test_what_cannot_be_a_slider(over, message):
    with pytest.raises(rmt.InvalidInputError, match=message):
        rmt.explore(PROBLEM, over)


def test_progress_counts_the_frames_of_all_numbers_of_steps():
    told = []
    found = rmt.explore(
        PROBLEM, {"noise_std": [0, 1], "alpha_2": [0, 0.4]}, progress=lambda *at: told.append(at)
    )
    assert told[-1] == (found.n_frames, found.n_frames) == (6, 6)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_frames_that_are_not_reached_are_gaps():
    kinked = PROBLEM.replace(activation="relu(z)")
    found = rmt.explore(kinked, {"n_steps": [2], "noise_std": [0.1, 0.2, 0.3]}, max_seconds=1e-3)
    assert found.n_failed == found.n_frames == 3
    assert "3 failed" in str(found)
    [grid] = numbers_of(found.html)["grids"]
    assert grid["count"] == [-1] * 3
    assert "max_seconds" in grid["messages"][grid["message"][0]]


# --- the page -------------------------------------------------------------------------------------


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_page_asks_for_nothing_else(explorer):
    tags = Tags()
    tags.feed(explorer.html)
    names = {name for _, attributes in tags.found for name in attributes}
    assert not names & {"src", "href", "srcset", "action", "onclick"}
    [policy] = [a["content"] for t, a in tags.found if a.get("http-equiv")]
    assert policy.startswith("default-src 'none';")
    assert "http" not in re.sub(r"http-equiv", "", explorer.html)


def test_texts_end_no_tag():
    text = "Piecewise((z, z < 0), (2*z, True))"
    problem = PROBLEM.replace(activation=text)
    found = rmt.explore(problem, {"n_steps": [1], "noise_std": [0, 1]})
    data = numbers_of(found.html)
    assert "z < 0" in data["title"]
    assert found.html.count("</script>") == 2
    assert "z &lt; 0" in found.html


def test_in_a_notebook_it_is_the_page(explorer):
    html = explorer._repr_html_()
    [inner] = re.findall(r'^<iframe srcdoc="([^"]*)"', html)
    assert unescape(inner) == explorer.html


def test_a_notebook_shows_it(tmp_path):
    code = 'import rmt\nproblem = rmt.Problem("erf(z)", "z", 400, 400, 800, rmt.Step(3, 0.3))\n'
    cell = nbformat.v4.new_code_cell(code + 'rmt.explore(problem, {"alpha_1": [0.1, 0.3]})')
    notebook = nbformat.v4.new_notebook(cells=[cell])
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=120, resources=resources).execute()
    [output] = cell.outputs
    assert output.output_type == "execute_result"
    [inner] = re.findall(r'^<iframe srcdoc="([^"]*)"', output.data["text/html"])
    assert numbers_of(unescape(inner))["grids"][0]["count"] == [1, 1]
    assert output.data["text/plain"] == "Explorer(2 frames)"


def test_points_are_kept_in_a_cache(tmp_path):
    with rmt.cache(tmp_path) as kept:
        first = rmt.explore(PROBLEM, {"n_steps": [1], "noise_std": [0, 0.5]})
        assert len(kept.rows()) == 2
        more = rmt.explore(PROBLEM, {"n_steps": [1], "noise_std": [0, 0.5, 1]})
        assert len(kept.rows()) == 3
    assert more.sweeps[0].strength[:2] == pytest.approx(first.sweeps[0].strength, rel=1e-12)


def test_save(explorer, tmp_path):
    path = explorer.save(tmp_path / "page.html")
    assert path.read_text(encoding="utf-8") == explorer.html
    with pytest.raises(rmt.InvalidInputError, match="cannot be written"):
        explorer.save(tmp_path)


# --- the script -----------------------------------------------------------------------------------

RUN = """
const page = require(process.argv[1]);
const data = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = { frames: [], pictures: [], milliseconds: [] };
for (const grid of data.grids) {
  const last = grid.axes.length - 1;
  for (let point = 0; point < grid.count.length; point++) {
    let rest = point;
    const at = grid.axes.map((axis) => axis.values.length).reverse()
      .map((n) => { const i = rest % n; rest = (rest - i) / n; return i; }).reverse();
    const began = performance.now();
    const frame = page.frameOf(grid, page.pointOf(grid, at));
    const pictures = [
      page.spectrum(grid, frame, 600), page.bars(grid, frame, 300),
      page.curves(grid, at, last, 300, "singular_value"),
      page.curves(grid, at, 0, 300, "overlap"),
    ];
    found.milliseconds.push(performance.now() - began);
    found.frames.push({ steps: grid.steps, at, ...frame,
      summary: page.summaryOf(frame), code: page.codeOf(data, frame), table: page.tableOf(frame) });
    found.pictures.push(pictures.map((one) => one.svg));
  }
}
console.log(JSON.stringify(found));
"""


@pytest.fixture(scope="module")
def drawn(explorer):
    return in_node(numbers_of(explorer.html))


def in_node(data):
    """Every frame of a page, and its pictures, by its own script."""
    if NODE is None:
        pytest.skip("needs node")
    result = subprocess.run(
        [NODE, "-e", RUN, str(SCRIPT)],
        input=json.dumps(data),
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=60,
    )
    return json.loads(result.stdout)


def test_frames_of_the_script_are_the_points_of_the_sweeps(explorer, drawn):
    assert len(drawn["frames"]) == explorer.n_frames == 24 + 6
    for frame in drawn["frames"]:
        sweep = explorer.sweeps[frame["steps"] - 1]
        at = tuple(frame["at"])
        shown = [one["singular_value"] for one in frame["outliers"]]
        assert shown == pytest.approx(sweep.singular_value[at][sweep.is_outlier[at]], rel=1e-4)
        overlaps = [one["overlap"] for one in frame["outliers"]]
        assert overlaps == pytest.approx(
            sweep.target_overlap[at][sweep.is_outlier[at]], rel=1e-4, abs=1e-9
        )
        assert frame["summary"].startswith(f"{len(shown)} outlier")
        assert frame["table"].count("<tr>") == len(shown) + 1


def test_pictures_are_well_formed_and_have_the_outliers(drawn):
    for frame, pictures in zip(drawn["frames"], drawn["pictures"], strict=True):
        spectrum, bars, positions, overlaps = [ET.fromstring(f"<svg>{p}</svg>") for p in pictures]
        assert len(spectrum.findall("circle")) == len(frame["outliers"])
        assert len(bars.findall("rect")) == 2 * len(frame["outliers"])  # two directions
        assert len(positions.findall("path")) >= 1
        assert not any("NaN" in picture or "undefined" in picture for picture in pictures)
        places = [float(one.get("cx")) for one in spectrum.findall("circle")]
        assert places == sorted(places, reverse=True)
        assert all(0 < place < 600 for place in places)
        assert all(one.get("fill").startswith("var(--s") for one in overlaps.findall("circle"))


def test_a_frame_takes_less_than_a_third_of_a_second(drawn):
    assert sorted(drawn["milliseconds"])[-2] < 300


def test_the_snippet_of_a_frame_is_its_problem(explorer, drawn):
    for frame in (drawn["frames"][0], drawn["frames"][-1]):
        code = frame["code"].replace("print(rmt.predict(problem))", "")
        seen = {}
        exec(compile(code, "snippet", "exec"), seen)
        expected = explorer.sweeps[frame["steps"] - 1].problems[tuple(frame["at"])]
        assert seen["problem"] == expected
        assert "rmt.predict(problem)" in frame["code"]


@pytest.mark.parametrize(
    "changes",
    [
        {"target": rmt.Bernoulli("sigmoid(3*z)"), "loss": "logistic"},
        {"steps": [rmt.Step(2, 0.3, 0.01)], "noise_std": 0.5, "readout": "rademacher"},
        {"output_scale": 1.0, "initialisation": "antisymmetric"},
    ],
    ids=["labels", "decay", "antisymmetric"],
)
def test_snippets_of_other_problems(changes):
    problem = PROBLEM.replace(**{"target": "z1"} | changes).with_n_steps(1)
    sweep = rmt.sweep(problem, {"alpha_1": [0.1, 0.2]}, rtol=1e-2)
    [grid] = page_data([sweep])["grids"]
    arguments = ", ".join(one["texts"][one["at"][1] if one["at"] else 0] for one in grid["code"])
    seen = {}
    exec(compile(f"import rmt\nproblem = rmt.Problem({arguments})", "snippet", "exec"), seen)
    assert seen["problem"] == sweep.problems[1]


def test_gaps_are_drawn():
    kinked = PROBLEM.replace(activation="relu(z)")
    found = rmt.explore(kinked, {"n_steps": [2], "noise_std": [0.1, 0.2]}, max_seconds=1e-3)
    drawn = in_node(numbers_of(found.html))
    assert all(frame["summary"].startswith("No prediction here") for frame in drawn["frames"])
    for picture in drawn["pictures"][0]:
        ET.fromstring(f"<svg>{picture}</svg>")


def test_a_network_that_has_no_outlier_has_a_picture():
    problem = rmt.Problem("tanh(z)", "z", 100, 100, 100, [(0.1, 0.0)])
    found = rmt.explore(problem, {"noise_std": [0, 0.1]})
    drawn = in_node(numbers_of(found.html))
    assert "inside the bulk; the bulk ends at 2." in drawn["frames"][0]["summary"]
    assert "circle" not in drawn["pictures"][0][0]


MOVE = """
<script>
addEventListener("load", () => {
  const times = [], said = new Set();
  for (const slider of document.querySelectorAll("input[type=range]")) {
    for (let i = 0; i <= Number(slider.max); i++) {
      slider.value = i;
      slider.dispatchEvent(new Event("input"));
      times.push(Number(document.body.dataset.milliseconds));
      said.add(document.getElementById("summary").textContent);
    }
  }
  document.querySelector("input[name=n_steps]").click();
  const sliders = document.querySelectorAll("input[type=range]").length;
  parent.document.body.dataset.seen = JSON.stringify({ times, said: said.size, sliders,
    wide: document.documentElement.scrollWidth - innerWidth });
});
</script>
"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize("width", [None, 400])
def test_in_a_browser(explorer, tmp_path, width):
    """Every slider is moved from end to end; also in a narrow frame, as in a notebook."""
    html = explorer.html + MOVE
    if width is not None:
        html = f'<body><iframe srcdoc="{escape(html)}" style="width: {width}px"></iframe>'
    page = tmp_path / "page.html"
    page.write_text(html, encoding="utf-8")
    flags = "--headless=new --no-sandbox --disable-gpu --virtual-time-budget=5000 --dump-dom"
    result = subprocess.run(
        [
            CHROMIUM,
            *flags.split(),
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1280,800",
            page.as_uri(),
        ],
        capture_output=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    seen = json.loads(unescape(re.search(r'data-seen="([^"]*)"', result.stdout)[1]))
    assert len(seen["times"]) == 2 + 3 + 2
    assert max(seen["times"]) < 300
    assert math.isfinite(seen["times"][0])
    assert seen["said"] >= 5
    assert seen["sliders"] == 2
    assert seen["wide"] <= 0


# --- the command ----------------------------------------------------------------------------------


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main("explore --over alpha_2=0,0.4 --over batch=independent,reused --open".split()) == 0
    assert "rmt-explore.html: open it in a browser" in capsys.readouterr().out
    path = tmp_path / "rmt-explore.html"
    assert opened == [path.as_uri()]
    data = numbers_of(path.read_text(encoding="utf-8"))
    [grid] = data["grids"]
    assert data["title"].startswith("activation tanh(z + 7/10), target ")
    assert grid["count"] == [1, 1, 3, 3]
    third = [sum(grid["overlaps"][k]) for k in (4, 7)]
    assert third[0] < 0.01 < 0.05 < third[1]  # learned on the reused batch alone
    assert [axis["start"] for axis in grid["axes"]] == [1, 1]


def test_command_tells_gaps(tmp_path, capsys):
    words = "explore --activation relu(z) --over n_steps=2 --over noise_std=0,0.5 --max-seconds"
    assert main([*words.split(), "0.001", "--output", str(tmp_path / "page.html")]) == 1
    assert "2 of 2 frames are gaps; the first: Out of time" in capsys.readouterr().err
    assert main([*words.split(), "inf", "--over", "noise_std=1", "--output", "page.html"]) == 2
    assert "noise_std is given twice" in capsys.readouterr().err
