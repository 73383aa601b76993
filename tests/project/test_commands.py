"""README's commands are the ones that run: in .ci/run, in the workflow, on Linux, macOS and Windows."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pages.blocks import ROOT, needs_clone

README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if " -m venv " in line]


def workflow() -> str:
    return (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")


def script() -> str:
    return (ROOT / ".ci/run").read_text(encoding="utf-8")


def steps() -> list[str]:
    return [line.split("run: ", 1)[1] for line in workflow().splitlines() if "run: " in line]


def test_the_first_two_commands_do_all_the_setting_up() -> None:
    first, second = commands("sh")
    assert first.endswith(".venv/bin/pip install -q . && .venv/bin/fastdl demo")
    assert second.endswith(".venv/bin/pip install -q -e '.[test]' && .venv/bin/pytest -n 2")
    assert all(command.startswith("python3 -m venv .venv && ") for command in (first, second))


def test_fastdl_get_stands_right_below_the_first() -> None:
    following = README[README.index(commands("sh")[0]) :].split("\n")[1:]
    assert next(line for line in following if "fastdl" in line).startswith(".venv/bin/fastdl get https://")


def test_windows_is_told_the_same() -> None:
    def unix(command: str) -> str:
        slashes = command.replace("\\", "/").replace("/Scripts/", "/bin/").replace('"', "'")
        return slashes.replace("py -m", "python3 -m", 1)

    assert [unix(command) for command in commands("powershell")] == commands("sh")


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash")
@needs_clone
def test_ci_takes_its_test_command_from_the_readme(tmp_path: Path) -> None:
    function = re.search(r"(?ms)^test_command\(\) \{\n.*?^\}\n", script())
    assert function
    whole = f"set -euo pipefail\n{function[0]}test_command\n"

    def extract() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", whole], cwd=tmp_path, capture_output=True, text=True, check=False)

    shutil.copy(ROOT / "README.md", tmp_path)
    assert extract().stdout.splitlines() == [commands("sh")[1]]
    (tmp_path / "README.md").write_text("nothing here\n", encoding="utf-8")
    assert extract().returncode != 0
    others = [line.strip() for line in script().splitlines() if re.search("pytest(?!_cache)", line)]
    assert ["README.md" in line or "--last-failed" in line for line in others] == [True, True]


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="needs bash")
@needs_clone
@pytest.mark.parametrize(
    ("failed", "again", "code"),
    [(1, 0, 0), (3, 0, 0), (3, 1, 1), (4, 0, 1), (0, 5, 5)],
    ids=["one", "three", "fails-again", "too-many", "none-known"],
)
def test_ci_asks_again_what_failed(failed: int, again: int, code: int, tmp_path: Path) -> None:
    function = re.search(r"(?ms)^ask_again\(\) \{\n.*?^\}\n", script())
    assert function
    programs, cache = tmp_path / ".venv/bin", tmp_path / ".pytest_cache/v/cache"
    programs.mkdir(parents=True)
    cache.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "pytest").write_text(f'#!/bin/sh\necho "$@" >told\nexit {again}\n')
    (programs / "pytest").chmod(0o755)
    names = [f"tests/test_a.py::test_{n}" for n in range(failed)]
    (cache / "lastfailed").write_text(json.dumps(dict.fromkeys(names, True)))
    whole = (
        f"set -euo pipefail\nunsteady=\n{function[0]}false || {{ [ $? -eq 1 ] && ask_again; }}\necho $unsteady >&2\n"
    )
    done = subprocess.run(["bash", "-c", whole], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split()) == (code, names if code == 0 else [])
    assert (tmp_path / "told").exists() == (failed < 4)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no such bit")
@needs_clone
def test_ci_can_be_executed() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "FASTDL_REQUIRE_SERVERS=1" in script()


@needs_clone
def test_the_workflow_runs_the_readmes_commands() -> None:
    own = steps()
    assert set(commands("sh")) <= set(own)
    assert {command.replace("py -m", "python -m", 1) for command in commands("powershell")} <= set(own)
    assert "bash .ci/run" in own


@needs_clone
def test_every_system_has_three_pythons() -> None:
    assert re.findall(r"runs-on: (\S+)", workflow()) == ["ubuntu-24.04", "macos-15", "windows-2025", "windows-11-arm"]
    three = '"3.10", "3.12", "3.13"'
    assert re.findall(r"python: \[(.*)\]", workflow()) == [three] * 3 + ['"3.12", "3.13"']
