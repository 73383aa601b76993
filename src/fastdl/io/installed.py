"""Gathers the facts from which `core/ways` tells how the running fastdl was installed."""

from __future__ import annotations

import os
import sys

from fastdl.core.hints import TYPE_CHECKING, Any
from fastdl.core.ways import MARKS, Facts

if TYPE_CHECKING:
    from importlib.metadata import Distribution


def facts() -> Facts:
    """What is known of this process's fastdl."""
    import fastdl

    bundle = bool(getattr(sys, "frozen", False))
    package = os.path.dirname(os.path.realpath(fastdl.__file__)) if fastdl.__file__ else ""
    # A virtual environment's interpreter is a link, and only under its own name does it know the environment.
    program = os.path.realpath(sys.executable) if bundle else os.path.abspath(sys.executable or "python")
    marks = frozenset(mark for mark in MARKS if os.path.exists(os.path.join(sys.prefix, mark)))
    known = Facts(program, package, sys.prefix, sys.platform, dict(os.environ), marks, bundle)
    found = None if bundle else distribution(package)
    if found is None:
        return known
    return known._replace(
        name=found.metadata["Name"] or "",
        installer=(found.read_text("INSTALLER") or "").strip(),
        origin=_origin(found),
        user=_is_users(str(found.locate_file(""))),
    )


def distribution(package: str) -> Distribution | None:
    """The distribution that the package in this folder belongs to: the first on the path that has a fastdl in it, and
    either holds this very folder or is an editable one, which holds none."""
    from importlib.metadata import distributions

    for found in distributions():
        if not any(entry.name == "fastdl" for entry in found.entry_points if entry.group == "console_scripts"):
            continue
        here = os.path.realpath(str(found.locate_file("fastdl")))
        if os.path.normcase(here) == os.path.normcase(package) or _holds(_origin(found), package):
            return found
    return None


def _origin(found: Distribution) -> dict[str, Any] | None:
    """direct_url.json (PEP 610); None where there is none that can be read."""
    import json

    try:
        value = json.loads(found.read_text("direct_url.json") or "null")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _holds(origin: dict[str, Any] | None, package: str) -> bool:
    """Whether an editable installation comes from a folder around `package`."""
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    if origin is None or not isinstance(origin.get("dir_info"), dict) or not origin["dir_info"].get("editable"):
        return False
    parts = urlsplit(str(origin.get("url", "")))
    folder = os.path.realpath(url2pathname(parts.path))
    return parts.scheme == "file" and os.path.normcase(package).startswith(os.path.normcase(os.path.join(folder, "")))


def _is_users(folder: str) -> bool:
    import site

    try:
        own = site.getusersitepackages()
    except (AttributeError, OSError):
        return False
    return os.path.normcase(os.path.realpath(folder)) == os.path.normcase(os.path.realpath(own))
