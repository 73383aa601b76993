"""The table of past downloads: what of one is written down, and which rows are believed when they are read again.

All of it works on an open connection to the state database; when that is done, and what becomes of a failure, is
io/store's business.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.history import PRIVATE, Entry, Totals, history_error, history_url
from fastdl.core.shown import clean
from fastdl.io.servers import host_key
from fastdl.io.validators import stored_path

if TYPE_CHECKING:
    import sqlite3

MOST_HISTORY = 10_000
_LONGEST_TEXT = 4_000


def add(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Write down downloads that have ended. Secrets are masked here once more."""
    rows = [_row(entry) for entry in entries]
    db.executemany("insert into history values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    # numbers are never used twice, so the newest number says which ones are too old
    db.execute("delete from history where id <= (select max(id) from history) - ?", (MOST_HISTORY,))


def newest(db: sqlite3.Connection, limit: int | None) -> Iterator[Entry]:
    """At most `limit`, the newest first. A row that makes no sense is left out."""
    sql = (
        "select ended, url, path, size, seconds, rate, exit_code, error, sha256, digest_source, sources"
        " from history order by id desc limit ?"
    )
    for row in db.execute(sql, (-1 if limit is None else limit,)):
        try:
            yield _entry(*row)
        except (TypeError, ValueError, OverflowError, RecursionError):
            continue


def totals(db: sqlite3.Connection) -> Totals:
    """Sums over all of it."""
    sql = (
        "select count(*), coalesce(sum(exit_code != 0), 0), coalesce(sum(rate * seconds), 0),"
        " coalesce(sum(seconds), 0), min(ended) from history"
    )
    count, failed, size, seconds, since = db.execute(sql).fetchone()
    since = since if isinstance(since, float) else None  # SQLite keeps whatever is written into a column
    return Totals(count, failed, round(size), float(seconds), since)


def clear(db: sqlite3.Connection) -> tuple[int, int]:
    """Remove all rows; how many downloads there were, and how many profiles, which tell of downloads too."""
    profiles = db.execute("delete from profiles").rowcount
    return db.execute("delete from history").rowcount, profiles


def _row(entry: Entry) -> tuple[Any, ...]:
    url = history_url(entry.url, private=entry.url.endswith(PRIVATE))
    return (
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


def _sources(entry: Entry) -> list[list[Any]]:
    """[netloc, trust, bytes, faults] of each; those of an earlier fastdl have no faults."""
    faults = entry.faults if len(entry.faults) == len(entry.sources) else ()
    rows = [[host_key(host), trust, size] for host, trust, size in entry.sources]
    return [[*row, *faults[number : number + 1]] for number, row in enumerate(rows)]


def _entry(
    when: Any, url: Any, path: Any, size: Any, seconds: Any, rate: Any, code: Any, error: Any, sha256: Any,
    digest_source: Any, sources: Any,
) -> Entry:  # fmt: skip
    """Raises TypeError, ValueError, OverflowError or RecursionError for what makes no sense."""
    told = json.loads(sources)
    parts = tuple((str(host), str(trust), int(count)) for host, trust, count, *_ in told)
    faults = tuple(int(row[3]) for row in told) if all(len(row) > 3 for row in told) else ()
    facts = (None if size is None else int(size), float(seconds), float(rate), int(code))
    words = (_word(error), _word(sha256), _word(digest_source))
    return Entry(float(when), str(url), _word(path), *facts, *words, parts, faults)


def _word(value: Any) -> str | None:
    return None if value is None else str(value)
