"""The command ``rmt``: predictions, sweeps and Hermite expansions from a shell."""

from rmt.cli.main import main

__all__ = ["main"]
