"""What stays when a download has ended, and what a process that was forked has of one."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import weakref

import pytest

import fastdl
from disks import run_python
from fastdl import aio, errors
from servers.files import FileApp, Reply
from servers.raw import Connection, Request, Serve
from waiting import wait_for

SIZE = 3_000_000


def missing(connection: Connection, request: Request, reply: Reply) -> Reply:
    return Reply(404, literal=b"", headers=[("Content-Length", "0")])


def test_of_a_download_that_failed_nothing_stays(serve: Serve) -> None:
    """Its error knows the frames in which it was raised, those know the download, and so on."""
    server = serve(FileApp(hook=missing))
    download = fastdl.Download(server.url())
    run, held = weakref.ref(download._run), weakref.ref(download)
    with pytest.raises(errors.HttpStatus):
        download.start().wait()
    del download
    wait_for(lambda: gc.collect() >= 0 and held() is None and run() is None, 20)


def test_the_same_on_asyncio(serve: Serve) -> None:
    server = serve(FileApp(hook=missing))

    async def main() -> weakref.ref[object]:
        download = aio.Download(server.url()).start()
        with pytest.raises(errors.HttpStatus):
            await download.wait()
        return weakref.ref(download._run)

    held = asyncio.run(main())
    wait_for(lambda: gc.collect() >= 0 and held() is None, 20)


def test_errors_that_are_kept_keep_no_download(serve: Serve) -> None:
    server = serve(FileApp(hook=missing))
    results = fastdl.download_many([server.url(f"/{number}") for number in range(3)])
    assert [result.exit_code for result in results] == [4, 4, 4]
    assert [result.error.__traceback__ for result in results if result.error is not None] == [None] * 3


def test_a_cause_stays_without_its_frames() -> None:
    with pytest.raises(errors.DiskError) as caught:
        try:
            raise OSError("of the system")
        except OSError as error:
            raise errors.DiskError("the disk refused") from error
    errors.drop_frames(caught.value)
    cause = caught.value.__cause__
    assert isinstance(cause, OSError)
    assert (caught.value.__traceback__, cause.__traceback__) == (None, None)


def test_waiting_again_and_again_piles_nothing_up(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=1e5))

    async def main() -> None:
        async with aio.Download(server.url()) as download:
            download.start()
            for _ in range(5):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(download.wait(), 0.01)
            assert download._run._watchers == []

    asyncio.run(main())


def test_no_thread_no_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    download = fastdl.Download("http://127.0.0.1:1/f", retries=0)
    with monkeypatch.context() as patch:
        patch.setattr("threading.Thread.start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            download.start()
    with pytest.raises(RuntimeError, match="not started"):
        download.wait()
    with pytest.raises(errors.ConnectFailed):
        download.start().wait()


FORKED = """
import os, sys, warnings
import fastdl

download = fastdl.Download(sys.argv[1], output="slow.bin", limit_rate=1000)
download.start()
while not download.progress.done:
    pass
warnings.simplefilter("ignore")  # newer Pythons warn of forks where there are threads
if os.fork() == 0:
    try:
        download.wait()
    except RuntimeError as error:
        os.write(1, str(error).encode() + b"\\n")
    os._exit(0)
os.wait()
print(download.state)
download.cancel()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_fork_does_not_wait_for_its_parents_download(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))
    done = run_python(FORKED, server.url())
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "the download was left behind in the process that was forked",
        "running",
    ]


@pytest.mark.parametrize("writer", ["mmap", "positional"])
def test_the_writer_of_those_who_measure_is_the_commands(monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    from fastdl import config
    from fastdl.api import settings

    monkeypatch.setenv("FASTDL_WRITER", writer)
    assert config.load({}, os.environ).writer == writer
    assert settings.settings_for({}).writer == "auto"
