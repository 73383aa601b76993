"""The one error tree.

Every leaf carries the exit code of the contract (docs/cli.md) and a hint that says what to do next.
The shell maps foreign exceptions (OSError, httpx, ssl) to these at its boundary; nothing else catches those.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own costs an import
if TYPE_CHECKING:
    from fastdl.result import Result


class FastdlError(Exception):
    """A failure that a user can act on. `str` gives it in one line: WHAT (WHY). HINT

    Attributes:
        code: The command's exit code: one for each branch of the tree.
        what: What happened: a plain sentence without secrets, beginning lower-case. Control characters that a server
            sent are taken out where it is printed.
        why: Half a sentence; empty where there is nothing more to say.
        hint: What to do next.
        result: Of an error that a call of the API raised: what is known of the file; else None.
    """

    code = 1
    hint = ""
    result: Result | None = None  # where a call of the API raised it: how far the file came

    def __init__(self, what: str, why: str = "", hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        if hint is not None:
            self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes as they are, whatever the arguments of a leaf's own `__init__` are."""
        return _again, (type(self), self.args), dict(self.__dict__)

    def __str__(self) -> str:
        text = f"{self.what} ({self.why})." if self.why else f"{self.what}."
        return f"{text} {self.hint}".rstrip()


def _again(kind: type[FastdlError], args: tuple[object, ...]) -> FastdlError:
    """An error that was pickled; what it knows is put into it afterwards."""
    return kind.__new__(kind, *args)


def drop_frames(error: BaseException | None) -> None:
    """What is kept with a result must not keep the whole download: a traceback knows every object of its frames. Causes
    stay, without theirs."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


class UsageError(FastdlError):
    """The command line, the environment or the config file is wrong; nothing was contacted."""

    code = 2
    hint = "Try 'fastdl --help'."


class BadEntry(UsageError):
    """One entry of a list is wrong; WHAT names the list and the line. The other files of the list are not concerned."""


# --- network: exit 3 -------------------------------------------------------------------------------------


class NetworkError(FastdlError):
    """A connection could not be made or did not last; it may work later.

    Attributes:
        retryable: False where trying again cannot help (an untrusted certificate).
    """

    code = 3
    hint = "Check the connection and run the same command again; it goes on from where it stopped, if the server can."
    retryable = True


class NameNotFound(NetworkError):
    """DNS knows no such host."""

    hint = "Check the spelling of the host, or the DNS settings."


class ConnectFailed(NetworkError):
    """No address of the host took the connection."""

    hint = "Check the host, the port and the network, and run the same command again."


class TlsFailed(NetworkError):
    """The TLS handshake failed or the certificate is not trusted."""

    hint = "Check the clock and the host; --cacert names a private authority."
    retryable = False


class TimedOut(NetworkError):
    """No byte within --timeout, no connection within --connect-timeout, or --max-time is over."""


class ConnectionLost(NetworkError):
    """The connection was reset or closed before the response was whole."""


class ProtocolViolation(NetworkError):
    """The answer breaks HTTP (RFC 9110, RFC 9112); its bytes cannot be trusted to be where they claim."""

    hint = "The server or something in between is broken; try again later or use another source with -m."


class ProxyFailed(NetworkError):
    """The proxy refused or broke the connection."""

    hint = "Check --proxy and the proxy variables; --no-proxy goes without."


class ClusterLost(NetworkError):
    """--cluster or an executor: the scheduler is gone, or all workers are."""

    hint = "Start the cluster again and run the same command again; it goes on from where it stopped."
    retryable = False


# --- the server refused: exit 4 --------------------------------------------------------------------------


class Refused(FastdlError):
    """The server answered, and the answer is no."""

    code = 4
    hint = "Open the URL in a browser to see what the server says."


STATUS_HINTS = {
    401: "Give a login with -u NAME, --netrc or --bearer-env; if one was given, check it.",
    403: "The link may have expired, or a login (-u), a cookie (-b) or another User-Agent (-A) is asked for.",
    404: "Check the path of the URL.",
    407: "The proxy wants a login: put NAME:PASSWORD@ into its URL, before its host.",
    410: "The file is gone for good.",
    429: "Too many requests: wait, and use fewer connections (-x 1).",
    511: "This network has a login page: open a page in a browser first.",
}
"""What to do about an answer, by its status."""


def status_hint(status: int) -> str:
    """What to do about an answer with this 4xx or 5xx status."""
    if status >= 500:
        return STATUS_HINTS.get(status, "The server has trouble: try again later, or another source with -m.")
    return STATUS_HINTS.get(status, Refused.hint)


class HttpStatus(Refused):
    """A final 4xx or 5xx answer.

    Attributes:
        status: The answer's status.
    """

    def __init__(self, what: str, why: str = "", hint: str | None = None, *, status: int = 0) -> None:
        super().__init__(what, why, status_hint(status) if hint is None else hint)
        self.status = status


class RedirectRefused(Refused):
    """A redirect that may not be followed: a loop, a downgrade, another scheme, no valid location."""


class TooLarge(Refused):
    """The file is larger than --max-size."""

    hint = "Raise --max-size to fetch it."


# --- integrity: exit 5 -----------------------------------------------------------------------------------


class IntegrityError(FastdlError):
    """The bytes are not the ones that were promised."""

    code = 5
    hint = "Do not use the file; tell its publisher if this goes on."


class DigestMismatch(IntegrityError):
    """The digest of the whole file differs from the expected one."""


class SizeMismatch(IntegrityError):
    """The size differs from the one that was announced."""


class ObjectChanged(IntegrityError):
    """The file changed on the server again and again and could not be had whole."""

    hint = "The file is being replaced; try again in a while."


class UnsafeArchive(IntegrityError):
    """--extract: the archive is damaged, of no known kind or not safe to unpack. Nothing of it was; it stays."""

    hint = "The archive is there, and nothing of it was unpacked; if you trust it, another program unpacks it."


# --- disk: exit 6 ----------------------------------------------------------------------------------------


class DiskError(FastdlError):
    """The disk refused; a partial download is kept where there is one."""

    code = 6
    hint = "Choose another place with -d."


class NoSpace(DiskError):
    """The disk or the quota is full."""

    hint = "Free some space and run the same command again, or choose another place with -d."


class NoPermission(DiskError):
    """The folder or file may not be written."""


class BadName(DiskError):
    """The name cannot be used on this file system."""

    hint = "Choose a name with -o."


class UnsafeName(BadName):
    """A list of somebody else gives a file a name that may lead elsewhere; WHAT names the list and the place."""


class TargetExists(FastdlError):
    """A file of that name is there already and is not this very file."""

    code = 7
    hint = "Use --overwrite, --skip-existing or --auto-rename."


class SomeFailed(FastdlError):
    """Some files of several failed; each was reported on its own."""

    code = 8
    hint = "Run the same command again to retry the ones that failed."


class TargetBusy(FastdlError):
    """Another fastdl is downloading to this target."""

    code = 9
    hint = "Wait for it to end, or choose another name with -o."


class Interrupted(FastdlError):
    """Ctrl-C."""

    code = 130
    hint = "Run the same command again to go on."


class Terminated(FastdlError):
    """SIGTERM, or the console was closed."""

    code = 143
    hint = "Run the same command again to go on."


class Cancelled(Interrupted):
    """The program that asked for the download has called it off."""

    hint = "Ask for it again to go on from where it stopped."
