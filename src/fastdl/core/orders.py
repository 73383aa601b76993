"""What passes between the scheduler and its shell: instructions one way, faults and placements the other."""

from __future__ import annotations

from enum import Enum

from fastdl.core.plain import dataclass
from fastdl.errors import FastdlError


class Fault(Enum):
    """Why a fetch ended without its bytes."""

    LOST = "lost"  # connection, time-out, broken answer, 5xx: may pass
    BUSY = "busy"  # 429, 503: fewer connections, later
    DENIED = "denied"  # 401, 403, 404, 410 from the URL itself
    EXPIRED = "expired"  # the same from a redirect's target: resolve again from the first URL
    REFUSED = "refused"  # final
    BAD_RANGE = "bad range"  # an answer to a range request that cannot be used as one
    NO_RANGES = "no ranges"
    CHANGED = "changed"
    NO_SLOT = "no slot"  # other downloads hold all connections to this host
    ABORTED = "aborted"  # the shell carried out an Abort
    FATAL = "fatal"  # disk, usage: nothing to retry


@dataclass(frozen=True, slots=True)
class Failure:
    """A fault with its error for the user and, if the server named one, the seconds to wait."""

    fault: Fault
    error: FastdlError
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask `source` for [start, end); end None: to the end of the file; not `ranged`: the whole file, plainly."""

    worker: int
    source: int
    start: int
    end: int | None
    ranged: bool


@dataclass(frozen=True, slots=True)
class Read:
    """Go on with the connection: the same body (`fresh` false: its range grew) or the answer to the queued request."""

    worker: int
    fresh: bool


@dataclass(frozen=True, slots=True)
class Abort:
    """Make the worker's connection fail; it then reports ABORTED."""

    worker: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The object is another one by now: throw everything away and begin again."""

    why: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Every byte is stored."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No source is left."""

    error: FastdlError


Instruction = Fetch | Read | Abort | Restart | Finish | GiveUp


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a block of body goes: the first `known` bytes were there already (`comparable`: they are on disk and can be
    compared), the next `keep` bytes are to be stored at `offset + known`, what follows lies beyond the lease."""

    offset: int
    known: int
    keep: int
    comparable: bool
