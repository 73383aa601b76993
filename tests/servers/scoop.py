"""Carries out a manifest as Scoop does: fetches, compares the digest, unpacks `extract_dir` into a folder of the
version, links `current` to it, and puts a shim on the path.

A key that this does not carry out is an error: the manifest must not hold what nothing here tries.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

Fetch = Callable[[str], bytes]
"""Gives what lies at an address."""

SAID = {
    "version",
    "description",
    "homepage",
    "license",
    "checkver",
    "autoupdate",
}  # for people, and for the next version
DONE = {"architecture", "extract_dir", "bin"}


@dataclass(frozen=True, slots=True)
class Scoop:
    """A Scoop below `root`, which is `outside` for the programs that it installs."""

    root: Path
    outside: str
    fetch: Fetch

    def install(self, name: str, manifest: Mapping[str, Any], machine: str = "64bit") -> Path:
        """Installs what a manifest describes; the folder of the version."""
        strange = set(manifest) - SAID - DONE
        assert not strange, f"not carried out: {strange}"
        source = manifest["architecture"][machine]
        assert set(source) == {"url", "hash"}, source
        data = self.fetch(source["url"])
        assert hashlib.sha256(data).hexdigest() == source["hash"], "the digest is another"
        folder = self.root / "apps" / name / str(manifest["version"])
        self._unpack(data, manifest["extract_dir"], folder)
        current = folder.parent / "current"
        current.unlink(missing_ok=True)
        current.symlink_to(folder.name, target_is_directory=True)
        (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        self._shim(name, manifest["bin"])
        return folder

    def _unpack(self, data: bytes, part: str, folder: Path) -> None:
        """Only what lies in the folder `part` of the archive, without that folder."""
        with zipfile.ZipFile(BytesIO(data)) as packed:
            for entry in packed.infolist():
                inside = entry.filename.removeprefix(f"{part}/")
                if inside != entry.filename and not entry.is_dir():
                    target = folder / inside
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(packed.read(entry))

    def _shim(self, name: str, program: str) -> None:
        """A command that starts the program through `current`."""
        assert (self.root / "apps" / name / "current" / program).is_file(), f"there is no {program}"
        shims = self.root / "shims"
        shims.mkdir(exist_ok=True)
        place = f"{self.outside}\\apps\\{name}\\current\\{program}"
        (shims / f"{Path(program).stem}.cmd").write_bytes(f'@"{place}" %*\r\n'.encode())


def updated(manifest: Mapping[str, Any], version: str, fetch: Fetch) -> dict[str, Any]:
    """The manifest for another version, as `autoupdate` says."""
    told = manifest["autoupdate"]
    fresh = {**manifest, "version": version, "architecture": {}}
    for machine, source in told["architecture"].items():
        url = source["url"].replace("$version", version)
        sums = told["hash"]["url"].replace("$baseurl", os.path.dirname(url)).replace("$version", version)
        lines = (line.split() for line in fetch(sums).decode().splitlines())
        (digest,) = (words[0] for words in lines if words[1].lstrip("*") == os.path.basename(url))
        fresh["architecture"][machine] = {"url": url, "hash": digest}
    return fresh
