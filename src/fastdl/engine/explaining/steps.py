"""The plan of a download in words: who begins, who may join and when, what decides at the end.

The figures are those of engine/sourcing.py, engine/evidence.py and core/plan.py, repeated here because explaining a
URL without asking anybody must not load what a download needs; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plan import TRIAL
from fastdl.core.quantity import format_size
from fastdl.core.record import Record

if TYPE_CHECKING:
    from fastdl.engine.explaining.asking import Asked, Known
    from fastdl.settings import Settings

LEAST_BYTES = 2 * 1024 * 1024  # of a file that are left, for a source more to be worth its connection
LEAST_SECONDS = 1.0
AT_A_TIME = 3
MOST = 24
SILENCE = 1.5  # seconds
LOOKUP_SECONDS = 10.0
EARLY = ("user", "url")  # sources of a digest that is known before anybody is asked
_NAMED = 3  # hosts that a sentence names


class Sources(Record):
    """Who can supply bytes, by host: the `given` ones, the origin first; the mapped `helpers` that may, best first;
    those that are `waiting` for the publisher's digest. `reason`: why the likeliest of the others may not; "" if no
    others are known."""

    given: tuple[str, ...]
    helpers: tuple[str, ...]
    waiting: tuple[str, ...]
    reason: str


def first_of(sources: Sources, known: Known, settings: Settings) -> list[str]:
    """The hosts that are asked first: the given ones; with --cdn prefer and a digest that is known before anybody is
    asked, the best of the mapped ones."""
    early = any(finding.proves and finding.source in EARLY for finding in known.findings)
    leads = settings.cdn == "prefer" and early and sources.helpers and not _closed(settings)
    return [sources.helpers[0]] if leads else list(dict.fromkeys(sources.given))


def plan_in_words(
    sources: Sources, found: Asked, settings: Settings, size: int | None, ranges: bool | None
) -> list[str]:
    """Sentences in the order of what happens. `size` in bytes and `ranges` are the origin's, None where they are not
    known."""
    return [
        _beginning(sources, found.known, settings),
        *_looking(found),
        *_joining(sources, settings, size, ranges),
        *_checking(found.known),
        *_ending(sources, found.known, settings),
    ]


def _beginning(sources: Sources, known: Known, settings: Settings) -> str:
    given = _names(sources.given)
    first = first_of(sources, known, settings)
    if first[0] not in sources.given:
        return f"{first[0]} begins; {given} is asked where it fails or is silent for {SILENCE:g} s."
    return f"{given} begin at once." if len(first) > 1 else f"{given} begins at once."


def _looking(found: Asked) -> list[str]:
    if not found.route.digests:
        return []
    if any(finding.proves and finding.source in EARLY for finding in found.known.findings):
        return ["Nobody is asked for the digest: it is known already."]
    places = _names([look.url.split("/")[2] for look in found.route.digests])
    return [f"Meanwhile the digest is looked up at {places}, for {LOOKUP_SECONDS:g} s at most."]


def _closed(settings: Settings) -> str:
    """Why no source can join whatever it is, or ""."""
    if settings.connections == 1:
        return "-x 1 allows one connection"
    return "what goes to stdout comes from the given sources" if settings.output == "-" else ""


def _joining(sources: Sources, settings: Settings, size: int | None, ranges: bool | None) -> list[str]:
    helpers = [*sources.helpers, *sources.waiting]
    if not helpers:
        return [f"No other source helps: {sources.reason}."] if sources.reason else []
    if reason := _closed(settings):
        return [f"No other source helps: {reason}."]
    hosts = _names(helpers)
    if ranges is False or (size is not None and size < LEAST_BYTES):
        why = "it serves no ranges" if ranges is False else "the file is too short to be shared"
        return [f"Only if the origin fails or is silent for {SILENCE:g} s, {hosts} may step in: {why}."]
    when = f"While more than {format_size(LEAST_BYTES)} are left"
    if settings.cdn != "prefer":
        when += f", and more than {LEAST_SECONDS:g} s of work"
    if not sources.helpers:
        when = f"Once the publisher's digest is known: {when[:1].lower()}{when[1:]}"
    count = f" {AT_A_TIME} at a time, {MOST} in all;" if len(helpers) > 1 else ""
    trial = f"each begins with a range of {format_size(TRIAL)} and gets as much as it proves to be fast"
    return [f"{when}, {hosts} may join:{count} {trial}."]


def _checking(known: Known) -> list[str]:
    if known.piece is None:
        return []
    return [f"Pieces of {format_size(known.piece)} are checked as they arrive: the Metalink has their digests."]


def _ending(sources: Sources, known: Known, settings: Settings) -> list[str]:
    if not known.findings and not known.pending:
        return ["At the end the size is checked; there is no digest to check."]
    texts = [finding.digest.algorithm for finding in known.findings]
    if known.pending:
        texts.append("the publisher's digest, if it is known by then")
    last = f"At the end the whole file is checked: {', '.join(dict.fromkeys(texts))}."
    mixed = len(sources.given) > 1 or sources.helpers or sources.waiting
    if not mixed or _closed(settings):
        return [last]
    return [last, "If that fails, what others sent is fetched again from the origin; who altered it is not used again."]


def _names(hosts: Sequence[str]) -> str:
    hosts = list(dict.fromkeys(hosts))
    more = len(hosts) - _NAMED
    return ", ".join(hosts[:_NAMED]) + (f" and {more} more" if more > 0 else "")
