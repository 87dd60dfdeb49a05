"""How the documentation is built: `make docs`. Nothing on the pages comes from the network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where the folder `extensions` is

import rmt

project = "rmt"
author = "the rmt developers"
project_copyright = author
release = version = rmt.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
    "extensions.stages",
    "extensions.docstrings",
    "extensions.local_mathjax",
    "extensions.public_names",
    "extensions.report",
    "extensions.generated",
    "extensions.executed",
    "extensions.offline_search",
    "extensions.links",
]
# The gallery writes a notebook beside each of its pages.
exclude_patterns = [
    "_build",
    "_report",
    "_generated/*.inc.md",
    "gallery/**.ipynb",
    "gallery/sg_execution_times.rst",
]
suppress_warnings = ["config.cache"]  # the gallery's settings hold a class

# --- Markdown -------------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
# A fence without a language is a command or its output.
highlight_language = "none"

# --- notebooks ------------------------------------------------------------------------------------

nb_execution_mode = "cache"  # forgotten when the library changes: extensions/executed.py
nb_execution_cache_path = str(Path(__file__).parent / "_build" / "notebook")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_output_stderr = "warn"  # and a warning fails the build

# --- the code's own documentation -----------------------------------------------------------------

default_role = "py:obj"  # `Prediction` in a docstring is a link, if there is such a name
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Under their own names, which say more than what they stand for.
autodoc_type_aliases = {
    name: name
    for name in (
        *("ArrayLike", "DTypeLike", "Array", "FloatArray", "ComplexArray", "Bools"),
        *("FunctionLike", "PopulationLike", "WeightsLike", "Coefficient", "Entries", "Over"),
    )
}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
maximum_signature_line_length = 80

# --- gallery --------------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 3600,
    "reset_modules": ("matplotlib", "extensions.executed.say_script"),
    "reset_modules_order": "both",
    "abort_on_example_error": True,
    "capture_repr": (),
}

# --- pages ----------------------------------------------------------------------------------------

html_theme = "furo"
html_title = f"rmt {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["wide_math.js"]
html_extra_path = ["_generated/extra"]  # pages of their own that snippets write
html_copy_source = False
html_show_sphinx = False
pygments_style = "tango"
html_theme_options = {"navigation_with_keys": True}
