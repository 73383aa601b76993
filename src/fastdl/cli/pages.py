"""The pages of `--help`, as text for a width: grouped options, examples, exit codes.

Made from the table of commands and by nothing else, so that a page is the same whatever version of typer is installed.
Plain ASCII without boxes: it goes through pipes, old consoles and screen readers alike.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from fastdl.cli.commands import DOWNLOAD, Command
from fastdl.options import Option

LEAST, MOST = 24, 100  # columns: below, words are broken; above, lines are hard to follow
NARROW = 60  # below, what an option means stands under its name
NAMES = 24  # columns for the names of options where the meaning stands beside; longer ones get a line

EXIT_CODES: tuple[tuple[int, str], ...] = (
    (0, "every file is there, whole and checked"),
    (1, "a bug: the line says how to report it"),
    (2, "usage: the command line, a variable or the config file"),
    (3, "network: name, connection, TLS, time"),
    (4, "the server refused"),
    (5, "integrity: a digest or a size does not match"),
    (6, "disk: no room, no permission, a bad name"),
    (7, "the target exists already"),
    (8, "some files of several failed"),
    (9, "another fastdl is downloading to this target"),
    (130, "interrupted (Ctrl-C)"),
    (143, "terminated"),
)
OWN_CODES: dict[str, tuple[tuple[int, str], ...]] = {
    "stats": (
        (0, "all is well"),
        (1, "with --check: a threshold is passed"),
        (2, "usage, or a rule that cannot be read"),
        (6, "the state folder or FILE cannot be used"),
    ),
    "doctor": (
        (0, "nothing is wrong"),
        (2, "usage, or a config file that cannot be read"),
        (3, "something is wrong; what to do stands beside it"),
    ),
    "upgrade": (
        (0, "this is the newest, or it is now, or a newer one and the way to it are named"),
        (3, "the release cannot be asked for, or its answer describes none"),
        (4, "the server refused, or the release is not for this machine"),
        (5, "the new one does not match its digest, has none, or does not start; the old one is in place"),
        (6, "the folder cannot be written to"),
        (9, "another fastdl is upgrading this program"),
    ),
}
"""What an exit code means for one command alone."""

GLOBAL_OPTIONS: tuple[tuple[str, str], ...] = (
    ("-h, --help", "Show this page; 'fastdl COMMAND --help' or 'fastdl help COMMAND' that of a command."),
    ("--version", "Show the version."),
    ("--install-completion [SHELL]", "Complete commands and options with Tab: bash, zsh, fish or powershell."),
    ("--show-completion [SHELL]", "Print the script for that instead."),
)

SHORT = "'fastdl URL' is 'fastdl get URL'."
PLACES = (
    "Every option can stand in the config file under its long name (connections = 8) and in the environment "
    "(FASTDL_CONNECTIONS=8). The command line goes before the environment, the environment before the file."
)
QUANTITIES = "SIZE and RATE take k, M and G (powers of 1024): 500k, 1.5G. SEC is seconds."


def root_page(commands: Sequence[Command], width: int) -> str:
    """`fastdl --help`."""
    width = bounded(width)
    usage = wrapped("Usage: fastdl COMMAND [OPTIONS] [ARGUMENTS]", width, "       ")
    blocks = [[*usage, *wrapped("fastdl [OPTIONS] URL...", width, "         ", "       ")]]
    blocks.append(wrapped("Downloads files fast, verified and resumable. " + SHORT, width))
    for group in dict.fromkeys(command.group for command in commands):
        rows = [(command.name, command.summary) for command in commands if command.group == group]
        blocks.append(section(group, rows, width))
    blocks.append(section("Options", GLOBAL_OPTIONS, width))
    first = next(command for command in commands if command.name == "get")
    blocks.append(_examples(first.examples[:3], width))
    blocks.append(_codes(EXIT_CODES, width))
    return _page(blocks)


def command_page(command: Command, width: int) -> str:
    """`fastdl COMMAND --help`."""
    width = bounded(width)
    blocks = [wrapped("Usage: " + command.usage, width, "       "), wrapped(command.summary, width)]
    room = max((len(names_of(option)) for option in command.options), default=0)
    for group in dict.fromkeys(option.group for option in command.options):
        rows = [row_of(option) for option in command.options if option.group == group]
        blocks.append(section(group, rows, width, room))
    blocks.append(section("Help", [("-h, --help", "Show this page.")], width, room))
    if command.examples:
        blocks.append(_examples(command.examples, width))
    if command.group == DOWNLOAD:
        rows = [("", f"{PLACES} {QUANTITIES}")]
        blocks.append(section("Config file and environment", rows, width))
        blocks.append(_codes(EXIT_CODES, width))
    elif command.name in OWN_CODES:
        blocks.append(_codes(OWN_CODES[command.name], width))
    return _page(blocks)


def row_of(option: Option) -> tuple[str, str]:
    """The names of an option with the form of its value, and what it means."""
    return names_of(option), option.help + default_of(option)


def default_of(option: Option) -> str:
    """What holds without the option, in parentheses; nothing where it is nothing."""
    return f" (default: {option.default})" if option.default not in ("", "none") else ""


def names_of(option: Option) -> str:
    """`-x, --connections N`, `--durable / --no-durable`"""
    names = [f"-{option.short}"] if option.short else []
    names.append(f"--{option.name}" + f" / --no-{option.name}" * option.negatable)
    return ", ".join(names) + (f" {form_of(option)}" if option.takes_value else "")


def form_of(option: Option) -> str:
    """The form of an option's value: its metavar, which names the words of a choice wherever there is room."""
    return "|".join(option.words) if option.kind == "choice" else option.metavar


# --- lines -----------------------------------------------------------------------------------------------


def bounded(width: int) -> int:
    """The width that a page is made for."""
    return max(LEAST, min(width, MOST))


def wrapped(text: str, width: int, more: str = "", first: str = "") -> list[str]:
    """`text` in lines; `more` begins all but the first, which begins with `first`."""
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=more, break_on_hyphens=False) or [""]


def section(title: str, rows: Iterable[tuple[str, str]], width: int, room: int = 0) -> list[str]:
    """A heading, and below it what is explained beside or, in narrow windows, above its explanation. `room`: columns
    for the names, if several sections of a page are to look the same."""
    rows = list(rows)
    room = min(NAMES, max([room, *(len(name) for name, _ in rows)])) + 4
    lines = wrapped(f"{title}:", width)
    for name, text in rows:
        lines += _beside(name, text, room, width) if name and width >= NARROW else _below(name, text, width)
    return lines


def _beside(name: str, text: str, room: int, width: int) -> list[str]:
    lines = wrapped(text, width, " " * room, " " * room)
    head = f"  {name}"
    if len(head) + 2 > room:
        return [head, *lines]
    return [head.ljust(room) + lines[0].lstrip(), *lines[1:]]


def _below(name: str, text: str, width: int) -> list[str]:
    indent = "      " if name else "  "
    return [*(wrapped(name, width, "      ", "  ") if name else []), *wrapped(text, width, indent, indent)]


def _examples(examples: Iterable[tuple[str, str]], width: int) -> list[str]:
    lines = ["Examples:"]
    for line, text in examples:
        lines += [*_command_line(line, width), *wrapped(text, width, "      ", "      ")]
    return lines


def _command_line(line: str, width: int) -> list[str]:
    """A command in lines that a shell takes as they stand: a backslash at the end of each but the last."""
    if len(line) + 2 <= width:
        return ["  " + line]
    lines = textwrap.wrap(
        line, width - 2, initial_indent="  ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )
    return [*(part + " \\" for part in lines[:-1]), lines[-1]]


def _codes(codes: Iterable[tuple[int, str]], width: int) -> list[str]:
    lines = ["Exit codes:"]
    for code, text in codes:
        lines += wrapped(text, width, " " * 7, f"  {code:<5}")
    return lines


def _page(blocks: Iterable[list[str]]) -> str:
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"
