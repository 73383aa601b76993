"""What `stats`, `history` and `cache` have in common: the store, questions, times, and lines on stdout.

A download passes over a store that cannot be used; somebody who asks for what is in it, or wants it gone, is told.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from fastdl.cli.session import is_terminal
from fastdl.config import state_dir
from fastdl.core.hints import Any
from fastdl.errors import DiskError, UsageError
from fastdl.io.store import Store
from fastdl.options import Option
from fastdl.ui.progress import emit
from fastdl.ui.text import safe

JSON = Option("json", "flag", "Print JSON.", "Options")
YES = Option("yes", "flag", "Remove without a question.", "Options")


def open_store() -> Store:
    """The store of this user; what it has to warn of goes to stderr."""
    return Store(state_dir(os.environ, sys.platform), lambda text: emit(sys.stderr, f"fastdl: warning: {safe(text)}"))


def check(store: Store) -> None:
    """Raises DiskError if the last use of the store was of no avail."""
    if store.trouble:
        hint = "Another program may hold the file; FASTDL_STATE_DIR names another folder."
        raise DiskError(f"the state file {store.path} cannot be used", store.trouble, hint)


def one_of(command: str, words: Sequence[str], known: Sequence[str]) -> str:
    """The word behind a command. Raises UsageError for another one or for several."""
    word = words[0] if words else ""
    hint = f"Try 'fastdl {command} --help'."
    if len(words) > 1:
        raise UsageError(f"{command} takes one word", f"{len(words)} are given", hint)
    if word not in known:
        choices = " or ".join(f"'{name}'" for name in known if name)
        close = get_close_matches(word, known, 1)
        why = f"did you mean {close[0]}?" if close else f"{choices} is expected"
        raise UsageError(f"{command}: no such command '{word}'" if word else f"{command} needs a word", why, hint)
    return word


def refuse(command: str, values: Mapping[str, Any], *options: Option) -> None:
    """Raises UsageError if an option is given that this command has no use for."""
    for option in options:
        if values.get(option.key):
            raise UsageError(f"'fastdl {command}' takes no --{option.name}", "", f"Try 'fastdl {command} --help'.")


def confirmed(question: str, values: Mapping[str, Any]) -> bool:
    """Whether to go on: asks only at a terminal, and not with --yes."""
    if values.get(YES.key) or not (is_terminal(sys.stdin) and is_terminal(sys.stderr)):
        return True
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    emit(sys.stderr, "fastdl: nothing was removed")
    return False


def say(lines: Iterable[str]) -> None:
    """Lines on stdout. Raises DiskError where they cannot be written, BrokenPipeError where nobody reads them."""
    try:
        if sys.stdout is not None:
            sys.stdout.write("".join(line + "\n" for line in lines))
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DiskError("cannot write to stdout", error.strerror or "it is closed", "") from error


def local_time(moment: float) -> str:
    """A Unix time on this machine's clock, to the minute."""
    return _formatted("%Y-%m-%d %H:%M", moment, local=True)


def utc(moment: float) -> str:
    """A Unix time for programs (RFC 3339)."""
    return _formatted("%Y-%m-%dT%H:%M:%SZ", moment, local=False)


def _formatted(pattern: str, moment: float, *, local: bool) -> str:
    try:
        return time.strftime(pattern, time.localtime(moment) if local else time.gmtime(moment))
    except (OSError, OverflowError, ValueError):  # a clock that was set absurdly once
        return "unknown"


def counted(count: int, one: str, many: str = "") -> str:
    """ "1 server", "2 servers"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}".replace(",", " ")
