"""``rmt cache``."""

from __future__ import annotations

import argparse

from rmt.cli.options import JSON
from rmt.cli.program import command, option

__all__ = ["cache"]

_ACTIONS = ("list", "clear")


@command(
    action=[option("action", "ACTION", "list or clear", choices=_ACTIONS)],
    folder=[option("--folder", "FOLDER", "the folder (default: what RMT_CACHE names)")],
    output=[JSON],
    details=[
        "Predictions are kept in a folder where the environment variable RMT_CACHE names one, or "
        "within rmt.cache in Python, and are not computed again for the same problem, level and "
        "tolerance. Nothing is kept otherwise."
    ],
)
def cache(options: argparse.Namespace) -> object:
    """List or remove the predictions that are kept in a folder.

    examples:
      %(prog)s list --folder kept
      %(prog)s clear --folder kept
    """
    from rmt.cache import opened

    found = opened(options.folder)
    if options.action == "list":
        return found
    count = found.clear()
    return f"{found.folder}: {count} result{'' if count == 1 else 's'} removed"
