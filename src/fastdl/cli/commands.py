"""The one table of all commands: what help, completion, the man page and the options reference are made from.

A command NAME is the module `fastdl.cli.NAME`; its options are NAME_OPTIONS there and its sentence is NAME_HELP. A
module is loaded when its command is asked for, so that the help of one command does not wait for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from fastdl.cli.examples import EXAMPLES
from fastdl.core.hints import Any
from fastdl.core.record import Record
from fastdl.options import EXPLAIN_OPTIONS, OPTIONS, Option

Run = Callable[[Mapping[str, Any], Sequence[str]], int]

DOWNLOAD = "Downloads"
KNOWN = "What is known"
SELF = "fastdl itself"

# name, group, the words besides options: in the order in which people read them
ROWS: tuple[tuple[str, str, str], ...] = (
    ("get", DOWNLOAD, "URL..."),
    ("resume", DOWNLOAD, "[DIR]"),
    ("verify", DOWNLOAD, "FILE..."),
    ("explain", DOWNLOAD, "URL"),
    ("mirrors", KNOWN, "[NAME | test URL]"),
    ("stats", KNOWN, ""),
    ("history", KNOWN, "[clear]"),
    ("cache", KNOWN, "info | clear"),
    ("config", SELF, "[show | path | edit | set KEY VALUE | unset KEY]"),
    ("doctor", SELF, "[URL]"),
    ("demo", SELF, ""),
    ("bench", SELF, "[URL]"),
    ("upgrade", SELF, ""),
)
NAMES = tuple(name for name, _, _ in ROWS)


class Command(Record):
    """One command. `words`: what may stand besides options; `summary`: a sentence; `examples`: (command line, what it
    does)."""

    name: str
    group: str
    words: str
    summary: str
    options: tuple[Option, ...]
    examples: tuple[tuple[str, str], ...]

    @property
    def usage(self) -> str:
        """`fastdl get [OPTIONS] URL...`"""
        return " ".join(part for part in ("fastdl", self.name, "[OPTIONS]" * bool(self.options), self.words) if part)


def load(name: str) -> Command:
    """The command of that name. Raises KeyError for another."""
    group, words = {row[0]: row[1:] for row in ROWS}[name]
    summary = getattr(import_module(f"fastdl.cli.{name}"), f"{name.upper()}_HELP")
    return Command(name, group, words, summary, options_of(name), EXAMPLES.get(name, ()))


def options_of(name: str) -> tuple[Option, ...]:
    """The options of a command, in the order of its help."""
    if name == "get":
        return OPTIONS
    if name == "explain":
        return (*OPTIONS, *EXPLAIN_OPTIONS)
    return tuple(getattr(import_module(f"fastdl.cli.{name}"), f"{name.upper()}_OPTIONS", ()))


def runner(name: str) -> Run:
    """What does the work: option values by key and the other words, to an exit code."""
    module = import_module(f"fastdl.cli.{name}")
    run: Run = (lambda values, words: module.main()) if name == "demo" else getattr(module, name)
    return run


def everything() -> tuple[Command, ...]:
    """All commands, in order."""
    return tuple(load(name) for name in NAMES)
