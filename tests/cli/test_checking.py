"""`fastdl stats --check`: exit codes and output, as cron and programs see them."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest

from fastdl.__main__ import main
from fastdl.core.threshold_rules import rules_of
from fastdl.core.toml_edit import loads
from fastdl.io.store import Entry, Store
from states import ended

ROOT = Path(__file__).resolve().parents[2]
GOOD = '[[rule]]\nmetric = "failures"\nabove = "50%"\n'
BAD = '[[rule]]\nname = "too many fail"\nmetric = "failures"\nhost = "a.example.org"\nabove = "5%"\n'
NOTHING = '[[rule]]\nmetric = "waste"\nleast = 99\nabove = "5%"\n'
DAY = 86_400


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A state folder of its own."""
    for name in list(os.environ):
        if name.startswith("FASTDL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FASTDL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FASTDL_CONFIG", str(tmp_path / "config.toml"))
    (tmp_path / "config.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Store:
    store = Store(str(folder))
    for number in range(10):
        sources = (("a.example.org", "origin", 10 << 20),)
        facts = {"bytes_per_second": 1e6, "seconds": 10.48576, "sources": sources, "faults": (number % 2,)}
        ended(
            store,
            Entry(time.time() - 3600, "https://a.example.org/f", exit_code=3 * (number < 2), **facts),  # type: ignore[arg-type]
        )
        ended(store, Entry(time.time() - 20 * DAY, "https://a.example.org/f", **facts))  # type: ignore[arg-type]
    return store


def rules(text: str) -> str:
    Path("rules.toml").write_text(text, encoding="utf-8")
    return "rules.toml"


def test_all_holds(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--check", rules(GOOD)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (
        "ok       failed downloads: 20 % in the last 7 days (10 downloads); it fails if it is above 50 %\n", ""
    )  # fmt: skip


def test_one_fails(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--check", rules(GOOD + BAD + NOTHING)]) == 1
    ok, fail, nothing = capsys.readouterr().out.splitlines()
    assert ok.startswith("ok       ")
    assert fail == "FAIL     too many fail: 20 % in the last 7 days (10 downloads); it fails if it is above 5 %"
    assert nothing == "no data  wasted bytes: 10 such downloads in the last 7 days, 99 are needed"


def test_quiet_says_what_fails_alone(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "-q", "--check", rules(GOOD + NOTHING)]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["stats", "--quiet", "--check", rules(GOOD + BAD)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("FAIL     too many fail") and out.count("\n") == 1
    assert err == ""


def test_a_comparison(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    text = '[[rule]]\nmetric = "throughput"\nfell_by = "30%"\n[[rule]]\nmetric = "failures"\nrose_by = "50%"\n'
    assert main(["stats", "--check", rules(text)]) == 1
    same, rose = capsys.readouterr().out.splitlines()
    assert "976.6 KiB/s in the 30 days before (10 downloads): unchanged; it fails if it fell by 30 % or more" in same
    assert rose.endswith("0 % in the 30 days before (10 downloads): it was 0; it fails if it rose by 50 % or more")


def test_for_programs(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--check", rules(GOOD + BAD), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] == 1
    ok, fail = told["rules"]
    assert (ok["status"], ok["line"], ok["value"], ok["before"]) == ("ok", 1, 0.2, None)
    assert (fail["status"], fail["name"], fail["host"]) == ("fail", "too many fail", "a.example.org")
    assert (fail["downloads"], fail["downloads_before"]) == (10, None)
    assert main(["stats", "-q", "--json", "--check", rules(GOOD)]) == 0
    assert len(json.loads(capsys.readouterr().out)["rules"]) == 1


def test_faults_are_written_down_and_read(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert {entry.faults for entry in store.history()} == {(0,), (1,)}
    assert main(["stats", "--check", rules('[[rule]]\nmetric = "errors"\nabove = 0.4\n')]) == 1
    assert "0.5 in the last 7 days" in capsys.readouterr().out


def test_what_an_earlier_fastdl_wrote_has_no_faults_to_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(str(folder))
    for _ in range(5):
        ended(store, Entry(time.time(), "https://a.example.org/f", sources=(("a.example.org", "origin", 7),)))
    assert [entry.faults for entry in store.history()] == [()] * 5
    assert main(["stats", "--check", rules('[[rule]]\nmetric = "errors"\nbelow = 9\n' + GOOD)]) == 0
    errors, failures = capsys.readouterr().out.splitlines()
    assert errors.startswith("no data") and failures.startswith("ok")


def test_no_history_is_no_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--check", rules(GOOD)]) == 0
    assert capsys.readouterr().out == "no data  failed downloads: 0 such downloads in the last 7 days, 5 are needed\n"
    assert not folder.exists()


def test_from_stdin_with_a_mark_and_line_ends_of_windows(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "\ufeff" + (GOOD + BAD).replace("\n", "\r\n")
    assert main(["stats", "--check", rules("")]) == 2
    (tmp_path / "in").write_text(text, encoding="utf-8", newline="")
    with open(tmp_path / "in", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["stats", "--check", "-"]) == 1
    assert main(["stats", "--check", str(tmp_path / "in"), "--json"]) == 1
    assert [rule["line"] for rule in json.loads(capsys.readouterr().out.splitlines()[-1])["rules"]] == [1, 4]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "rules.toml: there is no rule in it"),
        (b"[[rule]]\nmetric = errors\n", "rules.toml, line 2, key metric: not valid TOML"),
        (b"[[rule]\n", "rules.toml, line 1: not valid TOML"),
        (b"[[rule]]\nmetric = 'errors'\nabov = 3", "rules.toml, line 3, key abov: no such key (did you mean above?)"),
        (b"\xff\xfe[", "rules.toml is not UTF-8 (byte 0)"),
        (b"#" * (2 << 20), "rules.toml is too large"),
    ],
)
def test_bad_rules(content: bytes, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rules.toml").write_bytes(content)
    assert main(["stats", "--check", "rules.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"fastdl: error: {named}")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--check", "none.toml"], "the rules in none.toml cannot be read"),
        (["--check", "."], "the rules in . cannot be read"),
        (["--check", ""], "--check needs a file"),
        (["--check"], "--check needs a value"),
        (["--check", "x", "--html", "y"], "--check and --html exclude each other"),
        (["-q"], "--quiet is for --check"),
        (["--check", "x", "y"], "stats takes no 'y'"),
    ],
)
def test_usage(args: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", *args]) == 2
    assert named in capsys.readouterr().err


def test_a_history_that_cannot_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder.mkdir()
    (folder / "state.sqlite3").mkdir()
    assert main(["stats", "--check", rules(GOOD)]) == 6
    assert "cannot be used" in capsys.readouterr().err


def test_control_characters_in_a_name_do_not_get_out(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", "--check", rules(GOOD + 'name = "a\\u001b[31m\\n"')]) == 0
    assert capsys.readouterr().out.rstrip("\n").isprintable()


def test_the_documents_rules_are_valid() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/monitoring.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert len(rules_of(loads(block), block, "monitoring.md")) == block.count("[[rule]]")


def test_the_document_names_every_metric_key_and_figure(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    from fastdl.core import threshold_rules, thresholds

    text = (ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
    section = text.split("\n## Rules\n")[1].split("\n## ")[0]
    _, keys, metrics = section.split("\n| ")[0], *re.findall(r"(?ms)^\| (?:key|metric) .*?\n\n", section)
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in keys.splitlines()[2:] if line]
    assert sorted(name for row in rows for name in row) == sorted(threshold_rules._KEYS)
    assert re.findall(r"(?m)^\| `(\w+)`", metrics) == list(thresholds.METRICS)
    assert main(["stats", "--json", "--check", rules(GOOD)]) == 0
    told = json.loads(capsys.readouterr().out)
    checked = text.split("\n## Afterwards")[1].split("\n## ")[0]
    assert {*told, *told["rules"][0]} <= set(re.findall(r"`(\w+)`", checked))
