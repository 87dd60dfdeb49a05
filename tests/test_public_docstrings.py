"""What a reader of a public name needs is in its docstring, as far as a machine can tell."""

import inspect
import re
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
SECTIONS = ("Parameters", "Attributes", "Returns", "Raises", "Notes", "References", "Examples")

# What computes no formula and so has no source.
NO_FORMULA = {
    "rmt.Step": "a pair of numbers",
    "rmt.cache": "keeps results",
    "rmt.caches": "counts results",
    "rmt.sweep": "calls rmt.predict",
    "rmt.explore": "calls rmt.sweep",
    "rmt.ScalarFunction": "text to values",
    "rmt.Population": "a list of atoms",
    "validation.SampleStore": "keeps numbers",
    "validation.run_campaign": "calls validation.simulate and validation.observe",
    "validation.run_samples": "calls validation.simulate and validation.observe",
    "validation.connect_dask": "a connection",
    "validation.worker_processes": "processes",
    "validation.fit_power_law": "its docstring is the derivation",
}
# What raises nothing on purpose.
RAISES_NOTHING = {
    "rmt.caches": "takes one flag",
    "rmt.feature_exponents": "takes a Problem, and any will do",
    "rmt.spectra.additive_threshold": "takes a law, and any will do",
    "rmt.spectra.coupled_outliers.displaced": "internal forms, which are not looked at",
    "validation.worker_processes": "the pool checks its size",
}


@cache
def exported():
    """``{"module.name": object}``, each under the first module of the reference that exports it."""
    text = (DOCS / "extensions" / "public_names.py").read_text(encoding="utf-8")
    [listed] = re.findall(r"^MODULES = \{(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    modules = re.findall(r'^    "([\w.]+)":', listed, re.MULTILINE)
    found, seen = {}, set()
    for module in modules:
        loaded = import_module(module)
        for name in loaded.__all__:
            thing = getattr(loaded, name)
            if id(thing) not in seen and not isinstance(thing, str):
                seen.add(id(thing))
                found[f"{module}.{name}"] = thing
    return found


def is_enumeration(thing):
    return inspect.isclass(thing) and issubclass(thing, Enum)


def is_error(thing):
    return inspect.isclass(thing) and issubclass(thing, Exception)


def computes(thing):
    """Functions, and classes that are made by a user: results have Attributes instead."""
    return inspect.isroutine(thing) or "Parameters" in sections(thing)


def sections(thing):
    """The docstring's sections by title; what stands before the first has the title ""."""
    return cut(inspect.getdoc(thing) or "")


def cut(text):
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def named(section):
    """The names that a section describes."""
    lines = re.findall(r"^(\S[^:\n]*?)(?: :.*)?$", section, re.MULTILINE)
    return {name.strip("* ") for line in lines for name in line.split(",")}


def members(thing):
    """Public methods and properties that a class defines itself, by name."""
    for name, member in vars(thing).items():
        if isinstance(member, property):
            member = member.fget
        elif isinstance(member, classmethod | staticmethod):
            member = member.__func__
        if not name.startswith("_") and inspect.isfunction(member):
            yield name, member


NAMES = sorted(exported())
FUNCTIONS = [name for name in NAMES if inspect.isroutine(exported()[name])]
CLASSES = [name for name in NAMES if inspect.isclass(exported()[name])]


def test_the_lists_are_of_public_names():
    assert len(NAMES) > 100
    assert set(NO_FORMULA) | set(RAISES_NOTHING) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_summary_sections_and_example(name):
    found = sections(exported()[name])
    summary = found[""].split("\n\n")[0]
    assert re.match(r"\S.*[.:?]$", summary.strip(), re.DOTALL), summary
    titles = [title for title in found if title]
    assert titles == [title for title in SECTIONS if title in found]
    assert ">>> " in found.get("Examples", ""), "no example that runs"


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_is_described(name):
    thing = exported()[name]
    if is_enumeration(thing) or is_error(thing) or inspect.isabstract(thing):
        return
    found = sections(thing)
    described = named(found.get("Parameters", "")) | named(found.get("Attributes", ""))
    parameters = {
        parameter
        for parameter in inspect.signature(thing).parameters
        if not parameter.startswith("_") and parameter != "factors"  # the latter is not shown
    }
    # An error's numbers are those of what it is the error of, "under the same names".
    if name not in ("rmt.SpikeError", "rmt.SweepError"):
        assert parameters <= described


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_say_what_they_return_and_raise(name):
    function = exported()[name]
    found = sections(function)
    assert found.get("Returns"), "no section Returns"
    if name not in RAISES_NOTHING:
        raised = found.get("Raises", "")
        assert re.search(r"^\w*(InvalidInputError|ConvergenceError)", raised, re.MULTILINE)
    # What the function's own body raises is listed, whatever else is.
    body = inspect.getsource(inspect.unwrap(function)).split('"""')[-1]
    for error in re.findall(r"raise (\w+Error)\(", body):
        assert error in found["Raises"]


@pytest.mark.parametrize("name", [name for name in NAMES if computes(exported()[name])])
def test_formulas_have_a_source(name):
    text = inspect.getdoc(exported()[name])
    pages = re.findall(r"docs/(\w+)\.md", text)
    assert all((DOCS / f"{page}.md").exists() for page in pages)
    paper = re.search(r"arXiv:|[A-Z]\w+ (?:19|20)\d\d\b", text)
    assert pages or paper or name in NO_FORMULA, "no page of docs/ and no paper"


@pytest.mark.parametrize("name", CLASSES)
def test_methods_have_docstrings(name):
    for method, function in members(exported()[name]):
        assert (inspect.getdoc(function) or "").strip(), f"{name}.{method}"


@pytest.mark.parametrize("name", NAMES)
def test_equations_are_typeset(name):
    """A displayed equation is a directive ``math``; an indented paragraph would be a quotation."""
    thing = exported()[name]
    texts = [inspect.getdoc(thing) or ""]
    if inspect.isclass(thing):
        texts += [inspect.getdoc(function) or "" for _, function in members(thing)]
    for text in texts:
        for title, section in cut(text).items():
            if title in ("", "Notes"):
                for block in section.split("\n\n"):
                    assert not block.startswith("  "), block
            assert ":math:" not in section, "inside of a line: plain text, readable in help()"


def test_pages_that_docstrings_name_exist():
    texts = [thing.__doc__ or "" for thing in exported().values()]
    pages = {page for text in texts for page in re.findall(r"docs/(\w+)\.md", text)}
    assert "theory" in pages
    assert all((DOCS / f"{page}.md").exists() for page in pages)
