"""A list of files with its lock, and runs of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from servers.files import Answer, FileApp, site
from servers.raw import RawServer, Serve
from servers.run import Result, Runner
from small_files import apps


class Case:
    """A server, a list of its files, and the lock beside the folder of the run."""

    def __init__(self, fastdl: Runner, serve: Serve, files: dict[str, FileApp], **more: Answer) -> None:
        self.fastdl, self.files = fastdl, files
        self.server: RawServer = serve(site({path: app.answer for path, app in files.items()} | more))
        self.list = fastdl.home.parent / "list.txt"
        self.lock = fastdl.home.parent / "files.lock"
        self.side = Path(f"{self.lock}.fastdl")
        self.write(*files)

    def write(self, *paths: str) -> None:
        self.list.write_text("".join(f"{self.url(path)}\n" for path in paths), "utf-8")

    def url(self, path: str) -> str:
        head, newline, rest = path.partition("\n")
        return self.server.url(head) + newline + rest

    @property
    def arguments(self) -> list[str]:
        return ["get", "--no-proxy", "-i", str(self.list), "--lock", str(self.lock), "--json"]

    def run(self, *args: str) -> Result:
        result = self.fastdl(*self.arguments, *args)
        assert not Path(f"{self.lock}.fastdl.new").exists()
        return result

    @property
    def entries(self) -> list[dict[str, Any]]:
        lines = self.lock.read_text("utf-8").splitlines()
        assert lines[0] == '{"fastdl-lock": 1}'
        return [json.loads(line) for line in lines[1:]]

    def path(self, name: str) -> Path:
        return self.fastdl.cwd / name

    def change_lock(self, line: int, **fields: Any) -> None:
        """Write other facts into a line, counted from 1."""
        lines = self.lock.read_text("utf-8").splitlines()
        lines[line - 1] = json.dumps(json.loads(lines[line - 1]) | fields)
        self.lock.write_text("\n".join(lines) + "\n", "utf-8")


@pytest.fixture
def case(fastdl: Runner, serve: Serve) -> Case:
    return Case(fastdl, serve, apps(6))


def told(result: Result, name: str) -> dict[str, Any]:
    return next(each for each in result.json if each["url"].endswith(name))
