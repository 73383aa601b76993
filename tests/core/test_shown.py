"""What of a URL may be shown: no secret, and no control character."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.shown import UNSAFE, clean, is_masked, mask
from fastdl.core.urls import parse_url

# --- masking ---------------------------------------------------------------------------------------------

NAMES = [
    *("token", "access_token", "auth", "key", "api_key", "apikey", "password", "passwd", "secret", "sig", "signature"),
    *("policy", "credential", "session", "jwt", "code", "se", "sp", "sv", "sr", "X-Amz-Signature", "X-Amz-Credential"),
    *("X-Amz-Security-Token", "X-Goog-Signature", "X-Oss-Signature", "q-sign-algorithm", "Q-Signature", "X-Amz-"),
]


@pytest.mark.parametrize("name", NAMES)
def test_secret_names(name: str) -> None:
    for spelling in (name, name.upper(), name.lower(), name.title(), f"%{ord(name[0]):02x}{name[1:]}"):
        for before, after in (("?", ""), ("?a=1&", "&b=2"), ("?a=1;", ""), ("#", "&b"), ("?x#y&", ""), ("?&amp;", "#")):
            url = f"https://example.org/f{before}{spelling}=hu%73h;hush=={after}"
            assert mask(url) == f"https://example.org/f{before}{spelling}=***{after}"
            assert is_masked(url)
            assert is_masked(mask(url))


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org/f?tokens=1&monkey=2&keys=3&xtoken=4&x-amz=5&version=6&q=7&s=8",
        "https://example.org/token=1/key=2",
        "https://example.org/f?token&key=&sig",
        "https://example.org/@scope/pkg@1.2.3/f.js",
        "http://[::1]:80/a@b",
        "http://[fe80::1]/a:b@c",
        "http://example.org:8080/a@b?c@d#e@f",
        "write to me@example.org about https://example.org/f",
        "https://@example.org/",
        "code=3 key: 5, token=7",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text
    assert not is_masked(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("https://me@example.org/", "https://***@example.org/"),
        ("https://me:pw@example.org/", "https://***@example.org/"),
        ("https://me:p@w@example.org/", "https://***@example.org/"),
        ("https://:pw@example.org/", "https://***@example.org/"),
        ("https://me:p/w@example.org/x@1", "https://***@1"),
        ("https://me:p#w@example.org/", "https://***@example.org/"),
        ("https://me:p?w@example.org", "https://***@example.org"),
        ("socks5h://me:pw@proxy.example:1080", "socks5h://***@proxy.example:1080"),
        ("https://me:pw@[::1]:80/x", "https://***@[::1]:80/x"),
        ("https://me:p\\w@example.org/", "https://***@example.org/"),
        (
            "from https://a:b@example.org/?sig=1 to (https://c@example.com/f?x=1&key=2#t) failed",
            "from https://***@example.org/?sig=*** to (https://***@example.com/f?x=1&key=***#t) failed",
        ),
        (
            '{"u": "https://a:b@example.org/?sig=1", "b": "c@d"}',
            '{"u": "https://***@example.org/?sig=***", "b": "c@d"}',
        ),
        ("<https://example.org/?jwt=1>; rel=duplicate", "<https://example.org/?jwt=***>; rel=duplicate"),
        ("GET /f?token=1 HTTP/1.1", "GET /f?token=*** HTTP/1.1"),
        ("http://a://u:p@example.org", "http://a://***@example.org"),
        (
            "https://p.example/?u=https%3A%2F%2Fme%3Apw%40example.org%2Ff%3Fa%3D1%26X-Amz-Signature%3Dhush%26b%3D1&c=2",
            "https://p.example/?u=https%3A%2F%2F***%40example.org%2Ff%3Fa%3D1%26X-Amz-Signature%3D***&c=2",
        ),
        ("https://p.example/?u=x%253Ftoken%253Dhush", "https://p.example/?u=x%253Ftoken%253D***"),
        (
            "https://p.example/?u=http://x.example/?token=a&sig=b",
            "https://p.example/?u=http://x.example/?token=***&sig=***",
        ),
        ("https://example.org/?token=a?sig=b&sig=c", "https://example.org/?token=***&sig=***"),
        ('https://example.org/a "b"?token=a b"c<d>&e=f g', 'https://example.org/a "b"?token=***&e=f g'),
        ("https://me:p w@example.org/a b", "https://***@example.org/a b"),
        ("https://example.org/?token=a\u00a0b\u3000c", "https://example.org/?token=***"),
        ("https://example.org/?token=a failed\nthen b", "https://example.org/?token=***\nthen b"),
        ("https://a.example/?token=a b https://b.example/x", "https://a.example/?token=*** b https://b.example/x"),
    ],
)
def test_mask(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked
    assert is_masked(text)


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["://", "@", ":", "/", "?", "&", "#", ";", "=", "%3F", "%26", "%3D", "%40", "%3a%2f%2f", "%25", "%2", "***"]
        ),
        st.sampled_from([" ", "token", "sig", "X-Amz-", "q-", "https", "example.org", '"', "<", "[", "]", "\\", "80"]),
        st.text(max_size=4),
    ),
    max_size=30,
)


@given(PIECES)
def test_masking_twice_changes_nothing(pieces: list[str]) -> None:
    text = "".join(pieces)
    once = mask(text)
    assert mask(once) == once
    assert once == text or is_masked(text)
    assert is_masked(once) == is_masked(text)


SECRET = st.text("abcXYZ019-._~!$'()*+,:;@%/?#&=äß ", max_size=12).map(lambda tail: f"hush{tail}hush")


@given(SECRET, SECRET, SECRET, st.sampled_from(NAMES))
def test_no_secret_of_a_strict_url_survives(user: str, word: str, value: str, name: str) -> None:
    def quoted(text: str, keep: str) -> str:
        safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~" + keep
        return "".join(c if c in safe else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)

    target = f"/dir/f?a=1&{name}={quoted(value, '=;:@!$,()*+/?')}&b=2"
    text = f"https://{quoted(user, '@!$;=')}:{quoted(word, ':@!$;=')}@example.org{target}"
    url = parse_url(text)
    assert (url.username, url.password) == (user, word)
    raw = f"https://example.org/dir/f?a=1&{name}={re.sub('[&#]', '', value)}&b=2"
    for shown in (mask(text), mask(raw), mask(f"see {text} and {text}, please"), mask(url.text), repr(url)):
        assert "hush" not in shown
        assert "example.org/dir/f?a=1&" in shown
        assert "&b=2" in shown


def test_masking_is_linear() -> None:
    # A quadratic pattern would need minutes for one of these.
    for piece in (
        "://",
        "a://b:c",
        "://:",
        "?token",
        "?a=",
        "%3a%2f%2f",
        "%25",
        "&",
        "token=",
        "?%2",
        "://a:b/",
        "@",
        " ",
        " a",
        "a ://",
    ):
        mask(piece * (200_000 // len(piece)))
        mask("https://example.org/" + piece * (200_000 // len(piece)))


# --- cleaning --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain ä 日本", "plain ä 日本"),
        ("a\r\nb\tc", "a  b c"),
        ("\x1b[31mred\x9b", "?[31mred?"),
        ("a\u202eb\u200bc\u2066d\ufeffe", "a?b?c?d?e"),
        ("a\u2028b\x85c", "a b c"),
        ("half \ud83d", "half ?"),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_clean_cuts() -> None:
    assert clean("x" * 500) == "x" * 500
    assert clean("x" * 501) == "x" * 497 + "..."
    assert clean("abcdef", 5) == "ab..."


@given(st.text(), st.integers(3, 60))
def test_clean_text_is_safe_for_a_line(text: str, limit: int) -> None:
    shown = clean(text, limit)
    assert len(shown) <= limit
    assert not UNSAFE.search(shown)
    assert len(f"{shown}x".splitlines()) == 1
    shown.encode()


def test_every_control_and_format_character_is_unsafe() -> None:
    missed = [
        hex(point)
        for point in range(sys.maxunicode + 1)
        if unicodedata.category(chr(point)) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and not UNSAFE.match(chr(point))
    ]
    assert missed == []
