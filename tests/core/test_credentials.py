"""Which header goes where: the table of invariant 5, then what the parsers take and refuse."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastdl import __version__
from fastdl.core.cookies import Cookie, CookieJar, parse_cookie_file, parse_set_cookie
from fastdl.core.credentials import Credentials, NetrcEntry, basic
from fastdl.core.urls import parse_url
from fastdl.errors import UsageError

NOW = 1_700_000_000.0
GIVEN = "http://a.example/file"

SECRETS = {
    "-u": {"user": ("ann", "pw")},
    "-H": {"headers": [("X-Key", "pw")]},
    "-H Cookie": {"headers": [("Cookie", "pw")]},
    "-H User-Agent": {"headers": [("User-Agent", "pw")]},
    "-H Host": {"headers": [("Host", "pw")]},
    "--bearer-env": {"bearer": "pw"},
    "-e with a token": {"referer": "https://a.example/?token=pw"},
    "netrc default": {"netrc": [NetrcEntry(None, "ann", "pw")]},
}


def sent(credentials: Credentials, url: str, given_for: str | None) -> dict[str, str]:
    """Header names (lower-case) and values that go to `url`; a repeated name would fail."""
    origin = None if given_for is None else parse_url(given_for)
    pairs = credentials.headers_for(parse_url(url), origin, NOW)
    headers = {name.lower(): value for name, value in pairs}
    assert len(headers) == len(pairs)
    return headers


def shows(headers: dict[str, str], secret: str = "pw") -> bool:
    """Whether the secret is among the values, plain or in base64."""
    coded = base64.b64encode(f"ann:{secret}".encode()).decode()
    return any(secret in value or coded in value for value in headers.values())


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("url", "given_for", "goes"),
    [
        ("http://a.example/file", GIVEN, True),
        ("http://a.example/other?x=1", GIVEN, True),
        ("https://a.example/file", GIVEN, True),  # the one exception: http to https, both default ports
        ("https://a.example:8443/file", GIVEN, False),
        ("http://a.example:8080/file", GIVEN, False),
        ("http://sub.a.example/file", GIVEN, False),
        ("https://b.example/file", GIVEN, False),
        ("http://a.example/file", "https://a.example/file", False),
        ("https://a.example/file", "http://a.example:8080/file", False),
        ("http://a.example/file", None, False),  # a mirror, even at the same host
    ],
)
def test_a_secret_goes_only_to_the_origin_that_it_was_given_for(
    secret: str, url: str, given_for: str | None, goes: bool
) -> None:
    assert shows(sent(Credentials(**SECRETS[secret]), url, given_for)) is goes


def test_userinfo_goes_to_its_own_origin() -> None:
    given_for = "http://ann:pw@a.example/file"
    assert sent(Credentials(), "http://a.example/x", given_for)["authorization"] == basic("ann", "pw")
    assert sent(Credentials(), "https://a.example/x", given_for)["authorization"] == basic("ann", "pw")
    assert "authorization" not in sent(Credentials(), "http://b.example/x", given_for)


def test_userinfo_in_a_mirrors_own_url_goes_to_that_mirror() -> None:
    credentials = Credentials(user=("eve", "other"))
    assert sent(credentials, "http://ann:pw@m.example/file", None)["authorization"] == basic("ann", "pw")


def test_public_headers_go_everywhere() -> None:
    expected = {"user-agent": f"fastdl/{__version__}", "accept": "*/*", "accept-encoding": "identity"}
    assert sent(Credentials(), "http://m.example/", None) == expected
    credentials = Credentials(user_agent="me/1", referer="https://ann:pw@r.example/page#part")
    named = sent(credentials, "http://m.example/", None)
    assert named["user-agent"] == "me/1"
    assert named["referer"] == "https://r.example/page"


def test_an_empty_user_agent_is_not_sent() -> None:
    assert "user-agent" not in sent(Credentials(user_agent=""), GIVEN, GIVEN)


def test_a_users_header_replaces_the_default_for_its_origin_alone() -> None:
    credentials = Credentials(headers=[("accept", "text/x"), ("Host", "virtual.example")], user_agent="me/1")
    at_home = sent(credentials, GIVEN, GIVEN)
    assert at_home["accept"] == "text/x"
    assert at_home["host"] == "virtual.example"
    abroad = sent(credentials, "http://b.example/", GIVEN)
    assert abroad["accept"] == "*/*"
    assert "host" not in abroad


def test_repeated_and_empty_headers_are_kept() -> None:
    credentials = Credentials(headers=[("X-A", "1"), ("X-A", "2"), ("X-B", "")])
    pairs = credentials.headers_for(parse_url(GIVEN), parse_url(GIVEN), NOW)
    assert [pair for pair in pairs if pair[0].startswith("X-")] == [("X-A", "1"), ("X-A", "2"), ("X-B", "")]


def test_precedence_of_logins() -> None:
    netrc = [NetrcEntry("a.example", "net", "n")]
    with_userinfo = "http://info:i@a.example/"
    own_header = Credentials(headers=[("Authorization", "Own x")], user=("flag", "f"), netrc=netrc)
    assert sent(own_header, with_userinfo, with_userinfo)["authorization"] == "Own x"
    assert sent(Credentials(user=("flag", "f"), netrc=netrc), with_userinfo, with_userinfo)["authorization"] == basic(
        "flag", "f"
    )
    assert sent(Credentials(netrc=netrc), with_userinfo, with_userinfo)["authorization"] == basic("info", "i")
    assert sent(Credentials(netrc=netrc), GIVEN, GIVEN)["authorization"] == basic("net", "n")
    assert sent(Credentials(bearer="t0k"), with_userinfo, with_userinfo)["authorization"] == "Bearer t0k"


def test_a_user_without_password_in_the_url_finds_it_in_netrc() -> None:
    netrc = [NetrcEntry("a.example", "bob", "b"), NetrcEntry("a.example", "ann", "a")]
    url = "http://ann@a.example/"
    assert sent(Credentials(netrc=netrc), url, url)["authorization"] == basic("ann", "a")
    assert sent(Credentials(), url, url)["authorization"] == basic("ann", "")


@pytest.mark.parametrize(
    ("url", "given_for", "goes"),
    [
        ("https://login.example/", "https://login.example/", True),
        ("http://login.example/", "http://login.example/", True),
        ("https://login.example/", "https://a.example/", True),  # a redirect to the host that netrc names
        ("http://login.example/", "http://a.example/", False),  # but never in the clear for a stranger's redirect
        ("https://x.login.example/", "https://a.example/", False),
        ("https://login.example/", None, False),
    ],
)
def test_netrc_goes_by_its_host(url: str, given_for: str | None, goes: bool) -> None:
    credentials = Credentials(netrc=[NetrcEntry("login.example", "ann", "pw")])
    assert shows(sent(credentials, url, given_for)) is goes


def test_login_for_digest_follows_the_same_rules() -> None:
    a, b = parse_url("https://a.example/"), parse_url("https://b.example/")
    assert Credentials(user=("ann", "pw")).login_for(a, a) == ("ann", "pw")
    assert Credentials(user=("ann", "pw")).login_for(b, a) is None
    assert Credentials(user=("ann", "pw")).login_for(a, None) is None


@pytest.mark.parametrize("given", [*SECRETS, "cookie", "userinfo", "netrc host"])
def test_has_secrets(given: str) -> None:
    url = "http://ann:pw@a.example/" if given == "userinfo" else GIVEN
    if given == "cookie":
        credentials = Credentials(cookies=CookieJar([Cookie("a", "b", "a.example", True)]))
    elif given == "netrc host":
        credentials = Credentials(netrc=[NetrcEntry("a.example", "ann", "pw")])
    else:
        credentials = Credentials(**SECRETS.get(given, {}))
    assert credentials.has_secrets(parse_url(url), NOW) is (given != "-e with a token")


def test_nothing_given_is_no_secret() -> None:
    credentials = Credentials(
        user_agent="x", referer="http://r.example/", netrc=[NetrcEntry("b.example", "ann", "pw")],
        cookies=CookieJar([Cookie("a", "b", "b.example", True)]),
    )  # fmt: skip
    assert not credentials.has_secrets(parse_url(GIVEN), NOW)


def test_basic_is_utf_8() -> None:
    assert basic("Ärger", "päss:wort") == "Basic " + base64.b64encode("Ärger:päss:wort".encode()).decode()


@pytest.mark.parametrize(("name", "password"), [("a:b", "x"), ("a\n", "x"), ("a", "x\0"), ("a", "x\r\nY: z")])
def test_logins_that_basic_cannot_carry(name: str, password: str) -> None:
    with pytest.raises(UsageError):
        Credentials(user=(name, password))


def test_two_ways_of_authentication_are_refused() -> None:
    with pytest.raises(UsageError, match="exclude"):
        Credentials(user=("a", "b"), bearer="c")


@pytest.mark.parametrize(
    "name", ["Range", "if-range", "Content-Length", "TRANSFER-ENCODING", "Accept-Encoding", "Connection", "Upgrade"]
)
def test_headers_that_are_ours_are_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Credentials(headers=[(name, "hush")])


@pytest.mark.parametrize("value", ["hush\r\nX: y", "hush\n", "hush\0", "hush\x1b[2J", "hush\x7f"])
def test_control_characters_are_refused_without_showing_the_value(value: str) -> None:
    for make in (
        lambda: Credentials(headers=[("X-Key", value)]),
        lambda: Credentials(user_agent=value),
        lambda: Credentials(referer=value),
        lambda: Credentials(bearer=value),
    ):
        with pytest.raises(UsageError) as caught:
            make()
        assert "hush" not in str(caught.value)
        assert any(name in str(caught.value) for name in ("X-Key", "User-Agent", "Referer", "Authorization"))


@pytest.mark.parametrize("name", ["", "Bad hush", "X\r\nhush", "Ü", "a:hush"])
def test_invalid_names_are_refused_without_showing_what_follows(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        Credentials(headers=[(name, "hush")])
    assert "\n" not in str(caught.value)
    if " " in name or "\r" in name:
        assert "hush" not in str(caught.value)


def test_text_beyond_latin_1_goes_out_as_utf_8_octets() -> None:
    assert sent(Credentials(headers=[("X-A", "\u4e16")]), GIVEN, GIVEN)["x-a"] == "\u4e16".encode().decode("latin-1")
    assert sent(Credentials(headers=[("X-A", "\xc3\xa4")]), GIVEN, GIVEN)["x-a"] == "\xc3\xa4"  # octets already
    assert sent(Credentials(user_agent="ä"), GIVEN, GIVEN)["user-agent"] == "\xc3\xa4"


def test_repr_shows_nothing() -> None:
    credentials = Credentials(user=("ann", "hush"), bearer=None, headers=[("X", "hush")])
    assert "hush" not in repr(credentials)
    assert "hush" not in repr(NetrcEntry("a", "b", "hush"))
    assert "hush" not in repr(Cookie("a", "hush", "b", True))


@given(st.text(), st.text())
def test_every_header_is_sent_whole_or_refused(name: str, value: str) -> None:
    try:
        pairs = Credentials(headers=[(name, value)]).headers_for(parse_url(GIVEN), parse_url(GIVEN), NOW)
    except UsageError:
        return
    line = "\r\n".join(f"{key}: {text}" for key, text in pairs).encode("latin-1")
    assert line.count(b"\n") == len(pairs) - 1
    assert b"\0" not in line


# --- cookies ---------------------------------------------------------------------------------------------


def cookie(url: str, *cookies: Cookie, now: float = NOW) -> str | None:
    return CookieJar(cookies).header(parse_url(url), now)


@pytest.mark.parametrize(
    ("domain", "host_only", "host", "goes"),
    [
        ("a.example", True, "a.example", True),
        ("a.example", True, "b.a.example", False),
        ("a.example", False, "b.a.example", True),
        ("a.example", False, "c.b.a.example", True),
        ("a.example", False, "ba.example", False),
        ("a.example", False, "example", False),
        ("1.2.3", False, "9.1.2.3", False),  # an address is below nothing
        ("9.1.2.3", False, "9.1.2.3", True),
    ],
)
def test_domains(domain: str, host_only: bool, host: str, goes: bool) -> None:
    found = cookie(f"http://{host}/", Cookie("n", "v", domain, host_only))
    assert found == ("n=v" if goes else None)


@pytest.mark.parametrize(
    ("path", "target", "goes"),
    [("/", "/x", True), ("/a", "/a", True), ("/a", "/a/b", True), ("/a/", "/a/b", True), ("/a", "/ab", False),
     ("/a/", "/a", False), ("/a", "/a?q", True), ("/b", "/a/b", False)],
)  # fmt: skip
def test_paths(path: str, target: str, goes: bool) -> None:
    found = cookie(f"http://a.example{target}", Cookie("n", "v", "a.example", True, path))
    assert found == ("n=v" if goes else None)


def test_secure_and_expiry() -> None:
    secure = Cookie("n", "v", "a.example", True, secure=True)
    assert cookie("http://a.example/", secure) is None
    assert cookie("https://a.example/", secure) == "n=v"
    assert cookie("http://a.example/", Cookie("n", "v", "a.example", True, expires=NOW)) is None
    assert cookie("http://a.example/", Cookie("n", "v", "a.example", True, expires=NOW + 1)) == "n=v"


def test_longest_path_first_and_the_header_is_bounded() -> None:
    short, long = Cookie("s", "1", "a.example", True), Cookie("l", "2", "a.example", True, "/d")
    assert cookie("http://a.example/d/x", short, long) == "l=2; s=1"
    many = [Cookie(f"n{n}", "v" * 1000, "a.example", True) for n in range(50)]
    assert len(cookie("http://a.example/", *many) or "") <= 8190


def test_cookies_join_the_users_own_in_one_header() -> None:
    jar = CookieJar([Cookie("n", "v", "a.example", True)])
    credentials = Credentials(headers=[("Cookie", "own=1")], cookies=jar)
    assert sent(credentials, GIVEN, GIVEN)["cookie"] == "own=1; n=v"
    assert sent(credentials, "http://b.example/", GIVEN).get("cookie") is None
    assert sent(credentials, GIVEN, None).get("cookie") is None


def test_a_login_redirect_that_sets_a_cookie() -> None:
    credentials = Credentials()
    login = parse_url("https://login.example/enter?x")
    credentials.store_cookies(login, ["sid=1; Domain=example.org", "sid=2; Path=/; HttpOnly; Secure"], NOW)
    assert sent(credentials, "https://login.example/file", "https://a.example/")["cookie"] == "sid=2"
    assert "cookie" not in sent(credentials, "https://a.example/", "https://a.example/")
    assert credentials.has_secrets(login, NOW)


@pytest.mark.parametrize(
    ("url", "header", "expected"),
    [
        ("http://b.a.example/d/x", "n=v", Cookie("n", "v", "b.a.example", True, "/d")),
        ("http://b.a.example/x", "n=v", Cookie("n", "v", "b.a.example", True, "/")),
        ("http://b.a.example/", 'n="q v" ; path=/p', Cookie("n", '"q v"', "b.a.example", True, "/p")),
        ("http://b.a.example/", "n=v; Domain=.A.Example", Cookie("n", "v", "a.example", False)),
        ("http://b.a.example/", "n=v; domain=b.a.example", Cookie("n", "v", "b.a.example", False)),
        ("http://b.a.example/", "n=v; domain=c.example", None),
        ("http://b.a.example/", "n=v; domain=example", None),
        ("http://1.2.3.4/", "n=v; domain=1.2.3.4", Cookie("n", "v", "1.2.3.4", True)),
        ("http://1.2.3.4/", "n=v; domain=3.4", None),
        ("http://a.example/", "n=v; Secure", None),
        ("https://a.example/", "n=v; Secure", Cookie("n", "v", "a.example", True, secure=True)),
        ("https://a.example/", "__Host-n=v; Secure; Path=/", Cookie("__Host-n", "v", "a.example", True, secure=True)),
        ("https://a.example/", "__Host-n=v; Secure; Path=/; Domain=a.example", None),
        ("https://a.example/", "__Secure-n=v", None),
        ("http://a.example/", "n=v; Max-Age=10", Cookie("n", "v", "a.example", True, expires=NOW + 10)),
        ("http://a.example/", "n=v; Max-Age=0; Expires=Wed, 01 Jan 2070 00:00:00 GMT",
         Cookie("n", "v", "a.example", True, expires=NOW)),
        ("http://a.example/", "n=v; Expires=Sunday, 06-Nov-94 08:49:37 GMT",
         Cookie("n", "v", "a.example", True, expires=784111777.0)),
        ("http://a.example/", "n=v; Expires=Sun Nov  6 08:49:37 1994",
         Cookie("n", "v", "a.example", True, expires=784111777.0)),
        ("http://a.example/", "n=v; Expires=32 Nov 2030 99:99:99", Cookie("n", "v", "a.example", True)),
        ("http://a.example/", "no pair", None),
        ("http://a.example/", "=v", None),
        ("http://a.example/", "n=v\x1b[2J", None),
        ("http://a.example/", "n=" + "v" * 5000, None),
    ],
)  # fmt: skip
def test_set_cookie(url: str, header: str, expected: Cookie | None) -> None:
    assert parse_set_cookie(header, parse_url(url), NOW) == expected


def test_a_server_deletes_a_cookie_and_the_jar_is_bounded() -> None:
    url = parse_url("http://a.example/")
    jar = CookieJar([Cookie("n", "v", "a.example", True)])
    jar.store(url, ["n=; Max-Age=0"], NOW)
    assert jar.header(url, NOW) is None
    jar.store(url, [f"k{n}=v" for n in range(1000)], NOW)
    names = (jar.header(url, NOW) or "").split("; ")
    assert "k999=v" in names
    assert "k1=v" not in names


@given(st.text(st.characters(max_codepoint=255)))
def test_any_set_cookie_is_taken_or_left_out(header: str) -> None:
    url = parse_url("https://a.example/x")
    jar = CookieJar()
    jar.store(url, [header], NOW)
    assert not set("\r\n\0") & set(jar.header(url, NOW) or "")


def test_netscape_file() -> None:
    text = (
        "# Netscape HTTP Cookie File\r\n\r\n"
        ".a.example\tTRUE\t/\tFALSE\t0\tplain\tv\r\n"
        "#HttpOnly_a.example\tFALSE\t/d\tTRUE\t1800000000\thidden\tw\r\n"
        "a.example\tFALSE\t/\tFALSE\t0\tempty\n"
        "a.example\tFALSE\t/\tfalse\t0\tutf\tä"
    )
    assert parse_cookie_file(text, "f") == [
        Cookie("plain", "v", "a.example", False),
        Cookie("hidden", "w", "a.example", True, "/d", True, 1800000000.0),
        Cookie("empty", "", "a.example", True),
        Cookie("utf", "\xc3\xa4", "a.example", True),
    ]


@pytest.mark.parametrize("wrap", [False, True])
def test_json_file(wrap: bool) -> None:
    entries = [
        {"name": "n", "value": "v", "domain": ".a.example", "path": "/", "secure": True, "expirationDate": 1.8e9},
        {"name": "s", "value": "w", "domain": "a.example", "session": True, "expirationDate": 1},
        {"name": "h", "value": "x", "domain": "a.example", "hostOnly": False, "expires": -1},
    ]
    assert parse_cookie_file(json.dumps({"cookies": entries} if wrap else entries), "f") == [
        Cookie("n", "v", "a.example", False, "/", True, 1.8e9),
        Cookie("s", "w", "a.example", True),
        Cookie("h", "x", "a.example", False),
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("# c\na.example\tTRUE\t/\tFALSE\t0\thush", None),
        ("# c\na.example TRUE / FALSE 0 n hush", "line 2"),
        ("a.example\tmaybe\t/\tFALSE\t0\tn\thush", "line 1"),
        ("a.example\tTRUE\t/\tFALSE\tsoon\tn\thush", "line 1"),
        ("a.example\tTRUE\t/\tFALSE\tnan\tn\thush", "line 1"),
        ("a.example\tTRUE\t/\tFALSE\t0\tn\thush\x1b", "line 1"),
        ("\tTRUE\t/\tFALSE\t0\tn\thush", "line 1"),
        ("[1]", "entry 1"),
        ('[{"name": "n", "value": "hush"}]', "entry 1"),
        ('[{"name": "n", "value": "hush\\n", "domain": "a.example"}]', "entry 1"),
        ('[\n{"name": "hush",', "line 2"),
        ('{"name": "hush"}', "cookies"),
        ("[" * 100_000, "line"),
    ],
)
def test_broken_cookie_files_name_the_place_and_no_value(text: str, place: str | None) -> None:
    if place is None:
        assert parse_cookie_file(text, "f")
        return
    with pytest.raises(UsageError) as caught:
        parse_cookie_file(text, "my.txt")
    assert "my.txt" in str(caught.value)
    assert place in str(caught.value)
    assert "hush" not in str(caught.value)


@given(st.text())
def test_any_cookie_file_is_read_or_refused(text: str) -> None:
    for prefix in ("", "[", "{"):
        try:
            cookies = parse_cookie_file(prefix + text, "f")
        except UsageError:
            continue
        assert all(not set("\r\n\0") & set(found.name + found.value) for found in cookies)
