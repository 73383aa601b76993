"""From flags, environment and config file to Settings: the command line beats the environment beats the file.

Each place is read and checked on its own, so a wrong value is named with its place even where a stronger one hides
it. Nothing is contacted; apart from the config file no file is opened.
"""

from __future__ import annotations

import ntpath
import os
import posixpath
import sys
from collections.abc import Callable, Mapping

from fastdl.combinations import agreeing, check_together, is_given, lay, leave_out_idle
from fastdl.core.hints import Any, Literal
from fastdl.core.plain import replace
from fastdl.errors import UsageError
from fastdl.options import BY_KEY, EXCLUSIVE, SPELLINGS
from fastdl.settings import Layer, Settings
from fastdl.values import value_of

Writer = Literal["auto", "mmap", "positional"]
Ask = Callable[[str], str]  # prompt -> password

WRITERS: tuple[Writer, ...] = ("auto", "mmap", "positional")
FIELDS = {"mirror": "mirrors", "header": "headers"}  # where the field of Settings has another name


# --- places ----------------------------------------------------------------------------------------------


def config_path(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """Where the config file is looked for; `FASTDL_CONFIG` names another place than the platform's usual one."""
    named = environ.get("FASTDL_CONFIG")
    if named:
        return named
    if platform == "win32":
        return ntpath.join(_windows_folder(environ, "APPDATA", "Roaming"), "fastdl", "config.toml")
    if platform == "darwin":
        return posixpath.join(_home(environ), "Library", "Application Support", "fastdl", "config.toml")
    return posixpath.join(_xdg(environ, "XDG_CONFIG_HOME", ".config"), "fastdl", "config.toml")


def state_dir(environ: Mapping[str, str], platform: str = sys.platform) -> str:
    """The folder for what fastdl learns (hosts, ETags, history); `FASTDL_STATE_DIR` names another. It may not exist
    yet."""
    named = environ.get("FASTDL_STATE_DIR")
    if named:
        return named
    if platform == "win32":
        return ntpath.join(_windows_folder(environ, "LOCALAPPDATA", "Local"), "fastdl")
    if platform == "darwin":
        return posixpath.join(_home(environ), "Library", "Application Support", "fastdl")
    return posixpath.join(_xdg(environ, "XDG_STATE_HOME", posixpath.join(".local", "state")), "fastdl")


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or environ.get("USERPROFILE") or os.path.expanduser("~")


def _xdg(environ: Mapping[str, str], variable: str, default: str) -> str:
    folder = environ.get(variable, "")
    # a relative path there is to be ignored, says the base directory specification
    return folder if posixpath.isabs(folder) else posixpath.join(_home(environ), default)


def _windows_folder(environ: Mapping[str, str], variable: str, default: str) -> str:
    home = environ.get("USERPROFILE") or os.path.expanduser("~")
    return environ.get(variable) or ntpath.join(home, "AppData", default)


# --- layers ----------------------------------------------------------------------------------------------


def load(
    cli_values: Mapping[str, Any],
    environ: Mapping[str, str],
    path: str | None = None,
    *,
    ask: Ask | None = None,
    beneath: Layer | None = None,
) -> Settings:
    """The settings of one run. `cli_values`: option key to text, True/False or list of texts; None is not given.
    `path`: the config file (default: where `config_path` says; missing is fine there, unless FASTDL_CONFIG names
    it). `ask` gets the password that -u left out. `beneath` is a layer right below the command line. Raises
    UsageError."""
    required = path is not None or bool(environ.get("FASTDL_CONFIG"))
    path = path or config_path(environ)
    merged: Layer = {}
    command_line, variables = from_command_line(cli_values), from_environment(environ)
    for layer in (from_file(path, required=required), variables, beneath or {}, command_line):
        lay(merged, layer)

    def named(key: str) -> str:
        if key in command_line or key in variables:
            return "--" + BY_KEY[key].name if key in command_line else BY_KEY[key].variable
        from fastdl.config_text import place_of

        return place_of(read(path, required=False), path, key)

    check_together(merged, environ, named)
    leave_out_idle(merged, command_line)
    settings = settings_of(merged, ask)
    settings.writer = _writer(environ.get("FASTDL_WRITER") or "auto")
    return settings


def _writer(text: str) -> Writer:
    for writer in WRITERS:
        if text == writer:
            return writer
    raise UsageError(f"FASTDL_WRITER: '{text}' is none of auto, mmap, positional", "", "Unset it.")


def from_command_line(values: Mapping[str, Any]) -> Layer:
    """The flags' own layer; what was not given is not in it."""
    layer = {}
    for key, raw in values.items():
        if raw is not None and raw != []:
            option = BY_KEY[key]
            layer[key] = value_of(option, raw, "--" + option.name)
    return agreeing(layer, "--{}")


def from_environment(environ: Mapping[str, str]) -> Layer:
    """`FASTDL_<NAME>` of every option. An empty variable counts as not set. Several headers stand on lines of their
    own, several mirrors or connect-to rules are parted by white space."""
    layer = {}
    for key, (option, on) in SPELLINGS.items():
        variable = "FASTDL_" + key.upper()
        raw: Any = environ.get(variable)
        if not raw:
            continue
        if option.key in layer:
            raise UsageError(f"{option.variable} and {variable} are both set", "", "Unset one of them.")
        if option.kind == "list":
            raw = raw.splitlines() if option.name == "header" else raw.split()
        value = value_of(option, raw, variable)
        layer[option.key] = value if on else not value
    return agreeing(layer, "FASTDL_{}")


def from_file(path: str, *, required: bool) -> Layer:
    """The config file's layer. Raises UsageError that names file, line and key."""
    text = read(path, required=required)
    if not text.strip():
        return {}
    from fastdl.config_text import from_text  # where there is no file, nobody waits for its parser

    return from_text(text, path)


def read(path: str, *, required: bool, exact: bool = False) -> str:
    """The text of the config file, "" where there is none and none is `required`. `exact`: with its line breaks and its
    mark at the beginning as they are. Raises UsageError."""
    try:
        with open(path, encoding="utf-8" if exact else "utf-8-sig", newline="" if exact else None) as file:
            return file.read()
    except FileNotFoundError:
        if not required:
            return ""
        why = "FASTDL_CONFIG names it"
        raise UsageError(f"the config file {path} does not exist", why, "Unset FASTDL_CONFIG.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"the config file {path} is not UTF-8", f"byte {error.start}", "Save it as UTF-8.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a file name"
        if isinstance(error, NotADirectoryError) and not required:
            return ""
        raise UsageError(f"the config file {path} cannot be read", reason, "FASTDL_CONFIG names another.") from None


def for_file(settings: Settings, layer: Layer) -> Settings:
    """The settings of a run with those of one of its files over them. A value of the file takes the place of the run's,
    and those that it excludes go. Raises UsageError where two of the file's own exclude each other."""
    own: Layer = {}
    for group in EXCLUSIVE:
        if any(is_given(layer, key) for key in group):
            own.update({key: False for key in group if BY_KEY[key].kind == "flag"})
    own.update(agreeing(layer, "{}"))
    made = _put(replace(settings), own)
    if layer.get("user"):
        made.user = _with_password(layer["user"], None)
        made.bearer_env = None if "bearer_env" not in layer else made.bearer_env
    elif layer.get("bearer_env"):
        made.user = None
    return made


def settings_of(merged: Layer, ask: Ask | None) -> Settings:
    """The settings of merged layers. Raises UsageError where a password is missing and nobody can be asked."""
    settings = _put(Settings(), merged)
    if merged.get("user"):
        settings.user = _with_password(merged["user"], ask)
    return settings


def _put(settings: Settings, layer: Layer) -> Settings:
    for key, value in layer.items():
        if key in ("ipv4", "ipv6"):
            settings.family = {"ipv4": 4, "ipv6": 6}[key] if value else settings.family
        elif key == "no_continue":
            settings.resume = not value
        elif key == "no_proxy":
            settings.use_proxy = not value
        elif key == "no_cdn":
            settings.cdn = "off" if value else settings.cdn
        elif key != "user":
            setattr(settings, FIELDS.get(key, key), value)
    return settings


def _with_password(user: tuple[str, str | None], ask: Ask | None) -> tuple[str, str]:
    name, password = user
    if password is not None:
        return name, password
    if ask is None:
        raise UsageError("--user: no password is given", "nobody can be asked", "Give NAME:PASS or use --netrc.")
    return name, ask(f"Password for {name}: ")
