"""Servers that allow few connections, few requests, or are busy: RFC 6585, RFC 9110 10.2.3 (Retry-After) and 15.6."""

from __future__ import annotations

from email.utils import formatdate
from time import time

from .files import FileApp
from .misbehave import bad, first
from .raw import Connection, Request


def _limited(app: FileApp, connection: Connection, request: Request) -> None:
    app.answer(connection, request)


bad(
    "limit-1-429",
    0,
    "One request at a time, else 429 with Retry-After: 1.",
    "RFC 6585 4; aria2 gives up on 429.",
    split=True,
    app={"most": 1, "over": 429, "retry_after": "1"},
)(_limited)
bad(
    "limit-1-503",
    0,
    "One request at a time, else 503.",
    "RFC 9110 15.6.4; nginx's limit_conn.",
    split=True,
    app={"most": 1, "over": 503},
)(_limited)
bad("limit-2-429", 0, "Two requests at a time, else 429.", "RFC 6585 4.", split=True, app={"most": 2, "over": 429})(
    _limited
)
bad(
    "limit-2-reset",
    0,
    "Two requests at a time, else a reset.",
    "Firewalls do this; two connections still get the file.",
    split=True,
    app={"most": 2, "over": 0},
)(_limited)
bad(
    "limit-1-403",
    0,
    "One request at a time, else 403.",
    "Some file hosts say so; the one stream goes on.",
    also=(4,),
    split=True,
    app={"most": 1, "over": 403},
)(_limited)
bad(
    "limit-1-retry-after-absurd",
    0,
    "One request at a time, else 429 with Retry-After: 1000000000.",
    "RFC 9110 10.2.3; the first stream needs no retry.",
    split=True,
    app={"most": 1, "over": 429, "retry_after": "1000000000"},
)(_limited)
bad(
    "limit-1-retry-after-negative",
    0,
    "One request at a time, else 429 with Retry-After: -5.",
    "RFC 9110 10.2.3: no delay-seconds, so there is none.",
    split=True,
    app={"most": 1, "over": 429, "retry_after": "-5"},
)(_limited)


def _busy(
    app: FileApp, connection: Connection, request: Request, times: int, status: int, *headers: tuple[str, str]
) -> None:
    """`times` refusals, then right answers."""
    if app.meet() <= times:
        return app.send(connection, app.short(status, b"busy\n", *headers))
    app.send(connection, app.reply(request))


@bad("503-once", 0, "503 without Retry-After, then fine.", "RFC 9110 15.6.4.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1, 503)


@bad("503-retry-after-seconds", 0, "503 with Retry-After: 1, then fine.", "RFC 9110 10.2.3.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1, 503, ("Retry-After", "1"))


@bad(
    "429-retry-after-date",
    0,
    "429 with Retry-After as a date a second ahead, then fine.",
    "RFC 9110 10.2.3: HTTP-date too.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1, 429, ("Retry-After", formatdate(time() + 1.5, usegmt=True)))


@bad(
    "429-retry-after-rubbish",
    0,
    "429 with Retry-After: soon, then fine.",
    "RFC 9110 10.2.3: malformed, so there is none.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1, 429, ("Retry-After", "soon"))


@bad(
    "503-retry-after-absurd",
    4,
    "503 with Retry-After: 1000000000, always.",
    "RFC 9110 10.2.3; nobody waits for 30 years.",
    also=(3,),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1 << 30, 503, ("Retry-After", "1000000000"))


@bad("429-always", 4, "429 for ever.", "RFC 6585 4: a 4xx after all retries.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1 << 30, 429)


@bad("500-thrice", 0, "500 three times, then fine.", "RFC 9110 15.6.1: may pass.", options=("--retries", "4"))
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 3, 500)


@bad("500-always", 4, "500 for ever.", "RFC 9110 15.6.1; a 5xx after all retries.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1 << 30, 500)


@bad(
    "500-thrice-retries-0",
    4,
    "500 once, but --retries 0.",
    "CLI.md: --retries 0 means none.",
    options=("--retries", "0"),
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1, 500)


@bad("502-in-mid-download", 0, "502 to the first two later ranges.", "RFC 9110 15.6.3.", split=True)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if not first(request) and app.meet() <= 2:
        return app.send(connection, app.short(502))
    app.send(connection, app.reply(request))


@bad("408-idle", 0, "408 and close to the first request.", "RFC 9110 15.5.9: may be repeated on a new connection.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if app.meet() == 1:
        reply = app.short(408).set("Connection", "close")
        reply.close = True
        return app.send(connection, reply)
    app.send(connection, app.reply(request))


@bad(
    "421-once",
    0,
    "421 Misdirected Request on the first connection.",
    "RFC 9110 15.5.20: may be repeated on another connection.",
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    if connection.number == 1:
        app.meet()
        return app.send(connection, app.short(421))
    app.send(connection, app.reply(request))


@bad("425-once", 0, "425 Too Early, then fine.", "RFC 8470 5.2: may be repeated.")
def _(app: FileApp, connection: Connection, request: Request) -> None:
    _busy(app, connection, request, 1, 425)


@bad(
    "403-after-3-requests",
    4,
    "403 to the fourth request and all later ones.",
    "RFC 9110 15.5.4: the answer is no; streams that run may still end the job.",
    also=(0,),
    split=True,
    unmet=True,
)
def _(app: FileApp, connection: Connection, request: Request) -> None:
    with app.lock:
        app.count += 1
        refused = app.count > 3
    if refused:
        app.meet()
        return app.send(connection, app.short(403))
    app.send(connection, app.reply(request))
