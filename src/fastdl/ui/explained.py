"""The object of `explain --json` as text, for people who have never seen it: what, by which rule, from whom, proved by
what, in which steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.quantity import format_size
from fastdl.ui.known import in_words
from fastdl.ui.table import table
from fastdl.ui.text import safe

Object = Mapping[str, Any]

GIVEN_BY = {
    "user": "given with --checksum",
    "url": "it stands in the URL",
    "origin": "published by the origin",
    "metalink": "from the publisher's Metalink",
}
STATUS = {"none": "none", "unreachable": "not known"}
MOST_LOOKUPS = 4  # places that are named


def explained(told: Object) -> Iterator[str]:
    """The lines."""
    plan = told.get("plan") or {}
    sections = {
        "URL": _url(told, plan),
        "File": _file(plan),
        "Rule": _rule(told, plan),
        "Sources": _sources(told.get("sources") or [], plan),
        "Digest": _digest(told.get("digest") or {}, plan),
        "Plan": [f"{number}. {step}" for number, step in enumerate(plan.get("steps") or [], 1)],
    }
    for name, lines in sections.items():
        kept = [line for line in lines if line]
        if kept:
            yield name
            yield from ("  " + safe(line) for line in kept)


def _url(told: Object, plan: Object) -> list[str]:
    final = plan.get("final_url")
    return [str(told.get("url")), f"leads to {final}" if final and final != told.get("url") else ""]


def _file(plan: Object) -> list[str]:
    path = plan.get("path")
    lines = [("to stdout" if path == "-" else str(path)) if path else ""]
    if plan.get("error"):
        lines.append(f"error: {plan['error']} (get would end with exit {plan.get('exit_code')})")
    elif plan.get("final_url") is not None:
        lines.append(_size(plan))
        tags = [("ETag", plan.get("etag")), ("last modified", plan.get("last_modified"))]
        lines.append(", ".join(f"{name} {value}" for name, value in tags if value))
    else:
        lines.append("the server was not asked: size and final name are not known")
    return lines


def _size(plan: Object) -> str:
    size, most = plan.get("size"), plan.get("connections")
    text = "size unknown" if size is None else f"{format_size(size)} ({size} bytes)" if size >= 1024 else f"{size} B"
    if not plan.get("ranges"):
        return f"{text}; the server sends it only as a whole, over one connection"
    return f"{text}; the server serves ranges, over {most} connection{'s at most' if most != 1 else ''}"


def _rule(told: Object, plan: Object) -> list[str]:
    why = str(plan.get("mapping") or "")
    return [f"{told['rule']}: {why}" if told.get("rule") else f"none: {why}"]


# --- sources ---------------------------------------------------------------------------------------------

_HEADINGS = ("USE", "CLASS", "REGION", "HOST", "WHY")


def _sources(sources: Sequence[Object], plan: Object) -> list[str]:
    known = {str(server.get("host")): server for server in plan.get("servers") or []}
    first = plan.get("first") or []
    rows = [_HEADINGS, *(_row(source, source.get("host") in first, known.get(_netloc(source))) for source in sources)]
    head, *lines = table(rows)
    told = [head]
    for source, line in zip(sources, lines, strict=True):
        told += [line, f"       {source.get('url')}"]
    return told


def _row(source: Object, first: bool, known: Object | None) -> tuple[str, ...]:
    trust, why = str(source.get("trust")), str(source.get("why") or "")
    use = "no" if not source.get("allowed") else "first" if first else "later"
    if why.startswith("waits "):
        use = "waits"
    operator = source.get("operator")
    who = f" ({operator})" if trust != "origin" and operator and operator != source.get("host") else ""
    learned = in_words(known) if known is not None else ""
    why += f"; known from earlier: {learned}" if learned else ""
    return use, trust, str(source.get("region") or "-"), f"{source.get('host')}{who}", why


def _netloc(source: Object) -> str:
    return str(source.get("url")).partition("://")[2].partition("/")[0].rpartition("@")[2]


# --- the digest ------------------------------------------------------------------------------------------


def _digest(digest: Object, plan: Object) -> list[str]:
    lines = []
    if digest.get("value"):
        lines.append(f"{digest.get('algorithm')}:{digest['value']}")
        source = str(digest.get("source"))
        where = f" at {plan['digest_url']}" if plan.get("digest_url") else ""
        lines.append(GIVEN_BY.get(source, f"from {source}") + where)
        lines.append(str(plan.get("digest_why") or ""))
    else:
        status = str(digest.get("status") or "none")
        lines.append(f"{STATUS.get(status, status)}: {plan.get('digest_why') or 'no reason is known'}")
    tried = plan.get("digest_tried") or []
    lines += [f"asked in vain: {one.get('url')}: {one.get('why')}" for one in tried]
    seen = {one.get("url") for one in tried} | {plan.get("digest_url")}
    if not digest.get("value"):
        places = [url for url in plan.get("digest_lookups") or [] if url not in seen]
        lines += [f"it may stand at {url}" for url in places[:MOST_LOOKUPS]]
        more = len(places) - MOST_LOOKUPS
        lines.append(f"and at {more} places more, which --json lists" if more > 0 else "")
    lines.append(f"checked at the end: {plan.get('check')}")
    return lines
