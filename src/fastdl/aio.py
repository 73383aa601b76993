"""The API for programs on asyncio: the same names, the same options, the same errors.

Downloads run in threads of their own; the event loop only waits. `on_event` is called in the loop's thread. Cancelling
the task that waits cancels the download.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import TYPE_CHECKING, Any

from fastdl.api import settings
from fastdl.api.download import PARTING, outcome, progress_of
from fastdl.api.jobs import Job
from fastdl.api.many import Many
from fastdl.api.run import Run, forsake_with
from fastdl.result import Result

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from fastdl.api.jobs import Options
    from fastdl.api.run import State
    from fastdl.events import Event, Observer, Progressed

__all__ = ["Download", "download", "download_each", "download_many"]


async def download(url: str, *, on_event: Observer | None = None, **options: Unpack[Options]) -> Result:
    """Download one file, as [`fastdl.download`][] does, without holding up the event loop.

    ```python
    result = await asyncio.wait_for(fastdl.aio.download("https://example.org/data.csv", dir="in"), timeout=60)
    ```

    Cancelling the task (`asyncio.wait_for`, `asyncio.timeout`, `task.cancel()`) cancels the download; what has come of
    it stays. For very many files at once, [`download_many`][fastdl.aio.download_many] is the better way: it has bounds.

    Args:
        url: What to download.
        on_event: Gets each [event][fastdl.events.Event] in the thread of the event loop; all of them before this
            returns. What it raises ends the download, and comes out of this call.
        **options: See [`Options`][fastdl.Options]; times are seconds, sizes bytes.

    Returns:
        What became of the file.

    Raises:
        UsageError: The URL or an option is wrong; nothing was contacted.
        FastdlError: The download failed: one of the [errors][fastdl.errors.FastdlError].
        asyncio.CancelledError: The task was cancelled; the download has ended by then.
    """
    async with Download(url, on_event=on_event, **options) as running:
        return await running.start().wait()


class Download:
    """The twin of [`fastdl.Download`][]: `wait` is awaited, and it is used with `async with`.

    It belongs to the event loop in which `start` is called. The methods that steer it return at once and may be called
    from any thread.
    """

    def __init__(self, url: str, *, on_event: Observer | None = None, **options: Unpack[Options]) -> None:
        """Check everything and contact nobody: `start` does. `on_event` is called in the loop's thread. Raises
        UsageError."""
        settings.check_callback(on_event)
        self._bridge = bridge = _Bridge(on_event)
        tell = bridge.tell if on_event is not None else None
        self._run = run = Run(settings.url_of(url), settings.settings_for(options), tell)
        bridge.stop = weakref.WeakMethod(run.stop)
        forsake_with(self, run)

    def start(self) -> Self:
        """Begin, and return at once; the object itself. Raises RuntimeError where no event loop runs."""
        self._bridge.loop = self._bridge.loop or asyncio.get_running_loop()
        self._run.start()
        return self

    def pause(self) -> None:
        """See [`fastdl.Download.pause`][]. Raises no error."""
        self._run.rest(True)

    def resume(self) -> None:
        """See [`fastdl.Download.resume`][]. Raises no error."""
        self._run.rest(False)

    def limit(self, rate: int | str | None) -> None:
        """Bytes a second from now on; see [`fastdl.Download.limit`][]. Raises UsageError."""
        self._run.limit(settings.rate_of(rate))

    def cancel(self) -> None:
        """See [`fastdl.Download.cancel`][]. Raises no error."""
        self._run.stop()

    async def wait(self) -> Result:
        """Wait for the end. To wait for some seconds only, use `asyncio.wait_for(d.wait(), seconds)`: cancelling this
        wait does not cancel the download, but leaving its `async with` block does.

        Returns:
            The result of a download that went well; the same at each call.

        Raises:
            FastdlError: The download failed. Its `result` says how far it came.
            RuntimeError: It was not started.
            BaseException: Whatever `on_event` raised, which has ended the download.
        """
        await self._ended()
        if self._bridge.failure is not None:
            raise self._bridge.failure
        return outcome(self._run)

    async def _ended(self) -> None:
        """Until it is over, and `on_event` has had all of its events."""
        if self._bridge.loop is None and not self._run.over:
            raise RuntimeError("the download was not started")
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def tell() -> None:
            _call(loop, _set, over)

        self._run.when_over(tell)
        try:
            await over
        finally:
            self._run.not_when_over(tell)  # whoever waits again and again, for a moment each time, is not piled up

    @property
    def url(self) -> str:
        """The URL as it was given. Raises no error."""
        return self._run.url

    @property
    def state(self) -> State:
        """See [`fastdl.Download.state`][]. Raises no error."""
        return self._run.state

    @property
    def progress(self) -> Progressed:
        """Bytes and bytes a second: see [`fastdl.Download.progress`][]. Raises no error."""
        return progress_of(self._run)

    @property
    def result(self) -> Result | None:
        """The result, None before the end. Raises no error."""
        return self._run.result

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel it if it still runs, and wait until it has ended (5 seconds at most)."""
        self._run.stop()
        if not self._run.over:
            await asyncio.wait([asyncio.ensure_future(self._ended())], timeout=PARTING)


class _Bridge:
    """Takes events from the download's threads to the event loop's."""

    def __init__(self, on_event: Observer | None) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.failure: BaseException | None = None
        self.stop: Callable[[], Callable[[], None] | None] = lambda: None
        self._on_event = on_event

    def tell(self, event: Event) -> None:
        """From any thread."""
        assert self.loop is not None
        _call(self.loop, self._deliver, event)

    def _deliver(self, event: Event) -> None:
        if self._on_event is None or self.failure is not None:
            return
        try:
            self._on_event(event)
        except BaseException as error:
            self.failure = error
            stop = self.stop()
            if stop is not None:
                stop()


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _call(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *values: Any) -> bool:
    """Have it called in the loop's thread; false where the loop is closed."""
    try:
        loop.call_soon_threadsafe(call, *values)
    except RuntimeError:
        return False
    return True


# --- many ------------------------------------------------------------------------------------------------


async def download_many(
    jobs: Iterable[Job | str],
    /,
    executor: Executor | None = None,
    *,
    on_event: Observer | None = None,
    **options: Unpack[Options],
) -> list[Result]:
    """Download many files, as [`fastdl.download_many`][] does, and return all results in the order of `jobs`.

    Cancelling the task ends all downloads. `jobs` is asked for its items in another thread.

    Args:
        jobs: URLs and [`Job`][fastdl.Job]s.
        executor: Runs the downloads, as in [`fastdl.download_many`][].
        on_event: Gets each [event][fastdl.events.Event] of all files in the thread of the event loop. What it raises
            ends all downloads, and comes out of this call.
        **options: See [`Options`][fastdl.Options]; times are seconds, sizes bytes.

    Returns:
        One result for each job. A file that failed has its `error` set.

    Raises:
        UsageError: An option of the call is wrong; nothing was contacted.
        BaseException: Whatever `jobs` or `on_event` raised.
        asyncio.CancelledError: The task was cancelled; the downloads have ended by then.
    """
    found = {
        result.job: result async for result in download_each(jobs, executor=executor, on_event=on_event, **options)
    }
    return [found[job] for job in sorted(found)]


def download_each(
    jobs: Iterable[Job | str],
    /,
    executor: Executor | None = None,
    *,
    on_event: Observer | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[Result, None]:
    """The twin of [`fastdl.download_each`][]: an asynchronous iterator of results in the order in which files end.

    ```python
    async for result in fastdl.aio.download_each(urls, dir="in"):
        print(result.path or result.error)
    ```

    `jobs` may be endless; it is asked for its items in another thread. Leaving the loop ends the downloads when the
    iterator is closed: use `contextlib.aclosing` where that must be at once, since Python closes it only when it is
    collected.

    Args:
        jobs: URLs and [`Job`][fastdl.Job]s.
        executor: Runs the downloads, as in [`fastdl.download_many`][].
        on_event: Gets each [event][fastdl.events.Event] of all files in the thread of the event loop.
        **options: See [`Options`][fastdl.Options]; times are seconds, sizes bytes.

    Returns:
        Results; `result.job` is the number of the job, from 0, and `result.error` is set for a file that failed.

    Raises:
        UsageError: An option of the call is wrong; at once.
        BaseException: Whatever `jobs` or `on_event` raised; from the iterator.
    """
    settings.check_callback(on_event)
    bridge = _Bridge(on_event)
    tell = bridge.tell if on_event is not None else None
    many = Many(jobs, settings.settings_for(options, several=True), executor, tell)
    bridge.stop = lambda: many.cancel
    return _each(many, bridge)


async def _each(many: Many, bridge: _Bridge) -> AsyncGenerator[Result, None]:
    bridge.loop = loop = asyncio.get_running_loop()
    ended: asyncio.Queue[Result | _End] = asyncio.Queue()
    wanted = threading.Semaphore(0)
    thread = threading.Thread(target=_pump, args=(many, loop, ended, wanted), name="fastdl-pump", daemon=True)
    thread.start()
    over = False
    try:
        while True:
            wanted.release()
            item = await ended.get()
            if isinstance(item, _End):
                over = True
                break
            yield item
        error = bridge.failure or item.error
        if error is not None:
            raise error
    finally:
        many.cancel()
        wanted.release()
        until = loop.time() + PARTING
        while not over and loop.time() < until:  # some tenths of a second
            with contextlib.suppress(asyncio.TimeoutError):
                over = isinstance(await asyncio.wait_for(ended.get(), 1.0), _End)
                wanted.release()


class _End:
    """No more results; `error` is what they ended with."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def _pump(
    many: Many, loop: asyncio.AbstractEventLoop, ended: asyncio.Queue[Result | _End], wanted: threading.Semaphore
) -> None:
    """Gives each result to the loop when it is wanted."""
    error: BaseException | None = None
    try:
        results = many.results()
        while True:
            wanted.acquire()
            item = next(results, None)
            if item is None or not _call(loop, ended.put_nowait, item[1]):
                break
    except BaseException as caught:
        error = caught
    _call(loop, ended.put_nowait, _End(error))
