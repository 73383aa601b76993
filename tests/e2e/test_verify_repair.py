"""`fastdl verify --from --repair`: only what is wrong is fetched, and a repair that fails changes nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
from functools import partial
from typing import Any

import pytest

from fastdl.core.journal import JournalHeader
from fastdl.core.urls import url_key
from fastdl.io.partial import Partial
from published import DATA, LAST_MODIFIED, SHA, SIZE, altered, digest_field, lay_down, published, repair, unharmed
from servers.files import FileApp, Reply, site
from servers.raw import Connection, Request, Serve
from servers.run import Result, Runner, check
from servers.tls import Certificates


@pytest.fixture
def app() -> FileApp:
    return published()


@pytest.fixture
def put(fastdl: Runner) -> Any:
    return partial(lay_down, fastdl)


# --- repairs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damaged", "fetched"),
    [
        (DATA[:-300_000], 300_000),
        (DATA + b"more" * 100, 0),
        (altered((400_000, bytes(8192))), 8192),
        (altered((400_001, bytes(4096)), (900_001, bytes(5000))), 9096),
        (altered((0, bytes(5000)), (SIZE - 4096, bytes(4096))), 9096),
        (altered((1000, bytes(6000)))[:-1000], 7000),
    ],
    ids=["cut", "too long", "hole", "holes at odd places", "holes at both ends", "hole and cut"],
)
def test_only_what_is_wrong_is_fetched(
    fastdl: Runner, serve: Serve, app: FileApp, put: Any, damaged: bytes, fetched: int
) -> None:
    path = put(damaged)
    server = serve(app)
    result = repair(fastdl, server.url())
    assert result.code == 0, result.err
    assert path.read_bytes() == DATA
    assert result.files == {"f.bin"}
    assert path.stat().st_mtime == LAST_MODIFIED
    (told,) = result.json
    assert told["ok"] and told["exit_code"] == 0
    assert told["repaired"]["fetched_bytes"] == fetched
    asked = [exchange.range for exchange in server.log[1:]]  # the first one asks who is there
    assert sum((end or SIZE) - start for start, end in filter(None, asked)) == fetched
    assert told["repaired"]["fetched_ranges"] == len(asked)


def test_what_cannot_be_told_is_found_by_comparing(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    path = put(altered((700_000, b"\xff" * 10)))
    result = repair(fastdl, serve(app).url())
    assert result.code == 0
    assert path.read_bytes() == DATA
    (told,) = result.json
    assert told["repaired"]["fetched_bytes"] >= SIZE
    ((start, end),) = told["repaired"]["ranges"]
    assert start <= 700_000 and end >= 700_010
    assert end - start <= 2 * 64 * 1024, "only the block that differs is written"


def test_zeros_that_were_missing_count_as_wrong(fastdl: Runner, serve: Serve, put: Any) -> None:
    data = DATA[:100_000] + bytes(50_000)
    path = put(data[:100_000])
    app = FileApp(size=len(data), data=data, extra=(digest_field(data),))
    result = repair(fastdl, serve(app).url())
    assert result.code == 0
    assert path.read_bytes() == data
    assert result.json[0]["repaired"]["ranges"] == [[100_000, 150_000]]


def test_several_connections_and_a_bound_on_them(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    app.rate = 3e6
    path = put(altered((700_000, b"\xff" * 10)))
    server = serve(app)
    result = repair(fastdl, server.url(), "-x", "3", "-k", "64k")
    assert result.code == 0
    assert path.read_bytes() == DATA
    assert 2 <= app.peak <= 3


def test_a_server_that_serves_no_ranges_from_then_on(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    def less(connection: Connection, request: Request, reply: Reply) -> Reply:
        app.ranges = False
        return reply

    app.hook = less
    path = put(altered((1000, b"zzz"), (600_000, bytes(5000))))
    result = repair(fastdl, serve(app).url())
    assert result.code == 0, result.err
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("damaged", [DATA[:-1], DATA + b"x", altered((9, b"zzz")), b""])
def test_a_server_without_ranges(fastdl: Runner, serve: Serve, app: FileApp, put: Any, damaged: bytes) -> None:
    app.ranges = False
    path = put(damaged)
    assert repair(fastdl, serve(app).url()).code == 0
    assert path.read_bytes() == DATA


def test_a_server_that_does_not_say_the_size(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    def no_length(connection: Connection, request: Request, reply: Reply) -> Reply:
        reply.set("Content-Length", None).add("Connection", "close")
        reply.close = True
        return reply

    app.ranges, app.hook = False, no_length
    for damaged in (altered((9, b"zzz")), DATA[:-5], DATA + b"x"):
        path = put(damaged)
        result = repair(fastdl, serve(app).url())
        assert result.code == 0, result.err
        assert path.read_bytes() == DATA


def test_the_pieces_of_a_metalink_say_exactly_what_is_wrong(
    fastdl: Runner, serve: Serve, put: Any, certificates: Certificates
) -> None:
    length = 100_000
    hashes = "".join(
        f"<hash>{hashlib.sha256(DATA[at : at + length]).hexdigest()}</hash>" for at in range(0, SIZE, length)
    )
    meta = (
        f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="file.bin"><size>{SIZE}</size>'
        f'<hash type="sha-256">{SHA}</hash><pieces length="{length}" type="sha-256">{hashes}</pieces>'
        "</file></metalink>"
    ).encode()
    link = '</file.bin.meta4>; rel=describedby; type="application/metalink4+xml"'
    app = FileApp(size=SIZE, data=DATA, extra=(("Link", link),))
    about = FileApp(size=len(meta), data=meta)
    server = serve(site({"/file.bin": app.answer, "/file.bin.meta4": about.answer}), tls=certificates.context())
    path = put(altered((150_000, b"!!"), (1_250_000, b"?")))
    result = repair(fastdl, server.url(), "--cacert", certificates.ca)
    assert result.code == 0, result.err
    assert path.read_bytes() == DATA
    (told,) = result.json
    assert told["source"] == "metalink"
    assert (told["repaired"]["fetched_bytes"], told["repaired"]["fetched_ranges"]) == (2 * length, 2)
    asked = [exchange.range for exchange in server.log if exchange.request.target == "/file.bin"]
    assert set(asked[1:]) == {(100_000, 200_000), (1_200_000, 1_300_000)}


@pytest.mark.parametrize("case", ["private", "plain"])
def test_whose_metalink_is_not_read(
    fastdl: Runner, serve: Serve, put: Any, certificates: Certificates, case: str
) -> None:
    """With a secret in the request nothing else is asked; and what was named without TLS proves nothing."""
    meta = f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="file.bin"><hash type="sha-256">{SHA}</hash>'
    about = FileApp(data=(meta + "</file></metalink>").encode())
    about.size = len(about.data or b"")
    app = FileApp(size=SIZE, data=DATA)
    server = serve(site({"/file.bin": app.answer, "/file.bin.meta4": about.answer}), tls=certificates.context())
    app.extra = (("Link", f"<{server.url('/file.bin.meta4')}>; rel=describedby"),)
    put(DATA)
    options = ["--cacert", str(certificates.ca)]
    assert fastdl("verify", "f.bin", "--from", server.url(), *options).code == 0
    asked = about.count
    assert asked
    url = serve(app).url() if case == "plain" else server.url()
    secret = [] if case == "plain" else ["-H", "X-Key: hunter2"]
    result = fastdl("verify", "f.bin", "--from", url, *options, *secret)
    assert result.code == 5
    assert "no digest of this file is published" in result.error
    assert about.count == asked


def test_with_the_users_digest_the_origin_needs_none(fastdl: Runner, serve: Serve, put: Any) -> None:
    path = put(DATA[:1000])
    app = FileApp(size=SIZE, data=DATA)
    assert repair(fastdl, serve(app).url(), "--checksum", f"sha256:{SHA}").code == 0
    assert path.read_bytes() == DATA


def test_a_right_file_is_left_alone(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    path = put(DATA)
    server = serve(app)
    result = repair(fastdl, server.url())
    assert result.code == 0
    assert result.json[0]["repaired"] is None
    assert len(server.log) == 1
    unharmed(path, DATA, result)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
def test_mode_and_link_stay(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    real = fastdl.cwd / "real.bin"
    real.write_bytes(DATA[:-5])
    real.chmod(0o750)
    (fastdl.cwd / "f.bin").symlink_to("real.bin")
    result = repair(fastdl, serve(app).url())
    assert result.code == 0
    assert (fastdl.cwd / "f.bin").is_symlink()
    assert real.read_bytes() == DATA
    assert real.stat().st_mode & 0o777 == 0o750
    assert result.files == {"f.bin", "real.bin"}


# --- repairs that fail -----------------------------------------------------------------------------------


def test_an_origin_whose_bytes_are_wrong_as_well(fastdl: Runner, serve: Serve, put: Any) -> None:
    before = altered((3, b"no"))
    path = put(before)
    app = FileApp(size=SIZE, data=altered((9, b"liar")), extra=(digest_field(DATA),))
    result = repair(fastdl, serve(app).url())
    assert result.code == 5
    assert "the origin's own bytes do not have the digest" in result.error
    assert result.json[0]["repaired"] is None and not result.json[0]["ok"]
    unharmed(path, before, result)


def test_an_origin_that_goes_away(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    def gone(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        if app.count == 1:
            return reply
        connection.reset()
        return None

    app.hook = gone
    path = put(DATA[:-400_000])
    result = repair(fastdl, serve(app).url(), "--retries", "0")
    assert result.code == 5, "the file is still wrong"
    assert "could not be repaired" in result.error
    unharmed(path, DATA[:-400_000], result)


def test_an_origin_that_changes_the_file_meanwhile(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    def other(connection: Connection, request: Request, reply: Reply) -> Reply:
        if app.count == 1:
            app.etag, app.data = '"v2"', altered((8, b"new version"))
        return reply

    app.hook = other
    path = put(DATA[:-400_000])
    result = repair(fastdl, serve(app).url())
    assert result.code == 5
    unharmed(path, DATA[:-400_000], result)


def test_a_file_that_somebody_writes_to_meanwhile(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    path = put(DATA[:-400_000])

    def write(connection: Connection, request: Request, reply: Reply) -> Reply:
        if app.count > 1:
            path.write_bytes(b"somebody's work")
        return reply

    app.hook = write
    result = repair(fastdl, serve(app).url())
    assert result.code == 5
    assert "another program wrote to the file" in result.error
    assert path.read_bytes() == b"somebody's work"
    assert result.files == {"f.bin"}


def test_a_download_to_the_same_name(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    path = put(DATA[:-5])
    holder = Partial.open(str(path))
    try:
        result = repair(fastdl, serve(app).url())
        assert result.code == 9
        assert path.read_bytes() == DATA[:-5]
    finally:
        holder.close()
    assert repair(fastdl, serve(app).url()).code == 0


def test_an_unfinished_download_beside_it_is_not_thrown_away(
    fastdl: Runner, serve: Serve, app: FileApp, put: Any
) -> None:
    path = put(DATA[:-5])
    url = serve(app).url()
    header = JournalHeader(url_key(url), url, False, "f.bin", SIZE, '"v1"', None, None, "", [url], 0.0)
    unfinished = Partial.open(str(path))
    unfinished.begin(header)
    unfinished.write(0, memoryview(DATA)[:400_000])
    unfinished.record(unfinished.run(0, 0), 0, 400_000, 0)
    unfinished.close()
    names = ("f.bin.fastdl", "f.bin.fastdl.journal")
    before = [(fastdl.cwd / name).read_bytes() for name in names]
    result = repair(fastdl, url)
    assert result.code == 5
    assert "unfinished download" in result.error
    assert [(fastdl.cwd / name).read_bytes() for name in names] == before
    assert path.read_bytes() == DATA[:-5]


@pytest.mark.parametrize(
    "number", [signal.CTRL_BREAK_EVENT] if sys.platform == "win32" else [signal.SIGINT, signal.SIGTERM]
)
def test_interrupted(fastdl: Runner, serve: Serve, app: FileApp, put: Any, number: signal.Signals) -> None:
    app.rate = 300_000.0
    before = altered((4, b"some"))
    path = put(before)
    server = serve(app)
    reached = server.alarm(600_000)
    process = fastdl.start("verify", "f.bin", "--repair", "--from", server.url())
    assert reached.wait(20)
    assert (fastdl.cwd / "f.bin.fastdl").exists()
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    result = check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))
    assert result.code in (130, 143)
    unharmed(path, before, result)


def test_killed_in_the_middle(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    app.rate = 300_000.0
    before = altered((4, b"some"))
    path = put(before)
    server = serve(app)
    reached = server.alarm(600_000)
    process = fastdl.start("verify", "f.bin", "--repair", "--from", server.url())
    assert reached.wait(20)
    process.kill()
    process.communicate(timeout=20)
    assert path.read_bytes() == before
    app.rate = None
    result = repair(fastdl, server.url())
    assert result.code == 0, result.err
    assert path.read_bytes() == DATA
    assert result.files == {"f.bin"}, "what was left of the first one is gone"


@pytest.mark.skipif(sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="POSIX, no root")
def test_a_folder_that_may_not_be_written_to(fastdl: Runner, serve: Serve, app: FileApp, put: Any) -> None:
    path = put(DATA[:-5])
    fastdl.cwd.chmod(0o555)
    try:
        result = repair(fastdl, serve(app).url())
    finally:
        fastdl.cwd.chmod(0o755)
    assert result.code == 5
    unharmed(path, DATA[:-5], result)
