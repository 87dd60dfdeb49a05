"""The command ``rmt``: what it prints, and how it refuses."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy

import rmt
from rmt import ConvergenceError, Problem, Status, Step, predict
from rmt.cli import main
from rmt.cli.main import PROGRAM
from rmt.cli.options import LOSSES, problem_of
from rmt.cli.program import _joined, parser_of
from rmt.problem.labels import Bernoulli, Channel, Poisson, SignOf
from rmt.problem.losses import NAMED_LOSSES

BASE = ["predict", "--activation", "tanh(z + 7/10)", "--target", "z", "--width", "300"]
NO_TARGET = ["predict", "--activation", "tanh(z)", "--width", "300"]
GOOD = [*BASE, "--step", "4,0.3", "--step", "4,0.4"]


def test_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GOOD, "--bulk", "marchenko-pastur"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    problem = Problem("tanh(z + 7/10)", "z", 300, 300, 600, [Step(4, 0.3), Step(4, 0.4)])
    for spike in predict(problem, bulk="marchenko-pastur").outliers:
        assert f"{spike.singular_value:.5g}" in captured.out
        assert f"{spike.target_overlap:.4f}" in captured.out
    assert "N = 300, d = 300, n = 600" in captured.out
    assert "independent batch" in captured.out


def test_json_is_the_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--dim", "200", "--samples", "500", "--batch", "reused", "--readout", "rademacher"]
    options += ["--noise", "0.25", "--rtol", "1e-4", "--method", "resummed", "--json"]
    assert main([*GOOD, *options]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    problem = Problem(
        "tanh(z + 7/10)",
        "z",
        width=300,
        dim=200,
        samples=500,
        steps=[Step(4, 0.3), Step(4, 0.4)],
        batch="reused",
        readout="rademacher",
        noise_std=0.25,
    )
    assert json.loads(captured.out) == predict(problem, rtol=1e-4).to_dict()


def test_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    def problem(*more: str) -> dict[str, object]:
        assert main([*BASE, "--step", "2,0.25", "--json", *more]) == 0
        data: dict[str, object] = json.loads(capsys.readouterr().out)["problem"]
        return data

    plain = problem()
    assert (plain["dim"], plain["samples"]) == (300, [600])
    assert (plain["batch"], plain["readout"]) == ("independent", "gaussian")
    assert (plain["noise_std"], plain["init"]) == (0.0, "sphere")
    assert plain["steps"] == [[2.0, 0.25]]
    # samples follow dim, not the width
    assert problem("--dim", "50")["samples"] == [100]
    assert problem("--samples", "70")["samples"] == [70]


def test_two_batch_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*GOOD, "--samples", "400,900", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problem"]["samples"] == [400, 900]


SETTINGS = {
    "--loss huber(1/2)": {"loss": "huber(1/2)"},
    "--loss -y*h": {"loss": "-h*y"},
    "--output-scale 1 --readout-sum -0.5": {"output_scale": 1.0, "readout_sum": -0.5},
    "--output-scale 0.5 --antisymmetric": {
        "output_scale": 0.5, "initialisation": "antisymmetric",
    },
    "--step 2,0.25,0.01": {"steps": [[2.0, 0.25, 0.01], [1.0, 0.2]]},
}  # fmt: skip


def problem_of_words(*words: str) -> Problem:
    """What the options of a command say."""
    return problem_of(parser_of(PROGRAM).parse_args([*words]))


@pytest.mark.parametrize("words", SETTINGS)
def test_loss_scale_and_start(words: str) -> None:
    steps = [] if "--step" in words else ["--step", "2,0.25"]
    found = problem_of_words(*_joined([*BASE, *words.split(), *steps, "--step", "1,0.2"]))
    plain = problem_of_words(*BASE, "--step", "2,0.25", "--step", "1,0.2").to_dict()
    assert found.to_dict() == plain | SETTINGS[words]


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("bernoulli: sigmoid(3*z + 1)", Bernoulli("sigmoid(3*z + 1)")),
        ("bernoulli:1/3", Bernoulli("1/3")),
        ("sign_of: z1*z2", SignOf("z1*z2")),
        ("sign_of: z; flip = 0.1 ; noise_std=5e-1", SignOf("z", 0.5, 0.1)),
        ("poisson: exp(z/2)", Poisson("exp(z/2)")),
        ("channel: z @ 3/4; 0 @ 1/4", Channel(["z", 0], ["3/4", "1/4"])),
    ],
)
def test_laws_of_labels(text: str, law: object) -> None:
    problem = problem_of_words(*NO_TARGET, "--labels", text, "--step", "1,0")
    assert problem.labels == law


def test_losses_that_help_lists_are_those_that_there_are() -> None:
    assert tuple(NAMED_LOSSES) == LOSSES


BAD = {
    "no command": ([], "COMMAND"),
    "unknown command": (["forecast"], "forecast"),
    "no activation": (
        ["predict", "--target", "z", "--width", "9", "--step", "1,0"],
        "--activation",
    ),
    "no step": (BASE, "--step"),
    "batches": ([*GOOD, "--batches", "0,2"], "batch must hold the number of the batch of each"),
    "batches that are no numbers": ([*GOOD, "--batches", "A,A"], "such as 0,0,1; got 'A,A'"),
    "step that is no pair": ([*BASE, "--step", "4"], "'4'"),
    "step with four numbers": ([*BASE, "--step", "4,0.3,0.1,1"], "'4,0.3,0.1,1'"),
    "too much decay": ([*BASE, "--step", "4,0.3,1"], "weight_decay of step 1 must be below 1/eta"),
    "negative decay": ([*BASE, "--step", "4,0.3,-1"], "Step.weight_decay must not be negative"),
    "step that is no number": ([*BASE, "--step", "four,0.3"], "SCALE,EXPONENT"),
    "step exponent": ([*BASE, "--step", "4,0.6"], "Step.exponent must lie in [0, 1/2], got 0.6"),
    "step scale": ([*BASE, "--step", "0,0.3"], "Step.scale must be positive"),
    "step nan": ([*BASE, "--step", "nan,0.3"], "Step.scale must be a finite real number"),
    "width": ([*GOOD, "--width", "-5"], "width must be a positive integer, got -5"),
    "width that is no integer": ([*GOOD, "--width", "2.5"], "must be an integer, got '2.5'"),
    "dim": ([*GOOD, "--dim", "0"], "dim must be a positive integer, got 0"),
    "samples": ([*GOOD, "--samples", "0"], "samples must be a positive integer, got 0"),
    "samples text": ([*GOOD, "--samples", "many"], "'many'"),
    "three batches": ([*GOOD, "--samples", "1,2,3"], "samples must be one number or one for each"),
    "unequal reused batches": (
        [*GOOD, "--samples", "100,200", "--batch", "reused"],
        "samples must be the same",
    ),
    "batch": ([*GOOD, "--batch", "recycled"], "choose from 'reused', 'independent'"),
    "readout": ([*GOOD, "--readout", "cauchy"], "choose from 'gaussian', 'rademacher'"),
    "noise": ([*GOOD, "--noise", "-1"], "noise_std must lie between 0 and 1e100"),
    "noise nan": ([*GOOD, "--noise", "nan"], "noise_std must be a finite real number"),
    "method": ([*GOOD, "--method", "guess"], "guess"),
    "rtol": ([*GOOD, "--rtol", "1"], "rtol must lie between"),
    "forms of another level": ([*GOOD, "--forms", "exact"], "forms belongs to method='deformed'"),
    "rtol nan": ([*GOOD, "--rtol", "nan"], "rtol must lie between"),
    "text": ([*GOOD, "--activation", "tanh(z"], "(position 4 of "),
    "unknown name": ([*GOOD, "--target", "z + zz"], "(position 4 of "),
    "code": ([*GOOD, "--target", "__import__('os')"], "unknown name '__import__'"),
    "second moment": ([*GOOD, "--target", "exp(z**2)"], "target must have a finite second moment"),
    "zero target": ([*GOOD, "--target", "0*z"], "target must have a second moment"),
    "constant activation": ([*GOOD, "--activation", "3"], "activation must not be constant"),
    "jump": ([*GOOD, "--activation", "sign(z)"], "activation must be continuous"),
    "unknown option": ([*GOOD, "--depth", "3"], "unrecognized arguments: --depth 3; see"),
    "misspelt required option": (
        ["predict", "--activtion", "tanh(z)", "--target", "z"],
        "unrecognized arguments: --activtion tanh(z); did you mean --activation?",
    ),
    "misspelt, with an equals sign": (
        ["predict", "--target=z", "--widht=300"],
        "unrecognized arguments: --widht=300; did you mean --width?",
    ),
    "option before the command": (
        ["--activtion", "tanh(z)"],
        "--activtion tanh(z); options of a command come after its name; see",
    ),
    "target and labels": (
        [*GOOD, "--labels", "bernoulli: 1/2"],
        "argument --labels: not allowed with argument --target",
    ),
    "neither target nor labels": (
        [*NO_TARGET, "--step", "1,0"],
        "one of the arguments --target --labels is required",
    ),
    "labels without a law": ([*NO_TARGET, "--labels", "sigmoid(z)"], "labels are LAW: FUNCTION"),
    "labels of another law": ([*NO_TARGET, "--labels", "cauchy: z"], "one of bernoulli, sign_of"),
    "labels without a function": ([*NO_TARGET, "--labels", "poisson:"], "labels are LAW: FUNCTION"),
    "labels that are no probability": (
        [*NO_TARGET, "--labels", "bernoulli: 2*z"],
        "Bernoulli must be a probability, between 0 and 1",
    ),
    "labels with code": (
        [*NO_TARGET, "--labels", "bernoulli: __import__('os').getcwd()"],
        "unknown name",
    ),
    "labels with code for a number": (
        [*NO_TARGET, "--labels", "sign_of: z; flip=__import__('os')"],
        "have numbers noise_std and flip",
    ),
    "labels with two functions": (
        [*NO_TARGET, "--labels", "bernoulli: 1/2; 1/3"],
        "labels of the law bernoulli have one function",
    ),
    "another number of labels": (
        [*NO_TARGET, "--labels", "sign_of: z; noise=1"],
        "have numbers noise_std and flip, such as 'sign_of: z; noise_std=0.5'; got 'noise=1'",
    ),
    "flip": ([*NO_TARGET, "--labels", "sign_of: z; flip=2"], "flip must be a probability"),
    "channel": (
        [*NO_TARGET, "--labels", "channel: z @ 3/4; 0"],
        "labels of a channel are LABEL @ PROBABILITY",
    ),
    "channel that does not add up": (
        [*NO_TARGET, "--labels", "channel: z @ 3/4; 0 @ 1/2"],
        "weights must add up to 1",
    ),
    "noise beside a law": (
        [*NO_TARGET, "--labels", "sign_of: z", "--noise", "1", "--step", "1,0"],
        "noise_std belongs to a target that is a function",
    ),
    "loss": ([*GOOD, "--loss", "hinge"], "loss must be one of squared, correlation, logistic"),
    "loss of signs": ([*GOOD, "--loss", "logistic"], "is for labels y = +1 or -1"),
    "loss with code": ([*GOOD, "--loss", "h*__import__('os')"], "unknown name '__import__'"),
    "loss without an output": ([*GOOD, "--loss", "y**2"], "must depend on the network's output h"),
    "output scale": ([*GOOD, "--output-scale", "0"], "output_scale must be None (N**-1/2) or"),
    "output scale text": ([*GOOD, "--output-scale", "one"], "must be a number, got 'one'"),
    "sum of an antisymmetric readout": (
        [*GOOD, "--antisymmetric", "--readout-sum", "-0.5"],
        "readout_sum must be None where it is zero by symmetry, got -0.5",
    ),
    "antisymmetric": ([*GOOD, "--width", "9", "--antisymmetric"], "takes neurons in pairs"),
    "misspelt option": ([*GOOD, "--bath", "reused"], "did you mean --batch?"),
    "functions between commas": (
        ["sweep", *GOOD[1:], "--over", "activation=relu(z),min(z, 1)"],
        "between functions come semicolons, activation='relu(z); min(z, 1)'",
    ),
    "letter of a paper": ([*GOOD, "--n", "300"], "--n 300; did you mean --samples?"),
    "abbreviation": ([*GOOD, "--nois", "0.3"], "--nois 0.3; did you mean --noise?"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line on standard error, nothing on standard output."""
    arguments, expected = BAD[name]
    try:
        code = main(arguments)
    except SystemExit as stop:  # from the parser of the options
        code = stop.code  # type: ignore[assignment]
    captured = capsys.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.endswith("\n")
    assert captured.err.startswith("rmt")
    assert expected in captured.err


def test_a_formula_is_quoted_without_a_caret_that_points_nowhere(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*GOOD, "--activation", "z + tahn(z)"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("rmt: error: activation: unknown name 'tahn'")
    assert message.endswith(" (position 4 of 'z + tahn(z)')\n")


def test_not_converged(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConvergenceError("two\nlines", Status.NOT_CONVERGED)

    monkeypatch.setattr(sys.modules["rmt.predict"], "predict", fail)
    assert main(GOOD) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "rmt: error: two lines\n")


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["rmt.predict"], "predict", stop)
    assert main(GOOD) == 130
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "rmt: interrupted\n")


def test_a_reader_that_has_seen_enough() -> None:
    command = [sys.executable, "-m", "rmt", "exponents", "He3(z)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, error = process.communicate()
    assert (process.returncode, error) == (0, b"")


def test_installed_script() -> None:
    script = Path(sys.executable).with_name("rmt")
    if not script.exists():
        pytest.skip("the package is not installed in this environment")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    good = subprocess.run(
        [script, *BASE, "--step", "4,0.3", "--json"],
        capture_output=True,
        encoding="utf-8",
        env=environment,
    )
    assert good.returncode == 0
    assert good.stderr == ""
    spike = json.loads(good.stdout)["spikes"][0]
    # One step on a linear target: theta^2 = (eta mu_1)^2 (1 + phi), phi = 1/2.
    mu1 = predict(Problem("tanh(z + 7/10)", "z", 300, 300, 10**15, Step(1, 0))).spikes[0].strength
    assert spike["strength"] == pytest.approx(4 * 300**0.3 * mu1 * math.sqrt(1.5), rel=1e-9)
    bad = subprocess.run(
        [script, *BASE, "--step", "4,0.7"], capture_output=True, encoding="utf-8", env=environment
    )
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert len(bad.stderr.splitlines()) == 1


def test_a_formula_may_begin_with_a_minus_sign(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["predict", "--activation", "tanh(z)", "--target", "-z**2", "--width", "300"]
    assert main([*arguments, "--step", "1,0.2"]) == 0
    assert "target -z**2" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"rmt {rmt.__version__} (Python ")
    assert said.endswith(f", numpy {np.__version__}, scipy {scipy.__version__})\n")


def test_hermite_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hermite", "relu(z)", "--order", "3"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "0.398942280401  sqrt(2)/(2*sqrt(pi))" in captured.out
    assert main(["hermite", "relu(z)", "--order", "3", "--orthonormal"]) == 0
    assert "0.282094791774  1/(2*sqrt(pi))" in capsys.readouterr().out


def test_hermite_json_latex_digits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hermite", "tanh(z)", "--order", "1", "--digits", "30", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["probabilists"][1].startswith("0.605705509602158825583540227555")
    assert main(["hermite", "abs(z)", "--order", "2", "--latex"]) == 0
    assert r"\mathrm{He}_{2}(z) + \cdots" in capsys.readouterr().out
    assert main(["hermite", "sin(2*z)", "--order", "2", "--general-term"]) == 0
    assert "E[f He_k] = 2**k*exp(-2)*sin(pi*k/2)" in capsys.readouterr().out


def test_hermite_of_a_formula_that_begins_with_a_minus_sign(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["hermite", "-z**2", "--order", "2"]) == 0
    assert "f(z) = -z**2" in capsys.readouterr().out


def test_hermite_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "relu.png"
    assert main(["hermite", "relu(z)", "--order", "12", "--plot", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    capsys.readouterr()
    assert main(["hermite", "relu(z)", "--plot", str(tmp_path / "missing" / "relu.png")]) == 2
    assert "--plot" in capsys.readouterr().err


def test_exponents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exponents", "He3(z)"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["information exponent: 3", "reuse exponent: 3", "generative exponent: 1"]
    assert main(["exponents", "z1 + z1*z2"]) == 0
    assert "leap 1" in capsys.readouterr().out
    assert main(["exponents", "z1*z2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["information_exponent"]["value"] == 2
    assert document["staircase"]["leap"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["exp(z**2)"], "square-integrable"),
        (["relu(z)", "--order", "-3"], "allowed are 0 to 500"),
        (["z1*z2"], "tensor_hermite_expansion"),
        (["elu(z)", "--general-term"], "no general term"),
        (["relu(z) +"], "relu(z) +"),
        (["relu(z)", "--digits", "0"], "allowed are 1 to 1000"),
    ],
)
def test_hermite_refuses(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["hermite", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("rmt: error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


PROBLEM = ["--activation", "z + He2(z)/2", "--target", "z", "--width", "1000"]
STEPS = ["--step", "1,0.3", "--step", "2,0.4"]


def test_scaling_command(capsys):
    assert main(["scaling", *PROBLEM, *STEPS]) == 0
    assert "4.58257569496" in capsys.readouterr().out  # sqrt(21)
    assert main(["scaling", *PROBLEM, *STEPS, "--latex"]) == 0
    assert r"\sqrt{21} N^{1/5}" in capsys.readouterr().out
    assert main(["scaling", *PROBLEM, *STEPS, "--symbolic", "--spikes", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["spikes"][1]["exponent"] == "alpha_1 + alpha_2 - 1/2"


def test_scaling_command_of_three_steps(capsys):
    three = [*PROBLEM, *["--step", "1,0.3"] * 3]
    assert main(["scaling", *three]) == 0
    assert "3 steps, fresh batches: at most 2 outliers" in capsys.readouterr().out
    assert main(["scaling", *three, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["directions"][0]["exponent"] == "3/10"
    assert main(["scaling", *three, "--symbolic", "--spikes", "2"]) == 2
    assert "--symbolic is for one or two steps, got 3" in capsys.readouterr().err


def test_scaling_command_needs_a_number_of_symbolic_spikes(capsys):
    assert main(["scaling", *PROBLEM, *STEPS, "--symbolic"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("rmt: error: n_spikes")
    assert error.count("\n") == 1


@pytest.mark.parametrize("forms", ["exact", "simple"])
def test_deformed_prediction(forms, capsys, tmp_path):
    figure = tmp_path / "bulk.png"
    arguments = ["--activation", "tanh(z + 7/10)", "--target", "sin(2*z)", "--width", "500"]
    arguments += ["--step", "4,0.3", "--readout", "rademacher", "--method", "deformed"]
    options = ["--forms", forms, "--json", "--plot", str(figure)]
    assert main(["predict", *arguments, *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["method"] == "deformed"
    assert document["forms"] == forms
    assert document["bulk"]["law"] == "deformed"
    assert document["bulk"]["edges"][0][1] > 2.0
    assert figure.stat().st_size > 1000


def test_features_and_ridge(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rest = [*BASE[1:], "--step", "4,0.3", "--inputs"]
    assert main(["features", *rest, "900"]) == 0
    assert "features of 900 inputs" in capsys.readouterr().out
    assert main(["features", *rest, "900", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == 900
    picture = tmp_path / "curve.png"
    assert main(["ridge", *rest, "300,600,900", "--plot", str(picture)]) == 0
    assert "untrained" in capsys.readouterr().out
    assert picture.stat().st_size > 1000
    assert main(["ridge", *rest, "900", "--regularisation", "optimal", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stages"][-1] == "step 1"
    with pytest.raises(SystemExit) as stopped:
        main(["ridge", *rest, "many"])
    assert stopped.value.code == 2
    assert "separated by commas" in capsys.readouterr().err
    assert main(["ridge", *rest, "-5"]) == 2
    assert "samples must be positive" in capsys.readouterr().err
