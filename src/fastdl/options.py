"""The one table of all options of `get`.

The command line (both parsers), the keys of the config file, the environment variables and the reference in the
documentation are made from these rows, so that none of them can know an option that the others do not. A row says
what a value looks like; config.py turns values into Settings.
"""

from __future__ import annotations

from keyword import iskeyword

from fastdl.core.plain import dataclass

WHERE = "Where to"
WHAT = "What"
HOW = "How fast, how long"
WHO = "Who asks"
WAY = "By which way"
AFTER = "Afterwards"
SAID = "What is said"
WHENCE = "From whom"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `name` is the long name without dashes; `kind` is one of

    flag (no value), text, path, list (text, repeatable), size (bytes), rate (bytes a second), seconds, count, choice.

    `default` is shown to people only; `words` are values besides the kind's own (`auto`), or all values of a choice.
    `least` and `most` bound counts and sizes. A `secret` value is never repeated in a message."""

    name: str
    kind: str
    help: str
    group: str
    short: str = ""
    metavar: str = ""
    default: str = ""
    words: tuple[str, ...] = ()
    least: int = 0
    most: int | None = None
    negatable: bool = False
    secret: bool = False

    @property
    def key(self) -> str:
        """The name as an identifier: `limit_rate`, and `from_` where it is a word of the language."""
        key = self.name.replace("-", "_")
        return key + "_" if iskeyword(key) else key

    @property
    def variable(self) -> str:
        """The environment variable: `FASTDL_LIMIT_RATE`."""
        return "FASTDL_" + self.key.upper()

    @property
    def takes_value(self) -> bool:
        return self.kind != "flag"


OPTIONS: tuple[Option, ...] = (
    Option(
        "output",
        "text",
        "Name of the file; '-' writes the bytes to stdout in order. With one URL only.",
        WHERE,
        "o",
        "FILE",
        "from the server or the URL",
    ),
    Option("dir", "path", "Folder for the files, made if missing.", WHERE, "d", "DIR", "."),
    Option("overwrite", "flag", "Replace a file that exists already.", WHERE),
    Option("skip-existing", "flag", "Leave a file that exists already and report success.", WHERE),
    Option("auto-rename", "flag", "Take another name where a file exists already.", WHERE),
    Option("newer", "flag", "Fetch only if the server's file is newer or has another ETag.", WHERE, "N"),
    Option("no-continue", "flag", "Start from nothing even where a partial download lies there.", WHERE),
    Option("remote-time", "flag", "Set the file's time from Last-Modified.", WHERE, default="on", negatable=True),
    Option(
        "durable",
        "flag",
        "Flush the file to the device before success is reported.",
        WHERE,
        default="on",
        negatable=True,
    ),
    Option("max-size", "size", "Refuse a larger file.", WHERE, metavar="SIZE", default="none"),
    Option(
        "input-file",
        "path",
        "A list of files: URLs with options below them, JSON Lines or a Metalink; '-' is stdin.",
        WHAT,
        "i",
        "FILE",
        "none",
    ),
    Option(
        "from-curl",
        "path",
        "Read the request from a browser's 'Copy as cURL' instead of a URL; '-' is stdin.",
        WHAT,
        metavar="FILE",
        default="none",
    ),
    Option(
        "lock",
        "path",
        "With a list: write url, size and sha256 of each file here on the first run, and enforce them later.",
        WHAT,
        metavar="FILE",
        default="none",
    ),
    Option(
        "mirror",
        "list",
        "One more source of the same file, trusted as the URL itself. Repeatable.",
        WHAT,
        "m",
        "URL",
        secret=True,
    ),
    Option(
        "checksum",
        "text",
        "Expected digest: sha256, sha512, sha384, sha1, md5, blake2b or blake3 and its hex value, or an SRI string.",
        WHAT,
        metavar="ALGO:HEX",
        default="none",
    ),
    Option("dry-run", "flag", "Resolve and plan, fetch no body.", WHAT),
    Option(
        "connections",
        "count",
        "At most N connections for one file; 1 is one plain stream.",
        HOW,
        "x",
        "N",
        "auto, which grows while it pays, 16 at most",
        ("auto",),
        1,
        256,
    ),
    Option("per-host", "count", "At most N connections to one host.", HOW, metavar="N", default="8", least=1, most=256),
    Option("jobs", "count", "Files at once.", HOW, "j", "N", "4", least=1, most=256),
    Option(
        "cluster",
        "text",
        "With a list: hand its files to the workers of a Dask cluster (its scheduler is at ADDRESS). They share --dir.",
        HOW,
        metavar="ADDRESS",
        default="none",
    ),
    Option("min-split", "size", "Never split a range below this.", HOW, "k", "SIZE", "1M", least=1),
    Option(
        "limit-rate",
        "rate",
        "Bytes a second for all files together (500k, 2M); 'auto' leaves room for others; 0 is no limit.",
        HOW,
        "r",
        "RATE",
        "none",
        ("auto",),
    ),
    Option("timeout", "seconds", "Drop a connection that gives no byte for so long.", HOW, metavar="SEC", default="30"),
    Option(
        "connect-timeout",
        "seconds",
        "Give up a connection that is not made within this time.",
        HOW,
        metavar="SEC",
        default="10",
    ),
    Option("max-time", "seconds", "Time for one whole file; 0 is no limit.", HOW, metavar="SEC", default="none"),
    Option(
        "retries",
        "count",
        "Attempts after a failure that may pass, without progress in between.",
        HOW,
        metavar="N",
        default="8",
        most=1_000_000,
    ),
    Option(
        "header", "list", "A header to send, to the URL's own origin only. Repeatable.", WHO, "H", "'K: V'", secret=True
    ),
    Option("user-agent", "text", "The User-Agent to send.", WHO, "A", "TEXT", "fastdl/VERSION"),
    Option("referer", "text", "The Referer to send.", WHO, "e", "URL", "none", secret=True),
    Option(
        "user",
        "text",
        "Name and password for basic or digest auth; asks for a missing password at a terminal.",
        WHO,
        "u",
        "NAME[:PASS]",
        "none",
        secret=True,
    ),
    Option("netrc", "flag", "Take name and password from ~/.netrc.", WHO),
    Option("netrc-file", "path", "Take name and password from this netrc file.", WHO, metavar="FILE"),
    Option("bearer-env", "text", "Send the bearer token that this environment variable holds.", WHO, metavar="VAR"),
    Option("cookies", "path", "Netscape or JSON cookie file.", WHO, "b", "FILE"),
    Option(
        "proxy",
        "text",
        "http, https, socks5 or socks5h proxy.",
        WAY,
        metavar="URL",
        default="from the environment",
        secret=True,
    ),
    Option("no-proxy", "flag", "Use no proxy, whatever the environment says.", WAY),
    Option(
        "cacert",
        "path",
        "Trust the authorities in this PEM file.",
        WAY,
        metavar="FILE",
        default="the system's trust store",
    ),
    Option("cert", "path", "Client certificate (PEM).", WAY, metavar="FILE"),
    Option("key", "path", "Key of the client certificate (PEM).", WAY, metavar="FILE"),
    Option("insecure", "flag", "Do not check certificates.", WAY),
    Option(
        "connect-to",
        "list",
        "Connect to H2:P2 where H1:P1 is asked for; names and certificates stay H1's. "
        "Empty parts match all. Repeatable.",
        WAY,
        metavar="H1:P1:H2:P2",
    ),
    Option("ipv4", "flag", "IPv4 only.", WAY, "4"),
    Option("ipv6", "flag", "IPv6 only.", WAY, "6"),
    Option("interface", "text", "Outgoing network interface or local address.", WAY, metavar="NAME|ADDR"),
    Option("http", "choice", "HTTP version.", WAY, metavar="VERSION", default="auto", words=("1.1", "2", "auto")),
    Option(
        "cdn",
        "choice",
        "Whether other sources than the given ones may help: beside the origin as they prove faster, not at all, or "
        "first.",
        WHENCE,
        metavar="auto|off|prefer",
        default="auto",
        words=("auto", "off", "prefer"),
    ),
    Option("no-cdn", "flag", "The same as --cdn off.", WHENCE),
    Option(
        "trust",
        "choice",
        "Which mapped sources may supply bytes: those that a digest proves, no third parties, or all.",
        WHENCE,
        metavar="verified|official|any",
        default="verified",
        words=("verified", "official", "any"),
    ),
    Option("region", "text", "Prefer mirrors of this country or region.", WHENCE, metavar="auto|CODE", default="auto"),
    Option(
        "extract",
        "flag",
        "Unpack the file, once it is checked, into --dir: zip, tar, tar.gz, tar.xz, tar.zst; all of it or nothing.",
        AFTER,
    ),
    Option(
        "on-complete",
        "text",
        "Run this command, without a shell, after each file; {path}, {url} and {sha256} in it are replaced.",
        AFTER,
        metavar="CMD",
        default="none",
    ),
    Option("quiet", "flag", "No progress; errors only.", SAID, "q"),
    Option("verbose", "flag", "Explain decisions.", SAID, "v"),
    Option("log", "path", "Write what happens to this file, with times.", SAID, metavar="FILE"),
    Option(
        "profile",
        "path",
        "Write to this file where the time went: JSON, or readable text if its name ends in .txt.",
        SAID,
        metavar="FILE",
    ),
    Option(
        "metrics",
        "text",
        "Give metrics in Prometheus' text format while it works: in a file, or at an address of the loopback.",
        SAID,
        metavar="FILE|ADDR:PORT",
    ),
    Option(
        "progress",
        "choice",
        "How progress is shown; 'auto' is bars at a terminal and nothing otherwise.",
        SAID,
        metavar="KIND",
        default="auto",
        words=("auto", "bar", "plain", "json", "none"),
    ),
    Option("json", "flag", "On stdout one JSON object a file when it ends.", SAID),
)

# Of `explain` alone, and of its command line alone.
EXPLAIN_OPTIONS: tuple[Option, ...] = (
    Option("offline", "flag", "Ask no server: say what is known from the rules alone.", WHAT),
)

# Of the config file and the environment alone: what holds for every run is no matter of one command line.
SETTINGS: tuple[Option, ...] = (
    Option("history", "flag", "Write down each download in the history.", SAID, default="on", negatable=True),
)

BY_KEY: dict[str, Option] = {option.key: option for option in OPTIONS}

SPELLINGS = {option.key: (option, True) for option in (*OPTIONS, *SETTINGS)} | {
    "no_" + option.key: (option, False) for option in (*OPTIONS, *SETTINGS) if option.negatable
}
"""Keys of the file and, in capitals, of the environment: every long option's name, the negated ones too. Each with what
it sets the option to."""

EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    ("ipv4", "ipv6"),
    ("overwrite", "skip_existing", "auto_rename"),
    ("proxy", "no_proxy"),
    ("cdn", "no_cdn"),
)
"""Options of which one at most may be given in one place (command line, environment, config file). A stronger
place that gives one of them takes the others of weaker places away."""
