"""The strict form that a URL must have to be mapped.

Anything odd in a URL (userinfo, encoded slashes, dot segments, a port) can still be downloaded; but programs read such
URLs differently, and a mapping sends them to somebody else. So nothing is mended here: what fails is not mapped.
"""

from __future__ import annotations

from fastdl.core.record import Record

LONGEST = 2048  # characters of a URL that is mapped; bounds the time of every pattern

_REFUSED = frozenset('<>"^`{|}\\')
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HEX = frozenset("0123456789abcdefABCDEF")
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Normal(Record):
    """A URL in the normal form."""

    scheme: str
    host: str
    path: str
    query: str | None  # None: there is no "?"

    @property
    def text(self) -> str:
        return f"{self.scheme}://{self.host}{self.path}"


def normal_form(text: str) -> Normal | str:
    """The parts of the URL, or why it is not mapped, as half a sentence about "the URL"."""
    if len(text) > LONGEST:
        return "is too long"
    if not text.isascii() or not text.isprintable() or " " in text or not _REFUSED.isdisjoint(text):
        return "holds characters that programs read differently"
    head, mark, rest = text.partition("://")
    scheme = head.lower()
    if not mark or scheme not in ("https", "http"):
        return "is neither https nor http"
    rest = rest.partition("#")[0]
    front, question, query = rest.partition("?")
    authority, slash, path = front.partition("/")
    host, fault = _host(scheme, authority)
    fault = fault or path_fault("/" + path)
    if fault:
        return fault
    return Normal(scheme, host, slash + path or "/", query if question else None)


def _host(scheme: str, authority: str) -> tuple[str, str]:
    """Host and "", or "" and what is wrong."""
    if "@" in authority:
        return "", "holds a user name"
    host, colon, port = authority.partition(":")
    if colon and port != ("443" if scheme == "https" else "80"):
        return "", "names a port of its own"
    host = host.lower()
    labels = host.split(".")
    if len(labels) < 2 or not all(labels) or not all(_LABEL.issuperset(label) for label in labels):
        return "", "names no public host"
    if labels[-1].isdigit():
        return "", "names an address instead of a host"
    return host, ""


def path_fault(path: str) -> str:
    """What is not canonical in a path, or ""."""
    for piece in path.split("%")[1:]:
        code = piece[:2]
        if len(code) < 2 or not _HEX.issuperset(code):
            return "has a broken percent-encoding"
        byte = int(code, 16)
        if byte < 0x20 or byte == 0x7F or chr(byte) in "/\\%" or chr(byte) in _UNRESERVED:
            return "encodes what must not be encoded"
    segments = path.split("/")[1:]
    if "" in segments[:-1]:
        return "has an empty path segment"
    if not {".", ".."}.isdisjoint(segments):
        return "has dot segments"
    return ""
