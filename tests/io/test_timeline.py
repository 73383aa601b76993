"""Timelines: what becomes a span, how bytes are counted, and that they stay small."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.io import timeline as module
from fastdl.io.phases import Recorder, Stopwatch
from fastdl.io.timeline import SLICE, STEPS, LeftOut, Span, Timeline, longest, merged


def spans_of(timeline: Timeline) -> list[tuple[int, str, int, int, int]]:
    return [tuple(span) for span in timeline.spans()[0]]


def test_a_request_is_a_few_spans() -> None:
    timeline = Timeline()
    timeline.add(-1, "idle", 0, 5)
    for phase, start, end in (("connect", 5, 7), ("dns", 7, 9), ("connect", 9, 12), ("other", 12, 13)):
        timeline.add(2, phase, start, end)
    timeline.add(2, "first_byte", 13, 20)
    for start in range(20, 60, 10):
        timeline.add(2, "receive", start, start + 6)
        timeline.came(100)
        timeline.add(2, "disk", start + 6, start + 8)
        timeline.add(2, "lock", start + 8, start + 10)
    timeline.add(2, "idle", 60, 90)
    timeline.add(2, "receive", 90, 91)
    assert spans_of(timeline) == [
        (2, "connect", 5, 7, 0),
        (2, "dns", 7, 9, 0),
        (2, "connect", 9, 12, 0),
        (2, "first_byte", 13, 20, 0),
        (2, "receive", 20, 56, 400),
        (2, "receive", 90, 91, 0),
    ]


def test_a_stall_and_another_source_stand_on_their_own() -> None:
    timeline = Timeline()
    timeline.add(0, "receive", 0, 5)
    timeline.came(1)
    timeline.add(0, "stall", 5, 50)
    timeline.came(2)
    timeline.add(0, "receive", 50, 55)
    timeline.came(4)
    timeline.add(1, "receive", 55, 60)
    timeline.came(8)
    assert [span[:2] + span[4:] for span in spans_of(timeline)] == [
        (0, "receive", 1), (0, "stall", 2), (0, "receive", 4), (1, "receive", 8)
    ]  # fmt: skip


def test_bytes_before_their_phase_is_booked() -> None:
    """The first answer of a small file counts them within its own phase."""
    timeline = Timeline()
    timeline.add(-1, "first_byte", 0, 5)
    timeline.came(77)
    timeline.add(-1, "receive", 5, 9)
    assert spans_of(timeline) == [(-1, "first_byte", 0, 5, 0), (-1, "receive", 5, 9, 77)]


def test_a_long_body_is_told_in_slices() -> None:
    timeline = Timeline()
    step = SLICE // 10
    for number in range(100):
        timeline.add(0, "receive", number * step, (number + 1) * step)
        timeline.came(1000)
    spans = timeline.spans()[0]
    assert len(spans) == 10
    assert sum(span.bytes for span in spans) == 100_000
    assert all(one.end == other.start for one, other in itertools.pairwise(spans))
    (whole,) = merged(spans, 100 * step)
    assert whole == Span(0, "receive", 0, 100 * step, 100_000)


def test_steps_of_a_file_are_more() -> None:
    timeline = Timeline(STEPS)
    for number, phase in enumerate(("look", "other", "transfer", "digest", "flush", "rename")):
        timeline.add(-1, phase, number, number + 1)
    assert [span[1] for span in spans_of(timeline)] == ["look", "transfer", "digest", "flush", "rename"]


EVENTS = st.lists(
    st.tuples(
        st.integers(-1, 2),
        st.sampled_from(["connect", "first_byte", "receive", "stall", "disk", "idle", "other"]),
        st.integers(0, 3 * SLICE),
        st.integers(0, 1000),
    ),
    max_size=300,
)


@given(events=EVENTS, most=st.integers(2, 20))
def test_no_byte_is_lost_and_nothing_grows(events: list[tuple[int, str, int, int]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_SPANS", most)
        timeline = Timeline()
        now = came = 0
        for source, phase, length, count in events:
            timeline.add(source, phase, now, now + length)
            now += length
            if phase == "receive" and length:
                timeline.came(count)
                came += count
            assert len(timeline._spans) <= 2 * most
        spans, left_out = timeline.spans()
    assert len(spans) <= most
    assert sum(span.bytes for span in spans) + left_out.bytes == came
    assert all(span.start < span.end for span in spans)
    assert all(one.end <= other.start for one, other in itertools.pairwise(spans))
    assert sum(span.end - span.start for span in spans) + left_out.nanoseconds <= now


def test_the_longest_stay_in_their_order() -> None:
    spans = [Span(0, "receive", at, at + length, 1) for at, length in ((0, 5), (10, 1), (20, 9), (30, 2))]
    kept, out = longest(spans, LeftOut(1, 1, 1), 2)
    assert [span.start for span in kept] == [0, 20]
    assert out == LeftOut(3, 4, 3)


def test_a_stopwatch_keeps_one() -> None:
    now = [1000]
    stopwatch = Stopwatch(Recorder(), lambda: now[0])
    with stopwatch.running():
        stopwatch.at_source(3)
        stopwatch.enter("connect")
        now[0] += 7
        stopwatch.leave()
        now[0] += 1
    assert stopwatch.timeline.spans()[0] == [Span(3, "connect", 1000, 1007, 0)]
    assert stopwatch.began == 1000
