"""--extract and --on-complete as a user meets them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from archives import PACKERS, Zipped, entry, tar, zipped
from servers.content import content
from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

_LARGE = content(7, 0, 700_001)
_TREE = tar(entry("d/large", _LARGE), entry("d/small", b"small"), entry("top", b"top"))
_TELL = "import json, sys; open(sys.argv[1], 'a').write(json.dumps(sys.argv[2:]) + '\\n')"


def command(*words: str) -> str:
    """A command line of this system."""
    return subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)


def served(serve: Serve, data: bytes, name: str = "/an.archive") -> str:
    return serve(FileApp(data=data, size=len(data))).url(name)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told.json"


def lines(path: Path) -> list[list[str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- --extract -------------------------------------------------------------------------------------------

_EXTRACTED = ["d/large", "d/small", "top"]


@pytest.mark.parametrize("kind", [*PACKERS, "zip"])
def test_extract(fastdl: Runner, serve: Serve, kind: str) -> None:
    data = zipped(Zipped(b"d/large", _LARGE, method=8), "d/small", "top") if kind == "zip" else PACKERS[kind](_TREE)
    url = served(serve, data)
    name = os.path.join("out", "an.archive")
    result = fastdl.get("--extract", "-d", "out", url)
    assert result.code == 0
    assert result.files == {name, *(os.path.join("out", *path.split("/")) for path in _EXTRACTED)}
    assert (fastdl.cwd / "out" / "d" / "large").read_bytes() == _LARGE
    assert (fastdl.cwd / name).read_bytes() == data
    assert "unpacked 3 files into out" in result.err


def test_extract_again(fastdl: Runner, serve: Serve) -> None:
    """The same command leads to the same end: what is missing comes back, from the archive that is there."""
    server = serve(FileApp(data=_TREE, size=len(_TREE)))
    assert fastdl.get("--extract", server.url()).code == 0
    (fastdl.cwd / "top").unlink()
    result = fastdl.get("--extract", server.url())
    assert result.code == 0
    assert "unpacked 3 files into this folder" in result.err
    assert (fastdl.cwd / "top").read_bytes() == b"top"


def test_extract_and_json(fastdl: Runner, serve: Serve) -> None:
    (told,) = fastdl.get("--extract", "--json", "-d", "out", served(serve, _TREE)).json
    assert told["unpacked"] == {"files": 3, "dir": "out"}
    (told,) = fastdl.get("--json", served(serve, _TREE)).json
    assert "unpacked" not in told


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (tar(entry("ok", b"x"), entry("../evil", b"x")), "leads out of the folder"),
        (tar(entry("l", kind=b"2", target="/etc/passwd")), "link"),
        (tar(entry("null", kind=b"3")), "a device"),
        (zipped("ok", "/evil"), "is absolute"),
        (zipped("ok", Zipped(b"bomb", bytes(80 << 20), method=8)), "200 times"),
        (PACKERS["tar.gz"](_TREE)[:-9], "cut off"),
    ],
)
def test_unsafe(fastdl: Runner, serve: Serve, data: bytes, says: str) -> None:
    result = fastdl.get("--extract", "-q", served(serve, data))
    assert result.code == 5
    assert says in result.error
    assert result.err == result.error + "\n"
    assert result.files == {"an.archive"}, "the archive stays, nothing else is there"
    assert not (fastdl.cwd.parent / "evil").exists()


def test_the_name_promised_an_archive(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("--extract", served(serve, b"<html>not found</html>", "/x.tar.gz"))
    assert result.code == 5
    assert "not the archive that its name says" in result.error
    assert result.files == {"x.tar.gz"}


def test_one_file_that_is_no_archive(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("--extract", served(serve, b"a text", "/x.txt"))
    assert result.code == 5
    assert "no archive" in result.error
    assert result.files == {"x.txt"}


@pytest.mark.parametrize("many", [False, True])
def test_of_several_files_the_archives_are_unpacked(fastdl: Runner, serve: Serve, many: bool) -> None:
    """Small ones are given their names by the lot: each is unpacked all the same."""
    urls = [served(serve, tar(entry(f"common/f{n}", b"x")), f"/{n}.tar") for n in range(9 if many else 2)]
    result = fastdl.get("--extract", *urls, served(serve, b"a text", "/x.asc"))
    assert result.code == 0, result.err
    wanted = {f"{n}.tar" for n in range(len(urls))} | {os.path.join("common", f"f{n}") for n in range(len(urls))}
    assert result.files == wanted | {"x.asc"}


def test_what_is_there_is_not_replaced(fastdl: Runner, serve: Serve) -> None:
    (fastdl.cwd / "top").write_bytes(b"mine")
    url = served(serve, _TREE)
    result = fastdl.get("--extract", url)
    assert result.code == 7
    assert "--overwrite, --skip-existing or --auto-rename" in result.error
    assert result.files == {"an.archive", "top"}
    assert fastdl.get("--extract", "--auto-rename", url).code == 0
    assert (fastdl.cwd / "top").read_bytes() == b"mine"
    assert fastdl.get("--extract", "--overwrite", url).code == 0
    assert (fastdl.cwd / "top").read_bytes() == b"top"


def test_nothing_is_unpacked_before_the_digest_is_right(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("--extract", "--checksum", "sha256:" + "0" * 64, served(serve, _TREE))
    assert result.code == 5
    assert result.files == set()


def test_dry_run(fastdl: Runner, serve: Serve, told: Path) -> None:
    run = command(sys.executable, "-c", _TELL, str(told))
    assert fastdl.get("--dry-run", "--extract", "--on-complete", run, served(serve, _TREE)).code == 0
    assert not told.exists()
    assert not list(fastdl.cwd.iterdir())


@pytest.mark.parametrize("option", [("--extract",), ("--on-complete", "x")])
def test_not_with_stdout(fastdl: Runner, serve: Serve, option: tuple[str, ...]) -> None:
    url = served(serve, _TREE)
    result = fastdl.get("-o", "-", *option, url)
    assert result.code == 2
    assert option[0] in result.error
    name = "FASTDL_" + option[0][2:].upper().replace("-", "_")
    result = fastdl.get("-o", "-", url, env={name: option[-1] if option[1:] else "on"})
    assert result.code == 0, "what a config says for all runs does not keep anybody from using stdout"
    assert result.stdout == _TREE


@pytest.mark.parametrize("line", ["extract=true", "on-complete=touch evil"])
def test_a_list_of_somebody_else_cannot_ask_for_it(fastdl: Runner, serve: Serve, line: str) -> None:
    url = served(serve, _TREE)
    result = fastdl.get("-i", "-", stdin=f"{url}\n  {line}\n".encode())
    assert result.code == 2
    assert "for the whole run" in result.error
    assert result.files == set()


# --- --on-complete ---------------------------------------------------------------------------------------


def test_on_complete(fastdl: Runner, serve: Serve, told: Path) -> None:
    app = FileApp(size=300_000)
    url = serve(app).url()
    words = (sys.executable, "-c", _TELL, str(told), "{path}", "x={url}", "{sha256}", "{other}", "a b")
    result = fastdl.get("-d", "a folder", "-o", "it's {url}.bin", url, "--on-complete", command(*words))
    assert result.code == 0, result.err
    path = str(fastdl.cwd / "a folder" / "it's {url}.bin")
    assert lines(told) == [[path, f"x={url}", app.sha256(), "{other}", "a b"]]


def test_not_for_a_file_that_was_there(fastdl: Runner, serve: Serve, told: Path) -> None:
    url = serve(FileApp()).url()
    run = command(sys.executable, "-c", _TELL, str(told), "{path}")
    assert fastdl.get(url).code == 0
    assert fastdl.get(url, "--on-complete", run).code == 0
    assert not told.exists()


def test_not_for_a_file_that_failed(fastdl: Runner, serve: Serve, told: Path) -> None:
    run = command(sys.executable, "-c", _TELL, str(told), "{path}")
    url = serve(FileApp()).url()
    assert fastdl.get(url, "--checksum", "md5:" + "0" * 32, "--on-complete", run).code == 5
    assert fastdl.get(served(serve, zipped("../x")), "--extract", "--on-complete", run).code == 5
    assert not told.exists()


def test_after_the_unpacking(fastdl: Runner, serve: Serve, told: Path) -> None:
    text = "import os, sys; open(sys.argv[1], 'w').write(str(sorted(os.listdir('.'))))"
    url = served(serve, _TREE)
    assert fastdl.get(url, "--extract", "--on-complete", command(sys.executable, "-c", text, str(told))).code == 0
    assert told.read_text() == "['an.archive', 'd', 'top']"


@pytest.mark.parametrize("count", [2, 8])
def test_for_each_of_several(fastdl: Runner, serve: Serve, told: Path, count: int) -> None:
    server = serve(FileApp(size=2000))
    urls = [server.url(f"/{n}.bin") for n in range(count)]
    text = "import os, sys; assert os.path.getsize(sys.argv[1]) == 2000; open(sys.argv[1] + '.seen', 'x')"
    result = fastdl.get(*urls, "--on-complete", command(sys.executable, "-c", text, "{path}"))
    assert result.code == 0
    assert "warning" not in result.err
    assert result.files == {f"{n}.bin{end}" for n in range(count) for end in ("", ".seen")}


def test_a_failing_command_is_a_warning(fastdl: Runner, serve: Serve) -> None:
    url = serve(FileApp()).url()
    result = fastdl.get(url, "--on-complete", command(sys.executable, "-c", "raise SystemExit(3)", "s3cr3t"))
    assert result.code == 0
    assert "warning: --on-complete: " in result.err
    assert "ended with exit 3" in result.err
    assert "s3cr3t" not in result.err


def test_a_command_that_is_not_there_is_a_warning(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get(serve(FileApp()).url(), "--on-complete", "no-such-program-at-all {path}")
    assert result.code == 0
    assert "no-such-program-at-all cannot be run (there is no such program)" in result.err


def test_its_output_goes_to_stderr(fastdl: Runner, serve: Serve) -> None:
    run = command(sys.executable, "-c", "print('from the command')")
    result = fastdl.get(serve(FileApp()).url(), "--json", "--on-complete", run)
    assert len(result.json) == 1
    assert "from the command" in result.err


def test_it_is_told_no_secret(fastdl: Runner, serve: Serve, told: Path) -> None:
    text = "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps([sys.argv, dict(os.environ)]))"
    url = serve(FileApp()).url("/file.bin?token=s3cr3t").replace("http://", "http://me:s3cr3t@")
    run = command(sys.executable, "-c", text, str(told), "{url}")
    result = fastdl.get(url, "--on-complete", run, env={"FASTDL_HEADER": "X: s3cr3t"})
    assert result.code == 0
    assert "***" in told.read_text(encoding="utf-8")
    assert "s3cr3t" not in told.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", '"', "a 'b", "  "])
def test_no_valid_command(fastdl: Runner, serve: Serve, text: str) -> None:
    if sys.platform == "win32" and "'" in text:
        pytest.skip("a character like any other there")
    result = fastdl.get(serve(FileApp()).url(), "--on-complete", text)
    assert result.code == 2
    assert "--on-complete" in result.error
    assert result.files == set()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_with_the_run(
    fastdl: Runner, serve: Serve, tmp_path: Path, number: signal.Signals, code: int, count: int
) -> None:
    """Even where the terminal sends its signal to fastdl alone."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    text = "import sys, time; open(sys.argv[1], 'w').write('begun'); time.sleep(60)"
    urls = [serve(FileApp(size=2000)).url(f"/{n}") for n in range(count)]
    run = command(sys.executable, "-c", text, str(fifo))
    with fastdl.start("get", "-j", "1", *urls, "--on-complete", run) as process:
        assert fifo.read_text() == "begun"
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert b"Traceback" not in err
