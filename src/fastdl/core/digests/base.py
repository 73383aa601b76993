"""What every way of finding a digest shares: what is looked for, what was found, and how a digest is written.

A look-up reads what a server sent. All of it is hostile until shown otherwise: whatever a body holds, the outcome is a
`Found`, a `Step` to the next place, or `DigestNotFound`, in linear time and bounded memory.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from fastdl.core.hints import Any, Protocol
from fastdl.core.pattern import pattern
from fastdl.core.record import Record
from fastdl.core.verify import LENGTHS, Digest

MOST_NAME = 4096  # characters of a name that is looked for

_SPELLINGS = {
    "md5": "md5",
    "sha": "sha1",
    "sha1": "sha1",
    "sha256": "sha256",
    "sha2256": "sha256",
    "sha384": "sha384",
    "sha2384": "sha384",
    "sha512": "sha512",
    "sha2512": "sha512",
    "blake2b": "blake2b",
    "blake2b512": "blake2b",
    "blake2b256": "blake2b-256",
    "blake3": "blake3",
}
_BY_HEX_DIGITS = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_HEX = pattern(r"(?a)[0-9A-Fa-f]+")
_PREFIXED = pattern(r"(?a)([A-Za-z0-9_-]{1,20}):([0-9A-Fa-f]+)")
_SRI = pattern(r"(?a)(sha256|sha384|sha512|sha1|md5)-([A-Za-z0-9+/_-]{16,100}={0,2})(?:\?\S*)?")


_NOTHING: Mapping[str, str] = MappingProxyType({})


class DigestNotFound(Exception):
    """No digest could be had here. `why` is half a sentence, without a byte of what the server sent."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Look(Protocol):
    """Where a digest may be published: the mapper's DigestLook (core/route.py), which has more than these fields.

    `names` are the captures of the rule's pattern, percent-encoded, and `url`, the file's own URL."""

    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def algorithm(self) -> str: ...
    @property
    def json_path(self) -> tuple[Any, ...]: ...
    @property
    def names(self) -> Mapping[str, str]: ...


class Step(Record):
    """One place to look: of the rule's, or one that an answer led to. Names and paths hold no templates any more."""

    kind: str  # json_api, side_file, sums_file, index, metalink, headers, html_page (signature_only, none: nothing)
    url: str
    algorithm: str = ""  # what the place is known to publish; "": whatever it has
    json_path: tuple[Any, ...] = ()
    names: Mapping[str, str] = _NOTHING
    size_path: tuple[Any, ...] = ()
    follow: tuple[Any, ...] = ()  # the path to the URL of the document that is meant
    confirm: tuple[tuple[Any, ...], str] | None = None  # a path, and how the text there must end
    fallback: tuple[tuple[Any, ...], str] | None = None  # a second path and its algorithm
    entry: str = ""  # how a list or an index calls the file
    format: str = ""  # of an index; "": by its name
    header: str = ""  # the field that a "headers" place is about
    accept: str = ""
    method: str = "GET"
    alternatives: tuple[str, ...] = ()  # URLs to try when the first has nothing
    expected: Digest | None = None  # what the body itself must hash to
    extra: tuple[tuple[str, tuple[Any, ...]], ...] = ()  # names that the answer gives, and the paths to them
    learned: Mapping[str, str] = _NOTHING  # those that an earlier answer gave
    page: int = 0

    def to(self, url: str, **changes: Any) -> Step:
        """The step from here to `url`."""
        return self._replace(url=url, alternatives=(), **changes)


def step_of(look: Look) -> Step:
    """A look as a Step."""
    if isinstance(look, Step):
        return look

    def hint(name: str) -> Any:
        return getattr(look, name, None)

    fallback = hint("fallback")
    return Step(
        look.kind,
        look.url,
        look.algorithm,
        tuple(look.json_path or ()),
        look.names,
        size_path=tuple(hint("size_path") or ()),
        follow=tuple(hint("follow") or ()),
        confirm=hint("confirm") or None,
        fallback=(tuple(fallback.json_path), fallback.algorithm) if fallback else None,
        entry=hint("entry") or "",
        format=hint("format") or "",
        header=(hint("header") or "").lower(),
        accept=hint("accept") or "",
        method=hint("method") or "GET",
        alternatives=tuple(hint("alternatives") or ()),
        extra=tuple(hint("extra") or ()),
    )


class Pieces(Record):
    """Digests of parts of `length` bytes each, the last one shorter, in order."""

    algorithm: str
    length: int
    values: tuple[bytes, ...]


class ListedMirror(Record):
    """A source that a Metalink or a Link header names. `priority` is 1 for the best (RFC 5854, 4.2.16.1), None where
    it is not said; `location` is a country in two lower-case letters or ""."""

    url: str
    priority: int | None = None
    location: str = ""


class Found(Record):
    """What one place says about the file. `digest` is the strongest of `digests`; `size` is in bytes."""

    digest: Digest
    digests: tuple[Digest, ...] = ()
    size: int | None = None
    pieces: Pieces | None = None
    mirrors: tuple[ListedMirror, ...] = ()
    learned: Mapping[str, str] = _NOTHING  # names for the mapper's `known`


def strongest(digests: Iterable[Digest]) -> Digest | None:
    """The best of several digests of one file; the order is that of verify.LENGTHS."""
    order = list(LENGTHS)
    return min(digests, key=lambda digest: order.index(digest.algorithm), default=None)


def agreed(digests: Iterable[Digest]) -> tuple[Digest, ...]:
    """One digest for each algorithm. Raises DigestNotFound where two disagree, or where there is none."""
    kept: dict[str, Digest] = {}
    for digest in digests:
        if kept.setdefault(digest.algorithm, digest) != digest:
            raise DigestNotFound(f"it names the file twice, with different {digest.algorithm} digests")
    if not kept:
        raise DigestNotFound("it publishes no digest of this file")
    return tuple(kept.values())


def found(
    digests: Iterable[Digest],
    *,
    size: int | None = None,
    pieces: Pieces | None = None,
    mirrors: tuple[ListedMirror, ...] = (),
    known_size: int | None = None,
) -> Found:
    """A Found of digests that agree. `known_size` is that of the file as its origin serves it: a place that speaks of
    another size speaks of another version. Raises DigestNotFound."""
    kept = agreed(digests)
    if size is not None and known_size is not None and size != known_size:
        raise DigestNotFound("it speaks of a file of another size")
    best = strongest(kept)
    assert best is not None
    return Found(best, kept, size, pieces, mirrors)


def algorithm_named(text: str) -> str | None:
    """The algorithm that a label means ("SHA-256", "sha2-256", "BLAKE2b-256"); None for one that fastdl has not."""
    return _SPELLINGS.get(re.sub("[-_ ]", "", text[:40]).lower())


def from_hex(text: str, algorithm: str = "") -> Digest | None:
    """The digest of bare hex digits, by `algorithm` if it is named, else by their number."""
    if len(text) > 128 or not _HEX.fullmatch(text):
        return None
    name = algorithm or _BY_HEX_DIGITS.get(len(text), "")
    if name not in LENGTHS or len(text) != 2 * LENGTHS[name]:
        return None
    return Digest(name, bytes.fromhex(text))


def from_base64(text: str, algorithm: str) -> Digest | None:
    """The digest of base64 (either alphabet, padding or not), if it has the right length."""
    if algorithm not in LENGTHS or len(text) > 100:
        return None
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        value = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return Digest(algorithm, value) if len(value) == LENGTHS[algorithm] else None


def from_text(text: str, algorithm: str) -> Digest | None:
    """A digest as an API writes it: hex, "sha256:hex", base64 or an SRI string, the strongest of several. Where the
    text names no algorithm it is `algorithm`."""
    text = text.strip()
    if len(text) > 1000:
        return None
    if prefixed := _PREFIXED.fullmatch(text):
        named = algorithm_named(prefixed[1])
        return from_hex(prefixed[2], named) if named else None
    tokens = [token for token in map(_SRI.fullmatch, text.split()) if token]
    if tokens:
        return strongest(digest for token in tokens if (digest := from_base64(token[2], token[1])))
    return from_hex(text, algorithm) or from_base64(text, algorithm)


def plain_name(text: str) -> str:
    """A name or path of a URL as a list of files has it: percent-decoded, without leading "./" and "/"."""
    name = text[:MOST_NAME]
    if "%" in name:
        from urllib.parse import unquote

        name = unquote(name)
    return re.sub(r"^(?:\.?/)+", "", name)


def target_path(step: Step) -> str:
    """The longest path known of the file, percent-decoded, without leading slash: that of its URL, unless the rule's
    captures say that the URL ends otherwise than the file ("…/app.zip/download"). Raises DigestNotFound."""
    whole = path_of_url(step.names.get("url", ""))
    for key in ("path", "rest", "file", "asset", "filename"):
        path = plain_name(step.names.get(key, ""))
        if path and not path.endswith("/"):
            return whole if whole.endswith(path) else path
    if whole or step.entry:
        return whole or step.entry
    raise DigestNotFound("the rule does not say which file to look for")


def path_of_url(url: str) -> str:
    """The path of a URL as lists write it: decoded, without leading slash and query."""
    return plain_name(re.split("[?#]", url.partition("://")[2])[0].partition("/")[2])


def listed_path(step: Step) -> str:
    """The file's path as an index may have it, or one that ends so."""
    return step.entry if "/" in step.entry else target_path(step)


def target_name(step: Step) -> str:
    """The last segment of the file's path. Raises DigestNotFound if unknown."""
    return target_path(step).rpartition("/")[2]
