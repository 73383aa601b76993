"""The tables of the servers that were met, and of those that lied. How knowledge fades is core/servers' business.

All of it works on an open connection to the state database, see io/store.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.servers import FORGOTTEN, LIE_LASTS, Memory, Report, Server, lasts, recall, remember
from fastdl.core.shown import clean, mask
from fastdl.io.database import bound

if TYPE_CHECKING:
    import sqlite3

MOST_SERVERS = 2_000
MOST_LIES = 1_000
_LONGEST_HOST = 300  # characters: a name of 253, a port
_LONGEST_TEXT = 4_000


def host_key(netloc: str) -> str:
    """What stands for a server in the tables: host and port, without a user's name."""
    return clean(netloc.rpartition("@")[2].lower(), _LONGEST_HOST)


def known(db: sqlite3.Connection, hosts: Iterable[str], now: float) -> dict[str, Server]:
    """What is known at `now` (Unix time) of those among `hosts` that were met before."""
    found = {host: _memory(db, host_key(host)) for host in hosts}
    return {host: recall(memory, now) for host, memory in found.items() if memory is not None}


def everyone(db: sqlite3.Connection, now: float) -> Iterator[Server]:
    """Every server, the one met last first."""
    rows = db.execute("select * from servers order by seen desc, host")
    return (recall(memory, now) for memory in map(_checked, rows) if memory is not None)


def learn(db: sqlite3.Connection, reports: Sequence[Report], now: float) -> None:
    """Add what downloads saw of their servers."""
    memories: dict[str, Memory] = {}  # many files of one server are one row
    for report in reports:
        key = host_key(report.host)
        memory = memories[key] if key in memories else _memory(db, key)
        memories[key] = remember(memory, report._replace(host=key), now)
    rows = [tuple(memory) for memory in memories.values()]
    db.executemany("insert or replace into servers values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    db.execute("delete from servers where seen < ?", (now - FORGOTTEN,))
    bound(db, "servers", "host", "seen", MOST_SERVERS)


def lies(db: sqlite3.Connection, now: float) -> Iterator[tuple[str, float, str]]:
    """(netloc, Unix time, half a sentence) of those that count still, the newest first."""
    for host, told, evidence in db.execute("select host, told, evidence from lies order by told desc, host"):
        if isinstance(told, float) and lasts(told, now):
            yield str(host), told, str(evidence)


def note_lie(db: sqlite3.Connection, netloc: str, evidence: str, now: float) -> None:
    """See Store.note_lie."""
    row = (host_key(netloc), now, clean(mask(evidence), _LONGEST_TEXT))
    db.execute("insert or replace into lies values (?, ?, ?)", row)
    db.execute("delete from lies where told <= ?", (now - LIE_LASTS,))
    bound(db, "lies", "host", "told", MOST_LIES)


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
