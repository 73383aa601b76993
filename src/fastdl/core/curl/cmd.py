"""The words of a command that was written for cmd.exe.

It reads a line twice: first its own quotes and carets, then the program's start-up code cuts what is left into
arguments. Chrome doubles every backslash on the way, which curl.exe would keep; here it becomes the browser's request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastdl.core.command import split_windows
from fastdl.core.curl.cutter import Found, after_prompt, refused, unclosed

_RUN = re.compile(r"[^\"^\n&|<>]+")
_CHROME = re.compile(r"(?i)(?:^|[\\/>])curl[ \t]+\^\"")
_OLD_CHROME = re.compile(r"\^\\\^\"|\^%\^|[^\"]\^[&{}|<>#@!$\[\]]")
_CARETED = re.compile(r"(?:^|\s)\^\"")
_DOUBLED = re.compile(r"(?<!\\)\\+(?![\\\"])")


def commands(text: str) -> Iterator[Found]:
    """The commands of a text. Raises UsageError."""
    text = text.replace("\r\n", "\n")
    # An older Chrome put carets within plain quotes, where cmd.exe keeps them: it meant what it means now.
    everywhere = _CARETED.search(text) is None and _OLD_CHROME.search(text) is not None
    from_chrome = _CHROME.search(text) is not None
    for line, raw in _lines(text, everywhere):
        if from_chrome:
            raw = _DOUBLED.sub(lambda run: "\\" * ((len(run[0]) + 1) // 2), raw)
        try:
            words = split_windows(raw)
        except ValueError:
            raise unclosed(line) from None
        if words:
            yield line, words


def _lines(text: str, everywhere: bool) -> Iterator[tuple[int, str]]:
    """(line, command line) as cmd.exe gives it to a program; with `everywhere` carets count within quotes too."""
    parts: list[str] = []
    began, quoted, at, line = 1, False, 0, 1
    while True:
        if not parts:
            began, at = line, after_prompt(text, at)
        run = _RUN.match(text, at)
        if run:
            parts.append(run[0])
            at = run.end()
        if at >= len(text):
            break
        char = text[at]
        at += 1
        if char == "^" and (everywhere or not quoted):
            if text[at : at + 1] == "\n":  # the line goes on, and what it goes on with is no sign
                at, line = at + 1, line + 1
                if text[at : at + 1] in ("^", '"'):
                    continue
            taken = text[at : at + 1]
            line += taken == "\n"
            at += 1
            parts.append(taken)
        elif char == "\n" or (char == "&" and not quoted):
            yield began, "".join(parts)
            line += char == "\n"
            parts, quoted = [], False
        elif char in "|<>" and not quoted:
            raise refused(line, f"'{char}' is for the shell")
        else:
            quoted ^= char == '"'
            parts.append(char)
    yield began, "".join(parts)
