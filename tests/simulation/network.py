"""The way between the simulated shell and the servers: connections, bandwidth, time.

Chance comes from the scenario's generator alone. Time passes in virtual seconds, bodies in blocks of some ten
milliseconds.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable
from math import inf

from fastdl.core.head import Head
from fastdl.errors import ConnectFailed, ConnectionLost, TimedOut
from simulation.clock import Clock, Steps, Task
from simulation.content import Version
from simulation.server import TWISTS, Request, Response, Server, honest, plain_head, trouble, twist

FIRST_WINDOW = 14600  # bytes that a new TCP connection sends in its first round trip (RFC 6928)
LOOK = 0.1  # seconds between two looks at `cancelled` while connecting
BUFFERED = 0.1  # seconds of a body that may wait for a reader who is busy elsewhere


class Network:
    """The user's end: all connections, and the bandwidth that they share."""

    def __init__(self, clock: Clock, chance: random.Random, *, total: float = inf, block: int = 65536) -> None:
        self.clock = clock
        self.chance = chance
        self.total = total
        self.block = block
        self.timeout = 30.0
        self.connect_timeout = 10.0
        self.flowing = 0
        self.connects = 0
        self.requests = 0
        self.open = 0
        self.most_open = 0
        self.tokens: Counter[tuple[float, int]] = Counter()
        self.ranges: list[int] = []  # bytes asked for, request by request

    def connect(self, server: Server, cancelled: Callable[[], bool]) -> Steps[Channel]:
        """Open a connection. Raises ConnectFailed and TimedOut."""
        clock = self.clock
        kind = server.outage(clock.now)
        if kind == "hang":
            waited = 0.0
            while waited < self.connect_timeout:
                yield LOOK
                waited += LOOK
                if cancelled():
                    raise ConnectFailed("Given up")
            raise TimedOut("No connection")
        yield server.rtt
        self.connects += 1
        if kind == "refuse" or (server.open >= server.limit and server.beyond == "refuse"):
            server.refused += 1
            raise ConnectFailed("Connection refused")
        return Channel(self, server)

    def answer(self, channel: Channel, request: Request, at: float) -> Response:
        """What the server answers to a request that reaches it at this moment."""
        server = channel.server
        server.requests += 1
        self.requests += 1
        self.ranges.append((request.end or 0) - request.start)
        kind = server.outage(at)
        crowd = server.flowing + 1 if server.beyond.isdigit() else channel.number_open
        if kind is None and crowd > server.limit:
            kind = server.beyond
        if kind is not None:
            server.refused += 1
            return trouble(kind, server)
        if server.is_front:
            return Response(plain_head(302, ("location", "elsewhere")))
        if request.token is not None:
            self.tokens[request.token] += 1
            if at - request.token[0] > (server.lifetime or 0.0) or self.tokens[request.token] > server.uses:
                return Response(plain_head(403))
        return self._odd(
            channel, request, honest(server, channel.number, channel.answered, request, server.version(at))
        )

    def _odd(self, channel: Channel, request: Request, response: Response) -> Response:
        """The answer with the server's quirks."""
        server = channel.server
        for quirk in server.quirks:
            if quirk.left <= 0 or server.requests <= quirk.after or self.chance.random() >= quirk.chance:
                continue
            quirk.left -= 1
            if quirk.kind == "late":
                response.wait += quirk.seconds
            elif quirk.kind in ("cut", "stall"):
                share = quirk.share if quirk.share is not None else self.chance.random()
                if quirk.kind == "cut":
                    response.cut = max(int(quirk.share is None), int(response.length * share))
                else:
                    response.stall, response.stalled = int(response.length * share), quirk.seconds
            elif quirk.kind in TWISTS:
                response = twist(quirk.kind, request, response)
            else:
                return trouble(quirk.kind, server)
        return response


class Channel:
    """One connection: io/channel.py in virtual time. After `read`, the block is [at, at + count) of `version`."""

    def __init__(self, network: Network, server: Server) -> None:
        self.network = network
        self.server = server
        self.rtt = server.rtt
        self.number = server.number()
        network.open += 1
        network.most_open = max(network.most_open, network.open)
        self.number_open = server.open
        self.answered = 0
        self.at = 0
        self.version: Version | None = None
        self.closed = False
        self.aborted = False
        self.waiter: Task | None = None
        self.task: Task | None = None
        self._asked: deque[tuple[Request, float, bool]] = deque()
        self._current: Response | None = None
        self._given = 0
        self._reached = 0.0  # when the last byte so far came in
        self._bytes = 0
        self._keep = True
        self._killed = server.killed(network.clock.now)
        self._flows = False

    # --- requests ----------------------------------------------------------------------------------------

    def send(self, request: Request) -> None:
        """Send a request; the answer comes with receive_head."""
        if self.aborted:
            raise ConnectionLost("Shut down")
        early = bool(self._asked) or (self._current is not None and self._given < self._current.length)
        self._asked.append((request, self.network.clock.now, early))

    def receive_head(self) -> Steps[Head]:
        """The head that answers the oldest request. Raises ConnectionLost, TimedOut."""
        clock = self.network.clock
        request, sent, early = self._asked[0]
        at = max(sent + self.rtt / 2, self._reached - self.rtt / 2)
        gone = self.answered >= self.server.keeps
        if early and self.server.pipelining != "good":
            if self.server.pipelining == "close":
                gone = True
            else:
                yield from self._until(inf if self.server.pipelining == "hang" else clock.now + self.rtt)
                self._asked.popleft()
                self._keep = False
                return plain_head(400, ("content-length", "0"))
        if gone:
            yield from self._until(max(clock.now, at + self.rtt / 2))
            raise ConnectionLost("Closed by the server")
        response = self.network.answer(self, request, at)
        if response.wait:
            at += response.wait
        yield from self._until(at + self.rtt / 2)
        if response.cut < 0:
            raise ConnectionLost("Reset by the server")
        self._asked.popleft()
        self._current, self._given = response, 0
        self._reached = max(at + self.rtt / 2, self._reached)
        self.answered += 1
        self._keep = response.head.get("connection") != "close" and response.known_end
        self._flow(response.length > 0)
        return response.head

    def _flow(self, flows: bool) -> None:
        change = int(flows) - int(self._flows)
        self._flows = flows
        self.server.flowing += change
        self.network.flowing += change

    # --- bodies ------------------------------------------------------------------------------------------

    def read(self) -> Steps[int]:
        """The next block of the current body; 0 when it is over. Raises ConnectionLost, TimedOut."""
        response = self._current
        assert response is not None
        left = response.length - self._given
        if left <= 0:
            self._flow(False)
            return 0
        clock = self.network.clock
        share = min(self.server.total / max(1, self.server.flowing), self.network.total / max(1, self.network.flowing))
        rate = min(share, self.server.rate_of(self.number, clock.now)[0])
        if self.server.slow_start:
            rate = min(rate, (FIRST_WINDOW + self._bytes) / self.rtt)
        count = int(max(1, min(left, self.network.block, max(1448, rate * 0.25)), 1))
        reached = max(self._reached, clock.now - BUFFERED)
        if self._given + count > response.cut:
            count = int(response.cut) - self._given
            if count <= 0:
                yield from self._until(reached + self.rtt / 2)
                raise ConnectionLost("Reset in the body")
        if self._given >= response.stall:
            reached = max(reached, clock.now) + response.stalled
            response.stall = inf
        self._reached = self._arrival(reached, count, share)
        yield from self._until(self._reached)
        self._given += count
        self._bytes += count
        self.at = response.start + self._given - count
        self.version = response.version
        if self._given >= response.length:
            self._flow(False)
        return count

    def _arrival(self, begin: float, count: float, share: float) -> float:
        """When `count` more bytes will have come."""
        while True:
            rate, until = self.server.rate_of(self.number, begin)
            rate = min(rate, share)
            if self.server.slow_start:
                rate = min(rate, (FIRST_WINDOW + self._bytes) / self.rtt)
            if rate > 0 and begin + count / rate <= until:
                return begin + count / rate
            if until == inf:
                return inf
            count -= rate * (until - begin)
            begin = until

    def _until(self, moment: float) -> Steps[None]:
        """Wait for something that comes at `moment`, as a blocking call does."""
        clock = self.network.clock
        bound = clock.now + self.network.timeout
        first = min(moment, bound, self._killed)
        if not self.aborted and first > clock.now:
            self.waiter = self.task
            yield first - clock.now
            self.waiter = None
        if self.aborted:
            raise ConnectionLost("Shut down")
        if self._killed <= clock.now:
            raise ConnectionLost("Reset by the server")
        if moment > bound:
            raise TimedOut("Nothing came")

    # --- ends --------------------------------------------------------------------------------------------

    @property
    def reusable(self) -> bool:
        """See io/channel.py."""
        over = self._current is None or (self._given >= self._current.length and self._current.known_end)
        return self._keep and not self.closed and over and not self._asked

    def quiet(self) -> bool:
        """Whether an idle connection still works: its end would have been seen."""
        gone = self.answered >= self.server.keeps or self._killed <= self.network.clock.now
        return self.reusable and not self.aborted and not gone

    def abort(self) -> None:
        """From anywhere: what waits on this connection fails now."""
        self.aborted = True
        if self.waiter is not None:
            self.waiter.wake()
            self.waiter = None

    def close(self) -> None:
        """Give it up."""
        if not self.closed:
            self.closed = True
            self.server.leave(self.number)
            self.network.open -= 1
            self._flow(False)
