"""From the text of a copied command to its words, as the shell that it was written for would cut it.

Browsers write for bash, for cmd.exe or for PowerShell. Nothing is expanded here: a variable, a substitution or a pipe
is refused by name, because the request without it would be another one. What is said of a fault never repeats the text,
which is full of cookies.
"""

from __future__ import annotations

import re

from fastdl.core.hints import Literal
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

Shell = Literal["bash", "cmd", "powershell"]

HINT = "Choose 'Copy as cURL' in the browser's developer tools, for bash or for cmd."
_NAME = re.compile(r"curl(?:\.exe)?", re.IGNORECASE)
_OTHERS = re.compile(r"\s*(?:\$session\b|invoke-(?:webrequest|restmethod)\b|(?:await )?fetch\()", re.IGNORECASE)
_GOES_ON: dict[Shell, str] = {"bash": r"\\", "cmd": r"\^", "powershell": "`"}
_BLANKS = " \t\r\xa0"  # web pages and chats make hard blanks of some
_PROMPTS = ("$", "%", ">")
_SIMPLE = {"a": 7, "b": 8, "e": 27, "E": 27, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_SIMPLE["?"] = 63
_NUMBER = re.compile(
    r"x(?P<byte>[0-9A-Fa-f]{1,2})|u(?P<unit>[0-9A-Fa-f]{1,4})|U(?P<point>[0-9A-Fa-f]{1,8})|(?P<octal>[0-7]{1,3})"
)
_VARIABLE = re.compile(r"\$[A-Za-z0-9_{(@*#?$!-]")
_BREAK = re.compile(r"\\[ \t\xa0]*\n")


@dataclass(frozen=True, slots=True)
class Command:
    """One curl command: its arguments, without `curl` itself. `line` is where it begins, from 1."""

    line: int
    words: list[str] = field(repr=False)


def commands_of(text: str) -> list[Command]:
    """The curl commands of a text, in their order. Raises UsageError, which names the line, for what is none."""
    if _OTHERS.match(text):
        raise UsageError("line 1: this is a request in another language", "PowerShell's own or JavaScript", HINT)
    shell = shell_of(text)
    if shell == "bash":
        found = _Bash(text).commands()
    else:
        from fastdl.core.curl import windows

        found = windows.cmd(text) if shell == "cmd" else windows.powershell(text)
    commands = [_without_name(line, words) for line, words in found]
    if not commands:
        raise UsageError("there is no curl command in it", "it is empty", HINT)
    return commands


def shell_of(text: str) -> Shell:
    """Which shell a text was written for: by how its lines go on, else by how its first argument is quoted."""
    ends = {shell: len(re.findall(rf"(?m)(?<=\s){mark}[ \t]*\r?$", text)) for shell, mark in _GOES_ON.items()}
    most = max(ends, key=lambda shell: ends[shell])
    if ends[most]:
        return most
    start = re.match(r"\s*(?:& +)?\S*?curl(?P<exe>\.exe)?['\"]?\s", text, re.IGNORECASE)
    rest = text[start.end() :] if start else text
    if re.search(r"(?:^|\s)\^\"", rest):
        quoted = re.search(r"(?:^|\s)'", rest)
        return "bash" if quoted and quoted.start() < rest.index('^"') else "cmd"
    if start and start["exe"]:
        if "$'" in rest or r"'\''" in rest:
            return "bash"
        return "powershell" if re.search(r"(?:^|\s)'", rest) else "cmd"
    return "bash"


def refused(line: int, what: str) -> UsageError:
    """`what` stands in a command and means something to the shell alone."""
    return UsageError(f"line {line}: {what}", "nothing but curl commands is read, no shell runs them", HINT)


def unclosed(line: int) -> UsageError:
    """A quote that begins in `line` has no end."""
    return UsageError(f"line {line}: a quote is not closed", "the copy may have been cut off", HINT)


def _without_name(line: int, words: list[str]) -> Command:
    name = re.split(r"[/\\]", words[0])[-1]
    if _NAME.fullmatch(name):
        return Command(line, words[1:])
    raise UsageError(f"line {line}: this is no curl command", "the word 'curl' is expected at its beginning", HINT)


class _Bash:
    """Words by the rules of POSIX shells, with bash's $'...' and without what would have to be run or looked up."""

    def __init__(self, text: str) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._found: list[tuple[int, list[str]]] = []
        self._words: list[str] = []
        self._word: str | None = None
        self._began = 1

    def commands(self) -> list[tuple[int, list[str]]]:
        while self._at < len(self._text):
            self._next()
        self._end_command()
        return self._found

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _next(self) -> None:
        char = self._text[self._at]
        if char == "\\":
            self._backslash()
        elif char == "'":
            self._add(self._until_quote())
        elif char == '"':
            self._add(self._double())
        elif char == "$":
            self._dollar()
        elif char in _BLANKS:
            self._end_word()
            self._at += 1
        elif char == "#" and self._word is None:
            self._at = _or_end(self._text, self._text.find("\n", self._at))
        else:
            self._plain(char)

    def _plain(self, char: str) -> None:
        if char in ";\n" or (char == "&" and self._text[self._at : self._at + 3] != "&>"):
            self._end_command()
        elif char == "`":
            raise refused(self._line(), "a command within a command")
        elif char in "|<>()" and not (char in "()" and self._word is not None):
            raise refused(self._line(), f"'{char}' is for the shell")
        else:
            self._add(char)
        self._at += 1

    def _add(self, text: str) -> None:
        if self._word is None:
            if not self._words:
                self._began = self._line()
            self._word = ""
        self._word += text

    def _end_word(self) -> None:
        if self._word is not None and not (self._word in _PROMPTS and not self._words):
            self._words.append(self._word)
        self._word = None

    def _end_command(self) -> None:
        self._end_word()
        if self._words:
            self._found.append((self._began, self._words))
        self._words = []

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

    def _double(self) -> str:
        line, text = self._line(), ""
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == '"':
                self._at += 1
                return text
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ("$", "`", '"', "\\", "\n"):
                self._at += 1
                char = self._text[self._at].replace("\n", "")
            elif char == "`":
                raise refused(self._line(), "a command within a command")
            elif char == "$":
                self._check_dollar()
            text += char
            self._at += 1
        raise unclosed(line)

    def _dollar(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following == "'":
            self._at += 1
            self._add(self._ansi())
        elif following == '"':
            self._at += 1
        else:
            self._check_dollar()
            self._add("$")
            self._at += 1

    def _check_dollar(self) -> None:
        if _VARIABLE.match(self._text, self._at):
            raise refused(self._line(), "a variable of the shell")

    def _ansi(self) -> str:
        """What stands in $'...'. Codes are bytes, as in bash, and text where together they are UTF-8; two halves of a
        character that a browser wrote as such become one."""
        line, units = self._line(), ""
        self._at += 1
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if char == "'":
                return _joined(units)
            units += self._escape() if char == "\\" else char
        raise unclosed(line)

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


def _or_end(text: str, place: int) -> int:
    return len(text) if place < 0 else place


def _joined(units: str) -> str:
    """Text whose halves of characters, and whose bytes, are put together where they make one."""
    whole = units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return whole.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") if _bytes_only(whole) else whole


def _bytes_only(text: str) -> bool:
    """Whether every lone surrogate in it stands for a byte."""
    return all(not "\ud800" <= char <= "\udfff" or "\udc80" <= char <= "\udcff" for char in text)
