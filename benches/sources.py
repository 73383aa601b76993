"""Servers of one generated file, honest or not, each in a process of its own, with a rate for the whole server.

    python -m benches.sources [--size 64M] [--rate 8M] [--conduct altering] [--port 8001] [--tls FOLDER]
    python -m benches.sources [--size 64M] --metalink URL...      # a Metalink of the file, with digests of its pieces

It prints its URL and the digest of the right file, and serves until it is ended. The file follows from its size, so all
processes have the same one without sharing anything. Under its name with `.sha256` behind it stands the digest. With
`--tls` it listens a second time, and both ports share the rate.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from xml.sax.saxutils import escape

from benches.peers import SOURCE
from benches.text import MIB, parse_size
from fastdl.demo_server import LIE, Conduct, Content, DemoServer, Handler, altering, honest, sparse

NAME = "file.bin"
TURNED = bytes((value + 1) % 256 for value in range(256))


class Silent(Handler):
    """Takes every request and answers none."""

    def do_GET(self) -> None:
        self.server_of_demo.stop.wait()


class Refusing(Handler):
    """Answers 403 to all."""

    def do_GET(self) -> None:
        self.send_error(403)


class Publishing(Handler):
    """Serves the file, and its digest beside it as publishers do."""

    marks = (("ETag", '"new"'), ("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT"))

    def do_HEAD(self) -> None:
        self._head(200, self.server_of_demo.content.size, None)

    def do_GET(self) -> None:
        if not self.path.endswith(".sha256"):
            super().do_GET()
            return
        line = f"{self.server_of_demo.content.sha256}  {NAME}\n".encode()
        self._head(200, len(line), None)
        self.wfile.write(line)


class Old(Publishing):
    """An earlier file under the same name."""

    marks = (("ETag", '"old"'), ("Last-Modified", "Thu, 01 Oct 2026 10:00:00 GMT"))


def stale(pieces: Iterator[memoryview], start: int, end: int) -> Iterator[memoryview]:
    """The bytes of an earlier file: every one is another."""
    for piece in pieces:
        yield memoryview(bytes(piece).translate(TURNED))


def hanging(pieces: Iterator[memoryview], start: int, end: int) -> Iterator[memoryview]:
    """The first LIE bytes of an answer, and then nothing for as long as a client may wait."""
    sent = 0
    for piece in pieces:
        yield piece
        sent += len(piece)
        if sent >= LIE:
            threading.Event().wait(600)


# What a server may be told to do: how it answers, what becomes of the bytes, and how much of the file it has.
CONDUCTS: dict[str, tuple[type[Handler], Conduct, float, str]] = {
    "honest": (Publishing, honest, 1.0, "serves the file in ranges"),
    "altering": (Publishing, altering, 1.0, "changes one byte in every 64 KiB; size and head are right"),
    "sparse": (Publishing, sparse, 1.0, "changes one byte in each answer; size and head are right"),
    "stale": (Old, stale, 1.0, "has an earlier file of the same size"),
    "short": (Old, stale, 0.75, "has an earlier, shorter file"),
    "silent": (Silent, honest, 1.0, "accepts connections and never answers"),
    "hanging": (Publishing, hanging, 1.0, "begins each answer and then sends nothing more"),
    "refusing": (Refusing, honest, 1.0, "answers 403"),
}


def make(size: int, rate: float | None, conduct: str, port: int = 0) -> DemoServer:
    """A running server; `rate` in bytes a second for all its connections together. Raises OSError where the port is
    taken."""
    handler, turn, part, _ = CONDUCTS[conduct]
    server = DemoServer(Content(int(size * part)), rate, share=1, conduct=turn, handler=handler, port=port)
    server.url = f"http://127.0.0.1:{server.http.server_address[1]}/{NAME}"
    return server


def make_secure(plain: DemoServer, folder: Path, conduct: str) -> DemoServer:
    """The same server on a port with TLS, at a common rate; `folder` has `server.pem` and `server.key`. Raises OSError
    where there is no certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    handler, turn, _, _ = CONDUCTS[conduct]
    server = DemoServer(plain.content, None, conduct=turn, handler=handler)
    server.pace = plain.pace
    # The handshake is done by the connection's own thread, at its first read.
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True, do_handshake_on_connect=False)
    server.url = f"https://127.0.0.1:{server.http.server_address[1]}/{NAME}"
    return server


def metalink(size: int, urls: Sequence[str]) -> str:
    """A Metalink (RFC 5854) of the file of this size: its digest, that of each piece of 1 MiB, and where it lies."""
    content = Content(size)
    pieces = (b"".join(content.pieces(at, min(at + MIB, size))) for at in range(0, size, MIB))
    hashes = "\n".join(f"   <hash>{hashlib.sha1(piece).hexdigest()}</hash>" for piece in pieces)
    places = "\n".join(f'  <url priority="{at + 1}">{escape(url)}</url>' for at, url in enumerate(urls))
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
 <file name="{NAME}">
  <size>{size}</size>
  <hash type="sha-256">{content.sha256}</hash>
  <pieces length="{MIB}" type="sha-1">
{hashes}
  </pieces>
{places}
 </file>
</metalink>
"""


class Source:
    """`with Source(...) as source`: one server in a process of its own until the block ends, its file at `source.url`
    and, with `tls`, at `source.secure_url`."""

    def __init__(self, size: int, rate: float | None, conduct: str = "honest", tls: Path | None = None) -> None:
        self.url = self.secure_url = ""
        command = [sys.executable, "-m", "benches.sources", "--size", str(size), "--conduct", conduct, "--attached"]
        command += ["--rate", str(int(rate))] if rate else []
        self._command = command + (["--tls", str(tls)] if tls is not None else [])
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Source:
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(SOURCE), str(SOURCE.parent)])}
        self._process = subprocess.Popen(
            self._command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def wait(self) -> None:
        """Until it listens; several may start side by side. Raises OSError where it does not start."""
        assert self._process is not None
        assert self._process.stdout is not None
        self.url, _, self.secure_url = self._process.stdout.readline().strip().partition(" ")
        if not self.url:
            raise OSError("a server of the bench did not start")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # it holds nothing that could be lost
            process.communicate()


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    what = "\n".join(f"  {name:<9} {told[3]}" for name, told in CONDUCTS.items())
    options = argparse.ArgumentParser(
        prog="python -m benches.sources",
        description=(__doc__ or "").split("\n")[0],
        epilog=f"conduct:\n{what}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--size", type=parse_size, default=64 * MIB, help="of the file (64M)")
    options.add_argument("--rate", type=parse_size, help="bytes a second of the whole server (no limit)")
    options.add_argument("--conduct", choices=list(CONDUCTS), default="honest", help="(honest)")
    options.add_argument("--port", type=int, default=0, help="(a free one)")
    options.add_argument("--tls", type=Path, help="folder with server.pem and server.key")
    options.add_argument("--attached", action="store_true", help="print the URL only, and end with standard input")
    options.add_argument("--metalink", nargs="+", metavar="URL", help="print a Metalink with these sources and end")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """The command line: print where the file is and serve it until the end."""
    options = parser().parse_args(argv)
    if options.metalink:
        print(metalink(options.size, options.metalink), end="")
        return 0
    servers = [make(options.size, options.rate, options.conduct, options.port)]
    if options.tls is not None:
        servers.append(make_secure(servers[0], options.tls, options.conduct))
    print(*(server.url for server in servers), flush=True)
    try:
        if options.attached:
            sys.stdin.read()
        else:
            print(f"sha256:{Content(options.size).sha256}", flush=True)
            threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        for server in servers:
            server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
