"""The rules of a host applied to one URL of it: the pattern that fits, its mirrors, and where to ask for the digest.

Captures go into a template verbatim, and what comes out must still name the template's host.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fastdl.core.intern import Interner
from fastdl.core.looks import look_of
from fastdl.core.normal_form import Normal, normal_form
from fastdl.core.pack import Pack
from fastdl.core.route import Candidate, DigestLook, Route
from fastdl.core.rules import CLASSES, DigestPlace, Mirror, Pattern, Rule
from fastdl.core.templates import expand, template_authority
from fastdl.core.verify import LENGTHS, Digest

INTERNED = 1024  # hosts, operators and names of mirrors that are kept as one object each
_HEX = frozenset("0123456789abcdefABCDEF")


class Matcher:
    """Makes the routes of URLs whose host has rules in this pack. May be used by several threads."""

    __slots__ = ("_pack", "shared")

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self.shared = Interner(INTERNED)

    def route(self, url: str, normal: Normal, rules: tuple[Rule, ...], known: Mapping[str, str]) -> Route:
        """The route of `url`, whose normal form and host's `rules` these are; for `known` see Mapper.route."""
        matches = list(self._matches(rules, normal))
        if not matches:
            return Route(url, None, None, False, "no rule knows URLs of this form")
        if why := self._withheld(normal, [rule for rule, _, _ in matches]):
            return Route(url, None, None, False, why)
        first, pattern, _ = matches[0]
        moves = not any(pattern.fixed for _, pattern, _ in matches) and self._moves(normal.path)
        mutable = moves or any(pattern.mutable for _, pattern, _ in matches)
        digests = tuple(look for match in matches for look in self._looks(match, normal))
        embedded = next((found for match in matches if (found := self._embedded(match))), None)
        candidates = () if moves else tuple(self._candidates(matches, normal, known))
        rule = f"{first.id}/{pattern.id}"
        why = "the object changes under its name" if mutable else f"the rule for {first.title} applies"
        resolve = any(pattern.resolve for _, pattern, _ in matches)
        return Route(url, rule, first.id, mutable, why, candidates, digests, embedded, resolve)

    def _matches(self, rules: tuple[Rule, ...], normal: Normal) -> Iterator[_Match]:
        text = normal.text
        for rule in rules:
            for pattern in rule.patterns:
                if pattern.has not in text or (pattern.hosts and normal.host not in pattern.hosts):
                    continue
                if normal.query is not None and normal.query != pattern.query:
                    continue
                found = self._pack.compiled(pattern.regex).fullmatch(text)
                if found is not None:
                    yield rule, pattern, {"url": f"https://{normal.host}{normal.path}", **found.groupdict()}

    def _withheld(self, normal: Normal, rules: list[Rule]) -> str:
        """Why only the origin may give this, although its form is known; or ""."""
        limits, name = self._pack.limits, normal.path.rpartition("/")[2].lower()
        if not name:
            return "the URL names a folder"
        if name.endswith(limits.endings) or name in limits.names:
            return "signatures and digests come from the origin alone"
        if any(rule.skip and self._pack.compiled(rule.skip).search(normal.path) for rule in rules):
            return "indexes and digests come from the origin alone"
        return ""

    def _moves(self, path: str) -> bool:
        *folders, name = path.lower().split("/")
        words = name.replace("_", "-").split("-")
        return not self._pack.limits.moving.isdisjoint(folders) or "latest" in (part.split(".")[0] for part in words)

    def _candidates(self, matches: list[_Match], normal: Normal, known: Mapping[str, str]) -> Iterator[Candidate]:
        seen = {normal.text}
        found = [
            candidate
            for rule, pattern, names in matches
            for mirror in rule.mirrors
            if not mirror.patterns or pattern.id in mirror.patterns
            if (candidate := self._candidate(rule, pattern, mirror, {**names, **known}, normal)) is not None
        ]
        for candidate in sorted(found, key=lambda candidate: CLASSES.index(candidate.trust)):
            if candidate.url not in seen:
                seen.add(candidate.url)
                yield candidate

    def _candidate(
        self, rule: Rule, pattern: Pattern, mirror: Mirror, names: dict[str, str | None], normal: Normal
    ) -> Candidate | None:
        if pattern.mutable and not mirror.patterns:
            return None  # a mirror for all patterns means those that stay what they are
        url = mirror_url(mirror, names)
        if url is None or self._pack.limits.forbids(mirror.host):
            return None
        if normal.scheme == "https" and not url.startswith("https://"):
            return None  # never less protected than what was asked for
        keep = self.shared.keep
        return Candidate(
            url, keep(mirror.host), keep(mirror.operator), mirror.region, mirror.trust, mirror.enabled,
            mirror.digest_required, keep(f"{rule.id}/{mirror.id}"), mirror.own_token, mirror.ranges, mirror.own,
        )  # fmt: skip

    def _looks(self, match: _Match, normal: Normal) -> Iterator[DigestLook]:
        rule, pattern, captures = match
        for place in rule.digests:
            if place.kind == "in_url" or (place.patterns and pattern.id not in place.patterns):
                continue
            names = self._named(place, captures)
            look = None if names is None else look_of(rule, place, names, normal)
            if look is not None:
                yield look

    def _named(self, place: DigestPlace, captures: Mapping[str, str | None]) -> dict[str, str | None] | None:
        """The names that a place's texts use; None where its condition does not hold."""
        if not place.when:
            return dict(captures)
        for when in place.when:
            text = expand(when.text, captures)
            found = self._pack.compiled(when.regex).fullmatch(text) if text is not None else None
            if found is not None:
                names = {**captures, **found.groupdict()}
                return {**names, **{name: expand(template, names) for name, template in when.names}}
        return None

    def _embedded(self, match: _Match) -> Digest | None:
        rule, pattern, captures = match
        for place in rule.digests:
            if place.kind != "in_url" or (place.patterns and pattern.id not in place.patterns):
                continue
            names = self._named(place, captures)
            value = expand(place.value, names) if names is not None else None
            if value is not None and len(value) == 2 * LENGTHS.get(place.algorithm, 0) and _HEX.issuperset(value):
                return Digest(place.algorithm, bytes.fromhex(value))
        return None


_Match = tuple[Rule, Pattern, "dict[str, str | None]"]


def mirror_url(mirror: Mirror, names: Mapping[str, str | None]) -> str | None:
    """The mirror's URL of the object that these names describe; None where it has none, or where the result would not
    be a URL of the template's own host."""
    if any(not names.get(name) for name in (*mirror.requires, *mirror.needs)):
        return None
    if mirror.lookup is not None:
        name, key, table = mirror.lookup
        value = table.get(expand(key, names) or "")
        if value is None:
            return None
        names = {**names, name: value}
    if any(expand(text, names) not in values for text, values in mirror.only):
        return None
    url = expand(mirror.template, names)
    return url if url is not None and _stays(mirror, url) else None


def _stays(mirror: Mirror, url: str) -> bool:
    """Whether a filled template is still a plain URL of its own host. Proxies carry a second URL in the path, so an
    empty segment is right where the template itself has one."""
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("/")
    if (
        not authority
        or authority != template_authority(mirror.template)
        or not mirror.template.startswith(scheme + ":")
    ):
        return False
    inner = path.replace("://", ":/") if "://" in mirror.template.partition("://")[2] else path
    normal = normal_form(f"https://mirror.invalid/{inner}")  # the host is proved; this is about the path
    return isinstance(normal, Normal) and normal.query is None and "#" not in path
