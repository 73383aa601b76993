"""The recipes for GitHub Actions, Dockerfiles and Ansible: linted, and the playbook played."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pages.blocks import Block, blocks
from pages.loopback import TEST
from pages.sandbox import Sandbox, needs_bash
from pages.words import complaint, lines_of
from recipes.recipe import Provide, block
from servers.real import find, package

PAGE = "recipes-ci"
DOCKERFILES = [each for each in blocks(f"docs/{PAGE}.md") if each.language == "dockerfile"]


def program(name: str) -> str:
    """Beside this Python, or installed."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else find(name)


def lint(*command: str, text: str) -> str:
    ran = subprocess.run(command, input=text, capture_output=True, text=True)
    return ran.stdout + ran.stderr if ran.returncode else ""


# --- GitHub Actions --------------------------------------------------------------------------------------------


def workflow() -> str:
    return block(PAGE, "yaml", "actions/cache").text


def with_steps(steps: str) -> str:
    """The workflow of the page with other steps in its job."""
    whole = package("yaml").safe_load(workflow())
    whole["on"] = whole.pop(True)  # "on" is a truth value to YAML 1.1
    whole["jobs"]["test"]["steps"] = package("yaml").safe_load(steps)["steps"]
    return str(package("yaml").safe_dump(whole))


@pytest.mark.skipif(sys.platform == "win32", reason="the linter is a package for Linux")
def test_the_workflow_passes_actionlint() -> None:
    assert lint(program("actionlint"), "-", text=workflow()) == ""
    assert lint(program("actionlint"), "-", text=with_steps(block(PAGE, "yaml", "DATA_TOKEN").text)) == ""
    assert "foo" in lint(program("actionlint"), "-", text=workflow().replace("permissions:", "foo:")), "it finds faults"


def test_the_workflows_commands_are_fastdls() -> None:
    runs = re.findall(r"run: (fastdl .*)", "".join(each.text for each in blocks(f"docs/{PAGE}.md")))
    assert len(runs) == 2
    assert [told for run in runs for words in lines_of(run) if (told := complaint(words)) is not None] == []


@needs_bash
def test_the_workflows_step_fetches_once(sandbox: Sandbox) -> None:
    (step,) = re.findall(r"run: (fastdl get --progress plain .*)", workflow())
    sandbox.lay({"files.txt": b"https://example.org/f\n  checksum=sha256:" + _digest().encode() + b"\n"})
    for _ in range(2):
        ran = sandbox.run(step)
        assert ran.code == 0, ran.text
    assert (sandbox.cwd / "data/f").read_bytes() == TEST


def _digest() -> str:
    (found,) = set(re.findall(r"sha256: ([0-9a-f]{64})", block(PAGE, "yaml", "ansible").text))
    return found


# --- Dockerfile ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=[each.id for each in DOCKERFILES])
def test_the_dockerfile_passes_hadolint(dockerfile: Block) -> None:
    assert lint(program("hadolint"), "-", text=dockerfile.text) == ""


def test_hadolint_finds_faults() -> None:
    assert "DL3006" in lint(program("hadolint"), "-", text="FROM debian\n")


@needs_bash
@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=[each.id for each in DOCKERFILES])
def test_the_dockerfiles_command_runs(dockerfile: Block, sandbox: Sandbox) -> None:
    joined = re.sub(r"\\\n\s*", " ", dockerfile.text)
    (command,) = re.findall(r"^RUN (?:--mount\S+ +)*(fastdl get .*)$", joined, re.MULTILINE)
    folder = sandbox.folder / "image"
    (folder / "run").mkdir(parents=True)
    (folder / "run/netrc").write_text("machine example.org login alice password secret\n", encoding="utf-8")
    command = re.sub(r"(?<=\s)/(?=\w)", f"{folder}/", command)
    command = re.sub(r"--checksum sha256:\w+", "", command)  # the archive here is another one
    ran = sandbox.run(f"mkdir -p {folder}/cache && {command}")
    assert ran.code == 0, ran.text
    expected = sandbox.cwd / "tool-1.0/README" if "--extract" in command else folder / "model.bin"
    assert expected.read_bytes() == TEST


# --- Ansible ---------------------------------------------------------------------------------------------------


@needs_bash
@pytest.mark.skipif(sys.platform == "win32", reason="Ansible runs on POSIX systems")
def test_the_playbook_changes_something_once(sandbox: Sandbox, provide: Provide, tmp_path: Path) -> None:
    package("ansible")
    provide("ansible-playbook")
    folder = tmp_path / "opt"
    sandbox.lay({"fetch.yml": block(PAGE, "yaml", "ansible.builtin").text.encode()})
    sandbox.extra = {
        **sandbox.extra,
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "ansible"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "ansible"),
        "LC_ALL": "C.UTF-8",
    }
    play = (
        "ansible-playbook -i localhost, -c local -e ansible_python_interpreter="
        f"{sys.executable} -e {json.dumps(f'folder={folder}')} fetch.yml"
    )
    ran = sandbox.run(play)
    assert "changed=1 " in ran.text and ran.code == 0, ran.text
    assert (folder / "model.bin").read_bytes() == TEST
    ran = sandbox.run(play)
    assert "changed=0 " in ran.text and "ok=1 " in ran.text and ran.code == 0, ran.text
    (folder / "model.bin").write_bytes(b"another")
    ran = sandbox.run(play)
    assert "failed=1 " in ran.text and ran.code != 0, ran.text
    assert "exists already" in ran.text
