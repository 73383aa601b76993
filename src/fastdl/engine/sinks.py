"""Where the bytes of one attempt go: a partial file with its journal, or stdout in order."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

from fastdl.core.hints import TYPE_CHECKING, BinaryIO, Protocol
from fastdl.core.plain import dataclass, replace
from fastdl.core.verify import Hasher, new_hasher
from fastdl.errors import DiskError
from fastdl.io import phases
from fastdl.io.disk import disk_error
from fastdl.io.partial import Partial

if TYPE_CHECKING:
    from fastdl.io.pipe import Pipe

RECORD_BYTES = 1024 * 1024  # journaled at least this often
RECORD_SECONDS = 0.01  # so that a kill loses no more than this much of each connection's work
_BLOCK = 1024 * 1024
STDOUT_WINDOW = 16 * 1024 * 1024  # bytes that may wait in memory for their turn


class Sink(Protocol):
    """Takes bytes at offsets from several workers, at disjoint ranges."""

    def write(self, worker: int, offset: int, view: memoryview, source: int) -> None:
        """Store bytes; `source` is remembered as where they came from. Raises DiskError."""

    def settle(self, worker: int) -> None:
        """The worker's range has ended: what it wrote may be claimed."""

    def same(self, offset: int, view: memoryview) -> bool:
        """Whether bytes that came a second time equal the stored ones."""


@dataclass(slots=True)
class _Run:
    """The contiguous run that a worker is writing, and what of it the journal knows."""

    slot: int
    start: int
    end: int
    source: int
    recorded: int
    at: float


class PartialSink:
    """NAME.fastdl and its journal: data first, then the claim (invariant 2)."""

    def __init__(self, partial: Partial, journal_ids: list[int]) -> None:
        """`journal_ids`: for each source of the scheduler its index in the journal's header."""
        self._partial = partial
        self.ids = journal_ids  # grows when a source joins
        self._runs: dict[int, _Run] = {}
        self._guard = threading.Lock()  # of the runs; held by their workers for a moment a block
        phases.instrument(self, write="disk", take="disk", settle="journal", same="compare")

    def write(self, worker: int, offset: int, view: memoryview, source: int) -> None:
        """See Sink."""
        self._partial.write(offset, view)
        self._wrote(worker, offset, offset + len(view), source)

    @property
    def splices(self) -> bool:
        """Whether bytes may go to the file unseen, by `take`."""
        return self._partial.splices

    def take(self, worker: int, offset: int, pipe: Pipe, source: int) -> None:
        """As `write`, with all that a pipe holds."""
        end = offset + pipe.held
        self._partial.take(offset, pipe)
        self._wrote(worker, offset, end, source)

    def _wrote(self, worker: int, start: int, end: int, source: int) -> None:
        """Bytes are in the file: they may be claimed, now and then."""
        now = time.monotonic()
        with self._guard:
            run = self._runs.get(worker)
            if run is None or run.end != start or run.source != source:
                if run is not None:
                    self._record(run, now)
                    self._partial.end_run(run.slot)
                run = _Run(self._partial.run(start, self.ids[source]), start, start, source, start, 0.0)
                self._runs[worker] = run
            run.end = end
            if run.end - run.recorded >= RECORD_BYTES or now - run.at >= RECORD_SECONDS:
                self._record(run, now)

    def _record(self, run: _Run, now: float) -> None:
        if run.end > run.recorded:
            self._partial.record(run.slot, run.start, run.end, self.ids[run.source])
            run.recorded = run.end
        run.at = now

    def settle(self, worker: int) -> None:
        """See Sink."""
        with self._guard:
            run = self._runs.get(worker)
            if run is not None:
                self._record(run, time.monotonic())

    def take_back(self, start: int, end: int) -> Counter[int]:
        """What is stored in [start, end) is wrong: it is claimed no more, also where a run goes on behind it. How many
        bytes each source had sent of it, by its index in the journal."""
        senders: Counter[int] = Counter()
        for claim in self._partial.provenance():
            if claim.start < end and claim.end > start:
                senders[claim.source] += min(claim.end, end) - max(claim.start, start)
        with self._guard:
            for worker, run in list(self._runs.items()):
                if run.start < end and run.end > start:
                    self._record(run, time.monotonic())
                    self._partial.end_run(run.slot)
                    del self._runs[worker]
            self._partial.forget(start, end)
        return senders

    def add_source(self, url: str) -> None:
        """A source joins: the journal has to know its masked URL before it claims a byte of it."""
        header = self._partial.header
        assert header is not None
        sources = list(header.sources)
        self.ids.append(index_of(sources, url))
        self._partial.update_header(replace(header, sources=sources))

    def source_text(self, index: int) -> str:
        """The masked URL of a source in the journal."""
        assert self._partial.header is not None
        return self._partial.header.sources[index]

    def end(self) -> None:
        """No worker writes any more: everything may be claimed."""
        for run in self._runs.values():
            self._record(run, time.monotonic())

    def same(self, offset: int, view: memoryview) -> bool:
        """See Sink."""
        return self.stored(offset, len(view)) == view

    def stored(self, offset: int, length: int) -> memoryview:
        """What is stored there, as far as the file goes. Raises DiskError."""
        buffer = memoryview(bytearray(length))
        filled = 0
        while filled < length:
            count = self._partial.read_into(offset + filled, buffer[filled:])
            if count == 0:
                break
            filled += count
        return buffer[:filled]

    def print_of(self, start: int, end: int) -> bytes:
        """A digest of what is stored in [start, end), to compare it with what is later. Raises DiskError."""
        hasher = new_hasher("blake2b-256")
        for at in range(start, end, _BLOCK):
            hasher.update(self.stored(at, min(_BLOCK, end - at)))
        return hasher.digest()


def index_of(sources: list[str], url: str) -> int:
    """The index of a masked URL in the sources of a journal, which it joins if it is not there."""
    if url not in sources:
        sources.append(url)
    return sources.index(url)


class StreamSink:
    """Bytes to stdout, a pipe or a device, in order: what comes early waits in memory, at most STDOUT_WINDOW ahead of
    the front."""

    def __init__(
        self,
        out: BinaryIO,
        hashers: list[Hasher],
        front_moved: Callable[[int], None],
        certain: Callable[[], bool],
    ) -> None:
        """`front_moved` is told how far the output has come; `certain`: whether a validator vouches that bytes which
        come again are the ones that went out."""
        self._out = out
        self._hashers = hashers
        self._front_moved = front_moved
        self._certain = certain
        self._waiting: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self.front = 0
        phases.instrument(self, write="disk")

    def write(self, worker: int, offset: int, view: memoryview, source: int) -> None:
        """See Sink."""
        with self._lock:
            self._waiting[offset] = bytes(view)
            before = self.front
            while self.front in self._waiting:
                block = self._waiting.pop(self.front)
                self._emit(block)
                self.front += len(block)
            if self.front != before:
                self._front_moved(self.front)  # under the lock: it never goes back

    def _emit(self, block: bytes) -> None:
        try:
            self._out.write(block)
        except OSError as error:
            raise DiskError("cannot write the output", error.strerror or "the reader is gone", "") from error
        for hasher in self._hashers:
            hasher.update(block)

    def settle(self, worker: int) -> None:
        """See Sink."""

    def same(self, offset: int, view: memoryview) -> bool:
        """See Sink."""
        return self._certain()

    def flush(self) -> None:
        """Everything is out. Raises DiskError."""
        try:
            self._out.flush()
        except OSError as error:
            raise DiskError("cannot write the output", error.strerror or "the reader is gone", "") from error


def open_output(path: str) -> BinaryIO:
    """Where bytes go in order: stdout for `-`, else a pipe or a device. Raises DiskError."""
    if path != "-":
        try:
            return open(path, "wb")
        except OSError as error:
            raise disk_error(error, "open", path) from error
    if sys.stdout is None:  # as Python has it where it was closed before the start
        raise DiskError("cannot write to stdout", "it is closed", "Choose a name with -o.")
    return sys.stdout.buffer
