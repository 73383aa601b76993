"""`verify --repair`: mends a damaged file from its origin and fetches only what is wrong, as far as that can be known.

All of it happens on a copy beside the file. The copy takes the file's name at the end, when every digest agrees; until
then, and after any failure, the file itself is what it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence

from fastdl.core import tracker
from fastdl.core.dates import http_date
from fastdl.core.journal import JournalHeader
from fastdl.core.orders import Failure, Finish, GiveUp, Instruction, Restart
from fastdl.core.pieces import unusable
from fastdl.core.plain import dataclass
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Verdict
from fastdl.core.scheduler import Scheduler
from fastdl.core.shown import is_masked, mask
from fastdl.core.state import Limits
from fastdl.core.tracker import Tracker
from fastdl.core.urls import url_key
from fastdl.core.verify import new_hasher
from fastdl.engine.attempt import Attempt
from fastdl.engine.explaining.asking import Finding
from fastdl.engine.verifying.mend_sink import CompareSink
from fastdl.engine.verifying.published import Published, Tell
from fastdl.engine.verifying.suspects import holes, joined, trace_of, wrong_pieces
from fastdl.engine.verifying.verify import BLOCK, Mended, mismatch, unreadable
from fastdl.errors import DiskError, FastdlError, IntegrityError, ObjectChanged, TimedOut
from fastdl.events import Observer, Progressed
from fastdl.io.contact import Answer, Place
from fastdl.io.disk import disk_error
from fastdl.io.partial import Partial
from fastdl.io.session import Session

PROGRESS_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Repair:
    """What to mend: the file at `path`, which does not have the `expected` digests (not empty, the strongest first),
    from `url`, of which `origin` is known. `tell` takes progress of file number `job`, `note` sentences for -v."""

    path: str
    url: str
    origin: Published
    expected: Sequence[Finding]
    job: int
    tell: Observer
    note: Tell


def mend(session: Session, repair: Repair) -> Mended:
    """Mend a file. Raises TargetBusy, DiskError, NetworkErrors, Refused and IntegrityErrors; the file is as it was
    then."""
    path, origin = repair.path, repair.origin
    if origin.error is not None:
        raise origin.error
    if not os.path.isfile(path):
        raise DiskError(f"cannot repair {path}", "it is not an ordinary file", "")
    partial = Partial.open(os.path.realpath(path))  # a link stays one: what it leads to is mended
    try:
        if partial.claims:
            hint = f"Finish it with 'fastdl resume', or remove {path}.fastdl and its journal."
            raise DiskError("an unfinished download lies beside the file", path, hint)
        try:
            return Mender(session, partial, repair).run()
        except BaseException:
            with contextlib.suppress(DiskError):
                partial.discard()
            raise
    finally:
        partial.close()


class Mender:
    """One repair, on a partial file that nobody else uses."""

    def __init__(self, session: Session, partial: Partial, repair: Repair) -> None:
        self._session = session
        self._partial = partial
        self._repair = repair
        self._origin = repair.origin
        self._place = repair.origin.place
        self._expected = repair.expected
        self._size = repair.origin.size
        self._sink = CompareSink(partial)
        self._counters = Tracker()
        self._fetched = RangeSet()  # bytes that came from the origin in this run
        self._asked = 0
        self._old = 0  # bytes that the file has
        limit = session.settings.max_time
        self._deadline = time.monotonic() + limit if limit is not None else None
        self._drawn = time.monotonic()
        self._counted = 0
        self._speed = 0.0

    def run(self) -> Mended:
        """Copy, mend, check, rename. Raises what `mend` raises."""
        before = self._copy()
        fault: FastdlError | None = None
        for suspects in self._rounds():
            if suspects is not None:
                self._fetch(suspects)
            fault = self._fault()
            if fault is None:
                self._finish(before)
                came = self._counters.total(tracker.BYTES) + self._counters.total(tracker.WASTED)
                return Mended(self._size or 0, self._sink.written, came, self._asked)
        assert fault is not None  # the last round is the whole file
        raise fault

    # --- the copy ----------------------------------------------------------------------------------------

    def _copy(self) -> tuple[int, int]:
        """The file's bytes in the partial file, as far as the right one can have them; what shows that the file has
        not been written to since."""
        path = self._repair.path
        self._partial.begin(self._header())
        try:
            before = trace_of(path)
            self._old = before[0]
            end = self._old if self._size is None else min(self._old, self._size)
            with open(path, "rb", buffering=0) as file:
                at = 0
                while at < end and (block := file.read(min(BLOCK, end - at))):
                    self._partial.write(at, memoryview(block))
                    at += len(block)
        except OSError as error:
            raise unreadable(error, path) from error
        self._sink.old = end
        return before

    def _header(self) -> JournalHeader:
        """No byte is ever claimed: a repair that was killed leaves nothing to go on from."""
        validators = self._place.validators
        return JournalHeader(
            url_key=url_key(self._repair.url),
            url=mask(self._repair.url),
            masked=is_masked(self._repair.url),
            name=os.path.basename(self._partial.final),
            size=self._size,
            etag=validators.etag if validators is not None else None,
            last_modified=validators.last_modified if validators is not None else None,
            digest=self._expected[0].digest.text if self._expected else None,
            boot="",
            sources=[mask(self._repair.url)],
            created=time.time(),
        )

    def _read(self, offset: int, count: int) -> bytes:
        buffer = bytearray(count)
        got = self._partial.read_into(offset, memoryview(buffer)) if count else 0
        return bytes(buffer[:got])

    # --- what to fetch -----------------------------------------------------------------------------------

    def _rounds(self) -> Iterator[RangeSet | None]:
        """What to fetch, the likeliest first; None: look at the digest without fetching anything."""
        size = self._size
        if size is not None and self._old > size:
            self._repair.note(f"{self._old - size} bytes are too many")
            yield None
        if size is not None and self._origin.ranges:
            yield from self._guesses(size)
        self._repair.note("what is wrong cannot be told: the whole file is fetched and compared")
        yield RangeSet([(0, size)]) if size is not None else RangeSet()

    def _guesses(self, size: int) -> Iterator[RangeSet | None]:
        pieces = self._origin.pieces
        if pieces is not None and not unusable(pieces, size):
            wrong = wrong_pieces(self._read, size, pieces)
            if wrong:
                self._repair.note(f"{wrong.total} bytes are in pieces whose digest differs")
                yield wrong
            return
        if self._old < size:
            self._repair.note(f"the last {size - self._old} bytes are missing")
            yield RangeSet([(self._old, size)])
        empty = holes(self._read, size)
        for start, end in self._fetched:
            empty.remove(start, end)
        if empty:
            self._repair.note(f"{empty.total} bytes in {len(empty)} places are zeros")
            yield joined(empty)

    # --- fetching ----------------------------------------------------------------------------------------

    def _fetch(self, suspects: RangeSet) -> None:
        """Fetch `suspects` from the origin, except what came already; none of them and an unknown size: everything."""
        size = self._size
        done = RangeSet()
        if size is not None:
            done = suspects.missing(size)
            for start, end in self._fetched if self._origin.ranges else ():
                done.add(start, end)
            self._asked += len(done.missing(size))
        else:
            self._asked += 1
        attempt = self._attempt()

        def begin(core: Scheduler, now: float) -> list[Instruction]:
            core.overlap = 0  # what is there is wrong somewhere: to compare with it would prove nothing
            return core.start(now, size, done)

        with self._session.crowd(self._place.given.host):
            attempt.run(begin, self._deadline)
        outcome = attempt.outcome
        if isinstance(outcome, GiveUp):
            raise outcome.error
        if isinstance(outcome, Restart):
            raise ObjectChanged("the file at the origin changed during the repair", outcome.why)
        if not isinstance(outcome, Finish):
            raise TimedOut("the time is over", f"--max-time {self._session.settings.max_time:g} s", "Raise --max-time.")
        self._size = attempt.core.size
        for start, end in suspects:
            self._fetched.add(start, end)

    def _attempt(self) -> Attempt:
        settings = self._session.settings
        limits = Limits(settings.connections, settings.per_host, settings.min_split, settings.retries)

        def accept(attempt: Attempt, place: Place, answer: Answer, verdict: Verdict) -> None:
            attempt.sink = self._sink
            self._session.give_way(answer.url)

        def on_failure(place: Place, failure: Failure) -> None:
            self._repair.note(f"{place.given.host}: {failure.error}")

        def go_on(source: int, offset: int, view: memoryview) -> bool:
            """A plain stream is held against the damaged bytes, of course they differ: the digest decides."""
            return True

        return Attempt(
            self._session,
            [self._place],
            limits,
            self._counters,
            accept=accept,
            not_modified=lambda: None,
            on_tick=self._tick,
            on_failure=on_failure,
            on_conflict=go_on,
        )

    def _tick(self, attempt: Attempt, now: float) -> None:
        attempt.core.host_share = self._session.share(self._place.given.host)
        if now - self._drawn < PROGRESS_SECONDS:
            return
        done, size, connections, sources = attempt.facts()[:4]
        came = self._counters.total(tracker.BYTES)
        self._speed += 0.2 * ((came - self._counted) / (now - self._drawn) - self._speed)
        self._counted, self._drawn = came, now
        self._repair.tell(Progressed(self._repair.job, done, size, max(0.0, self._speed), connections, sources))

    # --- the end -----------------------------------------------------------------------------------------

    def _digests(self) -> dict[str, bytes]:
        hashers = {each.digest.algorithm: new_hasher(each.digest.algorithm) for each in self._expected}
        size = self._size or 0
        at = 0
        while at < size and (block := self._read(at, min(BLOCK, size - at))):
            for hasher in hashers.values():
                hasher.update(block)
            at += len(block)
        return {name: hasher.digest() for name, hasher in hashers.items()}

    def _fault(self) -> FastdlError | None:
        """Which digest the copy does not have; None where all agree."""
        found = self._digests()
        for each in self._expected:
            if found[each.digest.algorithm] != each.digest.value:
                error = mismatch(each, found[each.digest.algorithm].hex())
                return IntegrityError("the origin's own bytes do not have the digest", error.what)
        return None

    def _finish(self, before: tuple[int, int]) -> None:
        """The copy takes the file's name. Raises IntegrityError where somebody wrote to the file meanwhile."""
        partial, path = self._partial, self._repair.path
        try:
            if trace_of(path) != before:
                raise IntegrityError("another program wrote to the file during the repair", path)
            shutil.copymode(path, partial.data_path)
        except OSError as error:
            raise disk_error(error, "read", path) from error
        validators = self._place.validators
        modified = http_date(validators.last_modified) if validators is not None else None
        durable = self._session.settings.durable
        partial.finish(size=self._size or 0, replace=True, mtime=modified, durable=durable)
