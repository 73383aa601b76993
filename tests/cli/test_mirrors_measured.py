"""`mirrors URL`: the sources of one file, measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from explained import by_host
from fastdl.__main__ import main
from fastdl.io.store import Store
from mirrored import HOST, RULES, URL, Say
from mirrored import say as say
from mirrored import store as store
from mirrored import text as text
from servers.files import FileApp, Reply
from servers.raw import Connection, RawServer, Request, Serve
from servers.tls import Certificates

pytestmark = pytest.mark.usefixtures("config")


# --- the test --------------------------------------------------------------------------------------------


class World:
    """Hosts on loopback, each with its own certificate; whoever else is asked for refuses the connection."""

    def __init__(self, serve: Serve, certificates: Certificates) -> None:
        self._serve = serve
        self._certificates = certificates
        self.servers: dict[str, RawServer] = {}

    def add(self, host: str, app: FileApp) -> None:
        self.servers[host] = self._serve(app, tls=self._certificates.context_for(host))

    @property
    def options(self) -> list[str]:
        to = [f"{host}:443:127.0.0.1:{server.port}" for host, server in self.servers.items()]
        rules = [word for rule in (*to, ":443:127.0.0.1:1") for word in ("--connect-to", rule)]
        return ["--no-proxy", "--cacert", str(self._certificates.ca), *rules]

    def asked(self, host: str) -> list[str]:
        return [entry.request.target for entry in self.servers[host].log]


@pytest.fixture
def world(serve: Serve, certificates: Certificates, config: Path) -> World:
    config.write_text(RULES, encoding="utf-8")
    return World(serve, certificates)


def origin(size: int = 3 << 20, seed: int = 1, digest: str | None = None) -> FileApp:
    """An origin that publishes the digest of its file ("" for none)."""
    right = FileApp(size=size, seed=seed).sha256() if digest is None else digest

    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        if request.target.endswith(".sha256"):
            return Reply(200, None, [("Content-Length", str(len(right)))], literal=right.encode())
        return reply

    return FileApp(size=size, seed=seed, hook=hook)


def test_sources_are_measured_and_ranked(world: World, say: Say, store: Store) -> None:
    world.add(HOST, origin())
    world.add("good.example.com", FileApp(size=3 << 20, etag='"other"'))
    world.add("bad.example.com", FileApp(size=3 << 20, seed=2))
    world.add("stale.example.com", FileApp(size=2 << 20))
    world.add("whole.example.com", FileApp(size=3 << 20, ranges=False))
    told = say("test", *world.options, URL)
    sources = by_host(told)
    assert (told["rule"], told["size"], told["digest"]["source"]) == ("tools/match-1", 3 << 20, "origin")
    good = sources["good.example.com"]
    assert (good["usable"], good["agrees"], good["ranges"], good["validator"]) == (True, True, True, False)
    assert good["bytes"] == 1 << 20
    assert good["bytes_per_second"] > 0 and good["connect_seconds"] > 0 and good["first_byte_seconds"] > 0
    assert (good["operator"], good["region"], good["trust"]) == ("Example Ltd", "DE", "official")
    assert sources["whole.example.com"]["ranges"] is False
    assert sources["whole.example.com"]["agrees"]
    bad = sources["bad.example.com"]
    assert (bad["lied"], bad["agrees"], bad["usable"], bad["rank"]) == (True, False, False, None)
    stale = sources["stale.example.com"]
    assert (stale["lied"], stale["usable"]) == (False, False)
    assert "another size" in stale["why"]
    assert not sources["gone.example.com"]["usable"] and sources["gone.example.com"]["why"]
    stranger = sources["stranger.example.net"]
    assert (stranger["measured"], stranger["bytes"]) == (False, None)
    ranked = [source for source in told["sources"] if source["rank"]]
    assert [source["rank"] for source in ranked] == [1, 2, 3]
    assert [source["expected_seconds"] for source in ranked] == sorted(s["expected_seconds"] for s in ranked)
    assert {source["host"] for source in ranked} == {HOST, "good.example.com", "whole.example.com"}
    assert list(store.liars()) == ["bad.example.com"]
    known = store.servers([HOST, "good.example.com", "gone.example.com", "whole.example.com"])
    assert known["good.example.com"].rate and known["good.example.com"].latency
    assert known["good.example.com"].ranges is True and known["whole.example.com"].ranges is False
    assert known["gone.example.com"].errors > 0 and not known["gone.example.com"].rate


def test_no_more_than_the_sample_is_fetched_and_nothing_is_written(
    world: World, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    world.add(HOST, origin(8 << 20))
    world.add("good.example.com", FileApp(size=8 << 20))
    say("test", *world.options, URL)
    assert list(here.iterdir()) == []
    (entry,) = world.servers["good.example.com"].log
    assert entry.range == (0, 1 << 20)


def test_a_liar_is_not_asked_again(world: World, say: Say) -> None:
    world.add(HOST, origin())
    world.add("bad.example.com", FileApp(size=3 << 20, seed=2))
    assert by_host(say("test", *world.options, URL))["bad.example.com"]["lied"]
    again = by_host(say("test", *world.options, URL))["bad.example.com"]
    assert (again["measured"], again["usable"]) == (False, False)
    assert again["why"].startswith("it sent altered bytes on")
    assert len(world.asked("bad.example.com")) == 1


def test_a_small_file_is_held_against_its_digest(world: World, say: Say, store: Store) -> None:
    """The origin's own bytes are wrong here; the mirror's are not."""
    world.add(HOST, origin(10_000, seed=9, digest=FileApp(size=10_000).sha256()))
    world.add("good.example.com", FileApp(size=10_000))
    world.add("bad.example.com", FileApp(size=10_000, seed=9))
    sources = by_host(say("test", *world.options, URL))
    assert (sources[HOST]["usable"], sources[HOST]["agrees"]) == (False, False)
    assert sources["good.example.com"]["agrees"]
    assert sources["bad.example.com"]["lied"]
    assert list(store.liars()) == ["bad.example.com"]


def test_without_a_published_digest_nobody_else_is_asked(world: World, say: Say) -> None:
    world.add(HOST, FileApp(size=100_000, hook=lambda connection, request, reply: (
        Reply(404, None, [("Content-Length", "0")], literal=b"") if request.target.endswith(".sha256") else reply
    )))  # fmt: skip
    world.add("good.example.com", FileApp(size=100_000))
    told = say("test", *world.options, URL)
    assert by_host(told)["good.example.com"]["why"] == "no digest of the publisher is known"
    assert world.asked("good.example.com") == []
    assert told["digest"]["status"] == "none"


def test_a_private_request_measures_the_origin_alone(world: World, say: Say) -> None:
    world.add(HOST, origin())
    world.add("good.example.com", FileApp(size=3 << 20))
    told = say("test", *world.options, "-H", "X-Token: hunter2", URL)
    assert [source["host"] for source in told["sources"]] == [HOST]
    assert "secret" in told["mapping"]
    assert world.asked("good.example.com") == []
    assert not any(target.endswith(".sha256") for target in world.asked(HOST))
    assert "hunter2" not in json.dumps(told)


def test_a_mirror_is_told_nothing_of_the_user(world: World, say: Say) -> None:
    world.add(HOST, origin())
    world.add("good.example.com", FileApp(size=3 << 20))
    say("test", *world.options, "-A", "me and my team", URL)
    (entry,) = world.servers["good.example.com"].log
    assert entry.request.target == "/1.2/tool.bin"
    assert "me and my team" not in str(entry.request.headers)


def test_an_origin_that_is_gone(world: World, say: Say) -> None:
    world.add("good.example.com", FileApp(size=3 << 20))
    told = say("test", *world.options, URL, code=0)
    good = by_host(told)["good.example.com"]
    assert (good["usable"], good["agrees"]) == (True, None)
    assert good["why"] == "nothing to compare its bytes with"
    assert told["digest"]["status"] == "unreachable"
    world.servers.clear()
    assert not any(source["usable"] for source in say("test", *world.options, URL, code=3)["sources"])


def test_an_origin_that_fails_its_own_digest(world: World, say: Say) -> None:
    world.add(HOST, origin(10_000, seed=9, digest=FileApp(size=10_000).sha256()))
    (source, *others) = say("test", *world.options, URL, code=5)["sources"]
    assert (source["host"], source["usable"], source["agrees"]) == (HOST, False, False)
    assert not any(other["usable"] for other in others)


def test_another_name_of_the_operator_needs_its_validators(config: Path, world: World, say: Say) -> None:
    twin = f"""
[rules.twins]
match = "https://{HOST}/twins/{{file}}"

[rules.twins.mirrors.same]
url = "https://same.example.org/{{file}}"
trust = "alias"

[rules.twins.mirrors.other]
url = "https://other.example.org/{{file}}"
trust = "alias"
"""
    config.write_text(twin, encoding="utf-8")
    world.add(HOST, FileApp(size=200_000, etag='"a"'))
    world.add("same.example.org", FileApp(size=200_000, etag='"a"'))
    world.add("other.example.org", FileApp(size=200_000, etag='"b"'))
    sources = by_host(say("test", *world.options, f"https://{HOST}/twins/f"))
    assert sources["same.example.org"]["usable"]
    other = sources["other.example.org"]
    assert (other["usable"], other["lied"], other["validator"]) == (False, False, False)


def test_a_refusal_is_told(world: World, say: Say, store: Store) -> None:
    def refuse(status: int) -> FileApp:
        return FileApp(
            hook=lambda connection, request, reply: Reply(status, None, [("Content-Length", "0")], literal=b"")
        )

    world.add(HOST, origin())
    world.add("good.example.com", refuse(404))
    world.add("bad.example.com", refuse(429))
    sources = by_host(say("test", *world.options, URL))
    assert "404" in sources["good.example.com"]["why"]
    assert "429" in sources["bad.example.com"]["why"]
    known = store.servers(["good.example.com", "bad.example.com"])
    assert known["bad.example.com"].busy > 0 and not known["good.example.com"].busy


def test_a_mirror_may_not_lead_to_somebody_else(world: World, say: Say, store: Store) -> None:
    def lead(connection: Connection, request: Request, reply: Reply) -> Reply:
        return Reply(302, None, [("Content-Length", "0"), ("Location", "https://else.example.net/f")], literal=b"")

    world.add(HOST, origin())
    world.add("good.example.com", FileApp(hook=lead))
    world.add("else.example.net", FileApp(size=3 << 20))
    good = by_host(say("test", *world.options, URL))["good.example.com"]
    assert (good["usable"], good["lied"]) == (False, False)
    assert world.asked("else.example.net") == []


def test_a_lie_counts_only_against_an_origin_that_tls_vouches_for(serve: Serve, say: Say, store: Store) -> None:
    origin, mirror = serve(FileApp(size=100_000)), serve(FileApp(size=100_000, seed=2))
    told = say("test", "--no-proxy", "-m", f"http://localhost:{mirror.port}/f", f"http://127.0.0.1:{origin.port}/f")
    assert [source["lied"] for source in told["sources"]] == [False, True]
    assert store.liars() == {}
    assert f"localhost:{mirror.port}" in store.servers([f"localhost:{mirror.port}"])


def test_an_empty_file(world: World, say: Say) -> None:
    world.add("files.example.net", FileApp(size=0))
    (source,) = say("test", *world.options, "https://files.example.net/f")["sources"]
    assert (source["usable"], source["size"], source["bytes"], source["bytes_per_second"]) == (True, 0, 0, None)


def test_a_damaged_state_file_is_told_and_no_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "state.sqlite3").write_bytes(b"no database at all" * 100)
    assert main(["mirrors", "helm"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("helm: ")
    assert err.startswith("fastdl: warning: ") and "damaged" in err


def test_mirrors_of_the_users_own_are_measured_too(world: World, say: Say, store: Store) -> None:
    world.add("files.example.net", FileApp(size=200_000))
    world.add("second.example.net", FileApp(size=200_000, seed=3))
    told = say(
        "test", *world.options, "-m", "https://second.example.net/f", "-m", "https://files.example.net/other",
        "https://files.example.net/f",
    )  # fmt: skip
    assert [source["trust"] for source in told["sources"]] == ["origin"] * 3
    assert sum(source["lied"] for source in told["sources"]) == 1
    assert list(store.liars()) == ["second.example.net"]


def test_the_origins_host_is_never_called_a_liar(world: World, say: Say, store: Store) -> None:
    def hook(connection: Connection, request: Request, reply: Reply) -> Reply:
        reply.seed = 5 if request.target == "/other" else None
        return reply

    world.add("files.example.net", FileApp(size=200_000, hook=hook))
    told = say("test", *world.options, "-m", "https://files.example.net/other", "https://files.example.net/f")
    assert sorted(source["lied"] for source in told["sources"]) == [False, True]
    assert store.liars() == {}


def test_the_text_says_who_lies(world: World, text: Callable[..., list[str]]) -> None:
    world.add(HOST, origin())
    world.add("bad.example.com", FileApp(size=3 << 20, seed=2))
    lines = text("test", *world.options, URL)
    assert lines[0] == URL
    assert lines[1].startswith("A file of 3.0 MiB; the rule for our tools applies. Its sha256 is known")
    assert any(line.lstrip().startswith(f"1  {HOST}") for line in lines)
    assert any("bad.example.com" in line and "LIES: " in line for line in lines)
    assert any("stranger.example.net" in line and "not enabled" in line for line in lines)
    assert all(line.isprintable() for line in lines)
