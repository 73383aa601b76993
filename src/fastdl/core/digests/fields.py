"""Digests, duplicates and descriptions in the header fields of a response.

What counts depends on the response: a field may speak of the whole file, of the part that was sent, or of a redirect's
own little page. Where that is not certain the field does not count: a wrong digest would condemn a right file. Neither
an ETag nor a CRC is a digest.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastdl.core.digests.base import ListedMirror, algorithm_named, from_base64, from_hex
from fastdl.core.head import Head, content_range, own_codings
from fastdl.core.pattern import pattern
from fastdl.core.record import Record
from fastdl.core.urls import Url, join
from fastdl.core.verify import Digest

MOST_FIELD = 64 * 1024  # characters of one kind of field that are read
MOST_LINKS = 256

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEY = pattern(r"[ \t]*([a-z*][a-z0-9_.*-]*)")
_BYTES = pattern(r"=:([A-Za-z0-9+/]*={0,2}):")
_OTHER = pattern(r"=(?:\"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\"\\])*\"|\([^()]*\)|[A-Za-z0-9*?.:/+%@!#$&'^_`|~-]+)")
_PARAMETERS = pattern(r"(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=(?:\"(?:[^\"\\]|\\.)*\"|:[A-Za-z0-9+/=]*:|[^\s,;\"]+))?)*")
_COMMA = pattern(r"[ \t]*(?:,[ \t]*|$)")
_LEGACY = pattern(r"(?a)[ \t]*([A-Za-z0-9-]{1,20})=([A-Za-z0-9+/_=-]{1,128})[ \t]*")
_LINK_TARGET = pattern(r"[\s,]*<([^<>]*)>")
_LINK_PARAMETER = pattern(r"\s*;\s*([A-Za-z0-9!#$&+.^_`|~*-]+)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s\",;]*)))?")


class Links(Record):
    """What the Link fields of a response offer (RFC 6249): other places of the same file, best first, and the URLs of
    Metalinks that describe it."""

    duplicates: tuple[ListedMirror, ...] = ()
    described_by: tuple[str, ...] = ()


def digests_of(head: Head, path: str = "", *, linked: bool = False) -> list[Digest]:
    """The digests of the whole file that a response to its URL carries. `path` is that of the URL (a .gz that is
    labelled with its own coding is the file itself). `linked` says that this is a Hugging Face hub, whose redirect
    names the digest of what it leads to. Malformed fields count as absent; so does a field that gives two values for
    one algorithm."""
    if head.status in _REDIRECTS:
        return _unambiguous(_of_redirect(head, linked))
    if head.status not in (200, 203, 206) or not any(_may_tell(name) for name, _ in head.headers):
        return []
    given: list[Digest] = []
    whole = head.status != 206 or _covers_all(head)
    if not _coded(head, path):
        given += structured(_joined(head, "repr-digest"))
        if whole:
            given += structured(_joined(head, "content-digest"))
            given += legacy(_joined(head, "digest"))
            given += _one(head, "content-md5", "md5")
    given += _google(head)
    if whole:
        given += _amazon(head)
    return _unambiguous(given)


def _may_tell(name: str) -> bool:
    """Whether a field of that name may carry a digest: nearly no response has one, and each of many pays."""
    return name.startswith("x-") or name.endswith(("digest", "-md5"))


def structured(text: str) -> list[Digest]:
    """The digests in a Repr-Digest or Content-Digest (RFC 9530): a dictionary of byte sequences (RFC 9651, 3.2). One
    that breaks the syntax is worth nothing as a whole."""
    members: dict[str, str | None] = {}
    place = 0
    while place < len(text):
        key = _KEY.match(text, place)
        if key is None:
            return []
        value = _BYTES.match(text, key.end())
        other = value or _OTHER.match(text, key.end())
        after = _PARAMETERS.match(text, (other or key).end())
        comma = _COMMA.match(text, after.end()) if after else None
        if comma is None or (comma.end() == len(text) and "," in comma[0]):
            return []
        members[key[1]] = value[1] if value else None  # of a key that comes twice the last one counts
        place = comma.end()
    decoded = (from_base64(value, named) for key, value in members.items() if value and (named := algorithm_named(key)))
    return [digest for digest in decoded if digest]


def legacy(text: str) -> list[Digest]:
    """The digests in a Digest field (RFC 3230): "SHA-256=base64, MD5=base64"; hex is seen as well."""
    digests: list[Digest] = []
    for member in text.split(",") if text else ():
        parts = _LEGACY.fullmatch(member)
        named = algorithm_named(parts[1]) if parts else None
        if parts and named and (digest := from_hex(parts[2], named) or from_base64(parts[2], named)):
            digests.append(digest)
    return digests


def links_of(head: Head, base: Url) -> Links:
    """The links of a response to `base` (RFC 8288, RFC 6249). Only http and https URLs count."""
    duplicates, described = [], []
    for target, parameters in _links(_joined(head, "link")):
        relations = parameters.get("rel", "").lower().split()
        if "anchor" in parameters or not {"duplicate", "describedby"} & set(relations):
            continue
        try:
            url = join(base, target)
        except ValueError:
            continue
        if url.username is not None:
            continue
        if "duplicate" in relations:
            duplicates.append(ListedMirror(url.text, _priority(parameters.get("pri")), country(parameters.get("geo"))))
        elif "metalink" in parameters.get("type", "application/metalink4+xml").lower():
            described.append(url.text)
    duplicates.sort(key=lambda mirror: mirror.priority or 1_000_000)  # RFC 6249, 3.1: without pri it is the last
    return Links(tuple(duplicates), tuple(described))


def country(text: str | None) -> str:
    """A country code as it is used here, "" for anything else."""
    return text.lower() if text and re.fullmatch("[A-Za-z]{2}", text) else ""


def _of_redirect(head: Head, linked: bool) -> Iterator[Digest]:
    """A redirect's Digest speaks of the file only where the redirect is a Metalink's (RFC 6249, 6)."""
    links = _joined(head, "link").lower()
    if "duplicate" in links or "describedby" in links:
        yield from legacy(_joined(head, "digest"))
    if linked:
        tag = (head.get("x-linked-etag") or "").strip().removeprefix("W/").strip('"')
        if digest := from_hex(tag, "sha256"):  # 40 digits are a git blob's, of small files that do not redirect
            yield digest


def _covers_all(head: Head) -> bool:
    """Whether a part is all of the file ("bytes=0-" was asked): then every way to read such a field means the same."""
    try:
        place = content_range(head)
    except ValueError:
        return False
    return place is not None and place[0] == 0 and place[1] == place[2]


def _google(head: Head) -> list[Digest]:
    """x-goog-hash: of the stored object, whatever range was sent; of its coded form where it is stored coded."""
    if (head.get("x-goog-stored-content-encoding") or "identity").strip().lower() != "identity":
        return []
    return [digest for digest in legacy(_joined(head, "x-goog-hash")) if digest.algorithm == "md5"]


def _amazon(head: Head) -> list[Digest]:
    """x-amz-checksum-*: a composite one ("-N" behind it) is a digest of digests."""
    if (head.get("x-amz-checksum-type") or "FULL_OBJECT").strip().upper() != "FULL_OBJECT":
        return []
    names = ("sha256", "sha512", "sha1", "md5")
    return [digest for name in names for digest in _one(head, f"x-amz-checksum-{name}", name)]


def _one(head: Head, field: str, algorithm: str) -> list[Digest]:
    values = head.all(field)
    # The usual alphabet only: in the other one the "-" of a composite would be a letter.
    if len(values) != 1 or not re.fullmatch(r"\s*[A-Za-z0-9+/]+={0,2}\s*", values[0]):
        return []
    digest = from_base64(values[0].strip(), algorithm)
    return [digest] if digest else []


def _unambiguous(given: Iterator[Digest] | list[Digest]) -> list[Digest]:
    values: dict[str, set[bytes]] = {}
    for digest in given:
        values.setdefault(digest.algorithm, set()).add(digest.value)
    return [Digest(name, value.pop()) for name, value in values.items() if len(value) == 1]


def _coded(head: Head, path: str) -> bool:
    """Whether the response carries a coded form of the file: its digests are of that form."""
    codings = [part.strip().lower() for part in _joined(head, "content-encoding").split(",")]
    codings = [coding for coding in codings if coding not in ("", "identity")]
    return bool(codings) and not (len(codings) == 1 and codings[0] in own_codings(path))


def _joined(head: Head, name: str) -> str:
    """The value of a list field (RFC 9110, 5.3); "" where it is absent or longer than anybody needs."""
    text = ", ".join(head.all(name))
    return text if len(text) <= MOST_FIELD else ""


def _links(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    place = 0
    for _ in range(MOST_LINKS if text else 0):
        target = _LINK_TARGET.match(text, place)
        if target is None:
            return
        place = target.end()
        parameters: dict[str, str] = {}
        while found := _LINK_PARAMETER.match(text, place):
            value = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3] or ""
            parameters.setdefault(found[1].lower(), value)  # RFC 8288, 3.3: the first rel counts
            place = found.end()
        yield target[1], parameters


def _priority(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch("[1-9][0-9]{0,5}", text) else None
