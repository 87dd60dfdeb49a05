"""The cache of predictions: what is kept, what is used again, and what damage does."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import threading
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rmt
from rmt import cache as cache_function
from rmt.cache import Cache, active
from rmt.cli import main
from rmt.grids.workers import worker_processes
from rmt.status import ConvergenceError, InvalidInputError

module: Any = import_module("rmt.cache")
ONE = rmt.Problem("erf(z)", "z", 200, 200, 400, [(3, 0.3)])
TWO = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 300, 300, 600, [(3, 0.3), (3, 0.4)])


@pytest.fixture(autouse=True)
def no_cache_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RMT_CACHE", raising=False)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is computed, one entry for each call of the theory."""
    found: list[str] = []
    for name in ("resummed_strengths", "scaling_strengths", "deformed_outliers", "walked"):
        watch(monkeypatch, import_module("rmt.predict"), name, found)
    for name in ("resummed_family", "strengths_along_walk"):
        watch(monkeypatch, import_module("rmt.grids.points"), name, found)
    return found


def watch(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, found: list[str]) -> None:
    honest = getattr(where, name)

    def watched(*arguments: Any, **options: Any) -> Any:
        found.append(name)
        return honest(*arguments, **options)

    monkeypatch.setattr(where, name, watched)


def kinds(kept: Cache | None) -> list[str]:
    assert kept is not None
    return sorted(row["kind"] for row in kept.rows())


@pytest.mark.parametrize("method", ["resummed", "scaling", "deformed"])
def test_a_prediction_is_computed_once(tmp_path: Path, computed: list[str], method: Any) -> None:
    with rmt.cache(tmp_path / "new" / "folder") as kept:
        first = rmt.predict(ONE, method)
        calls = len(computed)
        assert calls == 1
        again = rmt.predict(ONE.replace(), method)
        assert len(computed) == calls
    assert again.to_json() == first.to_json()
    assert kinds(kept) == ["prediction"]
    rmt.predict(ONE, method)  # outside of the block
    assert len(computed) == 2 * calls


def test_whatever_a_prediction_depends_on_is_another_entry(
    tmp_path: Path, computed: list[str]
) -> None:
    asked: list[tuple[rmt.Problem, dict[str, Any]]] = [
        (TWO, {}),
        (TWO.replace(width=301), {}),
        (TWO.replace(noise_std=0.1), {}),
        (TWO, {"rtol": 1e-3}),
        (TWO, {"bulk": "marchenko-pastur"}),
        (TWO, {"method": "scaling"}),
        (TWO, {"method": "deformed"}),
        (TWO, {"method": "deformed", "forms": "simple"}),
    ]
    with rmt.cache(tmp_path) as kept:
        made = [rmt.predict(problem, **options).to_json() for problem, options in asked]
        assert len(set(made)) == len(asked) == len(kinds(kept))
        calls = len(computed)
        again = [rmt.predict(problem, **options).to_json() for problem, options in asked]
        # What does not change the answer is no other entry.
        rmt.predict(TWO, "deformed", forms="linked", max_seconds=None, throw=False)
    assert again == made
    assert len(computed) == calls


def test_other_code_is_another_entry(
    tmp_path: Path, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with rmt.cache(tmp_path) as kept:
        assert kept is not None
        rmt.predict(ONE)
        monkeypatch.setattr(module, "_code", lambda: "other")
        assert [row["current"] for row in kept.rows()] == [False]
        assert "of another version" in str(kept)
        rmt.predict(ONE)
        assert sorted(row["current"] for row in kept.rows()) == [False, True]
    assert len(computed) == 2


def test_the_digest_of_the_code_is_that_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cli").mkdir()
    for name in ("predict.py", "cli/main.py"):
        (tmp_path / name).write_text("1\n", encoding="utf-8")
    monkeypatch.setattr(module, "__file__", str(tmp_path / "cache.py"))
    digest = module._code.__wrapped__
    found = [digest()]
    (tmp_path / "cli" / "main.py").write_text("2\n", encoding="utf-8")
    found.append(digest())
    (tmp_path / "predict.py").write_text("2\n", encoding="utf-8")
    found.append(digest())
    assert found[0] == found[1] != found[2]


def test_only_what_has_converged_is_kept(tmp_path: Path) -> None:
    with rmt.cache(tmp_path) as kept:
        for throw in (True, False):
            try:
                found = rmt.predict(TWO, "deformed", throw=throw, max_seconds=1e-3)
            except ConvergenceError:
                assert throw
            else:
                assert not throw
                assert not found.status.ok
        with pytest.raises(ConvergenceError):
            rmt.training_path(TWO, max_seconds=1e-3)
        failed = rmt.sweep(TWO, {"alpha_2": [0.1, 0.2]}, "deformed", max_seconds=1e-3)
        assert not failed.ok.any()
        assert kinds(kept) == []
        assert rmt.predict(TWO, "deformed", rtol=1e-3).status.ok


def test_a_path_is_computed_once(tmp_path: Path, computed: list[str]) -> None:
    three = TWO.with_n_steps(1).replace(steps=[(2, 0.3)] * 3)
    with rmt.cache(tmp_path) as kept:
        first = rmt.training_path(three, 1e-3)
        calls = len(computed)
        again = rmt.training_path(three, 1e-3)
        assert len(computed) == calls
        assert kinds(kept) == ["path"]
    assert again.to_json() == first.to_json()
    for one, other in zip(first.points[1:], again.points[1:], strict=True):
        assert one.prediction is not None
        assert other.prediction is not None
        assert one.prediction.to_json() == other.prediction.to_json()


@pytest.mark.parametrize("method", ["resummed", "deformed"])
def test_points_of_sweeps_are_computed_once(
    tmp_path: Path, computed: list[str], method: Any
) -> None:
    with rmt.cache(tmp_path) as kept:
        rmt.sweep(TWO, {"alpha_2": [0.2, 0.3]}, method, 1e-3)
        calls = len(computed)
        again = rmt.sweep(TWO, {"alpha_2": [0.2, 0.3]}, method, 1e-3)
        assert len(computed) == calls
        rmt.sweep(TWO, {"alpha_2": [0.3, 0.4, 0.2]}, method, 1e-3)
        assert len(computed) == calls + 1  # one point
        assert kinds(kept).count("point") == 3
    fresh = rmt.sweep(TWO, {"alpha_2": [0.2, 0.3]}, method, 1e-3)
    np.testing.assert_allclose(again.strength, fresh.strength, rtol=1e-9)
    np.testing.assert_allclose(again.singular_value, fresh.singular_value, rtol=1e-9)
    np.testing.assert_array_equal(again.status, fresh.status)


def test_steps_of_a_sweep_that_are_one_walk(tmp_path: Path) -> None:
    with rmt.cache(tmp_path) as kept:
        three = ONE.with_n_steps(3)
        first = rmt.sweep(three, {"n_steps": [1, 2, 3]}, rtol=1e-3)
        again = rmt.sweep(three, {"n_steps": [3, 2, 1]}, rtol=1e-3)
        assert kinds(kept) == ["point"] * 3
    np.testing.assert_array_equal(first.n_outliers, again.n_outliers[::-1])


def test_the_processes_of_an_executor_use_it(tmp_path: Path) -> None:
    with worker_processes(2) as executor, rmt.cache(tmp_path) as kept:
        over = {"noise_std": [0.0, 0.1, 0.2, 0.3]}
        found = rmt.sweep(TWO, over, rtol=1e-3, executor=executor)
        assert kinds(kept) == ["point"] * 4
        again = rmt.sweep(TWO, over, rtol=1e-3)
    assert again.to_json() == found.to_json()


def test_the_environment_names_the_folder_and_a_block_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert active() is None
    monkeypatch.setenv("RMT_CACHE", str(tmp_path / "named"))
    rmt.predict(ONE)
    with rmt.cache(None) as kept:
        assert kept is None
        rmt.predict(TWO)
    with rmt.cache(tmp_path / "other") as other:
        rmt.predict(TWO)
    assert kinds(active()) == ["prediction"]
    assert kinds(other) == ["prediction"]
    monkeypatch.setenv("RMT_CACHE", "")
    assert active() is None


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for bad in (tmp_path / "file", tmp_path / "file" / "below", 3, "a\0b"):
        with pytest.raises(InvalidInputError, match="give the path of a folder"), rmt.cache(bad):  # type: ignore[arg-type]
            pass


def the_file(folder: Path) -> Path:
    [path] = folder.glob("*.sqlite")
    return path


@pytest.mark.parametrize("damage", ["text", "header", "pages", "short"])
def test_a_damaged_file_is_said_moved_aside_and_begun_again(tmp_path: Path, damage: str) -> None:
    with rmt.cache(tmp_path) as kept:
        first = rmt.predict(ONE)
        path = the_file(tmp_path)
        content = path.read_bytes()
        path.write_bytes({
            "text": b"no database at all, but long enough to be looked at by SQLite" * 99,
            "header": b"SQLite format 3\0" + b"\xff" * (len(content) - 16),
            "pages": content[:100] + b"\xff" * (len(content) - 100),
            "short": content[: len(content) // 2],
        }[damage])  # fmt: skip
        spoilt = path.read_bytes()
        with pytest.warns(RuntimeWarning, match="is damaged .* computed again"):
            again = rmt.predict(ONE)
        assert again.to_json() == first.to_json()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rmt.predict(ONE)
            assert kinds(kept) == ["prediction"]
    [aside] = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == spoilt


@pytest.mark.parametrize("bad", [b"no zlib", None, b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_damaged_result_is_said_and_computed_again(tmp_path: Path, bad: bytes | None) -> None:
    with rmt.cache(tmp_path) as kept:
        first = rmt.predict(ONE)
        connection = sqlite3.connect(the_file(tmp_path))
        with connection:
            connection.execute("UPDATE results SET result = ?", (bad or "text",))
        connection.close()
        with pytest.warns(RuntimeWarning, match="one result is damaged"):
            assert rmt.predict(ONE).to_json() == first.to_json()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rmt.predict(ONE)
        assert kinds(kept) == ["prediction"]


def test_a_locked_file_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    with rmt.cache(tmp_path):
        first = rmt.predict(ONE)
        connection = sqlite3.connect(the_file(tmp_path), isolation_level=None)
        connection.execute("BEGIN EXCLUSIVE")
        try:
            with pytest.warns(RuntimeWarning, match="passed over: database is locked"):
                assert rmt.predict(ONE).to_json() == first.to_json()
        finally:
            connection.close()


WORK = """
import rmt, sys
problem = rmt.Problem("erf(z)", "z", 200, 200, 400, [(3, 0.3)])
with rmt.cache(sys.argv[1]) as kept:
    for noise in range(20):
        rmt.predict(problem.replace(noise_std=noise / 20))
    assert len(kept.rows()) == 20
"""


def test_several_processes_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", WORK, str(tmp_path)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert errors == [""] * 3
    assert len(Cache(tmp_path).rows()) == 20
    assert [path.suffix for path in tmp_path.iterdir()] == [".sqlite"]


def test_several_threads_at_once(tmp_path: Path) -> None:
    found: list[str] = []

    def work() -> None:
        with rmt.cache(tmp_path):
            found.extend(rmt.predict(ONE.replace(noise_std=s)).to_json() for s in (0.0, 0.5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 2
    assert kinds(Cache(tmp_path)) == ["prediction"] * 2


def test_without_a_cache_nothing_of_it_is_loaded_or_left(tmp_path: Path) -> None:
    code = (
        "import rmt, sys\n"
        "rmt.predict(rmt.Problem('erf(z)', 'z', 200, 200, 400, [(3, 0.3)]))\n"
        "assert not {'sqlite3', 'rmt.json_form.read'} & set(sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "RMT_CACHE"}
    root = str(Path(rmt.__file__).parents[1])
    environment["PYTHONPATH"] = root
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert list(tmp_path.iterdir()) == []


def test_the_function_and_its_module_have_one_name() -> None:
    assert rmt.cache is cache_function
    assert rmt.cache.__module__ == "rmt.cache"


# The command


def run(*arguments: str) -> int:
    return main(["cache", *arguments])


def test_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with rmt.cache(tmp_path):
        rmt.predict(ONE)
        rmt.sweep(TWO, {"alpha_2": [0.1, 0.2]}, rtol=1e-3)
    assert run("list", "--folder", str(tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path}: 3 results, 0.0")
    assert [line.split()[0] for line in lines[2:]] == ["point", "point", "prediction"]
    assert "erf(z), z, N = 200, d = 200, n = 400, eta = 3 N^0.3" in lines[-1]
    monkeypatch.setenv("RMT_CACHE", str(tmp_path))
    assert run("list", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert [row["kind"] for row in data["results"]] == ["point", "point", "prediction"]
    assert all(row["current"] for row in data["results"])
    assert run("clear") == 0
    assert capsys.readouterr().out == f"{tmp_path}: 3 results removed\n"
    assert run("list") == 0
    assert capsys.readouterr().out == f"{tmp_path}: 0 results, 0.00 MB\n"


def test_command_without_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 2
    assert "set RMT_CACHE, or give --folder" in capsys.readouterr().err
    assert run("clear", "--folder", str(tmp_path / "none")) == 2
    assert "there is no such folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
