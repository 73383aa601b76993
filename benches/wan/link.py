"""What a link is, in numbers: what the emulator is told, what it counts, and how much of a file a link can carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

MTU = 1500
HEADERS = 52  # of each packet: IPv4 20, TCP 20, time stamps 12 (RFC 7323)


@dataclass(frozen=True, slots=True)
class Link:
    """One link to one server. `mbit` is the rate of whole packets towards the client in megabits a second, `rtt` the
    round trip of an empty link in seconds, `loss` the part of the packets towards the client that is lost by chance,
    `queue` how many seconds a packet may wait for the line before it is dropped. `congestion` is how the server's
    system finds its speed: with "cubic", the usual one, it slows down at each loss; with "bbr" it does not."""

    mbit: float
    rtt: float = 0.08
    loss: float = 0.0
    queue: float = 0.04
    congestion: str = "cubic"

    def __post_init__(self) -> None:
        if self.mbit <= 0 or self.rtt < 0 or self.queue <= 0 or not 0 <= self.loss < 1:
            raise ValueError(f"no such link: {self}")

    @property
    def rate(self) -> float:
        """Bytes a second, headers and all."""
        return self.mbit * 1e6 / 8

    @property
    def payload(self) -> float:
        """Bytes of a file a second that full packets can carry; HTTP's own few hundred bytes a request aside."""
        return self.rate * (MTU - HEADERS) / MTU

    def words(self) -> list[str]:
        """The link as the emulator's command line has it: one way in microseconds, bytes a second, parts per million,
        microseconds."""
        return [f"{self.rtt / 2 * 1e6:.0f}", f"{self.rate:.0f}", f"{self.loss * 1e6:.0f}", f"{self.queue * 1e6:.0f}"]


@dataclass(frozen=True, slots=True)
class Count:
    """What went down one link since the last reset: bytes and packets with their headers, packets lost by chance and
    for want of room, connections, packets that a fault has slowed or swallowed, and the mean wait in the queue (us)."""

    bytes: int
    packets: int
    lost: int
    overflowed: int
    connections: int
    struck: int
    wait: int


def parse_counts(line: str, links: int) -> tuple[list[Count], float]:
    """The emulator's answer: a count for each link, and how late it was itself at worst, in seconds. Raises ValueError
    for anything else."""
    numbers = [int(word) for word in line.split()]
    width = len(fields(Count))
    if len(numbers) != links * width + 1:
        raise ValueError(f"not the counts of {links} links: {line!r}")
    return [Count(*numbers[at : at + width]) for at in range(0, links * width, width)], numbers[-1] / 1e6


def ideal(links: Sequence[Link], size: int) -> float:
    """Seconds in which these links carry `size` bytes of a file when none of them ever waits: a round trip to connect
    and one to ask, then all at their full rates."""
    return 2 * min(link.rtt for link in links) + size / sum(link.payload for link in links)


def ideal_after_loss(links: Sequence[Link], size: int, lost: int, after: int) -> float:
    """The same where link number `lost` carries nothing more once it has carried `after` bytes of the file: until then
    all work, and the rest is carried by the others."""
    gone = links[lost]
    rest = [link for number, link in enumerate(links) if number != lost]
    until = after / gone.payload
    left = max(0.0, size - until * sum(link.payload for link in links))
    return 2 * min(link.rtt for link in links) + until + left / sum(link.payload for link in rest)
