"""The files that are served, how an arrived one is compared with them, and an nginx that serves them."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benches import machine
from benches.harness import RunFailed
from benches.row import Skip
from benches.server import Nginx
from benches.text import MIB, size_text

BLOCK = MIB


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is served: its size in bytes and its BLAKE2b digest."""

    path: Path
    size: int
    digest: bytes


def make_file(path: Path, size: int) -> Source:
    """A file of `size` bytes that no compression makes smaller, the same at each call."""
    dice, digest, left = random.Random(size), hashlib.blake2b(), size
    with path.open("wb") as file:
        while left > 0:
            block = dice.randbytes(min(BLOCK, left))
            file.write(block)
            digest.update(block)
            left -= len(block)
    return Source(path, size, digest.digest())


def make_many(folder: Path, count: int, size: int) -> list[str]:
    """`count` different files of `size` bytes; returns their names."""
    folder.mkdir(parents=True, exist_ok=True)
    dice = random.Random(count)
    names = [f"f{number:05d}.bin" for number in range(count)]
    for name in names:
        (folder / name).write_bytes(dice.randbytes(size))
    return names


def digest_of(path: Path) -> bytes:
    """BLAKE2b of a file, in blocks."""
    digest = hashlib.blake2b()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.digest()


def check_file(who: str, target: Path, source: Source) -> None:
    """Raises RunFailed if `target` is not byte for byte the file that was served."""
    if not target.exists():
        raise RunFailed(f"{who} ended with 0 and left no file")
    if target.stat().st_size != source.size or digest_of(target) != source.digest:
        raise RunFailed(f"{who} brought a wrong file; its speed means nothing")


def check_many(who: str, folder: Path, root: Path, names: list[str]) -> None:
    """Raises RunFailed if one of the files in `folder` is missing or not that of `root`."""
    for name in names:
        if not (folder / name).exists():
            raise RunFailed(f"{who} ended with 0 and left no {name}")
        if (folder / name).read_bytes() != (root / name).read_bytes():
            raise RunFailed(f"{who} brought a wrong {name}; its speed means nothing")


@contextmanager
def served(folder: Path, size: int, room: Path | None = None) -> Iterator[tuple[Nginx, Source]]:
    """A file of `size` bytes on its server; both are gone afterwards. Raises Skip where `folder` has no room for it, or
    `room` (else `folder` again) for the one that arrives."""
    need_room(folder, size if room is not None else 2 * size)
    if room is not None:
        need_room(room, size)
    with serving(folder) as (server, root):
        yield server, make_file(root / "file.bin", size)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Nginx, Path]]:
    """An nginx and the folder that it serves, empty at first; both are gone afterwards."""
    with tempfile.TemporaryDirectory(dir=folder) as root:
        os.chmod(root, 0o755)  # nginx's workers may be another user
        with Nginx(Path(root), Path(root) / "nginx") as server:
            yield server, Path(root)


def need_room(folder: Path, size: int) -> None:
    """Raises Skip if `folder` has not `size` bytes free, and some more."""
    if machine.free_space(folder) < size + 64 * MIB:
        raise Skip(f"there is no room for {size_text(size)} in {folder.anchor}{folder.parts[1]}")
