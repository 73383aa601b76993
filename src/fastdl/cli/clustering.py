"""`get -i LIST --cluster ADDRESS`: the list of the command line, by the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from fastdl.core.hints import Any
from fastdl.errors import ConnectFailed, FastdlError, Interrupted, UsageError
from fastdl.events import Observer
from fastdl.listing import File
from fastdl.result import Tally
from fastdl.settings import Settings

CLOSING = 2.0  # seconds that saying goodbye to the scheduler may take


def run_list(settings: Settings, files: Iterable[File], observer: Observer) -> Tally:
    """See batch.run_list. Raises ConnectFailed where no scheduler answers within
    --connect-timeout, ClusterLost where it is gone later."""
    tally = Tally()
    with _connected(settings.cluster or "", settings.connect_timeout) as client:
        from fastdl.cluster import dask

        found = dask.each(files, settings, client, observer)
        try:
            for _, result in found:
                tally.add(result)
        except (KeyboardInterrupt, FastdlError) as error:
            stopped = Interrupted("interrupted") if isinstance(error, KeyboardInterrupt) else error
            if stopped.code not in (130, 143):
                raise
            tally.stopped = stopped
    return tally


@contextmanager
def _connected(address: str, seconds: float) -> Iterator[Any]:
    """A client of the scheduler. Dask's own words on what it does are for its log files, not for this terminal."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    try:
        from distributed import Client
    except ImportError:
        why = "the package distributed, which is Dask, cannot be imported"
        raise UsageError("--cluster needs an extra", why, "Install fastdl[cluster].") from None
    client = _connect(Client, address, seconds)
    try:
        yield client
    finally:
        with suppress(Exception):
            client.close(timeout=CLOSING)


def _connect(make: Callable[..., Any], address: str, seconds: float) -> Any:
    """A client, within so many seconds: Dask itself waits for ever for somebody who takes the connection and says
    nothing. Raises ConnectFailed, UsageError."""
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def connect() -> None:
        try:
            outcome.put(make(address, timeout=seconds, set_as_default=False, name="fastdl"))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=connect, name="fastdl-connect", daemon=True).start()
    until = time.monotonic() + seconds
    made: Any = None
    while made is None:
        left = until - time.monotonic()
        try:
            made = outcome.get(timeout=max(0.0, min(left, 0.2)))  # with a bound, so that Ctrl-C gets through on Windows
        except queue.Empty:
            if left <= 0:
                made = TimeoutError()
    if not isinstance(made, Exception):
        return made
    if isinstance(made, (OSError, asyncio.TimeoutError)):
        why = f"no answer within {seconds:g} s"
        hint = "Check the address and that the scheduler is running there, and run the same command again."
        raise ConnectFailed(f"the scheduler {address} cannot be reached", why, hint)
    if isinstance(made, TypeError) and "ssl_context" in str(made):
        hint = "Name them there, under distributed.comm.tls, or in DASK_DISTRIBUTED__COMM__TLS__CA_FILE and its like."
        raise UsageError(f"--cluster: no certificates for {address}", "Dask's configuration has none", hint)
    why = " ".join(str(made).split()).rstrip(".")
    raise UsageError(f"--cluster: '{address}' is no address of a scheduler", why, "Write tcp://HOST:8786.")
