"""What a download leaves in the state folder, as `history` and `stats` tell it; no state can fail a download."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from servers.files import FileApp
from servers.raw import Serve
from servers.run import Runner, everything_written


@pytest.fixture
def app() -> FileApp:
    return FileApp(size=300_000)


@pytest.fixture
def state(fastdl: Runner, tmp_path: Path) -> Path:
    """The database, in a folder of its own."""
    fastdl.env["FASTDL_STATE_DIR"] = str(tmp_path / "state")
    return tmp_path / "state" / "state.sqlite3"


def entries(fastdl: Runner) -> list[dict[str, Any]]:
    result = fastdl("history", "--json")
    assert result.code == 0
    return result.json


def known(fastdl: Runner) -> list[dict[str, Any]]:
    result = fastdl("stats", "--json")
    assert result.code == 0
    return json.loads(result.out)["servers"]  # type: ignore[no-any-return]


def test_a_download_is_remembered(fastdl: Runner, serve: Serve, app: FileApp, state: Path) -> None:
    server = serve(app)
    assert fastdl.get("-o", "one", server.url()).code == 0
    assert fastdl.get("-o", "two", "--checksum", f"sha256:{app.sha256()}", server.url()).code == 0
    two, one = entries(fastdl)
    assert (one["path"], two["path"]) == (str(fastdl.cwd / "one"), str(fastdl.cwd / "two"))
    assert (one["size"], one["exit_code"], one["error"], one["url"]) == (300_000, 0, None, server.url())
    assert two["sha256"] == app.sha256()
    assert two["digest_source"] == "user"
    netloc = server.url().split("/")[2]
    assert one["sources"] == [{"host": netloc, "trust": "origin", "bytes": 300_000}]
    (learned,) = known(fastdl)
    assert (learned["host"], learned["downloads"], learned["bytes"]) == (netloc, 2, 600_000)
    assert learned["ranges"] is True
    assert learned["latency"] > 0


def test_a_failure_is_remembered(fastdl: Runner, serve: Serve, app: FileApp, state: Path) -> None:
    wrong = "sha256:" + "0" * 64
    assert fastdl.get("--checksum", wrong, serve(app).url()).code == 5
    (entry,) = entries(fastdl)
    assert entry["exit_code"] == 5
    assert "sha256" in entry["error"]


@pytest.mark.parametrize("way", ["header", "user", "query", "userinfo"])
def test_a_private_download_leaves_no_path(way: str, fastdl: Runner, serve: Serve, app: FileApp, state: Path) -> None:
    url = serve(app).url().replace("file.bin", "confidential/matter.bin")
    netloc = url.split("/")[2]
    args = {
        "header": ["-H", "X-Key: hunter2", url],
        "user": ["-u", "me:hunter2", url],
        "query": [url + "?token=hunter2"],
        "userinfo": [url.replace("://", "://me:hunter2@")],
    }[way]
    assert fastdl.get("-o", "x", *args).code == 0
    (entry,) = entries(fastdl)
    assert entry["url"] == f"http://{netloc}/***"
    assert [server["host"] for server in known(fastdl)] == [netloc]
    written = everything_written(state.parent)
    assert b"hunter2" not in written
    assert b"confidential" not in written


@pytest.mark.parametrize("place", ["file", "environment"])
def test_history_switched_off(place: str, fastdl: Runner, serve: Serve, app: FileApp, state: Path) -> None:
    if place == "file":
        config = fastdl.home / "config.toml"
        config.write_text("history = false\n", encoding="utf-8")
        fastdl.env["FASTDL_CONFIG"] = str(config)
    else:
        fastdl.env["FASTDL_HISTORY"] = "no"
    assert fastdl.get(serve(app).url()).code == 0
    assert entries(fastdl) == []
    assert len(known(fastdl)) == 1, "servers are no history"


def test_a_folder_that_cannot_be_made_costs_nothing(fastdl: Runner, serve: Serve, app: FileApp, state: Path) -> None:
    state.parent.write_bytes(b"a file stands here")
    result = fastdl.get(serve(app).url(), expected=["file.bin"])
    assert result.code == 0
    assert "warning" not in result.err
    assert state.parent.read_bytes() == b"a file stands here"


@pytest.mark.parametrize("fault", ["damaged", "newer"])
def test_a_file_that_is_set_aside_is_told_once(
    fault: str, fastdl: Runner, serve: Serve, app: FileApp, state: Path
) -> None:
    state.parent.mkdir()
    if fault == "damaged":
        state.write_bytes(b"no database" * 1000)
    else:
        db = sqlite3.connect(state)
        db.execute("pragma user_version = 99")
        db.commit()
        db.close()
    server = serve(app)
    result = fastdl.get("-o", "a", server.url())
    assert result.code == 0
    warnings = [line for line in result.err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    assert f"set aside as state.sqlite3.{fault}" in warnings[0]
    again = fastdl.get("-o", "b", server.url())
    assert (again.code, "warning" in again.err) == (0, False)
    assert len(entries(fastdl)) == 2
