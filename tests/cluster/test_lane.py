"""A lane without a cluster: what it does with the files that it is given, and what it tells."""

from __future__ import annotations

import os
import queue
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fastdl.cluster import in_hand
from fastdl.cluster.lane import Lane
from fastdl.cluster.messages import Orders, Report, Todo, Vow
from fastdl.core.plain import replace
from fastdl.errors import BadEntry
from fastdl.events import Ended
from fastdl.io.partial import Partial
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings
from servers.clusters import Crowd
from servers.content import content
from servers.raw import Serve


class Wire:
    """A line that a test holds the other end of."""

    def __init__(self) -> None:
        self.orders: queue.SimpleQueue[Orders] = queue.SimpleQueue()
        self.reports: list[Report] = []
        self._reported = threading.Condition()
        self.stays = True
        self.heard = True  # every vow, at once
        self._serial = 0
        self._hosts: set[str] = set()

    def put(self, report: Report) -> None:
        with self._reported:
            self.reports.append(report)
            self._reported.notify_all()
        new = set(report.open) - self._hosts
        self._hosts |= new
        if new or (report.vows and self.heard):
            self.send()

    def get(self, seconds: float) -> Orders | None:
        try:
            return self.orders.get(timeout=0.05)
        except queue.Empty:
            return None

    def until(self, holds: Callable[[], bool]) -> None:
        """Return when what was reported makes it hold."""
        with self._reported:
            assert self._reported.wait_for(holds, 20)

    def staying(self) -> bool:
        return self.stays

    def close(self) -> None:
        pass

    def send(self, *files: Todo, settings: Settings | None = None, over: bool = False) -> None:
        self._serial += 1
        heard = sum(len(report.vows) for report in self.reports) if self.heard else 0
        shares = dict.fromkeys(self._hosts, 4)
        self.orders.put(Orders(self._serial, settings, tuple(files), shares, None, heard, over=over))

    @property
    def ended(self) -> dict[int, Result]:
        events = [event for report in self.reports for event in report.events if isinstance(event, Ended)]
        return {event.job: event.result for event in events}


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Of a lane that runs until the test is over."""
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    made = Wire()
    thread = threading.Thread(target=Lane(1, made).run)
    thread.start()
    yield made
    made.heard = True
    made.send(over=True)
    thread.join(30)
    assert not thread.is_alive()


def _settings(folder: Path) -> Settings:
    folder.mkdir(exist_ok=True)
    return Settings(dir=str(folder), history=False)


def test_what_was_named_before_its_worker_died_is_not_fetched_again(wire: Wire, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = _settings(tmp_path / "out")
    done, other = Crowd.name(1, 100), Crowd.name(2, 100)
    for name in (done, other):
        (tmp_path / "out" / name).write_bytes(b"x" * 100)
    path = str(tmp_path / "out" / done)
    state = os.stat(path)
    told = Result(server.url(f"/{done}"), path=path, size=100, sha256="ab")
    vows = [
        Vow(0, path, state.st_ino, 100, None, told),
        Vow(1, str(tmp_path / "out" / other), state.st_ino, 100, None, told),  # another file has the name
    ]
    files = [File(server.url(f"/{name}"), settings) for name in (done, other)]
    wire.send(*(Todo(job, files[job], True, vows[job]) for job in (0, 1)), settings=settings)
    wire.until(lambda: len(wire.ended) == 2)
    assert wire.ended[0].sha256 == "ab" and wire.ended[0].error is None and not wire.ended[0].kept
    assert wire.ended[1].error is not None and wire.ended[1].error.code == 7
    assert dict(crowd.asked) == {f"/{other}": 1}


@pytest.mark.parametrize("whole", [True, False])
def test_what_was_whole_when_its_worker_died_is_not_fetched_again(
    whole: bool, wire: Wire, serve: Serve, tmp_path: Path
) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = _settings(tmp_path / "out")
    name = Crowd.name(3, 5000)
    path = str(tmp_path / "out" / name)
    body = content(3, 0, 5000)
    Path(path + ".fastdl").write_bytes(body if whole else bytes(5000))  # its machine died too
    told = Result(server.url(f"/{name}"), path=path, size=5000)
    vow = Vow(0, path, os.stat(path + ".fastdl").st_ino, 5000, zlib.crc32(body), told)
    wire.send(Todo(0, File(server.url(f"/{name}"), settings), True, vow), settings=settings)
    wire.until(lambda: 0 in wire.ended)
    assert wire.ended[0].error is None and wire.ended[0].seconds < 60
    assert Crowd.right(tmp_path / "out", [name]) == []
    assert os.listdir(tmp_path / "out") == [name]
    assert crowd.asked[f"/{name}"] == (0 if whole else 1)


def test_what_follows_is_done_for_a_file_that_was_named_before_its_worker_died(wire: Wire, tmp_path: Path) -> None:
    settings = replace(_settings(tmp_path / "out"), extract=True)
    path = str(tmp_path / "out" / "a.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inside", "text")
    state = os.stat(path)
    vow = Vow(0, path, state.st_ino, state.st_size, None, Result("http://127.0.0.1:1/a.zip", path=path))
    wire.send(Todo(0, File("http://127.0.0.1:1/a.zip", settings), True, vow), settings=settings)
    wire.until(lambda: 0 in wire.ended)
    assert wire.ended[0].error is None and wire.ended[0].unpacked == 1
    assert (tmp_path / "out" / "inside").read_text() == "text"


def test_no_name_is_given_before_the_head_knows(wire: Wire, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = _settings(tmp_path / "out")
    names = [Crowd.name(1, 1000), Crowd.name(2, 2_000_000)]  # by both ways that a file gets its name
    wire.heard = False
    wire.send(*(Todo(n, File(server.url(f"/{name}"), settings)) for n, name in enumerate(names)), settings=settings)
    wire.until(lambda: sum(len(report.vows) for report in wire.reports) == 2)
    assert not any((tmp_path / "out" / name).exists() for name in names)
    inodes = {os.stat(tmp_path / "out" / f"{name}.fastdl").st_ino for name in names}
    wire.heard = True
    wire.send()
    wire.until(lambda: len(wire.ended) == 2)
    assert Crowd.right(tmp_path / "out", names) == []
    assert inodes == {vow.inode for report in wire.reports for vow in report.vows}
    assert inodes == {os.stat(tmp_path / "out" / name).st_ino for name in names}


def test_no_name_is_given_where_nobody_hears_of_it(
    wire: Wire, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd()
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = _settings(tmp_path / "out")
    small, large = Crowd.name(1, 1000), Crowd.name(2, 2_000_000)
    wire.heard = False
    files = [File(server.url(f"/{name}"), settings) for name in (small, large)]
    wire.send(*(Todo(n, file) for n, file in enumerate(files)), settings=settings)
    wire.until(lambda: sum(len(report.vows) for report in wire.reports) == 2)
    monkeypatch.setattr("fastdl.cluster.lane.SILENCE", -1.0)  # the head is gone
    wire.until(lambda: sorted(job for report in wire.reports for job in report.returned) == [0, 1])
    assert sorted(os.listdir(tmp_path / "out")) == [f"{large}.fastdl", f"{large}.fastdl.journal"]


def test_a_worker_that_leaves_gives_its_files_back(wire: Wire, serve: Serve, tmp_path: Path) -> None:
    crowd = Crowd(rate=1000)
    server = serve(crowd.handle)  # type: ignore[arg-type]
    settings = _settings(tmp_path / "out")
    files = [File(server.url(f"/{Crowd.name(n, 500_000)}"), settings) for n in range(9)]
    wire.send(*(Todo(n, file) for n, file in enumerate(files)), settings=settings)
    server.until(lambda: len(server.log) > 0, 20)
    wire.stays = False
    wire.until(lambda: sorted(job for report in wire.reports for job in report.returned) == list(range(9)))
    assert not wire.ended


def test_a_target_that_is_held_is_not_waited_for_without_end(
    wire: Wire, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lane that had it lets go when it dies; another program may hold it for hours."""
    monkeypatch.setattr(in_hand, "BUSY", 0.5)
    server = serve(Crowd().handle)  # type: ignore[arg-type]
    settings = _settings(tmp_path / "out")
    name = Crowd.name(4, 5000)
    held = Partial.open(str(tmp_path / "out" / name))
    try:
        wire.send(Todo(0, File(server.url(f"/{name}"), settings), again=True), settings=settings)
        wire.until(lambda: 0 in wire.ended)
    finally:
        held.close()
    error = wire.ended[0].error
    assert error is not None and error.code == 9


def test_what_cannot_begin_is_told_under_its_own_number(wire: Wire, tmp_path: Path) -> None:
    settings = _settings(tmp_path / "out")
    elsewhere = replace(settings, dir=str(tmp_path / "nowhere"))
    broken = File("", settings, error=BadEntry("l, line 9", "no URL"))
    wire.send(Todo(7, broken), Todo(9, File("http://127.0.0.1:1/x", elsewhere)), settings=settings)
    wire.until(lambda: len(wire.ended) == 2)
    assert {job: result.error and result.error.code for job, result in wire.ended.items()} == {7: 2, 9: 6}


def test_the_folder_that_is_not_there_is_told(wire: Wire, tmp_path: Path) -> None:
    wire.send(settings=Settings(dir=str(tmp_path / "nowhere")))
    wire.until(lambda: any(report.unfit is not None for report in wire.reports))
    (unfit,) = {report.unfit for report in wire.reports if report.unfit is not None}
    assert unfit.code == 6 and "nowhere" in str(unfit)
    assert not (tmp_path / "nowhere").exists()
