"""`fastdl explain URL`: what `get` would do and why, without fetching the file.

It takes the options of `get`, whose effect it explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from fastdl import combinations
from fastdl.cli.crash import report_bug
from fastdl.cli.get import ask_password, checked_settings
from fastdl.cli.parse import parse
from fastdl.cli.session import Session
from fastdl.core.hints import Any
from fastdl.errors import FastdlError, UsageError
from fastdl.events import Ended, Note, Started
from fastdl.options import EXPLAIN_OPTIONS, OPTIONS
from fastdl.result import Result
from fastdl.settings import Settings

EXPLAIN_HELP = "Say what get would do with URL and why; nothing is fetched."


def main(args: Sequence[str]) -> int:
    """Runs `explain` with the arguments after the command's name."""
    values, urls = parse(args, (*OPTIONS, *EXPLAIN_OPTIONS))
    return explain(values, urls)


def explain(values: Mapping[str, Any], urls: Sequence[str]) -> int:
    """Runs `explain` with option values by key; the exit code: 0 as well where the origin cannot be reached, since that
    is explained too. Raises UsageError and what stops a run."""
    others = dict(values)
    offline = bool(others.pop("offline", False))
    # Nobody is asked for a password that nobody will be sent.
    ask = (lambda prompt: "") if offline else None
    settings = checked_settings({**others, "dry_run": True}, ask)
    if settings.from_curl is not None:
        from fastdl.cli.from_curl import files_of

        settings, files, _ = files_of({**others, "dry_run": True}, settings, urls, ask or ask_password)
        urls = [file.url for file in files]
    if len(urls) > 1:
        raise UsageError("explain takes one URL", f"{len(urls)} are given", "Try 'fastdl explain --help'.")
    if not urls:
        raise UsageError("no URL is given", "", "Try 'fastdl explain --help'.")
    combinations.check_urls(settings, list(urls))
    return _tell(settings, urls[0], offline)


def _tell(settings: Settings, url: str, offline: bool) -> int:
    from fastdl.engine.explaining import explain

    session = Session(settings, 1)
    try:
        session.handle(Started(0, url))
        warn = partial(_warn, session)
        result = Result(url, plan=explain.explain(settings, url, offline=offline, warn=warn))
        session.handle(Ended(0, result))
    except (FastdlError, BrokenPipeError):
        raise
    except Exception as error:
        return report_bug(error, verbose=settings.verbose, log=session.log)
    finally:
        session.close()
    return session.exit_code([result])


def _warn(session: Session, text: str) -> None:
    session.handle(Note(0, "warning", text))
