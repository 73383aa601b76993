"""Scoop's manifest: the schema, the text, and what no schema can know: names, digests, what is in the archives."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pack import archives as packed
from pack import artifacts, facts, scoop
from pack.checks import tools


def check(path: Path, version: str, archives: Mapping[str, Path]) -> list[str]:
    """Complaints about a manifest that is to fit these archives. Raises Missing."""
    if not path.is_file():
        return [f"{path.name}: is not there"]
    data = path.read_bytes()
    found = tools.text(path, b"\r\n")
    try:
        told = json.loads(data.decode("utf-8-sig", "replace"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        return [*found, f"{path.name}: is no JSON: {error}"]
    broken = list(tools.against(told, tools.schema("scoop/schema.json"), path.name))
    if broken:
        return [*found, *broken]
    found += [f"{path.name}: {line}" for line in _facts(told, version, archives)]
    return found or tools.same(path.name, data, scoop.encode(scoop.manifest(version, archives)))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"{', '.join(sorted(twice))} stands there twice")
    return dict(pairs)


def _facts(told: Mapping[str, Any], version: str, archives: Mapping[str, Path]) -> list[str]:
    found = []
    if told["version"] != version:
        found.append(f"version is {told['version']} and not {version}")
    if told.get("license") != facts.LICENSE:
        found.append(f"license is not {facts.LICENSE}")
    built = told.get("architecture") or {}
    wanted = {scoop.ARCHITECTURES[machine] for machine in archives}
    if set(built) != wanted:
        found.append(f"architecture has {', '.join(sorted(built))}, built are {', '.join(sorted(wanted))}")
    for machine, archive in archives.items():
        found += _architecture(built.get(scoop.ARCHITECTURES[machine]) or {}, version, archive)
        found += _inside(told, archive)
    return found + _later(told, version)


def _architecture(entry: Mapping[str, Any], version: str, archive: Path) -> list[str]:
    found = []
    wanted = {"url": facts.release_url(version, archive.name), "hash": artifacts.sha256(archive)}
    for key, value in wanted.items():
        if entry.get(key) != value:
            found.append(f"{key} of {archive.name} is {entry.get(key)} and not {value}")
    return found


def _inside(told: Mapping[str, Any], archive: Path) -> list[str]:
    commands = told.get("bin")
    folder = told.get("extract_dir", "")
    listed = commands if isinstance(commands, list) else [commands]
    try:
        names = packed.read_zip(archive)
    except ValueError as error:
        return [str(error)]
    missing = [name for name in listed if f"{folder}/{name}".replace("\\", "/") not in names]
    return [f"bin: there is no {folder}/{name} in {archive.name}" for name in missing]


def _later(told: Mapping[str, Any], version: str) -> list[str]:
    """That the manifest of the next version would be right too."""
    found = []
    if told.get("checkver") != "github" or not re.fullmatch(r"https://github\.com/[^/]+/[^/]+", told["homepage"]):
        found.append("checkver: 'github' with the repository as homepage is what finds the next version")
    update = told.get("autoupdate") or {}
    if (update.get("hash") or {}).get("url") != f"$baseurl/{artifacts.SUMS}":
        found.append(f"autoupdate: its hash does not come from $baseurl/{artifacts.SUMS}")
    for name, entry in (told.get("architecture") or {}).items():
        later = str(((update.get("architecture") or {}).get(name) or {}).get("url", ""))
        if later.replace("$version", version) != entry.get("url") or "$version" not in later:
            found.append(f"autoupdate: {name}: {later or 'nothing'} with {version} is not {entry.get('url')}")
    return found
