"""URLs in one strict form.

Every other module trusts that a `Url` is well-formed ASCII: whatever a user or a server wrote is checked and encoded
here, once. Two readings of the same characters are how requests, and the secrets that go with them, end at the wrong
host; so what curl, browsers and RFC 3986 read differently (backslashes and percent signs in a host, numbers that are
half an IP address) is refused instead of guessed.
"""

from __future__ import annotations

import functools
import re
from importlib import import_module

from fastdl.core.pattern import pattern
from fastdl.core.plain import dataclass, replace
from fastdl.core.shown import UNSAFE, clean, is_plain, mask, percent_decoded
from fastdl.errors import UsageError

DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]*):")
_OPAQUE = frozenset({"about", "blob", "data", "file", "javascript", "magnet", "mailto", "sms", "tel", "urn"})
_PORT_LIKE = pattern(r"[0-9]{1,5}(?:[/?#]|$)")
_CONTROL = pattern("[\x00-\x1f\x7f-\x9f]")
_IN_NAMES = "abcdefghijklmnopqrstuvwxyz0123456789_-"
_TO_ENCODE = pattern(rb"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]%]")
_AS_IT_IS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?[]"
_BYTES = frozenset(str(number) for number in range(256))


class _Malformed(ValueError):
    """What is wrong with a URL, as half a sentence about "it"; holds nothing that could be a secret."""

    def __init__(self, why: str, hint: str = "A URL looks like https://example.org/file.") -> None:
        super().__init__(why)
        self.hint = hint


@dataclass(frozen=True, slots=True, repr=False)
class Url:
    """An http or https URL (RFC 3986) that was checked; made by `parse_url` and `join` only."""

    scheme: str  # "http" or "https"
    host: str  # lower-case ASCII, A-labels; an IPv6 address stands without brackets
    port: int
    target: str  # what a request line carries: "/path?query", percent-encoded ASCII, never empty (RFC 9112, 3.2.1)
    username: str | None = None  # percent-decoded
    password: str | None = None

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: the reach of a secret (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """The value of the Host header: the port only where it is not the scheme's own (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def text(self) -> str:
        """The URL without userinfo and fragment. Its query may hold secrets: `mask` it before it is shown."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def __repr__(self) -> str:
        # A traceback or a log must not show what `mask` hides.
        return f"Url({mask(self.text)!r}{', userinfo=***' if self.username is not None else ''})"


# --- reading ---------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=256)  # a download asks for its URL several times
def parse_url(text: str) -> Url:
    """The URL that a user wrote. Spaces and non-ASCII in path and query are encoded as UTF-8, `%XX` stays as it is,
    dot segments are resolved, the fragment is dropped.

    Raises UsageError that names the part which is wrong, without showing what may be a password."""
    text = text.strip(" ")
    try:
        return _parse(text)
    except _Malformed as error:
        # With an "@" or a space somewhere it is not certain where a secret begins and ends: show nothing.
        showable = not re.search(r"[@\s]", text) and text.isprintable() and text
        what = f"the URL '{clean(mask(text), 120)}' cannot be used" if showable else "the URL cannot be used"
        raise UsageError(what, str(error), error.hint) from None


def join(base: Url, location: str) -> Url:
    """The URL that `location` means in a response to `base` (RFC 3986, 5.2). `location` is the text of a header, read
    as latin-1; bytes above ASCII in it are taken as they came. Userinfo: the location's own, or that of the base
    where the location names no host.

    Raises ValueError whose text says what is wrong, as half a sentence about "it"."""
    text = _from_wire(location).strip(" \t")
    if not text:
        raise _Malformed("it is empty")
    _refuse_controls(text)
    text = text.partition("#")[0]
    if _SCHEME.match(text):
        return _parse(text)
    if text.startswith("//"):
        return _assemble(base.scheme, text[2:])
    path, mark, query = text.partition("?")
    if not path:
        mark, query, path = (mark, query, base.path) if mark else (*base.target.partition("?")[1:], base.path)
    elif not path.startswith("/"):
        path = f"{base.path.rpartition('/')[0]}/{path}"
    return replace(base, target=_target(path + mark + query))


def _from_wire(text: str) -> str:
    """Header text as its sender meant it: UTF-8 where it is valid; other bytes become surrogate escapes, which
    `_target` turns into `%XX`."""
    try:
        return text.encode("latin-1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


def _parse(text: str) -> Url:
    if not text:
        raise _Malformed("it is empty")
    _refuse_controls(text)
    return _assemble(*_split_scheme(text))


def _refuse_controls(text: str) -> None:
    if not is_plain(text) and (found := _CONTROL.search(text)):
        raise _Malformed(f"it holds the control character U+{ord(found[0]):04X}")


def _split_scheme(text: str) -> tuple[str, str]:
    """Scheme, and what stands behind the "//"."""
    for known in DEFAULT_PORTS:
        if text.startswith(f"{known}://"):
            return known, text[len(known) + 3 :]
    found = _SCHEME.match(text)
    if found is None or _is_host_and_port(found[1].lower(), text[found.end() :]):
        raise _Malformed("it has no scheme", _likely(f"https://{text.removeprefix('//')}"))
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme not in DEFAULT_PORTS:
        raise _Malformed(f"the scheme is '{clean(scheme, 40)}'", "fastdl speaks http and https.")
    if not rest.startswith("//"):
        raise _Malformed("the '//' behind its scheme is missing", _likely(f"{scheme}://{rest.lstrip('/')}"))
    return scheme, rest[2:]


def _is_host_and_port(scheme: str, rest: str) -> bool:
    """Whether "localhost:8000/x" or "me:pw@example.org/x" was written, where the scheme should stand."""
    if rest.startswith("//") or scheme in _OPAQUE or scheme in DEFAULT_PORTS:
        return False
    return bool(_PORT_LIKE.match(rest)) or "@" in re.split("[/?#]", rest, maxsplit=1)[0]


def _likely(guess: str) -> str:
    try:
        _assemble(*_split_scheme(guess))
    except _Malformed:
        return "A URL begins with https:// or http://."
    return f"Did you mean {clean(mask(guess), 200)}"


def _assemble(scheme: str, rest: str) -> Url:
    """The Url of what stands behind "//" (RFC 3986, 3.2)."""
    end = next((place for place, character in enumerate(rest) if character in "/?#"), len(rest))
    # The last "@" divides: everything before it can be meant as a password, nothing after it can.
    userinfo, at, hostport = rest[:end].rpartition("@")
    username, password = _userinfo(userinfo) if at else (None, None)
    host, port = _host_and_port(hostport)
    target = _target(rest[end:].partition("#")[0])
    return Url(scheme, host, port or DEFAULT_PORTS[scheme], target, username, password)


def _userinfo(userinfo: str) -> tuple[str | None, str | None]:
    if re.search(r'[\s"<>\\]', userinfo):
        raise _Malformed("its user name or password holds a character that must be percent-encoded")
    try:
        name, colon, word = (percent_decoded(part).decode() for part in userinfo.partition(":"))
    except UnicodeError:
        raise _Malformed("its user name or password is not UTF-8") from None
    if _CONTROL.search(name + word):
        raise _Malformed("its user name or password holds a control character")
    return (name if name or colon else None), (word if colon else None)


def _host_and_port(hostport: str) -> tuple[str, int | None]:
    if hostport.startswith("["):
        address, bracket, rest = hostport[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise _Malformed("its host is no IPv6 address in brackets")
        return _ipv6(address), _port(rest[1:])
    host, _, port = hostport.partition(":")
    if ":" in port and re.fullmatch(r"[0-9A-Fa-f:.]+", hostport):
        raise _Malformed("an IPv6 address as host stands in brackets", "It looks like https://[2001:db8::1]/file.")
    return _host(host), _port(port)


def _port(port: str) -> int | None:
    # The value is not repeated: in "http://me:pa/ss@host" it is half a password.
    if not port:
        return None
    if not (port.isascii() and port.isdigit() and len(port) <= 5) or not 0 < int(port) < 65536:
        raise _Malformed("its port is not a number from 1 to 65535")
    return int(port)


def _ipv6(address: str) -> str:
    import ipaddress

    if "%" in address:
        raise _Malformed("its host is an IPv6 address with a zone", "Leave the zone out and name it with --interface.")
    try:
        return str(ipaddress.IPv6Address(address))
    except ValueError:
        raise _Malformed("its host is no IPv6 address in brackets") from None


def _host(host: str) -> str:
    if not host:
        raise _Malformed("its host is empty")
    if "%" in host:
        raise _Malformed("its host holds a percent sign")
    if len(host) > 1000:
        raise _Malformed("its host is too long")
    host = (host if host.isascii() else _idna(host)).lower()
    last = host.removesuffix(".").rpartition(".")[2]
    if last.isdigit() or (last.startswith("0x") and not last[2:].strip("0123456789abcdef")):
        return _ipv4(host)
    if any(not 0 < len(label) < 64 or label.strip(_IN_NAMES) for label in host.removesuffix(".").split(".")):
        raise _Malformed("its host is no valid name")
    if len(host.removesuffix(".")) > 253:
        raise _Malformed("its host is too long")
    return host


def _ipv4(host: str) -> str:
    """A name that ends in a number is an address or nothing: "127.1" and "0x7f.1" are read differently everywhere."""
    parts = host.split(".")
    if len(parts) == 4 and all(part in _BYTES for part in parts):
        return host
    raise _Malformed("its host is no IPv4 address (four numbers from 0 to 255)")


def _idna(host: str) -> str:
    """A-labels by IDNA 2008 with the mapping of UTS 46, as browsers do it."""
    import idna

    # UTS 46 drops invisible characters; only the two joiners that scripts need are left for it to judge.
    if UNSAFE.search(re.sub("[\u200c\u200d]", "", host)):
        raise _Malformed("its host holds an invisible character")
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:  # idna.IDNAError is one
        raise _Malformed("its host is no valid international name") from None


def _target(text: str) -> str:
    """Path and query in the form of a request line (RFC 9112, 3.2.1), without dot segments in the path."""
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _Malformed("it holds half a character (a lone surrogate)") from None
    if raw.translate(None, _AS_IT_IS):
        raw = _TO_ENCODE.sub(lambda found: b"%%%02X" % found[0][0], raw)
    path, mark, query = raw.decode("ascii").partition("?")
    return _without_dots(path or "/") + mark + query


def _without_dots(path: str) -> str:
    """RFC 3986, 5.2.4."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def url_key(url_text: str) -> str:
    """What a journal knows its URL by: SHA-256, in hex, of the URL in strict form with its userinfo. Raises
    UsageError as `parse_url`."""
    url = parse_url(url_text)
    # repr keeps the parts apart: "a:b" as a name is not "a" with the password "b".
    return _sha256(f"{url.text}\n{url.username!r}\n{url.password!r}".encode())


def _sha256(data: bytes) -> str:
    """Of a few bytes: without hashlib, which loads a cryptographic library of several MB for it."""
    for name in ("_sha256", "_sha2", "hashlib"):  # to Python 3.11, from 3.12, where neither was built
        try:
            return str(import_module(name).sha256(data).hexdigest())
        except ImportError:
            continue
    raise AssertionError("hashlib is always there")
