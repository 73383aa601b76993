"""The command line of the benches, with rows that cost nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benches import __main__ as command
from benches import results
from benches.harness import RunFailed
from benches.row import Goal, Row, Sample, Setting, Task, Term

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")


def row(name: str, wall: float, limit: float | None = 1.0, wrong: str = "") -> Row:
    """A row whose fastdl always takes `wall` seconds beside a peer of one second."""

    def own(tree: Path) -> Sample:
        if wrong:
            raise RunFailed(wrong)
        return {"wall": wall}

    @contextmanager
    def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
        yield [Task("fastdl", own, own=True), Task("curl", lambda tree: {"wall": 1.0})]

    goals = (Goal("wall / curl", Term("fastdl"), (Term("curl"),), limit),)
    return Row(name, f"{name}!", goals, prepare, quick_runs=1)


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    found = [row("good", 0.5), row("near", 1.01), row("open", 7.0, None)]
    by_name = {one.name: one for one in found}

    def load(chosen: list[str] | None = None) -> list[Row]:
        if chosen is None:
            return found
        if not set(chosen) <= set(by_name):
            raise LookupError("no row is called that")
        return [by_name[name] for name in chosen]

    monkeypatch.setattr("benches.rows.load", load)
    return found


def test_it_prints_a_line_a_goal_and_how_many_were_met(fakes: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[:1] == "|"]
    assert [line[0] for line in cells[2:]] == ["good", "near", "open"]
    assert cells[2] == ["good", "wall / curl", "0.50", "0.50 - 0.50", "<= 1.00", "met"]
    assert [line[-1] for line in cells[2:]] == ["met", "missed, within noise", "shown"]
    assert "1 met, 1 missed, 0 skipped, 0 failed" in out


@pytest.mark.parametrize(
    ("more", "gated", "runs", "code"),
    [
        (row("bad", 2.0), True, "3", 1),
        (row("bad", 2.0), False, "3", 0),
        (row("bad", 2.0), True, "2", 0),  # too few to tell
        (row("broken", 0.1, wrong="fastdl ended with 5"), True, "3", 1),
        (row("broken", 0.1, wrong="fastdl ended with 5"), False, "3", 0),
        (row("fine", 0.9), True, "3", 0),
    ],
    ids=["missed", "missed, no gate", "two runs", "broken", "broken, no gate", "met"],
)
def test_only_the_gate_makes_it_fail(more: Row, gated: bool, runs: str, code: int, fakes: list[Row]) -> None:
    fakes.append(more)
    assert command.main(["run", "--runs", runs, *(["--gate"] if gated else [])]) == code


def test_rows_and_runs_are_chosen(fakes: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    assert command.main(["--rows", "open,good", "--runs", "4", "--json", str(path)]) == 0
    result = results.read(path)
    assert [one["name"] for one in result["rows"]] == ["open", "good"]
    assert result["rows"][1]["tasks"]["fastdl"]["wall"] == [0.5] * 4
    assert command.main(["--quick", "--json", str(path)]) == 0
    result = results.read(path)
    assert (result["quick"], len(result["rows"][0]["tasks"]["fastdl"]["wall"])) == (True, 1)


def test_a_result_says_what_was_measured_where(fakes: list[Row], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    command.main(["--json", str(path)])
    result = json.loads(path.read_text())
    assert {"commit", "branch", "changed", "machine", "versions", "began", "seconds", "runs"} <= set(result)
    assert {"load", "load_after", "processor", "cpus", "memory"} <= set(result["machine"])
    assert "python" in result["versions"]
    assert {"value", "low", "high", "noise", "limit", "verdict"} <= set(result["rows"][0]["goals"][0])
    assert results.goals_of(result)["good", "wall / curl"]["value"] == 0.5


@pytest.mark.parametrize(
    "words", [["--runs", "0"], ["--rows", "none"], ["--factor", "x"], ["--json", "/no/such/folder/x"]], ids=" ".join
)
def test_what_cannot_be_done_is_one_line_and_exit_2(
    words: list[str], fakes: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(words) == 2
    err = capsys.readouterr().err
    assert err.startswith("benches: ")
    assert err.count("\n") == 1


def test_ended_by_a_signal_it_cleans_up_and_prints_what_it_has(
    fakes: list[Row], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders: list[Path] = []

    @contextmanager
    def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
        folders.append(setting.disk)
        os.kill(os.getpid(), signal.SIGTERM)
        yield []

    fakes.append(Row("ended", "ended", (), prepare))
    handler = signal.getsignal(signal.SIGTERM)
    assert command.main(["--disk", str(tmp_path)]) == 143
    assert signal.getsignal(signal.SIGTERM) == handler
    assert len(folders) == 1
    assert list(tmp_path.iterdir()) == []
    out = capsys.readouterr().out
    assert "| good" in out
    assert "| ended" not in out


def test_a_long_reason_does_not_tear_the_table(fakes: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    fakes[:] = [row("broken", 1.0, wrong="fastdl ended with 1: " + "| very long\n" * 40)]
    command.main([])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 3
    assert len({line.count("|") for line in lines}) == 1
    assert len(lines[-1]) < 220
