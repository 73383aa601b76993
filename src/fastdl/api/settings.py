"""From a program's options to Settings, by the checks of the config file: the same values, the same messages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastdl import config
from fastdl.api.jobs import Job, JobOptions, Options
from fastdl.core.plain import replace
from fastdl.core.urls import parse_url
from fastdl.errors import FastdlError, UsageError
from fastdl.listing import File, at_place
from fastdl.options import BY_KEY, SETTINGS, Option
from fastdl.settings import Settings
from fastdl.values import value_of

LEFT_OUT = {
    "input_file": "a program has its list",
    "on_complete": "a program goes on by itself",
    "quiet": "nothing is said",
    "verbose": "events say it",
    "log": "events say it",
    "profile": "it is the command's",
    "metrics": "it is the command's",
    "progress": "events say it",
    "json": "a result has it",
    "from_curl": "it is the command's",
    "cluster": "a program gives an executor",
}
"""Options of `get` that a program does not have, and why."""
TABLE: dict[str, Option] = BY_KEY | {option.key: option for option in SETTINGS}
ALL = frozenset(Options.__annotations__)
OF_A_JOB = frozenset(JobOptions.__annotations__)
ONE_FILE_ONLY = ("output", "checksum", "mirror")
HINT = "See the options in docs/api.md."


def settings_for(options: Mapping[str, Any], *, several: bool = False) -> Settings:
    """The settings of a call. `several`: it is for many files. Raises UsageError."""
    layer = _layer(options, ALL)
    for key in ONE_FILE_ONLY if several else ():
        if layer.get(key):
            raise UsageError(f"{key} is for one file", "there may be several", "Give it to the Job.")
    if layer.get("lock") and not several:
        raise UsageError("lock is for several files", "this call is for one", "Use download_many.")
    config.agreeing(layer, "", "{}")
    config.check_together(layer, os.environ, str)
    settings = config.settings_of(layer, None)
    settings.json = bool(options.get("sha256"))
    settings.history = bool(layer.get("history", False))
    config.check_files(settings)
    return settings


def file_of(number: int, job: Job | str, run: Settings) -> File:
    """The file of a job; what is wrong with it is the file's error, which names the job by its number, from 0."""
    if isinstance(job, str):
        return File(job, run)
    url = job.url if isinstance(job, Job) else ""
    place = f"job {number}"
    try:
        if not isinstance(job, Job):
            raise UsageError(f"a {type(job).__name__} is no job", "a Job or a URL is expected", "")
        if not job.options:
            return File(url, run)
        place = f"job {number} ({_shown(url)})"
        return File(url, _of_job(job.options, run), place=place)
    except FastdlError as error:
        return File(str(url), run, place=place, error=at_place(place, error))


def _shown(url: object) -> str:
    from fastdl.core.urls import mask

    return mask(str(url))


def _of_job(options: Mapping[str, Any], run: Settings) -> Settings:
    layer = _layer(options, OF_A_JOB)
    one = config.for_file(run, layer)
    config.check_together(layer, os.environ, str)
    if options.get("sha256") is not None:
        one = replace(one, json=bool(options["sha256"]))
    config.check_files(one)
    return one


def url_of(url: object) -> str:
    """The URL itself. Raises UsageError where it is none."""
    if not isinstance(url, str):
        raise UsageError(f"a {type(url).__name__} is no URL", "text is expected", "")
    parse_url(url)
    return url


def rate_of(rate: object) -> int | str | None:
    """Bytes a second, "auto", or None for no limit. Raises UsageError."""
    found: int | str | None = None if rate is None else value_of(BY_KEY["limit_rate"], rate, "limit_rate")
    return found


def _layer(options: Mapping[str, Any], known: frozenset[str]) -> config.Layer:
    layer: config.Layer = {}
    for key, given in options.items():
        if key not in known:
            raise _unknown(key)
        if given is None or key == "sha256":
            continue
        option = TABLE[key]
        layer[key] = value = value_of(option, _written(option, given), key)
        if key == "output" and value == "-":
            raise UsageError("output: '-' is for the command", "a program's stdout is its own", "Name a file.")
    return layer


def _unknown(key: str) -> UsageError:
    if key in ALL:
        return UsageError(f"the option {key} is for the whole run", "a job has what concerns one file", HINT)
    if key in LEFT_OUT:
        return UsageError(f"the option {key} is not for programs", LEFT_OUT[key], HINT)
    from difflib import get_close_matches

    close = get_close_matches(key, sorted(ALL), 1)
    return UsageError(f"no such option '{key}'", f"did you mean {close[0]}?" if close else "", HINT)


def _written(option: Option, given: Any) -> Any:
    """The value as the config file would have it."""
    if isinstance(given, os.PathLike):
        given = os.fspath(given)
    if option.kind != "list" or isinstance(given, str):
        return given
    if isinstance(given, Mapping) and option.name == "header":
        return [f"{name}: {value}" if value else f"{name};" for name, value in given.items()]
    return list(given) if isinstance(given, tuple | set | frozenset) else given
