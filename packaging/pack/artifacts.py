"""The files of a release: what they are called, their digests, and the moment that they all bear.

`fastdl upgrade` (src/fastdl/engine/releases.py), the manifests and the workflows count on these names.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

from pack import facts

SUMS = "SHA256SUMS"
MACHINES = ("x64", "arm64")
LATEST = 4354819199  # the last second of 2107, after which a zip knows no time
ENDINGS = {"windows": "zip", "linux": "tar.gz"}


def archive_name(version: str, system: str, machine: str) -> str:
    """The name of the archive for a system ("windows", "linux") and a machine ("x64", "arm64")."""
    return f"{facts.NAME}-{version}-{system}-{machine}.{ENDINGS[system]}"


def sbom_name(archive: str) -> str:
    """The name of the list of what is in an archive."""
    stem = next(archive[: -len(ending) - 1] for ending in ENDINGS.values() if archive.endswith(f".{ending}"))
    return f"{stem}.cdx.json"


def sha256(path: Path) -> str:
    """A file's digest in hex."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def windows_archives(dist: Path, version: str) -> dict[str, Path]:
    """The archives for Windows that are there, by machine."""
    paths = {machine: dist / archive_name(version, "windows", machine) for machine in MACHINES}
    return {machine: path for machine, path in paths.items() if path.is_file()}


def released(dist: Path) -> list[Path]:
    """The files of `dist` that a release gives out, without the list of their digests."""
    return sorted(path for path in dist.iterdir() if path.is_file() and path.name != SUMS and path.name[0] != ".")


def write_sums(dist: Path) -> Path:
    """Writes SHA256SUMS over all files of `dist`, as sha256sum does."""
    lines = [f"{sha256(path)}  {path.name}\n" for path in released(dist)]
    target = dist / SUMS
    target.write_bytes("".join(lines).encode())
    return target


def read_sums(path: Path) -> dict[str, str]:
    """Digest by name. Raises ValueError for a line that is none, and for a name that stands there twice."""
    sums: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        stated = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if stated is None:
            raise ValueError(f"{path.name}: no digest and name: {line!r}")
        if stated[2] in sums:
            raise ValueError(f"{path.name}: names {stated[2]} twice")
        sums[stated[2]] = stated[1]
    return sums


def epoch() -> int:
    """The moment that every file of a build bears, in seconds since 1970: SOURCE_DATE_EPOCH, else that of the commit,
    else that of 1 January 2026, so that a checkout without git gives the same files twice too. Raises ValueError for a
    variable that says nothing that a zip can say."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    if given:
        if not re.fullmatch("[0-9]{1,10}", given) or int(given) > LATEST:
            raise ValueError(f"SOURCE_DATE_EPOCH is {given!r} and not a number of seconds from 0 to {LATEST}")
        return int(given)
    command = ["git", "-C", str(facts.ROOT), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:
        return 1767225600
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else 1767225600
