"""Whether a goal is met, and whether a miss is more than noise."""

from __future__ import annotations

import pytest

from benches.row import Goal, Term
from benches.text import MIB
from benches.verdicts import Outcome, judge, number, wanted

OWN, CURL = Term("fastdl"), Term("curl")


def judged(goal: Goal, **walls: list[float]) -> Outcome:
    return judge(
        goal, {task: {"wall": values, "peak": values, "share": values} for task, values in walls.items()}, {}, {}
    )


def test_the_value_is_the_ratio_of_the_medians_and_the_limit_itself_is_met() -> None:
    goal = Goal("wall / curl", OWN, (CURL,), 0.5)
    outcome = judged(goal, fastdl=[1.0, 2.0, 9.0], curl=[4.0, 4.0, 4.0])
    assert (outcome.value, outcome.verdict, outcome.beyond) == (0.5, "met", False)
    assert outcome.spread is not None
    assert (outcome.spread.low, outcome.spread.high) == (0.25, 2.25)


def test_a_miss_counts_only_beyond_the_noise_and_with_three_runs() -> None:
    goal = Goal("wall / curl", OWN, (CURL,), 1.0)
    clear = judged(goal, fastdl=[1.10, 1.10, 1.10], curl=[1.0, 1.0, 1.0])
    assert (clear.verdict, clear.beyond, clear.said) == ("missed", True, "missed")
    near = judged(goal, fastdl=[1.01, 1.01, 1.01], curl=[1.0, 1.0, 1.0])
    assert (near.verdict, near.beyond, near.said) == ("missed", False, "missed, within noise")
    loud = judged(goal, fastdl=[0.8, 1.10, 1.4], curl=[1.0, 1.0, 1.0])
    assert (loud.verdict, loud.beyond) == ("missed", False)
    few = judged(goal, fastdl=[9.0, 9.0], curl=[1.0, 1.0])
    assert (few.verdict, few.beyond, few.said) == ("missed", False, "missed, too few runs to tell")


def test_of_several_peers_the_larger_one_counts() -> None:
    goal = Goal("wall / the larger", OWN, (CURL, Term("sha256sum")), 1.1)
    outcome = judged(goal, fastdl=[2.2] * 3, curl=[1.0] * 3, sha256sum=[2.0] * 3)
    assert (outcome.value, outcome.verdict) == (pytest.approx(1.1), "met")


def test_a_share_is_to_be_large() -> None:
    goal = Goal("of the sum", Term("fastdl", "share"), limit=0.92, at_least=True, unit="%")
    assert judged(goal, fastdl=[0.93] * 3).verdict == "met"
    low = judged(goal, fastdl=[0.80] * 3)
    assert (low.verdict, low.beyond) == ("missed", True)


def test_memory_is_in_bytes_and_its_limit_in_mib() -> None:
    goal = Goal("peak", Term("fastdl", "peak"), limit=45.0, unit="MiB")
    assert judged(goal, fastdl=[45.0 * MIB] * 3).verdict == "met"
    assert judged(goal, fastdl=[47.0 * MIB] * 3).beyond


def test_without_a_limit_it_is_shown_and_never_missed() -> None:
    outcome = judged(Goal("wall / curl", OWN, (CURL,)), fastdl=[9.0] * 3, curl=[1.0] * 3)
    assert (outcome.verdict, outcome.value, outcome.beyond) == ("shown", 9.0, False)


def test_what_is_missing_is_skipped_and_what_went_wrong_has_failed() -> None:
    goal = Goal("wall / curl", OWN, (CURL,), 1.0)
    figures = {"fastdl": {"wall": [1.0]}}
    absent = judge(goal, figures, {}, {"curl": "curl is not installed"})
    assert absent.said == "skipped: curl is not installed"
    failed = judge(goal, figures, {"curl": "curl ended with 7"}, {})
    assert failed.said == "failed: curl ended with 7"
    assert judge(goal, figures, {}, {}).said == "skipped: curl was not measured"
    other = judge(Goal("cpu", Term("fastdl", "cpu")), figures, {}, {})
    assert other.said == "skipped: fastdl has no cpu"
    assert judge(goal, figures | {"curl": {"wall": [0.0]}}, {}, {}).verdict == "skipped"


def test_figures_and_limits_read_as_people_write_them() -> None:
    assert [number(1.234, ""), number(0.0321, ""), number(0.925, "%"), number(1.5 * MIB, "MiB")] == [
        "1.23",
        "0.032",
        "92.5 %",
        "1.5 MiB",
    ]
    assert wanted(Goal("g", OWN, limit=45, unit="MiB")) == "<= 45.0 MiB"
    assert wanted(Goal("g", OWN, limit=0.92, at_least=True, unit="%")) == ">= 92.0 %"
    assert wanted(Goal("g", OWN)) == "-"
