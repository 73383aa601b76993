"""The times of the last downloads in the state folder: few, small, and nothing that is private."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from fastdl.io import profiles
from fastdl.io.profiles import Profiled, Stretch
from fastdl.io.store import Entry, Store
from states import ended

NOW = 1_800_000_000.0
URL = "https://example.org/file"


def entry(number: int = 0, url: str = URL) -> Entry:
    return Entry(NOW + number, url, os.path.abspath("file"))


def told(spans: int = 1, **more: Any) -> dict[str, Any]:
    """A file of a report."""
    row = {"worker": 0, "source": 0, "phase": "receive", "start": 0.25, "end": 0.5, "bytes": 7}
    rows = [row | {"end": 0.5 + number} for number in range(spans)]
    sources = [{"url": "https://example.org:8443/file?token=***", "host": "example.org", "trust": "origin", "bytes": 7}]
    return {"seconds": 0.75, "sources": sources, "timeline": {"spans": rows, "left_out": 3}} | more


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "state"))


def test_what_is_kept_comes_back(store: Store) -> None:
    profiles.keep(store, [(entry(), told())])
    profiles.keep(store, [(entry(1), told(2))])
    last, first = profiles.load(store)
    assert first == Profiled(
        NOW, URL, 0.75, (("example.org:8443", "origin", 7),), (Stretch(0, 0, "receive", 0.25, 0.5, 7),), 3
    )
    assert (last.when, len(last.spans)) == (NOW + 1, 2)


def test_nothing_is_made_by_looking(store: Store, tmp_path: Path) -> None:
    assert profiles.load(store) == []
    profiles.keep(store, [])
    assert not (tmp_path / "state").exists()


def test_the_newest_are_kept(store: Store) -> None:
    profiles.keep(store, [(entry(number), told()) for number in range(15)])
    profiles.keep(store, [(entry(number), told()) for number in range(15, 30)])
    assert [profiled.when - NOW for profiled in profiles.load(store)] == list(range(29, 9, -1))


@pytest.mark.parametrize(
    "url", ["https://example.org/***", "https://example.org/f?token=s3cret", "https://me:s3cret@example.org/f"]
)
def test_nothing_of_a_private_download(store: Store, url: str) -> None:
    profiles.keep(store, [(entry(url=url), told())])
    assert profiles.load(store) == []


def test_a_row_is_bounded(store: Store, tmp_path: Path) -> None:
    profiles.keep(store, [(entry(), told(20_000))])
    (profiled,) = profiles.load(store)
    assert len(profiled.spans) + profiled.left_out == 20_003
    assert profiled.spans[-1].end == 0.5 + 19_999, "the longest stay"
    assert list(profiled.spans) == sorted(profiled.spans, key=lambda span: span.end)
    db = sqlite3.connect(tmp_path / "state" / "state.sqlite3")
    assert 50_000 < db.execute("select length(told) from profiles").fetchone()[0] <= profiles.MOST_BYTES
    db.close()


def test_it_goes_with_the_history(store: Store, tmp_path: Path) -> None:
    ended(store, entry(url="https://example.org/remarkable-name"))
    profiles.keep(store, [(entry(url="https://example.org/remarkable-name"), told())])
    store.clear()
    assert len(profiles.load(store)) == 1, "cache clear leaves the history"
    assert store.clear_history() == 1
    assert profiles.load(store) == []
    store.close()
    assert b"remarkable-name" not in (tmp_path / "state" / "state.sqlite3").read_bytes()


def test_a_file_of_the_second_version_is_taken_over(store: Store, tmp_path: Path) -> None:
    ended(store, entry())
    store.close()
    db = sqlite3.connect(tmp_path / "state" / "state.sqlite3")
    db.execute("drop table profiles")
    db.execute("pragma user_version = 2")
    db.commit()
    db.close()
    warned: list[str] = []
    again = Store(str(tmp_path / "state"), warned.append)
    assert profiles.load(again) == []
    profiles.keep(again, [(entry(), told())])
    assert (len(profiles.load(again)), len(again.history()), warned) == (1, 1, [])
    again.close()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", "null", "[1, [], []]", '["x", [], [], 0]', "[1, [[1]], [], 0]", "[NaN, [], [], 0]",
        '[1, [], [[0, 0, "receive", 0, 1, 1]], 0]', '[1, [], [[0, null, "dns", -1, 1, 1]], 0]',
        '[1, [], [[0, null, "dns", 0, 1e99, 1]], 0]', "[" * 50_000, '[1, [], [[[], null, "dns", 0, 1, 1]], 0]',
    ],
)  # fmt: skip
def test_a_row_that_makes_no_sense_is_left_out(store: Store, tmp_path: Path, text: str) -> None:
    profiles.keep(store, [(entry(), told())])
    db = sqlite3.connect(tmp_path / "state" / "state.sqlite3")
    db.execute("insert into profiles values (null, 1.0, 'u', ?)", (text,))
    db.commit()
    db.close()
    assert [profiled.when for profiled in profiles.load(store)] == [NOW]
    store.close()
