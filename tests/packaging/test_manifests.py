"""Manifests come from what was built: its names, its digests, and nothing that changes from one build to the next."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pack import archives, artifacts, checks, chocolatey, facts, manifests, scoop, winget
from pack.checks import built, chocolatey_package, scoop_manifest, winget_manifests
from pack.steps import StepFailed
from packs import INSIDE, PROGRAM, needs_libraries, needs_programs, release, windows_zip

VERSION = facts.version()


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")


def contents(dist: Path) -> dict[str, bytes]:
    return {path.relative_to(dist).as_posix(): path.read_bytes() for path in dist.rglob("*") if path.is_file()}


def test_they_are_the_same_twice(tmp_path: Path) -> None:
    one, two = contents(release(tmp_path / "one")), contents(release(tmp_path / "two"))
    assert len(one) == 12
    assert one == two


def test_nothing_is_wrong_with_them(tmp_path: Path) -> None:
    needs_libraries("jsonschema", "yaml", "yamllint", "cyclonedx.validation.json", "tree_sitter_powershell")
    needs_programs("xmllint", "actionlint", "zizmor", "check-jsonschema")
    assert checks.complaints(release(tmp_path / "dist")) == []


@pytest.mark.parametrize("machines", [("x64",), ("x64", "arm64")], ids=["x64", "both"])
def test_they_are_for_the_machines_that_were_built(tmp_path: Path, machines: tuple[str, ...]) -> None:
    needs_libraries("jsonschema", "yaml", "yamllint")
    dist = release(tmp_path / "dist", machines)
    built = artifacts.windows_archives(dist, VERSION)
    assert set(built) == set(machines)
    told = json.loads((dist / "manifests/scoop/fastdl.json").read_bytes())
    assert set(told["architecture"]) == {scoop.ARCHITECTURES[machine] for machine in machines}
    assert scoop_manifest.check(dist / "manifests/scoop/fastdl.json", VERSION, built) == []
    assert winget_manifests.check(dist / "manifests/winget", winget.FORMAT, VERSION, built) == []


def test_without_an_archive_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"there is no fastdl-.*-windows-x64\.zip"):
        manifests.write(tmp_path)
    windows_zip(tmp_path, "arm64")
    with pytest.raises(StepFailed, match="x64"):
        manifests.write(tmp_path)


def test_the_package_holds_the_program(tmp_path: Path) -> None:
    dist = release(tmp_path / "dist")
    with zipfile.ZipFile(dist / chocolatey.file_name(VERSION)) as file:
        inside = {name: file.read(name) for name in file.namelist()}
    assert inside["tools/fastdl/fastdl.exe"] == PROGRAM["fastdl/fastdl.exe"]
    # One command: the programs of the inside are none.
    assert inside[f"tools/{INSIDE}/some%20one/t64.exe.ignore"] == b""
    assert [name for name in inside if name.endswith(".ignore")] == [f"tools/{INSIDE}/some%20one/t64.exe.ignore"]
    assert inside["legal/LICENSE.txt"].endswith(b"SOFTWARE.\r\n")
    digest = artifacts.sha256(dist / artifacts.archive_name(VERSION, "windows", "x64"))
    assert digest.encode() in inside["legal/VERIFICATION.txt"]
    needs_programs("xmllint")
    assert chocolatey_package.check(dist / chocolatey.file_name(VERSION), VERSION, {}) == []


def test_every_part_of_the_package_has_a_type_and_a_name_that_may_be_one(tmp_path: Path) -> None:
    dist = release(tmp_path / "dist")
    with zipfile.ZipFile(dist / chocolatey.file_name(VERSION)) as file:
        names, types = file.namelist(), ElementTree.fromstring(file.read("[Content_Types].xml"))
    # ECMA-376 part 2, 6.2.2: ASCII, and everything else by its bytes.
    assert f"tools/{INSIDE}/odd%20&%20%5Bname%5D+%C3%BC.txt" in names
    bare = [element.get("PartName") for element in types if element.tag.endswith("Override")]
    assert bare == [f"/tools/{INSIDE}/numpy-2.0.dist-info/RECORD"]


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("0.1.0", "0.1.0"),
        ("1.2", "1.2"),
        ("1.0.0rc1", "1.0.0-rc001"),
        ("1.0.0-rc1", "1.0.0-rc001"),
        ("1.0.0.dev3", "1.0.0-dev003"),
    ],
)
def test_chocolatey_s_versions(version: str, told: str) -> None:
    assert chocolatey.package_version(version) == told


@pytest.mark.parametrize("version", ["1.0.0rc1", "1.0.0-rc1", "10.20.30"])
def test_what_is_made_for_a_version_belongs_to_it(version: str, tmp_path: Path) -> None:
    for name in (artifacts.archive_name(version, "windows", "x64"), chocolatey.file_name(version)):
        (tmp_path / name).write_bytes(b"")
    assert built.versions(tmp_path, version) == []
    others = {"fastdl-1.0.0-rc12-windows-x64.zip", "fastdl.10.20.30-rc001.nupkg", "fastdl-10.20.30.dev1.tar.gz"}
    for name in others:
        (tmp_path / name).write_bytes(b"")
    assert len(built.versions(tmp_path, version)) == len(others)


@pytest.mark.parametrize("version", ["1.0.post1", "1!2.0", "1", "1.0+local"])
def test_versions_that_chocolatey_cannot_say(version: str) -> None:
    with pytest.raises(ValueError, match="no version"):
        chocolatey.package_version(version)


def test_scoop_makes_the_next_manifest_by_itself(tmp_path: Path) -> None:
    dist = release(tmp_path / "dist")
    told = json.loads((dist / "manifests/scoop/fastdl.json").read_bytes())
    later = told["autoupdate"]["architecture"]["64bit"]["url"].replace("$version", "9.8.7")
    assert later == facts.release_url("9.8.7", artifacts.archive_name("9.8.7", "windows", "x64"))
    assert told["autoupdate"]["hash"] == {"url": "$baseurl/SHA256SUMS"}


@pytest.mark.parametrize("given", ["soon", "-1", "99999999999", "4354819200"])
def test_a_moment_that_no_zip_can_say_is_said(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", given)
    with pytest.raises(ValueError, match="SOURCE_DATE_EPOCH is"):
        artifacts.epoch()


def test_no_package_is_made_of_an_archive_that_leads_out_of_it(tmp_path: Path) -> None:
    path = tmp_path / artifacts.archive_name(VERSION, "windows", "x64")
    for name in ("fastdl/../../evil.exe", "/evil.exe", "C:/evil.exe", "fastdl\\evil.exe"):
        archives.write_zip(path, {name: b""}, 0)
        with pytest.raises(ValueError, match="leads out of the archive"):
            manifests.write(tmp_path)
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match="cannot be read"):
        manifests.write(tmp_path)


@pytest.mark.parametrize(
    ("command", "said"), [("sums", "sums: .*nowhere.?: No such file"), ("manifests", "manifests: there is no fastdl-")]
)
def test_what_cannot_be_done_is_one_line_and_exit_code_1(tmp_path: Path, command: str, said: str) -> None:
    words = [sys.executable, facts.ROOT / "packaging", command, "--dist", tmp_path / "nowhere"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert re.match(said, done.stderr) or os.name == "nt"
