"""The package for Chocolatey, with the program inside: the same files as in the archive for Windows x64.

A .nupkg is a zip by the Open Packaging Conventions (ECMA-376 part 2): each part has a content type, and two of them say
what the whole is. It is written here and not by NuGet, which stamps it with the time and with random names.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote
from xml.sax.saxutils import escape

from pack import archives, artifacts, facts

NAMESPACE = "http://schemas.microsoft.com/packaging/2010/07/nuspec.xsd"  # the newest that old clients read
NUSPEC = f"{facts.NAME}.nuspec"
LICENSE, VERIFICATION = "legal/LICENSE.txt", "legal/VERIFICATION.txt"
TYPES, RELATIONS = "[Content_Types].xml", "_rels/.rels"
_XML = '<?xml version="1.0" encoding="utf-8"?>\n'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def package_version(version: str) -> str:
    """The version as NuGet wants it: 1.0rc1 and 1.0-rc1 are 1.0-rc001. Raises ValueError for what it cannot say."""
    found = re.fullmatch(r"(\d+(?:\.\d+){1,3})(?:[.-]?(a|b|rc|dev)(\d+))?", version)
    if found is None:
        raise ValueError(f"Chocolatey has no version like {version}")
    return found[1] + (f"-{found[2]}{int(found[3]):03d}" if found[2] else "")


def file_name(version: str) -> str:
    """The name of the package."""
    return f"{facts.NAME}.{package_version(version)}.nupkg"


def nuspec(version: str) -> str:
    """What the package says of itself."""
    home = facts.repository()
    told = {
        "id": facts.NAME,
        "version": package_version(version),
        "title": facts.NAME,
        "authors": facts.PUBLISHER,
        "owners": facts.PUBLISHER,
        "licenseUrl": facts.document("LICENSE"),
        "projectUrl": home,
        "projectSourceUrl": home,
        "packageSourceUrl": f"{home}/tree/main/packaging",
        "docsUrl": facts.document("docs/guide.md"),
        "bugTrackerUrl": f"{home}/issues",
        "requireLicenseAcceptance": "false",
        "description": facts.DESCRIPTION,
        "summary": facts.SUMMARY,
        "releaseNotes": facts.release_page(version),
        "copyright": facts.COPYRIGHT,
        "tags": " ".join([facts.NAME, *facts.TAGS]),
    }
    lines = [f"    <{name}>{escape(text)}</{name}>\n" for name, text in told.items()]
    return f'{_XML}<package xmlns="{NAMESPACE}">\n  <metadata>\n{"".join(lines)}  </metadata>\n</package>\n'


def verification(version: str, archive: Path) -> str:
    """How anybody can see that the files in the package are those of the release."""
    return (
        "VERIFICATION\n"
        "\n"
        "The files below tools/ are those of this archive of the release, unchanged:\n"
        "\n"
        f"  url:    {facts.release_url(version, archive.name)}\n"
        f"  sha256: {artifacts.sha256(archive)}\n"
        "\n"
        "To see it for yourself, in PowerShell:\n"
        "\n"
        f"  1. download the archive, and compare its digest: (Get-FileHash {archive.name}).Hash\n"
        f"  2. unpack it, and compare its folder '{facts.NAME}' with tools/{facts.NAME} of this package, file by file\n"
        f"  3. GitHub's command line says who built it: gh attestation verify {archive.name} --repo "
        f"{facts.repository().removeprefix('https://github.com/')}\n"
        "\n"
        f"The same program is in the release's {artifacts.SUMS}. The authors of the program are those of the package.\n"
    )


def files(version: str, archive: Path) -> dict[str, bytes]:
    """The files of the package, by name, without what makes it one. Raises ValueError for an archive that cannot be
    read, or that would write outside of the package."""
    found = {
        NUSPEC: nuspec(version).encode(),
        LICENSE: _crlf(f"From: {facts.document('LICENSE')}\n\n{(facts.ROOT / 'LICENSE').read_text(encoding='utf-8')}"),
        VERIFICATION: _crlf(verification(version, archive)),
    }
    for name, content in archives.read_zip(archive).items():
        if archives.climbs(name):
            raise ValueError(f"{archive.name}: {name} leads out of the archive")
        found[f"tools/{name}"] = content
    # Chocolatey makes a command of every .exe: of those of the program's inside none is wanted.
    for name in [name for name in found if name.lower().endswith(".exe")]:
        if name != f"tools/{facts.NAME}/{facts.NAME}.exe":
            found[f"{name}.ignore"] = b""
    return found


def _crlf(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def parts(version: str, archive: Path) -> dict[str, bytes]:
    """All parts of the package around the archive for Windows x64, by the names that they have in it. Raises
    ValueError."""
    inside = files(version, archive)
    core = f"package/services/metadata/core-properties/{_core_id(version)}.psmdcp"
    inside[core] = _core(version)
    inside[RELATIONS] = _relationships(core)
    return {TYPES: content_types(inside), **{_part_name(name): content for name, content in inside.items()}}


def write(target: Path, version: str, archive: Path, epoch: int) -> None:
    """Writes the package around the archive for Windows x64. Raises ValueError for an archive that it cannot be made
    of."""
    archives.write_zip(target, parts(version, archive), epoch)


def _part_name(name: str) -> str:
    return quote(name, safe="/!$&'()*+,;=:@-._~")


def _core_id(version: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, facts.release_page(version)).hex


def _core(version: str) -> bytes:
    """The document's properties, which repeat the nuspec."""
    space = f"{_PACKAGE}/metadata/core-properties"
    dublin = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    return (
        f'{_XML}<coreProperties {dublin} xmlns="{space}">\n'
        f"  <dc:creator>{escape(facts.PUBLISHER)}</dc:creator>\n"
        f"  <dc:description>{escape(facts.DESCRIPTION)}</dc:description>\n"
        f"  <dc:identifier>{facts.NAME}</dc:identifier>\n"
        f"  <version>{package_version(version)}</version>\n"
        f"  <keywords>{escape(' '.join([facts.NAME, *facts.TAGS]))}</keywords>\n"
        "</coreProperties>\n"
    ).encode()


def _relationships(core: str) -> bytes:
    manifest = "http://schemas.microsoft.com/packaging/2010/07/manifest"
    about = f"{_PACKAGE}/relationships/metadata/core-properties"
    return (
        f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">\n'
        f'  <Relationship Type="{manifest}" Target="/{NUSPEC}" Id="R1" />\n'
        f'  <Relationship Type="{about}" Target="/{core}" Id="R2" />\n'
        "</Relationships>\n"
    ).encode()


def content_types(inside: Mapping[str, bytes]) -> bytes:
    """The type of every part: by its ending, and one by one where a name has none."""
    known = {
        "rels": "application/vnd.openxmlformats-package.relationships+xml",
        "psmdcp": "application/vnd.openxmlformats-package.core-properties+xml",
    }
    endings = {PurePosixPath(name).suffix[1:].lower() for name in inside if PurePosixPath(name).suffix[1:]}
    endings |= {"rels"}  # PurePosixPath sees no ending in ".rels"
    bare = sorted(name for name in inside if not PurePosixPath(name).suffix[1:] and not name.endswith(".rels"))
    octets = "application/octet"
    lines = [
        f'  <Default Extension="{escape(end)}" ContentType="{known.get(end, octets)}" />\n' for end in sorted(endings)
    ]
    lines += [f'  <Override PartName="/{escape(_part_name(name))}" ContentType="{octets}" />\n' for name in bare]
    return f'{_XML}<Types xmlns="{_PACKAGE}/content-types">\n{"".join(lines)}</Types>\n'.encode()
