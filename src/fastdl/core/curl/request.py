"""From the words of a curl command to what fastdl is to fetch: the words become options, as curl would take them, and
all options together a URL and the values of fastdl's own.

What a browser says of its own connection and of what it has already (Range, If-None-Match, Accept-Encoding...) is not
said again: fastdl asks for other bytes over other connections, and what comes has to be the file itself.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence

from fastdl.core.curl.flags import LETTERS, Flag, find
from fastdl.core.curl.parts import covers, full_proxy, has_pattern, last_segment, place_of, with_query, without_marks
from fastdl.core.curl.reading import Reading, in_query, no_body
from fastdl.core.curl.words import Command
from fastdl.core.hints import Any
from fastdl.core.plain import dataclass, field
from fastdl.errors import UsageError

NOT_AGAIN = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "if-match", "if-modified-since", "if-none-match"}
    | {"if-range", "if-unmodified-since", "keep-alive", "proxy-connection", "range", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""Header fields of the browser's connection and cache, in lower case."""

_PSEUDO = frozenset({"authority", "method", "path", "protocol", "scheme", "version"})  # HTTP/2's, colon taken off
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class Request:
    """One URL of a curl command. `values` has fastdl's options by their keys, written as on the command line; `left`
    is what of curl's was left out, and why. `line` is where the command begins."""

    line: int
    url: str = field(repr=False)
    values: dict[str, Any] = field(repr=False)
    left: tuple[str, ...] = ()


def requests_of(commands: Sequence[Command]) -> list[Request]:
    """All requests of some commands. Raises UsageError, which names line and option and repeats no value."""
    return [request for command in commands for request in _of_command(command)]


def _of_command(command: Command) -> Iterator[Request]:
    readings = [Reading(command.line)]
    words = deque(command.words)
    while words:
        word = words.popleft()
        if word == "--":
            readings[-1].urls += words
            break
        for flag, on, value in _flags(word, words, command.line):
            if flag.name == "next":
                readings.append(Reading(command.line))
            else:
                readings[-1].take(flag, on, value)
        if not word.startswith("-") or word == "-":
            readings[-1].urls.append(word)
    for reading in readings:
        yield from _together(reading)


def _flags(word: str, rest: deque[str], line: int) -> Iterator[tuple[Flag, bool, str]]:
    """The options of one word, with their values, which may be the next one of `rest`."""
    if word.startswith("--") and len(word) > 2:
        name, equals, value = word[2:].partition("=")
        found = find(name)
        if found is None:
            raise _unknown("--" + name, line)
        if equals and not found[0].takes_value:
            raise UsageError(f"line {line}: curl's option --{found[0].name} takes no value", "", "")
        yield *found, value if equals else _value("--" + name, rest, line) if found[0].takes_value else ""
    elif word.startswith("-") and len(word) > 1:
        for place, letter in enumerate(word[1:], start=2):
            if letter not in LETTERS:
                raise _unknown("-" + letter, line)
            flag = LETTERS[letter]
            if flag.takes_value:
                yield flag, True, word[place:] or _value("-" + letter, rest, line)
                return
            yield flag, flag.name != "buffer", ""


def _unknown(name: str, line: int) -> UsageError:
    shown = name if re.fullmatch(r"--?[A-Za-z0-9#:][A-Za-z0-9.-]{0,40}", name) else name[:2]
    return UsageError(
        f"line {line}: '{shown}' is no option of curl that is known here",
        "without it the request may be another one",
        "Take it out if the file does not depend on it.",
    )


def _value(name: str, rest: deque[str], line: int) -> str:
    if not rest:
        raise UsageError(f"line {line}: curl's option {name} needs a value", "the copy may have been cut off", "")
    return rest.popleft()


# --- all options together --------------------------------------------------------------------------------


def _together(said: Reading) -> Iterator[Request]:
    """A request for each URL. Raises UsageError where there is none."""
    if said.data and "get" not in said.on:
        raise no_body(said.line, said.data[0][0])
    if not said.urls:
        raise UsageError(f"line {said.line}: the curl command names no URL", "the copy may have been cut off", "")
    queries = [*(_datum(said, *each) for each in said.data), *said.queries]
    for place, text in enumerate(said.urls):
        url = with_query(_plain_url(said, text), "&".join(queries))
        values = {**said.values, **_for_url(said, url)}
        output = _output(said, place, url)
        if output is not None:
            values["output"] = output
        yield Request(said.line, url, values, tuple(f"{what}: {why}" for what, why in said.left.items()))


def _plain_url(said: Reading, text: str) -> str:
    """The URL without curl's marks for patterns; http:// is what curl takes for granted."""
    if "globoff" not in said.on:
        if has_pattern(text):
            why = "curl would make several of it"
            raise UsageError(f"line {said.line}: the URL holds a pattern", why, "curl's -g takes it as it stands.")
        text = without_marks(text)
    if not _SCHEME.match(text):
        text = f"{said.on.get('proto-default', 'http')}://{text}"
    allowed = said.on.get("proto", "")
    scheme = text.partition(":")[0].lower()
    if allowed.startswith("=") and scheme not in re.split("[,=]", allowed.lower()):
        raise UsageError(f"line {said.line}: curl's option --proto forbids {scheme}", "", "Check the URL.")
    return text


def _datum(said: Reading, flag: Flag, text: str) -> str:
    """What -G puts into the query for one -d."""
    if flag.name == "data-urlencode":
        return in_query(said.line, text, flag.name)
    if text.startswith("@") and flag.name != "data-raw":
        raise UsageError(f"line {said.line}: curl's option --{flag.name} names a file", "fastdl reads none", "")
    return text


def _for_url(said: Reading, url: str) -> dict[str, Any]:
    """The options that depend on the URL: headers, and whether a proxy is meant for its host."""
    values: dict[str, Any] = {}
    headers = list(_replayed(said, url))
    names = {name.lower() for name, _ in headers}
    if said.cookies and "cookie" not in names:
        headers.append(("Cookie", ";".join(said.cookies)))
    if "bearer" in said.on and "authorization" not in names:
        headers.append(("Authorization", f"Bearer {said.on['bearer']}"))
    for name, value in headers:
        key = {"user-agent": "user_agent", "referer": "referer"}.get(name.lower())
        if key is not None and (value or key == "user_agent"):
            values[key] = value
        else:
            values.setdefault("header", []).append(f"{name}: {value}" if value else f"{name};")
    if any(name.lower() == "user-agent" and value is None for name, value in said.headers):
        values.setdefault("user_agent", "")
    given = said.values.get("referer")
    if given == "" or (given and any(name.lower() == "referer" for name, _ in said.headers)):
        values.setdefault("referer", None)
    return values | _proxied(said, url)


def _replayed(said: Reading, url: str) -> Iterator[tuple[str, str]]:
    hosts = place_of(url)
    for name, value in said.headers:
        lower = name.lower()
        own_host = lower == "host" and value is not None and value.lower() in hosts
        if value is not None and lower not in NOT_AGAIN and not own_host and lower not in _PSEUDO:
            yield name, value


def _proxied(said: Reading, url: str) -> dict[str, Any]:
    proxy = said.on.get("proxy")
    spared = re.split(r"[,\s]+", said.on.get("noproxy", ""))
    _, host = place_of(url)
    if proxy == "" or "*" in spared or any(covers(each, host) for each in spared if each):
        return {"no_proxy": True}
    return {} if proxy is None else {"proxy": full_proxy(proxy, said.on.get("proxy-user"))}


def _output(said: Reading, place: int, url: str) -> str | None:
    named = said.outputs[place : place + 1]
    if not named and "remote-name-all" in said.on:
        named = [None]
    if not named or (named == [None] and "remote-header-name" in said.on):
        return None
    if named[0] is not None:
        return named[0]
    segment = last_segment(url)
    return segment if segment not in ("", ".", "..") else None
