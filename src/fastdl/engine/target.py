"""Where the file goes: its name, what is there already, and an earlier run's partial download."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable

from fastdl.core.dates import http_date
from fastdl.core.head import Validators
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.journal import HEADER_SIZE, JournalDamaged, JournalHeader, decode_header
from fastdl.core.naming import SafeName, choose_name, renamed
from fastdl.core.plain import dataclass
from fastdl.core.shown import mask
from fastdl.core.urls import Url
from fastdl.core.verify import Digest, new_hasher
from fastdl.errors import BadName, DigestMismatch, DiskError, TargetExists
from fastdl.io import files
from fastdl.io.disk import disk_error
from fastdl.io.partial import DATA_SUFFIX, JOURNAL_SUFFIX
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.lists.entry import Hold

WINDOWS = sys.platform == "win32"
_MOST_RENAMES = 10_000
EXISTS = "it exists"
"""Why a file is kept that nobody has looked at (--skip-existing)."""
UNCHANGED = "it has not changed on the server"
_REPLACE = "Use --overwrite or -N to fetch it again; if it is meant to be so, remove its line from the lock."


Scanned = dict[str, dict[str, str]]  # folder to URL's key to final path


class AlreadyThere(Exception):
    """Nothing needs to be fetched; the message says why, `path` is the file, `verified` says that its digest agrees."""

    def __init__(self, path: str, why: str, *, verified: bool = False) -> None:
        super().__init__(why)
        self.path = path
        self.why = why
        self.verified = verified


@dataclass(frozen=True, slots=True)
class Remote:
    """What the server says of the file. `modified` is Unix time in seconds."""

    size: int | None
    validators: Validators
    modified: float | None


def modified_time(validators: Validators) -> float | None:
    """Last-Modified as Unix time, None if there is none or it makes no sense."""
    return http_date(validators.last_modified)


def path_of(settings: Settings, disposition: str | None, given: Url, final: Url) -> str:
    """The path under which the file is to appear. Raises BadName if -o names a folder, or what is
    no file on Windows."""
    if settings.output is None:
        return in_folder(settings, choose_name(disposition, given, final, windows=WINDOWS))
    path = in_folder(settings, settings.output)
    if not os.path.basename(path) or os.path.isdir(path):
        raise BadName(f"{path} is a folder")
    why = files.not_a_file(path)
    if why and stream_path(settings) is None:
        raise BadName(f"cannot create {path}", why)
    return path


def in_folder(settings: Settings, name: str) -> str:
    """The path of a name in the folder of the settings."""
    return os.path.join("" if settings.dir == "." else settings.dir, name)


def stream_path(settings: Settings) -> str | None:
    """Where the bytes go in order: `-` for stdout, the path of a device or pipe (-o /dev/null); None for a file."""
    if settings.output is None or settings.output == "-":
        return settings.output
    path = in_folder(settings, settings.output)
    if WINDOWS:
        return path if os.path.basename(path).lower() == "nul" else None
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return None
    return path if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) else None


def free_path(path: str) -> str:
    """The first of `name.1.ext`, `name.2.ext` ... that is not taken. Raises TargetExists after 10,000 tries."""
    folder, name = os.path.split(path)
    for number in range(1, _MOST_RENAMES):
        candidate = os.path.join(folder, renamed(SafeName(name), number))
        if not any(os.path.lexists(candidate + suffix) for suffix in ("", DATA_SUFFIX, JOURNAL_SUFFIX)):
            return candidate
    raise TargetExists(f"{path} and ten thousand names beside it exist")


def settle_before(settings: Settings, path: str, digest: Digest | None, hold: Hold | None = None) -> None:
    """What can be decided about an existing file without asking the server; `hold` is what a lock says of it.

    Raises AlreadyThere if it may stay as it is, DigestMismatch if it is not what the lock says and nothing allows to
    replace it."""
    if not os.path.lexists(path):
        return
    if hold is not None:
        _hold_to(settings, path, hold)
    if settings.skip_existing and not os.path.isdir(path):
        raise AlreadyThere(path, EXISTS)
    if digest is not None and _has_digest(path, digest):
        raise AlreadyThere(path, f"its {digest.algorithm} is the expected one", verified=True)


def _hold_to(settings: Settings, path: str, hold: Hold) -> None:
    there = stat_of(path)
    if there is not None and there.st_size == hold.size and _has_digest(path, hold.digest):
        raise AlreadyThere(path, f"its size and {hold.digest.algorithm} are those of the lock", verified=True)
    if not (settings.overwrite or settings.newer or settings.auto_rename):
        what = f"{path} is there and is not the file that is locked"
        raise DigestMismatch(what, f"{hold.who} has another size or {hold.digest.algorithm}", _REPLACE)


def settle(
    settings: Settings,
    path: str,
    digest: Digest | None,
    remote: Remote,
    remembered: str | None,
    unchanged: bool,
    same_start: Callable[[], bool],
    hold: Hold | None = None,
) -> str:
    """What becomes of an existing file now that the server has answered; returns the path to use.

    `remembered` is the ETag that was noted for the file; `unchanged`: the server says of it all that was noted;
    `same_start` compares its first bytes with the server's, which uses the response up if they differ. Raises
    AlreadyThere, TargetExists."""
    settle_before(settings, path, digest, hold)
    if not os.path.lexists(path):
        return path
    if os.path.isdir(path):
        raise BadName(f"{path} is a folder")
    if settings.newer:
        # A file with another digest than the expected one is wrong, however new it is.
        if digest is None and not is_newer(path, remote, remembered):
            raise AlreadyThere(path, "the server's file is not newer")
        return path
    if settings.overwrite:
        return path
    if digest is None and unchanged:
        raise AlreadyThere(path, UNCHANGED)
    if digest is None and is_this_file(path, remote) and same_start():
        raise AlreadyThere(path, "it is the server's file by size, time and first bytes")
    if settings.auto_rename:
        return free_path(path)
    raise TargetExists(f"{path} exists already")


def _has_digest(path: str, digest: Digest) -> bool:
    try:
        return os.path.isfile(path) and file_digest(path, digest.algorithm) == digest.value
    except DiskError:
        return False  # what cannot be read is not known to be this file


def stat_of(path: str) -> os.stat_result | None:
    """The state of what is there, behind links; None where there is nothing."""
    try:
        return os.stat(path)
    except OSError:
        return None


def is_this_file(path: str, remote: Remote) -> bool:
    """Whether an existing file may be the server's: size and time agree (rsync's quick check)."""
    there = stat_of(path)
    if there is None or not stat.S_ISREG(there.st_mode):
        return False
    return remote.size == there.st_size and remote.modified is not None and int(there.st_mtime) == int(remote.modified)


def is_newer(path: str, remote: Remote, remembered: str | None) -> bool:
    """Whether the server's file is newer than the one at `path`, or another one than that of the ETag `remembered`."""
    there = stat_of(path)
    if there is None:
        return True
    if remembered is not None and remote.validators.etag is not None:
        return remembered != remote.validators.etag
    if remote.size is not None and remote.size != there.st_size:
        return True
    return remote.modified is None or int(remote.modified) > int(there.st_mtime)


def file_digest(path: str, algorithm: str) -> bytes:
    """The digest of a file on disk. Raises DiskError where it cannot be read."""
    hasher = new_hasher(algorithm)
    try:
        with open(path, "rb") as file:
            while block := file.read(1024 * 1024):
                hasher.update(block)
    except OSError as error:
        raise disk_error(error, "read", path) from error
    return hasher.digest()


# --- an earlier run's partial download ---------------------------------------------------------------------


def unfinished(settings: Settings, given: Url, key: str, url_text: str, scanned: Scanned) -> str | None:
    """The final path of a partial download of this very URL, or None. It is looked for under the name that is to be
    expected, then among all partial downloads of the folder (the server may have chosen another name). `scanned` keeps
    what was found in a folder: a run of many files looks through it once, not once for each of them."""
    expected = path_of(settings, None, given, given)
    header = read_header(expected + JOURNAL_SUFFIX)
    if header is not None and belongs(header, key, url_text):
        return expected
    if settings.output is not None:
        return None
    folder = settings.dir or "."
    if folder not in scanned:
        scanned[folder] = _partials(folder)
    return scanned[folder].get(key)


def _partials(folder: str) -> dict[str, str]:
    """The final paths of the partial downloads in a folder, by the keys of their URLs."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(JOURNAL_SUFFIX)]
    except OSError:
        return {}
    found: dict[str, str] = {}
    for name in names:
        path = os.path.join(folder, name)
        header = read_header(path)
        if header is not None:
            found.setdefault(header.url_key, path[: -len(JOURNAL_SUFFIX)])
    return found


def belongs(header: JournalHeader, key: str, url_text: str) -> bool:
    """Whether a journal is that of this URL. Where a secret in the query is all that differs (a signed URL that was
    signed anew) it is, if a strong validator will tell whether the object is the same."""
    if header.url_key == key:
        return True
    etag = header.etag
    return header.masked and header.url == mask(url_text) and etag is not None and not etag.startswith("W/")


def read_header(path: str) -> JournalHeader | None:
    """The header of a journal, None where there is no usable one."""
    try:
        with os.fdopen(files.open_plain(path), "rb") as file:
            return decode_header(file.read(HEADER_SIZE))
    except (OSError, JournalDamaged):
        return None
