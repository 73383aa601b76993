"""--cdn, --trust, the user's own rules, and what is never mapped: who is asked, and who is not."""

from __future__ import annotations

import json

import pytest

from internet import places
from internet.behaviour import honest, noticed, text
from internet.places import Published
from internet.world import Host, Throttle, World, bytes_of_mirrors, source, tempting


def crawling(published: Published, mirror: Host) -> None:
    """The origin is slow until the mirror has helped."""
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))


def right(world: World, published: Published, *args: str) -> dict[str, int]:
    """A run with the right file; gives the bytes by host."""
    result = world.get(*args, published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    bytes_by_host: dict[str, int] = {}
    for each in result.json[0]["sources"]:
        bytes_by_host[each["host"]] = bytes_by_host.get(each["host"], 0) + each["bytes"]
    return bytes_by_host


@pytest.mark.parametrize(
    ("ecosystem", "how"), [*((each, ["--no-cdn"]) for each in places.ALL), ("npm", ["--cdn", "off"])]
)
def test_without_mapping(world: World, ecosystem: str, how: list[str]) -> None:
    """Only the origin, and its digest, which is found and checked all the same."""
    published = places.ALL[ecosystem](world, throttle=tempting())
    published.mirror(world, honest(published.data).answer)
    result = world.get(*how, published.url, expected=[published.name])
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) == 0
    assert world.contacted <= published.allowed, "nobody else"
    assert result.json[0]["digest"]["verified"] is True
    assert result.json[0]["digest"]["source"] in published.sources


@pytest.mark.parametrize("ecosystem", ["pypi", "npm"])
def test_others_first(world: World, ecosystem: str) -> None:
    """`prefer`: the mirror gives the larger part, though the origin is as fast."""
    published = places.ALL[ecosystem](world, places.bytes_of(8 << 20), throttle=Throttle(3 << 20))
    mirror = published.mirror(world, honest(published.data, throttle=Throttle(3 << 20)).answer)
    sent = right(world, published, "--cdn", "prefer")
    assert sent[mirror.name] > len(published.data) // 2


def test_others_first_when_there_are_none(world: World) -> None:
    published = places.pypi(world, places.bytes_of(1 << 20))
    right(world, published, "--cdn", "prefer")


def test_others_first_when_they_lie_or_hang(world: World) -> None:
    published = places.pypi(world, places.bytes_of(2 << 20))
    world.mute(published.mirrors[0][0])
    published.mirror(world, honest(places.bytes_of(2 << 20, seed=8)).answer, 1)
    right(world, published, "--cdn", "prefer")


# --- trust ------------------------------------------------------------------------------------------------

_PROXIES = ("xget.xi-xu.me", "gh-proxy.org", "gh-proxy.com", "ghfast.top", "ghproxy.net", "wget.la")


def _proxied(world: World, published: Published, enabled: str = "") -> dict[str, Host]:
    """The proxies for GitHub are all there; one of them is switched on."""
    if enabled:
        world.config.write_text(f'[rules.github-release.mirrors."{enabled}"]\nenabled = true\n', encoding="utf-8")
    path = f"/{published.url}"
    hosts = {host: world.put(host, path, honest(published.data).answer) for host in _PROXIES[1:]}
    hosts[_PROXIES[0]] = world.put(_PROXIES[0], "/gh/", honest(published.data).answer)
    return hosts


def test_a_third_party_only_if_it_is_switched_on(world: World) -> None:
    published = places.github(world)
    proxies = _proxied(world, published, "gh-proxy.org")
    crawling(published, proxies["gh-proxy.org"])
    sent = right(world, published)
    assert sent["gh-proxy.org"] > 0
    assert not world.contacted & (set(_PROXIES) - {"gh-proxy.org"})


def test_no_third_party_by_itself(world: World) -> None:
    published = places.github(world)
    _proxied(world, published)
    published.origin.throttle = tempting()
    right(world, published)
    assert not world.contacted & set(_PROXIES)


def test_official_sources_only(world: World) -> None:
    """A third party that is switched on in the config is not asked; an official mirror is."""
    published = places.github(world)
    _proxied(world, published, "gh-proxy.org")
    crawling(published, published.mirror(world, honest(published.data).answer))
    sent = right(world, published, "--trust", "official")
    assert not world.contacted & set(_PROXIES)
    assert sent[published.mirrors[0][0]] > 0


def test_any_source_that_is_listed(world: World) -> None:
    published = places.github(world)
    others = ("npmmirror-binary", "npmmirror-cdn", "tuna", "ustc")  # with them there are more than one download tries
    off = [f"[rules.github-release.mirrors.{name}]\nenabled = false\n" for name in others]
    world.config.write_text("".join(off), encoding="utf-8")
    crawling(published, world.put("ghfast.top", f"/{published.url}", honest(published.data).answer))
    result = world.get("--trust", "any", published.url)
    assert result.code == 0, result.err
    assert source(result, "ghfast.top")["bytes"] > 0
    assert source(result, "ghfast.top")["trust"] == "third-party"


def test_any_source_even_without_a_digest_with_a_warning(world: World) -> None:
    published = places.npm(world)
    world.put(*published.lookup, text("no", 404))
    crawling(published, published.mirror(world, honest(published.data).answer))
    result = world.get("--trust", "any", published.url)
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) > 0
    assert any(line.startswith("fastdl: warning: ") for line in result.err.splitlines()), result.err


# --- the user's own rules ---------------------------------------------------------------------------------


def test_a_mirror_of_the_users_own(world: World) -> None:
    published = places.pypi(world)
    world.config.write_text(
        "[rules.pypi]\nbuiltin-mirrors = false\n\n[rules.pypi.mirrors.company]\n"
        'url = "https://nexus.example.com/python/{h1}/{h2}/{h3}/{file}"\n',
        encoding="utf-8",
    )
    path = "/python" + published.url.partition("/packages")[2]
    company = world.put("nexus.example.com", path, honest(published.data).answer)
    crawling(published, company)
    sent = right(world, published)
    assert sent["nexus.example.com"] > 0
    assert world.contacted <= published.allowed | {"nexus.example.com"}


def test_a_mirror_that_is_switched_off(world: World) -> None:
    published = places.npm(world)
    world.config.write_text("[rules.npm.mirrors.npmmirror]\nenabled = false\n", encoding="utf-8")
    first, second = (published.mirror(world, honest(published.data).answer, n) for n in (0, 1))
    crawling(published, second)
    right(world, published)
    assert not first.visits
    assert second.visits


def test_a_rule_that_is_switched_off(world: World) -> None:
    published = places.npm(world, throttle=tempting())
    world.config.write_text("[rules.npm]\nenabled = false\n", encoding="utf-8")
    right(world, published)
    assert world.contacted == published.hosts
    assert [visit.path for visit in world.visits if "-" not in visit.path] == [], "no look-up either"


_OWN = """
[rules.tools]
match = "https://tools.example.org/releases/{version}/{file}"

[rules.tools.mirrors.berlin]
url = "https://berlin.example.com/tools/{version}/{file}"

[rules.tools.mirrors.twin]
url = "https://twin.tools.example.org/releases/{version}/{file}"
trust = "alias"

[rules.tools.digests.sums]
url = "https://tools.example.org/releases/{version}/SHA256SUMS"
kind = "sums_file"
"""


def _own(world: World, sums: bool) -> Published:
    data = places.bytes_of()
    world.config.write_text(_OWN, encoding="utf-8")
    origin = honest(data, '"same"')
    world.put("tools.example.org", "/releases/1.2/tool.tgz", origin.answer)
    if sums:
        listed = text(f"{places.sha256(data)}  tool.tgz\n", 200, "text/plain")
        world.put("tools.example.org", "/releases/1.2/SHA256SUMS", listed)
    return Published(
        "https://tools.example.org/releases/1.2/tool.tgz",
        "tool.tgz",
        data,
        origin,
        frozenset({"tools.example.org"}),
        (("berlin.example.com", "/tools/1.2/tool.tgz"), ("twin.tools.example.org", "/releases/1.2/tool.tgz")),
        ("tools.example.org", "/releases/1.2/SHA256SUMS"),
    )


def test_files_of_ones_own(world: World) -> None:
    published = _own(world, sums=True)
    crawling(published, published.mirror(world, honest(published.data).answer))
    assert right(world, published)["berlin.example.com"] > 0


def test_an_alias_needs_no_digest(world: World) -> None:
    """Another name of the same operator, with the same size and validator; the official one has to wait for ever."""
    published = _own(world, sums=False)
    official = published.mirror(world, honest(published.data).answer)
    twin = published.mirror(world, honest(published.data, '"same"').answer, 1)
    crawling(published, twin)
    assert right(world, published)["twin.tools.example.org"] > 0
    assert not official.visits


def test_an_alias_with_another_validator_gives_nothing(world: World) -> None:
    """Without a digest only size and a strong validator tell that it is the same file; the time of the last change,
    which is equal here, is no proof where two ETags differ."""
    published = _own(world, sums=False)
    older = places.bytes_of(len(published.data), seed=8)
    answer, met = noticed(honest(older, '"older"').answer)
    published.mirror(world, answer, 1)
    published.origin.throttle = Throttle(1 << 20, met)
    right(world, published)


# --- what is never mapped ---------------------------------------------------------------------------------

_MUTABLE = {
    "a latest release": "https://github.com/git-for-windows/git/releases/latest/download/file.exe",
    "a branch": "https://huggingface.co/acme/model/resolve/main/model.safetensors",
    "an index of packages": "https://deb.debian.org/debian/dists/stable/main/binary-amd64/Packages.xz",
    "a release file": "https://deb.debian.org/debian/dists/stable/InRelease",
    "a page of an index": "https://pypi.org/simple/demo/",
    "a document": "https://registry.npmjs.org/demo",
    "a tag": "https://registry.npmjs.org/demo/latest",
    "a signature": "https://github.com/git-for-windows/git/releases/download/v2/file.exe.sig",
    "a list of digests": "https://github.com/git-for-windows/git/releases/download/v2/SHA256SUMS",
    "an odd path": "https://registry.npmjs.org/demo/-/../-/demo-1.0.0.tgz",
    "an encoded slash": "https://github.com/git-for-windows/git/releases/download/a%2Fb/file.exe",
    "another port": "https://registry.npmjs.org:8443/demo/-/demo-1.0.0.tgz",
    "a query": "https://registry.npmjs.org/demo/-/demo-1.0.0.tgz?x=1",
    "plain http": "http://registry.npmjs.org/demo/-/demo-1.0.0.tgz",
}


@pytest.mark.parametrize("what", _MUTABLE)
def test_the_origin_alone(world: World, what: str) -> None:
    """Even where a digest is given that would open the door: objects like these are fetched where they are."""
    url, data = _MUTABLE[what], places.bytes_of()
    host = url.split("/")[2]
    if what in ("another port", "plain http"):
        result = world.get("--retries", "0", url)
        assert result.code == 3
        assert {name.partition(":")[0] for name in world.void} <= {"in the clear", host.partition(":")[0]}
        assert not world.visits
        return
    world.put(host, "/", honest(data, throttle=tempting()).answer)
    world.config.write_text("[rules.huggingface.mirrors.hf-mirror]\nenabled = true\n", encoding="utf-8")
    result = world.get("-o", "file", "--trust", "any", "--checksum", f"sha256:{places.sha256(data)}", url)
    assert result.code == 0, result.err
    assert world.path("file").read_bytes() == data
    assert world.contacted == {host}


def test_a_dry_run_and_explain_ask_no_mirror(world: World) -> None:
    published = places.npm(world)
    mirror = published.mirror(world, honest(published.data).answer)
    result = world.get("--dry-run", published.url)
    assert result.code == 0, result.err
    told = world.run("explain", "--json", published.url).json[0]
    assert told["digest"]["status"] == "known"
    assert mirror.name in [each["host"] for each in told["sources"] if each["allowed"]]
    assert not mirror.visits
    assert not world.void


def test_explain_tells_the_truth(world: World) -> None:
    """`explain` says who may help; a run then asks nobody else."""
    published = places.npm(world)
    crawling(published, published.mirror(world, honest(published.data).answer))
    told = json.loads(world.run("explain", "--offline", "--json", published.url).out)
    assert not world.contacted
    named = {each["host"] for each in told["sources"]}
    right(world, published)
    assert world.contacted <= named
