"""What is inside a frozen program, and its licences: told from PyInstaller's list, and never guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pack import archives, artifacts, facts, inside, sbom
from pack.inside import Part, Piece
from pack.steps import StepFailed
from packs import EPOCH, needs_libraries

ABOUT = {"python": "3.12.9", "openssl": "3.0.15", "sqlite": "3.45.3", "zlib": "1.3.1"}


def distribution(packages: Path, name: str, version: str, license: str, *files: str) -> Path:
    """A distribution with these files, as an installer leaves it. `license`: lines of its metadata."""
    info = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    (info / "licenses").mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{license}\n\nText.\n")
    (info / "licenses/LICENSE").write_text(f"The licence of {name}.\r\n")
    record = [*files, f"{info.name}/METADATA", f"{info.name}/RECORD"]
    (info / "RECORD").write_text("".join(f"{file},sha256=x,1\n" for file in record))
    return info


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "env/lib/python3.12/site-packages"
    distribution(folder, "h2", "4.4.1", "License-Expression: MIT", "h2/__init__.py", "h2/stream.py")
    old = "Classifier: License :: OSI Approved :: Apache Software License"
    distribution(folder, "old-one", "1.0", old, "old/_speed.pyd", '"old/a, b.py"')
    distribution(folder, "not-taken", "1.0", "License-Expression: GPL-3.0-only", "bad/__init__.py")
    return folder


def test_pyinstaller_s_list_is_read(tmp_path: Path) -> None:
    toc = tmp_path / "Analysis-00.toc"
    listed = [
        ("h2", "/x/h2.py", "PYMODULE-1"),
        ("a\\b.dll", "C:\\w\\b.dll", "BINARY"),
        ("no", "x", "OTHER"),
        ("a", "b"),
    ]
    toc.write_text(repr(([("entry", "/x/entry.py", "PYSOURCE")], ["/x"], None, 3, {}, listed, listed)))
    assert inside.pieces(toc) == [
        Piece("a/b.dll", "C:/w/b.dll", "BINARY"),
        Piece("entry", "/x/entry.py", "PYSOURCE"),
        Piece("h2", "/x/h2.py", "PYMODULE-1"),
    ]


def test_every_file_has_an_owner(packages: Path, tmp_path: Path) -> None:
    taken = tmp_path / "program/parts"
    taken.mkdir(parents=True)
    for name in ("libcrypto-3.dll", "libssl-3.dll", "python312.dll", "VCRUNTIME140.dll"):
        (taken / name).write_text(f"{name}, stripped of its symbols")
    windows = "C:/py/Lib/site-packages"
    pieces = [
        Piece("h2.stream", f"{packages.as_posix()}/h2/stream.py", "PYMODULE-1"),
        Piece("old/_speed.pyd", f"{windows}/old/_Speed.pyd", "EXTENSION"),
        Piece("json", "C:/py/Lib/json/__init__.py", "PYMODULE"),
        Piece("libcrypto-3.dll", "C:/py/libcrypto-3.dll", "BINARY"),
        Piece("libssl-3.dll", "Z:/not/to/be/read/libssl-3.dll", "BINARY"),
        Piece("python312.dll", "C:/py/python312.dll", "BINARY"),
        Piece("VCRUNTIME140.dll", "C:/py/VCRUNTIME140.dll", "BINARY"),
        Piece("fastdl/data/rules.json", "C:/src/fastdl/data/rules.json", "DATA"),
    ]
    found = {part.name: part for part in inside.parts(pieces, packages, ABOUT, taken)}
    assert {name: part.license for name, part in found.items()} == {
        "cpython": "PSF-2.0",
        "h2": "MIT",
        "microsoft-runtime": "LicenseRef-Microsoft-Runtime",
        "old-one": "Apache-2.0",
        "openssl": "Apache-2.0",
    }
    assert found["h2"].purl == "pkg:pypi/h2@4.4.1"
    assert found["openssl"].purl == "pkg:generic/openssl@3.0.15"
    # Those of the program, which are not always those that it was made of.
    told = {name: artifacts.sha256(taken / name) for name in ("libcrypto-3.dll", "libssl-3.dll", "python312.dll")}
    assert dict(found["openssl"].files + found["cpython"].files) == told
    assert found["h2"].texts == (("licenses/LICENSE", "The licence of h2.\n"),)


def test_a_library_that_nobody_knows_is_not_given_out(packages: Path) -> None:
    with pytest.raises(StepFailed, match=r"libmystery\.so\.1 .* not known"):
        inside.parts([Piece("libmystery.so.1", "/usr/lib/libmystery.so.1", "BINARY")], packages, ABOUT, packages)


def test_a_library_that_is_not_in_the_program_is_not_listed(packages: Path) -> None:
    with pytest.raises(StepFailed, match=r"libssl-3\.dll is in PyInstaller's list and not in the program"):
        inside.parts([Piece("libssl-3.dll", "C:/py/libssl-3.dll", "BINARY")], packages, ABOUT, packages)


def test_gnu_readline_is_not_given_out() -> None:
    with pytest.raises(StepFailed):
        inside.library("libreadline.so.8")


def test_a_file_without_a_distribution_is_not_given_out(packages: Path) -> None:
    stray = Piece("stray", f"{packages.as_posix()}/stray/__init__.py", "PYMODULE-1")
    with pytest.raises(StepFailed, match="belongs to no distribution"):
        inside.parts([stray], packages, ABOUT, packages)


def test_a_distribution_without_a_licence_is_not_given_out(packages: Path) -> None:
    distribution(packages, "secret", "1.0", "Summary: none", "secret.py")
    piece = Piece("secret", f"{packages.as_posix()}/secret.py", "PYMODULE-1")
    with pytest.raises(StepFailed, match="secret does not say"):
        inside.parts([piece], packages, ABOUT, packages)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        *(("libssl.so.3", "openssl"), ("libcrypto-3-arm64.dll", "openssl"), ("sqlite3.dll", "sqlite")),
        *(
            ("libz.so.1", "zlib"),
            ("zlib1.dll", "zlib"),
            ("libffi-8.dll", "libffi"),
            ("libpython3.12.so.1.0", "cpython"),
        ),
        *(("python3.dll", "cpython"), ("api-ms-win-crt-math-l1-1-0.dll", "microsoft-runtime")),
        *(("libbz2.so.1.0", "bzip2"), ("deep/libstdc++.so.6", "gcc-runtime"), ("liblzma.so.5", "xz")),
    ],
)
def test_libraries_are_known(name: str, what: str) -> None:
    assert inside.library(name) == what


def test_the_notices_hold_every_licence() -> None:
    parts = [Part("h2", "4.4.1", "MIT", "", (("LICENSE", "Of h2.\r\n\r\nAll of it.  \r\n"),)), Part("zlib", "", "Zlib")]
    text = inside.notices(parts, "Of Python.\n")
    assert "  h2 4.4.1: MIT\n  zlib: Zlib\n" in text
    assert "Of Python.\n" in text
    assert "Of h2.\n\nAll of it.\n" in text
    assert "\r" not in text


def test_python_s_own_licence_has_to_be_there(tmp_path: Path) -> None:
    about = {"python": "9.99.1", "stdlib": str(tmp_path / "lib"), "base": str(tmp_path)}
    with pytest.raises(StepFailed, match=r"licence of Python 9\.99\.1"):
        inside.python_license(about)
    (tmp_path / "LICENSE.txt").write_text("Of Python.")
    assert inside.python_license(about) == "Of Python."


def test_the_list_of_parts_is_one_of_cyclonedx(tmp_path: Path) -> None:
    validation, schema = needs_libraries("cyclonedx.validation.json", "cyclonedx.schema")
    archive = tmp_path / "fastdl-1-windows-x64.zip"
    archives.write_zip(archive, {"a": b"a"}, EPOCH)
    parts = [
        Part("h2", "4.4.1", "MIT", "pkg:pypi/h2@4.4.1"),
        Part(
            "gcc-runtime",
            "",
            "GPL-3.0-or-later WITH GCC-exception-3.1",
            "pkg:generic/gcc-runtime",
            (),
            (("b", "1" * 64),),
        ),
        Part("odd", "1", "BSD License", "pkg:pypi/odd@1", (), (("c.so", "0" * 64),)),
        Part("ms", "", "LicenseRef-Microsoft-Runtime", "pkg:generic/ms"),
        Part(facts.distribution(), "1", "MIT", "pkg:pypi/itself@1"),
    ]
    bill = sbom.bill(parts, archive, EPOCH)
    text = json.dumps(bill)
    assert validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text) is None
    assert [part["name"] for part in bill["components"]] == ["h2", "gcc-runtime", "odd", "ms"]
    assert bill["metadata"]["timestamp"] == "2026-01-01T00:00:00Z"
    assert bill["metadata"]["component"]["hashes"][0]["content"] == artifacts.sha256(archive)
    assert bill == sbom.bill(parts, archive, EPOCH)
    licences = [part["licenses"][0] for part in bill["components"]]
    assert licences[0] == {"license": {"id": "MIT"}}
    assert licences[1] == {"expression": "GPL-3.0-or-later WITH GCC-exception-3.1"}
    assert licences[2] == {"license": {"name": "BSD License"}}
