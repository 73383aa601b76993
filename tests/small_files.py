"""Lists of small files: what is served, what is asked for, what is there in the end."""

from __future__ import annotations

from collections import Counter

from servers.files import Answer, FileApp, site
from servers.raw import RawServer, Serve
from servers.run import Result, Runner

PATIENCE = 20.0  # seconds until something that must happen has happened
ZEROS = "  checksum=sha-256=" + "00" * 32 + "\n"


def apps(count: int, size: int = 2_000) -> dict[str, FileApp]:
    """Small files of different content, by path."""
    return {f"/{at:03}.bin": FileApp(size=size + at, seed=at + 1) for at in range(count)}


def serving(serve: Serve, files: dict[str, FileApp], **more: Answer) -> RawServer:
    return serve(site({path: app.answer for path, app in files.items()} | more))


def write(fastdl: Runner, text: str) -> str:
    path = fastdl.home.parent / "list.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def listed(fastdl: Runner, text: str, *args: str) -> Result:
    """`get -i` with this list, which lies beside the folder of the run."""
    return fastdl.get("--no-proxy", "-i", write(fastdl, text), *args)


def urls(server: RawServer, paths: dict[str, FileApp] | list[str]) -> str:
    return "".join(f"{server.url(path)}\n" for path in paths)


def have(fastdl: Runner, files: dict[str, FileApp]) -> None:
    """These files are there, whole, and nothing else."""
    found = {str(path.relative_to(fastdl.cwd)) for path in fastdl.cwd.rglob("*") if path.is_file()}
    assert found == {path[1:] for path in files}
    for path, app in files.items():
        assert (fastdl.cwd / path[1:]).read_bytes() == app.bytes()


def asked(server: RawServer) -> Counter[str]:
    """Requests by path."""
    return Counter(each.request.target for each in server.log)


def codes(result: Result) -> dict[str, int]:
    """Exit codes by the last part of the URL."""
    return {told["url"].rpartition("/")[2]: told["exit_code"] for told in result.json}
