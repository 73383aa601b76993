"""Misbehaviours in the head: status lines, fields, interim answers (RFC 9112, sections 2 to 5; RFC 9110, 15.2)."""

from __future__ import annotations

from .files import FileApp, Reply
from .misbehave import bad
from .raw import Connection, Request


def _raw(app: FileApp, connection: Connection, head: bytes, *, close: bool = False) -> None:
    """A head written by hand, then the whole file."""
    app.meet()
    connection.send(head)
    connection.body(app.bytes())
    if close:
        connection.finish()


def _fields(app: FileApp, *lines: bytes) -> bytes:
    """A 200 head with more lines in it."""
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Content-Length: %d" % app.size, b"", b""])


def _interim(app: FileApp, connection: Connection, request: Request, text: bytes) -> None:
    app.meet()
    connection.send(text)
    app.send(connection, app.reply(request))


@bad("interim-flood", 3, "100 Continue without end.", "RFC 9110 15.2: any number may come, but every wait has a bound.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    while True:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        connection.pause(0.002)


@bad("interim-three", 0, "100, 102 and 199, then the answer.", "RFC 9110 15.2: 1xx, even unknown, are to be skipped.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _interim(app, connection, request, b"".join(b"HTTP/1.1 %d So\r\n\r\n" % code for code in (100, 102, 199)))


@bad(
    "interim-hints",
    0,
    "103 Early Hints with fields of its own, then the answer.",
    "RFC 8297: its fields are not the answer's.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _interim(
        app, connection, request, b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Length: 3\r\n\r\n"
    )


@bad(
    "interim-101",
    3,
    "101 Switching Protocols, unasked, and then an answer.",
    "RFC 9110 15.2.2: nobody asked for an upgrade.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _interim(app, connection, request, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")


@bad(
    "head-64k",
    3,
    "A head of 64 kB, in one field.",
    "RFC 9110 5.4: a client may bound it. curl takes up to 100 kB a field.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b"X-Long: " + b"a" * 65536))


@bad(
    "head-30k",
    0,
    "A head of 30 kB in 40 cookies, as some shops send it.",
    "RFC 9110 5.4; curl, wget and browsers take it.",
    also=(3,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, *(b"Set-Cookie: c%d=" % n + b"v" * 740 for n in range(40))))


@bad("head-endless-line", 3, "A field line that never ends.", "RFC 9110 5.4: bounded.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.send(b"a" * 65536)
        connection.pause(0.002)


@bad("head-endless-lines", 3, "Field lines without end.", "RFC 9110 5.4: bounded.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.send(b"X-A: b\r\n" * 4000)
        connection.pause(0.002)


@bad("head-10000-fields", 3, "10,000 fields.", "RFC 9110 5.4: bounded. curl stops at 300 kB of head.", also=(0,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, *(b"X-%d: 1" % n for n in range(10_000))))


@bad(
    "field-without-colon",
    3,
    "A field line without a colon.",
    "RFC 9112 5: no such thing; curl 7.88 skips it.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b"this is no field"))


@bad(
    "field-space-before-colon",
    3,
    "`Content-Length : N`.",
    "RFC 9112 5.1: a source of smuggling; to be removed by a proxy, refused or forgiven by a client.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, b"HTTP/1.1 200 OK\r\nContent-Length : %d\r\n\r\n" % app.size, close=True)


@bad("field-empty-name", 3, "A field with an empty name.", "RFC 9110 5.1: a token has a letter at least.", also=(0,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b": value"))


@bad(
    "field-folded",
    0,
    "An obs-fold: a field goes on in the next line.",
    "RFC 9112 5.2: a client must take it as spaces.",
    also=(3,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b"X-Long: one,", b"   two"))


@bad(
    "field-folded-length",
    3,
    "Content-Length in an obs-fold.",
    "RFC 9112 5.2: spaces, then the number, so it is right; refusing is safe.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, b"HTTP/1.1 200 OK\r\nContent-Length:\r\n %d\r\n\r\n" % app.size, close=True)


@bad("fold-first", 3, "The first field line begins with a space.", "RFC 9112 2.2: to be refused or skipped.", also=(0,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b" X: y"))


@bad("bare-lf", 0, "Lines end with LF alone.", "RFC 9112 2.2: a client may take it, and curl and aria2 do.", also=(3,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b"\r\n", b"\n"))


@bad(
    "bare-cr-in-field",
    3,
    "A lone CR in a value, with a framing field behind it.",
    "RFC 9112 2.2: not a line end; invalid or a space.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b"X: a\rContent-Length: 5"))


@bad("nul-in-head", 3, "A NUL in a value.", "RFC 9110 5.5: refuse it or replace it. curl: exit 8.", also=(0,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b"X: a\0b"))


@bad(
    "escapes-in-head",
    4,
    "404 whose reason holds terminal escapes.",
    "CLI.md: no control characters from the network reach the screen.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 404 \x1b[2J\x1b]0;owned\x07\x9b31m gone\r\nContent-Length: 0\r\n\r\n")


@bad(
    "empty-line-first",
    3,
    "An empty line before the status line.",
    "RFC 9112 2.2 lets servers skip one before a request; nobody lets clients.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, b"\r\n" + _fields(app))


@bad("status-line-lower-case", 3, "`http/1.1 200 ok`.", "RFC 9112 2.3: the name is case-sensitive.", also=(0,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b"HTTP/1.1 200 OK", b"http/1.1 200 ok"))


@bad(
    "status-line-no-reason",
    0,
    "`HTTP/1.1 200` without reason or space.",
    "RFC 9112 4: the space should be there, and is not everywhere.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b" OK", b""))


@bad("status-line-spaces", 3, "`HTTP/1.1  200  OK`.", "RFC 9112 3: may be parsed by words, or refused.", also=(0,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b" 200 ", b"  200  "))


@bad(
    "status-http2-text",
    3,
    "`HTTP/2.0 200` as text.",
    "RFC 9112 2.5: another major version is another syntax.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b"HTTP/1.1", b"HTTP/2.0"))


@bad("status-http12", 0, "`HTTP/1.2 200`.", "RFC 9110 2.5: a higher minor version is understood as 1.1.", also=(3,))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b"HTTP/1.1", b"HTTP/1.2"))


@bad("status-icy", 3, "`ICY 200 OK`.", "Not HTTP; curl refuses it since 7.66 without --http0.9.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app).replace(b"HTTP/1.1", b"ICY"))


@bad(
    "http09",
    3,
    "HTTP/0.9: the bytes of the file and nothing else.",
    "No head, no length. curl: exit 1 without --http0.9.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, b"", close=True)


@bad(
    "http10-no-keep-alive",
    0,
    "HTTP/1.0 with Content-Length, closed after each answer.",
    "RFC 9112 9.3: not persistent.",
    split=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request)
    reply.version, reply.close = "HTTP/1.0", True
    app.send(connection, reply)


@bad("http10-keep-alive", 0, "HTTP/1.0 with `Connection: keep-alive`.", "RFC 9112 C.2.2.", split=True)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply = app.reply(request).set("Connection", "keep-alive")
    reply.version = "HTTP/1.0"
    app.send(connection, reply)


@bad("rubbish-before-head", 3, "Rubbish before the status line.", "RFC 9112 4: no status line, no answer.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, b"\x16\x03\x01 rubbish\r\n" + _fields(app))


@bad("speaks-ssh", 3, "An SSH banner instead of an answer.", "No HTTP.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"SSH-2.0-OpenSSH_9.2\r\n")
    connection.hold()


@bad("head-cut", 3, "The connection ends inside the head, always.", "RFC 9112 8: incomplete.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX: ")
    connection.finish()


@bad(
    "head-without-end",
    3,
    "No empty line between head and body.",
    "RFC 9112 2.1: the body's bytes are read as fields.",
    also=(0,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    connection.send(_fields(app)[:-2])
    connection.body(b"\xff" * app.size)
    connection.finish()


@bad("latin1-in-head", 0, "Latin-1, UTF-8 and tabs in values.", "RFC 9110 5.5: opaque, no harm.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _raw(app, connection, _fields(app, b"X: \xe4\xf6\t\xc3\xa4", b"Server:\tcaf\xe9"))


@bad(
    "duplicate-etag",
    0,
    "Two ETag fields that differ, in the same order each time.",
    "RFC 9110 5.3: an error, but the file is whole.",
    also=(3, 5),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).add("ETag", '"other"'))


@bad(
    "malformed-etag",
    0,
    "An ETag without quotes.",
    "RFC 9110 8.8.3: malformed, so there is none.",
    split=True,
    app={"etag": "abc"},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request))


@bad(
    "malformed-dates",
    0,
    "Last-Modified and Date that make no sense.",
    "RFC 9110 5.6.7: to be ignored.",
    app={"last_modified": "yesterday"},
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).set("Date", "Foo, 99 Bar 0000 99:99:99 XYZ"))


@bad(
    "last-modified-far",
    0,
    "Last-Modified in the year 9999.",
    "RFC 9110 8.8.2.1: a date in the future; no file time that a system cannot keep may fail the download.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).set("Last-Modified", "Fri, 31 Dec 9999 23:59:59 GMT"))


@bad("last-modified-1601", 0, "Last-Modified before 1970.", "As above.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    app.send(connection, app.reply(request).set("Last-Modified", "Mon, 01 Jan 1601 00:00:00 GMT"))


@bad(
    "alt-svc-nonsense",
    0,
    "Alt-Svc and other promises to elsewhere.",
    "RFC 7838: may be ignored; nothing else is contacted.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    app.meet()
    reply: Reply = app.reply(request).set("Alt-Svc", 'h2="127.0.0.1:1", h3=":1"')
    app.send(
        connection,
        reply.set("Link", "<http://127.0.0.1:1/x>; rel=duplicate").set("Refresh", "0; url=http://127.0.0.1:1/"),
    )
