"""Tables of the config file read with care: every complaint names file, line and key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.pattern import pattern
from fastdl.core.shown import clean
from fastdl.errors import UsageError

_ID = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HEADER = pattern(r"\s*\[\[?\s*([^\]\[#]+?)\s*\]\]?\s*(?:#.*)?")
_PART = pattern(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|$)""")

Path = tuple[str, ...]


class Source:
    """The text of the config file; says where a wrong value stands."""

    def __init__(self, text: str, path: str) -> None:
        self._text = text
        self._path = path

    def error(self, keys: Path, why: str, hint: str) -> UsageError:
        """To be raised for the value of these nested keys."""
        key = ".".join(keys)
        what = f"{self._path or 'the config'}, line {line_of(self._text, keys)}, key {clean(key, 120)}: not usable"
        return UsageError(what, why, hint)

    def tables(self, value: Any, keys: Path, known: Sequence[str]) -> Iterator[Table]:
        """The tables in the table at `keys`, whose keys must be `known`. Raises UsageError."""
        if not isinstance(value, Mapping):
            raise self.error(keys, "it is not a table", f"Write [{'.'.join(keys)}.NAME] above its keys.")
        for name, entry in value.items():
            place = (*keys, name)
            if not _ID.fullmatch(name):
                raise self.error(place, "the name has other signs than letters, digits, . _ -", "Choose another.")
            if not isinstance(entry, Mapping):
                raise self.error(place, "it is not a table", f"Write [{'.'.join(place)}] above its keys.")
        for name, entry in value.items():
            yield Table(self, (*keys, name), entry, known)


class Table:
    """One table, its keys with "_" for "-". All that read a value raise UsageError where it is of another kind."""

    def __init__(self, source: Source, keys: Path, written: Mapping[str, Any], known: Sequence[str]) -> None:
        self._source = source
        self._keys = keys
        self.name = keys[-1]
        self._values: dict[str, Any] = {}
        for spelled, value in written.items():
            key = spelled.replace("-", "_")
            if key not in known:
                raise self.error("there is no such key", f"Known: {', '.join(known)}.", spelled)
            if key in self._values:
                raise self.error("it is set twice: - and _ are the same", "Remove one of the two.", spelled)
            self._values[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def error(self, why: str, hint: str, key: str = "") -> UsageError:
        """To be raised for the table, or for one of its keys."""
        return self._source.error((*self._keys, key) if key else self._keys, why, hint)

    def tables(self, key: str, known: Sequence[str]) -> Iterator[Table]:
        """The tables in this one's table `key`, whose keys must be `known`."""
        return self._source.tables(self._values.get(key, {}), (*self._keys, key), known)

    def boolean(self, key: str, default: bool) -> bool:
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise self.error("it is neither true nor false", "Write it without quotes.", key)
        return value

    def text(self, key: str, default: str) -> str:
        """A line that is not empty."""
        value = self._values.get(key, default)
        if not isinstance(value, str) or not value.isprintable() or len(value) > 1000 or (key in self and not value):
            raise self.error("it is not a line of text", "Texts stand in quotes.", key)
        return value

    def texts(self, key: str, example: str) -> list[str]:
        """One text or a list of them; empty where the key is not there. `example` is a hint for an empty list."""
        value = self._values.get(key, [])
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or len(values) > 100 or not all(isinstance(text, str) for text in values):
            raise self.error("it is neither a text nor a list of texts", "Texts stand in quotes.", key)
        if key in self and not values:
            raise self.error("it is empty", example, key)
        return values

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        value = self.text(key, default)
        if value not in choices:
            why = f"{clean(value, 40)} is not one of its values"
            raise self.error(why, f"Known: {', '.join(choices)}.", key)
        return value


def line_of(text: str, keys: Sequence[str]) -> int:
    """The line where these nested keys are set, as far as a look at the lines can tell: of the key itself, else of
    the nearest table around it, else 1."""
    wanted = tuple(key.replace("-", "_") for key in keys)
    table: Path = ()
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        here = table = _parts(header[1]) if header else table
        if not header:
            here = table + _parts(line)
        common = 0
        for one, other in zip(here, wanted, strict=False):
            if one != other:
                break
            common += 1
        if common > depth and (common == len(here) or not header):
            best, depth = number, common
    return best


def _parts(line: str) -> Path:
    """The dotted key at the beginning of a line."""
    found: list[str] = []
    place = 0
    while match := _PART.match(line, place):
        found.append((match[1] or match[2] or match[3] or "").replace("-", "_"))
        place = match.end()
        if match[4] != ".":
            return tuple(found)
    return ()
