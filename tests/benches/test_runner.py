"""Rows are run as they say: in turns, warm first, in folders of their own, and a failure does not spoil the rest."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from benches.harness import RunFailed
from benches.row import Goal, Row, Sample, Setting, Skip, Task, Term, missing, sample
from benches.runner import measure_row

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")
OLD, NEW = Path("old"), Path("new")


class Log:
    """Tasks that only write down that they ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.settings: list[Setting] = []

    def task(self, name: str, *, own: bool = False, program: str = "", wrong: str = "") -> Task:
        def run(tree: Path) -> Sample:
            self.ran.append(f"{name} {tree}" if own else name)
            if wrong:
                raise RunFailed(wrong)
            return {"wall": float(len(self.ran))}

        return Task(name, run, own, program, lambda: self.ran.append(f"check {name}"))

    def row(self, *tasks: Task, **more: object) -> Row:
        @contextmanager
        def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
            self.settings.append(setting)
            yield tasks

        return Row(**{"name": "fake", "title": "a fake", "goals": (), "prepare": prepare, **more})  # type: ignore[arg-type]


def test_tasks_take_turns_and_the_uncounted_run_is_checked() -> None:
    log = Log()
    row = log.row(log.task("a", own=True), log.task("b"))
    found = measure_row(row, {"new": NEW}, 2, quick=True)["new"]
    assert log.ran == ["a new", "check a", "b", "check b", "b", "a new", "a new", "b"]
    assert found.figures == {"a": {"wall": [6.0, 7.0]}, "b": {"wall": [5.0, 8.0]}}


def test_a_row_may_want_more_turns_and_none_to_warm_up() -> None:
    log = Log()
    found = measure_row(log.row(log.task("a"), warm=0, turns=4), {"new": NEW}, 2, quick=True)["new"]
    assert len(found.figures["a"]["wall"]) == 8


def test_two_trees_take_turns_and_peers_may_stay_away() -> None:
    log = Log()
    row = log.row(log.task("a", own=True), log.task("peer"), warm=0)
    both = measure_row(row, {"base": OLD, "changed": NEW}, 1, quick=True, peers=False)
    assert [name for name in log.ran if not name.startswith("check")] == ["a old", "a new"]
    assert {label: list(found.figures) for label, found in both.items()} == {"base": ["a"], "changed": ["a"]}


def test_a_peer_that_fails_or_is_missing_leaves_the_others_alone() -> None:
    log = Log()
    row = log.row(
        log.task("a", own=True), log.task("peer", wrong="peer ended with 7"), log.task("gone", program="no-such-thing")
    )
    found = measure_row(row, {"new": NEW}, 3, quick=True)["new"]
    assert found.faults == {"peer": "peer ended with 7"}
    assert found.absent == {"gone": "no-such-thing is not installed"}
    assert len(found.figures["a"]["wall"]) == 3
    assert (found.skipped, found.broken) == ("", False)
    assert log.ran.count("peer") == 1


def test_where_fastdl_fails_the_row_is_broken() -> None:
    log = Log()
    goal = Goal("wall", Term("a"), limit=1.0)
    row = log.row(log.task("a", own=True, wrong="fastdl ended with 5"), goals=(goal,))
    found = measure_row(row, {"new": NEW}, 3, quick=True)["new"]
    assert found.broken
    assert [outcome.verdict for outcome in found.outcomes] == ["failed"]


@pytest.mark.parametrize(
    ("error", "verdict"), [(Skip("no room"), "skipped"), (OSError("no server"), "failed"), (RunFailed("x"), "failed")]
)
def test_what_prevents_a_row_is_told_and_not_raised(error: Exception, verdict: str) -> None:
    @contextmanager
    def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
        raise error
        yield ()

    row = Row("fake", "a fake", (Goal("wall", Term("a"), limit=1.0),), prepare)
    found = measure_row(row, {"new": NEW}, 1, quick=True)["new"]
    assert found.skipped == str(error)
    assert [outcome.verdict for outcome in found.outcomes] == [verdict]


def test_a_row_whose_needs_are_not_there_is_not_even_prepared() -> None:
    log = Log()
    found = measure_row(log.row(log.task("a"), needs=("no-such-thing",)), {"new": NEW}, 1, quick=True)["new"]
    assert (found.skipped, found.broken, log.settings) == ("no-such-thing is not installed", False, [])


def test_folders_are_the_rows_own_and_gone_afterwards(tmp_path: Path) -> None:
    log = Log()
    measure_row(log.row(log.task("a")), {"new": NEW}, 1, quick=True, disk=tmp_path)
    (setting,) = log.settings
    assert setting.quick
    assert setting.disk.parent == tmp_path
    assert not any(folder.exists() for folder in (setting.disk, setting.memory, setting.home))


def test_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert missing(()) == ""
    assert missing(["root"]) == "needs root"
    assert missing(["tun"]) == "needs /dev/net/tun"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert missing(["root"]) == ""


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    folders = [tmp_path / name for name in ("home", "memory", "disk")]
    for folder in folders:
        folder.mkdir()
    return Setting(True, *folders)


def fake_tree(folder: Path, code: str) -> Path:
    (folder / "fastdl").mkdir(parents=True)
    (folder / "fastdl" / "__init__.py").touch()
    (folder / "fastdl" / "__main__.py").write_text(code, encoding="utf-8")
    return folder


def test_the_tree_that_is_given_is_what_runs_and_it_knows_of_no_earlier_run(setting: Setting, tmp_path: Path) -> None:
    lines = (
        "import os, sys",
        "state = os.environ['FASTDL_STATE_DIR']",
        "print(os.path.exists(state), sys.argv[1:])",
        "os.mkdir(state)",
    )
    tree = fake_tree(tmp_path / "tree", "\n".join(lines))
    for _ in range(2):
        run = setting.fastdl(tree, ["get", "x"])
        assert run.messages.strip() == "False ['get', 'x']"


def test_a_peer_finds_no_persons_config(setting: Setting) -> None:
    run = setting.peer([sys.executable, "-c", "import os; print(os.environ['HOME'])"])
    assert run.messages.strip() == str(setting.home)


def test_an_emptied_folder_is_empty(setting: Setting) -> None:
    out = setting.empty(setting.memory / "out")
    (out / "left").touch()
    assert list(setting.empty(out).iterdir()) == []


def test_a_sample_has_the_usual_figures(setting: Setting) -> None:
    figures = sample(setting.peer([sys.executable, "-c", "pass"]), share=0.5)
    assert set(figures) == {"wall", "settled", "cpu", "peak", "share"}
