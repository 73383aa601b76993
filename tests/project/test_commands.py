"""README's commands are the ones that run: in .ci/run, in the workflow, on Linux, macOS and Windows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
RUN = (ROOT / ".ci/run").read_text(encoding="utf-8")


def commands(language: str) -> list[str]:
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if " -m venv " in line]


def steps() -> list[str]:
    return [line.split("run: ", 1)[1] for line in WORKFLOW.splitlines() if "run: " in line]


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
def test_ci_takes_its_test_command_from_the_readme(tmp_path: Path) -> None:
    function = re.search(r"(?ms)^test_command\(\) \{\n.*?^\}\n", RUN)
    assert function
    script = f"set -euo pipefail\n{function[0]}test_command\n"

    def extract() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)

    shutil.copy(ROOT / "README.md", tmp_path)
    assert extract().stdout.splitlines() == [commands("sh")[1]]
    (tmp_path / "README.md").write_text("nothing here\n", encoding="utf-8")
    assert extract().returncode != 0
    assert "pytest" not in RUN.replace("grep -E '^python3 -m venv .*pytest' README.md", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps no such bit")
def test_ci_can_be_executed() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "FASTDL_REQUIRE_SERVERS=1" in RUN


def test_the_workflow_runs_the_readmes_commands() -> None:
    own = steps()
    assert set(commands("sh")) <= set(own)
    assert {command.replace("py -m", "python -m", 1) for command in commands("powershell")} <= set(own)
    assert "bash .ci/run" in own


def test_every_system_has_three_pythons() -> None:
    assert re.findall(r"runs-on: (\S+)", WORKFLOW) == ["ubuntu-24.04", "macos-15", "windows-2025", "windows-11-arm"]
    three = '"3.10", "3.12", "3.13"'
    assert re.findall(r"python: \[(.*)\]", WORKFLOW) == [three] * 3 + ['"3.12", "3.13"']


def test_the_workflow_may_only_read() -> None:
    assert "\npermissions: {}\n" in WORKFLOW
    granted = re.findall(r"permissions:\n((?: {6}\S.*\n)+)", WORKFLOW)
    assert [block.split() for block in granted] == [["contents:", "read"]] * 4
    assert WORKFLOW.count("persist-credentials: false") == WORKFLOW.count("actions/checkout@")
    assert "secrets." not in WORKFLOW


def test_actions_are_pinned_by_commit() -> None:
    uses = re.findall(r"uses: (.*)", WORKFLOW)
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    assert len(set(uses)) == 3  # one version of each, everywhere
