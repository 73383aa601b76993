"""What the packages are called is what the program counts on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fastdl
from fastdl.core.ways import Facts, way_of
from fastdl.engine import releases
from fastdl.home import ISSUES, REPOSITORY
from pack import artifacts, bundle, facts, winget

VERSION = fastdl.__version__


def test_the_version_and_the_repository_are_those_of_the_code() -> None:
    assert facts.version() == VERSION
    assert facts.repository() == REPOSITORY
    assert facts.repository() + "/issues" == ISSUES


def test_the_distribution_is_not_called_as_the_command() -> None:
    assert facts.distribution() not in ("", facts.NAME)


@pytest.mark.parametrize(("system", "platform"), [("windows", "win32"), ("linux", "linux")], ids=["windows", "linux"])
@pytest.mark.parametrize(
    ("machine", "said"), [("x64", "AMD64"), ("x64", "x86_64"), ("arm64", "ARM64"), ("arm64", "aarch64")]
)
def test_upgrade_finds_the_archive(system: str, platform: str, machine: str, said: str) -> None:
    name = artifacts.archive_name(VERSION, system, machine)
    asset = releases.Asset(name, facts.release_url(VERSION, name))
    release = releases.Release(VERSION, facts.release_page(VERSION), (asset,))
    assert releases.package_of(release, platform, said) == asset


def test_upgrade_reads_the_sums(tmp_path: Path) -> None:
    name = artifacts.archive_name(VERSION, "windows", "x64")
    (tmp_path / name).write_bytes(b"an archive")
    sums = artifacts.write_sums(tmp_path)
    assert sums.name in releases.SUMS
    assert releases.digest_in(sums.read_text(), name) == artifacts.sha256(tmp_path / name)
    assert artifacts.read_sums(sums) == {name: artifacts.sha256(tmp_path / name)}


def test_upgrade_names_the_packages_as_they_are_called() -> None:
    local = "C:\\Users\\me\\AppData\\Local\\Microsoft\\WinGet\\Packages"
    program = f"{local}\\{facts.WINGET_ID}_Microsoft.Winget.Source_8wekyb3d8bbwe\\fastdl\\fastdl.exe"
    way = way_of(Facts(program, platform="win32", bundle=True))
    assert way.command == f"winget upgrade --id {facts.WINGET_ID} --exact"
    program = f"C:\\ProgramData\\chocolatey\\lib\\{facts.NAME}\\tools\\fastdl\\fastdl.exe"
    assert way_of(Facts(program, platform="win32", bundle=True)).command == f"choco upgrade {facts.NAME}"
    program = f"C:\\Users\\me\\scoop\\apps\\{facts.NAME}\\current\\fastdl.exe"
    assert way_of(Facts(program, platform="win32", bundle=True)).command == f"scoop update {facts.NAME}"


def test_the_machines_of_the_archives_are_those_of_upgrade() -> None:
    assert bundle.MACHINES == releases.MACHINES
    assert set(bundle.MACHINES.values()) == set(artifacts.MACHINES)


def test_the_list_of_parts_stands_beside_its_archive() -> None:
    assert artifacts.sbom_name("fastdl-1.2.3-linux-x64.tar.gz") == "fastdl-1.2.3-linux-x64.cdx.json"
    assert artifacts.sbom_name("fastdl-1.2.3-windows-arm64.zip") == "fastdl-1.2.3-windows-arm64.cdx.json"


def test_the_notes_are_those_of_the_version() -> None:
    notes = facts.notes(VERSION)
    assert "### Added" in notes
    assert "## " + VERSION not in notes
    with pytest.raises(ValueError, match=r"no notes on 99\.0"):
        facts.notes("99.0")


def test_wingets_files_are_named_as_its_repository_wants() -> None:
    names = [winget.file_name(kind) for kind in winget.KINDS]
    assert names == ["fastdl.fastdl.yaml", "fastdl.fastdl.installer.yaml", "fastdl.fastdl.locale.en-US.yaml"]


def test_the_folder_hides_no_library() -> None:
    # With an __init__.py, `import packaging` at the top of the repository would find this folder.
    folder = facts.ROOT / "packaging"
    assert not (folder / "__init__.py").exists()
    script = "import json, packaging.version; print(json.dumps(packaging.__file__))"
    done = subprocess.run([sys.executable, "-c", script], cwd=facts.ROOT, capture_output=True, text=True, check=True)
    assert not Path(json.loads(done.stdout)).is_relative_to(folder)


def test_the_command_says_what_it_does() -> None:
    command = [sys.executable, "packaging", "--help"]
    done = subprocess.run(command, cwd=facts.ROOT, capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in ("build", "bundle", "manifests", "check", "sums", "wheel", "sdist"))


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "packaging", "manifests", "--dist", str(tmp_path)]
    done = subprocess.run(command, cwd=facts.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"manifests: there is no fastdl-{VERSION}-windows-x64.zip in {tmp_path}: 'python packaging wine' makes one\n"
    )
