"""What `--profile` keeps of many files, and of files that other threads finish."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from fastdl.core import tracker
from fastdl.core.history import Entry
from fastdl.core.tracker import Tracker
from fastdl.core.urls import parse_url
from fastdl.engine import profile as module
from fastdl.engine.download import Download
from fastdl.engine.profile import Profile
from fastdl.errors import ConnectionLost
from fastdl.io import phases
from fastdl.io.contact import Place
from fastdl.result import Result
from fastdl.ui.profiled import lines

URL = "http://example.org/f?token=s3cr3t"
Ended = Callable[[Callable[[], Result]], None]


class FakeDownload:
    """A download whose own thread has done `work`."""

    def __init__(
        self, work: Callable[[], object] = lambda: None, url: str = URL, error: Exception | None = None
    ) -> None:
        self.result = Result(url, error=ConnectionLost("lost\x1b[1m") if error is not None else None)
        self.counters = Tracker()
        self.places = [Place(parse_url(URL))]
        self.entry: Entry | None = None
        self.work = work

    def run(self) -> Result:
        self.work()
        self.counters.row(0, 0).add(tracker.BYTES, 7)
        self.counters.row(-1, 0).add(tracker.WASTED, 2)
        return self.result

    def run_then(self, ended: Ended) -> None:
        self.run()
        self.ended = ended
        self.thread = threading.Thread(target=lambda: ended(lambda: self.result))
        self.thread.start()


def faked(download: FakeDownload) -> Download:
    return cast(Download, download)


@phases.timed("receive")
def receive() -> None:
    """As the first answer of a small file does."""


def test_a_file_without_workers() -> None:
    """The first answer of a file of many is asked for by its own thread."""
    profile = Profile()
    result = profile.run(faked(FakeDownload(receive)))
    assert result.url == URL
    report = profile.report()
    (file,) = report["files"]
    assert (file["url"], file["workers"]) == ("http://example.org/f?token=***", [])
    (source,) = file["sources"]
    assert (source["bytes"], file["bytes"], report["bytes"]) == (9, 9, 9)
    assert source["phases"].keys() == {"receive", "other"}
    assert source["seconds"] == pytest.approx(sum(source["phases"].values()), abs=1e-9)


def test_a_file_that_another_thread_names() -> None:
    profile = Profile()
    download = FakeDownload()
    told: list[Result] = []
    begun = threading.Event()

    def ended(conclude: Callable[[], Result]) -> None:
        begun.wait(20)
        told.append(conclude())

    profile.run_then(faked(download), ended)
    assert profile.report()["count"] == 0
    begun.set()
    download.thread.join()
    assert told == [download.result]
    (file,) = profile.report()["files"]
    assert "settle" in file["steps"]
    assert file["seconds"] == pytest.approx(sum(file["steps"].values()), abs=1e-9)


def test_a_crash_is_a_file_too() -> None:
    profile = Profile()

    def crash() -> None:
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError):
        profile.run(faked(FakeDownload(crash)))
    assert profile.report()["count"] == 1
    assert phases.watch() is None


def test_of_very_many_files_the_longest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    profile = Profile()
    for number in range(20):
        profile.run(faked(FakeDownload(url=f"http://example.org/{number}")))
        assert len(profile._files) < 6
    seconds = [5.0, 1.0, 4.0, 2.0, 3.0]
    profile._files = [{"seconds": each} for each in seconds]
    assert [file["seconds"] for file in profile._longest()] == [5.0, 4.0, 3.0]
    assert profile._count == 20


def test_nothing_was_begun() -> None:
    report: dict[str, Any] = json.loads(json.dumps(Profile().report()))
    assert (report["count"], report["files"]) == (0, [])
    assert report["start_up"]["cpu_seconds"] > 0
    assert lines(report)[1].startswith("0 files")


def test_the_text() -> None:
    profile = Profile()
    profile.run(faked(FakeDownload(receive)))
    profile.run(faked(FakeDownload(error=ConnectionLost("lost"))))
    text = lines(profile.report())
    assert "All 2 files together" in text
    assert text[1] == "2 files, 1 failed, 18 B over the network"
    assert any("failed with exit 3: lost" in line for line in text)
    assert not any("\x1b" in line or "s3cr3t" in line for line in text)
