"""A file of which a publisher gives the digest, and what may be wrong with the copy on the disk."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from servers.content import content
from servers.files import OLD_DATE, FileApp
from servers.run import Result, Runner

SIZE = 1_500_000
DATA = content(7, 0, SIZE)
LAST_MODIFIED = parsedate_to_datetime(OLD_DATE).timestamp()
SHA = hashlib.sha256(DATA).hexdigest()


def digest_field(data: bytes, algorithm: str = "sha256") -> tuple[str, str]:
    """An RFC 9530 field that speaks of the whole file."""
    label = {"sha256": "sha-256", "sha512": "sha-512", "md5": "md5"}[algorithm]
    value = b64encode(hashlib.new(algorithm, data).digest()).decode()
    return "Repr-Digest", f"{label}=:{value}:"


def published() -> FileApp:
    """The file, with its digest in the header fields."""
    return FileApp(size=SIZE, data=DATA, extra=(digest_field(DATA),))


def lay_down(fastdl: Runner, data: bytes) -> Path:
    """f.bin with these bytes and an old time."""
    path = fastdl.cwd / "f.bin"
    path.write_bytes(data)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    return path


def altered(*places: tuple[int, bytes]) -> bytes:
    data = bytearray(DATA)
    for at, new in places:
        data[at : at + len(new)] = new
    return bytes(data)


def unharmed(path: Path, before: bytes, result: Result) -> None:
    """The file is byte for byte what it was, its time too, and nothing lies beside it."""
    assert path.read_bytes() == before
    assert path.stat().st_mtime == 1_000_000_000
    assert result.files == {"f.bin"}


def repair(fastdl: Runner, url: str, *more: Any) -> Result:
    return fastdl("verify", "f.bin", "--repair", "--from", url, "--json", *more)
