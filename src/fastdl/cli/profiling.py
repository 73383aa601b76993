"""The file of `--profile`: whether it can be written is seen before anything is downloaded; it is written at the end,
whatever became of the downloads."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator

from fastdl.core.hints import TYPE_CHECKING
from fastdl.errors import DiskError
from fastdl.io.outfile import OutFile
from fastdl.outnames import check_name

if TYPE_CHECKING:
    from fastdl.engine.profile import Profile
    from fastdl.settings import Settings

_HINT = "Choose another file with --profile."


@contextlib.contextmanager
def profiling(path: str, settings: Settings, warn: Callable[[str], None]) -> Iterator[Profile]:
    """While it lasts, times are taken for the file `path`. `warn` is told if it cannot be written at the end: that is
    no reason to call the downloads failed. Raises DiskError if it cannot be begun, UsageError if something else of
    the run has that name."""
    check_name("profile", path, settings, _HINT)
    target = OutFile(path, "the profile", _HINT)
    from fastdl.engine.profile import Profile

    profile = Profile()
    try:
        yield profile
    finally:
        try:
            target.write(_text(profile, path))
        except DiskError as error:
            warn(f"{error.what} ({error.why})")
        _remember(profile, warn)


def _remember(profile: Profile, warn: Callable[[str], None]) -> None:
    """The times of the last files go to the state folder too, for `stats --html`."""
    kept = profile.kept()
    if kept:
        from fastdl.config import state_dir
        from fastdl.io import profiles
        from fastdl.io.store import Store

        store = Store(state_dir(os.environ, sys.platform), warn)
        profiles.keep(store, kept)
        store.close()


def _text(profile: Profile, path: str) -> str:
    if path.lower().endswith(".txt"):
        from fastdl.ui.profiled import lines

        return "\n".join(lines(profile.report())) + "\n"
    import json

    return json.dumps(profile.report(), indent=1) + "\n"
