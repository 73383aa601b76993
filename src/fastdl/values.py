"""From what a user wrote to a checked value, one option at a time.

The same functions serve the command line, the environment and the config file, so a value means the same everywhere.
Nothing here touches the network or the disk. Every complaint names the place and the part; a secret is never repeated.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from fastdl.core.hints import Any
from fastdl.core.pattern import pattern
from fastdl.core.quantity import MAX_SECONDS, MAX_SIZE, parse_rate, parse_seconds, parse_size
from fastdl.core.shown import is_plain, mask
from fastdl.core.urls import parse_url
from fastdl.core.verify import parse_checksum
from fastdl.errors import UsageError
from fastdl.options import BY_KEY, Option

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off"}
TOKEN = pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110, 5.6.2
CONTROL = pattern(r"[\x00-\x1f\x7f]")
OURS = {
    "accept-encoding", "connection", "content-length", "expect", "if-range", "keep-alive", "proxy-connection", "range",
    "te", "trailer", "transfer-encoding", "upgrade",
}  # fmt: skip
CONNECT_TO = pattern(r"(\[[^\]]*\]|[^:\[\]\s]*):([0-9]*):(\[[^\]]*\]|[^:\[\]\s]*):([0-9]*)")
PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


def value_of(option: Option, raw: Any, where: str) -> Any:
    """The typed value of `raw` (a string, or what TOML made of it). `where` names its place in messages.

    Raises UsageError. Gives: flag -> bool; size, rate, count -> int ("auto" stays, no limit is None);
    seconds -> float or None; header -> list of (name, value); connect-to -> list of 4-tuples; the rest -> text."""
    try:
        return _KINDS[option.kind](option, raw)
    except UsageError as error:
        own = f"See --{option.name} in 'fastdl get --help'." if option.key in BY_KEY else UsageError.hint
        hint = error.hint if error.hint != UsageError.hint else own
        raise UsageError(f"{where}: {error.what}", error.why, hint) from None


def _shown(raw: Any) -> str:
    try:
        text = str(raw).lower() if isinstance(raw, bool) else str(raw)
    except Exception:  # a program may give anything: a number of 10,000 digits, an object that cannot be told
        text = f"a {type(raw).__name__}"
    text = mask(CONTROL.sub("?", text))
    return f"'{text[:57]}...'" if len(text) > 60 else f"'{text}'"


def _bad(option: Option, raw: Any, expected: str) -> UsageError:
    value = "the value" if option.secret else _shown(raw)
    return UsageError(f"{value} is not valid", expected)


def _flag(option: Option, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in TRUE | FALSE:
        return raw.strip().lower() in TRUE
    raise _bad(option, raw, "true or false is expected")


def _string(option: Option, raw: Any) -> str:
    if not isinstance(raw, str):
        raise _bad(option, raw, "text in quotes is expected")
    return raw


def _count(option: Option, raw: Any) -> int | str | None:
    if isinstance(raw, str) and raw in option.words:
        return None if raw == "auto" else raw
    span = " or ".join([f"a whole number from {option.least} to {option.most}", *option.words]) + " is expected"
    if isinstance(raw, str) and re.fullmatch(r"[0-9]{1,9}", raw):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise _bad(option, raw, span)
    if raw < option.least or (option.most is not None and raw > option.most):
        raise _bad(option, raw, span)
    return raw


def _size(option: Option, raw: Any) -> int:
    size = raw if isinstance(raw, int) and not isinstance(raw, bool) else parse_size(_string(option, raw))
    if size < option.least or size > MAX_SIZE:
        raise _bad(option, raw, f"at least {option.least} is expected" if size < option.least else "it is too large")
    return int(size)


def _rate(option: Option, raw: Any) -> int | str | None:
    rate = raw if isinstance(raw, int) and not isinstance(raw, bool) else _parsed_rate(_string(option, raw))
    if isinstance(rate, int) and not 0 <= rate <= MAX_SIZE:
        raise _bad(option, raw, "bytes a second are expected")
    return rate or None


def _parsed_rate(text: str) -> int | str:
    return 0 if text.strip() == "0" else parse_rate(text)


def _seconds(option: Option, raw: Any) -> float | None:
    number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if option.name == "max-time" and (raw == "0" or (number and raw == 0)):
        return None
    seconds = raw if number else parse_seconds(_string(option, raw))
    if not 0 < seconds <= MAX_SECONDS:  # which NaN is not either
        raise _bad(option, raw, f"seconds are expected, more than 0 and at most {MAX_SECONDS:.0f}")
    return float(seconds)


def _choice(option: Option, raw: Any) -> str:
    number = isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) < 10  # of a version
    text = str(raw) if number or isinstance(raw, str) else ""
    if text not in option.words:
        raise _bad(option, raw, "one of " + ", ".join(option.words) + " is expected")
    return text


def _text(option: Option, raw: Any) -> Any:
    text = _string(option, raw)
    if not text and option.name != "user-agent":
        raise UsageError("the value is empty")
    if not is_plain(text) and CONTROL.search(text):
        raise UsageError("the value holds a control character")
    check = _TEXTS.get(option.name)
    return check(option, text) if check is not None else text


def _path(option: Option, raw: Any) -> str:
    """A leading `~` is the home folder everywhere: no shell has expanded it in a config file."""
    return os.path.expanduser(str(_text(option, raw)))


def _list(option: Option, raw: Any) -> list[Any]:
    items = [raw] if isinstance(raw, str) else raw
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise _bad(option, raw, "a list of texts is expected")
    return [_LISTS[option.name](option, item) for item in items]


# --- single options --------------------------------------------------------------------------------------


def header(option: Option, text: str) -> tuple[str, str]:
    """`Name: value`, or curl's `Name;` for an empty value. Characters outside ASCII go out as UTF-8, which stands
    here as the latin-1 text of those bytes."""
    name, colon, value = text.partition(":")
    if not colon and text.endswith(";"):
        name, value = text[:-1], ""
    elif not colon:
        raise UsageError("a header has no colon", "'Name: value' is expected")
    elif not value.strip():
        raise UsageError("a header has no value", "'Name;' sends an empty one")
    if not TOKEN.fullmatch(name):
        raise UsageError("the name of a header is not valid", "letters, digits and '-' are expected before the colon")
    value = value.strip(" \t")
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise UsageError(f"the value of the header {name} holds a control character")
    if name.lower() in OURS:
        raise UsageError(f"the header {name} cannot be set", "fastdl sets it for every request itself")
    return name, value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("latin-1")


def connect_to(option: Option, text: str) -> tuple[str, str, str, str]:
    """`H1:P1:H2:P2`; IPv6 addresses in brackets, which are taken off here."""
    match = CONNECT_TO.fullmatch(text)
    if match is None:
        why = "HOST1:PORT1:HOST2:PORT2 is expected, IPv6 addresses in brackets"
        raise UsageError(f"{_shown(text)} is not valid", why)
    for port in (match[2], match[4]):
        if port and not 1 <= int(port[:9]) <= 65535:
            raise UsageError(f"port {port[:9]} is not valid", "1 to 65535 is expected")
    return _host(match[1]).lower(), match[2], _host(match[3]), match[4]


def _host(text: str) -> str:
    """A host without the brackets of an IPv6 address."""
    if not text.startswith("["):
        return text
    import ipaddress

    try:
        return str(ipaddress.IPv6Address(text[1:-1]))
    except ValueError:
        raise UsageError(f"{_shown(text)} is no IPv6 address") from None


def _mirror(option: Option, text: str) -> str:
    parse_url(text)
    return text


def _checksum(option: Option, text: str) -> str:
    parse_checksum(text)
    return text


def _user(option: Option, text: str) -> tuple[str, str | None]:
    name, colon, password = text.partition(":")
    if not name:
        raise UsageError("the name is empty", "NAME:PASS is expected")
    return name, password if colon else None


def _proxy(option: Option, text: str) -> str:
    """A proxy's URL; without a scheme it is an http proxy, as with curl."""
    full = text if "://" in text else "http://" + text
    scheme, _, rest = full.partition("://")
    if scheme.lower() not in PROXY_SCHEMES:
        raise UsageError("the scheme is not known", "http, https, socks5 or socks5h is expected")
    try:
        parse_url("http://" + rest)
    except UsageError as error:
        raise UsageError("not a valid proxy URL", mask(error.why)) from None
    return f"{scheme.lower()}://{rest}"


def _variable(option: Option, text: str) -> str:
    if "=" in text or not text.isprintable():
        raise UsageError(f"{_shown(text)} is not the name of an environment variable")
    return text


def _command(option: Option, text: str) -> str:
    """Kept as it is; cut into words where it is run."""
    from fastdl.core.command import split

    split(text, windows=os.name == "nt")
    return text


def _interface(option: Option, text: str) -> str:
    if re.search(r"\s", text):
        raise UsageError(f"{_shown(text)} is no interface", "a name or an address is expected")
    return text


def _region(option: Option, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,20}", text):
        raise UsageError(f"{_shown(text)} is no region", "auto or a code such as DE is expected")
    return text


def _metrics(option: Option, text: str) -> str:
    """A loopback address, or the path of a file."""
    from fastdl.core.endpoint import endpoint_of

    return text if endpoint_of(text) is not None else os.path.expanduser(text)


_KINDS: dict[str, Callable[[Option, Any], Any]] = {
    "flag": _flag,
    "text": _text,
    "path": _path,
    "list": _list,
    "size": _size,
    "rate": _rate,
    "seconds": _seconds,
    "count": _count,
    "choice": _choice,
}
_TEXTS: dict[str, Callable[[Option, str], Any]] = {
    "checksum": _checksum,
    "user": _user,
    "proxy": _proxy,
    "bearer-env": _variable,
    "interface": _interface,
    "on-complete": _command,
    "region": _region,
    "metrics": _metrics,
}
_LISTS: dict[str, Callable[[Option, str], Any]] = {"header": header, "connect-to": connect_to, "mirror": _mirror}
