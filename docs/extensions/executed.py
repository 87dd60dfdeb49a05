"""When the gallery's scripts and the notebook are run again.

Both are kept by what runs them, sphinx-gallery and jupyter-cache, until their own text changes.
What they show depends on the whole library as well: where it has changed, they forget.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from extensions import kept
from extensions.stages import begin, end, say

FOLDER = Path(__file__).parent.parent
GALLERY, NOTEBOOK = FOLDER / "gallery", "getting_started"


def script_keys() -> dict[Path, str]:
    """For each script of the gallery the file that keeps its key, and the key of today."""
    found = {}
    settings = (FOLDER / "conf.py").read_text(encoding="utf-8")
    scripts = FOLDER.parent / "examples"
    for script in sorted(scripts.rglob("*.py")):
        text = script.read_text(encoding="utf-8")
        now = kept.key(settings, text, code=kept.packages(text))
        found[GALLERY / script.relative_to(scripts).with_suffix(".key")] = now
    return found


def forget_scripts(app: Sphinx) -> None:
    """Scripts whose file with the digest is gone are run by sphinx-gallery."""
    stale = [path for path, now in script_keys().items() if not kept.current(path, now)]
    for path in stale:
        path.with_suffix(".py.md5").unlink(missing_ok=True)
    if stale:
        begin("gallery", f"{len(stale)} of {len(script_keys())} scripts")
    else:
        say("gallery: kept")


def remember_scripts(app: Sphinx) -> None:
    """All scripts have run."""
    for path, now in script_keys().items():
        path.write_text(now, encoding="utf-8")
    end("gallery")


def say_script(settings: dict[str, Any], script: str, when: str) -> None:
    """Called by sphinx-gallery before and after each script that it runs."""
    what = f"  {Path(script).name}"
    if when == "before":
        begin(what)
    else:
        end(what)


def forget_notebook(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> list[str]:
    """The notebook is read, and run, again."""
    text = (FOLDER / f"{NOTEBOOK}.ipynb").read_text(encoding="utf-8")
    now = kept.key(text, code=kept.packages(text))
    folder = Path(app.config.nb_execution_cache_path)
    mark = folder / "made_from.key"
    if not kept.current(mark, now):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        mark.write_text(now, encoding="utf-8")
        say("notebook: run while it is read")
    # An environment of Sphinx that was made before the change knows nothing of it.
    before, env.notebook_key = getattr(env, "notebook_key", None), now  # type: ignore[attr-defined]
    return [] if before == now else [NOTEBOOK]


def setup(app: Sphinx) -> dict[str, Any]:
    """Around sphinx-gallery, which listens at the usual priority."""
    app.connect("builder-inited", forget_scripts, priority=400)
    app.connect("builder-inited", remember_scripts, priority=600)
    app.connect("env-get-outdated", forget_notebook)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
