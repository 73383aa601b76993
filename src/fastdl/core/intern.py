"""A bounded table of strings, each kept once.

Hosts and names of operators come up in every route, every worker and every statistic; as one object each they cost
their bytes once and compare by identity. Whatever is fed to it, the table does not grow beyond its limit: the oldest
entry gives way. Nothing that may hold a secret goes in: no URL, no path, no header.
"""

from __future__ import annotations

import contextlib


class Interner:
    """Equal texts become one object. Threads may share it: each step is one operation of a dict, so no text is ever
    taken for another one. While several threads add, there may be one text too many for each."""

    __slots__ = ("_kept", "limit")

    def __init__(self, limit: int) -> None:
        """`limit`: most texts that are kept, at least 1. Raises ValueError."""
        if limit < 1:
            raise ValueError("an interner needs room for one text")
        self.limit = limit
        self._kept: dict[str, str] = {}  # in order of arrival

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, text: str) -> bool:
        return text in self._kept

    def keep(self, text: str) -> str:
        """The one object for this text."""
        known = self._kept.get(text)
        if known is not None:
            return known
        while len(self._kept) >= self.limit:
            with contextlib.suppress(RuntimeError, StopIteration):  # another thread has added or dropped one just now
                self._kept.pop(next(iter(self._kept)), None)
        return self._kept.setdefault(text, text)

    def held(self) -> list[str]:
        """All texts, for who weighs them."""
        return list(self._kept)
