"""Blocks reach the file by the pipe where all of them is new, and by memory where somebody has to look."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fastdl.engine.intake import WORTH, Intake
from fastdl.engine.sinks import PartialSink, Sink
from fastdl.io.decoding import decoder_for
from fastdl.io.partial import Partial
from fastdl.io.session import BLOCK
from partials import HEADER
from wires import Line, request

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="splice is a call of Linux")
BODY = random.Random(4).randbytes(WORTH + 1234)


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[Partial]:
    one = Partial.open(str(tmp_path / "file"))
    one.begin(HEADER)
    yield one
    one.discard()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    made.channel.send(request())
    made.says(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)).receive_head()
    made.says(BODY)
    yield made
    made.close()


def test_a_body_arrives(line: Line, partial: Partial) -> None:
    intake, sink, at = Intake(), PartialSink(partial, [0]), 0
    intake.begin(line.channel, None, sink, BLOCK)
    while at < len(BODY):
        count = intake.read(line.channel, BLOCK)
        intake.put(sink, 1, at, 0, count, 0)
        at += count
    intake.drop()
    sink.settle(1)
    assert bytes(sink.stored(0, len(BODY))) == BODY
    assert [(claim.start, claim.end, claim.source) for claim in partial.provenance()] == [(0, len(BODY), 0)]


@linux_only
def test_only_what_is_looked_at_comes_into_memory(
    line: Line, partial: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some of each third block is known already, or beyond the end: it is seen, and the rest of it is stored."""
    intake, sink, at, seen = Intake(), PartialSink(partial, [0]), 0, list[int]()
    real = sink.write

    def noted(worker: int, offset: int, view: memoryview, source: int) -> None:
        seen.append(offset)
        real(worker, offset, view, source)

    monkeypatch.setattr(sink, "write", noted)
    intake.begin(line.channel, None, sink, BLOCK)
    expected, blocks = bytearray(len(BODY)), list[int]()
    while at < len(BODY):
        count = intake.read(line.channel, BLOCK)
        whole = len(blocks) % 3 != 0
        start, end = (0, count) if whole else (count // 4, count // 2)
        if not whole:
            assert bytes(intake.view()) == BODY[at : at + count]
            assert bytes(intake.view()) == BODY[at : at + count], "it can be looked at again"
            blocks.append(at + start)
        else:
            blocks.append(-1)
        intake.put(sink, 1, at + start, start, end, 0)
        expected[at + start : at + end] = BODY[at + start : at + end]
        at += count
    intake.drop()
    assert seen == [offset for offset in blocks if offset >= 0]
    stored = sink.stored(0, len(BODY))
    assert bytes(stored) == bytes(expected[: len(stored)])


class Elsewhere:
    """A sink that wants to see everything."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, worker: int, offset: int, view: memoryview, source: int) -> None:
        assert offset == len(self.data)
        self.data += bytes(view)

    def settle(self, worker: int) -> None:
        """Nothing."""

    def same(self, offset: int, view: memoryview) -> bool:
        return False


@linux_only
@pytest.mark.parametrize(
    "why", ["another sink", "a limit", "a coding", "a small body", "a sink that looks", "no pipes"]
)
def test_where_a_pipe_is_of_no_use(line: Line, partial: Partial, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monkeypatch.setattr("fastdl.engine.intake.open_pipe", lambda: None if why == "no pipes" else pytest.fail("a pipe"))
    sink: Sink = PartialSink(partial, [0])
    if why == "another sink":
        sink = Elsewhere()
    elif why == "a sink that looks":
        monkeypatch.setattr(PartialSink, "splices", False)
    elif why == "a small body":
        monkeypatch.setattr("fastdl.engine.intake.WORTH", len(BODY) + 1)
    intake = Intake()
    block = BLOCK // 2 if why == "a limit" else BLOCK
    intake.begin(line.channel, decoder_for("gzip") if why == "a coding" else None, sink, block)
    if why != "a coding":
        count = intake.read(line.channel, block)
        assert bytes(intake.view()[:count]) == BODY[:count]
    intake.drop()


@linux_only
def test_a_drop_leaves_nothing(line: Line, partial: Partial) -> None:
    """What was in the pipe of a connection that broke does not come up in the next one's body."""
    intake, sink = Intake(), PartialSink(partial, [0])
    intake.begin(line.channel, None, sink, BLOCK)
    while not (count := intake.read(line.channel, BLOCK)):
        pytest.fail("no bytes")
    intake.drop()
    intake.drop()
    intake.begin(line.channel, None, sink, BLOCK)
    again = intake.read(line.channel, BLOCK)
    assert bytes(intake.view()[:again]) == BODY[count : count + again]
    intake.drop()
