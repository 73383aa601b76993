"""The words of a command that was written for PowerShell: the arguments that it gives to a program."""

from __future__ import annotations

import re

from fastdl.core.curl.cutter import Cutter, refused, unclosed

_SINGLE, _DOUBLE = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e'  # PowerShell takes a typesetter's for its own
_RUN = re.compile(rf"[^`{_SINGLE}{_DOUBLE} \t\r;\n#&|<>(){{}}@$]+")
_RUN_IN_QUOTES = re.compile(rf"[^`${_SINGLE}{_DOUBLE}]+")
_BREAK = re.compile(r"`[ \t]*(?:\n|\Z)")
_POINT = re.compile(r"`u\{([0-9A-Fa-f]{1,6})\}")
_VARIABLE = re.compile(r"\$[A-Za-z_{(]")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class PowerShell(Cutter):
    """Words by PowerShell's rules."""

    def _next(self) -> None:
        run = _RUN.match(self._text, self._at)
        if run:
            self._add(run[0])
            self._at = run.end()
            return
        char = self._text[self._at]
        if char == "`":
            self._backtick()
        elif char in _SINGLE:
            self._add(self._quoted(_SINGLE, escapes=False))
        elif char in _DOUBLE:
            self._add(self._quoted(_DOUBLE, escapes=True))
        elif char in " \t\r":
            self._end_word()
            self._at += 1
        elif char in ";\n":
            self._end_command()
            self._at += 1
        elif char == "#" and self._parts is None:
            self._skip_comment()
        else:
            self._sign(char)

    def _sign(self, char: str) -> None:
        between = self._parts is None
        if char == "&" and not self._words and between:
            pass  # the call operator
        elif char in "|<>&(){}" or (char in "@$" and between):
            raise refused(self._line(), f"'{char}' is for the shell")
        else:
            self._add(char)
        self._at += 1

    def _end_word(self) -> None:
        if self._parts is not None:
            self._parts = [_given("".join(self._parts))]
        super()._end_word()

    def _backtick(self) -> None:
        goes_on = _BREAK.match(self._text, self._at)
        if goes_on:
            self._end_word()
            self._at = goes_on.end()
        else:
            self._add(self._escape())

    def _escape(self) -> str:
        """The character that a backtick and what follows it stand for."""
        point = _POINT.match(self._text, self._at)
        if point and int(point[1], 16) < 0x110000:
            self._at = point.end()
            return chr(int(point[1], 16))
        char = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        return _ESCAPES.get(char, char)

    def _quoted(self, quotes: str, *, escapes: bool) -> str:
        line, parts = self._line(), []
        self._at += 1
        while self._at < len(self._text):
            run = _RUN_IN_QUOTES.match(self._text, self._at)
            if run:
                parts.append(run[0])
                self._at = run.end()
                continue
            char = self._text[self._at]
            if char in quotes:
                if self._text[self._at + 1 : self._at + 2] not in (*quotes,):
                    self._at += 1
                    return "".join(parts)
                self._at += 1  # twice is one of them
            elif escapes and char == "`":
                parts.append(self._escape())
                continue
            elif escapes and _VARIABLE.match(self._text, self._at):
                raise refused(self._line(), "a variable of the shell")
            parts.append(char)
            self._at += 1
        raise unclosed(line)


def _given(word: str) -> str:
    """Older PowerShells lose a bare quote on the way to a program, so people write \\" there."""
    return word.replace('\\"', '"') if re.search(r'(?<!\\)"', word) is None else word
