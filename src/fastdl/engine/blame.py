"""Bytes in doubt: who seems to be to blame is not asked any more; who altered bytes is known at the end."""

from __future__ import annotations

import functools
from collections import Counter

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.ranges import Range
from fastdl.core.shown import mask
from fastdl.core.urls import parse_url
from fastdl.core.verify import new_hasher

if TYPE_CHECKING:
    from fastdl.core.digests.base import Pieces
    from fastdl.core.orders import Instruction
    from fastdl.core.scheduler import Scheduler
    from fastdl.engine.attempt import Attempt
    from fastdl.engine.job import Job
    from fastdl.engine.landing import Landing

PIECES = -3  # the worker of the tracker that books pieces which were wrong


class Blame:
    """The wrong pieces and the contradictions of one download."""

    def __init__(self, job: Job, landing: Landing, listed: Pieces | None) -> None:
        """`listed`: the digests of pieces that a list gave."""
        self._job = job
        self._landing = landing
        self._listed = listed
        self._refused = ""
        self._suspected: set[str] = set()  # masked URLs of sources that seem to have a part in wrong pieces
        self._contradictors: set[int] = set()
        self._doubted: list[tuple[Range, str, bytes]] = []  # bytes in doubt: where, from whom, and their digest

    def check(self, attempt: Attempt, found: Pieces | None) -> None:
        """Where digests of pieces are known, check what has arrived (RFC 5854, section 4.1.3)."""
        if self.known(attempt, found):
            self._landing.proof.stored(attempt.done())

    def known(self, attempt: Attempt, found: Pieces | None) -> bool:
        """Whether digests of pieces are known and of use; if so, the proof has them now."""
        pieces, landing = found or self._listed, self._landing
        if pieces is None or landing.partial is None or attempt.core.size is None:
            return False
        if not landing.proof.has_pieces and not self._refused:
            on_bad = functools.partial(self._bad, attempt)
            self._refused = landing.proof.check_pieces(pieces, attempt.core.size, on_bad)
            if self._refused:
                self._job.note("info", f"the digests of pieces are of no use: {self._refused}")
        return landing.proof.has_pieces

    def begin_again(self) -> None:
        """The file is begun anew: what its pieces were is of its former version."""
        self._suspected.clear()
        self._contradictors.clear()
        self._doubted.clear()

    def contradicted(self, source: int, offset: int, view: memoryview) -> None:
        """A source of the scheduler sent other bytes than are stored: one of the two lies."""
        sink = self._landing.sink
        if sink is None or source in self._contradictors:
            return
        self._contradictors.add(source)
        host = self._job.places[source].given.netloc
        where = f"{offset}-{offset + len(view) - 1}"
        self._job.note("info", f"{host} sent other bytes for {where} than are there")
        hasher = new_hasher("blake2b-256")
        hasher.update(view)
        text = sink.source_text(sink.ids[source])
        self._doubted.append((Range(offset, offset + len(view)), text, hasher.digest()))

    def _bad(self, attempt: Attempt, bad: list[Range]) -> None:
        """Pieces are wrong: they are fetched again, and who is to blame for one is not asked any more. Called by the
        checker's thread."""
        from fastdl.core.pieces import guilty

        partial, sink = self._landing.partial, self._landing.sink
        assert partial is not None and sink is not None
        runs = [(run.start, run.end, run.source) for run in partial.provenance()]
        for liar in guilty(bad, self._landing.proof.right_pieces(), runs, sink.ids[:1]):
            self._suspected.add(sink.source_text(liar))
        gone: Counter[int] = Counter()
        for piece in bad:
            inside = [(max(start, piece.start), min(end, piece.end), source) for start, end, source in runs]
            for start, end, source in inside:
                if start < end and source != sink.ids[0]:
                    self._doubted.append((Range(start, end), sink.source_text(source), sink.print_of(start, end)))
            senders = sink.take_back(piece.start, piece.end)
            gone.update(senders)
            hosts = [parse_url(sink.source_text(sender)).host for sender in senders]
            self._job.note("info", f"bytes {piece.start}-{piece.end - 1} from {', '.join(hosts)} are wrong: once more")
        liars = [n for n, place in enumerate(self._job.places) if n and mask(place.given.text) in self._suspected]

        def fetch_again(core: Scheduler, now: float) -> list[Instruction]:
            for sender, count in gone.items():
                if sender in sink.ids and not core.over:  # else an earlier run fetched it, or a repair will
                    self._job.waste(PIECES, sink.ids.index(sender), count)
            return core.distrust(liars, bad, now)

        attempt.post(fetch_again)

    def compare(self) -> None:
        """The file is right: whoever sent other bytes for what was in doubt has altered them."""
        sink = self._landing.sink
        if sink is None:
            return
        for piece, text, print_ in self._doubted:
            if sink.print_of(piece.start, piece.end) != print_:
                self._job.altered[text] += piece.size
