"""Pieces are checked as they arrive, behind the writers, so that a source that alters bytes is found out while the
download runs. What is wrong is fetched again; the digest of the whole file decides at the end all the same."""

from __future__ import annotations

import threading
from collections.abc import Callable

from fastdl.core.pieces import PieceMap
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.verify import new_hasher
from fastdl.errors import DiskError, Interrupted
from fastdl.io import phases
from fastdl.io.partial import Partial

_BLOCK = 1024 * 1024
_ROUND = 8 * 1024 * 1024  # bytes of pieces that are checked before the wrong ones among them are told


class PieceChecker:
    """Checks the pieces of a partial file in a thread of its own."""

    def __init__(self, partial: Partial, pieces: PieceMap, on_bad: Callable[[list[Range]], None]) -> None:
        """`on_bad` is called from the checker's thread with the pieces that are wrong, one range each, since each tells
        something about its senders (core/pieces.guilty). When it returns, those bytes do not count as stored any more,
        until they were fetched again."""
        self._partial = partial
        self._pieces = pieces
        self._on_bad = on_bad
        self._wake = threading.Condition()  # guards all below, and the pieces
        self._stored = RangeSet()  # the newest snapshot
        self._looks = 0  # how many there were
        self._fresh = 0  # the first of them that is to be believed
        self._end = False  # of the thread
        self._interrupted = False
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._recorder = phases.recorder()
        length = max(1, pieces.range_of(0).size)
        self._round = max(1, _ROUND // length)
        self._block = min(_BLOCK, length)
        self._buffer = memoryview(b"")

    @property
    def front(self) -> int:
        """Bytes: all below are of pieces that are right, or that are not asked for again. What is computed in order may
        follow so far, and need not begin anew when a piece was wrong."""
        with self._wake:
            return self._pieces.front

    def right(self) -> RangeSet:
        """The bytes of pieces that are right: they speak for whoever sent them (core/pieces.guilty)."""
        with self._wake:
            return self._pieces.right()

    @property
    def doubted(self) -> bool:
        """Whether the list of pieces was contradicted so often that it is not believed any more."""
        return self._pieces.doubted

    def advance(self, stored: RangeSet) -> None:
        """The bytes that are stored now; cheap. Always from the same thread, and `stored` is taken after the call
        before has returned: so the second call after `on_bad` cannot show what was stored before it."""
        with self._wake:
            self._looks += 1
            if self._end or (stored == self._stored and self._looks != self._fresh):
                return
            gone, self._stored = self._stored, RangeSet(stored)
            for piece in stored:
                gone.remove(*piece)
            for piece in gone:  # a plain stream from the first byte on writes over them
                self._pieces.dropped(*piece)
                self._fresh = max(self._fresh, self._looks)
            if self._thread is None:
                self._thread = threading.Thread(target=self._follow, name="fastdl-pieces", daemon=True)
                if self._recorder is not None:
                    self._recorder.helper(self._thread, "pieces")
                self._thread.start()
            self._wake.notify_all()

    def _follow(self) -> None:
        try:
            while ready := self._next():
                bad = self._check(*ready)
                if bad and not self._end:
                    self._on_bad([self._pieces.range_of(index) for index in bad])
                    with self._wake:
                        self._fresh = self._looks + 2
        except BaseException as error:
            self._error = error
            self._end = True

    def _next(self) -> tuple[list[int], int] | None:
        """Wait until pieces can be checked: these, as long as that snapshot is the first to be believed. None at the
        end."""
        with self._wake:
            while not self._end:
                if self._looks >= self._fresh and (indices := self._pieces.ready(self._stored, self._round)):
                    return indices, self._fresh
                self._wake.wait()
            return None

    def _check(self, indices: list[int], fresh: int) -> list[int]:
        """Look at these pieces; those that are to be fetched again."""
        bad: list[int] = []
        for index in indices:
            found = self._digest(self._pieces.range_of(index))
            with self._wake:
                if found is None or fresh != self._fresh:
                    break  # the end; or bytes are gone, maybe while they were read
                if self._pieces.is_right(index, found):
                    self._pieces.passed(index)
                elif self._pieces.failed(index, found):
                    bad.append(index)
        return bad

    def _digest(self, piece: Range) -> bytes | None:
        """The digest of stored bytes; None where the check is to end. Raises DiskError."""
        if not self._buffer:
            self._buffer = memoryview(bytearray(self._block))
        hasher = new_hasher(self._pieces.algorithm)
        at = piece.start
        while at < piece.end:
            if self._end:
                return None
            view = self._buffer[: piece.end - at]
            count = self._partial.read_into(at, view)
            if count == 0:
                raise DiskError("the partial download is shorter than it was", "something else changed it")
            hasher.update(view[:count])
            at += count
        return hasher.digest()

    def finish(self) -> list[Range]:
        """All bytes are stored, and nothing is being fetched: check the pieces that are not known to be right. The
        bytes of those that are wrong, neighbours joined, whether `on_bad` was told of them or not; nothing where the
        list is doubted. May be called again after they were mended.

        Only worth its time where the digest of the whole file is wrong: else a wrong piece is a fault of the list.
        Raises DiskError, what `on_bad` raised, and Interrupted."""
        self.stop()
        if self._error is not None:
            raise self._error
        with self._wake:
            self._end = self._interrupted
        bad: list[int] = []
        for index in [] if self.doubted else self._pieces.not_right():
            found = self._digest(self._pieces.range_of(index))
            if found is None:
                raise Interrupted("the check of the file was interrupted")
            if self._pieces.is_right(index, found):
                self._pieces.passed(index)
            else:
                bad.append(index)
        return list(RangeSet(self._pieces.range_of(index) for index in bad))

    def interrupt(self) -> None:
        """From any thread: end soon; `finish` then raises Interrupted."""
        with self._wake:
            self._interrupted = self._end = True
            self._wake.notify_all()

    def stop(self) -> None:
        """End the thread; after it neither the file is read nor `on_bad` called, until `finish`. Not under a lock that
        `on_bad` takes, and not from there."""
        with self._wake:
            self._end = True
            self._wake.notify_all()
        if self._thread is not None:
            self._thread.join()
