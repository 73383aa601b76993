"""The file of `--metrics` while a run lasts: replaced again and again, and never worth a failed download."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from pathlib import Path

import pytest

from fastdl.cli import metering as module
from fastdl.cli.metering import labels_of, metering
from fastdl.errors import BadName, DiskError, UsageError
from fastdl.events import Ended, Named
from fastdl.io import metrics_server
from fastdl.result import Result
from fastdl.settings import Settings
from waiting import wait_for

LIMIT = 20.0  # seconds until a test that hangs fails


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "EVERY", 0.01)
    monkeypatch.setattr(module, "JOIN", LIMIT)
    monkeypatch.setattr(metrics_server, "JOIN", LIMIT)
    monkeypatch.chdir(tmp_path)


class Said(list[str]):
    """What was told; `came` is set when something was."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def __call__(self, text: str) -> None:
        self.append(text)
        self.came.set()


def take_away(folder: str) -> None:
    """At one stroke: who removes what is in it first may find a draft that was just begun. On Windows it has to lie
    between two drafts."""

    def gone() -> bool:
        with contextlib.suppress(PermissionError):
            os.rename(folder, folder + " (away)")
        return not os.path.exists(folder)

    wait_for(gone, LIMIT)


def told(path: str = "m.prom") -> str:
    return Path(path).read_text(encoding="utf-8")


def test_it_is_replaced_while_the_run_lasts_and_at_its_end() -> None:
    warned, said = Said(), Said()
    with metering(Settings(metrics="m.prom"), None, warned, said) as meter:
        assert 'fastdl_downloads_total{run="m",exit_code="0"} 0\n' in told()
        meter.handle(Ended(0, Result("u")))
        wait_for(lambda: 'fastdl_downloads_total{run="m",exit_code="0"} 1\n' in told(), LIMIT)
        assert "end_time" not in told()
    assert "fastdl_end_time_seconds" in told()
    assert (warned, said) == ([], [])
    assert os.listdir() == ["m.prom"]
    assert "fastdl-metrics" not in {thread.name for thread in threading.enumerate()}


def test_who_reads_sees_a_whole_version_and_no_draft_with_that_ending() -> None:
    with metering(Settings(metrics="m.prom"), None, Said(), Said()):
        for _ in range(200):
            assert told().startswith("# HELP fastdl_build_info") and "resident_memory" in told().splitlines()[-1]
            assert [name for name in os.listdir() if name.endswith(".prom")] == ["m.prom"]


def test_a_fault_later_is_one_warning() -> None:
    os.mkdir("there")
    warned = Said()
    with metering(Settings(metrics="there/m.prom"), None, warned, Said()):
        take_away("there")
        assert warned.came.wait(LIMIT)
    assert len(warned) == 1
    assert "cannot write the metrics" in warned[0]


def test_where_it_can_be_written_again_it_is() -> None:
    os.mkdir("there")
    warned = Said()
    with metering(Settings(metrics="there/m.prom"), None, warned, Said()):
        take_away("there")
        assert warned.came.wait(LIMIT)
        os.mkdir("there")
        wait_for(lambda: os.path.exists("there/m.prom"), LIMIT)
    assert "end_time" in told("there/m.prom")


def test_a_bug_is_one_warning_too(monkeypatch: pytest.MonkeyPatch) -> None:
    warned = Said()
    with metering(Settings(metrics="m.prom"), None, warned, Said()):
        monkeypatch.setattr(module.metrics, "text", lambda *args: 1 / 0)
        assert warned.came.wait(LIMIT)
    assert len(warned) == 1 and "ZeroDivisionError" in warned[0]
    assert told()


def test_a_download_of_the_same_name_stops_it() -> None:
    warned = Said()
    with metering(Settings(metrics="./m.prom"), None, warned, Said()) as meter:
        meter.handle(Named(0, os.path.join("other", "m.prom"), 1))
        meter.handle(Named(1, os.path.abspath("m.prom"), 1))
        Path("m.prom").write_text("the download", encoding="utf-8")
    assert told() == "the download"
    assert len(warned) == 1


def test_a_version_on_its_way_does_not_replace_the_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is told while the thread writes: the download waits for that version, which is the last one."""
    begun, go_on = threading.Event(), threading.Event()
    write = module.OutFile.write

    def slow(target: module.OutFile, text: str) -> None:
        if threading.current_thread().name == "fastdl-metrics":
            begun.set()
            assert go_on.wait(LIMIT)
        write(target, text)

    monkeypatch.setattr(module.OutFile, "write", slow)
    with metering(Settings(metrics="m.prom"), None, Said(), Said()) as meter:
        assert begun.wait(LIMIT)
        taking = threading.Thread(target=meter.handle, args=(Named(0, os.path.abspath("m.prom"), 1),))
        taking.start()
        taking.join(0.05)
        assert taking.is_alive()
        go_on.set()
        taking.join(LIMIT)
        Path("m.prom").write_text("the download", encoding="utf-8")
    assert told() == "the download"


def test_an_address() -> None:
    warned, said = Said(), Said()
    with metering(Settings(metrics="localhost:0"), None, warned, said):
        (line,) = said
        assert line.startswith("metrics at http://")
    assert (warned, os.listdir()) == ([], [])
    port, noted = int(line.split(":")[2].split("/")[0]), Said()
    with metering(Settings(metrics=f"localhost:{port}"), None, warned, said, noted):
        assert (noted, said) == ([line], [line])
    with pytest.raises(RuntimeError), metering(Settings(metrics="localhost:0"), None, warned, Said()):
        raise RuntimeError
    assert "fastdl-metrics" not in {thread.name for thread in threading.enumerate()}


def test_names_of_other_files() -> None:
    for settings in (
        Settings(metrics="x/../m", output="m"),
        Settings(metrics="d/m", output="m", dir="d"),
        Settings(metrics="m", input_file="m"),
    ):
        with pytest.raises(UsageError), metering(settings, None, Said(), Said()):
            pass
    with metering(Settings(metrics="m", output="-", input_file="-"), None, Said(), Said()):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no links for everybody")
def test_links() -> None:
    os.mkdir("real")
    os.symlink("real/m.prom", "m.prom")
    with metering(Settings(metrics="m.prom"), None, Said(), Said()):
        assert os.path.islink("m.prom")
        assert os.path.exists("real/m.prom")
    with (
        pytest.raises(UsageError),
        metering(Settings(metrics="m.prom", output="m.prom", dir="real"), None, Said(), Said()),
    ):
        pass


def test_places_that_are_none() -> None:
    os.mkdir("folder")
    with pytest.raises(BadName), metering(Settings(metrics="folder"), None, Said(), Said()):
        pass
    with pytest.raises(DiskError), metering(Settings(metrics="none/m.prom"), None, Said(), Said()):
        pass
    with pytest.raises(BadName), metering(Settings(metrics=os.devnull), None, Said(), Said()):
        pass


@pytest.mark.parametrize(
    ("path", "run"),
    [("nightly.prom", "nightly"), ("/a/b.PROM", "b"), ("metrics", "metrics"), (".prom", ".prom"), ("a.b.prom", "a.b")],
)
def test_the_label_of_a_file(path: str, run: str) -> None:
    assert labels_of(path) == (("run", run),)
