"""The program itself, the terminal that it speaks to, and what it remembers."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import sys
from collections.abc import Mapping

from fastdl import __version__
from fastdl.core.hints import TYPE_CHECKING, TextIO
from fastdl.core.quantity import format_size
from fastdl.engine.doctor.finding import INFO, OK, WRONG, Finding
from fastdl.io import store

if TYPE_CHECKING:
    from fastdl.engine.doctor.finding import Tell

_NEEDED = ("cachetools", "certifi", "h2", "httpcore", "httpx", "idna", "numpy", "psutil", "tqdm", "typer")
_NOT_IN_BUNDLES = ("numpy",)  # which they leave out for its size: it is for FASTDL_WRITER=mmap alone


def check_program(tell: Tell) -> None:
    """Python, and what fastdl needs besides itself."""
    given_up = _NOT_IN_BUNDLES if getattr(sys, "frozen", False) else ()
    missing = [name for name in _NEEDED if name not in given_up and importlib.util.find_spec(name) is None]
    if importlib.util.find_spec("sqlite3") is None or importlib.util.find_spec("_sqlite3") is None:
        missing.append("sqlite3 (a part of Python)")
    if missing:
        advice = "Install fastdl again, in the way in which it was installed."
        tell(Finding("program", WRONG, f"missing: {', '.join(missing)}", advice))
        return
    import ssl

    python = f"{platform.python_implementation()} {platform.python_version()}"
    tell(Finding("program", OK, f"fastdl {__version__}, {python}, {ssl.OPENSSL_VERSION}"))
    if importlib.util.find_spec("blake3") is None:
        tell(Finding("program", INFO, "blake3 is not installed: --checksum blake3:... needs it"))


def check_terminal(stream: TextIO | None, environ: Mapping[str, str], tell: Tell) -> None:
    """What the terminal can show; `stream` is where progress goes."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    if sys.getfilesystemencoding().lower() not in ("utf-8", "utf8"):
        advice = "Set LC_ALL or LANG to a UTF-8 locale, for example C.UTF-8."
        text = f"names of files are in {sys.getfilesystemencoding()}: others cannot be written"
        tell(Finding("terminal", WRONG, text, advice))
    if stream is None or not _is_terminal(stream):
        tell(Finding("terminal", INFO, "none: no bars, 'get --progress plain' writes lines"))
        return
    parts = [_width(stream), encoding]
    if environ.get("TERM") == "dumb":
        parts.append("dumb: lines instead of bars")
    if environ.get("NO_COLOR"):
        parts.append("no colours (NO_COLOR)")
    unicode = encoding.replace("-", "") == "utf8"
    advice = "" if unicode else "Names may appear with ? in them; a UTF-8 locale shows all."
    tell(Finding("terminal", OK if unicode else INFO, ", ".join(parts), advice))


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (OSError, ValueError):
        return False


def _width(stream: TextIO) -> str:
    try:
        return f"{os.get_terminal_size(stream.fileno()).columns} columns"
    except (OSError, ValueError):
        return "unknown width"


def check_state(folder: str, tell: Tell) -> None:
    """The database of what is remembered. It is only looked at: a download sets a damaged one aside."""
    path = os.path.join(folder, store.FILE)
    for name in _set_aside(folder):
        tell(Finding("state", INFO, f"{os.path.join(folder, name)} was set aside", "It may be removed."))
    if not os.path.lexists(path):
        tell(Finding("state", OK, f"{path}: not there yet"))
        return
    wrong = _damage(path)
    if wrong:
        advice = "The next download sets it aside and begins a new one; 'fastdl cache clear' does so too."
        tell(Finding("state", WRONG, f"{path}: {wrong}", advice if "newer" not in wrong else "Upgrade fastdl."))
        return
    tell(Finding("state", OK, f"{path}: {format_size(os.path.getsize(path))}"))


def _set_aside(folder: str) -> list[str]:
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(folder))
        return [
            name
            for name in names
            if name.startswith((store.FILE + ".damaged", store.FILE + ".newer")) and not name.endswith(("-wal", "-shm"))
        ]
    return []


def _damage(path: str) -> str:
    """What is wrong with the database; "" for nothing."""
    import sqlite3
    from urllib.request import pathname2url

    try:
        db = sqlite3.connect(f"file:{pathname2url(os.path.abspath(path))}?mode=ro", uri=True, timeout=1.0)
        with contextlib.closing(db):
            version = int(db.execute("pragma user_version").fetchone()[0])
            problems = [str(row[0]) for row in db.execute("pragma quick_check(1)")]
    except sqlite3.OperationalError as error:
        return f"it cannot be read ({error})"
    except sqlite3.DatabaseError as error:
        return f"it is damaged ({error})"
    if version > store.VERSION:
        return f"it is of a newer fastdl (schema {version}, known is {store.VERSION})"
    return "" if problems == ["ok"] else f"it is damaged ({problems[0] if problems else 'no answer'})"
