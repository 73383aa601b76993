"""The jobs of a run and what waits to be named: at every end, the whole files get their names and are reported."""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fastdl.batch import Crew
from fastdl.errors import FastdlError, Interrupted
from fastdl.io import disk
from fastdl.io.session import Session
from fastdl.io.settling import SmallFile
from fastdl.result import Result
from fastdl.settings import Settings

_PATIENCE = 20.0  # seconds


class Whole:
    """A download whose file is small and whole; `first` runs before it is handed over."""

    def __init__(self, session: Session, path: Path, first: Callable[[Whole], None] = lambda self: None) -> None:
        self.url = f"https://example.org/{path.name}"
        self.desk: Any = None
        self.stopped = threading.Event()
        self._session = session
        self._path = path
        self._first = first

    def stop(self, error: FastdlError) -> None:
        self.stopped.set()

    def let_go(self) -> None:
        pass

    def run_then(self, ended: Callable[[Callable[[], Result]], None]) -> None:
        self._first(self)
        file = SmallFile(str(self._path), durable=True, replace=False)
        assert file.store(memoryview(b"x"), None)
        self._session.settler.put(file, lambda error: ended(lambda: Result(self.url, error=error)))


@pytest.fixture
def session() -> Iterator[Session]:
    one = Session(Settings())
    yield one
    one.close()


def work(session: Session, downloads: list[Whole], jobs: int = 1) -> tuple[FastdlError | None, dict[int, Result]]:
    results: dict[int, Result] = {}
    crew = Crew(session, enumerate(downloads), lambda _, one: one, results.__setitem__)  # type: ignore[arg-type, return-value]
    return crew.work(jobs), results


def test_the_last_ones_need_no_whole_lot(session: Session, tmp_path: Path) -> None:
    stopped, results = work(session, [Whole(session, tmp_path / str(at)) for at in range(5)], 2)
    assert stopped is None
    assert sorted(results) == [0, 1, 2, 3, 4]
    assert all(result.error is None for result in results.values())
    assert len(list(tmp_path.iterdir())) == 5


def test_what_comes_whole_after_an_interrupt_gets_its_name(session: Session, tmp_path: Path) -> None:
    """The body may have been on its way through a job's hands when the run was stopped."""

    def interrupt(self: Whole) -> None:
        _thread.interrupt_main()
        assert self.stopped.wait(_PATIENCE)

    stopped, results = work(session, [Whole(session, tmp_path / "a", interrupt), Whole(session, tmp_path / "b")])
    assert isinstance(stopped, Interrupted)
    assert list(results) == [0]
    assert results[0].error is None
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_interrupt_while_names_are_given(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes between the bytes of one file and the name of the other: both end as if nothing had been."""
    real, calls = disk.flush_data, []

    def flush(fd: int) -> None:
        real(fd)
        calls.append(fd)
        if len(calls) == 1:
            _thread.interrupt_main()

    monkeypatch.setattr(disk, "flush_data", flush)
    stopped, results = work(session, [Whole(session, tmp_path / name) for name in "ab"])
    assert isinstance(stopped, Interrupted)
    assert [result.error for result in results.values()] == [None, None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_bug_in_a_job_is_not_hidden(session: Session, tmp_path: Path) -> None:
    def crash(self: Whole) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        work(session, [Whole(session, tmp_path / "a"), Whole(session, tmp_path / "b", crash)])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
