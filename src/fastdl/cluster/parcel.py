"""What a file needs on its way to another process or machine.

Paths are made absolute and secrets are read here, where the user is: the worker's machine has neither his working
folder nor his netrc file, cookie file and variables.
"""

from __future__ import annotations

import os
import pickle

from fastdl.core.hints import Any
from fastdl.core.plain import replace
from fastdl.errors import FastdlError
from fastdl.events import Ended, Event, Named
from fastdl.io.secrets import Secrets, read_secrets
from fastdl.listing import File, at_place
from fastdl.settings import Settings

PATHS = ("dir", "cacert", "cert", "key")
_NAMES = ("bearer_env", "netrc", "netrc_file", "cookies")
_MOST = 64  # secrets that are kept: lists repeat theirs


class Packer:
    """Makes settings and files of one run fit to travel. `pack` is for one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        """Raises UsageError for secrets that cannot be read."""
        self._given = settings
        self._secrets: dict[tuple[object, ...], Secrets] = {}
        self._folders: dict[int, str] = {}  # as they were given, of files on their way
        self.settings = self._portable(settings)

    def pack(self, job: int, file: File) -> File:
        """The file as a worker can use it; one whose secrets cannot be read comes back with that as its error."""
        folder = file.settings.dir
        if not os.path.isabs(folder):
            self._folders[job] = folder
        if file.error is not None:
            return replace(file, settings=self.settings)
        if file.settings is self._given:
            return replace(file, settings=self.settings)
        try:
            return replace(file, settings=self._portable(file.settings))
        except FastdlError as error:
            told = at_place(file.place, error) if file.place else error
            return replace(file, settings=self.settings, error=told)

    def unpack(self, event: Event) -> Event:
        """What a worker tells of a file, with its paths as the user writes them."""
        if isinstance(event, Named) and event.job in self._folders:
            return replace(event, path=self._as_given(event.job, event.path))
        if isinstance(event, Ended):
            result = event.result
            result.job = event.job
            if event.job in self._folders:
                if result.path is not None:
                    result.path = self._as_given(event.job, result.path)
                if result.unpacked_into:
                    result.unpacked_into = self._as_given(event.job, result.unpacked_into)
                self._folders.pop(event.job, None)
        return event

    def _as_given(self, job: int, path: str) -> str:
        folder = self._folders[job]
        whole = os.path.abspath(folder)
        if path == whole:
            return folder
        inside = path[len(whole) :].lstrip(os.sep) if path.startswith(whole + os.sep) else ""
        return os.path.join("" if folder == "." else folder, inside) if inside else path

    def _portable(self, settings: Settings) -> Settings:
        made = replace(settings)
        for name in PATHS:
            path = getattr(settings, name)
            if path is not None:
                setattr(made, name, os.path.abspath(os.path.expanduser(path)))
        if settings.secrets is None:
            made.secrets = self._read(settings)
        return made

    def _read(self, settings: Settings) -> Secrets:
        named = tuple(getattr(settings, name) for name in _NAMES)
        secrets = self._secrets.get(named)
        if secrets is None:
            if len(self._secrets) >= _MOST:
                self._secrets.clear()
            secrets = self._secrets[named] = read_secrets(settings)
        return secrets


class Sealed:
    """Anything, pickled, that shows nothing of itself: what goes through other people's queues, logs and dashboards
    is neither read nor printed there."""

    __slots__ = ("data",)

    def __init__(self, content: Any) -> None:
        self.data = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)

    def open(self) -> Any:
        """The content, made anew."""
        return pickle.loads(self.data)

    def __repr__(self) -> str:
        return "Sealed(***)"


def opened(data: bytes) -> Any:
    """What was sealed; None for nothing."""
    return pickle.loads(data) if data else None
