"""What is told of sources while a download runs: each thing once, in words that name what happens next."""

from __future__ import annotations

from fastdl.core.news import News
from fastdl.core.state import Source
from fastdl.errors import ConnectionLost, HttpStatus


def told(news: News, source: Source, now: float = 0.0) -> list[str]:
    return [text for _, text in news.look([source], 8, now)]


def test_nothing_happened() -> None:
    news, source = News(), Source(0, "one.example.org")
    assert told(news, source) == []
    source.rate, source.met, source.served, source.ranges = 1e6, True, True, True
    assert told(news, source) == []


def test_a_failure_says_when_it_is_tried_again_and_the_end_of_the_trouble_is_told() -> None:
    news, source = News(), Source(0, "one.example.org")
    source.fails, source.ready = 1, 12.5
    assert told(news, source, 10.0) == ["is asked again in 2.5 s (try 1 of 8)"]
    assert told(news, source, 10.1) == []
    source.fails, source.ready = 2, 9.0
    assert told(news, source, 10.2) == ["is asked again in 0.0 s (try 2 of 8)"]
    source.fails = 0
    assert told(news, source, 10.3) == ["serves again"]
    assert told(news, source, 10.4) == []


def test_a_mapped_source_has_fewer_tries() -> None:
    news, source = News(), Source(0, "one.example.org", mapped=True)
    source.fails = 1
    assert told(news, source) == ["is asked again in 0.0 s (try 1 of 2)"]


def test_who_is_given_up_is_named_with_the_reason_once() -> None:
    news, source = News(), Source(0, "one.example.org")
    source.error, source.fails, source.limit = HttpStatus("the server refused", "HTTP 403"), 3, 1
    assert told(news, source) == ["is not asked any more: the server refused (HTTP 403)"]
    assert told(news, source) == []


def test_a_silence_is_told_each_time() -> None:
    news, source = News(), Source(0, "one.example.org")
    for stalls in (1, 2):
        source.stalls = stalls
        (text,) = told(news, source)
        assert text.startswith("stopped sending")
    source.error = ConnectionLost("the mirror stopped sending")
    assert told(news, source) == ["is not asked any more: the mirror stopped sending"]


def test_limits_and_ranges() -> None:
    news, source = News(), Source(0, "one.example.org")
    source.limit = 3
    assert told(news, source) == ["serves 3 at once, no more"]
    source.limit = 4
    assert told(news, source) == []
    source.limit = 1
    assert told(news, source) == ["serves one at a time"]
    source.ranges = False
    assert told(news, source) == ["serves no ranges, only the file as a whole"]


def test_sources_that_come_later_have_their_own_news() -> None:
    news = News()
    first, second = Source(0, "one.example.org"), Source(1, "two.example.org")
    assert news.look([first], 8, 0.0) == []
    second.stalls = 1
    ((number, _),) = news.look([first, second], 8, 0.0)
    assert number == 1
