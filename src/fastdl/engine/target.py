"""Where the file goes: its name, what is there already, and an earlier run's partial download."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence

from fastdl.core.dates import http_date
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.journal import HEADER_SIZE, JournalDamaged, JournalHeader, decode_header
from fastdl.core.naming import SafeName, choose_name, renamed
from fastdl.core.plain import dataclass
from fastdl.core.response import Validators
from fastdl.core.urls import Url, mask
from fastdl.core.verify import Digest, new_hasher
from fastdl.errors import BadName, DigestMismatch, DiskError, TargetExists
from fastdl.io import files
from fastdl.io.disk import disk_error
from fastdl.io.partial import DATA_SUFFIX, JOURNAL_SUFFIX
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.core.lists.entry import Hold
    from fastdl.io.store import Kept

WINDOWS = sys.platform == "win32"
_MOST_RENAMES = 10_000
EXISTS = "it exists"
"""Why a file is kept that nobody has looked at (--skip-existing)."""
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


@dataclass(frozen=True, slots=True)
class Before:
    """A file of an earlier run, or whatever else has its name. `path` is None where nothing is there; `altered`: it is
    not any more what came from the server then. `etag` and `modified` are the server's words of that time."""

    path: str | None = None
    known: bool = False
    altered: bool = False
    etag: str | None = None
    modified: str | None = None

    def names(self, path: str) -> bool:
        """Whether it is the file at `path`."""
        return self.path is not None and os.path.abspath(self.path) == os.path.abspath(path)

    def conditions(self, *, newer: bool) -> tuple[tuple[str, str], ...]:
        """The fields of a request for what is not this file. `newer`: its time alone may decide too."""
        if self.path is None or self.altered:
            return ()
        if self.etag is not None:
            return (("If-None-Match", self.etag),)
        if self.modified is not None:
            return (("If-Modified-Since", self.modified),)
        if self.known or not newer:
            return ()
        from email.utils import formatdate

        there = _stat(self.path)
        return (("If-Modified-Since", formatdate(there.st_mtime, usegmt=True)),) if there is not None else ()


def before(settings: Settings, path: str | None, noted: Sequence[Kept]) -> Before:
    """What is known of the file at `path`; where that is None, of one that has got its name from the server, in the
    folder of the settings. `noted`: all that was noted of its URL."""
    if not noted:
        return Before(path)
    from fastdl.io.store import stored_path

    if path is None:
        folder = stored_path(settings.dir)
        named = [each for each in noted if each.chosen and os.path.dirname(each.path) == folder]
        there = [each for each in named if os.path.isfile(each.path)]
        if len(there) != 1 or settings.output is not None:
            return Before()
        path = _in_folder(settings, os.path.basename(there[0].path))
    wanted = stored_path(path)
    kept = next((each for each in noted if each.path == wanted), None)
    state = _stat(path)
    if kept is None or state is None:
        return Before(path)
    altered = state.st_size != kept.size or kept.mtime not in (None, state.st_mtime_ns)
    return Before(path, True, altered, None if altered else kept.etag, None if altered else kept.modified)


def kept(key: str, path: str, found: Validators, *, chosen: bool) -> Kept | None:
    """What is to be noted of a file (see Kept); None where it is none, or the server's words fit into no request."""
    from fastdl.io.store import Kept, is_field, stored_path

    state = _stat(path)
    etag, modified = (value if is_field(value) else None for value in (found.etag, found.last_modified))
    if state is None or not stat.S_ISREG(state.st_mode) or etag is modified is None:
        return None
    return Kept(key, stored_path(path), etag, modified, state.st_size, state.st_mtime_ns, int(chosen))


def modified_time(validators: Validators) -> float | None:
    """Last-Modified as Unix time, None if there is none or it makes no sense."""
    return http_date(validators.last_modified)


def path_of(settings: Settings, disposition: str | None, given: Url, final: Url) -> str:
    """The path under which the file is to appear. Raises BadName if -o names a folder."""
    if settings.output is None:
        return _in_folder(settings, choose_name(disposition, given, final, windows=WINDOWS))
    path = _in_folder(settings, settings.output)
    if not os.path.basename(path) or os.path.isdir(path):
        raise BadName(f"{path} is a folder")
    why = files.not_a_file(path)
    if why and stream_path(settings) is None:
        raise BadName(f"cannot create {path}", why)
    return path


def _in_folder(settings: Settings, name: str) -> str:
    return os.path.join("" if settings.dir == "." else settings.dir, name)


def stream_path(settings: Settings) -> str | None:
    """Where the bytes go in order: `-` for stdout, the path of a device or pipe (-o /dev/null); None for a file."""
    if settings.output is None or settings.output == "-":
        return settings.output
    path = _in_folder(settings, settings.output)
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
    there = _stat(path)
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
    same_start: Callable[[], bool],
    hold: Hold | None = None,
) -> str:
    """What becomes of an existing file now that the server has answered; returns the path to use.

    `remembered` is the ETag that -N noted for the file; `same_start` compares its first bytes with the server's, which
    uses the response up if they differ. Raises AlreadyThere, TargetExists."""
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


def _stat(path: str) -> os.stat_result | None:
    """None where a link leads nowhere."""
    try:
        return os.stat(path)
    except OSError:
        return None


def is_this_file(path: str, remote: Remote) -> bool:
    """Whether an existing file may be the server's: size and time agree (rsync's quick check)."""
    there = _stat(path)
    if there is None or not stat.S_ISREG(there.st_mode):
        return False
    return remote.size == there.st_size and remote.modified is not None and int(there.st_mtime) == int(remote.modified)


def is_newer(path: str, remote: Remote, remembered: str | None) -> bool:
    """Whether the server's file is newer than the one at `path`, or another one than that of the ETag `remembered`."""
    there = _stat(path)
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
