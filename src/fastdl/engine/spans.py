"""The timeline of one profiled file: which thread did what for which source, from when to when.

spans       [{worker, source, phase, start, end, bytes}] in the order of their beginnings; `worker` is the number of a
            connection slot, null for the file's own thread; `source` counts the file's `sources` from 0, null where
            the work was for none; `start` and `end` in seconds since the file was begun; `bytes` that came. A long body
                is told in slices
left_out    how many spans more there were: the shortest ones
"""

from __future__ import annotations

from fastdl.core.hints import Any
from fastdl.io.phases import ON_ITS_OWN, Recorder
from fastdl.io.timeline import MOST_SPANS, SHOWN, SLICE, STEPS, LeftOut, Span, longest, merged

Lanes = list[tuple[int | None, list[Span]]]

_FOR_NO_SOURCE = STEPS - SHOWN | {"publisher"}


def timeline(recorder: Recorder) -> dict[str, Any]:
    """Put together what the threads of a file have noted."""
    lanes: list[tuple[int | None, list[Span]]] = []
    left_out = 0
    for number, stopwatch in ((None, recorder.steps), *recorder.workers):
        spans, out = stopwatch.timeline.spans()
        lanes.append((number, spans))
        left_out += out.spans
    lanes, more = _bounded(lanes)
    told = sorted(((number, span) for number, spans in lanes for span in spans), key=lambda each: each[1].start)
    began = recorder.steps.began
    return {"spans": [_told(number, span, began) for number, span in told], "left_out": left_out + more}


def _bounded(lanes: Lanes) -> tuple[Lanes, int]:
    """At most MOST_SPANS of all threads together: with longer slices, or else the longest ones, and how many not."""
    ends = [span.end - spans[0].start for _, spans in lanes for span in spans]
    slice_ = SLICE
    while sum(len(spans) for _, spans in lanes) > MOST_SPANS and slice_ <= max(ends):
        slice_ *= 2
        lanes = [(number, merged(spans, slice_)) for number, spans in lanes]
    kept, out = longest([span for _, spans in lanes for span in spans], LeftOut(), MOST_SPANS)
    if out.spans:
        wanted = {id(span) for span in kept}
        lanes = [(number, [span for span in spans if id(span) in wanted]) for number, spans in lanes]
    return lanes, out.spans


def _told(number: int | None, span: Span, began: int) -> dict[str, Any]:
    return {
        "worker": number,
        "source": _source(span),
        "phase": span.phase,
        "start": _seconds(span.start - began),
        "end": _seconds(span.end - began),
        "bytes": span.bytes,
    }


def _source(span: Span) -> int | None:
    """The first answer of a file of many is asked for by its own thread: that is for the first source."""
    if span.source != ON_ITS_OWN:
        return span.source
    return None if span.phase in _FOR_NO_SOURCE else 0


def _seconds(nanoseconds: int) -> float:
    return max(0, nanoseconds) // 1000 / 1e6
