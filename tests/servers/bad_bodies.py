"""Misbehaviours in time: connections that end early, reset, stall, trickle, or say more than they should."""

from __future__ import annotations

from .files import FileApp, Reply
from .misbehave import bad, first
from .raw import Connection, Request

_TRICKLE = ("--timeout", "4", "--max-time", "20")


def _cut(app: FileApp, connection: Connection, request: Request, after: int, *, reset: bool = False) -> None:
    """The right answer, cut `after` bytes into its body."""
    reply = app.reply(request)
    if reply.length <= after:
        return app.send(connection, reply)
    app.meet()
    app.send(connection, reply, limit=after)
    if reset:
        connection.pause(0.05)  # so that the client can read what came before
        connection.reset()
    else:
        connection.finish()


@bad(
    "closes-early-once",
    0,
    "The first answer is cut in the middle.",
    "RFC 9112 8: incomplete, go on from there. curl: exit 18.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 50_000 if not app.met else 1 << 40)


@bad(
    "closes-every-64k",
    0,
    "Every answer is cut after 64 KiB.",
    "RFC 9112 8; each answer is progress.",
    app={"size": 400_000},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 65536)


@bad("closes-every-64k-split", 0, "Every answer is cut after 100 kB, on all connections.", "RFC 9112 8.", split=True)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 100_000)


@bad("closes-after-head", 3, "Head, then the end, always.", "RFC 9112 8: no progress, so the retries end.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 0)


@bad(
    "closes-early-no-ranges",
    3,
    "No ranges, and every answer is cut in the middle.",
    "RFC 9112 8; a start from zero again is no progress.",
    app={"ranges": False},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 50_000)


@bad(
    "closes-early-no-ranges-once",
    0,
    "No ranges; only the first answer is cut.",
    "RFC 9112 8: from zero again.",
    app={"ranges": False},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 50_000 if not app.met else 1 << 40)


@bad("reset-at-connect", 3, "Every connection is reset at the request.", "No answer at all; curl: exit 56.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.reset()


@bad("reset-at-first", 0, "The first connection is reset at the request.", "May pass, so it is tried again.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if app.meet() == 1:
        return connection.reset()
    app.send(connection, app.reply(request))


@bad("reset-in-head", 0, "A reset in the middle of the first head.", "May pass.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if app.meet() == 1:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        connection.pause(0.05)
        return connection.reset()
    app.send(connection, app.reply(request))


@bad(
    "reset-in-body",
    0,
    "Each body is reset after 90 kB, as it happens behind bad routers.",
    "Progress each time.",
    app={"size": 400_000},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 90_000, reset=True)


@bad(
    "reset-in-body-split", 0, "One of several connections is reset once.", "Only its range is asked again.", split=True
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _cut(app, connection, request, 100_000 if not first(request) and app.met < 2 else 1 << 40, reset=True)


@bad("closes-at-once", 3, "The connection is closed without an answer, always.", "RFC 9112 8. curl: exit 52.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.finish()


@bad("never-answers", 3, "No byte ever comes.", "--timeout bounds every wait.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.hold()


@bad("stalls-after-head", 3, "The head, and then nothing, always.", "--timeout bounds every wait.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request), limit=0)
    connection.hold()


@bad(
    "stalls-in-body-once",
    0,
    "Half the body, then nothing; the next connection is fine.",
    "--timeout, then on from the middle.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if app.met:
        return app.send(connection, app.reply(request))
    app.meet()
    app.send(connection, app.reply(request), limit=50_000)
    connection.hold()


@bad(
    "stalls-one-of-several",
    0,
    "One of several connections stalls for ever.",
    "DESIGN: hedged, then replaced.",
    split=True,
    options=("--timeout", "10"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if first(request) or app.met:
        return app.send(connection, app.reply(request))
    app.meet()
    app.send(connection, app.reply(request), limit=10_000)
    connection.hold()


@bad(
    "trickles-one-of-several",
    0,
    "One of several connections gives one byte in a fifth of a second.",
    "Never times out, so it must be noticed by its rate.",
    split=True,
    options=_TRICKLE,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if not first(request) and app.meet() == 1:
        reply.rate = 5.0
    app.send(connection, reply)


@bad(
    "trickles-for-ever",
    3,
    "One byte in a fifth of a second on the only connection.",
    "--max-time ends it.",
    options=("--max-time", "2", "--retries", "0"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.rate = 5.0
    app.send(connection, reply)


@bad(
    "trickles-the-head",
    3,
    "The head comes letter by letter and never ends.",
    "A bound for the whole head, else one byte a second holds for ever.",
    options=("--max-time", "4", "--retries", "0"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.send(b"y")
        connection.pause(0.1)


@bad(
    "one-byte-segments", 0, "The whole answer in segments of one byte.", "TCP keeps no boundaries.", app={"size": 3000}
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    for byte in reply.head():
        connection.send(bytes([byte]))
    for piece in app.pieces(reply, 1):
        connection.body(piece)


@bad("head-and-body-in-one", 0, "Head and body in one segment.", "TCP keeps no boundaries.", app={"size": 500})
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    connection.send(reply.head() + b"".join(app.pieces(reply)))


@bad(
    "extra-bytes-after-body",
    0,
    "Rubbish follows each body on the kept connection.",
    "RFC 9112 6.3: the length rules; what follows is not this answer's.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))
    connection.send(b"\0\r\nrubbish\r\n\r\n")


@bad(
    "extra-bytes-after-body-split",
    0,
    "Rubbish follows each body, and the connections are used again.",
    "RFC 9112 6.3; a connection that is out of step must be dropped.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, app.reply(request))
    app.meet()
    connection.send(b"rubbish")


@bad(
    "extra-answer-after-body",
    0,
    "A second, unasked answer with other bytes follows each body.",
    "RFC 9112 9.3.1: an answer without a request must not be taken for the next one.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, app.reply(request))
    app.meet()
    connection.send(Reply(200, headers=[("Content-Length", "5")]).head() + b"wrong")


@bad(
    "body-looks-like-http",
    0,
    "The file itself consists of HTTP answers.",
    "Lengths, not looks, divide messages.",
    app={"data": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" * 2000, "size": 41 * 2000},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "closes-silently-after-each",
    0,
    "The connection ends after each answer, without a word.",
    "RFC 9112 9.5: it may close at any time; the next request is sent again.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))
    connection.finish()


@bad(
    "closes-by-reset-after-each",
    0,
    "The connection is reset after each answer.",
    "RFC 9112 9.6: even bytes already sent may be lost.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))
    connection.pause(0.05)
    connection.reset()


@bad("connection-close-always", 0, "`Connection: close` in every answer.", "RFC 9112 9.6.", split=True)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request).set("Connection", "close")
    reply.close = True
    app.send(connection, reply)


@bad(
    "says-close-and-stays",
    0,
    "`Connection: close`, but the connection stays open and silent.",
    "RFC 9112 9.6: the length ends the body, not the close.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).set("Connection", "close"))
    connection.hold()


@bad(
    "pipelining-dropped",
    0,
    "A second request that comes before the first answer ends is thrown away.",
    "RFC 9112 9.3.2: pipelining is a may; ask again elsewhere.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, app.reply(request))
    if connection.pending():
        app.meet()
        connection.receive()


@bad(
    "pipelining-closes",
    0,
    "With a second request waiting, the connection ends after the first answer.",
    "RFC 9112 9.3.2.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, app.reply(request))
    if connection.pending():
        app.meet()
        connection.finish()


@bad(
    "pipelining-resets",
    0,
    "With a second request waiting, the connection is reset at once.",
    "RFC 9112 9.3.2.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, app.reply(request))
    if connection.pending():
        app.meet()
        connection.reset()


@bad(
    "pipelining-repeats",
    0,
    "A pipelined request is answered with the first one's range again.",
    "RFC 9110 14.4: Content-Range tells.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, app.reply(request))
    if connection.pending() and app.met < 3:
        app.meet()
        connection.receive()
        app.send(connection, app.reply(request))
