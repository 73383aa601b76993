"""`--profile FILE`: where the time went, for every outcome."""

from __future__ import annotations

import itertools
import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner

SIZE = 3 << 20
BLOCK = 1 << 20  # bytes that one read brings at most
TINY = 2e-6 * 50  # seconds: each part is rounded to a microsecond


def profile_of(path: Path) -> dict[str, Any]:
    """The report, after what must hold of each has been checked."""
    report: dict[str, Any] = json.loads(path.read_text("utf-8"))
    assert report["version"] == 1
    assert report["seconds"] >= report["start_up"]["seconds"] > 0
    assert report["sum"]["seconds"] == pytest.approx(sum(report["sum"]["steps"].values()), abs=TINY)
    for file in report["files"]:
        adds_up(file["seconds"], file["steps"])
        timeline_adds_up(file)
        for part in (*file["workers"], *file["helpers"], *file["sources"]):
            adds_up(part["seconds"], part["phases"])
        if file["workers"]:
            assert sum(worker["bytes"] for worker in file["workers"]) == file["bytes"]
            # Each worker lives within the file; one that is given up may outlive it by a moment.
            assert max(worker["seconds"] for worker in file["workers"]) <= file["seconds"] + 10
    workers = [worker for file in report["files"] for worker in file["workers"]]
    total = report["sum"]["workers"]
    assert total["seconds"] == pytest.approx(
        sum(worker["seconds"] for worker in workers), abs=TINY * (1 + len(workers))
    )
    adds_up(total["seconds"], total["phases"])
    return report


def timeline_adds_up(file: dict[str, Any]) -> None:
    """The spans of each thread follow one another, within the file's time, and have all of its bytes. (A block that
    came just before its connection was given up counts for nothing but the time.)"""
    spans = file["timeline"]["spans"]
    assert [span["start"] for span in spans] == sorted(span["start"] for span in spans)
    for number in {span["worker"] for span in spans}:
        mine = [span for span in spans if span["worker"] == number]
        assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(mine))
    assert all(0 <= span["start"] <= span["end"] <= file["seconds"] + 10 for span in spans)
    assert all(span["source"] is None or span["source"] < len(file["sources"]) for span in spans)
    for number, source in enumerate(file["sources"]):
        surplus = sum(span["bytes"] for span in spans if span["source"] == number) - source["bytes"]
        assert 0 <= surplus <= len(file["workers"]) * BLOCK


def adds_up(seconds: float, phases: dict[str, float]) -> None:
    assert all(value >= 0 for value in phases.values())
    assert sum(phases.values()) <= seconds + 1e-9
    assert sum(phases.values()) == pytest.approx(seconds, abs=1e-9)


def test_one_file(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=SIZE)
    server = serve(app)
    result = fastdl.get("--no-proxy", "-x", "2", "-k", "64k", "--profile", "p.json", "--json", server.url())
    assert result.code == 0, result.err
    assert result.files == {"file.bin", "p.json"}
    report = profile_of(fastdl.cwd / "p.json")
    assert (report["count"], report["failed"], report["bytes"]) == (1, 0, SIZE)
    (file,) = report["files"]
    assert (file["path"], file["size"], file["exit_code"], file["error"]) == ("file.bin", SIZE, 0, None)
    assert {"look", "transfer", "digest", "flush", "rename"} <= set(file["steps"])
    (source,) = file["sources"]
    assert source["requests"] == len(server.log)
    assert {"connect", "first_byte", "receive", "disk"} <= set(source["phases"])
    assert "idle" not in source["phases"]
    assert sum("receive" in worker["phases"] for worker in file["workers"]) >= 1


def test_each_source_on_its_own(fastdl: Runner, serve: Serve) -> None:
    first, second = serve(FileApp(size=SIZE, rate=3e5)), serve(FileApp(size=SIZE, rate=3e5))
    options = ("--no-proxy", "-x", "4", "-k", "64k", "--profile", "p.json", "--no-cdn")
    assert fastdl.get(*options, "-m", second.url(), first.url()).code == 0
    (file,) = profile_of(fastdl.cwd / "p.json")["files"]
    assert [source["url"] for source in file["sources"]] == [first.url(), second.url()]
    for source, server in zip(file["sources"], (first, second), strict=True):
        assert source["requests"] == len(server.log) > 0
        assert source["phases"]["receive"] > 0


def test_a_download_that_goes_on(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=2.5e5)
    server = serve(app)
    reached = server.alarm(900_000)
    process = fastdl.start("get", "--no-proxy", "-x", "2", server.url())
    assert reached.wait(60)
    process.kill()
    process.communicate()
    app.rate = None
    for command in (("get", server.url()), ("resume",)):
        result = fastdl(*command, "--no-proxy", "--profile", f"{command[0]}.json")
        assert result.code == 0, result.err
        if command[0] == "get":
            (file,) = profile_of(fastdl.cwd / "get.json")["files"]
            assert file["resumed_bytes"] > 300_000
            assert file["resumed_bytes"] + file["bytes"] - file["wasted_bytes"] == SIZE


def test_resume_makes_one_report_of_all(fastdl: Runner, serve: Serve) -> None:
    app = FileApp(size=SIZE, rate=1.5e5)
    server = serve(app)
    for name in ("a", "b"):
        reached = server.alarm(server.body_sent + 900_000)
        process = fastdl.start("get", "--no-proxy", "-o", name, server.url())
        assert reached.wait(60)
        process.kill()
        process.communicate()
    app.rate = None
    assert fastdl("resume", "--no-proxy", "--profile", "p.json").code == 0
    report = profile_of(fastdl.cwd / "p.json")
    assert [Path(file["path"]).name for file in report["files"]] == ["a", "b"]


def test_failures(fastdl: Runner, serve: Serve) -> None:
    """A refusal, and one failure of several; the exit codes stay."""
    app = FileApp(
        size=40_000, hook=lambda connection, request, reply: app.short(404) if "no" in request.target else reply
    )
    server = serve(app)
    result = fastdl.get("--no-proxy", "--profile", "p.json", server.url("/no.bin"))
    assert result.code == 4
    (file,) = profile_of(fastdl.cwd / "p.json")["files"]
    assert (file["exit_code"], file["bytes"]) == (4, 0)
    assert "404" in file["error"]
    urls = [server.url(f"/{name}.bin") for name in ("a", "no", "b", "c", "d")]
    result = fastdl.get(
        "--no-proxy", "--profile", "p.json", *urls, expected=["a.bin", "b.bin", "c.bin", "d.bin", "p.json"]
    )
    assert result.code == 8
    report = profile_of(fastdl.cwd / "p.json")
    assert (report["count"], report["failed"]) == (5, 1)
    assert {file["url"]: file["exit_code"] for file in report["files"]} == {url: 4 * ("no" in url) for url in urls}


def test_nobody_there(fastdl: Runner) -> None:
    result = fastdl.get("--no-proxy", "--retries", "0", "--profile", "p.json", "http://127.0.0.1:1/file.bin")
    assert result.code == 3
    (file,) = profile_of(fastdl.cwd / "p.json")["files"]
    assert (file["exit_code"], file["workers"][0]["phases"].keys() >= {"connect"}) == (3, True)


def test_a_list(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=20_000))
    names = [f"f{number}.bin" for number in range(12)]
    (fastdl.cwd / "list").write_text("".join(server.url(f"/{name}") + "\n" for name in names), "utf-8")
    result = fastdl.get("--no-proxy", "-i", "list", "--profile", "p.txt", "-q", expected=[*names, "p.txt", "list"])
    assert result.code == 0, result.err
    text = (fastdl.cwd / "p.txt").read_text("utf-8")
    assert text.startswith(text.splitlines()[0])
    assert "All 12 files together" in text
    assert all(server.url(f"/{name}") in text for name in names)


def test_a_timeline_of_two_sources(fastdl: Runner, serve: Serve) -> None:
    first, second = serve(FileApp(size=SIZE, rate=3e5)), serve(FileApp(size=SIZE, rate=3e5))
    options = ("--no-proxy", "-x", "4", "-k", "64k", "--profile", "p.json", "--no-cdn")
    assert fastdl.get(*options, "-m", second.url(), first.url()).code == 0
    (file,) = profile_of(fastdl.cwd / "p.json")["files"]
    spans = file["timeline"]["spans"]
    assert file["timeline"]["left_out"] == 0
    assert {"look", "transfer", "rename"} <= {span["phase"] for span in spans if span["worker"] is None}
    for source in (0, 1):
        phases = [span["phase"] for span in spans if span["source"] == source]
        assert {"connect", "first_byte", "receive"} <= set(phases)
    longest = max(span["end"] - span["start"] for span in spans if span["phase"] == "receive")
    assert longest < 2, "a body is told in slices"


def test_the_state_folder_has_the_times_of_the_last_files(fastdl: Runner, serve: Serve) -> None:
    """From them `stats --html` draws; not for a private download, nor where no history is written."""
    server = serve(FileApp(size=20_000))
    urls = [server.url(f"/f{number}.bin") for number in range(25)]
    (fastdl.cwd / "list").write_text("".join(f"{url}\n" for url in urls), "utf-8")
    assert fastdl.get("--no-proxy", "-i", "list", "--profile", "p.json").code == 0
    profile_of(fastdl.cwd / "p.json")
    assert fastdl.get("--no-proxy", server.url("/plain.bin")).code == 0
    private = ("--no-proxy", "--profile", "q.json", "-H", "X-Key: s3cr3t", server.url("/private.bin"))
    assert fastdl.get(*private).code == 0
    off = {"FASTDL_HISTORY": "off"}
    quiet = ("--no-proxy", "--profile", "r.json", server.url("/unseen.bin"))
    assert fastdl.get(*quiet, env=off).code == 0
    result = fastdl("stats", "--html", "page.html")
    assert result.code == 0, result.err
    page = (fastdl.cwd / "page.html").read_text("ascii")
    shown = re.findall(r"<summary>(.*?)</summary>", page)
    drawn = [line for line in shown if line.endswith("with a waterfall")]
    assert len(drawn) == 20
    assert not any("private" in line or "plain" in line for line in drawn)
    assert not any(word in page for word in ("s3cr3t", "unseen", server.url("/private.bin")))
    assert page.count("What each connection did when") == 20
    assert fastdl("history", "clear").code == 0
    assert fastdl("stats", "--html", "page.html").code == 0
    assert "with a waterfall" not in (fastdl.cwd / "page.html").read_text("ascii")


def test_the_environment_and_the_config_file(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp())
    config = fastdl.home / "mine.toml"
    config.write_text('profile = "from-config.json"\n', "utf-8")
    env = {"FASTDL_CONFIG": str(config)}
    assert fastdl.get("--no-proxy", server.url("/a.bin"), env=env).code == 0
    assert fastdl.get("--no-proxy", server.url("/b.bin"), env=env | {"FASTDL_PROFILE": "from-env.json"}).code == 0
    for name, file in (("from-config.json", "a.bin"), ("from-env.json", "b.bin")):
        assert profile_of(fastdl.cwd / name)["files"][0]["path"] == file


def test_secrets_are_masked(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp())
    url = server.url("/file.bin?token=s3cr3t&a=1").replace("://", "://me:hunter2@")
    for name in ("p.json", "p.txt"):
        assert fastdl.get("--no-proxy", "--overwrite", "--profile", name, url).code == 0
        text = (fastdl.cwd / name).read_text("utf-8")
        assert "s3cr3t" not in text
        assert "hunter2" not in text
        assert "token=***" in text


@pytest.mark.parametrize("where", ["missing/p.json", ".", "plain/p.json"])
def test_what_cannot_be_written_is_told_before_anything_is_asked(fastdl: Runner, serve: Serve, where: str) -> None:
    server = serve(FileApp())
    (fastdl.cwd / "plain").write_bytes(b"")
    result = fastdl.get("--no-proxy", "--profile", where, server.url())
    assert result.code == 6
    assert "cannot write the profile" in result.error
    assert server.log == []
    assert result.files == {"plain"}


def test_the_download_is_not_replaced_by_its_profile(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp())
    result = fastdl.get("--no-proxy", "-d", "sub", "-o", "f", "--profile", "sub/../sub/f", server.url(), expected=[])
    assert result.code == 2
    assert "same file" in result.error
    assert server.log == []


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process there")
def test_interrupted(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp(size=SIZE, rate=100_000))
    reached = server.alarm(400_000)
    process = fastdl.start("get", "--no-proxy", "--profile", "p.json", server.url())
    assert reached.wait(60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    (file,) = profile_of(fastdl.cwd / "p.json")["files"]
    assert file["exit_code"] == 130
    assert 0 < file["bytes"] < SIZE


def test_an_earlier_file_is_replaced_in_one_step(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp())
    target = fastdl.cwd / "p.json"
    target.write_text("old", "utf-8")
    for name in ("p.json", "p.json.1.draft"):
        (fastdl.cwd / name).write_text("old", "utf-8")
    assert fastdl.get("--no-proxy", "--profile", "p.json", server.url()).code == 0
    assert profile_of(target)["count"] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="needs links that anybody may make")
def test_a_link_stays_a_link_and_a_device_a_device(fastdl: Runner, serve: Serve) -> None:
    server = serve(FileApp())
    (fastdl.cwd / "real.json").write_text("old", "utf-8")
    (fastdl.cwd / "link").symlink_to("real.json")
    assert fastdl.get("--no-proxy", "--profile", "link", server.url()).code == 0
    assert (fastdl.cwd / "link").is_symlink()
    assert profile_of(fastdl.cwd / "real.json")["count"] == 1
    result = fastdl.get("--no-proxy", "--overwrite", "--profile", "/dev/stdout", "-q", server.url())
    assert result.code == 0
    assert json.loads(result.out)["count"] == 1
