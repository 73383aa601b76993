"""A run's session as one of its files sees it: with settings and credentials of its own.

Everything else (connections, addresses, the rate limit, what was learned) is the run's. So whatever is not the file's
own is read from the run's session and written to it, including what is only made when it is first needed.
"""

from __future__ import annotations

from fastdl.core.hints import Any
from fastdl.io.secrets import load_credentials
from fastdl.io.session import Session
from fastdl.settings import Settings

_CREDENTIALS = (
    "headers", "user_agent", "referer", "user", "netrc", "netrc_file", "bearer_env", "cookies", "secrets",
)  # fmt: skip
_OWN = frozenset({"_run", "settings", "credentials", "_digests"})


class FileSession(Session):
    """A view of `run` for a file with `settings`. Closing it is the run's business.

    Raises UsageError for credentials that cannot be read or used."""

    def __init__(self, run: Session, settings: Settings) -> None:
        self._run = run
        self.settings = settings
        changed = any(getattr(settings, name) != getattr(run.settings, name) for name in _CREDENTIALS)
        self.credentials = load_credentials(settings) if changed else run.credentials
        # Logins of origins that wanted digest authentication: another file's are not this one's.
        self._digests = {} if changed else run._digests

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            setattr(self._run, name, value)

    def close(self) -> None:
        """Nothing: the connections are the run's."""
