"""Parts of the scheduler are really off while they are said to be off, and back afterwards."""

from __future__ import annotations

import random

import pytest

from benches import switches
from fastdl.core import plan
from fastdl.core.scheduler import Scheduler
from fastdl.core.state import Limits
from simulation.clock import Clock
from simulation.content import Version
from simulation.network import Network
from simulation.parts import Place, Settings
from simulation.server import Change, Server
from simulation.shell import Outcome, download


@pytest.mark.parametrize("part", switches.PARTS)
def test_a_part_is_replaced_and_comes_back(part: str) -> None:
    owner, name, _ = switches.PARTS[part][1]()
    before, own = getattr(owner, name), name in vars(owner)
    with switches.off([part]):
        assert getattr(owner, name) != before
    assert getattr(owner, name) == before
    assert (name in vars(owner)) is own


def test_a_part_comes_back_after_an_error() -> None:
    before = Scheduler.wants_next
    with pytest.raises(RuntimeError), switches.off(["pipelining", "stealing"]):
        raise RuntimeError
    assert Scheduler.wants_next is before


def test_a_part_that_is_gone_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(switches.PARTS, "gone", ("", lambda: (plan, "no_such_function", None)))
    with pytest.raises(switches.NoSuchPart, match="no_such_function"), switches.off(["gone"]):
        pass


def test_an_unknown_part() -> None:
    with pytest.raises(switches.NoSuchPart, match="nonsense"), switches.off(["nonsense"]):
        pass
    with pytest.raises(SystemExit) as usage:
        switches.main(["--off", "nonsense", "--", "--version"])
    assert usage.value.code == 2


def test_growth_off_begins_with_all_connections() -> None:
    with switches.off(["growth"]):
        assert plan.Growth.begin(0.0001, None, 8, 1, 0.0).allowed == 8
    assert plan.Growth.begin(0.0001, None, 8, 1, 0.0).allowed < 8


def test_sizing_off_makes_all_ranges_alike() -> None:
    with switches.off(["sizing"]):
        assert {plan.guided(rate, 100 * plan.MIB, 0.1, 1) for rate in (None, 1.0, 1e9)} == {plan.MIN_SPLIT}


def test_the_list_and_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert switches.main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(switches.PARTS)
    assert switches.main(["--off", "stealing", "--", "--version"]) == 0
    assert capsys.readouterr().out.startswith("fastdl")


def play(one: Server, *off: str) -> Outcome:
    """A download in the simulator without these parts."""
    clock, chance = Clock(), random.Random(1)
    with switches.off(off):
        outcome = download(clock, Network(clock, chance), [Place(one)], Settings(Limits(8)), chance)
    assert outcome.error is None, outcome.error
    return outcome


def server(**rest: object) -> Server:
    """An honest server of 32 MiB."""
    return Server("one", [(0.0, Version(1, 32 * plan.MIB, '"v1"'))], rtt=0.08, **rest)  # type: ignore[arg-type]


def test_without_pipelining_no_request_goes_out_early() -> None:
    def early(outcome: Outcome) -> int:
        return sum(attempt.watch.pipelined for attempt in outcome.attempts)

    assert early(play(server(rate=1e6), "pipelining")) == 0 < early(play(server(rate=1e6)))


def test_without_hedging_and_stealing_a_slow_connection_is_waited_for() -> None:
    slow = [Change(8.0, 2, 20e3)]  # it has a second's worth of a faster connection before it
    with_all = play(server(rate=0.5e6, changes=slow))
    without = play(server(rate=0.5e6, changes=slow), "hedging", "stealing", "stalls")
    assert without.seconds > 1.5 * with_all.seconds


def test_without_any_part_the_file_is_still_right() -> None:
    play(server(rate=1e6), *switches.PARTS)
