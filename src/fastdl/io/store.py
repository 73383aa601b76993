"""What is remembered between runs, in SQLite in the platform's state folder: servers, lies, ETags, history, counters.

It is never worth a failed download: whatever goes wrong is passed over (io/database), and every table is bounded. No
URL of a private download and no secret gets in here. How knowledge of a server fades is core/servers' business.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.history import PRIVATE, Entry, Totals, history_error, history_url
from fastdl.core.record import Record
from fastdl.core.servers import FORGOTTEN, LIE_LASTS, Memory, Report, Server, lasts, recall, remember
from fastdl.core.urls import clean, mask
from fastdl.io.database import Database

if TYPE_CHECKING:
    import sqlite3

    from fastdl.io.heaps import Heap

__all__ = ["Entry", "Info", "Report", "Server", "Store", "Totals", "history_url"]

FILE = "state.sqlite3"
MOST_ETAGS = 200_000
LOOKED_AFTER = 5_000  # ETags that are written between two looks at how many there are
MOST_NOTED_OF_ONE = 64  # files of one URL that are looked at
MOST_SERVERS = 2_000
MOST_LIES = 1_000
MOST_HISTORY = 10_000
MOST_NOTED = 500  # reports and downloads that wait to be written
NOTED_SECONDS = 2.0  # for so long at most, where others come
MOST_KEPT = 32  # the same for ETags: after a kill, files without them are sent once more
KEPT_SECONDS = 0.2
_LONGEST_HOST = 300  # characters: a name of 253, a port
_LONGEST_TEXT = 4_000
_LONGEST_FIELD = 1_000
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

    # --- ETags -----------------------------------------------------------------------------------------------

    def noted(self, url_key: str) -> list[Kept]:
        """What was noted of the files that a URL was fetched to; most often one, of many the newest ones: somebody may
        fetch it into another folder each day."""
        with self._guard:
            found = dict(self._kept.get(url_key, {}))

        def find(db: sqlite3.Connection) -> list[Kept]:
            sql = (
                "select url_key, path, etag, modified, size, mtime, chosen from validators where url_key = ?"
                " order by seen desc limit ?"
            )
            return [kept for kept in map(_kept, db.execute(sql, (url_key, MOST_NOTED_OF_ONE))) if kept is not None]

        none: list[Kept] = []
        return [*found.values(), *(kept for kept in self._db.read(find, none) if kept.path not in found)]

    def names_chosen(self) -> bool:
        """Whether any file has a name that its URL does not tell: else there is no need to look for one. Asked once, as
        for each of many small files it would cost a part of its time."""
        if self._names_chosen is None:
            sql = "select 1 from validators where chosen limit 1"
            found = self._db.read(lambda db: db.execute(sql).fetchone(), None)
            self._names_chosen = found is not None or bool(self._names_chosen)
        return self._names_chosen

    # --- servers ---------------------------------------------------------------------------------------------

    def servers(self, hosts: Iterable[str]) -> dict[str, Server]:
        """What is known now of those among `hosts` ("host" or "host:port") that were met before."""
        asked = {host: _host(host) for host in hosts}
        now = time.time()

        def find(db: sqlite3.Connection) -> dict[str, Server]:
            found = {host: _memory(db, key) for host, key in asked.items()}
            return {host: recall(memory, now) for host, memory in found.items() if memory is not None}

        return self._db.read(find, {}) if asked else {}

    def all_servers(self) -> list[Server]:
        """Every server that is remembered, the one met last first."""
        now = time.time()

        def find(db: sqlite3.Connection) -> list[Server]:
            rows = db.execute("select * from servers order by seen desc, host")
            return [recall(memory, now) for memory in map(_checked, rows) if memory is not None]

        return self._db.read(find, [])

    def learn(self, reports: Sequence[Report]) -> None:
        """Adds what a download saw of its servers, in one transaction."""
        if reports:
            self._db.write(lambda db: _learn(db, reports), None)

    # --- lies ------------------------------------------------------------------------------------------------

    def liars(self) -> dict[str, float]:
        """The servers that sent altered bytes within the last 30 days, with the Unix time of that."""
        return {host: told for host, told, _ in self.lies()}

    def lies(self) -> list[tuple[str, float, str]]:
        """The same with the evidence, newest first: (netloc, Unix time, half a sentence)."""
        now = time.time()

        def find(db: sqlite3.Connection) -> list[tuple[str, float, str]]:
            rows = db.execute("select host, told, evidence from lies order by told desc, host")
            sound = [(str(host), told, str(evidence)) for host, told, evidence in rows if isinstance(told, float)]
            return [lie for lie in sound if lasts(lie[1], now)]

        return self._db.read(find, [])

    def note_lie(self, netloc: str, evidence: str) -> None:
        """Remember that a server sent altered bytes. `evidence`: half a sentence without a URL."""
        now = time.time()

        def note(db: sqlite3.Connection) -> None:
            db.execute(
                "insert or replace into lies values (?, ?, ?)",
                (_host(netloc), now, clean(mask(evidence), _LONGEST_TEXT)),
            )
            db.execute("delete from lies where told <= ?", (now - LIE_LASTS,))
            _bound(db, "lies", "host", "told", MOST_LIES)

        self._db.write(note, None)

    # --- history ---------------------------------------------------------------------------------------------

    def add_history(self, entry: Entry) -> None:
        """Writes down a download that has ended. Secrets are masked here once more."""
        self._db.write(lambda db: _add_history(db, [entry]), None)

    def note(self, reports: Sequence[Report], entry: Entry | None, kept: Kept | None = None) -> None:
        """The same two, and what the file was, later and for many downloads at once: a transaction for each would cost
        a run of many small files a fifth of its time. At the latest when the store is closed."""
        with self._guard:
            if kept is not None:
                self._kept.setdefault(kept.url_key, {})[kept.path] = kept
                self._names_chosen = True if kept.chosen else self._names_chosen
            waited = time.monotonic() - self._kept_flushed > KEPT_SECONDS
            overdue = len(self._kept) >= MOST_KEPT or (bool(self._kept) and waited)
            self._reports += reports
            self._ended += [entry] if entry is not None else []
            full = len(self._reports) + len(self._ended) >= MOST_NOTED
            late = time.monotonic() - self._flushed > NOTED_SECONDS
        if full or late:
            self.flush()
        elif overdue:
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
            if reports:
                _learn(db, reports)
            if entries:
                _add_history(db, entries)
            _keep(db, kept)
            if look:
                _bound(db, "validators", "seen", "seen", MOST_ETAGS)

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

    def history(self, limit: int | None = None) -> list[Entry]:
        """Past downloads, newest first; at most `limit`."""

        def find(db: sqlite3.Connection) -> list[Entry]:
            sql = (
                "select ended, url, path, size, seconds, rate, exit_code, error, sha256, digest_source, sources"
                " from history order by id desc limit ?"
            )
            return list(_entries(db.execute(sql, (-1 if limit is None else limit,))))

        return self._db.read(find, [])

    def totals(self) -> Totals:
        """Sums over the history."""

        def find(db: sqlite3.Connection) -> Totals:
            sql = (
                "select count(*), coalesce(sum(exit_code != 0), 0), coalesce(sum(rate * seconds), 0),"
                " coalesce(sum(seconds), 0), min(ended) from history"
            )
            count, failed, size, seconds, since = db.execute(sql).fetchone()
            since = since if isinstance(since, float) else None  # SQLite keeps whatever is written into a column
            return Totals(count, failed, round(size), float(seconds), since)

        return self._db.read(find, Totals())

    def clear_history(self) -> int:
        """Removes the history, from the file too; how many downloads it had."""

        def remove(db: sqlite3.Connection) -> tuple[int, int]:
            profiles = db.execute("delete from profiles").rowcount  # they tell of downloads too
            return db.execute("delete from history").rowcount, profiles

        removed = self._db.write(remove, (0, 0))
        if any(removed):
            self._db.shrink()
        return removed[0]

    # --- counters and the whole ------------------------------------------------------------------------------

    def count(self, name: str, hits: int, misses: int) -> None:
        """Adds to the sums of a cache: how often something was found in it, and how often not."""

        def note(db: sqlite3.Connection) -> None:
            db.execute("insert or ignore into counters values (?, 0, 0)", (name,))
            db.execute("update counters set hits = hits + ?, misses = misses + ? where name = ?", (hits, misses, name))

        if hits or misses:
            self._db.write(note, None)

    def hold(self, name: str, heap: Heap) -> None:
        """What a cache holds at the end of a run."""

        def note(db: sqlite3.Connection) -> None:
            most = db.execute("select max(most) from heaps where name = ?", (name,)).fetchone()[0] or 0
            db.execute(
                "insert or replace into heaps values (?, ?, ?, ?)",
                (name, heap.entries, heap.bytes, max(most, heap.most)),
            )

        self._db.write(note, None)

    def heaps(self) -> dict[str, Heap]:
        """What each cache held at the end of the last run that had it, by its name."""
        from fastdl.io.heaps import Heap

        def find(db: sqlite3.Connection) -> dict[str, Heap]:
            rows = db.execute("select name, entries, bytes, most from heaps order by name")
            return {str(name): Heap(int(entries), int(size), int(most)) for name, entries, size, most in rows}

        return self._db.read(find, {})

    def counts(self) -> dict[str, tuple[int, int]]:
        """The sums of every cache by its name: (hits, misses)."""

        def find(db: sqlite3.Connection) -> dict[str, tuple[int, int]]:
            rows = db.execute("select name, hits, misses from counters order by name")
            return {str(name): (int(hits), int(misses)) for name, hits, misses in rows}

        return self._db.read(find, {})

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


# --- rows ----------------------------------------------------------------------------------------------------


def _learn(db: sqlite3.Connection, reports: Sequence[Report]) -> None:
    now = time.time()
    known: dict[str, Memory | None] = {}  # many files of one server are one row
    for report in reports:
        key = _host(report.host)
        if key not in known:
            known[key] = _memory(db, key)
        known[key] = remember(known[key], report._replace(host=key), now)
    rows = [tuple(memory) for memory in known.values() if memory is not None]
    db.executemany("insert or replace into servers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("delete from servers where seen < ?", (now - FORGOTTEN,))
    _bound(db, "servers", "host", "seen", MOST_SERVERS)


def _add_history(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    import json

    for entry in entries:
        url = history_url(entry.url, private=entry.url.endswith(PRIVATE))
        row = (
            entry.when,
            clean(url, _LONGEST_TEXT),
            entry.path if entry.path in (None, "-") else stored_path(entry.path),
            entry.size,
            entry.seconds,
            entry.bytes_per_second,
            entry.exit_code,
            clean(history_error(entry.error, url), _LONGEST_TEXT) if entry.error is not None else None,
            entry.sha256,
            entry.digest_source,
            json.dumps(_sources(entry)),
        )
        db.execute("insert into history values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    # numbers are never used twice, so the newest number says which ones are too old
    db.execute("delete from history where id <= (select max(id) from history) - ?", (MOST_HISTORY,))


def _sources(entry: Entry) -> list[list[Any]]:
    """[netloc, trust, bytes, faults] of each; those of an earlier fastdl have no faults."""
    faults = entry.faults if len(entry.faults) == len(entry.sources) else ()
    rows = [[clean(_host(host), _LONGEST_HOST), trust, size] for host, trust, size in entry.sources]
    return [[*row, *faults[number : number + 1]] for number, row in enumerate(rows)]


def _keep(db: sqlite3.Connection, kept: Sequence[Kept]) -> None:
    now = time.time()
    db.executemany("insert or replace into validators values (?, ?, ?, ?, ?, ?, ?, ?)", [(*each, now) for each in kept])


def _kept(row: Sequence[Any]) -> Kept | None:
    """A row of `validators` if it makes sense."""
    kept = Kept(*row)
    texts = all(value is None or isinstance(value, str) for value in kept[:4])
    sound = texts and kept.path is not None and isinstance(kept.size, int) and isinstance(kept.mtime, int | None)
    return kept if sound and is_field(kept.etag) and is_field(kept.modified) else None


def is_field(value: str | None) -> bool:
    """Whether it may stand in a request as it is."""
    return value is None or (value.isprintable() and value.isascii() and 0 < len(value) <= _LONGEST_FIELD)


def _memory(db: sqlite3.Connection, host: str) -> Memory | None:
    row = db.execute("select * from servers where host = ?", (host,)).fetchone()
    return _checked(row) if row is not None else None


def _checked(row: Sequence[Any]) -> Memory | None:
    """A row of `servers` if it makes sense: SQLite keeps whatever is written into a column."""
    host, *numbers = row
    ranges = numbers.pop(7)
    if not isinstance(host, str) or not all(isinstance(value, int | float) and 0 <= value < 1e19 for value in numbers):
        return None
    numbers.insert(7, bool(ranges) if ranges is not None else None)
    return Memory(host, *numbers)


def _entries(rows: Iterable[Sequence[Any]]) -> Iterator[Entry]:
    """Rows of `history`; one that makes no sense is left out."""
    import json

    for when, url, path, size, seconds, rate, code, error, sha256, source, sources in rows:
        try:
            told = json.loads(sources)
            parts = tuple((str(host), str(trust), int(count)) for host, trust, count, *_ in told)
            faults = tuple(int(row[3]) for row in told) if all(len(row) > 3 for row in told) else ()
            facts = (None if size is None else int(size), float(seconds), float(rate), int(code))
            words = (_word(error), _word(sha256), _word(source))
            yield Entry(float(when), str(url), _word(path), *facts, *words, parts, faults)
        except (TypeError, ValueError, OverflowError, RecursionError):
            continue


def _word(value: Any) -> str | None:
    return None if value is None else str(value)


def _bound(db: sqlite3.Connection, table: str, key: str, age: str, most: int) -> None:
    """Removes the oldest rows of a table that has more than `most`."""
    surplus = db.execute(f"select count(*) from {table}").fetchone()[0] - most
    if surplus > 0:
        sql = f"delete from {table} where {key} in (select {key} from {table} order by {age} limit ?)"
        db.execute(sql, (surplus,))


def _host(netloc: str) -> str:
    return clean(netloc.rpartition("@")[2].lower(), _LONGEST_HOST)


def stored_path(path: str) -> str:
    """The absolute path as text that SQLite takes: names of other encodings have surrogates in them."""
    return os.path.abspath(path).encode("utf-8", "backslashreplace").decode()


def _size(path: str) -> int | None:
    """Bytes of a file, None if there is none."""
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):
        return None
