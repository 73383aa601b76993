"""Where one file's bytes land: from what an earlier run left, by the first usable head, to the final name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from fastdl.core.head import Validators, validators_of
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.journal import Claim, JournalHeader
from fastdl.core.plain import replace
from fastdl.core.ranges import RangeSet
from fastdl.core.response import Verdict
from fastdl.core.shown import is_masked, mask
from fastdl.core.urls import url_key
from fastdl.core.verify import Digest, parse_checksum
from fastdl.engine import target
from fastdl.engine.existing import AskAgain, Existing
from fastdl.engine.proof import Expected, Proof
from fastdl.engine.sinks import PartialSink, Sink, StreamSink, index_of, open_output
from fastdl.errors import SizeMismatch, TargetBusy, TargetExists, TooLarge
from fastdl.io import phases
from fastdl.io.contact import Answer, Place
from fastdl.io.partial import Partial
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.io.session import Session
    from fastdl.io.validators import Kept

_ONE_OF_SEVERAL = (
    "Wait for it to end; if two files of this run have the same name, give one another (out) or --auto-rename."
)


class Landing:
    """One file's target: a partial download that gets its final name at the end, or stdout, a pipe or a device."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        url: str,
        places: list[Place],
        proof: Proof,
        tell: Callable[[str], None],
        embedded: Callable[[], Digest | None],
    ) -> None:
        """`url` is the text as given, `places` are all sources with the origin first (more may join), `proof` has the
        digests that are known by now; `tell` takes sentences for -v; `embedded` is the URL's own digest, asked for only
        where a file stands in the way."""
        self.path = target.stream_path(settings)
        self.in_order = self.path is not None  # stdout, a pipe or a device such as /dev/null
        self.size: int | None = None  # bytes, as far as the servers have said it
        self.validators = Validators()
        self.proof = proof
        self.partial: Partial | None = None
        self.sink: PartialSink | None = None
        self.stream: StreamSink | None = None
        self._session = session
        self._settings = settings
        self._url = url
        self._key = key = url_key(url)
        self._places = places
        self.existing = Existing(session, settings, places[0].given, key, proof, embedded)
        self._tell = tell
        self._kept: list[Claim] | None = None  # of an earlier run's claims, those that may be relied on
        self._foreign = False  # opened by a mapped source: nothing is known of the origin's own file yet

    # --- before the first request ------------------------------------------------------------------------

    @phases.timed("look")
    def look(self) -> RangeSet | None:
        """Open what an earlier run left of this URL; the bytes that it holds, or None.

        Raises target.AlreadyThere, TargetBusy, DiskError."""
        if self.in_order:
            return None
        found = self._find()
        self.existing.look(begun=found is not None)
        partial, origin = self.partial, self._places[0]
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

    def _find(self) -> str | None:
        """The path of an earlier run's partial download that this one may go on from; it is open now. Where a file has
        that name, and this run may not replace it, it is looked at like any other, not found in the way when all has
        come: the bytes stay for a run that may."""
        settings = self._settings
        if not settings.resume:
            return None
        path = target.unfinished(settings, self._places[0].given, self._key, self._url, self._session.scanned)
        if path is None:
            return None
        partial = self._open(path)
        if os.path.lexists(path) and not (settings.overwrite or settings.newer or settings.auto_rename):
            partial.close()
            self.partial = None
            return None
        return path

    def _reliable(self, header: JournalHeader, claims: list[Claim]) -> list[Claim]:
        """What of an earlier run's bytes may stay: what mapped sources sent was taken on the strength of a digest, and
        stays only if that, or another strong one, decides at the end."""
        given = {mask(place.given.text) for place in self._places}
        own = [claim for claim in claims if header.sources[claim.source] in given]
        if len(own) == len(claims) or self.proof.strong:
            return claims
        remembered = parse_checksum(header.digest) if header.digest is not None else None
        if remembered is None or not remembered.strong:
            return claims if self._settings.trust == "any" else own
        self.proof.expected.append(Expected(remembered, "origin", "an earlier run"))
        return claims

    def _open(self, path: str) -> Partial:
        """Lock a partial download and look at it. Raises TargetBusy, DiskError, and target.AlreadyThere where a run was
        killed between the last rename and the removal of its journal."""
        self._session.wait_for(path)
        try:
            self.partial = partial = Partial.open(path, writer=self._settings.writer, durable=self._settings.durable)
        except TargetBusy as busy:
            busy.hint = _ONE_OF_SEVERAL if self._session.many else busy.hint
            raise
        if partial.note:
            self._tell(partial.note)
        done = partial.finished
        wanted = self.proof.text
        if done is not None and done.url_key == self._key and (wanted is None or done.digest == wanted):
            raise target.AlreadyThere(path, "an earlier run had just finished it", verified=wanted is not None)
        return partial

    def whole_already(self) -> None:
        """All bytes are there from an earlier run: only the checks and the rename are missing."""
        assert self.partial is not None and self.partial.header is not None
        self.partial.continue_with(self.partial.header, self._kept)
        self.proof.begin(self.partial)

    # --- by the first usable head ------------------------------------------------------------------------

    def open(
        self, place: Place, answer: Answer, verdict: Verdict, resumed: bool, front_moved: Callable[[int], None]
    ) -> Sink:
        """Settle name, size and target; the sink for the bytes. `resumed`: the request went on from what `look` found.

        Raises target.AlreadyThere, AskAgain, TargetExists, TargetBusy, TooLarge, DiskError."""
        limit = self._settings.max_size
        if limit is not None and verdict.size is not None and verdict.size > limit:
            raise TooLarge(f"the file is larger than --max-size: {verdict.size} bytes", f"the limit is {limit}")
        self.proof.check_size(verdict.size)
        self.size = verdict.size if verdict.size is not None else self.size
        self._foreign = place.mapped
        if place.mapped:  # what a stranger calls the file, and when it got it, is of no interest
            kept = tuple(pair for pair in answer.head.headers if pair[0] == "content-type")
            answer = replace(answer, head=replace(answer.head, headers=kept), url=self._places[0].given)
        found = validators_of(answer.head)
        sink = self._to_stream(front_moved) if self.in_order else self._to_file(answer, found, resumed)
        self.validators = found
        return sink

    def _to_stream(self, front_moved: Callable[[int], None]) -> Sink:
        origin = self._places[0]

        def certain() -> bool:
            known = origin.validators
            return known is not None and bool(known.etag or known.last_modified)

        assert self.path is not None
        self.stream = StreamSink(open_output(self.path), self.proof.in_order(), front_moved, certain)
        return self.stream

    def _to_file(self, answer: Answer, found: Validators, resumed: bool) -> Sink:
        before = self.partial.header if resumed and self.partial is not None else None
        partial = self.partial if before is not None else self._take_target(answer, found)
        assert partial is not None
        sources = list(before.sources) if before is not None else []
        ids = [index_of(sources, mask(place.given.text)) for place in self._places]
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
        self.sink = PartialSink(partial, ids)
        return self.sink

    def _look_again(self, partial: Partial) -> None:
        """Until the data file was ours, a small file of that name may have been on its way (io/settling.py): it can
        have got its name since we looked. Raises AskAgain."""
        if os.path.lexists(partial.final) and not (self._settings.overwrite or self._settings.newer):
            partial.discard()
            self.partial = self.sink = None
            raise AskAgain

    def _take_target(self, answer: Answer, found: Validators) -> Partial:
        """The locked target of a download that begins from nothing. Where another download of this moment has it,
        --auto-rename takes the next name."""
        path = self.existing.settle(answer, found, self.size)
        if self.partial is not None:
            if self.path == path:
                return self.partial
            self.partial.close()
        while True:
            try:
                partial = self._open(path)
            except TargetBusy:
                if not self._settings.auto_rename:
                    raise
                path = target.free_path(path)
            else:
                self.path = path
                return partial

    # --- while bytes come --------------------------------------------------------------------------------

    def adopt(self, place: Place, answer: Answer) -> None:
        """A later head: if it is the origin's first one, its validators are the file's."""
        if self._foreign and place is self._places[0]:
            self._foreign = False
            self.validators = found = validators_of(answer.head)
            self._amend(etag=found.etag, last_modified=found.last_modified)

    def add_source(self, place: Place) -> None:
        """A source joins, before any byte of it may come."""
        if self.sink is not None:
            self.sink.add_source(mask(place.given.text))

    def expect(self, expected: Expected) -> None:
        """One more digest has become known; the file's bytes are hashed from its first one on."""
        if self.proof.expect(expected):
            self._amend(digest=self.proof.text, digest_source=self.proof.given_by)

    def _amend(self, **changes: Any) -> None:
        """The journal's header, if there is one."""
        if self.partial is not None and self.partial.header is not None:
            self.partial.update_header(replace(self.partial.header, **changes))

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
            self.proof.check_size(size)
        except SizeMismatch:
            if self.partial is not None:
                self.partial.discard()
            raise
        return self.proof.values(size)

    @property
    def evidence(self) -> str:
        """Where the bytes came from, where not even mending has helped; half a sentence, "" for output in order."""
        return f"every byte came from {self._places[0].given.host} itself" if self.partial is not None else ""

    def reject(self, wrong: Expected) -> None:
        """A digest does not match: nothing of the partial download can be trusted. Raises DigestMismatch."""
        assert self.size is not None
        error = self.proof.mismatch(wrong, self.size, self.evidence, discarded=self.partial is not None)
        if self.partial is not None:
            self.partial.discard()
        raise error

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
        """While the journal still tells whose file it is. One with the server's time is known by that and its bytes."""
        known = self._settings.remote_time and self.validators.last_modified is not None
        if self._session.many and not known and self.path is not None:
            kept = self.note(self.path, fetched=True)
            if kept is not None:
                self._session.store.note((), None, kept)
                self._session.store.write_kept()

    def note(self, path: str, *, fetched: bool, under: str | None = None) -> Kept | None:
        """What the next run is to know of the file at `path`; `fetched`: by this one. See Existing.note."""
        if self.in_order:
            return None
        return self.existing.note(path, self.size, self.validators if fetched else None, under)

    def close(self) -> None:
        """Leave the target; what was downloaded stays for the next run."""
        self.proof.close()
        if self.partial is not None:
            self.partial.close()
