"""Misbehaviours with the length of a body: Content-Length, Transfer-Encoding, codings (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import gzip
import hashlib

from .content import content
from .files import FileApp, Reply
from .misbehave import bad, first
from .raw import Connection, Request


def _whole(app: FileApp, *headers: tuple[str, str]) -> Reply:
    """A 200 with the whole file and these framing headers."""
    app.meet()
    return Reply(
        200, headers=[("Content-Type", "application/octet-stream"), ("ETag", str(app.etag)), *headers], end=app.size
    )


def _length(app: FileApp, connection: Connection, *values: str, close: bool = False) -> None:
    reply = _whole(app, *(("Content-Length", value) for value in values))
    reply.close = close
    app.send(connection, reply)


def _chunk(data: bytes, extension: str = "") -> bytes:
    return f"{len(data):x}{extension}\r\n".encode() + data + b"\r\n"


def _chunked(app: FileApp, connection: Connection, step: int = 10_000, *, ranged: Reply | None = None) -> None:
    """A chunked body without its end."""
    reply = ranged or _whole(app)
    connection.send(reply.set("Content-Length", None).set("Transfer-Encoding", "chunked").head())
    for piece in app.pieces(reply, step):
        connection.body(_chunk(piece))


@bad(
    "length-short",
    5,
    "Content-Length is ten bytes short of the body.",
    "RFC 9112 6.3: the length rules; only the digest can tell that bytes are missing.",
    checksum=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, str(app.size - 10), close=True)


@bad(
    "length-short-206",
    3,
    "206 whose Content-Length is ten bytes less than its Content-Range.",
    "RFC 9110 15.3.7: they must agree.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if reply.status == 206:
        app.meet()
        reply.set("Content-Length", str(reply.length - 10)).close = True
    app.send(connection, reply)


@bad(
    "length-long",
    3,
    "Content-Length promises ten bytes more than come.",
    "RFC 9112 8: an incomplete message. curl: exit 18.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, str(app.size + 10), close=True)


@bad(
    "length-conflicting",
    3,
    "Two Content-Length fields that disagree.",
    "RFC 9112 6.3: unrecoverable, the connection must be closed.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, str(app.size), str(app.size - 1))


@bad("length-same-twice", 0, "Two equal Content-Length fields.", "RFC 9112 6.3: may be taken as one.", also=(3,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, str(app.size), str(app.size))


@bad("length-list-same", 0, "`Content-Length: N, N`.", "RFC 9112 6.3: may be taken as one.", also=(3,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, f"{app.size}, {app.size}")


@bad("length-negative", 3, "A negative Content-Length.", "RFC 9110 8.6: digits only.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, "-5")


@bad("length-plus", 3, "`Content-Length: +N`.", "RFC 9110 8.6: digits only.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, f"+{app.size}")


@bad("length-hex", 3, "A hexadecimal Content-Length.", "RFC 9110 8.6: digits only.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, hex(app.size))


@bad(
    "length-empty",
    3,
    "An empty Content-Length.",
    "RFC 9110 8.6: at least one digit. A client may read it as absent.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, "", close=True)


@bad("length-overflow", 3, "A Content-Length of 30 digits.", "RFC 9110 8.6: guard against overflow.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, "9" * 30)


@bad(
    "length-exabytes",
    3,
    "A valid Content-Length of 4 EiB, and then 100 kB.",
    "RFC 9112 8: incomplete; a disk that cannot hold it may be named as well.",
    also=(6,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, str(1 << 62), close=True)


@bad("no-length-close", 0, "No Content-Length; the end is the end of the connection.", "RFC 9112 6.3, last rule.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _length(app, connection, close=True)


@bad("no-length-http10", 0, "HTTP/1.0, no Content-Length, closed at the end.", "RFC 1945 7.2.2.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _whole(app)
    reply.version, reply.close = "HTTP/1.0", True
    app.send(connection, reply)


@bad(
    "no-length-206",
    0,
    "206 without Content-Length, closed at its end.",
    "RFC 9112 6.3: Content-Range tells how much must come.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request).set("Content-Length", None)
    reply.close = True
    app.send(connection, reply)


@bad(
    "no-length-206-cut",
    3,
    "206 without Content-Length, closed ten bytes early, always.",
    "RFC 9110 15.3.7: shorter than Content-Range; the last ten bytes never come.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request).set("Content-Length", None)
    if reply.end == app.size:
        reply.end = max(reply.start, app.size - 10)
    reply.close = True
    app.send(connection, reply)


@bad("no-length-reset", 3, "No length, and the body ends with a reset.", "RFC 9112 8: a close by error is no end.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _whole(app)
    app.send(connection, reply, limit=60_000)
    connection.pause(0.1)
    connection.reset()


@bad("chunked", 0, "A chunked 200 without Content-Length.", "RFC 9112 7.1.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _chunked(app, connection)
    connection.send(b"0\r\n\r\n")


@bad("chunked-206", 0, "A chunked 206.", "RFC 9112 7.1; Content-Range gives the size.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    _chunked(app, connection, ranged=app.reply(request))
    connection.send(b"0\r\n\r\n")


@bad(
    "chunked-206-short",
    3,
    "A chunked 206 that ends in good order ten bytes before its Content-Range does.",
    "RFC 9110 15.3.7: body and Content-Range disagree.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.end = max(reply.start, reply.end - 10)
    _chunked(app, connection, ranged=reply)
    connection.send(b"0\r\n\r\n")


@bad("chunked-one-byte", 0, "Chunks of one byte.", "RFC 9112 7.1: any size.", app={"size": 3000})
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _chunked(app, connection, 1)
    connection.send(b"0\r\n\r\n")


@bad(
    "chunked-trailers",
    0,
    "Chunked with trailers, one of which looks like a framing field.",
    "RFC 9112 7.1.2; RFC 9110 6.5.1: trailers must not change the framing.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _chunked(app, connection)
    connection.send(b"0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n")


@bad("chunked-extension", 0, "Chunk extensions.", "RFC 9112 7.1.1: to be ignored.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = _whole(app, ("Transfer-Encoding", "chunked"))
    connection.send(reply.head())
    for piece in app.pieces(reply, 9999):
        connection.body(_chunk(piece, ';name="a;b"'))
    connection.send(b"0;last\r\n\r\n")


@bad(
    "chunked-endless-extension",
    3,
    "A chunk extension that never ends.",
    "RFC 9112 7.1.1: limit the length of extensions.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "chunked")).head() + b"5;")
    while True:
        connection.send(b"x" * 65536)
        connection.pause(0.002)


@bad(
    "chunked-endless-trailers",
    3,
    "The whole file, then trailers without end.",
    "RFC 9112 7.1.2: bound them; the body is whole, so it may be used.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _chunked(app, connection)
    connection.send(b"0\r\n")
    while True:
        connection.send(b"X: y\r\n" * 5000)
        connection.pause(0.002)


@bad("chunked-bad-size", 3, "A chunk size that is no number.", "RFC 9112 7.1.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "chunked")).head() + b"zz\r\n")
    connection.body(app.bytes())
    connection.send(b"\r\n0\r\n\r\n")


@bad("chunked-negative-size", 3, "A chunk size of -1.", "RFC 9112 7.1: hexadecimal digits only.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "chunked")).head() + b"-1\r\n")
    connection.body(app.bytes())
    connection.finish()


@bad("chunked-overflow", 3, "A chunk size of 2^64 and a bit.", "RFC 9112 7.1: guard against overflow.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "chunked")).head() + b"1000000000000000a\r\n")
    connection.body(app.bytes())
    connection.finish()


@bad("chunked-no-crlf", 3, "No CRLF behind a chunk's data.", "RFC 9112 7.1.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "chunked")).head())
    for piece in app.pieces(app.reply(request), 10_000):
        connection.body(_chunk(piece)[:-2] + b"XX")
    connection.send(b"0\r\n\r\n")


@bad(
    "chunked-cut",
    3,
    "Chunked, closed before the last chunk.",
    "RFC 9112 8: incomplete without the zero chunk. curl: exit 18.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _chunked(app, connection)
    connection.finish()


@bad(
    "chunked-and-length",
    0,
    "Chunked, and a Content-Length that lies.",
    "RFC 9112 6.3: Transfer-Encoding overrides; it may be an attack and be refused.",
    also=(3,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Content-Length", "50"), ("Transfer-Encoding", "chunked")).head())
    for piece in app.pieces(app.reply(request), 10_000):
        connection.body(_chunk(piece))
    connection.send(b"0\r\n\r\n")
    connection.finish()


@bad(
    "chunked-http10",
    3,
    "Transfer-Encoding in an HTTP/1.0 answer.",
    "RFC 9112 6.1: faulty framing, whatever a client makes of it.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "chunked")).head().replace(b"HTTP/1.1", b"HTTP/1.0", 1))
    for piece in app.pieces(app.reply(request), 10_000):
        connection.body(_chunk(piece))
    connection.send(b"0\r\n\r\n")
    connection.finish()


@bad(
    "transfer-gzip-chunked",
    3,
    "Transfer-Encoding: gzip, chunked, though TE was not sent.",
    "RFC 9110 10.1.4: only what TE allows; the bytes are not the file's.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    connection.send(_whole(app, ("Transfer-Encoding", "gzip, chunked")).head())
    connection.body(_chunk(gzip.compress(app.bytes())))
    connection.send(b"0\r\n\r\n")


@bad("transfer-unknown", 3, "Transfer-Encoding: cow.", "RFC 9112 6.1: not understood; the end is not known.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.send(connection, _whole(app, ("Transfer-Encoding", "cow"), ("Content-Length", str(app.size))))


@bad(
    "coding-gzip",
    3,
    "Content-Encoding: gzip over the body, though identity was asked.",
    "RFC 9110 12.5.3: identity was asked; curl stores the coded bytes.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    coded = gzip.compress(app.bytes())
    reply = _whole(app, ("Content-Encoding", "gzip"), ("Content-Length", str(len(coded))))
    reply.literal = coded
    app.send(connection, reply)


@bad(
    "coding-bomb",
    3,
    "Content-Encoding: gzip, 1 MB that would unpack to 1 GB.",
    "RFC 9110 12.5.3; what is unpacked, if at all, is bounded.",
    also=(5,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    bomb = gzip.compress(bytes(1 << 20)) * 1000
    reply = _whole(app, ("Content-Encoding", "gzip"), ("Content-Length", str(len(bomb))))
    reply.literal = bomb
    app.send(connection, reply)


_TGZ = gzip.compress(content(99, 0, 60_000), mtime=0)


@bad(
    "coding-label-on-tgz",
    0,
    "A .tar.gz with `Content-Encoding: x-gzip` on it, as old Apache set-ups label it; its digest is given.",
    "The bytes are the file's own, as published; curl and wget save them as they are.",
    also=(3,),
    path="/file.tar.gz",
    saved="file.tar.gz",
    options=("--checksum", f"sha256:{hashlib.sha256(_TGZ).hexdigest()}"),
    app={"ranges": False, "data": _TGZ, "size": len(_TGZ)},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).set("Content-Encoding", "x-gzip").set("Content-Type", "application/x-gzip"))


@bad("coding-identity", 0, "Content-Encoding: identity.", "RFC 9110 8.4.1: should not be sent, and means nothing.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).set("Content-Encoding", "identity"))


@bad(
    "wrong-bytes-checksum",
    5,
    "Right headers over another file's bytes, always; a digest is given.",
    "CLI.md: exit 5 and nothing left.",
    checksum=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.seed = app.seed + 7
    app.send(connection, reply)


@bad(
    "wrong-bytes-in-one-range",
    5,
    "One later range holds another file's bytes under right headers; a digest is given.",
    "DESIGN: suspect ranges are fetched again; mended is as good.",
    also=(0,),
    checksum=True,
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    reply = app.reply(request)
    if not first(request) and app.meet() == 1:
        reply.seed = app.seed + 7
    app.send(connection, reply)
