"""The steps of a release that are more than one line of the workflow."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import release
from fastdl.core import attestation
from fastdl.core.signer import read_signer
from pack import artifacts, bundle, facts
from servers.attested import Attester

VERSION = facts.version()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one file, in place of this one."""
    for name in ("src/fastdl/__init__.py", "src/fastdl/home.py", "pyproject.toml", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((facts.ROOT / name).read_bytes())
    monkeypatch.setattr(facts, "ROOT", tmp_path)
    return tmp_path


# --- the tag ---------------------------------------------------------------------------------------------


def dated(root: Path, head: str) -> None:
    (root / "CHANGELOG.md").write_text(f"# Changelog\n\n## {head}\n\n- Something.\n\n## 0.0.1 - 2026-01-01\n\n- Old.\n")


def test_the_tag_of_this_version(root: Path) -> None:
    dated(root, f"{VERSION} - 2026-02-28")
    assert release.check_tag(f"v{VERSION}") == VERSION
    assert release.notes(VERSION).startswith("- Something.\n\nWho built these files")


@pytest.mark.parametrize("tag", [VERSION, "v9.9.9", f"v{VERSION}.1", f"V{VERSION}", ""])
def test_another_tag(root: Path, tag: str) -> None:
    dated(root, f"{VERSION} - 2026-02-28")
    with pytest.raises(release.NotReady, match="the tag is"):
        release.check_tag(tag)


@pytest.mark.parametrize("version", ["1.0.0rc1", "1.0.0.dev1", "1.0", "1.0.0.1", "1.0.0+own", "01.0.0"])
def test_a_version_that_some_store_does_not_take(root: Path, version: str) -> None:
    code = root / "src/fastdl/__init__.py"
    code.write_text(code.read_text(encoding="utf-8").replace(VERSION, version), encoding="utf-8")
    dated(root, f"{version} - 2026-02-28")
    with pytest.raises(release.NotReady, match="not three numbers"):
        release.check_tag(f"v{version}")


@pytest.mark.parametrize(
    "head", [f"{VERSION} - not released", VERSION, "0.0.1 - 2026-01-01", f"{VERSION}1 - 2026-02-28"]
)
def test_a_version_without_dated_notes(root: Path, head: str) -> None:
    dated(root, head)
    with pytest.raises(release.NotReady, match="CHANGELOG"):
        release.check_tag(f"v{VERSION}")


# --- manifests for a server of one's own -----------------------------------------------------------------


def made(dist: Path) -> Path:
    """Manifests as they lie in a folder of built files."""
    url = facts.release_url(VERSION, f"fastdl-{VERSION}-windows-x64.zip")
    for name, text in {
        "scoop/fastdl.json": json.dumps({"architecture": {"64bit": {"url": url, "hash": "0" * 64}}}),
        "winget/fastdl.fastdl.installer.yaml": f"Installers:\r\n- InstallerUrl: {url}\r\n",
        "winget/fastdl.fastdl.yaml": "ManifestType: version\r\n",
    }.items():
        path = dist / "manifests" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return dist


def test_manifests_that_lead_to_this_machine(tmp_path: Path) -> None:
    dist, folder = made(tmp_path / "dist"), tmp_path / "with blanks"
    paths = release.lay_out(dist, folder, "http://127.0.0.1:8765")
    local = f"http://127.0.0.1:8765/fastdl-{VERSION}-windows-x64.zip"
    told = json.loads((folder / "scoop/fastdl.json").read_text())
    assert told["architecture"]["64bit"] == {"url": local, "hash": "0" * 64}
    installer = (folder / "winget/fastdl.fastdl.installer.yaml").read_bytes()
    assert installer == f"Installers:\r\n- InstallerUrl: {local}\r\n".encode()
    assert (folder / "winget/fastdl.fastdl.yaml").read_bytes() == b"ManifestType: version\r\n"
    assert len(paths) == 3


def test_a_manifest_that_names_no_file_of_the_release(tmp_path: Path) -> None:
    dist = made(tmp_path / "dist")
    (dist / "manifests/scoop/fastdl.json").write_text("{}")
    with pytest.raises(release.NotReady, match="names no file"):
        release.lay_out(dist, tmp_path / "out", "http://127.0.0.1:1")


# --- the program of an archive ---------------------------------------------------------------------------


@pytest.mark.skipif(
    sys.platform != "linux", reason="the stand-in for a program is a shell script in an archive for Linux"
)
@pytest.mark.parametrize(
    ("script", "wrong"),
    [
        (f"echo fastdl {VERSION}", ""),
        ("echo fastdl 9.9", "says"),
        ("exit 3", "ended with 3"),
        (f'[ "$1" = --version ] && echo fastdl {VERSION}', "demo ended with 1"),
    ],
)
def test_a_program_is_started(tmp_path: Path, script: str, wrong: str) -> None:
    import tarfile

    program = tmp_path / "fastdl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    archive = tmp_path / artifacts.archive_name(VERSION, *bundle.here())
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(program, "fastdl/fastdl")
    if wrong:
        with pytest.raises(release.NotReady, match=wrong):
            release.try_out(tmp_path)
    else:
        assert f"fastdl {VERSION}, and its demo runs" in release.try_out(tmp_path)


# --- who built it ----------------------------------------------------------------------------------------


@pytest.fixture
def attester(monkeypatch: pytest.MonkeyPatch) -> Attester:
    """One that the code takes for Sigstore's authority."""
    from cryptography.hazmat.primitives import serialization

    made = Attester()
    known = (read_signer(made.certificate.public_bytes(serialization.Encoding.DER)),)
    monkeypatch.setattr(attestation, "sigstore", lambda: known)
    return made


def test_files_that_are_attested(tmp_path: Path, attester: Attester) -> None:
    files = {"a.zip": b"a", "SHA256SUMS": hashlib.sha256(b"a").hexdigest().encode()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    own = tmp_path / f"fastdl-{VERSION}.sigstore.json"
    own.write_text(attester.bundle(files, VERSION))
    assert release.verify(tmp_path, f"v{VERSION}") == f"{own.name} attests 1 files"
    with pytest.raises(release.NotReady, match="built by"):
        release.verify(tmp_path, "v9.9")
    (tmp_path / "b.zip").write_bytes(b"b")
    with pytest.raises(release.NotReady, match=r"does not attest b\.zip"):
        release.verify(tmp_path, f"v{VERSION}")
    own.unlink()
    with pytest.raises(release.NotReady, match="No such file"):
        release.verify(tmp_path, f"v{VERSION}")


# --- how it ended ----------------------------------------------------------------------------------------


def ended(**changed: dict[str, Any]) -> dict[str, Any]:
    """The `needs` of a release in which all went well but `changed`."""
    names = ("begin", "python", "bundle", "package", "smoke", "attest", *release.ORDER)
    return {name: {"result": "success", "outputs": {}} for name in names} | changed


def test_all_is_out() -> None:
    table, well = release.status(ended())
    assert well
    assert [line.split("|")[1].strip() for line in table.splitlines()[2:]] == list(release.SHOWN.values())
    assert table.count("| published |") == 5


def test_a_store_without_a_secret_is_no_failure() -> None:
    table, well = release.status(ended(winget={"result": "success", "outputs": {"state": "skipped, no WINGET_TOKEN"}}))
    assert well and "| winget | skipped, no WINGET_TOKEN |" in table


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped"])
def test_one_that_failed(result: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # What a job said before it failed does not count.
    needs = ended(scoop={"result": result, "outputs": {"state": "published"}})
    table, well = release.status(needs)
    assert not well and f"| Scoop | **{result}** |" in table and table.count("| published |") == 4
    monkeypatch.setenv("NEEDS", json.dumps(needs))
    assert release.main(["status"]) == 1
    assert capsys.readouterr().out == table


def test_one_that_failed_before_anything_went_out() -> None:
    rest: dict[str, Any] = {name: {"result": "skipped", "outputs": {}} for name in ("attest", *release.ORDER)}
    table, well = release.status(ended(smoke={"result": "failure", "outputs": {}}, **rest))
    assert not well and "not done: attest, smoke." in table


def test_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["tag", "v0"]) == 1
    assert capsys.readouterr().err.startswith("tag: the tag is v0")
    assert release.main(["distribution"]) == 0
    assert capsys.readouterr().out == facts.distribution() + "\n"


def test_it_needs_nothing_but_python(tmp_path: Path) -> None:
    """Those jobs install nothing."""
    (tmp_path / f"fastdl-{VERSION}.sigstore.json").write_text("{}")
    script = facts.ROOT / "packaging/release.py"
    words = ["verify", "--dist", str(tmp_path), f"v{VERSION}"]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-S", script, *words], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        f"verify: fastdl-{VERSION}.sigstore.json: it is no bundle of Sigstore\n",
    )
