"""One connection's thread: asks, reads, stores, and reports to the scheduler. It decides nothing itself."""

from __future__ import annotations

import queue
import threading
import time

from fastdl.core import tracker
from fastdl.core.head import Head, own_codings, validators_of
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.orders import Failure, Fault, Fetch, Read
from fastdl.core.response import Action, Ask, Known, Verdict, judge
from fastdl.core.state import UNKNOWN_END
from fastdl.core.urls import Url
from fastdl.engine.intake import Intake
from fastdl.errors import ConnectionLost, FastdlError, NetworkError, ObjectChanged, Refused
from fastdl.io import phases
from fastdl.io.contact import Answer, Contact, Place
from fastdl.io.decoding import Decoder, decoder_for
from fastdl.io.session import NoSlot

if TYPE_CHECKING:
    from fastdl.engine.attempt import Attempt
    from fastdl.engine.first import FirstAnswer


class Aborted(Exception):
    """The scheduler no longer wants this fetch."""


class Rest:
    """Nothing is to be done for a while: the connection is closed."""


class DifferentBytes(ObjectChanged):
    """Bytes that came a second time are not those that came first."""


def _ended() -> bool:
    return True


class WorkerThread(threading.Thread):
    """Carries out the scheduler's orders for one connection slot; ends when it is handed None."""

    def __init__(self, attempt: Attempt, number: int, first: FirstAnswer | None = None) -> None:
        """`first`: the answer to what it will be told to ask for."""
        super().__init__(name=f"fastdl-{number}", daemon=True)
        self.number = number
        self.inbox: queue.SimpleQueue[Fetch | Read | Rest | None] = queue.SimpleQueue()
        self.aborted = False
        self._attempt = attempt
        self._first = first
        self._contact = first.contact if first is not None else Contact(attempt.session, number, self._cancelled)
        self._contact.obey(attempt.session, self._cancelled)
        self._intake = Intake()
        self._place: Place = attempt.places[0]
        self._source = 0
        self._ask = Ask(0, None, True)
        self._queued: tuple[Ask, Url] | None = None
        self._decoder: Decoder | None = None

    def _cancelled(self) -> bool:
        return self.aborted or self._attempt.halted

    def abort(self) -> None:
        """From any thread: the current fetch is to end soon."""
        self.aborted = True
        self._contact.abort()

    # --- orders ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """See Thread."""
        try:
            while (order := self._next_order()) is not None:
                self._obey(order)
            if not self.aborted:
                self._contact.leave()
        except BaseException as error:
            self._attempt.crash(error)
        self._contact.drop()
        self._intake.drop()
        self._contact.obey(self._attempt.session, _ended)  # it does not know this thread any more

    def _obey(self, order: Fetch | Read) -> None:
        try:
            self._carry_out(order)
        except Aborted:
            self._fail(Failure(Fault.ABORTED, ConnectionLost("the connection was given up")))
        except NoSlot:
            self._fail(Failure(Fault.NO_SLOT, ConnectionLost("all connections to the host are in use")))
        except NetworkError as error:
            self._fail(Failure(Fault.LOST, error))
        except DifferentBytes as error:
            self._fail(Failure(Fault.CHANGED, error))
        except Refused as error:
            self._fail(Failure(Fault.REFUSED, error))
        except FastdlError as error:
            self._fail(Failure(Fault.FATAL, error))

    def _next_order(self) -> Fetch | Read | None:
        if self.inbox.empty() and self._first is None:
            if self._attempt.resting:
                self._contact.drop()
            self._contact.rest()
        while isinstance(order := self.inbox.get(), Rest):
            self._contact.drop()
        return order

    def _fail(self, failure: Failure) -> None:
        if self._cancelled() and failure.fault is Fault.LOST:
            failure = Failure(Fault.ABORTED, failure.error)
        self._contact.drop()
        self._intake.drop()
        self._queued = None
        try:
            self._attempt.sink_settle(self.number)
        except FastdlError as error:
            failure = Failure(Fault.FATAL, error)
        counts = failure.fault not in (Fault.ABORTED, Fault.NO_SLOT)
        if counts:
            self._row().add(tracker.ERRORS)
            self._attempt.on_failure(self._place, failure)
        self._attempt.post(lambda core, now: core.failed(self.number, failure, now))
        if counts and self._attempt.outcome is None and self._attempt.core.sources[self._source].error is None:
            self._row().add(tracker.RETRIES)

    def _row(self) -> tracker.Row:
        return self._attempt.tracker.row(self.number, self._source)

    def _carry_out(self, order: Fetch | Read) -> None:
        if isinstance(order, Fetch):
            self._receive(self._asked(order))
        elif order.fresh:
            assert self._contact.channel is not None and self._queued is not None
            (self._ask, url), self._queued = self._queued, None
            self._receive(Answer(self._contact.channel.receive_head(), url, self._contact.channel))
        else:
            self._pump()

    def _asked(self, order: Fetch) -> Answer:
        """The answer to a new request."""
        self.aborted = False
        if self._attempt.resting:  # it was told to do so just before
            raise Aborted
        self._source = order.source
        phases.at_source(order.source)
        self._place = place = self._attempt.places[order.source]
        self._ask = Ask(order.start, order.end, order.ranged)
        requests, opened = self._contact.requests, self._contact.opened
        first, self._first = self._first, None
        try:
            if first is not None:
                requests = opened = 0
                return first.take()
            extra = self._attempt.extra_headers(place)
            return self._contact.ask(place, order.start, order.end, order.ranged, extra)
        except NetworkError:
            place.final = None  # a redirector may lead elsewhere by now
            raise
        finally:
            self._row().add(tracker.REQUESTS, self._contact.requests - requests)
            self._row().add(tracker.CONNECTIONS, self._contact.opened - opened)

    # --- heads -------------------------------------------------------------------------------------------

    def _receive(self, answer: Answer) -> None:
        if self._cancelled():
            raise Aborted
        place, head = self._place, answer.head
        if head.status == 304 and self._attempt.extra_headers(place):
            self._attempt.not_modified()
        core = self._attempt.core
        known = Known(core.size, place.validators, place.content_type, own_codings(answer.url.path))
        verdict = judge(self._ask, head, known, time.time())
        if verdict.action not in (Action.USE, Action.WHOLE, Action.EMPTY):
            from fastdl.engine.refusals import failure_of

            begun = core.sources[self._source].met or self._attempt.resumed
            self._fail(failure_of(place, answer, verdict, begun=begun))
            return
        if place.mapped:
            from fastdl.engine.refusals import stranger

            failure = stranger(place, answer, verdict, core.size)
            if failure is not None:
                self._fail(failure)
                return
        coding = verdict.coding
        self._attempt.accept(place, answer, verdict)
        if place.validators is None:
            place.validators = validators_of(head)
            place.content_type = head.get("content-type") or ""
        self._decoder = decoder_for(coding) if coding else None
        end = verdict.start + verdict.length if verdict.length is not None else None
        ranged = _serves_ranges(verdict, head)
        rtt = answer.channel.rtt
        self._attempt.post(
            lambda core, now: core.opened(self.number, now, size=verdict.size, end=end, ranged=ranged, rtt=rtt)
        )
        self._pump()

    # --- bodies ------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Read the body until the lease is satisfied or the body ends, storing what is new."""
        attempt, number = self._attempt, self.number
        channel = self._contact.channel
        assert channel is not None
        self._intake.begin(channel, self._decoder, attempt.sink, attempt.session.block())
        row = self._row()
        while not attempt.satisfied(number):
            count = self._fill()
            if self._cancelled() and not (count and attempt.resting):  # what came before a rest is not thrown away
                raise Aborted
            if count == 0:
                self._body_ended()
                return
            if self._store(count, row):
                break
            if channel.pipelines and self._queued is None and attempt.core.wants_next(number):
                self._send_next()
        if self._cancelled():
            raise Aborted
        attempt.sink_settle(number)
        if self._queued is not None:
            attempt.post(lambda core, now: core.follow(number, now))
            return
        self._check_end()
        attempt.post(lambda core, now: core.ended(number, now))

    def _fill(self) -> int:
        """Read a block."""
        channel = self._contact.channel
        assert channel is not None
        return self._intake.read(channel, self._attempt.session.block())

    def _store(self, count: int, row: tracker.Row) -> bool:
        """Put a block where it belongs; true when the lease is complete."""
        attempt, number, intake = self._attempt, self.number, self._intake
        placement = attempt.arrived(number, count)
        known, keep = placement.known, placement.keep
        if keep < count:
            twice = intake.view()[:known]
            differs = known and placement.comparable and not attempt.sink.same(placement.offset, twice)
            if differs and not attempt.conflict(self._source, placement.offset, twice):
                raise DifferentBytes("bytes that came twice differ", "the file changed, or a source lies")
        row.add(tracker.WASTED, count - keep)
        complete = False
        if keep:
            intake.put(attempt.sink, number, placement.offset + known, known, known + keep, self._source)
            row.add(tracker.BYTES, keep)
            complete = attempt.stored(number)
        pause = attempt.session.pause_for(count)
        if pause > 0:
            attempt.pause(pause)
        return complete

    def _body_ended(self) -> None:
        """The body is complete, but the lease is not."""
        number = self.number
        self._attempt.sink_settle(number)
        state = self._attempt.core.workers[number]
        whole = state.lease is not None and state.lease.end == UNKNOWN_END  # nobody has said the size
        if not whole and (not self._ask.ranged or not state.has_all):
            raise ConnectionLost("the server closed the connection", "before the whole answer had come")
        self._attempt.post(lambda core, now: core.ended(number, now, whole=whole))

    def _check_end(self) -> None:
        """See whether the body ends where it should, so that the connection can be used again."""
        channel = self._contact.channel
        if channel is None or channel.reusable:
            return
        if self._attempt.core.workers[self.number].has_all and channel.read_into(memoryview(bytearray(1))) != 0:
            self._contact.drop()

    def _send_next(self) -> None:
        """Send the next request before this body has ended."""
        attempt, place = self._attempt, self._place
        url = place.final or place.given
        if not self._contact.leads_to(url):  # another worker was redirected elsewhere meanwhile
            return
        piece = attempt.queue_next(self.number)
        if piece is None:
            return
        self._queued = Ask(piece.start, piece.end, True), url
        channel = self._contact.channel
        assert channel is not None
        channel.send(self._contact.request(place, url, piece.start, piece.end, True))
        self._row().add(tracker.REQUESTS)


def _serves_ranges(verdict: Verdict, head: Head) -> bool | None:
    if verdict.action is Action.USE:
        return True
    offered = "bytes" in (head.get("accept-ranges") or "").lower() and verdict.size is not None
    return None if offered and not verdict.coding else False
