"""What the fields of a response head say, and that a malformed one says nothing."""

from __future__ import annotations

import pytest

from fastdl.core.head import Head, Validators, content_length, content_range, own_codings, validators_of


def head(status: int, *fields: tuple[str, str]) -> Head:
    return Head(status, "Reason", fields, "HTTP/1.1")


@pytest.mark.parametrize(
    ("values", "length"),
    [([], None), (["5"], 5), (["5", "5"], 5), (["5, 5"], 5), (["0"], 0), (["\t5 "], 5), ([str(2**63 - 1)], 2**63 - 1)],
)
def test_lengths(values: list[str], length: int | None) -> None:
    assert content_length(head(200, *(("content-length", value) for value in values))) == length


@pytest.mark.parametrize(
    "values",
    [[""], ["-1"], ["+1"], ["1.0"], ["0x10"], ["1 2"], ["5,"], ["5", "6"], ["\xb2"], ["\xa05"], ["5\x0b"], ["9" * 19]],
)
def test_bad_lengths(values: list[str]) -> None:
    with pytest.raises(ValueError):
        content_length(head(200, *(("content-length", value) for value in values)))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("bytes 0-0/1", (0, 1, 1)),
        ("bytes 5-9/*", (5, 10, None)),
        ("bytes */7", (-1, -1, 7)),
        ("bytes 0 - 4 / 5", (0, 5, 5)),
    ],
)
def test_places(value: str, place: tuple[int, int, int | None]) -> None:
    assert content_range(head(206, ("content-range", value))) == place


@pytest.mark.parametrize("value", ["bytes 0-\u0665/9", "bytes -5/9", "bytes 5-/9", "bytes 0-8/8", "bytes=0-1/2/3", ""])
def test_bad_places(value: str) -> None:
    with pytest.raises(ValueError):
        content_range(head(206, ("content-range", value)))


def dated(modified: str, date: str) -> Validators:
    return validators_of(head(200, ("last-modified", modified), ("date", date)))


def test_a_date_is_strong_a_second_later() -> None:
    """RFC 9110, section 8.8.2.2."""
    then = "Sun, 06 Nov 1994 08:49:37 GMT"
    assert dated(then, "Sun, 06 Nov 1994 08:49:38 GMT").strong == then
    assert dated(then, "Sunday, 06-Nov-94 08:49:38 GMT").strong == then
    assert dated("Sun Nov  6 08:49:37 1994", "Sun, 06 Nov 1994 08:49:38 GMT").strong == "Sun Nov  6 08:49:37 1994"
    assert dated(then, then).strong is None
    assert dated(then, "x").strong is None
    assert dated("x", then).strong is None


def test_a_weak_etag_is_never_sent_and_hides_the_date() -> None:
    """RFC 9110, section 13.1.5."""
    assert Validators('W/"a"', "date", True).strong is None
    assert Validators('"a"', "date", False).strong == '"a"'


@pytest.mark.parametrize("etag", ["a", '"a', '"a""b"', 'w/"a"', '"' + "a" * 2000 + '"', ""])
def test_malformed_etags_are_none(etag: str) -> None:
    assert validators_of(head(200, ("etag", etag))).etag is None


def test_contradiction() -> None:
    assert Validators('"a"').contradicts(Validators('"b"'))
    assert not Validators('"a"').contradicts(Validators('W/"a"'))
    assert Validators('"a"', "x").contradicts(Validators(None, "y"))
    assert not Validators('"a"', "x").contradicts(Validators('"a"', "y"))
    assert not Validators('"a"').contradicts(Validators(None, "y"))


@pytest.mark.parametrize(
    ("path", "codings"),
    [("/a.tar.gz", {"gzip", "x-gzip"}), ("/A.TGZ", {"gzip", "x-gzip"}), ("/a.zst", {"zstd"}), ("/a.zip", set())],
)
def test_the_codings_of_a_name(path: str, codings: set[str]) -> None:
    assert own_codings(path) == codings
