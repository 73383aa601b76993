"""An archive, unpacked."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from archives import entry, tar
from fastdl.io.merging import Policy
from fastdl.io.staging import SUFFIX
from fastdl.io.unpack import unpack
from servers.content import content

Put = Callable[..., "tuple[int, Path]"]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Unpack an archive of these bytes into a folder; how many files it had, and the folder."""

    def unpacked(data: bytes, policy: Policy = "refuse", name: str = "an.archive") -> tuple[int, Path]:
        archive = tmp_path / name
        archive.write_bytes(data)
        done = unpack(str(archive), str(tmp_path / "here"), policy, lambda: None)
        assert done is not None
        assert archive.read_bytes() == data, "the archive stays"
        assert not list((tmp_path / "here").glob("*" + SUFFIX))
        return done.files, tmp_path / "here"

    return unpacked


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder: the content of files, None for folders."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")
    }


FILES = {"top.bin": content(1, 0, 700_001), "a/b/deep.txt": b"deep", "a/empty": b"", "\u00e9/\u65e5\u672c.txt": b"name"}
FOLDERS = {"a", "a/b", "\u00e9", "nothing in it"}


def by_tarfile(mode: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=mode) as archive:
        folder = tarfile.TarInfo("nothing in it")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, data in FILES.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_600_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


MINE = tar(entry("d/same", b"same"), entry("d/mine", b"theirs", modified=2_000_000_000), entry("d/new", b"new"))


def prepared(tmp_path: Path) -> Path:
    folder = tmp_path / "here" / "d"
    folder.mkdir(parents=True)
    (folder / "same").write_bytes(b"same")
    (folder / "mine").write_bytes(b"mine")
    return folder
