"""The benchmarks produce their rows, and the page is that of the file. Nothing is timed here."""

import importlib.util
import json
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import rmt

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # `benchmarks` is not installed

from benchmarks import (  # noqa: E402
    __main__ as runner,
    bench_peers,
    bench_spectra,
    peers,
    references,
    table,
)
from benchmarks.common import Claim, Effort, Race, Row, clock, race, row  # noqa: E402

TINY = Effort(repetitions=1, seconds=0.0, quick=True, cheap=0.0)


def test_every_script_is_listed_once():
    found = sorted(path.stem for path in (ROOT / "benchmarks").glob("bench_*.py"))
    assert found == sorted(f"bench_{name}" for name in runner.NAMES)


def test_run_of_a_part_writes_file_and_page(tmp_path, capsys):
    options = ["--quick", "--repetitions", "1", "--only", "predict", "simulation"]
    assert runner.main([*options, "--output", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert [found["name"] for found in results["benchmarks"]] == ["predict", "simulation"]
    for found in results["benchmarks"]:
        for line in found["rows"]:
            assert line["ours"] > 0.0
            assert line["other"] > 0.0
            assert line["ratio"][0] == pytest.approx(line["ours"] / line["other"])
            assert line["holds"] is None  # small problems prove nothing
    facts = results["machine"]
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["rmt"] == rmt.__version__
    assert all("kernel" in library for library in facts["blas"])
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert table.markdown(results) in page
    assert table.markdown(results) in capsys.readouterr().out


def test_a_part_is_not_written_unless_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(table, "DOCS", tmp_path)
    assert runner.main(["--quick", "--repetitions", "1", "--only", "predict"]) == 0
    assert list(tmp_path.iterdir()) == []
    assert "predict" in capsys.readouterr().out


def test_a_part_is_put_into_the_whole_and_says_when_it_was_measured():
    facts = {"processor": "P", "date": "today", "commit": "c", "load_before": 1, "load_after": 2}
    old = {"machine": {}, "benchmarks": [{"name": "levels", "n": 1}, {"name": "sweep", "n": 1}]}
    new = {
        "machine": facts,
        "benchmarks": [{"name": "levels", "n": 2}, {"name": "predict", "n": 2}],
    }
    found = table.merged(old, new, runner.NAMES)
    assert [(each["name"], each["n"]) for each in found["benchmarks"]] == [
        ("predict", 2),
        ("levels", 2),
        ("sweep", 1),
    ]
    assert [each.get("apart") for each in found["benchmarks"]] == [facts, facts, None]
    whole = table.stored()
    part = {**whole, "benchmarks": [whole["benchmarks"][0]]}
    part["machine"] = {**whole["machine"], "date": "another day"}
    shown = table.markdown(table.merged(whole, part, runner.NAMES))
    assert shown.count("*Measured apart: another day, commit ") == 1


def test_page_shows_the_committed_file():
    results = table.stored()
    page = table.PAGE.read_text(encoding="utf-8")
    assert table.inserted(page, results) == page
    assert [found["name"] for found in results["benchmarks"]] == list(runner.NAMES)


def test_statements_are_found_where_they_are_made():
    results = json.loads(table.RESULTS.read_text(encoding="utf-8"))
    claims = [r["claim"] for found in results["benchmarks"] for r in found["rows"] if r["claim"]]
    assert claims
    for claim in claims:
        assert (ROOT / claim["where"]).is_file()


def test_clocks_are_read_in_turn():
    ticks, order = count(1), []

    def reading(name, factor):
        def read():
            order.append(name)
            return factor * next(ticks)

        return read

    found = race(
        reading("ours", 1.0), reading("other", 2.0), Effort(repetitions=4, seconds=1e9, cheap=0.0)
    )
    assert order == ["other", "ours", "ours", "other"] * 2
    assert found.ours == [2.0, 3.0, 6.0, 7.0]
    assert found.other == [2.0, 8.0, 10.0, 16.0]
    assert found.ratio[0] == pytest.approx(np.median([1.0, 3 / 8, 6 / 10, 7 / 16]))


def test_a_race_ends_when_its_time_is_up():
    effort = Effort(repetitions=9, seconds=-1.0)
    assert len(race(lambda: 1.0, lambda: 1.0, effort, least=2).ours) == 2


def test_a_clock_counts_no_first_call():
    calls = []
    read = clock(lambda: calls.append(0), least=1e-9)
    before = len(calls)
    assert before >= 1
    read()
    assert len(calls) == before + 1
    cold = clock(lambda: calls.append(0), least=0.0)
    assert len(calls) == before + 1
    cold()
    assert len(calls) == before + 2


@pytest.mark.parametrize(
    ("of", "limit", "holds"),
    [
        ("ratio", 0.5, True),
        ("ratio", 0.49, False),
        ("seconds", 2.0, True),
        ("seconds", 1.9, False),
        ("error", 1e-3, True),
        ("error", 1e-4, False),
    ],
)
def test_claims_are_judged_by_what_they_are_about(of, limit, holds):
    claim = Claim("stated", "README.md", limit, of)
    assert row("a", "b", Race([2.0], [4.0]), error=1e-3, claim=claim).holds is holds


def test_rows_without_a_measurement_are_not_judged():
    claim = Claim("stated", "README.md", 1.0)
    assert Row(what="a", baseline="b", claim=claim, note="skipped: none").holds is None
    assert row("a", "b", Race([1.0], [1.0])).holds is None


def test_missing_peers_are_lines_of_the_table(monkeypatch):
    for name in ("freealg", "rmtool", "jax"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(bench_peers, "scikit_rmt_python", lambda given: given)
    rows = list(bench_peers.rows(TINY))
    assert [r.baseline for r in rows] == ["freealg", "rmtool", "jrmt", "scikit-rmt"]
    assert all(r.note.startswith("skipped: ") and r.ratio is None for r in rows)
    shown = table.rows_of([runner.as_dict(line, TINY) for line in rows])
    assert "\n| all of its rows (skipped: freealg: " in shown
    assert "error" not in shown.splitlines()[0]  # no empty columns


def test_a_peer_that_does_not_run_says_why():
    # This Python has no scikit-rmt: the import in the other process fails.
    assert importlib.util.find_spec("skrmt") is None
    with pytest.raises(peers.PeerMissing, match="No module named 'skrmt'"):
        list(bench_peers.scikit_rmt(replace(TINY, scikit_rmt=sys.executable)))


def test_references_agree_with_the_laws():
    ratio, (atoms, weights) = bench_spectra.RATIO, bench_spectra.TWO
    law = rmt.GeneralisedMarchenkoPastur(rmt.Population.of_atoms(atoms, weights), ratio)
    (low, high), *_ = law.edges
    x = np.linspace(low, high, 6)[1:-1]
    found = references.silverstein_pdf(x, atoms, weights, ratio)
    np.testing.assert_allclose(law.pdf(x), found, rtol=1e-12)
    ends = references.silverstein_edges(atoms, weights, ratio)
    np.testing.assert_allclose(np.ravel(law.edges), ends, rtol=1e-13)
    for beta in (1, 2):
        s = np.array([-3.0, -1.0, 1.0])
        found = references.tracy_widom_cdf(s, beta)
        np.testing.assert_allclose(rmt.TracyWidom(beta).cdf(s), found, atol=1e-12)


def test_plain_ways_solve_the_same_problem():
    law = rmt.GeneralisedMarchenkoPastur(
        rmt.Population.of_atoms(*bench_spectra.TWO), bench_spectra.RATIO
    )
    (low, high), *_ = law.edges
    x = np.linspace(low, high, 6)[1:-1]
    np.testing.assert_allclose(bench_spectra.by_roots(x, *bench_spectra.TWO), law.pdf(x), rtol=1e-9)
    iterated = bench_spectra.fixed_point(x, *bench_spectra.TWO)
    np.testing.assert_allclose(iterated, law.pdf(x), rtol=2e-2)
