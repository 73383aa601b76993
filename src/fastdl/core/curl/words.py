"""From the text of a copied command to its words, as the shell that it was written for would cut it.

Browsers write for bash, for cmd.exe or for PowerShell. Nothing is expanded here: a variable, a substitution or a pipe
is refused by name, because the request without it would be another one. What is said of a fault never repeats the text,
which is full of cookies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastdl.core.curl import cmd
from fastdl.core.curl.bash import Bash
from fastdl.core.curl.cutter import HINT, PROMPT, Found
from fastdl.core.curl.powershell import PowerShell
from fastdl.core.hints import Literal
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

Shell = Literal["bash", "cmd", "powershell"]

_NAME = re.compile(r"curl(?:\.exe)?", re.IGNORECASE)
_OTHERS = re.compile(r"\s*(?:\$session\b|invoke-(?:webrequest|restmethod)\b|(?:await )?fetch\()", re.IGNORECASE)
_GOES_ON: dict[Shell, str] = {"bash": r"\\", "cmd": r"\^", "powershell": "`"}
_START = re.compile(rf"\s*(?:{PROMPT}[ \t]*)?(?:& +)?\S*?curl(?P<exe>\.exe)?['\"]?\s", re.IGNORECASE)
# Only bash has $' and \' outside of quotes.
_QUOTES = re.compile(r"'[^']*'|\"[^\"]*\"|(?P<bash>\$'|\\')")


@dataclass(frozen=True, slots=True)
class Command:
    """One curl command: its arguments, without `curl` itself. `line` is where it begins, from 1."""

    line: int
    words: list[str] = field(repr=False)


def commands_of(text: str) -> list[Command]:
    """The curl commands of a text, in their order. Raises UsageError, which names the line, for what is none."""
    if _OTHERS.match(text):
        raise UsageError("line 1: this is a request in another language", "PowerShell's own or JavaScript", HINT)
    commands = [_without_name(line, words) for line, words in _found(text)]
    if not commands:
        raise UsageError("there is no curl command in it", "it is empty", HINT)
    return commands


def _found(text: str) -> Iterator[Found]:
    shell = shell_of(text)
    if shell == "cmd":
        return cmd.commands(text)
    return (Bash(text) if shell == "bash" else PowerShell(text)).commands()


def shell_of(text: str) -> Shell:
    """Which shell a text was written for: by how its lines go on, else by how its first argument is quoted."""
    ends = {shell: len(re.findall(rf"(?m)(?<=\s){mark}[ \t]*\r?$", text)) for shell, mark in _GOES_ON.items()}
    most = max(ends, key=lambda shell: ends[shell])
    if ends[most]:
        return most
    start = _START.match(text)
    rest = text[start.end() :] if start else text
    if re.search(r"(?:^|\s)\^\"", rest):
        quoted = re.search(r"(?:^|\s)'", rest)
        return "bash" if quoted and quoted.start() < rest.index('^"') else "cmd"
    if start and start["exe"]:
        if any(found["bash"] for found in _QUOTES.finditer(rest)):
            return "bash"
        return "powershell" if re.search(r"(?:^|\s)'", rest) else "cmd"
    return "bash"


def _without_name(line: int, words: list[str]) -> Command:
    name = re.split(r"[/\\]", words[0])[-1]
    if _NAME.fullmatch(name):
        return Command(line, words[1:])
    raise UsageError(f"line {line}: this is no curl command", "the word 'curl' is expected at its beginning", HINT)
