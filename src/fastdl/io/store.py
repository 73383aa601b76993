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
                    "select etag, size from etags where url_key = ? and path = ?", (url_key, _text(path))
                ).fetchone()
            return str(row[0]) if row is not None and row[1] == os.stat(path).st_size else None
        except sqlite3.Error as error:
            self._set_aside(error)
        except OSError:
            pass
        return None

    def note_etag(self, url_key: str, path: str, etag: str, size: int) -> None:
        """Remember the ETag of the file that now stands at `path`."""
        row = (url_key, _text(path), etag, size, time.time())
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
            except sqlite3.Error as error:
                self._set_aside(error)
            except (OSError, OverflowError):
                return

    def _set_aside(self, error: sqlite3.Error) -> None:
        """A file that is damaged, or no database at all, gets another name; one that is locked or full stays."""
        if type(error) is not sqlite3.DatabaseError:  # its subclasses are about the use of a sound file
            return
        with contextlib.suppress(OSError):
            os.replace(self._path, self._path + ".damaged")
        for ending in ("-wal", "-shm"):  # SQLite would play an old log into the new file
            with contextlib.suppress(OSError):
                os.remove(self._path + ending)


def _text(path: str) -> str:
    """The absolute path as text that SQLite takes: names of other encodings have surrogates in them."""
    return os.path.abspath(path).encode("utf-8", "backslashreplace").decode()
