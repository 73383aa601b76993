"""The words of a command that was written for PowerShell: the arguments that it gives to a program."""

from __future__ import annotations

import re

from fastdl.core.curl.cutter import Cutter, refused

_SINGLE, _DOUBLE = "'\u2018\u2019\u201a\u201b", '"\u201c\u201d\u201e'  # PowerShell takes a typesetter's for its own
_RUN = re.compile(rf"[^`{_SINGLE}{_DOUBLE} \t\r;\n#&|<>(){{}}@$]+")
_RUN_IN_SINGLE = re.compile(rf"[^{_SINGLE}]+")
_RUN_IN_DOUBLE = re.compile(rf"[^`${_DOUBLE}]+")
_BREAK = re.compile(r"`[ \t]*(?:\n|\Z)")
_POINT = re.compile(r"`u\{([0-9A-Fa-f]{1,6})\}")
_VARIABLE = re.compile(r"\$[A-Za-z_{(]")
_ESCAPES = {"0": "\0", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class PowerShell(Cutter):
    """Words by PowerShell's rules."""

    def _next(self) -> None:
        run = self._run(_RUN)
        if run:
            self._add(run)
            return
        char = self._text[self._at]
        if char == "`":
            self._backtick()
        elif char in _SINGLE:
            self._add(self._quoted(_RUN_IN_SINGLE, self._in_single))
        elif char in _DOUBLE:
            self._add(self._quoted(_RUN_IN_DOUBLE, self._in_double))
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

    def _in_single(self) -> str | None:
        return self._quote(_SINGLE)

    def _in_double(self) -> str | None:
        char = self._text[self._at]
        if char in _DOUBLE:
            return self._quote(_DOUBLE)
        if char == "`":
            return self._escape()
        if _VARIABLE.match(self._text, self._at):
            raise refused(self._line(), "a variable of the shell")
        self._at += 1
        return char

    def _quote(self, quotes: str) -> str | None:
        """Twice is one of them, once is the end."""
        char, following = self._text[self._at], self._text[self._at + 1 : self._at + 2]
        twice = following in (*quotes,)
        self._at += 1 + twice
        return char if twice else None


def _given(word: str) -> str:
    """Older PowerShells lose a bare quote on the way to a program, so people write \\" there."""
    return word.replace('\\"', '"') if re.search(r'(?<!\\)"', word) is None else word
