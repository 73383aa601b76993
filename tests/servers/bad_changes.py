"""Objects that change, validators that lie, portals in the way: RFC 9110, sections 8.8 and 13.1.5."""

from __future__ import annotations

from .files import FileApp, Reply
from .misbehave import bad, first
from .raw import Connection, Request

_PAGE = b"<!DOCTYPE html><title>Log in</title><p>Please accept the terms.</p>\n"


def _change_at(app: FileApp, connection: Connection, request: Request, nth: int, *, size: int | None = None) -> None:
    """The right answer; before the `nth` request the file becomes another one. Streams that run break off then, as
    they do when a server replaces the file under them."""
    with app.lock:
        app.count += 1
        if app.count == nth:
            app.meet()
            app.change(size=size)
    _stream(app, connection, app.reply(request))


def _stream(app: FileApp, connection: Connection, reply: Reply) -> None:
    """Send; end the connection if the file becomes another one meanwhile."""
    seed = app.seed
    connection.send(reply.head())
    for at in range(reply.start, reply.end, 32768):
        if app.seed != seed:
            return connection.finish()
        part = Reply(start=at, end=min(reply.end, at + 32768))
        app.send_body(connection, part)


@bad(
    "changes-once-same-size",
    0,
    "In mid-download the file becomes another of the same size, with a new ETag.",
    "RFC 9110 13.1.5: never mix; start once more.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _change_at(app, connection, request, 3)


@bad("changes-once-larger", 0, "In mid-download the file becomes a larger one.", "RFC 9110 13.1.5, 14.4.", split=True)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _change_at(app, connection, request, 3, size=app.size + 123_457)


@bad(
    "changes-once-smaller",
    0,
    "In mid-download the file becomes a smaller one.",
    "RFC 9110 13.1.5, 15.5.17.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _change_at(app, connection, request, 3, size=app.size // 2 if not app.met else None)


@bad(
    "changes-once-one-stream",
    0,
    "The only stream breaks and the file is another one when it is asked to go on.",
    "RFC 9110 13.1.5; curl -C - would mix the two.",
    options=("-x", "1"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not app.met:
        app.meet()
        app.send(connection, app.reply(request), limit=50_000)
        app.change()
        return connection.finish()
    app.send(connection, app.reply(request))


@bad(
    "changes-last-modified-only",
    0,
    "As before, with Last-Modified as the only validator.",
    "RFC 9110 13.1.5: a date may be the validator.",
    options=("-x", "1"),
    app={"etag": None},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not app.met:
        app.meet()
        app.send(connection, app.reply(request), limit=50_000)
        app.change()
        app.last_modified = "Wed, 03 Jan 2024 03:04:05 GMT"
        return connection.finish()
    app.send(connection, app.reply(request))


@bad(
    "changes-for-ever",
    5,
    "Every answer is another file, cut short.",
    "DESIGN: bounded, then exit 5.",
    also=(3,),
    options=("-x", "1"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.change()
    app.send(connection, app.reply(request), limit=50_000)
    connection.finish()


@bad(
    "changes-size-for-ever",
    5,
    "Every answer is a file of another size, cut short.",
    "DESIGN: bounded, then exit 5.",
    also=(3,),
    options=("-x", "1"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.change(size=app.size + app.meet())
    app.send(connection, app.reply(request), limit=50_000)
    connection.finish()


@bad(
    "changes-back-and-forth",
    5,
    "Two versions in turns: every request another one, for ever.",
    "DESIGN: bounded; one whole stream of either version is right as well.",
    also=(0, 3),
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    turn = app.meet() % 2
    old = FileApp(size=app.size, seed=app.seed + 1, etag='"b"', rate=app.rate)
    if old.bytes() not in app.versions:
        app.versions.append(old.bytes())
    chosen = old if turn == 0 else app
    chosen.send(connection, chosen.reply(request))


@bad(
    "changes-under-if-range-ignored",
    5,
    "If-Range is ignored, the file changes, and its validator with it.",
    "RFC 9110 13.1.5: check what comes, whatever was asked.",
    also=(0,),
    options=("-x", "1"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    fields = tuple(pair for pair in request.headers if pair[0] != "if-range")
    request = Request(request.method, request.target, request.version, fields, request.raw)
    if not app.met:
        app.meet()
        app.send(connection, app.reply(request), limit=50_000)
        app.change()
        return connection.finish()
    app.send(connection, app.reply(request))


@bad(
    "changes-unseen-checksum",
    5,
    "The file changes with the same size and no validators; a digest of the first version is given.",
    "Only the digest can tell: exit 5, or the new bytes are never right.",
    options=("-x", "1"),
    checksum=True,
    app={"etag": None, "last_modified": None},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not app.met:
        app.meet()
        app.send(connection, app.reply(request), limit=50_000)
        app.change()
        return connection.finish()
    app.send(connection, app.reply(request))


@bad(
    "etag-per-connection",
    0,
    "Each node of a cluster has an ETag of its own for the same bytes.",
    "RFC 9110 8.8.1 forbids it, but clusters do it; one stream is right, mixing would not be.",
    also=(5,),
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    tag = f'"node-{connection.number}"'
    same = FileApp(size=app.size, seed=app.seed, etag=tag, rate=app.rate)
    same.send(connection, same.reply(request))


@bad(
    "etag-weak",
    0,
    "A weak ETag only.",
    "RFC 9110 13.1.5: must not be used in If-Range.",
    split=True,
    app={"etag": 'W/"v1"', "last_modified": None},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    if (request.get("if-range") or "").startswith("W/"):
        return app.send(connection, app.short(400, b"weak validator in If-Range\n"))
    app.send(connection, app.reply(request))


@bad(
    "validators-none",
    0,
    "Neither ETag nor Last-Modified.",
    "Sizes and a digest are all there is; curl and aria2 go on all the same.",
    split=True,
    app={"etag": None, "last_modified": None},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad("validators-last-modified", 0, "Last-Modified only.", "RFC 9110 8.8.2.", split=True, app={"etag": None})
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "etag-only-at-first",
    0,
    "The first answer has an ETag, later ones none.",
    "RFC 9110 15.3.7: a 206 must have it; sizes agree.",
    also=(3, 5),
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if app.meet() > 1:
        reply.set("ETag", None)
    app.send(connection, reply)


@bad(
    "etag-gzip-suffix",
    0,
    "Later answers add -gzip to the ETag, as Apache does.",
    "A known bug of mod_deflate; the bytes are the same, but nothing proves it.",
    also=(5,),
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if app.meet() > 1:
        reply.set("ETag", '"v1-gzip"')
    app.send(connection, reply)


@bad(
    "portal-on-later-ranges",
    0,
    "A portal answers later ranges with 200 and a web page.",
    "RFC 9110 15.3.7: no part; the stream that runs goes on.",
    also=(3, 5),
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not first(request):
        app.meet()
        return app.send(connection, app.short(200, _PAGE, kind="text/html"))
    app.send(connection, app.reply(request))


@bad(
    "portal-when-it-goes-on",
    3,
    "The stream breaks, and then a portal answers everything with 200 and a page.",
    "A page is no new version of the file.",
    also=(5,),
    options=("-x", "1"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if app.meet() > 1:
        return app.send(connection, app.short(200, _PAGE, kind="text/html"))
    app.send(connection, app.reply(request), limit=50_000)
    connection.finish()


@bad(
    "portal-checksum",
    5,
    "A page instead of the file from the start; a digest is given.",
    "The digest tells.",
    checksum=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.short(200, _PAGE, kind="text/html"))


@bad("portal-once", 0, "One later range gets a page, then all is well.", "Asked again.", split=True)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not first(request) and app.meet() == 1:
        return app.send(connection, app.short(200, _PAGE, kind="text/html"))
    app.send(connection, app.reply(request))


@bad(
    "two-files-in-turns-checksum",
    5,
    "Without validators, later ranges come from another file of the same size; a digest is given.",
    "The digest tells.",
    also=(0,),
    split=True,
    checksum=True,
    app={"etag": None, "last_modified": None},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if not first(request):
        app.meet()
        reply.seed = app.seed + 5
    app.send(connection, reply)
