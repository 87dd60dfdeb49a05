"""Samples kept on disk: exactly, once, under their own key; and every kind of bad file."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from rmt.problem import Problem, Step
from rmt.status import InvalidInputError
from validation.simulation.observe import Observation
from validation.simulation.plan import Plan
from validation.simulation.weights import run_samples
from validation.store.file import FORMAT
from validation.store.recipe import SIMULATION_VERSION, made_with, recipe
from validation.store.store import SampleStore

PROBLEM = Problem("tanh(z + 7/10)", "z1 + z1*z2", 12, 10, 30, [Step(4, 0.3), Step(4, 0.4)])
PLAN = Plan(PROBLEM, n_samples=5, seed=3, n_outliers=3, n_spectra=2)


def made_up(index: int, plan: Plan = PLAN) -> Observation:
    rng = np.random.default_rng(index)
    spectrum = np.sort(rng.uniform(size=10))[::-1] if plan.keeps_spectrum(index) else None
    shape = (plan.n_outliers, plan.problem.n_directions)
    return Observation(rng.uniform(size=shape[0]), rng.uniform(size=shape), 1e-9, spectrum)


def fill(store: SampleStore, plan: Plan = PLAN) -> None:
    for index in store.missing(plan):
        assert store.put(plan, index, made_up(index, plan))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "odd name #1 50%?.sqlite"


@pytest.fixture
def filled(path: Path) -> Path:
    with SampleStore(path) as store:
        fill(store)
    return path


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 2, 0, 1, 3]])
@pytest.mark.parametrize("on_disk", [False, True])
def test_samples_come_back_exactly_and_in_order(path, order, on_disk):
    with SampleStore(path if on_disk else None) as store:
        for count, index in enumerate(order):
            assert len(store.missing(PLAN)) == 5 - count
            assert store.put(PLAN, index, made_up(index))
        samples = store.samples(PLAN)
    made = [made_up(index) for index in range(5)]
    np.testing.assert_array_equal(samples.singular_values, [one.singular_values for one in made])
    np.testing.assert_array_equal(samples.target_overlaps, [one.target_overlaps for one in made])
    np.testing.assert_array_equal(samples.spectra, [one.spectrum for one in made[:2]])
    np.testing.assert_array_equal(samples.indices, range(5))
    assert (samples.residual, samples.seed, samples.problem) == (1e-9, 3, PROBLEM)


@given(
    arrays(np.float64, 3, elements=st.floats(allow_nan=False)),
    st.integers(0, 2**70),
    st.floats(0, 1),
)
def test_every_float_and_every_seed_is_kept_exactly(values, seed, residual):
    plan = Plan(PROBLEM, 1, seed, n_outliers=3)
    with SampleStore() as store:
        store.put(plan, 0, Observation(values, np.tile(values[:, None], 2), residual))
        samples = store.samples(plan)
        assert store.summary().series[0].seed == seed
    assert samples.singular_values.tobytes() == values.tobytes()
    assert samples.residual == residual


def test_what_is_there_stays(filled):
    with SampleStore(filled) as store:
        other = Observation(np.ones(3), np.ones((3, 2)), 0.0, np.ones(10))
        assert not store.put(PLAN, 0, other)
        np.testing.assert_array_equal(
            store.samples(PLAN).singular_values[0], made_up(0).singular_values
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"n_outliers": 2},
        {"dtype": "float32"},
        {"problem": PROBLEM.replace(noise_std=0.1)},
    ],
)
def test_other_plans_share_nothing(filled, changes):
    arguments = {name: getattr(PLAN, name) for name in PLAN.__slots__}
    other = Plan(**{**arguments, **changes})
    with SampleStore(filled) as store:
        assert store.missing(other) == [0, 1, 2, 3, 4]
        assert store.missing(PLAN, "cuda") == [0, 1, 2, 3, 4]
        fill(store, other)
        assert store.summary().n_samples == 10
        np.testing.assert_array_equal(
            store.samples(PLAN).singular_values[4], made_up(4).singular_values
        )


def test_longer_plans_go_on_from_shorter_ones(filled):
    with SampleStore(filled) as store:
        assert store.missing(Plan(PROBLEM, 8, 3, 3, 2)) == [5, 6, 7]
        assert store.missing(Plan(PROBLEM, 5, 3, 3, 4)) == [2, 3]  # these need their spectrum
        assert store.samples(Plan(PROBLEM, 3, 3, 3, 1 + 1)).n_samples == 3


def test_cards_of_one_kind_share_their_samples():
    assert recipe(PLAN, 4, "cuda:1") == recipe(PLAN, 4, "cuda") != recipe(PLAN, 4)
    assert f"v{SIMULATION_VERSION} " in recipe(PLAN, 4)


def test_incomplete_plans_say_how_much_is_there(path):
    with SampleStore(path) as store:
        with pytest.raises(InvalidInputError, match="holds 0 of the 5"):
            store.samples(PLAN, partial=True)
        for index in (1, 4):
            store.put(PLAN, index, made_up(index))
        with pytest.raises(InvalidInputError, match=r"holds 2 of the 5 samples of: 5 networks"):
            store.samples(PLAN)
        samples = store.samples(PLAN, partial=True)
    np.testing.assert_array_equal(samples.indices, [1, 4])
    np.testing.assert_array_equal(samples.singular_values[1], made_up(4).singular_values)
    assert len(samples.spectra) == 1


@pytest.mark.parametrize(
    ("index", "seen"),
    [
        (5, made_up(4)),
        (-1, made_up(4)),
        (0, made_up(4)),  # no spectrum
        (4, made_up(0)),  # a spectrum that the plan does not keep
        (4, Observation(np.ones(2), np.ones((2, 2)), 0.0)),
        (4, Observation(np.ones(3), np.ones((3, 1)), 0.0)),
    ],
)
def test_observations_of_another_plan_are_refused(index, seen):
    with SampleStore() as store:
        with pytest.raises(InvalidInputError, match=r"index|observation"):
            store.put(PLAN, index, seen)
        assert store.summary().n_samples == 0


def test_moments_are_those_of_the_samples(filled):
    with SampleStore(filled) as store:
        values, overlaps = store.moments(PLAN)
        samples = store.samples(PLAN)
    np.testing.assert_allclose(values.mean, samples.mean_singular_values)
    np.testing.assert_allclose(values.standard_error, samples.singular_value_errors)
    np.testing.assert_allclose(overlaps.standard_error, samples.target_overlap_errors)


def test_summary_prints_what_is_there(filled):
    with SampleStore(filled) as store:
        summary = store.summary()
    assert (summary.n_samples, summary.n_problems, len(summary.series)) == (5, 1, 2)
    assert summary.made_with == (made_with(),)
    assert f"numpy {np.__version__}" in made_with()
    text = str(summary)
    assert "5 samples of 1 problems" in text
    assert "tanh(z + 7/10)" in text
    assert str(SampleStore().summary()).startswith("store in memory")


def test_exports_hold_every_number(filled, tmp_path):
    other = Plan(PROBLEM.replace(target="z"), 2, 2**70, 1)
    with SampleStore(filled) as store:
        fill(store, other)
        frame = store.to_frame()
        store.to_csv(tmp_path / "all.csv")
        store.to_npz(tmp_path / "all.npz")
        samples = store.samples(PLAN)
    assert len(frame) == 5 * 3 + 2
    mine = frame[frame.problem == PROBLEM.content_hash].sort_values(["sample", "spike"])
    np.testing.assert_array_equal(mine.singular_value, samples.singular_values.ravel())
    np.testing.assert_array_equal(mine.target_overlap_1, samples.target_overlaps[..., 1].ravel())
    assert frame[frame.target == "z"].target_overlap_1.isna().all()
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert list(read[0]) == list(frame.columns)
    values = [float(row["singular_value"]) for row in read]
    np.testing.assert_array_equal(values, frame.singular_value)
    with np.load(tmp_path / "all.npz") as arrays_:
        titles = json.loads(str(arrays_["series"]))
        spectra = next(
            arrays_[f"{i}/spectra"]
            for i, title in enumerate(titles)
            if "spectrum" in title["recipe"]
        )
    np.testing.assert_array_equal(spectra, samples.spectra)
    assert len(titles) == 3


def test_an_empty_store_exports_nothing(tmp_path):
    with SampleStore() as store:
        assert store.to_frame().empty
        store.to_csv(tmp_path / "all.csv")
        store.to_npz(tmp_path / "all.npz")
    assert (tmp_path / "all.csv").read_text(encoding="utf-8").startswith("problem,activation")


def test_an_export_that_fails_leaves_the_older_file(filled, tmp_path):
    old = tmp_path / "old.csv"
    old.write_text("old", encoding="utf-8")
    with SampleStore(filled) as store:
        store._connection.execute("UPDATE samples SET residual = x'00' WHERE number = 4")
        for export in (store.to_csv, store.to_npz):
            with pytest.raises(InvalidInputError, match=r"sample 4 .* damaged"):
                export(old)
            with pytest.raises(InvalidInputError, match="cannot be written"):
                export(tmp_path / "no folder" / "new")
            with pytest.raises(InvalidInputError, match=r"cannot be written|damaged"):
                export("/proc/new")
    assert old.read_text(encoding="utf-8") == "old"
    assert {found.name for found in tmp_path.iterdir()} == {old.name, filled.name}


def test_frames_name_their_extra(filled, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with SampleStore(filled) as store, pytest.raises(ImportError, match="extra 'frame'"):
        store.to_frame()


# --- bad files ------------------------------------------------------------------------------------


def assert_refused(path: Path, message: str) -> None:
    """One line that says what is wrong, and not a bit changed, of the file and its folder."""
    before = {found: found.read_bytes() for found in path.parent.iterdir() if found.is_file()}
    with pytest.raises(InvalidInputError, match=message) as caught:
        SampleStore(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    after = {found: found.read_bytes() for found in before}
    assert after == before


@pytest.mark.parametrize("contents", [b"hello", b"x" * 10_000, b"SQLite format 3\0 but no more"])
def test_files_that_are_no_database(path, contents):
    path.write_bytes(contents)
    assert_refused(path, "is no store of samples but another file; give another path")


@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
def test_databases_of_others(path, journal):
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA journal_mode = {journal}")
    other.execute("CREATE TABLE precious (things)")
    other.commit()
    other.close()
    assert_refused(path, "is no store of samples but another file")


def test_a_newer_format(filled):
    connection = sqlite3.connect(filled)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    assert_refused(filled, rf"newer version, in format {FORMAT + 1}; .* up to {FORMAT}: update")


@pytest.mark.parametrize("fraction", [0.02, 0.2, 0.5, 0.9])
def test_truncated_files(filled, fraction):
    whole = filled.read_bytes()
    filled.write_bytes(whole[: int(fraction * len(whole))])
    assert_refused(filled, "damaged|another file")


def test_a_file_emptied_beside_its_log(path):
    store = SampleStore(path)
    fill(store)
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(b"")
    Path(f"{copy}-wal").write_bytes(Path(f"{path}-wal").read_bytes())
    store.close()
    assert_refused(copy, "has lost its contents")


def test_damage_anywhere_is_an_error_or_does_not_matter(tmp_path, filled):
    """A byte changed anywhere: whatever is still read is what was written."""
    whole = filled.read_bytes()
    with SampleStore(filled) as store:
        right = store.samples(PLAN)
    rng = np.random.default_rng(0)
    messages = []
    for trial in range(600):
        place = int(rng.integers(len(whole)))
        damaged = bytearray(whole)
        damaged[place] ^= int(rng.integers(1, 256))
        path = tmp_path / f"{trial}.sqlite"
        path.write_bytes(damaged)
        try:
            with SampleStore(path) as store:
                if store.missing(PLAN):  # a key that nobody asks for any more
                    continue
                read = store.samples(PLAN)
                store.summary()
        except InvalidInputError as error:
            messages.append(str(error))
            continue
        np.testing.assert_array_equal(read.singular_values, right.singular_values)
        np.testing.assert_array_equal(read.spectra, right.spectra)
    assert len(messages) > 30
    assert "\n" not in "".join(messages)


@pytest.mark.parametrize(
    "column", ["singular_values", "target_overlaps", "residual", "spectrum", "made_with", "number"]
)
def test_damaged_samples_are_never_used(filled, column):
    with SampleStore(filled) as store:
        old = store._connection.execute("SELECT number FROM samples WHERE number = 1").fetchone()
        assert old == (1,)
        changed = "9" if column == "number" else f"zeroblob(length({column}))"
        store._connection.execute(f"UPDATE samples SET {column} = {changed} WHERE number = 1")
        longer = Plan(PROBLEM, 10, 3, 3, 10)
        for read in (
            lambda: store.samples(longer, partial=True),
            lambda: store.moments(longer),
            store.to_frame,
        ):
            with pytest.raises(InvalidInputError, match="is damaged, its checksum differs"):
                read()


def test_a_damaged_description_is_noticed(filled):
    with SampleStore(filled) as store:
        store._connection.execute(
            "UPDATE problems SET description = replace(description, '7', '8')"
        )
        with pytest.raises(InvalidInputError, match=r"description of problem .* is damaged"):
            store.summary()


def test_places_that_cannot_hold_a_store(tmp_path, filled):
    for place, message in {
        tmp_path: "is a folder; give the path of a file",
        tmp_path / "none" / "store": "there is no folder",
        filled / "store": "Not a directory",
        Path("/proc/self/store"): "must both be writable",
        Path("/dev/null"): "no ordinary file",
        tmp_path / ("x" * 300): "too long",
    }.items():
        with pytest.raises(InvalidInputError, match=message) as caught:
            SampleStore(place)
        assert "\n" not in str(caught.value)
    with pytest.raises(InvalidInputError, match="null"):
        SampleStore("a\0b")


def test_a_read_only_file_is_named(filled, monkeypatch):
    """The tests may run as root, whom no permission stops."""
    connect = sqlite3.connect
    uri = f"{filled.as_uri()}?mode=ro"
    monkeypatch.setattr(
        "validation.store.file.sqlite3.connect",
        lambda place, **options: connect(
            uri if place == filled else place, **{**options, "uri": True}
        ),
    )
    with SampleStore(filled) as store:
        assert store.samples(PLAN).n_samples == 5
        with pytest.raises(InvalidInputError, match="file and folder must both be writable"):
            store.put(Plan(PROBLEM, 6, 3, 3), 5, made_up(5))


# --- a full disk, and company ---------------------------------------------------------------------


def test_a_full_disk_keeps_what_is_there(path):
    long = Plan(PROBLEM, 10_000, 3, 3, 10_000)
    with SampleStore(path) as store:
        store._connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(InvalidInputError, match=r"disk is full: .* make room"):
            fill(store, long)
        stored = 10_000 - len(store.missing(long))
        assert stored > 20
        assert store.samples(long, partial=True).n_samples == stored
    with SampleStore(path) as store:  # room again
        assert len(store.missing(long)) == 10_000 - stored
        assert store.put(long, stored, made_up(stored, long))


LIMITED = """
import resource, sys
sys.path.insert(0, {tests!r})
from test_store import PLAN, PROBLEM, Plan, SampleStore, fill, made_up
from rmt.status import InvalidInputError
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
plan = Plan(PROBLEM, 5000, 3, 3, 5000)
try:
    with SampleStore({path!r}) as store:
        for index in store.missing(plan):
            store.put(plan, index, made_up(index, plan))
            print(index, flush=True)
except InvalidInputError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""


@pytest.mark.parametrize("limit", [2_000, 100_000])
def test_a_file_that_must_not_grow_keeps_what_was_acknowledged(path, limit):
    code = LIMITED.format(tests=str(Path(__file__).parent), limit=limit, path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "make room" in done.stderr
    acknowledged = {int(line) for line in done.stdout.split()}
    plan = Plan(PROBLEM, 5000, 3, 3, 5000)
    with SampleStore(path) as store:
        missing = set(store.missing(plan))
        assert acknowledged.isdisjoint(missing)
        assert len(missing) == 5000 - len(acknowledged)
    assert acknowledged or limit < 10_000


def test_several_writers_share_a_file(path):
    """Made, filled and read at the same time by several connections; every sample is there once."""
    plan = Plan(PROBLEM, 60, 0, 3)
    added: list[int] = []
    errors: list[BaseException] = []

    def write() -> None:
        try:
            with SampleStore(path) as store:
                for index in plan.indices:
                    if store.put(plan, index, made_up(index, plan)):
                        added.append(index)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(added) == list(plan.indices)
    with SampleStore(path) as store:
        assert store.samples(plan).n_samples == store.summary().n_samples == 60


def test_a_creation_that_was_cut_short_is_begun_again(path):
    path.write_bytes(b"")
    with SampleStore(path) as store:
        fill(store)
    # One file, and no log left beside it.
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_the_numbers_of_this_simulation_version():
    """If they change beyond rounding, stored samples must not be used: SIMULATION_VERSION + 1."""
    samples = run_samples(PROBLEM, 2, seed=3, n_outliers=2, threads=1)
    assert SIMULATION_VERSION == 1
    np.testing.assert_allclose(samples.singular_values, NUMBERS_OF_VERSION_1, rtol=1e-9)


NUMBERS_OF_VERSION_1 = [
    [7.095621015599751, 2.5199358247688264],
    [4.5346611717889935, 1.9937736623308948],
]
