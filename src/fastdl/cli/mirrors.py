"""`fastdl mirrors`: the rules and mirrors in force; `fastdl mirrors test URL`: the sources of one URL, measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence

from fastdl import combinations
from fastdl.cli.get import checked_settings
from fastdl.cli.parse import parse
from fastdl.cli.session import is_terminal
from fastdl.cli.state import open_store, say
from fastdl.core.hints import Any
from fastdl.core.inventory import Choice, Entry, chosen, inventory
from fastdl.core.plain import replace
from fastdl.errors import FastdlError, UsageError
from fastdl.options import OPTIONS, WAY, WHENCE, WHO, Option
from fastdl.settings import Settings
from fastdl.ui.progress import emit
from fastdl.ui.text import safe

LIST_KEYS = frozenset({"json", "verbose", "cdn", "no_cdn", "trust", "region"})
TEST_KEYS = frozenset({"mirror", "checksum", "timeout", "connect_timeout", "max_time"})
MIRRORS_OPTIONS: tuple[Option, ...] = tuple(
    option for option in OPTIONS if option.group in (WHO, WAY, WHENCE) or option.key in LIST_KEYS | TEST_KEYS
)
MIRRORS_HELP = (
    "List the rules and mirrors in force (of one ecosystem or host); 'mirrors test URL' measures the sources."
)
PATIENCE = 5.0  # seconds for a connection, and without a byte
HINT = "Try 'fastdl mirrors --help'."


def main(args: Sequence[str]) -> int:
    """Runs `mirrors` with the arguments after the command's name."""
    values, words = parse(args, MIRRORS_OPTIONS)
    return mirrors(values, words)


def mirrors(values: Mapping[str, Any], words: Sequence[str]) -> int:
    """Runs `mirrors` with option values by key; the exit code. Raises UsageError and what stops a run."""
    if words and words[0] == "test":
        return _test(values, words[1:])
    if len(words) > 1:
        raise UsageError("mirrors takes one name of a rule or a host", f"{len(words)} are given", HINT)
    for option in MIRRORS_OPTIONS:
        if values.get(option.key) and option.key not in LIST_KEYS:
            raise UsageError(f"--{option.name} is for 'fastdl mirrors test URL'", "the list asks no server", HINT)
    settings = checked_settings(values)
    say(_lines(settings, words[0] if words else ""))
    return 0


# --- the list --------------------------------------------------------------------------------------------


def _lines(settings: Settings, word: str) -> list[str]:
    from fastdl.engine.explaining.memory import recall
    from fastdl.ui.mirrors import details, listed, short

    choice = Choice(settings.trust, settings.cdn, settings.region)
    entries = _entries(settings, choice, word)
    memory = recall(open_store(), (place.netloc for entry in entries for place in entry.places))
    entries = [entry._replace(places=tuple(map(memory.on_place, entry.places))) for entry in entries]
    if settings.json:
        return [json.dumps(listed(entries, choice, memory.servers))]
    if not word and not settings.verbose:
        return list(short(entries, choice))
    lines: list[str] = []
    for entry in entries:
        lines += ["", *details(entry, memory.servers, urls=settings.verbose and bool(word))]
    return lines[1:]


def _entries(settings: Settings, choice: Choice, word: str) -> list[Entry]:
    """The entries that a word names; all without one. Raises UsageError where it names none."""
    from fastdl.io.rules_file import load_pack, mapper_of

    entries = list(inventory(mapper_of(settings).pack, load_pack(), choice))
    found = chosen(entries, word) if word else entries
    if not found:
        from difflib import get_close_matches

        close = get_close_matches(word.lower(), [entry.rule.id for entry in entries], 1)
        hint = f"Did you mean {close[0]}?" if close else "'fastdl mirrors' lists them all."
        raise UsageError(f"no rule and no mirror is called '{word}'", "", hint)
    return found


# --- the test --------------------------------------------------------------------------------------------


def _test(values: Mapping[str, Any], urls: Sequence[str]) -> int:
    if len(urls) != 1:
        what = "mirrors test takes one URL" if urls else "no URL is given"
        raise UsageError(what, f"{len(urls)} are given" if urls else "", "Write: fastdl mirrors test URL.")
    settings = checked_settings(values)
    combinations.check_urls(settings, list(urls))
    told, error = _measured(settings, urls[0])
    if settings.json:
        say([json.dumps(told)])
    else:
        from fastdl.ui.mirrors import tested

        say(tested(told))
    if error is not None:
        raise error
    return 0


def _measured(settings: Settings, url: str) -> tuple[dict[str, Any], FastdlError | None]:
    from fastdl.engine.explaining.ranking import rank
    from fastdl.io.session import Session

    # A source that is slow to answer would not be used either.
    quick = replace(
        settings,
        connect_timeout=min(settings.connect_timeout, PATIENCE),
        timeout=min(settings.timeout, PATIENCE),
    )
    session = Session(quick)
    try:
        return rank(session, quick, url, _progress(settings))
    finally:
        session.close()
        for text in session.take_warnings():
            emit(sys.stderr, f"fastdl: warning: {safe(text)}")


def _progress(settings: Settings) -> Callable[[Any], None]:
    """Tells whoever waits at a terminal of each source that is done."""
    if settings.json or settings.quiet or not is_terminal(sys.stderr):
        return lambda sample: None
    from fastdl.ui.mirrors import done

    return lambda sample: emit(sys.stderr, done(sample.place.given.netloc, sample.rate, sample.error))
