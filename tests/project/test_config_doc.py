"""docs/config.md and docs/doctor.md promise what the code has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fastdl import config
from fastdl.__main__ import main
from fastdl.cli.config import WORDS
from fastdl.engine.doctor.finding import CHECKS, Finding
from fastdl.ui.doctored import NAMES, report

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "docs/config.md").read_text(encoding="utf-8")
DOCTOR = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")


def first_cells(text: str, heading: str) -> list[str]:
    """The names in the first column of the table below a heading."""
    section = re.split(r"\n#+ ", text.split(f"\n{heading}\n", 1)[1])[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for cell in rows for name in re.findall(r"`([^`]*)`", cell)]


def test_the_example_of_the_file(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", CONFIG, re.DOTALL)
    path = tmp_path / "config.toml"
    path.write_text(example, encoding="utf-8")
    settings = config.load({}, {}, str(path))
    assert settings.connections == 4
    assert settings.headers == [("X-Team", "build"), ("X-Site", "berlin")]
    assert not settings.remote_time


def test_the_commands() -> None:
    assert [row.split()[1] for row in first_cells(CONFIG, "## `fastdl config`")] == list(WORDS)


def test_the_keys_of_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.toml").write_text("jobs = 1\n")
    monkeypatch.setenv("FASTDL_CONFIG", str(tmp_path / "config.toml"))
    assert main(["config", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert first_cells(CONFIG, "### JSON") == list(told["settings"][0])
    section = CONFIG.split("\n### JSON\n", 1)[1].split("\n## ", 1)[0]
    assert {key for key in told if f"`{key}`" in section} == set(told)


def test_the_errors_are_worded_so(tmp_path: Path) -> None:
    (block,) = re.findall(r"```text\n(.*?)```", CONFIG, re.DOTALL)
    path = tmp_path / "config.toml"
    for line, text in zip(block.splitlines(), ("\n\nretires = 3\n", 'jobs = "many"\n'), strict=True):
        path.write_text(text)
        with pytest.raises(config.UsageError) as caught:
            config.from_file(str(path), required=True)
        assert line == "fastdl: error: " + str(caught.value).replace(str(path), "/home/me/.config/fastdl/config.toml")


def test_the_checks_of_doctor() -> None:
    assert first_cells(DOCTOR, "## What it checks") == list(CHECKS)
    assert list(NAMES) == list(CHECKS)
    section = DOCTOR.split("\n## JSON\n", 1)[1]
    assert {name for name in Finding._fields if f"`{name}`" in section} == set(Finding._fields)


def test_the_report_of_doctor_looks_so() -> None:
    (block,) = re.findall(r"```text\n(.*?)```", DOCTOR, re.DOTALL)
    names = {shown: check for check, shown in NAMES.items()}
    findings: list[Finding] = []
    for line in block.split("\n\n")[0].splitlines():
        if line.startswith(" "):
            findings[-1] = findings[-1]._replace(advice=line.strip().removeprefix("-> "))
            continue
        label, _, text = line.partition(" ")
        status = "ok" if text.strip().startswith("ok: ") else "wrong"
        findings.append(Finding(names[label], status, re.sub(r"^(ok|WRONG): ", "", text.strip())))
    assert "\n".join(report(findings, None)) + "\n" == block
