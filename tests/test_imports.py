"""The import directions of docs/architecture.md, and what `import rmt` loads."""

import ast
import pickle
import shutil
import subprocess
import sys
import sysconfig
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

import rmt

ROOT = Path(__file__).parents[1]


def test_import_contracts_are_kept():
    lint_imports = shutil.which("lint-imports", path=sysconfig.get_path("scripts"))
    assert lint_imports, "import-linter is missing: install the extra `dev`"
    result = subprocess.run(
        [lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def run(*arguments):
    """What a fresh interpreter prints; no warning, and nothing on standard error."""
    result = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def loaded_by(code):
    """The top-level modules that are there after some code, whatever that prints."""
    return {name.partition(".")[0] for name in run("-c", f"{code}\n{LIST}").split("\n")[-2].split()}


LIST = "import sys; print(*sys.modules)"
SLOW = {"scipy", "sympy", "mpmath", "matplotlib", "pandas", "sqlite3", "multiprocessing"}


@pytest.mark.parametrize("package", ["rmt", "validation"])
def test_importing_a_package_loads_nothing_that_is_slow(package):
    loaded = loaded_by(f"import {package}")
    assert package in loaded
    assert not loaded & {*SLOW, "numpy"}
    assert package == "validation" or "validation" not in loaded


@pytest.mark.parametrize(
    "arguments",
    [
        ["rmt", "--version"],
        ["rmt", "--help"],
        ["rmt", "predict", "--help"],
        ["rmt", "sweep", "--help"],
        ["rmt", "pedict"],
        ["rmt", "predict", "--widht", "100"],
        ["validation", "--help"],
        ["validation", "--version"],
        ["validation", "run", "--help"],
        ["validation", "show", "--storre", "x"],
    ],
    ids=" ".join,
)
def test_help_and_typing_errors_need_no_numbers(arguments):
    package, *rest = arguments
    code = (
        "import contextlib, io\n"
        f"from {package}.cli import main\n"
        "try:\n"
        "    with contextlib.redirect_stderr(io.StringIO()):\n"
        f"        main({rest!r})\n"
        "except SystemExit as end:\n"
        "    assert end.code in (0, 2)\n"
        "else:\n"
        "    raise AssertionError('the command ran')"
    )
    loaded = loaded_by(code)
    assert "argparse" in loaded
    assert not loaded & {*SLOW, "numpy"}


def test_a_simple_prediction_needs_no_part_of_scipy():
    options = "--activation z --target z --width 100 --dim 100 --samples 200 --step 1,0.25"
    code = f"from rmt.cli import main\nassert main({['predict', *options.split()]!r}) == 0"
    loaded = set(run("-c", f"{code}\n{LIST}").split("\n")[-2].split())
    assert {"numpy", "sympy", "rmt.predict"} <= loaded
    parts = {"linalg", "special", "optimize", "interpolate", "integrate", "ndimage", "sparse"}
    assert not loaded & {f"scipy.{part}" for part in parts}
    assert not loaded & {"matplotlib", "pandas", "sqlite3", "multiprocessing", "numpy.ma"}


def packages_that_load_on_demand():
    return sorted(
        path.relative_to(ROOT).parent.as_posix().replace("/", ".")
        for folder in ("rmt", "validation")
        for path in (ROOT / folder).rglob("__init__.py")
        if "load_on_demand(" in path.read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("package", packages_that_load_on_demand())
def test_names_on_demand_are_those_that_type_checkers_see(package):
    path = ROOT / package.replace(".", "/") / "__init__.pyi"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert all(alias.name == alias.asname for node in imports for alias in node.names)
    public = import_module(package)
    assert public.__all__ == sorted(alias.name for node in imports for alias in node.names)
    for node in imports:
        for alias in node.names:
            name = alias.name
            assert getattr(public, name) is getattr(sys.modules[node.module], name)
            assert not isinstance(getattr(public, name), ModuleType)
            assert name in dir(public)


def test_star_gives_every_public_name():
    found = {}
    exec("from rmt import *", found)
    assert set(rmt.__all__) <= set(found)
    assert found["predict"] is rmt.predict


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="module 'rmt' has no attribute 'predic'"):
        rmt.predic  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'predic' from 'rmt'"):
        exec("from rmt import predic")


# Functions with the name of the module, or the package, that defines them.
SAME_NAMES = [
    ("rmt", "cache", "active"),
    ("rmt", "predict", "on_marchenko_pastur"),
    ("rmt.grids", "sweep", "swept"),
    ("rmt.grids", "phase_diagram", "PhaseDiagram"),
    ("rmt.hermite", "general_term", "general_term"),
    ("rmt.spikes.scaling", "learned_region", "LearnedRegion"),
]


def test_functions_with_the_name_of_a_module_are_all_listed():
    found = {
        (package, name)
        for package in packages_that_load_on_demand()
        for name in import_module(package).__all__
        if find_spec(f"{package}.{name}")
    }
    assert found == {(package, name) for package, name, _ in SAME_NAMES}


@pytest.mark.parametrize(("package", "name", "other"), SAME_NAMES)
def test_a_function_keeps_its_name_from_the_module_of_the_same_name(package, name, other):
    orders = [
        f"import {package}.{name}",
        f"from {package}.{name} import {other}",
        f"import {package}.{name} as function; assert callable(function)",
        f"from {package} import {name}",
        f"import {package}, sys; {package}.{name}; import {package}.{name}",
        f"import {package}; from importlib import import_module; import_module('{package}.{name}')",
        f"import {package}.{name}; import {package}.{name}",
        "import rmt.grids.points, rmt.cli.predictions, rmt.plotting.sweeps, rmt.features",
    ]
    check = (
        f"import {package}\n"
        f"assert callable({package}.{name}), {package}.{name}\n"
        f"from {package} import {name}\n"
        f"assert {name} is {package}.{name}\n"
        f"assert {name}.__name__ == {name!r}\n"
    )
    forget = (
        "import sys\n"
        "for name in [*sys.modules]:\n"
        "    if name.partition('.')[0] == 'rmt':\n"
        "        del sys.modules[name]\n"
    )
    run("-c", f"{forget}".join(f"{order}\n{check}" for order in orders))


def test_public_names_survive_pickle():
    for name in rmt.__all__:
        thing = getattr(rmt, name)
        assert pickle.loads(pickle.dumps(thing)) is thing
