"""A bounded table of strings: each is kept once and has a small number.

Hosts and names of operators come up in every route, every worker and every statistic; as one object each they cost
their bytes once and compare by identity. The table never holds more than its limit, whatever is fed to it: the oldest
entry gives way and its number is used anew. Nothing that may hold a secret goes in: no URL, no path, no header.
"""

from __future__ import annotations


class Interner:
    """Text to a small number and back. Not locked; its owner is."""

    __slots__ = ("_free", "_limit", "_numbers", "_texts")

    def __init__(self, limit: int) -> None:
        """`limit`: most texts that are kept, at least 1. Raises ValueError."""
        if limit < 1:
            raise ValueError("an interner needs room for one text")
        self._limit = limit
        self._numbers: dict[str, int] = {}  # in order of arrival
        self._texts: list[str | None] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, text: str) -> bool:
        return text in self._numbers

    @property
    def limit(self) -> int:
        return self._limit

    def number(self, text: str) -> int:
        """The text's number, at most `limit` - 1; a new text may take the number of the oldest."""
        known = self._numbers.get(text)
        if known is not None:
            return known
        if len(self._numbers) >= self._limit:
            self._drop(next(iter(self._numbers)))
        if self._free:
            number = self._free.pop()
            self._texts[number] = text
        else:
            number = len(self._texts)
            self._texts.append(text)
        self._numbers[text] = number
        return number

    def text(self, number: int) -> str:
        """The text of a number that is still in use. Raises KeyError."""
        text = self._texts[number] if 0 <= number < len(self._texts) else None
        if text is None:
            raise KeyError(number)
        return text

    def keep(self, text: str) -> str:
        """The one object for this text."""
        return self.text(self.number(text))

    def held(self) -> list[str]:
        """All texts, for who weighs them."""
        return list(self._numbers)

    def _drop(self, text: str) -> None:
        number = self._numbers.pop(text)
        self._texts[number] = None
        self._free.append(number)
