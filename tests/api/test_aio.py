"""The twins for asyncio."""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import pytest

import fastdl
from fastdl import aio, errors
from fastdl.events import Ended, Named, Progressed, Started
from observers import OfTheProgram, Raising, when_it_flows
from own_threads import until_gone
from servers.files import FileApp
from servers.raw import RawServer, Serve
from waiting import wait_for

T = TypeVar("T")
SIZE = 3_000_000
SLOW = 500_000


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main, debug=True)


async def until(server: RawServer, holds: Callable[[], bool]) -> None:
    """The server tells when it may hold; the loop goes on meanwhile."""
    await asyncio.to_thread(server.until, holds, 30)


async def still(server: RawServer) -> None:
    await until(server, lambda: server.active == 0)
    await asyncio.to_thread(until_gone, 30)


def test_a_file_and_the_loop_goes_on(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=6e6)
    server = serve(app)

    async def main() -> int:
        turns = 0
        task = asyncio.create_task(aio.download(server.url(), sha256=True))
        while not task.done():
            turns += 1
            await asyncio.wait([task], timeout=0.001)
        assert (await task).sha256 == app.sha256()
        return turns

    assert run(main()) > 5
    assert Path("file.bin").read_bytes() == app.bytes()


def test_many_at_once_with_gather(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))

    async def main() -> None:
        results = await asyncio.gather(*(aio.download(server.url(f"/{n}.bin"), connections=2) for n in range(30)))
        assert [result.path for result in results] == [f"{n}.bin" for n in range(30)]
        assert {result.size for result in results} == {SIZE}
        bad = await asyncio.gather(
            aio.download(server.url("/ok")), aio.download("http://127.0.0.1:1/", retries=0), return_exceptions=True
        )
        assert isinstance(bad[0], fastdl.Result)
        assert isinstance(bad[1], errors.NetworkError)

    run(main())


def test_cancelling_the_task_cancels_the_download(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)

    async def main() -> None:
        flows = asyncio.Event()
        on_event = when_it_flows(flows.set)
        task = asyncio.create_task(aio.download(server.url(), on_event=on_event, connections=1))
        await asyncio.wait_for(flows.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await still(server)

    run(main())
    assert sorted(os.listdir()) == ["file.bin.fastdl", "file.bin.fastdl.journal"]
    app.rate = None
    assert run(aio.download(server.url())).resumed_bytes > 0
    assert Path("file.bin").read_bytes() == app.bytes()


def test_wait_for(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW))

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(aio.download(server.url(), connections=1), 0.2)
        await still(server)

    run(main())


def test_events_come_in_the_thread_of_the_loop_before_the_end(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=4e6))
    events: list[fastdl.Event] = []
    threads: set[int] = set()

    def on_event(event: fastdl.Event) -> None:
        events.append(event)
        threads.add(threading.get_ident())
        assert asyncio.get_running_loop()

    async def main() -> None:
        result = await aio.download(server.url(), on_event=on_event)
        assert events[-1] == Ended(0, result)

    run(main())
    assert isinstance(events[0], Started)
    assert {type(event) for event in events} >= {Started, Named, Progressed, Ended}
    assert threads == {threading.get_ident()}


@pytest.mark.parametrize("kind", [Started, Progressed, Ended])
def test_what_the_callback_raises_ends_the_download(serve: Serve, kind: type) -> None:
    server = serve(FileApp(size=SIZE, rate=4e6))
    seen = Raising(kind)

    async def main() -> None:
        with pytest.raises(OfTheProgram) as caught:
            await aio.download(server.url("/one"), on_event=seen)
        assert caught.value is seen.raised
        assert isinstance(seen[-1], kind)
        seen.clear()
        with pytest.raises(OfTheProgram):
            await aio.download_many([server.url(f"/{n}") for n in range(4)], on_event=seen)
        assert isinstance(seen[-1], kind)
        await still(server)

    run(main())


def test_steered(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=2e6)
    server = serve(app)

    async def main() -> None:
        flows = asyncio.Event()
        async with aio.Download(server.url(), on_event=when_it_flows(flows.set, 500_000)) as download:
            assert download.state == "ready"
            with pytest.raises(RuntimeError):
                await download.wait()
            download.start()
            await asyncio.wait_for(flows.wait(), 30)
            download.pause()
            await asyncio.to_thread(wait_for, lambda: download.state == "paused", 30)  # no event tells of it
            await until(server, lambda: server.active == 0)
            app.rate = None
            download.limit("100M")
            download.resume()
            first, second = await asyncio.gather(download.wait(), download.wait())
            assert first is second is download.result
            assert first.url == download.url

    run(main())
    assert Path("file.bin").read_bytes() == app.bytes()


def test_cancelling_who_waits_leaves_the_download(serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=SLOW)
    server = serve(app)

    async def main() -> None:
        async with aio.Download(server.url(), connections=1) as download:
            download.start()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(download.wait(), 0.1)
            assert download.state == "running"
            download.cancel()
            with pytest.raises(errors.Cancelled):
                await download.wait()
            assert download.state == "cancelled"
        async with aio.Download(server.url(), connections=1) as download:
            download.start()
        assert download.state == "cancelled"
        await still(server)

    run(main())


def test_no_loop_no_start() -> None:
    with pytest.raises(RuntimeError):
        aio.Download("http://127.0.0.1:9/f").start()


def test_many_and_each(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))

    async def main() -> None:
        jobs: list[fastdl.Job | str] = [server.url("/0.bin"), fastdl.Job("x", max_size="?"), server.url("/2.bin")]
        results = await aio.download_many(jobs)
        assert [result.exit_code for result in results] == [0, 2, 0]
        found = {result.job async for result in aio.download_each(jobs, overwrite=True)}
        assert found == {0, 1, 2}
        assert await aio.download_many([]) == []
        with pytest.raises(errors.UsageError):
            await aio.download_many([], jobs=0)

    run(main())


def test_an_endless_list_left_early(serve: Serve) -> None:
    server = serve(FileApp(size=2000))

    async def main() -> None:
        found = aio.download_each((server.url(f"/{n}.bin") for n in itertools.count()), durable=False)
        async with aclosing(found) as results:
            seen = 0
            async for result in results:
                assert result.error is None
                seen += 1
                if seen == 300:
                    break
        await still(server)

    run(main())


def test_cancelling_many(serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=SLOW))

    async def main() -> None:
        urls = (server.url(f"/{n}.bin") for n in itertools.count())
        task = asyncio.create_task(aio.download_many(urls, connections=1))
        await until(server, lambda: server.active >= 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await still(server)

    run(main())


def test_what_the_jobs_raise(serve: Serve) -> None:
    server = serve(FileApp(size=2000))

    def jobs() -> Any:
        yield server.url()
        raise OfTheProgram

    async def main() -> None:
        with pytest.raises(OfTheProgram):
            await aio.download_many(jobs())

    run(main())


@pytest.mark.parametrize("early", ["cancelled", "raised"])
def test_an_executors_downloads_end_too(serve: Serve, early: str) -> None:
    app = FileApp(size=SIZE, rate=50_000)  # a minute for each
    server = serve(app)
    flows = asyncio.Event()

    def flow() -> None:
        flows.set()
        if early == "raised":
            raise OfTheProgram

    async def main() -> None:
        with ThreadPoolExecutor(2) as executor:
            urls = (server.url(f"/{number}.bin") for number in itertools.count())
            task = asyncio.create_task(
                aio.download_many(urls, executor=executor, on_event=when_it_flows(flow), connections=1)
            )
            await asyncio.wait_for(flows.wait(), 30)
            if early == "cancelled":
                task.cancel()
            with pytest.raises(asyncio.CancelledError if early == "cancelled" else OfTheProgram):
                await task
            await still(server)

    run(main())
    app.rate = None
    assert all(name.endswith((".fastdl", ".journal")) for name in os.listdir())


def test_an_executor_gives_the_same_results(serve: Serve) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)

    async def main() -> None:
        jobs: list[fastdl.Job | str] = [
            server.url("/0.bin"), fastdl.Job("x", max_size="?"), fastdl.Job(server.url("/y"), output="2.bin")
        ]  # fmt: skip
        with ThreadPoolExecutor(2) as executor:
            results = await aio.download_many(jobs, executor=executor)
        assert [result.exit_code for result in results] == [0, 2, 0]
        assert [result.job for result in results] == [0, 1, 2]

    run(main())
    assert Path("2.bin").read_bytes() == app.bytes()
