"""The functions of the API: one file, many files, many files as they end."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from fastdl.api.download import Download
from fastdl.api.jobs import Job
from fastdl.api.many import Many
from fastdl.api.settings import settings_for
from fastdl.events import Observer
from fastdl.result import Result

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from typing_extensions import Unpack

    from fastdl.api.jobs import Options


def download(url: str, *, on_event: Observer | None = None, **options: Unpack[Options]) -> Result:
    """Download one file; return when it is there, whole and checked, under its final name.

    ```python
    result = fastdl.download("https://example.org/tool.tar.gz", dir="tools", checksum="sha256:…")
    print(result.path, result.size)
    ```

    It reads neither the config file nor `FASTDL_*` variables, prints nothing and handles no signal. Any number may run
    at once, in any threads, with different options. A download that fails leaves what has come beside the file, and the
    next one with the same URL and folder goes on from there.

    Args:
        url: What to download.
        on_event: Gets each [event][fastdl.events.Event], one at a time, from threads of the download: be quick, for the
            download waits. What it raises ends the download, and comes out of this call.
        **options: See [`Options`][fastdl.Options].

    Returns:
        What became of the file; sizes are bytes, times seconds.

    Raises:
        UsageError: The URL or an option is wrong; nothing was contacted.
        FastdlError: The download failed: one of the [errors][fastdl.errors.FastdlError]. Its `result` says how far it
            came.
        KeyboardInterrupt: Ctrl-C; the download has ended by then.
    """
    with Download(url, on_event=on_event, **options) as running:
        return running.start().wait()


def download_many(
    jobs: Iterable[Job | str],
    /,
    executor: Executor | None = None,
    *,
    on_event: Observer | None = None,
    **options: Unpack[Options],
) -> list[Result]:
    """Download many files, at most `options["jobs"]` (4) at once, and return all results.

    ```python
    results = fastdl.download_many(
        ["https://example.org/a", fastdl.Job("https://example.org/b", output="b.bin")], dir="in", jobs=8
    )
    failed = [result for result in results if result.error]
    ```

    The connections to one host and `limit_rate` (bytes a second) are shared by all of them. A URL that is given twice
    is fetched once.

    Args:
        jobs: URLs and [`Job`][fastdl.Job]s; any iterable. It is asked for its next item by one thread at a time, which
            need not be yours.
        executor: Runs the downloads: threads, processes, or a cluster's (`Client.get_executor()` of Dask). None:
            threads of this process.
        on_event: Gets each [event][fastdl.events.Event] of all files, one at a time; `event.job` is the number of the
            job, from 0. What it raises ends all downloads, and comes out of this call. From processes they come when
            their file has ended.
        **options: See [`Options`][fastdl.Options]; those of a job win. `output`, `checksum` and `mirror` belong to
            jobs.

    Returns:
        One result for each job, in the order of `jobs`. A file that failed has its `error` set: it raises nothing.

    Raises:
        UsageError: An option of the call is wrong; nothing was contacted.
        ClusterLost: The workers of `executor` are gone.
        BaseException: Whatever `jobs` or `on_event` raised; what still ran has ended by then.
    """
    settings = settings_for(options, several=True)
    found = dict(Many(jobs, settings, executor, on_event).results())
    return [found[job] for job in sorted(found)]


def download_each(
    jobs: Iterable[Job | str],
    /,
    executor: Executor | None = None,
    *,
    on_event: Observer | None = None,
    **options: Unpack[Options],
) -> Generator[Result, None, None]:
    """The same as [`download_many`][fastdl.download_many], but give each result when its file has ended.

    ```python
    for result in fastdl.download_each(endless_urls(), dir="in"):
        if result.error is None:
            use(result.path)
    ```

    `jobs` may be endless: they are taken as files end and results are taken, so memory stays the same, however many
    there are. It begins with the first result that is asked for. Closing the iterator (or leaving the loop) ends the
    downloads that run; what has come of them stays.

    Args:
        jobs: See [`download_many`][fastdl.download_many].
        executor: See there.
        on_event: See there.
        **options: See there.

    Returns:
        An iterator of results in the order in which files end; `result.job` is the number of the job, from 0, and
            `result.error` is set for a file that failed.

    Raises:
        UsageError: An option of the call is wrong; at once.
        ClusterLost: The workers of `executor` are gone; from the iterator.
        BaseException: Whatever `jobs` or `on_event` raised; from the iterator, when what still ran has ended.
    """
    return _results(Many(jobs, settings_for(options, several=True), executor, on_event))


def _results(many: Many) -> Generator[Result, None, None]:
    for _, result in many.results():
        yield result
