"""A release server: describes one release as GitHub does, and gives its files out."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from dataclasses import dataclass, field
from typing import Any

from fastdl.engine.releases import ATTESTATION, MACHINES, SYSTEMS

from .attested import Attester
from .files import FileApp
from .files import serve as serve_requests
from .raw import Connection, Request

NEW = "99.1"
API = "/repos/fastdl/releases/latest"


@dataclass
class Releases:
    """A release server: files by path."""

    attester: Attester
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    def handle(self, connection: Connection) -> None:
        serve_requests(connection, self._answer)

    def _answer(self, connection: Connection, request: Request) -> None:
        self.asked.append(request)
        data = self.files.get(request.target)
        app = FileApp(size=len(data or b""), data=data or b"")
        if data is None:
            app.send(connection, app.short(404))
        else:
            app.answer(connection, request)

    def release(self, version: str = NEW, **assets: str) -> dict[str, Any]:
        """Describes a release, with addresses relative to its own."""
        told = {
            "tag_name": f"v{version}",
            "html_url": "https://example.org/fastdl/releases",
            "assets": [{"name": name, "browser_download_url": place} for name, place in assets.items()],
        }
        self.files[API] = json.dumps(told).encode()
        return told

    def publish(
        self,
        archive: bytes,
        *,
        version: str = NEW,
        sums: str | None = None,
        bundle: str | None = None,
        name: str = "",
    ) -> None:
        """A release with an archive (`name`: the one for this machine), its list of digests, and who attests it."""
        name = name or archive_name(version)
        digest = hashlib.sha256(archive).hexdigest()
        self.files["/dl/" + name] = archive
        self.files["/dl/SHA256SUMS"] = (sums if sums is not None else f"{digest}  {name}\n").encode()
        attested = bundle if bundle is not None else self.attester.bundle({name: archive}, version)
        self.files["/dl/attested"] = attested.encode()
        own = {"SHA256SUMS": "/dl/SHA256SUMS", ATTESTATION.format(version): "/dl/attested"}
        self.release(version, **{name: "/dl/" + name}, **own)

    def unattested(self) -> None:
        """The release without who attests it."""
        told = json.loads(self.files[API])
        told["assets"] = [asset for asset in told["assets"] if not asset["name"].endswith(".json")]
        self.files[API] = json.dumps(told).encode()


def archive_name(version: str) -> str:
    """What a release calls the archive for this machine."""
    system = SYSTEMS.get(sys.platform, sys.platform)
    kind = MACHINES.get(platform.machine().lower(), platform.machine().lower())
    return f"fastdl-{version}-{system}-{kind}.{'zip' if system == 'windows' else 'tar.gz'}"
