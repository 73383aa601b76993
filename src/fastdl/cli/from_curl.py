"""`get --from-curl`: the requests of a copied curl command as URLs with settings of their own.

They lie right below the command line: what stands beside --from-curl wins. A header of the command line takes the place
of the one of that name, -u that of every login, -b that of the cookies. The text is full of secrets, so no message
repeats a part of it.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Mapping, Sequence

from fastdl import combinations, config
from fastdl.cli.session import is_terminal
from fastdl.core.curl.request import Request, requests_of
from fastdl.core.curl.words import commands_of
from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.lists.keys import ONE_FILE
from fastdl.core.urls import parse_url
from fastdl.errors import UsageError
from fastdl.options import BY_KEY
from fastdl.settings import Layer, Settings
from fastdl.ui.progress import emit
from fastdl.values import value_of

if TYPE_CHECKING:
    from fastdl.listing import File

MOST = 4 * 1024 * 1024  # bytes
STDIN = "-"
END = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LOGINS = ("user", "bearer_env", "netrc", "netrc_file")


def files_of(
    values: Mapping[str, Any], settings: Settings, urls: Sequence[str], ask: config.Ask
) -> tuple[Settings, list[File], list[str]]:
    """What to fetch: the settings of the run, its files with their own, and what of the commands was left out.
    `values` are those of the command line, `settings` what they make with everything below; `ask` gets a password that
    a command leaves out. Raises UsageError."""
    from fastdl.listing import File

    path = settings.from_curl or STDIN
    if urls or settings.input_file is not None:
        other = "a URL" if urls else "--input-file"
        raise UsageError(f"--from-curl and {other} exclude each other", "it takes the place of URLs", "Give one.")
    if values.get("user") and settings.user is not None:
        password = settings.user[1]  # it may have been asked for already
        ask = lambda prompt: password  # noqa: E731
    if path == STDIN and not settings.quiet and is_terminal(sys.stdin):
        emit(sys.stderr, f"fastdl: paste the curl command, then {END}:")
    requests = read(path)
    layers = [_layer(request, path) for request in requests]
    run = _run_settings(values, layers, ask)
    several = len(requests) > 1
    files = []
    for request, layer in zip(requests, layers, strict=True):
        one = _settings(values, layer, ask) if several else run
        combinations.check_files(one)
        try:
            parse_url(request.url)
        except UsageError as error:
            raise _at(path, request.line, error) from None
        files.append(File(request.url, one, place=f"{name_of(path)}, line {request.line}"))
    combinations.check_urls(run, [file.url for file in files])
    left = dict.fromkeys(text for request in requests for text in request.left)
    return run, files, list(left)


def name_of(path: str) -> str:
    """How the text is called in messages."""
    return "stdin" if path == STDIN else path


def read(path: str) -> list[Request]:
    """The requests of the text at `path`, "-" for stdin. Raises UsageError that names it."""
    text = _decoded(_content(path))
    try:
        return requests_of(commands_of(text))
    except UsageError as error:
        joint = ", " if error.what.startswith("line ") else ": "
        raise UsageError(f"{name_of(path)}{joint}{error.what}", error.why, error.hint) from None


def _content(path: str) -> bytes:
    try:
        if path == STDIN:
            if sys.stdin is None:
                raise UsageError("--from-curl: stdin cannot be read", "it is closed", "Name a file.")
            data = sys.stdin.buffer.read(MOST + 1) or b""
        else:
            with open(path, "rb") as file:
                data = file.read(MOST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "there is no such file"
        raise UsageError(f"--from-curl: {name_of(path)} cannot be read", reason, "Check the path.") from None
    if len(data) > MOST:
        raise UsageError(f"--from-curl: {name_of(path)} is no curl command", "it is larger than 4 MiB", "")
    return data


def _decoded(data: bytes) -> str:
    """Text of UTF-8, or of UTF-16, as PowerShell writes it; other bytes stay what they are."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            data, errors = data[len(mark) :], "replace" if "16" in encoding else "surrogateescape"
            return data.decode(encoding, errors)
    return data.decode("utf-8", "surrogateescape")


def _at(path: str, line: int, error: UsageError) -> UsageError:
    return UsageError(f"{name_of(path)}, line {line}: {error.what}", error.why, error.hint)


def _layer(request: Request, path: str) -> Layer:
    """The options of a request, checked as those of the command line are. Raises UsageError."""
    layer = {}
    for key, raw in request.values.items():
        option = BY_KEY[key]
        if raw is None or (option.kind == "seconds" and key != "max_time" and raw.strip("0.") == ""):
            continue  # curl's 0 means: not given
        if key == "output":
            raw = os.path.expanduser(raw)  # as the shell would have done
        elif key == "cookies" and not os.path.isfile(os.path.expanduser(raw)):
            # It may be a cookie without a name: it is not repeated.
            why = "a text with cookies holds a '='"
            raise UsageError(f"{name_of(path)}, line {request.line}: the file of curl's --cookie is missing", why, "")
        try:
            layer[key] = value_of(option, raw, f"curl's option for --{option.name}")
        except UsageError as error:
            raise _at(path, request.line, error) from None
    return layer


def _settings(values: Mapping[str, Any], layer: Layer, ask: config.Ask) -> Settings:
    """The settings of one request under those of the command line."""
    given = config.from_command_line(values)
    beneath = _without_replaced(layer, given)
    rest = {key: raw for key, raw in values.items() if key != "header"}
    headers = [*beneath.get("header", []), *given.get("header", [])]
    if headers:
        beneath["header"] = headers
    return config.load(rest, os.environ, ask=ask, beneath=beneath)


def _without_replaced(layer: Layer, given: Layer) -> Layer:
    """The layer without what the command line says in another way."""
    named = {name.lower() for name, _ in given.get("header", [])}
    dropped: set[str] = set()
    if any(given.get(key) for key in _LOGINS):
        named.add("authorization")
        dropped |= {*_LOGINS}
    if "cookies" in given or "cookie" in named:
        named.add("cookie")
        dropped.add("cookies")
    dropped |= {"user"} if "authorization" in named else set()
    dropped |= {key for key in ("user_agent", "referer") if key.replace("_", "-") in named}
    left = {key: value for key, value in layer.items() if key not in dropped}
    kept = [(name, value) for name, value in left.pop("header", []) if name.lower() not in named]
    return {**left, "header": kept} if kept else left


def _run_settings(values: Mapping[str, Any], layers: Sequence[Layer], ask: config.Ask) -> Settings:
    """The settings of the run: all of the only request, or what several have in common. Raises UsageError where they
    differ in what cannot be another for each file."""
    if len(layers) == 1:
        return _settings(values, layers[0], ask)
    for key in sorted({key for layer in layers for key in layer if key not in ONE_FILE}):
        if any(layer.get(key) != layers[0].get(key) for layer in layers):
            what = f"the curl commands differ in what is --{BY_KEY[key].name} here"
            raise UsageError(
                what, "it is for the whole run", "Run fastdl once for each, or give it beside --from-curl."
            )
    return _settings(values, {key: value for key, value in layers[0].items() if key not in ONE_FILE}, ask)
