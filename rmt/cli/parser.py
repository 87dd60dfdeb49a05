"""How a program reads its arguments, says what is wrong with them, and lays out its help."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from rmt import __version__

__all__ = ["EXIT_CODES", "CommandParser", "add_version", "one_line"]

EXIT_CODES = (
    "Exit codes: 0; 1 where a computation failed; 2 for bad input; 130 after Ctrl-C. All but 0 "
    "come with one line on standard error."
)


_GLUE = "\xa0"  # between words that stay on one line


class _Help(argparse.HelpFormatter):
    """Prose is wrapped, paragraph by paragraph; indented lines stay as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)

    def _format_action(self, action: argparse.Action) -> str:
        if isinstance(action, argparse._SubParsersAction):  # the commands, without a heading
            return "".join(map(self._format_action, action._get_subactions()))
        return super()._format_action(action)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = []
        for paragraph in text.split("\n\n"):
            indented = "\n  " in paragraph or paragraph.startswith("  ")
            paragraphs.append(
                textwrap.indent(paragraph, indent)
                if indented
                else textwrap.fill(
                    paragraph, width, initial_indent=indent, subsequent_indent=indent
                )
            )
        return "\n\n".join(paragraphs)


# What papers call them.
_LETTERS = {
    "--n": "--samples",
    "--d": "--dim",
    "--N": "--width",
    "--sigma": "--activation",
    "--f": "--target",
    "--eta": "--step",
    "--lr": "--step",
}


class CommandParser(argparse.ArgumentParser):
    """Bad arguments: one line on standard error and exit code 2. The usage is short.

    Options are not abbreviated: ``--n`` would be ``--noise`` to a machine, and samples to a reader.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where to look, in one line."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As `argparse.ArgumentParser.parse_known_args`, but refuses what is unknown.

        Before anything that is missing: a misspelt option is often why it is.
        """
        words = list(sys.argv[1:] if args is None else args)
        unknown = self._unknown_options(words)
        if not unknown:
            options, unknown = super().parse_known_args(words, namespace)
        if unknown:
            name = unknown[0].partition("=")[0]
            known = {option.lstrip("-"): option for option in self._option_string_actions}
            meant = _LETTERS.get(name) or self._begun(name)
            alike = get_close_matches(name.lstrip("-"), known, 1, cutoff=0.75)
            if meant in self._option_string_actions:
                hint = f"; did you mean {meant}?"
            elif alike:
                hint = f"; did you mean {known[alike[0]]}?"
            elif self._subparsers is not None and name.startswith("-"):
                hint = "; options of a command come after its name"
            else:
                hint = ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options, unknown

    def _unknown_options(self, words: Sequence[str]) -> list[str]:
        """Words ``--name`` that are no option, each with the value that follows it."""
        found: list[str] = []
        for word, following in zip(words, [*words[1:], "--"], strict=False):
            name, equals, _ = word.partition("=")
            is_option = word.startswith("--") and " " not in name
            if word == "--" or (self._subparsers is not None and not is_option):
                break  # what follows is read as it stands, or by a command
            if is_option and name not in self._option_string_actions:
                has_value = not equals and not following.startswith("-")
                found += [word, following] if has_value else [word]
        return found

    def _begun(self, name: str) -> str | None:
        """The one option that begins so."""
        found = [one for one in self._option_string_actions if one.startswith(name)]
        return found[0] if len(found) == 1 else None

    def format_help(self) -> str:
        """The help; its usage names what must be given, and leaves the rest to the list below."""
        words = [_shown(a) for a in self._actions if a.required and a.option_strings]
        for group in self._mutually_exclusive_groups:
            if group.required:
                words.append(f"({f'{_GLUE}|{_GLUE}'.join(map(_shown, group._group_actions))})")
        positionals = [_shown(a) for a in self._actions if not a.option_strings]
        if len(self._actions) > 1 + len(words) + len(positionals):
            words.append("[options]")
        text = textwrap.fill(
            " ".join([f"usage: {self.prog}".replace(" ", _GLUE), *positionals, *words]),
            self._get_formatter()._width,
            subsequent_indent=" " * 11,
            break_long_words=False,
            break_on_hyphens=False,
        )
        self.usage = text.replace(_GLUE, " ").removeprefix("usage: ")
        return super().format_help()


def _shown(action: argparse.Action) -> str:
    parts = [*action.option_strings[-1:], *([] if action.nargs == 0 else [str(action.metavar)])]
    return _GLUE.join(parts)


class _Versions(argparse._VersionAction):
    """Asks the installed packages for their versions only when it is used."""

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        import platform
        from importlib.metadata import version

        self.version = (
            f"rmt {__version__} (Python {platform.python_version()}, "
            f"numpy {version('numpy')}, scipy {version('scipy')})"
        )
        super().__call__(*args, **kwargs)


def add_version(parser: argparse.ArgumentParser) -> None:
    """``--version``: that of rmt, and of what decides the digits of its results."""
    parser.add_argument(
        "--version",
        action=_Versions,
        help="show the versions of rmt, Python, numpy and scipy, and exit",
    )


def one_line(message: str) -> str:
    """A message on one line: the excerpt of a formula is quoted, without the caret below it."""
    quoted = re.sub(r"\(position (\d+)\)\n {4}(.*)\n +\^", r"(position \1 of '\2')", message)
    return " ".join(quoted.split())
