"""What proves a file: digests known from the start or found on the way, over bytes that may be replaced, and pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fastdl.core.digests.base import Pieces
from fastdl.core.ranges import Range, RangeSet
from fastdl.core.verify import Digest
from fastdl.engine.proof import Expected, Proof
from fastdl.errors import DiskError, Interrupted
from fastdl.io.partial import Partial
from partials import CONTENT, HEADER, SIZE, put

LENGTH = 10_000


def expected(algorithm: str = "sha256", data: bytes = CONTENT, source: str = "user") -> Expected:
    return Expected(Digest(algorithm, hashlib.new(algorithm, data).digest()), source)


def pieces(data: bytes = CONTENT) -> Pieces:
    return Pieces("sha1", LENGTH, tuple(hashlib.sha1(data[at : at + LENGTH]).digest() for at in range(0, SIZE, LENGTH)))


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[Partial]:
    """A whole download."""
    made = Partial.open(str(tmp_path / "file"))
    made.begin(HEADER)
    put(made, 0, SIZE)
    yield made
    made.close()


@pytest.fixture
def proofs() -> Iterator[list[Proof]]:
    made: list[Proof] = []
    yield made
    for proof in made:
        proof.close()


class Make:
    """Makes proofs that are closed at the end."""

    def __init__(self, partial: Partial, proofs: list[Proof]) -> None:
        self.partial = partial
        self._proofs = proofs

    def __call__(self, *given: Expected, sha256: bool = False) -> Proof:
        proof = Proof(given, sha256=sha256)
        self._proofs.append(proof)
        proof.begin(self.partial)
        return proof


@pytest.fixture
def make(partial: Partial, proofs: list[Proof]) -> Make:
    return Make(partial, proofs)


# --- digests ---------------------------------------------------------------------------------------------


def test_only_what_is_needed_is_computed(make: Make) -> None:
    assert make().values(SIZE) == {}
    assert set(make(sha256=True).values(SIZE)) == {"sha256"}
    assert set(make(expected("md5"), expected("sha512"), sha256=True).values(SIZE)) == {"md5", "sha512", "sha256"}


def test_every_digest_has_to_agree(make: Make) -> None:
    good, bad, worse = expected("sha1"), expected("sha256", b"another"), expected("sha512", b"another")
    assert make(good).wrong(SIZE) is None
    assert make(good, bad, worse).wrong(SIZE) is bad
    assert make(expected(), expected("sha256", b"another")).wrong(SIZE) is not None, "two of one algorithm"


def test_one_that_is_found_on_the_way(make: Make) -> None:
    """Its bytes are hashed from the first one on, however far the others are."""
    proof = make(expected("sha1"))
    proof.advance(SIZE // 2)
    found = expected("sha256", source="origin")
    assert proof.expect(found)
    assert not proof.expect(replace(found, source="metalink")), "it is known"
    proof.advance(SIZE - 1)
    assert proof.wrong(SIZE) is None
    assert proof.values(SIZE)["sha256"] == found.digest.value
    late = expected("sha512", b"another", source="origin")
    assert proof.expect(late)
    assert proof.wrong(SIZE) == late


def test_one_of_an_algorithm_that_is_being_computed(make: Make) -> None:
    proof = make(sha256=True)
    proof.advance(SIZE)
    assert proof.expect(expected("sha256", b"another", "origin"))
    assert proof.wrong(SIZE) is not None


def test_what_was_replaced_is_hashed_anew(make: Make, partial: Partial) -> None:
    partial.write(7, memoryview(b"?"))
    proof = make(expected())
    proof.advance(SIZE)
    assert proof.wrong(SIZE) is not None
    partial.write(7, memoryview(CONTENT)[7:8])
    assert proof.wrong(SIZE) is not None, "nobody told it"
    proof.again()
    assert proof.wrong(SIZE) is None


@pytest.mark.parametrize(
    ("algorithms", "strong", "best"),
    [
        ([], False, None),
        (["md5"], False, "md5"),
        (["md5", "sha256"], True, "sha256"),
        (["sha256", "sha512"], True, "sha512"),
    ],
)
def test_the_best_is_what_the_journal_keeps(algorithms: list[str], strong: bool, best: str | None) -> None:
    proof = Proof([expected(name) for name in algorithms], sha256=False)
    assert proof.strong is strong
    assert (proof.text or "").partition(":")[0] == (best or "")


def test_for_output_in_order_all_that_may_be_asked_for_is_computed() -> None:
    """What went out cannot be read again."""
    proof = Proof([expected("sha1")], sha256=True)
    proof.foreseen = frozenset({"sha512", "sha1"})
    for hasher in proof.in_order():
        hasher.update(CONTENT)
    assert set(proof.values(SIZE)) == {"sha1", "sha256", "sha512"}
    assert proof.wrong(SIZE) is None
    assert proof.expect(expected("sha512", b"another", "origin"))
    assert proof.wrong(SIZE) is not None


def test_a_digest_that_came_too_late_for_output_in_order() -> None:
    """Of an algorithm that nobody foresaw: nothing can be said, so it does not count as agreed or not."""
    proof = Proof([], sha256=False)
    proof.in_order()
    proof.expect(expected("sha512", b"another", "origin"))
    assert proof.wrong(SIZE) is None


def test_an_interrupt_is_no_digest(make: Make) -> None:
    proof = make(expected())
    proof.interrupt()
    with pytest.raises(Interrupted):
        proof.wrong(SIZE)


def test_a_file_that_was_cut_meanwhile(make: Make, partial: Partial) -> None:
    proof = make(expected())
    with open(partial.data_path, "r+b") as file:
        file.truncate(100)
    with pytest.raises(DiskError):
        proof.wrong(SIZE)


def test_a_file_that_is_begun_anew(make: Make, partial: Partial) -> None:
    """Only what was given holds for another version."""
    given = expected("sha1")
    proof = make(given)
    proof.expect(expected("sha256", b"the former version", "origin"))
    proof.renew([given])
    partial.begin(HEADER)
    put(partial, 0, SIZE)
    proof.begin(partial)
    assert proof.expected == [given]
    assert proof.wrong(SIZE) is None
    assert set(proof.values(SIZE)) == {"sha1"}


# --- pieces ----------------------------------------------------------------------------------------------


class Pieced:
    """A proof with pieces; `told` is what was said of them."""

    def __init__(self, proof: Proof, listed: Pieces, size: int = SIZE) -> None:
        self.proof = proof
        self.told: list[Range] = []
        self.why = proof.check_pieces(listed, size, self.told.extend)


def test_pieces_that_do_not_fit_the_file_are_not_used(make: Make) -> None:
    pieced = Pieced(make(expected()), pieces(), SIZE + LENGTH)
    assert "do not make" in pieced.why
    assert not pieced.proof.has_pieces
    assert pieced.proof.bad_pieces() == []
    pieced.proof.advance(SIZE)
    assert pieced.proof.wrong(SIZE) is None


def test_before_there_is_a_file_there_are_no_pieces() -> None:
    proof = Proof([], sha256=False)
    assert Pieced(proof, pieces()).why == ""
    assert not proof.has_pieces


def test_wrong_pieces_are_found_at_the_end_at_the_latest(make: Make, partial: Partial) -> None:
    pieced = Pieced(make(expected()), pieces())
    assert pieced.proof.has_pieces
    partial.write(25_000, memoryview(b"??"))
    pieced.proof.end_pieces()
    assert pieced.proof.bad_pieces() == [Range(20_000, 30_000)]
    partial.write(25_000, memoryview(CONTENT)[25_000:25_002])
    assert pieced.proof.bad_pieces() == []


def test_digests_do_not_run_ahead_of_the_pieces(make: Make, partial: Partial) -> None:
    """Else they would have to begin anew where a piece is fetched again."""
    partial.write(25_000, memoryview(b"??"))
    proof = make(expected())
    pieced = Pieced(proof, pieces())
    proof.advance(SIZE)
    partial.write(25_000, memoryview(CONTENT)[25_000:25_002])
    proof.stored(RangeSet([(0, SIZE)]))
    proof.end_pieces()
    assert proof.bad_pieces() == []
    assert proof.wrong(SIZE) is None
    assert pieced.told == []


def test_a_list_is_taken_once_and_dropped_with_its_file(make: Make) -> None:
    proof = make(expected())
    Pieced(proof, pieces())
    wrong: Any = Pieced(proof, pieces(b"x" * SIZE))
    proof.end_pieces()
    assert proof.bad_pieces() == []
    assert wrong.why == ""
    proof.renew([])
    assert not proof.has_pieces
