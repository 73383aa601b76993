"""What a program asks for: options, the same as the command's, and jobs that carry some of them.

The two TypedDicts are the options table (options.py) for type checkers and for people; a test holds them together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

from fastdl.core.shown import mask

if TYPE_CHECKING:
    from typing_extensions import Unpack

StrPath = str | os.PathLike[str]
Size = int | str
Texts = str | Sequence[str]


class JobOptions(TypedDict, total=False):
    """The options that one file may have of its own, in [`Job`][fastdl.Job] and everywhere else.

    Values are those of the config file: sizes are bytes or text such as `"2M"` (powers of 1024), times are seconds,
    and what may be given several times is a list. None is as if the option were not given. What each of them means, and
    what it is without you, stands in the [reference of all options](options.md) under the same name with `-` for `_`.
    A wrong value is a [`UsageError`][fastdl.errors.UsageError] before anything is contacted.
    """

    output: StrPath | None
    """Name of the file, below `dir`. Stdout (`-`) is for the command alone."""
    dir: StrPath | None
    """Folder for the file, made if missing; a relative one is below the folder that is current at the call."""
    overwrite: bool | None
    """Replace a file that exists already."""
    skip_existing: bool | None
    """Leave a file that exists already: the result says so in `kept`."""
    auto_rename: bool | None
    """Take another name where a file exists already: the result's `path` has it."""
    newer: bool | None
    """Fetch only if the server's file is newer or has another ETag."""
    no_continue: bool | None
    """Start from nothing even where a partial download lies there."""
    remote_time: bool | None
    """Set the file's time from Last-Modified (on)."""
    durable: bool | None
    """Flush the file to the device before success is reported (on)."""
    max_size: Size | None
    """Bytes; a larger file is refused."""
    mirror: Texts | None
    """More sources of the same file, as trusted as the URL."""
    checksum: str | None
    """Expected digest, `"sha256:HEX"` for one."""
    connections: int | str | None
    """At most so many connections; `"auto"` grows while it pays."""
    per_host: int | None
    """At most so many connections to one host."""
    min_split: Size | None
    """Bytes; never split a range below this."""
    max_time: float | str | None
    """Seconds for the whole file, pauses not counted; 0 is no limit."""
    retries: int | None
    """Attempts after a failure that may pass, without progress in between."""
    header: Texts | Mapping[str, str] | None
    """Headers to send to the URL's own origin: `["Name: value"]` or `{"Name": "value"}`."""
    user_agent: str | None
    """The User-Agent to send."""
    referer: str | None
    """The Referer to send."""
    user: str | None
    """`"NAME:PASS"` for basic or digest authentication. Nobody is asked for a password."""
    netrc: bool | None
    """Take name and password from ~/.netrc."""
    netrc_file: StrPath | None
    """Take name and password from this netrc file."""
    bearer_env: str | None
    """Send the bearer token that this environment variable holds."""
    cookies: StrPath | None
    """Netscape or JSON cookie file."""
    cdn: str | None
    """`"auto"`, `"off"` or `"prefer"`: whether other sources than the given ones may help."""
    no_cdn: bool | None
    """The same as `cdn="off"`."""
    trust: str | None
    """`"verified"`, `"official"` or `"any"`: which mapped sources may supply bytes."""
    region: str | None
    """Prefer mirrors of this country or region."""
    sha256: bool | None
    """Compute the file's SHA-256, which the result tells in `sha256`. Of the API alone."""


class Options(JobOptions, total=False):
    """All options: those of a job, and those that concern a whole run.

    The command's options that are missing here are about lists, displays and logs, or run other programs. Neither the
    config file nor `FASTDL_*` variables are read; the variables of proxies and certificates are, as by the command.
    """

    jobs: int | None
    """Files at once, of several."""
    lock: StrPath | None
    """Of several files: url, size (bytes) and SHA-256 of each are written here the first time, and enforced later."""
    limit_rate: Size | None
    """Bytes a second for all files together; `"auto"` leaves room for others; 0 is no limit."""
    timeout: float | str | None
    """Seconds without a byte after which a connection is dropped."""
    connect_timeout: float | str | None
    """Seconds for making a connection."""
    proxy: str | None
    """http, https, socks5 or socks5h proxy."""
    no_proxy: bool | None
    """Use no proxy, not even the environment's."""
    cacert: StrPath | None
    """PEM file or folder of authorities to trust instead of the system's."""
    cert: StrPath | None
    """PEM file of a client certificate."""
    key: StrPath | None
    """PEM file of its key."""
    insecure: bool | None
    """Do not check certificates. Dangerous."""
    connect_to: Texts | None
    """`"H1:P1:H2:P2"`: connect to H2:P2 where H1:P1 is asked for."""
    ipv4: bool | None
    """IPv4 only."""
    ipv6: bool | None
    """IPv6 only."""
    interface: str | None
    """Outgoing network interface or local address."""
    http: str | None
    """HTTP version: `"1.1"`, `"2"` or `"auto"`."""
    extract: bool | None
    """Unpack the file, once it is checked, into `dir`; all of it or nothing."""
    dry_run: bool | None
    """Resolve and plan, fetch no body: the result has the `plan`."""
    history: bool | None
    """Write the download down in the history (off)."""


class Job:
    """One file of many: its URL, and options that hold for it alone.

    Plain data: it does not change, compares by value, and can be pickled. Its options are looked at when its turn
    comes; a wrong one fails that file with a [`UsageError`][fastdl.errors.UsageError] that names the job, and no other
    file. Options of a whole run (`proxy`, `limit_rate`) belong to the call.
    """

    __slots__ = ("options", "url")
    url: str
    """Where the file is."""
    options: Mapping[str, Any]
    """The options as they were given, by name; times in seconds, sizes in bytes or text."""

    def __init__(self, url: str, **options: Unpack[JobOptions]) -> None:
        """`url` and options are taken as they are; nothing is checked and no error raised."""
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "options", MappingProxyType(dict(options)))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"cannot assign to field '{name}'")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cannot delete field '{name}'")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and (self.url, dict(self.options)) == (other.url, dict(other.options))

    def __hash__(self) -> int:
        return hash(self.url)

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.url, dict(self.options))

    def __repr__(self) -> str:
        """Without the values of options, which may be secret."""
        return f"Job({mask(self.url)!r}{''.join(f', {name}=...' for name in self.options)})"


def _again(url: str, options: dict[str, Any]) -> Job:
    return Job(url, **options)
