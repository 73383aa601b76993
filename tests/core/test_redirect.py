"""Redirects: where they may lead, and what goes along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.redirect import MAX_REDIRECTS, REDIRECTS, may_carry_secrets, next_url
from fastdl.core.shown import UNSAFE
from fastdl.core.urls import parse_url
from fastdl.errors import RedirectRefused

HERE = parse_url("https://me:pw@example.org/dir/file?token=hush")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    assert status in REDIRECTS
    assert next_url(HERE, status, "https://cdn.example.com/x", 0).text == "https://cdn.example.com/x"


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("/x", "https://example.org/x"),
        ("x", "https://example.org/dir/x"),
        ("../x", "https://example.org/x"),
        ("//cdn.example.com/x", "https://cdn.example.com/x"),
        ("?v=2", "https://example.org/dir/file?v=2"),
        ("HTTPS://EXAMPLE.ORG:443/x#part", "https://example.org/x"),
        ("https://you:them@example.org/x", "https://example.org/x"),
        ("/\\evil.example/x", "https://example.org/%5Cevil.example/x"),
        ("/caf\u00c3\u00a9", "https://example.org/caf%C3%A9"),
    ],
)
def test_locations(location: str, text: str) -> None:
    url = next_url(HERE, 302, location, 0)
    assert url.text == text
    assert (url.username, url.password) == (None, None)


def test_an_upgrade_and_plain_http_among_itself_are_fine() -> None:
    plain = parse_url("http://example.org/x")
    assert next_url(plain, 301, "https://example.org/x", 0).scheme == "https"
    assert next_url(plain, 301, "http://example.com/x", 0).host == "example.com"


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://example.org/x", "https to http"),
        ("file:///etc/passwd", "scheme is 'file'"),
        ("ftp://example.org/x", "scheme is 'ftp'"),
        ("javascript:alert(1)", "scheme is 'javascript'"),
        ("data:text/plain,x", "scheme is 'data'"),
        (None, "names no location"),
        ("", "names no location"),
        (" \t", "names no location"),
        ("https://", "host is empty"),
        ("https:///x", "host is empty"),
        ("///x", "host is empty"),
        ("https:x", "'//'"),
        ("https://exa mple.org/", "no valid name"),
        ("https://example.org:0/", "port"),
        ("https://example.org:99999/", "port"),
        ("https://[::1/", "IPv6"),
        ("/a\r\nSet-Cookie: b", "control character U+000D"),
        ("/a\x1b[2J", "control character U+001B"),
    ],
)
def test_what_is_refused(location: str | None, why: str) -> None:
    with pytest.raises(RedirectRefused) as caught:
        next_url(HERE, 302, location, 0)
    assert why in str(caught.value)
    assert caught.value.code == 4


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 399, 404])
def test_other_answers_are_no_redirects(status: int) -> None:
    with pytest.raises(RedirectRefused, match=str(status)):
        next_url(HERE, status, "/x", 0)


def test_the_chain_is_bounded() -> None:
    assert next_url(HERE, 302, "/x", MAX_REDIRECTS - 1).path == "/x"
    with pytest.raises(RedirectRefused, match="more than 20"):
        next_url(HERE, 302, "/x", MAX_REDIRECTS)


def test_an_error_shows_no_secret() -> None:
    for location in ("http://a:pw@example.com/?sig=hush", "ftp://a:pw@example.com/", "https://a:pw@exa mple/?sig=hush"):
        with pytest.raises(RedirectRefused) as caught:
            next_url(HERE, 302, location, 0)
        assert not any(secret in str(caught.value) for secret in ("hush", "pw"))


@given(st.text(st.characters(max_codepoint=255)))
def test_any_location_is_followed_or_refused(location: str) -> None:
    for text in (location, f"https://{location}", f"//{location}/x", f"/{location}"):
        try:
            url = next_url(HERE, 302, text, 0)
        except RedirectRefused as error:
            assert not UNSAFE.search(str(error))
        else:
            assert url.scheme == "https"
            assert parse_url(url.text) == url


@pytest.mark.parametrize(
    ("given_for", "to", "allowed"),
    [
        ("https://example.org/a", "https://example.org/b", True),
        ("https://example.org/a", "https://EXAMPLE.org:443/b", True),
        ("http://example.org/", "https://example.org/", True),
        ("http://example.org:80/", "https://example.org:443/", True),
        ("https://example.org/", "http://example.org/", False),
        ("http://example.org:8080/", "https://example.org/", False),
        ("http://example.org/", "https://example.org:8443/", False),
        ("http://example.org:8080/", "https://example.org:8080/", False),
        ("http://example.org/", "https://www.example.org/", False),
        ("https://example.org/", "https://example.org:8443/", False),
        ("https://example.org/", "https://example.org./", False),
        ("https://example.org/", "https://evil.example/", False),
    ],
)
def test_how_far_secrets_go(given_for: str, to: str, allowed: bool) -> None:
    assert may_carry_secrets(parse_url(given_for), parse_url(to)) is allowed
