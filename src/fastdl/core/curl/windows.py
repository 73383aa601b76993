"""The words of a command that was written for cmd.exe or for PowerShell.

cmd.exe reads a line twice: first its own quotes and carets, then the program's start-up code cuts what is left into
arguments. Chrome doubles every backslash on the way, which curl.exe would keep; here it becomes the browser's request.
"""

from __future__ import annotations

import re

from fastdl.core.command import split_windows
from fastdl.core.curl.words import refused, unclosed

Found = list[tuple[int, list[str]]]

_CHROME = re.compile(r"(?i)(?:^|[\\/])curl[ \t]+\^\"")
_OLD_CHROME = re.compile(r"\^\\\^\"|\^%\^|[^\"]\^[&{}|<>#@!$\[\]]")
_CARETED = re.compile(r"(?:^|\s)\^\"")
_DOUBLED = re.compile(r"\\+(?![\\\"])")
_PROMPT = re.compile(r"(?:PS )?[A-Za-z]:\\[^>\n]*>|>")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SINGLE, _DOUBLE = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e'  # PowerShell takes a typesetter's for its own


# --- cmd.exe ---------------------------------------------------------------------------------------------


def cmd(text: str) -> Found:
    """Line and words of each command. Raises UsageError."""
    text = text.replace("\r\n", "\n")
    # An older Chrome put carets within plain quotes, where cmd.exe keeps them: it meant what it means now.
    everywhere = _CARETED.search(text) is None and _OLD_CHROME.search(text) is not None
    found = []
    for line, raw in _lines(text, everywhere):
        raw = _PROMPT.sub("", raw.strip(), count=1) if _PROMPT.match(raw.strip()) else raw.strip()
        if _CHROME.search(text):
            raw = _DOUBLED.sub(lambda run: "\\" * ((len(run[0]) + 1) // 2), raw)
        try:
            words = split_windows(raw)
        except ValueError:
            raise unclosed(line) from None
        if words:
            found.append((line, words))
    return found


def _lines(text: str, everywhere: bool) -> list[tuple[int, str]]:
    """(line, command line) as cmd.exe gives it to a program; with `everywhere` carets count within quotes too."""
    found: list[tuple[int, str]] = []
    raw, began, quoted, at, line = "", 1, False, 0, 1
    while at < len(text):
        char = text[at]
        at += 1
        if char == "^" and (everywhere or not quoted):
            if text[at : at + 1] == "\n":  # the line goes on, and what it goes on with is no sign
                at, line = at + 1, line + 1
                if text[at : at + 1] in ("^", '"'):
                    continue
            taken = text[at : at + 1]
            line += taken == "\n"
            raw, at = raw + taken, at + 1
        elif char == "\n" or (char == "&" and not quoted):
            found.append((began, raw))
            line += char == "\n"
            raw, began, quoted = "", line, False
        elif char in "|<>" and not quoted and raw.strip() and not _PROMPT.match(raw.strip() + char):
            raise refused(line, f"'{char}' is for the shell")
        else:
            if not raw.strip():
                began = line
            quoted ^= char == '"'
            raw += char
    return [*found, (began, raw)]


# --- PowerShell ------------------------------------------------------------------------------------------


def powershell(text: str) -> Found:
    """Line and words of each command. Raises UsageError."""
    return _PowerShell(text.replace("\r\n", "\n")).commands()


class _PowerShell:
    """The arguments that PowerShell gives to a program."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: Found = []
        self._words: list[str] = []
        self._word: str | None = None
        self._began = 1

    def commands(self) -> Found:
        while self._at < len(self._text):
            self._next(self._text[self._at])
        self._end_command()
        return self._found

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _next(self, char: str) -> None:
        if char == "`":
            self._backtick()
        elif char in _SINGLE:
            self._add(self._single())
        elif char in _DOUBLE:
            self._add(self._double())
        elif char in " \t\r":
            self._end_word()
            self._at += 1
        elif char in ";\n":
            self._end_command()
            self._at += 1
        elif char == "#" and self._word is None:
            end = self._text.find("\n", self._at)
            self._at = len(self._text) if end < 0 else end
        elif char == "&" and not self._words and self._word is None:
            self._at += 1  # the call operator
        elif char in "|<>&(){}" or (char in "@$" and self._word is None):
            raise refused(self._line(), f"'{char}' is for the shell")
        else:
            self._add(char)
            self._at += 1

    def _add(self, text: str) -> None:
        if self._word is None and not self._words:
            self._began = self._line()
        self._word = (self._word or "") + text

    def _end_word(self) -> None:
        if self._word is not None and not (not self._words and self._word in (">", "PS>")):
            self._words.append(_given(self._word))
        self._word = None

    def _end_command(self) -> None:
        self._end_word()
        if self._words:
            self._found.append((self._began, self._words))
        self._words = []

    def _backtick(self) -> None:
        goes_on = re.compile(r"`[ \t]*(?:\n|\Z)").match(self._text, self._at)
        if goes_on:
            self._end_word()
            self._at = goes_on.end()
        else:
            self._add(self._escape())

    def _escape(self) -> str:
        """The character that a backtick and what follows it stand for."""
        point = re.compile(r"`u\{([0-9A-Fa-f]{1,6})\}").match(self._text, self._at)
        if point and int(point[1], 16) < 0x110000:
            self._at = point.end()
            return chr(int(point[1], 16))
        char = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        return _ESCAPES.get(char, char)

    def _single(self) -> str:
        return self._quoted(_SINGLE, escapes=False)

    def _double(self) -> str:
        return self._quoted(_DOUBLE, escapes=True)

    def _quoted(self, quotes: str, *, escapes: bool) -> str:
        line, text = self._line(), ""
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char in quotes:
                if self._text[self._at + 1 : self._at + 2] not in (*quotes,):
                    self._at += 1
                    return text
                self._at += 1  # twice is one of them
            elif escapes and char == "`":
                text += self._escape()
                continue
            elif escapes and re.compile(r"\$[A-Za-z_{(]").match(self._text, self._at):
                raise refused(self._line(), "a variable of the shell")
            text += char
            self._at += 1
        raise unclosed(line)


def _given(word: str) -> str:
    """Older PowerShells lose a bare quote on the way to a program, so people write \\" there."""
    return word.replace('\\"', '"') if re.search(r'(?<!\\)"', word) is None else word
