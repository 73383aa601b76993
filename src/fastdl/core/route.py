"""What is known of a URL before anybody is asked, as plain data: other sources, and places that name the digest."""

from __future__ import annotations

from collections.abc import Mapping

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.errors import UsageError

if TYPE_CHECKING:
    from fastdl.core.digests.base import ListedMirror
    from fastdl.core.pack import Limits
    from fastdl.core.rules import Field


class Candidate(Record):
    """One more source of the object. Whether it may be used is decided by `core.trust`."""

    url: str
    host: str
    operator: str
    region: str
    trust: str  # "alias", "official" or "third-party"
    enabled: bool
    digest_required: bool
    mirror_id: str  # "rule/mirror"
    own_token: bool = False
    ranges: bool | None = None
    own: bool = False  # named in the user's config


class DigestLook(Record):
    """One place to ask for the digest, always over https. Everything is substituted; nothing is a template."""

    id: str  # "rule/place"
    kind: str  # json_api, side_file, sums_file, metalink, index, headers, html_page
    url: str
    algorithm: str  # as in core.verify, or "blake2b-256", "git-blob-sha1", "go-h1"
    encoding: str  # hex, base64, sri, labelled, quoted-hex, h1
    json_path: tuple[Any, ...]  # steps: see core.rules
    names: Mapping[str, str]  # the parts of the URL, percent-encoded as they stood there
    entry: str  # the name to find in a list or index, percent-decoded
    coverage: str
    alternatives: tuple[str, ...] = ()  # further URLs, tried in this order
    size_path: tuple[Any, ...] = ()
    method: str = "GET"
    body: Any = None  # of a POST, to be sent as JSON
    accept: str = ""
    header: str = ""  # lower-case name of the response header that holds it
    format: str = ""  # of an index: debian, repomd, pacman, conda, json-lines, dcf, sdk-xml; of a list: "" or perl
    match: str = ""  # html_page: a regex whose group 1 is the digest, what was put in is escaped
    follow: tuple[Any, ...] = ()  # json: first the URL at this path, `json_path` is in its answer
    confirm: tuple[tuple[Any, ...], str] | None = None  # the text at this path must end so
    fallback: Field | None = None
    extra: tuple[tuple[str, tuple[Any, ...]], ...] = ()  # names that the answer gives, for `route`'s `known`


class Route(Record):
    """What is known of a URL before anything was asked."""

    url: str  # as given
    rule: str | None  # "rule/pattern"
    ecosystem: str | None
    mutable: bool
    why: str  # half a sentence, for people
    candidates: tuple[Candidate, ...] = ()  # in the order of trust
    digests: tuple[DigestLook, ...] = ()
    embedded: Digest | None = None  # the URL's own
    resolve: bool = False  # a redirector: its target may be mapped


NAMED = "named by the publisher"  # in the place of a mirror's id


def named_source(link: ListedMirror, limits: Limits) -> Candidate | None:
    """A source that the publisher's own answer names (RFC 6249, RFC 5854); None for a URL that is not used."""
    try:
        url = parse_url(link.url)
    except UsageError:
        return None
    if url.username is not None or url.scheme != "https" or limits.forbids(url.host):
        return None
    return Candidate(url.text, url.host, url.host, link.location, "official", True, True, NAMED)


def resolved(route: Route, target: Route) -> Route:
    """A redirector's route, with what is known of the URL where it led."""
    if target.rule is None or target.rule == route.rule:
        return route
    return route._replace(
        mutable=route.mutable or target.mutable,
        candidates=(*route.candidates, *target.candidates),
        digests=(*route.digests, *target.digests),
        embedded=route.embedded or target.embedded,
    )
