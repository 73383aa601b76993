"""What every server of the world was told: a secret's download is between the user and the origin."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

import fastdl
from internet import places
from internet.behaviour import honest, noticed, redirecting
from internet.places import Published
from internet.world import Throttle, Visit, World, bytes_of_mirrors, tempting
from servers.run import everything_written
from servers.tls import Certificates

_SECRET = "s3cr3t-0f-m1ne"
_BASIC = b64encode(f"me:{_SECRET}".encode()).decode()
_MAY = {"host", "range", "user-agent", "accept", "accept-encoding", "connection", "if-range"}
_MAY_ASK = _MAY | {"content-type", "content-length", "want-repr-digest", "x-amz-checksum-mode"}
_OWN_AGENT = f"fastdl/{fastdl.__version__}"

Arrange = Callable[[World, Published, Path], tuple[list[str], str]]  # options and URL


def _host(published: Published) -> str:
    return published.url.split("/")[2]


def _netrc(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    path = folder / "netrc"
    path.write_text(f"machine {_host(published)} login me password {_SECRET}\n", "utf-8")
    path.chmod(0o600)
    return ["--netrc-file", str(path)], published.url


def _netrc_at_home(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    for name in (".netrc", "_netrc"):
        path = world.runner.home / name
        path.write_text(f"default login me password {_SECRET}\n", "utf-8")
        path.chmod(0o600)
    return ["--netrc"], published.url


def _cookies(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    path = folder / "cookies.txt"
    line = f"{_host(published)}\tFALSE\t/\tTRUE\t0\tsession\t{_SECRET}\n"
    path.write_text("# Netscape HTTP Cookie File\n" + line, "utf-8")
    return ["-b", str(path)], published.url


def _bearer(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    world.runner.env["MY_TOKEN"] = _SECRET
    return ["--bearer-env", "MY_TOKEN"], published.url


def _header_of_the_config(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    before = world.config.read_text("utf-8")
    world.config.write_text(f'header = ["X-Key: {_SECRET}"]\n{before}', "utf-8")
    return [], published.url


def _userinfo(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    return [], published.url.replace("//", f"//me:{_SECRET}@")


def _client_certificate(world: World, published: Published, folder: Path) -> tuple[list[str], str]:
    certificates = Certificates(folder)
    return ["--cert", str(certificates.cert), "--key", str(certificates.key)], published.url


SECRETS: dict[str, Arrange] = {
    "-H": lambda world, published, folder: (["-H", f"X-Key: {_SECRET}"], published.url),
    "an empty -H": lambda world, published, folder: (["-H", "X-Key;"], published.url),
    "-H of the config": _header_of_the_config,
    "-u": lambda world, published, folder: (["-u", f"me:{_SECRET}"], published.url),
    "--bearer-env": _bearer,
    "--netrc-file": _netrc,
    "--netrc": _netrc_at_home,
    "-b": _cookies,
    "userinfo": _userinfo,
    "a user without a password": lambda world, published, folder: ([], published.url.replace("//", "//me@")),
    "a signed query": lambda world, published, folder: ([], f"{published.url}?X-Amz-Signature={_SECRET}"),
    "a token": lambda world, published, folder: ([], f"{published.url}?token={_SECRET}"),
    "any query": lambda world, published, folder: ([], f"{published.url}?a=1"),
    "-e": lambda world, published, folder: (["-e", f"https://intern.example.com/{_SECRET}"], published.url),
    "--cert": _client_certificate,
}


_SOME = ("-H", "-u", "-b", "a signed query")


@pytest.mark.parametrize(
    ("ecosystem", "secret"),
    [("github", each) for each in SECRETS] + [(each, how) for each in ("pypi", "huggingface") for how in _SOME],
)
def test_a_secret_stays_with_the_origin(world: World, tmp_path: Path, ecosystem: str, secret: str) -> None:
    """No mirror, and no look-up at any other host; the redirects of the origin are its own business."""
    published = places.ALL[ecosystem](world, throttle=tempting())
    for n in range(len(published.mirrors)):
        published.mirror(world, honest(published.data).answer, n)
    options, url = SECRETS[secret](world, published, tmp_path)
    result = world.get(*options, "-o", published.name, "--trust", "any", url)
    assert result.code == 0, result.err
    assert world.path(published.name).read_bytes() == published.data
    assert world.contacted == published.hosts, "the origin, and where it leads, is all that is asked"
    assert bytes_of_mirrors(result) == 0
    for visit in world.visits:
        if visit.host != _host(published) and secret != "-e":  # a Referer goes along with redirects, as in curl
            assert _SECRET.encode() not in visit.request.raw
            assert _BASIC.encode() not in visit.request.raw
    for name in ("state", "cache", "data"):
        if (world.runner.home / name).exists():
            assert _SECRET.encode() not in everything_written(world.runner.home / name)


@pytest.mark.parametrize("secret", ["-H", "-u", "--bearer-env", "-b", "userinfo"])
def test_the_digest_of_a_private_file_is_not_asked_for_with_the_secret(
    world: World, tmp_path: Path, secret: str
) -> None:
    """At the origin's own host it may be asked for, but by nobody's name."""
    published = places.npm(world, throttle=tempting())
    published.mirror(world, honest(published.data).answer)
    options, url = SECRETS[secret](world, published, tmp_path)
    result = world.get(*options, "-o", published.name, url)
    assert result.code == 0, result.err
    assert world.contacted == {"registry.npmjs.org"}


def test_secrets_for_another_host_change_nothing(world: World, tmp_path: Path) -> None:
    """A netrc and cookies that do not fit the origin are no secrets of this download."""
    published = places.npm(world)
    netrc, cookies = tmp_path / "netrc", tmp_path / "cookies.txt"
    netrc.write_text(f"machine other.example login me password {_SECRET}\n", "utf-8")
    netrc.chmod(0o600)
    line = f"other.example\tFALSE\t/\tTRUE\t0\tsession\t{_SECRET}\n"
    cookies.write_text("# Netscape HTTP Cookie File\n" + line, "utf-8")
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    result = world.get("--netrc-file", str(netrc), "-b", str(cookies), published.url)
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) > 0
    assert _SECRET.encode() not in world.told()


def test_a_cookie_for_a_mirror_stays_at_home(world: World, tmp_path: Path) -> None:
    """The user has an account at the mirror's operator: not even that is told to it."""
    published = places.npm(world)
    host = published.mirrors[0][0]
    cookies, netrc = tmp_path / "cookies.txt", tmp_path / "netrc"
    cookies.write_text(f"# Netscape HTTP Cookie File\n{host}\tFALSE\t/\tTRUE\t0\tsession\t{_SECRET}\n", "utf-8")
    netrc.write_text(f"machine {host} login me password {_SECRET}\n", "utf-8")
    netrc.chmod(0o600)
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    result = world.get("-b", str(cookies), "--netrc-file", str(netrc), published.url)
    assert result.code == 0, result.err
    assert mirror.visits
    assert not [visit for visit in mirror.visits if visit.fields - _MAY]
    assert _SECRET.encode() not in world.told() and _BASIC.encode() not in world.told()


# --- what a mirror learns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("ecosystem", places.ALL)
def test_a_mirror_learns_the_public_path_and_no_more(world: World, ecosystem: str) -> None:
    published = places.ALL[ecosystem](world)
    host, path = published.mirrors[0]
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(2 << 20))
    result = world.get("-A", "My own browser", published.url)
    assert result.code == 0, result.err
    assert mirror.visits
    for visit in mirror.visits:
        assert (visit.request.method, visit.request.target) == ("GET", path)
        assert visit.fields <= _MAY, visit.fields - _MAY
        assert visit.request.get("user-agent") == _OWN_AGENT
        assert visit.request.get("host") == host
        assert visit.request.get("if-range") in (None, '"mirror-1"'), "no validator of another host"
    assert any(visit.request.get("user-agent") == "My own browser" for visit in world.visits), "the origin gets it"


@pytest.mark.parametrize("ecosystem", places.ALL)
def test_a_publisher_is_asked_by_nobody(world: World, ecosystem: str) -> None:
    """A look-up names no user either: no agent of the user's, no field beyond what it needs."""
    published = places.ALL[ecosystem](world, places.bytes_of(1 << 20))
    result = world.get("-A", "My own browser", "--no-cdn", published.url)
    assert result.code == 0, result.err
    host, path = published.lookup
    asked = [visit for visit in world.visits if (visit.host, visit.path) == (host, path)]
    questions = [visit for visit in asked if visit.request.get("user-agent") == _OWN_AGENT]
    if ecosystem != "pypi":  # its digest stands in the URL: there need not be a question
        assert questions
    for visit in questions:
        assert visit.fields <= _MAY_ASK
        assert "?" not in visit.request.target


def test_nobody_is_asked_where_we_are(world: World) -> None:
    """`--region` is decided by what is known here: only sources and places of digests are ever contacted."""
    published = places.pypi(world)
    mirror = published.mirror(world, honest(published.data).answer)
    told = json.loads(world.run("explain", "--offline", "--json", published.url).out)
    known = {each["host"] for each in told["sources"]} | {url.split("/")[2] for url in told["plan"]["digest_lookups"]}
    for region in ("auto", "DE", "CN"):
        published.origin.throttle = Throttle(2 << 20, mirror.has_sent(mirror.sent + (1 << 20)))
        assert world.get("--region", region, published.url, "-o", region).code == 0
        assert world.contacted <= known
    assert world.run("mirrors").code in (0, 2)
    assert world.contacted <= known


def test_a_query_that_the_rule_lists_is_no_secret(world: World) -> None:
    """`?download=true` belongs to the URL's usual form; the mirror gets the path without it."""
    published = places.huggingface(world)
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    result = world.get(f"{published.url}?download=true")
    assert result.code == 0, result.err
    assert bytes_of_mirrors(result) > 0
    assert {visit.request.target for visit in mirror.visits} == {published.mirrors[0][1]}


def test_the_signature_that_the_origin_gave_is_told_to_nobody_else(world: World) -> None:
    published = places.github(world)
    mirror = published.mirror(world, honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, mirror.has_sent(1 << 20))
    assert world.get(published.url).code == 0
    signed = {visit.host for visit in world.visits if b"s1gn4ture" in visit.request.raw}
    assert signed == {"release-assets.githubusercontent.com"}


def test_nothing_of_the_private_is_kept(world: World) -> None:
    """The state folder knows hosts of a private download at most, never its URL."""
    published = places.github(world, places.bytes_of(1 << 20))
    url = f"{published.url}?token={_SECRET}"
    assert world.get("-H", f"X-Key: {_SECRET}", "-o", "f", url).code == 0
    kept = everything_written(world.runner.home)
    assert _SECRET.encode() not in kept
    assert published.name.encode() not in kept


# --- never ------------------------------------------------------------------------------------------------

_BLOCKED = ("cdn.bootcdn.net", "cdn.bootcss.com", "cdn.staticfile.org", "cdn.staticfile.net", "cdn.polyfill.io")


@pytest.mark.parametrize("host", _BLOCKED)
def test_not_by_a_rule_of_the_users(world: World, host: str) -> None:
    published = places.npm(world, places.bytes_of(1 << 20))
    rule = f'[rules.npm.mirrors.mine]\nurl = "https://{host}/{{pkg}}/{{version}}"\n'
    world.config.write_text(rule, encoding="utf-8")
    result = world.get(published.url)
    assert result.code == 2
    assert not world.contacted


@pytest.mark.parametrize("host", _BLOCKED)
def test_not_by_a_redirect_of_a_mirror(world: World, host: str) -> None:
    published = places.npm(world)
    answer, met = noticed(redirecting(f"https://{host}/file"))
    published.mirror(world, answer)
    world.put(host, "/", honest(published.data).answer)
    published.origin.throttle = Throttle(1 << 20, met)
    assert world.get("--trust", "any", published.url).code == 0
    assert host not in world.contacted
    assert met.is_set(), "the mirror was asked"


@pytest.mark.parametrize("host", _BLOCKED)
def test_not_by_a_header_of_the_origin(world: World, host: str) -> None:
    """RFC 6249 duplicates."""
    data = places.bytes_of()
    digest = b64encode(bytes.fromhex(places.sha256(data))).decode()
    link = ("Link", f"<https://{host}/file.bin>; rel=duplicate; pri=1")
    origin = honest(data, throttle=tempting())
    origin.extra = (("Repr-Digest", f"sha-256=:{digest}:"), ("Digest", f"SHA-256={digest}"), link)
    world.put("files.example.org", "/file.bin", origin.answer)
    world.put(host, "/", honest(data).answer)
    assert world.get("https://files.example.org/file.bin").code == 0
    assert host not in world.contacted


@pytest.mark.parametrize("host", _BLOCKED[:2])
def test_not_by_a_redirect_of_the_origin(world: World, host: str) -> None:
    """A host that serves malware is not followed to, whoever points there."""
    data = places.bytes_of(1 << 20)
    world.put("files.example.org", "/file.bin", redirecting(f"https://{host}/file.bin"))
    world.put(host, "/", honest(data).answer)
    result = world.get("https://files.example.org/file.bin")
    assert result.code == 4
    assert host not in world.contacted


def test_duplicates_of_a_header_are_followed(world: World) -> None:
    """RFC 6249, with a digest of the origin's: they help, and see no more than any mirror."""
    data, visits = _duplicated(world, digest=True)
    assert visits
    assert not [visit for visit in visits if visit.fields - _MAY]
    assert world.path("file.bin").read_bytes() == data


@pytest.mark.parametrize("options", [["--no-cdn"], ["-H", "X-Key: 1"], ["-u", "me:pw"], ["--insecure"]])
def test_duplicates_of_a_header_are_not_followed(world: World, options: list[str]) -> None:
    _, visits = _duplicated(world, *options, digest=True, throttle=tempting())
    assert not visits


def test_duplicates_without_a_digest_are_not_followed(world: World) -> None:
    _, visits = _duplicated(world, digest=False, throttle=tempting())
    assert not visits


def _duplicated(
    world: World, *options: str, digest: bool, throttle: Throttle | None = None
) -> tuple[bytes, list[Visit]]:
    data = places.bytes_of()
    value = b64encode(bytes.fromhex(places.sha256(data))).decode()
    answer, met = noticed(honest(data).answer)
    mirror = world.put("mirror.example.com", "/file.bin", answer)
    origin = honest(data, throttle=throttle or Throttle(1 << 20, met))
    link = ("Link", "<https://mirror.example.com/file.bin>; rel=duplicate; pri=1")
    origin.extra = ((("Repr-Digest", f"sha-256=:{value}:"), ("Digest", f"SHA-256={value}")) if digest else ()) + (link,)
    world.put("files.example.org", "/file.bin", origin.answer)
    result = world.get(*options, "https://files.example.org/file.bin")
    assert result.code == 0, result.err
    return data, mirror.visits
