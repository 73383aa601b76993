"""The list of what is inside an archive, in the format of CycloneDX 1.6."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pack import artifacts, facts
from pack.inside import IDS, Part


def bill(parts: Sequence[Part], archive: Path, epoch: int) -> dict[str, Any]:
    """The list for an archive that is there, as JSON."""
    digest = artifacts.sha256(archive)
    version = facts.version()
    root = f"pkg:github/{facts.repository().removeprefix('https://github.com/')}@v{version}"
    components = [_component(part) for part in parts if part.name != facts.distribution()]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{archive.name} {digest}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": facts.NAME,
                "version": version,
                "description": archive.name,
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": [{"license": {"id": facts.LICENSE}}],
                "purl": root,
                "externalReferences": [{"type": "vcs", "url": facts.repository()}],
            },
        },
        "components": components,
        "dependencies": [
            {"ref": root, "dependsOn": sorted(component["bom-ref"] for component in components)},
            *({"ref": component["bom-ref"]} for component in components),
        ],
    }


def _component(part: Part) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "library", "bom-ref": part.purl, "name": part.name}
    if part.version:
        told["version"] = part.version
    told["licenses"] = [licence(part.license)]
    told["purl"] = part.purl
    if part.files:
        told["components"] = [_file(part, name, digest) for name, digest in part.files]
    return told


def _file(part: Part, name: str, digest: str) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": digest}]
    return {"type": "file", "bom-ref": f"{part.purl}#{name}", "name": name, "hashes": hashes}


def licence(stated: str) -> dict[str, Any]:
    """A licence as the format wants it: an identifier, an expression, or whatever its makers call it."""
    if stated in IDS or stated in ("blessing", "bzip2-1.0.6"):
        return {"license": {"id": stated}}
    if any(word in stated for word in (" AND ", " OR ", " WITH ")) or stated.startswith("LicenseRef-"):
        return {"expression": stated}
    return {"license": {"name": stated}}
