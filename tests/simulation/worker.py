"""engine/worker.py and refusals.py in virtual time, line by line, without a thread; whoever changes the
one changes the other.

Where the real worker blocks or lets another thread in, this one sleeps, for no time or, by chance, for long.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from fastdl.core.head import Head, validators_of
from fastdl.core.orders import Failure, Fault, Fetch, Read
from fastdl.core.response import Action, Ask, Known, Verdict, judge
from fastdl.core.state import UNKNOWN_END
from fastdl.errors import (
    ConnectionLost,
    FastdlError,
    HttpStatus,
    NetworkError,
    ObjectChanged,
    ProtocolViolation,
    Refused,
    SizeMismatch,
)
from simulation.clock import Steps, Task
from simulation.network import Channel
from simulation.server import Request, Server

if TYPE_CHECKING:
    from simulation.shell import Attempt


class Aborted(Exception):
    """The scheduler no longer wants this fetch."""


class NoSlot(Exception):
    """Other downloads have all connections to the host."""


class DifferentBytes(ObjectChanged):
    """Bytes that came twice differ."""


class Worker:
    """engine/worker.py: carries out orders for one connection slot."""

    def __init__(self, attempt: Attempt, number: int) -> None:
        self.number = number
        self.attempt = attempt
        self.inbox: deque[Fetch | Read | None] = deque()
        self.aborted = False
        self.channel: Channel | None = None
        self.waits = False
        self.task: Task
        self._place = attempt.places[0]
        self._source = 0
        self._ask = Ask(0, None, True)
        self._queued: Ask | None = None

    def put(self, order: Fetch | Read | None) -> None:
        """Into the inbox."""
        self.inbox.append(order)
        if self.waits:
            self.task.wake()

    def abort(self) -> None:
        """From anywhere: the current fetch is to end soon."""
        self.aborted = True
        if self.channel is not None:
            self.channel.abort()

    def _cancelled(self) -> bool:
        return self.aborted or self.attempt.stopping

    def run(self) -> Steps[None]:
        """Carry out orders until None comes."""
        while True:
            if not self.inbox and self.channel is not None and not self.channel.reusable:
                self._drop()
            while not self.inbox:
                self.waits = True
                yield None
                self.waits = False
            yield from self.attempt.hesitate()
            order = self.inbox.popleft()
            if order is None:
                break
            try:
                yield from self._carry_out(order)
            except Aborted:
                yield from self._fail(Failure(Fault.ABORTED, ConnectionLost("The connection was given up")))
            except NoSlot:
                yield from self._fail(Failure(Fault.NO_SLOT, ConnectionLost("All connections are in use")))
            except NetworkError as error:
                yield from self._fail(Failure(Fault.LOST, error))
            except DifferentBytes as error:
                yield from self._fail(Failure(Fault.CHANGED, error))
            except Refused as error:
                yield from self._fail(Failure(Fault.REFUSED, error))
            except FastdlError as error:
                yield from self._fail(Failure(Fault.FATAL, error))
        if not self.aborted:
            self._leave()
        self._drop()

    def _fail(self, failure: Failure) -> Steps[None]:
        if self._cancelled() and failure.fault is Fault.LOST:
            failure = Failure(Fault.ABORTED, failure.error)
        self._drop()
        self._queued = None
        yield from self.attempt.hesitate()
        watch = self.attempt.watch
        watch.failed(self.number, self._source, failure)
        what = f"failed {self.number}, {failure.fault.value}: {failure.error}"
        self.attempt.post(what, lambda core, now: core.failed(self.number, failure, now))

    def _carry_out(self, order: Fetch | Read) -> Steps[None]:
        if isinstance(order, Fetch):
            self.aborted = False
            self._source = order.source
            self._place = self.attempt.places[order.source]
            self._ask = Ask(order.start, order.end, order.ranged)
            head = yield from self._contact(order.start, order.end, order.ranged)
            yield from self._receive(head)
        elif order.fresh:
            assert self.channel is not None and self._queued is not None
            self._ask, self._queued = self._queued, None
            head = yield from self.channel.receive_head()
            yield from self._receive(head)
        else:
            yield from self._pump()

    # --- io/contact.py -----------------------------------------------------------------------------------

    def _contact(self, start: int, end: int | None, ranged: bool) -> Steps[Head]:
        place = self._place
        if place.front is not None and not place.found:
            head = yield from self._exchange(place.front, Request(start, end, ranged))
            if head.status != 302:
                return head
            assert self.channel is not None
            yield from self.channel.read()
            place.token = (self.attempt.clock.now, place.front.requests)
            place.found = True
        if_range = place.validators.strong if place.validators is not None and start > 0 else None
        return (yield from self._exchange(place.server, Request(start, end, ranged, if_range, place.token)))

    def _exchange(self, server: Server, request: Request) -> Steps[Head]:
        used = yield from self._connect(server)
        while True:
            channel = self.channel
            assert channel is not None
            try:
                channel.send(request)
                return (yield from channel.receive_head())
            except ConnectionLost:
                if not used or self._cancelled():
                    raise
                self._drop()
                used = yield from self._connect(server)

    def _connect(self, server: Server) -> Steps[bool]:
        if self.channel is not None:
            if self.channel.server is server and self.channel.reusable:
                return True
            self._leave()
        pool = self.attempt.pool
        channel = pool.take_idle(server)
        if channel is None:
            if not pool.admit(server.host):
                raise NoSlot
            try:
                channel = yield from self.attempt.network.connect(server, self._cancelled)
            except BaseException:
                pool.open[server.host] -= 1
                raise
            self.attempt.watch.connected(self._source)
        channel.task = self.task
        self.channel = channel
        if self._cancelled():
            raise ConnectionLost("The connection was given up")
        return channel.answered > 0

    def _leave(self) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            self.attempt.pool.keep(channel)

    def _drop(self) -> None:
        channel, self.channel = self.channel, None
        if channel is not None:
            self.attempt.pool.close(channel)

    # --- heads -------------------------------------------------------------------------------------------

    def _receive(self, head: Head) -> Steps[None]:
        if self._cancelled():
            raise Aborted
        place, core = self._place, self.attempt.core
        verdict = judge(self._ask, head, Known(core.size, place.validators, place.content_type), 0.0)
        if verdict.action not in (Action.USE, Action.WHOLE, Action.EMPTY):
            yield from self._reject(head, verdict)
            return
        if place.mapped and (why := self._strange(verdict)):
            yield from self._fail(Failure(Fault.REFUSED, SizeMismatch("The mirror has another file", why)))
            return
        yield from self.attempt.hesitate()
        self.attempt.accept(verdict)
        if place.validators is None:
            place.validators = validators_of(head)
            place.content_type = head.get("content-type") or ""
        end = verdict.start + verdict.length if verdict.length is not None else None
        offered = "bytes" in (head.get("accept-ranges") or "").lower() and verdict.size is not None
        ranged = True if verdict.action is Action.USE else (None if offered else False)
        assert self.channel is not None
        rtt = self.channel.rtt
        self.attempt.post(
            f"opened {self.number} to {end} of {verdict.size}, ranges {ranged}",
            lambda core, now: core.opened(self.number, now, size=verdict.size, end=end, ranged=ranged, rtt=rtt),
        )
        yield from self._pump()

    def _strange(self, verdict: Verdict) -> str:
        size = self.attempt.core.size
        if verdict.action is Action.EMPTY or (verdict.size is None and verdict.action is Action.WHOLE):
            return "It does not say how large the file is"
        if size is not None and verdict.size not in (None, size):
            return "It has another size there"
        return ""

    def _reject(self, head: Head, verdict: Verdict) -> Steps[None]:
        place, action = self._place, verdict.action
        error: FastdlError
        if action is Action.CHANGED:
            if place.mirror:
                error, fault = SizeMismatch("The mirror has another file", verdict.why), Fault.REFUSED
            else:
                error, fault = ObjectChanged("The file changed during the download", verdict.why), Fault.CHANGED
        elif action is Action.NO_RANGES:
            error, fault = Refused("The server serves no ranges", verdict.why), Fault.NO_RANGES
        elif verdict.broken:
            error = ProtocolViolation("The server sent a broken answer", verdict.why)
            fault = Fault.BAD_RANGE if action is Action.BAD_RANGE else Fault.LOST
        else:
            error = HttpStatus("The server refused", verdict.why, status=head.status)
            faults = {Action.BUSY: Fault.BUSY, Action.DENIED: Fault.DENIED, Action.REFUSED: Fault.REFUSED}
            fault = faults.get(action, Fault.LOST)
            if action is Action.DENIED and place.found and place.front is not None:
                place.found = False
                if self.attempt.core.sources[self._source].served or self.attempt.resumed:
                    fault = Fault.EXPIRED
        yield from self._fail(Failure(fault, error, verdict.wait))

    # --- bodies ------------------------------------------------------------------------------------------

    def _pump(self) -> Steps[None]:
        attempt, number, core = self.attempt, self.number, self.attempt.core
        channel = self.channel
        assert channel is not None
        while not core.satisfied(number):
            yield from attempt.hesitate()
            count = yield from channel.read()
            if self._cancelled():
                raise Aborted
            if count == 0:
                yield from self._body_ended()
                return
            if (yield from self._store(channel, count)):
                break
            if self._queued is None and core.wants_next(number):
                yield from attempt.hesitate()
                self._send_next(channel)
        yield from attempt.hesitate()
        if self._cancelled():
            raise Aborted
        yield from attempt.hesitate()
        if self._queued is not None:
            attempt.post(f"follow {number}", lambda core, now: core.follow(number, now))
            return
        self._check_end(channel)
        attempt.post(f"ended {number}", lambda core, now: core.ended(number, now))

    def _store(self, channel: Channel, count: int) -> Steps[bool]:
        attempt, number = self.attempt, self.number
        assert channel.version is not None
        version = channel.version.number
        placement = attempt.watch.arrived(number, count, channel.at)
        start = placement.offset + placement.known
        differs = placement.known and placement.comparable and not attempt.same(placement.offset, start, version)
        if differs and not attempt.conflict(self._source, placement.offset, start):
            raise DifferentBytes("Bytes that came twice differ")
        if not placement.keep:
            return False
        if attempt.settings.disk:
            yield attempt.chance.random() * attempt.settings.disk
        attempt.disk.write(start, start + placement.keep, version, self._source)
        if attempt.settings.window is not None:
            attempt.emit()
        return attempt.watch.stored(number)

    def _body_ended(self) -> Steps[None]:
        state = self.attempt.core.workers[self.number]
        whole = state.lease is not None and state.lease.end == UNKNOWN_END
        over = state.asked_end is None or state.offset >= state.asked_end
        if not whole and (not self._ask.ranged or not over):
            raise ConnectionLost("The server closed the connection")
        yield from self.attempt.hesitate()
        what = f"body of {self.number} over"
        self.attempt.post(what, lambda core, now: core.ended(self.number, now, whole=whole))

    def _check_end(self, channel: Channel) -> None:
        if channel.reusable:
            return
        state = self.attempt.core.workers[self.number]
        if state.asked_end is None or state.offset >= state.asked_end:
            self._drop()

    def _send_next(self, channel: Channel) -> None:
        attempt, place = self.attempt, self._place
        piece = None if attempt.stopping else attempt.watch.queue_next(self.number)
        if attempt.settings.log is not None:
            attempt.settings.log(attempt, f"queue_next {self.number}: {piece}", [])
        if piece is None:
            return
        self._queued = Ask(piece.start, piece.end, True)
        if_range = place.validators.strong if place.validators is not None and piece.start > 0 else None
        channel.send(Request(piece.start, piece.end, True, if_range, place.token))
