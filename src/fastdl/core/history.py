"""A past download as it is written down, and how much of its URL may stand there."""

from __future__ import annotations

from fastdl.core.pattern import pattern
from fastdl.core.record import Record
from fastdl.core.shown import is_masked, mask

PRIVATE = "/***"  # the end of a URL of which no more is told
_URLS = pattern(r"(?i)(https?://[^\s/?#()'\"<>]*)[^\s()'\"<>]*")


class Entry(Record):
    """One download of the history. `when`: Unix time of its end; `url`: as `history_url` gives it; `path`: None if it
    was never settled; `size`: bytes of the file; `seconds` and `bytes_per_second`: of that run; `sources`: (netloc,
    trust, bytes that it sent) of each; `faults`: how many each of them had, in the same order, or empty where nobody
    has counted."""

    when: float
    url: str
    path: str | None = None
    size: int | None = None
    seconds: float = 0.0
    bytes_per_second: float = 0.0
    exit_code: int = 0
    error: str | None = None
    sha256: str | None = None
    digest_source: str | None = None
    sources: tuple[tuple[str, str, int], ...] = ()
    faults: tuple[int, ...] = ()


class Totals(Record):
    """Sums over the history: downloads, how many of them failed, bytes fetched, seconds, Unix time of the oldest."""

    downloads: int = 0
    failed: int = 0
    bytes: int = 0
    seconds: float = 0.0
    since: float | None = None


def history_url(url: str, *, private: bool) -> str:
    """How a URL is written down: of a private download, and of a URL with a secret in it, only `scheme://host/***`."""
    shown = mask(url)
    if not private and not is_masked(url):
        return shown
    scheme, slashes, rest = shown.partition("://")
    netloc = rest.replace("\\", "/").split("/")[0].split("?")[0].split("#")[0].rpartition("@")[2]
    return f"{scheme}{slashes}{netloc}{PRIVATE}" if slashes else "***"


def history_error(text: str, url: str) -> str:
    """How an error is written down beside `url`, which `history_url` gave: masked, and if the download was private no
    URL in it goes beyond the host either."""
    shown = mask(text)
    return _URLS.sub(rf"\1{PRIVATE}", shown) if url.endswith(PRIVATE) else shown
