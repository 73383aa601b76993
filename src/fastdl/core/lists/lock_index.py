"""Which entries a lock has, and which of them the list has met.

A lock may be long, so nothing is kept of an entry but where it stands and hashes of what it is looked up by; whoever
looks it up reads it again, and compares. Entries are known by their number.
"""

from __future__ import annotations

import itertools
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from fastdl.core.lists.lock import Wanted
from fastdl.core.record import Record

_NOT_MET = -1


class _Order(Record):
    """Entries in the order of one of their hashes."""

    hashes: array[int]  # of all entries
    numbers: array[int]

    def alike(self, value: int, most: int) -> list[int]:
        """Entries that have this hash, by their number; at most so many."""
        at = bisect_left(self.numbers, value, key=self.hashes.__getitem__)
        return [number for number in self.numbers[at : at + most] if self.hashes[number] == value]


class LockIndex:
    """Entries that are added before `sort` can be looked up, the others are only counted among the chosen ones."""

    def __init__(self) -> None:
        self._offsets = array("q")  # of each entry's line in its file
        self._places = array("q")  # in the list
        self._hashes = array("q")  # of what the entry is known by
        self._of_urls = array("q")  # of its URL alone
        self._of_names = array("q")  # of what two signatures of one URL have in common
        self._signed = array("q")  # the entries with a secret in their URL
        self.sort()

    def __len__(self) -> int:
        return len(self._offsets)

    def add(self, wanted: Wanted, offset: int, place: int = _NOT_MET) -> None:
        """One more entry, whose line stands at `offset` bytes; `place` is its file's number in the list."""
        if wanted.key:
            self._signed.append(len(self))
        self._offsets.append(offset)
        self._places.append(place)
        self._hashes.append(hash(wanted))
        self._of_urls.append(_of_url(wanted))
        self._of_names.append(_of_name(wanted))

    def sort(self) -> None:
        """Makes all that has been added findable."""
        self._by_all = _ordered(self._hashes, range(len(self)))
        self._by_url = _ordered(self._of_urls, range(len(self)))
        self._by_name = _ordered(self._of_names, self._signed)

    def offset(self, number: int) -> int:
        """Where the line of an entry begins."""
        return self._offsets[number]

    def same(self, wanted: Wanted, most: int) -> list[int]:
        """Entries of this very file."""
        return self._by_all.alike(hash(wanted), most)

    def same_url(self, wanted: Wanted, most: int) -> list[int]:
        """Entries of this very URL, secrets included."""
        return self._by_url.alike(_of_url(wanted), most)

    def same_name(self, wanted: Wanted, most: int) -> list[int]:
        """Entries that differ from this file in the secrets of their URL only."""
        return self._by_name.alike(_of_name(wanted), most)

    def doubles(self) -> Iterator[tuple[int, int]]:
        """Entries of one file, two and two."""
        numbers = self._by_all.numbers
        for first, second in itertools.pairwise(numbers):
            if self._hashes[first] == self._hashes[second]:
                yield first, second

    def is_met(self, number: int) -> bool:
        """Whether the list has the file of an entry."""
        return self._places[number] != _NOT_MET

    def meet(self, number: int, place: int) -> None:
        """The list has this entry's file, as its file number `place`."""
        if not self.is_met(number):
            self._places[number] = place

    def chosen(self, *, drop: bool) -> list[int]:
        """The entries that a new lock is to have, in the order of the list; what that does not have goes, or stays at
        the end. Of a file that has two the later one counts: it was checked against the earlier one."""
        newest: dict[int, int] = {}
        first: dict[int, int] = {}
        several = _several(self._hashes)
        met = [number for number in range(len(self)) if self.is_met(number)]
        for number in met:
            if (key := self._hashes[number]) in several:
                newest[key] = number
                first[key] = min(first.get(key, self._places[number]), self._places[number])
        chosen = sorted(
            (first.get(self._hashes[number], self._places[number]), number)
            for number in met
            if newest.get(self._hashes[number], number) == number
        )
        numbers = [number for _, number in chosen]
        if not drop:
            have = {self._hashes[number] for number in numbers}
            left = (number for number in range(len(self)) if not self.is_met(number))
            numbers += [number for number in left if self._hashes[number] not in have]
        return numbers


def _of_url(wanted: Wanted) -> int:
    return hash((wanted.url, wanted.key))


def _of_name(wanted: Wanted) -> int:
    return hash((wanted.url, wanted.dir, wanted.out))


def _ordered(hashes: array[int], numbers: Iterable[int]) -> _Order:
    return _Order(hashes, array("q", sorted(numbers, key=hashes.__getitem__)))


def _several(hashes: array[int]) -> set[int]:
    """The values that stand there more than once."""
    ordered = array("q", sorted(hashes))
    return {one for one, other in itertools.pairwise(ordered) if one == other}
