"""What is done about twenty times a second while a download runs: progress, the digest behind the front, flushes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from fastdl.engine.attempt import Attempt
from fastdl.engine.landing import Landing
from fastdl.errors import FastdlError, TooLarge
from fastdl.events import Event, Progressed
from fastdl.io.partial import Partial
from fastdl.io.strain import strain

PROGRESS_SECONDS = 0.1
FLUSH_SECONDS = 30.0  # how often a long download is flushed, so that a power loss costs little
FLUSH_BYTES = 64 * 1024 * 1024
DIGEST_BYTES = 8 * 1024 * 1024  # smaller files are hashed at their end: not worth a thread
STRAIN_SECONDS = 3.0  # how often the machine's memory and load are looked at; short downloads never do
BOUND = 0.75  # of one processor: the interpreter lets no two threads work at a time, so more connections bring no more
SPEED_SECONDS = 1.5  # over which the speed is averaged


class Watch:
    """Watches one attempt."""

    def __init__(self, job: int, landing: Landing, max_size: int | None, now: float, done: int) -> None:
        """`done` bytes were there at the time `now` (seconds)."""
        self._job = job
        self._landing = landing
        self._max_size = max_size
        self._shown = 0.0
        self._at, self._done = now, done
        self._since, self._before = now, done  # when the first byte came, and what was there
        self._flushed_at, self._flushed = now, done
        self._strained = now
        self._speed = 0.0
        self._cpu, self._cpu_at, self._busy = time.process_time(), now, 0

    def look(self, attempt: Attempt, now: float, tell: Callable[[Event], None] | None) -> None:
        """Take the facts of this moment; `tell` gets the progress (None: there is no file to speak of yet)."""
        if now - self._shown < PROGRESS_SECONDS:
            return
        self._shown = now
        done, size, connections, sources, front = attempt.facts()
        if self._max_size is not None and done > self._max_size:
            attempt.crash(TooLarge("the file is larger than --max-size", f"the limit is {self._max_size} bytes"))
        if size is None or size > DIGEST_BYTES:
            self._landing.proof.advance(front)
        if now > self._at:
            self._measure(now, done)
        if self._is_bound(now):
            attempt.hold()
        if now - self._strained >= STRAIN_SECONDS:
            self._strained = now
            attempt.spare(strain())
        if tell is not None:
            tell(Progressed(self._job, done, size, max(0.0, self._speed), connections, sources))
            self._flush(now, done)

    def _measure(self, now: float, done: int) -> None:
        """The speed, averaged; at first over the time since bytes come, so that it is right from the start."""
        came = done - self._before
        if came <= 0:
            self._since, self._speed = now, 0.0
        elif now - self._since <= SPEED_SECONDS:
            self._speed = came / (now - self._since)
        else:
            weight = min(1.0, (now - self._at) / SPEED_SECONDS)
            self._speed += weight * ((done - self._done) / (now - self._at) - self._speed)
        self._at, self._done = now, done

    def _is_bound(self, now: float) -> bool:
        """Whether this process, and not the network, is what the download waits for: two looks in a row."""
        cpu = time.process_time()
        share = (cpu - self._cpu) / max(now - self._cpu_at, 0.001)
        self._cpu, self._cpu_at = cpu, now
        self._busy = self._busy + 1 if share > BOUND else 0
        return self._busy >= 2

    def _flush(self, now: float, done: int) -> None:
        partial = self._landing.partial
        if partial is None or now - self._flushed_at < FLUSH_SECONDS or done - self._flushed < FLUSH_BYTES:
            return
        self._flushed_at, self._flushed = now, done
        threading.Thread(target=_flush, args=(partial,), name="fastdl-flush", daemon=True).start()


def _flush(partial: Partial) -> None:
    try:
        partial.flush()
    except (FastdlError, OSError):
        return  # the same fault meets the next write, which reports it
