"""Which boot of the machine this is.

Bytes that were written and not flushed survive the death of a process and not that of the machine. A journal
therefore names its boot; where it differs from this one, only what was flushed is believed.
"""

from __future__ import annotations

import functools
import os
import sys


@functools.cache
def boot_identity() -> str:
    """A text that stays the same until the machine starts again. Where the system does not tell, it is never the
    same twice, which costs unflushed bytes and never truth."""
    try:
        return _identity()
    except (OSError, ValueError, ImportError, AttributeError):
        return f"unknown-{os.urandom(16).hex()}"


def _identity() -> str:
    if sys.platform == "linux":
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as file:
            return _not_empty(file.read().strip())
    if sys.platform == "darwin":
        return _sysctl(b"kern.bootsessionuuid")
    return _boot_minute()


def _sysctl(name: bytes) -> str:
    """The text of a macOS sysctl."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    room = ctypes.create_string_buffer(128)
    length = ctypes.c_size_t(len(room))
    if libc.sysctlbyname(name, room, ctypes.byref(length), None, ctypes.c_size_t(0)) != 0:
        raise OSError(ctypes.get_errno(), "sysctlbyname")
    return _not_empty(room.value.decode("ascii"))


def _boot_minute() -> str:
    """The time of the start, in minutes: it is computed from the clock and wavers by a second or two. No machine is
    up, downloading and up again within the minute; at a minute's edge the text differs, and unflushed bytes are
    fetched again."""
    import psutil

    return f"booted-{round(psutil.boot_time() / 60)}"


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text
