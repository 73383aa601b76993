"""winget's three manifests. Its schemas let every unknown key pass, so a misspelt one is looked for here; and what they
cannot know: that the three agree, and that names and digests are those of the archives."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pack import artifacts, facts, winget
from pack.checks import tools

LINT = (
    "{extends: default, rules: {document-start: disable, line-length: disable, indentation: {indent-sequences: false}}}"
)


def check(folder: Path, form: str, version: str, archives: Mapping[str, Path]) -> list[str]:
    """Complaints about the manifests in a folder, which are to fit these archives. Raises Missing."""
    wanted = {winget.file_name(kind): kind for kind in winget.KINDS}
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    found = [f"{name}: is not there" for name in sorted(set(wanted) - there)]
    found += [f"{name}: is none of winget's three manifests" for name in sorted(there - set(wanted))]
    if found:
        return found
    told: dict[str, Any] = {}
    for name, kind in wanted.items():
        path = folder / name
        found += [*tools.text(path, b"\n"), *tools.lint(path, LINT)]
        told[kind] = _read(path, found)
        rules = tools.schema(f"winget/manifest.{kind}.{form}.json")
        found += tools.against(told[kind], rules, name)
        found += [f"{name}: the schema knows no {key}" for key in unknown(told[kind], rules, rules)]
        if f"winget-manifest.{kind}.{form}.schema.json" not in path.read_text("utf-8", "replace").split("\n")[0]:
            found.append(f"{name}: its first line does not name the schema of {form}")
    if found:
        return found
    return [*_agree(told, version, form), *_installers(told["installer"], version, archives)]


def _read(path: Path, found: list[str]) -> Any:
    yaml = tools.library("yaml")
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8", errors="replace"))
    except yaml.YAMLError as error:
        found.append(f"{path.name}: is no YAML: {' '.join(str(error).split())}")
        return {}


def unknown(told: object, rules: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a value that its schema does not name, with the way to them."""
    while "$ref" in rules:
        place: Any = whole
        for step in rules["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        rules = place
    if isinstance(told, Mapping) and "properties" in rules:
        for key, content in told.items():
            if key not in rules["properties"]:
                yield str(key)
            else:
                yield from (f"{key}/{name}" for name in unknown(content, rules["properties"][key], whole))
    elif isinstance(told, list) and isinstance(rules.get("items"), Mapping):
        for number, content in enumerate(told):
            yield from (f"{number}/{name}" for name in unknown(content, rules["items"], whole))


def _agree(told: Mapping[str, Any], version: str, form: str) -> list[str]:
    wanted = {"PackageIdentifier": facts.WINGET_ID, "PackageVersion": version, "ManifestVersion": form}
    found = [
        f"{winget.file_name(kind)}: {key} is {content.get(key)} and not {value}"
        for kind, content in told.items()
        for key, value in wanted.items()
        if content.get(key) != value
    ]
    locales = told["version"].get("DefaultLocale"), told["defaultLocale"].get("PackageLocale")
    if locales != (winget.LOCALE, winget.LOCALE):
        found.append(f"{winget.file_name('version')}: the locale is {locales[0]} here and {locales[1]} there")
    notes = told["defaultLocale"].get("ReleaseNotesUrl", facts.release_page(version))
    if notes != facts.release_page(version):
        found.append(f"{winget.file_name('defaultLocale')}: ReleaseNotesUrl is {notes}")
    return found


def _installers(told: Mapping[str, Any], version: str, archives: Mapping[str, Path]) -> list[str]:
    name = winget.file_name("installer")
    kind = (told.get("InstallerType"), told.get("NestedInstallerType"))
    found = [] if kind == ("zip", "portable") else [f"{name}: the installer is {kind}, not a portable in a zip"]
    if told.get("ArchiveBinariesDependOnPath") is not True:
        found.append(f"{name}: ArchiveBinariesDependOnPath is not true, and the program needs the folder beside it")
    machines = [entry["Architecture"] for entry in told["Installers"]]
    if sorted(machines) != sorted(archives):
        found.append(f"{name}: Installers are for {', '.join(machines)}, built are {', '.join(archives)}")
    for entry in told["Installers"]:
        archive = archives.get(entry["Architecture"])
        if archive is None:
            continue
        if entry["InstallerUrl"] != facts.release_url(version, archive.name):
            found.append(f"{name}: InstallerUrl of {archive.name} is {entry['InstallerUrl']}")
        if entry["InstallerSha256"] != artifacts.sha256(archive).upper():
            found.append(f"{name}: InstallerSha256 of {archive.name} is {entry['InstallerSha256']}")
        found += [f"{name}: {line}" for line in _nested(told.get("NestedInstallerFiles") or [], archive)]
    return found


def _nested(files: list[dict[str, Any]], archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        names = set(file.namelist())
    found = [] if files else ["NestedInstallerFiles names none"]
    for entry in files:
        path = entry["RelativeFilePath"]
        if "/" in path:
            found.append(f"RelativeFilePath {path} has slashes, winget wants backslashes")
        if path.replace("\\", "/") not in names:
            found.append(f"RelativeFilePath: there is no {path} in {archive.name}")
        if entry.get("PortableCommandAlias") != facts.NAME:
            found.append(f"PortableCommandAlias is {entry.get('PortableCommandAlias')} and not {facts.NAME}")
    return found
