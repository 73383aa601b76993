"""The judge: every row of the design's table, then the promise that it never raises and never says USE lightly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.head import Head, Validators, own_codings, validators_of
from fastdl.core.response import Action, Ask, Known, Verdict, judge

NOW = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT
FIRST = Ask(0, None, True)  # the first request: Range: bytes=0-
MIDDLE = Ask(100, 200, True)
REST = Ask(100, None, True)
PLAIN = Ask(0, None, False)
ETAG = Validators('"v1"')
FILE = Known(1000, ETAG, "application/zip")
NEW = Known()


def head(status: int, *fields: tuple[str, str], version: str = "HTTP/1.1") -> Head:
    return Head(status, "Reason", fields, version)


def part(place: str, *more: tuple[str, str]) -> Head:
    return head(206, ("content-range", place), *more)


MANY = ("content-type", "multipart/byteranges; boundary=x")
HTML = ("content-type", "text/html; charset=utf-8")
GZIP = ("content-encoding", "gzip")
OTHER = ("etag", '"v2"')

# what, section of RFC 9110 (or 9112), what was asked, the answer, what is known, action, fields of the verdict
TABLE: list[tuple[str, str, Ask, Head, Known, Action, dict[str, Any]]] = [
    # --- 206: one part, in the right place, of the same object ---
    ("a part", "15.3.7.1", MIDDLE, part("bytes 100-199/1000"), FILE, Action.USE, {"start": 100, "length": 100}),
    ("the whole as a part", "14.2", FIRST, part("bytes 0-9/10"), NEW, Action.USE, {"length": 10, "size": 10}),
    ("less than asked", "15.3.7", MIDDLE, part("bytes 100-149/1000"), FILE, Action.USE, {"length": 50}),
    ("length agrees", "8.6", MIDDLE, part("bytes 100-199/1000", ("content-length", "100")), FILE, Action.USE, {}),
    ("length twice, equal", "9112 6.3", MIDDLE, part("bytes 100-199/1000", ("content-length", "100, 100")), FILE,
     Action.USE, {"length": 100}),
    ("total unknown, but known here", "14.4", REST, part("bytes 100-999/*"), FILE, Action.USE, {"length": 900}),
    ("unit in capitals", "14.1", MIDDLE, part("BYTES 100-199/1000"), FILE, Action.USE, {}),
    ("same ETag, weak now", "8.8.3.2", MIDDLE, part("bytes 100-199/1000", ("etag", 'W/"v1"')), FILE, Action.USE, {}),
    ("identity", "12.5.3", MIDDLE, part("bytes 100-199/1000", ("content-encoding", "identity")), FILE, Action.USE, {}),
    ("not asked for", "15.3.7", PLAIN, part("bytes 0-9/10"), NEW, Action.RETRY, {"broken": True}),
    ("several parts", "15.3.7.2", MIDDLE, part("bytes 100-199/1000", MANY), FILE, Action.BAD_RANGE, {"broken": True}),
    ("no Content-Range", "15.3.7.1", MIDDLE, head(206), FILE, Action.BAD_RANGE, {"broken": True}),
    ("unsatisfied form", "14.4", MIDDLE, part("bytes */1000"), FILE, Action.BAD_RANGE, {"broken": True}),
    ("nonsense", "14.4", MIDDLE, part("bytes 100-abc/1000"), FILE, Action.BAD_RANGE, {"broken": True}),
    ("other unit", "14.1", MIDDLE, part("lines 100-199/1000"), FILE, Action.BAD_RANGE, {"broken": True}),
    ("two Content-Ranges", "14.4", MIDDLE, part("bytes 100-199/1000", ("content-range", "bytes 0-99/1000")), FILE,
     Action.BAD_RANGE, {"broken": True}),
    ("backwards", "14.4", MIDDLE, part("bytes 100-99/1000"), FILE, Action.BAD_RANGE, {"broken": True}),
    ("beyond its own total", "14.4", MIDDLE, part("bytes 100-199/199"), NEW, Action.BAD_RANGE, {"broken": True}),
    ("another start", "15.3.7", MIDDLE, part("bytes 0-99/1000"), FILE, Action.BAD_RANGE, {"broken": True}),
    ("an earlier start that holds it", "15.3.7", MIDDLE, part("bytes 50-199/1000"), FILE, Action.BAD_RANGE, {}),
    ("ends beyond what was asked", "15.3.7", MIDDLE, part("bytes 100-200/1000"), FILE, Action.BAD_RANGE,
     {"broken": True}),
    ("beyond the known size, total hidden", "14.4", REST, part("bytes 100-1000/*"), FILE, Action.BAD_RANGE,
     {"broken": True}),
    ("no total at all", "14.4", FIRST, part("bytes 0-99/*"), NEW, Action.BAD_RANGE, {"broken": True}),
    ("length disagrees", "8.6", MIDDLE, part("bytes 100-199/1000", ("content-length", "99")), FILE, Action.BAD_RANGE,
     {"broken": True}),
    ("lengths conflict", "9112 6.3", MIDDLE, part("bytes 100-199/1000", ("content-length", "100, 99")), FILE,
     Action.BAD_RANGE, {"broken": True}),
    ("length malformed", "8.6", MIDDLE, part("bytes 100-199/1000", ("content-length", "+100")), FILE, Action.BAD_RANGE,
     {"broken": True}),
    ("a size that no file has", "8.6", FIRST, part("bytes 0-9999999999999999998/9999999999999999999"), NEW,
     Action.BAD_RANGE, {"broken": True}),
    ("coded", "8.4", MIDDLE, part("bytes 100-199/1000", GZIP), FILE, Action.NO_RANGES, {}),
    ("coded, but that is the file", "8.4", MIDDLE, part("bytes 100-199/1000", GZIP),
     replace(FILE, own_codings=own_codings("/x.tar.gz")), Action.USE, {}),
    ("another ETag", "13.1.5", MIDDLE, part("bytes 100-199/1000", OTHER), FILE, Action.CHANGED, {}),
    ("another date", "8.8.2", MIDDLE, part("bytes 100-199/1000", ("last-modified", "b")),
     Known(1000, Validators(None, "a")), Action.CHANGED, {}),
    ("another size", "14.4", MIDDLE, part("bytes 100-199/1001"), FILE, Action.CHANGED, {}),
    # --- 200: the whole ---
    ("the whole", "15.3.1", FIRST, head(200, ("content-length", "10")), NEW, Action.WHOLE, {"length": 10, "size": 10}),
    ("by a proxy that changed it", "15.3.4", FIRST, head(203, ("content-length", "10")), NEW, Action.WHOLE, {}),
    ("without a length", "9112 6.3", FIRST, head(200), NEW, Action.WHOLE, {"length": None, "size": None}),
    ("chunked", "9112 6.3", FIRST, head(200, ("transfer-encoding", "chunked"), ("content-length", "7")), NEW,
     Action.WHOLE, {"length": None, "size": None}),
    ("plainly asked", "15.3.1", PLAIN, head(200, ("content-length", "0")), NEW, Action.WHOLE, {"length": 0}),
    ("a page from the start", "8.3", FIRST, head(200, HTML), NEW, Action.WHOLE, {}),
    ("coded, can be taken off", "8.4", FIRST, head(200, GZIP, ("content-length", "5")), NEW, Action.WHOLE,
     {"coding": "gzip", "length": None, "size": None}),
    ("coded, that is the file", "8.4", FIRST, head(200, GZIP, ("content-length", "5")),
     Known(own_codings=own_codings("/x.tgz")), Action.WHOLE, {"coding": "", "size": 5}),
    ("coded once more than the file", "8.4", FIRST, head(200, ("content-encoding", "gzip,\tgzip")),
     Known(own_codings=own_codings("/x.tgz")), Action.WHOLE, {"coding": "gzip"}),
    ("coded unknown to us", "8.4", FIRST, head(200, ("content-encoding", "br")), NEW, Action.RETRY, {"broken": True}),
    ("coded twice", "8.4", FIRST, head(200, GZIP, ("content-encoding", "deflate")), NEW, Action.RETRY,
     {"broken": True}),
    ("coding in capitals", "8.4.1", FIRST, head(200, ("content-encoding", " GZIP ")), NEW, Action.WHOLE,
     {"coding": "gzip"}),
    ("Range ignored", "14.2", MIDDLE, head(200, ("content-length", "1000")), FILE, Action.NO_RANGES, {"size": 1000}),
    ("If-Range failed", "13.1.5", MIDDLE, head(200, ("content-length", "1000"), OTHER), FILE, Action.CHANGED, {}),
    ("shorter than known", "8.6", MIDDLE, head(200, ("content-length", "999")), FILE, Action.CHANGED, {}),
    ("longer than known", "8.6", FIRST, head(200, ("content-length", "1001")), FILE, Action.CHANGED, {}),
    ("a portal", "8.3", MIDDLE, head(200, HTML, ("content-length", "512")), FILE, Action.RETRY, {"broken": True}),
    ("lengths conflict (200)", "9112 6.3", FIRST, head(200, ("content-length", "1"), ("content-length", "2")), NEW,
     Action.RETRY, {"broken": True}),
    ("a part that calls itself 200", "14.4", FIRST, head(200, ("content-range", "bytes 0-49/100")), NEW,
     Action.RETRY, {"broken": True}),
    ("200 with the whole as its range", "14.4", FIRST,
     head(200, ("content-range", "bytes 0-99/100"), ("content-length", "100")), NEW, Action.WHOLE, {"size": 100}),
    # --- 416, 412 ---
    ("the empty file", "15.5.17", FIRST, head(416, ("content-range", "bytes */0")), NEW, Action.EMPTY, {"size": 0}),
    ("still empty", "15.5.17", FIRST, head(416, ("content-range", "bytes */0")), Known(0), Action.EMPTY, {}),
    ("no ranges at all", "15.5.17", FIRST, head(416), NEW, Action.NO_RANGES, {}),
    ("no ranges, size told", "15.5.17", FIRST, head(416, ("content-range", "bytes */1000")), NEW, Action.NO_RANGES, {}),
    ("416 to a plain GET", "15.5.17", PLAIN, head(416, ("content-range", "bytes */1000")), NEW, Action.REFUSED, {}),
    ("416 to a plain GET, bare", "15.5.17", PLAIN, head(416), FILE, Action.REFUSED, {}),
    ("it shrank", "15.5.17", MIDDLE, head(416, ("content-range", "bytes */50")), FILE, Action.CHANGED, {}),
    ("416 and another ETag", "15.5.17", MIDDLE, head(416, OTHER), FILE, Action.CHANGED, {}),
    ("416 inside the file", "15.5.17", MIDDLE, head(416, ("content-range", "bytes */1000")), FILE, Action.RETRY,
     {"broken": True}),
    ("416 with nonsense", "14.4", MIDDLE, head(416, ("content-range", "x")), FILE, Action.RETRY, {"broken": True}),
    ("412", "15.5.13", MIDDLE, head(412), FILE, Action.RETRY, {"broken": True}),
    ("412 and another ETag", "15.5.13", MIDDLE, head(412, OTHER), FILE, Action.CHANGED, {}),
    # --- the rest ---
    ("redirect", "15.4.4", FIRST, head(307, ("location", "/x")), NEW, Action.REDIRECT, {}),
    ("too many requests", "6585 4", MIDDLE, head(429, ("retry-after", "7")), FILE, Action.BUSY, {"wait": 7.0}),
    ("unavailable until", "10.2.3", MIDDLE, head(503, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")), FILE,
     Action.BUSY, {"wait": 60.0}),
    ("unavailable", "15.6.4", MIDDLE, head(503, ("retry-after", "soon")), FILE, Action.BUSY, {"wait": None}),
    ("ranges answered by 400", "15.5.1", FIRST, head(400), NEW, Action.NO_RANGES, {}),
    ("ranges answered by 501", "15.6.2", FIRST, head(501), NEW, Action.NO_RANGES, {}),
    ("400 to a plain GET", "15.5.1", PLAIN, head(400), NEW, Action.REFUSED, {}),
    ("400 in the middle", "15.5.1", MIDDLE, head(400), FILE, Action.REFUSED, {}),
    ("no content", "15.3.5", FIRST, head(204), NEW, Action.RETRY, {"broken": True}),
    ("accepted", "15.3.3", FIRST, head(202), NEW, Action.RETRY, {"broken": True}),
    ("no such status", "15", FIRST, head(999), NEW, Action.RETRY, {"broken": True}),
]  # fmt: skip


@pytest.mark.parametrize(("section", "ask", "answer", "known", "action", "fields"), [
    pytest.param(*row[1:], id=row[0]) for row in TABLE
])  # fmt: skip
def test_table(section: str, ask: Ask, answer: Head, known: Known, action: Action, fields: dict[str, Any]) -> None:
    verdict = judge(ask, answer, known, NOW)
    assert verdict.action is action, (section, verdict)
    assert {name: getattr(verdict, name) for name in fields} == fields, section
    if verdict.action is not Action.WHOLE:
        assert verdict.why or verdict.action in (Action.USE, Action.REDIRECT)


def test_every_action_is_in_the_table() -> None:
    assert {row[5] for row in TABLE} | {Action.DENIED} == set(Action)


@pytest.mark.parametrize(
    ("statuses", "action"),
    [
        ((301, 302, 303, 307, 308), Action.REDIRECT),
        ((401, 403, 404, 410), Action.DENIED),
        ((429, 503), Action.BUSY),
        ((408, 421, 425, 500, 502, 504, 520, 522, 524), Action.RETRY),
        ((300, 304, 305, 402, 407, 409, 411, 413, 414, 415, 418, 422, 426, 431, 451, 505, 508, 511), Action.REFUSED),
        ((100, 201, 202, 204, 205, 207, 226, 600, 999), Action.RETRY),
    ],
)
def test_statuses(statuses: tuple[int, ...], action: Action) -> None:
    for ask in (FIRST, MIDDLE, PLAIN):
        for known in (NEW, FILE):
            assert {judge(ask, head(status), known).action for status in statuses} == {action}


# --- for every head ----------------------------------------------------------------------------------------

NUMBER = st.sampled_from(
    ["0", "1", "99", "100", "199", "200", "999", "1000", "1001", "-1", "x", "", "9" * 19, "9" * 30]
)
PLACE = st.builds("bytes {}-{}/{}".format, NUMBER, NUMBER, NUMBER | st.just("*")) | st.text(max_size=12)
FIELD = (
    st.tuples(st.just("content-range"), PLACE)
    | st.tuples(st.just("content-length"), NUMBER | st.builds("{}, {}".format, NUMBER, NUMBER))
    | st.tuples(st.just("etag"), st.sampled_from(['"v1"', 'W/"v1"', '"v2"', "v1", ""]))
    | st.tuples(st.just("content-type"), st.sampled_from(["text/html", "application/zip", MANY[1], ""]))
    | st.tuples(st.just("content-encoding"), st.sampled_from(["gzip", "identity", "br", "gzip, gzip", ",", ""]))
    | st.tuples(st.sampled_from(["last-modified", "date", "retry-after"]), st.text(max_size=40))
    | st.tuples(st.text(max_size=8), st.text(max_size=8))
)
HEADS = st.builds(
    Head,
    st.sampled_from([200, 206, 206, 206, 416]) | st.integers(100, 999),
    st.text(max_size=5),
    st.lists(FIELD, max_size=6).map(tuple),
    st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2"]),
)
KNOWN = st.sampled_from(
    [NEW, FILE, Known(1000), Known(None, ETAG), Known(0), replace(FILE, own_codings=own_codings("a.gz"))]
)


@settings(deadline=None)
@given(st.sampled_from([FIRST, MIDDLE, REST, PLAIN, Ask(999, 1000, True)]), HEADS, KNOWN)
def test_any_head_gets_a_verdict(ask: Ask, answer: Head, known: Known) -> None:
    verdict = judge(ask, answer, known, NOW)
    assert isinstance(verdict, Verdict)
    assert verdict.wait is None or verdict.wait >= 0
    if verdict.action is Action.USE:
        sure_of_part(ask, answer, known, verdict)
    if verdict.action is Action.WHOLE:
        assert answer.status in (200, 203) and ask.start == 0
        if known.size is not None and verdict.size is not None:
            assert verdict.size == known.size
    if verdict.action is Action.EMPTY:
        assert known.size in (None, 0) and verdict.size == 0


def sure_of_part(ask: Ask, answer: Head, known: Known, verdict: Verdict) -> None:
    """The body is [start, start + length) as asked, of the object that is known."""
    assert answer.status == 206 and ask.ranged
    assert verdict.start == ask.start and verdict.length is not None and verdict.length > 0
    end = verdict.start + verdict.length
    assert ask.end is None or end <= ask.end
    assert [value.lower().split("/")[0].replace(" ", "") for value in set(answer.all("content-range"))] == [
        f"bytes{verdict.start}-{end - 1}"
    ]
    size = verdict.size if verdict.size is not None else known.size
    assert (size is not None or ask.end is not None) and (size is None or end <= size < 2**63)
    assert known.size is None or verdict.size in (None, known.size)
    for length in answer.all("content-length"):
        assert {int(value) for value in length.split(",")} == {verdict.length}
    assert not (known.validators is not None and known.validators.contradicts(validators_of(answer)))
