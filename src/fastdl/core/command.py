"""The command of `--on-complete`: cut into arguments first, filled in afterwards.

There is no shell, and the order matters: a path with spaces or quotes in it stays one argument, because nothing is cut
any more when it comes in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fastdl.errors import UsageError

# What cmd.exe gives a meaning to, inside quotes too: no way of quoting is safe there (CVE-2024-24576).
_FOR_CMD = re.compile(r'[\x00-\x1f"%!&|<>^()`]')
_PIECE = re.compile(r'(?P<slashes>\\*)(?P<quote>")|\\+|[ \t]+|[^\\" \t]+')
_HINT = "See --on-complete in 'fastdl get --help'."


def split(text: str, *, windows: bool) -> list[str]:
    """The program and its arguments: by the rules of a POSIX shell's words, on Windows by those of CommandLineToArgvW,
    where a backslash in a path is just that. Raises UsageError where a quote is not closed or nothing is named."""
    try:
        words = split_windows(text) if windows else _split_posix(text)
    except ValueError as error:
        raise UsageError("the command is not valid", str(error).lower(), _HINT) from None
    if not words or not words[0].strip():
        raise UsageError("the command is empty", "a program is expected", _HINT)
    return words


def _split_posix(text: str) -> list[str]:
    import shlex

    return shlex.split(text)


def split_windows(text: str) -> list[str]:
    """Quotes part no words; 2n backslashes before a quote are n, and one more makes the quote a character."""
    words: list[str] = []
    parts: list[str] = []  # of the word that is being read; none between words
    quoted, at = False, 0
    while piece := _PIECE.match(text, at):
        at = piece.end()
        if piece["quote"]:
            slashes = len(piece["slashes"])
            parts.append("\\" * (slashes // 2))
            if slashes % 2:
                parts.append('"')
            elif quoted and text[at : at + 1] == '"':  # two of them inside quotes are one
                parts.append('"')
                at += 1
            else:
                quoted = not quoted
        elif quoted or piece[0][0] not in " \t":
            parts.append(piece[0])
        elif parts:
            words.append("".join(parts))
            parts = []
    if quoted:
        raise ValueError("no closing quotation")
    return [*words, "".join(parts)] if parts else words


def fill(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The arguments with each `{name}` of `values` replaced, once: what comes in is not looked at again. Other words in
    braces stay as they are."""
    names = re.compile("{(" + "|".join(map(re.escape, values)) + ")}")
    return [names.sub(lambda found: values[found[1]], word) for word in words]


def filled(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Those of `values` that `fill` puts into `words`: what others have chosen, a server's name for a file."""
    return [value for name, value in values.items() if any(f"{{{name}}}" in word for word in words)]


def is_cmd(program: str) -> bool:
    """Whether this program is Windows' cmd.exe, which reads its arguments as a script."""
    return re.split(r"[\\/]", program)[-1].rstrip(". ").lower() in ("cmd", "cmd.exe")


def is_batch_file(program: str) -> bool:
    """Whether Windows would hand this program to cmd.exe. It ignores dots and spaces at the end of a name."""
    return program.rstrip(". ").lower().endswith((".bat", ".cmd"))


def unfit_for_batch(arguments: Sequence[str]) -> str | None:
    """The first character that must not reach cmd.exe; None where all is well."""
    for argument in arguments:
        found = _FOR_CMD.search(argument)
        if found is not None:
            return found[0]
    return None
