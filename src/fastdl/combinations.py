"""What must hold between options, and between them and what they name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping

from fastdl.core.urls import parse_url
from fastdl.errors import UsageError
from fastdl.options import BY_KEY, EXCLUSIVE, Option
from fastdl.settings import Layer, Settings

Named = Callable[[str], str]  # option key -> how it is called where it stands

FILES = ("netrc_file", "cookies", "cacert", "cert", "key")  # options that name a file which has to be there


# --- options that exclude each other ---------------------------------------------------------------------


def is_given(layer: Layer, key: str) -> bool:
    """Whether an option is there, and not switched off."""
    return key in layer and layer[key] is not False


def agreeing(layer: Layer, spelled: str) -> Layer:
    """The layer itself, if no two of its options exclude each other. `spelled` is how they are written there: "--{}",
    "FASTDL_{}" or "{}". Raises UsageError."""
    for group in EXCLUSIVE:
        given = [BY_KEY[key] for key in group if is_given(layer, key)]
        if len(given) > 1:
            names = [_spell(option, spelled) for option in given]
            raise UsageError(f"{' and '.join(names)} exclude each other", "", "Give one of them.")
    return layer


def _spell(option: Option, spelled: str) -> str:
    return option.variable if spelled.startswith("FASTDL") else spelled.format(option.name)


def lay(merged: Layer, layer: Layer) -> None:
    """Puts a stronger layer over a weaker one; what it excludes goes."""
    for group in EXCLUSIVE:
        if any(is_given(layer, key) for key in group):
            for key in group:
                merged.pop(key, None)
    merged.update(layer)


# --- options that need or rule out others ----------------------------------------------------------------


def check_together(merged: Layer, environ: Mapping[str, str], named: Named) -> None:
    """As `check_pairs`, and what must hold between options and the environment. Raises UsageError."""
    check_pairs(merged, named)
    variable = merged.get("bearer_env")
    if variable and not re.fullmatch(r"[\x21-\x7e]+", environ.get(variable, "")):
        reason = "it holds no usable token" if environ.get(variable) else "it is not set"
        raise UsageError(
            f"{named('bearer_env')}: the variable {variable} cannot be used", reason, "Set it to the token."
        )


def check_pairs(merged: Layer, named: Named) -> None:
    """What must hold between options; `named` tells where each of them stands. Raises UsageError."""
    if merged.get("key") and not merged.get("cert"):
        raise UsageError(
            f"{named('key')} is given without --cert", "a key belongs to a certificate", "Give --cert too."
        )
    if merged.get("output") == "-" and merged.get("json") and not merged.get("dry_run"):
        raise UsageError("-o - and --json exclude each other", "both write to stdout", "Give a file name with -o.")


def leave_out_idle(merged: Layer, command_line: Layer) -> None:
    """What cannot be had in this run is left out where the config file or the environment says it for other runs; who
    asks for it on the command line is told. Raises UsageError."""

    def leave_out(keys: tuple[str, ...], what: str, why: str, hint: str) -> None:
        for key in keys:
            if command_line.get(key):
                raise UsageError(what.format(BY_KEY[key].name), why, hint)
            merged.pop(key, None)

    if merged.get("output") == "-":
        why = "there is no file then"
        leave_out(("extract", "on_complete"), "-o - and --{} exclude each other", why, "Give a name with -o.")
    if not merged.get("input_file"):
        leave_out(("lock", "cluster"), "--{} is for a list", "none is given", "Give a list with -i.")
    if merged.get("cluster") and not merged.get("dry_run"):
        if merged.get("output") == "-":
            raise UsageError("-o - and --cluster exclude each other", "the files arrive at the workers", "Use -d.")
        why = "the bytes arrive at the workers, and it would tell nothing of them"
        leave_out(("profile", "metrics"), "--{} and --cluster exclude each other", why, "--json tells of each file.")


# --- what options name -----------------------------------------------------------------------------------


def check_urls(settings: Settings, urls: list[str]) -> None:
    """What must hold between settings and the URLs of `get`, before anything is contacted. Raises UsageError."""
    if not urls and settings.input_file is None and settings.from_curl is None:
        raise UsageError("no URL is given", "", "Try 'fastdl get --help'.")
    for url in urls:
        parse_url(url)
    if len(urls) > 1 and settings.output is not None:
        raise UsageError("--output is for one URL", f"{len(urls)} are given", "Use -d to choose a folder for all.")
    for what, values in (("--checksum", settings.checksum), ("--mirror", settings.mirrors)):
        if len(urls) > 1 and values:
            raise UsageError(f"{what} is for one URL", f"{len(urls)} are given", "Run fastdl once for each file.")


def check_files(settings: Settings) -> None:
    """The files that options name must be there. Raises UsageError."""
    for name in FILES:
        path = getattr(settings, name)
        if path is None or (name == "cacert" and os.path.isdir(path)):
            continue
        if not os.path.exists(path) or os.path.isdir(path):
            reason = "it is a folder" if os.path.isdir(path) else "there is no such file"
            raise UsageError(f"--{BY_KEY[name].name}: {path} cannot be read", reason, "Check the path.")
