"""The shell scripts of the workflows, run with stand-ins for the programs that ask others."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pack import facts
from pages.blocks import needs_clone

yaml = pytest.importorskip("yaml") if os.environ.get("FASTDL_REQUIRE_SERVERS") != "1" else __import__("yaml")
pytestmark = [
    needs_clone,
    pytest.mark.skipif(sys.platform != "linux", reason="GitHub runs them on Linux; macOS has an older bash"),
]

TAG = "v1.2.3"


@dataclass
class Machine:
    """One of GitHub's, in an empty folder. `programs` stand in for those of the same name."""

    folder: Path
    programs: dict[str, str] = field(default_factory=dict)

    def run(self, workflow: str, job: str, step: str, **environ: str) -> tuple[int, str]:
        """Runs the script of a step as GitHub runs it; its exit code, and all that it said."""
        told = yaml.safe_load((facts.ROOT / ".github/workflows" / workflow).read_text(encoding="utf-8"))
        (script,) = (each["run"] for each in told["jobs"][job]["steps"] if each.get("name") == step)
        for name, text in self.programs.items():
            path = self.folder / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
            path.chmod(0o755)
        (self.folder / "script.sh").write_text(script, encoding="utf-8")
        done = subprocess.run(
            ["bash", "-e", "script.sh"],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}", **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def asked(self) -> list[str]:
        """What GitHub's program was asked for, in order."""
        path = self.folder / "asked"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- before ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("passed", "code"), [("main push", 0), ("main pull_request", 1), ("other push", 1)])
def test_ci_has_passed_on_main_itself(machine: Machine, passed: str, code: int) -> None:
    """A pull request brings its own ci.yml, which may say that all is well."""
    branch, event = passed.split()
    machine.programs = {
        "gh": f"""case "$*" in
  *"--commit abc "*) ;;
  *) exit 9 ;;
esac
case "$*" in
  *"--branch {branch} "*"--event {event} "*) echo 1 ;;
  *) echo 0 ;;
esac"""
    }
    step = "CI has passed for this commit on main"
    assert machine.run("release.yml", "begin", step, GITHUB_SHA="abc")[0] == code


# --- GitHub's release ------------------------------------------------------------------------------------


def out(machine: Machine, draft: str, sums: str = "") -> tuple[int, str]:
    """Gives out a release whose list of digests is "own"; `draft`: what GitHub says of one that is there, "" where it
    does not answer; `sums`: the list of that one."""
    (machine.folder / "dist").mkdir()
    (machine.folder / "dist/SHA256SUMS").write_text("own\n", encoding="utf-8")
    machine.programs = {
        "python3": "echo notes",
        "gh": f"""echo "$2" >>asked
case $2 in
  view) {f"echo {draft}" if draft else "exit 1"} ;;
  download) echo {sums} >published ;;
esac""",
    }
    return machine.run("release.yml", "release", "Draft, files, then out", TAG=TAG)


def test_the_first_try(machine: Machine) -> None:
    assert out(machine, "")[0] == 0
    assert machine.asked() == ["view", "create", "edit"]


def test_a_draft_that_was_left_is_made_anew(machine: Machine) -> None:
    assert out(machine, "true")[0] == 0
    assert machine.asked() == ["view", "delete", "create", "edit"]


def test_a_release_that_is_out_is_left_alone(machine: Machine) -> None:
    assert out(machine, "false", "own")[0] == 0
    assert machine.asked() == ["view", "download"]


def test_files_that_were_built_again_do_not_go_to_the_stores(machine: Machine) -> None:
    """Their digests would not be those of the files that are out."""
    code, said = out(machine, "false", "other")
    assert code == 1 and "out with other files" in said
    assert machine.asked() == ["view", "download"]


# --- what came of it -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("open_one", "then"), [("", "create"), ("17", "comment 17")])
def test_one_issue_for_one_release(machine: Machine, open_one: str, then: str) -> None:
    machine.programs = {
        "python3": "echo table; exit 1",
        "gh": f"""case $2 in
  list) echo {open_one} ;;
  comment) echo "$2 $3" >>asked ;;
  *) echo "$2" >>asked ;;
esac""",
    }
    code, said = machine.run("release.yml", "report", "Open it", TAG=TAG, RUN="https://example.org/run")
    assert code == 0, said
    assert machine.asked() == [then]
    assert (machine.folder / "body.md").read_text(encoding="utf-8").startswith("table\n\nThe run: https://example.org")


# --- what is published -----------------------------------------------------------------------------------


def test_pip_is_asked_for_this_version_on_windows_too(machine: Machine) -> None:
    """Python ends its lines with CR LF there."""
    machine.programs = {
        "python": f"printf '{facts.distribution()}\\r\\n'",
        "pip": 'printf "%s" "$3" >asked',
        "fastdl": "printf 'fastdl 1.2.3\\r\\n'",
    }
    code, said = machine.run("smoke.yml", "python", "Install and run", VERSION="1.2.3")
    assert code == 0, said
    assert machine.asked() == [f"{facts.distribution()}==1.2.3"]
    machine.programs["fastdl"] = "echo fastdl 1.2.2"
    assert machine.run("smoke.yml", "python", "Install and run", VERSION="1.2.3")[0] == 1
