"""What proves one file: the size of a lock and the digests that it has to have, computed behind the writer, and the
digests of its pieces."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from fastdl.core.digests.base import Pieces, strongest
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.verify import Digest, Hasher, new_hasher
from fastdl.engine.digesting import FollowingDigest
from fastdl.errors import DigestMismatch, SizeMismatch
from fastdl.io.partial import Partial

if TYPE_CHECKING:
    from fastdl.core.lists.entry import Hold
    from fastdl.engine.piece_check import PieceChecker

_UNLOCK = "Nothing of it was kept; if the file is meant to change, remove its line from the lock."
_ASK = "Nothing of it was kept; tell whoever made the Metalink, or download the file by its URL."


@dataclass(frozen=True, slots=True)
class Expected:
    """A digest that the file has to have. `source`: user, url, origin or metalink; `who` gave it, in words for people
    ("" where the user did)."""

    digest: Digest
    source: str
    who: str = ""


class Proof:
    """The digests of one download, known from the start or found on the way."""

    def __init__(
        self, expected: Sequence[Expected], hold: Hold | None = None, listed: int | None = None, *, sha256: bool
    ) -> None:
        """`hold`: what a lock says of the file, one of `expected` too; `listed`: its size in bytes by a Metalink,
        which counts where no digest does; `sha256`: it is wanted whether it is to be compared or not."""
        self.expected = list(expected)
        self.hold = hold
        self._listed = listed
        self.foreseen: frozenset[str] = frozenset()  # algorithms of digests that are being looked up
        self._sha256 = sha256
        self._partial: Partial | None = None
        self._hashers: dict[str, Hasher] = {}
        self._following: list[FollowingDigest] = []
        self._checker: PieceChecker | None = None

    @property
    def strong(self) -> bool:
        """Whether one of the digests proves the file."""
        return any(each.digest.strong for each in self.expected)

    @property
    def text(self) -> str | None:
        """The strongest digest, as the journal keeps it."""
        best = strongest(each.digest for each in self.expected)
        return best.text if best is not None else None

    @property
    def given_by(self) -> str:
        """Who gave that one; "" where none is known."""
        best = strongest(each.digest for each in self.expected)
        return next((each.source for each in self.expected if each.digest is best), "")

    def allows(self, size: int | None) -> bool:
        """Whether it may be a file of so many bytes; None: that is not known yet."""
        return size is None or self._stated() in (None, size)

    def _stated(self) -> int | None:
        """The size that the file has to have."""
        if self.hold is not None:
            return self.hold.size
        return None if self.expected else self._listed

    def check_size(self, size: int | None) -> None:
        """Raises SizeMismatch where a lock or a Metalink has another one."""
        if not self.allows(size):
            who, hint = (self.hold.who, _UNLOCK) if self.hold is not None else ("the Metalink", _ASK)
            raise SizeMismatch(f"the file has {size} bytes", f"expected were {self._stated()}, as {who} says", hint)

    def _algorithms(self) -> list[str]:
        names = [each.digest.algorithm for each in self.expected]
        return list(dict.fromkeys(names + (["sha256"] if self._sha256 else [])))

    # --- while bytes come --------------------------------------------------------------------------------

    def in_order(self) -> list[Hasher]:
        """The hashers for output in order: what has gone out cannot be read again, so whatever may be asked for is
        computed from the first byte on."""
        names = dict.fromkeys([*self._algorithms(), *sorted(self.foreseen)])
        self._hashers = {name: new_hasher(name) for name in names}
        return list(self._hashers.values())

    def begin(self, partial: Partial) -> None:
        """Compute digests of this file from its first byte on; also where bytes that were hashed have been replaced."""
        self._end_digests()
        self._partial = partial
        self._hashers = {}
        self._hash(self._algorithms())

    def _hash(self, names: list[str]) -> None:
        fresh = {name: new_hasher(name) for name in names if name not in self._hashers}
        if fresh and self._partial is not None:
            self._hashers.update(fresh)
            self._following.append(FollowingDigest(self._partial, list(fresh.values())))

    def renew(self, expected: Sequence[Expected]) -> None:
        """The file is begun anew: what was found out about it may be of its former version."""
        self.end_pieces()
        self._checker = None
        self.expected = list(expected)

    def expect(self, expected: Expected) -> bool:
        """One more digest has become known; false if it was known before."""
        if any(each.digest == expected.digest for each in self.expected):
            return False
        self.expected.append(expected)
        self._hash([expected.digest.algorithm])
        return True

    def advance(self, front: int) -> None:
        """Every byte below `front` is stored: the digests may follow, as far as the pieces are right."""
        if self._checker is not None:
            front = min(front, self._checker.front)
        for following in self._following:
            following.advance(front)

    # --- pieces ------------------------------------------------------------------------------------------

    def check_pieces(self, pieces: Pieces, size: int, on_bad: Callable[[list[Range]], None]) -> str:
        """Check the pieces of a file of `size` bytes from now on, as they arrive; why that is not possible, or ""."""
        if self._partial is None or self._checker is not None:
            return ""
        from fastdl.core.pieces import PieceMap
        from fastdl.engine.piece_check import PieceChecker

        try:
            self._checker = PieceChecker(self._partial, PieceMap(pieces, size), on_bad)
        except ValueError as error:
            return str(error)
        return ""

    def stored(self, ranges: RangeSet) -> None:
        """These bytes are stored now."""
        if self._checker is not None:
            self._checker.advance(ranges)

    @property
    def has_pieces(self) -> bool:
        return self._checker is not None

    def right_pieces(self) -> RangeSet:
        """Bytes of pieces that are known to be right."""
        return self._checker.right() if self._checker is not None else RangeSet()

    def bad_pieces(self) -> list[Range]:
        """Bytes of a whole file whose pieces are wrong. Raises DiskError, Interrupted."""
        return self._checker.finish() if self._checker is not None else []

    # --- the end -----------------------------------------------------------------------------------------

    def values(self, size: int) -> dict[str, bytes]:
        """The digests of the whole file of `size` bytes, by algorithm. Raises DiskError, Interrupted."""
        for following in self._following:
            following.finish(size)
        return {name: hasher.digest() for name, hasher in self._hashers.items()}

    def fits(self, body: memoryview) -> bool:
        """Whether a file of these bytes has every digest that is known; `values` gives them afterwards."""
        self._hashers = {name: new_hasher(name) for name in self._algorithms()}
        for hasher in self._hashers.values():
            hasher.update(body)
        if all(self._hashers[each.digest.algorithm].digest() == each.digest.value for each in self.expected):
            return True
        self._hashers = {}
        return False

    def wrong(self, size: int) -> Expected | None:
        """The first digest that the whole file does not have. Raises as `values`."""
        values = self.values(size)
        for each in self.expected:
            if values.get(each.digest.algorithm, each.digest.value) != each.digest.value:
                return each
        return None

    def mismatch(self, wrong: Expected, size: int, evidence: str, *, discarded: bool) -> DigestMismatch:
        """The error for a whole file that does not have a digest. `evidence`: half a sentence on where the bytes came
        from, or ""; `discarded`: nothing of them is kept. Raises as `values`."""
        digest = wrong.digest
        hint = None
        if discarded:
            hint = "Nothing of it was kept; check that the digest is of this version, or tell the publisher."
        if wrong.source == "lock":
            hint = _UNLOCK
        what = f"the {digest.algorithm} does not match: the file has {self.values(size)[digest.algorithm].hex()}"
        given = f", as {wrong.who} says" if wrong.who else ""
        return DigestMismatch(what, f"expected was {digest.hex}{given}{'; ' + evidence if evidence else ''}", hint)

    def again(self) -> None:
        """Bytes that were hashed have been replaced: begin with the first one."""
        if self._partial is not None:
            self.begin(self._partial)

    def interrupt(self) -> None:
        """From any thread: a digest that is being waited for ends at once, with Interrupted."""
        for following in list(self._following):
            following.interrupt()
        if self._checker is not None:
            self._checker.interrupt()

    def end_pieces(self) -> None:
        """The attempt that the pieces were checked for is over."""
        if self._checker is not None:
            self._checker.stop()

    def _end_digests(self) -> None:
        for following in self._following:
            following.stop()
        self._following = []

    def close(self) -> None:
        """End all threads; the file is not read any more."""
        with contextlib.suppress(RuntimeError):  # a checker that ended the run itself
            self.end_pieces()
        self._end_digests()
