"""How the caches of a run did, for `fastdl stats`: how often something was found there, and how much memory they hold
when it ends, as a cache that nobody weighs is a leak that nobody sees. Weighed are the Python objects; what a TLS
library keeps behind a session is not seen from here. All of it is noted in the state database, by a cache's name."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record

if TYPE_CHECKING:
    import sqlite3

    from fastdl.core.mapper import Mapper
    from fastdl.io.dns import Resolver
    from fastdl.io.store import Store

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


# --- in the state database -------------------------------------------------------------------------------


def note_run(store: Store, mapper: Mapper | None, resolver: Resolver) -> None:
    """How the caches of a run with many URLs did. (Of a run with few it would say nothing, and cost as much as a
    file.)"""
    trust = sys.modules.get("fastdl.io.trust_store")
    caches: dict[str, Collection[Any]] = {"addresses": resolver.held()}
    if mapper is not None and mapper.cache is not None:
        note_use(store, "routes", mapper.cache.hits, mapper.cache.misses)
        caches["routes"] = mapper.cache.held()
        caches["names"] = mapper.names
    if trust is not None:
        caches["TLS sessions"] = trust.held_sessions()
    for name, entries in caches.items():
        note_heap(store, name, weighed(entries))


def note_use(store: Store, name: str, hits: int, misses: int) -> None:
    """Add to the sums of a cache: how often something was found in it, and how often not."""

    def note(db: sqlite3.Connection) -> None:
        db.execute("insert or ignore into counters values (?, 0, 0)", (name,))
        db.execute("update counters set hits = hits + ?, misses = misses + ? where name = ?", (hits, misses, name))

    if hits or misses:
        store.database.write(note, None)


def uses(store: Store) -> dict[str, tuple[int, int]]:
    """The sums of every cache: (hits, misses)."""

    def find(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
        rows = db.execute("select name, hits, misses from counters order by name")
        return {str(name): (int(hits), int(misses)) for name, hits, misses in rows}

    return store.database.read(find, {})


def note_heap(store: Store, name: str, heap: Heap) -> None:
    """What a cache holds at the end of a run."""

    def note(db: sqlite3.Connection) -> None:
        most = db.execute("select max(most) from heaps where name = ?", (name,)).fetchone()[0] or 0
        row = (name, heap.entries, heap.bytes, max(most, heap.most))
        db.execute("insert or replace into heaps values (?, ?, ?, ?)", row)

    store.database.write(note, None)


def heaps(store: Store) -> dict[str, Heap]:
    """What each cache held at the end of the last run that had it."""

    def find(db: sqlite3.Connection) -> dict[str, Heap]:
        rows = db.execute("select name, entries, bytes, most from heaps order by name")
        return {str(name): Heap(int(entries), int(size), int(most)) for name, entries, size, most in rows}

    return store.database.read(find, {})
