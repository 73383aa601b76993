"""One look-up from its question to its outcome: which reader a place needs, and how much it may send."""

from __future__ import annotations

import re
from importlib import import_module

from fastdl.core.digests.base import (
    DigestNotFound,
    Found,
    Look,
    Step,
    found,
    step_of,
)
from fastdl.core.head import Head
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.record import Record
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest, new_hasher
from fastdl.errors import UsageError

if TYPE_CHECKING:
    from fastdl.core.digests.index import Reader

_MIB = 1024 * 1024
MOST = {"side_file": 64 * 1024, "sums_file": 8 * _MIB, "json_api": 16 * _MIB, "metalink": 16 * _MIB,
        "html_page": 8 * _MIB, "index": 64 * _MIB, "headers": 0}  # fmt: skip
"""Bytes that a body of each kind may have, as they come over the wire."""

_BATCH = 64 * 1024  # bytes that are collected before a reader sees them, however small the pieces come
_ACCEPT = {
    "json_api": "application/vnd.pypi.simple.v1+json, application/json;q=0.9, */*;q=0.1",
    "metalink": "application/metalink4+xml, application/metalink+xml;q=0.9, */*;q=0.5",
}
# zlib is fast and large JSON documents shrink to a tenth; everything else is small or compressed already.
_CODED = frozenset({"json_api", "html_page", "index"})

# The readers, by module and name: a download needs one of them, and all together take long to import.
_WHOLE = {
    "json_api": ("json_api", "json_api"),
    "side_file": ("sums", "side_file"),
    "sums_file": ("sums", "sums_file"),
    "metalink": ("metalink", "metalink"),
    "html_page": ("pages", "html_page"),
    "release": ("index_xml", "apt_release"),
    "repomd": ("index_xml", "rpm_repomd"),
    "json-lines": ("json_api", "json_lines"),
}
_STREAMS = {
    "debian": ("index", "apt_packages"),
    "dcf": ("index", "cran_packages"),
    "tlpdb": ("index", "tex_live"),
    "conda": ("index", "CondaRepodata"),
    "pacman": ("index", "PacmanDatabase"),
    "primary": ("index_xml", "RpmPrimary"),
    "sdk-xml": ("index_xml", "AndroidRepository"),
}


# What only looks like the digest of a file's bytes.
_SPECIAL = {
    "git-blob-sha1": "it publishes a git blob's digest, which is not that of the file's bytes alone",
    "go-h1": "it publishes a digest of the archive's content, not of its bytes",
}
_NOTHING = {
    "none": "no digest is published",
    "signature_only": "only a signature is published",
    "in_url": "the digest stands in the URL",  # the mapper has read it
}


class Question(Record):
    """A request to make: a GET of `url` with `headers`, of which at most `most` bytes of body are read (0: the head
    is enough)."""

    url: str
    headers: tuple[tuple[str, str], ...]
    most: int


def question_for(look: Look) -> Question:
    """What to ask for a look. Raises DigestNotFound where there is nothing to ask."""
    step = step_of(look)
    if step.kind not in MOST:
        raise DigestNotFound(_NOTHING.get(step.kind, "there is no such kind of place"))
    if step.algorithm in _SPECIAL:
        raise DigestNotFound(_SPECIAL[step.algorithm])
    if not step.url.startswith("https://"):
        raise DigestNotFound("its place is not on https, so nobody could vouch for it")
    if step.method not in ("GET", "HEAD"):
        raise DigestNotFound(f"it answers {step.method} only, which fastdl does not send")
    coding = "gzip, identity;q=0.5" if step.kind in _CODED else "identity"
    accept = step.accept or _ACCEPT.get(step.kind, "*/*")
    headers = [("Accept", accept), ("Accept-Encoding", coding)]
    if step.kind == "headers":
        headers += [("Want-Repr-Digest", "sha-256=10, sha-512=9"), ("x-amz-checksum-mode", "ENABLED")]
    return Question(step.url, tuple(headers), MOST[step.kind])


def steps_of(look: Look) -> list[Step]:
    """The places of a look, to be tried in order until one has the digest. Those that cannot be read here are replaced
    by what stands beside them: a conda index in zstd has a plain twin, which servers compress by themselves."""
    first = step_of(look)
    return [first.to(_readable(url)) for url in (first.url, *first.alternatives)]


def _readable(url: str) -> str:
    if not url.endswith(".zst"):
        return url
    from fastdl.core.digests.packed import can_unpack

    return url if can_unpack(url) else url.removesuffix(".zst")


class Reading:
    """The body of one answer, read as it comes. `known_size` is the size of the file at its origin, in bytes; a place
    that speaks of another one is not believed."""

    def __init__(self, look: Look, known_size: int | None = None) -> None:
        self._look = step = step_of(look)
        self._size = known_size
        self._batch = bytearray()
        self._whole = bytearray()
        self._left = MOST.get(step.kind, 0)  # of a body that is read as a whole; streams are bounded by the unpacker
        self._expected: Digest | None = step.expected
        self._hasher = new_hasher(step.expected.algorithm) if step.expected else None
        self._format = _format_of(step) if step.kind == "index" else step.kind
        self._stream: Reader | None = None
        if step.kind == "index" and self._format in _STREAMS:
            from fastdl.core.digests.packed import Unpacker

            self._stream = _reader(_STREAMS[self._format])(step, known_size)
            self._unpacker = Unpacker()

    def feed(self, data: bytes) -> None:
        """Read a piece of the body (without its content coding). Raises DigestNotFound."""
        if self._stream is None:
            self._left -= len(data)
            if self._left < 0:
                raise DigestNotFound("its answer is too large")
        self._batch += data
        if len(self._batch) >= _BATCH:
            self._flush()

    def finish(self, head: Head) -> Found | Step:
        """The outcome, when the body is complete. Raises DigestNotFound."""
        if self._look.kind == "headers":
            return _of_head(self._look, head, self._size)
        if head.status != 200:
            raise DigestNotFound(f"it answered {head.status}")
        self._flush()
        if self._stream is None:
            self._check_expected()
            return self._of_whole()
        for piece in self._unpacker.finish():
            self._stream.feed(piece)
        self._check_expected()
        return self._stream.finish()

    def _flush(self) -> None:
        data = bytes(self._batch)
        self._batch.clear()
        if self._hasher is not None:
            self._hasher.update(data)
        if self._stream is None:
            self._whole += data
            return
        for piece in self._unpacker.feed(data):
            self._stream.feed(piece)

    def _check_expected(self) -> None:
        if self._hasher is not None and self._expected is not None and self._hasher.digest() != self._expected.value:
            raise DigestNotFound("the index is not the one that was announced")

    def _of_whole(self) -> Found | Step:
        if self._format == "apkindex":
            raise DigestNotFound("it has digests of parts of the file only")
        if self._format not in _WHOLE:
            raise DigestNotFound(_NOTHING.get(self._format, "there is no such kind of place"))
        outcome: Found | Step = _reader(_WHOLE[self._format])(self._look, bytes(self._whole), self._size)
        return outcome


def next_step(look: Look, head: Head, body: bytes, size: int | None = None) -> Found | Step:
    """The outcome of a whole answer. `size` is that of the file, if known. Raises DigestNotFound."""
    reading = Reading(look, size)
    reading.feed(body)
    return reading.finish(head)


def _of_head(step: Step, head: Head, size: int | None) -> Found:
    from fastdl.core.digests.fields import digests_of

    try:
        path = parse_url(step.url).path
    except UsageError:
        path = ""
    digests = digests_of(head, path, linked=step.header == "x-linked-etag")
    linked = (head.get("x-linked-size") or "") if step.header == "x-linked-etag" else ""
    named = int(linked) if re.fullmatch("[0-9]{1,18}", linked) else None
    return found(digests, size=named, known_size=size)


_FORMATS = (
    (r"InRelease|Release", "release"),
    (r"Packages(?:\.\w+)?", "debian"),
    (r"PACKAGES(?:\.\w+)?", "dcf"),
    (r"texlive\.tlpdb(?:\.\w+)?", "tlpdb"),
    (r"(?:\w+_)?repodata\.json(?:\.\w+)?", "conda"),
    (r".+\.(?:db|files)(?:\.tar(?:\.\w+)?)?", "pacman"),
    (r"repomd\.xml", "repomd"),
    (r".*primary\.xml(?:\.\w+)?", "primary"),
    (r".+\.xml", "sdk-xml"),
    (r"APKINDEX.*", "apkindex"),
)


def _format_of(step: Step) -> str:
    """What an index is: by its name where that is telling (a rule's "debian" may name a Release), else by the rule."""
    name = re.split("[?#]", step.url)[0].rpartition("/")[2]
    by_name = next((kind for pattern, kind in _FORMATS if re.fullmatch(pattern, name)), "")
    return by_name or step.format or "json-lines"


def _reader(place: tuple[str, str]) -> Any:
    module, name = place
    return getattr(import_module(f"fastdl.core.digests.{module}"), name)
