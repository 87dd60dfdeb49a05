"""``python -m validation``: see ``python -m validation --help``."""

from __future__ import annotations

import sys

from validation.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
