"""`-i` as a user meets it: every format, faults beside good files, secrets, pipes, Ctrl-C, long lists."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servers.files import Answer, FileApp, Reply, site
from servers.raw import Connection, RawServer, Request, Serve
from servers.run import Result, Runner, check, everything_written

_PATIENCE = 20.0  # seconds until something that must happen has happened


def apps(*names: str, **options: object) -> dict[str, FileApp]:
    """Small files of different content, by path."""
    return {f"/{name}": FileApp(size=50_000 + at, seed=at + 1, **options) for at, name in enumerate(names)}  # type: ignore[arg-type]


def serving(serve: Serve, files: dict[str, FileApp], **more: Answer) -> RawServer:
    return serve(site({path: app.answer for path, app in files.items()} | more))


def listed(fastdl: Runner, text: str | bytes, *args: str, name: str = "list.txt") -> Result:
    """`get -i` with this list, which lies beside the folder of the run."""
    path = fastdl.home.parent / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return fastdl.get("--no-proxy", "-i", str(path), *args)


def content(fastdl: Runner, name: str) -> bytes:
    return (fastdl.cwd / name).read_bytes()


# --- formats ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_plain_text(fastdl: Runner, serve: Serve, encoding: str) -> None:
    files = apps("a.bin", "b.bin", "c.bin")
    server = serving(serve, files)
    text = (
        f"# list\r\n{server.url('/a.bin')}\r\n\r\n{server.url('/b.bin')}\r\n  out=sub/ü/x.bin\r\n"
        f"\tchecksum=sha-256={files['/b.bin'].sha256()}\r\n{server.url('/c.bin')}\r\n dir=other"
    )
    result = listed(fastdl, text.encode(encoding), "-d", "d")
    assert result.code == 0, result.err
    names = {"d/a.bin": "/a.bin", "d/sub/ü/x.bin": "/b.bin", "other/c.bin": "/c.bin"}
    assert result.files == {str(Path(name)) for name in names}
    for name, path in names.items():
        assert content(fastdl, name) == files[path].bytes()
    assert "sha256 matches the given one" in result.err


def test_json_lines_and_json_results(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin", "b.bin")
    server = serving(serve, files)
    lines = [
        {"url": server.url("/a.bin"), "out": "x", "checksum": "sha256:" + files["/a.bin"].sha256()},
        {"url": server.url("/b.bin"), "headers": {"X-Team": "build"}},
    ]
    result = listed(fastdl, "\n".join(json.dumps(line) for line in lines), "--json")
    assert result.code == 0
    told = {each["path"]: each for each in result.json}
    assert set(told) == {"x", "b.bin"}
    assert told["x"]["digest"] == {
        "algorithm": "sha256", "value": files["/a.bin"].sha256(), "source": "user", "verified": True,
    }  # fmt: skip
    assert told["b.bin"]["url"] == server.url("/b.bin")


def test_several_urls_on_a_line_are_sources_of_one_file(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin")
    server, mirror = serving(serve, files), serving(serve, files)
    result = listed(fastdl, f"{server.url('/a.bin')}\t{mirror.url('/a.bin')}\n", "--json")
    assert result.code == 0
    (told,) = result.json
    assert [source["url"] for source in told["sources"]] == [server.url("/a.bin"), mirror.url("/a.bin")]
    assert result.files == {"a.bin"}


def metalink(server: RawServer, app: FileApp, name: str = "d/m.bin", digest: str = "") -> str:
    return (
        f'<file name="{name}"><size>{app.size}</size><hash type="sha-256">{digest or app.sha256()}</hash>'
        f'<url priority="1">{server.url("/a.bin")}</url></file>'
    )


def test_a_metalink(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin")
    server = serving(serve, files)
    app = files["/a.bin"]
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">'
        + metalink(server, app)
        + metalink(server, app, "../up")
        + metalink(server, app, "/abs")
        + metalink(server, app, "d/CON.txt")
        + metalink(server, app, "wrong", "00" * 32)
        + "</metalink>"
    )
    result = listed(fastdl, text, "--json", "-d", "e")
    assert result.code == 8
    (good,) = [each for each in result.json if each["path"] == str(Path("e/d/m.bin"))]
    assert (good["exit_code"], good["digest"]["source"], good["digest"]["verified"]) == (0, "metalink", True)
    codes = sorted(each["exit_code"] for each in result.json)
    assert codes == [0, 5, 6, 6, 6]
    assert content(fastdl, "e/d/m.bin") == app.bytes()
    assert result.files == {str(Path("e/d/m.bin"))}
    assert "file 2: the Metalink gives the file an unsafe name" in result.err


@pytest.mark.parametrize("size", [1_000, 3_000_000])
@pytest.mark.parametrize("told", [True, False])
def test_the_size_of_a_metalink_counts_where_it_has_no_digest(
    fastdl: Runner, serve: Serve, size: int, told: bool
) -> None:
    def untold(connection: Connection, request: Request, reply: Reply) -> Reply | None:
        if told:
            return reply
        app.send(connection, reply.set("Content-Length", None).add("Connection", "close"))
        connection.finish()
        return None

    app = FileApp(size, ranges=told, hook=untold)
    server = serve(app.handle)
    entry = f"<url>{server.url('/a.bin')}</url></file>"
    files = "".join(f'<file name="{name}"><size>{size + more}</size>{entry}' for name, more in (("r", 0), ("w", 1)))
    result = listed(fastdl, f'<metalink xmlns="urn:ietf:params:xml:ns:metalink">{files}</metalink>', "--json")
    assert result.code == 8
    assert {Path(each["path"] or "w").name: each["exit_code"] for each in result.json} == {"r": 0, "w": 5}
    assert f"the file has {size} bytes (expected were {size + 1}, as the Metalink says)" in result.err
    assert result.files == {"r"}


# --- faults ----------------------------------------------------------------------------------------------


def test_a_broken_line_does_not_stop_the_others(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin", "b.bin")
    server = serving(serve, files)
    text = (
        f"{server.url('/a.bin')}\nftp://example.org/x\n{server.url('/b.bin')}\n  otu=x\n{server.url('/none')}\n"
        f"{server.url('/b.bin')}\n"
    )
    result = listed(fastdl, text, "--json")
    assert result.code == 8
    assert result.files == {"a.bin", "b.bin"}
    codes = sorted(each["exit_code"] for each in result.json)
    assert codes == [0, 0, 2, 2, 4]
    assert "list.txt, line 2: " in result.err
    assert "list.txt, line 4: no such option 'otu' (did you mean out?)" in result.err
    assert "3 of 5 files failed" in result.err


@pytest.mark.parametrize(
    ("entry", "code"), [("URL", 0), ("URL\n  checksum=sha256:" + "00" * 32, 5), ("URL/none", 4), ("ftp://x/y", 2)]
)
def test_one_entry_has_its_own_code(fastdl: Runner, serve: Serve, entry: str, code: int) -> None:
    server = serving(serve, apps("a.bin"))
    result = listed(fastdl, entry.replace("URL", server.url("/a.bin")), "-q")
    assert result.code == code
    if code:
        assert result.error == result.err.strip(), "one line, no summary"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "list.txt: the list is empty"),
        (b"URL\n\x00\x01", "list.txt, line 2: this is no list"),
        (b"<html></html>", "list.txt: this is no Metalink"),
        (b"<!DOCTYPE m []><metalink/>", "DOCTYPE"),
    ],
)
def test_what_is_no_list_fetches_nothing(fastdl: Runner, serve: Serve, data: bytes, said: str) -> None:
    server = serving(serve, apps("a.bin"))
    result = listed(fastdl, data.replace(b"URL", server.url("/a.bin").encode()))
    assert result.code == 2
    assert said in result.error
    assert server.log == []
    assert result.files == set()


def test_a_list_that_is_not_there(fastdl: Runner) -> None:
    result = fastdl.get("-i", "none.txt")
    assert result.code == 2
    assert "the list none.txt cannot be read" in result.error


# --- with the rest of the command line --------------------------------------------------------------------


def test_urls_and_a_list(fastdl: Runner, serve: Serve) -> None:
    server = serving(serve, apps("a.bin", "b.bin"))
    result = listed(fastdl, server.url("/a.bin"), server.url("/b.bin"))
    assert result.code == 0
    assert result.files == {"a.bin", "b.bin"}


def test_an_output_name_is_for_one_file(fastdl: Runner, serve: Serve) -> None:
    server = serving(serve, apps("a.bin", "b.bin"))
    assert listed(fastdl, server.url("/a.bin"), "-o", "x").files == {"x"}
    result = listed(fastdl, f"{server.url('/a.bin')}\n{server.url('/b.bin')}", "-o", "y")
    assert result.code == 8
    assert result.files == {"x", "y"}
    assert "line 2: --output is for one file" in result.err


def test_one_entry_goes_to_stdout(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin")
    server = serving(serve, files)
    result = listed(fastdl, server.url("/a.bin"), "-o", "-", "-q")
    assert (result.code, result.stdout, result.files) == (0, files["/a.bin"].bytes(), set())


def test_a_dry_run_of_a_list_fetches_nothing(fastdl: Runner, serve: Serve) -> None:
    server = serving(serve, apps("a.bin", "b.bin"))
    result = listed(fastdl, f"{server.url('/a.bin')}\n  out=x\n{server.url('/b.bin')}", "--dry-run", "--json")
    assert result.code == 0
    assert {each["plan"]["path"] for each in result.json} == {"x", "b.bin"}
    assert result.files == set()


def test_two_entries_with_one_name(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin", "b.bin", rate=100_000.0)
    server = serving(serve, files)
    text = "".join(f"{server.url(path)}\n  out=same\n" for path in files)
    result = listed(fastdl, text, "--json")
    assert result.code == 8
    assert sorted(each["exit_code"] for each in result.json) in ([0, 7], [0, 9])
    (good,) = [each["url"] for each in result.json if each["exit_code"] == 0]
    assert content(fastdl, "same") == next(app.bytes() for path, app in files.items() if good == server.url(path))
    assert result.files == {"same"}


def test_the_environment_names_the_list(fastdl: Runner, serve: Serve) -> None:
    server = serving(serve, apps("a.bin"))
    (fastdl.cwd / "l").write_text(server.url("/a.bin"), encoding="utf-8")
    assert fastdl.get(env={"FASTDL_INPUT_FILE": "l"}).files == {"l", "a.bin"}


def test_a_url_that_stands_twice_is_fetched_once(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin", rate=200_000.0)
    server = serving(serve, files)
    result = listed(fastdl, f"{server.url('/a.bin')}\n" * 3)
    assert result.code == 0
    assert result.files == {"a.bin"}
    assert sum(each.body >= files["/a.bin"].size for each in server.log) == 1


def test_secrets_of_an_entry_stay_with_it(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin", "b.bin")
    first, second, mirror = serving(serve, files), serving(serve, files), serving(serve, files)
    text = (
        f"{first.url('/a.bin')}\t{mirror.url('/a.bin')}\n  header=X-Key: hunter2\n  http-user=me\n"
        f"  http-passwd=swordfish\n{second.url('/b.bin')}\n"
    )
    result = listed(fastdl, text, "-v", "--json", "-x", "4", "-k", "8k")
    assert result.code == 0
    assert first.log
    assert second.log
    for exchange in first.log:
        assert exchange.request.get("x-key") == "hunter2"
        assert (exchange.request.get("authorization") or "").startswith("Basic ")
    for exchange in second.log + mirror.log:
        assert exchange.request.get("x-key") is None
        assert exchange.request.get("authorization") is None
    written = everything_written(fastdl.cwd, fastdl.home) + result.stdout + result.stderr
    assert b"hunter2" not in written
    assert b"swordfish" not in written


# --- as it comes -----------------------------------------------------------------------------------------


def test_a_list_from_a_pipe_is_worked_off_while_it_is_written(fastdl: Runner, serve: Serve) -> None:
    server = serving(serve, apps("a.bin", "b.bin"))
    reached = server.alarm(50_000)
    process = fastdl.start("get", "--no-proxy", "-i", "-")
    assert process.stdin is not None
    process.stdin.write(f"{server.url('/a.bin')}\n# the next line shows that it has no options\nx\n".encode())
    process.stdin.flush()
    assert reached.wait(_PATIENCE), "the first file has to wait for the end of the list"
    out, err = process.communicate(server.url("/b.bin").encode(), _PATIENCE)
    result = check(Result(process.returncode, out, err, fastdl.cwd, fastdl.home))
    assert result.code == 8
    assert result.files == {"a.bin", "b.bin"}
    assert "stdin, line 3: " in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_an_interrupt_while_the_list_is_waited_for(fastdl: Runner, serve: Serve) -> None:
    files = apps("a.bin", rate=20_000.0)
    server = serving(serve, files)
    reached = server.alarm(10_000)
    process = fastdl.start("get", "--no-proxy", "-i", "-", "-j", "20")
    assert process.stdin is not None
    process.stdin.write(f"{server.url('/a.bin')}\nx\n".encode())
    process.stdin.flush()
    assert reached.wait(_PATIENCE)
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError("it waits for the list") from None
    finally:
        out, err = process.communicate()
    result = check(Result(code, out, err, fastdl.cwd, fastdl.home))
    assert result.code == 130
    assert result.files == {"a.bin.fastdl", "a.bin.fastdl.journal"}
    assert result.err.count("interrupted") == 1


def test_a_list_of_many_files(fastdl: Runner, serve: Serve) -> None:
    def echo(connection: Connection, request: Request) -> None:
        body = request.target.encode()
        app = FileApp(size=len(body), data=body, etag=None)
        app.send(connection, app.reply(request))

    server = serve(site({"/n/": echo}))
    text = "".join(f"{server.url(f'/n/{number}.txt')}\n  out={number % 10}/{number}.txt\n" for number in range(300))
    result = listed(fastdl, text, "-j", "8", "-q", "--no-durable", "--json")
    assert result.code == 0, result.err
    assert len(result.files) == 300
    for told in result.json:
        number = Path(told["path"]).name
        assert content(fastdl, told["path"]) == f"/n/{number}".encode()
        assert told["sha256"] == hashlib.sha256(f"/n/{number}".encode()).hexdigest()
