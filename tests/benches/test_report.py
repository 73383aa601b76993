"""Two results are compared by rule: worse beyond the noise fails, and where nobody can tell nothing does."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benches import plots, report, results

Json = dict[str, Any]


def goal(value: float, noise: float | None = 0.02, **more: Any) -> Json:
    usual = {"text": "wall / curl", "limit": 1.0, "at_least": False, "unit": "", "verdict": "met"}
    turns = 3 if noise is not None else 2
    return {**usual, "value": value, "low": value, "high": value, "turns": turns, "noise": noise, **more}


def result(*goals: Json, **more: Any) -> Json:
    on = dict.fromkeys(("system", "architecture", "processor", "python"), "x") | {"cpus": 2, "memory": 1, "load": 0.1}
    return {
        "format": results.FORMAT,
        "began": "2026-01-01T00:00:00+00:00",
        "quick": False,
        "commit": "abcdef0123456789",
        "branch": "main",
        "changed": False,
        "machine": {**on, "load_after": 0.2},
        "versions": {"curl": "curl 8"},
        "rows": [{"name": "bulk", "goals": list(goals)}],
        **more,
    }


def compare(tmp_path: Path, old: Json, new: Json, *more: str) -> int:
    paths = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, content in zip(paths, (old, new), strict=True):
        path.write_text(json.dumps(content))
    return report.main([*map(str, paths), *more])


@pytest.mark.parametrize(
    ("old", "new", "verdict", "code"),
    [
        (goal(1.0), goal(1.019), "same", 0),
        (goal(1.0), goal(1.03), "WORSE", 1),
        (goal(1.0), goal(0.9), "better", 0),
        (goal(1.0), goal(1.03, 0.05), "same", 0),
        (goal(1.0, 0.05), goal(1.03), "same", 0),
        (goal(1.0, None), goal(9.0), "cannot tell", 0),
        (goal(1.0), goal(9.0, None), "cannot tell", 0),
        (goal(0.9, at_least=True), goal(0.8, at_least=True), "WORSE", 1),
        (goal(0.8, at_least=True), goal(0.9, at_least=True), "better", 0),
    ],
)
def test_the_rule(
    old: Json, new: Json, verdict: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, result(old), result(new)) == code
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if "wall / curl" in line and line.startswith("|")]
    assert line.strip("| ").split("|")[-1].strip() == verdict


@pytest.mark.parametrize(
    "more",
    [{"versions": {"curl": "curl 9"}}, {"versions": {"curl": "curl 8", "aria2c": "aria2 1"}}, {"quick": True}],
)
def test_where_more_than_the_commit_differs_it_says_so_and_does_not_fail(
    more: Json, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(tmp_path, result(goal(1.0)), result(goal(2.0), **more)) == 0
    assert "say nothing of the code" in capsys.readouterr().out


def test_another_machine_is_another_factor_and_another_load_is_not() -> None:
    old = result()
    assert report.other_factors(old, result(machine={**old["machine"], "load": 9.0})) == []
    assert report.other_factors(old, result(machine={**old["machine"], "cpus": 8})) == ["cpus"]


def test_goals_without_a_figure_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(tmp_path, result(goal(1.0, verdict="skipped")), result(goal(9.0))) == 0
    assert "no figure in common" in capsys.readouterr().out


def test_one_result_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps(result(goal(1.5, verdict="missed"), goal(3 << 20, text="peak", unit="MiB", limit=45.0))))
    assert report.main([str(path)]) == 0
    out = capsys.readouterr().out
    assert "abcdef012345 (main)" in out
    assert "| missed" in out
    assert "<= 45.0 MiB" in out
    assert "3.0 MiB" in out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99, "rows": []}'])
def test_a_file_that_is_no_result_is_exit_2_in_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)
    assert report.main([str(path)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("report: ")
    assert err.count("\n") == 1
    assert report.main([str(path)] * 3) == 2
    assert report.main([str(tmp_path / "absent")]) == 2


def bars(picture: str) -> list[float]:
    tree = ElementTree.fromstring(picture)
    rects = tree.findall("{http://www.w3.org/2000/svg}rect")[1:]
    return [float(rect.attrib["width"]) for rect in rects]


def test_a_plot_has_a_bar_a_goal_and_the_limit_is_the_same_line_for_all() -> None:
    limit = plots._PLOT / plots._MOST
    share = goal(0.5, text="<share>", at_least=True)
    picture = plots.svg([result(goal(1.0), share, goal(0.5, text="half"), goal(1.0, text="shown", limit=None))])
    assert bars(picture) == [limit, 2 * limit, limit / 2]
    assert "shown" not in picture
    assert len(bars(plots.svg([result(goal(1.0)), result(goal(9.0), goal(1.0, text="new"))]))) == 3


def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    page, picture = tmp_path / "page.html", tmp_path / "plot.svg"
    options = ["--html", str(page), "--svg", str(picture)]
    assert compare(tmp_path, result(goal(1.0, text="<b>")), result(goal(1.0, text="<b>")), *options) == 0
    text = page.read_text()
    assert picture.read_text() in text
    assert "<b>" not in text
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
