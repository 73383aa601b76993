"""What a list says of one file, whatever its format, and what is wrong with a part of it that cannot be read.

Values of options stay as they were written: batch.py gives them to the same checks as the command line's.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastdl.core.hints import TYPE_CHECKING, Any, Literal
from fastdl.core.plain import dataclass, field

if TYPE_CHECKING:
    from fastdl.core.digests.base import ListedMirror, Pieces
    from fastdl.core.verify import Digest
    from fastdl.errors import FastdlError

Kind = Literal["text", "jsonl", "metalink"]


@dataclass(frozen=True, slots=True)
class Written:
    """The value of one option as it stands in a list, text or what JSON made of it. `key` is as it was written there,
    `line` where it stands; `negated`: the option of `get` says the opposite (`continue`, `no-durable`)."""

    key: str
    value: Any = field(repr=False)
    line: int
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a list. `line` counts lines from 1; in a Metalink, files. `mirrors` are further URLs of the file.

    `options` has what was written, by the key of the option of `get` that is meant. Size (bytes), digests and pieces
    come from a Metalink, and so do `sources` (all of them, best first; `url` and `mirrors` are the same) and `name`,
    which is a relative path with / that is safe below the folder."""

    line: int
    url: str = field(repr=False)
    mirrors: tuple[str, ...] = field(default=(), repr=False)
    options: Mapping[str, tuple[Written, ...]] = field(default_factory=dict)
    size: int | None = None
    digests: tuple[Digest, ...] = ()
    pieces: Pieces | None = None
    kind: Kind = "text"
    name: str = ""
    sources: tuple[ListedMirror, ...] = ()


@dataclass(frozen=True, slots=True)
class Broken:
    """A part of a list that is not understood. The error does not name the place yet; `url` is what was to be fetched,
    "" where that is not known."""

    line: int
    error: FastdlError
    url: str = field(default="", repr=False)
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Hold:
    """What a lock (--lock) holds a file to: its digest, its size in bytes. `who` names lock and line, for people."""

    digest: Digest
    size: int
    who: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list knows of a file beyond its settings: size in bytes, digests that all have to agree, digests of
    pieces. `ordered`: the sources stand in the order in which they are to be preferred. `hold`: what the lock of the
    list says."""

    source: Literal["user", "metalink"] = "user"
    size: int | None = None
    digests: tuple[Digest, ...] = ()
    pieces: Pieces | None = None
    ordered: bool = False
    hold: Hold | None = None
