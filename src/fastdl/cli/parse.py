"""The command line without typer, which costs more to import than a small file costs to fetch.

One GNU-style parser over the table of options: `--name value`, `--name=value`, `-n value`, `-nvalue`, joined short
flags, `--` ends the options; full names only. typer reads the same table (app.py); a property test holds the two to
the same answers.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.hints import Any
from fastdl.errors import UsageError
from fastdl.options import Option

COMMANDS = (
    "get", "resume", "explain", "verify", "mirrors", "stats", "history", "cache", "demo", "bench", "config", "doctor",
    "upgrade",
)  # fmt: skip
TYPERS = ("--help", "-h", "--install-completion", "--show-completion")


class HelpWanted(Exception):
    """--help was among the options."""


def command_of(args: Sequence[str]) -> tuple[str, list[str]]:
    """The command and its arguments; a URL or an option in the command's place means `get`. The command is empty
    where the whole line is typer's. Raises UsageError for a word that is neither a command nor like a URL."""
    first = args[0] if args else ""
    if first in TYPERS:
        return "", list(args)
    if first == "help":
        return "", _help(args[1:])
    if first in COMMANDS:
        return first, list(args[1:])
    if not args:
        raise UsageError("no command and no URL is given")
    if first.startswith("-") or not first or any(char in first for char in ":/.@?%\\"):
        return "get", list(args)
    raise UsageError(f"no such command '{first}'", _likely(first, COMMANDS), "'fastdl --help' lists the commands.")


def _help(words: Sequence[str]) -> list[str]:
    """`help` as typer knows it."""
    if len(words) > 1:
        raise UsageError("help takes one command", f"{len(words)} are given", "'fastdl --help' lists the commands.")
    if words and words[0] not in COMMANDS and not words[0].startswith("-"):
        raise UsageError(f"no such command '{words[0]}'", _likely(words[0], COMMANDS), "'fastdl --help' lists them.")
    return [*words, "--help"]


def parse(args: Sequence[str], options: Sequence[Option]) -> tuple[dict[str, Any], list[str]]:
    """Option values by key (text, True or False, list of texts) and the other arguments, in order. A later value
    replaces an earlier one; lists grow. Raises UsageError and HelpWanted."""
    names = _names(options)
    values: dict[str, Any] = {}
    others: list[str] = []
    rest = list(args)
    while rest:
        arg = rest.pop(0)
        if arg == "--":
            return values, others + rest
        if arg.startswith("--"):
            _long(arg, rest, names, values)
        elif arg.startswith("-") and arg != "-":
            _short(arg, rest, names, values)
        else:
            others.append(arg)
    return values, others


def _names(options: Sequence[Option]) -> dict[str, tuple[Option, bool]]:
    """Every spelling, and for flags what it sets."""
    names: dict[str, tuple[Option, bool]] = {}
    for option in options:
        names["--" + option.name] = (option, True)
        if option.short:
            names["-" + option.short] = (option, True)
        if option.negatable:
            names["--no-" + option.name] = (option, False)
    return names


def _long(arg: str, rest: list[str], names: dict[str, tuple[Option, bool]], values: dict[str, Any]) -> None:
    name, equals, value = arg.partition("=")
    option, on = _find(name, names)
    if not option.takes_value:
        if equals:
            raise UsageError(f"the option {name} takes no value")
        values[option.key] = on
    else:
        _store(option, value if equals else _next(name, rest), values)


def _short(arg: str, rest: list[str], names: dict[str, tuple[Option, bool]], values: dict[str, Any]) -> None:
    letters = arg[1:]
    while letters:
        name, letters = "-" + letters[0], letters[1:]
        option, _ = _find(name, names)
        if option.takes_value:
            _store(option, letters or _next(name, rest), values)
            return
        values[option.key] = True


def _find(name: str, names: dict[str, tuple[Option, bool]]) -> tuple[Option, bool]:
    if name in ("--help", "-h"):
        raise HelpWanted
    if name not in names:
        raise no_such_option(name, list(names))
    return names[name]


def no_such_option(name: str, known: Sequence[str]) -> UsageError:
    """The complaint about an unknown option, with the one that was probably meant."""
    return UsageError(f"no such option '{name}'", _likely(name, known))


def _likely(word: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1) if len(word) > 2 else []
    return f"did you mean {close[0]}?" if close else ""


def _next(name: str, rest: list[str]) -> str:
    if not rest:
        raise UsageError(f"the option {name} needs a value")
    return rest.pop(0)


def _store(option: Option, value: str, values: dict[str, Any]) -> None:
    if option.kind == "list":
        values.setdefault(option.key, []).append(value)
    else:
        values[option.key] = value
