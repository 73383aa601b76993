"""The rows on emulated links: their goals name what they run, faults are armed as told, and one small download crosses
a real one."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benches.files import Source, make_file
from benches.harness import Run, RunFailed
from benches.peers import SOURCE
from benches.row import Row, Setting, Skip
from benches.rows import fault_connection, fault_mirror, rate_auto, wan_switches
from benches.server import ServerFailed, find_nginx
from benches.text import MIB
from benches.wan import course as course_module
from benches.wan import network
from benches.wan.course import Course
from benches.wan.link import Count, Link
from benches.wan.network import WanFailed
from benches.wan.server import FarServer

ROWS = [
    "wan_long",
    "wan_capped",
    "wan_lossy",
    "wan_mirrors",
    "wan_switches",
    "fault_connection",
    "fault_mirror",
    "rate_auto",
]
here = bool(network.unavailable()) or find_nginx() is None
needs_a_network = pytest.mark.skipif(here, reason=network.unavailable() or "nginx is not installed")


def row_of(name: str) -> Row:
    row: Row = importlib.import_module(f"benches.rows.{name}").ROW
    return row


class FakeWan:
    """Notes what it is told; every link has carried its part of a file, and each fault has met ten packets."""

    def __init__(self, links: Sequence[Link]) -> None:
        self.links = tuple(links)
        self.faults: list[tuple[int, int, float, int]] = []
        self.actions: list[tuple[int, int]] = []
        self.struck = 10

    def inside(self, place: int) -> list[str]:
        return ["inside", str(place)]

    def address(self, link: int) -> str:
        return f"10.0.0.{link}"

    def fault(self, *what: Any) -> None:
        self.faults.append(what)

    def when(self, link: int, after: int, action: Callable[[], None]) -> Any:
        self.actions.append((link, after))
        action()
        return network.threading.Event()

    def reset(self) -> None:
        self.faults.clear()

    def wait_quiet(self) -> None:
        pass

    def lateness(self) -> float:
        return 0.0

    def counts(self) -> list[Count]:
        struck = self.struck if self.faults else 0
        return [Count(1000, 10, 1, 2, 4, struck, 100) for _ in self.links]


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    home, memory = tmp_path / "home", tmp_path / "memory"
    home.mkdir()
    memory.mkdir()
    return Setting(False, home, memory, tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[Course]:
    """Courses without a network, in the order in which they are made; programs need two seconds for everything."""
    made: list[Course] = []

    @contextmanager
    def course(setting: Setting, links: Sequence[Link], size: int, limit: int = 0) -> Iterator[Course]:
        wan: Any = FakeWan(links)
        root = setting.memory / "site"
        root.mkdir()
        servers = [FarServer(wan, number, root, root, limit) for number in range(len(links))]
        monkeypatch.setattr(FarServer, "start", lambda self: None)
        made.append(Course(setting, wan, servers, Source(root / "file.bin", size, b"")))
        yield made[-1]

    run = Run(2.0, 0.0, 1.0, 1000, 0)
    monkeypatch.setattr(Setting, "fastdl", lambda *words, **more: run)
    monkeypatch.setattr(Setting, "peer", lambda *words, **more: run)
    for module in (course_module, fault_connection, fault_mirror, rate_auto, wan_switches):
        monkeypatch.setattr(module, "course", course)
    monkeypatch.setattr(Course, "beside", lambda self, *words: contextmanager(lambda: iter([None]))())
    monkeypatch.setattr(rate_auto, "AHEAD", 0.0)
    return made


@pytest.mark.parametrize("name", ROWS)
def test_a_goal_names_tasks_and_figures_that_there_are(name: str, fake: list[Course], setting: Setting) -> None:
    row = row_of(name)
    with row.prepare(setting) as tasks:
        figures = {task.name: task.run(SOURCE) for task in tasks}
    for goal in row.goals:
        for term in (goal.top, *goal.bottom):
            assert term.figure in figures[term.task], goal.text
    assert row.name == name and {"root", "tun", "nginx"} <= set(row.needs)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_cannot_run_here_says_so(name: str, monkeypatch: pytest.MonkeyPatch, setting: Setting) -> None:
    monkeypatch.setattr(course_module, "unavailable", lambda: "needs a moon")
    with pytest.raises(Skip, match="needs a moon"), row_of(name).prepare(setting):
        pass


def test_the_share_is_that_of_all_links_together(fake: list[Course], setting: Setting) -> None:
    with row_of("wan_mirrors").prepare(setting) as tasks:
        figures = tasks[0].run(SOURCE)
    assert figures["share"] == pytest.approx(256 * MIB / 2.0 / (Link(200).payload + Link(50).payload))
    assert figures["connections"] == 8


def test_one_connection_is_struck_at_two_fifths(fake: list[Course], setting: Setting) -> None:
    with fault_connection.ROW.prepare(setting) as tasks:
        for task in tasks[:3]:
            task.run(SOURCE)
            faults = list(fake[0].wan.faults)  # type: ignore[attr-defined]
            rate = {"fastdl, 50 x slower": Link(100).rate / 400, "fastdl, silent": 0.0}.get(task.name)
            assert faults == ([] if rate is None else [(0, 3, rate, 40 * MIB)])


def test_a_fault_that_meets_nobody_is_no_measurement(fake: list[Course], setting: Setting) -> None:
    with fault_connection.ROW.prepare(setting) as tasks:
        fake[0].wan.struck = 0  # type: ignore[attr-defined]
        with pytest.raises(RunFailed, match="met no connection"):
            tasks[1].run(SOURCE)


def test_a_mirror_is_lost_half_way(fake: list[Course], setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[int] = []
    monkeypatch.setattr(FarServer, "stop", lambda self: stopped.append(self.link))
    with fault_mirror.ROW.prepare(setting) as tasks:
        sound, refuses, silent = tasks
        sound.run(SOURCE)
        assert not stopped
        figures = refuses.run(SOURCE)
        assert stopped == [1]
        silent.run(SOURCE)
        (fault,) = fake[0].wan.faults  # type: ignore[attr-defined]
    assert fault == (1, 0, 0, 16 * MIB * 1500 // 1448)
    both, one = 2 * Link(50).payload, Link(50).payload
    assert figures["slowdown"] == pytest.approx(2.0 / (0.16 + 32 * MIB / both + 32 * MIB / one), rel=1e-3)


@needs_a_network
def test_a_download_across_a_real_link(setting: Setting) -> None:
    with course_module.course(setting, [Link(200, rtt=0.004), Link(100, rtt=0.004)], 2 * MIB) as made:
        task = made.own_task("fastdl", "-k", "256k")
        figures = task.run(SOURCE)
        assert task.check is not None
        task.check()
        assert figures["connections"] >= 2 and figures["down"] > 1.0 and figures["struck"] == 0
        made.servers[1].stop()
        assert not made.servers[1].running
        made.fresh()
        assert made.servers[1].running and not made.target.exists()
        if shutil.which("aria2c"):
            made.aria2_task("aria2c -x2", 2).run(SOURCE)
            task.check()
        with made.beside(SOURCE, "--overwrite"):  # the file is there: it is fetched again until the block ends
            pass


@needs_a_network
def test_a_server_that_cannot_start_says_why(setting: Setting, tmp_path: Path) -> None:
    with network.Wan([Link(100)]) as wan, FarServer(wan, 0, tmp_path, tmp_path / "one"):
        second = FarServer(wan, 0, tmp_path, tmp_path / "two")
        with pytest.raises(ServerFailed, match="nginx did not start"):
            second.start()


@needs_a_network
def test_a_network_that_cannot_be_made_is_skipped(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: network.Wan) -> network.Wan:
        raise WanFailed("no more devices")

    monkeypatch.setattr(network.Wan, "__enter__", fail)
    with pytest.raises(Skip, match="no more devices"), course_module.course(setting, [Link(1)], 1000):
        pass


def test_the_file_of_a_course_is_what_is_checked(setting: Setting, fake: list[Course], tmp_path: Path) -> None:
    with row_of("wan_long").prepare(setting) as tasks:
        made = fake[0]
        made.source = make_file(tmp_path / "right", 1000)
        tasks[0].run(SOURCE)
        assert tasks[0].check is not None
        with pytest.raises(RunFailed, match="left no file"):
            tasks[0].check()
        shutil.copy(tmp_path / "right", made.target)
        tasks[0].check()
        made.target.write_bytes(bytes(1000))
        with pytest.raises(RunFailed, match="wrong file"):
            tasks[0].check()
