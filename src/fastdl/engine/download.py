"""One file from the URL to its final name: the order of the steps. The decisions are elsewhere (target, core)."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from fastdl.core import tracker
from fastdl.core.journal import JournalHeader
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Action, Validators, Verdict, validators_of
from fastdl.core.scheduler import Failure, Finish, GiveUp, Limits, Restart, Scheduler
from fastdl.core.tracker import Tracker
from fastdl.core.urls import Url, is_masked, mask, parse_url, url_key
from fastdl.core.verify import Digest, Hasher, new_hasher, parse_checksum
from fastdl.engine import target
from fastdl.engine.attempt import Attempt
from fastdl.engine.digesting import FollowingDigest
from fastdl.engine.sinks import STDOUT_WINDOW, PartialSink, StdoutSink
from fastdl.errors import (
    DigestMismatch,
    FastdlError,
    Interrupted,
    ObjectChanged,
    SizeMismatch,
    TargetBusy,
    TargetExists,
    TimedOut,
    TooLarge,
)
from fastdl.events import Ended, Named, Note, Observer, Progressed, Started
from fastdl.io.channel import Channel
from fastdl.io.contact import Answer, Place
from fastdl.io.partial import Partial
from fastdl.io.session import Session
from fastdl.result import DigestReport, Result, SourceReport
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.io.store import Store

RESTARTS = 3  # times that a file which changed is begun again; the last time as one plain stream
OVERLAP = 64 * 1024  # bytes fetched again where no strong validator vouches for a partial download
FLUSH_SECONDS = 30.0  # how often a long download is flushed, so that a power loss costs little
FLUSH_BYTES = 64 * 1024 * 1024
PROGRESS_SECONDS = 0.1
SAMPLE = 64 * 1024  # bytes of an existing file that are compared with the server's


class _AskAgain(Exception):
    """The first response was used up to look at it."""


class Download:
    """One job of a run. `run` never raises FastdlError: the result holds it."""

    def __init__(self, session: Session, url: str, settings: Settings, observer: Observer, job: int = 0) -> None:
        self.session = session
        self.settings = settings
        self.job = job
        self._observer = observer
        self.url = url
        self._result = Result(url=url)
        self._attempt: Attempt | None = None
        self._stopped: FastdlError | None = None
        self._partial: Partial | None = None
        self._differs = False  # an existing file looked like the server's, and is another one
        self._digest: Digest | None = None
        self._places: list[Place] = []
        self._hashers: dict[str, Hasher] = {}
        self._following: FollowingDigest | None = None
        self._stdout: StdoutSink | None = None
        self._validators = Validators()
        self._final: Url | None = None
        self._path: str | None = None
        self._size: int | None = None
        self._counters = Tracker()
        self._flushed = (0.0, 0)
        self._shown = 0.0
        self._speed: tuple[float, int] = (0.0, 0)
        self._rate = 0.0
        self._store: Store | None = None

    def stop(self, error: FastdlError) -> None:
        """From any thread: end soon, with `error` as the outcome; the partial download stays."""
        self._stopped = error
        attempt = self._attempt
        if attempt is not None:
            attempt.stop()

    # --- the steps ---------------------------------------------------------------------------------------

    def run(self) -> Result:
        """Do it all; the result holds the error if there was one."""
        began = time.monotonic()
        self._deadline = began + self.settings.max_time if self.settings.max_time is not None else None
        self._observer(Started(self.job, self.url))
        joined: str | None = None
        try:
            given = parse_url(self.url)
            self.session.join(given.host)
            joined = given.host
            self._fetch(given)
        except target.AlreadyThere as kept:
            self._keep(kept)
        except FastdlError as error:
            self._result.error = error
        except KeyboardInterrupt:
            self._result.error = Interrupted("Interrupted")
        finally:
            if joined is not None:
                self.session.join(joined, -1)
            if self._following is not None:
                self._following.stop()
            if self._partial is not None:
                self._partial.close()
        if not self._result.kept:
            self._report()
        self._result.seconds = time.monotonic() - began
        self._observer(Ended(self.job, self._result))
        return self._result

    def _fetch(self, given: Url) -> None:
        settings = self.settings
        self._digest = parse_checksum(settings.checksum) if settings.checksum else None
        if self._digest is not None:
            self._result.digest = DigestReport(self._digest.algorithm, self._digest.value.hex(), "user")
        self._places = [Place(given), *(Place(parse_url(url), mirror=True) for url in settings.mirrors)]
        if settings.dry_run:
            from fastdl.engine.dry_run import dry_run

            self._result.plan = dry_run(self.session, settings, self._places, self._digest)
            return
        self._key = url_key(self.url)
        self._result.path = "-" if settings.output == "-" else None
        claims = None if settings.output == "-" else self._look(given)
        for restart in range(RESTARTS + 1):
            outcome = self._try(claims, restart)
            if isinstance(outcome, Finish):
                if self._conclude(retry=claims is not None and restart < RESTARTS):
                    return
            elif isinstance(outcome, GiveUp):
                raise outcome.error
            elif isinstance(outcome, Restart):
                if self._stdout is not None and self._stdout.front > 0:
                    raise ObjectChanged("The file changed during the download", "part of it went to stdout already")
                if outcome.why:
                    self._note("warning", f"{outcome.why}: beginning again from nothing")
            else:
                raise self._stopped or TimedOut("The time is over", f"--max-time {settings.max_time:g} s", "")
            claims = None
            for place in self._places:
                place.validators, place.content_type, place.final = None, None, None
        raise ObjectChanged("The file kept changing during the download", f"begun {RESTARTS + 1} times")

    def _look(self, given: Url) -> RangeSet | None:
        """Open what an earlier run left of this URL; the bytes that it holds, or None."""
        settings = self.settings
        path = target.path_of(settings, None, given, given)
        if settings.output is not None or "." in os.path.basename(given.path):
            target.settle_before(settings, path, self._digest)
        if not settings.resume:
            return None
        found = target.unfinished(settings, given, self._key, self.url)
        if found is None:
            return None
        self._partial = partial = Partial.open(found)
        header = partial.header
        if header is None or not target.belongs(header, self._key, self.url) or not partial.claims:
            return None
        if header.size is None:
            return None  # of unknown size: nothing tells whether the rest belongs to it
        self._path = found
        self._size = header.size
        self._validators = Validators(header.etag, header.last_modified)
        self._places[0].validators = self._validators
        self._places[0].content_type = header.content_type
        return RangeSet((claim.start, claim.end) for claim in partial.claims)

    def _try(self, claims: RangeSet | None, restart: int) -> Finish | Restart | GiveUp | None:
        settings = self.settings
        last_try = restart == RESTARTS
        limits = Limits(
            1 if last_try else settings.connections, settings.per_host, settings.min_split, settings.retries
        )
        places = self._places[:1] if last_try else self._places
        attempt = Attempt(
            self.session,
            places,
            limits,
            self._counters,
            accept=self._accept,
            not_modified=self._not_modified,
            on_tick=self._tick,
            on_failure=self._failed,
            extra_headers=self._conditions() if claims is None else (),
        )
        self._attempt = attempt
        self._accepted = False
        self._result.resumed_bytes = claims.total if claims is not None else 0
        self._speed = (time.monotonic(), self._result.resumed_bytes)

        def begin(core: Scheduler, now: float) -> list[Any]:
            core.single = last_try
            if settings.output == "-":
                core.horizon = STDOUT_WINDOW
            if claims is None:
                return core.start(now)
            attempt.resumed = True
            core.overlap = 0 if self._validators.strong else OVERLAP
            return core.start(now, self._size, claims)

        if claims is not None and self._size is not None and claims.total == self._size:
            self._continue_whole(attempt)
        if self._stopped is None:
            try:
                attempt.run(begin, self._deadline)
            except _AskAgain:
                return Restart("")
        if self._stopped is not None:
            raise self._stopped
        return attempt.outcome

    def _continue_whole(self, attempt: Attempt) -> None:
        """All bytes are there already: only the checks and the rename are missing."""
        assert self._partial is not None and self._partial.header is not None
        self._partial.continue_with(self._partial.header)
        self._final = self._places[0].given
        self._begin_digests(self._partial)

    def _conditions(self) -> tuple[tuple[str, str], ...]:
        """For -N: the server may answer 304 instead of sending what we have (RFC 9110, section 13.1)."""
        path = target.path_of(self.settings, None, self._places[0].given, self._places[0].given)
        if not self.settings.newer or not os.path.isfile(path):
            return ()
        etag = self._state().etag(self._key, path)
        if etag is not None:
            return (("If-None-Match", etag),)
        from email.utils import formatdate

        return (("If-Modified-Since", formatdate(os.stat(path).st_mtime, usegmt=True)),)

    def _state(self) -> Store:
        if self._store is None:
            import sys

            from fastdl.config import state_dir
            from fastdl.io.store import Store

            self._store = Store(state_dir(os.environ, sys.platform))
        return self._store

    # --- the first usable head ---------------------------------------------------------------------------

    def _accept(self, attempt: Attempt, source: int, place: Place, answer: Answer, verdict: Verdict) -> None:
        """Settle name, size and target by the first usable head; later heads are the judge's business alone."""
        if self._accepted:
            return
        head = answer.head
        found = validators_of(head)
        self._final = answer.url
        limit = self.settings.max_size
        if limit is not None and verdict.size is not None and verdict.size > limit:
            raise TooLarge(f"The file is larger than --max-size: {verdict.size} bytes", f"the limit is {limit}")
        self._size = verdict.size if verdict.size is not None else self._size
        if self.settings.output == "-":
            self._to_stdout(attempt)
        else:
            self._to_file(attempt, answer, head.get("content-disposition"), found)
        self._validators = found
        self._accepted = True
        self.session.give_way(answer.url)
        self._note("info", _first_impression(answer, verdict))
        if self._result.resumed_bytes:
            self._note("info", f"{self._result.resumed_bytes} bytes are there already")
        shown = self._path or "-"
        self._observer(Named(self.job, shown, self._size, self._result.resumed_bytes))

    def _not_modified(self) -> None:
        """304 to the conditions of -N."""
        given = self._places[0].given
        raise target.AlreadyThere(target.path_of(self.settings, None, given, given), "the server's file is not newer")

    def _to_stdout(self, attempt: Attempt) -> None:
        def moved(front: int) -> None:
            attempt.core.horizon = front + STDOUT_WINDOW

        self._hashers = {name: new_hasher(name) for name in self._algorithms()}
        place = self._places[0]
        self._stdout = StdoutSink(
            list(self._hashers.values()),
            moved,
            lambda: place.validators is not None and bool(place.validators.etag or place.validators.last_modified),
        )
        attempt.sink = self._stdout

    def _to_file(self, attempt: Attempt, answer: Answer, disposition: str | None, found: Validators) -> None:
        if attempt.resumed and self._partial is not None and self._partial.header is not None:
            partial = self._partial
            header = partial.header
            assert header is not None
        else:
            path = self._settle(disposition, answer, found)
            if self._partial is None or self._path != path:
                if self._partial is not None:
                    self._partial.close()
                self._partial, path = self._open(path)
            self._path = path
            partial, header = self._partial, None
        sources = list(header.sources) if header is not None else []
        ids = [_index(sources, mask(place.given.text)) for place in self._places]
        fresh = JournalHeader(
            url_key=self._key,
            url=mask(self.url),
            masked=is_masked(self.url),
            name=os.path.basename(self._path or ""),
            size=self._size,
            etag=found.etag,
            content_type=answer.head.get("content-type") or "",
            last_modified=found.last_modified,
            digest=self._digest.text if self._digest is not None else None,
            boot="",
            sources=sources,
            created=header.created if header is not None else time.time(),
        )
        if header is not None:
            partial.continue_with(fresh)
        else:
            partial.begin(fresh)
        self._begin_digests(partial)
        attempt.sink = PartialSink(partial, ids)

    def _open(self, path: str) -> tuple[Partial, str]:
        """Lock the target; where another download of this moment has it, --auto-rename takes the next name."""
        while True:
            try:
                return Partial.open(path), path
            except TargetBusy:
                if not self.settings.auto_rename:
                    raise
                path = target.free_path(path)

    def _settle(self, disposition: str | None, answer: Answer, found: Validators) -> str:
        settings, given = self.settings, self._places[0].given
        path = target.path_of(settings, disposition, given, answer.url)
        remote = target.Remote(self._size, found, target.modified_time(found))
        remembered = self._state().etag(self._key, path) if settings.newer and os.path.isfile(path) else None
        return target.settle(
            settings, path, self._digest, remote, remembered, lambda: self._same_start(path, answer.channel)
        )

    def _same_start(self, path: str, channel: Channel) -> bool:
        """Whether the response begins with the bytes of an existing file. If not, it has to be asked for again."""
        if self._differs:
            return False
        buffer = memoryview(bytearray(SAMPLE))
        count = channel.read_into(buffer)
        with open(path, "rb") as file:
            if file.read(count) == buffer[:count]:
                return True
        self._differs = True
        if self.settings.auto_rename:
            raise _AskAgain
        return False

    def _algorithms(self) -> list[str]:
        names = [self._digest.algorithm] if self._digest is not None else []
        return names + (["sha256"] if self.settings.json and "sha256" not in names else [])

    def _begin_digests(self, partial: Partial) -> None:
        if self._following is not None:
            self._following.stop()
        self._hashers = {name: new_hasher(name) for name in self._algorithms()}
        self._following = FollowingDigest(partial, list(self._hashers.values()))

    # --- while it runs -----------------------------------------------------------------------------------

    def _tick(self, attempt: Attempt, now: float) -> None:
        attempt.core.host_share = self.session.share(self._places[0].given.host)
        if now - self._shown < PROGRESS_SECONDS:
            return
        self._shown = now
        done, size, connections, sources, front = attempt.facts()
        limit = self.settings.max_size
        if limit is not None and done > limit:
            attempt.crash(TooLarge("The file is larger than --max-size", f"the limit is {limit} bytes"))
        if self._following is not None and (size is None or size > FLUSH_BYTES // 8):
            self._following.advance(front)
        since, before = self._speed
        if now > since:
            weight = min(1.0, (now - since) / 1.5)
            self._rate += weight * ((done - before) / (now - since) - self._rate)
            self._speed = (now, done)
        if self._accepted:
            self._observer(Progressed(self.job, done, size, max(0.0, self._rate), connections, sources))
            self._flush_now_and_then(now, done)

    def _flush_now_and_then(self, now: float, done: int) -> None:
        at, so_far = self._flushed
        if at == 0.0:
            self._flushed = (now, done)
        elif self._partial is not None and now - at > FLUSH_SECONDS and done - so_far > FLUSH_BYTES:
            self._flushed = (now, done)
            threading.Thread(target=_flush, args=(self._partial,), name="fastdl-flush", daemon=True).start()

    def _failed(self, place: Place, failure: Failure) -> None:
        self._note("info", f"{place.given.host}: {failure.error}")

    def _note(self, level: Any, text: str) -> None:
        self._observer(Note(self.job, level, text))

    # --- the end -----------------------------------------------------------------------------------------

    def _conclude(self, retry: bool) -> bool:
        """Check size and digests, give the file its name. False: what an earlier run left was damaged, begin anew."""
        attempt = self._attempt
        assert attempt is not None
        size = attempt.core.size
        assert size is not None
        self._size = size
        if self._stdout is not None:
            self._stdout.flush()
            if self._stdout.front != size:
                raise SizeMismatch("Not all bytes came", f"{self._stdout.front} of {size}")
        elif self._following is not None:
            self._following.finish(size)
        values = {name: hasher.digest() for name, hasher in self._hashers.items()}
        sha256 = values.get("sha256")
        self._result.sha256 = sha256.hex() if sha256 is not None else None
        if self._digest is not None and values[self._digest.algorithm] != self._digest.value:
            if retry:
                self._note("warning", "The digest does not match what an earlier run left: beginning again")
                return False
            self._mismatch(self._digest, values[self._digest.algorithm])
        if self._result.digest is not None:
            self._result.digest.verified = True
        if self._partial is not None:
            self._rename(self._partial, size)
        return True

    def _mismatch(self, wanted: Digest, found: bytes) -> None:
        if self._partial is not None:
            self._partial.discard()
        raise DigestMismatch(
            f"The {wanted.algorithm} does not match: the file has {found.hex()}",
            f"expected was {wanted.value.hex()}",
        )

    def _rename(self, partial: Partial, size: int) -> None:
        settings = self.settings
        modified = target.modified_time(self._validators) if settings.remote_time else None
        replace = settings.overwrite or settings.newer
        assert self._path is not None
        while True:
            try:
                partial.finish(self._path, size=size, replace=replace, mtime=modified, durable=settings.durable)
                break
            except TargetExists:  # it appeared while we were downloading
                if not settings.auto_rename:
                    raise
                self._path = target.free_path(self._path)
        if settings.newer and self._validators.etag is not None:
            self._state().note_etag(self._key, self._path, self._validators.etag, size)

    def _keep(self, kept: target.AlreadyThere) -> None:
        result = self._result
        result.path = kept.path
        result.size = os.path.getsize(kept.path) if os.path.isfile(kept.path) else None
        result.kept = kept.why
        if self._digest is not None and "expected" in kept.why and result.digest is not None:
            result.digest.verified = True
        if self.settings.json and result.size is not None:
            result.sha256 = target.file_digest(kept.path, "sha256").hex()

    def _report(self) -> None:
        result = self._result
        if self._attempt is None:
            return
        result.size = self._size
        result.path = self._path if self._stdout is None else "-"
        result.final_url = self._final.text if self._final is not None else None
        result.requests = self._counters.total(tracker.REQUESTS)
        result.wasted_bytes = self._counters.total(tracker.WASTED)
        by_source = self._counters.by_source()
        result.sources = [_source_report(index, place, by_source) for index, place in enumerate(self._places)]


def _source_report(index: int, place: Place, by_source: dict[int, dict[str, int]]) -> SourceReport:
    counts = by_source.get(index, {})
    return SourceReport(
        url=place.given.text,
        host=place.given.host,
        bytes=counts.get("bytes", 0) + counts.get("wasted", 0),
        connections=counts.get("connections", 0),
        errors=counts.get("errors", 0),
    )


def _first_impression(answer: Answer, verdict: Verdict) -> str:
    """What the first usable head says, for -v."""
    size = "of unknown size" if verdict.size is None else f"of {verdict.size} bytes"
    ranges = "with" if verdict.action is Action.USE else "without"
    peer = f" ({answer.channel.peer})" if answer.channel.peer else ""
    return f"{answer.url.host}{peer} has a file {size}, {ranges} ranges, {answer.head.version}"


def _index(sources: list[str], url: str) -> int:
    if url not in sources:
        sources.append(url)
    return sources.index(url)


def _flush(partial: Partial) -> None:
    try:
        partial.flush()
    except (FastdlError, OSError):
        return  # the same fault meets the next write, which reports it
