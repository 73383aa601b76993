"""Chocolatey's package: the nuspec by its XSD, the package by the Open Packaging Conventions, and that the program in
it is that of the archive."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from pack import archives as packed
from pack import artifacts, chocolatey, facts
from pack.checks import tools

XSD = tools.SCHEMAS / "chocolatey/nuspec.2010-07.xsd"
MOST_DESCRIPTION = 4000  # characters, by the rules of Chocolatey's repository
MOST_PACKAGE = 200 * 1024 * 1024  # bytes, likewise


def check(path: Path, version: str, archives: Mapping[str, Path]) -> list[str]:
    """Complaints about a package that is to hold the archive for Windows x64. Raises Missing."""
    if not path.is_file():
        return [f"{path.name}: is not there"]
    try:
        inside = packed.read_zip(path)
    except ValueError as error:
        return [str(error)]
    found = [f"{name} leads out of the package" for name in inside if packed.climbs(unquote(name))]
    found += _nuspec(inside.get(chocolatey.NUSPEC), version)
    found += _parts(inside)
    if path.stat().st_size > MOST_PACKAGE:
        found.append("is larger than Chocolatey takes")
    if "x64" in archives:
        found += _against(inside, version, archives["x64"])
    return [f"{path.name}: {line}" for line in found]


def _against(inside: Mapping[str, bytes], version: str, archive: Path) -> list[str]:
    """What is not as the archive for Windows x64 has it, or as the package around it has to be."""
    try:
        wanted = chocolatey.parts(version, archive)
        found = [*_legal(inside, version, archive), *_program(inside, archive)]
    except ValueError as error:
        return [str(error)]
    found += [f"{name} is no part of this package" for name in inside if name not in wanted]
    found += [f"{name} is not in it" for name in wanted if name not in inside]
    if not found:
        found += [line for name, right in wanted.items() for line in tools.same(name, inside[name], right)]
    return found


def _nuspec(data: bytes | None, version: str) -> list[str]:
    if data is None:
        return [f"has no {chocolatey.NUSPEC}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, chocolatey.NUSPEC)
        path.write_bytes(data)
        found = tools.text(path, b"\n")
        xmllint = tools.program("xmllint", "apt-get install libxml2-utils")
        code, said = tools.run([xmllint, "--noout", "--nonet", "--schema", XSD, path])
    if code:
        plain = said.replace(f"{path}:", "line ").replace(f"{{{chocolatey.NAMESPACE}}}", "")
        lines = [tools.short(line) for line in plain.splitlines() if "fails to validate" not in line]
        return [*found, *(f"{chocolatey.NUSPEC}: {line}" for line in lines)]
    metadata = next(iter(ElementTree.fromstring(data)))
    told = {element.tag.rpartition("}")[2]: element.text or "" for element in metadata}
    wanted = {"id": facts.NAME, "version": chocolatey.package_version(version)}
    wanted["releaseNotes"] = facts.release_page(version)
    found += [
        f"{name} is {told.get(name)} and not {value}" for name, value in wanted.items() if told.get(name) != value
    ]
    needed = ("title", "licenseUrl", "projectUrl", "packageSourceUrl", "docsUrl", "bugTrackerUrl", "summary", "tags")
    found += [f"{chocolatey.NUSPEC}: has no {name}" for name in needed if not told.get(name)]
    if "," in told.get("tags", ""):
        found.append("tags are parted by blanks, not by commas")
    if len(told.get("description", "")) > MOST_DESCRIPTION:
        found.append("description is too long")
    return found


def _parts(inside: Mapping[str, bytes]) -> list[str]:
    """That every part has a content type, and that the relationships lead to parts."""
    types = inside.get(chocolatey.TYPES)
    relations = inside.get(chocolatey.RELATIONS)
    if types is None or relations is None:
        return ["has no [Content_Types].xml or no _rels/.rels"]
    try:
        typed, related = list(ElementTree.fromstring(types)), list(ElementTree.fromstring(relations))
    except ElementTree.ParseError as error:
        return [f"[Content_Types].xml or _rels/.rels: {error}"]
    endings = {element.get("Extension", "").lower() for element in typed}
    names = {element.get("PartName") for element in typed}
    found = []
    for name in inside:
        ending = name.rsplit("/", 1)[-1].rpartition(".")[2].lower() if "." in name.rsplit("/", 1)[-1] else ""
        if name != chocolatey.TYPES and ending not in endings and f"/{name}" not in names:
            found.append(f"{name} has no content type")
    targets = [element.get("Target", "").lstrip("/") for element in related]
    if chocolatey.NUSPEC not in targets:
        found.append(f"_rels/.rels does not lead to {chocolatey.NUSPEC}")
    return found + [f"_rels/.rels leads to {target}, which is not there" for target in targets if target not in inside]


def _legal(inside: Mapping[str, bytes], version: str, archive: Path) -> list[str]:
    license = inside.get(chocolatey.LICENSE, b"").decode("utf-8", "replace").split()
    own = (facts.ROOT / "LICENSE").read_text(encoding="utf-8").split()
    found = [] if license[-len(own) :] == own else [f"{chocolatey.LICENSE} does not hold the licence"]
    text = inside.get(chocolatey.VERIFICATION, b"").decode("utf-8", "replace")
    found += [
        f"{chocolatey.VERIFICATION} does not name {what}"
        for what in (facts.release_url(version, archive.name), artifacts.sha256(archive))
        if not re.search(rf"(?<!\S){re.escape(what)}(?!\S)", text)
    ]
    return found


def _program(inside: Mapping[str, bytes], archive: Path) -> list[str]:
    tools_inside = {unquote(name): data for name, data in inside.items() if name.startswith("tools/")}
    wanted = {f"tools/{name}": data for name, data in packed.read_zip(archive).items()}
    found = [f"{name} is not that of {archive.name}" for name in wanted if tools_inside.get(name) != wanted[name]]
    for name in tools_inside:
        inner = name.lower().endswith(".exe") and name != f"tools/{facts.NAME}/{facts.NAME}.exe"
        if inner and f"{name}.ignore" not in tools_inside:
            found.append(f"{name} would become a command: {name}.ignore is missing")
    return found
