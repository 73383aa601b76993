"""The journal's format: it may lose claims, it never makes any."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.journal import (
    HEADER_SIZE,
    MAX_OFFSET,
    MAX_SLOTS,
    SLOT_SIZE,
    Claim,
    JournalDamaged,
    JournalHeader,
    Slot,
    claims,
    compacted,
    decode_header,
    decode_slots,
    encode_header,
    encode_slot,
    header_copies,
)

HEADER = JournalHeader(
    url_key="0" * 64,
    url="https://example.org/file?token=***",
    masked=True,
    name="file",
    size=1000,
    etag='"abc"',
    last_modified=None,
    digest="sha256:00",
    boot="this boot",
    sources=["https://example.org/file?token=***", "https://example.com/file", "https://example.net/file"],
    created=1.5,
    file="1:2",
)

SPAN = 60  # small, so that runs overlap often
texts = st.text(max_size=40)
headers = st.builds(
    JournalHeader,
    *(texts, texts, st.booleans(), texts, st.none() | st.integers(0, MAX_OFFSET)),
    *(st.none() | texts, st.none() | texts, st.none() | texts, texts, st.lists(texts, max_size=5)),
    *(st.floats(allow_nan=False, allow_infinity=False), texts, texts),
)


@st.composite
def slots(draw: st.DrawFn) -> Slot:
    start, flushed, end = sorted(draw(st.tuples(*[st.integers(0, SPAN)] * 3)))
    return Slot(start, end, flushed, draw(st.integers(0, 3)))


def painted(runs: list[Slot], flushed_only: bool, limit: int, sources: int = 3) -> dict[int, int]:
    """The source of each byte, by the plainest way there is."""
    result: dict[int, int] = {}
    for run in runs:
        end = run.flushed_end if flushed_only else run.end
        if run.source < sources:
            result.update(dict.fromkeys(range(run.start, min(end, limit)), run.source))
    return result


def spread(parts: list[Claim]) -> dict[int, int]:
    return {at: part.source for part in parts for at in range(part.start, part.end)}


# --- header ----------------------------------------------------------------------------------------------


@given(headers)
def test_a_header_comes_back_as_it_was(header: JournalHeader) -> None:
    block = encode_header(header)
    assert len(block) == HEADER_SIZE
    assert decode_header(block) == header


@given(
    st.text(max_size=6000), st.text(max_size=9000), st.lists(st.text(max_size=300) | st.just("é" * 4000), max_size=400)
)
def test_a_header_that_is_too_long_is_shortened_and_never_fails(etag: str, url: str, sources: list[str]) -> None:
    header = replace(HEADER, etag=etag, url=url, masked=False, sources=sources)
    block = encode_header(header)
    assert len(block) == HEADER_SIZE
    found = decode_header(block)
    assert found.url_key == HEADER.url_key and found.size == HEADER.size
    assert found.etag == etag or found.etag.startswith("sha256:")  # type: ignore[union-attr]
    assert found.url == url or found.masked, "a URL that was cut is not offered for fetching"
    assert len(found.sources) <= len(sources)
    for short, long in zip(found.sources, sources, strict=False):
        assert short == long or short.startswith("sha256:")


@pytest.mark.parametrize("length", [84, 85, 250, 265, 266, 340, 341, 5000])
def test_a_header_that_is_long_everywhere_is_shortened_too(length: int) -> None:
    """The longest texts that stay as they are, six bytes of JSON a character, all at once."""
    text, size = "\x7f\u20ac" * (length // 2), MAX_OFFSET
    texts = (text, text, False, text, size, text, text, text, text, [text] * 9, 1e300, text, text, text)
    header = JournalHeader(*texts)
    assert decode_header(encode_header(header)).size == size


def test_sources_become_hashes_before_any_is_left_out() -> None:
    sources = [f"https://example.org/{n}/" + "x" * 500 for n in range(50)]
    found = decode_header(encode_header(replace(HEADER, sources=sources)))
    assert len(found.sources) == 50 and len(set(found.sources)) == 50
    assert found.etag == HEADER.etag and found.url == HEADER.url and all(s.startswith("sha256:") for s in found.sources)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_or_damaged(block: bytes) -> None:
    with pytest.raises(JournalDamaged):
        decode_header(block)


def forged(text: bytes, version: int = 1) -> bytes:
    return (b"fastdl-journal %d %d %08x\n" % (version, len(text), zlib.crc32(text)) + text).ljust(HEADER_SIZE, b"\0")


FIELDS = json.loads(encode_header(HEADER).split(b"\n")[1])


def test_the_forgery_of_these_tests_is_a_good_header() -> None:
    assert decode_header(forged(json.dumps(FIELDS).encode())) == HEADER


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 7000,
        b"1" * 7000,
        json.dumps({**FIELDS, "size": -1}).encode(),
        json.dumps({**FIELDS, "size": True}).encode(),
        json.dumps({**FIELDS, "size": 1.0}).encode(),
        json.dumps({**FIELDS, "size": 1 << 63}).encode(),
        json.dumps({**FIELDS, "url": None}).encode(),
        json.dumps({**FIELDS, "etag": 1}).encode(),
        json.dumps({**FIELDS, "masked": "no"}).encode(),
        json.dumps({**FIELDS, "sources": "https"}).encode(),
        json.dumps({**FIELDS, "sources": [1]}).encode(),
        json.dumps({**FIELDS, "sources": None}).encode(),
        json.dumps({**FIELDS, "created": float("nan")}).encode(),
        json.dumps({**FIELDS, "created": "now"}).encode(),
        json.dumps({k: v for k, v in FIELDS.items() if k != "boot"}).encode(),
    ],
)
def test_a_header_with_the_wrong_fields_is_damaged(text: bytes) -> None:
    with pytest.raises(JournalDamaged, match="damaged"):
        decode_header(forged(text))


def test_a_newer_format_is_not_guessed_at() -> None:
    with pytest.raises(JournalDamaged, match="newer version"):
        decode_header(forged(json.dumps(FIELDS).encode(), version=2))


def test_a_field_that_a_later_program_added_is_passed_over() -> None:
    assert decode_header(forged(json.dumps({**FIELDS, "more": [1]}).encode())) == HEADER


def test_rewriting_the_header_leaves_one_whole_at_every_byte() -> None:
    old, new = HEADER, replace(HEADER, boot="another boot", etag=None)
    before, after = encode_header(old), encode_header(new)
    step = 97
    for cut in (*range(0, HEADER_SIZE, step), HEADER_SIZE):
        assert decode_header(after[:cut] + before[cut:]) in (old, new)
    assert decode_header(header_copies(after)[0] + header_copies(before)[1]) == new


@given(st.integers(0, HEADER_SIZE - 1), st.integers(1, 255))
def test_one_bad_byte_in_the_header_does_no_harm(at: int, flip: int) -> None:
    block = bytearray(encode_header(HEADER))
    block[at] ^= flip
    assert decode_header(bytes(block)) == HEADER


# --- slots -----------------------------------------------------------------------------------------------


@given(st.lists(slots()))
def test_slots_come_back_as_they_were(runs: list[Slot]) -> None:
    data = b"".join(map(encode_slot, runs))
    assert len(data) == SLOT_SIZE * len(runs)
    assert decode_slots(data) == [run for run in runs if run.start < run.end]


def test_the_layout_of_a_slot_is_fixed() -> None:
    packed = encode_slot(Slot(1, 0x0203, 2, 5))
    assert packed[:28] == bytes.fromhex("0100000000000000 0302000000000000 0200000000000000 0500 0000")
    assert packed[28:] == zlib.crc32(packed[:28]).to_bytes(4, "little")


@pytest.mark.parametrize("old", [Slot(0, 100, 50, 1), Slot(0, 0, 0, 0)])
def test_a_torn_slot_is_the_old_one_the_new_one_or_none(old: Slot) -> None:
    new = Slot(0, 0x1_0000_0164, 100, 1)
    before, after = encode_slot(old), encode_slot(new)
    for cut in range(SLOT_SIZE + 1):
        for torn in (after[:cut] + before[cut:], before[:cut] + after[cut:], after[:cut]):
            assert decode_slots(torn) in ([], [old], [new])


@given(st.lists(slots(), min_size=1, max_size=5), st.data())
def test_a_flipped_byte_loses_its_slot_and_no_other(runs: list[Slot], data: st.DataObject) -> None:
    packed = bytearray(b"".join(map(encode_slot, runs)))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    left = runs[: at // SLOT_SIZE] + runs[at // SLOT_SIZE + 1 :]
    assert decode_slots(packed) == [run for run in left if run.start < run.end]


@given(st.binary(max_size=400))
def test_noise_is_no_slot(noise: bytes) -> None:
    assert decode_slots(noise) == []


def test_absurd_slots_are_left_out_in_spite_of_a_good_checksum() -> None:
    good = Slot(5, 9, 7, 0)
    absurd = [Slot(9, 5, 7, 0), Slot(5, 9, 10, 0), Slot(5, 9, 4, 0), Slot(0, 1 << 63, 0, 0), Slot(4, 4, 4, 0)]
    assert decode_slots(b"".join(map(encode_slot, [*absurd, good]))) == [good]
    body = encode_slot(good)[:26] + b"\1\0"
    assert decode_slots(body + zlib.crc32(body).to_bytes(4, "little")) == [], "flags of a format that is not known"


def test_an_endless_journal_is_read_up_to_a_bound() -> None:
    one = encode_slot(Slot(0, 1, 0, 0))
    assert len(decode_slots(one * (MAX_SLOTS + 5))) == MAX_SLOTS


# --- claims ----------------------------------------------------------------------------------------------


@given(st.lists(slots(), max_size=12), st.booleans(), st.none() | st.integers(0, SPAN), st.integers(0, SPAN))
def test_claims_are_what_intact_slots_say_and_no_byte_more(
    runs: list[Slot], same_boot: bool, size: int | None, data_size: int
) -> None:
    found = claims(replace(HEADER, size=size), runs, "this boot" if same_boot else "another", data_size)
    limit = data_size if size is None else min(size, data_size)
    assert spread(found) == painted(runs, not same_boot, limit)
    for before, after in pairwise(found):
        assert before.end <= after.start, "sorted, no overlap"
        assert before.end < after.start or before.source != after.source, "merged"
    assert all(part.start < part.end for part in found)


def test_where_runs_overlap_the_later_one_names_the_source() -> None:
    runs = [Slot(0, 100, 100, 0), Slot(20, 40, 20, 1)]
    assert claims(HEADER, runs, "this boot", 1000) == [Claim(0, 20, 0), Claim(20, 40, 1), Claim(40, 100, 0)]
    assert claims(HEADER, runs, "another", 1000) == [Claim(0, 100, 0)]


def test_many_slots_are_no_burden() -> None:
    """A sweep, not a comparison of each with each: this would take minutes."""
    runs = [Slot(at * 10, at * 10 + 15, at * 10, at % 3) for at in range(30_000)]
    found = claims(replace(HEADER, size=None), runs, "this boot", MAX_OFFSET)
    assert len(found) == 30_000 and found[-1].end == runs[-1].end
    assert len(compacted(found, replace(HEADER, size=None), runs, MAX_OFFSET)) == 30_000


@given(st.lists(slots(), max_size=12), st.booleans(), st.data())
def test_compacting_keeps_what_was_kept_and_what_was_flushed(
    runs: list[Slot], same_boot: bool, data: st.DataObject
) -> None:
    boot = "this boot" if same_boot else "another"
    found = claims(HEADER, runs, boot, SPAN)
    kept = [claim for claim in found if data.draw(st.booleans())]
    packed = compacted(kept, HEADER, runs, SPAN)
    assert claims(HEADER, packed, "this boot", SPAN) == kept
    flushed, owner = painted(runs, True, SPAN), spread(kept)
    expected = {at: source for at, source in owner.items() if flushed.get(at) == source}
    assert painted(packed, True, SPAN) == expected
    assert decode_slots(b"".join(map(encode_slot, packed))) == packed


def test_a_journal_without_the_newest_field() -> None:
    """One of an earlier version is as good as it was."""
    line, _, rest = encode_header(HEADER).partition(b"\n")
    text = rest[: int(line.split()[2])].replace(b',"digest_source":""', b"")
    block = b"fastdl-journal 1 %d %08x\n" % (len(text), zlib.crc32(text)) + text + b"\n"
    assert decode_header(block.ljust(HEADER_SIZE, b"\0")) == HEADER
