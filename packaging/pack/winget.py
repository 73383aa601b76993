"""The three manifests for winget: the version, how it is installed, and what it is called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pack import artifacts, facts, yaml

FORMAT = "1.12.0"
LOCALE = "en-US"
KINDS = ("version", "installer", "defaultLocale")


def file_name(kind: str) -> str:
    """The name of one of KINDS; a locale's carries the locale."""
    middle = {"version": "", "installer": ".installer", "defaultLocale": f".locale.{LOCALE}"}[kind]
    return f"{facts.WINGET_ID}{middle}.yaml"


def manifests(version: str, archives: Mapping[str, Path], epoch: int) -> dict[str, dict[str, Any]]:
    """The manifests by kind, for the archives that there are by machine."""
    head = {"PackageIdentifier": facts.WINGET_ID, "PackageVersion": version}
    return {
        "version": {**head, "DefaultLocale": LOCALE, **_tail("version")},
        "installer": {**head, **_installer(version, archives, epoch), **_tail("installer")},
        "defaultLocale": {**head, **_locale(version), **_tail("defaultLocale")},
    }


def _tail(kind: str) -> dict[str, str]:
    return {"ManifestType": kind, "ManifestVersion": FORMAT}


def _installer(version: str, archives: Mapping[str, Path], epoch: int) -> dict[str, Any]:
    return {
        "Platform": ["Windows.Desktop"],
        "MinimumOSVersion": "10.0.0.0",
        "InstallerType": "zip",
        "NestedInstallerType": "portable",
        "NestedInstallerFiles": [
            {"RelativeFilePath": f"{facts.NAME}\\{facts.NAME}.exe", "PortableCommandAlias": facts.NAME}
        ],
        # The program needs the folder beside it: its own folder goes onto PATH, no link to the one file.
        "ArchiveBinariesDependOnPath": True,
        "Commands": [facts.NAME],
        "ReleaseDate": facts.date(epoch),
        "Installers": [
            {
                "Architecture": machine,
                "InstallerUrl": facts.release_url(version, path.name),
                "InstallerSha256": artifacts.sha256(path).upper(),
            }
            for machine, path in archives.items()
        ],
    }


def _locale(version: str) -> dict[str, Any]:
    return {
        "PackageLocale": LOCALE,
        "Publisher": facts.PUBLISHER,
        "PublisherUrl": facts.repository().rsplit("/", 1)[0],
        "PublisherSupportUrl": f"{facts.repository()}/issues",
        "Author": facts.PUBLISHER,
        "PackageName": facts.NAME,
        "PackageUrl": facts.repository(),
        "License": facts.LICENSE,
        "LicenseUrl": facts.document("LICENSE"),
        "Copyright": facts.COPYRIGHT,
        "ShortDescription": facts.SUMMARY,
        "Description": facts.DESCRIPTION,
        "Moniker": facts.NAME,
        "Tags": list(facts.TAGS),
        "ReleaseNotesUrl": facts.release_page(version),
        "Documentations": [{"DocumentLabel": "Documentation", "DocumentUrl": facts.document("docs/guide.md")}],
    }


def encode(kind: str, told: Mapping[str, Any]) -> bytes:
    """As a file, with the schema on its first line."""
    schema = f"https://aka.ms/winget-manifest.{kind}.{FORMAT}.schema.json"
    return f"# yaml-language-server: $schema={schema}\n\n{yaml.dump(told)}".encode()
