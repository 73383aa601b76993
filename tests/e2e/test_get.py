"""The contract of `fastdl get`: where the file goes, what is there already, and what the disk refuses."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

_SPLIT = ("-x", "4", "-k", "128k")


@pytest.fixture
def app() -> FileApp:
    """A small file."""
    return FileApp(size=300_000)


# --- where to ---------------------------------------------------------------------------------------------


def test_plain(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    result = fastdl.get(server.url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert result.files == {"file.bin"}
    assert result.out == "", "stdout is for those who ask for it"
    assert server.log[0].range == (0, None), "the first request is a GET that brings bytes: no HEAD, no probe"
    assert len(server.log) == 1, "a small file needs one request"


@pytest.mark.parametrize("order", [("-o", "x.dat", "URL"), ("URL",)])
def test_without_the_word_get(fastdl: Runner, serve: Serve, app: FileApp, order: tuple[str, ...]) -> None:
    url = serve(app).url()
    result = fastdl(*(url if word == "URL" else word for word in order), expected=["x.dat", "file.bin"])
    assert result.code == 0
    assert result.files == {"x.dat" if "-o" in order else "file.bin"}


def test_output_name_and_folder(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    result = fastdl.get("-d", "a/b", "-o", "other.dat", serve(app).url())
    assert result.code == 0
    assert (fastdl.cwd / "a" / "b" / "other.dat").read_bytes() == app.bytes()
    assert result.files == {str(Path("a/b/other.dat"))}


@pytest.mark.parametrize("options", [(), _SPLIT])
def test_output_to_stdout(fastdl: Runner, serve: Serve, options: tuple[str, ...]) -> None:
    app = FileApp(size=2_000_003, rate=3e6)
    result = fastdl.get("-o", "-", *options, serve(app).url())
    assert result.code == 0
    assert result.stdout == app.bytes()
    assert result.files == set()


def test_output_to_stdout_with_a_wrong_digest(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """What has gone out cannot be taken back, but the exit code tells."""
    result = fastdl.get("-o", "-", "--checksum", f"sha256:{'0' * 64}", serve(app).url())
    assert result.code == 5
    assert result.error


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_stdout_that_is_closed(fastdl: Runner, serve: Serve) -> None:
    """As in `fastdl get -o - URL | head`: it ends, without a traceback."""
    server = serve(FileApp(size=4 << 20, rate=2e6))
    process = fastdl.start("get", "-o", "-", server.url())
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.read(1000) == FileApp(size=1000).bytes()
    process.stdout.close()
    process.stdout = None
    err = process.stderr.read()
    assert process.wait(20) not in (0, 1)
    assert b"Traceback" not in err
    process.communicate()


def test_empty_file(fastdl: Runner, serve: Serve) -> None:
    result = fastdl.get("--json", serve(FileApp(size=0)).url())
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == b""
    assert result.json[0]["size"] == 0


@pytest.mark.parametrize("size", [1, 2, 65535, 65536, 65537, 262144, 1 << 20, (1 << 20) + 1, 3_333_333])
def test_sizes(fastdl: Runner, serve: Serve, size: int) -> None:
    app = FileApp(size=size)
    result = fastdl.get("-k", "64k", serve(app).url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_several_connections(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=4 << 20, rate=1e6)
    server = serve(app)
    result = fastdl.get("--json", *_SPLIT, server.url(), expected=["file.bin"])
    assert result.code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert len({exchange.connection for exchange in server.log if exchange.body > 0}) >= 4, "four are worth it here"
    assert app.peak <= 5, "-x 4 allows no more; a server may notice late that one was given up"
    assert server.body_sent < app.size * 1.1


def test_one_connection(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=1 << 20, rate=2e6)
    server = serve(app)
    assert fastdl.get("-x", "1", server.url()).code == 0
    assert len(server.log) == 1 and server.accepted == 1


def test_per_host(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=1 << 20, rate=1e6)
    server = serve(app)
    urls = [server.url(f"/{name}.bin") for name in "abcd"]
    assert fastdl.get("--per-host", "2", "-k", "64k", *urls).code == 0
    assert app.peak <= 2


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_permissions_follow_the_umask(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    assert fastdl.get(serve(app).url()).code == 0
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((fastdl.cwd / "file.bin").stat().st_mode) == 0o666 & ~mask


def test_no_remote_time(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    assert fastdl.get("--no-remote-time", "-o", "now", serve(app).url()).code == 0
    assert fastdl.get("-o", "then", serve(app).url()).code == 0
    now, then = ((fastdl.cwd / name).stat().st_mtime for name in ("now", "then"))
    assert int(then) == 1704164645  # OLD_DATE
    assert now > then


# --- the target exists ------------------------------------------------------------------------------------


@pytest.fixture
def taken(fastdl: Runner) -> Path:
    """A file of the user's own under the name."""
    path = fastdl.cwd / "file.bin"
    path.write_bytes(b"mine")
    return path


def test_existing_is_kept(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get(serve(app).url(), expected=["file.bin"])
    assert result.code == 7
    assert taken.read_bytes() == b"mine"
    assert all(option in result.error for option in ("--overwrite", "--skip-existing", "--auto-rename"))
    assert result.files == {"file.bin"}


def test_existing_overwrite(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get("--overwrite", serve(app).url(), expected=["file.bin"])
    assert result.code == 0
    assert taken.read_bytes() == app.bytes()


def test_existing_overwrite_only_when_whole(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get("--overwrite", "--checksum", f"sha256:{'0' * 64}", serve(app).url(), expected=["file.bin"])
    assert result.code == 5
    assert taken.read_bytes() == b"mine"


def test_existing_skip(fastdl: Runner, serve: Serve, taken: Path) -> None:
    server = serve(FileApp(size=3_000_000, rate=3e6))
    result = fastdl.get("--skip-existing", server.url(), expected=["file.bin"])
    assert result.code == 0
    assert taken.read_bytes() == b"mine"
    assert server.body_sent < 1_500_000


def test_existing_auto_rename(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    result = fastdl.get("--json", "--auto-rename", serve(app).url())
    assert result.code == 0
    assert taken.read_bytes() == b"mine"
    (new,) = result.files - {"file.bin"}
    assert (fastdl.cwd / new).read_bytes() == app.bytes()
    assert Path(result.json[0]["path"]).name == new and new.endswith(".bin")


def test_existing_and_the_very_same(fastdl: Runner, serve: Serve, app: FileApp, taken: Path) -> None:
    """Known by its digest: success, without another download."""
    taken.write_bytes(app.bytes())
    server = serve(app)
    result = fastdl.get("--checksum", f"sha256:{app.sha256()}", server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert taken.read_bytes() == app.bytes()


def test_existing_folder(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    (fastdl.cwd / "file.bin").mkdir()
    result = fastdl.get("--overwrite", serve(app).url())
    assert result.code in (6, 7)
    assert (fastdl.cwd / "file.bin").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_existing_link_out_of_the_folder(fastdl: Runner, serve: Serve, app: FileApp, tmp_path: Path) -> None:
    """A link that was planted under the name leads nowhere: the file behind it is not touched."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (fastdl.cwd / "file.bin").symlink_to(victim)
    for suffix in (".fastdl", ".fastdl.journal"):
        (fastdl.cwd / f"file.bin{suffix}").symlink_to(victim)
    fastdl.get("--overwrite", serve(app).url())
    assert victim.read_bytes() == b"precious"


# --- -N ---------------------------------------------------------------------------------------------------


def test_newer_fetches_once(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    assert fastdl.get("-N", server.url()).code == 0
    sent = server.body_sent
    result = fastdl.get("-N", server.url(), expected=["file.bin"])
    assert result.code == 0
    assert server.body_sent - sent < 1000, "nothing new, nothing fetched"
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_newer_replaces(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    server = serve(app)
    assert fastdl.get("-N", server.url()).code == 0
    app.change(size=123_456)
    app.last_modified = "Wed, 03 Jan 2024 03:04:05 GMT"
    result = fastdl.get("-N", server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


def test_newer_by_its_date_alone(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=2_000_000, etag=None, rate=4e6)
    server = serve(app)
    assert fastdl.get("-N", server.url()).code == 0
    sent = server.body_sent
    assert fastdl.get("-N", server.url()).code == 0
    assert server.body_sent - sent < 1_000_000, "not newer"
    app.change()
    app.last_modified = "Wed, 03 Jan 2024 03:04:05 GMT"
    assert fastdl.get("-N", server.url()).code == 0
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()


# --- the disk ---------------------------------------------------------------------------------------------


def test_folder_that_is_a_file(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    (fastdl.cwd / "blocked").write_bytes(b"")
    result = fastdl.get("-d", "blocked", serve(app).url())
    assert result.code == 6
    assert result.error


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    (fastdl.cwd / "closed").mkdir(mode=0o500)
    assert fastdl.get("-d", "closed", serve(app).url()).code == 6


def test_name_that_is_too_long(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    result = fastdl.get("-o", "x" * 300, serve(app).url())
    assert result.code == 6
    assert result.files == set()


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="needs ulimit")
@pytest.mark.parametrize("options", [(), _SPLIT])
def test_file_size_limit(fastdl: Runner, serve: Serve, options: tuple[str, ...]) -> None:
    """A quota (here RLIMIT_FSIZE): exit 6, never a signal."""
    server = serve(FileApp(size=3_000_000, rate=3e6))
    script = fastdl.cwd.parent / "limited.sh"
    script.write_text('ulimit -f 100\nexec "$@"\n', "utf-8")
    result = fastdl.get(*options, server.url(), through=["/bin/sh", str(script)])
    assert result.code == 6, result.err
    assert "file.bin" not in result.files


@pytest.mark.skipif(sys.platform == "win32", reason="devices have other names there")
def test_output_to_a_device(fastdl: Runner, serve: Serve, app: FileApp) -> None:
    """`-o /dev/null` as with curl: nothing is created beside it, and the digest is checked all the same."""
    checksum = hashlib.sha256(app.bytes()).hexdigest()
    server = serve(app)
    result = fastdl.get("-o", "/dev/null", "--checksum", f"sha256:{checksum}", server.url(), expected=[])
    assert result.code == 0, result.err
    assert fastdl.get("-o", "/dev/null", "--checksum", "sha256:" + "0" * 64, server.url(), expected=[]).code == 5


def test_a_url_given_twice(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=3_000_000, rate=6e6)
    server = serve(app)
    result = fastdl.get("--json", server.url(), server.url(), expected=["file.bin"])
    assert result.code == 0, result.err
    assert [line["exit_code"] for line in result.json] == [0, 0]
    assert (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert server.body_sent < 1.5 * app.size, "it is fetched once"


def test_a_writer_that_cannot_be_had_is_told(fastdl: Runner, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    (tmp_path / "without/numpy.py").write_text("raise ImportError('not here')", encoding="ascii")
    app = FileApp(size=3_000_000)
    path = os.pathsep.join([str(tmp_path / "without"), os.environ.get("PYTHONPATH", "")])
    env = {"FASTDL_WRITER": "mmap", "PYTHONPATH": path}
    result = fastdl.get(serve(app).url(), env=env)
    assert result.code == 0 and (fastdl.cwd / "file.bin").read_bytes() == app.bytes()
    assert result.err.count("FASTDL_WRITER=mmap does nothing: ") == 1, result.err
    assert "does nothing" not in fastdl.get("-o", "b", serve(app).url()).err
