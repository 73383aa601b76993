"""The format of NAME.fastdl.journal: what has arrived, and from where.

A fixed header block is followed by slots of 32 bytes. A slot is one contiguous run that one worker wrote from one
source; it is rewritten in place while the run grows, so the journal's size is the number of runs, not of blocks.
Nothing here touches a file: bytes go in and out, io/partial.py keeps the order of the writes.

The rule of this format: whatever is torn, stale or forged may lose claims, and never makes any. Every slot carries
its own checksum; the header stands twice in its block, so that a kill in the middle of rewriting it leaves one whole.
`end` says what was written (true for as long as the machine runs on), `flushed_end` what was flushed to the device
(true after a power loss too); the boot's identity in the header tells which of the two may be believed.
"""

from __future__ import annotations

import bisect
import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from itertools import pairwise

from fastdl.core.hints import Any
from fastdl.core.plain import dataclass, replace

HEADER_SIZE = 16 * 1024
SLOT_SIZE = 32
MAX_SLOTS = 1 << 20
"""More than any download needs; a longer journal is read up to here (bounds memory against a forged one)."""
MAX_OFFSET = (1 << 63) - 1

_MAGIC = b"fastdl-journal"
_VERSION = 1
_COPY = HEADER_SIZE // 2
_ROOM = _COPY - 64  # for the JSON; the magic line is shorter than 64
_SLOT = struct.Struct("<QQQHHI")
_BODY = struct.Struct("<QQQHH")


class JournalDamaged(Exception):
    """The header cannot be used; the message is a plain sentence for the user. Nothing may be claimed then."""


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """Which download the two files belong to. Texts are masked: no secret ever stands in a journal."""

    url_key: str
    """Hash of the whole URL as given: the same command finds its download by this."""
    url: str
    """The URL's masked text."""
    masked: bool
    """True where `url` is not the whole URL, so that it cannot be fetched from this journal alone."""
    name: str
    size: int | None
    """Bytes, None while unknown."""
    etag: str | None
    last_modified: str | None
    digest: str | None
    """The expected digest as text ("sha256:..."), None if none is known."""
    boot: str
    """Identity of the boot in which the slots' `end` is true."""
    sources: list[str]
    """Masked URLs; the index is the source of the slots."""
    created: float
    """Seconds since the epoch."""
    content_type: str = ""
    """Of the first response: tells a login page from a new version of the file."""
    file: str = ""
    """Identity of the data file, which a rename does not change; filled in by io/partial.py."""
    digest_source: str = ""
    """Who gave `digest` (user, url, origin, metalink); "" where it is not known."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One run: bytes [start, end) were written, [start, flushed_end) are on the device."""

    start: int
    end: int
    flushed_end: int
    source: int


@dataclass(frozen=True, slots=True)
class Claim:
    """Bytes [start, end) of the data file hold what `source` (index into the header's sources) sent."""

    start: int
    end: int
    source: int


# --- header ----------------------------------------------------------------------------------------------


def encode_header(header: JournalHeader) -> bytes:
    """The header block, exactly HEADER_SIZE bytes: two equal copies. It never fails: where the texts are too long,
    sources become hashes, then overlong texts do, then the sources at the list's end are left out."""
    for shorter in _shorter_and_shorter(header):
        fields = {name: getattr(shorter, name) for name in shorter.__match_args__}
        text = json.dumps(fields, separators=(",", ":")).encode("ascii")
        if len(text) <= _ROOM:
            break
    line = b"%s %d %d %08x\n" % (_MAGIC, _VERSION, len(text), zlib.crc32(text))
    return (line + text + b"\n").ljust(_COPY, b"\0") * 2


def header_copies(block: bytes) -> tuple[bytes, bytes]:
    """The two halves of an encoded block. They are written one after the other, so that one is always whole."""
    return block[:_COPY], block[_COPY:]


def decode_header(block: bytes) -> JournalHeader:
    """Read a header block (the file's first HEADER_SIZE bytes, or fewer). Raises JournalDamaged where neither copy
    is whole or the format is newer than this program."""
    first, second = header_copies(block[:HEADER_SIZE])
    try:
        return _decode_copy(first)
    except JournalDamaged as damaged:
        try:
            return _decode_copy(second)
        except JournalDamaged:
            raise damaged from None


def _decode_copy(copy: bytes) -> JournalHeader:
    line, _, rest = copy.partition(b"\n")
    words = line.split(b" ")
    if len(words) < 2 or words[0] != _MAGIC or not words[1].isdigit() or len(words[1]) > 9:
        raise JournalDamaged("the journal of the partial download is damaged")
    if int(words[1]) > _VERSION:
        raise JournalDamaged("the partial download was made by a newer version of fastdl")
    text = rest[: int(words[2])] if len(words) == 4 and words[2].isdigit() and len(words[2]) < 9 else b""
    if int(words[1]) != _VERSION or len(words) != 4 or words[3] != b"%08x" % zlib.crc32(text):
        raise JournalDamaged("the journal of the partial download is damaged")
    try:
        return _checked(json.loads(text))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise JournalDamaged("the journal of the partial download is damaged") from None


def _checked(fields: Any) -> JournalHeader:
    """Every field of the right type, or ValueError, TypeError or KeyError. Unknown fields are passed over."""
    fields = {"digest_source": "", **fields}  # which earlier versions did not write
    header = JournalHeader(**{name: fields[name] for name in JournalHeader.__slots__})
    texts = [header.url_key, header.url, header.name, header.boot, header.file, header.content_type, *header.sources]
    texts.append(header.digest_source)
    texts += [text for text in (header.etag, header.last_modified, header.digest) if text is not None]
    if not all(isinstance(text, str) for text in texts) or not isinstance(header.sources, list):
        raise TypeError("text expected")
    if not isinstance(header.masked, bool) or isinstance(header.created, bool):
        raise TypeError("masked or created")
    if not isinstance(header.created, (int, float)) or not math.isfinite(header.created):
        raise TypeError("created")
    size = header.size
    if size is not None and (type(size) is not int or not 0 <= size <= MAX_OFFSET):
        raise ValueError("size")
    return header


def _shorter_and_shorter(header: JournalHeader) -> Iterator[JournalHeader]:
    yield header
    header = replace(header, sources=[_bounded(text, 80) for text in header.sources])
    yield header
    header = _bounded_texts(header)
    yield header
    while header.sources:
        header = replace(header, sources=header.sources[: len(header.sources) // 2])
        yield header


def _bounded_texts(header: JournalHeader) -> JournalHeader:
    """A validator that became a hash equals no server's: the download then starts anew, the safe side. A URL that was
    cut cannot be fetched from the journal, as a masked one cannot."""
    cut = len(json.dumps(header.url)) > 2048
    return replace(
        header,
        url=header.url[:200] + "..." if cut else header.url,
        masked=header.masked or cut,
        url_key=_bounded(header.url_key, 512),
        name=_bounded(header.name, 1600),
        etag=None if header.etag is None else _bounded(header.etag, 512),
        last_modified=None if header.last_modified is None else _bounded(header.last_modified, 512),
        digest=None if header.digest is None else _bounded(header.digest, 512),
        boot=_bounded(header.boot, 512),
        file=_bounded(header.file, 512),
        content_type=_bounded(header.content_type, 512),
        digest_source=_bounded(header.digest_source, 512),
    )


def _bounded(text: str, limit: int) -> str:
    if len(json.dumps(text)) <= limit:
        return text
    import hashlib

    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# --- slots -----------------------------------------------------------------------------------------------


def encode_slot(slot: Slot) -> bytes:
    """The 32 bytes of a slot. The two bytes after the source are zero in this version of the format."""
    body = _BODY.pack(slot.start, slot.end, slot.flushed_end, slot.source, 0)
    return body + zlib.crc32(body).to_bytes(4, "little")


def decode_slots(data: bytes | memoryview) -> list[Slot]:
    """The intact slots in `data` (what follows the header block), in their order; damaged, empty and absurd ones are
    left out, and so is everything beyond MAX_SLOTS."""
    whole = min(len(data) // SLOT_SIZE, MAX_SLOTS) * SLOT_SIZE
    slots = []
    with memoryview(data) as view:
        for at, (start, end, flushed_end, source, flags, crc) in enumerate(_SLOT.iter_unpack(view[:whole])):
            if not start <= flushed_end <= end <= MAX_OFFSET or start == end or flags:
                continue
            if zlib.crc32(view[at * SLOT_SIZE : at * SLOT_SIZE + _BODY.size]) == crc:
                slots.append(Slot(start, end, flushed_end, source))
    return slots


def claims(header: JournalHeader, slots: Sequence[Slot], boot: str, data_size: int) -> list[Claim]:
    """What may be trusted of a data file of `data_size` bytes: sorted, merged where the source is the same, without
    overlap, within the file's size. Of another boot than `boot` only what was flushed counts. Where two runs overlap
    the later slot names the source: its bytes were written over the others. A run from a source that the header does
    not know is left out, since no byte may be without its source."""
    limit = data_size if header.size is None else min(header.size, data_size)
    same_boot = header.boot == boot
    runs = (Claim(s.start, min(s.end if same_boot else s.flushed_end, limit), s.source) for s in slots)
    return _painted([run for run in runs if run.start < run.end and run.source < len(header.sources)])


def compacted(kept: Sequence[Claim], header: JournalHeader, slots: Sequence[Slot], data_size: int) -> list[Slot]:
    """The fewest slots that say the same as `kept` (claims of this header and these slots), and lose nothing of what
    `slots` know to be flushed: a claim is split where a flushed part begins in it."""
    flushed = claims(header, [replace(s, end=s.flushed_end) for s in slots], header.boot, data_size)
    result = []
    for claim in kept:
        known = {claim.start: claim.start}  # start of a slot, end of what is flushed in it
        for part in _within(flushed, claim):
            if part.source == claim.source:
                known[max(part.start, claim.start)] = min(part.end, claim.end)
        ends = [*list(known)[1:], claim.end]
        result += [Slot(at, end, known[at], claim.source) for at, end in zip(known, ends, strict=True)]
    return result


def _within(parts: Sequence[Claim], claim: Claim) -> Sequence[Claim]:
    """Those of the sorted `parts` that share bytes with the claim."""
    first = bisect.bisect_right(parts, claim.start, key=lambda part: part.end)
    return parts[first : bisect.bisect_left(parts, claim.end, key=lambda part: part.start)]


def _painted(runs: Sequence[Claim]) -> list[Claim]:
    """The runs as if painted one over the other in their order, as a sorted list without overlap (a sweep over all
    edges; the heap's top is the latest run that covers the place)."""
    import heapq

    edges = sorted({edge for run in runs for edge in (run.start, run.end)})
    by_start = sorted(range(len(runs)), key=lambda index: runs[index].start, reverse=True)
    covering: list[int] = []
    result: list[Claim] = []
    for here, there in pairwise(edges):
        while by_start and runs[by_start[-1]].start == here:
            heapq.heappush(covering, -by_start.pop())
        while covering and runs[-covering[0]].end <= here:
            heapq.heappop(covering)
        if not covering:
            continue
        source = runs[-covering[0]].source
        if result and result[-1].end == here and result[-1].source == source:
            result[-1] = Claim(result[-1].start, there, source)
        else:
            result.append(Claim(here, there, source))
    return result
