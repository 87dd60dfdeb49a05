"""Build what is released, look into it, and use it beside the core dependencies alone.

`make wheel-check` runs this; the files that passed are in ``dist``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
PACKAGES = ("rmt", "validation")
SOURCES = (*PACKAGES, "tests", "docs", "examples", "benchmarks", "tools")
GENERATED = {"__pycache__", "_build", "_generated", "_report", "gallery"}


def main() -> int:
    """Returns the exit code: 0, or 1 with a line on standard error."""
    began = perf_counter()
    try:
        wheel = build()
        look_into_wheel(wheel)
        look_into_sdist()
        use(wheel)
    except CheckError as error:
        print(f"wheel-check: error: {error}", file=sys.stderr)
        return 1
    print(f"wheel-check: {wheel.name} and its sdist pass ({perf_counter() - began:.0f} s)")
    return 0


class CheckError(Exception):
    """What is released is not what it should be."""


def build() -> Path:
    """The sdist, and the wheel from the sdist; returns the wheel."""
    shutil.rmtree(DIST, ignore_errors=True)
    run([sys.executable, "-m", "build", "--outdir", str(DIST), str(ROOT)], quiet=True)
    [wheel], [sdist] = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run([sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist)], quiet=True)
    return wheel


def sources(folder: str) -> set[str]:
    """The files of a folder of the checkout that are no build outputs."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not GENERATED & set(path.relative_to(ROOT).parts)
    }


def look_into_wheel(wheel: Path) -> None:
    """The two packages, whole, and nothing else."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    expect("the wheel", names, set().union(*map(sources, PACKAGES)))
    needed = {"rmt/py.typed", "validation/py.typed", "validation/report/templates/report.html"}
    if not needed <= names:
        raise CheckError(f"the wheel lacks {', '.join(sorted(needed - names))}")


def look_into_sdist() -> None:
    """The packages, tests, documentation, examples and benchmarks, and what stands beside them."""
    [sdist] = DIST.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()}
    beside = "CHANGELOG.md CITATION.cff CONTRIBUTING.md LICENSE Makefile README.md constraints.txt"
    expected = set().union(*map(sources, SOURCES), beside.split(), ["pyproject.toml"])
    expect("the sdist", names - {"PKG-INFO", ".gitignore"}, expected)


def expect(what: str, names: set[str], expected: set[str]) -> None:
    for found, said in ((expected - names, "lacks"), (names - expected, "should not have")):
        if found:
            raise CheckError(f"{what} {said} {', '.join(sorted(found)[:5])}")


def use(wheel: Path) -> None:
    """Install the wheel into an empty environment and use it outside of the checkout."""
    environment = outside_of_the_checkout()
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder, "bare")
        venv.create(bare, with_pip=True)
        python = str(bare / ("Scripts" if os.name == "nt" else "bin") / "python")
        install(python, [str(wheel)], environment, Path(folder))
        use_core_alone(python, wheel, environment, Path(folder))


def outside_of_the_checkout() -> dict[str, str]:
    """The environment's variables, without what tells Python of the checkout."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MYPY"))}
    return environment | {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def install(
    python: str, requirements: Sequence[str], environment: dict[str, str], folder: Path
) -> None:
    """Install into the environment of an interpreter; what is there then agrees with itself."""
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    command = [*pip, "install", "--quiet", "--no-compile", *requirements]
    run(command, quiet=True, env=environment, cwd=folder)
    run([*pip, "check"], env=environment, cwd=folder, quiet=True)


def use_core_alone(
    python: str, wheel: Path, environment: dict[str, str], folder: Path, quiet: bool = False
) -> None:
    """What must work without any extra."""
    script = shutil.copy(ROOT / "tools" / "use_core_alone.py", folder)
    version = wheel.name.split("-")[1]
    run([python, str(script), version], quiet=quiet, env=environment, cwd=folder)


def run(command: list[str], quiet: bool = False, **settings: object) -> None:
    """Run a command; what a quiet one prints is shown where it fails."""
    result = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        encoding="utf-8",
        **settings,
    )
    if result.returncode:
        print(result.stdout or "", end="", file=sys.stderr)
        raise CheckError(f"{' '.join(command[1:4])} ... ended with code {result.returncode}")


if __name__ == "__main__":
    sys.exit(main())
