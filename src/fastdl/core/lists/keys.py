"""Which options a list may set for one file, under which names.

Those are the options of `get` that make sense for one file; aria2's names are understood where fastdl has a twin.
What concerns the whole run (proxies, jobs, the display) stays on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping

from fastdl.core.lists.entry import Written
from fastdl.core.pattern import pattern
from fastdl.errors import UsageError
from fastdl.options import BY_KEY

ONE_FILE = frozenset(
    {"output", "dir", "overwrite", "skip_existing", "auto_rename", "newer", "no_continue", "remote_time", "durable"}
    | {"max_size", "mirror", "checksum", "connections", "per_host", "min_split", "max_time", "retries", "header"}
    | {"user_agent", "referer", "user", "netrc", "netrc_file", "bearer_env", "cookies"}
    | {"cdn", "no_cdn", "trust", "region"}
)
"""Keys of the options that one file of a list may have."""

ALIASES = {
    "out": "output",
    "mirrors": "mirror",
    "headers": "header",
    # aria2's
    "allow-overwrite": "overwrite",
    "auto-file-renaming": "auto_rename",
    "conditional-get": "newer",
    "http-passwd": "user",
    "http-user": "user",
    "load-cookies": "cookies",
    "max-connection-per-server": "per_host",
    "max-tries": "retries",
    "min-split-size": "min_split",
    "split": "connections",
}
NEGATIONS = {"continue": "no_continue"} | {"no-" + BY_KEY[key].name: key for key in ONE_FILE if BY_KEY[key].negatable}
_NAME = pattern("[a-z0-9-]{1,40}")


def meaning(name: str) -> tuple[str, bool]:
    """The key of the option that a name in a list means, and whether it says the opposite. Raises UsageError with the
    likely name."""
    plain = name.lower().replace("_", "-")
    if plain in NEGATIONS:
        return NEGATIONS[plain], True
    key = ALIASES.get(plain, plain.replace("-", "_"))
    if key in ONE_FILE:
        return key, False
    if not _NAME.fullmatch(plain):  # may be half a secret: it is not repeated
        raise UsageError("an option has no valid name", "letters and '-' are expected", "It looks like out=FILE.")
    if key in BY_KEY:
        what = f"the option {plain} is for the whole run"
        raise UsageError(what, "a list sets what concerns one file", f"Give --{BY_KEY[key].name} to the command.")
    raise UsageError(f"no such option '{plain}'", _likely(plain), "Remove the line or correct the name.")


def with_option(
    options: Mapping[str, tuple[Written, ...]], key: str, written: Written
) -> dict[str, tuple[Written, ...]]:
    """The options of a file with one more. Raises UsageError where it has a value already; lists grow, and a login may
    come in two parts."""
    before = options.get(key, ())
    if BY_KEY[key].kind != "list" and any(key != "user" or each.key == written.key for each in before):
        raise UsageError(f"the option {BY_KEY[key].name} is set twice", "", "Remove one of the two.")
    return {**options, key: (*before, written)}


def _likely(plain: str) -> str:
    from difflib import get_close_matches

    known = [BY_KEY[key].name for key in ONE_FILE] + list(ALIASES) + list(NEGATIONS)
    close = get_close_matches(plain, sorted(known), 1)
    return f"did you mean {close[0]}?" if close else ""
