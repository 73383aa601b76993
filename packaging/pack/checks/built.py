"""The built files themselves: what is in the archives, how large they are, what lies beside them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from pack import archives, artifacts, chocolatey, facts, manifests, scoop
from pack.checks import tools

MOST_ZIP = 30 * 1024 * 1024  # bytes
NEEDED = ("LICENSE.txt", "THIRD-PARTY.txt")


def check(dist: Path, version: str) -> list[str]:
    """Complaints about the archives, the lists of their parts, and SHA256SUMS; there has to be an archive for Windows
    x64. What is not there and need not be is no complaint. Raises Missing."""
    found = []
    entire = whole(dist, version)
    if not (dist / artifacts.archive_name(version, "windows", "x64")).is_file():
        found.append(f"{artifacts.archive_name(version, 'windows', 'x64')}: is not there")
    for system in artifacts.ENDINGS:
        for machine in artifacts.MACHINES:
            path = dist / artifacts.archive_name(version, system, machine)
            if path.is_file():
                found += archive(path, entire)
                if entire:
                    found += bill(dist / artifacts.sbom_name(path.name), path, version)
    if dist.is_dir():
        found += [*versions(dist, version), *strays(dist)]
    if entire:
        found += sums(dist)
    return found


def whole(dist: Path, version: str) -> bool:
    """Whether `dist` holds more than what manifests are made of and the manifests: a release, of which nothing may be
    missing."""
    if not dist.is_dir():
        return False
    few = {artifacts.archive_name(version, "windows", machine) for machine in artifacts.MACHINES}
    few.add(chocolatey.file_name(version))
    return (dist / artifacts.SUMS).exists() or not {path.name for path in artifacts.released(dist)} <= few


def archive(path: Path, entire: bool) -> list[str]:
    """What is wrong with an archive for people to unpack; with `entire`, of a release."""
    try:
        names = list(_read(path))
    except ValueError as error:
        return [str(error)]
    program = f"{facts.NAME}.exe" if path.suffix == ".zip" else facts.NAME
    needed = (program, *NEEDED) if entire else (program,)
    found = [f"there is no {facts.NAME}/{name}" for name in needed if f"{facts.NAME}/{name}" not in names]
    if entire and not any(name.startswith(f"{facts.NAME}/{facts.parts()}/") for name in names):
        found.append(f"there is no {facts.NAME}/{facts.parts()}")
    found += [f"{name} is not in the one folder {facts.NAME}" for name in names if not _is_inside(name)]
    found += [f"{name} is a name that not every system takes" for name in names if not archives.fits(name)]
    if path.suffix == ".zip":
        alike = Counter(name.lower() for name in names)
        folders = {str(folder).lower() for name in names for folder in PurePosixPath(name).parents}
        found += [f"{name} is one file with another on Windows" for name in names if alike[name.lower()] > 1]
        found += [f"{name} is a file and a folder" for name in names if name.lower() in folders]
    if path.suffix == ".zip" and path.stat().st_size > MOST_ZIP:
        found.append(f"is {path.stat().st_size / (1 << 20):.1f} MiB, more than {MOST_ZIP >> 20}")
    return [f"{path.name}: {line}" for line in found]


def _read(path: Path) -> dict[str, bytes]:
    return archives.read_zip(path) if path.suffix == ".zip" else archives.read_tar(path)


def _is_inside(name: str) -> bool:
    return name.split("/")[0] == facts.NAME and not archives.climbs(name)


def bill(path: Path, archived: Path, version: str) -> list[str]:
    """What is wrong with the list of an archive's parts."""
    if not path.is_file():
        return [f"{path.name}: is not there, beside {archived.name}"]
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        return [f"{path.name}: is no JSON: {wrong}"]
    validation = tools.library("cyclonedx.validation.json")
    schema = tools.library("cyclonedx.schema")
    error = validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text)
    if error is not None:
        return [f"{path.name}: is no list of CycloneDX: {tools.short(error)}"]
    root = (told.get("metadata") or {}).get("component") or {}
    found = []
    if root.get("version") != version:
        found.append(f"{path.name}: is of version {root.get('version')}")
    if root.get("hashes") != [{"alg": "SHA-256", "content": artifacts.sha256(archived)}]:
        found.append(f"{path.name}: the digest is not that of {archived.name}")
    if not told.get("components"):
        found.append(f"{path.name}: names no parts")
    found += [f"{path.name}: {line}" for line in _libraries(told, archived)]
    for part in told.get("components", []):
        if not part.get("licenses"):
            found.append(f"{path.name}: {part['name']} has no licence")
    return found


def _libraries(told: dict[str, Any], archived: Path) -> list[str]:
    """The native libraries that the list names, which have to be those of the archive."""
    try:
        inside = _read(archived)
    except ValueError:
        return []  # `archive` says so
    found = []
    for part in told.get("components", []):
        for file in part.get("components", []):
            data = inside.get(f"{facts.NAME}/{facts.parts()}/{file['name']}")
            right = None if data is None else [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}]
            if right is None or file.get("hashes") != right:
                found.append(f"{file['name']} of {part['name']} is not that of {archived.name}")
    return found


def versions(dist: Path, version: str) -> list[str]:
    """Files of other versions, which a release would give out too. Of a pre-release each store has a spelling."""
    spelled = {version, version.replace("-", ""), chocolatey.package_version(version)}
    own = re.compile(rf"(?<!\d)(?<!\d\.)({'|'.join(map(re.escape, spelled))})(?![\d]|\.\d|[.-]?(?:a|b|rc|dev)\d)")
    other = [path.name for path in artifacts.released(dist) if not own.search(path.name)]
    return [f"{name}: does not belong to {version}" for name in other]


def strays(dist: Path) -> list[str]:
    """Files among the manifests that no store takes. Of winget's own folder its check says so."""
    folder = dist / manifests.MANIFESTS
    taken = (folder / manifests.SCOOP / scoop.FILE, folder / manifests.WINGET)
    there = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [
        f"{path.relative_to(dist).as_posix()}: belongs to no store"
        for path in there
        if not {path, path.parent} & set(taken)
    ]


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
