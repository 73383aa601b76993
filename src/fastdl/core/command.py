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
    word, begun, quoted, at = "", False, False, 0
    while at < len(text):
        slashes = len(text) - at - len(text[at:].lstrip("\\"))
        at += slashes
        char = text[at : at + 1]
        begun = begun or slashes > 0
        word += "\\" * (slashes // 2 if char == '"' else slashes)
        at += 1
        if char == '"':
            begun = True
            if slashes % 2:
                word += '"'
            elif quoted and text[at : at + 1] == '"':  # two of them inside quotes are one
                word += '"'
                at += 1
            else:
                quoted = not quoted
        elif char in (" ", "\t") and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        elif char:
            word, begun = word + char, True
    if quoted:
        raise ValueError("no closing quotation")
    return [*words, word] if begun else words


def fill(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The arguments with each `{name}` of `values` replaced, once: what comes in is not looked at again. Other words in
    braces stay as they are."""
    names = re.compile("{(" + "|".join(map(re.escape, values)) + ")}")
    return [names.sub(lambda found: values[found[1]], word) for word in words]


def is_batch_file(program: str) -> bool:
    """Whether Windows would hand this program to cmd.exe. It ignores dots and spaces at the end of a name."""
    return program.rstrip(". ").lower().endswith((".bat", ".cmd"))


def unfit_for_batch(arguments: Sequence[str]) -> str | None:
    """The first character that must not reach a batch file; None where all is well."""
    for argument in arguments:
        found = _FOR_CMD.search(argument)
        if found is not None:
            return found[0]
    return None
