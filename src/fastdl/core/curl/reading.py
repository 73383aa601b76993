"""What the options of a curl command say, one by one: the values of fastdl's own options, and what has a meaning only
when all are known (core/curl/request)."""

from __future__ import annotations

import re
from collections.abc import Callable

from fastdl.core.curl.flags import Flag
from fastdl.core.curl.parts import encoded
from fastdl.core.hints import Any
from fastdl.errors import UsageError

_BROWSER = "Only GET can be done; choose the request that fetched the file."


class Reading:
    """What one command, or its part up to --next, says. `values` has fastdl's options by their keys, written as on the
    command line; `left` what of curl's is left out, with the reason."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.urls: list[str] = []
        self.values: dict[str, Any] = {}
        self.headers: list[tuple[str, str | None]] = []  # None: curl would leave its own out
        self.cookies: list[str] = []
        self.outputs: list[str | None] = []  # None: the name in the URL
        self.queries: list[str] = []
        self.data: list[tuple[Flag, str]] = []
        self.left: dict[str, str] = {}
        self.on: dict[str, str] = {}  # options that matter when all are known

    def take(self, flag: Flag, on: bool, value: str) -> None:
        """One option. Raises UsageError for what cannot be done."""
        if flag.fate == "refused" and on:
            raise UsageError(
                f"line {self.line}: curl's option --{flag.name} cannot be carried out by fastdl",
                "without it the request may be another one",
                "Take it out if the file does not depend on it.",
            )
        if flag.fate == "body":
            raise no_body(self.line, flag)
        if flag.fate == "left" and on:
            self.left[f"curl's --{flag.name} is left out"] = flag.why
        if flag.fate == "taken":
            self._taken(flag, on, value)

    def _taken(self, flag: Flag, on: bool, value: str) -> None:
        plain = _PLAIN.get(flag.name)
        if plain is not None:
            self.values[plain] = value if flag.takes_value else on
        elif flag.name in _SPECIAL:
            _SPECIAL[flag.name](self, value)
        elif flag.name.startswith("data"):
            self.data.append((flag, value))
        elif on:
            self.on[flag.name] = value
        else:
            self.on.pop(flag.name, None)

    def header(self, text: str) -> None:
        if text.startswith("@"):
            raise UsageError(f"line {self.line}: curl's option --header names a file", "fastdl reads none", "Use -H.")
        name, colon, value = text.partition(":") if not text.startswith(":") else ("", "", "")
        if colon:
            self.headers.append((name.strip(), value.strip(" \t") or None))
        elif text.rstrip().endswith(";") and text.rstrip()[:-1].strip():
            self.headers.append((text.rstrip()[:-1].strip(), ""))

    def cookie(self, text: str) -> None:
        """curl takes what holds a '=' for cookies, and anything else for the name of a file."""
        if "=" in text:
            self.cookies.append(text.strip())
        elif text:
            if "cookies" in self.values:
                raise UsageError(f"line {self.line}: curl's option --cookie names several files", "", "Give one.")
            self.values["cookies"] = text

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
        self.values.setdefault("connect_to", []).append(f"{host.removeprefix('*')}:{port}:{address}:")

    def connect_to(self, text: str) -> None:
        self.values.setdefault("connect_to", []).append(text)

    def cert(self, text: str) -> None:
        """curl takes what follows a colon for the key's password; a drive's letter is none."""
        if re.search(r"(?<!\\):", re.sub(r"^[A-Za-z]:(?=[\\/])", "", text)) and not text.startswith("pkcs11:"):
            why = "fastdl takes certificates whose key has none"
            raise UsageError(f"line {self.line}: curl's option --cert holds a password", why, "See --cert and --key.")
        self.values["cert"] = text.replace("\\:", ":")

    def pem_only(self, text: str) -> None:
        if text.upper() != "PEM":
            raise UsageError(f"line {self.line}: the certificate or its key is no PEM file", "", "Convert it to PEM.")

    def interface(self, text: str) -> None:
        self.values["interface"] = re.sub(r"^(?:if|host)!", "", text)

    def referer(self, text: str) -> None:
        self.values["referer"] = text.removesuffix(";auto")

    def limit_rate(self, text: str) -> None:
        self.values["limit_rate"] = re.sub(r"(?i)(?<=\d)b$", "", text)

    def proxy(self, text: str) -> None:
        self.on["proxy"] = text

    def socks5(self, text: str) -> None:
        self.on["proxy"] = "socks5://" + text.rpartition("://")[2]

    def socks5_hostname(self, text: str) -> None:
        self.on["proxy"] = "socks5h://" + text.rpartition("://")[2]

    def output(self, text: str) -> None:
        self.outputs.append(text)

    def remote_name(self, _: str) -> None:
        self.outputs.append(None)

    def url(self, text: str) -> None:
        self.urls.append(text)

    def query(self, text: str) -> None:
        self.queries.append(text[1:] if text.startswith("+") else in_query(self.line, text, "url-query"))

    def bearer(self, text: str) -> None:
        self.on["bearer"] = text

    def version(self, text: str) -> None:
        """Of HTTP."""
        self.values["http"] = text


def no_body(line: int, flag: Flag) -> UsageError:
    """An option that would send something."""
    return UsageError(f"line {line}: curl's option --{flag.name} sends a body", "that is no GET", _BROWSER)


def in_query(line: int, text: str, option: str) -> str:
    """`content`, `=content` or `name=content` as it stands in a query. Raises UsageError for what names a file."""
    name, mark, content = re.fullmatch(r"(?s)(?:([^=@]*)([=@]))?(.*)", text).groups()  # type: ignore[union-attr]
    if mark == "@":
        raise UsageError(f"line {line}: curl's option --{option} names a file", "fastdl reads none", "")
    return f"{name}={encoded(content)}" if name else encoded(content)


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
