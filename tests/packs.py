"""A release that was never built: tiny archives with the names and the shape of real ones, and what belongs to them."""

from __future__ import annotations

import json
import os
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


def release(dist: Path, machines: tuple[str, ...] = ("x64", "arm64")) -> Path:
    """Everything that stands in `dist` before a release."""
    for machine in machines:
        windows_zip(dist, machine)
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
