"""The command ``python -m validation``: campaigns, reports, and checks of given weights."""

from validation.cli.main import main

__all__ = ["main"]
