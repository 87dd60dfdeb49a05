"""A program is a table of commands: how a table becomes a parser, and how a command is run.

Both ``rmt`` and ``rmt-validation`` are one (`rmt.cli.main`, `validation.cli.main`). A new
command is a function below the decorator `command`, and a line in the table of its program.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

from rmt.cli.parser import EXIT_CODES, CommandParser, add_version, one_line
from rmt.status import IN_BEST, InvalidInputError, RmtError

__all__ = [
    "Argument",
    "Command",
    "Either",
    "Outcome",
    "Program",
    "choice",
    "command",
    "flag",
    "option",
    "parser_of",
    "run_program",
    "save_figure",
]


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a command; see `option`, `flag` and `choice`, which make them.

    Attributes
    ----------
    name : str
        Of an option with its dashes.
    settings : dict
        What `argparse.ArgumentParser.add_argument` takes.
    offered : callable or None
        Words that shells offer, where it may be something else as well. A function, since the
        words may come from what takes long to load.
    """

    name: str
    settings: dict[str, Any]
    offered: Callable[[], Iterable[str]] | None = None


@dataclass(frozen=True, slots=True)
class Either:
    """Arguments of which at most one is given, or just one where that is required."""

    arguments: Sequence[Argument]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """A line in the table of a program.

    Attributes
    ----------
    name : str
        After the name of the program.
    run : callable
        Takes the options and returns what is to be printed.
    groups : mapping of str to sequence of Argument or Either
        Arguments below their headings.
    details, notes : sequence of str
        Paragraphs of the help above and below the options, after those of the docstring of `run`.
    interrupted : str or None
        What is said after Ctrl-C, where it is not what the program says; fields are options.
    """

    name: str
    run: Callable[[argparse.Namespace], object]
    groups: Mapping[str, Sequence[Argument | Either]]
    details: Sequence[str] = ()
    notes: Sequence[str] = ()
    interrupted: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A table of commands under one name.

    Attributes
    ----------
    name : str
        By which it was called.
    description, epilog : str
        Before and after the list of commands.
    commands : tuple of Command
        The table.
    speaker : str
        What a line on standard error begins with; fields are ``program`` and ``command``.
    interrupted : str
        What is said after Ctrl-C.
    """

    name: str
    description: str
    epilog: str
    commands: tuple[Command, ...]
    speaker: str
    interrupted: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command prints when the result is there, but not what was hoped for.

    Attributes
    ----------
    found : object
        For standard output.
    failure : str or None
        One line for standard error; the exit code is then 1. None: all is well.
    """

    found: object
    failure: str | None = None


def command(
    *,
    details: Sequence[str] = (),
    notes: Sequence[str] = (),
    interrupted: str | None = None,
    **groups: Sequence[Argument | Either],
) -> Callable[[Callable[[argparse.Namespace], object]], Command]:
    """Make a `Command` of a function, under its name.

    It takes the options, and returns a text, or a result that is written in the form that they ask
    for (``json``, ``latex``) and drawn (``plot``); see `Outcome`. Its docstring is the help, with
    ``%(prog)s`` for the name: the first line is also that in the list of commands, and what begins
    with examples stands below the options. Arguments stand under headings: those in ``method`` of
    ``method=[..]``.
    """

    def made(run: Callable[[argparse.Namespace], object]) -> Command:
        name = run.__name__.rstrip("_").replace("_", "-")
        return Command(name, run, groups, details, notes, interrupted)

    return made


def option(
    name: str,
    metavar: str,
    text: str,
    read: Callable[[str], object] = str,
    *,
    offered: Callable[[], Iterable[str]] | None = None,
    **settings: Any,
) -> Argument:
    """An argument with a value, which a function reads; its help ends with the default."""
    default = settings.get("default")
    if isinstance(default, float | int):
        default = f"{default:g}"
    if default is not None and "(default:" not in text:
        text += f" (default: {default})"
    return Argument(name, {"metavar": metavar, "help": text, "type": read, **settings}, offered)


def flag(name: str, text: str) -> Argument:
    """An option that is there or not."""
    return Argument(name, {"action": "store_true", "help": text})


def choice(
    name: str, metavar: str, text: str, allowed: Sequence[str], default: str | None = None
) -> Argument:
    """An option that takes one of a few words."""
    words = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    return option(name, metavar, f"{text}: {words}", choices=tuple(allowed), default=default)


def parser_of(program: Program) -> CommandParser:
    """The parser of a program; the options that it returns know the program and the command."""
    parser = CommandParser(
        prog=program.name,
        description=program.description,
        epilog=f"{program.epilog}\n\n{EXIT_CODES}",
    )
    add_version(parser)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for command in program.commands:
        above, examples, below = (getdoc(command.run) or "").partition("\n\nexample")
        purpose = above.partition("\n")[0].removesuffix(".")
        added = commands.add_parser(
            command.name,
            help=purpose[:1].lower() + purpose[1:],
            description="\n\n".join([above, *command.details]),
            epilog="\n\n".join([examples + below, *command.notes, EXIT_CODES]).strip("\n"),
        )
        added.set_defaults(program=program, command=command)
        for heading, arguments in command.groups.items():
            group = added.add_argument_group(heading)
            for argument in arguments:
                _add(group, argument)
    return parser


def _add(group: Any, argument: Argument | Either) -> None:
    if isinstance(argument, Either):
        group = group.add_mutually_exclusive_group(required=argument.required)
        for each in argument.arguments:
            _add(group, each)
    else:
        action = group.add_argument(argument.name, **argument.settings)
        action.offered = argument.offered


# Options whose values may begin with a minus sign.
_OF_FORMULAS = {"--activation", "--target", "--loss", "--step"}


def _joined(words: Sequence[str]) -> list[str]:
    """``--target -z**2`` as ``--target=-z**2``."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _OF_FORMULAS:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def run_program(program: Program, arguments: Sequence[str] | None = None) -> int:
    """Run a command of a program, by default of this process, and return the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    options = parser_of(program).parse_args(_joined(words))
    command: Command = options.command
    try:
        found = command.run(options)
        outcome = found if isinstance(found, Outcome) else Outcome(found)
        print(_written(outcome.found, options))
        sys.stdout.flush()
    except (RmtError, ImportError) as error:
        parts = [str(error).removesuffix(IN_BEST), *getattr(error, "__notes__", [])]
        code = 2 if isinstance(error, InvalidInputError | ImportError) else 1
        return _failed(code, f"error: {'; '.join(map(one_line, parts))}", options)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt as error:
        said = program.interrupted if command.interrupted is None else command.interrupted
        parts = [*getattr(error, "__notes__", [])[:1], said.format(**vars(options))]
        known = "; ".join(filter(None, parts))
        return _failed(130, f"interrupted, {known}" if known else "interrupted", options)
    return 0 if outcome.failure is None else _failed(1, outcome.failure, options)


def _failed(code: int, what: str, options: argparse.Namespace) -> int:
    speaker = options.program.speaker.format(
        program=options.program.name, command=options.command.name
    )
    print(f"{speaker}: {what}", file=sys.stderr)
    return code


def _written(found: object, options: argparse.Namespace) -> object:
    """What is printed: a text as it is, a result in the form that was asked for."""
    if isinstance(found, str):
        return found
    save_figure(found, options)
    if getattr(options, "latex", False):
        return found.to_latex() if hasattr(found, "to_latex") else found.latex()  # type: ignore[attr-defined]
    if getattr(options, "json", False):
        return json.dumps(found.to_dict(), indent=1)  # type: ignore[attr-defined]
    return found


def save_figure(found: Any, options: argparse.Namespace, **how: Any) -> None:
    """Draw a result, as its `plot` has options for, and write it where a file is given."""
    path = getattr(options, "plot", None)
    if path is None:
        return
    try:
        found.plot(**how).figure.savefig(path, dpi=150)
    except (OSError, ValueError, ImportError) as error:
        raise InvalidInputError(f"--plot {path}: {error}") from error
