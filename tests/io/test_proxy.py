"""Which proxy, by option and environment: the table that curl's behaviour gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.urls import parse_url
from fastdl.errors import UsageError
from fastdl.io.proxy import ProxyChoice, ProxyRules, parse_proxy
from fastdl.settings import Settings

P = "http://p.example:3128"
A = "http://p.example:1"
B = "http://p.example:2"


def chosen(url: str, environ: dict[str, str], settings: Settings | None = None) -> int | None:
    """The port of the proxy for `url`, None for directly."""
    choice = ProxyRules(settings or Settings(), environ).choose(parse_url(url))
    return None if choice is None else choice.port


@pytest.mark.parametrize(
    ("url", "environ", "port"),
    [
        ("http://a.example/", {}, None),
        ("http://a.example/", {"http_proxy": A}, 1),
        ("https://a.example/", {"http_proxy": A}, None),
        ("https://a.example/", {"https_proxy": A}, 1),
        ("https://a.example/", {"HTTPS_PROXY": A}, 1),
        ("https://a.example/", {"https_proxy": A, "HTTPS_PROXY": B}, 1),
        ("http://a.example/", {"all_proxy": A}, 1),
        ("https://a.example/", {"ALL_PROXY": A}, 1),
        ("http://a.example/", {"all_proxy": A, "http_proxy": B}, 2),
        ("http://a.example/", {"HTTP_PROXY": A}, 1),
        ("http://a.example/", {"HTTP_PROXY": A, "REQUEST_METHOD": "GET"}, None),  # a CGI script: CVE-2016-5385
        ("http://a.example/", {"http_proxy": A, "REQUEST_METHOD": "GET"}, 1),
        ("https://a.example/", {"HTTPS_PROXY": A, "REQUEST_METHOD": "GET"}, 1),
        ("http://a.example/", {"http_proxy": "", "HTTP_PROXY": A}, 1),
        ("http://a.example/", {"http_proxy": A, "no_proxy": "a.example"}, None),
        ("http://a.example/", {"http_proxy": A, "NO_PROXY": "a.example"}, None),
        ("http://a.example/", {"http_proxy": A, "no_proxy": "b.example", "NO_PROXY": "a.example"}, 1),
    ],
)
def test_variables(url: str, environ: dict[str, str], port: int | None) -> None:
    assert chosen(url, environ) == port


def test_options_and_variables() -> None:
    environ = {"http_proxy": A, "no_proxy": "a.example"}
    assert chosen("http://b.example/", environ, Settings(proxy=B)) == 2
    assert chosen("https://b.example/", environ, Settings(proxy=B)) == 2
    assert chosen("http://a.example/", environ, Settings(proxy=B)) is None
    assert chosen("http://b.example/", environ, Settings(proxy="")) is None
    assert chosen("http://b.example/", environ, Settings(use_proxy=False)) is None
    assert chosen("http://a.example/", environ, Settings(use_proxy=False, proxy=B)) == 2


@pytest.mark.parametrize(
    ("no_proxy", "direct", "proxied"),
    [
        ("*", ["http://a.example/", "http://10.0.0.1/", "http://[::1]/"], []),
        ("a.example", ["http://a.example/", "http://x.a.example/", "http://a.example:81/", "http://a.example./"],
         ["http://xa.example/", "http://example/", "http://a.example.org/"]),
        (".a.example", ["http://a.example/", "http://x.a.example/"], ["http://xa.example/"]),
        ("*.a.example", ["http://x.a.example/"], ["http://xa.example/"]),
        ("A.EXAMPLE.", ["http://a.example/"], []),
        ("b.example,a.example", ["http://a.example/", "http://b.example/"], ["http://c.example/"]),
        (" b.example  a.example ,, ", ["http://a.example/", "http://b.example/"], ["http://c.example/"]),
        ("a.example:81", ["http://a.example:81/", "http://x.a.example:81/"], ["http://a.example/"]),
        ("a.example:443", ["https://a.example/"], ["http://a.example/"]),
        ("10.0.0.0/8", ["http://10.1.2.3/"], ["http://11.0.0.1/", "http://10.example/", "http://[::a00:1]/"]),
        ("10.1.2.3", ["http://10.1.2.3/"], ["http://10.1.2.4/"]),
        ("10.1.2.3:81", ["http://10.1.2.3:81/"], ["http://10.1.2.3/"]),
        ("10.1.2.3/33", [], ["http://10.1.2.3/"]),
        ("2001:db8::/32", ["http://[2001:db8::1]/"], ["http://[2001:db9::1]/"]),
        ("::1", ["http://[::1]/"], ["http://[::2]/"]),
        ("[::1]", ["http://[::1]/"], []),
        ("[::1]:81", ["http://[::1]:81/"], ["http://[::1]/"]),
        ("localhost", ["http://localhost/"], ["http://127.0.0.1/"]),
        (".", [], ["http://a.example/"]),
        ("", [], ["http://a.example/", "http://localhost/"]),
    ],
)  # fmt: skip
def test_no_proxy(no_proxy: str, direct: list[str], proxied: list[str]) -> None:
    environ = {"all_proxy": P, "no_proxy": no_proxy}
    assert [chosen(url, environ) for url in direct] == [None] * len(direct)
    assert [chosen(url, environ) for url in proxied] == [3128] * len(proxied)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://p.example", ProxyChoice("http", "p.example", 80)),
        ("p.example:3128", ProxyChoice("http", "p.example", 3128)),
        ("https://P.Example/", ProxyChoice("https", "p.example", 443)),
        ("SOCKS5://p.example", ProxyChoice("socks5", "p.example", 1080)),
        ("socks5h://10.0.0.1:9050", ProxyChoice("socks5h", "10.0.0.1", 9050)),
        ("http://[::1]:3128", ProxyChoice("http", "::1", 3128)),
        ("http://ann:p%40w@p.example:1", ProxyChoice("http", "p.example", 1, "ann", "p@w")),
        ("ann@p.example:1", ProxyChoice("http", "p.example", 1, "ann", None)),
        ("http://b\u00fccher.example", ProxyChoice("http", "xn--bcher-kva.example", 80)),
    ],
)
def test_proxy_urls(text: str, expected: ProxyChoice) -> None:
    assert parse_proxy(text, "--proxy") == expected


@pytest.mark.parametrize(
    "text",
    ["ftp://hush@p.example", "socks4://p.example", "http://", "http://hush:hush@", "http://p.example:99999",
     "http://p.example:x", "http://p.example:0",
     "http://a b", "http://a\nb", "http://[::1", "http://a%0db", "http://a%0d:x@p.example"],
)  # fmt: skip
def test_bad_proxy_urls_are_named_and_not_shown(text: str) -> None:
    for settings, environ, name in (
        (Settings(proxy=text), {}, "--proxy"),
        (Settings(), {"HTTPS_PROXY": text}, "HTTPS_PROXY"),
    ):
        with pytest.raises(UsageError, match=name) as caught:
            ProxyRules(settings, environ)
        assert "hush" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_proxy_or_refused(text: str) -> None:
    try:
        choice = parse_proxy(text, "--proxy")
    except UsageError:
        return
    assert choice.host.isascii()
    assert 0 < choice.port < 65536


@given(st.text())
def test_any_no_proxy_is_read(text: str) -> None:
    ProxyRules(Settings(), {"no_proxy": text, "http_proxy": P}).choose(parse_url("http://a.example/"))


def test_userinfo_becomes_a_header_for_http_proxies_only() -> None:
    assert parse_proxy("http://ann:pw@p.example", "x").headers == (("Proxy-Authorization", "Basic YW5uOnB3"),)
    assert parse_proxy("http://p.example", "x").headers == ()
    assert parse_proxy("socks5://ann:pw@p.example", "x").headers == ()
    assert "pw" not in repr(parse_proxy("http://ann:pw@p.example", "x"))
