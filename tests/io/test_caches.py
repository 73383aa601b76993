"""What caches hold is counted: each object once, with all that hangs on it, and nothing of the program itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastdl.core.record import Record
from fastdl.io import caches
from fastdl.io.caches import Heap, weighed
from fastdl.io.dns import Address
from fastdl.io.session import Session
from fastdl.io.store import Store
from fastdl.settings import Settings


class Point(Record):
    """Two texts."""

    one: str
    two: str


def test_all_that_hangs_on_an_entry() -> None:
    text = "x" * 1000
    assert weighed([text]) == Heap(1, sys.getsizeof(text), sys.getsizeof(text))
    assert weighed([(text,)]).bytes == sys.getsizeof(text) + sys.getsizeof((text,))
    assert weighed([{"key": [text]}]).bytes > sys.getsizeof(text) + sys.getsizeof("key")
    assert weighed([Address(2, text, 80)]).bytes > sys.getsizeof(text) + sys.getsizeof(2)
    assert weighed([Point(text, text + "y")]).bytes > 2 * sys.getsizeof(text)


def test_each_object_once() -> None:
    text = "x" * 1000
    assert weighed([text, text]) == Heap(2, sys.getsizeof(text), sys.getsizeof(text))
    loop: list[object] = []
    loop.append(loop)
    assert weighed(loop).bytes == sys.getsizeof(loop)


def test_nothing_of_the_program() -> None:
    assert weighed([None, True, str, len, Point, weighed]).bytes == 0


def test_a_run_of_many_files_notes_its_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path))
    for many in (False, True):
        session = Session(Settings())
        session.many = many
        assert caches.heaps(session.store) == {}
        url = "https://example.org/file"
        session.mapper.route(url)
        session.close()
    heaps = caches.heaps(Store(str(tmp_path)))
    assert set(heaps) >= {"routes", "names", "addresses"}
    assert all(heap.most == heap.bytes for heap in heaps.values())


def test_the_most_of_all_runs_is_kept(tmp_path: Path) -> None:
    store = Store(os.fspath(tmp_path))
    caches.note_heap(store, "routes", Heap(9, 900, 900))
    caches.note_heap(store, "routes", Heap(1, 100, 100))
    caches.note_heap(store, "names", Heap(2, 50, 50))
    assert caches.heaps(store) == {"names": Heap(2, 50, 50), "routes": Heap(1, 100, 900)}
    store.clear()
    assert caches.heaps(store) == {}
