"""Mending by provenance: whoever lied, and however little, the file gets right and no honest source is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastdl.core.ranges import RangeSet
from fastdl.engine.repair import GRAIN, SAMPLE, SAMPLES
from repair_rig import EACH_RANGE, KIB, LIES, MIB, NOISE, ONE_BYTE, TRUTH, altered, interleaved, rig

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
