"""What stands between a list and its downloads: the list goes on whatever becomes of its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastdl.errors import DiskError
from fastdl.events import Ended, Event
from fastdl.io import disk
from fastdl.listing import File
from fastdl.locking import Locking
from fastdl.result import Result
from fastdl.settings import Settings


def test_a_full_disk_is_told_once_and_when_all_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, offset: int, data: memoryview) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(disk, "write_at", full)
    settings = Settings(lock=str(tmp_path / "files.lock"))
    urls = [f"http://localhost/{at}.bin" for at in range(3)]
    seen: list[Event] = []
    said: list[str] = []
    with pytest.raises(DiskError), Locking(settings, seen.append, said.append) as lock:
        for job, file in enumerate(lock.files(File(url, settings) for url in urls)):
            lock.handle(Ended(job, Result(file.url, path=f"{job}.bin", size=1, sha256="00" * 32)))
    assert [event.result.url for event in seen if isinstance(event, Ended)] == urls
    assert len(seen) == 3
    assert said == []
    assert list(tmp_path.iterdir()) == [], "no lock, and nothing beside it"
