"""`fastdl cache info`: what is remembered, and where; `fastdl cache clear` forgets all of it but the history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from fastdl.cli.parse import parse
from fastdl.cli.state import JSON, YES, check, confirmed, counted, one_of, open_store, refuse, say
from fastdl.core.hints import Any
from fastdl.core.quantity import format_size
from fastdl.io.store import Info, Store
from fastdl.ui.text import safe

CACHE_OPTIONS = (JSON, YES)
CACHE_HELP = "'cache info' says what is remembered and where, 'cache clear' forgets it: servers, lies, ETags."


def main(args: Sequence[str]) -> int:
    """Runs `cache` with the arguments after the command's name."""
    values, words = parse(args, CACHE_OPTIONS)
    return cache(values, words)


def cache(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `cache` with option values by key; the exit code. Raises UsageError, DiskError."""
    if one_of("cache", words, ("info", "clear")) == "clear":
        refuse("cache clear", values, JSON)
        return _clear(open_store(), values)
    refuse("cache info", values, YES)
    return _info(open_store(), as_json=bool(values.get(JSON.key)))


def _info(store: Store, *, as_json: bool) -> int:
    info = store.info()
    check(store)
    if as_json:
        say([json.dumps(info._asdict())])
        return 0
    say(
        [
            f"{safe(info.path)}: {format_size(info.bytes) if info.bytes else 'not there yet'}",
            f"servers: {info.servers}",
            f"lies: {info.lies}",
            f"ETags: {info.etags}",
            f"history: {counted(info.history, 'download')} (stays when the cache is cleared)",
        ]
    )
    return 0


def _clear(store: Store, values: Mapping[str, Any]) -> int:
    before = store.info()
    check(store)
    if confirmed(f"Forget {_held(before)}?", values):
        store.clear()
        check(store)
        say([f"forgot {_held(before)}"])
    return 0


def _held(info: Info) -> str:
    parts = (counted(info.servers, "server"), counted(info.lies, "lie"), counted(info.etags, "ETag"))
    return f"{parts[0]}, {parts[1]} and {parts[2]}"
