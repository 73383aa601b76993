"""The SQLite file behind the store: opened when first used, shared by processes and threads, never worth an exception.

Whatever goes wrong is passed over and kept in `trouble`. A file that is damaged, or that a newer fastdl has written, is
set aside: it gets another name, and a new one begins. A file that is locked, read-only or full stays where it is.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence

from fastdl.core.hints import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
Work = Callable[["sqlite3.Connection"], T]
Warn = Callable[[str], None]

READ_WAIT = 1.0  # seconds for another process to let go; a download begins without what cannot be read
WRITE_WAIT = 5.0
_MOST_ASIDE = 20  # files that were set aside, of one kind
_PASSED_OVER = (OSError, OverflowError, ValueError, TypeError, ImportError)  # ImportError: a Python without sqlite3


class Newer(Exception):
    """The file has a schema that this version does not know."""


class Database:
    """The file at `path`, with the tables that `schema` makes (each statement harmless where its table exists).
    `version` is the schema's; `warn` is told, once for each cause, that a file was set aside."""

    def __init__(self, path: str, schema: Sequence[str], version: int, warn: Warn) -> None:
        self.path = path
        self.trouble = ""
        self._schema = schema
        self._version = version
        self._warn = warn
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._given_up = False

    def read(self, work: Work[T], default: T) -> T:
        """What `work` finds, or `default`: if there is no file yet (none is made), or if it cannot be read."""
        with self._lock:
            if self._connection is None and not os.path.exists(self.path):
                return default
            return self._run(lambda db: _waiting(db, READ_WAIT, work), default)

    def write(self, work: Work[T], default: T) -> T:
        """Does `work` in one transaction; `default` if that is not possible."""
        with self._lock:
            return self._run(lambda db: _waiting(db, WRITE_WAIT, lambda open_db: _whole(open_db, work)), default)

    def shrink(self) -> None:
        """Takes what was deleted out of the file and out of its log, as far as other processes let it."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("vacuum")
            db.execute("pragma wal_checkpoint(truncate)").fetchall()

        trouble = self.trouble
        self.read(work, None)
        self.trouble = trouble

    def close(self) -> None:
        """Gives the connection back; the next use opens it again."""
        with self._lock:
            self._drop()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._drop()

    # --- inside ----------------------------------------------------------------------------------------------

    def _run(self, work: Work[T], default: T) -> T:
        """Runs `work`; a second time with a new file if the first one had to be set aside."""
        for _ in range(2):
            if self._given_up:
                return default
            try:
                import sqlite3

                try:
                    result = work(self._connection or self._open())
                    self.trouble = ""
                    return result
                except sqlite3.Error as error:
                    self._failed(error)
                    # the subclasses are about the use of a sound file: locked, read-only, full
                    if type(error) is not sqlite3.DatabaseError:
                        return default
                    self._set_aside("damaged", "is damaged")
                except Newer as error:
                    self._failed(error)
                    self._set_aside("newer", "is of a newer fastdl")
            except _PASSED_OVER as error:
                self._failed(error)
                return default
        return default

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        os.makedirs(os.path.dirname(self.path) or ".", mode=0o700, exist_ok=True)
        # SQLite gives its log and index the mode of the file
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        place = os.stat(self.path)
        self._identity = (place.st_dev, place.st_ino)
        # uses are made one after the other by the lock, whatever thread they come from
        db = sqlite3.connect(self.path, timeout=WRITE_WAIT, isolation_level=None, check_same_thread=False)
        try:
            db.execute("pragma synchronous = normal")
            db.execute("pragma secure_delete = on")
            if self._found(db) < self._version:
                db.execute("pragma journal_mode = wal").fetchall()
                _whole(db, self._upgrade)
        except BaseException:
            db.close()
            raise
        self._connection = db
        return db

    def _found(self, db: sqlite3.Connection) -> int:
        """The version of the file's schema, 0 for a new one. Raises Newer."""
        found = int(db.execute("pragma user_version").fetchone()[0])
        if found > self._version:
            raise Newer(f"its schema is {found}, known is {self._version}")
        return found

    def _upgrade(self, db: sqlite3.Connection) -> None:
        if self._found(db) < self._version:  # else another process was quicker
            for statement in self._schema:
                db.execute(statement)
            db.execute(f"pragma user_version = {self._version:d}")

    def _failed(self, error: Exception) -> None:
        self.trouble = str(error) or type(error).__name__
        self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _set_aside(self, ending: str, why: str) -> None:
        """Renames the file and its log, unless another process did so already. Raises OSError."""
        try:
            place = os.stat(self.path)
        except FileNotFoundError:
            return
        if (place.st_dev, place.st_ino) != self._identity:
            return  # what lies here now is another process's new file
        aside = _free(f"{self.path}.{ending}")
        try:
            _rename(self.path, aside)
        except OSError:
            self._given_up = True
            self._warn(f"the state file {self.path} {why} and cannot be set aside; nothing is remembered")
            raise
        self._warn(f"the state file {self.path} {why}; it is set aside as {os.path.basename(aside)}")


def bound(db: sqlite3.Connection, table: str, key: str, age: str, most: int) -> None:
    """Remove the oldest rows of a table that has more than `most`."""
    surplus = db.execute(f"select count(*) from {table}").fetchone()[0] - most
    if surplus > 0:
        sql = f"delete from {table} where {key} in (select {key} from {table} order by {age} limit ?)"
        db.execute(sql, (surplus,))


def _waiting(db: sqlite3.Connection, seconds: float, work: Work[T]) -> T:
    db.execute(f"pragma busy_timeout = {int(1000 * seconds)}")
    return work(db)


def _whole(db: sqlite3.Connection, work: Work[T]) -> T:
    """All of `work` or nothing. Writing is claimed at once: a reader that turns writer would not be made to wait."""
    db.execute("begin immediate")
    try:
        result = work(db)
        db.execute("commit")
        return result
    except BaseException:
        if db.in_transaction:
            db.execute("rollback")
        raise


def _free(path: str) -> str:
    """A name that is not taken yet; the last of many is used again and again."""
    names = [path, *(f"{path}.{number}" for number in range(2, _MOST_ASIDE + 1))]
    return next((name for name in names if not os.path.lexists(name)), names[-1])


def _rename(path: str, aside: str) -> None:
    """The log goes first: SQLite would play one that stayed behind into the new file. Raises OSError."""
    log = os.path.exists(path + "-wal")
    if log:
        os.replace(path + "-wal", aside + "-wal")
    try:
        os.replace(path, aside)
    except OSError:
        if log:
            with contextlib.suppress(OSError):
                os.replace(aside + "-wal", path + "-wal")
        raise
    with contextlib.suppress(OSError):
        os.remove(path + "-shm")
