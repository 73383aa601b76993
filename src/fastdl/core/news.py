"""What has become of the sources since one last looked, in sentences for people (`-v`, the log).

The scheduler changes plain data and says nothing; this compares that data from look to look. So what is told cannot
disturb what is done, and a look costs a few comparisons a source.
"""

from __future__ import annotations

from collections.abc import Sequence

from fastdl.core import plan
from fastdl.core.health import MAPPED_RETRIES
from fastdl.core.plain import dataclass
from fastdl.core.quantity import format_seconds
from fastdl.core.state import Source


@dataclass(slots=True)
class _Seen:
    """A source as it was at the last look."""

    gone: bool = False
    stalls: int = 0
    limit: int = plan.MOST_CONNECTIONS
    fails: int = 0
    ranges: bool | None = None


class News:
    """Remembers what was told of each source of one attempt."""

    def __init__(self) -> None:
        self._seen: list[_Seen] = []

    def look(self, sources: Sequence[Source], retries: int, now: float) -> list[tuple[int, str]]:
        """What is new: (number of the source, half a sentence about it). `retries`: failures in a row that are borne;
        `now` in seconds on the scheduler's clock."""
        while len(self._seen) < len(sources):
            self._seen.append(_Seen())
        told = []
        for number, (source, seen) in enumerate(zip(sources, self._seen, strict=True)):
            told += [(number, text) for text in _news(source, seen, retries, now)]
        return told


def _news(source: Source, seen: _Seen, retries: int, now: float) -> list[str]:
    texts = []
    if source.stalls > seen.stalls:
        texts.append("stopped sending on a connection: another one fetches the rest of its range")
    if source.ranges is False and seen.ranges is not False:
        texts.append("serves no ranges, only the file as a whole")
    if source.error is not None:
        if not seen.gone:
            texts.append(f"is not asked any more: {source.error.what}" + _why(source.error.why))
    elif source.fails > seen.fails:
        most = min(retries, MAPPED_RETRIES) if source.mapped else retries
        texts.append(f"is asked again in {format_seconds(max(0.0, source.ready - now))} (try {source.fails} of {most})")
    elif seen.fails and not source.fails:
        texts.append("serves again")
    if source.limit < seen.limit and source.error is None:
        texts.append(f"serves {source.limit} at once, no more" if source.limit > 1 else "serves one at a time")
    seen.gone, seen.stalls, seen.limit = source.error is not None, source.stalls, source.limit
    seen.fails, seen.ranges = source.fails, source.ranges
    return texts


def _why(why: str) -> str:
    return f" ({why})" if why else ""
