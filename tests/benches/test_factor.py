"""One change against its base: the rule of the verdict, what is recorded, and which tree is which."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benches import __main__ as command
from benches import factor, records, results, trees
from benches.factor import Figure
from benches.row import Row, Sample, Setting, Task

posix = pytest.mark.skipif(sys.platform == "win32", reason="the benches need a POSIX system")


def figure(base: float, changed: float, *, row: str = "bulk", name: str = "wall", spread: float = 0.0) -> Figure:
    runs = [tuple(middle * part for part in (1 - spread, 1.0, 1 + spread)) for middle in (base, changed)]
    return Figure(row, "fastdl", name, *runs)


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (figure(1.0, 0.94), "better"),
        (figure(1.0, 0.96), "same"),  # less than five per cent
        (figure(1.0, 0.90, spread=0.06), "same"),  # within the noise
        (figure(1.0, 1.03), "same"),  # two per cent beyond the noise are allowed
        (figure(1.0, 1.05), "worse"),
        (figure(1.0, 1.10, spread=0.05), "same"),
        (figure(0.8, 0.9, name="share"), "better"),
        (figure(0.9, 0.8, name="share of the link"), "worse"),
        (Figure("bulk", "fastdl", "wall", (1.0, 1.0), (0.1, 0.1)), "cannot tell"),
    ],
)
def test_what_a_figure_says(one: Figure, verdict: str) -> None:
    assert one.verdict == verdict


def test_the_verdict_on_the_whole() -> None:
    gain, same, harm = figure(1.0, 0.9), figure(1.0, 1.0, row="memory"), figure(1.0, 1.2, row="memory", name="peak")
    assert factor.verdict([gain, same], "bulk") == "success: fastdl wall -10.0%"
    assert factor.verdict([gain, harm], "bulk") == "failure: memory fastdl peak +20.0%"
    assert factor.verdict([gain, same], "memory").startswith("no effect on memory")
    assert factor.verdict([same, figure(1.0, 0.5, row="other")], "memory").startswith("no effect")
    few = Figure("memory", "fastdl", "wall", (1.0,), (1.0,))
    assert factor.verdict([gain, few], "bulk") == "cannot tell: fewer than 3 runs"
    assert factor.verdict([gain], "memory") == "cannot tell: nothing was measured"
    assert factor.verdict([gain], "bulk", ["changed, bulk: fastdl ended with 5"]).startswith("failure: changed, bulk")


def repository(folder: Path) -> Path:
    """A clone whose fastdl has another number in each of two commits and in the working tree."""
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    (folder / "src" / "fastdl").mkdir(parents=True)
    for number in ("1", "2"):
        (folder / "src" / "fastdl" / "number.txt").write_text(number)
        subprocess.run([*git, "add", "src"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", number], check=True)
    return folder


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@needs_git
def test_the_base_is_the_last_commit_that_differs(tmp_path: Path) -> None:
    root = repository(tmp_path)
    number = root / "src" / "fastdl" / "number.txt"
    with trees.tree_of(root, trees.base_commit(root, None)) as tree:
        assert (tree / "fastdl" / "number.txt").read_text() == "1"
    number.write_text("3")
    with trees.tree_of(root, trees.base_commit(root, None)) as tree:
        assert (tree / "fastdl" / "number.txt").read_text() == "2"
        assert number.read_text() == "3"
    assert not tree.exists()
    with trees.tree_of(root, trees.base_commit(root, "HEAD~1")) as tree:
        assert (tree / "fastdl" / "number.txt").read_text() == "1"
    with pytest.raises(ValueError, match="git knows no commit 'nothing'"):
        trees.base_commit(root, "nothing")


@needs_git
def test_git_is_only_read(tmp_path: Path) -> None:
    root = repository(tmp_path)
    (root / "src" / "fastdl" / "number.txt").write_text("3")
    state = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch"]
    before = subprocess.check_output(state)
    with trees.tree_of(root, trees.base_commit(root, None)):
        pass
    assert subprocess.check_output(state) == before
    assert subprocess.check_output(["git", "-C", str(root), "worktree", "list"]).count(b"\n") == 1


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The benches with a clone of its own and one row, whose time is the number in the tree."""
    root = repository(tmp_path / "clone")
    (root / "src" / "fastdl" / "number.txt").write_text("1.50")  # of another size: git looks at times of a second

    def own(tree: Path) -> Sample:
        return {"wall": float((tree / "fastdl" / "number.txt").read_text())}

    @contextmanager
    def prepare(setting: Setting) -> Iterator[Sequence[Task]]:
        yield [Task("fastdl", own, own=True), Task("curl", lambda tree: {"wall": 1.0})]

    monkeypatch.setattr("benches.rows.load", lambda names: [Row(name, name, (), prepare) for name in names])
    monkeypatch.setattr(results, "ROOT", root)
    monkeypatch.setattr(factor, "SOURCE", root / "src")
    return tmp_path


@posix
@needs_git
def test_a_change_is_measured_and_recorded_three_times_over(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = {kind: clone / f"r.{kind}" for kind in ("csv", "db", "json")}
    files = [word for kind, path in paths.items() for word in (f"--{kind}", str(path))]
    words = ["run", "--factor", "number", "--reasoning", "less is quicker", "--rows", "bulk", *files]
    assert command.main(words) == 0
    out = capsys.readouterr().out
    assert "number: success: fastdl wall -25.0%" in out
    assert command.main(words) == 0  # a second time is appended

    with paths["csv"].open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2
    line = lines[0]
    assert (line["factor"], line["reasoning"], line["row"], line["figure"]) == (
        "number",
        "less is quicker",
        "bulk",
        "wall",
    )
    assert (line["base_mean"], line["mean"], line["stdev"], line["runs"]) == ("2.0", "1.5", "0.0", "3")
    assert (line["branch"], line["changed"], line["said"]) == ("main", "True", "better")
    assert len(line["commit"]) == len(line["base"]) == 40
    assert {"load", "load_after", "verdict"} <= set(line)

    with closing(sqlite3.connect(paths["db"])) as connection:
        rows = connection.execute("SELECT factor, mean, all_runs, change FROM figures").fetchall()
    assert rows == [("number", 1.5, "[1.5, 1.5, 1.5]", -0.25)] * 2
    told = json.loads(paths["json"].read_text())
    assert told["verdict"].startswith("success")
    assert [set(one) for one in told["figures"]] == [set(records.FIELDS)]


@posix
@needs_git
def test_the_target_is_measured_even_if_it_is_not_among_the_rows(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--factor", "n", "--reasoning", "r", "--rows", "memory", "--target", "bulk", "--base", "HEAD~1"]
    assert command.main(words) == 0
    out = capsys.readouterr().out
    assert "| bulk" in out
    assert "failure: bulk fastdl wall +50.0%, memory fastdl wall +50.0%" in out


def test_a_file_that_is_no_database_is_an_error_in_words(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("this is no database at all, but it is long enough to be looked at" * 40)
    with pytest.raises(ValueError, match=r"text\.db: "):
        records.append_db(path, [])
