"""`fastdl stats`: what was learned of servers, how caches did, and the sums of the history; as text, JSON or a page."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

from fastdl.cli.learned import Stats, as_object, lines
from fastdl.cli.parse import parse
from fastdl.cli.state import JSON, check, open_store, say
from fastdl.core.hints import Any
from fastdl.errors import UsageError
from fastdl.io import caches
from fastdl.io.store import Store
from fastdl.options import Option
from fastdl.ui.progress import emit
from fastdl.ui.text import safe

HTML = Option("html", "path", "Write a page with charts to FILE (-: to stdout).", "Options", metavar="FILE")
CHECK = Option(
    "check",
    "path",
    "Exit 1 where a threshold of the rules in this file is passed ('-': stdin).",
    "Options",
    metavar="RULES",
)
QUIET = Option("quiet", "flag", "With --check: say nothing of rules that hold.", "Options", "q")
STATS_OPTIONS = (JSON, HTML, CHECK, QUIET)
STATS_HELP = "What was learned and done: servers, caches, the sums of the history."
_HINT = "Choose another file with --html."


def main(args: Sequence[str]) -> int:
    """Runs `stats` with the arguments after the command's name."""
    values, words = parse(args, STATS_OPTIONS)
    return stats(values, words)


def stats(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `stats` with option values by key; the exit code. Raises UsageError, DiskError."""
    if words:
        raise UsageError(f"stats takes no '{words[0]}'", "", "Try 'fastdl stats --help'.")
    path, rules = values.get(HTML.key), values.get(CHECK.key)
    if rules is not None:
        return _checked(rules, values)
    if values.get(QUIET.key):
        raise UsageError("--quiet is for --check", "", "Try 'fastdl stats --help'.")
    if path is not None:
        return _page(path, values)
    found = collected(open_store())
    say([json.dumps(as_object(found))] if values.get(JSON.key) else lines(found))
    return 0


def collected(store: Store) -> Stats:
    """What the store holds. Raises DiskError if it cannot be read."""
    servers = store.all_servers()
    check(store)
    return Stats(servers, store.lies(), caches.uses(store), caches.heaps(store), store.totals())


def _checked(rules: str, values: Mapping[str, Any]) -> int:
    from fastdl.cli.checking import checked

    if values.get(HTML.key) is not None:
        raise UsageError("--check and --html exclude each other", "", "Run stats twice.")
    return checked(rules, as_json=bool(values.get(JSON.key)), quiet=bool(values.get(QUIET.key)))


def _page(path: str, values: Mapping[str, Any]) -> int:
    """Writes the page; that it can be written is seen first. Raises UsageError, DiskError."""
    from fastdl.io import profiles
    from fastdl.io.outfile import OutFile, same_file
    from fastdl.ui.dashboard.page import Facts, page

    if values.get(JSON.key):
        raise UsageError("--html and --json are two ways to tell the same", "one of them is enough", "")
    if not path:
        raise UsageError("the option --html needs a file", "its name is empty", "Write for example --html stats.html.")
    store = open_store()
    if any(same_file(path, store.path + ending) for ending in ("", "-wal", "-shm")):  # its log and index are it too
        raise UsageError("--html names the state file itself", safe(path), _HINT)
    target = OutFile(path, "the page", _HINT) if path != "-" else None
    found = collected(store)
    told = Facts(
        found.servers,
        found.lies,
        found.caches,
        found.heaps,
        found.history,
        store.history(),
        profiles.load(store),
    )
    check(store)
    text = page(told)
    if target is None:
        say([text])
    else:
        target.write(text + "\n")
        emit(sys.stderr, f"fastdl: the page is in {safe(path)}")
    return 0
