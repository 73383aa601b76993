"""What is told and remembered when a download is over: the numbers add up, and only liars are named."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fastdl.core import tracker
from fastdl.core.head import Validators
from fastdl.core.shown import mask
from fastdl.core.tracker import Tracker
from fastdl.core.urls import parse_url
from fastdl.core.verify import Digest
from fastdl.engine import accounts, target
from fastdl.engine.proof import Expected
from fastdl.errors import ConnectionLost, FastdlError
from fastdl.io.contact import Place
from fastdl.io.store import Entry, Kept, Report
from fastdl.result import DigestReport, Result
from fastdl.settings import Settings

ORIGIN = "https://origin.example.org/file"
GIVEN = "https://given.example.com:8443/file"
MAPPED = "https://m.example.net/pub/file"


class Store:
    def __init__(self) -> None:
        self.lies: dict[str, str] = {}
        self.reports: list[Report] = []
        self.entries: list[Entry] = []
        self.kept: Kept | None = None

    def note_lie(self, netloc: str, evidence: str) -> None:
        self.lies[netloc] = evidence

    def note(self, reports: Sequence[Report], entry: Entry | None, kept: Kept | None = None) -> None:
        self.kept = kept
        self.reports += reports
        self.entries += [entry] if entry is not None else []


def places(*more: str) -> list[Place]:
    mapped = [Place(parse_url(url), mirror=True, trust="official") for url in more]
    return [Place(parse_url(ORIGIN)), Place(parse_url(GIVEN), mirror=True), *mapped]


def source(**more: Any) -> Any:
    usual = {"rate": 1e6, "rtt": 0.1, "met": True, "most": 3, "busy": 0, "ranges": True, "error": None}
    return SimpleNamespace(**{**usual, **more})


def note(path: str, *, fetched: bool) -> Kept | None:
    return Kept("key", path, '"v1"', None, 1000, 0) if fetched else None


class Made:
    """A download as far as its accounts need it."""

    def __init__(self, *known: Expected, mapped: Sequence[str] = (MAPPED,), **settings: Any) -> None:
        self.url = ORIGIN
        self.settings = Settings(**settings)
        self.places = places(*mapped)
        self.counters = Tracker()
        self.session = SimpleNamespace(store=Store())
        self.result = Result(url=ORIGIN)
        self.landing: Any = SimpleNamespace(
            proof=SimpleNamespace(expected=list(known)),
            size=1000,
            path="file",
            in_order=False,
            validators=Validators('"v1"'),
            note=note,
        )
        self.listed = None
        self.foretold = False
        self.final = parse_url(ORIGIN)
        self.altered: Counter[str] = Counter()
        self.sources = [source() for _ in self.places]
        self.attempt: Any = SimpleNamespace(core=SimpleNamespace(sources=self.sources))
        self.main: Any = self.attempt
        self.shunned: list[Place] = []
        self.warned: list[str] = []

    @property
    def asked(self) -> bool:
        return self.attempt is not None

    @property
    def store(self) -> Store:
        store: Store = self.session.store
        return store

    def count(self, number: int, worker: int = 0, **counts: int) -> None:
        for name, amount in counts.items():
            self.counters.row(worker, number).add(tracker.FIELDS.index(name), amount)

    def convict(self) -> None:
        accounts.convict(self, SimpleNamespace(shun=self.shunned.append), self.warned.append)  # type: ignore[arg-type]

    def report(self) -> Result:
        accounts.report(self)  # type: ignore[arg-type]
        return self.result

    def remember(self, *, private: bool = False) -> None:
        accounts.remember(self, private=private)  # type: ignore[arg-type]


def known(algorithm: str, by: str = "origin") -> Expected:
    return Expected(Digest(algorithm, hashlib.new(algorithm, b"x").digest()), by)


# --- the digest ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("digests", "reported"),
    [
        ([], None),
        ([("md5", "user")], ("md5", "user")),
        ([("md5", "user"), ("sha1", "origin")], ("sha1", "origin")),
        ([("md5", "user"), ("sha256", "origin")], ("sha256", "origin")),
        ([("sha256", "user"), ("sha512", "metalink")], ("sha256", "user")),
        ([("sha256", "url"), ("sha512", "metalink")], ("sha512", "metalink")),
    ],
)
@pytest.mark.parametrize("verified", [True, False])
def test_the_strongest_digest_is_reported_but_the_users_own_comes_first(
    digests: list[tuple[str, str]], reported: tuple[str, str] | None, verified: bool
) -> None:
    made = Made(*(known(*each) for each in digests))
    accounts.digest(made, verified=verified)  # type: ignore[arg-type]
    found = made.result.digest
    assert (found and (found.algorithm, found.source)) == reported
    assert found is None or found.verified is verified


# --- the numbers -----------------------------------------------------------------------------------------


def test_what_each_source_did() -> None:
    made = Made()
    made.count(0, 0, bytes=600, wasted=30, requests=4, connections=2)
    made.count(0, 1, bytes=100, requests=1, connections=1)
    made.count(2, 1, bytes=300, wasted=20, requests=2, connections=1, errors=1)
    result = made.report()
    assert [(each.url, each.trust, each.bytes, each.connections, each.errors) for each in result.sources] == [
        (ORIGIN, "origin", 730, 3, 0),
        (GIVEN, "origin", 0, 0, 0),
        (MAPPED, "official", 320, 1, 1),
    ]
    assert (result.requests, result.wasted_bytes, result.size, result.path) == (7, 50, 1000, "file")
    assert sum(each.bytes for each in result.sources) == 1000 + result.wasted_bytes
    assert result.final_url == ORIGIN


def test_a_source_that_joined_twice_is_one() -> None:
    """After the file was begun anew."""
    made = Made(mapped=(MAPPED, MAPPED))
    made.count(2, bytes=300, connections=1)
    made.count(3, bytes=500, connections=2)
    assert [(each.url, each.bytes, each.connections) for each in made.report().sources][2:] == [(MAPPED, 800, 3)]


def test_what_a_repair_fetched_was_needed_twice() -> None:
    """Bytes that replace others make those wasted, whoever sent them."""
    made = Made()
    made.count(0, bytes=500)
    made.count(1, bytes=500)
    made.count(0, 1, bytes=200)
    made.count(2, 1, bytes=300)
    for number, count in ((0, 200), (2, 300)):
        made.count(number, -1, wasted=count, bytes=-count)
    result = made.report()
    assert result.wasted_bytes == 500
    assert [each.bytes for each in result.sources] == [700, 500, 300]


def test_before_anything_was_asked() -> None:
    made = Made(known("sha256", "user"))
    made.attempt = made.main = None
    result = made.report()
    assert (result.sources, result.requests) == ([], 0)
    assert result.digest is not None and not result.digest.verified


# --- liars -----------------------------------------------------------------------------------------------


def test_a_liar_is_remembered_told_and_not_asked_again() -> None:
    made = Made()
    made.altered[mask(MAPPED)] = 3 << 20
    made.convict()
    assert list(made.store.lies) == ["m.example.net"]
    assert "3.0 MiB" in made.store.lies["m.example.net"]
    (line,) = made.warned
    assert line.startswith("m.example.net sent altered bytes (3.0 MiB)")
    assert "origin.example.org" in line
    assert "\n" not in line
    assert [place.given.text for place in made.shunned] == [MAPPED]
    assert [each.errors for each in made.report().sources] == [0, 0, 1]


def test_the_port_belongs_to_the_name() -> None:
    made = Made()
    made.altered[mask(GIVEN)] = 5
    made.convict()
    assert list(made.store.lies) == ["given.example.com:8443"]


def test_several_liars_are_a_line_each() -> None:
    made = Made()
    made.altered.update({mask(GIVEN): 5, mask(MAPPED): 6})
    made.convict()
    assert set(made.store.lies) == {"given.example.com:8443", "m.example.net"}
    assert len(made.warned) == 2
    assert len(made.shunned) == 2


def test_a_liar_of_an_earlier_run() -> None:
    made = Made()
    made.altered["https://gone.example.com/file"] = 5
    made.convict()
    assert list(made.store.lies) == ["gone.example.com"]
    assert made.shunned == []
    assert all(each.errors == 0 for each in made.report().sources)


@pytest.mark.parametrize("url", [ORIGIN, "https://origin.example.org/another/name"])
def test_the_origin_is_nobodys_liar(url: str) -> None:
    """Neither is another path of it: what is remembered is the host."""
    made = Made()
    made.altered[mask(url)] = 5
    made.convict()
    assert (made.store.lies, made.warned) == ({}, [])


def test_nobody_lied() -> None:
    made = Made()
    made.convict()
    assert (made.store.lies, made.warned, made.shunned) == ({}, [], [])


# --- what is remembered ----------------------------------------------------------------------------------


def test_servers_that_were_asked() -> None:
    made = Made()
    made.sources[2] = source(rate=5e6, met=False, error=ConnectionLost("gone"), busy=2, ranges=None, most=0)
    made.count(0, bytes=500, requests=3)
    made.count(2, requests=1, errors=1)
    made.report()
    made.remember()
    assert made.store.reports == [
        Report("origin.example.org", 500, 1e6, 0.1, 3, 0, True, 0, False),
        Report("m.example.net", 0, 5e6, None, 0, 2, None, 1, True),
    ]


def test_a_repair_says_nothing_of_those_it_did_not_ask() -> None:
    """Servers are judged by the download, not by the attempt that mended it."""
    made = Made()
    made.attempt = SimpleNamespace(
        core=SimpleNamespace(sources=[source(error=ConnectionLost("not asked"), rate=None)] * 3)
    )
    made.count(0, bytes=500, requests=3)
    made.count(2, bytes=500, requests=3)
    made.report()
    made.remember()
    assert [(each.rate, each.failed) for each in made.store.reports] == [(1e6, False), (1e6, False)]


@pytest.mark.parametrize("error", [None, ConnectionLost("gone", f"from {ORIGIN}?token=hush")])
def test_the_history(error: FastdlError | None) -> None:
    made = Made(known("sha256"))
    made.count(0, bytes=900, wasted=100, requests=1)
    made.count(2, bytes=100, requests=1)
    made.result.error = error
    made.report()
    made.remember()
    (entry,) = made.store.entries
    assert (entry.url, entry.size, entry.digest_source) == (ORIGIN, 1000, "origin")
    assert entry.sources == (
        ("origin.example.org", "origin", 1000),
        ("given.example.com:8443", "origin", 0),
        ("m.example.net", "official", 100),
    )
    assert entry.exit_code == (0 if error is None else 3)
    assert "hush" not in str(entry)


def test_a_private_download_leaves_no_path() -> None:
    made = Made()
    made.report()
    made.remember(private=True)
    assert "file" not in made.store.entries[0].url


def test_no_history_but_servers() -> None:
    made = Made(history=False)
    made.count(0, bytes=1, requests=1)
    made.report()
    made.remember()
    assert made.store.entries == []
    assert len(made.store.reports) == 1


# --- nothing to fetch ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verified", [True, False])
def test_a_file_that_is_there_already(tmp_path: Path, verified: bool) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    own = Digest("sha256", hashlib.sha256(b"x").digest())
    made = Made(json=True)
    kept = target.AlreadyThere(str(path), "it is there already", verified=verified)
    accounts.keep(made, kept, lambda: own)  # type: ignore[arg-type]
    result = made.result
    assert (result.path, result.size, result.kept) == (str(path), 1, "it is there already")
    assert result.sha256 == own.hex
    assert result.digest == (DigestReport("sha256", own.hex, "url", True) if verified else None)
    made.landing.size = made.landing.path = None
    assert made.report().size == 1
