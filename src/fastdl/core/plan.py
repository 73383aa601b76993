"""The arithmetic of the scheduler: how large a range is, where a victim's range is cut, when another connection pays.

Pure functions of rates (bytes a second), sizes (bytes) and times (seconds). What was measured is in
docs/performance.md.
"""

from __future__ import annotations

from fastdl.core.plain import dataclass

KIB = 1024
MIB = 1024 * KIB

MIN_SPLIT = MIB  # -k unless the user says otherwise
FIRST_RANGE = 4 * MIB  # what a connection gets whose rate is not known yet
SMALLEST = 64 * KIB  # ranges near the end of the file, on slow links, when the user gave no -k
MOST_CONNECTIONS = 16  # -x auto
FEW_CONNECTIONS = 2  # what a link without latency begins with: more connections only cost CPU there
LOW_LATENCY = 0.002
WASTE_FLOOR = 4 * MIB
WASTE_SHARE = 0.02
FIRST_HOLD = 1.0  # seconds after a refusal until a source may have one connection more; doubled where that fails
RECALLED = 8.0  # seconds for which a limit of an earlier download is believed
LONGEST_HOLD = 64.0
STUMBLES = 2  # requests lost that were sent before the body in front had ended, after which none is sent so any more
BAD_RANGES = 3  # unusable answers to range requests, in a row, after which a source is asked for the whole file
LINGER = 0.15  # seconds until a server has surely noticed that a connection was closed
STALL = 1.0  # seconds without a byte, while others flow, after which a steady connection is given up
NEAR_END = 1.0  # seconds before the end of a range from which on its worker's word for the end is taken down
PAUSE = 0.1  # shorter gaps between two blocks are no pauses
DOUBT = 0.25  # so much longer, as a share, a silence is borne after each that was not
MOST_DOUBT = 4.0
LONGEST_PATIENCE = 20.0
QUIET = 1.0  # seconds without a byte after which a source that was to serve alone gets help
LATE = 0.25  # seconds after a request from which on its answer is late where the others came sooner
LATE_HEAD = 5.0  # seconds for which it is waited for
JAM = 2.0  # the same where no connection of the source brings anything: they may hold each other's places
TRIAL = 512 * KIB  # the first range of a mapped source: useful, and soon fetched again if nothing comes
TRIAL_HEAD = 2.0  # seconds that it has for its first head while others flow
TRIAL_RIVAL = 0.1  # seconds after which somebody who has nothing else to do fetches that range as well
CRAWL = 16  # times slower than whoever helps: such a connection may hold any range, and none is too large to rescue
FIRST_BYTE = 0.5  # seconds after its head in which nothing is concluded from a body that has not begun


def floor_for(rate: float, min_split: int | None) -> int:
    """The smallest range worth a request of its own: -k if given, else a quarter of a second's worth."""
    if min_split is not None:
        return min_split
    return int(min(max(rate * 0.25, SMALLEST), MIN_SPLIT))


def guided(rate: float | None, remaining: int, share: float, floor: int) -> int:
    """How many bytes a worker takes from the queue: about a second's worth, but never more than half of its share of
    what is left, so that all workers end together (guided self-scheduling, Polychronopoulos and Kuck 1987)."""
    fair = int(remaining * share / 2)
    want = min(FIRST_RANGE if not rate else int(rate), fair)
    return max(want, floor)


def first_territory(size: int, connections: int, min_split: int | None) -> int:
    """How far the first, open-ended response may run before other connections' ranges begin. It is cut just once, and
    early enough for the digest to follow the front of the file."""
    least = min_split or MIN_SPLIT
    if connections <= 1 or size < 2 * least:
        return size
    return min(max(size // connections, least), 64 * MIB)


def split(remaining: int, victim_rate: float, thief_rate: float, latency: float) -> int:
    """How many bytes of the victim's `remaining` the thief takes so that both end at the same time, when the thief's
    first byte comes after `latency` seconds."""
    kept = victim_rate * (latency * thief_rate + remaining) / (victim_rate + thief_rate)
    return max(0, int(remaining - kept))


def patience(pause: float, sway: float, rtt: float, doubt: float) -> float:
    """Seconds of silence that a connection is granted: after its usual pauses and how much they vary, as RFC 6298 has
    it for retransmissions (2.3), and never less than TCP itself may need to mend two losses in a row. `doubt` grows
    where a silence was taken for an end (5.5)."""
    two_losses = 3 * (rtt + 0.2)  # the timer runs for a round trip and 0.2 s at least, then for twice as long
    return min(max(max(STALL, two_losses) * doubt, pause + 4 * sway), LONGEST_PATIENCE)


def waste_budget(size: int) -> int:
    """Bytes that hedging may fetch twice in one download where a connection is merely slow. A small file has a small
    share to waste, and one of a few ranges at most none."""
    share = size // 8
    return max(int(size * WASTE_SHARE), min(WASTE_FLOOR, share if share >= SMALLEST else 0))


def rescue_budget(size: int) -> int:
    """The same where a connection is silent: nothing will come twice, most likely, and never the whole file."""
    return max(int(size * WASTE_SHARE), min(WASTE_FLOOR, size))


@dataclass(slots=True)
class Growth:
    """How many connections pay: grows while the sum of the rates grows by more than 5 %, then stays."""

    allowed: int
    most: int
    settled: bool = False
    asked: int | None = None  # -x
    _review: float = 0.0
    _before: float = 0.0

    @classmethod
    def begin(cls, rtt: float, asked: int | None, per_host: int, hosts: int, now: float) -> Growth:
        """`asked` is -x (None: auto). A long link gets all of a host's connections at once (slow start takes several
        round trips, best taken side by side); a link without latency begins with few."""
        if asked is not None:
            return cls(asked, asked, settled=True, asked=asked)
        most = min(MOST_CONNECTIONS, per_host * hosts)
        first = min(most, FEW_CONNECTIONS if rtt < LOW_LATENCY else per_host * hosts)
        return cls(first, most, settled=first >= most, _review=now + 0.25)

    def review(self, total_rate: float, busy: int, now: float) -> None:
        """Look at the sum of the rates (bytes a second) once in a while and allow more connections while that pays."""
        if self.settled or now < self._review or busy < self.allowed:
            return
        if self._before and total_rate < 1.05 * self._before:
            self.settled = True
            return
        self._before = total_rate
        self._review = now + 0.5
        self.allowed = min(self.most, self.allowed * 2)
        self.settled = self.allowed >= self.most

    def join(self, rtt: float, per_host: int) -> None:
        """A source more has shown that it serves: room for its connections, all at once where the link is long."""
        if self.asked is not None:
            return
        self.most = min(MOST_CONNECTIONS, self.most + per_host)
        more = per_host if rtt >= LOW_LATENCY else FEW_CONNECTIONS
        self.allowed = min(self.most, self.allowed + more)
        self.settled, self._before = self.allowed >= self.most, 0.0

    def hold(self) -> None:
        """The machine has no processor time to spare: no more connections than there are."""
        self.settled = True

    def shrink(self) -> None:
        """The machine is short of memory: half of the connections, and no more later."""
        self.allowed = max(1, self.allowed // 2)
        self.settled = True
