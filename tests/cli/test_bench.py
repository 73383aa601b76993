"""`fastdl bench`: which programs it runs and how, what it compares, what it says and leaves behind."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fastdl.cli import bench, bench_tools
from fastdl.cli.bench_server import FileServer
from fastdl.demo_server import Content
from fastdl.errors import IntegrityError, NoSpace, UsageError
from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

SIZE = 300_000
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts here")
FETCH = """#!/bin/sh
if [ "$1" = --version ]; then echo "{name} 9.8.7"; exit 0; fi
echo "{name} $*" >> "{log}"
{before}
exec "{python}" - "$@" <<'END'
import os, sys, urllib.request
args = sys.argv[1:]
flag = {{"curl": "-o", "wget": "-O", "wget2": "-O", "aria2c": "-o"}}["{name}"]
path = args[args.index(flag) + 1]
if "{name}" == "aria2c":
    path = os.path.join(args[args.index("-d") + 1], path)
data = urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(args[-1]).read()
open(path, "wb").write({change})
END
"""


class Place:
    """A PATH with programs of this test's own, a folder for temporary files, and a log of what was run."""

    def __init__(self, folder: Path, fastdl: Runner) -> None:
        self.bin, self.temp, self.log = folder / "bin", folder / "temp", folder / "log"
        self.fastdl = fastdl
        self.bin.mkdir()
        self.temp.mkdir()
        for name in ("sh", "cat", "sleep", "kill"):
            path = shutil.which(name)
            if path is not None:
                (self.bin / name).symlink_to(path)
        fastdl.env |= {"PATH": str(self.bin), "TMPDIR": str(self.temp), "TEMP": str(self.temp), "TMP": str(self.temp)}

    def add(self, name: str, *, before: str = "", change: str = "data") -> None:
        text = FETCH.format(name=name, log=self.log, python=sys.executable, before=before, change=change)
        path = self.bin / name
        path.write_text(text, "utf-8")
        path.chmod(0o755)

    @property
    def lines(self) -> list[str]:
        return self.log.read_text("utf-8").splitlines() if self.log.exists() else []


@pytest.fixture
def place(tmp_path: Path, fastdl: Runner) -> Place:
    return Place(tmp_path, fastdl)


@POSIX
def test_all_are_run_in_turns_and_nothing_is_left(place: Place) -> None:
    for name in ("curl", "wget", "aria2c"):
        place.add(name)
    result = place.fastdl("bench", "--size", str(SIZE), "--runs", "2", "--json", expected=[])
    assert result.code == 0, result.err
    (told,) = result.json
    assert (told["size"], told["runs"], told["missing"]) == (SIZE, 2, ["wget2"])
    assert [one["name"] for one in told["programs"]] == ["fastdl", "curl", "wget", "aria2c"]
    for one in told["programs"]:
        assert len(one["seconds"]) == 2
        assert one["median"] == pytest.approx(sum(one["seconds"]) / 2, abs=1e-5)
        assert one["ratio"] == pytest.approx(one["median"] / told["programs"][0]["median"], abs=1e-3)
        assert one["bytes_per_second"] == pytest.approx(SIZE / one["median"], rel=0.01)
        assert one["error"] is None
    assert told["programs"][1]["version"] == "9.8.7"
    assert [line.split()[0] for line in place.lines] == ["curl", "wget", "aria2c"] * 2
    assert list(place.temp.iterdir()) == []
    assert result.err == ""


@POSIX
def test_the_table(place: Place) -> None:
    place.add("curl")
    result = place.fastdl("bench", "--size", "100k", "--runs", "1", expected=[])
    assert result.code == 0, result.err
    heads, own, curl = result.out.splitlines()
    assert heads.split()[:2] == ["program", "median"]
    assert own.startswith("fastdl ")
    assert own.endswith(" 1.00")
    assert curl.startswith("curl 9.8.7 ")
    assert "200.0 KiB are needed" in result.err
    assert "Not installed: wget, wget2, aria2c" in result.err


@POSIX
def test_a_program_that_fails_is_out_and_the_others_go_on(place: Place) -> None:
    place.add("curl", before="echo first >&2; printf 'bad\\033[1m luck\\n' >&2; exit 22")
    place.add("wget", before="exit 0")
    place.add("aria2c")
    result = place.fastdl("bench", "--size", "50k", "--runs", "2", "--json", expected=[])
    assert result.code == 0, result.err
    programs = {one["name"]: one for one in result.json[0]["programs"]}
    assert programs["curl"]["error"].startswith("exit 22: bad")
    assert "\x1b" not in programs["curl"]["error"]
    assert programs["wget"]["error"] == "it left no file"
    assert programs["curl"]["ratio"] is None
    assert programs["aria2c"]["ratio"] > 0
    assert len([line for line in place.lines if line.startswith("curl")]) == 1


@POSIX
@pytest.mark.parametrize("change", ["data[:-1]", "data[:-1] + b'?'"])
def test_other_bytes_are_found_out(place: Place, change: str) -> None:
    place.add("curl", change=change)
    place.add("wget")
    result = place.fastdl("bench", "--size", "50k", "--runs", "1", expected=[])
    assert result.code == 5
    assert "the server, fastdl, wget; curl" in result.error
    assert list(place.temp.iterdir()) == []


@POSIX
def test_a_url(place: Place, serve: Serve) -> None:
    server = serve(FileApp(size=SIZE))
    place.add("curl")
    config = place.fastdl.home / "c.toml"
    place.fastdl.home.mkdir(exist_ok=True)
    config.write_text("connections = 1\nheader = ['X-Secret: s3cr3t']\n", "utf-8")
    env = {"FASTDL_CONFIG": str(config), "FASTDL_LIMIT_RATE": "1"}
    result = place.fastdl("bench", server.url(), "--runs", "1", "--json", expected=[], env=env)
    assert result.code == 0, result.err
    (told,) = result.json
    assert (told["url"], told["size"]) == (server.url(), SIZE)
    assert place.lines[0].split()[-1] == server.url()
    assert all(exchange.request.get("x-secret") is None for exchange in server.log), "settings of the user's stay out"


@POSIX
def test_a_url_that_fails(place: Place, serve: Serve) -> None:
    app = FileApp()
    server = (
        serve(lambda connection: app.handle(connection))
        if False
        else serve(FileApp(hook=lambda c, q, r: app.short(404)))
    )
    place.add("curl")
    result = place.fastdl("bench", server.url(), "--runs", "1", expected=[])
    assert result.code == 4
    assert "404" in result.error
    assert place.lines == []


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["http://me:hunter2@127.0.0.1:1/f"], "user name or a secret"),
        (["http://127.0.0.1:1/f?token=hunter2"], "user name or a secret"),
        (["http://127.0.0.1:1/f", "--size", "1k"], "--size"),
        (["http://127.0.0.1:1/f", "http://127.0.0.1:1/g"], "one URL"),
        (["ftp://127.0.0.1/f"], "ftp"),
        (["--runs", "0"], "--runs"),
        (["--size", "0"], "--size"),
    ],
)
def test_usage(place: Place, words: list[str], what: str) -> None:
    place.add("curl") if sys.platform != "win32" else None
    result = place.fastdl("bench", *words, expected=[])
    assert result.code == 2
    assert what in result.error
    assert "hunter2" not in result.err
    assert place.lines == []


@POSIX
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(place: Place, number: signal.Signals, code: int) -> None:
    pipe = place.temp.parent / "started"
    os.mkfifo(pipe)
    place.add("curl", before=f'echo $$ > "{pipe}"; exec sleep 600')
    with place.fastdl.start("bench", "--size", "50k", "--runs", "1") as process:
        child = int(pipe.read_text("utf-8"))
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.decode().splitlines()[-1].startswith("fastdl: error: ")
    assert list(place.temp.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@POSIX
def test_a_signal_while_a_program_is_being_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It came between the start and the waiting: the program went on, or was not waited for."""
    begun: list[Any] = []
    start = bench_tools._Child.start

    def interrupted(child: Any) -> None:
        start(child)
        (tmp_path / "pipe").read_text("utf-8")  # the program may be there before its Popen is
        with child._lock:
            begun.append(child._process)
        raise KeyboardInterrupt

    monkeypatch.setattr(bench_tools._Child, "start", interrupted)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(KeyboardInterrupt):
        bench_tools.run(["sh", "-c", "echo x > pipe; exec sleep 600"], os.environ, str(tmp_path))
    (process,) = begun
    assert process.returncode == -signal.SIGKILL


# --- the parts -------------------------------------------------------------------------------------------


def test_the_server_sends_any_range(tmp_path: Path) -> None:
    threads = threading.active_count()
    size = 3 * 1024 * 1024 + 5
    server = FileServer(str(tmp_path / "f"), size)
    try:
        data = b"".join(Content(size).pieces(0, size))
        assert (tmp_path / "f").read_bytes() == data
        connection = HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        for start, end in ((0, size), (1, 2), (1_000_000, 2_500_001), (size - 1, size)):
            connection.request("GET", "/", headers={"Range": f"bytes={start}-{end - 1}"})
            response = connection.getresponse()
            assert response.status == 206
            assert hashlib.sha256(response.read()).digest() == hashlib.sha256(data[start:end]).digest()
        connection.close()
    finally:
        server.close()
    assert threading.active_count() <= threads + 1  # a handler may be at its last line


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "free_space", lambda path: 1000)
    with pytest.raises(NoSpace, match="no room") as caught:
        bench._check_room(str(tmp_path), 1001)
    assert "are needed" in caught.value.why
    bench._check_room(str(tmp_path), 1000)


def test_no_program_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows finds one there before it looks at the PATH."""
    monkeypatch.setattr(bench_tools.shutil, "which", lambda name: str(tmp_path / name))
    monkeypatch.setenv("PATH", os.pathsep.join(["", str(tmp_path / "bin")]))
    assert bench_tools._which("curl") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bench_tools._which("curl") == str(tmp_path / "curl")


def test_the_environment_of_the_runs(tmp_path: Path) -> None:
    environ = {"FASTDL_PROXY": "x", "https_proxy": "http://p", "NO_PROXY": "a", "OTHER": "kept", "PYTHONPATH": "src"}
    made = bench_tools.environment(str(tmp_path), environ, loopback=True)
    assert made["OTHER"] == "kept"
    assert {"FASTDL_PROXY", "https_proxy", "NO_PROXY"}.isdisjoint(made)
    assert Path(made["FASTDL_CONFIG"]).read_bytes() == b""
    assert Path(made["FASTDL_STATE_DIR"]).parent == tmp_path
    assert all(os.path.isabs(part) for part in made["PYTHONPATH"].split(os.pathsep))
    assert bench_tools.environment(str(tmp_path), environ, loopback=False)["https_proxy"] == "http://p"


def test_the_programs_read_no_config_and_get_the_url_as_it_is() -> None:
    url = "https://example.org/a b;rm"
    for name, arguments in bench_tools.PEERS:
        given = arguments(url, os.path.join("place", "file"))
        assert given[-1] == url
        assert given[0] in ("-q", "--no-config", "--no-conf=true"), name


def test_a_frozen_fastdl_starts_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench_tools.own_program() == (sys.executable, "-m", "fastdl")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert bench_tools.own_program() == (sys.executable,)


def test_errors_are_of_the_tree() -> None:
    with pytest.raises(UsageError):
        bench.main(["a", "b"])
    own = bench.Entry(bench_tools.fastdl(), [bench_tools.Outcome(1.0, None, "exit 3: lost", 3)], "exit 3: lost")
    with pytest.raises(Exception, match="fastdl itself failed") as caught:
        bench._verdict([own], {})
    assert getattr(caught.value, "code", None) == 3
    with pytest.raises(IntegrityError):
        bench._verdict([bench.Entry(bench_tools.fastdl())], {"a": ["x"], "b": ["y"]})
    assert json.loads(json.dumps(bench._program(own, None)))["error"] == "exit 3: lost"
