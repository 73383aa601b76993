"""What is remembered between runs, in SQLite in the platform's state folder.

Several fastdl at once may use it (WAL). It is never worth a failed download: whatever goes wrong here is passed over,
and a damaged file is set aside."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator

_SCHEMA = """
create table if not exists etags (url_key text, path text, etag text not null, size integer, seen real,
  primary key (url_key, path)) without rowid
"""
_MOST_ETAGS = 200_000


class Store:
    """The state database in `folder`; opened for each use, since uses are rare."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, "state.sqlite3")

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=5.0)
        try:
            connection.execute("pragma journal_mode = wal")
            connection.execute(_SCHEMA)
            with connection:
                yield connection
        finally:
            connection.close()

    def etag(self, url_key: str, path: str) -> str | None:
        """The ETag that was noted for the file at `path`, if the file still has the size that it had then."""
        if not os.path.exists(self._path):
            return None
        try:
            with self._open() as db:
                row = db.execute(
                    "select etag, size from etags where url_key = ? and path = ?", (url_key, os.path.abspath(path))
                ).fetchone()
            return str(row[0]) if row is not None and row[1] == os.stat(path).st_size else None
        except (sqlite3.Error, OSError):
            self._set_aside()
            return None

    def note_etag(self, url_key: str, path: str, etag: str, size: int) -> None:
        """Remember the ETag of the file that now stands at `path`."""
        row = (url_key, os.path.abspath(path), etag, size, time.time())
        for _ in range(2):
            try:
                with self._open() as db:
                    db.execute("insert or replace into etags values (?, ?, ?, ?, ?)", row)
                    db.execute(
                        "delete from etags where (select count(*) from etags) > ? and seen in"
                        " (select seen from etags order by seen limit 1000)",
                        (_MOST_ETAGS,),
                    )
                return
            except sqlite3.DatabaseError:
                self._set_aside()
            except OSError:
                return

    def _set_aside(self) -> None:
        """A file that is no database of ours gets another name; a locked one stays."""
        with contextlib.suppress(OSError):
            with open(self._path, "rb") as file:
                start = file.read(16)
            if start and start != b"SQLite format 3\0":
                os.replace(self._path, self._path + ".damaged")
