"""A program of a user's that uses the whole API. It is checked by `mypy --strict` and it runs: URL of a file, a folder.

What it takes for granted of the types is asserted by `assert_type`, which costs nothing when it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

import fastdl
from fastdl import aio, errors

if TYPE_CHECKING:
    from typing_extensions import assert_type
else:

    def assert_type(value, kind):
        return value


class Display:
    """Everything that events tell."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: fastdl.Event) -> None:
        if isinstance(event, fastdl.Started):
            self.lines.append(f"{event.job}: {event.url}")
        elif isinstance(event, fastdl.Named):
            assert_type(event.size, int | None)
            self.lines.append(f"{event.path} {event.size} {event.resumed_bytes}")
        elif isinstance(event, fastdl.Progressed):
            assert_type(event.total, int | None)
            self.lines.append(f"{event.done}/{event.total} {event.speed:.0f} {event.connections} {event.sources}")
        elif isinstance(event, fastdl.Note):
            self.lines.append(f"{event.level}: {event.text}")
        elif isinstance(event, fastdl.Ended):
            assert_type(event.result, fastdl.Result)
            self.lines.append(f"{event.job} ended: {event.result.exit_code}")
        else:
            assert_type(event, fastdl.Lent)


def told(result: fastdl.Result) -> str:
    """Everything that a result tells."""
    assert_type(result.error, fastdl.FastdlError | None)
    assert_type(result.path, str | None)
    digest: fastdl.DigestReport | None = result.digest
    sources: list[fastdl.SourceReport] = result.sources
    facts = [
        result.url, result.final_url, result.path, result.size, result.sha256, result.seconds, result.bytes_per_second,
        result.resumed_bytes, result.wasted_bytes, result.requests, result.kept, result.unproved, result.plan,
        result.unpacked, result.unpacked_into, result.job, result.exit_code, result.to_json(),
        digest and (digest.algorithm, digest.value, digest.source, digest.verified),
        [(each.url, each.host, each.trust, each.bytes, each.connections, each.errors) for each in sources],
    ]  # fmt: skip
    return repr(facts)


def one(url: str, folder: Path, display: Display) -> None:
    options: fastdl.Options = {"dir": folder, "connections": "auto", "limit_rate": "100M", "no_proxy": True}
    told(fastdl.download(url, on_event=display, **options))
    bad = options | {"output": "bad.bin", "checksum": f"sha256:{'0' * 64}"}
    try:
        fastdl.download(url, **bad)
    except errors.DigestMismatch as error:
        assert_type(error.code, int)
        assert_type(error.result, fastdl.Result | None)
        print(error.code, error.what, error.why, error.hint)
    except errors.NetworkError as error:
        assert_type(error.retryable, bool)
    except fastdl.FastdlError:
        raise


def steered(url: str, folder: Path, display: Display) -> None:
    with fastdl.Download(url, on_event=display, dir=folder, output="steered.bin") as download:
        assert_type(download.start(), fastdl.Download)
        download.pause()
        download.limit("50M")
        download.limit(2_000_000_000)
        download.limit(None)
        download.resume()
        if download.state in ("running", "pausing"):
            print(download.url, download.progress.done)
        assert_type(download.wait(timeout=60), fastdl.Result)
        assert_type(download.result, fastdl.Result | None)
        download.cancel()


def jobs(url: str) -> Iterator[fastdl.Job | str]:
    for number in range(3):
        own: fastdl.JobOptions = {"header": {"X-Own": "1"}, "retries": 3, "output": f"many-{number}.bin"}
        yield fastdl.Job(url, **own)


def many(url: str, folder: Path, display: Display) -> None:
    results = fastdl.download_many(jobs(url), dir=folder, jobs=2, on_event=display)
    assert_type(results, list[fastdl.Result])
    with ThreadPoolExecutor(2) as executor:
        results = fastdl.download_many(jobs(url), executor=executor, dir=folder / "pool")
    for result in fastdl.download_each(jobs(url), dir=folder / "each"):
        assert_type(result, fastdl.Result)
        told(result)


async def asynchronous(url: str, folder: Path, display: Display) -> None:
    await aio.download(url, on_event=display, dir=folder, output="aio.bin")
    async with aio.Download(url, dir=folder, output="aio-steered.bin") as download:
        download.start()
        download.pause()
        download.resume()
        assert_type(await download.wait(), fastdl.Result)
    assert_type(await aio.download_many(jobs(url), dir=folder / "aio"), list[fastdl.Result])
    async with aclosing(aio.download_each(jobs(url), dir=folder / "aio-each")) as results:
        async for result in results:
            assert_type(result, fastdl.Result)


def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    display = Display()
    one(url, folder, display)
    steered(url, folder, display)
    many(url, folder, display)
    asyncio.run(asynchronous(url, folder, display))
    print(fastdl.__version__, len(display.lines))


if __name__ == "__main__":
    main()
