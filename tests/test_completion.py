"""Completion in shells: the scripts are sourced in a shell, and asked what they offer."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from rmt.cli import main as rmt
from rmt.cli.completion import SHELLS
from validation.catalogue import ALL_CASES
from validation.cli import main as validation
from validation.suites import SUITES

pytestmark = pytest.mark.once

COMMANDS = {"rmt": rmt, "rmt-validation": validation}

# What a shell does when the key Tab is pressed: `complete -p` says which function to call.
BASH = """
source ./script
function=$(complete -p {program}) && function=${{function#*-F }} && function=${{function%% *}}
COMP_WORDS=({program} {words}) COMP_CWORD={last}
"$function" {program} "${{COMP_WORDS[-1]}}" "${{COMP_WORDS[-2]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def scripts() -> dict[tuple[str, str], str]:
    """The script of each command for each shell."""
    pytest.importorskip("shtab")
    found = {}
    for program, main in COMMANDS.items():
        for shell in SHELLS:
            with redirect_stdout(io.StringIO()) as printed:
                assert main(["completion", shell]) == 0
            found[program, shell] = printed.getvalue()
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files to complete."""
    (tmp_path / "weights.npy").touch()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def in_bash(script: str, line: str) -> set[str]:
    """What bash offers at the end of a line."""
    program, *words = shlex.split(line, posix=False)  # bash leaves quotes where they are
    if line.endswith(" "):
        words.append("")
    Path("script").write_text(script, encoding="utf-8")
    code = BASH.format(program=program, words=shlex.join(words), last=len(words))
    result = subprocess.run(
        ["bash", "--norc", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    # Outside of an editing session bash says that options for it cannot be set, and nothing else.
    assert all("compopt" in error for error in result.stderr.splitlines()), result.stderr
    return {word.rstrip(" ") for word in result.stdout.splitlines()} - {"", "script"}


PROBLEM = "--activation 'tanh(z + 7/10)' --target 'z1 + z1*z2' --width 100 --step 4,0.3"
COMPLETE = {
    "rmt ": {
        "predict", "scaling", "sweep", "phase-diagram", "explore", "features", "ridge", "hermite",
        "exponents", "cache", "completion",
    },
    "rmt cache ": {"list", "clear"},
    "rmt cache list --f": {"--folder"},
    "rmt p": {"predict", "phase-diagram"},
    "rmt --": {"--help", "--version"},
    "rmt predict --re": {"--readout", "--readout-sum"},
    f"rmt predict {PROBLEM} --me": {"--method"},
    f"rmt predict {PROBLEM} --method ": {"scaling", "resummed", "deformed"},
    f"rmt predict {PROBLEM} --method deformed --forms ": {"simple", "exact", "linked"},
    "rmt predict --batch r": {"reused"},
    "rmt predict --loss ": {"squared", "correlation", "logistic", "squared_hinge", "poisson"},
    "rmt predict --lab": {"--labels"},
    "rmt-validation study --anti": {"--antisymmetric"},
    "rmt ridge --readout ": {"gaussian", "rademacher", "uniform"},
    "rmt ridge --regularisation ": {"optimal"},
    "rmt sweep --csv ": {"weights.npy", "out"},
    "rmt hermite 'relu(z)' --plot we": {"weights.npy"},
    "rmt completion ": set(SHELLS),
    "rmt-validation ": {
        "run", "report", "list", "show", "study", "path", "check", "export", "demo", "completion",
    },
    "rmt-validation run --suite ": set(SUITES),
    "rmt-validation run --section wid": {"widths"},
    "rmt-validation report --output ": {"out"},
    "rmt-validation show ": set(ALL_CASES),
    "rmt-validation show ie3-": {name for name in ALL_CASES if name.startswith("ie3-")},
    "rmt-validation check --problem ie3-": {n for n in ALL_CASES if n.startswith("ie3-")},
    "rmt-validation check --problem we": {"weights.npy"},
    "rmt-validation check --problem ie3-reused --weights w": {"weights.npy"},
    "rmt-validation export --st": {"--store"},
    "rmt-validation list --device c": {"cpu", "cuda"},
}  # fmt: skip


@pytest.mark.skipif(not shutil.which("bash"), reason="needs bash")
@pytest.mark.parametrize("line", COMPLETE)
def test_bash(line, scripts, folder):
    assert in_bash(scripts[line.split()[0], "bash"], line) == COMPLETE[line]


@pytest.mark.skipif(not shutil.which("fish"), reason="needs fish")
@pytest.mark.parametrize("line", [line for line in COMPLETE if "--csv" not in line])
def test_fish(line, scripts, folder):
    """Fish answers what it would offer, each with a description or the rest of a path."""
    (folder / "script").write_text(scripts[line.split()[0], "fish"], encoding="utf-8")
    code = f"source script; complete -C {shlex.quote(line)}"
    result = subprocess.run(
        ["fish", "--no-config", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    offered = {word.split("\t")[0].rstrip("/") for word in result.stdout.splitlines()}
    assert COMPLETE[line] <= offered


@pytest.mark.skipif(not shutil.which("zsh"), reason="needs zsh")
@pytest.mark.parametrize("program", COMMANDS)
def test_zsh_registers_the_command(program, scripts, folder):
    (folder / "script").write_text(scripts[program, "zsh"], encoding="utf-8")
    code = f'autoload -Uz compinit && compinit -D -u; eval "$(<script)"; print $_comps[{program}]'
    result = subprocess.run(
        ["zsh", "-f", "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    assert result.stdout.startswith("_shtab_rmt")
    assert result.stderr == ""


@pytest.mark.parametrize("program", COMMANDS)
def test_without_the_extra(program, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert COMMANDS[program](["completion", "bash"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "needs shtab (the extra 'completion'" in captured.err


def test_unknown_shell(capsys):
    with pytest.raises(SystemExit) as stop:
        rmt(["completion", "ksh"])
    assert stop.value.code == 2
    assert "choose from 'bash', 'zsh', 'fish', 'tcsh'" in capsys.readouterr().err
