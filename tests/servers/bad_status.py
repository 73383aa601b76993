"""Every odd status code: RFC 9110, section 15."""

from __future__ import annotations

from .files import FileApp
from .misbehave import Twist, bad
from .raw import Connection, Request


def _always(status: int, *headers: tuple[str, str], text: bytes = b"no\n") -> Twist:
    """This status to everything."""

    def twist(app: FileApp, connection: Connection, request: Request) -> None:
        app.meet()
        app.send(connection, app.short(status, text, *headers))

    return twist


# status, exit code, other right codes, why
_ROWS: list[tuple[int, int, tuple[int, ...], str]] = [
    (204, 3, (4,), "RFC 9110 15.3.5: no content, so no file; curl makes an empty one or none."),
    (205, 3, (4,), "RFC 9110 15.3.6: no content, so no file."),
    (201, 3, (4,), "RFC 9110 15.3.2: not the file that was asked for."),
    (202, 3, (4,), "RFC 9110 15.3.3: not yet done."),
    (207, 3, (4,), "RFC 4918 11.1: a list of statuses, no file."),
    (226, 3, (4,), "RFC 3229: a delta, no file."),
    (300, 4, (3,), "RFC 9110 15.4.1: a choice without a Location cannot be followed."),
    (304, 4, (3,), "RFC 9110 15.4.5: nothing was conditional."),
    (305, 4, (3,), "RFC 9110 15.4.6: obsolete, and never to be followed."),
    (306, 4, (3,), "RFC 9110 15.4.7: unused."),
    (400, 4, (), "RFC 9110 15.5.1."),
    (401, 4, (), "RFC 9110 15.5.2: nobody to log in as."),
    (402, 4, (), "RFC 9110 15.5.3."),
    (403, 4, (), "RFC 9110 15.5.4."),
    (404, 4, (), "RFC 9110 15.5.5. curl -f: 22; aria2: 3."),
    (405, 4, (), "RFC 9110 15.5.6."),
    (406, 4, (), "RFC 9110 15.5.7."),
    (407, 4, (3,), "RFC 9110 15.5.8, from a server that is no proxy."),
    (408, 4, (3,), "RFC 9110 15.5.9, for ever."),
    (410, 4, (), "RFC 9110 15.5.11."),
    (418, 4, (), "RFC 9110 15.5.19."),
    (421, 4, (), "RFC 9110 15.5.20, on every connection."),
    (451, 4, (), "RFC 7725."),
    (499, 4, (), "RFC 9110 15: unknown 4xx are 400."),
    (501, 4, (), "RFC 9110 15.6.2."),
    (504, 4, (), "RFC 9110 15.6.5, for ever."),
    (599, 4, (), "RFC 9110 15: unknown 5xx are 500."),
    (600, 3, (4,), "RFC 9110 15: no class of that name."),
    (999, 3, (4,), "RFC 9110 15: outside 100..599 is invalid."),
    (0, 3, (4,), "RFC 9110 15: 000 is invalid."),
]

for _status, _code, _also, _why in _ROWS:
    bad(f"status-{_status:03d}", _code, f"Status {_status:03d} to everything.", _why, also=_also)(_always(_status))


@bad(
    "status-203",
    0,
    "203 with the file.",
    "RFC 9110 15.3.4: as 200, changed by a proxy perhaps; a digest would tell.",
    also=(3,),
    app={"ranges": False},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.status = 203
    app.send(connection, reply)


@bad("status-four-digits", 3, "Status 2000.", "RFC 9112 4: three digits.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 2000 OK\r\nContent-Length: %d\r\n\r\n" % app.size)
    connection.body(app.bytes())


@bad("status-words", 3, "A word where the status should be.", "RFC 9112 4.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 fine OK\r\nContent-Length: %d\r\n\r\n" % app.size)
    connection.body(app.bytes())


@bad("status-404-with-the-file", 4, "404 with the file as its body.", "RFC 9110 15.5.5: the status counts.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.status = 404
    app.send(connection, reply.set("Content-Range", None))


@bad(
    "status-401-unknown-scheme",
    4,
    "401 with a challenge of an unknown scheme.",
    "RFC 9110 11.6.1.",
    options=("-u", "me:pw"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.short(401, b"", ("WWW-Authenticate", 'Magic realm="x", Negotiate')))


@bad(
    "status-401-wrong-password",
    4,
    "401 Basic for ever.",
    "RFC 9110 11.6.1: the same credentials are not tried for ever.",
    options=("-u", "me:pw"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.short(401, b"", ("WWW-Authenticate", 'Basic realm="x"')))


@bad("status-401-digest-loop", 4, "401 Digest, stale for ever.", "RFC 7616 3.4: bounded.", options=("-u", "me:pw"))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    nonce = app.meet()
    app.send(
        connection,
        app.short(401, b"", ("WWW-Authenticate", f'Digest realm="x", nonce="n{nonce}", qop="auth", stale=true')),
    )
