"""Redirects that loop, leave HTTP, break, expire: RFC 9110, section 15.4."""

from __future__ import annotations

from .files import FileApp
from .misbehave import Twist, bad
from .raw import Connection, Request


def _to(location: str | None, status: int = 302) -> Twist:
    """Redirect everything to `location`."""

    def twist(app: FileApp, connection: Connection, request: Request) -> None:
        app.meet()
        _redirect(app, connection, location, status)

    return twist


def _redirect(app: FileApp, connection: Connection, location: str | None, status: int = 302) -> None:
    fields = [("Location", location)] if location is not None else []
    app.send(connection, app.short(status, b"", *fields))


def _once_to(location: str, status: int = 302, *, path: str = "/there/file.bin") -> Twist:
    """Redirect all but `path`, which is the file."""

    def twist(app: FileApp, connection: Connection, request: Request) -> None:
        if request.target.partition("?")[0] == path:
            return app.send(connection, app.reply(request))
        app.meet()
        _redirect(app, connection, location.replace("PORT", str(connection.server.port)), status)

    return twist


# name, location (None: no field), why
_REFUSED: list[tuple[str, str | None, str]] = [
    ("loop", "/file.bin", "RFC 9110 15.4: detect cycles. curl: 47 after 50."),
    ("file", "file:///etc/passwd", "CLI.md: other schemes are refused; curl: exit 1."),
    ("ftp", "ftp://127.0.0.1/x", "CLI.md: other schemes are refused."),
    ("javascript", "javascript:alert(1)", "CLI.md: other schemes are refused."),
    ("data", "data:text/plain,hello", "CLI.md: other schemes are refused."),
    ("missing", None, "RFC 9110 15.4: nothing to follow. curl takes the body as the file."),
    ("empty", "", "RFC 3986 4.4: the same document: a loop."),
    ("no-host", "http://", "RFC 9110 4.2.1: an empty host is invalid."),
    ("bad-port", "http://127.0.0.1:99999/x", "RFC 3986 3.2.3; a port above 65535."),
    ("bad-port-text", "http://127.0.0.1:8o/x", "RFC 3986 3.2.3."),
    ("bad-bracket", "http://[::1/x", "RFC 3986 3.2.2."),
    ("control", "/x\x01y\x1b[31m", "RFC 3986 2: no control characters in a URI."),
]
for _name, _location, _why in _REFUSED:
    _says = "Redirected without Location." if _location is None else f"Redirected to {_location!r}, always."
    bad(f"redirect-{_name}", 4, _says, _why)(_to(_location))

for _status in (301, 302, 303, 307, 308):
    bad(f"redirect-{_status}", 0, f"{_status} to an absolute path.", "RFC 9110 15.4; a GET stays a GET.")(
        _once_to("/there/file.bin", _status)
    )

# name, location, why: these are to be followed
_FOLLOWED: list[tuple[str, str, str]] = [
    ("relative", "there/file.bin", "RFC 3986 5.2."),
    ("dots", "./x/../there/./file.bin", "RFC 3986 5.2.4."),
    ("scheme-relative", "//127.0.0.1:PORT/there/file.bin", "RFC 3986 4.2."),
    ("absolute", "http://127.0.0.1:PORT/there/file.bin", "RFC 9110 10.2.2."),
    ("upper-case-scheme", "HTTP://127.0.0.1:PORT/there/file.bin", "RFC 3986 3.1: case does not matter."),
    ("fragment", "/there/file.bin#part", "RFC 9110 10.2.2: a fragment is never sent."),
    ("other-name", "http://localhost:PORT/there/file.bin", "RFC 9110 15.4; another origin."),
    ("query", "/there/file.bin?a=b&c=d%20e", "RFC 3986 3.4."),
]
for _name, _to_there, _why in _FOLLOWED:
    bad(f"redirect-{_name}", 0, f"Redirected to {_to_there!r}.", _why)(_once_to(_to_there))

bad(
    "redirect-space",
    0,
    "A raw space in the location.",
    "Not a URI (RFC 3986 2), but browsers and curl encode it.",
    also=(4,),
)(_once_to("/there/my file.bin", path="/there/my%20file.bin"))
bad("redirect-utf8", 0, "Raw UTF-8 in the location.", "Not a URI, but browsers and curl take it.", also=(4,))(
    _once_to("/th\xc3\xa9re/file.bin", path="/th%C3%A9re/file.bin")
)


@bad("redirect-20-hops", 0, "Twenty redirects, then the file.", "CLI.md: not more than 20.", path="/0/file.bin")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    hop = int(request.target.split("/")[1])
    if hop == 20:
        return app.send(connection, app.reply(request))
    app.meet()
    _redirect(app, connection, f"/{hop + 1}/file.bin")


@bad("redirect-21-hops", 4, "Twenty-one redirects, then the file.", "CLI.md: more than 20: exit 4.", path="/0/file.bin")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    hop = int(request.target.split("/")[1])
    if hop == 21:
        return app.send(connection, app.reply(request))
    app.meet()
    _redirect(app, connection, f"/{hop + 1}/file.bin")


@bad("redirect-endless", 4, "Redirected to a new place each time.", "CLI.md: more than 20: exit 4.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _redirect(app, connection, f"/{app.meet()}/file.bin")


@bad(
    "redirect-with-a-body",
    0,
    "A redirect with a long body of its own.",
    "RFC 9110 15.4: the body is for people; it is not the file.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.target.startswith("/there/"):
        return app.send(connection, app.reply(request))
    app.meet()
    app.send(connection, app.short(302, b"x" * 200_000, ("Location", "/there/file.bin")))


@bad(
    "redirect-two-locations",
    4,
    "Two Location fields that differ.",
    "RFC 9110 5.3: a singleton field; the first one is what curl takes.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.target.startswith("/there/"):
        return app.send(connection, app.reply(request))
    app.meet()
    app.send(connection, app.short(302, b"", ("Location", "/there/file.bin"), ("Location", "/nowhere")))


@bad(
    "redirect-other-host",
    0,
    "Redirected to another port, which has the file.",
    "RFC 9110 15.4; another origin, so no secret goes with it.",
    listeners=2,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    other = connection.server.ports[1]
    if connection.local_port == other:
        return app.send(connection, app.reply(request))
    app.meet()
    _redirect(app, connection, f"http://127.0.0.1:{other}/file.bin")


@bad(
    "redirect-changes-per-request",
    0,
    "Each request is redirected to a new signed place.",
    "As CDNs with signed URLs do; the object is one.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.target.startswith("/signed/"):
        return app.send(connection, app.reply(request))
    _redirect(app, connection, f"/signed/{app.meet()}/file.bin?sig={app.met}")


def _expiring(app: FileApp, connection: Connection, request: Request, uses: int, status: int, cut: int) -> None:
    """The first URL gives signed targets; each is good for `uses` requests, then it answers with `status`."""
    if not request.target.startswith("/signed/"):
        with app.lock:
            app.count += 1
        return _redirect(app, connection, f"/signed/{app.count}/file.bin?sig=s{app.count}")
    with app.lock:
        used = app.memory[request.target] = app.memory.get(request.target, 0) + 1
    if used > uses:
        app.meet()
        return app.send(connection, app.short(status))
    reply = app.reply(request)
    app.send(connection, reply, limit=cut)
    if reply.length > cut:
        connection.finish()


for _status in (401, 403, 404, 410):
    bad(
        f"signed-expires-{_status}",
        0,
        f"A signed target is good for one request; then it says {_status}.",
        "Issue: resolved again from the first URL.",
        app={"size": 300_000},
    )(lambda app, connection, request, status=_status: _expiring(app, connection, request, 1, status, 100_000))


@bad(
    "signed-expires-split",
    0,
    "A signed target is good for three requests; several connections.",
    "Issue: resolved again from the first URL.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _expiring(app, connection, request, 3, 403, 700_000)


@bad("signed-expired-at-once", 4, "Every signed target says 403 at once.", "Resolving again is bounded.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _expiring(app, connection, request, 0, 403, 0)
