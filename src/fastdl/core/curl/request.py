"""From the words of a curl command to what fastdl is to fetch: the words become options, as curl would take them."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from fastdl.core.curl.flags import LETTERS, Flag, find
from fastdl.core.curl.reading import Reading, Request
from fastdl.core.curl.words import Command
from fastdl.errors import UsageError


def requests_of(commands: Sequence[Command]) -> list[Request]:
    """All requests of some commands. Raises UsageError, which names line and option and repeats no value."""
    return [request for command in commands for request in _of_command(command)]


def _of_command(command: Command) -> Iterator[Request]:
    readings = [Reading(command.line)]
    words = deque(command.words)
    while words:
        word = words.popleft()
        if word == "--":
            readings[-1].urls += words
            break
        for flag, on, value in _flags(word, words, command.line):
            if flag.name == "next":
                readings.append(Reading(command.line))
            else:
                readings[-1].take(flag, on, value)
        if not word.startswith("-") or word == "-":
            readings[-1].urls.append(word)
    for reading in readings:
        yield from reading.requests()


def _flags(word: str, rest: deque[str], line: int) -> Iterator[tuple[Flag, bool, str]]:
    """The options of one word, with their values, which may be the next one of `rest`."""
    if word.startswith("--") and len(word) > 2:
        name, equals, value = word[2:].partition("=")
        found = find(name)
        if found is None:
            raise _unknown("--" + name, line)
        if equals and not found[0].takes_value:
            raise UsageError(f"line {line}: curl's option --{found[0].name} takes no value", "", "")
        yield *found, value if equals else _value("--" + name, rest, line) if found[0].takes_value else ""
    elif word.startswith("-") and len(word) > 1:
        for place, letter in enumerate(word[1:], start=2):
            if letter not in LETTERS:
                raise _unknown("-" + letter, line)
            flag = LETTERS[letter]
            if flag.takes_value:
                yield flag, True, word[place:] or _value("-" + letter, rest, line)
                return
            yield flag, flag.name != "buffer", ""


def _unknown(name: str, line: int) -> UsageError:
    shown = name if re.fullmatch(r"--?[A-Za-z0-9#:][A-Za-z0-9.-]{0,40}", name) else name[:2]
    return UsageError(
        f"line {line}: '{shown}' is no option of curl that is known here",
        "without it the request may be another one",
        "Take it out if the file does not depend on it.",
    )


def _value(name: str, rest: deque[str], line: int) -> str:
    if not rest:
        raise UsageError(f"line {line}: curl's option {name} needs a value", "the copy may have been cut off", "")
    return rest.popleft()
