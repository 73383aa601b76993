"""docs/profile.md names every key and every phase of a report, and docs/cli.md all that `bench` prints."""

from __future__ import annotations

import re
from pathlib import Path

from fastdl.cli import bench, bench_tools
from fastdl.engine.download import Download
from fastdl.engine.profile import MOST_SPANS as MOST_OF_A_RUN
from fastdl.engine.profile import ORDER, Profile
from fastdl.engine.spans import timeline
from fastdl.io.phases import Recorder
from fastdl.io.session import Session
from fastdl.io.timeline import MOST_SPANS, SLICE, STEPS
from fastdl.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PROFILE = (ROOT / "docs/profile.md").read_text(encoding="utf-8")
CLI = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src/fastdl"


def table(number: int) -> list[list[str]]:
    """The rows of one of the tables, cell by cell."""
    blocks = re.findall(r"(?:^\|.*\n)+", PROFILE, re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in blocks[number].splitlines()[2:]]


def names(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_keys(tmp_path: Path) -> None:
    session = Session(Settings(history=False))
    profile = Profile()
    profile.run(Download(session, "no URL", Settings(), lambda event: None))
    session.close()
    report = profile.report()
    assert [name for row in table(0) for name in names(row[0])] == list(report)
    (sums,) = (row[1] for row in table(0) if row[0] == "`sum`")
    assert set(names(sums)) == set(report["sum"]) | set(report["sum"]["workers"])
    (file,) = report["files"]
    (plain,) = re.findall(r"Each of `files` has (.*?), and:", PROFILE, re.DOTALL)
    assert names(plain) + [name for row in table(1) for name in names(row[0])] == list(file)


def test_the_timeline() -> None:
    made = Recorder()
    made.steps.timeline.add(-1, "look", made.steps.began, made.steps.began + 1)
    (span,) = timeline(made)["spans"]
    assert [name for row in table(3) for name in names(row[0])] == list(span)
    (phases,) = (row[1] for row in table(3) if row[0] == "`phase`")
    assert set(names(phases)) == STEPS
    assert f"longer than {SLICE / 1e9:g} s" in PROFILE
    assert f"at most {MOST_SPANS:,} spans, all files of a run together {MOST_OF_A_RUN:,}" in PROFILE


def test_phases() -> None:
    documented = [name for row in table(2) for name in names(row[0])]
    assert sorted(documented) == sorted(ORDER)
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    used = set(re.findall(r"phases\.timed\(\"(\w+)\"\)", code)) | set(re.findall(r"book_rest\(\"(\w+)\"\)", code))
    for call in re.findall(r"(?:phases\.instrument|_recorder\.worker)\((.*?)\)\n", code):
        used |= set(re.findall(r"=\"(\w+)\"", call))
    assert used | {"receive", "stall", "lock", "other"} == set(ORDER)


def test_bench() -> None:
    section = CLI.split("\n## What `bench` says\n", 1)[1].split("\n## ")[0]
    spelled = set(re.findall(r"`--([\w-]+)(?: \w+)?` \|", section))
    assert spelled == {option.name for option in bench.BENCH_OPTIONS}
    for option in bench.BENCH_OPTIONS:
        assert not option.default or f"({option.default})" in section
    (row,) = re.findall(r"\| `--json` \| (.*) \|", section)
    subject = bench.Subject("http://example.org/", 1, None, False)
    told = bench._as_object(subject, 1, [bench.Entry(bench_tools.fastdl())], [])
    assert set(names(row)) == set(told) | set(told["programs"][0])
