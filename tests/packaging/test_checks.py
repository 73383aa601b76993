"""Each check finds what is broken: one thing at a time is made wrong in a release that is right otherwise."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pack import archives, artifacts, chocolatey, facts, manifests, winget
from pack.checks import built, chocolatey_package, python_packages, scoop_manifest, tools, winget_manifests
from packs import EPOCH, INSIDE, PROGRAM, STEM, needs_libraries, needs_programs, release, sdist, wheel

VERSION = facts.version()
SCOOP = Path("manifests/scoop/fastdl.json")
WINGET = Path("manifests/winget")
NUPKG = chocolatey.file_name(VERSION)
X64 = artifacts.archive_name(VERSION, "windows", "x64")
BILL = artifacts.sbom_name(X64)
Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with nothing wrong."""
    return release(tmp_path_factory.mktemp("right") / "dist")


@pytest.fixture
def dist(right: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return Path(shutil.copytree(right, tmp_path / "dist"))


def swap(old: str, new: str) -> Change:
    def change(data: bytes) -> bytes:
        assert old.encode() in data, old
        return data.replace(old.encode(), new.encode())

    return change


def breaks(path: Path, change: Change) -> None:
    before = path.read_bytes()
    path.write_bytes(change(before))
    assert path.read_bytes() != before


def names(complaints: list[str], wanted: str) -> bool:
    return any(re.search(wanted, line) for line in complaints)


# --- Scoop -----------------------------------------------------------------------------------------------


def scoop(dist: Path) -> list[str]:
    needs_libraries("jsonschema")
    return scoop_manifest.check(dist / SCOOP, VERSION, artifacts.windows_archives(dist, VERSION))


def edited(change: Callable[[dict[str, Any]], object]) -> Change:
    def edit(data: bytes) -> bytes:
        told = json.loads(data)
        change(told)
        return (json.dumps(told, indent=4) + "\n").replace("\n", "\r\n").encode()

    return edit


def test_scoop_s_is_right(dist: Path) -> None:
    assert scoop(dist) == []


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
        (lambda data: data.replace(b"\r\n", b"\n"), "CRLF"),
        (lambda data: data.rstrip(), "one line end"),
        (lambda data: data[:-6], "no JSON"),
        (lambda data: b"[" * 100_000, "no JSON"),
        (lambda data: data.replace(b"    ", b"\t"), r"line 2 is '\\t\"version"),
        (swap('"checkver"', '"post_install": "x",\r\n    "checkver"'), "line 17|line 18|line 19"),
        (
            edited(
                lambda told: told["autoupdate"]["architecture"]["64bit"].update(url=["https://example.org/$version"])
            ),
            "autoupdate: 64bit",
        ),
        (swap('"license"', '"licence"'), "licence"),
        (swap('"extract_dir"', '"extractdir"'), "extractdir"),
        (swap('"bin": "fastdl.exe",', '"bin": "fastdl.exe",\r\n    "bin": "x.exe",'), "stands there twice"),
        (edited(lambda told: told.pop("homepage")), "homepage"),
        (edited(lambda told: told.update(version="0.0.1")), "version is 0.0.1"),
        (edited(lambda told: told.update(license="GPL-3.0-only")), "license is not MIT"),
        (edited(lambda told: told.update(bin="other.exe")), r"no fastdl/other\.exe"),
        (edited(lambda told: told.update(extract_dir="other")), r"no other/fastdl\.exe"),
        (edited(lambda told: told["architecture"]["64bit"].update(hash="0" * 64)), "hash of .*x64.zip is 0000"),
        (edited(lambda told: told["architecture"]["64bit"].update(hash="abc")), "hash"),
        (edited(lambda told: told["architecture"]["arm64"].update(url="https://example.org/f")), "url of .*arm64"),
        (edited(lambda told: told["architecture"].pop("arm64")), "architecture has 64bit, built are 64bit, arm64"),
        (edited(lambda told: told.update(homepage="https://example.org/")), "checkver"),
        (edited(lambda told: told.pop("checkver")), "checkver"),
        (edited(lambda told: told["autoupdate"].pop("hash")), "autoupdate: its hash"),
        (
            edited(lambda told: told["autoupdate"]["architecture"]["64bit"].update(url="https://example.org/$version")),
            "autoupdate: 64bit",
        ),
        (
            edited(lambda told: told["autoupdate"]["architecture"].pop("arm64")),
            "autoupdate: arm64: nothing",
        ),
    ],
)
def test_scoop_s_faults_are_found(dist: Path, change: Change, wanted: str) -> None:
    needs_libraries("jsonschema")
    breaks(dist / SCOOP, change)
    assert names(scoop(dist), wanted), scoop(dist)


def test_a_scoop_manifest_that_is_not_there_is_found(dist: Path) -> None:
    (dist / SCOOP).unlink()
    assert scoop(dist) == ["fastdl.json: is not there"]


# --- winget ----------------------------------------------------------------------------------------------

INSTALLER, LOCALE, HEAD = (winget.file_name(kind) for kind in ("installer", "defaultLocale", "version"))


def winget_s(dist: Path) -> list[str]:
    needs_libraries("jsonschema", "yaml", "yamllint")
    return winget_manifests.check(dist / WINGET, winget.FORMAT, VERSION, artifacts.windows_archives(dist, VERSION))


def test_winget_s_are_right(dist: Path) -> None:
    assert winget_s(dist) == []


@pytest.mark.parametrize(
    ("name", "change", "wanted"),
    [
        (HEAD, lambda data: data.replace(b"\n", b"\r\n"), "LF alone"),
        (HEAD, lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
        (HEAD, lambda data: data + b"Rest: \xff\n", "UTF-8"),
        (HEAD, swap("DefaultLocale: en-US", "DefaultLocale: [en"), "no YAML"),
        (HEAD, swap("DefaultLocale: en-US\n", ""), "DefaultLocale"),
        (HEAD, lambda data: data + b"\0", "special characters are not allowed"),
        (HEAD, lambda data: data.replace(b": ", b":\t", 1), "line 1 is"),
        (LOCALE, swap("Moniker: fastdl", "Moniker: curl"), "line 17 is 'Moniker: curl', and .* 'Moniker: fastdl'"),
        (LOCALE, swap("PackageUrl: https", "PackageUrl: http"), "PackageUrl: http:"),
        (INSTALLER, lambda data: re.sub(rb"(ReleaseDate: ).*", rb"\g<1>2026-99-99", data), "no YAML"),
        (INSTALLER, lambda data: re.sub(rb"ReleaseDate: .*\n", b"", data), "has no ReleaseDate"),
        (HEAD, swap("DefaultLocale: en-US", "DefaultLocale: de-DE"), "de-DE here and en-US there"),
        (HEAD, swap(f"PackageVersion: {VERSION}", "PackageVersion: 0.0.9"), r"PackageVersion is 0\.0\.9"),
        (HEAD, swap("ManifestVersion: 1.12.0", "ManifestVersion: 1.10.0"), r"ManifestVersion is 1\.10\.0"),
        (HEAD, swap("1.12.0.schema.json", "1.10.0.schema.json"), "first line"),
        (
            LOCALE,
            swap("PackageIdentifier: fastdl.fastdl", "PackageIdentifier: fast.dl"),
            r"PackageIdentifier is fast\.dl",
        ),
        (LOCALE, swap("Moniker: fastdl", "Monicker: fastdl"), "the schema knows no Monicker"),
        (LOCALE, swap("DocumentLabel", "DocumentName"), "the schema knows no Documentations/0/DocumentName"),
        (LOCALE, swap("- mirror\n", "- mirror\n- mirror\n"), "Tags"),
        (LOCALE, swap(f"/tag/v{VERSION}", "/tag/v9"), "ReleaseNotesUrl is"),
        (LOCALE, swap("Publisher: ", "Publisher:  "), "colons"),
        (LOCALE, swap("License: MIT\n", "License: MIT\nLicense: MIT\n"), "duplication|duplicate"),
        (INSTALLER, swap("ReleaseDate", "ReleesDate"), "the schema knows no ReleesDate"),
        (INSTALLER, swap("PortableCommandAlias: fastdl", "PortableCommandAlas: fastdl"), "PortableCommandAlas"),
        (INSTALLER, swap("PortableCommandAlias: fastdl", "PortableCommandAlias: fdl"), "PortableCommandAlias is fdl"),
        (INSTALLER, swap("fastdl\\fastdl.exe", "fastdl/fastdl.exe"), "has slashes"),
        (INSTALLER, swap("fastdl\\fastdl.exe", "fastdl\\other.exe"), r"no fastdl\\other\.exe in"),
        (INSTALLER, swap("Path: true", "Path: false"), "ArchiveBinariesDependOnPath"),
        (INSTALLER, swap("NestedInstallerType: portable", "NestedInstallerType: exe"), "not a portable in a zip"),
        (INSTALLER, swap("Architecture: arm64", "Architecture: x86"), "Installers are for x64, x86"),
        (INSTALLER, swap("Architecture: arm64", "Architecture: arm65"), "arm65"),
        (
            INSTALLER,
            lambda data: re.sub(rb"(InstallerSha256: )\w{4}", rb"\g<1>0000", data, count=1),
            "InstallerSha256 of",
        ),
        (
            INSTALLER,
            lambda data: re.sub(rb"(InstallerSha256: )(\w+)", lambda m: m[1] + m[2].lower(), data),
            "InstallerSha256 of",
        ),
        (INSTALLER, swap(f"download/v{VERSION}", "download/v0.0.9"), "InstallerUrl of"),
        (INSTALLER, swap("InstallerUrl: https", "InstallerUrl: ftp"), "InstallerUrl"),
    ],
)
def test_winget_s_faults_are_found(dist: Path, name: str, change: Change, wanted: str) -> None:
    needs_libraries("jsonschema", "yaml", "yamllint")
    breaks(dist / WINGET / name, change)
    assert names(winget_s(dist), wanted), winget_s(dist)


def test_a_manifest_of_winget_too_few_or_too_many_is_found(dist: Path) -> None:
    (dist / WINGET / INSTALLER).rename(dist / WINGET / "fastdl.installer.yaml")
    assert winget_s(dist) == [
        f"{INSTALLER}: is not there",
        "fastdl.installer.yaml: is none of winget's three manifests",
    ]


# --- Chocolatey ------------------------------------------------------------------------------------------


def choco(dist: Path) -> list[str]:
    needs_programs("xmllint")
    return chocolatey_package.check(dist / NUPKG, VERSION, artifacts.windows_archives(dist, VERSION))


def repacked(dist: Path, change: Callable[[dict[str, bytes]], object]) -> None:
    with zipfile.ZipFile(dist / NUPKG) as file:
        inside = {name: file.read(name) for name in file.namelist()}
    before = dict(inside)
    change(inside)
    assert inside != before
    archives.write_zip(dist / NUPKG, dict(inside), EPOCH)


def part(name: str, change: Change) -> Callable[[dict[str, bytes]], object]:
    return lambda inside: inside.update({name: change(inside[name])})


def test_chocolatey_s_is_right(dist: Path) -> None:
    assert choco(dist) == []


NUSPEC, LEGAL = "fastdl.nuspec", "legal/VERIFICATION.txt"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (part(NUSPEC, swap("<projectUrl>", "<projectURL>")), "nuspec: line"),
        (part(NUSPEC, swap("<owners>", "<owner>")), "nuspec: line"),
        (part(NUSPEC, swap("<metadata>\n", "<metadata>\n    <icons>x</icons>\n")), "icons"),
        (part(NUSPEC, swap("2010/07", "2015/06")), "nuspec: line"),
        (part(NUSPEC, lambda data: b"\xef\xbb\xbf" + data), "byte order mark"),
        (part(NUSPEC, lambda data: re.sub(rb"    <description>.*\n", b"", data)), "description"),
        (
            part(NUSPEC, lambda data: re.sub(rb"<description>.*<", b"<description>" + b"a" * 4001 + b"<", data)),
            "too long",
        ),
        (part(NUSPEC, lambda data: re.sub(rb"    <docsUrl>.*\n", b"", data)), "has no docsUrl"),
        (part(NUSPEC, swap(f"<version>{VERSION}", "<version>0.0.1")), r"version is 0\.0\.1"),
        (part(NUSPEC, swap("<id>fastdl<", "<id>FastDL<")), "id is FastDL"),
        (part(NUSPEC, swap("<projectUrl>https", "<projectUrl>http")), "nuspec: line 10 is"),
        (part(NUSPEC, swap("</metadata>", "</metadata><files/>")), "nuspec: line"),
        (lambda inside: inside.update({"../evil.dll": b""}), r"\.\./evil\.dll leads out"),
        (lambda inside: inside.update({"content/%2e%2e/evil.dll": b""}), "leads out"),
        (lambda inside: inside.update({"content/more.dll": b""}), r"content/more\.dll is no part"),
        (lambda inside: inside.update({"tools/fastdl/fastdl.exe.ignore": b""}), r"fastdl\.exe\.ignore is no part"),
        (part(NUSPEC, swap("cli checksum", "cli, checksum")), "tags are parted by blanks"),
        (part(NUSPEC, swap(f"tag/v{VERSION}", "tag/v0")), "releaseNotes is"),
        (part(LEGAL, swap("fastdl-", "fasdtl-")), "VERIFICATION.txt does not name https"),
        (
            part(LEGAL, lambda data: re.sub(rb"[0-9a-f]{64}", b"0" * 64, data)),
            "VERIFICATION.txt does not name [0-9a-f]{64}",
        ),
        (part("legal/LICENSE.txt", swap("permission", "permision")), "does not hold the licence"),
        (part("tools/fastdl/fastdl.exe", lambda data: data + b"\0"), r"tools/fastdl/fastdl\.exe is not that of"),
        (lambda inside: inside.pop(NUSPEC), r"has no fastdl\.nuspec"),
        (lambda inside: inside.pop("_rels/.rels"), "_rels/.rels"),
        (lambda inside: inside.pop(LEGAL), "VERIFICATION.txt does not name"),
        (lambda inside: inside.pop(f"tools/{INSIDE}/python312.dll"), r"python312\.dll is not that of"),
        (lambda inside: inside.update({"tools/more.dll": b""}), r"tools/more\.dll is no part of"),
        (lambda inside: inside.update({"tools/more.odd": b""}), r"tools/more\.odd has no content type"),
        (lambda inside: inside.pop(f"tools/{INSIDE}/some%20one/t64.exe.ignore"), "would become a command"),
        (part("_rels/.rels", swap("/fastdl.nuspec", "/other.nuspec")), r"leads to other\.nuspec"),
        (part("[Content_Types].xml", swap('Extension="dll"', 'Extension="dl"')), "has no content type"),
        (part("[Content_Types].xml", lambda data: data[:-4]), r"\[Content_Types\]\.xml or _rels"),
    ],
)
def test_chocolatey_s_faults_are_found(dist: Path, change: Callable[[dict[str, bytes]], object], wanted: str) -> None:
    needs_programs("xmllint")
    repacked(dist, change)
    assert names(choco(dist), wanted), choco(dist)


def test_a_damaged_package_is_found(dist: Path) -> None:
    breaks(dist / NUPKG, lambda data: data[:-30])
    assert names(choco(dist), "cannot be read")


def test_an_archive_that_cannot_be_read_is_a_complaint_of_every_check(dist: Path) -> None:
    (dist / X64).write_bytes(b"no zip")
    for found in (scoop(dist), winget_s(dist), choco(dist)):
        assert names(found, r"x64\.zip: cannot be read"), found


def test_a_package_that_is_encrypted_or_holds_a_name_twice_is_found(dist: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(dist / NUPKG, "a") as file:
        file.writestr(NUSPEC, b"")
    assert names(choco(dist), "fastdl.nuspec is in it twice")
    data = bytearray((dist / X64).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\1\2") + 8] |= 1
    (dist / NUPKG).write_bytes(data)
    assert names(choco(dist), "cannot be read")


# --- the wheel and the sdist -----------------------------------------------------------------------------

WHEEL, SDIST = f"{STEM}-py3-none-any.whl", f"{STEM}.tar.gz"
RECORD = f"{STEM}.dist-info/RECORD"


def python(dist: Path) -> list[str]:
    return python_packages.check(dist, VERSION)


def test_the_wheel_and_the_sdist_are_right(dist: Path) -> None:
    assert python(dist) == []


@pytest.mark.parametrize(("step", "name"), [("wheel", WHEEL), ("sdist", SDIST)])
def test_one_that_is_not_there_is_found_unless_the_build_left_it_out(dist: Path, step: str, name: str) -> None:
    (dist / name).unlink()
    assert python(dist) == [f"{name}: is not there"]
    assert python_packages.check(dist, VERSION, [step]) == []
    command = [sys.executable, str(facts.ROOT / "packaging"), "check", "--without", step, "--help"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("make", "other", "wanted"),
    [
        (wheel, {"fastdl/more.py": b""}, "fastdl/more.py is not what its RECORD says"),
        (wheel, {"fastdl/__init__.py": b"x"}, "fastdl/__init__.py is not what its RECORD says"),
        (wheel, {RECORD: b""}, "METADATA is not what its RECORD says"),
        (wheel, {"../more.py": b""}, "leads out of it"),
        (wheel, {f"{STEM}.dist-info/METADATA": b"Name: other\n"}, "METADATA says other-None"),
        (sdist, {"more.py": b""}, "more.py is not in its one folder"),
        (sdist, {f"{STEM}/../../more.py": b""}, "leads out of it"),
        (sdist, {f"{STEM}/PKG-INFO": b"Name: fastdl\nVersion: 9\n"}, "PKG-INFO says fastdl-9"),
    ],
)
def test_what_is_wrong_in_them_is_found(
    dist: Path, make: Callable[..., Path], other: dict[str, bytes], wanted: str
) -> None:
    make(dist, **other)
    assert names(python(dist), wanted), python(dist)


@pytest.mark.parametrize("name", [WHEEL, SDIST])
def test_a_bit_that_fell_over_is_found(dist: Path, name: str) -> None:
    data = bytearray((dist / name).read_bytes())
    data[-12 if name == SDIST else 40] ^= 1
    (dist / name).write_bytes(data)
    assert names(python(dist), "cannot be read|RECORD"), python(dist)


# --- what was built --------------------------------------------------------------------------------------


def files(dist: Path) -> list[str]:
    needs_libraries("cyclonedx.validation.json")
    return built.check(dist, VERSION)


def test_the_files_are_right(dist: Path) -> None:
    assert files(dist) == []


def zipped(dist: Path, **other: bytes | None) -> None:
    program = {**PROGRAM, **{name: data for name, data in other.items() if data is not None}}
    kept = {name: data for name, data in program.items() if name not in other or other[name] is not None}
    archives.write_zip(dist / X64, dict(kept), EPOCH)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [
        ({"fastdl/fastdl.exe": None}, r"there is no fastdl/fastdl\.exe"),
        ({"fastdl/THIRD-PARTY.txt": None}, "there is no fastdl/THIRD-PARTY"),
        ({name: None for name in PROGRAM if INSIDE in name}, f"there is no {INSIDE}"),
        ({"readme.txt": b""}, "readme.txt is not in the one folder"),
        ({"fastdl/../../evil.exe": b""}, "is not in the one folder"),
        ({"fastdl\\evil.exe": b""}, "is not in the one folder"),
        ({"fastdl/aux.txt": b""}, "aux.txt is a name that not every system takes"),
        ({"fastdl/notes.": b""}, "notes. is a name"),
        ({"fastdl/notes ": b""}, "notes  is a name"),
        ({"fastdl/a?b": b""}, "a.b is a name"),
        ({"fastdl/./a": b""}, "fastdl/./a is a name"),
        ({"fastdl//a": b""}, "fastdl//a is a name"),
        ({"fastdl/a\u202eexe.txt": b""}, "is a name"),
        ({"fastdl/a\x1b[2J": b""}, "is a name"),
        ({f"fastdl/{'a' * 256}": b""}, "is a name"),
        ({"fastdl/FASTDL.EXE/a": b"", "fastdl/Fastdl.exe": b""}, "Fastdl.exe is a file and a folder"),
    ],
)
def test_what_is_wrong_in_an_archive_is_found(dist: Path, other: dict[str, bytes | None], wanted: str) -> None:
    zipped(dist, **other)
    assert names(files(dist), wanted), files(dist)


@pytest.mark.parametrize("name", [X64, NUPKG])
@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda data: b"#!/bin/sh\n" + data, "before or behind the zip"),
        (lambda data: data + b"more", "before or behind the zip"),
        (lambda data: data[:-2] + b"\4\0more", "before or behind the zip"),
    ],
)
def test_a_zip_is_nothing_but_a_zip(dist: Path, name: str, change: Change, wanted: str) -> None:
    breaks(dist / name, change)
    found = files(dist) if name == X64 else choco(dist)
    assert names(found, wanted), found


@pytest.mark.parametrize(
    ("name", "mode", "wanted"),
    [
        ("fastdl/link", 0o120777, "link is a link"),
        ("fastdl/../../folder/", 0o40755, "leads out"),
        ("fastdl/a\0.exe", 0o100644, "has more behind its end"),
    ],
)
def test_a_zip_holds_files_and_folders_alone(dist: Path, name: str, mode: int, wanted: str) -> None:
    entry = zipfile.ZipInfo(name.replace("\0", "@"))
    entry.external_attr = mode << 16
    with zipfile.ZipFile(dist / X64, "a") as file:
        file.writestr(entry, b"")
    (dist / X64).write_bytes((dist / X64).read_bytes().replace(b"fastdl/a@", b"fastdl/a\0"))
    assert names(files(dist), wanted), files(dist)


@pytest.mark.parametrize("name", ["stray.txt", "scoop/other.json", "chocolatey/fastdl.nuspec"])
def test_what_is_none_of_the_manifests_is_found(dist: Path, name: str) -> None:
    path = dist / manifests.MANIFESTS / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"{}")
    assert files(dist) == [f"manifests/{name}: belongs to no store"]


def test_a_complaint_is_one_short_line_that_moves_no_terminal(dist: Path) -> None:
    breaks(dist / WINGET / LOCALE, swap("so a mirror", "so no mirror"))
    assert [len(line) < 300 for line in winget_s(dist)] == [True]
    assert names(winget_s(dist), "so no mirror.*so a mirror")
    zipped(dist, **{"fastdl/a\x1b[2Jb": b""})
    repacked(dist, part(NUSPEC, swap("so a mirror", "so no mirror")))
    repacked(dist, part(NUSPEC, swap("<id>fastdl</id>", "")))
    found = [tools.printable(line) for line in [*files(dist), *choco(dist)]]
    assert all(line.isprintable() and len(line) < 400 for line in found), found
    assert names(found, r"a\?\[2Jb is a name")
    assert names(found, "line 3: .*Expected is one of")


def test_an_archive_that_is_too_large_is_found(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built, "MOST_ZIP", 1000)
    assert names(files(dist), r"x64\.zip: is 0\.0 MiB, more than")


def test_a_damaged_archive_is_found(dist: Path) -> None:
    breaks(dist / X64, lambda data: data[:-10])
    assert names(files(dist), "cannot be read")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (edited(lambda told: told.update(bomFormat="SPDX")), "is no list of CycloneDX"),
        (edited(lambda told: told["components"][0].update(licence="MIT")), "is no list of CycloneDX"),
        (edited(lambda told: told["components"][0].pop("licenses")), "httpx has no licence"),
        (edited(lambda told: told.update(components=[], dependencies=[])), "names no parts"),
        (edited(lambda told: told["metadata"]["component"].update(version="9")), "is of version 9"),
        (edited(lambda told: told["metadata"]["component"]["hashes"][0].update(content="0" * 64)), "is not that of"),
    ],
)
def test_what_is_wrong_in_a_list_of_parts_is_found(dist: Path, change: Change, wanted: str) -> None:
    needs_libraries("cyclonedx.validation.json")
    breaks(dist / BILL, change)
    assert names(files(dist), wanted), files(dist)


def test_the_libraries_that_a_list_names_are_those_of_the_archive(dist: Path) -> None:
    listed = {"type": "file", "name": "python312.dll", "hashes": [{"alg": "SHA-256", "content": "0" * 64}]}
    breaks(dist / BILL, edited(lambda told: told["components"][0].update(components=[listed])))
    assert names(files(dist), r"python312\.dll of httpx is not that of"), files(dist)


def test_manifests_alone_are_no_release(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    dist.mkdir()
    archives.write_zip(dist / X64, {"fastdl/fastdl.exe": b"MZ"}, EPOCH)
    manifests.write(dist)
    assert not built.whole(dist, VERSION)
    assert built.check(dist, VERSION) == []
    (dist / f"fastdl_cli-{VERSION}.tar.gz").write_bytes(b"")
    assert built.whole(dist, VERSION)
    assert names(built.check(dist, VERSION), "SHA256SUMS: is not there")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda data: re.sub(rb"^\w", b"g", data), "another digest|no digest"),
        (lambda data: data + data.splitlines(keepends=True)[0], "names .* twice"),
        (lambda data: b"".join(data.splitlines(keepends=True)[1:]), "does not name"),
        (lambda data: data + b"0" * 64 + b"  gone.zip\n", r"names gone\.zip, which is not there"),
        (lambda data: data.replace(b"\n", b"\r\n"), "LF alone"),
        (lambda data: data.replace(b"  ", b" "), "no digest and name"),
    ],
)
def test_what_is_wrong_in_the_sums_is_found(dist: Path, change: Change, wanted: str) -> None:
    needs_libraries("cyclonedx.validation.json")
    breaks(dist / artifacts.SUMS, change)
    assert names(files(dist), wanted), files(dist)


def test_files_of_another_version_are_found(dist: Path) -> None:
    for name in (f"fastdl-{VERSION}1-linux-x64.tar.gz", f"fastdl-{VERSION}.1-py3-none-any.whl", "fastdl-1.2.3.tar.gz"):
        (dist / name).write_bytes(b"")
    assert len([line for line in files(dist) if "does not belong" in line]) == 3


def test_a_release_without_its_main_archive_is_found(tmp_path: Path) -> None:
    assert built.check(tmp_path / "nothing", VERSION) == [f"{X64}: is not there"]
