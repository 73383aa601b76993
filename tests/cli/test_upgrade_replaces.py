"""`upgrade`: what it replaces, and on whose word."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from fastdl import __version__
from fastdl.engine import releases
from fastdl.engine.releases import authorities, digest_in, package_of, read_release
from fastdl.errors import ProtocolViolation, Refused, UsageError
from servers.attested import Attester
from servers.releases import NEW, Releases
from upgrading import POSIX, Said, archive, state
from upgrading import attester as attester
from upgrading import home as home
from upgrading import say as say
from upgrading import server as server
from upgrading import unpacked as unpacked

# --- what it replaces ------------------------------------------------------------------------------------


@POSIX
def test_an_unpacked_archive_is_replaced(server: Releases, say: Said, unpacked: Path) -> None:
    server.publish(archive())
    code, out, err = say()
    assert (code, err) == (0, "")
    assert out == f"fastdl {NEW} is in place of {__version__}, in {unpacked}\n"
    found = state(unpacked.parent)
    parts = f"fastdl/_fastdl-{NEW}"
    assert sorted(found) == [f"{parts}/lib", f"{parts}/new", "fastdl/fastdl", "fastdl/notes.txt"]
    assert found[f"{parts}/lib"] == f"lib {NEW}" and found["fastdl/notes.txt"] == "mine"
    assert os.access(unpacked / "fastdl", os.X_OK)


@POSIX
def test_one_that_starts_beside_and_not_in_place_is_taken_back(
    server: Releases, say: Said, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    script = f'#!/bin/sh\ncase "$0" in */.fastdl-upgrade/*) echo "fastdl {NEW}" ;; *) exit 7 ;; esac\n'
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in {"fastdl/fastdl": script, f"fastdl/_fastdl-{NEW}/lib": "x"}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    server.publish(packed.getvalue())
    before = state(unpacked.parent)
    code, _, err = say()
    assert code == 5 and "it ended with 7" in err
    assert state(unpacked.parent) == before


@POSIX
def test_the_one_who_names_the_address_may_trust_it(
    server: Releases, say: Said, unpacked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish(archive())
    server.unattested()
    monkeypatch.setenv("FASTDL_RELEASES_AUTHORITY", "none")
    assert say()[0] == 0
    assert (unpacked / f"_fastdl-{NEW}/lib").read_text(encoding="utf-8") == f"lib {NEW}"


def test_at_its_own_address_nobody_else_vouches(attester: Attester, tmp_path: Path) -> None:
    own = str(attester.file(tmp_path / "own.pem"))
    (sigstore,) = authorities({})
    assert b"sigstore-intermediate" in sigstore.subject
    for place in (own, "none", ""):
        assert authorities({"FASTDL_RELEASES_AUTHORITY": place}) == (sigstore,)
    elsewhere = {"FASTDL_RELEASES": "https://example.org/latest"}
    assert authorities(elsewhere) == (sigstore,)
    assert authorities({**elsewhere, "FASTDL_RELEASES_AUTHORITY": "none"}) is None
    (found,) = authorities({**elsewhere, "FASTDL_RELEASES_AUTHORITY": own})
    assert b"an authority for tests" in found.subject


@pytest.mark.parametrize("text", [None, "", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"])
def test_a_file_without_authorities(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "own.pem"
    if text is not None:
        path.write_text(text, encoding="ascii")
    with pytest.raises(UsageError, match="FASTDL_RELEASES_AUTHORITY"):
        authorities({"FASTDL_RELEASES": "https://example.org", "FASTDL_RELEASES_AUTHORITY": str(path)})


# --- the parts -------------------------------------------------------------------------------------------


def test_lists_of_digests() -> None:
    digest = "AB" * 32
    assert digest_in(f"{digest}  a.zip\n", "a.zip") == digest.lower()
    assert digest_in(f"x\r\n{digest} *a.zip\r\n", "a.zip") == digest.lower()
    assert digest_in(f"{digest}  ./a.zip", "a.zip") == digest.lower()
    for text in ("", f"{digest}  b.zip", f"{digest[:-2]}  a.zip", f"{'zz' * 32}  a.zip", f"{digest}"):
        assert digest_in(text, "a.zip") is None


@pytest.mark.parametrize(
    ("platform", "machine", "name"),
    [
        ("win32", "AMD64", "fastdl-1.2-windows-x64.zip"),
        ("win32", "ARM64", "fastdl-1.2-windows-arm64.zip"),
        ("linux", "x86_64", "fastdl-1.2-linux-x64.tar.gz"),
        ("darwin", "arm64", "fastdl-1.2-macos-arm64.tar.gz"),
    ],
)
def test_the_archive_of_each_machine(platform: str, machine: str, name: str) -> None:
    told = {"tag_name": "v1.2", "assets": [{"name": name, "browser_download_url": "dl/x"}]}
    release = read_release(json.dumps(told), "https://example.org/a/latest")
    assert package_of(release, platform, machine) == releases.Asset(name, "https://example.org/a/dl/x")
    with pytest.raises(Refused):
        package_of(release, "plan9", machine)


def test_a_release_without_json() -> None:
    with pytest.raises(ProtocolViolation, match="no release"):
        read_release("{", "https://example.org/latest")
