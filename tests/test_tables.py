"""Tables for papers: numbers with their errors, LaTeX for booktabs, frames and CSV."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import rmt
import validation
from rmt.cli import main
from rmt.display import Formula, InPapers, Table, as_latex, with_error
from rmt.frames import telling
from validation.comparison.rows import FeatureRow

TWO = rmt.Problem("tanh(z + 7/10)", "sin(2*z)", 300, 300, 600, [(3, 0.3), (3, 0.4)])
SMALL = rmt.Problem("erf(z)", "z1 + z1*z2", 80, 80, 320, [(2, 0.3)] * 2, readout="rademacher")

# Numbers with errors


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        ((2.4567, 0.01), {}, "2.46(1)"),
        ((2.4567, 0.0123), {"fine": True}, "2.457(12)"),
        ((2.4567, 0.0323), {"fine": True}, "2.46(3)"),
        ((2.4567, 0.0), {}, "2.4567"),
        ((2.45678, 4e-5), {}, "2.4568"),  # below half of the last digit
        ((2.45678, 6e-5), {}, "2.4568(1)"),
        ((2.45678, 0.0096), {}, "2.46(1)"),  # not 2.457(10)
        ((2.45678, 0.96), {}, "2(1)"),
        ((19.8567, 1e-9), {"digits": 3}, "19.9"),
        ((0.98765, 2e-4), {"decimals": 4}, "0.9877(2)"),
        ((0.000012345, 2e-9), {"decimals": 4}, "0.0000"),
        ((0.00001234, 2e-4), {"decimals": 4}, "0.0000(2)"),
        ((-0.25, 0.03), {}, "-0.25(3)"),
        ((0.0, 0.003), {}, "0.000(3)"),
        ((1234.5, 56.0), {}, "1234(56)"),
        ((123456.7, 1e-3), {}, "123457"),
        ((3.21e-7, 1e-9), {}, "3.21(1)e-07"),
        ((4.5e9, 1e8), {}, "4.5(1)e+09"),
        ((2.5, math.inf), {"digits": 3}, "2.50(?)"),
        ((2.5, math.nan), {"digits": 3}, "2.50(?)"),
        ((math.nan, 1.0), {}, "--"),
        ((math.inf, 1.0), {}, "--"),
    ],
)
def test_value_and_error(
    arguments: tuple[float, float], options: dict[str, Any], text: str
) -> None:
    assert with_error(*arguments, **options) == text


@given(st.floats(1e-4, 1e6), st.floats(-9, 1), st.booleans(), st.booleans())
def test_what_is_shown_is_what_is_known(
    size: float, order: float, negative: bool, fine: bool
) -> None:
    value, error = (-size if negative else size), size * 10.0**order
    text = with_error(value, error, fine=fine)
    shown = re.fullmatch(r"(-?\d+)(?:\.(\d+))?(?:\((\d+)\))?(?:e([+-]\d+))?", text)
    assert shown is not None
    whole, decimals, bracket, power = shown.groups()
    unit = 10.0 ** (int(power or 0) - len(decimals or ""))
    read = float(f"{whole}.{decimals or 0}e{power or 0}")
    assert abs(read - value) <= 0.5 * unit * (1 + 1e-6)  # rounded to its last digit
    if bracket is None:
        assert error <= 0.5 * unit * (1 + 1e-6)
        assert unit <= 1.0000001e-4 * abs(value) or unit == 1.0  # five digits
    else:
        assert abs(int(bracket) * unit - error) <= 0.5 * unit * (1 + 1e-6)
        assert int(bracket) >= 1


# LaTeX


def checked(latex: str) -> list[list[str]]:
    """The cells of the one table in a text, after a look at its form."""
    lines = [line for line in latex.splitlines() if not line.startswith("%")]
    begin = re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", lines[0])
    assert begin is not None
    assert lines[-1] == r"\end{tabular}"
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert (lines[1], lines[3], lines[-2]) == tuple(rules)
    found = []
    for line in [lines[2], *lines[4:-2]]:
        assert line.endswith(r" \\")
        row = line.removesuffix(r" \\")
        across = re.fullmatch(r"\\multicolumn\{(\d+)\}\{l\}\{(.*)\}", row)
        cells = re.split(r"(?<!\\)&", row)
        assert (int(across[1]) if across else len(cells)) == len(begin[1])
        for cell in cells:
            assert len(re.findall(r"(?<!\\)\$", cell)) % 2 == 0
            outside = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "", cell)
            assert not re.search(r"(?<!\\)[_^#%]", outside), cell  # not escaped
            assert cell.count("{") == cell.count("}")
        found.append([cell.strip() for cell in cells])
    return found


@pytest.fixture(scope="module")
def made() -> dict[str, InPapers]:
    path = rmt.training_path(SMALL, 1e-3)
    one = SMALL.with_n_steps(1).replace(target="z")
    networks = validation.run_paths(validation.PathPlan(SMALL, 4, n_test=200))
    plan = validation.FeaturePlan(one, 3, inputs=(200,), regularisations=(1e-5,))
    features = validation.run_features(plan)
    row = FeatureRow("test error", "step_1 & 100%", 0.2, 1e-9, 0.2123, 0.0012, 12)
    return {
        "prediction": rmt.predict(TWO),
        "two directions": rmt.predict(SMALL),
        "deformed": rmt.predict(TWO, "deformed", rtol=1e-3),
        "no spike": rmt.predict(TWO.replace(activation="He2(z)", steps=[(1, 0.1)])),
        "output": rmt.predict(one.replace(output_scale=1.0), rtol=1e-3),
        "path": path,
        "losses": rmt.training_path(
            one.replace(target=rmt.SignOf("z"), loss="logistic"), 1e-3
        ),
        "sweep": rmt.sweep(
            TWO, {"alpha_2": [-0.1, 0.4], "samples_per_dim_1": [2], "target": ["z", "z1*z2"]}
        ),
        "zipped": rmt.sweep(TWO, {("width", "noise_std", "scale_1"): ([200], [0.1], [1e-5])}),
        "ridge": rmt.ridge(TWO, [300, 900], [1e-5, 0.1]),
        "comparison": validation.compare(
            rmt.predict(one), validation.run_samples(one, 4)
        ),
        "path comparison": validation.compare_path(path, networks),
        "features": validation.compare_features(*validation.predicted_features(plan), features),
        "row": validation.FeatureComparison(TWO, 12, 0, 300, (row,), 30.0, ("0.98 k0",)),
        "finite size": validation.finite_size(one, [40, 60], 4, methods=["scaling"], workers=1),
    }  # fmt: skip


NAMES = (
    *("prediction", "two directions", "deformed", "no spike", "output", "path", "losses", "sweep"),
    *("zipped", "ridge", "comparison", "path comparison", "features", "row", "finite size"),
)


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_valid(made: dict[str, InPapers], name: str) -> None:
    latex = made[name].to_latex()
    assert len(checked(latex)) >= 1
    assert latex.isascii()


def test_numbers_of_a_prediction(made: dict[str, Any]) -> None:
    found = made["deformed"]
    header, first, *_ = checked(found.to_latex())
    spike = found.spikes[0]
    assert header[:3] == ["$k$", r"$\theta_k$", "$s_k$"]
    assert first[2] == with_error(spike.singular_value, spike.error.singular_value)
    assert re.fullmatch(r"\d\.\d+\(\d\)", first[2])
    assert "% s_k: singular value of the weights" in found.to_latex()
    # Where no error reaches the digits there is none.
    found = rmt.predict(TWO, bulk="marchenko-pastur")
    _, first, *_ = checked(found.to_latex())
    assert float(first[2]) == pytest.approx(found.spikes[0].singular_value, rel=5e-5)
    header, *_ = checked(made["two directions"].to_latex())
    assert header[-2:] == [rf"$\langle\hat v_k, e_{i}\rangle^2$" for i in (1, 2)]
    header, *_ = checked(made["output"].to_latex())
    assert header[-1] == r"$\langle\hat v_k, W_0^\top a\rangle^2$"


def test_rows_of_a_path(made: dict[str, Any]) -> None:
    path = made["path"]
    _, *rows = checked(path.to_latex())
    assert [row[0] for row in rows if row[0]] == ["0", "1", "2"]
    assert len(rows) == sum(max(1, int(count)) for count in path.n_outliers)
    header, *_ = checked(made["losses"].to_latex())
    assert "test misclassified" in header


def test_points_of_a_sweep(made: dict[str, Any]) -> None:
    header, *rows = checked(made["sweep"].to_latex())
    assert header[:4] == [r"$\alpha_{2}$", "$n_1/d$", "target", "outliers"]
    assert [row[0] for row in rows] == ["$-0.1$", "$-0.1$", "0.4", "0.4"]
    assert [row[3] for row in rows][:2] == ["--", "--"]
    header, row = checked(made["zipped"].to_latex())
    assert header[:3] == ["$N$", r"$\mathrm{std}(\varepsilon)$", "$c_{1}$"]
    assert row[2] == r"$1\times10^{-5}$"
    many = rmt.sweep(TWO, {"alpha_2": np.linspace(0, 0.4, 30)}, rtol=1e-2)
    assert len(checked(many.to_latex())) == 31  # none left out


def test_numbers_of_comparisons(made: dict[str, Any]) -> None:
    [header, row] = checked(made["row"].to_latex())
    assert header == ["quantity", "predicted", "simulated", r"$\Delta/\sigma$", "verdict"]
    quantity = r"test error, step\_1 \& 100\%"
    assert row == [quantity, "0.20000", "0.2123(12)", "$+10.2$", "differs"]
    for name in ("comparison", "path comparison", "features"):
        assert len(checked(made[name].to_latex())) == len(made[name].rows) + 1


def test_regularisations_are_powers_of_ten(made: dict[str, Any]) -> None:
    _, first, *_ = checked(made["ridge"].to_latex())
    assert first[:3] == ["untrained", "300", r"$1\times10^{-5}$"]


def test_what_latex_takes_for_its_own_is_escaped() -> None:
    hostile = r"50% of $x_1$ & {a}\b ~ ^ # <y> |z|"
    escaped = (
        r"50\% of \$x\_1\$ \& \{a\}\textbackslash{}b \textasciitilde{} \textasciicircum{} \# "
        r"$<$y$>$ $|$z$|$"
    )
    table = Table("lr", [hostile, Formula("a\nb", (r"\beta",))], [[hostile, "-1"], hostile])
    latex = as_latex([f"{hostile}\nsecond", table])
    assert checked(latex) == [
        [escaped, r"$\beta$"], [escaped, "$-1$"], [rf"\multicolumn{{2}}{{l}}{{{escaped}}}"]
    ]  # fmt: skip
    outside = [line for line in latex.splitlines() if not line.startswith("%")]
    assert "second" not in "".join(outside)
    assert outside[0] == r"\begin{tabular}{lr}"


def test_a_table_without_a_header() -> None:
    latex = as_latex([Table("ll", [], [["a", "b"]])])
    expected = [r"\begin{tabular}{ll}", r"\toprule", r"a & b \\", r"\bottomrule", r"\end{tabular}"]
    assert latex.splitlines() == expected


@pytest.mark.parametrize(
    ("cell", "latex"),
    [
        ("0.1", "0.1"), ("-0.668 (2)", "$-0.668(2)$"), ("<0.0123 (4)", "$<0.0123(4)$"),
        ("1e-05", r"$1\times10^{-5}$"), ("3.2(1)e+07", r"$3.2(1)\times10^{7}$"),
        ("+1.5", "$+1.5$"), ("--", "--"), ("2-3", "2-3"), ("e1", "e1"),
    ],
)  # fmt: skip
def test_cells_that_are_numbers(cell: str, latex: str) -> None:
    assert as_latex([Table("r", [], [[cell]])]).splitlines()[2] == rf"{latex} \\"


@pytest.mark.parametrize("command", ["predict", "sweep", "ridge"])
def test_latex_in_a_shell(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--activation", "erf(z)", "--target", "z", "--width", "200", "--step", "3,0.3"]
    problem = rmt.Problem("erf(z)", "z", 200, 200, 400, [(3, 0.3)])
    more, made = {
        "predict": ([], rmt.predict(problem)),
        "sweep": (["--over", "alpha_1=0.1,0.2"], rmt.sweep(problem, {"alpha_1": [0.1, 0.2]})),
        "ridge": (["--inputs", "300"], rmt.ridge(problem, [300], 1e-3)),
    }[command]
    assert main([command, *options, *more, "--latex"]) == 0
    assert capsys.readouterr().out == f"{made.to_latex()}\n"


# Frames and CSV


def test_columns_that_say_nothing() -> None:
    rows: list[dict[str, Any]] = [
        {"a": 0.0, "a_error": 0.0, "b": None, "c": math.nan, "b_error": 0.1, "status": "X"},
        {"a": 0.0, "a_error": math.nan, "b": None, "c": 1.0, "b_error": 0.0, "d": None},
    ]
    first, second = ([*row] for row in telling(rows))
    assert first == ["a", "c", "b_error", "status"]
    assert second == ["a", "c", "b_error"]
    assert telling([]) == []


def test_frames_have_no_columns_of_zeros() -> None:
    pytest.importorskip("pandas")
    assert "strength_error" in rmt.predict(TWO).to_frame()
    exact = rmt.predict(rmt.Problem("z", "z", 200, 200, 400, [(3, 0.3)], readout="rademacher"))
    for frame in (
        exact.to_frame(),
        rmt.sweep(TWO, {"alpha_2": [0.1, 0.2]}).to_frame(),
        rmt.training_path(SMALL, 1e-3).to_frame(),
        rmt.ridge(TWO, [300], 0.1).to_frame(),
        rmt.phase_diagram(TWO, 2, 2).to_frame(),
    ):
        errors = [name for name in frame if name.endswith("error_error") or "_error" in name]
        assert all((frame[name] != 0).any() for name in errors if name.endswith("_error_error"))
        assert frame.notna().any().all()


def test_csv_holds_every_number_exactly(tmp_path: Path) -> None:
    found = rmt.sweep(TWO, {"alpha_2": [0.1, 0.6], "target": ["z", 'sin(2*z) + "']}, rtol=1e-3)
    found.to_csv(tmp_path / "sweep.csv")
    with open(tmp_path / "sweep.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.rows())
    for row, expected in zip(rows, found.rows(), strict=True):
        assert list(row) == list(expected)
        for name, value in expected.items():
            if isinstance(value, float):
                assert float(row[name]) == value or math.isnan(value)
            else:
                assert row[name] == ("" if value is None else str(value))
    with pytest.raises(rmt.InvalidInputError, match="cannot be written"):
        found.to_csv(tmp_path)
