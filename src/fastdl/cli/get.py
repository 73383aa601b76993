"""`fastdl get URL...`: from the command line to the exit code. The work itself is batch.run's."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

from fastdl import combinations, config
from fastdl.cli.parse import COMMANDS, parse
from fastdl.cli.session import Session
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.errors import UsageError
from fastdl.options import OPTIONS
from fastdl.result import Result, Tally
from fastdl.settings import Settings

GET_HELP = "Download files: fast, verified, resumable."

if TYPE_CHECKING:
    from fastdl.batch import Watcher
    from fastdl.events import Observer
    from fastdl.listing import File


def main(args: Sequence[str]) -> int:
    """Runs `get` with the arguments after the command's name. Raises FastdlError for what concerns the whole run."""
    values, urls = parse(args, OPTIONS)
    return get(values, urls)


def get(values: Mapping[str, Any], urls: Sequence[str]) -> int:
    """Runs `get` with option values by key, as both parsers give them; the exit code."""
    urls = list(urls)
    for word in urls:
        if word in COMMANDS:
            raise UsageError(f"'{word}' is no URL", "a command comes first", f"Write: fastdl {word} OPTIONS.")
    settings = checked_settings(values)
    if settings.from_curl is not None:
        return _get_copied(values, settings, urls)
    combinations.check_urls(settings, urls)
    session = Session(settings, len(urls) if settings.input_file is None else None)
    return session.run(lambda watcher: _run(settings, urls, session, watcher))


def _run(
    settings: Settings, urls: Sequence[str], session: Session, watcher: Watcher | None
) -> Sequence[Result] | Tally:
    from fastdl import batch

    if settings.input_file is None:
        return batch.run(settings, urls, session.handle, watcher)
    from fastdl.listing import files_of

    files = files_of(settings, urls)
    if settings.lock is None:
        return _run_list(settings, files, session.handle, watcher)
    from fastdl.locking import Locking

    with Locking(settings, session.handle, session.say) as lock:
        return _run_list(settings, lock.files(files), lock.handle, watcher)


def _run_list(settings: Settings, files: Iterable[File], observer: Observer, watcher: Watcher | None) -> Tally:
    if settings.cluster is not None and not settings.dry_run:
        from fastdl.cli import clustering

        return clustering.run_list(settings, files, observer)
    from fastdl import batch

    return batch.run_list(settings, files, observer, watcher)


def _get_copied(values: Mapping[str, Any], settings: Settings, urls: Sequence[str]) -> int:
    """What --from-curl reads takes the place of URLs."""
    from fastdl import batch
    from fastdl.cli.from_curl import files_of
    from fastdl.events import Note

    run, files, left = files_of(values, settings, urls, ask_password)
    session = Session(run, len(files))
    for text in left:
        session.handle(Note(None, "warning", text))
    if len(files) == 1:
        return session.run(lambda watcher: batch.run(run, [files[0].url], session.handle, watcher))
    return session.run(lambda watcher: batch.run_list(run, files, session.handle, watcher))


def checked_settings(values: Mapping[str, Any], ask: config.Ask | None = None) -> Settings:
    """Settings from the flags, the environment and the config file, with the files they name. `ask` gets the password
    that -u left out, at the terminal unless told otherwise. Raises UsageError."""
    settings = config.load(values, os.environ, ask=ask or ask_password)
    combinations.check_files(settings)
    if settings.rules is not None:
        from fastdl.io.rules_file import mapper_of

        mapper_of(settings)  # a wrong rule is told by every command, as any other wrong setting
    return settings


def ask_password(prompt: str) -> str:
    """The password that -u left out, asked for at the terminal; UsageError where there is none."""
    from fastdl.io import secrets

    return secrets.ask_password(prompt, "--user: no password is given", "Give NAME:PASS or use --netrc.")
