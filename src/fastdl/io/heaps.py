"""How much memory the caches of a run hold when it ends, for `fastdl stats`: a cache that nobody weighs is a leak that
nobody sees. Weighed are the Python objects; what a TLS library keeps behind a session is not seen from here."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping

from fastdl.core.hints import Any
from fastdl.core.record import Record

_MOST = 100_000  # objects of one cache that are looked at


class Heap(Record):
    """What one cache held. `most`: the most bytes at the end of any run."""

    entries: int
    bytes: int
    most: int


def weighed(entries: Collection[Any]) -> Heap:
    """The number of entries and all that hangs on them, each object once. Classes, functions and modules belong to
    the program."""
    seen: set[int] = set()
    total, waiting = 0, list(entries)
    while waiting and len(seen) < _MOST:
        thing = waiting.pop()
        if id(thing) in seen or thing is None or isinstance(thing, bool | type) or callable(thing):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        waiting.extend(_parts(thing))
    return Heap(len(entries), total, total)


def _parts(thing: Any) -> Collection[Any]:
    """What an object of plain data holds."""
    if isinstance(thing, str | bytes | int | float):
        return ()
    if isinstance(thing, Mapping):
        return [part for pair in thing.items() for part in pair]
    if isinstance(thing, list | tuple | set | frozenset):
        return thing
    return [getattr(thing, name, None) for name in getattr(thing, "__slots__", ())]
