"""The times of the last profiled downloads, in the state database: what `stats --html` draws waterfalls from.

They belong to the history and go with it; nothing of a private download is kept, nor of one that the history does not
have. Each row is bounded, and so is their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.history import PRIVATE, Entry
from fastdl.core.record import Record
from fastdl.core.shown import clean, is_masked, mask

if TYPE_CHECKING:
    import sqlite3

    from fastdl.io.store import Store

MOST_PROFILES = 20
MOST_BYTES = 256 * 1024  # of one row
_LONGEST_URL = 4_000  # characters, as in the history
_LONGEST_HOST = 300
_MOST_SOURCES = 200
_COLUMNS = ("worker", "source", "phase", "start", "end", "bytes")


class Stretch(Record):
    """A span of a timeline. `worker` is None for the file's own thread, `source` counts `Profiled.sources`, None where
    the work was for none; `start`, `end`: seconds since the file was begun; `bytes` came meanwhile."""

    worker: int | None
    source: int | None
    phase: str
    start: float
    end: float
    bytes: int


class Profiled(Record):
    """The times of one download of the history. `when` and `url` as in its Entry; `sources`: (host, trust, bytes);
    `left_out`: spans that are missing, the shortest ones."""

    when: float
    url: str
    seconds: float
    sources: tuple[tuple[str, str, int], ...]
    spans: tuple[Stretch, ...]
    left_out: int


def keep(store: Store, told: Iterable[tuple[Entry, Mapping[str, Any]]]) -> None:
    """Add the times of downloads, as `Profile.kept` gives them. Never raises, as with all of the store."""
    rows = [
        (entry.when, clean(mask(entry.url), _LONGEST_URL), text)
        for entry, file in told
        if not is_masked(entry.url) and not entry.url.endswith(PRIVATE) and (text := _packed(file)) is not None
    ]

    def write(db: sqlite3.Connection) -> None:
        db.executemany("insert into profiles values (null, ?, ?, ?)", rows)
        db.execute("delete from profiles where id <= (select max(id) from profiles) - ?", (MOST_PROFILES,))

    if rows:
        store.database.write(write, None)


def load(store: Store) -> list[Profiled]:
    """What was kept, the last one first. A row that makes no sense is left out."""

    def find(db: sqlite3.Connection) -> list[Profiled]:
        rows = db.execute("select ended, url, told from profiles order by id desc")
        return [profiled for row in rows if (profiled := _unpacked(row)) is not None]

    return store.database.read(find, [])


def _packed(file: Mapping[str, Any]) -> str | None:
    """One row's text: without names of columns, and with the longest spans that there is room for."""
    spans = [tuple(span[name] for name in _COLUMNS) for span in file["timeline"]["spans"]]
    left_out = file["timeline"]["left_out"]
    sources = file["sources"][:_MOST_SOURCES]
    told = [[_host(each["url"]), each["trust"], each["bytes"]] for each in sources]
    while True:
        text = json.dumps([file["seconds"], told, spans, left_out], separators=(",", ":"))
        if len(text) <= MOST_BYTES:
            return text
        if not spans:
            return None
        order = sorted(range(len(spans)), key=lambda place: spans[place][3] - spans[place][4])
        kept = sorted(order[: len(spans) // 2])
        left_out += len(spans) - len(kept)
        spans = [spans[place] for place in kept]


def _host(url: str) -> str:
    """Host and port of a URL that was checked."""
    return clean(url.split("/")[2], _LONGEST_HOST)


def _unpacked(row: Sequence[Any]) -> Profiled | None:
    when, url, text = row
    try:
        seconds, sources, spans, left_out = json.loads(text)
        hosts = tuple((str(host), str(trust), int(count)) for host, trust, count in sources)
        stretches = tuple(_stretch(span, len(hosts)) for span in spans)
        return Profiled(float(when), str(url), _time(seconds), hosts, stretches, int(left_out))
    except (TypeError, ValueError, OverflowError, RecursionError):
        return None


def _stretch(span: Sequence[Any], sources: int) -> Stretch:
    worker, source, phase, start, end, count = span
    if source is not None and not 0 <= int(source) < sources:
        raise ValueError("a span of no source")
    begun, over = _time(start), _time(end)
    lane, place = (None if value is None else int(value) for value in (worker, source))
    return Stretch(lane, place, str(phase), begun, max(begun, over), max(0, int(count)))


def _time(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < 1e9:
        raise ValueError("no duration")
    return seconds
