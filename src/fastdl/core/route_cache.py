"""Routes that were found already, bounded in number and bytes."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextlib import AbstractContextManager, nullcontext

from fastdl.core.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastdl.core.route import Route


class RouteCache:
    """Routes by URL, bounded by the store handed in (`route_weight` is its measure).

    Only what a rule matched is kept, and nothing with a query: the rest is found out in microseconds, and could hold
    a secret."""

    __slots__ = ("_lock", "_store", "hits", "misses")

    def __init__(self, store: MutableMapping[str, Route], lock: AbstractContextManager[Any] | None = None) -> None:
        self._store = store
        self._lock: AbstractContextManager[Any] = lock if lock is not None else nullcontext()
        self.hits = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._store)

    def held(self) -> list[tuple[str, Route]]:
        """All entries, for who weighs them."""
        with self._lock:
            return list(self._store.items())

    def get(self, url: str) -> Route | None:
        with self._lock:
            route = self._store.get(url)
            if route is None:
                self.misses += 1
            else:
                self.hits += 1
            return route

    def put(self, url: str, route: Route) -> None:
        with self._lock:
            try:
                self._store[url] = route
            except ValueError:  # larger than the whole cache
                return


def route_weight(route: Route) -> int:
    """Bytes that a route holds, roughly: its URLs and a fixed part for each object. Hosts and operators are shared."""
    texts = len(route.url) + sum(len(candidate.url) for candidate in route.candidates)
    texts += sum(len(look.url) + sum(map(len, look.alternatives)) for look in route.digests)
    return texts + 400 + 250 * len(route.candidates) + 700 * len(route.digests)
