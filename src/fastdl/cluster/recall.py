"""Calling off what processes of an executor have begun: no executor has a way to tell them.

The caller leaves a file where they look, in the temporary folder of the machine, for as long as one of them has work of
the run. Workers on other machines do not see it, and finish the file that they have.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future

from fastdl.core.hints import Any

LOOK = 0.2  # seconds between a worker's looks


class Recall:
    """The caller's side, for one run."""

    def __init__(self, run: str) -> None:
        """`run` is an id that nobody can guess."""
        self.path = os.path.join(tempfile.gettempdir(), f"fastdl-stop-{run}")
        self.process = os.getpid()

    def call(self, futures: list[Future[Any]]) -> None:
        """Tell the workers of these futures to end. The sign stays until the last of them has."""
        left = len(futures)
        lock = threading.Lock()

        def ended(_: Future[Any]) -> None:
            nonlocal left
            with lock:
                left -= 1
                if left:
                    return
            with contextlib.suppress(OSError):
                os.unlink(self.path)

        with contextlib.suppress(OSError):  # then they finish what they have
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            for future in futures:
                future.add_done_callback(ended)


class Listener:
    """The worker's side, for one file: calls `stop` once, in a thread of its own, when the run is called off or the
    caller's process is gone."""

    def __init__(self, path: str, caller: int, stop: Callable[[], None]) -> None:
        """`path` and `caller`: the sign and the process of the Recall."""
        self._path = path
        self._caller = caller
        self._stop = stop
        self._parent = os.getppid()
        self._done = threading.Event()

    def __enter__(self) -> Listener:
        if self._called():
            self._stop()
        else:
            threading.Thread(target=self._listen, name="fastdl-recall", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()

    def _listen(self) -> None:
        while not self._done.wait(LOOK):
            if self._called():
                self._stop()
                return

    def _called(self) -> bool:
        return os.path.exists(self._path) or self._orphaned()

    def _orphaned(self) -> bool:
        """Whether this is a process of a pool whose owner is gone. Where the executor works in the caller's process,
        it does not matter who has begun that."""
        if os.getpid() == self._caller:
            return False
        pools = sys.modules.get("multiprocessing.process")
        owner = pools.parent_process() if pools is not None else None
        return owner is not None and (os.getppid() != self._parent or not owner.is_alive())
