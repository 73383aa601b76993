"""winget's three manifests. Its schemas let every unknown key pass, so a misspelt one is looked for here; and what they
cannot know: that the three agree, and that names and digests are those of the archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pack import archives as packed
from pack import artifacts, facts, winget
from pack.checks import tools

LINT = (
    "{extends: default, rules: {document-start: disable, line-length: disable, indentation: {indent-sequences: false}}}"
)


def check(folder: Path, form: str, version: str, archives: Mapping[str, Path]) -> list[str]:
    """Complaints about the manifests in a folder, which are to fit these archives. Raises Missing."""
    wanted = {winget.file_name(kind): kind for kind in winget.KINDS}
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    found = [f"{name}: is not there" for name in sorted(wanted) if not (folder / name).is_file()]
    found += [f"{name}: is none of winget's three manifests" for name in sorted(there - set(wanted))]
    if found:
        return found
    told: dict[str, Any] = {}
    broken: list[str] = []
    for name, kind in wanted.items():
        found += [*tools.text(folder / name, b"\n"), *tools.lint(folder / name, LINT)]
        told[kind], wrong = _read(folder / name, kind, form)
        broken += wrong
    if broken:
        return [*found, *broken]
    found += [*_agree(told, version, form), *_installers(told["installer"], version, archives)]
    return found or _same(folder, told, version, archives)


def _read(path: Path, kind: str, form: str) -> tuple[Any, list[str]]:
    """What a manifest says, and what is wrong with it as one of its kind."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        told = tools.load_yaml(text)
    except ValueError as error:
        return {}, [f"{path.name}: {error}"]
    rules = tools.schema(f"winget/manifest.{kind}.{form}.json")
    found = list(tools.against(told, rules, path.name))
    found += [f"{path.name}: the schema knows no {key}" for key in unknown(told, rules, rules)]
    if f"winget-manifest.{kind}.{form}.schema.json" not in text.split("\n")[0]:
        found.append(f"{path.name}: its first line does not name the schema of {form}")
    return told, found


def _same(folder: Path, told: Mapping[str, Any], version: str, archives: Mapping[str, Path]) -> list[str]:
    wanted = winget.manifests(version, archives, 0)
    wanted["installer"]["ReleaseDate"] = told["installer"]["ReleaseDate"]  # whichever day that was
    found = []
    for kind, right in wanted.items():
        name = winget.file_name(kind)
        found += tools.same(name, (folder / name).read_bytes(), winget.encode(kind, right))
    return found


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
    if not told.get("ReleaseDate"):
        found.append(f"{name}: has no ReleaseDate")
    machines = [entry["Architecture"] for entry in told["Installers"]]
    if sorted(machines) != sorted(archives):
        found.append(f"{name}: Installers are for {', '.join(machines)}, built are {', '.join(archives)}")
    for entry in told["Installers"]:
        archive = archives.get(entry["Architecture"])
        if archive is None:
            continue
        wanted = {"InstallerUrl": facts.release_url(version, archive.name)}
        wanted["InstallerSha256"] = artifacts.sha256(archive).upper()
        for key, value in wanted.items():
            if entry[key] != value:
                found.append(f"{name}: {key} of {archive.name} is {entry[key]} and not {value}")
        found += [f"{name}: {line}" for line in _nested(told.get("NestedInstallerFiles") or [], archive)]
    return found


def _nested(files: list[dict[str, Any]], archive: Path) -> list[str]:
    try:
        names = packed.read_zip(archive)
    except ValueError as error:
        return [str(error)]
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
