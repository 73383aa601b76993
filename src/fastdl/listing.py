"""From the entries of a list to files that can be downloaded: options checked, the place of every fault named.

The same checks serve the command line and the lists, so a value means the same in both. Entries are taken up one by
one as they are asked for; nothing is kept of them but whether there was one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence

from fastdl import combinations, config
from fastdl.core.hints import Any
from fastdl.core.lists.entry import Broken, Entry, Listed, Written
from fastdl.core.lists.reading import read_list
from fastdl.core.plain import dataclass
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest, new_hasher
from fastdl.errors import BadEntry, BadName, FastdlError, UnsafeName, UsageError
from fastdl.io.list_file import chunks_of, name_of
from fastdl.options import BY_KEY
from fastdl.settings import Layer, Settings
from fastdl.values import value_of

MOST_TRIES = 1_000_000


@dataclass(frozen=True, slots=True)
class File:
    """One file of a run. `place` is where the list has it; with an `error` it cannot be downloaded."""

    url: str
    settings: Settings
    listed: Listed | None = None
    place: str = ""
    error: FastdlError | None = None


def files_of(settings: Settings, urls: Sequence[str]) -> Iterator[File]:
    """The files of `urls`, then those of the list that the settings name. The beginning of the list is read before this
    returns. Raises UsageError where it cannot be, or is no list, or holds nothing."""
    given = [File(url, settings) for url in urls]
    if settings.input_file is None:
        return iter(given)
    name = name_of(settings.input_file)
    chunks = chunks_of(settings.input_file)
    try:
        found = read_list(chunks, windows=sys.platform == "win32")
        first = [] if given else _first(found)
    except UsageError as error:
        raise UsageError(_named(name, error), error.why, error.hint) from None
    return _Listing(settings, name).files(given, first, found)


def _named(name: str, error: UsageError) -> str:
    return f"{name}, {error.what}" if error.what.startswith("line ") else f"{name}: {error.what}"


def _first(found: Iterator[Entry | Broken]) -> list[Entry | Broken]:
    """The first entry; a list without one is an error where nothing else is to be done."""
    for item in found:
        return [item]
    raise UsageError("the list is empty", "it names no file", "Write one URL a line.")


class _Listing:
    """`name` is that of the list; `free`: the options that are for one file (-o, --checksum, -m) are to be had."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._free = True

    def files(
        self, given: Iterable[File], first: Iterable[Entry | Broken], found: Iterator[Entry | Broken]
    ) -> Iterator[File]:
        for file in given:
            self._free = False
            yield file
        for item in first:
            yield self._file(item)
        while True:
            try:
                item = next(found)
            except StopIteration:
                return
            except UsageError as error:  # the rest cannot be read; what was read goes on
                yield File("", self._settings, error=BadEntry(_named(self._name, error), error.why, error.hint))
                return
            yield self._file(item)

    def _file(self, item: Entry | Broken) -> File:
        place = self._place(item, item.line)
        try:
            if isinstance(item, Broken):
                raise item.error
            return self._usable(item, place)
        except FastdlError as error:
            told = error if isinstance(error, BadEntry | UnsafeName) else at_place(place, error)
            return File(item.url, self._settings, place=place, error=told)
        finally:
            self._free = False

    def _place(self, item: Entry | Broken, line: int) -> str:
        return f"{self._name}, {'file' if item.kind == 'metalink' else 'line'} {line}"

    def _usable(self, entry: Entry, place: str) -> File:
        """The file of an entry. Raises FastdlErrors; those of an option name the place already."""
        layer = {key: self._value(entry, key, written) for key, written in entry.options.items()}
        one = config.for_file(self._settings, layer)
        sources = _ordered(entry, one.region)
        one.mirrors = [*sources[1:], *layer.get("mirror", self._settings.mirrors)]
        if entry.name and one.output is None:
            one.output = os.path.join(*entry.name.split("/"))
        self._check_what_is_for_one_file(layer)
        for url in sources:
            parse_url(url)
        combinations.check_files(one)
        return File(sources[0], one, _listed(entry), place)

    def _value(self, entry: Entry, key: str, written: tuple[Written, ...]) -> Any:
        option = BY_KEY[key]
        try:
            if key == "user":
                return _login(written)
            if option.kind == "list":
                raw = [each for part in written for each in (part.value if _is_list(part) else [part.value])]
                return value_of(option, raw, written[0].key)
            value = value_of(option, _as_ours(written[0]), written[0].key)
            if key == "output" and value == "-":
                hint = "Give -o - to the command, with a list of one file."
                raise UsageError("out=- is not for lists", "stdout takes one file", hint)
        except UsageError as error:
            raise at_place(self._place(entry, written[0].line), error) from None
        return not value if written[0].negated else value

    def _check_what_is_for_one_file(self, layer: Layer) -> None:
        """-o, --checksum and -m of the command go to the first file. Raises UsageError for another without its own."""
        run = self._settings
        for key, value in (("output", run.output), ("checksum", run.checksum), ("mirror", run.mirrors)):
            if value and key not in layer and not self._free:
                why = "the list has more than one"
                raise UsageError(f"--{key} is for one file", why, "Set it in the list, below each URL.")


def at_place(place: str, error: FastdlError) -> FastdlError:
    """An error with the place in the list that it is about."""
    kind = UnsafeName if isinstance(error, BadName) else BadEntry
    hint = "Try 'fastdl get --help'." if error.hint == UsageError.hint else error.hint
    return kind(f"{place}: {error.what}", error.why, hint)


def _is_list(written: Written) -> bool:
    return isinstance(written.value, list)


def _login(parts: tuple[Written, ...]) -> tuple[str, str | None]:
    """`user=NAME:PASS`, or aria2's http-user and http-passwd."""
    values = {part.key.lower().replace("_", "-"): part.value for part in parts}
    if not all(isinstance(value, str) for value in values.values()):
        raise UsageError("the user is not valid", "text is expected")
    if "user" in values and len(values) > 1:
        raise UsageError("the user is given in two ways", "", "Give user=NAME:PASS.")
    if "user" not in values:
        if "http-user" not in values:
            raise UsageError("http-passwd is given without http-user", "", "Give user=NAME:PASS.")
        if ":" in values["http-user"]:
            raise UsageError("the user name holds a colon", "basic authentication has no way to send it", "")
        values["user"] = f"{values['http-user']}:{values.get('http-passwd', '')}"
    login: tuple[str, str | None] = value_of(BY_KEY["user"], values["user"], "user")
    if login[1] is None:
        raise UsageError("user: no password is given", "nobody can be asked", "Give user=NAME:PASS.")
    return login


def _as_ours(written: Written) -> Any:
    """The value in the meaning of fastdl's option: aria2 counts tries, the first included, and 0 has no bound."""
    value = written.value
    if written.key.lower().replace("_", "-") != "max-tries" or not str(value).isdecimal():
        return value
    return MOST_TRIES if int(str(value)[:9]) == 0 else int(str(value)[:9]) - 1


def _ordered(entry: Entry, region: str) -> list[str]:
    """The URLs of an entry, best first: those of a Metalink that lie in the region, then by its own order."""
    if not entry.sources or region == "auto":
        return [entry.url, *entry.mirrors]
    near = sorted(entry.sources, key=lambda source: source.location != region.lower())
    return list(dict.fromkeys(source.url for source in near))


def _listed(entry: Entry) -> Listed | None:
    if entry.kind != "metalink":
        return None
    digests = tuple(digest for digest in entry.digests if _computable(digest))
    return Listed("metalink", entry.size, digests, entry.pieces, ordered=True)


def _computable(digest: Digest) -> bool:
    try:
        new_hasher(digest.algorithm)
    except UsageError:
        return False
    return True
