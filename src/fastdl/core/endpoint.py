"""FILE or ADDR:PORT: what `--metrics` names.

Only addresses of this machine's loopback are taken: what is downloaded, and from where, is no business of the
network's, and there is no password. A name that might be meant either way is refused with both spellings in the hint.
"""

from __future__ import annotations

import re

from fastdl.core.record import Record
from fastdl.core.shown import clean
from fastdl.errors import UsageError

_BRACKETS = r"\[([^\]/\\]*)\]:([0-9]+)"
_PLAIN = r"([^:/\\]*):([0-9]+)"
_BARE_IPV6 = r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"


class Endpoint(Record):
    """A loopback address: "127.0.0.1", "::1" or another of 127.0.0.0/8, or "localhost"; `port` 0 means any free one."""

    host: str
    port: int

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def endpoint_of(text: str) -> Endpoint | None:
    """The address that `text` names; None if it is the name of a file: whatever has a slash or a backslash in it, or
    does not end in a colon and digits. Raises UsageError."""
    match = re.fullmatch(_BRACKETS, text) or re.fullmatch(_PLAIN, text)
    if match is not None:
        return Endpoint(_loopback(match[1], text), _port(match[2], text))
    shown = clean(text, 60)
    if text == "-":
        raise UsageError("'-' cannot be used", "the metrics need a file or an address", _hint("fastdl.prom"))
    if "://" in text:
        raise UsageError(f"'{shown}' is not valid", "an address and a port are expected, not a URL", _hint())
    if re.fullmatch(_BARE_IPV6, text):
        raise UsageError(f"'{shown}' is not valid", "an IPv6 address stands in brackets, with a port", _hint())
    if re.fullmatch(r"[0-9]+", text):
        raise UsageError(f"'{shown}' may be a port or a file", "", f"Write 127.0.0.1:{shown} or ./{shown}.")
    if re.fullmatch(r"(?i)(localhost|\[[^/\\]*\]|[0-9]+(\.[0-9]+){3}):[^/\\]*", text):
        raise UsageError(f"'{shown}' is not valid", "the port is a number", _hint(f"./{shown}"))
    if re.fullmatch(r"(?i)localhost|\[[^/\\]*\]|[0-9]+(\.[0-9]+){3}", text):
        raise UsageError(f"'{shown}' has no port", "", f"Write {shown}:9180, or ./{shown} for a file.")
    return None


def is_loopback_host(text: str) -> bool:
    """Whether a Host field (RFC 9110, 7.2) names this machine's loopback."""
    match = re.fullmatch(r"(?:\[([^\]]*)\]|([^:]*))(?::[0-9]*)?", text)
    return match is not None and _known(match[1] or match[2] or "") is not None


def _known(host: str) -> str | None:
    """A loopback address or "localhost" in its usual spelling; None for any other host."""
    import ipaddress

    if host.lower().rstrip(".") == "localhost":
        return "localhost"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    # An IPv4 address inside of an IPv6 one would need a socket of both kinds.
    return str(address) if str(address) == "::1" or (address.version == 4 and address.is_loopback) else None


def _loopback(host: str, text: str) -> str:
    known = _known(host)
    if known is None:
        shown = clean(host, 60)
        what = f"'{shown}' is not an address of the loopback" if shown else "the address is missing"
        raise UsageError(what, "only this machine may read the metrics", _hint("./" + clean(text, 60)))
    return known


def _port(digits: str, text: str) -> int:
    if len(digits) > 5 or int(digits) > 65535:
        raise UsageError(f"the port {clean(digits, 20)} is not valid", "0 to 65535 is expected", _hint())
    return int(digits)


def _hint(file: str = "") -> str:
    return "Write for example 127.0.0.1:9180 or [::1]:9180" + (f", or {file} for a file." if file else ".")
