"""The table of what files were when they were fetched: the next run asks with a server's validators (RFC 9110, 8.8) for
a file that is still that one, and has no need to fetch it again.

All of it works on an open connection to the state database, see io/store.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.record import Record
from fastdl.io.database import bound

if TYPE_CHECKING:
    import sqlite3

MOST_ETAGS = 200_000
MOST_NOTED_OF_ONE = 64  # files of one URL that are looked at
_LONGEST_FIELD = 1_000


class Kept(Record):
    """A file when it was fetched: what the server said of it, and what it was on the disk. `path` is as the store has
    it (see `stored_path`), `size` in bytes, `mtime` in nanoseconds (None: an earlier fastdl did not note it);
    `chosen`: 1 if the server chose the name, and the URL does not tell it."""

    url_key: str
    path: str
    etag: str | None
    modified: str | None
    size: int
    mtime: int | None
    chosen: int = 0


def keep(db: sqlite3.Connection, kept: Sequence[Kept], now: float) -> None:
    """Note files; `now`: Unix time."""
    db.executemany("insert or replace into validators values (?, ?, ?, ?, ?, ?, ?, ?)", [(*each, now) for each in kept])


def forget_surplus(db: sqlite3.Connection) -> None:
    """Keep the table within its bound."""
    bound(db, "validators", "seen", "seen", MOST_ETAGS)


def of(db: sqlite3.Connection, url_key: str) -> Iterator[Kept]:
    """The newest files that a URL was fetched to. A row that makes no sense is left out."""
    sql = (
        "select url_key, path, etag, modified, size, mtime, chosen from validators where url_key = ?"
        " order by seen desc limit ?"
    )
    return (kept for row in db.execute(sql, (url_key, MOST_NOTED_OF_ONE)) if _sound(kept := Kept(*row)))


def any_chosen(db: sqlite3.Connection) -> bool:
    """Whether any file has a name that its URL does not tell."""
    return db.execute("select 1 from validators where chosen limit 1").fetchone() is not None


def is_field(value: str | None) -> bool:
    """Whether it may stand in a request as it is."""
    return value is None or (value.isprintable() and value.isascii() and 0 < len(value) <= _LONGEST_FIELD)


def stored_path(path: str) -> str:
    """The absolute path as text that SQLite takes: names of other encodings have surrogates in them."""
    return os.path.abspath(path).encode("utf-8", "backslashreplace").decode()


def _sound(kept: Kept) -> bool:
    """SQLite keeps whatever is written into a column."""
    texts = all(value is None or isinstance(value, str) for value in kept[:4])
    sound = texts and kept.path is not None and isinstance(kept.size, int) and isinstance(kept.mtime, int | None)
    return sound and is_field(kept.etag) and is_field(kept.modified)
