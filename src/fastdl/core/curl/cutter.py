"""What all shells have in common: words become commands, one after the other, and a prompt before one means nothing.

A copy may be a megabyte of cookies, and what is no copy at all may be larger still: what is read takes time in
proportion to its length, and each command is given as soon as it ends, so that the first that is none ends it all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fastdl.errors import UsageError

Found = tuple[int, list[str]]
"""The line in which a command begins, from 1, and its words."""

HINT = "Choose 'Copy as cURL' in the browser's developer tools, for bash or for cmd."

PROMPT = (
    r"(?:PS(?: [^>\n\"']*)?>|[A-Za-z]:\\[^>\n\"']*>"  # PowerShell, cmd.exe
    r"|(?:\[[^\]\n]*\]|[\w.@~:/+-]*[\w~/])[$#%](?=[ \t])|[$%>](?=[ \t]))"  # me@host:~$
)
_PROMPT = re.compile(rf"[ \t]*(?:{PROMPT}[ \t]*)?")


def refused(line: int, what: str) -> UsageError:
    """`what` stands in a command and means something to the shell alone."""
    return UsageError(f"line {line}: {what}", "nothing but curl commands is read, no shell runs them", HINT)


def unclosed(line: int) -> UsageError:
    """A quote that begins in `line` has no end."""
    return UsageError(f"line {line}: a quote is not closed", "the copy may have been cut off", HINT)


def after_prompt(text: str, at: int) -> int:
    """Where a command begins that may have blanks and a prompt before it."""
    found = _PROMPT.match(text, at)
    return found.end() if found else at


class Cutter:
    """Goes through a text. How a shell reads it is up to what derives from this: `_next` takes what stands at `_at`."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._counted = (0, 1)  # a place, and its line
        self._words: list[str] = []
        self._parts: list[str] | None = None  # of the word that is being read; None between words
        self._began = 1
        self._ended: Found | None = None

    def commands(self) -> Iterator[Found]:
        """The commands, each as soon as it is read. Raises UsageError."""
        while self._more():
            self._next()
            if self._ended is not None:
                yield self._ended
                self._ended = None
        self._end_command()
        if self._ended is not None:
            yield self._ended

    def _more(self) -> bool:
        """Whether anything is left to take; where a command may begin, behind its prompt."""
        if not self._words and self._parts is None:
            self._at = after_prompt(self._text, self._at)
        return self._at < len(self._text)

    def _next(self) -> None:
        raise NotImplementedError

    def _run(self, pattern: re.Pattern[str]) -> str:
        """Take what matches here: characters without a meaning, many at a time."""
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._at = found.end()
        return found[0]

    def _quoted(self, run: re.Pattern[str], take: Callable[[], str | None]) -> str:
        """What stands in the quotes of which the first is here. `run` matches what has no meaning in them, and `take`
        takes what has one: it gives what that stands for, or None at the end."""
        parts: list[str] = []
        line = self._line()
        self._at += 1
        while self._at < len(self._text):
            part = self._run(run) or take()
            if part is None:
                return "".join(parts)
            parts.append(part)
        raise unclosed(line)

    def _line(self) -> int:
        """The line that is being read; each character is looked at once for it."""
        place, line = self._counted
        self._counted = (self._at, line + self._text.count("\n", place, self._at))
        return self._counted[1]

    def _add(self, text: str) -> None:
        if self._parts is None:
            if not self._words:
                self._began = self._line()
            self._parts = []
        self._parts.append(text)

    def _end_word(self) -> None:
        if self._parts is not None:
            self._words.append("".join(self._parts))
        self._parts = None

    def _end_command(self) -> None:
        self._end_word()
        if self._words:
            self._ended = (self._began, self._words)
        self._words = []

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end
