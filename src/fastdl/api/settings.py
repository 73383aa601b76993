"""From a program's options to Settings, by the checks of the config file: the same values, the same messages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from fastdl import combinations, config
from fastdl.api.folders import current
from fastdl.api.jobs import Job, JobOptions, Options
from fastdl.core.urls import parse_url
from fastdl.errors import FastdlError, UsageError
from fastdl.listing import File, at_place
from fastdl.options import BY_KEY, SETTINGS, Option
from fastdl.settings import Layer, Settings
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
TABLE: dict[str, Option] = BY_KEY | {option.key: option for option in SETTINGS} | {"sha256": BY_KEY["json"]}
"""The option behind each name. `sha256` is what is left of `--json` where nothing is printed."""
ALL = frozenset(Options.__annotations__)
OF_A_JOB = frozenset(JobOptions.__annotations__)
ONE_FILE_ONLY = ("output", "checksum", "mirror")
READ_LATER = ("lock", "cacert", "cert", "key", "netrc_file", "cookies")  # paths that a later os.chdir must not move
HINT = "See the options in docs/api.md."


def settings_for(options: Mapping[str, Any], *, several: bool = False) -> Settings:
    """The settings of a call. `several`: it is for many files. Raises UsageError."""
    layer = _layer(options, ALL)
    for key in ONE_FILE_ONLY if several else ():
        if layer.get(key):
            raise UsageError(f"{key} is for one file", "there may be several", "Give it to the Job.")
    if layer.get("lock") and not several:
        raise UsageError("lock is for several files", "this call is for one", "Use download_many.")
    combinations.agreeing(layer, "{}")
    combinations.check_together(layer, os.environ, str)
    settings = config.settings_of(layer, None)
    settings.history = bool(layer.get("history", False))
    for name in READ_LATER:
        path = getattr(settings, name)
        setattr(settings, name, path and os.path.join(current(), path))
    combinations.check_files(settings)
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
        _check_text(url)
        if not job.options:
            return File(url, run)
        place = f"job {number} ({_shown(url)})"
        return File(url, _of_job(job.options, run), place=place)
    except FastdlError as error:
        return File(url if isinstance(url, str) else "", run, place=place, error=at_place(place, error))


def _shown(url: object) -> str:
    from fastdl.core.shown import mask

    return mask(str(url))


def _of_job(options: Mapping[str, Any], run: Settings) -> Settings:
    layer = _layer(options, OF_A_JOB)
    one = config.for_file(run, layer)
    combinations.check_together(layer, os.environ, str)
    combinations.check_files(one)
    return one


def url_of(url: object) -> str:
    """The URL itself. Raises UsageError where it is none."""
    text = _check_text(url)
    parse_url(text)
    return text


def _check_text(url: object) -> str:
    if not isinstance(url, str):
        raise UsageError(f"a {type(url).__name__} is no URL", "text is expected", "")
    return url


def check_callback(on_event: object) -> None:
    """Raises UsageError for what cannot be called."""
    if on_event is not None and not callable(on_event):
        raise UsageError(f"on_event: a {type(on_event).__name__} cannot be called", "a function is expected", "")


def rate_of(rate: object) -> int | str | None:
    """Bytes a second, "auto", or None for no limit. Raises UsageError."""
    found: int | str | None = None if rate is None else value_of(BY_KEY["limit_rate"], rate, "limit_rate")
    return found


def _layer(options: Mapping[str, Any], known: frozenset[str]) -> Layer:
    layer: Layer = {}
    for key, given in options.items():
        if key not in known:
            raise _unknown(key)
        if given is None:
            continue
        option = TABLE[key]
        layer[option.key] = value = value_of(option, _written(option, given, key), key)
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


def _written(option: Option, given: Any, key: str) -> Any:
    """The value as the config file would have it."""
    if isinstance(given, os.PathLike):
        try:
            given = os.fspath(given)
        except TypeError as error:
            raise UsageError(f"{key}: a {type(given).__name__} is no path", str(error)) from None
    if option.kind != "list" or isinstance(given, str):
        return given
    if isinstance(given, Mapping) and option.name == "header":
        return [_field(name, value) for name, value in given.items()]
    return list(given) if isinstance(given, tuple | set | frozenset) else given


def _field(name: object, value: object) -> str:
    if not isinstance(name, str) or not isinstance(value, str):
        raise UsageError("header: a name or a value is no text", "a dict of texts is expected")
    if ":" in name:
        raise UsageError("header: the name of a header is not valid", "there is a colon in it")
    return f"{name}: {value}" if value else f"{name};"
