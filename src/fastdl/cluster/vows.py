"""What a lane says before it names a file, and what another one makes of it when that lane has died meanwhile.

Without it a file that was whole would be fetched once more, or be found under its name by a run that knows nothing of
it. A vow says by which data file and which bytes it is known.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib

from fastdl.cluster.messages import Vow
from fastdl.core.hints import Any
from fastdl.core.plain import replace
from fastdl.engine import accounts
from fastdl.engine.download import Download
from fastdl.events import Started
from fastdl.io.partial import DATA_SUFFIX, JOURNAL_SUFFIX
from fastdl.io.settling import SmallFile, settle
from fastdl.settings import Settings


def made(download: Any, path: str) -> Vow | None:
    """The vow for the data file of `path`; None where it is gone."""
    try:
        state = os.stat(path + DATA_SUFFIX)
        crc = None
        if not os.path.lexists(path + JOURNAL_SUFFIX):
            with open(path + DATA_SUFFIX, "rb") as file:
                crc = zlib.crc32(file.read())
    except OSError:
        return None
    accounts.report(download)
    result = replace(download.result, path=download.landing.path, size=download.landing.size)
    return Vow(download.job, path, state.st_ino, state.st_size, crc, result)


def kept(vow: Vow, settings: Settings) -> bool:
    """Whether the file has its name, or gets it now. (One with a journal is left to a download: that goes on from it
    and asks for no byte.)"""
    with contextlib.suppress(OSError):
        if _is(vow, vow.path):
            return True
        return vow.crc is not None and _is(vow, vow.path + DATA_SUFFIX) and _named_now(vow, settings)
    return False


def _named_now(vow: Vow, settings: Settings) -> bool:
    file = SmallFile(vow.path, durable=settings.durable, replace=settings.overwrite or settings.newer)
    # A machine that died with its worker may have kept the size of a file and lost its bytes.
    if not file.find(lambda data: zlib.crc32(data) == vow.crc):
        return False
    failed: list[object] = []
    settle([(file, failed.append)])
    return failed == [None]


def _is(vow: Vow, path: str) -> bool:
    try:
        state = os.stat(path)
    except FileNotFoundError:
        return False
    return state.st_ino == vow.inode and state.st_size == vow.size


class Kept(Download):
    """A file that is there by a vow: only what follows is left to do. Its result is to be the vow's."""

    def _do(self) -> None:
        self._began = time.monotonic()
        self.observer(Started(self.job, self.url))
