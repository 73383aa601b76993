"""Misbehaviours with ranges: RFC 9110, section 14, and the 206 and 416 answers of section 15."""

from __future__ import annotations

from .files import FileApp, Reply
from .misbehave import bad, first
from .raw import Connection, Request


def _part(app: FileApp, request: Request) -> Reply:
    """The right answer; counts a 206 as the place where the misbehaviour is shown."""
    reply = app.reply(request)
    if reply.status == 206:
        app.meet()
    return reply


@bad(
    "ignores-range",
    0,
    "Range is ignored: always 200 and the whole file.",
    "RFC 9110 14.2: a server may ignore Range.",
    app={"ranges": False},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "ignores-range-split",
    0,
    "Range is ignored, and the file is large.",
    "RFC 9110 14.2; one stream must do.",
    split=True,
    app={"ranges": False},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "200-to-mid-ranges",
    0,
    "bytes=0- gets a 206, any later start gets 200 and the whole file.",
    "RFC 9110 15.3.7: a 200 is never a part.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not first(request):
        app.meet()
        reply = Reply(200, headers=[("ETag", str(app.etag)), ("Content-Length", str(app.size))], end=app.size)
        return app.send(connection, reply)
    app.send(connection, app.reply(request))


@bad(
    "200-with-the-part",
    3,
    "A mid range is answered with status 200 but only the part as body.",
    "RFC 9110 15.3.7: without 206 it is no part; aria2 takes the size for a changed file.",
    also=(0, 5),
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if reply.status == 206 and not first(request):
        app.meet()
        reply.status = 200
        reply.set("Content-Range", None)
    app.send(connection, reply)


@bad(
    "206-wrong-start",
    3,
    "Every Content-Range begins one byte late, with the bytes to match.",
    "RFC 9110 15.3.7.1: the part that is enclosed is the one that Content-Range names.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _part(app, request)
    reply.start += 1
    app.send(
        connection,
        reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/{app.size}").set(
            "Content-Length", str(reply.length)
        ),
    )


@bad(
    "206-wrong-start-later",
    0,
    "Later ranges come from an earlier offset, honestly labelled.",
    "RFC 9110 14.4; curl compares the start when it resumes.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if reply.status == 206 and reply.start >= 4096:
        app.meet()
        reply.start -= 4096
        reply.end -= 4096
        reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/{app.size}")
    app.send(connection, reply)


@bad(
    "206-wrong-end",
    3,
    "Content-Range ends one byte beyond the body.",
    "RFC 9110 14.4 and RFC 9112 6.3: Content-Length and Content-Range disagree.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _part(app, request)
    app.send(connection, reply.set("Content-Range", f"bytes {reply.start}-{reply.end}/{app.size + 1}"))


@bad(
    "206-more-than-asked",
    0,
    "A bounded range is answered to the end of the file.",
    "RFC 9110 15.3.7: only the range that was asked; the rest is not wanted.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if reply.status == 206 and reply.end < app.size:
        app.meet()
        reply.end = app.size
        reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/{app.size}").set(
            "Content-Length", str(reply.length)
        )
    app.send(connection, reply)


@bad(
    "206-less-than-asked",
    0,
    "At most 64 KiB of any range is sent, rightly labelled.",
    "RFC 9110 15.3.7: a server may send a subset of the range; ask again.",
    app={"size": 300_000},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _part(app, request)
    reply.end = min(reply.end, reply.start + 65536)
    reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/{app.size}").set(
        "Content-Length", str(reply.length)
    )
    app.send(connection, reply)


@bad(
    "206-total-differs",
    5,
    "Every answer names another total, for ever.",
    "RFC 9110 14.4: another complete-length is another file.",
    also=(0, 3),
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _part(app, request)
    total = app.size + (0 if first(request) else app.met)
    app.send(connection, reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/{total}"))


@bad(
    "206-total-star",
    0,
    "The total is `*` in every Content-Range.",
    "RFC 9110 14.4: the complete length may be unknown; a plain GET tells it.",
    also=(3,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _part(app, request)
    if reply.status == 206:
        reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/*")
    app.send(connection, reply)


@bad(
    "206-no-content-range",
    3,
    "206 without Content-Range.",
    "RFC 9110 15.3.7.1: a single part must have it. curl and aria2 take the body as it comes.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _part(app, request).set("Content-Range", None))


@bad(
    "206-two-content-ranges",
    3,
    "Two Content-Range fields that disagree.",
    "RFC 9110 5.3: a singleton field that comes twice is an error.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _part(app, request).add("Content-Range", f"bytes 1-{app.size - 1}/{app.size}"))


@bad(
    "206-other-unit",
    3,
    "Content-Range counts in `items`.",
    "RFC 9110 14.4: a unit that is not understood must not be recombined.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _part(app, request).set("Content-Range", f"items 0-{app.size - 1}/{app.size}"))


@bad(
    "206-impossible-range",
    3,
    "Content-Range's last byte lies before its first.",
    "RFC 9110 14.4: such a Content-Range is invalid and must not be used.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _part(app, request).set("Content-Range", f"bytes 5-2/{app.size}"))


@bad(
    "206-overflowing-range",
    3,
    "Content-Range with numbers of 40 digits.",
    "RFC 9110 14.4; numbers must not wrap round.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _part(app, request).set("Content-Range", f"bytes 0-{'9' * 40}/{'9' * 40}"))


@bad(
    "206-multipart",
    3,
    "multipart/byteranges with one part, though one range was asked.",
    "RFC 9110 15.3.7.2: must not be sent for a single range. curl stores the envelope.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _part(app, request)
    if reply.status == 206:
        place = f"bytes {reply.start}-{reply.end - 1}/{app.size}"
        text = f"--XX\r\nContent-Type: application/octet-stream\r\nContent-Range: {place}\r\n\r\n"
        reply.literal = text.encode() + app.bytes(reply.start, reply.end) + b"\r\n--XX--\r\n"
        reply.set("Content-Range", None).set("Content-Type", "multipart/byteranges; boundary=XX").set(
            "Content-Length", str(reply.length)
        )
    app.send(connection, reply)


@bad(
    "206-unasked",
    3,
    "A 206 with a part of the file, whatever was asked.",
    "RFC 9110 15.3.7: 206 only in answer to Range; curl stores the part as if it were whole.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.status, reply.start, reply.end = 206, 100, 200
    app.send(connection, reply.set("Content-Range", f"bytes 100-199/{app.size}").set("Content-Length", "100"))


@bad(
    "206-crossed-parts",
    0,
    "Two later ranges get each other's bytes, honestly labelled.",
    "RFC 9110 14.4: Content-Range decides where bytes belong.",
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if reply.status == 206 and not first(request) and app.meet() <= 6:
        length = reply.length
        reply.start = (reply.start + app.size // 2) % (app.size - length + 1)
        reply.end = reply.start + length
        reply.set("Content-Range", f"bytes {reply.start}-{reply.end - 1}/{app.size}")
    app.send(connection, reply)


@bad(
    "416-to-ranges",
    0,
    "416 without Content-Range to every range, 200 to a plain GET.",
    "RFC 9110 15.5.17; ask without Range.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.range is not None:
        app.meet()
        return app.send(connection, app.short(416))
    app.send(connection, app.reply(request))


@bad(
    "416-later",
    0,
    "416 with the right size to every range that does not begin at 0.",
    "RFC 9110 15.5.17: it is wrong, the size is right: one stream.",
    split=True,
    also=(4, 3),
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not first(request):
        app.meet()
        return app.send(
            connection, app.short(416, b"", ("Content-Range", f"bytes */{app.size}"), ("ETag", str(app.etag)))
        )
    app.send(connection, app.reply(request))


@bad("416-always", 4, "416 to everything.", "RFC 9110 15.5.17; curl -f: 22.", also=(3,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.short(416, b"", ("Content-Range", f"bytes */{app.size}")))


@bad(
    "400-to-ranges",
    0,
    "400 to every request with Range, 200 to a plain one.",
    "Not HTTP's intent (14.2: ignore Range instead), but curl gets the file.",
    also=(4,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.get("range") is not None:
        app.meet()
        return app.send(connection, app.short(400))
    app.send(connection, app.reply(request))


@bad(
    "412-to-if-range",
    0,
    "412 to every request with If-Range.",
    "RFC 9110 13.1.5: a false If-Range must lead to 200, never to 412.",
    also=(3, 4),
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.get("if-range") is not None:
        app.meet()
        return app.send(connection, app.short(412, b"", ("ETag", str(app.etag))))
    app.send(connection, app.reply(request))


@bad(
    "accept-ranges-none",
    0,
    "Says `Accept-Ranges: none` and serves none.",
    "RFC 9110 14.3.",
    app={"ranges": False, "extra": (("Accept-Ranges", "none"),)},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "accept-ranges-none-but-206",
    0,
    "Says `Accept-Ranges: none` and answers 206.",
    "RFC 9110 14.3 is advice; the 206 is what counts.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _part(app, request).set("Accept-Ranges", "none"))


@bad("empty-200", 0, "An empty file, 200.", "RFC 9110 8.6: Content-Length 0.", app={"size": 0, "ranges": False})
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "empty-416",
    0,
    "An empty file: 416 with `bytes */0` to any range.",
    "RFC 9110 14.1.2: no range of an empty file can be satisfied.",
    app={"size": 0},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if app.reply(request).status == 416:
        app.meet()
    app.send(connection, app.reply(request))


@bad(
    "empty-206",
    3,
    "An empty file as 206 with `bytes 0--1/0`.",
    "RFC 9110 14.4: no valid Content-Range.",
    also=(0,),
    app={"size": 0},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.range is None:
        return app.send(connection, app.reply(request))
    app.meet()
    app.send(connection, _empty())


def _empty() -> Reply:
    return Reply(206, headers=[("Content-Range", "bytes 0--1/0"), ("Content-Length", "0")], literal=b"")


@bad(
    "empty-206-star",
    0,
    "An empty file as 206 with `bytes */0`.",
    "RFC 9110 14.4: the unsatisfied form does not belong to a 206, but it is plain what is meant.",
    also=(3,),
    app={"size": 0},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if request.range is None:
        return app.send(connection, app.reply(request))
    app.meet()
    app.send(connection, _empty().set("Content-Range", "bytes */0"))
