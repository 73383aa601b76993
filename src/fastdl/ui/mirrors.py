"""The list of `fastdl mirrors`, as an object and as text, and what `mirrors test` found, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.inventory import Choice, Entry, Place
from fastdl.core.quantity import format_rate, format_seconds, format_size
from fastdl.ui.explained import GIVEN_BY
from fastdl.ui.known import in_words
from fastdl.ui.table import table
from fastdl.ui.text import safe

Object = dict[str, Any]
MOST_HOSTS = 48  # characters of them in a line of the short list

KINDS = {
    "in_url": "in the URL itself",
    "json_api": "from the publisher's API",
    "side_file": "from a file beside it",
    "sums_file": "from a list of digests",
    "metalink": "from a Metalink",
    "index": "from the repository's index",
    "headers": "from the header of the answer",
    "html_page": "from a page of the publisher's",
}
"""Where a digest is found, by the kind of place, in words."""


def listed(entries: Sequence[Entry], choice: Choice, known: Mapping[str, Object]) -> Object:
    """The object of `mirrors --json`. `known`: what was learned of hosts, by netloc."""
    return {"trust": choice.trust, "cdn": choice.cdn, "rules": [_rule(entry, known) for entry in entries]}


def _rule(entry: Entry, known: Mapping[str, Object]) -> Object:
    rule = entry.rule
    return {
        "id": rule.id,
        "title": rule.title,
        "hosts": list(rule.hosts),
        "enabled": entry.enabled,
        "own": rule.own,
        "digests": [{"kind": place.kind, "algorithm": place.algorithm} for place in rule.digests],
        "mirrors": [_mirror(place, known) for place in entry.places],
    }


def _mirror(place: Place, known: Mapping[str, Object]) -> Object:
    mirror = place.mirror
    return {
        "id": mirror.id,
        "host": place.netloc,
        "operator": mirror.operator or place.netloc,
        "region": mirror.region or None,
        "trust": mirror.trust,
        "allowed": place.allowed,
        "why": place.why,
        "own": mirror.own,
        "url": mirror.template,
        "known": known.get(place.netloc),
    }


# --- text ------------------------------------------------------------------------------------------------


def short(entries: Sequence[Entry], choice: Choice) -> Iterator[str]:
    """A line for each ecosystem."""
    places = [place for entry in entries for place in entry.places]
    helping = sum(place.allowed for place in places)
    yield f"{len(entries)} ecosystems, {len(places)} mirrors; {helping} of them may help ({chosen_by(choice)})."
    yield "More of one: fastdl mirrors ECOSYSTEM, or fastdl mirrors HOST; of all: fastdl mirrors -v"
    yield ""
    rows = [("ECOSYSTEM", "MAY HELP", "OFF", "DIGEST", "FILES OF")]
    for entry in entries:
        allowed = sum(place.allowed for place in entry.places)
        off = len(entry.places) - allowed
        rows.append((entry.rule.id, str(allowed), str(off), _digests(entry), _hosts(entry) + _mark(entry)))
    yield from table(rows, right=(1, 2))


def chosen_by(choice: Choice) -> str:
    """The options that decide about mirrors, as they would be written."""
    return f"--trust {choice.trust}" + ("" if choice.cdn == "auto" else f" --cdn {choice.cdn}")


def _digests(entry: Entry) -> str:
    return ", ".join(entry.algorithms) or "none"


def _hosts(entry: Entry) -> str:
    hosts = entry.rule.hosts
    shown = hosts[:2] if len(", ".join(hosts[:2])) <= MOST_HOSTS else hosts[:1]
    left = len(hosts) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")


def _mark(entry: Entry) -> str:
    if not entry.enabled:
        return " (switched off in the config)"
    return " (your own rule)" if entry.rule.own else ""


def details(entry: Entry, known: Mapping[str, Object], *, urls: bool = False) -> Iterator[str]:
    """All of one rule; `urls` adds the shape of every mirror's URL."""
    rule = entry.rule
    yield safe(f"{rule.id}: {rule.title}{_mark(entry)}")
    yield "  files of: " + safe(", ".join(rule.hosts))
    found = [
        f"{place.algorithm or 'a signature only'} {KINDS.get(place.kind, place.kind)}".strip() for place in rule.digests
    ]
    yield "  digest: " + (safe(", ".join(dict.fromkeys(found))) or "none is published in a way that can be used")
    if not entry.places:
        yield "  mirrors: none are known"
        return
    lines = table([_HEADINGS, *(_row(place, known.get(place.netloc)) for place in entry.places)], "  ")
    yield lines[0]
    for place, line in zip(entry.places, lines[1:], strict=True):
        yield line
        if urls:
            yield "       " + safe(place.mirror.template)


_HEADINGS = ("USE", "CLASS", "REGION", "MIRROR", "HOST", "OPERATOR", "WHY")


def _row(place: Place, known: Object | None) -> tuple[str, ...]:
    mirror = place.mirror
    why = place.why + (f"; {in_words(known)}" if known else "")
    own = ", your own" if mirror.own else ""
    operator = (mirror.operator or place.netloc) + own
    use = "yes" if place.allowed else "no"
    return (use, mirror.trust, mirror.region or "-", mirror.id, place.netloc, operator, why)


# --- the test --------------------------------------------------------------------------------------------

_RANKED = ("#", "HOST", "CLASS", "SPEED", "FILE IN", "CONNECT", "FIRST BYTE", "SAMPLE", "RANGES", "RESULT")


def tested(told: Object) -> Iterator[str]:
    """The object of `mirrors test --json` as text."""
    yield safe(f"{told['url']}")
    size = "of unknown size" if told["size"] is None else f"of {format_size(told['size'])}"
    yield safe(f"A file {size}; {told['mapping']}. {_digest(told['digest'])}")
    yield ""
    measured = [source for source in told["sources"] if source["measured"]]
    yield from table([_RANKED, *map(_sample, measured)], right=(0, 3, 4, 5, 6, 7))
    others = [source for source in told["sources"] if not source["measured"]]
    if others:
        yield ""
        yield "Not asked:"
        yield from table([(source["host"], source["trust"], source["why"]) for source in others], "  ")
    yield ""
    yield "FILE IN: what the whole file would take over one connection. The next download goes by these figures."


def _digest(digest: Object) -> str:
    if digest["value"]:
        return f"Its {digest['algorithm']} is known: {GIVEN_BY.get(digest['source'], digest['source'])}."
    unheard = "Who publishes its digest did not say so: get would not use these mirrors before it is known."
    return unheard if digest["status"] == "unreachable" else "Nobody publishes a digest of it that is known."


def _sample(source: Object) -> tuple[str, ...]:
    ranges = {True: "yes", False: "no", None: "?"}[source["ranges"]]
    rate, expected = source["bytes_per_second"], source["expected_seconds"]
    return (
        str(source["rank"] or "-"),
        source["host"],
        source["trust"],
        format_rate(rate) if rate else "-",
        _time(expected),
        _milliseconds(source["connect_seconds"]),
        _milliseconds(source["first_byte_seconds"]),
        format_size(source["bytes"]),
        ranges,
        ("LIES: " if source["lied"] else "") + source["why"],
    )


def _time(seconds: float | None) -> str:
    return format_seconds(seconds) if seconds is not None and seconds >= 1 else _milliseconds(seconds)


def _milliseconds(seconds: float | None) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds is not None else "-"


def done(host: str, rate: float | None, error: str) -> str:
    """A line for whoever waits at the terminal: one source is measured."""
    return safe(f"fastdl: {host}: {error or (format_rate(rate) if rate else 'answered')}")
