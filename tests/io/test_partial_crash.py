"""Kills and power losses at every single step of a download's life, torn at any byte.

The disk of these tests counts the writes, renames and removals of the code under test and dies at the n-th of them.
A kill leaves the files as they are then. A power loss leaves of the data what had been flushed, and of the journal
what had been flushed and any part of the rest, in any order. Then the next run opens the pair, and every claim has to
be true: byte and source. After a kill nothing that was recorded may be missing either.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastdl.core.journal import HEADER_SIZE, Claim, JournalHeader
from fastdl.io import disk, files, partial
from fastdl.io.partial import Partial

SIZE = 4000
SOURCES = ["https://example.org/a", "https://example.com/a"]


class Killed(BaseException):
    """The process is dead: nothing of it runs any more, no clean-up either."""


class Crashing:
    """Stands between the code and the disk, and dies at step `at`, having written a part of what it was to write."""

    def __init__(self, folder: Path, at: int = 1 << 30, tear: float = 0.0, grain: int = 1) -> None:
        self.data, self.journal = str(folder / "f.fastdl"), str(folder / "f.fastdl.journal")
        self.at, self.tear, self.grain = at, tear, grain
        self.steps = 0
        self.dead = False
        self.flushed = {self.data: b"", self.journal: b""}
        self.since: list[Callable[[bytearray], None]] = []  # what was done to the journal after its last flush

    def step(self, last: Callable[[], None] = lambda: None) -> None:
        if self.dead:
            raise Killed
        self.steps += 1
        if self.steps >= self.at:
            last()
            self.dead = True
            raise Killed

    def name_of(self, fd: int) -> str:
        for path in (self.journal, self.data):
            if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(fd)):
                return path
        raise AssertionError("a file of no name")

    def write_at(self, fd: int, offset: int, data: memoryview) -> int:
        def torn() -> None:
            count = int(len(data) * self.tear) // self.grain * self.grain
            self.real_write(fd, offset, data[:count])
            self.note(fd, offset, bytes(data[:count]))

        self.step(torn)
        self.note(fd, offset, bytes(data))
        return self.real_write(fd, offset, data)

    def note(self, fd: int, offset: int, data: bytes) -> None:
        def apply(image: bytearray) -> None:
            image.extend(bytes(max(0, offset + len(data) - len(image))))
            image[offset : offset + len(data)] = data

        if self.name_of(fd) == self.journal:
            self.since.append(apply)

    def truncate(self, fd: int, size: int) -> None:
        def apply(image: bytearray) -> None:
            image[:] = bytes(image[:size]).ljust(size, b"\0")

        self.step()
        if self.name_of(fd) == self.journal:
            self.since.append(apply)
        os.ftruncate(fd, size)

    def flush_data(self, fd: int) -> None:
        self.step()
        name = self.name_of(fd)
        self.flushed[name] = Path(name).read_bytes()
        if name == self.journal:
            self.since.clear()

    def lose_power(self, seed: int) -> None:
        """What is on the device afterwards."""
        chance = random.Random(seed)
        share = chance.choice([0.0, 0.5, 0.9, 1.0])
        image = bytearray(self.flushed[self.journal])
        for apply in self.since:
            if chance.random() < share:
                apply(image)
        if os.path.exists(self.journal):
            Path(self.journal).write_bytes(image)
        if os.path.exists(self.data):
            size = os.path.getsize(self.data)
            Path(self.data).write_bytes(self.flushed[self.data][:size].ljust(size, b"\0"))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        self.real_write = disk.write_at
        patch.setattr(disk, "write_at", self.write_at)
        patch.setattr(disk, "truncate", self.truncate)
        patch.setattr(disk, "_extend", self.truncate)
        patch.setattr(disk, "_reserve", lambda *_: False)
        patch.setattr(disk, "flush_data", self.flush_data)
        for name in ("create", "remove", "rename"):
            patch.setattr(files, name, self.stepping(getattr(files, name)))

    def stepping(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.step()
            if real.__name__ == "create" and arguments[0] == self.data:
                self.flushed[self.data] = b""
            return real(*arguments, **options)

        return call


def byte(offset: int, source: int, version: int) -> int:
    return (offset * 7 + source * 31 + version * 57) % 251 + 1


def header(size: int | None = SIZE) -> JournalHeader:
    return JournalHeader("k", SOURCES[0], False, "f", size, None, None, None, "", SOURCES, 1.0)


class Life:
    """One process: what it does with the partial download, and what it has been promised to find again."""

    def __init__(self, folder: Path, known: dict[int, int], version: int) -> None:
        self.folder = folder
        self.known = known  # offset: source, of all that was recorded
        self.version = version  # of the object: each beginning downloads other bytes
        self.partial: Partial | None = None
        self.in_doubt: set[int] = set()  # offsets that a step under way changes

    def start(self) -> Partial:
        self.partial = Partial.open(str(self.folder / "f"))
        if self.partial.header is not None:
            self.partial.continue_with(header(self.partial.header.size))
        else:
            self.begin()
        return self.partial

    def begin(self, size: int | None = SIZE) -> None:
        assert self.partial is not None
        self.in_doubt = set(self.known)
        self.partial.begin(header(size))
        self.known.clear()
        self.version += 1

    def fetch(self, start: int, length: int, source: int, pieces: int = 3, ended: bool = True) -> None:
        assert self.partial is not None
        self.in_doubt = set(range(start, start + length))
        self.partial.forget(start, start + length)
        for at in self.in_doubt:
            self.known.pop(at, None)
        slot = self.partial.run(start, source)
        for piece in range(pieces):
            low, high = start + length * piece // pieces, start + length * (piece + 1) // pieces
            self.partial.write(low, memoryview(bytes(byte(at, source, self.version) for at in range(low, high))))
            self.partial.record(slot, start, high, source)
            self.known.update(dict.fromkeys(range(low, high), source))
        if ended:
            self.partial.end_run(slot)

    def abandon(self) -> None:
        """What the system does for a dead process."""
        if self.partial is not None:
            for handle in (self.partial._data._handle, self.partial._journal and self.partial._journal._handle):
                if handle:
                    handle.close()


def check(folder: Path, version: int) -> dict[int, int]:
    """Open as the next run does: all claims are true. What is claimed."""
    found = Partial.open(str(folder / "f"))
    stored = (folder / "f.fastdl").read_bytes() if (folder / "f.fastdl").exists() else b""
    claimed: dict[int, int] = {}
    for claim in found.claims:
        for at in range(claim.start, claim.end):
            claimed[at] = claim.source
            assert stored[at] == byte(at, claim.source, version), f"{at} claimed for source {claim.source}"
    found.close()
    return claimed


def whole_life(life: Life) -> None:
    """Everything that happens to a partial download, in one process."""
    one = life.start()
    life.fetch(0, 300, 0)
    life.fetch(300, 300, 0)
    life.fetch(1000, 500, 1, ended=False)
    one.flush()
    life.fetch(600, 100, 0)
    life.fetch(200, 250, 1)
    life.fetch(1100, 100, 0)
    one.update_header(replace(header(), etag='"another"'))
    one.flush()
    life.fetch(1500, 100, 1)


def second_life(life: Life) -> None:
    one = life.start()
    life.fetch(700, 300, 0)
    one.flush()
    life.fetch(2000, 700, 1)
    life.fetch(3500, 100, 0)
    life.fetch(3400, 100, 0)  # joined with the one behind it
    life.begin(None)
    life.fetch(0, 500, 1)
    life.fetch(800, 100, 0)
    one.update_header(header())
    life.fetch(500, 300, 1)
    one.flush()
    life.fetch(900, 600, 1)


def run(folder: Path, scripts: list[Callable[[Life], None]], crash: Crashing) -> Life:
    """The scripts, each a process that ends by close(); the crash ends the last one."""
    life = Life(folder, {}, 0)
    for script in scripts:
        life = Life(folder, life.known, life.version)
        try:
            script(life)
            life.in_doubt = set()
            assert life.partial is not None
            life.partial.close()
        except Killed:
            life.abandon()
            break
    return life


@pytest.fixture
def boots(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def start(name: str) -> None:
        monkeypatch.setattr(partial, "boot_identity", lambda: name)

    start("first")
    return start


def steps_of(folder: Path, scripts: list[Callable[[Life], None]]) -> int:
    with pytest.MonkeyPatch.context() as patch:
        crash = Crashing(folder)
        crash.install(patch)
        run(folder, scripts, crash)
    return crash.steps


LIVES: list[Callable[[Life], None]] = [whole_life, second_life]


@pytest.mark.parametrize(("tear", "grain"), [(0.0, 1), (0.02, 1), (0.3, 1), (0.5, 32), (0.9, 1), (1.0, 1)])
def test_a_kill_at_any_step_leaves_true_claims(
    tmp_path: Path, boots: Callable[[str], None], tear: float, grain: int
) -> None:
    """Where writes are torn between slots and not within one (a kernel copies a slot in one go), nothing that was
    recorded is lost either, but what the step under way was changing."""
    (tmp_path / "all").mkdir()
    steps = steps_of(tmp_path / "all", LIVES)
    assert steps > 100
    for at in range(1, steps + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            crash = Crashing(folder, at, tear, grain)
            crash.install(patch)
            life = run(folder, LIVES, crash)
        claimed = check(folder, life.version)
        if grain == 32 or tear in (0.0, 0.02, 1.0):
            lost = {place for place, source in life.known.items() if claimed.get(place) != source} - life.in_doubt
            assert not lost, f"step {at}"


@pytest.mark.parametrize("seed", range(3))
def test_a_power_loss_at_any_step_leaves_true_claims(tmp_path: Path, boots: Callable[[str], None], seed: int) -> None:
    (tmp_path / "all").mkdir()
    for at in range(1, steps_of(tmp_path / "all", [once_only, once_more]) + 1):
        folder = tmp_path / str(at)
        folder.mkdir()
        boots("first")
        with pytest.MonkeyPatch.context() as patch:
            crash = Crashing(folder, at, 1.0)
            crash.install(patch)
            life = run(folder, [once_only, once_more], crash)
        crash.lose_power(seed * 1000 + at)
        boots("second")
        claimed = check(folder, life.version)
        with pytest.MonkeyPatch.context() as patch:  # and the next process is killed in the midst of taking over
            crash = Crashing(folder, 1 + at % 9, 0.5)
            crash.install(patch)
            later = Life(folder, dict(claimed), life.version)
            with pytest.raises(Killed):
                whole_life(later)
            later.abandon()
        again = check(folder, later.version)
        if later.version == life.version:
            assert {place: again.get(place) for place in claimed if place not in later.in_doubt} == {
                place: source for place, source in claimed.items() if place not in later.in_doubt
            }


def once_only(life: Life) -> None:
    """No byte is written twice: of such a one a power loss may leave either version, which only the digest tells."""
    one = life.start()
    life.fetch(0, 300, 0)
    one.flush()
    life.fetch(300, 300, 0)
    life.fetch(1000, 500, 1, ended=False)
    one.flush()
    life.fetch(600, 100, 0)
    life.fetch(3100, 100, 0)
    one.flush()
    life.fetch(3000, 100, 0)  # joined with one that was flushed


def once_more(life: Life) -> None:
    one = life.start()
    life.fetch(2000, 300, 0)
    one.flush()
    life.begin()
    life.fetch(0, 500, 1)
    one.flush()
    life.fetch(500, 300, 1)


actions = st.one_of(
    st.tuples(st.just("fetch"), st.integers(0, 30), st.integers(1, 9), st.integers(0, 1), st.booleans()),
    st.sampled_from([("flush",), ("again",), ("begin",)]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(actions, max_size=12), st.integers(1, 120), st.sampled_from([0.0, 0.5, 1.0]))
def test_any_life_killed_anywhere(
    tmp_path_factory: pytest.TempPathFactory, script: list[Any], at: int, tear: float
) -> None:
    folder = tmp_path_factory.mktemp("life")
    life = Life(folder, {}, 0)
    with pytest.MonkeyPatch.context() as patch:
        crash = Crashing(folder, at, tear, 32)
        crash.install(patch)
        try:
            life.start()
            for name, *numbers in script:
                life.in_doubt = set()
                assert life.partial is not None
                if name == "fetch":
                    start, length, source, ended = numbers
                    life.fetch(start * 100, length * 100, source, ended=ended)
                elif name == "flush":
                    life.partial.flush()
                elif name == "begin":
                    life.begin()
                else:
                    life.partial.close()
                    life.start()
            life.in_doubt = set()
        except Killed:
            pass
        life.abandon()
    claimed = check(folder, life.version)
    assert not {place for place, source in life.known.items() if claimed.get(place) != source} - life.in_doubt


def test_very_many_runs_make_a_small_journal(tmp_path: Path) -> None:
    life = Life(tmp_path, {}, 0)
    one = life.start()
    places = list(range(0, SIZE, 10))
    random.Random(1).shuffle(places)
    for at in places:
        life.fetch(at, 10, 0, pieces=1)
    assert os.path.getsize(one.journal_path) < HEADER_SIZE + len(places) // 2 * 32
    one.close()
    again = Partial.open(str(tmp_path / "f"))
    assert again.claims == [Claim(0, SIZE, 0)]
    again.continue_with(header())
    assert os.path.getsize(one.journal_path) == HEADER_SIZE + 32
    again.close()
