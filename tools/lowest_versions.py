"""The lowest versions that pyproject.toml promises, as constraints for pip.

    python tools/lowest_versions.py dev > constraints.txt

prints ``numpy==2.0`` for the requirement ``numpy>=2.0``, and so on for the dependencies and those
of the extras that are named.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def lowest(project: dict[str, Any], extras: Sequence[str]) -> dict[str, str]:
    """Lower bound of each package that a project and its extras require.

    Raises
    ------
    ValueError
        For a requirement that is no lower bound, so that nobody knows what it promises.
    """
    found: dict[str, str] = {}
    requirements = list(project["dependencies"])
    for extra in extras:
        requirements += project["optional-dependencies"][extra]
    while requirements:
        requirement = requirements.pop(0)
        own = re.fullmatch(rf"{project['name']}\[(.+)\]", requirement)
        if own:
            for extra in own[1].split(","):
                requirements += project["optional-dependencies"][extra]
            continue
        bound = re.fullmatch(r"([\w.-]+)(?:\[.+\])?>=([\w.]+)", requirement)
        if bound is None:
            raise ValueError(f"no lower bound: {requirement!r}; write it as name>=version")
        name, version = bound.groups()
        if found.setdefault(name, version) != version:
            raise ValueError(f"two lower bounds of {name}: {found[name]} and {version}")
    return found


if __name__ == "__main__":
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for name, version in lowest(settings["project"], sys.argv[1:]).items():
        print(f"{name}=={version}")
