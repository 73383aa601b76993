"""The program for Windows does what the command does: commands, TLS, HTTP/2, names and paths, resuming, progress."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

import fastdl
from archives import entry, tar, zst
from servers.files import FileApp
from servers.raw import Serve
from servers.real import Nginx, expected
from servers.tls import Certificates
from servers.windows import Windows
from wine.prefix import windows_path

MOST = 30 << 20  # bytes of the archive
DEEP = "/".join(["a folder with a long name, " + "x" * 33] * 5)  # with the folder of a test, more than 260 characters


def test_the_archive_is_small_and_holds_one_folder(archive: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        names = packed.namelist()
    assert archive.stat().st_size <= MOST
    assert {name.partition("/")[0] for name in names} == {"fastdl"}
    assert {"fastdl/fastdl.exe", "fastdl/LICENSE.txt", "fastdl/THIRD-PARTY.txt"} <= set(names)


def test_the_version(windows: Windows) -> None:
    assert windows("--version").out.split() == ["fastdl", fastdl.__version__]


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--help"], "resume"),
        (["get", "--help"], "--checksum"),
        (["config"], "connections"),
        (["history", "--json"], ""),
        (["mirrors", "--json"], "{"),
        (["explain", "--offline", "--json", "https://example.org/disk.iso"], "disk.iso"),
        (["--show-completion", "powershell"], "Register-ArgumentCompleter"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_find_their_modules_and_tables(windows: Windows, args: list[str], says: str) -> None:
    done = windows(*args)
    assert done.code == 0, done.err
    assert says in done.out


def test_the_doctor_misses_nothing(windows: Windows) -> None:
    told = windows("doctor", "--json", "https://127.0.0.1:9/").json[0]
    findings = [finding["status"] for finding in told["findings"] if finding["check"] == "program"]
    assert findings and "wrong" not in findings, told


def test_tls_by_an_authority_of_ones_own(windows: Windows, serve: Serve, certificates: Certificates) -> None:
    app = FileApp(size=3_000_001)
    server = serve(app, tls=certificates.context())
    url = server.url("/a%20file.bin", host="localhost")
    refused = windows.get(url)
    assert refused.code == 3 and "cannot be trusted" in refused.error
    assert refused.files == set()
    done = windows.get("--json", "--checksum", f"sha256:{app.sha256()}", "--cacert", windows_path(certificates.ca), url)
    assert done.code == 0, done.err
    assert (windows.cwd / "a file.bin").read_bytes() == app.bytes()
    assert done.json[0]["sha256"] == app.sha256()


def test_http_2(windows: Windows, nginx: Nginx, certificates: Certificates) -> None:
    trusted = ["--cacert", windows_path(certificates.ca)]
    done = windows.get("--http", "2", *trusted, f"{nginx.h2}/large.bin")
    assert done.code == 0, done.err
    assert (windows.cwd / "large.bin").read_bytes() == expected("large.bin")


@pytest.mark.parametrize(
    "folder", ["a folder", "Gr\u00f6\u00dfe \u6587\u4ef6", DEEP], ids=["blank", "non-ascii", "deep"]
)
def test_paths(windows: Windows, serve: Serve, folder: str) -> None:
    app = FileApp(size=400_000)
    target = windows.cwd / folder
    if folder == DEEP:
        assert len(windows_path(target)) > 260
    url = serve(app).url("/f%C3%AFle%20%E6%96%87.bin")
    done = windows.get("-d", windows_path(target), url)
    assert done.code == 0, done.err
    (path,) = [path for path in target.rglob("*") if path.is_file()]
    assert path.name == "f\u00efle \u6587.bin"
    assert path.read_bytes() == app.bytes()


@pytest.mark.parametrize("name", ["CON", "aux.txt", "com1", "a.bin:b"])
def test_names_that_are_no_files(windows: Windows, serve: Serve, name: str) -> None:
    done = windows.get("-o", name, "--overwrite", serve(FileApp(size=1000)).url())
    assert done.code == 6
    assert done.err.startswith(f"fastdl: error: cannot create {name} (Windows takes"), done.err
    assert done.err.count("\n") == 1 and not list(windows.cwd.iterdir())


def test_a_killed_download_goes_on(windows: Windows, serve: Serve, certificates: Certificates) -> None:
    app = FileApp(size=12_000_000, rate=1_500_000)
    server = serve(app, tls=certificates.context())
    args = ("get", "--cacert", windows_path(certificates.ca), server.url(host="localhost"))
    enough = server.alarm(6_000_000)
    with windows.start(*args) as process:
        assert enough.wait(60)
        process.kill()
    left = {path.name for path in windows.cwd.iterdir()}
    assert left == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    app.rate = None
    done = windows(*args)
    assert done.code == 0, done.err
    assert "were there already" in done.err
    assert (windows.cwd / "file.bin").read_bytes() == app.bytes()
    assert server.body_sent < app.size + 4_000_000


def test_progress_in_a_console(windows: Windows, serve: Serve) -> None:
    app = FileApp(size=6_000_000, rate=1_500_000)
    # Wine 8 counts escape sequences as cells, so that a line which fills a row would wrap: a row that is never full.
    windows.env["NO_COLOR"] = "1"
    code, console = windows.at_console("get", "-x", "1", serve(app).url("/Gr%C3%B6%C3%9Fe.bin"), width=180)
    assert code == 0, console.shown
    bars = [
        line for line in console.shown if line.startswith("Gr\u00f6\u00dfe.bin") and "%" in line and "\u2588" in line
    ]
    assert len(bars) >= 3, console.shown
    assert not any("%" in line for line in console.lines), console.lines
    assert any("MiB in" in line for line in console.lines)
    assert (windows.cwd / "Gr\u00f6\u00dfe.bin").read_bytes() == app.bytes()


def test_ctrl_c_in_a_console(windows: Windows, serve: Serve) -> None:
    app = FileApp(size=12_000_000, rate=300_000)
    server = serve(app)
    windows.env["NO_COLOR"] = "1"
    code, console = windows.at_console("get", "-x", "1", server.url(), width=180, stop_at="5%")
    assert code == 130, console.lines
    assert any("interrupted" in line for line in console.lines), console.lines
    assert {path.name for path in windows.cwd.iterdir()} == {"file.bin.fastdl", "file.bin.fastdl.journal"}
    app.rate = None
    sent = server.body_sent
    assert windows.get(server.url()).code == 0
    assert (windows.cwd / "file.bin").read_bytes() == app.bytes()
    assert server.body_sent - sent < app.size


def test_extraction(windows: Windows, serve: Serve) -> None:
    packed = zst(tar(entry("tool/readme.txt", b"hello")))
    url = serve(FileApp(size=len(packed), data=packed)).url("/tool.tar.zst")
    done = windows.get("--extract", url)
    assert done.code == 0, done.err
    assert (windows.cwd / "tool/readme.txt").read_bytes() == b"hello"
