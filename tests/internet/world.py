"""A small internet on loopback: real host names, each with a server and a certificate of its own.

fastdl is led there by --connect-to and --cacert. Every host that no test set up leads to the void, which notes who
was asked for and hangs up: so a test can say what *nobody* was told, too. All requests of all hosts are kept.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

from ports import refusing
from servers.files import Answer, FileApp, serve
from servers.raw import Connection, Exchange, RawServer, Request
from servers.run import LIMIT, Result, Runner
from servers.tls import Certificates

_NOWHERE = FileApp()
_HANDSHAKE = 0x16  # the first byte of TLS (RFC 8446, 5.1)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request that a host received, and how many body bytes it got in return."""

    host: str
    exchange: Exchange

    @property
    def request(self) -> Request:
        """The request as it came."""
        return self.exchange.request

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.request.target.partition("?")[0]

    @property
    def body(self) -> int:
        """Body bytes that were sent."""
        return self.exchange.body

    @property
    def fields(self) -> set[str]:
        """The names of its header fields, in lower case."""
        return {name for name, _ in self.request.headers}


class Throttle:
    """A line of `rate` bytes a second that all connections share; it becomes as wide as can be once `until` is set, or
    `seconds` after the first byte."""

    def __init__(self, rate: float, until: threading.Event | None = None, seconds: float | None = None) -> None:
        self.rate = rate
        self.until = until or threading.Event()
        self._seconds = seconds
        self._began: float | None = None
        self._lock = threading.Lock()
        self._due = 0.0

    def pass_through(self, connection: Connection, count: int) -> None:
        """Wait until `count` bytes may go out."""
        with self._lock:
            now = time.monotonic()
            self._began = now if self._began is None else self._began
            if self._seconds is not None and now - self._began > self._seconds:
                self.until.set()
            self._due = max(self._due, now - 0.02) + count / self.rate
            due = self._due
        while not self.until.is_set():
            left = due - time.monotonic()
            if left <= 0:
                return
            connection.pause(min(left, 0.02))


def tempting() -> Throttle:
    """An origin's line that is so slow, for a while, that every mirror which may help would be asked to."""
    return Throttle(512 << 10, seconds=1.2)


class Host:
    """One name: `routes` maps a path (ending in "/" for all below it) to its answer; everything else is 404."""

    def __init__(self, name: str, context: ssl.SSLContext | None) -> None:
        self.name = name
        self.routes: dict[str, Answer] = {}
        self.server = RawServer(self._handle, tls=context)

    def _handle(self, connection: Connection) -> None:
        serve(connection, self._answer)

    def _answer(self, connection: Connection, request: Request) -> None:
        path = request.target.partition("?")[0]
        found = self.routes.get(path)
        if found is None:
            folders = [key for key in self.routes if key.endswith("/") and path.startswith(key)]
            found = self.routes[max(folders, key=len)] if folders else None
        if found is not None:
            return found(connection, request)
        _NOWHERE.send(connection, _NOWHERE.short(404))

    @property
    def visits(self) -> list[Visit]:
        """The requests so far."""
        return [Visit(self.name, exchange) for exchange in self.server.log]

    @property
    def sent(self) -> int:
        """Body bytes so far."""
        return self.server.body_sent

    def has_sent(self, total: int) -> threading.Event:
        """An event: so many body bytes have gone out."""
        return self.server.alarm(total)


class _Refusal:
    """In place of a TLS context: notes the name that is asked for, and hangs up."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.sni_callback = self._note  # type: ignore[assignment]

    def _note(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> int:
        self._asked.append(name or "(no name)")
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def wrap_socket(self, sock: socket.socket, **_: bool) -> socket.socket:
        """Read what the client says first, note the name, reset the connection."""
        sock.settimeout(10.0)
        incoming = ssl.MemoryBIO()
        while data := sock.recv(65536):
            if not incoming.pending and data[0] != _HANDSHAKE:
                self._asked.append("in the clear: " + data[:200].decode("latin-1").replace("\r\n", " | "))
                break
            incoming.write(data)
            if self._greeted(incoming):
                break
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionResetError("nobody is here")

    def _greeted(self, incoming: ssl.MemoryBIO) -> bool:
        """Whether that was a whole greeting, and the name is noted."""
        before = len(self._asked)
        greeting = self._context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
        with contextlib.suppress(ssl.SSLError):
            greeting.do_handshake()
        return len(self._asked) > before


class World:
    """The internet of one test, and fastdl in it. `config` may be given any text before the first run."""

    def __init__(self, runner: Runner, certificates: Certificates) -> None:
        self.runner = runner
        self.void: list[str] = []  # host names that were asked for and are not here
        self._certificates = certificates
        self._stack = ExitStack()
        self._hosts: dict[str, Host] = {}
        self._rules: list[str] = []
        self._nobody = self._stack.enter_context(
            RawServer(lambda connection: None, tls=_Refusal(self.void))  # type: ignore[arg-type]
        )
        self.config = runner.home / "config.toml"
        self.config.write_text("", encoding="utf-8")
        runner.env["FASTDL_CONFIG"] = str(self.config)

    def close(self) -> None:
        """Stop all servers. Raises what went wrong in them."""
        self._stack.close()

    # --- hosts -------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Host:
        """The host of that name, set up when it is first asked for."""
        if name not in self._hosts:
            self._add(name, Host(name, self._certificates.context_for(name)), 443)
        return self._hosts[name]

    def plain(self, name: str) -> Host:
        """The same name without TLS; it is called "http://NAME" in what happened."""
        key = f"http://{name}"
        if key not in self._hosts:
            self._add(name, Host(key, None), 80)
        return self._hosts[key]

    def _add(self, name: str, host: Host, port: int) -> None:
        self._stack.enter_context(host.server)
        self._hosts[host.name] = host
        self._rules.append(f"{name}:{port}:127.0.0.1:{host.server.port}")

    def put(self, name: str, path: str, answer: Answer) -> Host:
        """Let a host answer a path."""
        host = self[name]
        host.routes[path] = answer
        return host

    def mute(self, name: str) -> RawServer:
        """A host that takes connections and never says a word, not even in TLS."""
        server = self._stack.enter_context(RawServer(Connection.hold))
        self._rules.append(f"{name}:443:127.0.0.1:{server.port}")
        return server

    def dark(self, name: str) -> None:
        """A host whose port is closed."""
        self._rules.append(f"{name}:443:127.0.0.1:{self._stack.enter_context(refusing())}")

    # --- what happened -----------------------------------------------------------------------------------

    @property
    def visits(self) -> list[Visit]:
        """All requests of all hosts."""
        return [visit for host in self._hosts.values() for visit in host.visits]

    @property
    def contacted(self) -> set[str]:
        """Every host to which a connection was made, the void's included."""
        return {name for name, host in self._hosts.items() if host.server.accepted} | set(self.void)

    def told(self) -> bytes:
        """Everything that anybody was told, the void included."""
        heads = [visit.host.encode() + b" " + visit.request.raw for visit in self.visits]
        return b"\n".join([*heads, *(name.encode("latin-1", "replace") for name in self.void)])

    # --- fastdl ------------------------------------------------------------------------------------------

    def options(self) -> list[str]:
        """What leads fastdl into this world."""
        rules = [*self._rules, f"::127.0.0.1:{self._nobody.port}"]
        return ["--cacert", str(self._certificates.ca), *(f"--connect-to={rule}" for rule in rules)]

    def get(self, *args: str, **more: Any) -> Result:
        """`fastdl get --json ARGS` in this world."""
        return self.runner("get", "--json", *self.options(), *args, **more)

    def run(self, command: str, *args: str, **more: Any) -> Result:
        """`fastdl COMMAND ARGS` in this world."""
        return self.runner(command, *self.options(), *args, **more)

    @contextlib.contextmanager
    def started(self, *args: str) -> Iterator[Popen[bytes]]:
        """`fastdl get --json ARGS`, running; killed at the end if it still does."""
        process = self.runner.start("get", "--json", *self.options(), *args)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=LIMIT)

    def path(self, name: str) -> Path:
        """A file in the folder of the downloads."""
        return self.runner.cwd / name


def source(result: Result, host: str) -> dict[str, Any]:
    """What `--json` says of the sources at a host, added up; zeros where it names none."""
    (told,) = result.json
    found = [each for each in told["sources"] if each["host"] == host]
    total = {key: sum(each[key] for each in found) for key in ("bytes", "connections", "errors")}
    return {**total, "trust": found[0]["trust"] if found else None}


def bytes_of_mirrors(result: Result) -> int:
    """Bytes that `--json` counts for other sources than the origin."""
    return sum(int(each["bytes"]) for each in result.json[0]["sources"] if each["trust"] != "origin")
