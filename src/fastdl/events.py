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
    """A job was taken up. `job` numbers the files of one run from 0; `url` is the URL as given."""

    job: int
    url: str


@dataclass(frozen=True, slots=True)
class Named:
    """The file's path is settled. `size` in bytes, None if the server did not say; `resumed_bytes` were there
    before this run."""

    job: int
    path: str
    size: int | None
    resumed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far a job is: `done` bytes of `total` (None: unknown) are in the file, `speed` in bytes a second now,
    over `connections` to `sources` different sources."""

    job: int
    done: int
    total: int | None
    speed: float
    connections: int = 1
    sources: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something worth telling: a decision (`info`, shown with -v) or a danger (`warning`, shown unless -q)."""

    job: int | None
    level: Literal["info", "warning"]
    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A job is over, well or not; exactly one for each Started."""

    job: int
    result: Result


@dataclass(frozen=True, slots=True)
class Lent:
    """The terminal is lent to a command of the user's (`lent`), or given back."""

    job: int
    lent: bool


Event = Started | Named | Progressed | Note | Ended | Lent
Observer = Callable[[Event], None]
