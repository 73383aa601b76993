"""Brings an unpacked tree into a folder that may hold files already: looked over first, then moved, or nothing of it.

What is there and the same stays. Folders are merged, but nothing goes through a link that somebody has put there. Where
a move fails, those before it are taken back.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from fastdl.core.hints import Literal
from fastdl.core.naming import SafeName, renamed
from fastdl.core.record import Record
from fastdl.errors import TargetExists
from fastdl.io import files
from fastdl.io.disk import disk_error

Policy = Literal["refuse", "overwrite", "skip", "rename", "newer"]
"""What becomes of a file that is there and is another one; "newer" replaces what is older."""

_BLOCK = 1024 * 1024
_MOST_NAMES = 10_000


class Appeared(TargetExists):
    """Another program made a file of that name since it was looked for."""


class Move(Record):
    """One rename. `replaces`: something of that name goes."""

    source: str
    target: str
    replaces: bool = False


def survey(tree: str, folder: str, policy: Policy, kept: str, check: Callable[[], None]) -> list[Move]:
    """What has to be moved so that everything below `tree` is in `folder`; nothing is touched. `kept` is a path that
    nothing may replace (the archive itself). Raises TargetExists, OSError."""
    return list(_survey(tree, folder, policy, kept, check))


def _survey(tree: str, folder: str, policy: Policy, kept: str, check: Callable[[], None]) -> Iterator[Move]:
    with os.scandir(tree) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        check()
        target = os.path.join(folder, entry.name)
        if not os.path.lexists(target):
            yield Move(entry.path, target)
        elif _is_folder(entry.path) or _is_folder(target):
            if not (_is_folder(entry.path) and _is_folder(target)):
                what = "a link" if os.path.islink(target) else "a folder" if _is_folder(target) else "no folder"
                raise TargetExists(f"{files.shown(target)} exists and is {what}", "", "Choose another place with -d.")
            yield from _survey(entry.path, target, policy, kept, check)
        elif not _same(entry.path, target, check):
            yield from _settled(entry.path, target, policy, kept)


def _settled(source: str, target: str, policy: Policy, kept: str) -> Iterator[Move]:
    """Another file has the name."""
    if policy == "skip":
        return
    if policy == "rename":
        yield Move(source, _free(target))
    elif policy == "refuse" or _is_one(target, kept):
        raise TargetExists(f"{files.shown(target)} exists, and the archive has another")
    elif policy == "overwrite" or (policy == "newer" and os.lstat(source).st_mtime > os.lstat(target).st_mtime):
        yield Move(source, target, True)


def _is_folder(path: str) -> bool:
    """A real one, no link to one."""
    return stat.S_ISDIR(os.lstat(path).st_mode)


def _is_one(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _same(path: str, other: str, check: Callable[[], None]) -> bool:
    """Whether both are links to the same place, or files of the same content."""
    one, two = os.lstat(path), os.lstat(other)
    if stat.S_IFMT(one.st_mode) != stat.S_IFMT(two.st_mode):
        return False
    if stat.S_ISLNK(one.st_mode):
        return os.readlink(path) == os.readlink(other)
    if not stat.S_ISREG(one.st_mode) or one.st_size != two.st_size:
        return False
    with open(path, "rb") as mine, open(other, "rb") as theirs:
        while block := mine.read(_BLOCK):
            check()
            if theirs.read(_BLOCK) != block:
                return False
        return not theirs.read(1)


def _free(path: str) -> str:
    folder, name = os.path.split(path)
    for number in range(1, _MOST_NAMES):
        candidate = os.path.join(folder, renamed(SafeName(name), number))
        if not os.path.lexists(candidate):
            return candidate
    raise TargetExists(f"{files.shown(path)} and ten thousand names beside it exist")


def carry_out(moves: list[Move], aside: str, check: Callable[[], None]) -> None:
    """Move it all. What is replaced lies in the folder `aside` until its owner removes that. Where one move fails, or
    `check` raises, those before it are taken back. Raises Appeared, DiskError."""
    done: list[Move] = []
    try:
        for number, move in enumerate(moves):
            check()
            if move.replaces:
                done.append(_put_aside(move.target, os.path.join(aside, str(number))))
            _rename(move)
            done.append(move)
    except BaseException:
        for move in reversed(done):
            _take_back(move)
        raise


def _put_aside(path: str, place: str) -> Move:
    """Keep what is about to be replaced; where there are second names, its own does not vanish meanwhile."""
    try:
        os.link(path, place, follow_symlinks=False)
    except (OSError, NotImplementedError):
        move = Move(path, place)
        _rename(move)
        return move
    return Move(path, place, True)


def _rename(move: Move) -> None:
    try:
        files.rename(move.source, move.target, replace=move.replaces, durable=False)
    except FileExistsError:
        raise Appeared(f"{files.shown(move.target)} has appeared meanwhile") from None
    except OSError as error:
        raise disk_error(error, "rename", move.target) from error


def _take_back(move: Move) -> None:
    try:
        files.rename(move.target, move.source, replace=move.replaces, durable=False)
    except OSError:
        return  # whoever has taken it away meanwhile has it
