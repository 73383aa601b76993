"""URLs in their one strict form: read, joined, and the key of one."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastdl.core.shown import UNSAFE
from fastdl.core.urls import Url, join, parse_url, url_key
from fastdl.errors import UsageError

# --- reading ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "strict"),
    [
        ("https://example.org/file.iso", "https://example.org/file.iso"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org?x=1", "https://example.org/?x=1"),
        ("https://example.org/?", "https://example.org/?"),
        ("  HTTPS://EXAMPLE.org:443/A?b#c  ", "https://example.org/A?b"),
        ("http://example.org:80/", "http://example.org/"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("https://example.org:/x", "https://example.org/x"),
        ("https://example.org:0443/x", "https://example.org/x"),
        ("https://me:pw@example.org:8443/x", "https://example.org:8443/x"),
        ("https://example.org/a b?c d", "https://example.org/a%20b?c%20d"),
        ("https://example.org/ä?€", "https://example.org/%C3%A4?%E2%82%AC"),
        ("https://example.org/%c3%A4%2f", "https://example.org/%c3%A4%2f"),
        ("https://example.org/50%", "https://example.org/50%25"),
        ("https://example.org/a%2", "https://example.org/a%252"),
        ("https://example.org/a\\b", "https://example.org/a%5Cb"),
        ('https://example.org/"<>^`{|}', "https://example.org/%22%3C%3E%5E%60%7B%7C%7D"),
        ("https://example.org/!$&'()*+,;=:@[]~-._", "https://example.org/!$&'()*+,;=:@[]~-._"),
        ("https://example.org/a/./b/../c", "https://example.org/a/c"),
        ("https://example.org/../../x", "https://example.org/x"),
        ("https://example.org/a/..", "https://example.org/"),
        ("https://example.org/a/.", "https://example.org/a/"),
        ("https://example.org//a//../b", "https://example.org//a/b"),
        ("https://example.org/.hidden/..x?/../y", "https://example.org/.hidden/..x?/../y"),
        ("https://example.org/raw\udce4", "https://example.org/raw%E4"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("http://[2001:DB8:0:0::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ("http://[::ffff:192.0.2.1]/", "http://[::ffff:c000:201]/"),
        ("http://localhost/x", "http://localhost/x"),
        ("http://under_score.example.org/", "http://under_score.example.org/"),
        ("http://r3---sn.example.org/", "http://r3---sn.example.org/"),
        ("http://example.org./x", "http://example.org./x"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("https://BÜCHER.example/x", "https://xn--bcher-kva.example/x"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://例え。テスト/", "https://xn--r8jz45g.xn--zckzah/"),
        ("http://\uff11\uff12\uff17.\uff10.\uff10.\uff11/", "http://127.0.0.1/"),
    ],
)
def test_parse_url(text: str, strict: str) -> None:
    if "::ffff:" in text and sys.version_info >= (3, 13):
        strict = "http://[::ffff:192.0.2.1]/"
    url = parse_url(text)
    assert url.text == strict
    assert parse_url(url.text).text == strict


def test_the_parts() -> None:
    url = parse_url("https://Example.org:8443/a/b?c=d?e#f")
    assert (url.scheme, url.host, url.port) == url.origin == ("https", "example.org", 8443)
    assert (url.netloc, url.target) == ("example.org:8443", "/a/b?c=d?e")
    assert (url.path, url.query) == ("/a/b", "c=d?e")
    assert (url.username, url.password) == (None, None)
    v6 = parse_url("http://[::1]/")
    assert (v6.host, v6.netloc) == ("::1", "[::1]")


@pytest.mark.parametrize(
    ("userinfo", "username", "password"),
    [
        ("me", "me", None),
        ("me:", "me", ""),
        ("me:pw", "me", "pw"),
        ("me:p:w", "me", "p:w"),
        (":pw", "", "pw"),
        ("", None, None),
        ("a@b:c@d", "a@b", "c@d"),
        ("m%40e:p%3Aw%2F", "m@e", "p:w/"),
        ("m%C3%A4x:€", "mäx", "€"),
        ("50%:1%zz", "50%", "1%zz"),
    ],
)
def test_userinfo(userinfo: str, username: str | None, password: str | None) -> None:
    url = parse_url(f"https://{userinfo}@example.org/x")
    assert (url.username, url.password, url.host) == (username, password, "example.org")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        ("ftp://example.org/x", "scheme is 'ftp'"),
        ("FILE:///etc/passwd", "scheme is 'file'"),
        ("file:/etc/passwd", "scheme is 'file'"),
        ("mailto:me@example.org", "scheme is 'mailto'"),
        ("magnet:?xt=urn", "scheme is 'magnet'"),
        ("javascript:1", "scheme is 'javascript'"),
        ("s3://bucket/x", "scheme is 's3'"),
        ("/etc/passwd", "no scheme"),
        ("https:example.org", "'//'"),
        ("https:/example.org", "'//'"),
        ("https:\\\\example.org\\x", "'//'"),
        ("https://", "host is empty"),
        ("https:///x", "host is empty"),
        ("https://:80/x", "host is empty"),
        ("https://me:pw@/x", "host is empty"),
        ("https://?x", "host is empty"),
        ("https://exa mple.org/", "host is no valid name"),
        ("https://example..org/", "host is no valid name"),
        ("https://.example.org/", "host is no valid name"),
        ("https://exa!mple.org/", "host is no valid name"),
        ("https://a\\b/", "host is no valid name"),
        ("https://example.org\\@evil.example/", "percent-encoded"),
        ("https://" + "a" * 64 + ".example/", "host is no valid name"),
        ("https://" + "a." * 127 + "example/", "host is too long"),
        ("https://" + "ä" * 2000 + "/", "host is too long"),
        ("https://ex%61mple.org/", "percent sign"),
        ("https://example.org%2F@x%2Fy/", "percent sign"),
        ("https://example.org:0/", "port"),
        ("https://example.org:65536/", "port"),
        ("https://example.org:http/", "port"),
        ("https://example.org:-1/", "port"),
        ("https://example.org:+80/", "port"),
        ("https://example.org:\uff18\uff10/", "port"),
        ("https://example.org:80:80/", "port"),
        ("https://example.org:1234567890/", "port"),
        ("https://::1/", "brackets"),
        ("https://[::1/", "IPv6"),
        ("https://[::1]x/", "IPv6"),
        ("https://[::1]:x/", "port"),
        ("https://[]/", "IPv6"),
        ("https://[1.2.3.4]/", "IPv6"),
        ("https://[v1.a]/", "IPv6"),
        ("https://[::12345]/", "IPv6"),
        ("https://[fe80::1%25eth0]/", "zone"),
        ("https://[fe80::1%eth0]/", "zone"),
        ("https://127.1/", "IPv4"),
        ("https://256.1.1.1/", "IPv4"),
        ("https://1.2.3.4.5/", "IPv4"),
        ("https://2130706433/", "IPv4"),
        ("https://0x7f.0.0.1/", "IPv4"),
        ("https://127.0.0.0x1/", "IPv4"),
        ("https://0177.0.0.1/", "IPv4"),
        ("https://1.2.3.4./", "IPv4"),
        ("https://example.123/", "IPv4"),
        ("https://a\u200bb.example/", "invisible"),
        ("https://\u2100.example/", "international"),
        ("https://xn--\u00e4.example/", "international"),
        ("https://example.org/a\nb", "U+000A"),
        ("https://example.org/\r\nHost: evil", "U+000D"),
        ("https://exa\tmple.org/", "U+0009"),
        ("https://example.org/\x00", "U+0000"),
        ("https://example.org/\x7f", "U+007F"),
        ("https://example.org/\x85", "U+0085"),
        ("\x01https://example.org/", "U+0001"),
        ("https://example.org/\ud800", "surrogate"),
        ("https://a%0ab:c@example.org/", "control character"),
        ("https://a:%00@example.org/", "control character"),
        ("https://a:%ff@example.org/", "UTF-8"),
        ("https://a b:c@example.org/", "percent-encoded"),
    ],
)
def test_what_is_wrong_is_named(text: str, part: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert part in caught.value.why
    assert caught.value.code == 2
    assert not UNSAFE.search(str(caught.value))


@pytest.mark.parametrize(
    ("text", "likely"),
    [
        ("example.org/x", "https://example.org/x"),
        ("//example.org/x", "https://example.org/x"),
        ("example.org", "https://example.org"),
        ("example.org:8080/x", "https://example.org:8080/x"),
        ("localhost:8080", "https://localhost:8080"),
        ("192.0.2.1:80/x", "https://192.0.2.1:80/x"),
        ("[::1]:80/x", "https://[::1]:80/x"),
        ("me:pw@example.org/x", "https://***@example.org/x"),
        ("example.org/x?token=hush", "https://example.org/x?token=***"),
        ("https:/example.org/x", "https://example.org/x"),
        ("http:example.org/x", "http://example.org/x"),
    ],
)
def test_the_likely_url_is_in_the_hint(text: str, likely: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert caught.value.hint.endswith(f" {likely}")


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hush/hush@example.org/x",
        "https://me:hush#hush@example.org/x",
        "https://me:hush?hush@example.org/x",
        "https://me:hush hush@example.org/x",
        'https://me:hush"hush@example.org/x',
        "https://hush@example.org:99999/x",
        "https://hush@exa mple.org/x",
        "https://example.org:x/?token=hush",
        "https://exam ple.org/?token=hush hush",
        "hush:hush@example.org/x y",
        "ftp://me:hush@example.org/x",
        "me:hush@exa!mple.org",
    ],
)
def test_an_error_shows_no_secret(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert "hush" not in str(caught.value)


def test_repr_shows_no_secret() -> None:
    shown = repr(parse_url("https://me:hush@example.org/?sig=hush"))
    assert "hush" not in shown
    assert "me" not in shown.replace("username", "").replace("example", "")
    assert "example.org" in shown


ANYTHING = st.text(st.one_of(st.characters(), st.sampled_from("/:@?#[]%.\\ 0123456789abcäß")), max_size=80)


@given(ANYTHING)
@example("a.0X")
@example("\u2488com")
def test_any_text_is_a_strict_url_or_a_usage_error(text: str) -> None:
    for candidate in (text, f"https://{text}", f"http://example.org{text}", f"https://example.org/{text}"):
        try:
            url = parse_url(candidate)
        except UsageError as error:
            assert not UNSAFE.search(str(error))
        else:
            check_strict(url)


def check_strict(url: Url) -> None:
    assert url.scheme in {"http", "https"}
    assert re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", url.host)
    assert 0 < url.port < 65536
    assert re.fullmatch(r"/[!$&-;=?-Z\[\]_a-z~%]*", url.target)
    assert not re.search("%(?![0-9A-Fa-f]{2})", url.target)
    assert not {".", ".."} & set(url.path.split("/"))
    again = parse_url(url.text)
    assert again.text == url.text
    assert again.origin == url.origin


# --- joining ---------------------------------------------------------------------------------------------


# The examples of RFC 3986, 5.4, with the fragments left out.
@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("g", "/b/c/g"), ("./g", "/b/c/g"), ("g/", "/b/c/g/"), ("/g", "/g"), ("?y", "/b/c/d;p?y"), ("g?y", "/b/c/g?y"),
        ("#s", "/b/c/d;p?q"), ("g#s", "/b/c/g"), ("g?y#s", "/b/c/g?y"), (";x", "/b/c/;x"), ("g;x", "/b/c/g;x"),
        ("g;x?y#s", "/b/c/g;x?y"), (".", "/b/c/"), ("./", "/b/c/"), ("..", "/b/"), ("../", "/b/"), ("../g", "/b/g"),
        ("../..", "/"), ("../../", "/"), ("../../g", "/g"), ("../../../g", "/g"), ("../../../../g", "/g"),
        ("/./g", "/g"), ("/../g", "/g"), ("g.", "/b/c/g."), (".g", "/b/c/.g"), ("g..", "/b/c/g.."), ("..g", "/b/c/..g"),
        ("./../g", "/b/g"), ("./g/.", "/b/c/g/"), ("g/./h", "/b/c/g/h"), ("g/../h", "/b/c/h"),
        ("g;x=1/./y", "/b/c/g;x=1/y"), ("g;x=1/../y", "/b/c/y"), ("g?y/./x", "/b/c/g?y/./x"),
        ("g?y/../x", "/b/c/g?y/../x"), ("?", "/b/c/d;p?"),
    ],
)  # fmt: skip
def test_references(reference: str, target: str) -> None:
    assert join(parse_url("http://a/b/c/d;p?q"), reference).text == f"http://a{target}"


BASE = parse_url("https://me:pw@example.org:8443/dir/file")


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("https://example.com/x", "https://example.com/x"),
        ("//example.com/x", "https://example.com/x"),
        ("//example.com:8443", "https://example.com:8443/"),
        (" /x\t", "https://example.org:8443/x"),
        ("/a b", "https://example.org:8443/a%20b"),
        ("/\u00c3\u00a4", "https://example.org:8443/%C3%A4"),
        ("/\u00e4", "https://example.org:8443/%E4"),
        ("/\u20ac", "https://example.org:8443/%E2%82%AC"),
        ("//b\u00c3\u00bccher.example/", "https://xn--bcher-kva.example/"),
        ("\\\\evil.example/x", "https://example.org:8443/dir/%5C%5Cevil.example/x"),
        ("a:b@evil.example", None),
        ("/a:b@evil.example", "https://example.org:8443/a:b@evil.example"),
        ("", None),
        ("  ", None),
        ("ftp://example.com/", None),
        ("///x", None),
        ("http:g", None),
        ("/\x1b", None),
        ("//b\u00e4d.example/", None),
    ],
)
def test_join(location: str, text: str | None) -> None:
    if text is None:
        with pytest.raises(ValueError, match=r"^(it|its|the) "):
            join(BASE, location)
    else:
        assert join(BASE, location).text == text


def test_who_has_userinfo_after_a_join() -> None:
    assert join(BASE, "/x").password == "pw"
    assert join(BASE, "//example.org:8443/x").password is None
    assert join(BASE, "https://you:them@example.com/").password == "them"


@given(ANYTHING)
def test_any_location_is_a_strict_url_or_a_value_error(location: str) -> None:
    for text in (location, f"//{location}", f"/{location}", f"?{location}", f"https://{location}"):
        try:
            check_strict(join(BASE, text))
        except ValueError as error:
            assert not UNSAFE.search(str(error))


# --- the key ---------------------------------------------------------------------------------------------


def test_url_key() -> None:
    key = url_key("https://example.org/x?token=1")
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert url_key(" HTTPS://Example.org:443/x?token=1#part") == key
    others = [
        "https://example.org/x?token=2",
        "https://example.org/x",
        "http://example.org/x?token=1",
        "https://me@example.org/x?token=1",
        "https://me:@example.org/x?token=1",
        "https://me:pw@example.org/x?token=1",
        "https://me%3Apw@example.org/x?token=1",
    ]
    assert len({key, *map(url_key, others)}) == len(others) + 1
    with pytest.raises(UsageError):
        url_key("nonsense")
