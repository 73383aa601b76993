"""Where secrets are read: netrc, cookie files, the environment, the terminal. The rules for them are in
core/credentials.py; nothing here is kept longer than it takes to build that."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Mapping

from fastdl.core.cookies import Cookie, CookieJar, parse_cookie_file
from fastdl.core.credentials import Credentials, NetrcEntry
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

if TYPE_CHECKING:
    from fastdl.settings import Settings

MAX_FILE = 16 * 1024 * 1024  # bytes: no netrc or cookie file is larger


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the netrc file, the cookie file and the variable of --bearer-env hold: plain data, so that they can be read
    on one machine and used on another (fastdl/cluster)."""

    bearer: str | None = field(repr=False)
    netrc: tuple[NetrcEntry, ...] = field(repr=False)
    cookies: tuple[Cookie, ...] = field(repr=False)


def read_secrets(settings: Settings, environ: Mapping[str, str] | None = None) -> Secrets:
    """What the files and the variable hold that `settings` name. Raises UsageError that names the file or variable."""
    variables = os.environ if environ is None else environ
    bearer = None
    if settings.bearer_env is not None:
        bearer = variables.get(settings.bearer_env, "").strip()
        if not bearer:
            raise UsageError(f"the variable {settings.bearer_env} of --bearer-env is empty or not set")
    cookies: list[Cookie] = []
    if settings.cookies is not None:
        cookies = parse_cookie_file(_read(settings.cookies, "cookie file"), settings.cookies)
    return Secrets(bearer, tuple(_netrc_entries(settings, variables)), tuple(cookies))


def load_credentials(settings: Settings, environ: Mapping[str, str] | None = None) -> Credentials:
    """Everything that `settings` say about who asks. Raises UsageError that names the file or variable."""
    read: Secrets = settings.secrets if settings.secrets is not None else read_secrets(settings, environ)
    return Credentials(
        headers=settings.headers,
        user_agent=settings.user_agent,
        referer=settings.referer,
        user=settings.user,
        bearer=read.bearer,
        netrc=read.netrc,
        cookies=CookieJar(read.cookies, threading.Lock()),
    )


def ask_password(prompt: str, what: str, hint: str) -> str:
    """A password typed at the terminal. UsageError `what`, `hint` where stdin is none, or nothing was typed."""
    import getpass

    if not (sys.stdin is not None and sys.stdin.isatty()):
        raise UsageError(what, "there is no terminal to ask at", hint)
    shown = "".join(c for c in prompt if c.isprintable())
    try:
        return getpass.getpass(shown)
    except EOFError:
        raise UsageError(what, "nothing was typed", hint) from None


def parse_netrc(text: str, name: str) -> list[NetrcEntry]:
    """The entries of a .netrc in their order. Macros are left out, unknown words too, as other programs do; a
    word without its value is a UsageError that names file and line."""
    entries: list[NetrcEntry] = []
    current: dict[str, str | None] | None = None
    words = _netrc_words(text)
    for number, word in words:
        if word in ("machine", "default"):
            _finish(current, entries)
            current = {"machine": None if word == "default" else _next(words, word, name, number).lower()}
        elif word in ("login", "password", "account"):
            value = _next(words, word, name, number)
            if current is None:
                raise UsageError(f"netrc file {name}, line {number} is broken", f"'{word}' comes before any machine")
            current[word] = value
    _finish(current, entries)
    # The default entry is for what no other entry fits, wherever it stands.
    return [e for e in entries if e.machine is not None] + [e for e in entries if e.machine is None]


def _netrc_entries(settings: Settings, variables: Mapping[str, str]) -> list[NetrcEntry]:
    if settings.netrc_file is not None:
        return parse_netrc(_read(settings.netrc_file, "netrc file"), settings.netrc_file)
    if not settings.netrc:
        return []
    from pathlib import Path

    home = Path(variables.get("HOME") or Path.home())
    named = variables.get("NETRC")
    for path in [Path(named)] if named else [home / ".netrc", home / "_netrc"]:
        if path.is_file():
            return parse_netrc(_read(str(path), "netrc file"), str(path))
    raise UsageError("--netrc finds no file", f"there is neither .netrc nor _netrc in {home}", "Use --netrc-file.")


def _finish(current: dict[str, str | None] | None, entries: list[NetrcEntry]) -> None:
    if current is not None and ("login" in current or "password" in current):
        entries.append(NetrcEntry(current["machine"], current.get("login") or "", current.get("password") or ""))


def _next(words: Iterator[tuple[int, str]], word: str, name: str, number: int) -> str:
    for _, value in words:
        return value
    raise UsageError(f"netrc file {name}, line {number} is broken", f"nothing follows '{word}'")


def _netrc_words(text: str) -> Iterator[tuple[int, str]]:
    """Words with their line numbers. Quotes hold a word together, a backslash in them takes the next character as it
    is; a # begins a comment only as the first thing of a line, since passwords hold it too."""
    in_macro = False
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if in_macro:
            in_macro = bool(line)  # a macro ends with an empty line
            continue
        if line.startswith("#"):
            continue
        for word in _split(line):
            if word == "macdef":
                in_macro = True
                break
            yield number, word


def _split(line: str) -> Iterator[str]:
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        quoted = line[at] == '"'
        at += quoted
        word = ""
        while at < len(line) and (line[at] != '"' if quoted else not line[at].isspace()):
            at += line[at] == "\\" and quoted and at + 1 < len(line)
            word += line[at]
            at += 1
        at += quoted
        yield word


def _read(path: str, what: str) -> str:
    try:
        with open(os.path.expanduser(path), "rb") as file:
            data = file.read(MAX_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "the name is not valid"
        raise UsageError(f"{what} {path} cannot be read", reason) from None
    if len(data) > MAX_FILE:
        raise UsageError(f"{what} {path} is too large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
