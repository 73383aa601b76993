"""The settings: what the config file and the environment say, and what in them has no effect."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping

from fastdl import home
from fastdl.core.hints import TYPE_CHECKING
from fastdl.core.shown import mask
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding, of_error
from fastdl.errors import UsageError
from fastdl.io.proxy import parse_proxy
from fastdl.options import SPELLINGS

if TYPE_CHECKING:
    from fastdl.engine.doctor.finding import Tell

# Variables that are no options.
_KNOWN = {
    "FASTDL_CONFIG", "FASTDL_DEBUG", "FASTDL_REQUIRE_SERVERS", "FASTDL_STATE_DIR", "FASTDL_WRITER",
    home.RELEASES_VARIABLE, home.AUTHORITY_VARIABLE,
}  # fmt: skip
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def check_config(path: str, environ: Mapping[str, str], settings: int | None, secret: bool, tell: Tell) -> None:
    """The config file as a file, and variables that nobody reads. `settings`: how many it has, None where it cannot be
    read, which is told by who tried; `secret`: whether it holds one."""
    from fastdl.io.config_file import open_to_others

    exists = os.path.exists(path)
    if settings is None:
        pass
    elif not exists:
        tell(Finding("config", OK, f"{path}: not there, so everything is at its default"))
    else:
        count = f"{settings} setting{'' if settings == 1 else 's'}"
        tell(Finding("config", OK, f"{path}: {count}"))
    if exists and secret and open_to_others(path):
        text = f"{path} holds a secret, and other users of this machine can read it"
        tell(Finding("config", WRONG, text, f"chmod 600 {path}"))
    for place in _elsewhere(path, environ, sys.platform):
        text = f"{place} is not read; the config file is {path}"
        tell(Finding("config", WRONG, text, f"Move it to {path}, or remove it."))
    for name in sorted(environ):
        if name.upper().startswith("FASTDL_"):
            _variable(name, tell)


def _elsewhere(path: str, environ: Mapping[str, str], platform: str) -> list[str]:
    """Config files at places where people put them and where they are not looked for."""
    home_folder = environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")
    names = [
        (".fastdl.toml",),
        (".fastdl", "config.toml"),
        (".fastdlrc",),
        (".config", "fastdl.toml"),
        (".config", "fastdl", "fastdl.toml"),
    ]
    if (platform in ("darwin", "win32") or environ.get("XDG_CONFIG_HOME")) and not environ.get("FASTDL_CONFIG"):
        names.append((".config", "fastdl", "config.toml"))
    places = [os.path.join(home_folder, *parts) for parts in names]
    return [place for place in places if os.path.isfile(place) and not _same(place, path)]


def _same(one: str, other: str) -> bool:
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _variable(name: str, tell: Tell) -> None:
    key = name[len("FASTDL_") :].lower()
    if name in _KNOWN or (name.isupper() and key in SPELLINGS):
        return
    if key in SPELLINGS and sys.platform != "win32":
        advice = f"Write it in capitals: FASTDL_{key.upper()}."
    else:
        from difflib import get_close_matches

        close = get_close_matches(key, list(SPELLINGS), 1)
        advice = f"Did you mean FASTDL_{close[0].upper()}?" if close else "Unset it."
    tell(Finding("config", WRONG, f"the variable {name} is not known and has no effect", advice))


# --- proxies ---------------------------------------------------------------------------------------------


def proxy_variables(environ: Mapping[str, str], tell: Tell) -> bool:
    """What is wrong with the variables that name proxies; whether nothing is."""
    sound = True
    for lower in _PROXIES:
        values = {name: environ[name] for name in (lower, lower.upper()) if environ.get(name)}
        for name, value in values.items():
            if name == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
                continue
            sound = _parses(name, value, tell) and sound
        if len(set(values.values())) > 1:
            tell(Finding("proxy", INFO, f"{lower} and {lower.upper()} differ: {lower} counts"))
    for name in ("no_proxy", "NO_PROXY"):
        if environ.get(name):
            _exceptions(name, environ[name], tell)
            break
    return sound


def _parses(name: str, value: str, tell: Tell) -> bool:
    try:
        parse_proxy(value, name)
    except UsageError as error:
        advice = f"Set {name} to a URL such as http://proxy.example.org:3128, or unset it; --no-proxy goes without."
        tell(of_error("proxy", error, advice))
        return False
    return True


def _exceptions(name: str, text: str, tell: Tell) -> None:
    """Entries of no_proxy that can match nothing."""
    for item in re.split(r"[,\s]+", text.strip()):
        shown = mask(item)
        if "://" in item:
            _useless(tell, name, shown, f"Write the host alone: {mask(item.split('://', 1)[1].split('/')[0])}.")
        elif ";" in item or "|" in item:
            _useless(tell, name, shown, "Entries are parted by commas.")
        elif "*" in item.removeprefix("*"):
            _useless(tell, name, shown, "A * stands alone or at the beginning; 10.0.0.0/8 is a network.")
        elif "/" in item and not _network(item):
            _useless(tell, name, shown, "It is neither a name nor a network such as 10.0.0.0/8.")


def _useless(tell: Tell, name: str, item: str, advice: str) -> None:
    tell(Finding("proxy", WRONG, f"{name}: '{item}' matches nothing", advice))


def _network(item: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_network(item.strip("[]"), strict=False)
    except ValueError:
        return False
    return True
