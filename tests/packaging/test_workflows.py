"""The workflows are what linters and a release ask for: least rights, one order, secrets where they belong."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import release as steps
from pack import facts, installs
from pack.checks import scripts, tools, workflows
from pages.blocks import needs_clone

yaml = pytest.importorskip("yaml") if os.environ.get("FASTDL_REQUIRE_SERVERS") != "1" else __import__("yaml")

pytestmark = needs_clone
FOLDER = facts.ROOT / ".github/workflows"
NAMES = sorted(path.name for path in FOLDER.glob("*.yml"))
RELEASE, SMOKE, CI = "release.yml", "smoke.yml", "ci.yml"


def text_of(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(text_of(name))["jobs"]
    return found


def all_steps(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for job, told in jobs(name).items():
        for step in told["steps"]:
            yield job, step


def needs(told: dict[str, Any]) -> list[str]:
    found = told.get("needs", [])
    return [found] if isinstance(found, str) else found


def behind(name: str, job: str) -> set[str]:
    """All jobs that have to end before this one begins."""
    found: set[str] = set()
    for other in needs(jobs(name)[job]):
        found |= {other} | behind(name, other)
    return found


# --- linters ---------------------------------------------------------------------------------------------


def lint(folder: Path) -> list[str]:
    """What the linters say; without them there is nothing to say, but where everything must be there that fails."""
    try:
        return workflows.check(folder) + scripts.check([folder])
    except tools.Missing as error:
        pytest.fail(str(error)) if os.environ.get("FASTDL_REQUIRE_SERVERS") == "1" else pytest.skip(str(error))


def test_no_linter_complains() -> None:
    assert lint(FOLDER.parent) == []


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-99.04", "ubuntu-99.04"),
        ("    needs: attest\n", "    needs: atest\n", "atest"),
        ("timeout-minutes: 10", "timeout-hours: 10", "timeout-hours"),
        ("steps.attest.outputs.bundle-path", "steps.atest.outputs.bundle-path", "atest"),
        ('release.py tag "$TAG"', "release.py tag ${{ github.head_ref }}", "template"),
        ("        with:\n          persist-credentials: false\n", "", "artipacked"),
        ("@043fb46d1a93c77aae656e7c1c64a875d1fc6a0a # v7.0.1", "@v7", "not pinned"),
        ("$package = Get-Item dist/fastdl.*.nupkg", "$package = (Get-Item dist/fastdl.*.nupkg", "chocolatey, Push"),
    ],
)
def test_a_broken_workflow_is_noticed(tmp_path: Path, old: str, new: str, text: str) -> None:
    (tmp_path / "workflows").mkdir()
    shutil.copy(FOLDER / RELEASE, tmp_path / "workflows")
    before = text_of(RELEASE)
    assert old in before
    (tmp_path / "workflows" / RELEASE).write_text(before.replace(old, new, 1), encoding="utf-8")
    found = lint(tmp_path)
    assert [line for line in found if text in line], found


# --- rights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_job_has_the_rights_that_it_names_and_a_limit(name: str) -> None:
    assert yaml.safe_load(text_of(name))["permissions"] == {}
    for job, told in jobs(name).items():
        assert "permissions" in told, job
        assert 0 < told["timeout-minutes"] <= 90, job


def test_who_may_write_what() -> None:
    written = {
        (name, job): {right for right, kind in told["permissions"].items() if kind == "write"}
        for name in NAMES
        for job, told in jobs(name).items()
    }
    assert {key: rights for key, rights in written.items() if rights} == {
        ("docs.yml", "publish"): {"pages", "id-token"},
        (RELEASE, "attest"): {"id-token", "attestations"},
        (RELEASE, "release"): {"contents"},
        (RELEASE, "pypi"): {"id-token"},
        (RELEASE, "report"): {"issues"},
        (SMOKE, "report"): {"issues"},
    }


@pytest.mark.parametrize("name", NAMES)
def test_secrets_are_those_of_an_environment(name: str) -> None:
    """Who can change a workflow on a branch does not get them: the environment allows tags alone."""
    for job, step in all_steps(name):
        if "secrets." in str(step):
            assert "environment" in jobs(name)[job], job
            assert "secrets." not in str(step.get("run", "")), f"{job}: by a variable, not in the script"
    assert "secrets." not in text_of(CI)


@pytest.mark.parametrize("name", NAMES)
def test_no_expression_in_a_script(name: str) -> None:
    assert [step["run"] for _, step in all_steps(name) if "${{" in step.get("run", "")] == []


def test_one_version_of_each_action_everywhere() -> None:
    used = {line for name in NAMES for line in re.findall(r"uses: (\S+@\S+.*)", text_of(name))}
    by_action: dict[str, set[str]] = {}
    for line in used:
        by_action.setdefault(line.split("@")[0], set()).add(line)
    assert {action: lines for action, lines in by_action.items() if len(lines) > 1} == {}


# --- the release -----------------------------------------------------------------------------------------


def test_a_tag_publishes_and_a_rehearsal_does_not() -> None:
    started = yaml.safe_load(text_of(RELEASE))[True]  # YAML 1.1 reads `on` so
    assert started == {"push": {"tags": ["v*"]}, "workflow_dispatch": None}
    assert jobs(RELEASE)["attest"]["if"] == "github.event_name == 'push'"
    for job in steps.ORDER:
        assert "attest" in behind(RELEASE, job), job


def test_nothing_is_published_before_it_was_built_checked_installed_and_attested() -> None:
    assert behind(RELEASE, "release") == {"begin", "python", "bundle", "package", "check", "smoke", "attest"}
    checked = [step["run"] for job, step in all_steps(RELEASE) if job == "check" and "run" in step]
    assert "python packaging check" in checked


def test_nothing_that_is_not_pinned_by_digest_touches_what_is_given_out() -> None:
    """A tool that only looks at files could change them: the jobs that hand files on have none of that kind."""
    for job, told in jobs(RELEASE).items():
        if not any("upload-artifact" in step.get("uses", "") for step in told["steps"]):
            continue
        installed = [line for step in told["steps"] for line in step.get("run", "").splitlines() if " install " in line]
        assert all("--require-hashes" in line for line in installed), (job, installed)
    for name in ("build", "bundle"):
        pins = (facts.ROOT / f"packaging/{name}.txt").read_text(encoding="utf-8")
        assert re.findall(r"(?m)^[\w.-]+==\S+.*(?<!\\)$", pins) == [], "each with its digests"


def test_the_stores_have_one_order_and_none_keeps_the_next_from_it() -> None:
    for before, job in zip(steps.ORDER, steps.ORDER[1:], strict=False):
        assert before in needs(jobs(RELEASE)[job]), job
    for job in ("scoop", "winget", "chocolatey"):
        assert jobs(RELEASE)[job]["if"] == "${{ !cancelled() && needs.release.result == 'success' }}"
    numbers = [jobs(RELEASE)[job]["name"][0] for job in steps.ORDER]
    assert numbers == sorted(numbers)


@pytest.mark.parametrize("job", ["scoop", "winget", "chocolatey"])
def test_a_store_without_its_secret_is_skipped(job: str) -> None:
    told = jobs(RELEASE)[job]
    assert told["outputs"]["state"] == "${{ steps.key.outputs.state }}"
    first, *others = told["steps"]
    assert first["id"] == "key" and "skipped, no " in first["run"]
    assert others
    assert {step["if"] for step in others} == {"steps.key.outputs.state == 'published'"}


def test_the_end_is_told_whatever_happened() -> None:
    own = jobs(RELEASE)
    others = set(own) - {"status", "report"}
    assert set(needs(own["status"])) == others
    assert set(needs(own["report"])) == others | {"status"}
    assert "always()" in own["status"]["if"] and "always()" in own["report"]["if"]
    assert any("gh issue create" in step.get("run", "") for step in own["report"]["steps"])


def test_the_tag_of_a_fork_publishes_nothing_and_complains_of_nothing() -> None:
    own = jobs(RELEASE)
    name = facts.repository().removeprefix("https://github.com/")
    assert own["begin"]["if"] == f"github.event_name != 'push' || github.repository == '{name}'"
    assert all("begin" in behind(RELEASE, job) for job in own if job != "begin")
    assert "needs.begin.result != 'skipped'" in own["status"]["if"]
    assert "needs.status.result == 'failure'" in own["report"]["if"]


def test_each_commit_of_main_is_tried_to_the_end() -> None:
    """A release asks for the run of its commit: a later push must not have ended it."""
    group = yaml.safe_load(text_of(CI))["concurrency"]["group"]
    assert group == "ci-${{ github.event_name == 'pull_request' && github.ref || github.sha }}"


def test_ci_brings_a_python_for_the_oldest_dependencies() -> None:
    """The runners' own is newer, and `packaging/ci` fails where there is none (pack.installs)."""
    for told in jobs(CI).values():
        if any(".ci/run" in step.get("run", "") for step in told["steps"]):
            (given,) = (step["with"] for step in told["steps"] if "setup-python" in step.get("uses", ""))
            first, last = given["python-version"].split("\n", 1)
            assert first in installs.OLD_PYTHONS
            assert last.strip() == "${{ matrix.python }}", "the last one is the default"


def test_every_windows_package_is_installed_by_its_manager_before() -> None:
    matrix = jobs(RELEASE)["smoke"]["strategy"]["matrix"]
    assert matrix["manager"] == ["winget", "choco", "scoop"]
    assert matrix["runner"] == ["windows-2025", "windows-11-arm"]
    assert matrix["exclude"] == [{"runner": "windows-11-arm", "manager": "winget"}]
    script = (facts.ROOT / "packaging/smoke.ps1").read_text(encoding="utf-8")
    for line in (
        "'validate', '--manifest'",
        "'install', '--manifest'",
        "'--source'",
        "scoop/fastdl.json",
        "@('--manifest', (Join-Path $folder 'winget'))",  # to remove it: its identity is in no source
    ):
        assert line in script, line


@pytest.mark.parametrize("name", [RELEASE, SMOKE])
def test_what_tries_the_packages_finds_its_python(name: str) -> None:
    """smoke.ps1 starts one, and not every image of a runner has it on PATH."""
    for told in jobs(name).values():
        listed = [step.get("uses", "") + step.get("run", "") for step in told["steps"]]
        tried = next((number for number, text in enumerate(listed) if "smoke.ps1" in text), 0)
        assert not tried or any("setup-python" in text for text in listed[:tried])


def test_the_release_goes_out_with_no_cache_of_others() -> None:
    assert "cache" not in text_of(RELEASE).replace("No cache here", "")
    assert text_of(CI).count("cache: pip") == 4


def test_commands_of_the_packages_are_ones_that_there_are() -> None:
    import subprocess
    import sys

    named = {word for name in NAMES for word in re.findall(r"python3? packaging (\w+)", text_of(name))}
    assert {"wheel", "sdist", "bundle", "manifests", "sums", "check"} <= named
    own = {word for name in NAMES for word in re.findall(r"packaging/release\.py (\w+)", text_of(name))}
    assert {"tag", "try", "notes", "verify", "status"} <= own
    for program, words in (("packaging", named), ("packaging/release.py", own)):
        for word in words:
            command = [sys.executable, str(facts.ROOT / program), word, "--help"]
            assert subprocess.run(command, capture_output=True, check=False).returncode == 0, command


def test_names_that_others_count_on() -> None:
    from fastdl.engine.releases import ATTESTATION
    from fastdl.home import WORKFLOW

    assert f"{facts.repository()}/.github/workflows/{RELEASE}" == WORKFLOW
    assert ATTESTATION.format("${TAG#v}") in text_of(RELEASE)
    assert f"identifier: {facts.WINGET_ID}\n" in text_of(RELEASE)
    assert f"$identity = '{facts.WINGET_ID}'" in (facts.ROOT / "packaging/smoke.ps1").read_text(encoding="utf-8")
    installers = re.search(r"installers-regex: (\S+)", text_of(RELEASE))
    assert installers is not None
    for machine in ("x64", "arm64"):
        assert re.search(installers[1], f"fastdl-1.2-windows-{machine}.zip")
    assert not re.search(installers[1], "fastdl-1.2-linux-x64.zip")


# --- what is published -----------------------------------------------------------------------------------


def test_published_packages_are_tried_every_week() -> None:
    started = yaml.safe_load(text_of(SMOKE))[True]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", started["schedule"][0]["cron"])
    assert jobs(SMOKE)["windows"]["strategy"]["matrix"] == jobs(RELEASE)["smoke"]["strategy"]["matrix"]
    assert set(needs(jobs(SMOKE)["report"])) == set(jobs(SMOKE)) - {"report"}


def test_what_runs_on_main_asks_for_no_environment() -> None:
    """They are for tags alone (docs/release.md): a job that names one would be refused every week."""
    assert [job for job, told in jobs(SMOKE).items() if "environment" in told] == []
    steps_of_windows = jobs(SMOKE)["windows"]["steps"]
    assert all("env.IN_USE == 'true'" in step["if"] for step in steps_of_windows)
