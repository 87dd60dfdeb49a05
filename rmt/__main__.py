"""``python -m rmt``: the command ``rmt``."""

import sys

from rmt.cli import main

if __name__ == "__main__":
    sys.exit(main())
