"""Mending by provenance: whoever lied, and however little, the file gets right and no honest source is named."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastdl.core.ranges import RangeSet
from fastdl.engine import repair
from fastdl.engine.repair import GRAIN, SAMPLE, SAMPLES, Mender
from fastdl.engine.sinks import PartialSink
from fastdl.errors import ConnectionLost
from fastdl.io.partial import Partial
from partials import HEADER

KIB = 1024
MIB = 1024 * KIB
TRUTH = random.Random(5).randbytes(4 * MIB)

Run = tuple[int, int, str]  # start, end, source


class Changed(Exception):
    """The file changed at the origin."""


class Rig:
    """A file of several sources' bytes that is complete, and those sources. `sent[name]` is what a source sends of the
    file; `names` are the journal's sources; `today` those that may be asked, the origin first."""

    def __init__(
        self,
        folder: str | Path,
        runs: Iterable[Run],
        sent: dict[str, bytes],
        *,
        truth: bytes = TRUTH,
        names: Sequence[str] = (),
        today: Sequence[str] = (),
        block: int = 50_000,
        rank: Callable[[str], int] = lambda name: 0,
    ) -> None:
        self.truth = truth
        self.names = list(names or sent)
        self.today = list(today or self.names)
        self.sent = sent
        self.lied = dict.fromkeys(sent, 0)  # altered bytes that a source has sent by now
        self.asked: list[tuple[RangeSet, list[str]]] = []  # what was fetched, and from whom it might have been
        self.delivered = 0
        self.dies_after: int | None = None  # bytes, over all fetches
        self.error: BaseException = ConnectionLost("the origin is gone")
        self.plain = False  # the origin serves no ranges
        self._block = block
        self._turn = 0
        self.checks = 0
        self.final = str(Path(folder) / "file")
        self.partial = Partial.open(self.final)
        self.partial.begin(replace(HEADER, size=len(truth), sources=self.names))
        for start, end, name in runs:
            self._count(name, start, end)
            self.partial.write(start, memoryview(sent[name])[start:end])
            slot = self.partial.run(start, self.names.index(name))
            self.partial.record(slot, start, end, self.names.index(name))
            self.partial.end_run(slot)
        ids = [self.names.index(name) for name in self.today]
        self.mender = Mender(self.partial, ids, len(truth), lambda id_: rank(self.names[id_]), self.fetch, self.right)

    def close(self) -> None:
        self.partial.close()

    # --- what the mender is given ------------------------------------------------------------------------

    def fetch(self, missing: RangeSet, sources: frozenset[int], sink: PartialSink) -> None:
        assert 0 in sources, "the origin can always be asked"
        names = [self.today[number] for number in sorted(sources)]
        self.asked.append((RangeSet(missing), names))
        if self.plain and names == [self.today[0]]:
            missing = RangeSet([(0, len(self.truth))])
        for start, end in missing:
            for at in range(start, end, self._block):
                name = names[self._turn % len(names)]
                self._turn += 1
                self._deliver(sink, at, min(end, at + self._block), name)
        for number in sources:
            sink.settle(number)

    def _deliver(self, sink: PartialSink, start: int, end: int, name: str) -> None:
        if self.dies_after is not None and self.delivered + end - start > self.dies_after:
            for number in range(len(self.today)):
                sink.settle(number)
            raise self.error
        self.delivered += end - start
        self._count(name, start, end)
        number = self.today.index(name)
        sink.write(number, start, memoryview(self.sent[name])[start:end], number)

    def _count(self, name: str, start: int, end: int) -> None:
        if self.sent[name][start:end] != self.truth[start:end]:
            pairs = zip(self.sent[name][start:end], self.truth[start:end], strict=True)
            self.lied[name] += sum(one != other for one, other in pairs)

    def right(self) -> bool:
        self.checks += 1
        return self.data == self.truth

    # --- what is to be seen ------------------------------------------------------------------------------

    @property
    def data(self) -> bytes:
        buffer, at = memoryview(bytearray(len(self.truth))), 0
        while count := self.partial.read_into(at, buffer[at:]):
            at += count
        return bytes(buffer)

    @property
    def named(self) -> set[str]:
        return {self.names[id_] for id_ in self.mender.liars}

    @property
    def claims(self) -> list[Run]:
        return [(claim.start, claim.end, self.names[claim.source]) for claim in self.partial.provenance()]

    def amount(self, name: str) -> int:
        """Bytes that are said to have been altered by a source."""
        return self.mender.findings.altered[self.names.index(name)]

    def claimed_wrongly(self) -> list[Run]:
        """Claims of a source's bytes that are not this source's."""
        data = self.data
        return [run for run in self.claims if data[run[0] : run[1]] != self.sent[run[2]][run[0] : run[1]]]

    def check_whole(self) -> None:
        """Every byte is right and claimed once, by a source that sends it."""
        assert self.data == self.truth
        at = 0
        for start, end, _ in self.claims:
            assert start == at
            at = end
        assert at == len(self.truth)
        assert self.claimed_wrongly() == []


def altered(places: Iterable[int]) -> bytes:
    """The file with the bytes at these places altered."""
    out = bytearray(TRUTH)
    for at in places:
        out[at] ^= 1
    return bytes(out)


NOISE = random.Random(6).randbytes(len(TRUTH))
ONE_BYTE = altered([400_000])
EACH_RANGE = altered(range(100 * KIB, len(TRUTH), 256 * KIB))  # one byte of each 256 KiB

LIES = {"everything": NOISE, "a byte of each range": EACH_RANGE, "one byte": ONE_BYTE}


def interleaved(names: Sequence[str], length: int = 256 * KIB, size: int = len(TRUTH)) -> list[Run]:
    """Runs of equal length, the sources taking turns."""
    starts = range(0, size, length)
    return [(at, min(size, at + length), names[number % len(names)]) for number, at in enumerate(starts)]


@contextmanager
def rig(folder: str | Path, *args: object, **more: object) -> Iterator[Rig]:
    made = Rig(folder, *args, **more)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


# --- one liar --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", LIES)
def test_one_liar_among_three(tmp_path: Path, lie: str) -> None:
    sent = {"origin": TRUTH, "honest": TRUTH, "liar": LIES[lie]}
    with rig(tmp_path, interleaved(["origin", "liar", "honest"]), sent) as one:
        assert one.data != TRUTH
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named == {"liar"}
        assert one.amount("liar") > 0


@pytest.mark.parametrize("lie", LIES)
def test_the_only_source_beside_the_origin(tmp_path: Path, lie: str) -> None:
    with rig(tmp_path, interleaved(["origin", "liar"]), {"origin": TRUTH, "liar": LIES[lie]}) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named == {"liar"}


@pytest.mark.parametrize("lie", LIES)
def test_everything_came_from_the_liar(tmp_path: Path, lie: str) -> None:
    with rig(tmp_path, [(0, len(TRUTH), "liar")], {"origin": TRUTH, "liar": LIES[lie], "honest": TRUTH}) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named == {"liar"}


def test_runs_that_end_in_the_midst_of_a_grain(tmp_path: Path) -> None:
    """Ranges are cut anywhere: the neighbour of a liar's run is not the liar."""
    sent = {"origin": TRUTH, "honest": TRUTH, "liar": NOISE}
    runs = interleaved(["honest", "liar", "origin"], 100_001)
    with rig(tmp_path, runs, sent) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named == {"liar"}
        assert one.amount("liar") <= sum(end - start for start, end, name in runs if name == "liar")


def test_what_one_liar_costs(tmp_path: Path) -> None:
    """Of a liar that alters everything the sample is fetched from the origin, the rest from all who are honest."""
    runs = [(0, MIB, "origin"), (MIB, 2 * MIB, "liar"), (2 * MIB, 4 * MIB, "honest")]
    sent = {"origin": TRUTH, "honest": TRUTH, "liar": NOISE}
    with rig(tmp_path, runs, sent) as one:
        assert one.mender.mend(RangeSet())
        (samples, first), (rest, second) = one.asked
        assert (first, second) == (["origin"], ["origin", "honest"])
        assert samples.total == 2 * SAMPLES * SAMPLE  # of both suspects
        assert rest.total == MIB - SAMPLES * SAMPLE
        assert one.mender.findings.fetched.total() == one.delivered == samples.total + rest.total
        assert one.amount("liar") == MIB
        assert one.checks == 1


def test_what_one_byte_costs(tmp_path: Path) -> None:
    """The samples miss it; the challenge finds it; the origin is asked for that one grain."""
    runs = [(0, MIB, "liar"), (MIB, 4 * MIB, "origin")]
    with rig(tmp_path, runs, {"origin": TRUTH, "honest": TRUTH, "liar": ONE_BYTE}) as one:
        assert one.mender.mend(RangeSet())
        samples, challenge, decided = one.asked
        assert samples[1] == decided[1] == ["origin"]
        assert challenge[1] == ["origin", "honest"]
        # what the samples brought is the origin's by now
        assert samples[0].total + challenge[0].total == MIB
        assert decided[0].total == GRAIN
        assert one.mender.findings.fetched.total() == one.delivered == MIB + GRAIN
        assert one.amount("liar") == GRAIN
        one.check_whole()


def test_pieces_that_are_known_to_be_wrong_come_from_the_origin_and_nothing_else_is_fetched(tmp_path: Path) -> None:
    runs = [(0, MIB, "liar"), (MIB, 4 * MIB, "honest")]
    with rig(tmp_path, runs, {"origin": TRUTH, "honest": TRUTH, "liar": ONE_BYTE}) as one:
        bad = RangeSet([(393_216, 458_752)])
        assert one.mender.mend(bad)
        assert one.asked == [(bad, ["origin"])]
        assert one.named == {"liar"}
        one.check_whole()


# --- several ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", LIES)
def test_two_liars_that_agree(tmp_path: Path, lie: str) -> None:
    """They confirm each other; the origin contradicts both."""
    sent = {"origin": TRUTH, "one": LIES[lie], "two": LIES[lie]}
    runs = [(0, MIB, "one"), (MIB, 2 * MIB, "origin"), (2 * MIB, 3 * MIB, "two"), (3 * MIB, 4 * MIB, "one")]
    with rig(tmp_path, runs, sent, block=30_000) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named
        assert one.named <= {name for name, count in one.lied.items() if count}


@pytest.mark.parametrize("first", LIES)
@pytest.mark.parametrize("second", LIES)
def test_two_liars_that_differ(tmp_path: Path, first: str, second: str) -> None:
    others = {
        "everything": NOISE[::-1],
        "a byte of each range": altered(range(300 * KIB, len(TRUTH), 512 * KIB)),
        "one byte": altered([2_500_000]),
    }
    sent = {"origin": TRUTH, "one": LIES[first], "honest": TRUTH, "two": others[second]}
    runs = [(0, MIB + 5, "one"), (MIB + 5, 2 * MIB, "honest"), (2 * MIB, 3 * MIB, "two"), (3 * MIB, 4 * MIB, "origin")]
    with rig(tmp_path, runs, sent, block=30_000) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named
        assert one.named <= {"one", "two"}


def test_a_liar_of_an_earlier_run(tmp_path: Path) -> None:
    """Its bytes are there, and it cannot be asked any more. The origin is not the journal's first source."""
    sent = {"gone": EACH_RANGE, "origin": TRUTH, "honest": TRUTH}
    runs = interleaved(["gone", "honest", "origin"])
    with rig(tmp_path, runs, sent, today=["origin", "honest"]) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named == {"gone"}


def test_an_honest_source_that_a_liar_contradicts_is_not_named(tmp_path: Path) -> None:
    """The liar had no part in the file yet; it lies when it is asked for comparison."""
    sent = {"origin": TRUTH, "honest": TRUTH, "gone": ONE_BYTE, "liar": NOISE}
    runs = [(0, 300 * KIB, "honest"), (300 * KIB, 2 * MIB, "gone"), (2 * MIB, 4 * MIB, "origin")]
    with rig(tmp_path, runs, sent, today=["origin", "honest", "liar"], rank=["honest", "gone"].index) as one:
        assert one.mender.mend(RangeSet())
        one.check_whole()
        assert one.named <= {"gone", "liar"}
        assert "gone" in one.named


# --- nobody but the origin -------------------------------------------------------------------------------


def test_the_origins_own_bytes_are_wrong(tmp_path: Path) -> None:
    """Nothing to be mended: no request, no name."""
    with rig(tmp_path, [(0, len(TRUTH), "origin")], {"origin": ONE_BYTE, "honest": TRUTH}) as one:
        assert not one.mender.mend(RangeSet())
        assert one.asked == []
        assert one.named == set()


def test_honest_mirrors_of_an_origin_whose_digest_is_wrong(tmp_path: Path) -> None:
    """Everything is fetched from it in the end, nobody is accused."""
    wrong = altered(range(7, len(TRUTH), MIB))
    with rig(tmp_path, interleaved(["origin", "honest", "other"]), dict.fromkeys(["origin", "honest", "other"], wrong)
    ) as one:  # fmt: skip
        assert not one.mender.mend(RangeSet())
        assert one.named == set()
        assert {name for _, _, name in one.claims} == {"origin"}
        assert one.data == wrong


def test_bytes_that_nobody_claims(tmp_path: Path) -> None:
    """A torn journal: what has no source comes from the origin."""
    runs = [(0, MIB, "origin"), (2 * MIB, 4 * MIB, "origin")]
    with rig(tmp_path, runs, {"origin": TRUTH, "honest": TRUTH}) as one:
        assert one.mender.mend(RangeSet())
        assert one.asked == [(RangeSet([(MIB, 2 * MIB)]), ["origin"])]
        assert one.named == set()
        one.check_whole()


def test_bytes_that_nobody_claims_beside_a_liars(tmp_path: Path) -> None:
    runs = [(0, MIB, "honest"), (2 * MIB, 3 * MIB, "liar"), (3 * MIB + 1, 4 * MIB, "origin")]
    with rig(tmp_path, runs, {"origin": TRUTH, "honest": TRUTH, "liar": NOISE}) as one:
        assert one.mender.mend(RangeSet())
        assert one.named == {"liar"}
        one.check_whole()


# --- how -------------------------------------------------------------------------------------------------


def test_the_least_proved_are_looked_at_first(tmp_path: Path) -> None:
    trust = {"alias": 2, "official": 1, "stranger": 0, "origin": 3}
    sent = {"origin": TRUTH, "alias": ONE_BYTE, "official": TRUTH, "stranger": TRUTH}
    runs = [(0, MIB, "alias"), (MIB, 2 * MIB, "official"), (2 * MIB, 3 * MIB, "stranger"), (3 * MIB, 4 * MIB, "origin")]
    with rig(tmp_path, runs, sent, rank=trust.__getitem__) as one:
        assert [one.names[id_] for id_ in one.mender.suspects()] == ["stranger", "official", "alias"]
        assert one.mender.mend(RangeSet())
        challenges = [names for _, names in one.asked[1:-1]]
        assert challenges == [
            ["origin", "alias", "official"],
            ["origin", "alias", "stranger"],
            ["origin", "official", "stranger"],
        ]
        assert one.named == {"alias"}


def test_who_was_found_out_is_asked_no_more(tmp_path: Path) -> None:
    other = altered([3_500_000])
    sent = {"origin": TRUTH, "honest": TRUTH, "liar": NOISE, "sly": other}
    runs = [(0, MIB, "liar"), (MIB, 2 * MIB, "honest"), (2 * MIB, 3 * MIB, "origin"), (3 * MIB, 4 * MIB, "sly")]
    with rig(tmp_path, runs, sent) as one:
        assert one.mender.mend(RangeSet())
        assert all("liar" not in names for _, names in one.asked)
        assert one.named == {"liar", "sly"}


def test_an_origin_without_ranges_sends_the_whole_file_once(tmp_path: Path) -> None:
    """Asked for a sample it sends everything; then everything is its own."""
    with rig(
        tmp_path, interleaved(["origin", "liar", "honest"]), {"origin": TRUTH, "liar": NOISE, "honest": TRUTH}
    ) as one:
        one.plain = True
        assert one.mender.mend(RangeSet())
        assert len(one.asked) == 1
        assert one.named == {"liar"}
        one.check_whole()


def test_an_origin_without_ranges_and_with_wrong_bytes(tmp_path: Path) -> None:
    sent = dict.fromkeys(["origin", "honest"], EACH_RANGE)
    with rig(tmp_path, interleaved(["origin", "honest"]), sent) as one:
        one.plain = True
        assert not one.mender.mend(RangeSet())
        assert len(one.asked) == 1
        assert one.named == set()


# --- what ends a repair ----------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.3, 0.6, 0.9])
def test_an_origin_that_dies(tmp_path: Path, lie: str, share: float) -> None:
    """The error comes through, and the journal claims nothing that a source did not send, nor what is known to be
    wrong. The next run goes on from that, and ends well."""
    sent = {"origin": TRUTH, "honest": TRUTH, "liar": LIES[lie]}
    runs = interleaved(["origin", "liar", "honest"], 300_000)
    (tmp_path / "whole").mkdir()
    with rig(tmp_path / "whole", runs, sent) as whole:
        whole.mender.mend(RangeSet())
        most = int(whole.delivered * share)
    with rig(tmp_path, runs, sent) as one:
        one.dies_after = most
        with pytest.raises(ConnectionLost):
            one.mender.mend(RangeSet())
        assert one.claimed_wrongly() == []
        assert one.delivered == one.mender.findings.fetched.total()
        claimed = by_source(one.claims)
    again = Partial.open(one.final)
    try:
        assert by_source((claim.start, claim.end, one.names[claim.source]) for claim in again.claims) == claimed
    finally:
        again.close()


def by_source(runs: Iterable[Run]) -> dict[str, RangeSet]:
    """What is claimed of each source."""
    found: dict[str, RangeSet] = {}
    for start, end, name in runs:
        found.setdefault(name, RangeSet()).add(start, end)
    return found


def test_a_file_that_changes_meanwhile(tmp_path: Path) -> None:
    with rig(tmp_path, interleaved(["origin", "liar"]), {"origin": TRUTH, "liar": NOISE}) as one:
        one.dies_after, one.error = 100_000, Changed()
        with pytest.raises(Changed):
            one.mender.mend(RangeSet())
        assert one.claimed_wrongly() == []


# --- any lies, any ranges --------------------------------------------------------------------------------

SMALL = 1 << 12
SMALL_TRUTH = TRUTH[:SMALL]
NAMES = ["origin", "a", "b", "c"]
CUTS = st.lists(st.integers(1, SMALL - 1), max_size=14, unique=True).map(sorted)
LYING = st.one_of(  # the places of altered bytes, or the distance between them; 0: none
    st.just(0),
    st.frozensets(st.integers(0, SMALL - 1), min_size=1, max_size=5),
    st.integers(1, 500),
)


@settings(max_examples=200, deadline=None)
@given(
    cuts=CUTS,
    owners=st.lists(st.sampled_from(NAMES), min_size=15, max_size=15),
    lies=st.lists(LYING, min_size=3, max_size=3),
    absent=st.sets(st.sampled_from(NAMES[1:]), max_size=2),
    values=st.lists(st.integers(1, 2), min_size=3, max_size=3),
    block=st.integers(30, 2000),
)
def test_any_liars_but_the_origin(
    cuts: list[int],
    owners: list[str],
    lies: list[int | frozenset[int]],
    absent: set[str],
    values: list[int],
    block: int,
) -> None:
    """It always gets right, only liars are named, and what was fetched is counted. Liars with equal `values` agree."""
    sent = {"origin": SMALL_TRUTH}
    for name, lie, value in zip(NAMES[1:], lies, values, strict=True):
        data = bytearray(SMALL_TRUTH)
        for at in (range(0, SMALL, lie) if lie else ()) if isinstance(lie, int) else lie:
            data[at] ^= value
        sent[name] = bytes(data)
    runs = [(*pair, owner) for pair, owner in zip(zip([0, *cuts], [*cuts, SMALL]), owners)]  # noqa: B905
    today = [name for name in NAMES if name not in absent]
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(repair, "SAMPLE", 16)
        patch.setattr(repair, "GRAIN", 8)
        made = rig(folder, runs, sent, truth=SMALL_TRUTH, today=today, block=block, rank=NAMES[::-1].index)
        with made as one:
            assume(one.data != SMALL_TRUTH)
            assert one.mender.mend(RangeSet())
            one.check_whole()
            assert one.named <= {name for name, count in one.lied.items() if count}
            assert one.named
            assert one.mender.findings.fetched.total() == one.delivered
