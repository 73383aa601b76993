"""The bytes that the test servers serve: any size, any range, no memory, and no two places alike.

A pattern that repeats would hide the very faults that the tests look for (a block at the wrong offset looks right), so
every eight-byte word is a function of the seed and of its place: splitmix64, by numpy.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

_WORD = 8
_STEP = 1 << 20  # bytes made at a time by `digest`


def content(seed: int, start: int, end: int) -> bytes:
    """Bytes [start, end) of the file that belongs to `seed`."""
    if end <= start:
        return b""
    first = start // _WORD
    words = np.arange(first, -(-end // _WORD), dtype=np.uint64)
    with np.errstate(over="ignore"):
        words *= np.uint64(0x9E3779B97F4A7C15)
        words += np.uint64((seed * 0xD1B54A32D192ED03 + 1) & 0xFFFFFFFFFFFFFFFF)
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        words ^= words >> np.uint64(31)
    data = words.astype("<u8", copy=False).tobytes()
    return data[start - first * _WORD : end - first * _WORD]


@lru_cache(maxsize=256)
def digest(seed: int, size: int, algorithm: str = "sha256") -> str:
    """The digest, in hex, of the whole file of `size` bytes."""
    hasher = hashlib.new(algorithm)
    for at in range(0, size, _STEP):
        hasher.update(content(seed, at, min(size, at + _STEP)))
    return hasher.hexdigest()
