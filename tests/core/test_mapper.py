"""The normal form, routes, the cache: nothing odd is mapped, and nothing is mapped to anywhere odd."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from cachetools import LRUCache
from hypothesis import given
from hypothesis import strategies as st

from fastdl.core.mapper import Mapper
from fastdl.core.normal_form import LONGEST, Normal, normal_form
from fastdl.core.pack import Limits, Pack
from fastdl.core.route import Route
from fastdl.core.route_cache import RouteCache, route_weight
from fastdl.core.rules import DigestPlace, Mirror, Pattern, Rule, When, Where
from fastdl.io.rules_file import load_pack, route_cache

ORIGIN = "https://origin.example.org/files/"
LIMITS = Limits(("evil.example",), (".sig", ".sha256"), frozenset({"sha256sums"}), frozenset({"latest", "nightly"}))


def mirror(name: str, template: str, trust: str = "official", **more: Any) -> Mirror:
    return Mirror(name, "Op", "DE", template, (), trust, True, trust != "alias")._replace(**more)


def rule(*mirrors: Mirror, **more: Any) -> Rule:
    pattern = Pattern("file", r"https?://origin\.example\.org/files/(?P<path>[^?#]+)", "/files/", "download=1")
    return Rule("files", "Files", ("origin.example.org",), (pattern,), mirrors, ())._replace(**more)


def mapper(*rules: Rule, cache: RouteCache | None = None) -> Mapper:
    return Mapper(Pack({}, {}, {}, LIMITS).changed({rule.id: rule for rule in rules}), cache)


def urls(route: Route) -> list[str]:
    return [candidate.url for candidate in route.candidates]


M = mirror("m", "https://m.example.com/pub/{path}")
REAL = Mapper(load_pack())


# --- the normal form -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://example.org/a", Normal("https", "example.org", "/a", None)),
        ("HTTPS://EXAMPLE.org:443/A%20b?q=1#frag", Normal("https", "example.org", "/A%20b", "q=1")),
        ("http://example.org:80", Normal("http", "example.org", "/", None)),
        ("https://example.org/a?", Normal("https", "example.org", "/a", "")),
        ("https://example.org/@scope/x~y/%C3%A9!$&'()*+,;=:", None),
    ],
)
def test_normal_form(text: str, normal: Normal | None) -> None:
    found = normal_form(text)
    assert isinstance(found, Normal)
    if normal is not None:
        assert found == normal


@pytest.mark.parametrize(
    "text",
    [
        "", "example.org/a", "https:example.org/a", "https:/example.org/a", "https:///a", "ftp://example.org/a",
        "https://example.org:8443/a", "https://example.org:/a", "https://example.org:0443/a", "http://example.org:443/a",
        "https://u@example.org/a", "https://@example.org/a", "https://example.org./a", "https://.example.org/a",
        "https://ex_ample.org/a", "https://localhost/a", "https://192.0.2.1/a", "https://[2001:db8::1]/a",
        "https://example.org/a b", "https://example.org/a\tb", "https://example.org/a\\b", "https://example.org/é",
        "https://example.org/{a}", "https://example.org/a|b", "https://example.org/<a>", "https://example.org/a^b",
        "https://example.org/%", "https://example.org/%4", "https://example.org/%zz", "https://example.org/%2f",
        "https://example.org/%5C", "https://example.org/%00", "https://example.org/%25", "https://example.org/%7f",
        "https://example.org/%41", "https://example.org/%2e%2e/a", "https://example.org/a//b", "https://example.org//a",
        "https://example.org/./a", "https://example.org/a/..", "https://example.org/a/../b", " https://example.org/a",
        "https://example.org/a\n", "https://example.org/" + "a" * LONGEST, "https://exam\u200bple.org/a", "\ud800",
    ],
)  # fmt: skip
def test_not_normal(text: str) -> None:
    fault = normal_form(text)
    assert isinstance(fault, str) and fault
    route = mapper(rule(M)).route(text)
    assert route.rule is None and route.candidates == () and route.digests == () and route.embedded is None


# --- routes ----------------------------------------------------------------------------------------------


def test_a_route() -> None:
    route = mapper(rule(M)).route("https://Origin.Example.org:443/files/a/b%20c.zip#x")
    assert route.url == "https://Origin.Example.org:443/files/a/b%20c.zip#x"
    assert (route.rule, route.ecosystem, route.mutable) == ("files/file", "files", False)
    (candidate,) = route.candidates
    assert candidate.url == "https://m.example.com/pub/a/b%20c.zip"
    assert (candidate.host, candidate.trust, candidate.mirror_id) == ("m.example.com", "official", "files/m")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://other.example.org/files/a", "host"),
        ("https://origin.example.org/other/a", "form"),
        (ORIGIN + "a?token=x", "form"),
        (ORIGIN + "a?", "form"),
        (ORIGIN + "folder/", "folder"),
        (ORIGIN + "a.zip.SIG", "signatures"),
        (ORIGIN + "a.zip.sha256", "signatures"),
        (ORIGIN + "SHA256SUMS", "signatures"),
        (ORIGIN + "index.db", "indexes"),
    ],
)
def test_what_stays_with_the_origin(url: str, why: str) -> None:
    route = mapper(rule(M, skip=r"\.db$")).route(url)
    assert route.candidates == () and why in route.why


def test_a_query_that_the_rule_lists_is_dropped() -> None:
    assert urls(mapper(rule(M)).route(ORIGIN + "a.zip?download=1")) == ["https://m.example.com/pub/a.zip"]


@pytest.mark.parametrize("path", ["latest/a.zip", "nightly/x/a.zip", "tool-latest.zip", "Tool_LATEST_x64.exe"])
def test_what_moves_stays_with_the_origin(path: str) -> None:
    route = mapper(rule(M)).route(ORIGIN + path)
    assert route.mutable and route.candidates == () and route.rule == "files/file"
    fixed = rule(M)
    pattern = fixed.patterns[0]._replace(fixed=True)
    assert mapper(fixed._replace(patterns=(pattern,))).route(ORIGIN + path).candidates


def test_words_that_only_look_like_latest() -> None:
    assert not mapper(rule(M)).route(ORIGIN + "latestnews/greatest.zip").mutable


def test_mutable_patterns_have_no_mirrors_unless_they_are_named() -> None:
    changing = Pattern("file", rule().patterns[0].regex, mutable=True)
    route = mapper(rule(M, patterns=(changing,))).route(ORIGIN + "a.zip")
    assert route.mutable and route.candidates == ()
    assert mapper(rule(M._replace(patterns=("file",)), patterns=(changing,))).route(ORIGIN + "a.zip").candidates


def test_classes_come_in_the_order_of_trust_without_duplicates() -> None:
    mirrors = (
        mirror("c", "https://c.example.com/{path}", "third-party"),
        mirror("b", "https://b.example.com/{path}"),
        mirror("twin", "https://b.example.com/{path}"),
        mirror("a", "https://a.example.com/{path}", "alias"),
        mirror("self", ORIGIN + "{path}", "alias"),
    )
    route = mapper(rule(*mirrors)).route(ORIGIN + "x")
    assert [candidate.mirror_id for candidate in route.candidates] == ["files/a", "files/b", "files/c"]


def test_https_is_never_mapped_to_http() -> None:
    plain = mirror("plain", "http://h.example.com/{path}", "alias")
    assert urls(mapper(rule(plain)).route(ORIGIN + "x")) == []
    assert urls(mapper(rule(plain)).route("http://origin.example.org/files/x")) == ["http://h.example.com/x"]


def test_forbidden_hosts_are_never_candidates() -> None:
    assert urls(mapper(rule(mirror("e", "https://cdn.evil.example/{path}"))).route(ORIGIN + "x")) == []


def test_lookup_only_needs_and_requires() -> None:
    by_table = mirror("t", "https://t.example.com/{cat}/{path}", lookup=("cat", "{path}", {"x": "@team/x"}))
    chosen = mirror("o", "https://o.example.com/{path}", only=(("{path}", frozenset({"x"})),))
    needy = mirror("n", "https://n.example.com/{title|quote}", needs=("title",))
    strict = mirror("r", "https://r.example.com/{path}", requires=("other",))
    found = mapper(rule(by_table, chosen, needy, strict))
    assert urls(found.route(ORIGIN + "x")) == ["https://t.example.com/@team/x/x", "https://o.example.com/x"]
    assert urls(found.route(ORIGIN + "y")) == []
    assert urls(found.route(ORIGIN + "y", known={"title": "A b/c"})) == []  # %2F is not normal
    assert urls(found.route(ORIGIN + "y", known={"title": "A b"})) == ["https://n.example.com/A%20b"]


def test_a_url_inside_a_path() -> None:
    proxy = mirror("p", "https://p.example.com/https://origin.example.org/files/{path}", "third-party")
    assert urls(mapper(rule(proxy)).route(ORIGIN + "x")) == ["https://p.example.com/https://origin.example.org/files/x"]


def test_a_secret_maps_nothing_but_keeps_the_digest_of_the_url() -> None:
    place = DigestPlace("url", "in_url", "sha256", "hex", value="{path}")
    side = DigestPlace("side", "side_file", "sha256", "hex", url=ORIGIN + "{path}.sha256")
    found = mapper(rule(M, digests=(place, side)))
    route = found.route(ORIGIN + "ab" * 32, private=True)
    assert route.candidates == () and route.digests == () and route.rule is None and "secret" in route.why
    assert route.embedded is not None and route.embedded.hex == "ab" * 32


def test_digest_places() -> None:
    place = DigestPlace(
        "api", "json_api", "sha256", "hex",
        url="https://api.example.org/{version}", alternatives=("https://api.example.org/all",),
        json_path=("files", Where("name", "{path|unquote}"), "sha256"), size_path=("size",),
        when=(When("{path}", r"(?P<version>[0-9]+)/(?P<rest>.+)", (("kind", "v{version}"),)),),
        body={"paths": ["{rest}"]}, confirm=(("url",), "/{rest}"), match=r"{rest}: ([0-9a-f]{64})", entry="{rest}",
    )  # fmt: skip
    found = mapper(rule(digests=(place,)))
    assert found.route(ORIGIN + "x/a.zip").digests == ()
    (look,) = found.route(ORIGIN + "12/a%20(1).zip").digests
    assert look.url == "https://api.example.org/12" and look.alternatives == ("https://api.example.org/all",)
    assert look.json_path == ("files", Where("name", "12/a (1).zip"), "sha256")
    assert look.names["kind"] == "v12" and look.names["version"] == "12"
    assert look.body == {"paths": ["a%20(1).zip"]} and look.confirm == (("url",), "/a%20(1).zip")
    assert look.match == r"a%20\(1\)\.zip: ([0-9a-f]{64})" and look.entry == "a%20(1).zip"


def test_the_usual_entry_is_the_decoded_file_name() -> None:
    place = DigestPlace("sums", "sums_file", "sha256", "hex", url="{url|dirname}/SHA256SUMS")
    (look,) = mapper(rule(digests=(place,))).route("http://origin.example.org/files/v1/a%20b.zip").digests
    assert look.url == "https://origin.example.org/files/v1/SHA256SUMS" and look.entry == "a b.zip"


def test_look_ups_over_plain_http_are_none() -> None:
    place = DigestPlace("side", "side_file", "sha256", "hex", url="http://origin.example.org/{path}.sha256")
    assert mapper(rule(digests=(place,))).route(ORIGIN + "a").digests == ()


@pytest.mark.parametrize("path", ["ab", "zz" * 32, "ab" * 33])
def test_a_digest_in_the_url_has_the_right_length(path: str) -> None:
    place = DigestPlace("url", "in_url", "sha256", "hex", value="{path}")
    assert mapper(rule(digests=(place,))).route(ORIGIN + path).embedded is None


def test_special_rules_come_first() -> None:
    route = REAL.route("https://github.com/electron/electron/releases/download/v33.2.0/electron-v33.2.0-linux-x64.zip")
    assert route.ecosystem == "electron"
    assert {look.id.partition("/")[0] for look in route.digests} == {"electron", "github-release"}


def test_redirectors_say_so() -> None:
    route = REAL.route("https://github.com/o/r/releases/latest/download/x.zip")
    assert route.resolve and route.mutable and route.candidates == ()


# --- the cache -------------------------------------------------------------------------------------------


def test_the_cache_counts_and_is_bounded() -> None:
    cache = route_cache(entries=3, size=1 << 20)
    found = mapper(rule(M), cache=cache)
    for name in ("a", "b", "c", "d", "e"):
        found.route(ORIGIN + name)
    assert len(cache) == 3 and (cache.hits, cache.misses) == (0, 5)
    assert found.route(ORIGIN + "e#frag").url == ORIGIN + "e#frag"
    assert (cache.hits, cache.misses) == (1, 5)
    assert found.route("HTTPS://ORIGIN.example.org/files/e") == found.route(ORIGIN + "e")._replace(
        url="HTTPS://ORIGIN.example.org/files/e"
    )


def test_the_cache_is_bounded_in_bytes() -> None:
    route = mapper(rule(M)).route(ORIGIN + "a")
    room = route_weight(route) * 2 + 10
    cache = route_cache(entries=1000, size=room)
    found = mapper(rule(M), cache=cache)
    for name in "abcdef":
        found.route(ORIGIN + name)
    assert len(cache) == 2
    found.route(ORIGIN + "x" * 1000)  # larger than all the room: not kept, nothing lost
    assert len(cache) == 2


@pytest.mark.parametrize("url", [ORIGIN + "a?download=1", ORIGIN + "a?token=x", "https://other.example.org/t/secret"])
def test_what_may_hold_a_secret_is_not_kept(url: str) -> None:
    store: LRUCache[str, Route] = LRUCache(100)
    found = mapper(rule(M), cache=RouteCache(store, threading.Lock()))
    found.route(url)
    found.route(ORIGIN + "private.zip", private=True)
    found.route(ORIGIN + "known.zip", known={"a": "b"})
    assert not store


# --- properties ------------------------------------------------------------------------------------------

HOSTS = sorted({host.replace("*", "de") for found in REAL.pack.rules() for host in found.hosts})
TEMPLATE_HOSTS = {mirror.host for found in REAL.pack.rules() for mirror in found.mirrors}
SIGNS = st.text(st.sampled_from("abcv019.-_/%2Fe@+!~:;=&?#\\ {}\n$") | st.characters(), max_size=60)


def check(text: str) -> None:
    route = REAL.route(text)
    normal = normal_form(text)
    assert route.url == text and route.why
    if isinstance(normal, str):
        assert route.rule is None and not route.candidates and not route.digests
    for candidate in route.candidates:
        authority = candidate.url.partition("://")[2].partition("/")[0]
        assert authority == candidate.host and candidate.host in TEMPLATE_HOSTS
        assert candidate.url.isascii() and candidate.url.isprintable() and " " not in candidate.url
        assert "?" not in candidate.url and "#" not in candidate.url and "{" not in candidate.url
        assert "/../" not in candidate.url and not candidate.url.endswith("/..")
    for look in route.digests:
        assert look.url.startswith("https://") and look.url.isascii() and look.url.isprintable()


@given(st.text())
def test_any_text(text: str) -> None:
    check(text)


@given(st.sampled_from(HOSTS), SIGNS)
def test_any_path_of_a_known_host(host: str, path: str) -> None:
    check(f"https://{host}/{path}")


SHAPES = (
    "https://github.com/o/r/releases/download/{}/{}",
    "https://github.com/git-for-windows/git/releases/download/{}/{}",
    "https://download.qt.io/official_releases/{}/{}",
    "https://registry.npmjs.org/{}/-/{}-1.0.0.tgz",
    "https://storage.googleapis.com/flutter_infra_release/releases/{}/{}",
    "https://huggingface.co/o/r/resolve/{}/{}",
    "https://mirrors.ctan.org/{}/{}",
    "https://archive.org/download/{}/{}",
)


@given(st.sampled_from(SHAPES), SIGNS, SIGNS)
def test_any_capture(shape: str, one: str, two: str) -> None:
    check(shape.format(one, two))
