"""Archives that are the same whenever, wherever and by whomever they are made: names in order, one time, no owner."""

from __future__ import annotations

import gzip
import io
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path

EARLIEST = 315532800  # 1980-01-01, before which a zip knows no time
_DEVICE = re.compile(r"(?i)(con|prn|aux|nul|(com|lpt)[\d¹²³]) *(\.|$)")


def tree(folder: Path) -> dict[str, Path]:
    """Every file below `folder` by its path in it, with slashes, in order. Links are followed."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return dict(sorted((path.relative_to(folder).as_posix(), path) for path in found))


def write_zip(target: Path, files: Mapping[str, Path | bytes], epoch: int) -> None:
    """Writes a zip of files by name."""
    moment = datetime.fromtimestamp(max(epoch, EARLIEST), timezone.utc).timetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            content = files[name]
            entry = zipfile.ZipInfo(name, moment)
            entry.create_system = 0  # plain names and no modes: the same from every system
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content if isinstance(content, bytes) else content.read_bytes())


def read_zip(path: Path) -> dict[str, bytes]:
    """The files of a zip by name, without its folders. Raises ValueError for one that cannot be read to its end, or
    that tools understand in different ways: a name that stands there twice, a link, bytes before or behind it."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(path) as file:
            for entry in file.infolist():
                wrong = "is in it twice" if entry.filename in found else _unlike_a_file(entry)
                if wrong:
                    raise ValueError(f"{path.name}: cannot be read: {entry.filename} {wrong}")
                if not entry.is_dir():
                    found[entry.filename] = file.read(entry)
        data = path.read_bytes()
        if not data.startswith((b"PK\3\4", b"PK\5\6")) or data[-22:-18] != b"PK\5\6":
            raise ValueError(f"{path.name}: cannot be read: there is something before or behind the zip")
    # RuntimeError is what an encrypted file gives, NotImplementedError a method or a version that Python has not.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{path.name}: cannot be read: {error}") from error
    return found


def _unlike_a_file(entry: zipfile.ZipInfo) -> str:
    """Why an entry of a zip is neither a file nor a folder to unpack, if it is not."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if "\0" in entry.orig_filename:
        return "has more behind its end"
    return "leads out" if entry.is_dir() and climbs(entry.filename) else ""


def read_tar(path: Path) -> dict[str, bytes]:
    """What is in a tar.gz by name; folders and links are empty. Raises ValueError for one that cannot be read to its
    end."""
    found = {}
    try:
        # Unpacked to its end first: tarfile stops at a broken head as if nothing came behind it.
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(path.read_bytes()))) as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() else None
                found[entry.name] = content.read() if content is not None else b""
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{path.name}: cannot be read: {' '.join(str(error).split())}") from error
    return found


def climbs(name: str) -> bool:
    """Whether the name of a file in an archive leads out of the folder that it is unpacked into, on any system."""
    return name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name


def fits(name: str) -> bool:
    """Whether every system can unpack a file of this name as it is called."""
    return not climbs(name) and all(
        part.isprintable()
        and not set(part) & set('<>"|?*')
        and part == part.rstrip(". ")
        and 0 < len(part.encode("utf-8", "surrogateescape")) <= 255
        and not _DEVICE.match(part)
        for part in name.split("/")
    )


def write_tar(target: Path, folder: Path, top: str, epoch: int) -> None:
    """Writes a tar.gz of `folder` under the name `top`. Links stay links; who may run a file stays."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", 9, raw, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in [folder, *_in_order(folder.rglob("*"), folder)]:
            _add(archive, path, "/".join([top, *path.relative_to(folder).parts]), epoch)


def _in_order(paths: Iterable[Path], folder: Path) -> list[Path]:
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def _add(archive: tarfile.TarFile, path: Path, name: str, epoch: int) -> None:
    entry = archive.gettarinfo(path, name)
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = epoch, 0, 0, "", ""
    runs = entry.isdir() or entry.mode & 0o100
    entry.mode = 0o777 if entry.issym() else 0o755 if runs else 0o644
    if entry.islnk():  # a second name of one file: the archive holds it twice rather than depend on the file system
        entry.type, entry.linkname, entry.size = tarfile.REGTYPE, "", path.stat().st_size
    archive.addfile(entry, io.BytesIO(path.read_bytes()) if entry.isreg() else None)
