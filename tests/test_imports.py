"""The import directions of docs/architecture.md, and what `import rmt` loads."""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_import_contracts_are_kept():
    lint_imports = shutil.which("lint-imports", path=sysconfig.get_path("scripts"))
    assert lint_imports, "import-linter is missing: install the extra `dev`"
    result = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def modules_loaded_by_import_rmt():
    code = "import rmt, sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["sympy", "matplotlib", "pandas", "validation"])
def test_import_rmt_does_not_load(module, modules_loaded_by_import_rmt):
    assert "rmt" in modules_loaded_by_import_rmt
    assert module not in modules_loaded_by_import_rmt


def test_import_rmt_gives_no_output_and_no_warning():
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import rmt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
