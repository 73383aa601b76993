"""`fastdl doctor [URL]`: what of this machine, its settings and its network is wrong, and what to do.

It takes `get`'s network options and looks with `get`'s own parts. It changes nothing, fetches no body, and ends within
some ten seconds. A wrong config file or variable ends every other command; here it is one finding of several.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from fastdl import combinations, config, home
from fastdl.cli.get import ask_password
from fastdl.cli.parse import parse
from fastdl.cli.session import is_terminal
from fastdl.cli.state import JSON, say
from fastdl.core.hints import Any
from fastdl.core.plain import replace
from fastdl.core.record import Record
from fastdl.core.shown import mask
from fastdl.core.urls import Url, parse_url
from fastdl.engine.doctor import disks, machine, setup, trusted, way
from fastdl.engine.doctor.finding import CHECKS, WRONG, Check, Finding, Tell, of_error, run_all
from fastdl.errors import UsageError
from fastdl.options import BY_KEY, OPTIONS, WAY, WHO, Option
from fastdl.settings import Layer, Settings
from fastdl.ui.text import safe

DOCTOR_OPTIONS: tuple[Option, ...] = (
    *(BY_KEY[key] for key in ("dir", "timeout", "connect_timeout")),
    *(option for option in OPTIONS if option.group in (WHO, WAY)),
    JSON,
)
DOCTOR_HELP = "Check DNS, IPv4/IPv6, TLS trust, proxy, clock, disk, terminal and config; say what to do."
SECONDS = 10.0  # for everything together
CODE = 3  # where something is wrong


def main(args: Sequence[str]) -> int:
    """Runs `doctor` with the arguments after the command's name."""
    values, words = parse(args, DOCTOR_OPTIONS)
    return doctor(values, words)


def doctor(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `doctor` with option values by key; 0 if nothing is wrong, else 3. Raises UsageError for a wrong command
    line."""
    given = dict(values)
    as_json = bool(given.pop(JSON.key, False))
    if len(words) > 1:
        raise UsageError("doctor takes one URL", f"{len(words)} are given", "Try 'fastdl doctor --help'.")
    url = parse_url(words[0] if words else os.environ.get(home.RELEASES_VARIABLE) or home.RELEASES)
    found: list[Finding] = []
    setup_read = _read(config.from_command_line(given), found.append)
    found += run_all(_checks(setup_read, url, given=bool(words)), SECONDS)
    found.sort(key=lambda finding: CHECKS.index(finding.check))
    wrong = any(finding.status == WRONG for finding in found)
    _say(found, url, as_json)
    return CODE if wrong else 0


class Read(Record):
    """The settings as far as they can be read. `path`: the config file; `keys`: how many settings it has, None where
    it is wrong; `secret`: whether one of them is; `cacert`: the place that names a --cacert, "" for the command line;
    `dared`: --insecure is on the command line."""

    settings: Settings
    path: str
    keys: int | None
    secret: bool
    cacert: str
    dared: bool


def _read(given: Layer, tell: Tell) -> Read:
    """All settings; a place that is wrong is told of, and left out."""
    path = config.config_path(os.environ)
    file, secret = _file(path, tell)
    try:
        variables = config.from_environment(os.environ)
    except UsageError as error:
        tell(of_error("config", error))
        variables = {}
    merged: Layer = {}
    for layer in (file or {}, variables, given):
        combinations.lay(merged, layer)
    try:
        combinations.check_pairs(merged, lambda key: "--" + BY_KEY[key].name if key in given else BY_KEY[key].variable)
    except UsageError as error:
        tell(of_error("config", error))
        merged.pop("key", None)
    place = "" if "cacert" in given else " or FASTDL_CACERT" if "cacert" in variables else f", or in {path}"
    try:
        settings = config.settings_of(merged, ask_password)
    except UsageError as error:  # a password that nobody can be asked for
        tell(of_error("config", error))
        settings = config.settings_of({**merged, "user": None}, None)
    settings = _without_missing_files(settings, tell)
    return Read(settings, path, None if file is None else len(file), secret, place, "insecure" in given)


def _file(path: str, tell: Tell) -> tuple[Layer | None, bool]:
    """The config file's layer, None where it is wrong, and whether it holds a secret."""
    from fastdl.cli.config import check
    from fastdl.cli.config_shown import secrets

    try:
        text = config.read(path, required=bool(os.environ.get("FASTDL_CONFIG")))
        return check(text, path), secrets(text, path)
    except UsageError as error:
        tell(of_error("config", error))
        return None, False


def _without_missing_files(settings: Settings, tell: Tell) -> Settings:
    """The settings without files that are not there, each of which is told of. (The authorities have a check of their
    own.)"""
    missing: dict[str, Any] = {}
    for name in (name for name in combinations.FILES if name != "cacert"):
        alone = {name: getattr(settings, name)}
        try:
            combinations.check_files(replace(Settings(), **alone))
        except UsageError as error:
            tell(of_error("config", error))
            missing[name] = None
    if "cert" in missing:
        missing["key"] = None
    return replace(settings, **missing)


def _checks(read: Read, url: Url, *, given: bool) -> list[Check]:
    settings = read.settings
    environ = dict(os.environ)
    state = config.state_dir(environ, sys.platform)
    folders = disks.folders(settings.dir, state)

    def network(tell: Tell) -> None:
        sound = setup.proxy_variables(environ, tell) or settings.proxy is not None or not settings.use_proxy
        # A variable that cannot be read ends a download; the way without it shows what else there is.
        usable = settings if sound else replace(settings, use_proxy=False)
        way.check_way(way.Errand(usable, url, given, folders[0]), tell)

    return [
        Check(("config",), lambda tell: setup.check_config(read.path, environ, read.keys, read.secret, tell)),
        Check(("program",), machine.check_program),
        Check(("terminal",), lambda tell: machine.check_terminal(sys.stderr, environ, tell)),
        Check(("disk",), lambda tell: disks.check_disks(folders, tell)),
        Check(("state",), lambda tell: machine.check_state(state, tell)),
        Check(("trust",), lambda tell: trusted.check_trust(settings, read.cacert, environ, tell, dared=read.dared)),
        Check(tuple(name for name in way.NAMES if name != "tls" or url.scheme == "https"), network),
    ]


def _say(findings: Sequence[Finding], url: Url, as_json: bool) -> None:
    if as_json:
        sound = all(finding.status != WRONG for finding in findings)
        told = [one._replace(text=safe(one.text), advice=safe(one.advice))._asdict() for one in findings]
        say([json.dumps({"ok": sound, "url": mask(url.text), "findings": told})])
        return
    from fastdl.ui.doctored import report

    say(report(findings, shutil.get_terminal_size().columns if is_terminal(sys.stdout) else None))
