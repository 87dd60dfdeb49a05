"""Completion in shells: ``rmt completion bash`` and its like, written by shtab."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rmt.cli.program import Command, command, option, parser_of

__all__ = ["SHELLS", "completion_of"]

SHELLS = ("bash", "zsh", "fish", "tcsh")


def completion_of(program: str) -> Command:
    """The command ``completion`` of a program, under the name that the shell knows."""

    @command(
        shell=[
            option("shell", "SHELL", f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}", choices=SHELLS)
        ],
        details=[
            "It completes commands, options, their values where there are few, and files, for the "
            f"command {program}. Needs the extra completion (shtab)."
        ],
        notes=[
            "where to put it:\n"
            "  bash: in a file that ~/.bashrc sources, or in\n"
            f"        ~/.local/share/bash-completion/completions/{program}\n"
            f"  zsh:  as _{program} in a folder of $fpath, before compinit runs\n"
            f"  fish: in ~/.config/fish/completions/{program}.fish\n"
            "  tcsh: in a file that ~/.tcshrc sources\n"
            f"For this session alone, in bash: source <({program} completion bash)"
        ],
    )
    def completion(options: argparse.Namespace) -> str:
        """Print a script with which a shell completes this command."""
        return _script(parser_of(replace(options.program, name=program)), options.shell)

    return completion


def _script(parser: argparse.ArgumentParser, shell: str) -> str:
    try:
        import shtab
    except ImportError as error:
        raise ImportError(
            "completion needs shtab (the extra 'completion' of this package)"
        ) from error
    for action in _actions(parser):
        words = tuple((getattr(action, "offered", None) or tuple)())
        if action.metavar == "FILE" and words:
            action.complete = _files_and(words)  # type: ignore[attr-defined]
        elif action.metavar == "FILE":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
        elif action.metavar == "FOLDER":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif words:
            action.choices = words
    return str(shtab.complete(parser, shell)).rstrip("\n")


def _files_and(words: tuple[str, ...]) -> dict[str, Any]:
    """Files or words, in the terms of shtab."""
    listed = shlex.join(words)
    name = "_rmt_files_and_words"
    return {
        "bash": name,
        "zsh": name,
        "fish": f"{listed} (__fish_complete_path (commandline -ct))",
        "tcsh": "f",
        "preamble": {
            "bash": f'{name}() {{\n  compgen -f -W "{listed}" -- "$1"\n}}',
            "zsh": f"{name}() {{\n  _files\n  compadd -- {listed}\n}}",
        },
    }


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        else:
            yield action
