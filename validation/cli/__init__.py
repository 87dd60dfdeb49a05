"""The command ``rmt-validation``, or ``python -m validation``: campaigns, reports, and checks."""

from validation.cli.main import main, script

__all__ = ["main", "script"]
