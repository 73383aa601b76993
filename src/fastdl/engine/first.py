"""The first answer of one file of many, asked for by the job's own thread: a small file is over with it.

A thread, a scheduler and a journal cost more than a small file itself. So where nobody but the origin is to be asked,
the job asks without them, takes what comes whole with the first answer (`small`), and hands everything else to the
first worker of an attempt, connection and all: no request is made twice, and no decision is made here that is not made
there.
"""

from __future__ import annotations

import time

from fastdl.core import tracker
from fastdl.core.head import own_codings, validators_of
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.response import Action, Ask, Known, Verdict, judge
from fastdl.engine import target
from fastdl.errors import FastdlError
from fastdl.io import files, phases
from fastdl.io.contact import Contact
from fastdl.io.session import NoSlot
from fastdl.io.settling import SmallFile
from fastdl.io.wire import WireChannel

if TYPE_CHECKING:
    from fastdl.engine.evidence import Evidence
    from fastdl.engine.job import Job
    from fastdl.engine.landing import Landing
    from fastdl.io.contact import Answer, Place

SMALL = 256 * 1024  # bytes
QUICK = 0.2  # seconds after its head that a body may take: a slower one goes to disk as it comes
WHOLE = Ask(0, None, True)


class Desk:
    """Where a job's thread keeps its connection from one small file to the next."""

    def __init__(self) -> None:
        self._contact: Contact | None = None

    def take(self, job: Job) -> Contact:
        """The connection, if there is one, for a download's requests."""
        contact, self._contact = self._contact, None

        def cancelled() -> bool:
            return job.stopped is not None

        if contact is None:
            return Contact(job.session, job.job, cancelled)
        channel = contact.channel
        if isinstance(channel, WireChannel) and not channel.quiet():
            contact.drop()  # what came unasked meanwhile is no answer to the next request
        contact.obey(job.session, cancelled)
        contact.requests = contact.opened = 0
        return contact

    def keep(self, contact: Contact) -> None:
        """For the next one."""
        self._contact = contact

    def clear(self) -> None:
        """Let others use it."""
        contact, self._contact = self._contact, None
        if contact is not None:
            contact.leave()


class FirstAnswer:
    """An answer, or the failure in its place, that nobody has dealt with yet."""

    def __init__(self, contact: Contact) -> None:
        self.contact = contact
        self.asked_at = time.monotonic()  # seconds, on that clock
        self.used = False  # its body was read, in vain: it has to be asked for again
        self._answer: Answer | None = None
        self._failure: FastdlError | NoSlot | None = None

    def ask(self, place: Place, conditions: tuple[tuple[str, str], ...]) -> Answer | None:
        """Ask for the whole file, under these conditions; None for a failure, which `take` tells."""
        try:
            self._answer = self.contact.ask(place, 0, None, True, conditions)
        except (FastdlError, NoSlot) as error:
            self._failure = error
        return self._answer

    @phases.timed(phases.RECEIVE)
    def body(self, size: int) -> memoryview | None:
        """The answer's `size` bytes, if they are here in no time; else None, and a worker reads them."""
        assert self._answer is not None
        channel = self._answer.channel
        body = channel.take(size, QUICK) if isinstance(channel, WireChannel) else None
        self.used = body is not None
        if body is not None:
            phases.came(len(body))
        return body

    def take(self) -> Answer:
        """What a worker that had asked would have got. Raises what `Contact.ask` raises."""
        if self._failure is not None:
            raise self._failure
        assert self._answer is not None
        return self._answer


def possible(job: Job, landing: Landing, evidence: Evidence) -> bool:
    """Whether the job's thread may ask by itself: nobody else could be asked meanwhile, nothing has to be watched
    while it waits, and nothing is there to go on from."""
    settings = job.settings
    return (
        not landing.in_order
        and len(job.places) == 1
        and not settings.limit_rate
        and settings.max_time is None
        and not settings.auto_rename
        and not evidence.has_others
    )


def small(job: Job, landing: Landing, evidence: Evidence, first: FirstAnswer) -> SmallFile | None:
    """The file, stored under its working name, if it came whole and small with the first answer; None where that is
    left to a worker. Raises target.AlreadyThere where it has not changed on the server, DiskError and BadName."""
    place, settings = job.places[0], job.settings
    existing = landing.existing
    conditions = existing.conditions()
    answer = first.ask(place, conditions)
    if answer is None:
        return None
    if answer.head.status == 304 and conditions:
        _count(job, first)
        job.final = answer.url
        existing.not_modified()
    verdict = judge(WHOLE, answer.head, Known(None, None, None, own_codings(answer.url.path)), time.time())
    most = SMALL if settings.max_size is None else min(SMALL, settings.max_size)
    whole = _is_whole(verdict, most) and landing.proof.allows(verdict.size)
    path = existing.unoccupied(answer, verdict.size or 0) if whole else None
    if path is None or verdict.size is None:
        return None
    evidence.heard(place, answer, verdict.size)
    if evidence.looking or evidence.has_others:
        return None
    for expected in evidence.digests():  # after that look: one that is found in between would be missed
        landing.expect(expected)
    body = first.body(verdict.size)
    if body is None:
        return None
    row = _count(job, first)
    if landing.proof.fits(body):
        landing.path, landing.size, landing.validators = path, verdict.size, validators_of(answer.head)
        file = SmallFile(files.long_path(path), durable=settings.durable, replace=settings.overwrite or settings.newer)
        if file.store(body, target.modified_time(landing.validators) if settings.remote_time else None):
            row.add(tracker.BYTES, len(body))
            job.final = answer.url
            return file
        landing.path = landing.size = None
    row.add(tracker.WASTED, len(body))
    return None


def _count(job: Job, first: FirstAnswer) -> tracker.Row:
    row = job.counters.row(0, 0)
    row.add(tracker.REQUESTS, first.contact.requests)
    row.add(tracker.CONNECTIONS, first.contact.opened)
    return row


def _is_whole(verdict: Verdict, most: int) -> bool:
    if verdict.action not in (Action.USE, Action.WHOLE) or verdict.coding or verdict.start:
        return False
    return verdict.size is not None and verdict.length == verdict.size <= most
