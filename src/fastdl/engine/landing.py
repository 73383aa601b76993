"""Where one file's bytes land: from what an earlier run left, by the first usable head, to the final name."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from fastdl.core.hints import TYPE_CHECKING, BinaryIO
from fastdl.core.journal import Claim, JournalHeader
from fastdl.core.plain import replace
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Validators, Verdict, validators_of
from fastdl.core.urls import is_masked, mask, url_key
from fastdl.core.verify import Digest, new_hasher, parse_checksum
from fastdl.engine import target
from fastdl.engine.proof import Expected, Proof
from fastdl.engine.sinks import PartialSink, Sink, StreamSink
from fastdl.engine.target import Before
from fastdl.errors import DigestMismatch, DiskError, SizeMismatch, TargetBusy, TargetExists, TooLarge
from fastdl.io import files, phases
from fastdl.io.channel import Channel
from fastdl.io.contact import Answer, Place
from fastdl.io.disk import disk_error
from fastdl.io.partial import Partial
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.lists.entry import Hold
    from fastdl.io.store import Kept, Store

_BLOCK = 1024 * 1024
SAMPLE = 64 * 1024  # bytes of an existing file that are compared with the server's
UNLOCK = "Nothing of it was kept; if the file is meant to change, remove its line from the lock."


class AskAgain(Exception):
    """The first response is of no use any more."""


class Landing:
    """One file's target: a partial download that gets its final name at the end, or stdout, a pipe or a device."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        places: list[Place],
        expected: Sequence[Expected],
        tell: Callable[[str], None],
        store: Callable[[], Store],
        embedded: Callable[[], Digest | None] = lambda: None,
        scanned: target.Scanned | None = None,
        settled: Callable[[str], None] = lambda path: None,
        hold: Hold | None = None,
        *,
        many: bool = False,
    ) -> None:
        """`url` is the text as given, `places` are all sources with the origin first (more may join), `expected` are
        the digests that are known by now; `tell` takes sentences for -v; `store` gives the state of earlier runs;
        `embedded` is the URL's own digest, asked for only where a file stands in the way;
        `scanned`: what this run has seen of folders (see target.unfinished); `settled` returns when no other download
        of this run is about to give a file that path; `hold`: what a lock says of the file, one of `expected` too;
        `many`: so many files are fetched that it pays to look what was noted of each."""
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
        self.proof = Proof(expected, sha256=settings.tells_sha256)
        self._hold = hold
        self._many = many
        self._before = Before()
        self.heard = Validators()  # of the answer that settled the name
        self._embedded = embedded
        self._settled = settled
        self._free = ""  # a path that nothing had when it was looked at
        self._scanned = scanned if scanned is not None else {}
        self._tell = tell
        self._sink: PartialSink | None = None
        self._kept: list[Claim] | None = None  # of an earlier run's claims, those that may be relied on
        self._foreign = False  # opened by a mapped source: nothing is known of the origin's own file yet
        self._differs = False  # an existing file looked like the server's, and is another one
        self._store = store

    # --- before the first request ------------------------------------------------------------------------

    @phases.timed("look")
    def look(self) -> RangeSet | None:
        """Open what an earlier run left of this URL; the bytes that it holds, or None.

        Raises target.AlreadyThere, TargetBusy, DiskError."""
        settings, origin = self._settings, self._places[0]
        if self.in_order:
            return None
        found = None
        if settings.resume:
            found = target.unfinished(settings, origin.given, self._key, self._url, self._scanned)
        if found is not None:
            self._open(found)
            if self._stands_in_the_way(found):
                found = None
        if settings.output is not None or "." in os.path.basename(origin.given.path):
            path = self._expected_path()
            if files.is_writable(path):
                self._settled(files.long_path(path))
                self._free = "" if os.path.lexists(path) else path
            if not self._free:
                target.settle_before(settings, path, self._proof(path), self._hold)
        if found is None and not self.proof.expected:
            self._look_back()
        partial = self.partial
        if found is None or partial is None:
            return None
        header = partial.header
        if header is None or not target.belongs(header, self._key, self._url) or not partial.claims:
            return None
        if header.size is None:
            return None  # of unknown size: nothing tells whether the rest belongs to it
        self._kept = self._reliable(header, partial.claims)
        self.path, self.size = found, header.size
        self.validators = origin.validators = Validators(header.etag, header.last_modified)
        origin.content_type = header.content_type
        return RangeSet((claim.start, claim.end) for claim in self._kept)

    def _stands_in_the_way(self, path: str) -> bool:
        """Whether a file has the name that an earlier run's bytes were to take, and this run may not replace it: it is
        looked at like any other, not found in the way when all has come. The bytes stay for a run that may."""
        settings, partial = self._settings, self.partial
        if settings.overwrite or settings.newer or settings.auto_rename or not os.path.lexists(path):
            return False
        if partial is not None:
            partial.close()
        self.partial = None
        return True

    def _proof(self, path: str) -> Digest | None:
        """The digest that decides whether an existing file is this one."""
        if not self.proof.expected and os.path.isfile(path) and (digest := self._embedded()) is not None:
            return digest
        return self.proof.expected[0].digest if self.proof.expected else None

    def _reliable(self, header: JournalHeader, claims: list[Claim]) -> list[Claim]:
        """What of an earlier run's bytes may stay: what mapped sources sent was taken on the strength of a digest, and
        stays only if that, or another strong one, decides at the end."""
        given = {mask(place.given.text) for place in self._places}
        own = [claim for claim in claims if header.sources[claim.source] in given]
        if len(own) == len(claims) or any(each.digest.strong for each in self.proof.expected):
            return claims
        remembered = parse_checksum(header.digest) if header.digest is not None else None
        if remembered is None or not remembered.strong:
            return claims if self._settings.trust == "any" else own
        self.proof.expected.append(Expected(remembered, "origin", "an earlier run"))
        return claims

    def _open(self, path: str) -> None:
        """Lock a partial download and look at it. Raises target.AlreadyThere where an earlier run was killed between
        the last rename and the removal of its journal."""
        self._settled(files.long_path(path))
        self.partial = partial = Partial.open(path, writer=self._settings.writer, durable=self._settings.durable)
        if partial.note:
            self._tell(partial.note)
        done = partial.finished
        wanted = self.proof.text
        if done is not None and done.url_key == self._key and (wanted is None or done.digest == wanted):
            raise target.AlreadyThere(path, "an earlier run had just finished it", verified=wanted is not None)

    def _expected_path(self) -> str:
        given = self._places[0].given
        return target.path_of(self._settings, None, given, given)

    def _look_back(self) -> None:
        """What is known of the file that this URL was fetched to, as far as it is there. Where many are fetched it may
        have a name that the server chose. A single one is compared with what the server and its publisher say of it
        now, unless -N is content with less. Raises target.AlreadyThere."""
        settings = self._settings
        if not (self._many or settings.newer):
            return
        path = self._expected_path()
        there = files.is_writable(path) and os.path.isfile(path)
        if (settings.overwrite and not settings.newer) or not (there or self._many):
            return
        # Where nothing is under the name that the URL tells, only a name that the server chose can be looked for.
        looks = there or (settings.output is None and self._store().names_chosen())
        noted = self._store().noted(self._key) if looks else ()
        self._before = target.before(settings, path if there else None, noted)
        if settings.skip_existing and self._before.path is not None:
            raise target.AlreadyThere(self._before.path, target.EXISTS)

    def conditions(self) -> tuple[tuple[str, str], ...]:
        """The server may answer 304 instead of sending what we have (RFC 9110, section 13.1): a file that is what it
        was when it came from there and, with -N, any file by its time. One that has changed here is asked for."""
        if self.proof.expected:
            return ()  # an existing file that has the digest needs no request, and one that has not is replaced
        return self._before.conditions(newer=self._settings.newer)

    def not_modified(self) -> None:
        """The server answered 304 to the conditions. Raises target.AlreadyThere."""
        assert self._before.path is not None
        why = "the server's file is not newer" if self._settings.newer else "it has not changed on the server"
        raise target.AlreadyThere(self._before.path, why)

    def whole_already(self) -> None:
        """All bytes are there from an earlier run: only the checks and the rename are missing."""
        assert self.partial is not None and self.partial.header is not None
        self.partial.continue_with(self.partial.header, self._kept)
        self.proof.begin(self.partial)

    # --- by the first usable head ------------------------------------------------------------------------

    def unoccupied(self, answer: Answer, size: int) -> str | None:
        """The path for a new file; None where no file can be made, or something is there already that has to be looked
        at before it may be replaced. `size`: of the answer, in bytes. Raises BadName."""
        path = target.path_of(self._settings, answer.head.get("content-disposition"), self._places[0].given, answer.url)
        if path == self._free:
            return path
        self._settled(files.long_path(path))
        free = files.is_writable(path) and (not os.path.lexists(path) or self._replaceable(path, answer, size))
        return path if free else None

    def _replaceable(self, path: str, answer: Answer, size: int) -> bool:
        """A file that goes, and no digest is known that it might have: by --overwrite whatever it holds, by -N if the
        server has another one."""
        settings = self._settings
        if self.proof.expected or not os.path.isfile(path) or os.path.islink(path):
            return False
        return settings.overwrite or (settings.newer and self._outdated(path, validators_of(answer.head), size))

    def _outdated(self, path: str, found: Validators, size: int | None) -> bool:
        before = self._before if self._before.names(path) else Before()
        remote = target.Remote(size, found, target.modified_time(found))
        return before.altered or target.is_newer(path, remote, before.etag)

    def open(
        self, place: Place, answer: Answer, verdict: Verdict, resumed: bool, front_moved: Callable[[int], None]
    ) -> Sink:
        """Settle name, size and target; the sink for the bytes. `resumed`: the request went on from what `look` found.

        Raises target.AlreadyThere, AskAgain, TargetExists, TargetBusy, TooLarge, DiskError."""
        limit = self._settings.max_size
        if limit is not None and verdict.size is not None and verdict.size > limit:
            raise TooLarge(f"the file is larger than --max-size: {verdict.size} bytes", f"the limit is {limit}")
        self._hold_to(verdict.size)
        self.size = verdict.size if verdict.size is not None else self.size
        self._foreign = place.mapped
        if place.mapped:  # what a stranger calls the file, and when it got it, is of no interest
            kept = tuple(pair for pair in answer.head.headers if pair[0] == "content-type")
            answer = replace(answer, head=replace(answer.head, headers=kept), url=self._places[0].given)
        found = validators_of(answer.head)
        sink = self._to_stream(front_moved) if self.in_order else self._to_file(answer, found, resumed)
        self.validators = found
        return sink

    def is_held(self, size: int | None) -> bool:
        """Whether a lock allows a file of `size` bytes, None where that is not known yet."""
        return self._hold is None or size in (None, self._hold.size)

    def _hold_to(self, size: int | None) -> None:
        """Raises SizeMismatch where the lock has another size."""
        hold = self._hold
        if hold is not None and not self.is_held(size):
            raise SizeMismatch(f"the file has {size} bytes", f"expected were {hold.size}, as {hold.who} says", UNLOCK)

    def _to_stream(self, front_moved: Callable[[int], None]) -> Sink:
        origin = self._places[0]

        def certain() -> bool:
            known = origin.validators
            return known is not None and bool(known.etag or known.last_modified)

        out = _stdout() if self.path == "-" else self._special()
        self.stream = StreamSink(out, self.proof.in_order(), front_moved, certain)
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
            digest=self.proof.text,
            boot="",
            sources=sources,
            created=before.created if before is not None else time.time(),
            digest_source=self.proof.given_by,
        )
        if before is not None:
            partial.continue_with(header, self._kept)
        else:
            partial.begin(header)
            self._look_again(partial)
        self.proof.begin(partial)
        self._sink = PartialSink(partial, ids)
        return self._sink

    def _look_again(self, partial: Partial) -> None:
        """Until the data file was ours, a small file of that name may have been on its way (io/settling.py): it can
        have got its name since we looked. Raises AskAgain."""
        if os.path.lexists(partial.final) and not (self._settings.overwrite or self._settings.newer):
            partial.discard()
            self.partial = None
            raise AskAgain

    def adopt(self, place: Place, answer: Answer) -> None:
        """A later head: if it is the origin's first one, its validators are the file's."""
        if self._foreign and place is self._places[0]:
            self._foreign = False
            self.validators = found = validators_of(answer.head)
            if self.partial is not None and self.partial.header is not None:
                header = replace(self.partial.header, etag=found.etag, last_modified=found.last_modified)
                self.partial.update_header(header)

    def add_source(self, place: Place) -> None:
        """A source joins: the journal has to know it before it claims a byte of it."""
        if self._sink is None or self.partial is None or self.partial.header is None:
            return
        sources = list(self.partial.header.sources)
        self._sink.ids.append(_index(sources, mask(place.given.text)))
        self.partial.update_header(replace(self.partial.header, sources=sources))

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
        self._settled(files.long_path(path))
        self.heard = found
        remote = target.Remote(self.size, found, target.modified_time(found))
        before = self._before if self._before.names(path) else Before()
        if before.altered and settings.newer and not self.proof.expected:
            return path  # it is not what came from the server, whatever its time says
        return target.settle(
            settings,
            path,
            self._proof(path),
            remote,
            before.etag,
            lambda: self._same_start(path, answer.channel),
            self._hold,
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

    def expect(self, expected: Expected) -> None:
        """One more digest has become known; the file's bytes are hashed from its first one on."""
        if self.proof.expect(expected) and self.partial is not None and self.partial.header is not None:
            header = replace(self.partial.header, digest=self.proof.text, digest_source=self.proof.given_by)
            self.partial.update_header(header)

    def take_back(self, start: int, end: int) -> Counter[int]:
        """The bytes of a piece are wrong: claim them no more. Who sent them, by index in the journal, and how many."""
        assert self.partial is not None and self._sink is not None
        senders: Counter[int] = Counter()
        for run in self.partial.provenance():
            if run.start < end and run.end > start:
                senders[run.source] += min(run.end, end) - max(run.start, start)
        self._sink.take_back(start, end)
        return senders

    def print_of(self, start: int, end: int) -> bytes:
        """A digest of the bytes that are stored in [start, end), to compare them with later ones. Raises DiskError."""
        assert self._sink is not None
        hasher = new_hasher("blake2b-256")
        for at in range(start, end, _BLOCK):
            hasher.update(self._sink.stored(at, min(_BLOCK, end - at)))
        return hasher.digest()

    @property
    def ids(self) -> list[int]:
        """For each source of the scheduler its index in the journal; empty where there is no journal."""
        return self._sink.ids if self._sink is not None else []

    def source_text(self, index: int) -> str:
        """The masked URL of a source in the journal."""
        assert self.partial is not None and self.partial.header is not None
        return self.partial.header.sources[index]

    # --- the end -----------------------------------------------------------------------------------------

    @phases.timed("digest")
    def digests(self, size: int) -> dict[str, bytes]:
        """The digests of the whole file of `size` bytes, by algorithm. Raises SizeMismatch, DiskError."""
        self.size = size
        if self.stream is not None:
            self.stream.flush()
            if self.stream.front != size:
                raise SizeMismatch("not all bytes came", f"{self.stream.front} of {size}")
        try:
            self._hold_to(size)
        except SizeMismatch:
            if self.partial is not None:
                self.partial.discard()
            raise
        return self.proof.values(size)

    def reject(self, wanted: Expected, evidence: str) -> None:
        """The digest is wrong: nothing of the partial download can be trusted. `evidence`: half a sentence on where the
        bytes came from. Raises DigestMismatch."""
        assert self.size is not None
        found = self.proof.values(self.size)[wanted.digest.algorithm]
        hint = None
        if self.partial is not None:
            self.partial.discard()
            hint = "Nothing of it was kept; check that the digest is of this version, or tell the publisher."
        if wanted.source == "lock":
            hint = UNLOCK
        what = f"the {wanted.digest.algorithm} does not match: the file has {found.hex()}"
        given = f", as {wanted.who} says" if wanted.who else ""
        why = f"expected was {wanted.digest.hex}{given}{'; ' + evidence if evidence else ''}"
        raise DigestMismatch(what, why, hint)

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
                    named=self._note_now,
                )
                break
            except TargetExists:  # it appeared while we were downloading
                if not settings.auto_rename:
                    raise
                self.path = target.free_path(self.path)

    def _note_now(self) -> None:
        """While the journal still tells whose file it is. One with a time would be known by that and its bytes."""
        if self._many and self.validators.last_modified is None and self.path is not None:
            kept = self.kept(self.path, fetched=True)
            if kept is not None:
                self._store().note((), None, kept)
                self._store().write_kept()

    def kept(self, path: str, *, fetched: bool, under: str | None = None) -> Kept | None:
        """What is to be noted of the file at `path`, which was just fetched or is there; None where the server gives no
        validators, or what is there is not the server's file. `under`: it is stored there, and gets its name later."""
        found = self.validators if fetched else self.heard
        if self.in_order or (found.etag is None and found.last_modified is None):
            return None
        if not fetched and not target.is_this_file(path, target.Remote(self.size, found, target.modified_time(found))):
            return None
        chosen = self._settings.output is None and path != self._expected_path()
        return target.kept(self._key, path, found, chosen=chosen, under=under)

    def stop(self) -> None:
        """From any thread: a digest that is being waited for ends at once, with Interrupted."""
        self.proof.interrupt()

    def close(self) -> None:
        """Leave the target; what was downloaded stays for the next run."""
        self.proof.close()
        if self.partial is not None:
            self.partial.close()


def _index(sources: list[str], url: str) -> int:
    if url not in sources:
        sources.append(url)
    return sources.index(url)


def _stdout() -> BinaryIO:
    if sys.stdout is None:  # as Python has it where it was closed before the start
        raise DiskError("cannot write to stdout", "it is closed", "Choose a name with -o.")
    return sys.stdout.buffer
