"""Where one file's bytes land: from what an earlier run left, by the first usable head, to the final name."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from fastdl.core.journal import JournalHeader
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Validators, Verdict, validators_of
from fastdl.core.urls import is_masked, mask, url_key
from fastdl.core.verify import Digest, Hasher, new_hasher
from fastdl.engine import target
from fastdl.engine.digesting import FollowingDigest
from fastdl.engine.sinks import PartialSink, Sink, StreamSink
from fastdl.errors import DigestMismatch, SizeMismatch, TargetBusy, TargetExists, TooLarge
from fastdl.io.channel import Channel
from fastdl.io.contact import Answer, Place
from fastdl.io.disk import disk_error
from fastdl.io.partial import Partial
from fastdl.io.writers import Kind
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.io.store import Store

SAMPLE = 64 * 1024  # bytes of an existing file that are compared with the server's


class AskAgain(Exception):
    """The first response was used up to look at it."""


class Landing:
    """One file's target: a partial download that gets its final name at the end, or stdout, a pipe or a device."""

    def __init__(
        self, settings: Settings, url: str, places: list[Place], digest: Digest | None, tell: Callable[[str], None]
    ) -> None:
        """`url` is the text as given, `places` are all sources with the origin first, `digest` is the expected one;
        `tell` takes sentences for -v."""
        self.path = target.stream_path(settings)
        self.in_order = self.path is not None  # stdout, a pipe or a device such as /dev/null
        self.size: int | None = None  # bytes, as far as the servers have said it
        self.validators = Validators()
        self.partial: Partial | None = None
        self.stream: StreamSink | None = None
        self._settings = settings
        self._url = url
        self._key = url_key(url)
        self._places = places
        self._digest = digest
        self._tell = tell
        self._hashers: dict[str, Hasher] = {}
        self._following: FollowingDigest | None = None
        self._differs = False  # an existing file looked like the server's, and is another one
        self._store: Store | None = None

    # --- before the first request ------------------------------------------------------------------------

    def look(self) -> RangeSet | None:
        """Open what an earlier run left of this URL; the bytes that it holds, or None.

        Raises target.AlreadyThere, TargetBusy, DiskError."""
        settings, origin = self._settings, self._places[0]
        if self.in_order:
            return None
        found = target.unfinished(settings, origin.given, self._key, self._url) if settings.resume else None
        if found is not None:
            self._open(found)
        if settings.output is not None or "." in os.path.basename(origin.given.path):
            target.settle_before(settings, self._expected_path(), self._digest)
        partial = self.partial
        if found is None or partial is None:
            return None
        header = partial.header
        if header is None or not target.belongs(header, self._key, self._url) or not partial.claims:
            return None
        if header.size is None:
            return None  # of unknown size: nothing tells whether the rest belongs to it
        self.path, self.size = found, header.size
        self.validators = origin.validators = Validators(header.etag, header.last_modified)
        origin.content_type = header.content_type
        return RangeSet((claim.start, claim.end) for claim in partial.claims)

    def _open(self, path: str) -> None:
        """Lock a partial download and look at it. Raises target.AlreadyThere where an earlier run was killed between
        the last rename and the removal of its journal."""
        self.partial = partial = Partial.open(path, writer=_writer())
        if partial.note:
            self._tell(partial.note)
        done = partial.finished
        wanted = self._digest.text if self._digest is not None else None
        if done is not None and done.url_key == self._key and (wanted is None or done.digest == wanted):
            raise target.AlreadyThere(path, "an earlier run had just finished it", verified=wanted is not None)

    def _expected_path(self) -> str:
        given = self._places[0].given
        return target.path_of(self._settings, None, given, given)

    def conditions(self) -> tuple[tuple[str, str], ...]:
        """For -N: the server may answer 304 instead of sending what we have (RFC 9110, section 13.1)."""
        path = self._expected_path()
        if not self._settings.newer or self._digest is not None or not os.path.isfile(path):
            return ()  # with a digest, an existing file that has it needs no request, and one that has not is replaced
        etag = self._state().etag(self._key, path)
        if etag is not None:
            return (("If-None-Match", etag),)
        from email.utils import formatdate

        return (("If-Modified-Since", formatdate(os.stat(path).st_mtime, usegmt=True)),)

    def not_modified(self) -> None:
        """The server answered 304 to the conditions. Raises target.AlreadyThere."""
        raise target.AlreadyThere(self._expected_path(), "the server's file is not newer")

    def whole_already(self) -> None:
        """All bytes are there from an earlier run: only the checks and the rename are missing."""
        assert self.partial is not None and self.partial.header is not None
        self.partial.continue_with(self.partial.header)
        self._begin_digests(self.partial)

    # --- by the first usable head ------------------------------------------------------------------------

    def open(self, answer: Answer, verdict: Verdict, resumed: bool, front_moved: Callable[[int], None]) -> Sink:
        """Settle name, size and target; the sink for the bytes. `resumed`: the request went on from what `look` found.

        Raises target.AlreadyThere, AskAgain, TargetExists, TargetBusy, TooLarge, DiskError."""
        limit = self._settings.max_size
        if limit is not None and verdict.size is not None and verdict.size > limit:
            raise TooLarge(f"the file is larger than --max-size: {verdict.size} bytes", f"the limit is {limit}")
        self.size = verdict.size if verdict.size is not None else self.size
        found = validators_of(answer.head)
        sink = self._to_stream(front_moved) if self.in_order else self._to_file(answer, found, resumed)
        self.validators = found
        return sink

    def _to_stream(self, front_moved: Callable[[int], None]) -> Sink:
        self._hashers = {name: new_hasher(name) for name in self._algorithms()}
        origin = self._places[0]

        def certain() -> bool:
            known = origin.validators
            return known is not None and bool(known.etag or known.last_modified)

        out = sys.stdout.buffer if self.path == "-" else self._special()
        self.stream = StreamSink(out, list(self._hashers.values()), front_moved, certain)
        return self.stream

    def _special(self) -> BinaryIO:
        assert self.path is not None
        try:
            return open(self.path, "wb")
        except OSError as error:
            raise disk_error(error, "open", self.path) from error

    def _to_file(self, answer: Answer, found: Validators, resumed: bool) -> Sink:
        before = self.partial.header if resumed and self.partial is not None else None
        partial = self.partial if before is not None else self._take_target(answer, found)
        assert partial is not None
        sources = list(before.sources) if before is not None else []
        ids = [_index(sources, mask(place.given.text)) for place in self._places]
        header = JournalHeader(
            url_key=self._key,
            url=mask(self._url),
            masked=is_masked(self._url),
            name=os.path.basename(self.path or ""),
            size=self.size,
            etag=found.etag,
            content_type=answer.head.get("content-type") or "",
            last_modified=found.last_modified,
            digest=self._digest.text if self._digest is not None else None,
            boot="",
            sources=sources,
            created=before.created if before is not None else time.time(),
        )
        if before is not None:
            partial.continue_with(header)
        else:
            partial.begin(header)
        self._begin_digests(partial)
        return PartialSink(partial, ids)

    def _take_target(self, answer: Answer, found: Validators) -> Partial:
        """The locked target of a download that begins from nothing."""
        path = self._settle(answer, found)
        if self.partial is not None:
            if self.path == path:
                return self.partial
            self.partial.close()
        self._lock(path)
        assert self.partial is not None
        return self.partial

    def _lock(self, path: str) -> None:
        """Where another download of this moment has the target, --auto-rename takes the next name."""
        while True:
            try:
                self._open(path)
                self.path = path
                return
            except TargetBusy:
                if not self._settings.auto_rename:
                    raise
                path = target.free_path(path)

    def _settle(self, answer: Answer, found: Validators) -> str:
        settings = self._settings
        path = target.path_of(settings, answer.head.get("content-disposition"), self._places[0].given, answer.url)
        remote = target.Remote(self.size, found, target.modified_time(found))
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
        with contextlib.suppress(OSError), open(path, "rb") as file:  # what cannot be read is another file
            if file.read(count) == buffer[:count]:
                return True
        self._differs = True
        if self._settings.auto_rename:
            raise AskAgain
        return False

    # --- while bytes come --------------------------------------------------------------------------------

    def _algorithms(self) -> list[str]:
        names = [self._digest.algorithm] if self._digest is not None else []
        return names + (["sha256"] if self._settings.json and "sha256" not in names else [])

    def _begin_digests(self, partial: Partial) -> None:
        if self._following is not None:
            self._following.stop()
        self._hashers = {name: new_hasher(name) for name in self._algorithms()}
        self._following = FollowingDigest(partial, list(self._hashers.values()))

    def advance(self, front: int) -> None:
        """Every byte below `front` is stored: the digest may follow."""
        if self._following is not None:
            self._following.advance(front)

    # --- the end -----------------------------------------------------------------------------------------

    def digests(self, size: int) -> dict[str, bytes]:
        """The digests of the whole file of `size` bytes, by algorithm. Raises SizeMismatch, DiskError."""
        self.size = size
        if self.stream is not None:
            self.stream.flush()
            if self.stream.front != size:
                raise SizeMismatch("not all bytes came", f"{self.stream.front} of {size}")
        elif self._following is not None:
            self._following.finish(size)
        return {name: hasher.digest() for name, hasher in self._hashers.items()}

    def reject(self, wanted: Digest, found: bytes) -> None:
        """The digest is wrong: nothing of the partial download can be trusted. Raises DigestMismatch."""
        if self.partial is not None:
            self.partial.discard()
        what = f"the {wanted.algorithm} does not match: the file has {found.hex()}"
        raise DigestMismatch(what, f"expected was {wanted.hex}")

    def finish(self) -> None:
        """Give the whole, checked file its final name. Raises TargetExists, DiskError."""
        if self.partial is None:
            return
        settings = self._settings
        assert self.path is not None and self.size is not None
        while True:
            try:
                self.partial.finish(
                    self.path,
                    size=self.size,
                    replace=settings.overwrite or settings.newer,
                    mtime=target.modified_time(self.validators) if settings.remote_time else None,
                    durable=settings.durable,
                )
                break
            except TargetExists:  # it appeared while we were downloading
                if not settings.auto_rename:
                    raise
                self.path = target.free_path(self.path)
        if settings.newer and self.validators.etag is not None:
            self._state().note_etag(self._key, self.path, self.validators.etag, self.size)

    def stop(self) -> None:
        """From any thread: a digest that is being waited for ends at once, with Interrupted."""
        if self._following is not None:
            self._following.interrupt()

    def close(self) -> None:
        """Leave the target; what was downloaded stays for the next run."""
        if self._following is not None:
            self._following.stop()
        if self.partial is not None:
            self.partial.close()

    def _state(self) -> Store:
        if self._store is None:
            from fastdl.config import state_dir
            from fastdl.io.store import Store

            self._store = Store(state_dir(os.environ, sys.platform))
        return self._store


def _writer() -> Kind:
    """How bytes are written: FASTDL_WRITER is for those who measure (docs/performance.md)."""
    kind = os.environ.get("FASTDL_WRITER")
    return "mmap" if kind == "mmap" else "positional" if kind == "positional" else "auto"


def _index(sources: list[str], url: str) -> int:
    if url not in sources:
        sources.append(url)
    return sources.index(url)
