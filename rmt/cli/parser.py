"""How the commands read their arguments and show their help."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

from rmt import __version__
from rmt.budget import MAX_SECONDS
from rmt.expressions.catalogue import ALIASES, CATALOGUE, MAX_HERMITE_DEGREE

__all__ = [
    "EXIT_CODES",
    "FUNCTIONS",
    "CommandParser",
    "Outcome",
    "add_choice",
    "add_command",
    "add_max_seconds",
    "add_rtol",
    "add_version",
    "integer",
    "number",
    "one_line",
]

EXIT_CODES = (
    "Exit codes: 0; 1 where a computation failed; 2 for bad input; 130 after Ctrl-C. All but 0 "
    "come with one line on standard error."
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command prints when the result is there, but not what was hoped for.

    Attributes
    ----------
    text : object
        For standard output.
    failure : str or None
        One line for standard error; the exit code is then 1. None: all is well.
    """

    text: object
    failure: str | None = None


_GLUE = "\xa0"  # between words that stay on one line

T = TypeVar("T")


def _functions() -> str:
    hermite = {f"He{k}" for k in range(MAX_HERMITE_DEGREE + 1)}
    names = ", ".join(sorted(set(CATALOGUE) - ALIASES.keys() - hermite))
    return (
        "Functions TEXT are written in z, or z1, z2 and z3 for a target with several directions: "
        f"numbers, pi, + - * / **, He0 to He{MAX_HERMITE_DEGREE} (Hermite polynomials), "
        f"remove_hermite(f, k), Piecewise((f, z < 0), (g, True)), {names}."
    )


FUNCTIONS = _functions()


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


class CommandParser(argparse.ArgumentParser):
    """Bad arguments: one line on standard error and exit code 2. The usage is short."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(formatter_class=_Help, **settings)

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
            alike = get_close_matches(name.lstrip("-"), known, 1, cutoff=0.75)
            if alike:
                hint = f"; did you mean {known[alike[0]]}?"
            elif self._subparsers is not None and name.startswith("-"):
                hint = "; options of a command come after its name"
            else:
                hint = ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options, unknown

    def _unknown_options(self, words: Sequence[str]) -> list[str]:
        """Words ``--name`` that begin no option, each with the value that follows it."""
        found: list[str] = []
        for word, following in zip(words, [*words[1:], "--"], strict=False):
            name, equals, _ = word.partition("=")
            is_option = word.startswith("--") and " " not in name
            if word == "--" or (self._subparsers is not None and not is_option):
                break  # what follows is read as it stands, or by a command
            if is_option and not any(o.startswith(name) for o in self._option_string_actions):
                has_value = not equals and not following.startswith("-")
                found += [word, following] if has_value else [word]
        return found

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


def add_command(
    commands: Any,
    name: str,
    purpose: str,
    details: str = "",
    examples: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> CommandParser:
    """A command whose help has one line of purpose, details, examples, notes and exit codes.

    Parameters
    ----------
    commands : argparse subparsers
        Where it is added.
    name, purpose, details : str
        The purpose is also its line in the list of commands.
    examples : sequence of str
        Arguments, without the command's own name.
    notes : sequence of str
        Paragraphs after the examples.
    """
    lines = [f"  %(prog)s {example}".rstrip() for example in examples]
    title = ["example:" if len(lines) == 1 else "examples:"] if lines else []
    epilog = "\n\n".join(["\n".join(title + lines), *notes, EXIT_CODES])
    command: CommandParser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}." + (f"\n\n{details}" if details else ""),
        epilog=epilog.strip("\n"),
    )
    return command


def add_choice(
    group: Any, option: str, metavar: str, allowed: Sequence[str], text: str, default: str | None
) -> None:
    """An option that takes one of a few words."""
    words = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    said = "" if default is None else f" (default: {default})"
    group.add_argument(
        option,
        choices=tuple(allowed),
        default=default,
        metavar=metavar,
        help=f"{text}: {words}{said}",
    )


def add_rtol(group: Any, default: float) -> None:
    """``--rtol``."""
    group.add_argument(
        "--rtol",
        type=number,
        default=default,
        metavar="TOL",
        help=f"relative tolerance (default: {default:g})",
    )


def add_max_seconds(group: Any, each: str = "") -> None:
    """``--max-seconds``."""
    group.add_argument(
        "--max-seconds",
        type=number,
        default=MAX_SECONDS,
        metavar="S",
        help=f"limit of processor time{each}, inf for none (default: {MAX_SECONDS:g})",
    )


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


def integer(text: str) -> int:
    """An integer, from the command line."""
    return _read(int, text, "an integer")


def number(text: str) -> float:
    """A number, from the command line."""
    return _read(float, text, "a number")


def _read(read: Callable[[str], T], text: str, what: str) -> T:
    try:
        return read(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {what}, got {text!r}") from None
