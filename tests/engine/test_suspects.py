"""Which bytes of a damaged file are suspected: every hole is found, and right pieces are left alone."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.digests.base import Pieces
from fastdl.core.ranges import RangeSet
from fastdl.engine.verifying import suspects
from fastdl.engine.verifying.suspects import HOLE, NEAR, holes, joined, wrong_pieces
from servers.content import content

SIZE = 5 << 20
DATA = bytes(byte or 1 for byte in content(3, 0, SIZE))  # without a zero of its own


def reader(data: bytes, most: int = SIZE) -> suspects.Read:
    """Reads like a file that gives at most `most` bytes at a time."""
    return lambda offset, count: data[offset : offset + min(count, most)]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, SIZE), st.integers(0, 3 * HOLE)), max_size=6),
    st.sampled_from([SIZE, 100_000, 4096]),
)
def test_every_run_of_so_many_zeros_and_no_shorter_one(runs: list[tuple[int, int]], most: int) -> None:
    data = bytearray(DATA)
    zeros = RangeSet()
    for start, length in runs:
        end = min(start + length, SIZE)
        data[start:end] = bytes(end - start)
        zeros.add(start, end)
    expected = RangeSet((start, end) for start, end in zeros if end - start >= HOLE)
    assert holes(reader(bytes(data), most), SIZE) == joined(expected)


def test_a_file_of_zeros_and_an_empty_one() -> None:
    assert holes(reader(bytes(SIZE)), SIZE) == RangeSet([(0, SIZE)])
    assert not holes(reader(b""), 0)
    assert not holes(reader(bytes(HOLE - 1)), HOLE - 1)


def test_very_many_runs_are_no_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "MOST_RANGES", 3)
    data = (b"x" * HOLE + bytes(HOLE)) * 4
    assert not holes(reader(data), len(data))


def test_neighbours_are_joined() -> None:
    assert joined(RangeSet([(0, 10), (NEAR, NEAR + 1), (3 * NEAR, 4 * NEAR)])) == RangeSet(
        [(0, NEAR + 1), (3 * NEAR, 4 * NEAR)]
    )
    assert not joined(RangeSet())


@pytest.mark.parametrize("length", [1000, 300_000, 2 << 20])
def test_wrong_pieces(length: int) -> None:
    data = DATA[: 3 << 20]
    values = tuple(hashlib.sha1(data[at : at + length]).digest() for at in range(0, len(data), length))
    pieces = Pieces("sha1", length, values)
    assert not wrong_pieces(reader(data, 100_000), len(data), pieces)
    damaged = bytearray(data)
    for at in (0, 1_000_000, len(data) - 1):
        damaged[at] ^= 1
    numbers = {at // length for at in (0, 1_000_000, len(data) - 1)}
    expected = RangeSet((n * length, min((n + 1) * length, len(data))) for n in numbers)
    assert wrong_pieces(reader(bytes(damaged)), len(data), pieces) == expected
