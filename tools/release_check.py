"""Build what is released, and use it as others would: clean environments, types from outside.

    python tools/release_check.py [PYTHON ..]

`make release-check` runs this. Without interpreters these are Python 3.11 and the newest that is
found. The files that passed are in ``dist``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import wheel_check
from wheel_check import ROOT, CheckError, run

OLDEST = (3, 11)
USABLE = "import sys, venv, ensurepip; print(*sys.version_info[:2])"
UNRELEASED = "unreleased"


def main(interpreters: Sequence[str]) -> int:
    """Returns the exit code: 0, or 1 with a line on standard error."""
    began = perf_counter()
    try:
        with step("version, changelog and citation"):
            version, released = versions(ROOT)
        with step("interpreters"):
            pythons = chosen(interpreters)
        with step("sdist, and the wheel from it"):
            wheel = wheel_check.build()
            wheel_check.look_into_wheel(wheel)
            wheel_check.look_into_sdist()
        with step("the wheel from the checkout is the same"):
            same_as_from_checkout(wheel)
        for number, python in pythons.items():
            with tempfile.TemporaryDirectory() as folder:
                use(wheel, Path(folder), python, ".".join(map(str, number)))
    except CheckError as error:
        print(f"release-check: error: {error}", file=sys.stderr)
        return 1
    names = ", ".join(f"{a}.{b}" for a, b in pythons)
    seconds = perf_counter() - began
    print(f"release-check: rmt {version} passes with Python {names} ({seconds:.0f} s)")
    if not released:
        print(
            "release-check: not released yet: put the date into CHANGELOG.md, in the place of "
            f'"{UNRELEASED}", and into CITATION.cff as date-released'
        )
    return 0


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what has been done, and how long it took."""
    began = perf_counter()
    yield
    print(f"release-check: {name} ({perf_counter() - began:.0f} s)", flush=True)


def versions(root: Path) -> tuple[str, bool]:
    """The version, where it is the same everywhere, and whether it has a date.

    Raises
    ------
    CheckError
        Where the package, the changelog and the citation do not say the same.
    """

    def read(name: str) -> str:
        return (root / name).read_text(encoding="utf-8")

    [version] = re.findall(r'^__version__ = "(.*)"$', read("rmt/__init__.py"), re.M)
    sections = re.findall(r"^## \[(\S+)\](?: - (\S+))?$", read("CHANGELOG.md"), re.M)
    cited = dict(re.findall(r"^(version|date-released): (\S+)$", read("CITATION.cff"), re.M))
    if not sections or sections[0][0] != version:
        first = sections[0][0] if sections else "nothing"
        raise CheckError(f"the version is {version}, and CHANGELOG.md begins with {first}")
    if cited.get("version") != version:
        raise CheckError(f"the version is {version}, and CITATION.cff has {cited.get('version')}")
    date = sections[0][1]
    if date != UNRELEASED and not re.fullmatch(r"\d{4}-\d\d-\d\d", date):
        raise CheckError(f"CHANGELOG.md: expected a date or {UNRELEASED!r}, got {date!r}")
    if cited.get("date-released", UNRELEASED) != date:
        raise CheckError(
            f"CHANGELOG.md says {date}, and CITATION.cff {cited.get('date-released', UNRELEASED)}"
        )
    return version, date != UNRELEASED


def chosen(interpreters: Sequence[str]) -> dict[tuple[int, int], str]:
    """Those named, or the oldest version that is promised and the newest that there is."""
    found: dict[tuple[int, int], str] = {}
    for python in interpreters or candidates():
        number = version_of(python)
        if number is None or number < OLDEST:
            if interpreters:
                raise CheckError(f"{python} is no usable Python of at least 3.11")
            continue
        found.setdefault(number, python)
    if interpreters:
        return found
    if OLDEST not in found:
        raise CheckError("Python 3.11 was not found; name interpreters as arguments")
    return {number: found[number] for number in sorted({OLDEST, max(found)})}


def candidates() -> list[str]:
    """Interpreters on the path, and those of pyenv."""
    names = [sys.executable, *(f"python3.{minor}" for minor in range(11, 21)), "python3"]
    on_path = [found for found in map(shutil.which, names) if found]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return [*on_path, *map(str, sorted(pyenv.glob("versions/*/bin/python3")))]


def version_of(python: str) -> tuple[int, int] | None:
    """Of an interpreter that can make environments; None of another."""
    try:
        result = subprocess.run(
            [python, "-c", USABLE], capture_output=True, encoding="utf-8", timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor = map(int, result.stdout.split())
    return major, minor


def same_as_from_checkout(wheel: Path) -> None:
    """The wheel that was made from the sdist lacks nothing that the checkout has."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, str(ROOT)]
        run(command, quiet=True)
        [other] = Path(folder).glob("*.whl")
        ours, theirs = contents(wheel), contents(other)
    wheel_check.expect("the wheel from the sdist", set(ours), set(theirs))
    if different := sorted(name for name in ours if ours[name] != theirs[name]):
        raise CheckError(f"the wheel from the sdist differs in {', '.join(different[:5])}")


def contents(wheel: Path) -> dict[str, int]:
    """Files and checksums."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: entry.CRC for entry in archive.infolist()}


def use(wheel: Path, folder: Path, python: str, name: str) -> None:
    """All that is done with the wheel, in an environment of one interpreter."""
    environment = wheel_check.outside_of_the_checkout()
    with step(f"Python {name}: an environment with the wheel and the core"):
        run([python, "-m", "venv", str(folder / "bare")], quiet=True)
        own = str(folder / "bare" / ("Scripts" if os.name == "nt" else "bin") / "python")
        wheel_check.install(own, [str(wheel)], environment, folder)
    with step(f"Python {name}: the core alone"):
        wheel_check.use_core_alone(own, wheel, environment, folder, quiet=True)
    with step(f"Python {name}: the extra plot, and mypy"):
        wheel_check.install(own, [f"rmt[plot] @ {wheel.as_uri()}", "mypy"], environment, folder)
    with step(f"Python {name}: the first snippet of the README, rmt predict --json"):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        [snippet, *_] = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
        environment = environment | {"MPLBACKEND": "agg"}
        run([own, "-c", snippet], quiet=True, env=environment, cwd=folder)
        predict_in_shell(own, environment, folder)
    with step(f"Python {name}: types, from outside"):
        check_types(own, environment, folder)


def predict_in_shell(python: str, environment: dict[str, str], folder: Path) -> None:
    """The command prints JSON that says the right number of outliers."""
    command = [str(Path(python).parent / "rmt"), "predict", "--json"]
    command += "--activation tanh(z+0.7) --target sin(2*z) --width 500 --step 4,0.3".split()
    result = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    try:
        spikes = json.loads(result.stdout)["spikes"]
    except (ValueError, KeyError):
        raise CheckError(f"rmt predict --json: {result.stderr or result.stdout[:200]}") from None
    if sum(spike["is_outlier"] for spike in spikes) != 1:
        raise CheckError(f"rmt predict --json: one outlier is expected, got {spikes}")


def check_types(python: str, environment: dict[str, str], folder: Path) -> None:
    """`typed_user.py` has the mistakes that it says it has, and no others."""
    text = (ROOT / "tools" / "typed_user.py").read_text(encoding="utf-8")
    lines = text.splitlines()
    wrong = {n: line.partition("# wrong: ")[2] for n, line in enumerate(lines, 1)}
    expected = {(n, code) for n, code in wrong.items() if code}
    right = [line for line in lines if "# wrong: " not in line]
    (folder / "right.py").write_text("\n".join(right) + "\n", encoding="utf-8")
    (folder / "wrong.py").write_text(text, encoding="utf-8")
    if said := mypy(python, "right.py", environment, folder):
        raise CheckError(f"mypy --strict finds errors in what is right: {said}")
    found = set(mypy(python, "wrong.py", environment, folder))
    if found != expected:
        missed, others = sorted(expected - found), sorted(found - expected)
        raise CheckError(f"mypy --strict misses {missed} of typed_user.py, and finds {others}")


def mypy(
    python: str, name: str, environment: dict[str, str], folder: Path
) -> list[tuple[int, str]]:
    """Lines and codes of the errors in a file."""
    flags = ("--strict", "--no-error-summary", "--follow-imports=silent")
    command = [python, "-m", "mypy", *flags, name]
    result = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, encoding="utf-8", check=False
    )
    errors = re.findall(rf"^{re.escape(name)}:(\d+): error: .*\[([\w-]+)\]$", result.stdout, re.M)
    if result.returncode not in (0, 1) or bool(errors) != bool(result.returncode):
        raise CheckError(f"mypy: {result.stderr}{result.stdout}")
    return [(int(line), code) for line, code in errors]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
