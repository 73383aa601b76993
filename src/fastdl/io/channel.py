"""The seam between the engine and the network: one connection that carries requests for ranges.

`wire` implements it on a raw socket, `http` on httpx. The engine knows no other difference between the two.
"""

from __future__ import annotations

from fastdl.core.head import Head
from fastdl.core.hints import Protocol
from fastdl.core.plain import dataclass
from fastdl.core.urls import Url


@dataclass(frozen=True, slots=True)
class Request:
    """One GET. `start` and `end` (exclusive, None: to the end) are byte offsets, sent as a Range if `ranged`;
    `headers` are all other fields to send, Host excepted."""

    url: Url
    start: int
    end: int | None
    ranged: bool
    if_range: str | None
    headers: tuple[tuple[str, str], ...]

    def range_fields(self) -> list[tuple[str, str]]:
        """The Range and If-Range fields (RFC 9110, sections 14.2 and 13.1.5)."""
        if not self.ranged:
            return []
        fields = [("Range", f"bytes={self.start}-{'' if self.end is None else self.end - 1}")]
        return fields + ([("If-Range", self.if_range)] if self.if_range else [])


class Channel(Protocol):
    """One connection to one origin, used by one worker thread at a time.

    Every call blocks for a bounded time (the settings' time-outs) and raises leaves of errors.NetworkError."""

    @property
    def pipelines(self) -> bool:
        """Whether a second request may go out before the first body has ended."""

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: the connection stays open and the last body has been read."""

    @property
    def body_left(self) -> int | None:
        """Bytes of the current body still to come; None where that is unknown."""

    @property
    def answered(self) -> int:
        """Heads received on this connection."""

    @property
    def rtt(self) -> float:
        """Seconds that the connect took."""

    @property
    def peer(self) -> str:
        """The server's address, "" where unknown."""

    def send(self, request: Request) -> None:
        """Send a request."""

    def receive_head(self) -> Head:
        """The final head that answers the oldest request not yet answered; 1xx are skipped, a bounded number."""

    def read_into(self, view: memoryview) -> int:
        """Read body bytes of the current response; 0 means that the body is complete."""

    def hold_window(self, size: int) -> None:
        """Let the server send at most about `size` bytes ahead of what is read."""

    def abort(self) -> None:
        """From any thread: make a blocked call fail soon."""

    def close(self) -> None:
        """Give the connection up."""
