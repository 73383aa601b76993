"""Digests computed behind the writer: they follow the contiguous front of the file in a thread of their own, so that
they are ready soon after the last byte. hashlib lets other threads run while it works."""

from __future__ import annotations

import threading

from fastdl.core.verify import Hasher
from fastdl.errors import DiskError, Interrupted
from fastdl.io import phases
from fastdl.io.partial import Partial

_BLOCK = 1024 * 1024


class FollowingDigest:
    """Hashes the stored front of a partial file with several algorithms at once."""

    def __init__(self, partial: Partial, hashers: list[Hasher]) -> None:
        self._partial = partial
        self._hashers = hashers
        self._wake = threading.Condition()
        self._front = 0  # stored so far
        self._done = 0  # hashed so far
        self._stop = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._recorder = phases.recorder()

    def advance(self, front: int) -> None:
        """Every byte below `front` is stored now."""
        if not self._hashers or front <= self._front:
            return
        with self._wake:
            self._front = front
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="fastdl-digest", daemon=True)
                if self._recorder is not None:
                    self._recorder.helper(self._thread, "digest")
                self._thread.start()
            self._wake.notify()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(_BLOCK))
        try:
            while True:
                with self._wake:
                    while self._done >= self._front and not self._stop:
                        self._wake.wait()
                    if self._stop:
                        return
                    wanted = min(_BLOCK, self._front - self._done)
                self._hash(buffer[:wanted])
        except BaseException as error:
            self._error = error
        finally:
            with self._wake:
                self._stop = True
                self._wake.notify_all()

    @phases.timed("digest")
    def _hash(self, view: memoryview) -> None:
        count = self._partial.read_into(self._done, view)
        if count == 0:
            raise DiskError("the partial download is shorter than it was", "something else changed it")
        for hasher in self._hashers:
            hasher.update(view[:count])
        with self._wake:
            self._done += count
            self._wake.notify_all()

    def finish(self, size: int) -> None:
        """Wait until all `size` bytes are hashed. Raises DiskError where they cannot be read, Interrupted if `stop` was
        called meanwhile."""
        if not self._hashers:
            return
        if self._thread is None:
            buffer = memoryview(bytearray(min(_BLOCK, max(size, 1))))
            while self._done < size and not self._stop:
                self._hash(buffer[: size - self._done])
        else:
            self.advance(size)
            with self._wake:
                while self._done < size and not self._stop:
                    self._wake.wait(0.1)
            self.stop()
        if self._error is not None:
            raise self._error
        if self._done < size:
            raise Interrupted("the check of the file was interrupted")  # never the digest of a part for the whole's

    def interrupt(self) -> None:
        """From any thread: end soon; `finish` then raises Interrupted."""
        with self._wake:
            self._stop = True
            self._wake.notify_all()

    def stop(self) -> None:
        """End the thread; nothing is read afterwards."""
        self.interrupt()
        if self._thread is not None:
            self._thread.join()
