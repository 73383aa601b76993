"""When a thread did what: the spans of a profiled download, from which its waterfall is drawn.

A span is a stretch of one kind of work for one source: a look-up, a handshake, the wait for an answer, a body. The
thousands of short waits, writes and claims of one body are one kind of span, `receive`; only a stall stands on its
own, so that it can be seen. A long body is cut into slices, so that its rate over time can be seen too. However long
the download is, a timeline stays small: slices grow, and if that is not enough the longest spans are kept and the
others are counted.
"""

from __future__ import annotations

from fastdl.core.record import Record

MOST_SPANS = 2000  # of one thread, and of one file
SHOWN = frozenset({"dns", "connect", "proxy", "trust", "tls", "first_byte", "receive", "stall", "publisher"})
STEPS = SHOWN | {
    "look",
    "route",
    "transfer",
    "digest",
    "mend",
    "flush",
    "rename",
    "settle",
    "remember",
}  # of the file's own thread
SLICE = 100_000_000  # nanoseconds of a body that are told as one, at first
_BODY = ("receive", "stall")
_ENDS_BODY = frozenset({"idle", "publisher", "digest", "mend", "flush", "rename", "settle"})


class Span(Record):
    """`source`: the scheduler's number, negative where a thread works for none; `start` and `end`: nanoseconds on the
    clock of its stopwatch; `bytes` that came meanwhile."""

    source: int
    phase: str
    start: int
    end: int
    bytes: int


class LeftOut(Record):
    """Spans that were one too many: how many, their nanoseconds, their bytes."""

    spans: int = 0
    nanoseconds: int = 0
    bytes: int = 0


class Timeline:
    """The spans of one thread, which alone adds to it. `shown`: the phases that become spans."""

    def __init__(self, shown: frozenset[str] = SHOWN) -> None:
        self._shown = shown
        self._spans: list[Span] = []
        self._left_out = LeftOut()
        self._slice = SLICE
        self._source = 0
        self._phase = ""  # of the span that is growing; none if empty
        self._start = self._end = self._bytes = 0
        self._came = 0  # bytes of which it is not said yet in what phase they came

    def add(self, source: int, phase: str, start: int, end: int) -> None:
        """The thread was in `phase` from `start` to `end`."""
        same = source == self._source
        if end <= start or (same and self._phase in _BODY and phase not in self._shown and phase not in _ENDS_BODY):
            return  # a write between two reads, a wait for the lock: part of the body, if that goes on
        if (
            same
            and phase == self._phase
            and (start - self._start < self._slice if phase in _BODY else start == self._end)
        ):
            self._end = end
        else:
            self._close()
            if phase not in self._shown:
                return
            self._source, self._phase, self._start, self._end = source, phase, start, end
        if phase in _BODY:
            self._bytes += self._came
            self._came = 0

    def came(self, count: int) -> None:
        """So many bytes have come, in the body that was added last or in the one that comes next."""
        if self._phase in _BODY:
            self._bytes += count
        else:
            self._came += count

    def spans(self) -> tuple[list[Span], LeftOut]:
        """All so far, in their order, and what was left out. From any thread."""
        growing = [self._growing()] if self._phase else []
        return longest([*self._spans, *growing], self._left_out, MOST_SPANS)

    def _growing(self) -> Span:
        return Span(self._source, self._phase, self._start, self._end, self._bytes)

    def _close(self) -> None:
        if self._phase:
            self._spans.append(self._growing())
        self._phase, self._bytes = "", 0
        if len(self._spans) >= 2 * MOST_SPANS:
            self._slice *= 2
            self._spans = merged(self._spans, self._slice)
            if len(self._spans) > MOST_SPANS * 3 // 2:  # no slices, or very many bodies
                self._spans, self._left_out = longest(self._spans, self._left_out, MOST_SPANS)


def merged(spans: list[Span], most: int) -> list[Span]:
    """The spans of one thread with the slices of each body put together, to slices of at most `most` nanoseconds."""
    told: list[Span] = []
    for span in spans:
        last = told[-1] if told else None
        if last is not None and _one_body(last, span) and span.end - last.start <= most:
            told[-1] = Span(last.source, last.phase, last.start, span.end, last.bytes + span.bytes)
        else:
            told.append(span)
    return told


def _one_body(span: Span, following: Span) -> bool:
    return span.phase == following.phase == "receive" and span.source == following.source


def longest(spans: list[Span], left_out: LeftOut, most: int) -> tuple[list[Span], LeftOut]:
    """At most `most` of the spans, the longest ones, in their order; the others are added to what was left out."""
    if len(spans) <= most:
        return spans, left_out
    order = sorted(range(len(spans)), key=lambda place: spans[place].start - spans[place].end)
    gone = [spans[place] for place in order[most:]]
    kept = [spans[place] for place in sorted(order[:most])]
    return kept, LeftOut(
        left_out.spans + len(gone),
        left_out.nanoseconds + sum(span.end - span.start for span in gone),
        left_out.bytes + sum(span.bytes for span in gone),
    )
