"""What becomes of a command's options and headers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.curl.request import NOT_AGAIN, Request, requests_of
from fastdl.core.curl.words import commands_of
from fastdl.errors import UsageError

URL = "http://h.example.org/f.bin"


def requests(text: str) -> list[Request]:
    return requests_of(commands_of(text))


def one(arguments: str, url: str = URL) -> Request:
    (request,) = requests(f"curl '{url}' {arguments}")
    return request


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ("-H 'A: b' --header 'C: d' --header='E: f' '-HG:h' -H'I:  j '",
         {"header": ["A: b", "C: d", "E: f", "G: h", "I: j"]}),
        ("-H 'A: x:y; z' -H 'Empty;' -H 'Gone:' -H ' '", {"header": ["A: x:y; z", "Empty;"]}),
        ("-b 'a=b; c=d'", {"header": ["Cookie: a=b; c=d"]}),
        ("-b a=b --cookie c=d", {"header": ["Cookie: a=b;c=d"]}),
        ("-b a=b -H 'cookie: own=1'", {"header": ["cookie: own=1"]}),
        ("-b jar.txt", {"cookies": "jar.txt"}),
        ("-b ''", {}),
        ("-A 'me/1' -e 'http://r/;auto' -u 'me:pass'",
         {"user_agent": "me/1", "referer": "http://r/", "user": "me:pass"}),
        ("-A me/1 -H 'user-agent: browser' -H 'Referer: http://r/'", {"user_agent": "browser", "referer": "http://r/"}),
        ("-A me/1 -H 'User-Agent:'", {"user_agent": ""}),
        ("-H 'Referer;'", {"header": ["Referer;"]}),
        ("-e http://r/ -H 'Referer;'", {"referer": None, "header": ["Referer;"]}),
        ("-e http://r/ -H 'Referer:'", {"referer": None}),
        ("-e http://r/ -H 'Referer: http://own/'", {"referer": "http://own/"}),
        ("--oauth2-bearer t0k", {"header": ["Authorization: Bearer t0k"]}),
        ("-k4 --connect-timeout 3 --max-time 60 -m 70",
         {"insecure": True, "ipv4": True, "connect_timeout": "3", "max_time": "70"}),
        ("--insecure --no-insecure", {"insecure": False}),
        ("--retry 3 --retry-delay 2 --limit-rate 500k --max-filesize 1G",
         {"retries": "3", "limit_rate": "500k", "max_size": "1G"}),
        ("-x p.example.org", {"proxy": "http://p.example.org:1080"}),
        ("--proxy https://p.example.org", {"proxy": "https://p.example.org:443"}),
        ("-x socks5h://p:9 -U 'me:p@ss'", {"proxy": "socks5h://me:p%40ss@p:9"}),
        ("--socks5-hostname p", {"proxy": "socks5h://p:1080"}),
        ("-x ''", {"no_proxy": True}),
        ("-x p:1 --noproxy 'a, .example.org'", {"no_proxy": True}),
        ("-x p:1 --noproxy other.org", {"proxy": "http://p:1"}),
        ("--resolve h.example.org:80:127.0.0.1,127.0.0.2", {"connect_to": ["h.example.org:80:127.0.0.1:"]}),
        ("--resolve '+*:443:[::1]'", {"connect_to": [":443:[::1]:"]}),
        ("--connect-to ::localhost:8080", {"connect_to": ["::localhost:8080"]}),
        ("--cacert a.pem -E c.pem --key k.pem --cert-type PEM", {"cacert": "a.pem", "cert": "c.pem", "key": "k.pem"}),
        ("-E 'C:\\c.pem'", {"cert": "C:\\c.pem"}),
        ("--interface if!eth0 -6", {"interface": "eth0", "ipv6": True}),
        ("-n --netrc-file n", {"netrc": True, "netrc_file": "n"}),
        ("--http1.1", {"http": "1.1"}),
        ("--http2", {"http": "auto"}),
        ("-o out.bin --output-dir d", {"output": "out.bin", "dir": "d"}),
        ("-oout.bin", {"output": "out.bin"}),
        ("-O", {"output": "f.bin"}),
        ("-OJ", {}),
        ("-JLO", {}),
        ("-sSvfgLN# -X GET --compressed --fail-with-body --tlsv1.2 --proto '=http,https' -w '%{http_code}'", {}),
        ("--request GET -w x -Z", {}),
    ],
)  # fmt: skip
def test_options(arguments: str, values: dict[str, Any]) -> None:
    request = one(arguments)
    assert request.url == URL
    assert request.values == values
    assert request.left == ()


@pytest.mark.parametrize("name", sorted(NOT_AGAIN))
def test_what_belongs_to_the_browsers_connection_is_not_said_again(name: str) -> None:
    assert one(f"-H '{name.title()}: gzip' -H '{name}: 1' -H 'X-Kept: 1'").values == {"header": ["X-Kept: 1"]}


@pytest.mark.parametrize("host", ["h.example.org", "H.example.org"])
def test_the_browsers_host_is_the_urls(host: str) -> None:
    assert one(f"-H 'Host: {host}' -H 'authority: {host}' -H ':path: /f.bin'").values == {}


def test_a_host_that_is_not_the_urls_is_meant() -> None:
    assert one("-H 'Host: virtual.example.org'").values == {"header": ["Host: virtual.example.org"]}


@pytest.mark.parametrize(
    ("arguments", "url", "expected"),
    [
        ("", "h.example.org/f", "http://h.example.org/f"),
        ("--proto-default https", "h.example.org/f", "https://h.example.org/f"),
        ("", "http://h/f?a=\\[1\\]&b=\\{c\\}", "http://h/f?a=[1]&b={c}"),
        ("-g", "http://h/f?a=[1-3]", "http://h/f?a=[1-3]"),
        ("--globoff", "http://h/f?a=[]&b=\\[", "http://h/f?a=[]&b=\\["),
        ("", "http://[::1]:80/f", "http://[::1]:80/f"),
        ("", "http://h/f?a[]=1", "http://h/f?a[]=1"),
        ("-G -d a=b --data-urlencode 'c=d e/é' -d f", "http://h/f", "http://h/f?a=b&c=d+e%2F%C3%A9&f"),
        ("-G --data-urlencode 'a b' --data-urlencode '==c'", "http://h/f?x#y", "http://h/f?x&a+b&%3Dc#y"),
        ("--url-query a=b --url-query +c=%20", "http://h/f", "http://h/f?a=b&c=%20"),
    ],
)
def test_urls(arguments: str, url: str, expected: str) -> None:
    assert one(arguments, url).url == expected


def test_several_urls_take_their_names_in_turn() -> None:
    found = requests("curl -H 'A: b' http://h/1 -o one --url http://h/2 -O http://h/3 -- http://h/4")
    assert [each.url[-1] for each in found] == ["1", "2", "3", "4"]
    assert [each.values.get("output") for each in found] == ["one", "2", None, None]
    assert all(each.values["header"] == ["A: b"] for each in found)
    assert [each.values["output"] for each in requests("curl --remote-name-all http://h/1 http://h/2")] == ["1", "2"]


def test_each_command_has_its_own_headers() -> None:
    found = requests("curl http://h/1 -H 'A: 1' --next -A me http://h/2 ;\ncurl http://h/3")
    assert [each.values for each in found] == [{"header": ["A: 1"]}, {"user_agent": "me"}, {}]
    assert [each.line for each in found] == [1, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("-r 0-99", "--range is left out: the whole file"),
        ("-C -", "--continue-at is left out"),
        ("-c jar.txt", "--cookie-jar is left out"),
        ("-i", "--include is left out"),
        ("--max-redirs 3", "--max-redirs is left out"),
        ("--tlsv1.3", "--tlsv1.3 is left out"),
        ("-u me:pass --digest", "--digest is left out: the login goes as basic first"),
    ],
)
def test_what_is_left_out_is_told(arguments: str, told: str) -> None:
    (text,) = one(arguments).left
    assert told in text


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        *((f"{flag} s3cret", "is no GET") for flag in ("-d", "--data", "--data-raw", "--data-binary", "-F", "--form")),
        *((f"{flag} s3cret", "is no GET") for flag in ("--data-urlencode", "-T", "--upload-file", "--json")),
        *((f"-X {method}", f"the request is {method}") for method in ("POST", "PUT", "DELETE", "HEAD", "PATCH")),
        ("-I", "the request is HEAD"),
        ("--head", "the request is HEAD"),
        ("-X 's3 cret'", "another method"),
        ("-G -d @s3cret", "names a file"),
        ("-G --data-urlencode a@s3cret", "names a file"),
        ("-H @s3cret", "names a file"),
        ("--unheard-of s3cret", "'--unheard-of' is no option of curl"),
        ("-~s3cret", "'-~' is no option"),
        ("--s3cret=a", "is no option"),
        ("--silent=s3cret", "--silent takes no value"),
        ("--pinnedpubkey s3cret", "--pinnedpubkey cannot be carried out"),
        ("--aws-sigv4 s3cret", "--aws-sigv4 cannot"),
        ("--ntlm", "--ntlm cannot"),
        ("-K s3cret", "--config cannot"),
        ("-E c.pem:s3cret", "--cert holds a password"),
        ("--cert-type P12", "no PEM file"),
        ("--resolve s3cret", "--resolve is not HOST:PORT:ADDRESS"),
        ("-b one -b two", "several files"),
        ("-H", "-H needs a value"),
        ("--proto =https", "--proto forbids http"),
        ("'http://h/[1-3]'", "holds a pattern"),
        ("'http://h/{a,b}'", "holds a pattern"),
    ],
)  # fmt: skip
def test_what_is_refused(arguments: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        one(arguments)
    assert told in str(caught.value)
    assert caught.value.code == 2
    assert "s3cret" not in str(caught.value).replace("'--s3cret'", "")


def test_a_command_without_a_url() -> None:
    with pytest.raises(UsageError, match="names no URL"):
        requests("curl -H 'A: b'")


def test_many_letters_and_many_words() -> None:
    assert one("-" + "k" * 1_000_000).values == {"insecure": True}
    assert one("-k " * 100_000).values == {"insecure": True}


WORDS = st.lists(st.one_of(st.sampled_from(["-H", "-b", "--url", "-X", "-sk", "--next", "-o", "--", "-x"]), st.text()))


@settings(deadline=None)
@given(WORDS)
def test_any_words_are_requests_or_an_error(words: list[str]) -> None:
    from fastdl.core.curl.words import Command

    try:
        found = requests_of([Command(1, words)])
    except UsageError as error:
        assert re.match(r"line 1: ", error.what)
        return
    assert all(request.url for request in found)
