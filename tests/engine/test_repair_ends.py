"""How a repair goes about it, what ends it, and that any lies but the origin's are mended."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastdl.core.ranges import RangeSet
from fastdl.engine import repair
from fastdl.errors import ConnectionLost
from fastdl.io.partial import Partial
from repair_rig import EACH_RANGE, LIES, MIB, NOISE, ONE_BYTE, TRUTH, Run, altered, interleaved, rig


class Changed(Exception):
    """The file changed at the origin."""


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
