"""fastdl's command lines that stand somewhere in a text, held against fastdl's own parser without running them."""

from __future__ import annotations

import re
import shlex

from fastdl.cli.commands import options_of
from fastdl.cli.parse import HelpWanted, command_of, parse

# What documents write in the place of something: brackets and dots say that it may be left out or repeated.
_STAND_INS = {"URL": "https://example.org/f", "URL...": "https://example.org/f", "...": ""}
_NUMBERS = ("N", "SIZE", "RATE", "SEC")


def lines_of(text: str, *, windows: bool = False) -> list[list[str]]:
    """The words behind each `fastdl` that begins a command within a text of another kind: a crontab, a unit file, a
    script for PowerShell or cmd."""
    found = []
    for line in text.splitlines():
        for match in re.finditer(r"(?:^|[\s=\"\\/])fastdl(?:\.exe)? ([^&|;>\"]+)", line.partition(" #")[0]):
            words = match[1].replace("\\", "/") if windows else match[1]
            found.append(shlex.split(words))
    return found


def complaint(words: list[str]) -> str | None:
    """Why fastdl would not take this command line, or None. Values are not looked at."""
    words = [_STAND_INS.get(word.strip("[]"), word.strip("[]")) for word in words if word not in ("|", "…")]
    words = [word for word in words if word]
    if words in (["--version"], ["COMMAND", "--help"], ["help", "COMMAND"]) or words[:1] in (
        ["--install-completion"],
        ["--show-completion"],
    ):
        return None
    try:
        command, rest = command_of(words)
        if command:
            parse(rest, options_of(command))
    except HelpWanted:
        return None
    except Exception as error:
        if words[-1].startswith("--") and "needs a value" in str(error):
            return None  # the option is named, not used
        return f"{' '.join(words)}: {error}"
    return None
