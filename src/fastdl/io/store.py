"""What is remembered between runs, in SQLite in the platform's state folder: servers, lies, ETags, history, counters.

It is never worth a failed download: whatever goes wrong is passed over (io/database), and every table is bounded. No
URL of a private download and no secret gets in here. Here is when something is read and written; the rows are the
business of io/validators, io/servers and io/history; io/caches and io/profiles keep tables of their own in it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.history import Entry, Totals
from fastdl.core.record import Record
from fastdl.core.servers import Report, Server
from fastdl.io import servers, validators
from fastdl.io.database import Database
from fastdl.io.validators import Kept

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Entry", "Info", "Kept", "Report", "Server", "Store", "Totals"]

FILE = "state.sqlite3"
LOOKED_AFTER = 5_000  # ETags that are written between two looks at how many there are
MOST_NOTED = 500  # reports and downloads that wait to be written
NOTED_SECONDS = 2.0  # for so long at most, where others come
MOST_KEPT = 64  # the same for ETags: more than a lot of small files, which has them written before its names
KEPT_SECONDS = 0.2
VERSION = 4

_SCHEMA = (
    # what a file was when it was fetched, and the server's validators of it
    """create table if not exists validators (url_key text, path text, etag text, modified text, size integer,
    mtime integer, chosen integer, seen real, primary key (url_key, path)) without rowid""",
    # before version 4 there were ETags alone
    """create table if not exists etags (url_key text, path text, etag text not null, size integer, seen real,
    primary key (url_key, path)) without rowid""",
    "insert or ignore into validators select url_key, path, etag, null, size, null, 0, seen from etags",
    "drop table etags",
    """create table if not exists servers (host text primary key, rate real, rate_weight real, latency real,
    latency_weight real, connections real, busy real, errors real, ranges integer, ranges_seen real,
    downloads integer, bytes integer, seen real) without rowid""",
    "create table if not exists lies (host text primary key, told real, evidence text) without rowid",
    """create table if not exists history (id integer primary key autoincrement, ended real, url text, path text,
    size integer, seconds real, rate real, exit_code integer, error text, sha256 text, digest_source text,
    sources text)""",
    "create table if not exists counters (name text primary key, hits integer, misses integer) without rowid",
    """create table if not exists heaps (name text primary key, entries integer, bytes integer, most integer)
    without rowid""",
    # of the last downloads with --profile, see io/profiles
    "create table if not exists profiles (id integer primary key autoincrement, ended real, url text, told text)",
)


class Info(Record):
    """The store itself: where, how many bytes on disk, how many rows of each kind."""

    path: str
    bytes: int = 0
    servers: int = 0
    lies: int = 0
    etags: int = 0
    history: int = 0


def ignore(text: str) -> None:
    """For those who want no warnings."""


class Store:
    """The state database in `folder`. No method raises; `trouble` says what the last one had to pass over, if anything.
    One object may serve all threads of a process; its file is opened when first needed and stays open until `close` or
    until the object is gone. `warn` is told if a damaged or newer file had to be set aside."""

    def __init__(self, folder: str, warn: Callable[[str], None] = ignore) -> None:
        self._db = Database(os.path.join(folder, FILE), _SCHEMA, VERSION, warn)
        self._guard = threading.Lock()  # of what is to be written
        self._flushed = -NOTED_SECONDS  # the first one is written at once: most runs have no second
        self._reports: list[Report] = []
        self._ended: list[Entry] = []
        self._kept: dict[str, dict[str, Kept]] = {}  # by URL's key and by path
        self._names_chosen: bool | None = None
        self._kept_flushed = -KEPT_SECONDS
        self._unseen = LOOKED_AFTER  # ETags since their number was looked at

    @property
    def path(self) -> str:
        return self._db.path

    @property
    def database(self) -> Database:
        """For those who keep a table of their own in it."""
        return self._db

    @property
    def trouble(self) -> str:
        """Why the last use was of no avail; empty if it went well."""
        return self._db.trouble

    def close(self) -> None:
        """Write what is to be written, and let go of the file."""
        self.flush()
        self._db.close()

    # --- what files were ---------------------------------------------------------------------------------

    def noted(self, url_key: str) -> list[Kept]:
        """What was noted of the files that a URL was fetched to; most often one, of many the newest ones: somebody may
        fetch it into another folder each day."""
        with self._guard:
            waiting = dict(self._kept.get(url_key, {}))
        none: list[Kept] = []
        written = self._db.read(lambda db: list(validators.of(db, url_key)), none)
        return [*waiting.values(), *(kept for kept in written if kept.path not in waiting)]

    def names_chosen(self) -> bool:
        """Whether any file has a name that its URL does not tell: else there is no need to look for one. Asked once, as
        for each of many small files it would cost a part of its time."""
        if self._names_chosen is None:
            found = self._db.read(validators.any_chosen, False)
            self._names_chosen = found or bool(self._names_chosen)
        return self._names_chosen

    # --- servers and lies --------------------------------------------------------------------------------

    def servers(self, hosts: Iterable[str]) -> dict[str, Server]:
        """What is known now of those among `hosts` ("host" or "host:port") that were met before."""
        asked = list(hosts)
        return self._db.read(lambda db: servers.known(db, asked, time.time()), {}) if asked else {}

    def all_servers(self) -> list[Server]:
        """Every server that is remembered, the one met last first."""
        return self._db.read(lambda db: list(servers.everyone(db, time.time())), [])

    def learn(self, reports: Sequence[Report]) -> None:
        """Adds what a download saw of its servers, in one transaction."""
        if reports:
            self._db.write(lambda db: servers.learn(db, reports, time.time()), None)

    def liars(self) -> dict[str, float]:
        """The servers that sent altered bytes within the last 30 days, with the Unix time of that."""
        return {host: told for host, told, _ in self.lies()}

    def lies(self) -> list[tuple[str, float, str]]:
        """The same with the evidence, newest first: (netloc, Unix time, half a sentence)."""
        return self._db.read(lambda db: list(servers.lies(db, time.time())), [])

    def note_lie(self, netloc: str, evidence: str) -> None:
        """Remember that a server sent altered bytes. `evidence`: half a sentence without a URL."""
        self._db.write(lambda db: servers.note_lie(db, netloc, evidence, time.time()), None)

    # --- downloads that have ended -----------------------------------------------------------------------

    def note(self, reports: Sequence[Report], entry: Entry | None, kept: Kept | None = None) -> None:
        """What a download saw of its servers, its line of the history, and what its file was. Written later and for
        many downloads at once: a transaction for each would cost a run of many small files a fifth of its time. At the
        latest when the store is closed."""
        with self._guard:
            if kept is not None:
                self._kept.setdefault(kept.url_key, {})[kept.path] = kept
                self._names_chosen = True if kept.chosen else self._names_chosen
            if entry is not None:
                self._ended.append(entry)
            self._reports += reports
            now = time.monotonic()
            full = len(self._reports) + len(self._ended) >= MOST_NOTED
            late = now - self._flushed > NOTED_SECONDS
            kept_late = bool(self._kept) and now - self._kept_flushed > KEPT_SECONDS
            kept_due = len(self._kept) >= MOST_KEPT or kept_late
        if full or late:
            self.flush()
        elif kept_due:
            self._write([], [])

    def write_kept(self) -> None:
        """Writes what was noted of files: before these get their names, since after a kill nobody would know them."""
        if self._kept:
            self._write([], [])

    def flush(self) -> None:
        """Writes what `note` has collected."""
        with self._guard:
            self._flushed = time.monotonic()
            reports, self._reports = self._reports, []
            entries, self._ended = self._ended, []
        self._write(reports, entries)

    def _write(self, reports: Sequence[Report], entries: Sequence[Entry]) -> None:
        with self._guard:
            self._kept_flushed = time.monotonic()
            kept = [each for of_one in self._kept.values() for each in of_one.values()]
            self._unseen += len(kept)
            look = bool(kept) and self._unseen > LOOKED_AFTER
            self._unseen = 0 if look else self._unseen

        def write(db: sqlite3.Connection) -> None:
            now = time.time()
            if reports:
                servers.learn(db, reports, now)
            if entries:
                from fastdl.io import history

                history.add(db, entries)
            validators.keep(db, kept, now)
            if look:
                validators.forget_surplus(db)

        if not (reports or entries or kept):
            return
        self._db.write(write, None)
        with self._guard:  # until here they can be found there
            for each in kept:
                of_one = self._kept.get(each.url_key, {})
                if of_one.get(each.path) is each:
                    del of_one[each.path]
                if not of_one:
                    self._kept.pop(each.url_key, None)

    # --- history -----------------------------------------------------------------------------------------

    def history(self, limit: int | None = None) -> list[Entry]:
        """Past downloads, newest first; at most `limit`."""
        from fastdl.io import history

        return self._db.read(lambda db: list(history.newest(db, limit)), [])

    def totals(self) -> Totals:
        """Sums over the history."""
        from fastdl.io import history

        return self._db.read(history.totals, Totals())

    def clear_history(self) -> int:
        """Removes the history, from the file too; how many downloads it had."""
        from fastdl.io import history

        removed = self._db.write(history.clear, (0, 0))
        if any(removed):
            self._db.shrink()
        return removed[0]

    # --- the whole ---------------------------------------------------------------------------------------

    def info(self) -> Info:
        """Where the store lies, how large it is, what it holds."""

        def find(db: sqlite3.Connection) -> Info:
            tables = ("servers", "lies", "validators", "history")
            return Info(path, size, *(db.execute(f"select count(*) from {table}").fetchone()[0] for table in tables))

        path = self._db.path
        size = sum(_size(path + ending) or 0 for ending in ("", "-wal"))
        return self._db.read(find, Info(path, size))

    def clear(self) -> None:
        """Forgets servers, lies, ETags and counters; the history stays."""

        def forget(db: sqlite3.Connection) -> None:
            for table in ("servers", "lies", "validators", "counters", "heaps"):
                db.execute(f"delete from {table}")

        if os.path.exists(self._db.path):
            self._db.write(forget, None)
            self._db.shrink()


def _size(path: str) -> int | None:
    """Bytes of a file, None if there is none."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return None
