"""Several files of one run: at most -j at once, one set of connections, one rate limit."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from fastdl.engine.download import Download
from fastdl.errors import FastdlError, Interrupted
from fastdl.events import Observer
from fastdl.io.session import Session
from fastdl.result import Result
from fastdl.settings import Settings


def run(settings: Settings, urls: Sequence[str], observer: Observer) -> list[Result]:
    """Download all `urls`; the results come in the same order, each with its error if there was one.

    Raises UsageError if the settings cannot work (a broken cookie file, say). After Ctrl-C or a termination the files
    that were not ended have that as their error, and no new one is begun."""
    session = Session(settings)
    try:
        downloads = [Download(session, url, settings, observer, job) for job, url in enumerate(urls)]
        if len(downloads) == 1:
            return [downloads[0].run()]
        return _side_by_side(downloads, min(settings.jobs, len(downloads)))
    finally:
        session.close()


def _side_by_side(downloads: list[Download], jobs: int) -> list[Result]:
    waiting: queue.SimpleQueue[Download] = queue.SimpleQueue()
    for download in downloads:
        waiting.put(download)
    # A URL that was given twice is fetched once: the second time its file is found to be there.
    turns = {download.url: threading.Lock() for download in downloads}
    results: dict[int, Result] = {}
    crashes: list[BaseException] = []

    def work() -> None:
        while True:
            try:
                download = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                with turns[download.url]:
                    results[download.job] = download.run()
            except BaseException as error:
                crashes.append(error)
                return

    threads = [threading.Thread(target=work, name=f"fastdl-job-{n}", daemon=True) for n in range(jobs)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)  # with a bound, so that Ctrl-C gets through on Windows too
    except (KeyboardInterrupt, FastdlError) as error:
        stopped = error if isinstance(error, FastdlError) else Interrupted("interrupted")
        _stop(downloads, stopped, threads)
        for download in downloads:
            results.setdefault(download.job, Result(download.url, error=stopped))
    if crashes:
        raise crashes[0]
    return [results[download.job] for download in downloads]


def _stop(downloads: list[Download], error: FastdlError, threads: list[threading.Thread]) -> None:
    for download in downloads:
        download.stop(error)
    for thread in threads:
        thread.join(0.5)
