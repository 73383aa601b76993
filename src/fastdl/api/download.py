"""The download that a program steers while it runs."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from fastdl.api import settings
from fastdl.api.run import Run, State, forsake_with
from fastdl.events import Observer, Progressed
from fastdl.result import Result

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from fastdl.api.jobs import Options

PARTING = 5.0  # seconds that a cancelled download gets to end


class Download:
    """One download that can be paused, resumed, limited and cancelled while it runs.

    ```python
    with fastdl.Download("https://example.org/big.iso", dir="isos") as download:
        download.start()
        download.limit("2M")
        result = download.wait()
    ```

    All methods may be called from any thread, as often as you like, and from `on_event` (but for `wait`). It works in
    threads of its own. At the end of a `with` block it is cancelled if it still runs, and so is one that nobody refers
    to any more: keep the object as long as you want the file. What has come of a cancelled download stays beside the
    file as `NAME.fastdl` and its journal, and the next one with the same URL and folder goes on from there.
    """

    def __init__(self, url: str, *, on_event: Observer | None = None, **options: Unpack[Options]) -> None:
        """Check everything and contact nobody: `start` does.

        Args:
            url: What to download.
            on_event: Gets each [event][fastdl.events.Event], one at a time, from threads of the download; see
                [`download`][fastdl.download].
            **options: See [`Options`][fastdl.Options].

        Raises:
            UsageError: The URL or an option is wrong.
        """
        settings.check_callback(on_event)
        self._run = run = Run(settings.url_of(url), settings.settings_for(options), on_event)
        forsake_with(self, run)

    def start(self) -> Self:
        """Begin, and return at once; the object itself. Once begun, it does nothing. `wait` tells what
        goes wrong. Raises RuntimeError where the system gives no thread."""
        self._run.start()
        return self

    def pause(self) -> None:
        """End all connections, and ask for nothing until `resume`. Returns at once and raises no error: `state` is
        `"pausing"` until the last connection is closed, then `"paused"`.

        What has come is kept, so nothing is fetched twice where the server serves ranges and gives a strong validator
        (an ETag); without one, 16 KiB before each gap are fetched again and compared; a server without ranges begins
        again. The time of a pause does not count for `max_time`. Before `start`, it will begin paused. A download
        whose bytes have all come ends all the same.
        """
        self._run.rest(True)

    def resume(self) -> None:
        """Go on after `pause`. Returns at once and raises no error; does nothing if it is not paused."""
        self._run.rest(False)

    def limit(self, rate: int | str | None) -> None:
        """Hold it to `rate` from now on, until the next call.

        Args:
            rate: Bytes a second (`500_000`, `"2M"`), `"auto"` to leave room for others, None or 0 for no limit.

        Raises:
            UsageError: It is no rate.
        """
        self._run.limit(settings.rate_of(rate))

    def cancel(self) -> None:
        """Call it off; what has come stays. Returns at once and raises no error: `wait` raises
        [`Cancelled`][fastdl.errors.Cancelled]. Does nothing to a download that has ended."""
        self._run.stop()

    def wait(self, timeout: float | None = None) -> Result:
        """Wait for the end.

        Args:
            timeout: Seconds to wait at most; None is for ever.

        Returns:
            The result of a download that went well; the same at each call.

        Raises:
            FastdlError: The download failed. Its `result` says how far it came.
            TimeoutError: It has not ended within `timeout`, and goes on.
            RuntimeError: It was not started, this is its own `on_event`, or this process is a fork of its own.
            BaseException: Whatever `on_event` raised, which has ended the download.
        """
        if not self._run.wait(timeout):
            raise TimeoutError(f"the download has not ended within {timeout:g} seconds")
        return outcome(self._run)

    @property
    def url(self) -> str:
        """The URL as it was given. Raises no error."""
        return self._run.url

    @property
    def state(self) -> State:
        """`"ready"` (not started), `"running"`, `"pausing"`, `"paused"`, then `"done"`, `"failed"` or `"cancelled"`.
        Raises no error."""
        return self._run.state

    @property
    def progress(self) -> Progressed:
        """How far it is: bytes that are in the file, the file's size, bytes a second. About ten times a second new
        while bytes come. Raises no error."""
        return progress_of(self._run)

    @property
    def result(self) -> Result | None:
        """The result, None before the end; of a failed download too: its `error` is set. Raises no error."""
        return self._run.result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel it if it still runs, and wait until it has ended (5 seconds at most)."""
        self._run.stop()
        self._run.wait(PARTING)

    def __repr__(self) -> str:
        from fastdl.core.shown import mask

        return f"<Download of {mask(self.url)}: {self.state}>"


def progress_of(run: Run) -> Progressed:
    """The newest progress; one that rests or has ended has no speed."""
    from fastdl.core.plain import replace

    result = run.result
    if result is not None and result.error is None and result.size is not None:
        return Progressed(0, result.size, result.size, 0.0, 0, 0)
    if run.over:
        return replace(run.progress, speed=0.0, connections=0, sources=0)
    return run.at_rest() or run.progress


def outcome(run: Run) -> Result:
    """The result of a run that has ended. Raises what it ended with."""
    result, failure = run.result, run.failure
    assert result is not None
    try:
        if failure is not None:
            raise failure
        if result.error is not None:
            result.error.result = result
            raise result.error
        return result
    finally:
        failure = None  # else the exception refers to this frame, and that to the exception
        del result, run
