"""A download of some bytes, as far as the tests of its files need it."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fastdl.core.journal import JournalHeader
from fastdl.io.partial import Partial

SIZE = 100_000
CONTENT = random.Random(0).randbytes(SIZE)
HEADER = JournalHeader(
    url_key="key",
    url="https://example.org/file",
    masked=False,
    name="file",
    size=SIZE,
    etag='"1"',
    last_modified=None,
    digest=None,
    boot="",
    sources=["https://example.org/file", "https://example.com/file"],
    created=1.0,
)
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
root_only = pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="needs root")


def names(folder: str | Path) -> list[str]:
    return sorted(os.listdir(folder))


def put(one: Partial, start: int, end: int, source: int = 0) -> int:
    """Fetch a run."""
    one.write(start, memoryview(CONTENT)[start:end])
    slot = one.run(start, source)
    one.record(slot, start, end, source)
    return slot


def whole(final: str) -> Partial:
    """A download that only has to be finished."""
    one = Partial.open(final)
    one.begin(HEADER)
    put(one, 0, SIZE)
    return one


def half(final: str) -> None:
    """What an interrupted run leaves."""
    one = Partial.open(final)
    one.begin(HEADER)
    put(one, 0, SIZE // 2)
    one.close()


def failing(number: int) -> Callable[..., int]:
    def fail(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail
