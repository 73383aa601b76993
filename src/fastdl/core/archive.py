"""What of an archive may be unpacked: names, kinds and sizes, decided before anything is written.

Whoever made an archive chose every name in it. A member is taken only if its path is plainly below the folder, on this
system; if nothing that was taken before is in its way; and if it leads nowhere else. One member that breaks a rule
refuses the whole archive. Nothing here knows zip or tar: those readers describe their members as `Head`.
"""

from __future__ import annotations

import re
import unicodedata

from fastdl.core.hints import Literal
from fastdl.core.naming import is_device
from fastdl.core.record import Record
from fastdl.errors import UnsafeArchive

Kind = Literal["file", "folder", "symlink", "hardlink"]

MOST_MEMBERS = 500_000
SMALL = 64 * 1024 * 1024
"""Bytes that any archive may unpack to: what is less does no harm."""
RATIO = 200
"""So many times its own size an archive may become beyond that. Text is packed 20 to 1 at best, a disk image that is
mostly empty 100 to 1; what is above is a bomb."""
MOST_PATH = 4096  # bytes of a whole name
MOST_NAME = 255  # bytes of one part of it
DEEPEST = 128  # folders

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:(?!:)")  # "C:/x", "C:x"; but "B::Deparse.3pm" is a manual page
_OF_WINDOWS = re.compile('[:*?"<>|]')
# File systems that fold letter case ignore these too.
_IGNORED = re.compile("[\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]")
# What lies beside a download: a stranger's journal would make claims about bytes.
_OURS = (".fastdl", ".fastdl.journal", ".fastdl.extract")


_Tree = dict[str, "_Tree | str"]
"""What was taken, by key of the name: folders with what is in them, "file" or "link". Each name is here but once, so a
path of a hundred folders costs what it is long."""


class Head(Record):
    """A member as the archive describes it. `size` is its bytes when unpacked, `mode` its permissions or None,
    `modified` Unix time in seconds or None, `target` what a link names."""

    name: str
    kind: Kind
    size: int = 0
    mode: int | None = None
    modified: float | None = None
    target: str = ""


class Member(Record):
    """A member that may be unpacked: `path` is below the folder, its parts parted by "/". For a hard link `target` is
    the path of a file that was taken before; for a symbolic one, what it shall hold. `mode`: permissions to make it
    with."""

    path: str
    kind: Kind
    size: int
    mode: int
    modified: float | None
    target: str


class Planner:
    """Takes the members of one archive in turn."""

    def __init__(self, packed: int, *, windows: bool, folds: bool) -> None:
        """`packed`: bytes of the archive itself. `windows`: its rules for names and links hold. `folds`: the file
        system takes names that differ in letter case, or in how accents are written, for the same."""
        self.most = max(SMALL, packed * RATIO)
        self.size = 0  # bytes of all that was taken
        self.count = 0
        self._windows = windows
        self._folds = folds
        self._tree: _Tree = {}

    def take(self, head: Head) -> Member | None:
        """The member as it may be unpacked, None for the folder itself. Raises UnsafeArchive."""
        self._count()
        parts = self._parts(head.name)
        if not parts:
            if head.kind != "folder":
                raise _refused(head.name, "its name is empty")
            return None
        self._add(head)
        target = self._target(head, parts)
        self._place(head, parts)
        return Member("/".join(parts), head.kind, head.size, _mode(head), _time(head.modified), target)

    # --- names -------------------------------------------------------------------------------------------

    def _parts(self, name: str) -> list[str]:
        """The parts of a path that is plainly below the folder."""
        if name[:1] in ("/", "\\"):
            raise _refused(name, "its name is absolute")
        if _DRIVE.match(name):
            raise _refused(name, "its name begins with a drive")
        if "\\" in name:
            raise _refused(name, "its name has a backslash")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if len(name.encode("utf-8", "surrogatepass")) > MOST_PATH or len(parts) > DEEPEST:
            raise _refused(name, "its name is too long")
        for part in parts:
            why = self._fault(part)
            if why:
                raise _refused(name, why)
        return parts

    def _fault(self, part: str) -> str:
        """What is wrong with one part of a path, empty if nothing is."""
        if part == "..":
            return "its name leads out of the folder"
        if _CONTROL.search(part):
            return "its name has a control character"
        if len(part.encode("utf-8", "surrogatepass")) > MOST_NAME:
            return "its name is too long"
        if _IGNORED.sub("", part).casefold().rstrip(". ").endswith(_OURS):
            return "its name is one of fastdl's own"
        if not self._windows:
            return ""
        if is_device(part):
            return "its name is that of a device"
        if part[-1] in ". ":
            return "Windows drops the end of its name"
        if _OF_WINDOWS.search(part):
            return "its name has a character that Windows gives a meaning to"
        return "" if _is_text(part) else "its name is no text"

    def _key(self, part: str) -> str:
        """What the file system takes for the same name has the same key."""
        if not self._folds or part.isascii():
            return part.casefold() if self._folds else part
        folded = unicodedata.normalize("NFD", _IGNORED.sub("", part)).casefold()
        return unicodedata.normalize("NFC", folded)

    # --- sizes -------------------------------------------------------------------------------------------

    def _count(self) -> None:
        """One more member, or a folder that only the names of others speak of."""
        self.count += 1
        if self.count > MOST_MEMBERS:
            raise UnsafeArchive(f"the archive has more than {MOST_MEMBERS} members")

    def _add(self, head: Head) -> None:
        if head.size < 0 or (head.size and head.kind != "file"):
            raise _refused(head.name, "its size makes no sense")
        self.size += head.size
        if self.size > self.most:
            what = f"the archive would become more than {self.most} bytes"
            raise UnsafeArchive(what, f"that is more than {RATIO} times its own size")

    # --- what is there already ---------------------------------------------------------------------------

    def _place(self, head: Head, parts: list[str]) -> None:
        """Nothing is written through a link, over another member, or below a file."""
        *above, last = map(self._key, parts)
        tree = self._tree
        for key in above:
            below = tree.get(key)
            if below is None:
                self._count()
                below = tree[key] = {}
            if isinstance(below, str):
                raise _refused(head.name, f"a {below} is in its path")
            tree = below
        there = tree.get(last)
        if there is None:
            tree[last] = {} if head.kind == "folder" else "link" if head.kind == "symlink" else "file"
        elif isinstance(there, str) or head.kind != "folder":  # folders are often named twice
            raise _refused(head.name, "the archive has its name twice")

    def _has_file(self, parts: list[str]) -> bool:
        there: _Tree | str | None = self._tree
        for key in map(self._key, parts):
            there = there.get(key) if isinstance(there, dict) else None
        return there == "file"

    # --- links -------------------------------------------------------------------------------------------

    def _target(self, head: Head, parts: list[str]) -> str:
        if head.kind == "hardlink":
            path = self._parts(head.target)
            if not self._has_file(path):
                raise _refused(head.name, "it is a hard link to no file of the archive before it")
            return "/".join(path)
        if head.kind == "symlink":
            return self._inside(head, len(parts) - 1)
        return ""

    def _inside(self, head: Head, depth: int) -> str:
        """The target of a symbolic link in a folder `depth` below the top. Up first, then down: the parents of the link
        are real folders, so so many ".." lead where they seem to; below, each further link was held to the same."""
        target = head.target
        if self._windows:
            raise _refused(head.name, "it is a symbolic link, which not everybody may make on Windows")
        if not target or target[0] in "/\\" or "\\" in target or _DRIVE.match(target) or _CONTROL.search(target):
            raise _refused(head.name, "it is a link out of the folder")
        if len(target.encode("utf-8", "surrogatepass")) > MOST_PATH:
            raise _refused(head.name, "the target of its link is too long")
        steps = [step for step in target.split("/") if step not in ("", ".")]
        up = next((at for at, step in enumerate(steps) if step != ".."), len(steps))
        if up > depth or ".." in steps[up:]:
            raise _refused(head.name, "it is a link out of the folder")
        return target


def _mode(head: Head) -> int:
    """Permissions to make it with: nobody else may write, no special bits, and its owner can always undo it."""
    if head.kind == "folder":
        return 0o755 if head.mode is None else head.mode & 0o755 | 0o700
    return 0o644 if head.mode is None else head.mode & 0o755 | 0o600


def _time(modified: float | None) -> float | None:
    """A time that file systems can hold: up to 2105."""
    return modified if modified is not None and 0 <= modified <= 4_260_000_000 else None


def _is_text(part: str) -> bool:
    try:
        part.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(name: str, why: str) -> UnsafeArchive:
    shown = name.encode("utf-8", "backslashreplace").decode()
    return UnsafeArchive(f"the archive is not safe: its member '{shown[:200]}'", why)
