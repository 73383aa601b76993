"""What the options of a curl command say, one by one and together: a URL, and the values of fastdl's own options.

What a browser says of its own connection and of what it has already (Range, If-None-Match, Accept-Encoding...) is not
said again: fastdl asks for other bytes over other connections, and what comes has to be the file itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fastdl.core.curl.flags import Flag
from fastdl.core.curl.parts import (
    covers,
    encoded,
    full_proxy,
    has_pattern,
    last_segment,
    place_of,
    with_query,
    without_marks,
)
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
_BROWSER = "Only GET can be done; choose the request that fetched the file."


@dataclass(frozen=True, slots=True)
class Request:
    """One URL of a curl command. `values` has fastdl's options by their keys, written as on the command line; `left`
    is what of curl's was left out, and why. `line` is where the command begins."""

    line: int
    url: str = field(repr=False)
    values: dict[str, Any] = field(repr=False)
    left: tuple[str, ...] = ()


class Reading:
    """What one command, or its part up to --next, says."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.urls: list[str] = []
        self._values: dict[str, Any] = {}
        self._headers: list[tuple[str, str | None]] = []  # None: curl would leave its own out
        self._cookies: list[str] = []
        self._outputs: list[str | None] = []  # None: the name in the URL
        self._queries: list[str] = []
        self._data: list[tuple[Flag, str]] = []
        self._said: dict[str, str] = {}
        self._on: dict[str, str] = {}  # options that matter when all are known

    # --- one option after the other ----------------------------------------------------------------------

    def take(self, flag: Flag, on: bool, value: str) -> None:
        """One option. Raises UsageError for what cannot be done."""
        if flag.fate == "refused" and on:
            raise UsageError(
                f"line {self.line}: curl's option --{flag.name} cannot be carried out by fastdl",
                "without it the request may be another one",
                "Take it out if the file does not depend on it.",
            )
        if flag.fate == "body":
            raise self._no_body(flag)
        if flag.fate == "left" and on:
            self._said[f"curl's --{flag.name} is left out"] = flag.why
        if flag.fate == "taken":
            self._taken(flag, on, value)

    def _no_body(self, flag: Flag) -> UsageError:
        return UsageError(f"line {self.line}: curl's option --{flag.name} sends a body", "that is no GET", _BROWSER)

    def _taken(self, flag: Flag, on: bool, value: str) -> None:
        plain = _PLAIN.get(flag.name)
        if plain is not None:
            self._values[plain] = value if flag.takes_value else on
        elif flag.name in _SPECIAL:
            _SPECIAL[flag.name](self, value)
        elif flag.name.startswith("data"):
            self._data.append((flag, value))
        elif on:
            self._on[flag.name] = value
        else:
            self._on.pop(flag.name, None)

    def header(self, text: str) -> None:
        if text.startswith("@"):
            raise UsageError(f"line {self.line}: curl's option --header names a file", "fastdl reads none", "Use -H.")
        name, colon, value = text.partition(":") if not text.startswith(":") else ("", "", "")
        if colon:
            self._headers.append((name.strip(), value.strip(" \t") or None))
        elif text.rstrip().endswith(";") and text.rstrip()[:-1].strip():
            self._headers.append((text.rstrip()[:-1].strip(), ""))

    def cookie(self, text: str) -> None:
        """curl takes what holds a '=' for cookies, and anything else for the name of a file."""
        if "=" in text:
            self._cookies.append(text.strip())
        elif text:
            if "cookies" in self._values:
                raise UsageError(f"line {self.line}: curl's option --cookie names several files", "", "Give one.")
            self._values["cookies"] = text

    def method(self, text: str) -> None:
        if text.upper() != "GET":
            shown = text.upper() if re.fullmatch(r"[A-Za-z]{1,20}", text) else "another method"
            raise UsageError(f"line {self.line}: the request is {shown}", "that is no GET", _BROWSER)

    def head(self, _: str) -> None:
        self.method("HEAD")

    def resolve(self, text: str) -> None:
        """`[+]HOST:PORT:ADDRESS[,ADDRESS...]`; fastdl connects to the first."""
        if text.startswith("-"):
            return
        found = re.fullmatch(r"\+?(\*|\[[^\]]*\]|[^:\[\]]+):(\d+):(\[[^\]]*\]|[^,]+)(?:,.*)?", text)
        if found is None:
            raise UsageError(f"line {self.line}: curl's option --resolve is not HOST:PORT:ADDRESS", "", "")
        host, port, address = found.groups()
        address = f"[{address}]" if ":" in address and not address.startswith("[") else address
        self._values.setdefault("connect_to", []).append(f"{host.removeprefix('*')}:{port}:{address}:")

    def connect_to(self, text: str) -> None:
        self._values.setdefault("connect_to", []).append(text)

    def cert(self, text: str) -> None:
        """curl takes what follows a colon for the key's password; a drive's letter is none."""
        if re.search(r"(?<!\\):", re.sub(r"^[A-Za-z]:(?=[\\/])", "", text)) and not text.startswith("pkcs11:"):
            why = "fastdl takes certificates whose key has none"
            raise UsageError(f"line {self.line}: curl's option --cert holds a password", why, "See --cert and --key.")
        self._values["cert"] = text.replace("\\:", ":")

    def pem_only(self, text: str) -> None:
        if text.upper() != "PEM":
            raise UsageError(f"line {self.line}: the certificate or its key is no PEM file", "", "Convert it to PEM.")

    def interface(self, text: str) -> None:
        self._values["interface"] = re.sub(r"^(?:if|host)!", "", text)

    def referer(self, text: str) -> None:
        self._values["referer"] = text.removesuffix(";auto")

    def limit_rate(self, text: str) -> None:
        self._values["limit_rate"] = re.sub(r"(?i)(?<=\d)b$", "", text)

    def proxy(self, text: str) -> None:
        self._on["proxy"] = text

    def socks5(self, text: str) -> None:
        self._on["proxy"] = "socks5://" + text.rpartition("://")[2]

    def socks5_hostname(self, text: str) -> None:
        self._on["proxy"] = "socks5h://" + text.rpartition("://")[2]

    def output(self, text: str) -> None:
        self._outputs.append(text)

    def remote_name(self, _: str) -> None:
        self._outputs.append(None)

    def url(self, text: str) -> None:
        self.urls.append(text)

    def query(self, text: str) -> None:
        self._queries.append(text[1:] if text.startswith("+") else self._encoded(text, "url-query"))

    def bearer(self, text: str) -> None:
        self._on["bearer"] = text

    def version(self, text: str) -> None:
        """Of HTTP."""
        self._values["http"] = text

    # --- and what they say together ----------------------------------------------------------------------

    def requests(self) -> Iterator[Request]:
        """A request for each URL. Raises UsageError where there is none."""
        if self._data and "get" not in self._on:
            raise self._no_body(self._data[0][0])
        if not self.urls:
            raise UsageError(f"line {self.line}: the curl command names no URL", "the copy may have been cut off", "")
        queries = [*(self._datum(*each) for each in self._data), *self._queries]
        for place, text in enumerate(self.urls):
            url = with_query(self._plain_url(text), "&".join(queries))
            values = {**self._values, **self._for_url(url)}
            output = self._output(place, url)
            if output is not None:
                values["output"] = output
            yield Request(self.line, url, values, tuple(self._told()))

    def _told(self) -> Iterator[str]:
        for what, why in self._said.items():
            yield f"{what}: {why}"

    def _plain_url(self, text: str) -> str:
        """The URL without curl's marks for patterns; http:// is what curl takes for granted."""
        if "globoff" not in self._on:
            if has_pattern(text):
                why = "curl would make several of it"
                raise UsageError(f"line {self.line}: the URL holds a pattern", why, "curl's -g takes it as it stands.")
            text = without_marks(text)
        if not _SCHEME.match(text):
            text = f"{self._on.get('proto-default', 'http')}://{text}"
        allowed = self._on.get("proto", "")
        scheme = text.partition(":")[0].lower()
        if allowed.startswith("=") and scheme not in re.split("[,=]", allowed.lower()):
            raise UsageError(f"line {self.line}: curl's option --proto forbids {scheme}", "", "Check the URL.")
        return text

    def _datum(self, flag: Flag, text: str) -> str:
        """What -G puts into the query for one -d."""
        if flag.name == "data-urlencode":
            return self._encoded(text, flag.name)
        if text.startswith("@") and flag.name != "data-raw":
            raise UsageError(f"line {self.line}: curl's option --{flag.name} names a file", "fastdl reads none", "")
        return text

    def _encoded(self, text: str, option: str) -> str:
        """`content`, `=content` or `name=content`; what names a file is refused."""
        name, mark, content = re.fullmatch(r"(?s)(?:([^=@]*)([=@]))?(.*)", text).groups()  # type: ignore[union-attr]
        if mark == "@":
            raise UsageError(f"line {self.line}: curl's option --{option} names a file", "fastdl reads none", "")
        return f"{name}={encoded(content)}" if name else encoded(content)

    def _for_url(self, url: str) -> dict[str, Any]:
        """The options that depend on the URL: headers, and whether a proxy is meant for its host."""
        values: dict[str, Any] = {}
        headers = list(self._replayed(url))
        names = {name.lower() for name, _ in headers}
        if self._cookies and "cookie" not in names:
            headers.append(("Cookie", ";".join(self._cookies)))
        if "bearer" in self._on and "authorization" not in names:
            headers.append(("Authorization", f"Bearer {self._on['bearer']}"))
        for name, value in headers:
            key = {"user-agent": "user_agent", "referer": "referer"}.get(name.lower())
            if key is not None:
                values[key] = value
            else:
                values.setdefault("header", []).append(f"{name}: {value}" if value else f"{name};")
        if any(name.lower() == "user-agent" and value is None for name, value in self._headers):
            values.setdefault("user_agent", "")
        if self._values.get("referer") == "":
            values.setdefault("referer", None)
        return values | self._proxied(url)

    def _replayed(self, url: str) -> Iterator[tuple[str, str]]:
        hosts = place_of(url)
        for name, value in self._headers:
            lower = name.lower()
            own_host = lower == "host" and value is not None and value.lower() in hosts
            if value is not None and lower not in NOT_AGAIN and not own_host and lower not in _PSEUDO:
                yield name, value

    def _proxied(self, url: str) -> dict[str, Any]:
        proxy = self._on.get("proxy")
        spared = re.split(r"[,\s]+", self._on.get("noproxy", ""))
        _, host = place_of(url)
        if proxy == "" or "*" in spared or any(covers(each, host) for each in spared if each):
            return {"no_proxy": True}
        return {} if proxy is None else {"proxy": full_proxy(proxy, self._on.get("proxy-user"))}

    def _output(self, place: int, url: str) -> str | None:
        named = self._outputs[place : place + 1]
        if not named and "remote-name-all" in self._on:
            named = [None]
        if not named or (named == [None] and "remote-header-name" in self._on):
            return None
        if named[0] is not None:
            return named[0]
        segment = last_segment(url)
        return segment if segment not in ("", ".", "..") else None


# curl's options with a twin of the same meaning.
_PLAIN = {
    "user-agent": "user_agent",
    "user": "user",
    "output-dir": "dir",
    "max-time": "max_time",
    "connect-timeout": "connect_timeout",
    "retry": "retries",
    "max-filesize": "max_size",
    "cacert": "cacert",
    "capath": "cacert",
    "key": "key",
    "netrc-file": "netrc_file",
    "insecure": "insecure",
    "ipv4": "ipv4",
    "ipv6": "ipv6",
    "netrc": "netrc",
    "no-clobber": "auto_rename",
    "skip-existing": "skip_existing",
}
_SPECIAL: dict[str, Callable[[Reading, str], None]] = {
    "header": Reading.header,
    "cookie": Reading.cookie,
    "request": Reading.method,
    "head": Reading.head,
    "resolve": Reading.resolve,
    "connect-to": Reading.connect_to,
    "cert": Reading.cert,
    "cert-type": Reading.pem_only,
    "key-type": Reading.pem_only,
    "interface": Reading.interface,
    "referer": Reading.referer,
    "limit-rate": Reading.limit_rate,
    "proxy": Reading.proxy,
    "socks5": Reading.socks5,
    "socks5-hostname": Reading.socks5_hostname,
    "output": Reading.output,
    "remote-name": Reading.remote_name,
    "url": Reading.url,
    "url-query": Reading.query,
    "oauth2-bearer": Reading.bearer,
    "http1.0": lambda reading, _: reading.version("1.1"),
    "http1.1": lambda reading, _: reading.version("1.1"),
    "http2": lambda reading, _: reading.version("auto"),
    "http2-prior-knowledge": lambda reading, _: reading.version("2"),
}
