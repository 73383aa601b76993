"""From a URL to its route: where else the object lies, and where its publisher names the digest.

A mapping sends somebody else a URL, so it is made only from the strict normal form: whatever two parsers could read
differently is downloaded from where it was asked, and mapped nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.normal_form import Normal, normal_form
from fastdl.core.pack import Pack
from fastdl.core.route import Route

if TYPE_CHECKING:
    from fastdl.core.matching import Matcher
    from fastdl.core.route_cache import RouteCache


class Mapper:
    """Finds routes in a pack. May be used by several threads: the cache has its lock, all else may be done twice."""

    __slots__ = ("_matcher", "cache", "pack")

    def __init__(self, pack: Pack, cache: RouteCache | None = None) -> None:
        self.pack = pack
        self.cache = cache
        self._matcher: Matcher | None = None

    @property
    def names(self) -> list[str]:
        """The shared names of hosts and operators."""
        return [] if self._matcher is None else self._matcher.shared.held()

    def route(self, url_text: str, *, private: bool = False, known: Mapping[str, str] | None = None) -> Route:
        """The route of a URL, whatever the text; never raises. `private`: the request carries a secret, so nobody else
        is to be asked; only a digest in the URL itself is used. `known`: names that a look-up's `extra` gave; with
        them some mirrors more can be named."""
        normal = normal_form(url_text)
        if isinstance(normal, str):
            return Route(url_text, None, None, False, f"the URL {normal}")
        cacheable = normal.query is None and not private and not known
        if self.cache is not None and cacheable and (found := self.cache.get(normal.text)) is not None:
            return found._replace(url=url_text)
        route = self._routed(url_text, normal, known or {})
        if private:
            why = "the request carries a secret: only the origin is asked"
            return Route(url_text, None, None, route.mutable, why, embedded=route.embedded)
        if self.cache is not None and cacheable and route.rule is not None:
            self.cache.put(normal.text, route)
        return route

    def _routed(self, url: str, normal: Normal, known: Mapping[str, str]) -> Route:
        rules = self.pack.rules_for(normal.host)
        if not rules:
            return Route(url, None, None, False, "no rule knows this host")
        if self._matcher is None:
            from fastdl.core.matching import Matcher

            self._matcher = Matcher(self.pack)
        return self._matcher.route(url, normal, rules, known)
