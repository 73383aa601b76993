"""The rules as plain data: which URLs have which mirrors, and where the publisher names a digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from fastdl.core.hints import Any
from fastdl.core.record import Record
from fastdl.core.templates import template_host

CLASSES = ("alias", "official", "third-party")  # in the order of trust, below the origin

# A path into JSON is a tuple of steps: a text is a key, a number an index, "*" every member, "**" any depth, a tuple of
# texts any of these keys, a Where those elements of a list whose field has the value.


class Where(Record):
    """Chooses elements of a list: `field` equals `value`, or ends with it."""

    field: str
    value: str
    ends: bool = False


class Field(Record):
    """A second place in the same answer, for when the first is empty."""

    json_path: tuple[Any, ...]
    algorithm: str
    encoding: str


class Pattern(Record):
    """One shape of URL. `regex` is matched in full against scheme://host/path of the normal form."""

    id: str
    regex: str
    has: str = ""  # what every match contains; looked for before the regex is compiled
    query: str | None = None  # the only query that may stand there; it is dropped
    mutable: bool = False  # the object changes under its name
    fixed: bool = False  # the name holds a hash or a version that is never used again
    resolve: bool = False  # a redirector: what it leads to may be mapped
    hosts: tuple[str, ...] = ()  # where not all of the rule's


class Mirror(Record):
    """One place that serves the objects of a rule."""

    id: str
    operator: str
    region: str  # ISO 3166 code, or a word such as "global"
    template: str  # its scheme and host are literal
    patterns: tuple[str, ...]  # ids; empty: all
    trust: str  # one of CLASSES
    enabled: bool
    digest_required: bool  # bytes only with a strong digest of the publisher's
    lookup: tuple[str, str, Mapping[str, str]] | None = None  # name, key's template, table: serves listed keys only
    only: tuple[tuple[str, frozenset[str]], ...] = ()  # template and the values that it may have
    needs: tuple[str, ...] = ()  # names that metadata must give first
    requires: tuple[str, ...] = ()  # captures that must not be empty
    own_token: bool = False  # answers only with a bearer token of its own
    ranges: bool | None = None  # None: not known
    own: bool = False  # the user's

    @property
    def host(self) -> str:
        return template_host(self.template)


class When(Record):
    """A condition that also names parts: `text` expanded must match `regex` in full."""

    text: str
    regex: str
    names: tuple[tuple[str, str], ...] = ()


class DigestPlace(Record):
    """Where the publisher of a rule's objects names their digests. Texts in it are templates."""

    id: str
    kind: str  # in_url, json_api, side_file, sums_file, metalink, index, headers, html_page
    algorithm: str
    encoding: str  # hex, base64, sri, labelled ("sha256:" and hex), quoted-hex (an ETag), h1
    patterns: tuple[str, ...] = ()
    url: str = ""
    alternatives: tuple[str, ...] = ()
    value: str = ""  # in_url: the digest itself
    json_path: tuple[Any, ...] = ()
    size_path: tuple[Any, ...] = ()
    when: tuple[When, ...] = ()  # the first that holds; none: the place does not apply
    entry: str = ""
    match: str = ""
    method: str = "GET"
    body: Any = None
    accept: str = ""
    header: str = ""
    format: str = ""
    follow: tuple[Any, ...] = ()
    confirm: tuple[tuple[Any, ...], str] | None = None
    fallback: Field | None = None
    extra: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    coverage: str = ""  # "" or "always", "optional", "recent", "large files"


class Rule(Record):
    """Everything known of one family of objects ("ecosystem")."""

    id: str
    title: str
    hosts: tuple[str, ...]  # exact names; "*" stands for one label
    patterns: tuple[Pattern, ...]
    mirrors: tuple[Mirror, ...]
    digests: tuple[DigestPlace, ...]
    skip: str = ""  # regex: what is found in the URL comes from the origin alone
    extends: str = ""  # a more general rule for the same URLs
    own: bool = False  # the user's


# --- reading ---------------------------------------------------------------------------------------------


def rule_of(raw: Mapping[str, Any], operators: Sequence[Sequence[str]]) -> Rule:
    """A rule as it stands in the pack. `operators`: name and region, by number."""
    tables = raw.get("tables", {})
    return Rule(
        raw["id"],
        raw["title"],
        tuple(raw["hosts"]),
        tuple(_pattern(entry) for entry in raw["patterns"]),
        tuple(_mirror(entry, operators, tables) for entry in raw.get("mirrors", ())),
        tuple(_place(entry) for entry in raw.get("digests", ())),
        raw.get("skip", ""),
        raw.get("extends", ""),
    )


def _pattern(raw: Mapping[str, Any]) -> Pattern:
    return Pattern(
        raw["id"],
        raw["url"],
        raw.get("has", ""),
        raw.get("query"),
        raw.get("mutable", False),
        raw.get("fixed", False),
        raw.get("resolve", False),
        tuple(raw.get("hosts", ())),
    )


def _mirror(raw: Mapping[str, Any], operators: Sequence[Sequence[str]], tables: Mapping[str, Any]) -> Mirror:
    operator, region = operators[raw["by"]]
    lookup = raw.get("lookup")
    return Mirror(
        raw["id"],
        operator,
        region,
        raw["url"],
        tuple(raw.get("for", ())),
        raw["trust"],
        raw.get("on", True),
        raw.get("digest", raw["trust"] != "alias"),
        (lookup["name"], lookup["key"], tables[lookup["table"]]) if lookup else None,
        tuple((text, frozenset(values)) for text, values in raw.get("only", {}).items()),
        tuple(raw.get("needs", ())),
        tuple(raw.get("requires", ())),
        raw.get("own_token", False),
        raw.get("ranges"),
    )


def _place(raw: Mapping[str, Any]) -> DigestPlace:
    confirm, fallback = raw.get("confirm"), raw.get("fallback")
    return DigestPlace(
        id=raw["id"],
        kind=raw["kind"],
        algorithm=raw["algorithm"],
        encoding=raw.get("encoding", "hex"),
        patterns=tuple(raw.get("for", ())),
        url=raw.get("url", ""),
        alternatives=tuple(raw.get("or", ())),
        value=raw.get("value", ""),
        json_path=_path(raw.get("path", ())),
        size_path=_path(raw.get("size", ())),
        when=tuple(
            When(entry.get("in", "{path}"), entry["match"], tuple(entry.get("set", {}).items()))
            for entry in raw.get("when", ())
        ),
        entry=raw.get("entry", ""),
        match=raw.get("match", ""),
        method=raw.get("method", "GET"),
        body=raw.get("body"),
        accept=raw.get("accept", ""),
        header=raw.get("header", ""),
        format=raw.get("format", ""),
        follow=_path(raw.get("follow", ())),
        confirm=(_path(confirm["path"]), confirm["ends"]) if confirm else None,
        fallback=Field(_path(fallback["path"]), fallback["algorithm"], fallback["encoding"]) if fallback else None,
        extra=tuple((name, _path(path)) for name, path in raw.get("extra", {}).items()),
        coverage=raw.get("coverage", ""),
    )


def _path(raw: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(_step(step) for step in raw)


def _step(raw: Any) -> Any:
    if isinstance(raw, dict):
        ends = "ends" in raw
        return Where(raw["where"], raw["ends"] if ends else raw["is"], ends)
    return tuple(raw) if isinstance(raw, list) else raw
