"""What a running download tells whoever watches it.

The engine knows no progress bar, no log and no JSON: it hands these plain facts to an observer. They may come from
any thread of the engine, never two at once for one job. Texts are as the network gave them; observers clean and mask.
"""

from __future__ import annotations

from collections.abc import Callable

from fastdl.core.hints import Literal
from fastdl.core.plain import dataclass
from fastdl.result import Result


@dataclass(frozen=True, slots=True)
class Started:
    """A job was taken up.

    Attributes:
        job: Its number in the run, from 0.
        url: The URL as given.
    """

    job: int
    url: str


@dataclass(frozen=True, slots=True)
class Named:
    """The file's path is settled.

    Attributes:
        job: The number of its job.
        path: The final path, below the folder of the options.
        size: Bytes; None if the server did not say.
        resumed_bytes: Bytes that were there before this run.
    """

    job: int
    path: str
    size: int | None
    resumed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Checked(Named):
    """The file is whole and checked, and gets its name next. Said where a lock has to know that before; it goes no
    further than to that.

    Attributes:
        sha256: Of the whole file, in hex.
    """

    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a job is; about ten times a second while bytes come.

    Attributes:
        job: The number of the job.
        done: Bytes that are in the file.
        total: Bytes of the whole file; None: unknown.
        speed: Bytes a second, now.
        connections: How many bring bytes.
        sources: To how many different sources.
    """

    job: int
    done: int
    total: int | None
    speed: float
    connections: int = 1
    sources: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth telling.

    Attributes:
        job: The number of the job that it concerns; None: the run.
        level: `"info"` is a decision (the command shows it with -v), `"warning"` a danger.
        text: A sentence for people. It may hold what a server sent: clean it before a terminal gets it.
    """

    job: int | None
    level: Literal["info", "warning"]
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A job is over, well or not; exactly one for each Started.

    Attributes:
        job: Its number.
        result: What became of it.
    """

    job: int
    result: Result


@dataclass(frozen=True, slots=True)
class Lent:
    """The terminal is lent to a command of the user's, or given back. The API never does.

    Attributes:
        job: The number of the job whose file it follows.
        lent: Whether it is lent.
    """

    job: int
    lent: bool


Event = Started | Named | Progressed | Note | Ended | Lent
"""One of them."""
Observer = Callable[[Event], None]
"""Whoever is told: it gets one event, and is called by threads of the download."""
