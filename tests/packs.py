"""A release that was never built: tiny archives with the names and the shape of real ones, and what belongs to them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pack import archives, artifacts, facts, manifests, sbom
from pack.checks import tools
from pack.inside import Part

EPOCH = 1767225600
INSIDE = f"fastdl/{facts.parts()}"
PROGRAM = {
    "fastdl/fastdl.exe": b"MZ, and so on",
    "fastdl/LICENSE.txt": b"of fastdl\n",
    "fastdl/THIRD-PARTY.txt": b"of others\n",
    f"{INSIDE}/python312.dll": b"a library",
    f"{INSIDE}/some one/t64.exe": b"a program of the inside",
    f"{INSIDE}/numpy-2.0.dist-info/RECORD": b"a name without an ending",
    f"{INSIDE}/odd & [name]+\u00fc.txt": b"a name with signs",
}
PARTS = [Part("httpx", "0.28.1", "BSD-3-Clause", "pkg:pypi/httpx@0.28.1")]


def windows_zip(dist: Path, machine: str) -> Path:
    """The archive for Windows on a machine, and the list of its parts."""
    dist.mkdir(parents=True, exist_ok=True)
    path = dist / artifacts.archive_name(facts.version(), "windows", machine)
    archives.write_zip(path, {**PROGRAM, f"{INSIDE}/machine.txt": machine.encode()}, EPOCH)
    bill = dist / artifacts.sbom_name(path.name)
    bill.write_text(json.dumps(sbom.bill(PARTS, path, EPOCH)), encoding="utf-8")
    return path


STEM = f"{facts.distribution().replace('-', '_')}-{facts.version()}"
METADATA = f"Metadata-Version: 2.4\nName: {facts.distribution()}\nVersion: {facts.version()}\n\nfastdl\n".encode()


def wheel(dist: Path, **other: bytes) -> Path:
    """A wheel whose RECORD fits its files; `other`: more of them, or RECORD itself."""
    inside = {"fastdl/__init__.py": b"", f"{STEM}.dist-info/METADATA": METADATA}
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()) for name, data in inside.items()}
    lines = [f"{name},sha256={digest.decode().rstrip('=')},0\n" for name, digest in digests.items()]
    inside[f"{STEM}.dist-info/RECORD"] = "".join([*lines, f"{STEM}.dist-info/RECORD,,\n"]).encode()
    path = dist / f"{STEM}-py3-none-any.whl"
    archives.write_zip(path, {**inside, **other}, EPOCH)
    return path


def sdist(dist: Path, **other: bytes) -> Path:
    """A source distribution; `other`: more of its files."""
    path = dist / f"{STEM}.tar.gz"
    with gzip.GzipFile(path, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in {f"{STEM}/PKG-INFO": METADATA, f"{STEM}/a": b"a" * 100_000, **other}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def release(dist: Path, machines: tuple[str, ...] = ("x64", "arm64")) -> Path:
    """Everything that stands in `dist` before a release."""
    for machine in machines:
        windows_zip(dist, machine)
    wheel(dist)
    sdist(dist)
    manifests.write(dist)
    artifacts.write_sums(dist)
    return dist


def needs(find: Callable[[str], object], name: str) -> None:
    """Skips a test where a tool is missing; fails it where FASTDL_REQUIRE_SERVERS asks for all of them."""
    try:
        find(name)
    except tools.Missing as missing:
        if os.environ.get("FASTDL_REQUIRE_SERVERS") == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


def needs_libraries(*names: str) -> list[ModuleType]:
    """The same for libraries of Python."""
    for name in names:
        needs(tools.library, name)
    return [tools.library(name) for name in names]


def needs_programs(*names: str) -> None:
    """The same for programs."""
    for name in names:
        needs(tools.program, name)
