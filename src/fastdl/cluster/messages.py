"""What the head of a run and the lanes at its workers tell each other: plain data, pickled.

Orders and reports may overtake one another on their way, so each is numbered, and what they say of a state (shares, the
rate, what is open) is the whole state and not a change of it.
"""

from __future__ import annotations

from fastdl.core.hints import Protocol
from fastdl.core.plain import dataclass, field
from fastdl.errors import FastdlError
from fastdl.events import Event
from fastdl.listing import File
from fastdl.result import Result
from fastdl.settings import Settings


@dataclass(frozen=True, slots=True)
class Vow:
    """A file is whole and checked, and about to get its final name. `inode` is that of its data: if whoever said so
    dies, the next one sees by it whether the name was given. `crc`: of the bytes, where no journal knows of them.
    `result` is what is to be told of it then."""

    job: int
    path: str
    inode: int
    size: int
    crc: int | None
    result: Result


@dataclass(frozen=True, slots=True)
class Todo:
    """A file for a lane. `again`: another lane had begun it; `vow`: and was about to name it."""

    job: int
    file: File
    again: bool = False
    vow: Vow | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """From the head to a lane. `settings` come with the first ones. `shares`: how many connections to a host this lane
    may have; `rate`: its part of -r in bytes a second; `heard`: so many of its vows have arrived; `recall`: what was
    not begun is to come back; `over`: no more files will come; `stop`: end at once, with this as the outcome."""

    serial: int
    settings: Settings | None = None
    files: tuple[Todo, ...] = ()
    shares: dict[str, int] = field(default_factory=dict)
    rate: int | None = None
    heard: int = 0
    recall: bool = False
    over: bool = False
    stop: FastdlError | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """From a lane to the head. `seen` is the serial of the last orders; `open` has for each host it asks for how many
    connections there are; `room`: how many more files it could do with; `waiting`: files that were not begun;
    `returned`: jobs that are given back; `unfit`: why this worker can do nothing for the run."""

    lane: int
    serial: int
    seen: int
    events: tuple[Event, ...] = ()
    vows: tuple[Vow, ...] = ()
    open: dict[str, int] = field(default_factory=dict)
    room: int = 0
    waiting: int = 0
    returned: tuple[int, ...] = ()
    unfit: FastdlError | None = None


class Line(Protocol):
    """The way from a lane to the head and back. `get` and `put` raise OSError where it is broken."""

    def put(self, report: Report) -> None:
        """Send it. Returns when it is on its way."""

    def get(self, seconds: float) -> Orders | None:
        """The next orders; None if there are none for so long."""

    def staying(self) -> bool:
        """Whether this worker goes on working."""

    def close(self) -> None:
        """Let a `get` that waits return."""
