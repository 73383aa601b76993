"""What has the file's name already: whether it may stay, what the server is asked because of it, and what is noted of
the file for the next run."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Sequence

from fastdl.core.head import Validators, validators_of
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass
from fastdl.core.urls import Url
from fastdl.core.verify import Digest
from fastdl.engine import target
from fastdl.engine.proof import Proof
from fastdl.io import files
from fastdl.io.channel import Channel
from fastdl.io.contact import Answer
from fastdl.settings import Settings

if TYPE_CHECKING:
    from fastdl.io.session import Session
    from fastdl.io.validators import Kept

SAMPLE = 64 * 1024  # bytes of an existing file that are compared with the server's


class AskAgain(Exception):
    """The first response is of no use any more."""


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

        there = target.stat_of(self.path)
        return (("If-Modified-Since", formatdate(there.st_mtime, usegmt=True)),) if there is not None else ()

    def is_still(self, found: Validators, size: int | None) -> bool:
        """Whether the server says of its file what it said when this one came: it has sent it all the same, since it
        knows no conditions."""
        there = target.stat_of(self.path) if self.path is not None else None
        if there is None or size not in (None, there.st_size):
            return False
        if self.etag is not None:
            return self.etag == found.etag
        return self.modified is not None and self.modified == found.last_modified


def before(settings: Settings, path: str | None, noted: Sequence[Kept]) -> Before:
    """What is known of the file at `path`; where that is None, of one that has got its name from the server, in the
    folder of the settings. `noted`: all that was noted of its URL."""
    if not noted:
        return Before(path)
    from fastdl.io.validators import stored_path

    if path is None:
        folder = stored_path(settings.dir)
        named = [each for each in noted if each.chosen and os.path.dirname(each.path) == folder]
        there = [each for each in named if os.path.isfile(each.path)]
        if len(there) != 1 or settings.output is not None:
            return Before()
        path = target.in_folder(settings, os.path.basename(there[0].path))
    wanted = stored_path(path)
    kept = next((each for each in noted if each.path == wanted), None)
    state = target.stat_of(path)
    if kept is None or state is None:
        return Before(path)
    altered = state.st_size != kept.size or kept.mtime not in (None, state.st_mtime_ns)
    return Before(path, True, altered, None if altered else kept.etag, None if altered else kept.modified)


def _note_of(key: str, path: str, found: Validators, *, chosen: bool, under: str) -> Kept | None:
    """What is to be noted of a file (see Kept), which may be about to be moved there from the path `under`; None where
    it is none, or the server's words fit into no request."""
    from fastdl.io.validators import Kept, is_field, stored_path

    state = target.stat_of(under)
    etag, modified = (value if is_field(value) else None for value in (found.etag, found.last_modified))
    if state is None or not stat.S_ISREG(state.st_mode) or etag is modified is None:
        return None
    return Kept(key, stored_path(path), etag, modified, state.st_size, state.st_mtime_ns, int(chosen))


class Existing:
    """Whatever has the name of one download's file."""

    def __init__(
        self,
        session: Session,
        settings: Settings,
        given: Url,
        key: str,
        proof: Proof,
        embedded: Callable[[], Digest | None],
    ) -> None:
        """`key`: of the URL `given`, as the state of earlier runs has it; `embedded` is the URL's own digest, asked for
        only where a file stands in the way."""
        self._session = session
        self._settings = settings
        self._given = given
        self._key = key
        self._proof = proof
        self._embedded = embedded
        self._before = Before()
        self._heard = Validators()  # of the answer that settled the name
        self._free = ""  # a path that nothing had when it was looked at
        self._differs = False  # a file looked like the server's, and is another one

    def look(self, *, begun: bool) -> None:
        """What can be decided before the server is asked. `begun`: there are bytes of an earlier run to go on from.

        Raises target.AlreadyThere, DigestMismatch, BadName."""
        settings = self._settings
        if settings.output is not None or "." in os.path.basename(self._given.path):
            path = self._expected_path()
            if files.is_writable(path):
                self._session.wait_for(path)
                self._free = "" if os.path.lexists(path) else path
            if not self._free:
                target.settle_before(settings, path, self._digest_for(path), self._proof.hold)
        if not begun and not self._proof.expected:
            self._look_back()

    def _expected_path(self) -> str:
        return target.path_of(self._settings, None, self._given, self._given)

    def _digest_for(self, path: str) -> Digest | None:
        """The digest that decides whether an existing file is this one."""
        expected = self._proof.expected
        if not expected and os.path.isfile(path) and (digest := self._embedded()) is not None:
            return digest
        return expected[0].digest if expected else None

    def _look_back(self) -> None:
        """What is known of the file that this URL was fetched to, as far as it is there. Where many are fetched it may
        have a name that the server chose. A single one is compared with what the server and its publisher say of it
        now, unless -N is content with less. Raises target.AlreadyThere."""
        settings, many = self._settings, self._session.many
        if not (many or settings.newer):
            return
        path = self._expected_path()
        there = files.is_writable(path) and os.path.isfile(path)
        if (settings.overwrite and not settings.newer) or not (there or many):
            return
        # Where nothing is under the name that the URL tells, only a name that the server chose can be looked for.
        store = self._session.store
        looks = there or (settings.output is None and store.names_chosen())
        self._before = before(settings, path if there else None, store.noted(self._key) if looks else ())
        if settings.skip_existing and self._before.path is not None:
            raise target.AlreadyThere(self._before.path, target.EXISTS)

    def conditions(self) -> tuple[tuple[str, str], ...]:
        """The server may answer 304 instead of sending what we have (RFC 9110, section 13.1): a file that is what it
        was when it came from there and, with -N, any file by its time. One that has changed here is asked for."""
        if self._proof.expected:
            return ()  # an existing file that has the digest needs no request, and one that has not is replaced
        return self._before.conditions(newer=self._settings.newer)

    def not_modified(self) -> None:
        """The server answered 304 to the conditions. Raises target.AlreadyThere."""
        assert self._before.path is not None
        why = "the server's file is not newer" if self._settings.newer else target.UNCHANGED
        raise target.AlreadyThere(self._before.path, why)

    # --- by the first usable head ------------------------------------------------------------------------

    def _path_by(self, answer: Answer) -> str:
        return target.path_of(self._settings, answer.head.get("content-disposition"), self._given, answer.url)

    def unoccupied(self, answer: Answer, size: int) -> str | None:
        """The path for a new file; None where no file can be made, or something is there already that has to be looked
        at before it may be replaced. `size`: of the answer, in bytes. Raises BadName."""
        path = self._path_by(answer)
        if path == self._free:
            return path
        self._session.wait_for(path)
        free = files.is_writable(path) and (not os.path.lexists(path) or self._replaceable(path, answer, size))
        return path if free else None

    def _replaceable(self, path: str, answer: Answer, size: int) -> bool:
        """A file that goes, and no digest is known that it might have: by --overwrite whatever it holds, by -N if the
        server has another one."""
        settings = self._settings
        if self._proof.expected or not os.path.isfile(path) or os.path.islink(path):
            return False
        if settings.overwrite:
            return True
        before = self._before_at(path)
        remote = _remote(size, validators_of(answer.head))
        return settings.newer and (before.altered or target.is_newer(path, remote, before.etag))

    def _before_at(self, path: str) -> Before:
        return self._before if self._before.names(path) else Before()

    def settle(self, answer: Answer, found: Validators, size: int | None) -> str:
        """The path to use, whatever has the name that the answer gives. `found` and `size`: what it says of the file.

        Raises target.AlreadyThere, AskAgain, TargetExists, DigestMismatch, BadName."""
        settings = self._settings
        path = self._path_by(answer)
        self._session.wait_for(path)
        self._heard = found
        before = self._before_at(path)
        if before.altered and settings.newer and not self._proof.expected:
            return path  # it is not what came from the server, whatever its time says
        return target.settle(
            settings,
            path,
            self._digest_for(path),
            _remote(size, found),
            before.etag,
            before.is_still(found, size),
            lambda: self._same_start(path, answer.channel),
            self._proof.hold,
        )

    def _same_start(self, path: str, channel: Channel) -> bool:
        """Whether the response begins with the bytes of an existing file. If not, it has to be asked for again."""
        if self._differs:
            return False
        buffer = memoryview(bytearray(SAMPLE))
        count = channel.read_into(buffer)
        with contextlib.suppress(OSError), open(path, "rb") as file:  # what cannot be read is another file
            if file.read(count) == buffer[:count]:
                return True
        self._differs = True
        if self._settings.auto_rename:
            raise AskAgain
        return False

    # --- the end -----------------------------------------------------------------------------------------

    def note(self, path: str, size: int | None, fetched: Validators | None, under: str | None) -> Kept | None:
        """What the next run is to know of the file at `path`, which has just come with the validators `fetched`; where
        these are None it was there. `under`: it is stored there, and gets its name later. None where the server gives
        no validators, or what is there is not its file."""
        found = self._heard if fetched is None else fetched
        if found.etag is None and found.last_modified is None:
            return None
        if fetched is None and not target.is_this_file(path, _remote(size, found)):
            return None
        chosen = self._settings.output is None and path != self._expected_path()
        return _note_of(self._key, path, found, chosen=chosen, under=under or path)


def _remote(size: int | None, found: Validators) -> target.Remote:
    return target.Remote(size, found, target.modified_time(found))
