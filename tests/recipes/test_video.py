"""The recipe for yt-dlp: with the page's script as its downloader, and with the address alone."""

from __future__ import annotations

import struct

import pytest

from pages.sandbox import Sandbox, needs_bash
from recipes.recipe import Provide, block
from servers.files import FileApp
from servers.raw import RawServer, Serve

PAGE = "recipes-video"
TALK = "https://example.org/talk.mp4"
SIZE = 3 << 20


def video() -> bytes:
    """What begins like an MP4 file, and is long enough for several connections."""
    kind = b"ftypisom" + struct.pack(">I", 512) + b"isomiso2mp41"
    start = struct.pack(">I", 4 + len(kind)) + kind
    return start + struct.pack(">I", SIZE - len(start)) + b"mdat" + bytes(range(256)) * ((SIZE - len(start) - 8) // 256)


@pytest.fixture
def server(serve: Serve) -> RawServer:
    data = video()
    app = FileApp(size=len(data), data=data)

    def as_video(connection: object, request: object, reply: object) -> object:
        return reply.set("Content-Type", "video/mp4")  # type: ignore[attr-defined]

    app.hook = as_video  # type: ignore[assignment]
    return serve(app)


@pytest.fixture
def ready(sandbox: Sandbox, provide: Provide) -> Sandbox:
    provide("yt-dlp", module="yt_dlp")
    script = sandbox.programs / "axel-fastdl"
    script.write_text(block(PAGE, "bash").text, encoding="utf-8")
    script.chmod(0o755)
    sandbox.extra = {"XDG_CONFIG_HOME": str(sandbox.home), "XDG_CACHE_HOME": str(sandbox.home / "cache")}
    return sandbox


@needs_bash
def test_as_its_downloader(ready: Sandbox, server: RawServer) -> None:
    script = block(PAGE, "sh", "--downloader ").text.replace(TALK, server.url("/talk.mp4"))
    ran = ready.run(script)
    assert ran.code == 0, ran.text
    (file,) = ready.cwd.glob("*.mp4")
    assert file.read_bytes() == video()
    agents = {each.request.get("user-agent") or "" for each in server.log if each.range is not None}
    assert agents and all(agent.startswith("Mozilla/") for agent in agents), "the headers of yt-dlp go out"
    assert "axel" in ran.text or "Destination" in ran.text


@needs_bash
def test_cookies_of_yt_dlp_go_to_the_server(ready: Sandbox, server: RawServer) -> None:
    jar = "# Netscape HTTP Cookie File\n127.0.0.1\tFALSE\t/\tFALSE\t0\tsid\tyes\n"
    ready.lay({"jar.txt": jar.encode()})
    script = block(PAGE, "sh", "--downloader ").text.replace(TALK, f"--cookies jar.txt {server.url('/talk.mp4')}")
    ran = ready.run(script)
    assert ran.code == 0, ran.text
    assert server.log[-1].request.get("cookie") == "sid=yes"


@needs_bash
def test_a_failure_is_one(ready: Sandbox, server: RawServer) -> None:
    script = block(PAGE, "sh", "--downloader ").text.replace(TALK, server.url("/talk.mp4"))
    ran = ready.run(script.replace("axel:-x 8", "axel:--max-size 1k"))
    assert ran.code != 0
    assert "exited with code 4" in ran.text
    assert not list(ready.cwd.glob("*.mp4"))


@needs_bash
def test_by_the_address_alone(ready: Sandbox, server: RawServer) -> None:
    ran = ready.run(block(PAGE, "sh", "--print").text.replace(TALK, server.url("/talk.mp4")))
    assert ran.code == 0, ran.text
    assert (ready.cwd / "talk.mp4").read_bytes() == video()


def test_what_the_page_says_of_yt_dlp() -> None:
    from servers.real import package

    external = package("yt_dlp.downloader.external")
    assert external.get_external_downloader("axel-fastdl").__name__ == "AxelFD"
    assert external.get_external_downloader("fastdl") is None
    named = {"aria2c", "axel", "curl", "ffmpeg", "httpie", "wget"}
    assert named <= {*external.list_external_downloaders()}, "newer versions may know more"
