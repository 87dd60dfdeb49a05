"""What must work where rmt is installed without any extra; run by ``wheel_check.py``."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

OPTIONAL = "matplotlib pandas tqdm jinja2 dask torch array_api_compat shtab".split()
BIN = Path(sys.executable).parent


def main(expected_version: str) -> None:
    """Raise an error, with a reason, where something does not hold."""
    installed = [name for name in OPTIONAL if importlib.util.find_spec(name)]
    assert not installed, f"not the core alone: {installed}"
    use_rmt(expected_version)
    use_validation()
    use_commands(expected_version)


def use_rmt(expected_version: str) -> None:
    import rmt

    assert Path(rmt.__file__).is_relative_to(sys.prefix), f"rmt comes from {rmt.__file__}"
    assert rmt.__version__ == version("rmt") == expected_version
    problem = rmt.Problem(
        "tanh(z + 7/10)",
        "sin(2*z)",
        width=1000,
        dim=1000,
        samples=2000,
        steps=[rmt.Step(4, 0.3), rmt.Step(4, 0.4)],
        readout="rademacher",
    )
    for method in ("scaling", "resummed", "deformed"):
        prediction = rmt.predict(problem, method)
        print(prediction, end="\n\n")
        # Simulated networks have 19.86 and 2.52; the scaling level is too large, and known to be.
        first, second = (spike.singular_value for spike in prediction.outliers)
        assert abs(first / 19.86 - 1) < (0.2 if method == "scaling" else 0.01), first
        assert abs(second / 2.52 - 1) < 0.07, second
    page = rmt.explore(problem, {"batch": ["independent", "reused"]}).html
    assert "function spectrum" in page, "the script of the page is not installed"
    refuses(prediction.plot, "extra 'plot'")
    refuses(prediction.to_frame, "extra 'frame'")


def use_validation() -> None:
    import rmt
    import validation

    problem = rmt.Problem("tanh(z)", "sin(z)", 100, 100, 200, steps=[rmt.Step(3, 0.4)])
    [samples] = validation.run_campaign(
        [validation.Plan(problem, n_samples=3)], "networks.sqlite", workers=1
    )
    found = validation.compare(rmt.predict(problem), samples)
    assert found.rows, found
    print(found, end="\n\n")


def use_commands(expected_version: str) -> None:
    problem = "--activation tanh(z) --target z --width 300 --step 3,0.3".split()
    spikes = json.loads(run("rmt", "predict", *problem, "--json"))["spikes"]
    assert spikes[0]["strength"] > 1, spikes
    assert "sqrt(2)/(2*sqrt(pi))" in run("rmt", "hermite", "relu(z)", "--order", "3")
    assert run("rmt", "--version").startswith(f"rmt {expected_version} ")
    assert "ie3-reused" in run("rmt-validation", "list", "--suite", "full")
    assert "ie3-reused" in run(sys.executable, "-m", "validation", "show", "ie3-reused")
    assert "extra 'plot'" in fails("rmt", "predict", *problem, "--plot", "bulk.png")
    assert "extra 'completion'" in fails("rmt", "completion", "bash")
    report = ["rmt-validation", "report", "--store", "networks.sqlite"]
    assert "extra 'validation'" in fails(*report, code=1)


def refuses(method: object, named: str) -> None:
    try:
        method()
    except ImportError as error:
        assert named in str(error), error
    else:
        raise AssertionError(f"{method} does without an extra that names {named}")


def run(program: str, *arguments: str) -> str:
    command = [program if Path(program).is_absolute() else str(BIN / program), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def fails(program: str, *arguments: str, code: int = 2) -> str:
    """The one line on standard error with which a command refuses."""
    result = subprocess.run([BIN / program, *arguments], capture_output=True, encoding="utf-8")
    assert result.returncode == code, result
    assert result.stderr.count("\n") == 1, result.stderr
    assert not result.stdout, result.stdout
    return result.stderr


if __name__ == "__main__":
    main(sys.argv[1])
