"""PowerShell and workflows: what cannot be run here is read here, and what is broken is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pack.checks import scripts, tools, workflows
from packs import needs_libraries, needs_programs

WORKFLOW = """\
name: Test
on:
  push:
permissions: {}
jobs:
  windows:
    runs-on: windows-2025
    timeout-minutes: 5
    steps:
      - name: Install
        run: |
          ./install.ps1 -Name ${{ matrix.name }}
          if ($LASTEXITCODE) { exit 1 }
  linux:
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: if [ -e x ]; then echo "no PowerShell"; fi
"""


@pytest.mark.parametrize(
    "text",
    [
        "$ErrorActionPreference = 'Stop'\n",
        "./packaging/smoke.ps1 -Name x\n& 'C:\\a b\\x.exe' --version | Out-String\n",
        'if ($x -match "^a") {\n  throw "no: $x"\n} else { return }\n',
        "try { a b'c'd e } finally { j }\n",
        'function F { param([string] $Name)\n try { Get-Item $Name } catch { Write-Error "$_" } }\n',
    ],
)
def test_powershell_is_read(text: str) -> None:
    needs_libraries("tree_sitter", "tree_sitter_powershell")
    assert scripts.parse(text) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("if ($x) {\n  y\n", 2),
        ('Write-Host "a\n', 1),
        ("$a = 1\nforeach ($x of $y) { }\n", 2),
        ("$a = \n", 1),
        (")\n", 1),
        ("foreach ($x in ) { }\n", 1),
        ("| sort\n", 1),
        ("try { 1 }\n$b = 2\n", 1),
        ("$a = 1\nthrow the server does not answer'\n", 2),
        ("switch ($x) {\n  a' { 1 }\n  'b' { 2 }\n}\n", 2),
        ('Write-Output $x"\n', 1),
    ],
)
def test_broken_powershell_is_found(text: str, line: int) -> None:
    needs_libraries("tree_sitter", "tree_sitter_powershell")
    found = scripts.parse(text)
    assert f"line {line}: PowerShell cannot read this" in found


def test_a_script_is_ascii_with_one_kind_of_line_end(tmp_path: Path) -> None:
    needs_libraries("tree_sitter", "tree_sitter_powershell")
    path = tmp_path / "a.ps1"
    path.write_bytes("$a = 1\r\n$b = '\u00fc'\n".encode())
    told = " ".join(scripts.check([tmp_path]))
    assert "do not end with CRLF" in told
    assert "is not ASCII" in told
    path.write_bytes(b"$a = 1\r\n")
    assert scripts.check([tmp_path]) == []


def test_the_steps_that_powershell_runs_are_read(tmp_path: Path) -> None:
    needs_libraries("yaml", "tree_sitter", "tree_sitter_powershell")
    path = tmp_path / "workflows/test.yml"
    path.parent.mkdir()
    path.write_text(WORKFLOW)
    assert scripts.check([tmp_path]) == []
    path.write_text(WORKFLOW.replace("{ exit 1 }", "{ exit 1"))
    assert [line.split(": line")[0] for line in scripts.check([tmp_path])] == ["test.yml: windows, Install"]
    path.write_text(WORKFLOW.replace("      - run: if [", "      - shell: pwsh\n        run: if ["))
    assert "linux, step 1" in " ".join(scripts.check([tmp_path]))


@pytest.mark.parametrize("jobs", ["a", "[a]", "{a: }", "{a: b}", "{a: {steps: x}}", "{a: {steps: [x]}}", "["])
def test_a_workflow_of_another_shape_stops_no_check(tmp_path: Path, jobs: str) -> None:
    needs_libraries("yaml")
    path = tmp_path / "workflows/test.yml"
    path.parent.mkdir()
    path.write_text(f"defaults: x\njobs: {jobs}\n")
    assert [line for line in scripts.check([tmp_path]) if "is no YAML" not in line] == []


PINNED = "    steps:\n      - uses: actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2\n"
SOUND = f"""\
name: Sound
on:
  push:
    branches: [main]
permissions: {{}}
jobs:
  build:
    name: Build
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
{PINNED}        with:
          persist-credentials: false
      - name: Say
        run: echo said
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / ".github/workflows/test.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


def test_a_sound_workflow_is_right(tmp_path: Path) -> None:
    needs_libraries("yaml", "yamllint")
    needs_programs("actionlint", "zizmor", "check-jsonschema")
    assert workflows.check(written(tmp_path, SOUND).parents[1]) == []


def pins(paths: list[Path]) -> list[str]:
    return workflows.pins(paths[0].read_text())


def lint(paths: list[Path]) -> list[str]:
    return tools.lint(paths[0], workflows.LINT)


@pytest.mark.parametrize(
    ("check", "old", "new", "wanted"),
    [
        (workflows.schema, "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04", "jobs.build: this is not valid"),
        (workflows.actionlint, "runs-on: ubuntu-24.04", "runs-on: ubuntu-24.4", "label"),
        (workflows.actionlint, "echo said", "echo ${{ steps.none.outputs.x }}", "none"),
        (workflows.zizmor, "echo said", 'echo "${{ github.event.head_commit.message }}"', "template"),
        (workflows.zizmor, "permissions:\n      contents: read", "permissions: write-all", "permission"),
        (workflows.zizmor, "          persist-credentials: false\n", "          fetch-depth: 1\n", "credential"),
        (pins, "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "not pinned by a commit"),
        (pins, " # v6.0.2", "", "no comment says which version"),
        (lint, "run: echo said", "run: echo said ", "trailing spaces"),
        (lint, "jobs:", "jobs: [", "syntax"),
    ],
)
def test_what_is_wrong_in_a_workflow_is_found(
    tmp_path: Path, check: Callable[[list[Path]], list[str]], old: str, new: str, wanted: str
) -> None:
    needs_libraries("yamllint")
    needs_programs("actionlint", "zizmor", "check-jsonschema")
    assert old in SOUND
    found = check([written(tmp_path, SOUND.replace(old, new))])
    assert wanted in " ".join(found)


def test_there_has_to_be_one(tmp_path: Path) -> None:
    assert workflows.check(tmp_path) == ["there are no workflows"]
