"""The words of a command that was written for bash: POSIX quotes and $'...', and nothing that would have to be run."""

from __future__ import annotations

import re

from fastdl.core.curl.cutter import Cutter, refused, unclosed

_BLANKS = " \t\r\xa0"  # web pages and chats make hard blanks of some
_RUN = re.compile(r"[^\\'\"$ \t\r\xa0#;\n&`|<>()]+")
_RUN_IN_DOUBLE = re.compile(r"[^\"\\`$]+")
_RUN_IN_ANSI = re.compile(r"[^'\\]+")
_SIMPLE = {"a": 7, "b": 8, "e": 27, "E": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_SIMPLE["?"] = 63
_NUMBER = re.compile(
    r"x(?P<byte>[0-9A-Fa-f]{1,2})|u(?P<unit>[0-9A-Fa-f]{1,4})|U(?P<point>[0-9A-Fa-f]{1,8})|(?P<octal>[0-7]{1,3})"
)
_VARIABLE = re.compile(r"\$[A-Za-z0-9_{(@*#?$!-]")
_BREAK = re.compile(r"\\[ \t\xa0]*\n")


class Bash(Cutter):
    """Words by the rules of POSIX shells."""

    def _next(self) -> None:
        run = self._run(_RUN)
        if run:
            self._add(run)
            return
        char = self._text[self._at]
        if char == "\\":
            self._backslash()
        elif char == "'":
            self._add(self._until_quote())
        elif char == '"':
            self._add(self._quoted(_RUN_IN_DOUBLE, self._in_double))
        elif char == "$":
            self._dollar()
        elif char in _BLANKS:
            self._end_word()
            self._at += 1
        elif char == "#" and self._parts is None:
            self._skip_comment()
        else:
            self._sign(char)

    def _sign(self, char: str) -> None:
        if char in ";\n" or (char == "&" and self._text[self._at : self._at + 3] != "&>"):
            self._end_command()
        elif char == "`":
            raise refused(self._line(), "a command within a command")
        elif char in "|<>()" and not (char in "()" and self._parts is not None):
            raise refused(self._line(), f"'{char}' is for the shell")
        else:
            self._add(char)
        self._at += 1

    def _backslash(self) -> None:
        broken = _BREAK.match(self._text, self._at)
        if broken:
            if broken[0] != "\\\n":  # bash would take the space after the backslash for a word
                self._end_word()
            self._at = broken.end()
            return
        taken = self._text[self._at + 1 : self._at + 2]
        if taken:  # else the copy ends where another line would have begun
            self._add(taken)
        self._at += 2

    def _until_quote(self) -> str:
        """What stands between single quotes; nothing in it means anything."""
        start, line = self._at + 1, self._line()
        end = self._text.find("'", start)
        if end < 0:
            raise unclosed(line)
        self._at = end + 1
        return self._text[start:end]

    def _in_double(self) -> str | None:
        char, following = self._text[self._at], self._text[self._at + 1 : self._at + 2]
        if char == "`":
            raise refused(self._line(), "a command within a command")
        if char == "$":
            self._check_dollar()
        self._at += 1
        if char == "\\" and following in ("$", "`", '"', "\\", "\n"):
            self._at += 1
            return following.replace("\n", "")
        return None if char == '"' else char

    def _dollar(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following == "'":
            self._at += 1
            self._add(_joined(self._quoted(_RUN_IN_ANSI, self._in_ansi)))
        elif following == '"':
            self._at += 1
        else:
            self._check_dollar()
            self._add("$")
            self._at += 1

    def _check_dollar(self) -> None:
        if _VARIABLE.match(self._text, self._at):
            raise refused(self._line(), "a variable of the shell")

    def _in_ansi(self) -> str | None:
        """Of $'...'. Codes are bytes, as in bash, and text where together they are UTF-8; two halves of a character
        that a browser wrote as such become one."""
        self._at += 1
        return None if self._text[self._at - 1] == "'" else self._escape()

    def _escape(self) -> str:
        number = _NUMBER.match(self._text, self._at)
        if number:
            self._at = number.end()
            if number["unit"] or number["point"]:
                code = int(number["unit"] or number["point"], 16)
                return chr(code) if code < 0x110000 else ""
            code = int(number["byte"], 16) if number["byte"] else int(number["octal"], 8) & 0xFF
            return chr(code) if code < 0x80 else chr(0xDC00 + code)  # a byte, as surrogateescape has it
        char = self._text[self._at : self._at + 1]
        if char == "c" and self._at + 1 < len(self._text):
            self._at += 2
            return chr(ord(self._text[self._at - 1]) & 0x1F)
        if char in _SIMPLE:
            self._at += 1
            return chr(_SIMPLE[char])
        return "\\"


def _joined(units: str) -> str:
    """Text whose halves of characters, and whose bytes, are put together where they make one."""
    whole = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return whole.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") if _bytes_only(whole) else whole


def _bytes_only(text: str) -> bool:
    """Whether every lone surrogate in it stands for a byte."""
    return all(not "\ud800" <= char <= "\udfff" or "\udc80" <= char <= "\udcff" for char in text)
