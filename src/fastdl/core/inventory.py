"""What is in force: every rule with its mirrors, the user's own and what is switched off among them.

Whether a mirror may be used is asked of `core.trust`, as a download asks it, for a file whose digest is known: so this
list cannot say anything else than what `get` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastdl.core.pack import Pack
from fastdl.core.record import Record
from fastdl.core.route import Candidate, Route
from fastdl.core.rules import Mirror, Rule
from fastdl.core.templates import template_authority
from fastdl.core.trust import judge_sources
from fastdl.core.verify import Digest

_KNOWN = Digest("sha256", bytes(32))  # stands for the digest that a mirror's use needs


class Choice(Record):
    """What the settings say of sources; the words are those of --trust, --cdn and --region."""

    trust: str = "verified"
    cdn: str = "auto"
    region: str = "auto"


class Place(Record):
    """One mirror of a rule. `netloc` is its host, with the port where that is not the usual one."""

    mirror: Mirror
    netloc: str
    allowed: bool
    why: str


class Entry(Record):
    """One rule. `enabled` is false where the user switched it off; then nothing of it is used."""

    rule: Rule
    enabled: bool
    places: tuple[Place, ...]

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The digests that its publisher is known to give, each once."""
        return tuple(dict.fromkeys(place.algorithm for place in self.rule.digests if place.algorithm))


def inventory(pack: Pack, before: Pack, choice: Choice) -> Iterator[Entry]:
    """All rules of `pack`, then those of `before` (the pack without the user's changes) that it has no longer."""
    kept = set()
    for rule in pack.rules():
        kept.add(rule.id)
        yield Entry(rule, True, tuple(_places(rule, before.rule(rule.id), choice)))
    for rule in before.rules():
        if rule.id not in kept:
            why = "its rule is switched off in the config"
            off = (Place(mirror, template_authority(mirror.template), False, why) for mirror in rule.mirrors)
            yield Entry(rule, False, tuple(off))


def _places(rule: Rule, before: Rule | None, choice: Choice) -> Iterator[Place]:
    """The mirrors of a rule; those that may be used first, as a download would have them."""
    mirrors = {f"{rule.id}/{mirror.id}": mirror for mirror in rule.mirrors}
    candidates = tuple(
        Candidate(
            "", mirror.host, mirror.operator, mirror.region, mirror.trust, mirror.enabled, mirror.digest_required, name,
            own=mirror.own,
        )
        for name, mirror in mirrors.items()
    )  # fmt: skip
    route = Route("", rule.id, rule.id, False, "", candidates)
    builtin = {mirror.id for mirror in before.mirrors if mirror.enabled} if before is not None else set()
    for verdict in judge_sources(route, _KNOWN, False, choice.trust, choice.cdn, False, frozenset(), choice.region):
        mirror = mirrors[verdict.candidate.mirror_id]
        allowed = verdict.allowed and not mirror.own_token
        if mirror.own_token and verdict.allowed:
            why = "it asks for a token of its own"
        elif verdict.allowed:
            why = "with a strong digest of the publisher's"
            why = why if mirror.digest_required else "the same operator; size and validator must agree"
        elif not mirror.enabled and mirror.own:
            why = "switched off in the config"
        elif not mirror.enabled and mirror.id in builtin:
            why = "switched off in the config by builtin-mirrors"
        else:
            why = verdict.why
        yield Place(mirror, template_authority(mirror.template), allowed, why)


# --- choosing some ---------------------------------------------------------------------------------------


def chosen(entries: Iterable[Entry], word: str) -> list[Entry]:
    """The entries that a word names: the rule of this id, else those of a host (of the files or of a mirror) or of a
    domain above it, else those that have the word in their id or title."""
    entries = list(entries)
    plain = word.strip().lower()
    exact = [entry for entry in entries if entry.rule.id.lower() == plain]
    if exact:
        return exact
    if "." in plain:
        return [entry for entry in (_of_host(entry, plain) for entry in entries) if entry is not None]
    return [entry for entry in entries if plain in entry.rule.id.lower() or plain in entry.rule.title.lower()]


def _of_host(entry: Entry, host: str) -> Entry | None:
    """The entry if its files lie on this host, or those of its mirrors that do."""
    if any(_within(name, host) for name in entry.rule.hosts):
        return entry
    places = tuple(place for place in entry.places if _within(place.netloc, host))
    return entry._replace(places=places) if places else None


def _within(netloc: str, host: str) -> bool:
    """Whether a host is the one that is meant or lies below it; "*" in a rule's host stands for one label."""
    if netloc == host:
        return True
    labels, wanted = netloc.partition(":")[0].split("."), host.split(".")
    if len(labels) < len(wanted):
        return False
    tail = labels[len(labels) - len(wanted) :]
    return all(one in ("*", other) for one, other in zip(tail, wanted, strict=True))
