"""The wheel and the sdist: that both are there, whole, and of this version."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Collection, Mapping
from email.parser import BytesHeaderParser
from pathlib import Path

from pack import archives, facts


def check(dist: Path, version: str, left_out: Collection[str] = ()) -> list[str]:
    """Complaints about the two. `left_out`: the steps of a build that were not taken, whose files may be missing."""
    stem = f"{facts.distribution().replace('-', '_')}-{version.replace('-', '')}"
    found = []
    for step, name, look in (("wheel", f"{stem}-py3-none-any.whl", wheel), ("sdist", f"{stem}.tar.gz", sdist)):
        path = dist / name
        if path.is_file():
            found += [f"{name}: {line}" for line in look(path, stem)]
        elif step not in left_out:
            found.append(f"{name}: is not there")
    return found


def wheel(path: Path, stem: str) -> list[str]:
    """What is wrong with a wheel, whose RECORD has the digest of each of its files."""
    try:
        inside = archives.read_zip(path)
    except ValueError as error:
        return [str(error)]
    record = f"{stem}.dist-info/RECORD"
    rows = csv.reader(inside.get(record, b"").decode("utf-8", "replace").splitlines())
    listed = {row[0]: row[1] for row in rows if len(row) == 3}
    own = {name: _digest(data) for name, data in inside.items() if name != record}
    found = [f"{name} is not what its RECORD says" for name in own if listed.get(name) != own[name]]
    found += [f"{name} is in its RECORD alone" for name in listed if name not in inside]
    found += [f"{name} leads out of it" for name in inside if archives.climbs(name)]
    return found + _metadata(inside, f"{stem}.dist-info/METADATA", stem)


def _digest(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def sdist(path: Path, stem: str) -> list[str]:
    """What is wrong with a source distribution."""
    try:
        inside = archives.read_tar(path)
    except ValueError as error:
        return [str(error)]
    found = [f"{name} is not in its one folder" for name in inside if name.split("/")[0] != stem]
    found += [f"{name} leads out of it" for name in inside if archives.climbs(name)]
    return found + _metadata(inside, f"{stem}/PKG-INFO", stem)


def _metadata(inside: Mapping[str, bytes], name: str, stem: str) -> list[str]:
    """That a package says of itself what its name does."""
    told = BytesHeaderParser().parsebytes(inside.get(name, b""))
    said = f"{str(told['Name']).replace('-', '_')}-{told['Version']}"
    return [] if said == stem else [f"{name.rsplit('/', 1)[1]} says {said}"]
