"""Writes YAML for winget: maps, lists and scalars, and nothing that could be read in another way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Read as something else than text by a YAML reader: numbers, dates, booleans, nothing, signs with a meaning.
_OTHER = re.compile(
    r"(?i)(true|false|yes|no|on|off|y|n|null|~|<<|=|)"
    r"|[-+]?(\d[\d_,]*(\.[\d_]*)?|\.[\d_]+)(e[-+]?\d+)?|[-+]?\.(inf|nan)"
    r"|[-+]?0(x[\da-f_]+|o?[0-7_]+|b[01_]+)|[-+]?\d[\d_]*(:\d+)+(\.\d*)?|\d{4}-\d\d?-\d\d?.*"
)
_SIGNS = re.compile(r"^[\s\-?:,\[\]{}#&*!|>'\"%@`=]|: |:$| #|\s$|[\x00-\x1f]")


def scalar(value: str | bool | int) -> str:
    """A value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _OTHER.fullmatch(value) or _SIGNS.search(value):
        return "'" + value.replace("'", "''") + "'"
    return value


def dump(value: Mapping[str, Any]) -> str:
    """A document."""
    return "".join(f"{line}\n" for line in _lines(value))


def _lines(value: Any) -> list[str]:
    found: list[str] = []
    if isinstance(value, Mapping):
        for name, content in value.items():
            if isinstance(content, Mapping | list | tuple):
                found += [f"{name}:", *(line if _is_list(content) else f"  {line}" for line in _lines(content))]
            else:
                found.append(f"{name}: {scalar(content)}")
        return found
    for entry in value:
        first, *rest = _lines(entry) if isinstance(entry, Mapping | list | tuple) else [scalar(entry)]
        found += [f"- {first}", *(f"  {line}" for line in rest)]
    return found


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
