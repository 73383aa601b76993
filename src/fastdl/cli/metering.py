"""`--metrics FILE|ADDR:PORT`: the metrics of a run in a file that is replaced every few seconds, or at an endpoint of
the loopback while it works.

Whether that is possible is seen before anything is asked of a server. Later it is never a reason to stop a download.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator

from fastdl.core.endpoint import Endpoint, endpoint_of
from fastdl.core.exposition import Labels
from fastdl.core.hints import TYPE_CHECKING
from fastdl.engine import metrics
from fastdl.engine.metering import Metering
from fastdl.errors import BadName, DiskError
from fastdl.events import Event, Named
from fastdl.io import files
from fastdl.io.outfile import OutFile, same_file
from fastdl.outnames import check_name

if TYPE_CHECKING:
    from fastdl.engine.profile import Profile
    from fastdl.settings import Settings

EVERY = 2.0  # seconds between two versions of the file
JOIN = 5.0  # seconds that the thread gets for a version that it is writing
ENDING = ".prom"  # what node_exporter reads
_HINT = "Choose another file with --metrics."

Tell = Callable[[str], None]


class Meter:
    """The metering of a run; `handle` is to get every event."""

    def __init__(self, metering: Metering, heard: Callable[[Event], None] = lambda event: None) -> None:
        self.metering = metering
        self._heard = heard

    def handle(self, event: Event) -> None:
        self.metering.handle(event)
        self._heard(event)


@contextlib.contextmanager
def metering(
    settings: Settings, profile: Profile | None, warn: Tell, say: Tell, note: Tell = lambda text: None
) -> Iterator[Meter]:
    """While it lasts, the metrics that --metrics asks for are given. `warn` is told of what fails later, `say` the URL
    where any free port was asked for, `note` the URL that was to be expected. Raises UsageError for an address that
    cannot be had or a file that something else of the run uses, DiskError for a file that cannot be written."""
    assert settings.metrics is not None
    endpoint = endpoint_of(settings.metrics)
    counted = Metering(profile)
    if endpoint is not None:
        with _served(endpoint, counted, say if endpoint.port == 0 else note):
            yield Meter(counted)
        return
    _check_file(settings.metrics, settings)
    with contextlib.closing(_MetricsFile(settings.metrics, counted, warn)) as file:
        yield Meter(counted, file.heard)


@contextlib.contextmanager
def _served(endpoint: Endpoint, counted: Metering, say: Tell) -> Iterator[None]:
    from fastdl.io.metrics_server import MetricsServer

    server = MetricsServer(endpoint, lambda: metrics.text(counted.counts(), metrics.usage()))
    try:
        say(f"metrics at {server.url}")
        yield
    finally:
        server.close()


def _check_file(path: str, settings: Settings) -> None:
    """Raises UsageError, BadName."""
    check_name("metrics", path, settings, _HINT)
    if os.path.exists(path) and not os.path.isdir(path) and not stat.S_ISREG(os.stat(path).st_mode):
        raise BadName(f"cannot write the metrics {files.shown(path)}", "it is not a regular file", _HINT)


class _MetricsFile:
    """The file, and the thread that replaces it."""

    def __init__(self, path: str, counted: Metering, warn: Tell) -> None:
        """Raises DiskError if the file cannot be written."""
        self._path = path
        self._counted = counted
        self._warn = warn
        self._warned = False
        self._taken = False
        self._writing = threading.Lock()
        self._common = labels_of(path)
        self._names = {os.path.basename(each).lower() for each in (path, os.path.realpath(path))}
        self._over = threading.Event()
        self._target = OutFile(path, "the metrics", _HINT)
        self._target.write(self._text(None))
        self._thread = threading.Thread(target=self._keep_writing, name="fastdl-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write the last state."""
        self._over.set()
        self._thread.join(JOIN)
        if not self._thread.is_alive():  # else a disk hangs, and two at once would write the same draft
            self._write(time.time())

    def heard(self, event: Event) -> None:
        """A download that is to get this very name must not be overwritten."""
        if not isinstance(event, Named) or self._taken or os.path.basename(event.path).lower() not in self._names:
            return
        if same_file(event.path, self._path):
            with self._writing:  # a version that is on its way would still replace the download
                self._taken = True
            self._complain(f"{self._path} is a download now", "the metrics are not written any more")

    def _keep_writing(self) -> None:
        while not self._over.wait(EVERY):
            self._write(None)

    def _write(self, ended: float | None) -> None:
        try:
            text = self._text(ended)
            with self._writing:
                if not self._taken:
                    self._target.write(text)
        except DiskError as error:
            self._complain(error.what, error.why)
        except Exception as error:  # a bug; it is told, and the downloads go on
            self._complain("the metrics cannot be written", repr(error))

    def _text(self, ended: float | None) -> str:
        return metrics.text(self._counted.counts(), metrics.usage(), self._common, ended)

    def _complain(self, what: str, why: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{what} ({why})")


def labels_of(path: str) -> Labels:
    """What tells the files of several runs apart where one collector reads them all: the name without its ending."""
    name = os.path.basename(path)
    stem = name[: -len(ENDING)] if name.lower().endswith(ENDING) else name
    return (("run", re.sub(r"[\x00-\x1f\x7f]", "_", stem) or name),)
