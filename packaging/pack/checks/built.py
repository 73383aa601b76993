"""The built files themselves: what is in the archives, how large they are, what lies beside them."""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from pathlib import Path

from pack import artifacts, facts
from pack.checks import tools

MOST_ZIP = 30 * 1024 * 1024  # bytes
NEEDED = ("LICENSE.txt", "THIRD-PARTY.txt")


def check(dist: Path, version: str) -> list[str]:
    """Complaints about the archives, the lists of their parts, and SHA256SUMS; there has to be an archive for Windows
    x64. What is not there and need not be is no complaint. Raises Missing."""
    found = []
    if not (dist / artifacts.archive_name(version, "windows", "x64")).is_file():
        found.append(f"{artifacts.archive_name(version, 'windows', 'x64')}: is not there")
    for system in artifacts.ENDINGS:
        for machine in artifacts.MACHINES:
            path = dist / artifacts.archive_name(version, system, machine)
            if path.is_file():
                found += [f"{path.name}: {line}" for line in archive(path)]
                found += bill(dist / artifacts.sbom_name(path.name), path, version)
    if dist.is_dir():
        found += versions(dist, version)
        found += sums(dist)
    return found


def archive(path: Path) -> list[str]:
    """What is wrong with an archive for people to unpack."""
    try:
        names = _names(path)
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError) as error:
        return [f"cannot be read: {error}"]
    program = f"{facts.NAME}.exe" if path.suffix == ".zip" else facts.NAME
    found = [f"there is no {facts.NAME}/{name}" for name in (program, *NEEDED) if f"{facts.NAME}/{name}" not in names]
    if not any(name.startswith(f"{facts.NAME}/_internal/") for name in names):
        found.append(f"there is no {facts.NAME}/_internal")
    found += [f"{name} is not in the one folder {facts.NAME}" for name in names if not _is_inside(name)]
    if path.suffix == ".zip" and path.stat().st_size > MOST_ZIP:
        found.append(f"is {path.stat().st_size / (1 << 20):.1f} MiB, more than {MOST_ZIP >> 20}")
    return found


def _names(path: Path) -> list[str]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as file:
            bad = file.testzip()
            if bad is not None:
                raise zipfile.BadZipFile(f"{bad} is damaged")
            return file.namelist()
    with tarfile.open(path) as tar:
        return [entry.name for entry in tar]


def _is_inside(name: str) -> bool:
    parts = name.split("/")
    return parts[0] == facts.NAME and ".." not in parts and "\\" not in name and ":" not in name


def bill(path: Path, archived: Path, version: str) -> list[str]:
    """What is wrong with the list of an archive's parts."""
    if not path.is_file():
        return [f"{path.name}: is not there, beside {archived.name}"]
    text = path.read_text(encoding="utf-8")
    validation = tools.library("cyclonedx.validation.json")
    schema = tools.library("cyclonedx.schema")
    error = validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        return [f"{path.name}: is no list of CycloneDX: {' '.join(str(error).split())[:300]}"]
    told = json.loads(text)
    root = told["metadata"]["component"]
    found = []
    if root.get("version") != version:
        found.append(f"{path.name}: is of version {root.get('version')}")
    if root.get("hashes") != [{"alg": "SHA-256", "content": artifacts.sha256(archived)}]:
        found.append(f"{path.name}: the digest is not that of {archived.name}")
    if not told.get("components"):
        found.append(f"{path.name}: names no parts")
    for part in told.get("components", []):
        if not part.get("licenses"):
            found.append(f"{path.name}: {part['name']} has no licence")
    return found


def versions(dist: Path, version: str) -> list[str]:
    """Files of other versions, which a release would give out too."""
    own = re.compile(rf"(?<!\d)(?<!\d\.){re.escape(version)}(?![\d]|\.\d)")
    other = [path.name for path in artifacts.released(dist) if not own.search(path.name)]
    return [f"{name}: does not belong to {version}" for name in other]


def sums(dist: Path) -> list[str]:
    """What is wrong with SHA256SUMS."""
    path = dist / artifacts.SUMS
    if not path.is_file():
        return [f"{artifacts.SUMS}: is not there"]
    try:
        listed = artifacts.read_sums(path)
    except ValueError as error:
        return [str(error)]
    there = {file.name: file for file in artifacts.released(dist)}
    found = [*tools.text(path, b"\n")]
    found += [f"{artifacts.SUMS}: does not name {name}" for name in sorted(set(there) - set(listed))]
    found += [f"{artifacts.SUMS}: names {name}, which is not there" for name in sorted(set(listed) - set(there))]
    wrong = [name for name, file in there.items() if name in listed and listed[name] != artifacts.sha256(file)]
    return found + [f"{artifacts.SUMS}: {name} has another digest" for name in wrong]
