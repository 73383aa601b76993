"""Going on: the same command, `--no-continue`, `fastdl resume`, two at once, damaged partial files, `demo`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from servers.files import FileApp
from servers.raw import RawServer, Serve
from servers.run import PARTS, Runner

_SIZE = 2 << 20
_OPTIONS = ("--no-proxy", "-x", "2", "-k", "128k")


@pytest.fixture
def app() -> FileApp:
    """A file that takes some seconds."""
    return FileApp(size=_SIZE, rate=500_000)


def _interrupted(fastdl: Runner, server: RawServer, *options: str, body: int = 600_000) -> int:
    """Begin a download and kill it; gives the body bytes that the server has sent."""
    reached = server.alarm(server.body_sent + body)
    process = fastdl.start("get", *_OPTIONS, *options, server.url())
    assert reached.wait(20)
    process.kill()
    process.communicate()
    assert {f"file.bin{part}" for part in PARTS} <= {path.name for path in fastdl.cwd.iterdir()}
    return server.body_sent


def test_goes_on(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    sent = _interrupted(fastdl, server)
    app.rate = None
    result = fastdl.get(*_OPTIONS, "--json", server.url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert server.body_sent - sent < _SIZE - 400_000
    (line,) = result.json
    assert 400_000 < line["resumed_bytes"] <= 700_000
    assert line["sha256"] == app.sha256(), "the digest covers what was there before"


def test_no_continue(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    sent = _interrupted(fastdl, server)
    app.rate = None
    result = fastdl.get(*_OPTIONS, "--json", "--no-continue", server.url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert server.body_sent - sent >= _SIZE
    assert result.json[0]["resumed_bytes"] == 0


@pytest.mark.parametrize("size", [None, 1_900_000, 2_300_000])
def test_changed_meanwhile(fastdl: Runner, serve: Serve, app: FileApp, size: int | None) -> None:
    """Between the two runs the file became another one: never mixed."""
    server = serve(app)
    _interrupted(fastdl, server)
    app.rate = None
    app.change(size=size)
    result = fastdl.get(*_OPTIONS, server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_changed_meanwhile_without_validators(fastdl: Runner, serve: Serve) -> None:
    """Same size, no validator: what comes twice is compared, or all is fetched again; a digest has the last word."""
    app = FileApp(size=_SIZE, rate=500_000, etag=None, last_modified=None)
    server = serve(app)
    _interrupted(fastdl, server)
    app.rate = None
    app.change()
    result = fastdl.get(*_OPTIONS, "--checksum", f"sha256:{app.sha256()}", server.url(), expected=["file.bin"])
    assert result.code in (0, 5)
    if result.code == 0:
        assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_another_url_under_the_same_name(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """A partial download of one URL is never completed with another one's bytes."""
    server = serve(app)
    _interrupted(fastdl, server)
    other = FileApp(size=_SIZE, seed=77)
    result = fastdl.get(*_OPTIONS, serve(other).url(), expected=["file.bin"])
    if result.code == 0:
        assert (fastdl.cwd / "file.bin").read_bytes() == other.bytes()
    else:
        assert "file.bin" not in result.files


@pytest.mark.parametrize(
    "damage", ["journal-gone", "journal-empty", "journal-rubbish", "journal-cut", "data-gone", "data-cut"]
)
def test_damaged_partial(fastdl: Runner, serve: Serve, app: FileApp, damage: str) -> None:
    server = serve(app)
    _interrupted(fastdl, server)
    app.rate = None
    data, journal = (fastdl.cwd / f"file.bin{part}" for part in PARTS)
    if damage.endswith("gone"):
        (journal if damage.startswith("journal") else data).unlink()
    elif damage == "journal-empty":
        journal.write_bytes(b"")
    elif damage == "journal-rubbish":
        journal.write_bytes(os.urandom(journal.stat().st_size))
    elif damage == "journal-cut":
        os.truncate(journal, journal.stat().st_size * 2 // 3)
    else:
        os.truncate(data, data.stat().st_size // 8)
    result = fastdl.get(*_OPTIONS, server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_foreign_file_under_the_partial_name(fastdl: Runner, serve: Serve) -> None:
    """A user's own file that happens to be called NAME.fastdl, without a journal, is not taken for ours."""
    app = FileApp(size=300_000)
    mine = fastdl.cwd / "file.bin.fastdl"
    mine.write_bytes(b"my own notes")
    result = fastdl.get("--no-proxy", serve(app).url())
    if result.code == 0:
        assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    else:
        assert mine.read_bytes() == b"my own notes"


def test_two_at_once(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    reached = server.alarm(200_000)
    first = fastdl.start("get", *_OPTIONS, server.url())
    assert reached.wait(20)
    second = fastdl.get(*_OPTIONS, server.url())
    assert second.code == 9
    assert "another fastdl" in second.error.lower()
    app.rate = None
    first.communicate(timeout=30)
    assert first.returncode == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_the_target_appears_meanwhile(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """A file that somebody else put under the name during the download is not overwritten."""
    server = serve(app)
    reached = server.alarm(200_000)
    process = fastdl.start("get", *_OPTIONS, server.url())
    assert reached.wait(20)
    (fastdl.cwd / "file.bin").write_bytes(b"mine")
    app.rate = None
    process.communicate(timeout=30)
    assert process.returncode in (6, 7)
    assert (fastdl.cwd / "file.bin").read_bytes() == b"mine"


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be removed there")
def test_the_folder_vanishes(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    reached = server.alarm(200_000)
    process = fastdl.start("get", *_OPTIONS, "-d", "sub", server.url())
    assert reached.wait(20)
    for path in (fastdl.cwd / "sub").iterdir():
        path.unlink()
    (fastdl.cwd / "sub").rmdir()
    app.rate = None
    _, err = process.communicate(timeout=30)
    assert process.returncode == 6, err
    assert b"Traceback" not in err


# --- fastdl resume ----------------------------------------------------------------------------------------


def test_resume_lists(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    _interrupted(fastdl, server)
    asked = len(server.log)
    result = fastdl("resume", "--list")
    assert result.code == 0
    assert "file.bin" in result.out
    assert len(server.log) == asked, "it only lists"
    assert result.files == {f"file.bin{part}" for part in PARTS}


@pytest.mark.parametrize("where", [(), ("sub",)])
def test_resume_finishes(fastdl: Runner, serve: Serve, app: FileApp, where: tuple[str, ...]) -> None:
    server = serve(app)
    here = Runner(fastdl.cwd.joinpath(*where), fastdl.home)
    here.cwd.mkdir(exist_ok=True)
    _interrupted(here, server)
    app.rate = None
    result = fastdl("resume", "--no-proxy", *where)
    assert result.code == 0, result.err
    assert (here.cwd / "file.bin").read_bytes() == app.bytes()
    assert {path.name for path in here.cwd.iterdir()} == {"file.bin"}


def test_resume_with_nothing_to_do(fastdl: Runner) -> None:
    assert fastdl("resume").code == 0


def test_resume_of_a_masked_url(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """Where the journal holds a masked URL, it says to give the URL again."""
    server = serve(app)
    reached = server.alarm(300_000)
    process = fastdl.start("get", *_OPTIONS, server.url("/file.bin?token=abc"))
    assert reached.wait(20)
    process.kill()
    process.communicate()
    asked = len(server.log)
    result = fastdl("resume", "--no-proxy")
    assert result.code != 0
    assert "url" in result.err.lower() and "***" in result.err + result.out
    assert len(server.log) == asked
    assert Path(fastdl.cwd, "file.bin.fastdl").exists()


# --- demo -------------------------------------------------------------------------------------------------


def test_demo(fastdl: Runner) -> None:
    result = fastdl("demo", timeout=90)
    assert result.code == 0, result.err
    assert result.files == set(), "it leaves nothing behind"
    assert result.out + result.err
