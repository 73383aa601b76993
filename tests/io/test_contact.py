"""One request through redirects, stale connections and challenges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fastdl.core.credentials import Credentials
from fastdl.core.head import Head, Validators
from fastdl.core.urls import parse_url
from fastdl.errors import ConnectionLost, NetworkError, RedirectRefused, TimedOut
from fastdl.io.channel import Request
from fastdl.io.contact import Contact, Place
from fastdl.io.pool import ConnectionPool
from fastdl.io.session import Session
from fastdl.settings import Settings
from servers.raw import Connection, RawServer

NEVER: Callable[[], bool] = lambda: False  # noqa: E731
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def redirect(location: str, body: bytes = b"", *fields: str) -> bytes:
    lines = ["HTTP/1.1 302 Found", f"Location: {location}", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


Answer = Callable[[Connection, str], bytes | None]


def answering(answer: Answer) -> Callable[[Connection], None]:
    """A server: `answer(connection, target)` is what goes out; None closes the connection."""

    def handle(connection: Connection) -> None:
        while (request := connection.receive()) is not None:
            data = answer(connection, request.target)
            if data is None:
                return
            connection.send(data)

    return handle


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(Settings(use_proxy=False, timeout=10, user=("me", "pw"), headers=[("X-Key", "hush")]))
    yield made
    made.close()


@pytest.fixture
def contact(session: Session) -> Iterator[Contact]:
    made = Contact(session, 0, NEVER)
    yield made
    made.drop()


def ask(contact: Contact, url: str, place: Place | None = None) -> tuple[Any, bytes]:
    """The answer and its body."""
    answer = contact.ask(place or Place(parse_url(url)), 0, None, True, ())
    view, out = memoryview(bytearray(100)), b""
    while count := answer.channel.read_into(view):
        out += bytes(view[:count])
    return answer, out


@pytest.mark.parametrize("size", [0, 10, 64 * 1024])
def test_a_redirect_keeps_its_connection(serve: Any, contact: Contact, size: int) -> None:
    """The redirect's own page is read and thrown away where it is small."""
    server: RawServer = serve(answering(lambda c, t: OK if t == "/b" else redirect("/b", b"x" * size)))
    place = Place(parse_url(server.url("/a")))
    answer, body = ask(contact, "", place)
    assert (answer.url.path, body) == ("/b", b"ok")
    assert place.final is not None and place.final.path == "/b"
    assert server.accepted == 1
    assert (contact.requests, contact.opened) == (2, 1)
    ask(contact, "", place)
    assert [exchange.request.target for exchange in server.log] == ["/a", "/b", "/b"]
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"x" * (64 * 1024 + 1), "A: b"), (b"", "Connection: close"), (b"x", "Connection: close")],
)
def test_a_redirect_that_costs_a_connection(serve: Any, contact: Contact, body: bytes, field: str) -> None:
    server = serve(answering(lambda c, t: OK if t == "/b" else redirect("/b", body, field)))
    assert ask(contact, server.url("/a"))[1] == b"ok"
    assert server.accepted == 2


def test_a_redirect_whose_page_ends_early(serve: Any, contact: Contact) -> None:
    """That page is of no interest, and neither is that it was cut."""

    def answer(connection: Connection, target: str) -> bytes | None:
        if target == "/b":
            return OK
        connection.send(redirect("/b", b"x" * 1000)[:-500])
        return None

    server = serve(answering(answer))
    assert ask(contact, server.url("/a"))[1] == b"ok"


def test_circles_end(serve: Any, contact: Contact) -> None:
    server = serve(answering(lambda c, t: redirect("/again")))
    with pytest.raises(RedirectRefused):
        contact.ask(Place(parse_url(server.url("/"))), 0, None, True, ())
    assert len(server.log) == 21
    assert server.accepted == 1


def test_secrets_stay_with_their_origin(serve: Any, contact: Contact) -> None:
    """And come back where a redirect leads home again."""
    other: RawServer = serve(answering(lambda c, t: redirect(home.url("/c"))))
    home: RawServer = serve(answering(lambda c, t: OK if t == "/c" else redirect(other.url("/b"))))
    assert ask(contact, home.url("/a"))[1] == b"ok"
    sent = [(e.request.get("authorization"), e.request.get("x-key")) for e in home.log]
    assert sent == [("Basic bWU6cHc=", "hush")] * 2
    (strange,) = other.log
    assert strange.request.get("authorization") is None and b"hush" not in strange.request.raw


def test_a_mirror_is_told_nothing(serve: Any, contact: Contact) -> None:
    server = serve(answering(lambda c, t: OK))
    ask(contact, "", Place(parse_url(server.url("/a")), mirror=True))
    (exchange,) = server.log
    assert exchange.request.get("authorization") is None and b"hush" not in exchange.request.raw


def test_if_range_goes_with_the_rest_of_a_file(contact: Contact) -> None:
    url = parse_url("http://example.org/")
    place = Place(url, validators=Validators('"v"'))
    assert contact.request(place, url, 5, 9, True).if_range == '"v"'
    assert contact.request(place, url, 0, 9, True).if_range is None
    assert contact.request(Place(url, validators=Validators('W/"v"')), url, 5, 9, True).if_range is None


def test_a_connection_that_the_server_closed_meanwhile(serve: Any, contact: Contact) -> None:
    """One answer a connection, without saying so: each request gets a new one, none fails."""

    def answer(connection: Connection, target: str) -> bytes | None:
        return OK if connection.served == 1 else None

    server = serve(answering(answer))
    for _ in range(4):
        assert ask(contact, server.url("/a"))[1] == b"ok"
    assert server.accepted == 4


def test_idle_connections_are_shared(serve: Any, session: Session) -> None:
    server = serve(answering(lambda c, t: OK))
    for _ in range(3):
        contact = Contact(session, 0, NEVER)
        ask(contact, server.url("/a"))
        contact.leave()
    assert server.accepted == 1


# --- with channels of the test's own -----------------------------------------------------------------------


class FakeChannel:
    """Gives heads, or raises what stands in their place."""

    rtt, peer, pipelines, reusable = 0.0, "", True, True
    body_left = 0

    def __init__(self, *answers: Head | NetworkError, answered: int = 0) -> None:
        self.answers = list(answers)
        self.answered = answered
        self.sent: list[Request] = []
        self.closed = self.aborted = False
        self.digest: Any = None

    def send(self, request: Request) -> None:
        self.sent.append(request)

    def receive_head(self) -> Head:
        answer = self.answers.pop(0)
        if isinstance(answer, NetworkError):
            raise answer
        self.answered += 1
        return answer

    def read_into(self, view: memoryview) -> int:
        return 0

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        self.closed = True


class FakeSession:
    """Hands out the channels of a list."""

    def __init__(self, *channels: FakeChannel, digest: FakeChannel | None = None) -> None:
        self.channels = list(channels)
        self.digest = digest
        self.credentials = Credentials(user=("me", "pw"))
        self.pool = ConnectionPool(8)
        self.http2: list[str] = []
        self.released: list[Any] = []

    def channel(self, url: Any, **more: Any) -> Any:
        return self.channels.pop(0)

    def answered(self, url: Any, channel: Any, head: Head) -> Any:
        return channel

    def digest_channel(self, url: Any, login: tuple[str, str]) -> Any:
        assert login == ("me", "pw") and self.digest is not None
        self.digest.digest = object()
        return self.digest

    def insist_on_http2(self, url: Any) -> bool:
        self.http2.append(url.netloc)
        return len(self.http2) == 1

    def release(self, url: Any, channel: Any) -> None:
        self.released.append(channel)


URL = parse_url("https://example.org/x")
LOST = ConnectionLost("gone")
FINE = Head(206, "", (("content-range", "bytes 0-9/10"),), "HTTP/1.1")


def contact_of(session: FakeSession, cancelled: Callable[[], bool] = NEVER) -> Contact:
    return Contact(session, 0, cancelled)  # type: ignore[arg-type]


def test_every_stale_connection_is_passed_over() -> None:
    """Several idle ones may have died in the same moment: that is no failure of the server."""
    stale = [FakeChannel(LOST, answered=3) for _ in range(3)]
    fresh = FakeChannel(FINE)
    contact = contact_of(FakeSession(*stale, fresh))
    assert contact.ask(Place(URL), 0, 10, True, ()).head is FINE
    assert all(channel.closed for channel in stale)
    assert contact.opened == 1


@pytest.mark.parametrize("error", [LOST, TimedOut("silent")])
def test_a_new_connection_that_fails_is_a_failure(error: NetworkError) -> None:
    session = FakeSession(FakeChannel(error), FakeChannel(FINE))
    with pytest.raises(type(error)):
        contact_of(session).ask(Place(URL), 0, 10, True, ())
    assert len(session.channels) == 1


def test_silence_on_a_used_connection_is_a_failure() -> None:
    session = FakeSession(FakeChannel(TimedOut("silent"), answered=1), FakeChannel(FINE))
    with pytest.raises(TimedOut):
        contact_of(session).ask(Place(URL), 0, 10, True, ())


def test_nothing_is_tried_again_after_an_abort() -> None:
    session = FakeSession(FakeChannel(LOST, answered=1), FakeChannel(FINE))
    calls = iter([False, True, True, True])
    with pytest.raises(ConnectionLost):
        contact_of(session, lambda: next(calls)).ask(Place(URL), 0, 10, True, ())
    assert len(session.channels) == 1


def test_an_abort_while_it_connects_is_not_overlooked() -> None:
    """The connection came just then, so that abort() saw none: no request may go out and wait for an answer."""
    channel = FakeChannel(FINE)
    with pytest.raises(ConnectionLost):
        contact_of(FakeSession(channel), lambda: True).ask(Place(URL), 0, 10, True, ())
    assert channel.sent == []


def unauthorized(*challenges: str) -> Head:
    return Head(401, "", tuple(("www-authenticate", challenge) for challenge in challenges), "HTTP/1.1")


@pytest.mark.parametrize(
    "challenges", [('Digest realm="r", nonce="n"',), ('Basic realm="r"', 'Digest realm="r"'), ('Basic, digest a="b"',)]
)
def test_a_digest_challenge_is_answered(challenges: tuple[str, ...]) -> None:
    first, second = FakeChannel(unauthorized(*challenges)), FakeChannel(FINE)
    contact = contact_of(FakeSession(first, digest=second))
    assert contact.ask(Place(URL), 0, 10, True, ()).head is FINE
    assert first.closed and contact.channel is second
    assert (contact.requests, contact.opened) == (2, 2)


def test_a_digest_challenge_that_cannot_be_answered() -> None:
    refused = unauthorized("Digest x")
    contact = contact_of(FakeSession(FakeChannel(refused), digest=FakeChannel(FINE)))
    assert contact.ask(Place(URL, mirror=True), 0, 10, True, ()).head is refused
    wrong = FakeChannel(refused)  # the password was wrong: once is enough
    assert contact_of(FakeSession(FakeChannel(refused), digest=wrong)).ask(Place(URL), 0, 10, True, ()).head is refused


@pytest.mark.parametrize("status", [426, 505])
def test_a_server_that_wants_http_2(status: int) -> None:
    odd = Head(status, "", (), "HTTP/1.1")
    session = FakeSession(FakeChannel(odd), FakeChannel(FINE))
    assert contact_of(session).ask(Place(URL), 0, 10, True, ()).head is FINE
    session = FakeSession(FakeChannel(odd), FakeChannel(odd))
    assert contact_of(session).ask(Place(URL), 0, 10, True, ()).head is odd


def test_cookies_of_an_answer_are_kept_but_not_a_mirrors() -> None:
    setting = Head(206, "", (("set-cookie", "a=b"),), "HTTP/1.1")
    for mirror, cookies in ((False, [("Cookie", "a=b")]), (True, [])):
        session = FakeSession(FakeChannel(setting))
        contact_of(session).ask(Place(URL, mirror=mirror), 0, 10, True, ())
        sent = session.credentials.headers_for(URL, URL, 0.0)
        assert [field for field in sent if field[0] == "Cookie"] == cookies


def test_ends() -> None:
    channel = FakeChannel(FINE)
    session = FakeSession(channel)
    contact = contact_of(session)
    contact.abort()
    contact.leave()
    contact.drop()
    contact.ask(Place(URL), 0, 10, True, ())
    contact.abort()
    assert channel.aborted and not channel.closed
    contact.leave()
    assert session.released == [channel] and contact.channel is None


def _signed(count: list[int], uses: int) -> Answer:
    """`/file` leads to targets that are good for `uses` requests each."""

    def answer(connection: Connection, target: str) -> bytes:
        if target == "/file":
            count.append(0)
            return redirect(f"/signed/{len(count)}")
        which = int(target.rsplit("/", 1)[1]) - 1
        count[which] += 1
        return OK if count[which] <= uses else b"HTTP/1.1 403 Expired\r\nContent-Length: 2\r\n\r\nno"

    return answer


def test_a_target_that_expired_is_found_again_in_the_same_request(serve: Any, contact: Contact) -> None:
    """It says nothing against the server, so the scheduler does not hear of it."""
    server = serve(answering(_signed([], uses=1)))
    place = Place(parse_url(server.url("/file")))
    for _ in range(3):
        assert ask(contact, "", place)[0].head.status == 200
    targets = [exchange.request.target for exchange in server.log]
    assert targets == ["/file", "/signed/1", "/signed/1", "/file", "/signed/2", "/signed/2", "/file", "/signed/3"]
    assert server.accepted == 1


def test_a_fresh_target_that_refuses_is_believed(serve: Any, contact: Contact) -> None:
    server = serve(answering(_signed([], uses=0)))
    assert ask(contact, server.url("/file"))[0].head.status == 403
    assert len(server.log) == 2


def test_a_connection_knows_where_it_leads(serve: Any, contact: Contact) -> None:
    """What is sent ahead on it must be for its own server: another worker may have been redirected elsewhere."""
    server = serve(answering(lambda c, t: OK))
    ask(contact, server.url("/a"))
    assert contact.leads_to(parse_url(server.url("/b")))
    assert not contact.leads_to(parse_url("http://elsewhere.example/b"))
