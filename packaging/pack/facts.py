"""What every package says of fastdl. It stands here and nowhere else; what the code already knows is read from it.

Nothing of fastdl is imported: the manifests can be made by a Python without its dependencies, from a clean checkout.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"

NAME = "fastdl"  # of the command, and of the package in Scoop and Chocolatey
WINGET_ID = "fastdl.fastdl"  # publisher and package; winget's folders are named by it
PUBLISHER = "The fastdl authors"
COPYRIGHT = "Copyright (c) 2026 The fastdl authors"
LICENSE = "MIT"  # SPDX
SUMMARY = "A download manager: several connections, resumable, checked, never a wrong byte under the final name"
DESCRIPTION = (
    "fastdl downloads files over HTTP and HTTPS, through several connections and from several servers at once. It "
    "knows where well-known files lie and which digest their publishers give, so a mirror cannot alter a byte unseen. "
    "A download that was cut off goes on where it stopped, and nothing stands under its final name before it is whole "
    "and checked."
)
TAGS = ("cli", "checksum", "download", "download-manager", "downloader", "http", "https", "mirror", "resume")


def _one(pattern: str, path: Path) -> str:
    found = re.findall(pattern, path.read_text(encoding="utf-8"))
    if len(found) != 1:
        raise ValueError(f"{path.name}: {len(found)} places say {pattern}")
    return str(found[0])


def version() -> str:
    """The version that is being packed."""
    return _one(r'(?m)^__version__ = "([0-9][\w.+-]*)"$', ROOT / "src/fastdl/__init__.py")


def parts() -> str:
    """The folder of the unpacked program with all that its executable needs, called as packaging/fastdl.spec does."""
    return f"_{NAME}-{version()}"


def distribution() -> str:
    """The name on the package index, which is not the command's."""
    return _one(r'(?m)^name = "([\w.-]+)"', ROOT / "pyproject.toml")


def repository() -> str:
    """The address of the repository, without a slash at its end."""
    return _one(r'(?m)^REPOSITORY = "(https://[\w./-]+)"$', ROOT / "src/fastdl/home.py")


def release_page(version: str) -> str:
    """Where people read about a release."""
    return f"{repository()}/releases/tag/v{version}"


def release_url(version: str, name: str) -> str:
    """Where a file of a release lies."""
    return f"{repository()}/releases/download/v{version}/{name}"


def document(name: str) -> str:
    """Where people read a file of the repository."""
    return f"{repository()}/blob/main/{name}"


def notes(version: str) -> str:
    """What CHANGELOG.md says of a version, without its heading. Raises ValueError where it says nothing."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = re.search(rf"(?ms)^## {re.escape(version)}(?: [^\n]*)?\n(.*?)(?=^## |\Z)", text)
    if found is None or not found[1].strip():
        raise ValueError(f"CHANGELOG.md has no notes on {version}")
    return found[1].strip() + "\n"


def date(epoch: int) -> str:
    """The day of a moment in seconds since 1970, as 2026-01-31."""
    return datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%d")
