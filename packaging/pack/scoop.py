"""The manifest for Scoop. A bucket takes it as it is; `autoupdate` says how it becomes that of the next version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pack import artifacts, facts

FILE = f"{facts.NAME}.json"
ARCHITECTURES = {"x64": "64bit", "arm64": "arm64"}


def manifest(version: str, archives: Mapping[str, Path]) -> dict[str, Any]:
    """For the archives that there are, by machine."""
    built: dict[str, Any] = {}
    later: dict[str, Any] = {}
    for machine, path in archives.items():
        url = facts.release_url(version, path.name)
        built[ARCHITECTURES[machine]] = {"url": url, "hash": artifacts.sha256(path)}
        later[ARCHITECTURES[machine]] = {"url": facts.release_url("$version", url_name(machine))}
    return {
        "version": version,
        "description": f"{facts.SUMMARY}.",
        "homepage": facts.repository(),
        "license": facts.LICENSE,
        "architecture": built,
        "extract_dir": facts.NAME,
        "bin": f"{facts.NAME}.exe",
        "checkver": "github",
        "autoupdate": {"architecture": later, "hash": {"url": f"$baseurl/{artifacts.SUMS}"}},
    }


def url_name(machine: str) -> str:
    """The name of the archive of any version."""
    return artifacts.archive_name("$version", "windows", machine)


def encode(told: Mapping[str, Any]) -> bytes:
    """As Scoop's own tools write it: four blanks, CRLF, no mark at the beginning, a line end at the end."""
    text = json.dumps(told, indent=4, ensure_ascii=False) + "\n"
    return text.replace("\n", "\r\n").encode()
