"""What one run was asked to do: plain data, made by config.py from flags, environment and config file."""

from __future__ import annotations

from fastdl.core.hints import Any, Literal
from fastdl.core.plain import dataclass, field

Layer = dict[str, Any]
"""Options that one place gives (command line, environment, config file): key to typed value."""


@dataclass(frozen=True, slots=True)
class UserRules:
    """The `rules` of the config file as TOML gave them; checked where the rules are opened. The file's text and path
    are for its error messages."""

    tables: Any = field(repr=False)
    text: str = field(repr=False)
    path: str


@dataclass(slots=True)
class Settings:
    """Every option of `get`, already parsed. Sizes and rates are bytes and bytes a second, times are seconds."""

    # where to
    output: str | None = None
    dir: str = "."
    overwrite: bool = False
    skip_existing: bool = False
    auto_rename: bool = False
    newer: bool = False
    remote_time: bool = True
    durable: bool = True
    resume: bool = True  # --no-continue turns it off
    max_size: int | None = None
    # what
    input_file: str | None = None  # "-": stdin
    lock: str | None = None  # of the list
    from_curl: str | None = None  # "-": stdin
    mirrors: list[str] = field(default_factory=list)
    checksum: str | None = None
    checksum_by: str = "user"  # or who gave it to an earlier run, which `resume` goes on from
    # from whom
    cdn: str = "auto"  # "auto", "off", "prefer"
    trust: str = "verified"  # "verified", "official", "any"
    region: str = "auto"  # or a code of the rules
    # how
    connections: int | None = None  # None: auto
    per_host: int = 8
    jobs: int = 4
    cluster: str | None = None  # the address of Dask's scheduler, for a list
    min_split: int | None = None  # None: 1 MiB to begin with, finer near the end
    limit_rate: int | str | None = None  # bytes a second, "auto", or None
    timeout: float = 30.0
    connect_timeout: float = 10.0
    max_time: float | None = None
    retries: int = 8
    # who asks
    headers: list[tuple[str, str]] = field(default_factory=list)  # -H, -A and -e excepted
    user_agent: str | None = None
    referer: str | None = None
    user: tuple[str, str] | None = None
    netrc: bool = False
    netrc_file: str | None = None
    bearer_env: str | None = None
    cookies: str | None = None
    secrets: Any = field(default=None, repr=False)  # io/secrets.Secrets, where somebody else has read them already
    # by which way
    proxy: str | None = None
    use_proxy: bool = True  # --no-proxy turns the environment's off too
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    insecure: bool = False
    connect_to: list[tuple[str, str, str, str]] = field(default_factory=list)
    family: int | None = None  # 4, 6 or None
    interface: str | None = None
    http: str = "auto"  # "1.1", "2", "auto"
    # afterwards
    extract: bool = False
    on_complete: str | None = None
    # what is said
    quiet: bool = False
    verbose: bool = False
    log: str | None = None
    profile: str | None = None
    metrics: str | None = None  # a file's path or a loopback address (core/endpoint)
    progress: str = "auto"
    json: bool = False
    dry_run: bool = False
    # of the environment and the config file
    history: bool = True
    # of the environment alone
    writer: Literal["auto", "mmap", "positional"] = "auto"  # for those who measure (docs/performance.md)
    # of the config file alone
    rules: UserRules | None = None

    @property
    def follows(self) -> bool:
        """Whether something is to be done with a file when it is there."""
        return self.extract or self.on_complete is not None

    @property
    def tells_sha256(self) -> bool:
        """Whether somebody has to be told the digest: --json, the lock, the command that follows."""
        asked = self.json or self.lock is not None
        return asked or (self.on_complete is not None and "{sha256}" in self.on_complete)
